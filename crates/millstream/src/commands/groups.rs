//! `millstream groups`: what kafka-consumer-groups does, for groups of every kind.

use super::kafka_tool::{ToolError, admin, confirm, print, print_line};
use super::{CommandResult, Exit};
use crate::clock::now_ms;
use millstream_core::TopicPartition;
use millstream_kafka::Admin;
use millstream_kafka::admin::{EARLIEST, GroupDescription, GroupKind, LATEST};
use millstream_tools::groups::{
    Aspect, Facts, GroupState, GroupsAction, GroupsArgs, ListColumns, OffsetRow, ResetTarget,
    ResetTopics, Which, deleted_text, group_json, list_json, list_text, members_text, new_offset,
    offsets_text, reset_json, reset_text, state_text,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) async fn run(args: GroupsArgs) -> CommandResult {
    let action = args.action(now_ms()).map_err(Exit::usage)?;
    let admin = admin(&args.connection).await?;
    match action {
        GroupsAction::List(columns) => list(&admin, &columns, args.json).await,
        GroupsAction::Describe { groups, what } => describe(&admin, &groups, what, args.json).await,
        GroupsAction::Reset {
            groups,
            topics,
            target,
            execute,
        } => {
            let resets = plan(&admin, &groups, &topics, target).await?;
            reset(&admin, resets, execute, args.json).await
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

async fn describe(admin: &Admin, groups: &Which, what: Aspect, json: bool) -> CommandResult {
    let mut shown = Vec::new();
    let mut missing = Vec::new();
    for name in names(admin, groups).await? {
        let Some(group) = admin.describe_group(&name).await? else {
            missing.push(format!("Consumer group '{name}' does not exist."));
            continue;
        };
        let needs_offsets = json || what == Aspect::Offsets;
        let rows = match needs_offsets {
            true => offsets(admin, &group).await?,
            false => Vec::new(),
        };
        if json {
            shown.push(group_json(&group, &rows));
            continue;
        }
        if let GroupState::Note(note) = GroupState::of(&group) {
            eprintln!("{note}");
        }
        print(match what {
            Aspect::Offsets => offsets_text(&group, &rows),
            Aspect::Members { verbose } => members_text(&group, verbose),
            Aspect::State => state_text(&group),
        })?;
    }
    if json {
        print_line(Value::Array(shown))?;
    }
    match missing.is_empty() {
        true => Ok(()),
        false => Err(missing.join(" ").into()),
    }
}

/// How far the group has read each partition, and how far that could be.
async fn offsets(admin: &Admin, group: &GroupDescription) -> Result<Vec<OffsetRow>, ToolError> {
    let committed = match group.kind {
        GroupKind::Share => admin.share_group_offsets(&group.id).await?,
        GroupKind::Classic | GroupKind::Consumer => admin.group_offsets(&group.id).await?,
    };
    let committed: BTreeMap<TopicPartition, i64> = committed.into_iter().collect();
    let assigned = group.members.iter().flat_map(|member| &member.partitions);
    let places: BTreeSet<TopicPartition> = committed.keys().chain(assigned).cloned().collect();
    let ends = offsets_at(admin, &led(admin, places).await?, LATEST).await?;
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

type Resets = Vec<(String, TopicPartition, i64)>;

/// What the groups' offsets are to be.
async fn plan(
    admin: &Admin,
    groups: &Which,
    topics: &ResetTopics,
    target: ResetTarget,
) -> Result<Resets, ToolError> {
    let mut resets = Vec::new();
    for name in names(admin, groups).await? {
        if let Some(found) = admin.describe_group(&name).await? {
            refuse(&found)?;
        }
        let committed: BTreeMap<_, _> = admin.group_offsets(&name).await?.into_iter().collect();
        let places = match topics {
            ResetTopics::Known => led(admin, committed.keys().cloned().collect()).await?,
            ResetTopics::Named(_) => named(admin, topics).await?,
        };
        let starts = offsets_at(admin, &places, EARLIEST).await?;
        let ends = offsets_at(admin, &places, LATEST).await?;
        let at_time = match target {
            ResetTarget::Time(time) => offsets_at(admin, &places, time).await?,
            _ => BTreeMap::new(),
        };
        for place in places {
            let facts = Facts {
                start: starts.get(&place).copied().unwrap_or(0),
                end: ends.get(&place).copied().unwrap_or(0),
                committed: committed.get(&place).copied(),
                at_time: at_time.get(&place).copied().filter(|offset| *offset >= 0),
            };
            let reset = new_offset(target, &place.to_string(), facts)?;
            if let Some(warning) = reset.warning {
                tracing::warn!("{warning}");
            }
            resets.push((name.clone(), place, reset.offset));
        }
    }
    Ok(resets)
}

/// Members would go on from where they are, and commit that.
fn refuse(group: &GroupDescription) -> Result<(), String> {
    let GroupDescription { id, state, .. } = group;
    match (group.kind, state.as_str()) {
        (GroupKind::Share, _) => Err(format!(
            "group '{id}' is a share group: kafka-share-groups of Kafka resets its offsets"
        )),
        (GroupKind::Classic | GroupKind::Consumer, "Empty" | "Dead") => Ok(()),
        (GroupKind::Classic | GroupKind::Consumer, _) => Err(format!(
            "Assignments can only be reset if the group '{id}' is inactive, but the current state is {state}: stop its members first"
        )),
    }
}

async fn named(admin: &Admin, topics: &ResetTopics) -> Result<Vec<TopicPartition>, ToolError> {
    let ResetTopics::Named(topics) = topics else {
        return Ok(Vec::new());
    };
    let names: Vec<String> = topics.iter().map(|topic| topic.topic.clone()).collect();
    let details = admin.topic_details(Some(&names)).await?;
    let mut places = BTreeSet::new();
    for topic in topics {
        let found = details.iter().find(|found| found.name == topic.topic);
        let found = found.ok_or_else(|| format!("there is no topic {}", topic.topic))?;
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

async fn reset(admin: &Admin, resets: Resets, execute: bool, json: bool) -> CommandResult {
    if execute {
        let mut by_group: BTreeMap<&str, Vec<(TopicPartition, i64)>> = BTreeMap::new();
        for (group, place, offset) in &resets {
            let of_group = by_group.entry(group).or_default();
            of_group.push((place.clone(), *offset));
        }
        for (group, offsets) in by_group {
            admin.set_group_offsets(group, &offsets).await?;
        }
    } else {
        tracing::warn!("nothing is changed: add --execute to do it");
    }
    match json {
        true => print_line(reset_json(&resets, execute))?,
        false => print(reset_text(&resets))?,
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
