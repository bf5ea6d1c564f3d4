//! Fetch: long polling over several partitions, answered with slices of the stored batches. The answer is encoded here and not
//! by the protocol crate, which would copy every record into one buffer.

use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::FetchRequest;
use kafka_protocol::messages::fetch_request::FetchPartition;
use tokio::time::Instant;
use uuid::Uuid;

use super::call::Call;
use super::log::Slice;
use super::topics::Partition;

/// The longest a fetch may wait, whatever it asks for, so that no connection hangs on a mistyped number.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Below this a batch is copied between its neighbours: one system call carries a limited number of pieces.
const WORTH_A_PIECE: usize = 2_048;

struct Wanted {
    name: String,
    id: Uuid,
    parts: Vec<(FetchPartition, Result<Arc<Partition>, ResponseError>)>,
}

struct Found {
    index: i32,
    error: i16,
    end: i64,
    stable: i64,
    start: i64,
    slice: Slice,
}

impl Call<'_> {
    /// The body of the answer, in pieces.
    pub(crate) async fn fetch(&self, request: FetchRequest) -> Vec<Bytes> {
        if request.session_id != 0 {
            return self.encode_fetch(ResponseError::FetchSessionIdNotFound.code(), &[]);
        }
        let wanted = self.resolve(&request);
        let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0))
            .min(LONGEST_WAIT);
        let deadline = Instant::now() + wait;
        loop {
            // Waiting starts before looking, so that nothing is appended unnoticed in between.
            let appended = self.waiter.notified();
            for (_, partition) in wanted.iter().flat_map(|topic| &topic.parts) {
                if let Ok(partition) = partition {
                    partition.wait(self.waiter);
                }
            }
            let (found, bytes, failed) = self.collect(&request, &wanted);
            if failed || bytes as i64 >= i64::from(request.min_bytes) || Instant::now() >= deadline
            {
                return self.encode_fetch(0, &found);
            }
            tokio::select! {
                () = appended => {}
                () = tokio::time::sleep_until(deadline) => {}
            }
        }
    }

    fn resolve(&self, request: &FetchRequest) -> Vec<Wanted> {
        let topic = |asked: &kafka_protocol::messages::fetch_request::FetchTopic| {
            let known = match self.version {
                13.. => self.broker.topics.by_id(asked.topic_id),
                _ => self.broker.topics.get(&asked.topic),
            };
            let missing = if self.version >= 13 {
                ResponseError::UnknownTopicId
            } else {
                ResponseError::UnknownTopicOrPartition
            };
            let name = known
                .as_ref()
                .map_or_else(|| asked.topic.to_string(), |topic| topic.name.clone());
            let find = |index: i32| {
                if let Some(forced) = self.forced(&name) {
                    return Err(forced);
                }
                let topic = known.as_ref().ok_or(missing)?;
                topic
                    .partition(index)
                    .ok_or(ResponseError::UnknownTopicOrPartition)
            };
            let parts = asked
                .partitions
                .iter()
                .map(|part| (part.clone(), find(part.partition)))
                .collect();
            Wanted {
                name,
                id: asked.topic_id,
                parts,
            }
        };
        request.topics.iter().map(topic).collect()
    }

    /// What is there now, its size, and whether anything went wrong.
    fn collect<'a>(
        &self,
        request: &FetchRequest,
        wanted: &'a [Wanted],
    ) -> (Vec<(&'a Wanted, Vec<Found>)>, usize, bool) {
        let mut budget = usize::try_from(request.max_bytes).unwrap_or(0);
        let (mut total, mut failed) = (0, false);
        let mut topics = Vec::with_capacity(wanted.len());
        for topic in wanted {
            let mut parts = Vec::with_capacity(topic.parts.len());
            for (asked, partition) in &topic.parts {
                let found = self.look(request, asked, partition, budget, total == 0);
                failed |= found.error != 0;
                budget = budget.saturating_sub(found.slice.bytes);
                total += found.slice.bytes;
                parts.push(found);
            }
            topics.push((topic, parts));
        }
        (topics, total, failed)
    }

    fn look(
        &self,
        request: &FetchRequest,
        asked: &FetchPartition,
        partition: &Result<Arc<Partition>, ResponseError>,
        budget: usize,
        is_first: bool,
    ) -> Found {
        let index = asked.partition;
        let failed = |error: ResponseError| Found {
            index,
            error: error.code(),
            end: -1,
            stable: -1,
            start: -1,
            slice: Slice::default(),
        };
        let log = match partition {
            Err(error) => return failed(*error),
            Ok(partition) => partition.log(),
        };
        if log.leader != self.node {
            return failed(ResponseError::NotLeaderOrFollower);
        }
        if let Err(error) = log.check_epoch(asked.current_leader_epoch) {
            return failed(error);
        }
        let limit = usize::try_from(asked.partition_max_bytes)
            .unwrap_or(0)
            .min(budget);
        match log.read(
            asked.fetch_offset,
            limit,
            is_first,
            request.isolation_level == 1,
        ) {
            Err(error) => failed(error),
            Ok(slice) => Found {
                index,
                error: 0,
                end: log.end(),
                stable: log.last_stable(),
                start: log.start(),
                slice,
            },
        }
    }

    fn encode_fetch(&self, error: i16, topics: &[(&Wanted, Vec<Found>)]) -> Vec<Bytes> {
        let mut out = Pieces {
            done: Vec::new(),
            open: BytesMut::with_capacity(256),
            flexible: self.version >= 12,
        };
        out.open.put_i32(0);
        if self.version >= 7 {
            out.open.put_i16(error);
            out.open.put_i32(0);
        }
        out.count(topics.len());
        for (topic, parts) in topics {
            if self.version >= 13 {
                out.open.put_slice(topic.id.as_bytes());
            } else {
                out.string(&topic.name);
            }
            out.count(parts.len());
            for found in parts {
                self.encode_partition(&mut out, found);
            }
            out.no_tags();
        }
        out.no_tags();
        out.finish()
    }

    fn encode_partition(&self, out: &mut Pieces, found: &Found) {
        out.open.put_i32(found.index);
        out.open.put_i16(found.error);
        out.open.put_i64(found.end);
        out.open.put_i64(found.stable);
        if self.version >= 5 {
            out.open.put_i64(found.start);
        }
        out.count(found.slice.aborted.len());
        for aborted in &found.slice.aborted {
            out.open.put_i64(aborted.producer_id);
            out.open.put_i64(aborted.first);
            out.no_tags();
        }
        if self.version >= 11 {
            out.open.put_i32(-1);
        }
        out.count(found.slice.bytes);
        for batch in &found.slice.batches {
            out.batch(batch);
        }
        out.no_tags();
    }
}

/// An answer under construction: finished pieces, and the one that is still written to.
struct Pieces {
    done: Vec<Bytes>,
    open: BytesMut,
    flexible: bool,
}

impl Pieces {
    fn unsigned(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.open.put_u8(value as u8 | 0x80);
            value >>= 7;
        }
        self.open.put_u8(value as u8);
    }

    fn count(&mut self, n: usize) {
        if self.flexible {
            self.unsigned(n as u32 + 1)
        } else {
            self.open.put_i32(n as i32)
        }
    }

    fn string(&mut self, text: &str) {
        if self.flexible {
            self.unsigned(text.len() as u32 + 1)
        } else {
            self.open.put_i16(text.len() as i16)
        }
        self.open.put_slice(text.as_bytes());
    }

    fn no_tags(&mut self) {
        if self.flexible {
            self.open.put_u8(0);
        }
    }

    fn batch(&mut self, batch: &Bytes) {
        if batch.len() < WORTH_A_PIECE {
            self.open.put_slice(batch);
        } else {
            self.done.push(self.open.split().freeze());
            self.done.push(batch.clone());
        }
    }

    fn finish(mut self) -> Vec<Bytes> {
        self.done.push(self.open.freeze());
        self.done
    }
}
