//! One partition: its batches in memory, who leads it, what its producers sent last and which transactions are open. The file
//! behind it, if any, is `store.rs`.

mod compaction;
mod producers;

use std::collections::{BTreeMap, HashMap, VecDeque};

use bytes::Bytes;
use kafka_protocol::error::ResponseError;

use super::batch::{self, BatchHeader};
use super::store::LogFile;
use producers::ProducerState;

#[derive(Debug, Clone)]
struct Stored {
    header: BatchHeader,
    bytes: Bytes,
}

/// An aborted transaction: its producer, its first offset and the offset of its marker.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Aborted {
    pub(crate) producer_id: i64,
    pub(crate) first: i64,
    pub(crate) marker: i64,
}

/// What a fetch got from one partition.
#[derive(Debug, Default)]
pub(crate) struct Slice {
    pub(crate) batches: Vec<Bytes>,
    pub(crate) bytes: usize,
    pub(crate) aborted: Vec<Aborted>,
}

/// See the file's comment.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) leader: i32,
    /// Leader epochs with the offset each began at, oldest first; never empty.
    epochs: Vec<(i32, i64)>,
    batches: VecDeque<Stored>,
    start: i64,
    end: i64,
    bytes: usize,
    /// Bytes left by the last compaction.
    clean_bytes: usize,
    producers: HashMap<i64, ProducerState>,
    open: BTreeMap<i64, i64>,
    aborted: Vec<Aborted>,
    file: Option<LogFile>,
}

impl Log {
    pub(crate) fn new(leader: i32, file: Option<LogFile>) -> Self {
        Self {
            leader,
            epochs: vec![(0, 0)],
            batches: VecDeque::new(),
            start: 0,
            end: 0,
            bytes: 0,
            clean_bytes: 0,
            producers: HashMap::new(),
            open: BTreeMap::new(),
            aborted: Vec::new(),
            file,
        }
    }

    pub(crate) fn start(&self) -> i64 {
        self.start
    }

    /// The high watermark and the log's end are one: there are no replicas to wait for.
    pub(crate) fn end(&self) -> i64 {
        self.end
    }

    pub(crate) fn leader_epoch(&self) -> i32 {
        self.epochs[self.epochs.len() - 1].0
    }

    /// First offset of the oldest open transaction, or the end.
    pub(crate) fn last_stable(&self) -> i64 {
        self.open.values().copied().min().unwrap_or(self.end)
    }

    pub(crate) fn open_producers(&self) -> Vec<(i64, i16)> {
        let epoch = |id: &i64| self.producers.get(id).map_or(0, |state| state.epoch);
        self.open.keys().map(|id| (*id, epoch(id))).collect()
    }

    /// Hands the partition to another node.
    pub(crate) fn elect(&mut self, leader: i32) {
        self.leader = leader;
        self.epochs.push((self.leader_epoch() + 1, self.end));
    }

    /// The newest epoch not after `epoch` and where it ended.
    pub(crate) fn end_of_epoch(&self, epoch: i32) -> (i32, i64) {
        let next = self.epochs.partition_point(|(known, _)| *known <= epoch);
        match next.checked_sub(1).map(|i| self.epochs[i].0) {
            None => (-1, -1),
            Some(found) => (
                found,
                self.epochs.get(next).map_or(self.end, |(_, begin)| *begin),
            ),
        }
    }

    /// Whether `epoch`, as a client knows it, is the current one; -1 asks for no check.
    pub(crate) fn check_epoch(&self, epoch: i32) -> Result<(), ResponseError> {
        match epoch {
            -1 => Ok(()),
            known if known < self.leader_epoch() => Err(ResponseError::FencedLeaderEpoch),
            known if known > self.leader_epoch() => Err(ResponseError::UnknownLeaderEpoch),
            _ => Ok(()),
        }
    }

    /// Appends a checked batch and answers its base offset, or that of the first copy when it is a repeat.
    pub(crate) fn append(
        &mut self,
        header: BatchHeader,
        bytes: &[u8],
        stamp: Option<i64>,
    ) -> Result<i64, ResponseError> {
        if let Some(base) = self.check_sequence(&header)? {
            return Ok(base);
        }
        let mut bytes = bytes.to_vec();
        if let Some(now) = stamp {
            batch::stamp(&mut bytes, now);
        }
        batch::place(&mut bytes, self.end, self.leader_epoch());
        if let Some(file) = &mut self.file {
            file.append(&bytes)
                .map_err(|_| ResponseError::KafkaStorageError)?;
        }
        let base = self.end;
        self.take(Bytes::from(bytes));
        Ok(base)
    }

    /// Adds a batch that has its offset already: a new one, or one read back from the file.
    pub(crate) fn take(&mut self, bytes: Bytes) {
        let Some(header) = BatchHeader::parse(&bytes) else {
            return;
        };
        self.remember(&header, &bytes);
        if header.leader_epoch > self.leader_epoch() {
            self.epochs.push((header.leader_epoch, header.base_offset));
        }
        self.end = header.last_offset() + 1;
        self.bytes += bytes.len();
        self.batches.push_back(Stored { header, bytes });
    }

    /// Whole batches from the one that holds `offset`, up to `limit` bytes and not beyond what the reader may see.
    pub(crate) fn read(
        &self,
        offset: i64,
        limit: usize,
        at_least_one: bool,
        committed: bool,
    ) -> Result<Slice, ResponseError> {
        if offset < self.start || offset > self.end {
            return Err(ResponseError::OffsetOutOfRange);
        }
        let bound = if committed {
            self.last_stable()
        } else {
            self.end
        };
        let mut slice = Slice::default();
        let mut next = offset;
        let from = self
            .batches
            .partition_point(|stored| stored.header.last_offset() < offset);
        for stored in self.batches.range(from..) {
            let fits =
                slice.bytes + stored.bytes.len() <= limit || (at_least_one && slice.bytes == 0);
            if !fits || stored.header.base_offset >= bound {
                break;
            }
            slice.bytes += stored.bytes.len();
            slice.batches.push(stored.bytes.clone());
            next = stored.header.last_offset() + 1;
        }
        if committed {
            let overlaps = |aborted: &&Aborted| aborted.marker >= offset && aborted.first < next;
            slice.aborted = self.aborted.iter().filter(overlaps).copied().collect();
        }
        Ok(slice)
    }

    /// The first record not older than `timestamp`: its timestamp and offset.
    pub(crate) fn find_time(&self, timestamp: i64) -> Option<(i64, i64)> {
        let reaches = |stored: &&Stored| {
            stored.header.max_timestamp >= timestamp && !stored.header.is_control()
        };
        let stored = self.batches.iter().find(reaches)?;
        let header = &stored.header;
        let whole = (
            header.base_timestamp.min(header.max_timestamp),
            header.base_offset,
        );
        if header.is_compressed() {
            return Some(whole);
        }
        let time = |record: &batch::RawRecord<'_>| header.base_timestamp + record.timestamp_delta;
        let found = batch::records(&stored.bytes)?
            .into_iter()
            .find(|record| time(record) >= timestamp);
        Some(found.map_or(whole, |record| {
            (time(&record), header.base_offset + record.offset_delta)
        }))
    }

    /// The newest timestamp and the last offset of its batch.
    pub(crate) fn newest_time(&self) -> Option<(i64, i64)> {
        let newest = self
            .batches
            .iter()
            .max_by_key(|stored| stored.header.max_timestamp)?;
        Some((newest.header.max_timestamp, newest.header.last_offset()))
    }

    /// Forgets what lies before `offset`; -1 means everything.
    pub(crate) fn delete_before(&mut self, offset: i64) -> Result<i64, ResponseError> {
        let offset = if offset == -1 { self.end } else { offset };
        if offset < 0 || offset > self.end {
            return Err(ResponseError::OffsetOutOfRange);
        }
        self.start = self.start.max(offset);
        while self
            .batches
            .front()
            .is_some_and(|stored| stored.header.last_offset() < self.start)
        {
            if let Some(stored) = self.batches.pop_front() {
                self.bytes -= stored.bytes.len();
            }
        }
        self.aborted.retain(|aborted| aborted.marker >= self.start);
        self.rewrite()
            .map_err(|_| ResponseError::KafkaStorageError)?;
        Ok(self.start)
    }

    /// After a reload: who led last, and in which epoch, even if nothing was written in it.
    pub(crate) fn restore_leader(&mut self, leader: i32, epoch: i32) {
        self.leader = leader;
        if epoch > self.leader_epoch() {
            self.epochs.push((epoch, self.end));
        }
    }

    /// After a reload: the journal knows where the log starts, and an empty file does not know where it ended.
    pub(crate) fn restore_start(&mut self, start: i64) {
        self.start = start;
        self.end = self.end.max(start);
    }

    /// Drops what lies at or after `offset`, as an unclean leader election would.
    pub(crate) fn truncate(&mut self, offset: i64) {
        let kept: Vec<_> = self
            .batches
            .drain(..)
            .filter(|stored| stored.header.last_offset() < offset)
            .collect();
        let fresh = Log::new(self.leader, self.file.take());
        let old = std::mem::replace(self, fresh);
        self.epochs = old.epochs;
        self.start = old.start;
        self.end = old.start;
        for stored in kept {
            self.take(stored.bytes);
        }
        let end = self.end;
        for (_, begin) in &mut self.epochs {
            *begin = (*begin).min(end);
        }
        // A failed rewrite leaves more in the file than in memory, which a test that truncates can live with.
        let _ = self.rewrite();
    }

    fn rewrite(&mut self) -> std::io::Result<()> {
        match &mut self.file {
            None => Ok(()),
            Some(file) => file.rewrite(self.batches.iter().map(|stored| &stored.bytes)),
        }
    }

    /// All batches, for the tests' direct reading.
    pub(crate) fn all(&self) -> Vec<Bytes> {
        self.batches
            .iter()
            .map(|stored| stored.bytes.clone())
            .collect()
    }

    /// Removes the file of a deleted topic.
    pub(crate) fn discard(&mut self) {
        if let Some(file) = self.file.take() {
            file.remove();
        }
    }
}

#[cfg(test)]
mod tests;
