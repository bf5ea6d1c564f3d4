//! The settings that a worker of a cluster has beside every worker's, by Java's keys.

use super::WorkerConfigError;
use crate::inter_worker::InterWorkerConfig;
use millstream_core::config::validator::invalid;
use millstream_core::config::{FromParsed, Importance, Key, Kind, Parsed, Validator};
use millstream_core::{Properties, config_def};
use std::time::Duration;

/// Stands for the brokers' default.
const BY_DEFAULT: i64 = -1;

fn positive_or_default(name: &str, value: Option<&Parsed>, why: &str) -> Result<(), String> {
    match value {
        Some(Parsed::Int(number)) if *number < 1 && *number != BY_DEFAULT => {
            Err(invalid(name, value, why))
        }
        _ => Ok(()),
    }
}

const PARTITIONS: Validator = Validator::Check(|name, value| {
    let why = "Number of partitions must be positive, or -1 to use the broker's default";
    positive_or_default(name, value, why)
});

const REPLICAS: Validator = Validator::Check(|name, value| {
    let why = "Replication factor must be positive and not larger than the number of brokers in the Kafka cluster, or -1 to use the broker's default";
    positive_or_default(name, value, why)
});

/// Java refuses a blank name later, when the topic or the group is asked for.
const NOT_BLANK: Validator = Validator::Check(|name, value| match value {
    Some(Parsed::String(text)) if text.trim().is_empty() => {
        Err(invalid(name, value, "String must be non-empty"))
    }
    _ => Ok(()),
});

const PROTOCOLS: [&str; 3] = ["eager", "compatible", "sessioned"];

const PROTOCOL: Validator = Validator::Check(|name, value| {
    let text = named(value).unwrap_or_default();
    if PROTOCOLS
        .iter()
        .any(|known| known.eq_ignore_ascii_case(text))
    {
        return Ok(());
    }
    Err(invalid(
        name,
        value,
        "Invalid Connect protocol compatibility",
    ))
});

const EXACTLY_ONCE: Validator =
    Validator::Check(|name, value| match ExactlyOnce::from_parsed(value) {
        Some(_) => Ok(()),
        None => {
            let why = "String must be one of (case insensitive): DISABLED, ENABLED, PREPARING";
            Err(invalid(name, value, why))
        }
    });

config_def! {
    /// What a worker of a cluster reads of its file beside what every worker reads.
    pub struct DistributedConfig {
        pub group_id: String = Key::required("group.id", Kind::String).importance(Importance::High)
            .validator(NOT_BLANK)
            .doc("The cluster that this worker belongs to; no sink's consumer group may have this name."),
        pub session_timeout_ms: i32 = Key::new("session.timeout.ms", Kind::Int, "10000").importance(Importance::High)
            .validator(Validator::AtLeast(0))
            .doc("Time without a heartbeat after which the others take over from this worker."),
        pub rebalance_timeout_ms: i32 = Key::new("rebalance.timeout.ms", Kind::Int, "60000").importance(Importance::High)
            .validator(Validator::AtLeast(0))
            .doc("Time that each worker has to join a rebalance, what it has to stop included."),
        pub heartbeat_interval_ms: i32 = Key::new("heartbeat.interval.ms", Kind::Int, "3000").importance(Importance::High)
            .validator(Validator::AtLeast(0))
            .doc("Time between heartbeats to the group's coordinator."),
        pub config_topic: String = Key::required("config.storage.topic", Kind::String).importance(Importance::High)
            .validator(NOT_BLANK)
            .doc("The topic of the connectors' configurations; it has one partition."),
        pub config_replicas: i16 = Key::new("config.storage.replication.factor", Kind::Short, "3").importance(Importance::Low)
            .validator(REPLICAS)
            .doc("Replicas of that topic when it is made; -1 takes the brokers' default."),
        pub offset_topic: String = Key::required("offset.storage.topic", Kind::String).importance(Importance::High)
            .validator(NOT_BLANK)
            .doc("The topic of the offsets of source connectors."),
        pub offset_partitions: i32 = Key::new("offset.storage.partitions", Kind::Int, "25").importance(Importance::Low)
            .validator(PARTITIONS)
            .doc("Partitions of that topic when it is made; -1 takes the brokers' default."),
        pub offset_replicas: i16 = Key::new("offset.storage.replication.factor", Kind::Short, "3").importance(Importance::Low)
            .validator(REPLICAS)
            .doc("Replicas of that topic when it is made; -1 takes the brokers' default."),
        pub status_topic: String = Key::required("status.storage.topic", Kind::String).importance(Importance::High)
            .validator(NOT_BLANK)
            .doc("The topic of the statuses of connectors and tasks."),
        pub status_partitions: i32 = Key::new("status.storage.partitions", Kind::Int, "5").importance(Importance::Low)
            .validator(PARTITIONS)
            .doc("Partitions of that topic when it is made; -1 takes the brokers' default."),
        pub status_replicas: i16 = Key::new("status.storage.replication.factor", Kind::Short, "3").importance(Importance::Low)
            .validator(REPLICAS)
            .doc("Replicas of that topic when it is made; -1 takes the brokers' default."),
        pub may_create_topics: bool = Key::new("internal.topics.automatic.creation.enable", Kind::Boolean, "true").importance(Importance::Low)
            .doc("Whether these topics are made where they are missing."),
        pub may_fix_topics: bool = Key::new("millstream.fix.internal.topics", Kind::Boolean, "false").importance(Importance::Low)
            .doc("Whether these topics get cleanup.policy=compact where they have another, instead of ending the start."),
        pub protocol: String = Key::new("connect.protocol", Kind::String, "sessioned").importance(Importance::Low)
            .validator(PROTOCOL)
            .doc("What is offered to the other workers: eager; compatible, which takes work away only from who has too much; or sessioned, which also signs what workers ask of each other."),
        pub max_delay_ms: i32 = Key::new("scheduled.rebalance.max.delay.ms", Kind::Int, "300000").importance(Importance::Low)
            .validator(Validator::Between(0, i32::MAX as i64))
            .doc("Time that the work of a worker that has left waits for its return."),
        pub sync_timeout_ms: i32 = Key::new("worker.sync.timeout.ms", Kind::Int, "3000").importance(Importance::Medium)
            .doc("Time for a worker that is behind the others to read the configuration to its end, before it leaves the group."),
        pub unsync_backoff_ms: i32 = Key::new("worker.unsync.backoff.ms", Kind::Int, "300000").importance(Importance::Medium)
            .doc("Java only: how long such a worker stays away. Here it comes back as soon as it can read."),
        pub exactly_once: ExactlyOnce = Key::new("exactly.once.source.support", Kind::String, "disabled").importance(Importance::High)
            .validator(EXACTLY_ONCE)
            .doc("How the topic of configurations is written and read, as all workers of a cluster must do alike: with preparing and enabled, the leader writes in transactions, so that a former leader cannot; with enabled, what transactions have aborted is not read."),
        pub client_id: String = Key::new("client.id", Kind::String, "").importance(Importance::Low)
            .doc("A part of the names by which brokers know this worker's clients."),
    }
}

impl DistributedConfig {
    /// Reads the settings of a file.
    ///
    /// # Errors
    /// Every error of every key.
    pub fn read(properties: &Properties) -> Result<Self, WorkerConfigError> {
        let (config, values) = DistributedConfig::parse(properties);
        let mut errors: Vec<String> = values.into_iter().flat_map(|value| value.errors).collect();
        if let Some(config) = &config {
            config.check(&mut errors);
        }
        let between = InterWorkerConfig::read(properties);
        errors.extend(between.err().unwrap_or_default());
        match config {
            Some(config) if errors.is_empty() => Ok(config),
            _ => Err(WorkerConfigError(errors)),
        }
    }

    /// What one key alone does not tell.
    fn check(&self, errors: &mut Vec<String>) {
        let topics = [&self.config_topic, &self.offset_topic, &self.status_topic];
        let is_again = |(index, topic): &(usize, &&String)| topics[..*index].contains(topic);
        if let Some((_, topic)) = topics.iter().enumerate().find(is_again) {
            errors.push(format!(
                "{topic} cannot be two of config.storage.topic, offset.storage.topic and status.storage.topic"
            ));
        }
    }

    pub fn sync_timeout(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.sync_timeout_ms).unwrap_or(0))
    }
}

/// How far a cluster is on the way to exactly-once sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExactlyOnce {
    Disabled,
    Preparing,
    Enabled,
}

impl ExactlyOnce {
    /// By its name in any case of letters.
    fn find(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "disabled" => Some(ExactlyOnce::Disabled),
            "preparing" => Some(ExactlyOnce::Preparing),
            "enabled" => Some(ExactlyOnce::Enabled),
            _ => None,
        }
    }
}

impl FromParsed for ExactlyOnce {
    fn from_parsed(value: Option<&Parsed>) -> Option<Self> {
        named(value).and_then(ExactlyOnce::find)
    }
}

fn named(value: Option<&Parsed>) -> Option<&str> {
    match value {
        Some(Parsed::String(name)) => Some(name),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(more: &[(&str, &str)], expected: &[&str]) {
        let mut properties = Properties::from_iter([
            ("group.id", "g"),
            ("config.storage.topic", "c"),
            ("offset.storage.topic", "o"),
            ("status.storage.topic", "s"),
        ]);
        for (key, value) in more {
            properties.insert(*key, *value);
        }
        let errors = DistributedConfig::read(&properties).map_or_else(|error| error.0, |_| vec![]);
        assert_eq!(errors, expected, "{more:?}");
    }

    #[test]
    fn the_texts_are_java_s() {
        check(&[], &[]);
        check(
            &[
                ("connect.protocol", "Compatible"),
                ("exactly.once.source.support", "ENABLED"),
                ("offset.storage.partitions", "-1"),
            ],
            &[],
        );
        check(
            &[
                ("connect.protocol", "x"),
                ("offset.storage.partitions", "0"),
            ],
            &[
                "Invalid value 0 for configuration offset.storage.partitions: Number of partitions must be positive, or -1 to use the broker's default",
                "Invalid value x for configuration connect.protocol: Invalid Connect protocol compatibility",
            ],
        );
        check(
            &[("status.storage.topic", "c")],
            &[
                "c cannot be two of config.storage.topic, offset.storage.topic and status.storage.topic",
            ],
        );
        let missing = DistributedConfig::read(&Properties::new());
        let missing = missing.map_or_else(|error| error.0, |_| vec![]);
        let names = [
            "group.id",
            "config.storage.topic",
            "offset.storage.topic",
            "status.storage.topic",
        ];
        let expected = names.map(|name| {
            format!("Missing required configuration \"{name}\" which has no default value.")
        });
        assert_eq!(missing, expected);
    }
}
