//! ErrorPolicy: what becomes of rejected rows. They are settled (reported, written to the dead-letter
//! topic, skipped or fatal) before any later offset counts as done.

use crate::dead_letter::DeadLetters;
use crate::failure::TaskFailure;
use crate::log_throttle::SharedLogThrottle;
use crate::metrics::TaskMetrics;
use millstream_core::{ErrorSettings, Rejected, RejectedRow, Stage, TaskId, Tolerance};

pub struct ErrorPolicy {
    task: TaskId,
    settings: ErrorSettings,
    dead_letters: Option<DeadLetters>,
    /// Of rows that are skipped although nobody is told of each.
    skipped: SharedLogThrottle,
}

impl ErrorPolicy {
    pub fn new(task: TaskId, settings: ErrorSettings, dead_letters: Option<DeadLetters>) -> Self {
        ErrorPolicy {
            task,
            settings,
            dead_letters,
            skipped: SharedLogThrottle::default(),
        }
    }

    /// Settles the rows in offset order and empties the list. `now`: epoch milliseconds. An error means the task fails, at the lowest of them.
    pub async fn settle(
        &self,
        rejected: &mut Rejected,
        metrics: &TaskMetrics,
        now: i64,
    ) -> Result<(), TaskFailure> {
        if rejected.is_empty() {
            return Ok(());
        }
        let mut rows = std::mem::take(&mut rejected.rows);
        rows.sort_by(|a, b| (&a.origin, a.offset).cmp(&(&b.origin, b.offset)));
        let end = self.end(&rows);
        // The task ends there; those behind are read again after a restart.
        rows.truncate(end.map_or(rows.len(), |index| index + 1));
        metrics.rejected(rows.len(), now);
        if self.settings.log {
            metrics.logged(rows.len());
            for row in &rows {
                self.log(row);
            }
        }
        if let Some(dead_letters) = &self.dead_letters {
            metrics.dead_letters(rows.len());
            let written = dead_letters.write(&rows).await;
            written.inspect_err(|_| metrics.dead_letter_failed())?;
        }
        match end {
            Some(index) => Err(TaskFailure::rejected(
                &rows[index],
                self.settings.shows_content,
            )),
            None => {
                metrics.skipped(rows.len());
                self.note_skipped(&rows);
                Ok(())
            }
        }
    }

    /// The first row that fails the task. A sink rejects rows that nobody would hear of only where its own settings
    /// have it drop them: those fail nothing.
    fn end(&self, rows: &[RejectedRow]) -> Option<usize> {
        if self.settings.tolerance == Tolerance::All {
            return None;
        }
        rows.iter()
            .position(|row| self.has_reporter() || row.stage != Stage::TaskPut)
    }

    fn has_reporter(&self) -> bool {
        self.settings.log || self.dead_letters.is_some()
    }

    /// Rows that are tolerated and reported nowhere leave a line now and then all the same: an archive with holes must
    /// not look whole.
    fn note_skipped(&self, rows: &[RejectedRow]) {
        let Some(first) = rows.first().filter(|_| !self.has_reporter()) else {
            return;
        };
        if let Some(records) = self.skipped.count(rows.len() as u64) {
            tracing::warn!(
                connector = &*self.task.connector,
                task = self.task.task,
                records,
                topic = &*first.origin.topic,
                partition = first.origin.partition,
                offset = first.offset,
                stage = first.stage.java_name(),
                "failed records were skipped (errors.tolerance); set \
                 errors.deadletterqueue.topic.name or errors.log.enable to have each reported"
            );
        }
    }

    /// Connect's line for a failed record: where it was read and what failed, never what it holds.
    fn log(&self, row: &RejectedRow) {
        let place = if !self.settings.log_records {
            String::new()
        } else if row.origin.partition < 0 {
            let (topic, offset) = (&row.origin.topic, row.offset);
            format!(", where source record is for topic '{topic}', source offset {offset}")
        } else {
            format!(
                ", where consumed record is {{topic='{}', partition={}, offset={}, timestamp={}, timestampType={}}}",
                row.origin.topic,
                row.origin.partition,
                row.offset,
                row.timestamp,
                row.timestamp_type.name()
            )
        };
        tracing::error!(
            connector = &*self.task.connector,
            task = self.task.task,
            error = row.error.class,
            "Error encountered in task {}. Executing stage '{}' with class '{}'{place}.",
            self.task,
            row.stage.java_name(),
            row.class
        );
    }
}
