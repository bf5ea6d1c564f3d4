//! OpenFile: what is open for one folder: the object of the values, and those of keys and headers beside it.

use super::context::WriterContext;
use super::refusal::cannot_restore;
use crate::format::{Column, Encoded, Output, headers_of};
use crate::intent::Intent;
use crate::name;
use crate::object::OpenObject;
use crate::settings::Settings;
use crate::spill::{Move, Spill};
use crate::upload::{Closing, JobId, Names, Object};
use millstream_core::{Payload, RecordBatch, RecordError, SchemaRef, SinkError, TopicPartition};
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

/// Records checked before the first of them is written, where there are keys or headers beside the values.
const CHECKED_AT_A_TIME: usize = 256;

pub(crate) struct OpenFile {
    pub(super) folder: Arc<str>,
    /// That of its records, where each schema has files of its own.
    pub(super) schema: Option<SchemaRef>,
    records: usize,
    /// The offsets of the first record and the last.
    pub(super) start: i64,
    end: i64,
    /// `None` in the folder of records that have no value.
    values: Option<OpenObject>,
    keys: Option<OpenObject>,
    headers: Option<OpenObject>,
    /// Where records come from a queue.
    batch: Option<Batch>,
}

/// A batch of a queue's messages.
struct Batch {
    id: String,
    origin: TopicPartition,
    /// By offset, those that have a mark, where there is a ledger.
    messages: Vec<(i64, Arc<str>)>,
}

/// The keys of a file's objects.
struct Keys {
    values: String,
    keys: Option<String>,
    headers: Option<String>,
}

impl Keys {
    /// Those beside the object of the values.
    fn beside(settings: &Settings, values: String) -> Self {
        let beside = |what: &str, output: &Option<Arc<Output>>| {
            let extension = &output.as_ref()?.extension;
            let own = &settings.values.extension;
            Some(name::sibling(&values, own, what, extension))
        };
        Keys {
            keys: beside("keys", &settings.keys),
            headers: beside("headers", &settings.headers),
            values,
        }
    }
}

impl OpenFile {
    pub(super) fn new(
        settings: &Settings,
        origin: &TopicPartition,
        folder: Arc<str>,
        start: i64,
        batch: Option<String>,
        cancel: &watch::Sender<bool>,
    ) -> Self {
        let key = match &batch {
            Some(id) => settings.batch_name(origin, &folder, id, None),
            None => settings.object_name(origin, &folder, start),
        };
        let names = Keys::beside(settings, key);
        let open = |key: String, output: &Arc<Output>| {
            let object = Object {
                key: key.into(),
                owner: origin.clone(),
                cancelled: cancel.subscribe(),
            };
            OpenObject::new(object, output)
        };
        let beside = |key: Option<String>, output: &Option<Arc<Output>>| {
            key.zip(output.as_ref())
                .map(|(key, output)| open(key, output))
        };
        let has_values = !settings.partitioner.is_tombstones(&folder);
        OpenFile {
            schema: None,
            records: 0,
            start,
            end: start,
            keys: beside(names.keys, &settings.keys),
            headers: beside(names.headers, &settings.headers),
            values: has_values
                .then(|| open(names.values, &settings.values).of_bytes(settings.rotation.bytes)),
            batch: batch.map(|id| Batch {
                id,
                origin: origin.clone(),
                messages: Vec::new(),
            }),
            folder,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// Whether its records have the bytes that an object is to hold.
    pub(super) fn is_full(&self) -> bool {
        self.values.as_ref().is_some_and(OpenObject::is_full)
    }

    /// Writes rows until one fails or all are written.
    pub(super) async fn write(
        &mut self,
        context: &mut WriterContext,
        rows: &Rows<'_>,
    ) -> Result<Encoded, SinkError> {
        let mut done = Encoded::all(0);
        let Range { start, end } = rows.range;
        while start + done.rows < end && done.failure.is_none() && !self.is_full() {
            let range = start + done.rows..end;
            let written = if self.keys.is_none() && self.headers.is_none() {
                self.write_values(context, rows, range)
            } else {
                self.write_with_siblings(context, rows, range)?
            };
            done.rows += written.rows;
            done.failure = written.failure;
            let objects = [&mut self.values, &mut self.keys, &mut self.headers];
            for object in objects.into_iter().flatten() {
                let spill = &mut context.memory.spill;
                let drained = object.drain(&mut context.uploads, spill, context.settings.part_size);
                drained.await.map_err(cannot_restore)?;
            }
        }
        if done.rows > 0 {
            self.records += done.rows;
            self.end = rows.batch.offsets[start + done.rows - 1];
            self.note_messages(context, rows.batch, start..start + done.rows);
        }
        Ok(done)
    }

    /// Notes which messages rows were made of, for the ledger.
    fn note_messages(&mut self, context: &WriterContext, batch: &RecordBatch, rows: Range<usize>) {
        let messages = batch.fetched.messages.as_ref();
        let messages = messages.filter(|_| context.ledger.is_some());
        if let Some((own, messages)) = self.batch.as_mut().zip(messages) {
            let offsets = batch.offsets[rows].iter();
            let marked = offsets.filter_map(|offset| {
                let mark = messages.of(*offset)?.mark.as_ref()?;
                Some((*offset, Arc::clone(mark)))
            });
            own.messages.extend(marked);
        }
    }

    fn write_values(
        &mut self,
        context: &WriterContext,
        rows: &Rows<'_>,
        range: Range<usize>,
    ) -> Encoded {
        let range = rows.values_of(range);
        match &mut self.values {
            Some(values) => {
                let part_size = context.settings.part_size;
                values.write(
                    Column::Payload(rows.values),
                    range,
                    &context.uploads,
                    part_size,
                )
            }
            // Tombstones of which nothing is stored.
            None => Encoded::all(range.len()),
        }
    }

    /// Writes each row to all its objects, or to none: values of rows whose keys and headers have passed their check, and
    /// then those of as many rows.
    fn write_with_siblings(
        &mut self,
        context: &WriterContext,
        rows: &Rows<'_>,
        range: Range<usize>,
    ) -> Result<Encoded, SinkError> {
        let batch = rows.batch;
        let (mut checked, mut failure) = (0, None);
        for row in range.clone().take(CHECKED_AT_A_TIME) {
            match self.check_siblings(batch, row) {
                Ok(()) => checked += 1,
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        let mut written = Encoded::all(0);
        if checked > 0 {
            written = self.write_values(context, rows, range.start..range.start + checked);
        }
        let range = range.start..range.start + written.rows;
        for (object, column) in [
            (&mut self.headers, Column::Headers(&batch.headers)),
            (&mut self.keys, Column::Payload(&batch.keys)),
        ] {
            let Some(object) = object.as_mut().filter(|_| !range.is_empty()) else {
                continue;
            };
            let Encoded { rows, failure } = object.write_all(column, range.clone());
            if let Some(error) = failure {
                // Its value is written, so it cannot be left out any more.
                return Err(SinkError::record(batch, range.start + rows, error));
            }
        }
        if written.rows == checked && written.failure.is_none() {
            written.failure = failure;
        }
        Ok(written)
    }

    /// Whether a record has what its sibling objects need, and they can be written.
    fn check_siblings(&mut self, batch: &RecordBatch, row: usize) -> Result<(), RecordError> {
        let cannot_be_null = |what: &str| {
            RecordError::data(format!(
                "{what} cannot be null for SinkRecord: SinkRecord{{kafkaOffset={}, topic='{}', kafkaPartition={}}} ",
                batch.offsets[row], batch.origin.topic, batch.origin.partition
            ))
        };
        if self.keys.is_some() && batch.keys.is_null(row) {
            return Err(cannot_be_null("Key"));
        }
        if self.headers.is_some() && headers_of(&batch.headers, row).is_empty() {
            return Err(cannot_be_null("Headers"));
        }
        if let Some(headers) = &mut self.headers {
            headers.check(Column::Headers(&batch.headers), row)?;
        }
        match &mut self.keys {
            Some(keys) => keys.check(Column::Payload(&batch.keys), row),
            None => Ok(()),
        }
    }

    /// Sends what is left of each object; returns the jobs that complete them.
    pub(super) async fn close(
        mut self,
        context: &mut WriterContext,
        names: &Names,
    ) -> io::Result<Vec<JobId>> {
        let batch = self.batch.take();
        let intent = batch.as_ref().and_then(|batch| self.intend(batch, context));
        let tags = context
            .settings
            .uploads
            .tags(self.start, self.end, self.records);
        let part_size = context.settings.part_size;
        let (uploads, spill) = (&mut context.uploads, &mut context.memory.spill);
        let mut jobs = Vec::new();
        if let Some(values) = self.values {
            let closing = Closing {
                tags,
                start: self.start,
                names: Names::clone(names),
                intent: intent.clone(),
            };
            jobs.extend(values.close(uploads, spill, part_size, closing).await?);
        }
        for object in [self.keys, self.headers].into_iter().flatten() {
            let closing = Closing {
                intent: intent.clone(),
                ..Closing::default()
            };
            jobs.extend(object.close(uploads, spill, part_size, closing).await?);
        }
        if let Some((batch, ledger)) = batch.zip(context.ledger.as_mut()) {
            ledger.stores(&batch.id, &jobs);
        }
        Ok(jobs)
    }

    /// Gives the objects of a batch their last names, with the number of records, unless S3 has been told of one of them already;
    /// and the entry of the ledger, if it has messages for that.
    fn intend(&mut self, batch: &Batch, context: &mut WriterContext) -> Option<Arc<Intent>> {
        let settings = &context.settings;
        let records = self.jobs().next().is_none().then_some(self.records);
        let name = settings.batch_name(&batch.origin, &self.folder, &batch.id, records);
        let names = Keys::beside(settings, name);
        let objects = [
            (&mut self.values, Some(names.values)),
            (&mut self.keys, names.keys),
            (&mut self.headers, names.headers),
        ];
        let mut keys = Vec::new();
        for (object, key) in objects {
            if let Some((object, key)) = object.as_mut().zip(key) {
                if records.is_some() {
                    object.rename(&key);
                }
                keys.push(key);
            }
        }
        let ledger = context.ledger.as_mut();
        let ledger = ledger.filter(|_| !batch.messages.is_empty() && !keys.is_empty());
        ledger.map(|ledger| ledger.intend(&batch.id, keys, self.records, &batch.messages))
    }

    /// What is in memory and can move to the temporary file.
    pub(super) fn spillable(&mut self) -> impl Iterator<Item = Move<'_>> {
        let objects = [&mut self.values, &mut self.keys, &mut self.headers];
        objects
            .into_iter()
            .flatten()
            .filter_map(OpenObject::spillable)
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
