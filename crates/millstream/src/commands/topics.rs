//! `millstream topics`: what kafka-topics does, and the topics of a Connect cluster in one go.

use super::kafka_tool::{ToolError, admin, confirm, meant_topic, print, print_line};
use super::{CommandResult, Exit};
use millstream_kafka::admin::NewTopic;
use millstream_kafka::{Admin, ResponseError};
use millstream_tools::topics::internal::{CLEANUP, COMPACT, Found, InternalTopic, Step, plan};
use millstream_tools::topics::{
    Change, Filter, Names, TopicsAction, TopicsArgs, collision_warning, describe, describe_json,
    list_json,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Topics whose settings are asked for in one request.
const AT_A_TIME: usize = 500;

pub(crate) async fn run(args: TopicsArgs) -> CommandResult {
    let action = args.action().map_err(Exit::usage)?;
    let admin = admin(&args.connection).await?;
    match action {
        TopicsAction::Create { topic, may_exist } => {
            create(&admin, topic, may_exist, args.json).await
        }
        TopicsAction::List(names) => list(&admin, &names, args.json).await,
        TopicsAction::Describe { names, filter } => show(&admin, &names, filter, args.json).await,
        TopicsAction::Alter { names, change } => alter(&admin, &names, &change).await,
        TopicsAction::Delete(names) => delete(&admin, &names, args.yes, args.json).await,
        TopicsAction::ConnectInternal(topics) => internal(&admin, &topics, &args).await,
    }
}

async fn create(admin: &Admin, topic: NewTopic, may_exist: bool, json: bool) -> CommandResult {
    if !json && let Some(warning) = collision_warning(&topic.name) {
        print_line(warning)?;
    }
    let name = topic.name.clone();
    let is_new = make(admin, topic, may_exist).await?;
    match json {
        true => print_line(json!({"topic": name, "created": is_new}))?,
        false if is_new => print_line(format!("Created topic {name}."))?,
        false => {}
    }
    Ok(())
}

/// Makes a topic; false if it was there, which may be.
async fn make(admin: &Admin, topic: NewTopic, may_exist: bool) -> Result<bool, ToolError> {
    let mut made = admin.create_topics(&[topic]).await?;
    match made.pop_first() {
        Some((_, Err(error)))
            if may_exist && error.response_error() == Some(ResponseError::TopicAlreadyExists) =>
        {
            Ok(false)
        }
        Some((_, Err(error))) => Err(error.into()),
        Some((_, Ok(()))) | None => Ok(true),
    }
}

async fn list(admin: &Admin, names: &Names, json: bool) -> CommandResult {
    let topics = admin.topic_details(None).await?;
    let meant = names.among(topics.iter().map(|topic| topic.name.clone()).collect());
    match json {
        true => print_line(list_json(&topics, &meant))?,
        false => print_line(meant.join("\n"))?,
    }
    Ok(())
}

/// The names that are meant and there.
async fn meant(admin: &Admin, names: &Names) -> Result<Vec<String>, ToolError> {
    let all = admin.topic_details(None).await?;
    let all = all.into_iter().map(|topic| topic.name).collect();
    match names.required_among(all) {
        Ok(meant) => Ok(meant),
        Err(why) => {
            let name = names.text().unwrap_or_default();
            let meant = meant_topic(admin, name).await?;
            Err(format!("{why}{meant}").into())
        }
    }
}

async fn show(admin: &Admin, names: &Names, filter: Filter, json: bool) -> CommandResult {
    let meant = meant(admin, names).await?;
    let nodes = admin.brokers().await?;
    let up: Vec<i32> = nodes.iter().map(|node| node.id).collect();
    let mut shown = Vec::new();
    for some in meant.chunks(AT_A_TIME) {
        let settings = admin.topic_settings(some).await?;
        for topic in admin.full_topic_details(some).await? {
            let set = settings.get(&topic.name).map_or(&[][..], Vec::as_slice);
            match json {
                true => shown.push(describe_json(&topic, set, filter, &up)),
                false => print(describe(&topic, set, filter, &up))?,
            }
        }
    }
    if json {
        print_line(Value::Array(shown))?;
    }
    Ok(())
}

async fn alter(admin: &Admin, names: &Names, change: &Change) -> CommandResult {
    for topic in meant(admin, names).await? {
        if let Some(count) = change.partitions {
            admin.create_partitions(&topic, count).await?;
        }
        if !change.configs.is_empty() {
            admin.alter_topic_configs(&topic, &change.configs).await?;
        }
    }
    Ok(())
}

async fn delete(admin: &Admin, names: &Names, yes: bool, json: bool) -> CommandResult {
    let meant = meant(admin, names).await?;
    if meant.is_empty() {
        return Ok(());
    }
    let question = format!(
        "Delete {} with all that is in {}?",
        meant.join(", "),
        if meant.len() == 1 { "it" } else { "them" }
    );
    if !confirm(&question, yes)? {
        return Err("nothing is deleted".into());
    }
    for (_, result) in admin.delete_topics(&meant).await? {
        result?;
    }
    if json {
        print_line(json!({"deleted": meant}))?;
    }
    Ok(())
}

async fn internal(admin: &Admin, wanted: &[InternalTopic], args: &TopicsArgs) -> CommandResult {
    let found = found(admin, wanted).await?;
    let brokers = admin.brokers().await?.len();
    let (steps, warning) = plan(wanted, &found, brokers);
    if let Some(warning) = warning {
        tracing::warn!("{warning}");
    }
    let mut done = Vec::new();
    let mut unfit = Vec::new();
    for step in steps {
        match take(admin, step, args.yes).await? {
            Ok((topic, what)) => match args.json {
                true => done.push(json!({"topic": topic, "outcome": what})),
                false => print_line(format!("{topic}: {what}"))?,
            },
            Err(why) => unfit.push(why),
        }
    }
    if args.json {
        print_line(json!({"topics": done, "unfit": unfit}))?;
    }
    match unfit.is_empty() {
        true => Ok(()),
        false => Err(unfit.join("; ").into()),
    }
}

/// Those that are there, with what they do to old records.
async fn found(
    admin: &Admin,
    wanted: &[InternalTopic],
) -> Result<BTreeMap<String, Found>, ToolError> {
    let names: Vec<String> = wanted.iter().map(|topic| topic.name.clone()).collect();
    let mut found = BTreeMap::new();
    for topic in admin.topic_details(Some(&names)).await? {
        let policy = admin.topic_config(&topic.name, CLEANUP).await?;
        let partitions = topic.partitions.len();
        found.insert(topic.name, Found { partitions, policy });
    }
    Ok(found)
}

/// A topic and what became of it, or why it cannot be used as it is.
async fn take(
    admin: &Admin,
    step: Step,
    yes: bool,
) -> Result<Result<(String, String), String>, ToolError> {
    let (name, policy, content) = match step {
        Step::Unfit(why) => return Ok(Err(why)),
        Step::Fine { name, partitions } => {
            let what = format!("right already, partitions {partitions}, compacted");
            return Ok(Ok((name, what)));
        }
        Step::Create(topic) => {
            let name = topic.name.clone();
            let (partitions, replicas) = (topic.partitions, topic.replication);
            make(admin, topic, false).await?;
            let what = format!(
                "created, partitions {partitions}, replication factor {replicas}, compacted"
            );
            return Ok(Ok((name, what)));
        }
        Step::Compact {
            name,
            policy,
            content,
        } => (name, policy, content),
    };
    if !yes {
        return Ok(Err(format!(
            "topic {name} has {CLEANUP}={policy}, so {content} in it are lost in time: repair it with --yes, or with millstream topics --alter --topic {name} --config {CLEANUP}={COMPACT}"
        )));
    }
    let change = [(CLEANUP.to_owned(), Some(COMPACT.to_owned()))];
    admin.alter_topic_configs(&name, &change).await?;
    let what = format!(
        "repaired, {CLEANUP} was {policy} and is {COMPACT}; what was deleted before is lost"
    );
    Ok(Ok((name, what)))
}
