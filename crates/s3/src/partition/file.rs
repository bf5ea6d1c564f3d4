//! OpenFile: what is open for one folder: the object of the values, and those of keys and headers beside it.

use super::surroundings::Surroundings;
use crate::format::Encoded;
use crate::gzip::Gzip;
use crate::name;
use crate::object::OpenObject;
use crate::settings::Settings;
use crate::spill::Spill;
use crate::upload::{Closing, JobId, Names, Object};
use millstream_core::{Headers, Payload, RecordBatch, RecordError, TopicPartition};
use std::io;
use std::ops::Range;
use std::sync::Arc;
use tokio::sync::watch;

/// Rows to be written, with their values, which may have been brought into another schema.
pub(super) struct Rows<'a> {
    pub(super) batch: &'a RecordBatch,
    pub(super) range: Range<usize>,
    pub(super) values: &'a Payload,
    /// The row of the batch that the first of `values` belongs to.
    pub(super) first_value: usize,
}

impl Rows<'_> {
    fn values_of(&self, rows: Range<usize>) -> Range<usize> {
        rows.start - self.first_value..rows.end - self.first_value
    }
}

pub(crate) struct OpenFile {
    pub(super) folder: Arc<str>,
    records: usize,
    /// The offsets of the first record and the last.
    pub(super) start: i64,
    end: i64,
    /// `None` in the folder of records that have no value.
    values: Option<OpenObject>,
    keys: Option<OpenObject>,
    headers: Option<OpenObject>,
}

impl OpenFile {
    pub(super) fn new(
        settings: &Settings,
        origin: &TopicPartition,
        folder: Arc<str>,
        start: i64,
        cancel: &watch::Sender<bool>,
    ) -> Self {
        let key = settings.object_name(origin, &folder, start);
        let open = |key: String| {
            let gzip = settings.gzip.as_ref().map(Gzip::new);
            let object = Object {
                key: key.into(),
                owner: origin.clone(),
                cancelled: cancel.subscribe(),
            };
            OpenObject::new(object, gzip)
        };
        let beside = |what: &str, extension: &str| {
            open(name::sibling(
                &key,
                &settings.values.extension,
                what,
                extension,
            ))
        };
        let has_values = !settings.partitioner.is_tombstones(&folder);
        OpenFile {
            records: 0,
            start,
            end: start,
            keys: settings
                .keys
                .as_ref()
                .map(|keys| beside("keys", &keys.extension)),
            headers: settings
                .headers
                .as_ref()
                .map(|headers| beside("headers", &headers.extension)),
            values: has_values.then(|| open(key.clone())),
            folder,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// Writes rows until one fails or all are written.
    pub(super) fn write(
        &mut self,
        around: &mut Surroundings,
        rows: &Rows<'_>,
    ) -> io::Result<Encoded> {
        let mut done = Encoded {
            rows: 0,
            failure: None,
        };
        let Range { start, end } = rows.range;
        while start + done.rows < end && done.failure.is_none() {
            let row = start + done.rows;
            let written = if self.keys.is_none() && self.headers.is_none() {
                self.write_values(around, rows, row..end)
            } else {
                self.write_with_siblings(around, rows, row)
            };
            done.rows += written.rows;
            done.failure = written.failure;
            let objects = [&mut self.values, &mut self.keys, &mut self.headers];
            for object in objects.into_iter().flatten() {
                let spill = &mut around.memory.spill;
                object.drain(&mut around.uploads, spill, around.settings.part_size)?;
            }
        }
        if done.rows > 0 {
            self.records += done.rows;
            self.end = rows.batch.offsets[start + done.rows - 1];
        }
        Ok(done)
    }

    fn write_values(
        &mut self,
        around: &Surroundings,
        rows: &Rows<'_>,
        range: Range<usize>,
    ) -> Encoded {
        let settings = &around.settings;
        let range = rows.values_of(range);
        match &mut self.values {
            Some(values) => {
                let (out, limit) = values.output(&around.uploads, settings.part_size);
                let format = &settings.values.format;
                format.encode(rows.values, range, limit, out)
            }
            // Tombstones of which nothing is stored.
            None => Encoded {
                rows: range.len(),
                failure: None,
            },
        }
    }

    /// Writes a row to all its objects, or to none.
    fn write_with_siblings(
        &mut self,
        around: &Surroundings,
        rows: &Rows<'_>,
        row: usize,
    ) -> Encoded {
        let objects = [&mut self.values, &mut self.keys, &mut self.headers];
        let before = objects.map(|object| object.as_mut().map_or(0, |object| object.written()));
        let failure = self.try_write_with_siblings(around, rows, row).err();
        if failure.is_some() {
            let objects = [&mut self.values, &mut self.keys, &mut self.headers];
            for (object, len) in objects.into_iter().zip(before) {
                if let Some(object) = object {
                    object.take_back(len);
                }
            }
        }
        Encoded {
            rows: usize::from(failure.is_none()),
            failure,
        }
    }

    fn try_write_with_siblings(
        &mut self,
        around: &Surroundings,
        rows: &Rows<'_>,
        row: usize,
    ) -> Result<(), RecordError> {
        let settings = &around.settings;
        let batch = rows.batch;
        let cannot_be_null = |what: &str| {
            RecordError::data(format!(
                "{what} cannot be null for SinkRecord: SinkRecord{{kafkaOffset={}, topic='{}', kafkaPartition={}}} ",
                batch.offsets[row], batch.origin.topic, batch.origin.partition
            ))
        };
        if settings.keys.is_some() && batch.keys.is_null(row) {
            return Err(cannot_be_null("Key"));
        }
        let headers = match &batch.headers {
            Headers::Decoded { rows, .. } => rows[row].as_slice(),
            Headers::None | Headers::Raw(_) => &[],
        };
        if settings.headers.is_some() && headers.is_empty() {
            return Err(cannot_be_null("Headers"));
        }
        let one = |encoded: Encoded| encoded.failure.map_or(Ok(()), Err);
        if let (Some(object), Some(output)) = (&mut self.headers, &settings.headers) {
            let (out, _) = object.output(&around.uploads, settings.part_size);
            output.format.encode_headers(headers, out)?;
        }
        if let (Some(object), Some(output)) = (&mut self.keys, &settings.keys) {
            let (out, _) = object.output(&around.uploads, settings.part_size);
            let keys = &batch.keys;
            one(output.format.encode(keys, row..row + 1, usize::MAX, out))?;
        }
        if let Some(object) = &mut self.values {
            let (out, _) = object.output(&around.uploads, settings.part_size);
            let format = &settings.values.format;
            let range = rows.values_of(row..row + 1);
            one(format.encode(rows.values, range, usize::MAX, out))?;
        }
        Ok(())
    }

    /// Sends what is left of each object; returns the jobs that complete them.
    pub(super) fn close(self, around: &mut Surroundings, names: &Names) -> io::Result<Vec<JobId>> {
        let tags = around
            .settings
            .uploads
            .tags(self.start, self.end, self.records);
        let part_size = around.settings.part_size;
        let (uploads, spill) = (&mut around.uploads, &mut around.memory.spill);
        let mut jobs = Vec::new();
        if let Some(values) = self.values {
            let closing = Closing {
                tags,
                start: self.start,
                names: Names::clone(names),
            };
            jobs.extend(values.close(uploads, spill, part_size, closing)?);
        }
        for object in [self.keys, self.headers].into_iter().flatten() {
            let closing = Closing::default();
            jobs.extend(object.close(uploads, spill, part_size, closing)?);
        }
        Ok(jobs)
    }

    /// Moves what is in memory to the temporary file.
    pub(super) fn spill(&mut self, spill: &mut Spill) {
        let objects = [&mut self.values, &mut self.keys, &mut self.headers];
        for object in objects.into_iter().flatten() {
            object.spill(spill);
        }
    }

    pub(super) fn memory(&self) -> usize {
        let objects = [&self.values, &self.keys, &self.headers];
        objects.into_iter().flatten().map(OpenObject::memory).sum()
    }

    pub(super) fn forget(self, spill: &mut Spill) {
        for object in [self.values, self.keys, self.headers].into_iter().flatten() {
            object.forget(spill);
        }
    }

    /// The jobs of objects that have begun to go out.
    pub(super) fn jobs(&self) -> impl Iterator<Item = JobId> + '_ {
        let objects = [&self.values, &self.keys, &self.headers];
        objects.into_iter().flatten().filter_map(OpenObject::job)
    }
}
