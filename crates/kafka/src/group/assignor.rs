//! Assignors: how a group's leader shares out partitions. Pure, and the same answers as Java's.

mod range;
mod round_robin;
mod sticky;

pub(crate) use sticky::UserData;

use super::protocol::Subscription;
use millstream_core::TopicPartition;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A member as the leader sees it.
#[derive(Clone, Debug)]
pub struct Member {
    pub id: String,
    /// Static members keep their place by this name.
    pub instance: Option<String>,
    pub subscription: Subscription,
}

/// Partition counts by topic.
pub type TopicSizes = BTreeMap<Arc<str>, i32>;

/// By topic, for each partition the racks of its replicas. Topics may be missing.
pub type PartitionRacks = BTreeMap<Arc<str>, Vec<BTreeSet<String>>>;

/// Partitions by member id; every member is there.
pub type Shares = BTreeMap<String, Vec<TopicPartition>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assignor {
    Range,
    RoundRobin,
    Sticky,
    CooperativeSticky,
}

impl Assignor {
    pub const ALL: [Assignor; 4] = [
        Assignor::Range,
        Assignor::RoundRobin,
        Assignor::Sticky,
        Assignor::CooperativeSticky,
    ];

    /// By its Java class, that class's short name, or the protocol's name.
    pub fn named(name: &str) -> Option<Assignor> {
        Assignor::ALL.into_iter().find(|assignor| {
            let class = assignor.class_name();
            name == class
                || class.rsplit('.').next() == Some(name)
                || name == assignor.protocol_name()
        })
    }

    /// The name in the group protocol.
    pub fn protocol_name(self) -> &'static str {
        match self {
            Assignor::Range => "range",
            Assignor::RoundRobin => "roundrobin",
            Assignor::Sticky => "sticky",
            Assignor::CooperativeSticky => "cooperative-sticky",
        }
    }

    pub fn class_name(self) -> &'static str {
        match self {
            Assignor::Range => "org.apache.kafka.clients.consumer.RangeAssignor",
            Assignor::RoundRobin => "org.apache.kafka.clients.consumer.RoundRobinAssignor",
            Assignor::Sticky => "org.apache.kafka.clients.consumer.StickyAssignor",
            Assignor::CooperativeSticky => {
                "org.apache.kafka.clients.consumer.CooperativeStickyAssignor"
            }
        }
    }

    /// Whether members keep reading what they keep while a rebalance goes on.
    pub fn is_cooperative(self) -> bool {
        match self {
            Assignor::Range | Assignor::RoundRobin | Assignor::Sticky => false,
            Assignor::CooperativeSticky => true,
        }
    }

    /// Shares the topics out. Members near a replica get its partitions where that does not upset the balance.
    pub fn assign(self, topics: &TopicSizes, racks: &PartitionRacks, members: &[Member]) -> Shares {
        let mut shares: Shares = members.iter().map(|m| (m.id.clone(), Vec::new())).collect();
        let as_answered: Vec<&Member> = members.iter().collect();
        let mut members = as_answered.clone();
        members.sort_by(|a, b| order(a).cmp(&order(b)));
        let mut sticky = |kind| sticky::assign(kind, topics, racks, &as_answered, &mut shares);
        match self {
            Assignor::Sticky => sticky(sticky::Kind::Eager),
            Assignor::CooperativeSticky => sticky(sticky::Kind::Cooperative),
            Assignor::Range => range::assign(topics, racks, &members, &mut shares),
            Assignor::RoundRobin => round_robin::assign(topics, &members, &mut shares),
        }
        shares
    }
}

/// Static members come first, by instance; the others follow by member id.
fn order(member: &Member) -> (bool, &str) {
    match &member.instance {
        Some(instance) => (false, instance),
        None => (true, &member.id),
    }
}

fn assign_to(shares: &mut Shares, member: &Member, topic: &Arc<str>, partition: i32) {
    if let Some(share) = shares.get_mut(&member.id) {
        share.push(TopicPartition::new(topic.clone(), partition));
    }
}

#[cfg(test)]
mod tests;
