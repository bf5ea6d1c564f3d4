//! From the journal and the log files back to a broker.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use uuid::Uuid;

use super::faults::ApiFaults;
use super::fetch::Sessions;
use super::group::{Committed, Offsets};
use super::groups::Groups;
use super::nodes::Nodes;
use super::sasl::Sasl;
use super::store::{Entry, Journal};
use super::topics::Topics;
use super::transactions::Transactions;
use super::{BrokerSettings, Shared};

/// Kafka shows 16 random bytes; a fixed name tells people what they talk to.
const CLUSTER_ID: &str = "millstream-embedded";

#[derive(Default)]
struct Replayed {
    topics: BTreeMap<String, (String, i32, BTreeMap<String, String>)>,
    starts: HashMap<(String, i32), i64>,
    leaders: HashMap<(String, i32), (i32, i32)>,
    offsets: HashMap<String, Offsets>,
    next_producer_id: i64,
    transactional: BTreeMap<String, (i64, i16)>,
}

impl Replayed {
    fn take(&mut self, entry: Entry) {
        match entry {
            Entry::Topic {
                name,
                id,
                partitions,
                configs,
            } => {
                self.topics.insert(name, (id, partitions, configs));
            }
            Entry::TopicDeleted { name } => {
                self.topics.remove(&name);
                self.starts.retain(|(topic, _), _| *topic != name);
                self.leaders.retain(|(topic, _), _| *topic != name);
            }
            Entry::Partitions { name, count } => {
                if let Some(topic) = self.topics.get_mut(&name) {
                    topic.1 = count;
                }
            }
            Entry::Configs { name, configs } => {
                if let Some(topic) = self.topics.get_mut(&name) {
                    topic.2 = configs;
                }
            }
            Entry::Leader {
                topic,
                partition,
                leader,
                epoch,
            } => {
                self.leaders.insert((topic, partition), (leader, epoch));
            }
            Entry::LogStart {
                topic,
                partition,
                offset,
            } => {
                self.starts.insert((topic, partition), offset);
            }
            Entry::Commit {
                group,
                topic,
                partition,
                offset,
                epoch,
                metadata,
            } => {
                let committed = Committed {
                    offset,
                    epoch,
                    metadata,
                };
                self.offsets
                    .entry(group)
                    .or_default()
                    .insert((topic, partition), committed);
            }
            Entry::OffsetDeleted {
                group,
                topic,
                partition,
            } => {
                if let Some(offsets) = self.offsets.get_mut(&group) {
                    offsets.remove(&(topic, partition));
                }
            }
            Entry::GroupDeleted { group } => {
                self.offsets.remove(&group);
            }
            Entry::NextProducerId { next } => self.next_producer_id = next,
            Entry::Transactional {
                id,
                producer_id,
                epoch,
            } => {
                self.transactional.insert(id, (producer_id, epoch));
            }
        }
    }
}

impl Shared {
    pub(crate) fn load(settings: &BrokerSettings, addresses: &[SocketAddr]) -> io::Result<Self> {
        let (journal, entries) = Journal::open(settings.folder.as_deref())?;
        let journal = Arc::new(journal);
        let mut replayed = Replayed::default();
        for entry in entries {
            replayed.take(entry);
        }
        let topics = Topics::new(journal.clone(), addresses.len().max(1) as i32);
        for (name, (id, partitions, configs)) in replayed.topics {
            let id = Uuid::parse_str(&id).unwrap_or_else(|_| Uuid::new_v4());
            topics.insert(&name, id, partitions, configs)?;
        }
        for ((topic, index), (leader, epoch)) in replayed.leaders {
            if let Some(partition) = topics.get(&topic).and_then(|topic| topic.partition(index)) {
                // The cluster may have fewer nodes than the last time.
                let leader = if leader as usize > addresses.len() {
                    1
                } else {
                    leader
                };
                partition.log().restore_leader(leader, epoch);
            }
        }
        for ((topic, index), offset) in replayed.starts {
            if let Some(partition) = topics.get(&topic).and_then(|topic| topic.partition(index)) {
                partition.log().restore_start(offset);
            }
        }
        let groups = Groups::new(journal.clone(), settings.initial_rebalance_delay);
        groups.restore(replayed.offsets);
        let transactions = Transactions::default();
        transactions.restore(replayed.next_producer_id, replayed.transactional);
        let shared = Self {
            cluster_id: CLUSTER_ID.to_owned(),
            cap: settings.cap,
            auto_create: settings.auto_create_topics,
            default_partitions: settings.default_partitions,
            configs: Mutex::default(),
            nodes: Nodes::new(addresses),
            topics,
            groups,
            transactions,
            faults: ApiFaults::default(),
            sessions: Sessions::default(),
            journal,
            sasl: settings.sasl.clone().map(Sasl::new),
        };
        shared.abort_leftovers();
        let entries = [
            shared.topics.entries(),
            shared.groups.entries(),
            shared.transactions.entries(),
        ]
        .concat();
        shared.journal.rewrite(&entries)?;
        Ok(shared)
    }
}
