//! The topics and their partitions: creating, finding, changing and deleting them.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, RwLock};

use kafka_protocol::error::ResponseError;
use tokio::sync::Notify;
use uuid::Uuid;

use super::log::Log;
use super::store::{Entry, Journal};
use super::{lock, read_lock, write_lock};

/// A test bed needs no more, and each partition costs memory.
const MAX_PARTITIONS: i32 = 10_000;
/// Kafka's own limit.
const MAX_NAME: usize = 249;

/// One partition and the fetches that wait for its next batch.
#[derive(Debug)]
pub(crate) struct Partition {
    log: Mutex<Log>,
    waiters: Mutex<Vec<Arc<Notify>>>,
}

impl Partition {
    pub(crate) fn log(&self) -> MutexGuard<'_, Log> {
        lock(&self.log)
    }

    /// Wakes `waiter` once something is appended. Each connection has one waiter, so the list is bounded by the connections.
    pub(crate) fn wait(&self, waiter: &Arc<Notify>) {
        let mut waiters = lock(&self.waiters);
        if !waiters.iter().any(|known| Arc::ptr_eq(known, waiter)) {
            waiters.retain(|known| Arc::strong_count(known) > 1);
            waiters.push(waiter.clone());
        }
    }

    pub(crate) fn wake(&self) {
        for waiter in lock(&self.waiters).drain(..) {
            waiter.notify_one();
        }
    }
}

/// One topic.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) name: String,
    pub(crate) id: Uuid,
    configs: Mutex<BTreeMap<String, String>>,
    partitions: RwLock<Vec<Arc<Partition>>>,
}

impl Topic {
    pub(crate) fn partition(&self, index: i32) -> Option<Arc<Partition>> {
        usize::try_from(index)
            .ok()
            .and_then(|index| read_lock(&self.partitions).get(index).cloned())
    }

    pub(crate) fn partitions(&self) -> Vec<Arc<Partition>> {
        read_lock(&self.partitions).clone()
    }

    pub(crate) fn configs(&self) -> BTreeMap<String, String> {
        lock(&self.configs).clone()
    }

    /// A setting of this topic, as a number, or `default`.
    pub(crate) fn number(&self, name: &str, default: i64) -> i64 {
        lock(&self.configs)
            .get(name)
            .and_then(|value| value.parse().ok())
            .unwrap_or(default)
    }

    pub(crate) fn has(&self, name: &str, value: &str) -> bool {
        lock(&self.configs)
            .get(name)
            .is_some_and(|found| found.split(',').any(|part| part.trim() == value))
    }
}

/// All topics of the cluster.
#[derive(Debug)]
pub(crate) struct Topics {
    by_name: RwLock<BTreeMap<String, Arc<Topic>>>,
    journal: Arc<Journal>,
    nodes: i32,
}

impl Topics {
    pub(crate) fn new(journal: Arc<Journal>, nodes: i32) -> Self {
        Self {
            by_name: RwLock::default(),
            journal,
            nodes,
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<Arc<Topic>> {
        read_lock(&self.by_name).get(name).cloned()
    }

    pub(crate) fn by_id(&self, id: Uuid) -> Option<Arc<Topic>> {
        read_lock(&self.by_name)
            .values()
            .find(|topic| topic.id == id)
            .cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Topic>> {
        read_lock(&self.by_name).values().cloned().collect()
    }

    /// A partition of this topic, if `node` leads it.
    pub(crate) fn led(
        &self,
        topic: &str,
        partition: i32,
        node: i32,
    ) -> Result<(Arc<Topic>, Arc<Partition>), ResponseError> {
        let topic = self
            .get(topic)
            .ok_or(ResponseError::UnknownTopicOrPartition)?;
        let found = topic
            .partition(partition)
            .ok_or(ResponseError::UnknownTopicOrPartition)?;
        if found.log().leader != node {
            return Err(ResponseError::NotLeaderOrFollower);
        }
        Ok((topic, found))
    }

    /// Whether a topic could be created like this.
    pub(crate) fn check(&self, name: &str, partitions: i32) -> Result<(), ResponseError> {
        let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if name.is_empty()
            || name.len() > MAX_NAME
            || name == "."
            || name == ".."
            || !name.chars().all(is_legal)
        {
            return Err(ResponseError::InvalidTopicException);
        }
        if !(1..=MAX_PARTITIONS).contains(&partitions) {
            return Err(ResponseError::InvalidPartitions);
        }
        if self.get(name).is_some() {
            return Err(ResponseError::TopicAlreadyExists);
        }
        Ok(())
    }

    pub(crate) fn create(
        &self,
        name: &str,
        partitions: i32,
        configs: BTreeMap<String, String>,
    ) -> Result<Arc<Topic>, ResponseError> {
        self.check(name, partitions)?;
        let id = Uuid::new_v4();
        let topic = self
            .insert(name, id, partitions, configs.clone())
            .map_err(|_| ResponseError::KafkaStorageError)?;
        self.journal.write(&Entry::Topic {
            name: name.to_owned(),
            id: id.to_string(),
            partitions,
            configs,
        });
        Ok(topic)
    }

    /// Puts a topic in place, with what its files hold.
    pub(crate) fn insert(
        &self,
        name: &str,
        id: Uuid,
        partitions: i32,
        configs: BTreeMap<String, String>,
    ) -> io::Result<Arc<Topic>> {
        let mut by_name = write_lock(&self.by_name);
        if let Some(known) = by_name.get(name) {
            return Ok(known.clone());
        }
        let list = (0..partitions)
            .map(|index| self.open(name, index))
            .collect::<io::Result<Vec<_>>>()?;
        let topic = Topic {
            name: name.to_owned(),
            id,
            configs: Mutex::new(configs),
            partitions: RwLock::new(list),
        };
        let topic = Arc::new(topic);
        by_name.insert(name.to_owned(), topic.clone());
        Ok(topic)
    }

    fn open(&self, topic: &str, index: i32) -> io::Result<Arc<Partition>> {
        let (file, batches) = self.journal.log(topic, index)?;
        let shift: i32 = topic.bytes().map(i32::from).sum();
        let mut log = Log::new((shift + index) % self.nodes + 1, file);
        for batch in batches {
            log.take(batch);
        }
        Ok(Arc::new(Partition {
            log: Mutex::new(log),
            waiters: Mutex::default(),
        }))
    }

    pub(crate) fn grow(
        &self,
        name: &str,
        count: i32,
        validate_only: bool,
    ) -> Result<(), ResponseError> {
        let topic = self
            .get(name)
            .ok_or(ResponseError::UnknownTopicOrPartition)?;
        let mut partitions = write_lock(&topic.partitions);
        let have = partitions.len() as i32;
        if count <= have || count > MAX_PARTITIONS {
            return Err(ResponseError::InvalidPartitions);
        }
        if !validate_only {
            for index in have..count {
                partitions.push(
                    self.open(name, index)
                        .map_err(|_| ResponseError::KafkaStorageError)?,
                );
            }
            self.journal.write(&Entry::Partitions {
                name: name.to_owned(),
                count,
            });
        }
        Ok(())
    }

    pub(crate) fn delete(&self, name: &str) -> Result<(), ResponseError> {
        let topic = write_lock(&self.by_name)
            .remove(name)
            .ok_or(ResponseError::UnknownTopicOrPartition)?;
        self.journal.write(&Entry::TopicDeleted {
            name: name.to_owned(),
        });
        for partition in topic.partitions() {
            partition.log().discard();
            partition.wake();
        }
        Ok(())
    }

    /// Replaces the settings of a topic.
    pub(crate) fn configure(
        &self,
        name: &str,
        configs: BTreeMap<String, String>,
    ) -> Result<(), ResponseError> {
        let topic = self
            .get(name)
            .ok_or(ResponseError::UnknownTopicOrPartition)?;
        *lock(&topic.configs) = configs.clone();
        self.journal.write(&Entry::Configs {
            name: name.to_owned(),
            configs,
        });
        Ok(())
    }

    pub(crate) fn delete_records(
        &self,
        topic: &str,
        partition: &Partition,
        index: i32,
        offset: i64,
    ) -> Result<i64, ResponseError> {
        let start = partition.log().delete_before(offset)?;
        self.journal.write(&Entry::LogStart {
            topic: topic.to_owned(),
            partition: index,
            offset: start,
        });
        Ok(start)
    }

    /// Makes another node lead a partition, in a new epoch.
    pub(crate) fn elect(&self, topic: &str, index: i32, partition: &Partition, leader: i32) {
        let mut log = partition.log();
        log.elect(leader);
        self.journal.write(&leader_entry(topic, index, &log));
        drop(log);
        partition.wake();
    }

    /// The journal's lines that make these topics again.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        for topic in self.all() {
            let partitions = topic.partitions();
            entries.push(Entry::Topic {
                name: topic.name.clone(),
                id: topic.id.to_string(),
                partitions: partitions.len() as i32,
                configs: topic.configs(),
            });
            for (index, partition) in partitions.iter().enumerate() {
                let log = partition.log();
                let offset = log.start();
                if log.leader_epoch() > 0 {
                    entries.push(leader_entry(&topic.name, index as i32, &log));
                }
                if offset > 0 {
                    entries.push(Entry::LogStart {
                        topic: topic.name.clone(),
                        partition: index as i32,
                        offset,
                    });
                }
            }
        }
        entries
    }
}

fn leader_entry(topic: &str, partition: i32, log: &Log) -> Entry {
    Entry::Leader {
        topic: topic.to_owned(),
        partition,
        leader: log.leader,
        epoch: log.leader_epoch(),
    }
}
