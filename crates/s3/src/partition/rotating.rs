//! Rotation: when the open files are closed, and how they go on their way.

use super::file::OpenFile;
use super::in_flight::RotationId;
use super::refusal::cannot_restore;
use super::writing::is_file_of;
use super::{PartitionWriter, Place, WriterContext};
use crate::rotation::{Reason, Rotation};
use crate::settings::Settings;
use crate::store::Existing;
use crate::upload::Names;
use millstream_core::SinkError;
use std::sync::Arc;
use tracing::debug;

/// A file that a rotation closes.
pub(super) struct ClosingFile {
    pub(super) file: OpenFile,
    pub(super) names: Names,
    pub(super) rotation: RotationId,
}

impl PartitionWriter {
    /// Whether the clocks say that the files must be closed before a record of this folder.
    pub(super) fn due_by_time(
        &self,
        settings: &Settings,
        folder: &Arc<str>,
        now: i64,
    ) -> Option<Reason> {
        if self.total == 0 {
            return None;
        }
        let rotation = &settings.rotation;
        if let Some(interval) = rotation.interval {
            let passed = self.last_time.zip(self.base_time);
            if passed.is_some_and(|(last, base)| last.saturating_sub(base) >= interval) {
                return Some(Reason::Interval);
            }
            let tombstones = |folder: &Arc<str>| settings.partitioner.is_tombstones(folder);
            let changes = match rotation.grace {
                None => self
                    .last_folder
                    .as_ref()
                    .is_some_and(|last| last != folder && !tombstones(last) && !tombstones(folder)),
                Some(grace) => {
                    let lead = self.lead.as_ref().zip(self.last_time);
                    lead.is_some_and(|(lead, last)| {
                        let is_over = |turned: i64| last.saturating_sub(turned) >= grace;
                        // One record of a time far ahead is not to hold everything open until then.
                        lead.turned.is_some_and(is_over)
                            || lead.time.saturating_sub(last) >= interval
                    })
                }
            };
            if changes && rotation.on_folder_change {
                return Some(Reason::FolderChange);
            }
        }
        let is_due = |due: Option<i64>| due.is_some_and(|due| now >= due);
        if is_due(self.next_scheduled) {
            return Some(Reason::Schedule);
        }
        is_due(self.idle_until).then_some(Reason::Idle)
    }

    /// Whether a record of this place, whose schema fits or not, cannot join what is open.
    pub(super) fn due_by_state(
        &self,
        rotation: &Rotation,
        place: &Place,
        fits: bool,
    ) -> Option<Reason> {
        if !fits && self.total > 0 {
            return Some(Reason::SchemaChange);
        }
        let is_new = || {
            let mut open = self.open.iter();
            open.all(|file| !is_file_of(rotation, file, place))
        };
        let open = self.open.len();
        let is_full = open > 0 && rotation.max_open_files.is_some_and(|most| open >= most);
        (is_full && is_new()).then_some(Reason::MaxOpenFiles)
    }

    /// Whether what was written fills what is open.
    pub(super) fn due_by_size(&self, rotation: &Rotation) -> Option<Reason> {
        if self.total >= rotation.flush_size {
            return Some(Reason::FlushSize);
        }
        let is_full = self.open.iter().any(OpenFile::is_full);
        is_full.then_some(Reason::Bytes)
    }

    /// Moves an expired schedule on while nothing is open: idle time splits no file. One that a clock has made which went
    /// ahead once would hold the files open until then.
    pub(crate) fn skip_schedule(&mut self, rotation: &Rotation, now: i64) {
        let is_over = |due| now >= due && self.total == 0;
        let is_too_far_ahead = |due| rotation.is_too_far_ahead(due, now);
        if self
            .next_scheduled
            .is_some_and(|due| is_over(due) || is_too_far_ahead(due))
        {
            self.next_scheduled = rotation.next_scheduled(now);
        }
        let until = self.idle_until.zip(rotation.idle);
        self.idle_until = until.map(|(until, idle)| until.min(now.saturating_add(idle)));
    }

    pub(crate) async fn rotate_if_due(
        &mut self,
        context: &mut WriterContext,
        now: i64,
    ) -> Result<(), SinkError> {
        let reason = self
            .last_folder
            .as_ref()
            .and_then(|folder| self.due_by_time(&context.settings, folder, now));
        match reason {
            Some(reason) => self.rotate(context, reason, now).await,
            None => Ok(()),
        }
    }

    /// When `rotate_if_due` should be called.
    pub(crate) fn next_due(&self) -> Option<i64> {
        let due = self.next_scheduled.into_iter().chain(self.idle_until);
        due.min().filter(|_| self.total > 0)
    }

    /// Closes all open files, and counts what came behind their records and is not to be written as theirs. Of rows behind one
    /// that is to end the task nothing is said.
    pub(crate) async fn flush(
        &mut self,
        context: &mut WriterContext,
        now: i64,
    ) -> Result<(), SinkError> {
        if context.is_at_its_end() {
            return Ok(());
        }
        if !self.open.is_empty() {
            self.last_offset = self.last_offset.max(self.handled.map(|next| next - 1));
            return self.rotate(context, Reason::Flush, now).await;
        }
        self.carry_handled();
        Ok(())
    }

    /// Counts what was handled and is in no file as done. Nothing may be open.
    pub(super) fn carry_handled(&mut self) {
        if let Some((from, to)) = self.covered.zip(self.handled)
            && from < to
        {
            self.carried.push(from..to);
            self.covered = Some(to);
        }
    }

    /// Closes all open files; they go on their way to S3.
    pub(super) async fn rotate(
        &mut self,
        context: &mut WriterContext,
        reason: Reason,
        now: i64,
    ) -> Result<(), SinkError> {
        if matches!(
            reason,
            Reason::Schedule | Reason::Interval | Reason::FolderChange
        ) {
            self.next_scheduled = context.settings.rotation.next_scheduled(now);
        }
        self.schemas.clear();
        self.total = 0;
        self.base_time = None;
        self.lead = None;
        let Some(last_offset) = self.last_offset.filter(|_| !self.open.is_empty()) else {
            return Ok(());
        };
        debug!(
            topic = &*self.origin.topic, partition = self.origin.partition, files = self.open.len(),
            next_offset = last_offset + 1, %reason, "closing files"
        );
        let names = Names::new(std::mem::take(&mut self.names));
        let files = std::mem::take(&mut self.open);
        let rows = self.covered.unwrap_or(last_offset)..last_offset + 1;
        self.covered = Some(rows.end);
        let rotation = self.in_flight.begin(rows, files.len());
        self.closing
            .extend(files.into_iter().map(|file| ClosingFile {
                file,
                names: Names::clone(&names),
                rotation,
            }));
        self.close_files(context).await.map(|_| ())
    }

    /// Sends files on their way that are to be closed, as long as there is room for more; whether none is left.
    /// Where an object may be there already, each waits for what becomes of the one before: names depend on that.
    pub(crate) async fn close_files(
        &mut self,
        context: &mut WriterContext,
    ) -> Result<bool, SinkError> {
        loop {
            if !context.uploads.is_clear() || self.waits_for_a_name(&context.settings) {
                return Ok(false);
            }
            let Some(next) = self.closing.pop_front() else {
                return Ok(true);
            };
            self.held -= next.file.memory();
            let start = next.file.start;
            let jobs = next
                .file
                .close(context, &next.names)
                .await
                .map_err(cannot_restore)?;
            self.in_flight.closed(next.rotation, start, &jobs);
        }
    }

    pub(super) fn waits_for_a_name(&self, settings: &Settings) -> bool {
        settings.uploads.existing == Existing::Keep && !self.in_flight.is_empty()
    }

    /// Whether `close_files` has something to do where uploads have room.
    pub(crate) fn can_close(&self, settings: &Settings) -> bool {
        !self.closing.is_empty() && !self.waits_for_a_name(settings)
    }
}
