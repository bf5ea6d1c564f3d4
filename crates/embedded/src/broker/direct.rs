//! What tests and the demo do with a broker without a client: fill and read logs, look at groups, move leaders.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use tokio::net::TcpListener;

use super::batch::{self, BatchBuilder};
use super::topics::Partition;
use super::{Broker, lock, wall_clock};

/// A record read from a log without a client.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadRecord {
    pub offset: i64,
    pub timestamp: i64,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Vec<(String, Option<Bytes>)>,
}

impl Broker {
    /// Creates a topic.
    pub fn create_topic(&self, name: &str, partitions: i32) -> Result<(), ResponseError> {
        self.create_topic_with(name, partitions, &[])
    }

    /// Creates a topic with settings.
    pub fn create_topic_with(
        &self,
        name: &str,
        partitions: i32,
        configs: &[(&str, &str)],
    ) -> Result<(), ResponseError> {
        let configs = configs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        self.shared
            .topics
            .create(name, partitions, configs)
            .map(drop)
    }

    /// Enlarges a topic to so many partitions.
    pub fn add_partitions(&self, name: &str, partitions: i32) -> Result<(), ResponseError> {
        self.shared.topics.grow(name, partitions, false)
    }

    /// Deletes a topic.
    pub fn delete_topic(&self, name: &str) -> Result<(), ResponseError> {
        self.shared.delete_topic(name)
    }

    /// The topics' names.
    pub fn topics(&self) -> Vec<String> {
        self.shared
            .topics
            .all()
            .iter()
            .map(|topic| topic.name.clone())
            .collect()
    }

    /// Appends finished batches; answers the first one's offset.
    pub fn append(
        &self,
        topic: &str,
        partition: i32,
        batches: &[u8],
    ) -> Result<i64, ResponseError> {
        let leader = self.partition(topic, partition)?.log().leader;
        self.shared
            .append(topic, partition, leader, batches)
            .map(|(base, _)| base)
    }

    /// Writes the marker that ends the transaction of a producer (id, epoch) in a partition.
    pub fn end_transaction(
        &self,
        topic: &str,
        partition: i32,
        producer: (i64, i16),
        is_committed: bool,
    ) {
        self.shared
            .write_marker(topic, partition, producer, is_committed);
    }

    /// Appends one record with the current time; answers its offset.
    pub fn produce(
        &self,
        topic: &str,
        partition: i32,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<i64, ResponseError> {
        let mut batch = BatchBuilder::new();
        batch.push(wall_clock(), key, value, &[]);
        self.append(topic, partition, &batch.finish())
    }

    /// The records of a partition, transactions' markers left out. The broker has no codecs: compressed batches are an error.
    pub fn read(&self, topic: &str, partition: i32) -> Result<Vec<ReadRecord>, ResponseError> {
        let batches = self.raw_batches(topic, partition)?;
        let mut out = Vec::new();
        for bytes in batches {
            let Some(header) = batch::BatchHeader::parse(&bytes) else {
                continue;
            };
            if header.is_control() {
                continue;
            }
            if header.is_compressed() {
                return Err(ResponseError::UnsupportedCompressionType);
            }
            for record in batch::records(&bytes).ok_or(ResponseError::CorruptMessage)? {
                let owned = |part: Option<&[u8]>| part.map(|part| bytes.slice_ref(part));
                let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
                out.push(ReadRecord {
                    offset: header.base_offset + record.offset_delta,
                    timestamp: header.base_timestamp + record.timestamp_delta,
                    key: owned(record.key),
                    value: owned(record.value),
                    headers: record
                        .headers
                        .iter()
                        .map(|(name, value)| (text(name), owned(*value)))
                        .collect(),
                });
            }
        }
        Ok(out)
    }

    /// The stored batches of a partition.
    pub fn raw_batches(&self, topic: &str, partition: i32) -> Result<Vec<Bytes>, ResponseError> {
        Ok(self.partition(topic, partition)?.log().all())
    }

    /// Offset of the first record and of the next one to come.
    pub fn offsets(&self, topic: &str, partition: i32) -> Result<(i64, i64), ResponseError> {
        let partition = self.partition(topic, partition)?;
        let log = partition.log();
        Ok((log.start(), log.end()))
    }

    /// What a group has committed for a partition: offset and metadata.
    pub fn committed(&self, group: &str, topic: &str, partition: i32) -> Option<(i64, String)> {
        let group = self.shared.groups.get(group)?;
        let group = lock(&group);
        let found = group.offsets.get(&(topic.to_owned(), partition))?;
        Some((found.offset, found.metadata.clone().unwrap_or_default()))
    }

    /// A group's state in Kafka's words and its members' ids.
    pub fn group(&self, id: &str) -> Option<(&'static str, Vec<String>)> {
        let group = self.shared.groups.get(id)?;
        let group = lock(&group);
        Some((
            group.state.name(),
            group.members.keys().map(|id| id.to_string()).collect(),
        ))
    }

    /// Drops records before `offset`, as retention would.
    pub fn delete_records(
        &self,
        topic: &str,
        partition: i32,
        offset: i64,
    ) -> Result<i64, ResponseError> {
        let found = self.partition(topic, partition)?;
        self.shared
            .topics
            .delete_records(topic, &found, partition, offset)
    }

    /// Drops records from `offset` on, as an unclean leader election would.
    pub fn truncate(&self, topic: &str, partition: i32, offset: i64) -> Result<(), ResponseError> {
        self.partition(topic, partition)?.log().truncate(offset);
        Ok(())
    }

    /// Compacts a partition now, whatever its policy.
    pub fn compact(&self, topic: &str, partition: i32) -> Result<(), ResponseError> {
        self.partition(topic, partition)?.log().compact();
        Ok(())
    }

    /// Makes another node lead a partition, in a new epoch.
    pub fn move_leader(&self, topic: &str, partition: i32, node: i32) -> Result<(), ResponseError> {
        let found = self.partition(topic, partition)?;
        self.shared.topics.elect(topic, partition, &found, node);
        Ok(())
    }

    /// Takes a node down: its connections close, others take over its partitions and groups.
    pub fn stop_node(&self, node: i32) {
        if let Some(stop) = usize::try_from(node - 1)
            .ok()
            .and_then(|index| lock(&self.stops).get(index).cloned())
        {
            stop.cancel();
        }
        self.shared.nodes.change(node, |node| node.is_up = false);
        let Some(heir) = self.shared.nodes.up().first().map(|node| node.id) else {
            return;
        };
        for topic in self.shared.topics.all() {
            for (index, partition) in topic.partitions().iter().enumerate() {
                let leader = partition.log().leader;
                if leader == node {
                    self.shared
                        .topics
                        .elect(&topic.name, index as i32, partition, heir);
                }
            }
        }
    }

    /// Brings a node back on its address; it leads nothing until told to.
    pub async fn start_node(&self, node: i32) -> io::Result<()> {
        let index = usize::try_from(node - 1).map_err(io::Error::other)?;
        let address = *self
            .addresses
            .get(index)
            .ok_or_else(|| io::Error::other("no such node"))?;
        let listener = TcpListener::bind(address).await?;
        let stop = self.listen(node, listener);
        if let Some(slot) = lock(&self.stops).get_mut(index) {
            *slot = stop;
        }
        self.shared.nodes.change(node, |node| node.is_up = true);
        Ok(())
    }

    fn partition(&self, topic: &str, partition: i32) -> Result<Arc<Partition>, ResponseError> {
        let topic = self
            .shared
            .topics
            .get(topic)
            .ok_or(ResponseError::UnknownTopicOrPartition)?;
        topic
            .partition(partition)
            .ok_or(ResponseError::UnknownTopicOrPartition)
    }
}
