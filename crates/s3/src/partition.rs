//! PartitionWriter: the open files of one topic partition, and what is known of those that are on their way.

mod context;
mod file;
mod in_flight;
mod projection;
mod refusal;
mod rotating;
mod writing;

pub(crate) use context::WriterContext;

use crate::partitioner::PARTITION_EXCEPTION;
use crate::schemas::{same_object, schema_of};
use crate::settings::{OnNull, Settings};
use crate::spill::{Move, Spill};
use crate::upload::JobId;
use file::OpenFile;
use in_flight::InFlight;
use millstream_core::rejected::CONNECT_EXCEPTION;
use millstream_core::{Payload, RecordBatch, RecordError, SchemaRef, SinkError, TopicPartition};
use refusal::{NOT_WRITABLE, WITHOUT_PLACE, refuse, reject};
use rotating::ClosingFile;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use tokio::sync::watch;
use writing::Lead;

pub(crate) struct PartitionWriter {
    origin: TopicPartition,
    /// In the order in which they were opened, which is the order in which they are closed.
    open: Vec<OpenFile>,
    /// The schemas of this cycle by folder; `None` is "known, but there is none".
    schemas: HashMap<Arc<str>, Option<SchemaRef>>,
    /// Records in all open files.
    total: usize,
    /// Memory that files hold which are not on their way.
    held: usize,
    /// The time of the first record looked at in this cycle, and of the last one.
    base_time: Option<i64>,
    last_time: Option<i64>,
    /// The folder of the last record written, and that record; both survive a rotation.
    last_folder: Option<Arc<str>>,
    last_offset: Option<i64>,
    next_scheduled: Option<i64>,
    /// When the wall clock has waited long enough for a further record.
    idle_until: Option<i64>,
    /// How far record time has come in this cycle.
    lead: Option<Lead>,
    /// Files that are to be closed, in this order, as uploads have room for them.
    closing: VecDeque<ClosingFile>,
    in_flight: InFlight,
    /// What was durable, and not told yet, when a clash of names made a new start.
    carried: Vec<Range<i64>>,
    /// The offset behind what earlier rotations hold: what the next one closes begins there.
    covered: Option<i64>,
    /// The offset behind the last batch that was handled whole.
    handled: Option<i64>,
    /// The first row of the batch in hand that is still to be handled, by its offset.
    resume: Option<i64>,
    /// The names of this cycle, where an object must not replace another.
    names: BTreeMap<i64, String>,
    awaited: Option<Awaited>,
    cancel: watch::Sender<bool>,
}

/// Where to go on after a clash of names: what comes before is skipped, what comes later is read again.
#[derive(Clone, Copy)]
struct Awaited {
    offset: i64,
    /// Whether the consumer has been moved there; until then whatever comes will come again.
    is_sought: bool,
}

/// How far a batch came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    Done,
    /// Uploads have to move on first; then the batch goes on where it stopped.
    Held,
}

/// Where a row is to go.
struct Place {
    folder: Arc<str>,
    schema: Option<SchemaRef>,
}

impl PartitionWriter {
    pub(crate) fn new(origin: TopicPartition, settings: &Settings, now: i64) -> Self {
        PartitionWriter {
            origin,
            open: Vec::new(),
            schemas: HashMap::new(),
            total: 0,
            held: 0,
            base_time: None,
            last_time: None,
            last_folder: None,
            last_offset: None,
            next_scheduled: settings.rotation.next_scheduled(now),
            idle_until: None,
            lead: None,
            closing: VecDeque::new(),
            in_flight: InFlight::default(),
            carried: Vec::new(),
            covered: None,
            handled: None,
            resume: None,
            names: BTreeMap::new(),
            awaited: None,
            cancel: watch::Sender::new(false),
        }
    }

    /// Writes the rows of a batch, closing files as they fall due.
    pub(crate) async fn put(
        &mut self,
        context: &mut WriterContext,
        batch: &RecordBatch,
        now: i64,
    ) -> Result<Flow, SinkError> {
        if context.settings.on_null == OnNull::Fail
            && let Some(row) = (0..batch.len()).find(|&row| batch.values.is_null(row))
        {
            let message = "Null valued records are not writeable with current behavior.on.null.values 'settings.";
            return Err(SinkError::record(
                batch,
                row,
                RecordError::new(CONNECT_EXCEPTION, message),
            ));
        }
        self.skip_schedule(&context.settings.rotation, now);
        let Some(mut row) = self.first_row(batch) else {
            return Ok(Flow::Done);
        };
        self.covered.get_or_insert(batch.first_offset);
        while row < batch.len() {
            if !self.close_files(context).await? {
                self.resume = Some(batch.offsets[row]);
                return Ok(Flow::Held);
            }
            row = self.step(context, batch, row, now).await?;
            if context.is_at_its_end() {
                return Ok(Flow::Done);
            }
        }
        self.handled = Some(batch.next_offset);
        self.rotate_if_due(context, now).await?;
        if context.settings.commits_frontier && self.open.is_empty() {
            self.carry_handled();
        }
        Ok(Flow::Done)
    }

    /// The row of a batch to begin with; none if it is not wanted at all.
    fn first_row(&mut self, batch: &RecordBatch) -> Option<usize> {
        let row_of = |offset: i64| batch.offsets.partition_point(|&other| other < offset);
        let mut row = 0;
        if let Some(awaited) = self.awaited {
            if !awaited.is_sought || batch.first_offset > awaited.offset {
                return None;
            }
            row = row_of(awaited.offset);
            if batch.next_offset > awaited.offset {
                self.awaited = None;
            }
        }
        // A batch that was held comes again before any other of its partition.
        Some(row.max(self.resume.take().map_or(0, row_of)))
    }

    /// Handles the next run of rows that belong together; returns the row after it.
    async fn step(
        &mut self,
        context: &mut WriterContext,
        batch: &RecordBatch,
        row: usize,
        now: i64,
    ) -> Result<usize, SinkError> {
        let shared = Arc::clone(&context.settings);
        let settings = &*shared;
        if context.is_durable(row) {
            return Ok(row + 1);
        }
        if let OnNull::Ignore { reported } = settings.on_null
            && batch.values.is_null(row)
        {
            if reported && context.has_reporter {
                let error = RecordError::data("Skipping null value record.");
                reject(context, batch, row, error);
            }
            return Ok(row + 1);
        }
        let place = match self.place(settings, batch, row, now) {
            Ok(place) => place,
            Err(error) => {
                refuse(context, batch, row, error, WITHOUT_PLACE)?;
                return Ok(row + 1);
            }
        };
        let current = if settings.rotation.file_per_schema {
            place.schema.clone()
        } else {
            self.current_schema(&place)
        };
        if let Some(reason) = self.due_by_time(settings, &place.folder, now) {
            self.rotate(context, reason, now).await?;
            return Ok(row);
        }
        let rotation = &settings.rotation;
        let fits = match rotation
            .compatibility
            .fits(current.as_ref(), place.schema.as_ref())
        {
            Ok(fits) => fits,
            Err(error) => {
                refuse(context, batch, row, error, NOT_WRITABLE)?;
                return Ok(row + 1);
            }
        };
        let reason = match self.due_by_state(rotation, &place, fits) {
            Some(reason) => reason,
            None => {
                // A schema of which nothing was written stays the current one for a record more.
                let run = if fits {
                    self.run(settings, batch, row, &place, now)
                } else {
                    1
                };
                let run = context.until_durable(row, run);
                let end = row + run.min(rotation.flush_size - self.total);
                self.note_names(settings, batch, row..end, &place.folder);
                let reached = self
                    .write(context, batch, row..end, &place, current, now)
                    .await?;
                if context.is_at_its_end() {
                    return Ok(reached);
                }
                if let Some(reason) = self.due_by_size(rotation) {
                    self.rotate(context, reason, now).await?;
                }
                return Ok(reached);
            }
        };
        self.rotate(context, reason, now).await?;
        Ok(row)
    }

    /// The folder and schema of a row. Looking at a row moves the clock of record time.
    fn place(
        &mut self,
        settings: &Settings,
        batch: &RecordBatch,
        row: usize,
        now: i64,
    ) -> Result<Place, RecordError> {
        let partitioner = &settings.partitioner;
        let mut time = None;
        if partitioner.is_time_based() {
            time = partitioner.timestamp(batch, row, now).map_err(|error| {
                RecordError::new(PARTITION_EXCEPTION, error.message.clone()).caused_by(error)
            })?;
            self.last_time = time;
            self.base_time = self.base_time.or(time);
        }
        let folder = partitioner.encode(batch, row, time, self.last_folder.as_ref())?;
        let schema = schema_of(&batch.values, row).cloned();
        Ok(Place { folder, schema })
    }

    /// The schema of the files of a folder. Where there was none to speak of, the record's takes over.
    fn current_schema(&mut self, place: &Place) -> Option<SchemaRef> {
        let record = place.schema.as_ref();
        let known = self.schemas.get(&place.folder);
        let flips = known.is_some_and(|known| known.is_some() != record.is_some());
        if flips && self.total == 0 {
            // The original closes its files here even if there are none, and forgets all schemas with them.
            self.schemas.clear();
        }
        let known = self.schemas.get(&place.folder);
        match known {
            Some(known) if flips || (known.is_some() && record.is_some()) => known.clone(),
            _ => {
                let folder = Arc::clone(&place.folder);
                self.schemas.insert(folder, place.schema.clone());
                place.schema.clone()
            }
        }
    }

    /// How many rows from `row` on go to the same place and are due for nothing.
    fn run(
        &mut self,
        settings: &Settings,
        batch: &RecordBatch,
        row: usize,
        place: &Place,
        now: i64,
    ) -> usize {
        let end = batch.len();
        let partitioner = &settings.partitioner;
        if settings.rotation.interval.is_some() {
            return 1;
        }
        if partitioner.is_constant()
            && settings.on_null == OnNull::Fail
            && matches!(batch.values, Payload::Raw { .. })
        {
            return end - row;
        }
        let is_null = batch.values.is_null(row);
        let joins = |other: usize| {
            let alike = batch.values.is_null(other) == is_null
                && same_object(schema_of(&batch.values, other), place.schema.as_ref());
            alike
                && (partitioner.is_constant() || {
                    let time = partitioner.timestamp(batch, other, now);
                    let folder = time.and_then(|time| {
                        partitioner.encode(batch, other, time, Some(&place.folder))
                    });
                    folder.is_ok_and(|folder| Arc::ptr_eq(&folder, &place.folder))
                })
        };
        1 + (row + 1..end).take_while(|&other| joins(other)).count()
    }

    /// Remembers the names that objects would have if they began with these rows.
    fn note_names(
        &mut self,
        settings: &Settings,
        batch: &RecordBatch,
        rows: Range<usize>,
        folder: &str,
    ) {
        let missing = settings.names_remembered.saturating_sub(self.names.len());
        for row in rows.take(missing) {
            let name = settings.object_name(&self.origin, folder, batch.offsets[row]);
            self.names.insert(batch.offsets[row], name);
        }
    }

    /// Notes that S3 has an object.
    pub(crate) fn stored(&mut self, job: JobId) {
        self.in_flight.stored(job);
    }

    /// Goes on at `free`, or at the first record that is not stored then, because another object has a file's name.
    /// The records before it are taken to be in that object. Returns the offset to read on from.
    pub(crate) fn clash(
        &mut self,
        job: JobId,
        free: i64,
        context: &mut WriterContext,
        now: i64,
    ) -> Option<i64> {
        let unstored = self.in_flight.starts_beside(job)?;
        let closing = self.closing.iter().map(|next| &next.file);
        let kept = self.open.iter().chain(closing).map(|file| file.start);
        let next = unstored.into_iter().chain(kept).fold(free, i64::min);
        let carried = self.newly_durable();
        // Records before the first free name are in the other object, and done with those that follow it.
        let covered = self.in_flight.first_unstored().or(self.covered);
        let fresh = PartitionWriter::new(self.origin.clone(), &context.settings, now);
        let old = std::mem::replace(self, fresh);
        self.carried = carried;
        self.covered = covered;
        self.awaited = Some(Awaited {
            offset: next,
            is_sought: false,
        });
        old.abandon(&mut context.memory.spill);
        Some(next)
    }

    /// Notes that the consumer is moved to where the writer wants to go on.
    pub(crate) fn sought(&mut self) {
        if let Some(awaited) = &mut self.awaited {
            awaited.is_sought = true;
        }
    }

    /// Offsets of which S3 has all there is to store, since the last call.
    pub(crate) fn newly_durable(&mut self) -> Vec<Range<i64>> {
        let mut durable = std::mem::take(&mut self.carried);
        durable.extend(self.in_flight.take_stored());
        durable
    }

    /// Whether `newly_durable` has something without an upload having ended.
    pub(crate) fn has_carried(&self) -> bool {
        !self.carried.is_empty()
    }

    pub(crate) fn has_unfinished(&self) -> bool {
        !self.in_flight.is_empty() || !self.closing.is_empty()
    }

    /// What is in memory and can move to the temporary file. `spilled` is to follow.
    pub(crate) fn spillable(&mut self) -> impl Iterator<Item = Move<'_>> {
        let closing = self.closing.iter_mut().map(|next| &mut next.file);
        self.open
            .iter_mut()
            .chain(closing)
            .flat_map(OpenFile::spillable)
    }

    /// Notes that something has moved there.
    pub(crate) fn spilled(&mut self) {
        let closing = self.closing.iter().map(|next| &next.file);
        self.held = self.open.iter().chain(closing).map(OpenFile::memory).sum();
    }

    /// Memory that files hold which are not on their way.
    pub(crate) fn memory(&self) -> usize {
        self.held
    }

    /// Drops what is open and what S3 does not have yet; returns the jobs that end of it.
    pub(crate) fn abandon(self, spill: &mut Spill) -> Vec<JobId> {
        self.cancel.send_replace(true);
        let closing = self.closing.into_iter().map(|next| next.file);
        let files: Vec<OpenFile> = self.open.into_iter().chain(closing).collect();
        let begun = files.iter().flat_map(OpenFile::jobs);
        let jobs = begun.chain(self.in_flight.jobs()).collect();
        for file in files {
            file.forget(spill);
        }
        jobs
    }
}

#[cfg(test)]
impl PartitionWriter {
    pub(crate) fn memory_of_each_file(&self) -> usize {
        let closing = self.closing.iter().map(|next| &next.file);
        self.open.iter().chain(closing).map(OpenFile::memory).sum()
    }
}
