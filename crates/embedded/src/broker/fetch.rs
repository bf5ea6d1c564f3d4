//! Fetch: long polling over several partitions, answered with slices of the stored batches. The answer is encoded here and not
//! by the protocol crate, which would copy every record into one buffer.

mod session;

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

use session::Asked;
pub(crate) use session::Sessions;

/// The longest a fetch may wait, whatever it asks for, so that no connection hangs on a mistyped number.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Below this a batch is copied between its neighbours: one system call carries a limited number of pieces.
const WORTH_A_PIECE: usize = 2_048;

/// One partition of a request, found or not.
struct Part {
    name: String,
    id: Uuid,
    asked: FetchPartition,
    partition: Result<Arc<Partition>, ResponseError>,
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
        let opened = match self.broker.sessions.open(&request) {
            Ok(opened) => opened,
            Err(error) => return self.encode_fetch(error.code(), 0, &[]),
        };
        let parts: Vec<Part> = opened
            .asked
            .iter()
            .map(|asked| self.resolve(asked))
            .collect();
        let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0))
            .min(LONGEST_WAIT);
        let deadline = Instant::now() + wait;
        loop {
            // Waiting starts before looking, so that nothing is appended unnoticed in between.
            let appended = self.waiter.notified();
            for partition in parts.iter().flat_map(|part| &part.partition) {
                partition.wait(self.waiter);
            }
            let (found, bytes, failed) = self.collect(&request, &parts);
            if failed || bytes as i64 >= i64::from(request.min_bytes) || Instant::now() >= deadline
            {
                let shown = self.broker.sessions.settle(&opened, &found);
                let news = parts.iter().zip(found).zip(shown);
                let news: Vec<_> = news
                    .filter(|(_, shown)| *shown)
                    .map(|(part, _)| part)
                    .collect();
                return self.encode_fetch(0, opened.id, &news);
            }
            tokio::select! {
                () = appended => {}
                () = tokio::time::sleep_until(deadline) => {}
            }
        }
    }

    fn resolve(&self, asked: &Asked) -> Part {
        let by_id = self.version >= 13;
        let topics = &self.broker.topics;
        let known = if by_id {
            topics.by_id(asked.id)
        } else {
            topics.get(&asked.topic)
        };
        let name = known
            .as_ref()
            .map_or_else(|| asked.topic.clone(), |topic| topic.name.clone());
        let partition = match (self.forced(&name), known) {
            (Some(forced), _) => Err(forced),
            (None, None) if by_id => Err(ResponseError::UnknownTopicId),
            (None, known) => known
                .and_then(|topic| topic.partition(asked.part.partition))
                .ok_or(ResponseError::UnknownTopicOrPartition),
        };
        Part {
            name,
            id: asked.id,
            asked: asked.part.clone(),
            partition,
        }
    }

    /// What is there now, its size, and whether anything went wrong.
    fn collect(&self, request: &FetchRequest, parts: &[Part]) -> (Vec<Found>, usize, bool) {
        let mut budget = usize::try_from(request.max_bytes).unwrap_or(0);
        let (mut total, mut failed) = (0, false);
        let mut all = Vec::with_capacity(parts.len());
        for part in parts {
            let found = self.look(request, &part.asked, &part.partition, budget, total == 0);
            failed |= found.error != 0;
            budget = budget.saturating_sub(found.slice.bytes);
            total += found.slice.bytes;
            all.push(found);
        }
        (all, total, failed)
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

    fn encode_fetch(&self, error: i16, session: i32, parts: &[(&Part, Found)]) -> Vec<Bytes> {
        let mut out = Pieces {
            done: Vec::new(),
            open: BytesMut::with_capacity(256),
            flexible: self.version >= 12,
        };
        out.open.put_i32(0);
        if self.version >= 7 {
            out.open.put_i16(error);
            out.open.put_i32(session);
        }
        let topics: Vec<_> = parts
            .chunk_by(|(a, _), (b, _)| a.id == b.id && a.name == b.name)
            .collect();
        out.count(topics.len());
        for topic in topics {
            let (first, _) = &topic[0];
            if self.version >= 13 {
                out.open.put_slice(first.id.as_bytes());
            } else {
                out.string(&first.name);
            }
            out.count(topic.len());
            for (_, found) in topic {
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
