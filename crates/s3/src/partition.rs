//! PartitionWriter: the open files of one topic partition, and what is known of those that are on their way.

mod file;

use crate::rotation::Reason;
use crate::settings::{OnNull, Settings};
use crate::upload::{JobId, Uploads};
use file::OpenFile;
use millstream_core::offsets::Ticket;
use millstream_core::rejected::{CONNECT_EXCEPTION, DATA_EXCEPTION};
use millstream_core::{
    OffsetTracker, Payload, RawKind, RecordBatch, RecordError, Rejected, Schema, SchemaRef,
    SchemaType, SinkError, SinkErrorKind, Stage, TopicPartition,
};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use tokio::sync::watch;
use tracing::debug;

/// What a writer is given besides the records.
pub(crate) struct Surroundings<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) uploads: &'a mut Uploads,
    pub(crate) rejected: &'a mut Rejected,
    /// Whether bad rows may be rejected; if not, they are errors.
    pub(crate) takes_rejected: bool,
}

pub(crate) struct PartitionWriter {
    origin: TopicPartition,
    /// In the order in which they were opened, which is the order in which they are closed.
    open: Vec<OpenFile>,
    /// The schemas of this cycle by folder; `None` is "known, but there is none".
    schemas: HashMap<Arc<str>, Option<SchemaRef>>,
    /// Records in all open files.
    total: usize,
    /// The last record written; survives a rotation.
    last_offset: Option<i64>,
    next_scheduled: Option<i64>,
    tracker: OffsetTracker,
    /// Closed objects that S3 does not have yet.
    closed: HashMap<JobId, Ticket>,
    unfinished: HashMap<Ticket, usize>,
    reported: Option<i64>,
    /// Only folder of a constant partitioner.
    folder: Option<Arc<str>>,
    cancel: watch::Sender<bool>,
}

/// The class that Java says was executing when a record is refused in `put`.
const SINK_TASK: &str = "org.apache.kafka.connect.sink.SinkTask";

impl PartitionWriter {
    pub(crate) fn new(origin: TopicPartition, settings: &Settings, now: i64) -> Self {
        PartitionWriter {
            origin,
            open: Vec::new(),
            schemas: HashMap::new(),
            total: 0,
            last_offset: None,
            next_scheduled: settings.rotation.next_scheduled(now),
            tracker: OffsetTracker::new(),
            closed: HashMap::new(),
            unfinished: HashMap::new(),
            reported: None,
            folder: None,
            cancel: watch::Sender::new(false),
        }
    }

    /// Writes the rows of a batch, closing files as they fall due.
    pub(crate) async fn put(
        &mut self,
        around: &mut Surroundings<'_>,
        batch: &RecordBatch,
        now: i64,
    ) -> Result<(), SinkError> {
        if around.settings.on_null == OnNull::Fail
            && (0..batch.len()).any(|row| batch.values.is_null(row))
        {
            return Err(SinkError::fatal(
                "Null valued records are not writeable with current behavior.on.null.values 'settings.",
            ));
        }
        self.skip_schedule(around.settings, now);
        let mut row = 0;
        while row < batch.len() {
            row = self.step(around, batch, row, now).await?;
        }
        self.rotate_if_due(around, now).await;
        Ok(())
    }

    /// Handles the next run of rows that belong together; returns the row after it.
    async fn step(
        &mut self,
        around: &mut Surroundings<'_>,
        batch: &RecordBatch,
        row: usize,
        now: i64,
    ) -> Result<usize, SinkError> {
        if let OnNull::Ignore { reported } = around.settings.on_null
            && batch.values.is_null(row)
        {
            if reported && around.takes_rejected {
                let error = RecordError::data("Skipping null value record.");
                reject(around, batch, row, error);
            }
            return Ok(row + 1);
        }
        let folder = match self.folder_of(around.settings, batch, row) {
            Ok(folder) => folder,
            Err(error) => {
                self.refuse(around, batch, row, error)?;
                return Ok(row + 1);
            }
        };
        let schema = schema_of(&batch.values, row);
        if let Some(reason) = self.due_before(around.settings, &folder, schema, now) {
            self.rotate(around, reason, now).await;
            return Ok(row);
        }
        let run = match self.schemas.get(&folder) {
            // A schema of which nothing was written stays the current one for a record more.
            Some(known) if !around.settings.rotation.fits(known.as_ref(), schema) => 1,
            _ => run_length(around.settings, batch, row),
        };
        let room = around.settings.rotation.flush_size - self.total;
        let end = row + run.min(room);
        self.write(around, batch, row..end, &folder).await?;
        if self.total >= around.settings.rotation.flush_size {
            self.rotate(around, Reason::FlushSize, now).await;
        }
        Ok(end)
    }

    /// Whether the files must be closed before a record of this folder and schema is written.
    fn due_before(
        &mut self,
        settings: &Settings,
        folder: &Arc<str>,
        schema: Option<&SchemaRef>,
        now: i64,
    ) -> Option<Reason> {
        let known = self.schemas.get(folder).map(Option::as_ref);
        let flips = known.is_some_and(|known| known.is_some() != schema.is_some());
        let current = match known {
            Some(Some(current)) if schema.is_some() => Some(current),
            // Where either is missing, the record's takes over.
            _ => {
                if known.is_none() || flips {
                    self.schemas.insert(Arc::clone(folder), schema.cloned());
                }
                schema
            }
        };
        if flips {
            return Some(Reason::SchemaChange);
        }
        if self.total == 0 {
            return None;
        }
        if self.next_scheduled.is_some_and(|due| now >= due) {
            return Some(Reason::Schedule);
        }
        let fits = settings.rotation.fits(current, schema);
        (!fits).then_some(Reason::SchemaChange)
    }

    /// Writes rows of one folder and schema, at most as many as a rotation takes.
    async fn write(
        &mut self,
        around: &mut Surroundings<'_>,
        batch: &RecordBatch,
        rows: std::ops::Range<usize>,
        folder: &Arc<str>,
    ) -> Result<(), SinkError> {
        let mut row = rows.start;
        while row < rows.end {
            let index = self.file(around.settings, folder, batch.offsets[row])?;
            let file = &mut self.open[index];
            let written = file.write(around, batch, row..rows.end).await;
            row += written.rows;
            self.total += written.rows;
            if written.rows > 0 {
                self.last_offset = Some(batch.offsets[row - 1]);
            }
            if let Some(error) = written.failure {
                if self.open[index].is_empty() {
                    self.open.remove(index);
                }
                self.refuse(around, batch, row, error)?;
                row += 1;
            }
        }
        Ok(())
    }

    /// The open file of a folder, opened if need be with the offset of its first record.
    fn file(
        &mut self,
        settings: &Settings,
        folder: &Arc<str>,
        offset: i64,
    ) -> Result<usize, SinkError> {
        if let Some(index) = self.open.iter().position(|file| file.folder == *folder) {
            return Ok(index);
        }
        if settings.names.refuse_width() {
            // Java's formatter refuses such a width with every record.
            return Err(SinkError::fatal("Flags = '0'"));
        }
        let file = OpenFile::new(
            settings,
            &self.origin,
            Arc::clone(folder),
            offset,
            &self.cancel,
        );
        self.open.push(file);
        Ok(self.open.len() - 1)
    }

    fn folder_of(
        &mut self,
        settings: &Settings,
        batch: &RecordBatch,
        row: usize,
    ) -> Result<Arc<str>, RecordError> {
        if !settings.partitioner.is_constant() {
            return settings.partitioner.encode(batch, row);
        }
        match &self.folder {
            Some(folder) => Ok(Arc::clone(folder)),
            None => {
                let folder = settings.partitioner.encode(batch, row)?;
                Ok(Arc::clone(self.folder.insert(folder)))
            }
        }
    }

    /// Rejects a bad row where that is possible; otherwise the task fails, as it does for what is no fault of the data.
    fn refuse(
        &self,
        around: &mut Surroundings<'_>,
        batch: &RecordBatch,
        row: usize,
        error: RecordError,
    ) -> Result<(), SinkError> {
        let is_data = error.class == DATA_EXCEPTION;
        if is_data && around.takes_rejected {
            reject(around, batch, row, error);
            return Ok(());
        }
        let message = if is_data {
            format!("{}: {}", error.class, error.message)
        } else {
            error.message.clone()
        };
        Err(SinkError {
            kind: SinkErrorKind::Fatal,
            class: CONNECT_EXCEPTION,
            message,
            source: Some(error.into()),
        })
    }

    /// Moves an expired schedule on while nothing is open: idle time splits no file.
    pub(crate) fn skip_schedule(&mut self, settings: &Settings, now: i64) {
        if self.total == 0 && self.next_scheduled.is_some_and(|due| now >= due) {
            self.next_scheduled = settings.rotation.next_scheduled(now);
        }
    }

    pub(crate) async fn rotate_if_due(&mut self, around: &mut Surroundings<'_>, now: i64) {
        if self.total > 0 && self.next_scheduled.is_some_and(|due| now >= due) {
            self.rotate(around, Reason::Schedule, now).await;
        }
    }

    /// When `rotate_if_due` should be called.
    pub(crate) fn next_due(&self) -> Option<i64> {
        self.next_scheduled.filter(|_| self.total > 0)
    }

    /// Closes all open files; they go on their way to S3.
    async fn rotate(&mut self, around: &mut Surroundings<'_>, reason: Reason, now: i64) {
        if reason == Reason::Schedule {
            self.next_scheduled = around.settings.rotation.next_scheduled(now);
        }
        self.schemas.clear();
        self.total = 0;
        if self.open.is_empty() {
            return;
        }
        let next_offset = self.last_offset.map_or(0, |last| last + 1);
        let ticket = self.tracker.begin(next_offset);
        debug!(
            topic = %self.origin.topic, partition = self.origin.partition, files = self.open.len(),
            next_offset, %reason, "closing files"
        );
        let mut objects = 0;
        for file in std::mem::take(&mut self.open) {
            for job in file.close(around).await {
                self.closed.insert(job, ticket);
                objects += 1;
            }
        }
        self.unfinished.insert(ticket, objects);
    }

    /// Notes that S3 has an object.
    pub(crate) fn stored(&mut self, job: JobId) {
        let Some(ticket) = self.closed.remove(&job) else {
            return;
        };
        if let Some(left) = self.unfinished.get_mut(&ticket) {
            *left -= 1;
            if *left == 0 {
                self.unfinished.remove(&ticket);
                self.tracker.complete(ticket);
            }
        }
    }

    /// The offset to commit, if it has changed since the last call.
    pub(crate) fn newly_durable(&mut self) -> Option<i64> {
        let durable = self.tracker.durable();
        if durable == self.reported {
            return None;
        }
        self.reported = durable;
        durable
    }

    pub(crate) fn has_unfinished(&self) -> bool {
        !self.closed.is_empty()
    }

    pub(crate) fn closed_jobs(&self) -> impl Iterator<Item = JobId> + '_ {
        self.closed.keys().copied()
    }

    /// Drops what is open and what S3 does not have yet; returns the jobs that end of it.
    pub(crate) fn abandon(self) -> Vec<JobId> {
        self.cancel.send_replace(true);
        let open = self.open.iter().flat_map(OpenFile::jobs);
        open.chain(self.closed.keys().copied()).collect()
    }
}

fn reject(around: &mut Surroundings<'_>, batch: &RecordBatch, row: usize, error: RecordError) {
    around
        .rejected
        .push(batch, row, Stage::TaskPut, SINK_TASK, error);
}

/// How many rows from `row` on are alike in folder, schema and being there.
fn run_length(settings: &Settings, batch: &RecordBatch, row: usize) -> usize {
    if !settings.partitioner.is_constant() {
        return 1;
    }
    let end = batch.len();
    let values = &batch.values;
    let schemas = match values {
        Payload::Raw { .. } if settings.on_null == OnNull::Fail => return end - row,
        Payload::Raw { .. } => None,
        Payload::Decoded(decoded) => Some(&decoded.schemas),
    };
    let is_null = values.is_null(row);
    let same = |other: usize| {
        values.is_null(other) == is_null
            && schemas.is_none_or(|schemas| match (&schemas[row], &schemas[other]) {
                (Some(a), Some(b)) => Arc::ptr_eq(a, b),
                (None, None) => true,
                _ => false,
            })
    };
    1 + (row + 1..end).take_while(|&other| same(other)).count()
}

/// The schema that Connect gives a row.
fn schema_of(payload: &Payload, row: usize) -> Option<&SchemaRef> {
    static STRING: LazyLock<SchemaRef> =
        LazyLock::new(|| Arc::new(Schema::optional(SchemaType::String)));
    static BYTES: LazyLock<SchemaRef> =
        LazyLock::new(|| Arc::new(Schema::optional(SchemaType::Bytes)));
    match payload {
        Payload::Raw { kind, .. } => match kind {
            RawKind::String => Some(&STRING),
            RawKind::Bytes | RawKind::Undecoded => Some(&BYTES),
            RawKind::Json => None,
        },
        Payload::Decoded(decoded) => decoded.schemas[row].as_ref(),
    }
}
