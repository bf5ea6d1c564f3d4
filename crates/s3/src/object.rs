//! OpenObject: the bytes of one object that is being filled, cut into parts exactly as the original cuts them.

use crate::compress::{Compressed, Compressors};
use crate::format::{Column, Encoded, Encoder, Output};
use crate::schemas::schema_of;
use crate::spill::{Move, Spill, Spilled, WORTH_IT};
use crate::upload::{Body, Closing, JobId, Object, Upload, Uploads};
use millstream_core::RecordError;
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// Least room beyond a part's size, so that the record that fills a part does not move the buffer.
const SLACK: usize = 64 * 1024;

/// From this size on an object takes over the buffer of a part that is stored.
const SPARE_FROM: usize = 64 * 1024;

/// Rows are encoded up to this many bytes at a time, so that a buffer grows in good time.
const STEP: usize = 256 * 1024;

pub(crate) struct OpenObject {
    object: Object,
    /// What S3 is to get, not sent yet. It grows with its content: many partitions may have an object open.
    buffer: Vec<u8>,
    /// What comes before the buffer and is not in memory.
    spilled: Spilled,
    output: Arc<Output>,
    /// Begun with the first record.
    encoder: Option<Box<dyn Encoder>>,
    /// Records as the encoder wrote them, where they are compressed on the way.
    plain: Vec<u8>,
    compressed: Option<Compressed>,
    upload: Option<Upload>,
    /// Bytes of records that it still takes, where there is a bound.
    left: Option<u64>,
    /// Bytes of a record as they were written last; on average, where they were several.
    record: usize,
}

impl OpenObject {
    pub(crate) fn new(object: Object, output: &Arc<Output>) -> Self {
        OpenObject {
            object,
            buffer: Vec::new(),
            spilled: Spilled::default(),
            output: Arc::clone(output),
            encoder: None,
            plain: Vec::new(),
            compressed: output.compressors.as_ref().map(Compressors::begin),
            upload: None,
            left: None,
            record: 0,
        }
    }

    /// Takes no more rows once they have so many bytes, before compression.
    pub(crate) fn of_bytes(mut self, most: Option<u64>) -> Self {
        self.left = most;
        self
    }

    /// Whether it takes no more.
    pub(crate) fn is_full(&self) -> bool {
        self.left == Some(0)
    }

    /// Why a row cannot be written, if so.
    pub(crate) fn check(&mut self, column: Column<'_>, row: usize) -> Result<(), RecordError> {
        let (encoder, _) = self.begin(column, row)?;
        encoder.check(column, row)
    }

    /// Writes rows until one cannot be written, all are, the object is full, or it is time for a `drain`, which is to follow
    /// in any case.
    pub(crate) fn write(
        &mut self,
        column: Column<'_>,
        rows: Range<usize>,
        uploads: &Uploads,
        part_size: usize,
    ) -> Encoded {
        let limit = match &self.compressed {
            Some(compressed) => {
                let whole = compressed.worth_it();
                let len = self.plain.len();
                if len >= whole / 4 && self.plain.capacity() < whole {
                    self.plain.reserve_exact(whole + SLACK - len);
                }
                whole
            }
            None => {
                self.make_room(uploads, part_size);
                (part_size - self.spilled.len()).min(self.buffer.len() + STEP)
            }
        };
        match self.left {
            Some(left) => self.write_bounded(limit, left, column, rows),
            None => self.write_up_to(limit, column, rows),
        }
    }

    /// Writes rows until they fill the object: lines up to a limit, a container's one by one.
    fn write_bounded(
        &mut self,
        limit: usize,
        left: u64,
        column: Column<'_>,
        rows: Range<usize>,
    ) -> Encoded {
        let mut done = Encoded::all(0);
        if self.encoder.is_none() {
            // With it, it is known how its records are counted.
            if let Err(failure) = self.begin(column, rows.start) {
                done.failure = Some(failure);
                return done;
            }
        }
        let written = |object: &Self| object.encoder.as_ref().and_then(|of| of.record_bytes());
        match written(self) {
            None => {
                let before = self.out().len();
                let room = usize::try_from(left).unwrap_or(usize::MAX);
                done = self.write_up_to(limit.min(before.saturating_add(room)), column, rows);
                let grown = (self.out().len() - before) as u64;
                self.left = Some(left.saturating_sub(grown));
            }
            Some(before) => {
                for row in rows {
                    let one = self.write_up_to(limit, column, row..row + 1);
                    done.rows += one.rows;
                    done.failure = one.failure;
                    let grown = written(self).unwrap_or(before) - before;
                    self.left = Some(left.saturating_sub(grown));
                    if one.rows == 0 || self.is_full() {
                        break;
                    }
                }
            }
        }
        done
    }

    /// Writes rows that have passed a check. A `drain` is to follow.
    pub(crate) fn write_all(&mut self, column: Column<'_>, rows: Range<usize>) -> Encoded {
        self.write_up_to(usize::MAX, column, rows)
    }

    fn write_up_to(&mut self, limit: usize, column: Column<'_>, rows: Range<usize>) -> Encoded {
        let before = self.out().len();
        let done = match self.begin(column, rows.start) {
            Ok((encoder, out)) => encoder.write(column, rows, limit, out),
            Err(failure) => Encoded {
                rows: 0,
                failure: Some(failure),
            },
        };
        let written = self.out().len().saturating_sub(before);
        self.record = written / done.rows.max(1);
        done
    }

    /// The encoder, begun with this row if it is the first one, and where it writes to.
    fn begin(
        &mut self,
        column: Column<'_>,
        row: usize,
    ) -> Result<(&mut dyn Encoder, &mut Vec<u8>), RecordError> {
        let encoder = match &mut self.encoder {
            Some(encoder) => encoder,
            none @ None => {
                let schema = match column {
                    Column::Payload(payload) => schema_of(payload, row),
                    Column::Headers(_) => None,
                };
                none.insert(self.output.format.open(self.output.part, schema)?)
            }
        };
        let out = match self.compressed {
            Some(_) => &mut self.plain,
            None => &mut self.buffer,
        };
        Ok((encoder.as_mut(), out))
    }

    /// Where the encoder writes to.
    fn out(&mut self) -> &mut Vec<u8> {
        match self.compressed {
            Some(_) => &mut self.plain,
            None => &mut self.buffer,
        }
    }

    /// Changes the name of an object that has not begun to go out.
    pub(crate) fn rename(&mut self, key: &str) {
        self.object.key = key.into();
    }

    /// The job of an object that has begun to go out.
    pub(crate) fn job(&self) -> Option<JobId> {
        self.upload.as_ref().map(|upload| upload.job)
    }

    /// An object that is more than a few records gets a buffer that is there anyway, and one that has outgrown a quarter
    /// of a part a whole part's with room for one more record, and no second doubling.
    fn make_room(&mut self, uploads: &Uploads, part_size: usize) {
        let (len, whole) = (self.buffer.len(), part_size + slack(self.record, part_size));
        if len < SPARE_FROM.min(part_size / 4) || self.buffer.capacity() >= whole {
            return;
        }
        if self.buffer.capacity() < part_size
            && let Some(mut spare) = uploads.buffers().take()
        {
            spare.extend_from_slice(&self.buffer);
            self.buffer = spare;
        }
        if len >= part_size / 4 && self.buffer.capacity() < whole {
            self.buffer.reserve_exact(whole - len);
        }
    }

    /// Sends every part that is full. To be called after each write.
    pub(crate) async fn drain(
        &mut self,
        uploads: &mut Uploads,
        spill: &mut Spill,
        part_size: usize,
    ) -> io::Result<()> {
        if let Some(compressed) = &mut self.compressed
            && self.plain.len() >= compressed.worth_it()
        {
            compressed.take(&mut self.plain, &mut self.buffer).await;
            // One large record is no reason to keep so much for the next.
            self.plain.shrink_to(compressed.worth_it() + SLACK);
        }
        self.send_full_parts(uploads, spill, part_size).await
    }

    async fn send_full_parts(
        &mut self,
        uploads: &mut Uploads,
        spill: &mut Spill,
        part_size: usize,
    ) -> io::Result<()> {
        if self.spilled.len() + self.buffer.len() < part_size {
            return Ok(());
        }
        self.restore(spill).await?;
        let mut next = uploads.buffers().take().unwrap_or_default();
        let rest = self.buffer.len() / part_size * part_size;
        next.extend_from_slice(&self.buffer[rest..]);
        self.buffer.truncate(rest);
        let full = std::mem::replace(&mut self.buffer, next);
        if uploads.is_oversized(full.len()) {
            // What was reserved for a large record is held until its last part is stored, so they may share its buffer.
            let whole = uploads.buffers().lend(full);
            for at in (0..whole.len()).step_by(part_size) {
                let part = whole.slice(at..at + part_size);
                uploads.send(&mut self.upload, &self.object, part, None);
            }
            return Ok(());
        }
        for part in into_parts(full, part_size) {
            let part = uploads.buffers().lend(part);
            uploads.send(&mut self.upload, &self.object, part, None);
        }
        Ok(())
    }

    /// Brings everything back into the buffer.
    async fn restore(&mut self, spill: &mut Spill) -> io::Result<()> {
        if self.spilled.len() > 0 {
            let mut whole = spill.read(&mut self.spilled, self.buffer.len()).await?;
            whole.extend_from_slice(&self.buffer);
            self.buffer = whole;
        }
        Ok(())
    }

    /// What the object has in memory and can move to the temporary file, if it is worth it.
    pub(crate) fn spillable(&mut self) -> Option<Move<'_>> {
        if self.memory() - self.spilled.memory() < WORTH_IT {
            return None;
        }
        if let Some(mut encoder) = self.encoder.take() {
            encoder.rest(self.out());
            self.encoder = Some(encoder);
        }
        if let Some(compressed) = &mut self.compressed {
            compressed.rest(&mut self.plain, &mut self.buffer);
        }
        Some(Move {
            bytes: &mut self.buffer,
            spilled: &mut self.spilled,
        })
    }

    /// Memory that the object holds.
    pub(crate) fn memory(&self) -> usize {
        let encoder = self.encoder.as_ref().map_or(0, |encoder| encoder.memory());
        let compressor = self.compressed.as_ref().map_or(0, Compressed::memory);
        let bytes = self.buffer.capacity() + self.plain.capacity() + self.spilled.memory();
        bytes + encoder + compressor
    }

    /// Drops the object; its upload, if one has begun, is aborted.
    pub(crate) fn forget(mut self, spill: &mut Spill) {
        spill.forget(&mut self.spilled);
    }

    /// Sends what is left as the last part, which there always is, if only of no bytes. Returns the job that stores it.
    pub(crate) async fn close(
        mut self,
        uploads: &mut Uploads,
        spill: &mut Spill,
        part_size: usize,
        closing: Closing,
    ) -> io::Result<Option<JobId>> {
        if let Some(encoder) = self.encoder.take() {
            encoder.finish(self.out())?;
        }
        if let Some(mut compressed) = self.compressed.take() {
            let held = self.spilled.len() + self.buffer.len();
            let most = compressed.at_most(self.plain.len());
            // Otherwise what is left may be several parts.
            if let Some(most) = most
                .map(|most| held + most)
                .filter(|most| *most < part_size)
            {
                self.restore(spill).await?;
                let made = compressed.finish_beside(&mut self.plain, &mut self.buffer);
                if let Some(made) = made {
                    let rest = Body::making(made, most, uploads.buffers());
                    uploads.send(&mut self.upload, &self.object, rest, Some(closing));
                    return Ok(self.upload.map(|upload| upload.job));
                }
            }
            let finished = compressed.finish(&self.plain, &mut self.buffer);
            finished.await?;
            self.plain = Vec::new();
        }
        self.send_full_parts(uploads, spill, part_size).await?;
        self.restore(spill).await?;
        let rest = uploads.buffers().lend(self.buffer);
        uploads.send(&mut self.upload, &self.object, rest, Some(closing));
        Ok(self.upload.map(|upload| upload.job))
    }
}

/// Room beyond a part's size for a record such as the last, in few sizes: for each that is larger the buffer moves. A record
/// that is larger than a part moves it in any case.
fn slack(record: usize, part_size: usize) -> usize {
    Some(record.next_power_of_two())
        .filter(|slack| (SLACK..=part_size).contains(slack))
        .unwrap_or(SLACK)
}

/// Cuts what is a multiple of a part's size into parts, from its end on, so that no byte is there twice for long: a record
/// may be many parts.
fn into_parts(mut whole: Vec<u8>, part_size: usize) -> Vec<Vec<u8>> {
    let mut parts = Vec::new();
    while whole.len() > part_size {
        let part = whole.split_off(whole.len() - part_size);
        whole.shrink_to(whole.len());
        parts.push(part);
    }
    parts.push(whole);
    parts.reverse();
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_has_room_for_one_more_record_of_up_to_its_size() {
        const MIB: usize = 1 << 20;
        for (record, room) in [
            (0, SLACK),
            (100, SLACK),
            (SLACK, SLACK),
            (SLACK + 1, 2 * SLACK),
            (1_000_003, MIB),
            (4 * MIB, 4 * MIB),
            (4 * MIB + 1, SLACK),
            (30 * MIB, SLACK),
        ] {
            assert_eq!(slack(record, 5 * MIB), room, "{record}");
        }
    }

    #[test]
    fn report_a9_a_large_record_is_cut_without_copies_that_stay() {
        let mut whole: Vec<u8> = (0..=255).cycle().take(6 * 4096).collect();
        whole.reserve(100_000);
        let expected = whole.clone();
        let parts = into_parts(whole, 4096);
        assert_eq!(parts.concat(), expected);
        assert!(parts.iter().all(|part| part.len() == 4096));
        let held: usize = parts.iter().map(Vec::capacity).sum();
        assert!(held <= expected.len() + 4096, "{held} bytes are held");
        assert_eq!(into_parts(vec![1; 8], 8), [[1; 8]]);
    }
}
