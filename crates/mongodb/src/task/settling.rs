//! What the end of a write means: rows reported, batches released, or the task failed.

use super::{Ended, MAX_SPARE, MAX_SPARE_BYTES, MongoTask};
use crate::bulk::{BulkOutcome, RowRef};
use crate::hash_path::HashChunk;
use crate::lane::Written;
use crate::namespace::Namespace;
use crate::outcome::Verdict;
use crate::settings::TopicSettings;
use crate::told::REPORTER;
use millstream_core::rejected::Stage;
use millstream_core::{RecordError, SinkError, TopicPartition};

impl MongoTask {
    pub(super) async fn join_one(&mut self) -> Result<(), SinkError> {
        match self.writing.join_next().await {
            Some(ended) => self.settle(ended),
            None => Ok(()),
        }
    }

    pub(super) fn join_ended(&mut self) -> Result<(), SinkError> {
        while let Some(ended) = self.heard.take().or_else(|| self.writing.try_join_next()) {
            self.settle(ended)?;
        }
        Ok(())
    }

    /// What an end means: rows reported, batches released, or the task failed.
    pub(super) fn settle(
        &mut self,
        ended: Result<Ended, tokio::task::JoinError>,
    ) -> Result<(), SinkError> {
        let settled = match ended {
            Ok(Ended::Writes {
                written,
                batch,
                lane,
            }) => self.settle_writes(written, batch, lane),
            Ok(Ended::Chunk(ended)) => self.settle_chunk(*ended),
            Err(error) => {
                Err(SinkError::fatal("a write ended without an outcome").with_source(error))
            }
        };
        self.has_failed |= settled.is_err();
        settled
    }

    pub(super) fn settle_writes(
        &mut self,
        written: Vec<Written>,
        batch: u64,
        lane: Option<(TopicPartition, u64)>,
    ) -> Result<(), SinkError> {
        for one in written {
            let Written {
                settings,
                bulk,
                rows,
                outcome,
            } = one;
            self.settle_rows(&outcome, &rows, &bulk.namespace, bulk.ordered, &settings)?;
            self.release(batch);
            let mut statements = bulk.statements;
            if self.spare.len() < MAX_SPARE && statements.memory() <= MAX_SPARE_BYTES {
                statements.clear();
                self.spare.push(statements);
            }
        }
        if let Some((origin, opening)) = lane
            && let Some(partition) = self.partitions.get_mut(&origin)
            && partition.opening == opening
        {
            self.waiting -= usize::from(partition.lane.waiting() > 0);
            partition.lane.leave();
        }
        Ok(())
    }

    pub(super) fn settle_chunk(
        &mut self,
        (outcome, chunk): (BulkOutcome, HashChunk),
    ) -> Result<(), SinkError> {
        let HashChunk {
            write,
            rows,
            batches,
            settings,
        } = chunk;
        self.settle_rows(&outcome, &rows, &write.namespace, false, &settings)?;
        for number in batches {
            self.release(number);
        }
        if let Some(fused) = &mut self.fused {
            fused.recycle(write);
        }
        Ok(())
    }

    /// What an outcome means for the rows of its write.
    pub(super) fn settle_rows(
        &mut self,
        outcome: &BulkOutcome,
        rows: &[RowRef],
        namespace: &Namespace,
        ordered: bool,
        settings: &TopicSettings,
    ) -> Result<(), SinkError> {
        let id = &self.parts.context;
        for (records, what) in [
            (outcome.duplicates, "records were in the collection already"),
            (outcome.replaced, "records replaced other documents"),
        ] {
            if records > 0 {
                tracing::info!(
                    connector = &*id.connector,
                    task = id.task,
                    records,
                    "{what}"
                );
            }
        }
        let place = |index: usize| {
            let row = rows.get(index)?;
            let pending = self.pending.get(&row.batch)?;
            let offset = pending.batch.offsets[row.row as usize];
            Some((pending.batch.origin.clone(), offset))
        };
        let verdict = Verdict {
            namespace,
            statements: rows.len(),
            ordered,
            tolerance: settings.tolerance,
            host: &self.parts.store.host,
            shows_content: self.parts.context.shows_content,
            place: &place,
        };
        for (index, error) in verdict.judge(outcome)? {
            self.report(rows[index], error, settings.log_errors);
        }
        Ok(())
    }

    /// Reports a row.
    pub(super) fn report(&mut self, at: RowRef, error: RecordError, log: bool) {
        self.report_at(at, Stage::TaskPut, REPORTER, error, log);
    }

    pub(super) fn report_at(
        &mut self,
        at: RowRef,
        stage: Stage,
        class: &str,
        error: RecordError,
        log: bool,
    ) {
        let Some(pending) = self.pending.get(&at.batch) else {
            return;
        };
        let logged = log.then_some("record not written");
        let row = at.row as usize;
        self.told
            .report(&pending.batch, row, (stage, class), error, logged);
    }
}
