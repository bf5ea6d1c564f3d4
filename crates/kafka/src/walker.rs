//! Walker: the record batches of one partition of a fetch response as columns that point into the response.
//! Nothing is copied but compressed batches, which unfold into one buffer each; nothing is allocated per record.

mod aborted;
mod legacy;
mod reader;
mod rows;
mod v2;

pub use aborted::AbortedTransaction;

use aborted::AbortedTransactions;
use bytes::Bytes;
use millstream_core::{RecordBatch, TimestampType, TopicPartition};
use rows::Rows;

/// Offset and length, before what the length counts.
const LOG_OVERHEAD: usize = 12;
const MAGIC_AT: usize = 16;
/// Where a batch of format 2 says how many records it has.
const COUNT_AT: usize = 57;
/// The shortest message of any format, without `LOG_OVERHEAD`.
const SHORTEST: i32 = 14;

/// Rows after which the walk hands over what it has, at the next batch: enough to spread the cost of a hand-over,
/// few enough that memory follows the reader.
const ROWS_AT_ONCE: usize = 32 * 1024;

/// Records that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("invalid record batch in {partition} at offset {offset}: {what}")]
pub struct CorruptRecords {
    pub partition: TopicPartition,
    /// The position that reading stands at.
    pub offset: i64,
    pub what: String,
}

/// What to read, and how.
#[derive(Clone, Debug)]
pub struct WalkOptions {
    /// Records below this offset are dropped.
    pub fetch_offset: i64,
    pub check_crcs: bool,
    /// `Some`: leave out the records of these transactions (`isolation.level=read_committed`).
    pub aborted: Option<Vec<AbortedTransaction>>,
}

/// Iterates over batches of rows; rows before damage come before the error, which is the last item.
pub struct Walker {
    input: Bytes,
    at: usize,
    origin: TopicPartition,
    /// The offset to go on with.
    position: i64,
    check_crcs: bool,
    aborted: Option<AbortedTransactions>,
    error: Option<CorruptRecords>,
    is_done: bool,
    /// Bytes that the batch handed over last keeps in memory.
    weight: usize,
    leader_epoch: i32,
}

impl Walker {
    pub fn new(input: Bytes, origin: TopicPartition, options: WalkOptions) -> Self {
        Walker {
            input,
            at: 0,
            origin,
            position: options.fetch_offset,
            check_crcs: options.check_crcs,
            aborted: options.aborted.map(AbortedTransactions::new),
            error: None,
            is_done: false,
            weight: 0,
            leader_epoch: -1,
        }
    }

    /// The epoch of the leader that wrote what was read last; −1 where formats 0 and 1 do not say.
    pub fn leader_epoch(&self) -> i32 {
        self.leader_epoch
    }

    /// The bytes that the batch handed over last keeps in memory: its part of the response, unfolded data, columns.
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// The offset to fetch from next, after what has been read so far.
    pub fn position(&self) -> i64 {
        self.position
    }

    /// The next whole batch, not yet consumed. A partial one at the end is none.
    fn cut(&self) -> Result<Option<Cut>, String> {
        let rest = &self.input[self.at..];
        let Some(length) = rest.get(8..LOG_OVERHEAD) else {
            return Ok(None);
        };
        let length = i32::from_be_bytes(length.try_into().expect("four bytes"));
        if length < SHORTEST {
            return Err(format!("batch size {length} is below the minimum"));
        }
        let Some(&magic) = rest.get(MAGIC_AT) else {
            return Ok(None);
        };
        if magic > 2 {
            return Err(format!("unsupported message format (magic {magic})"));
        }
        if length > i32::MAX - LOG_OVERHEAD as i32 {
            return Err(format!("invalid batch size {length}"));
        }
        let size = LOG_OVERHEAD + length as usize;
        if rest.len() < size {
            return Ok(None);
        }
        Ok(Some(Cut {
            start: self.at,
            size,
            magic,
        }))
    }

    /// How many rows the next hand-over will have, if what follows is like the first batch.
    fn expected_rows(&self, cut: &Cut) -> usize {
        let count = self.input[cut.start..].get(COUNT_AT..COUNT_AT + 4);
        let count = count.and_then(<[u8]>::first_chunk::<4>);
        let count = count.map_or(0, |count| i32::from_be_bytes(*count));
        if cut.magic < 2 || count <= 0 {
            return 0;
        }
        let left = self.input.len() - cut.start;
        let rows = (count as usize).saturating_mul(left / cut.size);
        // A count is a claim. Records that shrink to less than a byte each are rare, and their columns may grow.
        rows.min(left).min(ROWS_AT_ONCE)
    }

    fn timestamp_type(&self, cut: &Cut) -> TimestampType {
        // The attributes' low byte: v2 has it after crc and a high byte, older formats after the magic.
        match cut.magic {
            0 => TimestampType::NoTimestampType,
            1 => rows::timestamp_type(self.input[cut.start + 17]),
            _ => rows::timestamp_type(self.input.get(cut.start + 22).copied().unwrap_or(0)),
        }
    }

    fn read(&mut self, cut: &Cut, rows: &mut Rows) -> Result<(), String> {
        let range = cut.start..cut.start + cut.size;
        let source = Source {
            input: &self.input,
            range,
            check_crcs: self.check_crcs,
        };
        match cut.magic {
            2 => v2::read(&source, self.aborted.as_mut(), rows, &mut self.position),
            magic => legacy::read(&source, magic, rows, &mut self.position),
        }
    }
}

struct Cut {
    start: usize,
    size: usize,
    magic: u8,
}

/// One batch in the response.
struct Source<'a> {
    input: &'a Bytes,
    range: std::ops::Range<usize>,
    check_crcs: bool,
}

impl Source<'_> {
    fn bytes(&self) -> &[u8] {
        &self.input[self.range.clone()]
    }
}

impl Iterator for Walker {
    type Item = Result<RecordBatch, CorruptRecords>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return self.error.take().map(Err);
        }
        let (first_offset, start) = (self.position, self.at);
        let mut rows: Option<Rows> = None;
        loop {
            let outcome = match self.cut() {
                Ok(Some(cut)) => {
                    let kind = self.timestamp_type(&cut);
                    let so_far =
                        rows.get_or_insert_with(|| Rows::new(kind, self.expected_rows(&cut)));
                    if !so_far.is_empty()
                        && (so_far.timestamp_type != kind || so_far.len() >= ROWS_AT_ONCE)
                    {
                        break;
                    }
                    so_far.timestamp_type = kind;
                    self.at += cut.size;
                    let outcome = self.read(&cut, so_far);
                    if cut.magic == 2 {
                        let epoch = self.input[cut.start..].get(12..16);
                        let epoch = epoch.and_then(<[u8]>::first_chunk::<4>);
                        self.leader_epoch = epoch.map_or(-1, |e| i32::from_be_bytes(*e));
                    }
                    outcome
                }
                Ok(None) => {
                    self.is_done = true;
                    break;
                }
                Err(what) => Err(what),
            };
            if let Err(what) = outcome {
                self.is_done = true;
                self.error = Some(CorruptRecords {
                    partition: self.origin.clone(),
                    offset: self.position,
                    what,
                });
                break;
            }
        }
        if self.position == first_offset {
            return self.error.take().map(Err);
        }
        self.weight = self.at - start + rows.as_ref().map_or(0, Rows::weight);
        rows.map(|rows| Ok(rows.finish(&self.origin, first_offset, self.position)))
    }
}

#[cfg(test)]
mod tests;
