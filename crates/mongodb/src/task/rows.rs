//! From the rows of a batch to writes: what belongs into one bulk write, and what the fused chain takes.

use super::{COPIES, MongoTask, Taken};
use crate::bulk::{BulkWrite, RowRef};
use crate::hash_path::{HASH_CLASS, HashPath};
use crate::lane::Group;
use crate::record::SinkRecord;
use crate::settings::{Tolerance, TopicSettings};
use crate::statement;
use millstream_core::rejected::Stage;
use millstream_core::{RecordBatch, RecordError, SinkError};
use std::sync::Arc;

/// Statements of one bulk write, whatever the settings allow: larger ones gain nothing and hold more memory.
const MAX_STATEMENTS: usize = 5_000;

/// Bytes of one bulk write.
const MAX_BYTES: usize = 4 * 1024 * 1024;

impl MongoTask {
    pub(super) async fn put_rows(
        &mut self,
        batch: &Arc<RecordBatch>,
        number: u64,
        rows: Vec<usize>,
        now: i64,
    ) -> Result<Taken, SinkError> {
        let (groups, failed) = self.groups(batch, number, rows.into_iter(), now)?;
        let ends = !failed.is_empty()
            && self.parts.context.has_reporter
            && !self.parts.context.goes_on_after_rejected;
        for (row, error) in failed {
            let log = self
                .parts
                .topics
                .get(batch.destination.topic(row))
                .is_ok_and(|s| s.log_errors);
            let at = RowRef {
                batch: number,
                row: row as u32,
            };
            self.report(at, error, log);
        }
        if ends {
            // The task ends with the report, and the original writes nothing of such a batch.
            return Ok(Taken::UpToAnEnd);
        }
        self.write(groups, &batch.origin, number).await?;
        Ok(Taken::Whole)
    }

    /// The fused chain: rows into the open chunk; what it cannot take goes the ordinary way.
    pub(super) async fn put_fused(
        &mut self,
        batch: &Arc<RecordBatch>,
        number: u64,
        now: i64,
    ) -> Result<Taken, SinkError> {
        let mut from = 0;
        while from < batch.len() {
            let settings = self.settings(batch, from)?;
            let Some(fused) = &mut self.fused else {
                break;
            };
            let store = &self.parts.store;
            let taken = fused.take(batch, number, from, &settings, store, now)?;
            from = taken.next_row;
            self.told.filtered += taken.skipped;
            if taken.joined
                && let Some(pending) = self.pending.get_mut(&number)
            {
                pending.open += 1;
            }
            if let Some(chunk) = taken.full {
                let permit = self.make_room(COPIES * chunk.write.bytes(), true).await?;
                self.send_chunk(chunk, permit);
            }
            for (row, error) in taken.failed {
                let at = RowRef {
                    batch: number,
                    row: row as u32,
                };
                // A transform's error is the framework's: its own tolerance decides, and its own log tells.
                self.report_at(at, Stage::Transformation, HASH_CLASS, error, false);
                if !self.parts.context.goes_on_after_rejected {
                    return Ok(Taken::UpToAnEnd);
                }
            }
        }
        Ok(Taken::Whole)
    }

    pub(super) fn close_chunk(&mut self, due: impl Fn(&HashPath) -> bool) {
        let ready = !self.has_failed && self.fused.as_ref().is_some_and(due);
        if let Some(chunk) = self
            .fused
            .as_mut()
            .filter(|_| ready)
            .and_then(HashPath::close)
        {
            // One small command more, which is due: it does not wait.
            let permit = self.memory.try_acquire(COPIES * chunk.write.bytes());
            self.send_chunk(chunk, permit);
        }
    }

    /// The groups of a batch's rows, and the rows that failed. Consecutive rows of one topic and namespace
    /// belong together.
    pub(super) fn groups(
        &mut self,
        batch: &RecordBatch,
        number: u64,
        rows: impl Iterator<Item = usize>,
        now: i64,
    ) -> Result<(Vec<Group>, Vec<(usize, RecordError)>), SinkError> {
        let mut groups: Vec<Group> = Vec::new();
        let mut failed = Vec::new();
        let mut last_poll = 0;
        // Most rows have the topic of the row before.
        let mut current: Option<(&Arc<str>, Arc<TopicSettings>)> = None;
        for row in rows {
            let topic = batch.destination.topic(row);
            let settings = match &current {
                Some((known, settings)) if *known == topic => settings,
                _ => {
                    let settings = self.settings(batch, row)?;
                    &current.insert((topic, settings)).1
                }
            };
            let raw = settings
                .raw
                .and_then(|path| path.statement(batch, row, now, &mut self.scratch));
            let slow;
            let (namespace, statement) = match raw {
                Some(statement) => (settings.mapper.default(), statement),
                None => {
                    let prepared =
                        statement::prepare(settings, &mut SinkRecord::new(batch, row), now);
                    match prepared {
                        Ok(Some(prepared)) => slow = prepared,
                        Ok(None) => {
                            self.told.filtered += 1;
                            continue;
                        }
                        Err(error) if settings.tolerance == Tolerance::None => {
                            let error = error.shown(self.parts.context.shows_content);
                            return Err(SinkError::record(batch, row, error));
                        }
                        Err(error) => {
                            failed.push((row, error));
                            continue;
                        }
                    }
                    (&slow.0, slow.1.borrowed())
                }
            };
            // A write that fails takes others of its bulk write with it: no more than the original would have in it.
            let starts_poll = settings.tolerance != Tolerance::None && {
                let most = self.parts.context.max_poll_records;
                let poll = poll_of(batch, row, most);
                std::mem::replace(&mut last_poll, poll) != poll
            };
            let row = RowRef {
                batch: number,
                row: row as u32,
            };
            let fits = |group: &&mut Group| {
                !starts_poll
                    && group.topic == *topic
                    && group.bulk.namespace == *namespace
                    && group.rows.len() < settings.max_batch.min(MAX_STATEMENTS)
                    && group.bytes() + statement.bytes.len() <= MAX_BYTES
            };
            match groups.last_mut().filter(fits) {
                Some(group) => {
                    group.bulk.statements.push(statement);
                    group.rows.push(row);
                }
                None => {
                    let mut statements = self.spare.pop().unwrap_or_default();
                    statements.push(statement);
                    groups.push(Group {
                        topic: Arc::clone(topic),
                        bulk: BulkWrite {
                            namespace: namespace.clone(),
                            ordered: settings.ordered,
                            statements,
                        },
                        settings: Arc::clone(settings),
                        rows: vec![row],
                    });
                }
            }
        }
        Ok((groups, failed))
    }

    pub(super) fn settings(
        &mut self,
        batch: &RecordBatch,
        row: usize,
    ) -> Result<Arc<TopicSettings>, SinkError> {
        let topic = batch.destination.topic(row);
        let found = self.parts.topics.get(topic);
        let shows_content = self.parts.context.shows_content;
        found.map_err(|error| SinkError::record(batch, row, error.shown(shows_content)))
    }
}

/// The number, within the batch, of the original's poll that would have got this row.
fn poll_of(batch: &RecordBatch, row: usize, max_poll_records: usize) -> usize {
    let before = batch.offsets[row] - batch.first_offset;
    usize::try_from(before).unwrap_or(0) / max_poll_records.max(1)
}
