//! Topics as text, in the words of kafka-topics 4.3, and as JSON.

use crate::table::list;
use millstream_kafka::admin::{PartitionDetail, TopicDetail, TopicSetting};
use serde_json::{Value, json};
use std::fmt::Write;

/// Which partitions are shown; all of them and the topics themselves where nothing is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub unavailable: bool,
    pub under_replicated: bool,
    pub under_min_isr: bool,
    pub at_min_isr: bool,
    pub with_overrides: bool,
}

impl Filter {
    fn is_of_partitions(self) -> bool {
        self.unavailable || self.under_replicated || self.under_min_isr || self.at_min_isr
    }

    fn takes(self, partition: &PartitionDetail, min_isr: usize, up: &[i32]) -> bool {
        let in_sync = partition.in_sync.len();
        let is_up = partition.leader.is_some_and(|leader| up.contains(&leader));
        !self.is_of_partitions()
            || (self.unavailable && !is_up)
            || (self.under_replicated && in_sync < partition.replicas.len())
            || (self.under_min_isr && (partition.leader.is_none() || in_sync < min_isr))
            || (self.at_min_isr && in_sync == min_isr)
    }
}

/// What kafka-topics prints of a topic; `up` are the brokers that are there.
pub fn describe(
    topic: &TopicDetail,
    settings: &[TopicSetting],
    filter: Filter,
    up: &[i32],
) -> String {
    let mut text = String::new();
    let set = overrides(settings);
    let is_left_out = filter.is_of_partitions() || (filter.with_overrides && set.is_empty());
    if !is_left_out {
        text.push_str(&headline(topic, &set));
    }
    if filter.with_overrides {
        return text;
    }
    let min_isr = min_isr(settings);
    for partition in &topic.partitions {
        if filter.takes(partition, min_isr, up) {
            text.push_str(&partition_line(&topic.name, partition));
        }
    }
    text
}

fn headline(topic: &TopicDetail, set: &[(&str, &str)]) -> String {
    let set: Vec<String> = set
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    let id = topic
        .id
        .as_ref()
        .map_or_else(String::new, |id| format!("\tTopicId: {id}"));
    let replicas = topic
        .partitions
        .first()
        .map_or(0, |first| first.replicas.len());
    format!(
        "Topic: {}{id}\tPartitionCount: {}\tReplicationFactor: {replicas}\tConfigs: {}\n",
        topic.name,
        topic.partitions.len(),
        set.join(",")
    )
}

fn partition_line(topic: &str, partition: &PartitionDetail) -> String {
    let leader = partition
        .leader
        .map_or_else(|| "none".to_owned(), |id| id.to_string());
    let told = |brokers: &Option<Vec<i32>>| match brokers {
        Some(brokers) => list(brokers),
        None => "N/A".to_owned(),
    };
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "\tTopic: {topic}\tPartition: {}\tLeader: {leader}\tReplicas: {}\tIsr: {}\tElr: {}\tLastKnownElr: {}",
        partition.index,
        list(&partition.replicas),
        list(&partition.in_sync),
        told(&partition.eligible),
        told(&partition.last_known_eligible),
    );
    text
}

/// What somebody has set; a value that is hidden reads as Java prints it.
fn overrides(settings: &[TopicSetting]) -> Vec<(&str, &str)> {
    let set = settings.iter().filter(|setting| !setting.is_default);
    set.map(|setting| {
        (
            setting.name.as_str(),
            setting.value.as_deref().unwrap_or("null"),
        )
    })
    .collect()
}

fn min_isr(settings: &[TopicSetting]) -> usize {
    let found = settings
        .iter()
        .find(|setting| setting.name == "min.insync.replicas");
    found
        .and_then(|setting| setting.value.as_ref()?.parse().ok())
        .unwrap_or(1)
}

pub fn describe_json(
    topic: &TopicDetail,
    settings: &[TopicSetting],
    filter: Filter,
    up: &[i32],
) -> Value {
    let set = overrides(settings).into_iter();
    let configs: serde_json::Map<String, Value> = set
        .map(|(key, value)| (key.to_owned(), Value::from(value)))
        .collect();
    let min_isr = min_isr(settings);
    let shown = topic
        .partitions
        .iter()
        .filter(|one| filter.takes(one, min_isr, up));
    let partitions = shown.map(|partition| {
        json!({
            "partition": partition.index,
            "leader": partition.leader,
            "replicas": partition.replicas,
            "isr": partition.in_sync,
            "elr": partition.eligible,
            "lastKnownElr": partition.last_known_eligible,
        })
    });
    json!({
        "topic": topic.name,
        "topicId": topic.id,
        "isInternal": topic.is_internal,
        "configs": configs,
        "partitions": partitions.collect::<Vec<_>>(),
    })
}

/// Topics in short.
pub fn list_json(topics: &[TopicDetail], names: &[String]) -> Value {
    let meant = topics.iter().filter(|topic| names.contains(&topic.name));
    let short = |topic: &TopicDetail| {
        json!({
            "topic": topic.name,
            "partitions": topic.partitions.len(),
            "replicationFactor": topic.partitions.first().map_or(0, |first| first.replicas.len()),
            "isInternal": topic.is_internal,
        })
    };
    Value::Array(meant.map(short).collect())
}
