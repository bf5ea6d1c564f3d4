//! `millstream groups`: what kafka-consumer-groups does, for groups of every kind.

use super::kafka_tool::{ToolError, admin, confirm, meant_topic, print, print_line};
use super::{CommandResult, Exit};
use crate::clock::now_ms;
use millstream_core::TopicPartition;
use millstream_kafka::Admin;
use millstream_kafka::admin::{EARLIEST, GroupDescription, GroupKind, LATEST};
use millstream_tools::groups::{
    Aspect, Facts, GroupState, GroupsAction, GroupsArgs, ListColumns, OffsetRow, ResetTarget,
    ResetTopics, TopicPartitions, Which, deleted_text, group_json, list_json, list_text,
    members_text, new_offset, offsets_text, reset_json, reset_text, state_text,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) async fn run(args: GroupsArgs) -> CommandResult {
    let action = args.action(now_ms()).map_err(Exit::usage)?;
    let admin = admin(&args.connection).await?;
    match action {
        GroupsAction::List(columns) => list(&admin, &columns, args.json).await,
        GroupsAction::Describe {
            groups,
            what,
            verbose,
        } => match args.json {
            true => describe_json(&admin, &groups).await,
            false => describe(&admin, &groups, what, verbose).await,
        },
        GroupsAction::Reset {
            groups,
            topics,
            target,
        } => {
            let resets = plan(&admin, &groups, &topics, target).await?;
            reset(&admin, &resets, &args).await
        }
        GroupsAction::Delete(groups) => delete(&admin, &groups, args.yes, args.json).await,
    }
}

async fn list(admin: &Admin, columns: &ListColumns, json: bool) -> CommandResult {
    let groups = admin.list_groups().await?;
    match json {
        true => print_line(list_json(&groups, columns))?,
        false => print(list_text(&groups, columns))?,
    }
    Ok(())
}

async fn names(admin: &Admin, groups: &Which) -> Result<Vec<String>, ToolError> {
    Ok(match groups {
        Which::Named(names) => names.clone(),
        Which::All => {
            let listed = list_text(&admin.list_groups().await?, &ListColumns::default());
            listed.lines().map(str::to_owned).collect()
        }
    })
}

async fn describe(admin: &Admin, groups: &Which, what: Aspect, verbose: bool) -> CommandResult {
    let found = described(admin, groups).await?;
    for group in &found.groups {
        let text = match what {
            Aspect::Offsets => offsets_text(group, &offsets(admin, group).await?, verbose),
            Aspect::Members => members_text(group, verbose),
            Aspect::State => state_text(group, verbose),
        };
        if let GroupState::Note(note) = GroupState::of(group) {
            eprintln!("{note}");
        }
        print(text)?;
    }
    found.complete()
}

async fn describe_json(admin: &Admin, groups: &Which) -> CommandResult {
    let found = described(admin, groups).await?;
    let mut shown = Vec::new();
    for group in &found.groups {
        shown.push(group_json(group, &offsets(admin, group).await?));
    }
    print_line(Value::Array(shown))?;
    found.complete()
}

/// The groups that are meant, and what is to be said of those that are not there.
struct Found {
    groups: Vec<GroupDescription>,
    missing: Vec<String>,
}

impl Found {
    fn complete(self) -> CommandResult {
        match self.missing.is_empty() {
            true => Ok(()),
            false => Err(self.missing.join(" ").into()),
        }
    }
}

async fn described(admin: &Admin, groups: &Which) -> Result<Found, ToolError> {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for name in names(admin, groups).await? {
        match admin.describe_group(&name).await? {
            Some(group) => found.push(group),
            None => missing.push(format!("Consumer group '{name}' does not exist.")),
        }
    }
    Ok(Found {
        groups: found,
        missing,
    })
}

/// How far the group has read each partition, and how far that could be.
async fn offsets(admin: &Admin, group: &GroupDescription) -> Result<Vec<OffsetRow>, ToolError> {
    if group.kind == GroupKind::Share {
        let begun = admin.share_group_offsets(&group.id).await?;
        let places = begun.iter().map(|one| one.place.clone()).collect();
        let ends = offsets_at(admin, &led(admin, places).await?, LATEST).await?;
        return Ok(OffsetRow::of_share(&begun, &ends));
    }
    let committed = admin.group_commits(&group.id).await?;
    let assigned = group.members.iter().flat_map(|member| &member.partitions);
    let places = committed.iter().map(|one| &one.place).chain(assigned);
    let places = led(admin, places.cloned().collect()).await?;
    let ends = offsets_at(admin, &places, LATEST).await?;
    Ok(OffsetRow::of(group, &committed, &ends))
}

/// Those that a broker leads: the others cannot be asked about.
async fn led(
    admin: &Admin,
    places: BTreeSet<TopicPartition>,
) -> Result<Vec<TopicPartition>, ToolError> {
    let topics: BTreeSet<String> = places.iter().map(|place| place.topic.to_string()).collect();
    if topics.is_empty() {
        return Ok(Vec::new());
    }
    let topics: Vec<String> = topics.into_iter().collect();
    let details = admin.topic_details(Some(&topics)).await?;
    let led: BTreeSet<(&str, i32)> = details
        .iter()
        .flat_map(|topic| {
            let led = topic.partitions.iter().filter(|one| one.leader.is_some());
            led.map(|one| (topic.name.as_str(), one.index))
        })
        .collect();
    let is_led = |place: &TopicPartition| led.contains(&(&*place.topic, place.partition));
    Ok(places.into_iter().filter(is_led).collect())
}

async fn offsets_at(
    admin: &Admin,
    places: &[TopicPartition],
    time: i64,
) -> Result<BTreeMap<TopicPartition, i64>, ToolError> {
    if places.is_empty() {
        return Ok(BTreeMap::new());
    }
    Ok(admin
        .list_offsets(places, time)
        .await?
        .into_iter()
        .collect())
}

/// What the offsets of one group are to be.
struct GroupReset {
    group: String,
    is_share: bool,
    offsets: Vec<(TopicPartition, i64)>,
}

/// What the groups' offsets are to be.
async fn plan(
    admin: &Admin,
    groups: &Which,
    topics: &ResetTopics,
    target: ResetTarget,
) -> Result<Vec<GroupReset>, ToolError> {
    let mut resets = Vec::new();
    for name in names(admin, groups).await? {
        let found = admin.describe_group(&name).await?;
        match &found {
            Some(found) => refuse(found)?,
            None => tracing::warn!("there is no group '{name}': new offsets make one"),
        }
        let is_share = found.is_some_and(|found| found.kind == GroupKind::Share);
        resets.push(GroupReset {
            offsets: plan_of_group(admin, &name, is_share, topics, target).await?,
            group: name,
            is_share,
        });
    }
    Ok(resets)
}

async fn plan_of_group(
    admin: &Admin,
    group: &str,
    is_share: bool,
    topics: &ResetTopics,
    target: ResetTarget,
) -> Result<Vec<(TopicPartition, i64)>, ToolError> {
    let known: Vec<(TopicPartition, Option<i64>)> = match is_share {
        true => {
            let begun = admin.share_group_offsets(group).await?.into_iter();
            begun.map(|one| (one.place, one.start)).collect()
        }
        false => {
            let offsets = admin.group_offsets(group).await?.into_iter();
            offsets.map(|(place, at)| (place, Some(at))).collect()
        }
    };
    let places = match topics {
        ResetTopics::Known => {
            let places = known.iter().map(|(place, _)| place.clone());
            led(admin, places.collect()).await?
        }
        ResetTopics::Named(topics) => named(admin, topics).await?,
    };
    let starts = offsets_at(admin, &places, EARLIEST).await?;
    let ends = offsets_at(admin, &places, LATEST).await?;
    let at_time = match target {
        ResetTarget::Time(time) => offsets_at(admin, &places, time).await?,
        _ => BTreeMap::new(),
    };
    let known: BTreeMap<TopicPartition, Option<i64>> = known.into_iter().collect();
    let mut offsets = Vec::new();
    for place in places {
        let facts = Facts {
            start: starts.get(&place).copied().unwrap_or(0),
            end: ends.get(&place).copied().unwrap_or(0),
            committed: known.get(&place).copied().flatten(),
            at_time: at_time.get(&place).copied().filter(|offset| *offset >= 0),
        };
        let reset = new_offset(target, &place.to_string(), facts)?;
        if let Some(warning) = reset.warning {
            tracing::warn!("{warning}");
        }
        offsets.push((place, reset.offset));
    }
    Ok(offsets)
}

/// Members would go on from where they are, and commit that.
fn refuse(group: &GroupDescription) -> Result<(), String> {
    let GroupDescription { id, state, .. } = group;
    match state.as_str() {
        "Empty" | "Dead" => Ok(()),
        _ => Err(format!(
            "Assignments can only be reset if the group '{id}' is inactive, but the current state is {state}: stop its members first"
        )),
    }
}

async fn named(
    admin: &Admin,
    topics: &[TopicPartitions],
) -> Result<Vec<TopicPartition>, ToolError> {
    let names: Vec<String> = topics.iter().map(|topic| topic.topic.clone()).collect();
    let details = admin.topic_details(Some(&names)).await?;
    let mut places = BTreeSet::new();
    for topic in topics {
        let found = details.iter().find(|found| found.name == topic.topic);
        let Some(found) = found else {
            let meant = meant_topic(admin, &topic.topic).await?;
            return Err(format!("there is no topic {}{meant}", topic.topic).into());
        };
        let count = found.partitions.len() as i32;
        let all = (0..count).collect();
        for partition in topic.partitions.clone().unwrap_or(all) {
            if partition >= count {
                let last = count - 1;
                return Err(format!(
                    "there is no partition {partition} of topic {}: the last one is {last}",
                    topic.topic
                )
                .into());
            }
            places.insert(TopicPartition::new(topic.topic.as_str(), partition));
        }
    }
    Ok(places.into_iter().collect())
}

async fn reset(admin: &Admin, resets: &[GroupReset], args: &GroupsArgs) -> CommandResult {
    if args.execute {
        for reset in resets.iter().filter(|reset| !reset.offsets.is_empty()) {
            let GroupReset { group, offsets, .. } = reset;
            match reset.is_share {
                true => admin.set_share_group_offsets(group, offsets).await?,
                false => admin.set_group_offsets(group, offsets).await?,
            }
        }
    } else if !args.dry_run {
        tracing::warn!("nothing is changed: add --execute to do it");
    }
    let rows = resets.iter().flat_map(|reset| {
        let offsets = reset.offsets.iter();
        offsets.map(|(place, offset)| (reset.group.clone(), place.clone(), *offset))
    });
    let rows: Vec<(String, TopicPartition, i64)> = rows.collect();
    match args.json {
        true => print_line(reset_json(&rows, args.execute))?,
        false => print(reset_text(&rows))?,
    }
    Ok(())
}

async fn delete(admin: &Admin, groups: &Which, yes: bool, json: bool) -> CommandResult {
    let names = names(admin, groups).await?;
    if names.is_empty() {
        return Ok(());
    }
    let question = format!("Delete {} with all offsets?", names.join(", "));
    if !confirm(&question, yes)? {
        return Err("nothing is deleted".into());
    }
    let mut deleted = Vec::new();
    let mut failed = Vec::new();
    for name in names {
        match admin.delete_group(&name).await {
            Ok(()) => deleted.push(name),
            Err(error) => failed.push(error.to_string()),
        }
    }
    match json {
        true => print_line(json!({"deleted": deleted, "failed": failed}))?,
        false if failed.is_empty() => print(deleted_text(&deleted))?,
        false => {}
    }
    match failed.is_empty() {
        true => Ok(()),
        false => Err(failed.join("; ").into()),
    }
}
