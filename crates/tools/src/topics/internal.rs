//! The three topics of a Connect cluster: what must be made, what is right, and what is not and how it is put right.

use millstream_kafka::admin::NewTopic;
use std::collections::BTreeMap;

pub const CLEANUP: &str = "cleanup.policy";
pub const COMPACT: &str = "compact";

/// What a topic is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Config,
    Offset,
    Status,
}

impl Role {
    /// What is lost without the topic.
    fn content(self) -> &'static str {
        match self {
            Role::Config => "connector configurations",
            Role::Offset => "source offsets",
            Role::Status => "statuses",
        }
    }

    fn flag(self) -> &'static str {
        match self {
            Role::Config => "--config-storage-topic",
            Role::Offset => "--offset-storage-topic",
            Role::Status => "--status-storage-topic",
        }
    }
}

/// A topic as it is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InternalTopic {
    pub role: Role,
    pub name: String,
    pub partitions: i32,
    pub replicas: i16,
}

/// A topic as it is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub partitions: usize,
    /// `None`: the brokers do not tell.
    pub policy: Option<String>,
}

/// What is to be done about one of them.
#[derive(Clone, Debug)]
pub enum Step {
    Create(NewTopic),
    Fine {
        name: String,
        partitions: usize,
    },
    /// Its records would be deleted in time; can be put right.
    Compact {
        name: String,
        policy: String,
        content: &'static str,
    },
    /// Cannot be put right: the text says why and what to do.
    Unfit(String),
}

/// The steps, and what to warn of: more replicas are wanted than there are brokers.
pub fn plan(
    wanted: &[InternalTopic],
    found: &BTreeMap<String, Found>,
    brokers: usize,
) -> (Vec<Step>, Option<String>) {
    let most = i16::try_from(brokers.max(1)).unwrap_or(i16::MAX);
    let mut lowered = None;
    let mut steps = Vec::new();
    for topic in wanted {
        let step = match found.get(&topic.name) {
            None => {
                let replicas = topic.replicas.min(most);
                if replicas < topic.replicas {
                    lowered = Some(format!(
                        "the cluster has fewer brokers ({brokers}) than replicas are wanted: the topics get a replication factor of {replicas} instead of {}",
                        topic.replicas
                    ));
                }
                Step::Create(new_topic(topic, replicas))
            }
            Some(found) => look(topic, found),
        };
        steps.push(step);
    }
    (steps, lowered)
}

fn new_topic(topic: &InternalTopic, replicas: i16) -> NewTopic {
    let mut configs = vec![(CLEANUP.to_owned(), COMPACT.to_owned())];
    // With fewer replicas every broker that is away would stop the cluster.
    if replicas >= 3 {
        configs.push(("min.insync.replicas".to_owned(), "2".to_owned()));
    }
    NewTopic {
        name: topic.name.clone(),
        partitions: topic.partitions,
        replication: replicas,
        configs,
    }
}

fn look(topic: &InternalTopic, found: &Found) -> Step {
    let name = topic.name.clone();
    if topic.role == Role::Config && found.partitions != 1 {
        return Step::Unfit(format!(
            "topic {name} has {} partitions, and the topic of configurations must have one, or their order is lost: delete the topic if nothing in it is needed, or name another one ({})",
            found.partitions,
            topic.role.flag()
        ));
    }
    match &found.policy {
        Some(policy) if policy != COMPACT => Step::Compact {
            name,
            policy: policy.clone(),
            content: topic.role.content(),
        },
        Some(_) | None => Step::Fine {
            name,
            partitions: found.partitions,
        },
    }
}
