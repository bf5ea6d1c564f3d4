//! `millstream topics`: flags of kafka-topics, and the topics of a Connect cluster in one go.

pub mod internal;
mod show;

pub use show::{Filter, describe, describe_json, list_json};

use crate::UsageError;
use crate::connection::ConnectionArgs;
use crate::pairs::pairs;
use clap::{ArgGroup, Args};
use internal::{InternalTopic, Role};
use millstream_kafka::admin::NewTopic;
use regex::Regex;

/// Topics that Kafka keeps for itself.
const OF_KAFKA: [&str; 3] = [
    "__consumer_offsets",
    "__transaction_state",
    "__share_group_state",
];

/// List, describe, create, change and delete topics, with the flags of kafka-topics.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("action").required(true).args(["create", "list", "describe", "alter", "delete", "connect_internal"]))]
pub struct TopicsArgs {
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// Make a topic.
    #[arg(long, requires = "topic")]
    pub create: bool,
    /// Print the names of all topics, or of those that --topic matches.
    #[arg(long)]
    pub list: bool,
    /// Print the partitions of topics: leader, replicas, those in sync, and what is set.
    #[arg(long)]
    pub describe: bool,
    /// Add partitions (--partitions) or change settings (--config, --delete-config).
    #[arg(long, requires = "topic")]
    pub alter: bool,
    /// Delete topics and what is in them.
    #[arg(long, requires = "topic")]
    pub delete: bool,
    /// Make the three topics of a Connect cluster as they must be, and look at those that are there already.
    #[arg(long)]
    pub connect_internal: bool,
    /// The topic; for all but --create a regular expression for whole names, in which a comma means "or".
    #[arg(long)]
    pub topic: Option<String>,
    /// How many partitions the topic has then.
    #[arg(long, value_parser = clap::value_parser!(i32).range(1..))]
    pub partitions: Option<i32>,
    /// On how many brokers each partition is kept.
    #[arg(long, value_parser = clap::value_parser!(i16).range(1..))]
    pub replication_factor: Option<i16>,
    /// A setting of the topic, as key=value; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    pub config: Vec<String>,
    /// A setting of the topic to take back to the default; may be repeated.
    #[arg(long, value_name = "KEY", requires = "alter")]
    pub delete_config: Vec<String>,
    /// Do nothing if the topic is there already.
    #[arg(long, requires = "create")]
    pub if_not_exists: bool,
    /// Do nothing if no topic matches.
    #[arg(long)]
    pub if_exists: bool,
    /// Leave out the topics that Kafka keeps for itself.
    #[arg(long)]
    pub exclude_internal: bool,
    /// Only partitions without a leader that is up.
    #[arg(long, requires = "describe")]
    pub unavailable_partitions: bool,
    /// Only partitions with replicas that are not in sync.
    #[arg(long, requires = "describe")]
    pub under_replicated_partitions: bool,
    /// Only partitions with fewer replicas in sync than min.insync.replicas.
    #[arg(long, requires = "describe")]
    pub under_min_isr_partitions: bool,
    /// Only partitions with just as many replicas in sync as min.insync.replicas.
    #[arg(long, requires = "describe")]
    pub at_min_isr_partitions: bool,
    /// Only topics for which something is set.
    #[arg(long, requires = "describe")]
    pub topics_with_overrides: bool,
    /// With --connect-internal: the topic of configurations.
    #[arg(
        long,
        env = "CONNECT_CONFIG_STORAGE_TOPIC",
        default_value = "kc_config"
    )]
    pub config_storage_topic: String,
    /// With --connect-internal: the topic of source offsets.
    #[arg(
        long,
        env = "CONNECT_OFFSET_STORAGE_TOPIC",
        default_value = "kc_offset"
    )]
    pub offset_storage_topic: String,
    /// With --connect-internal: the topic of statuses.
    #[arg(
        long,
        env = "CONNECT_STATUS_STORAGE_TOPIC",
        default_value = "kc_status"
    )]
    pub status_storage_topic: String,
    /// With --connect-internal: partitions of the topic of source offsets.
    #[arg(long, env = "CONNECT_OFFSET_STORAGE_PARTITIONS", default_value_t = 25, value_parser = clap::value_parser!(i32).range(1..))]
    pub offset_storage_partitions: i32,
    /// With --connect-internal: partitions of the topic of statuses.
    #[arg(long, env = "CONNECT_STATUS_STORAGE_PARTITIONS", default_value_t = 5, value_parser = clap::value_parser!(i32).range(1..))]
    pub status_storage_partitions: i32,
    /// Answer with JSON.
    #[arg(long)]
    pub json: bool,
    /// Do what destroys or repairs without asking.
    #[arg(long)]
    pub yes: bool,
}

/// What the flags come to.
#[derive(Clone, Debug)]
pub enum TopicsAction {
    Create { topic: NewTopic, may_exist: bool },
    List(Names),
    Describe { names: Names, filter: Filter },
    Alter { names: Names, change: Change },
    Delete(Names),
    ConnectInternal(Vec<InternalTopic>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub partitions: Option<i32>,
    /// `None`: back to the default.
    pub configs: Vec<(String, Option<String>)>,
}

impl TopicsArgs {
    /// # Errors
    /// If flags are missing or do not go together.
    pub fn action(&self) -> Result<TopicsAction, UsageError> {
        let configs = pairs("--config", &self.config)?;
        let may_set = self.create || self.alter;
        if !configs.is_empty() && !may_set {
            return Err(UsageError::new("--config goes with --create and --alter"));
        }
        if self.create {
            let topic = NewTopic {
                name: self.topic.clone().unwrap_or_default(),
                partitions: self.partitions.unwrap_or(-1),
                replication: self.replication_factor.unwrap_or(-1),
                configs,
            };
            let may_exist = self.if_not_exists;
            return Ok(TopicsAction::Create { topic, may_exist });
        }
        if self.connect_internal {
            return Ok(TopicsAction::ConnectInternal(self.internal_topics()?));
        }
        let names = Names::new(self.topic.as_deref(), self.exclude_internal, self.if_exists)?;
        if self.list {
            return Ok(TopicsAction::List(names));
        }
        if self.describe {
            return Ok(TopicsAction::Describe {
                names,
                filter: Filter {
                    unavailable: self.unavailable_partitions,
                    under_replicated: self.under_replicated_partitions,
                    under_min_isr: self.under_min_isr_partitions,
                    at_min_isr: self.at_min_isr_partitions,
                    with_overrides: self.topics_with_overrides,
                },
            });
        }
        if self.delete {
            return Ok(TopicsAction::Delete(names));
        }
        let set = configs.into_iter().map(|(key, value)| (key, Some(value)));
        let unset = self.delete_config.iter().map(|key| (key.clone(), None));
        let change = Change {
            partitions: self.partitions,
            configs: set.chain(unset).collect(),
        };
        if change.partitions.is_none() && change.configs.is_empty() {
            return Err(UsageError::new(
                "--alter needs --partitions, --config or --delete-config",
            ));
        }
        Ok(TopicsAction::Alter { names, change })
    }

    fn internal_topics(&self) -> Result<Vec<InternalTopic>, UsageError> {
        let replicas = self.replication_factor.unwrap_or(3);
        let topic = |role, name: &String, partitions| InternalTopic {
            role,
            name: name.clone(),
            partitions,
            replicas,
        };
        let topics = vec![
            topic(Role::Config, &self.config_storage_topic, 1),
            topic(
                Role::Offset,
                &self.offset_storage_topic,
                self.offset_storage_partitions,
            ),
            topic(
                Role::Status,
                &self.status_storage_topic,
                self.status_storage_partitions,
            ),
        ];
        let is_twice = |topic: &&InternalTopic| {
            topics
                .iter()
                .filter(|other| other.name == topic.name)
                .count()
                > 1
        };
        match topics.iter().find(is_twice) {
            Some(twice) => Err(UsageError::new(format!(
                "two of the three topics have the name {}: give each its own",
                twice.name
            ))),
            None => Ok(topics),
        }
    }
}

/// Which topics are meant.
#[derive(Clone, Debug)]
pub struct Names {
    text: Option<String>,
    pattern: Option<Regex>,
    without_kafkas: bool,
    may_be_none: bool,
}

impl Names {
    fn new(
        text: Option<&str>,
        without_kafkas: bool,
        may_be_none: bool,
    ) -> Result<Self, UsageError> {
        let pattern = text.map(|text| {
            let quotes = ['"', '\''];
            let text = text.trim().replace(',', "|").replace(' ', "");
            let text = text.trim_start_matches(quotes).trim_end_matches(quotes);
            Regex::new(&format!("^(?:{text})$"))
                .map_err(|_| UsageError::new(format!("--topic {text} is no regular expression")))
        });
        Ok(Names {
            text: text.map(str::to_owned),
            pattern: pattern.transpose()?,
            without_kafkas,
            may_be_none,
        })
    }

    /// As it was typed.
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// Those among the names that are meant.
    pub fn among(&self, all: Vec<String>) -> Vec<String> {
        let is_meant = |name: &String| {
            let is_kafkas = OF_KAFKA.contains(&name.as_str());
            let is_named = self
                .pattern
                .as_ref()
                .is_none_or(|pattern| pattern.is_match(name));
            is_named && !(is_kafkas && self.without_kafkas)
        };
        all.into_iter().filter(is_meant).collect()
    }

    /// As `among`, where a topic that was named must be there.
    ///
    /// # Errors
    /// If there is none, in Java's words.
    pub fn required_among(&self, all: Vec<String>) -> Result<Vec<String>, String> {
        let meant = self.among(all);
        match &self.text {
            Some(text) if !text.is_empty() && meant.is_empty() && !self.may_be_none => {
                Err(format!("Topic '{text}' does not exist as expected"))
            }
            Some(_) | None => Ok(meant),
        }
    }
}

/// Names whose metrics could be taken for each other's get this warning, on standard output as from Java's tool.
pub fn collision_warning(topic: &str) -> Option<&'static str> {
    topic.contains(['.', '_']).then_some(
        "WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could collide. To avoid issues it is best to use either, but not both.",
    )
}

#[cfg(test)]
mod tests;
