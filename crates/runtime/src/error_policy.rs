//! ErrorPolicy: what becomes of rejected rows. They are settled (reported, written to the dead-letter
//! topic, skipped or fatal) before any later offset counts as done.

use crate::dead_letter::DeadLetters;
use crate::failure::TaskFailure;
use crate::metrics::TaskMetrics;
use millstream_core::{Rejected, TaskId};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tolerance {
    /// The first rejected row fails the task.
    None,
    /// Rejected rows are skipped and counted.
    All,
}

/// The `errors.*` settings of a connector.
#[derive(Clone, Debug)]
pub struct ErrorSettings {
    pub tolerance: Tolerance,
    pub log: bool,
    pub log_records: bool,
}

pub struct ErrorPolicy {
    task: TaskId,
    settings: ErrorSettings,
    dead_letters: Option<DeadLetters>,
}

impl ErrorPolicy {
    pub fn new(task: TaskId, settings: ErrorSettings, dead_letters: Option<DeadLetters>) -> Self {
        ErrorPolicy {
            task,
            settings,
            dead_letters,
        }
    }

    /// Settles the rows in offset order and empties the list. An error means the task fails, at the lowest of them.
    pub async fn settle(
        &self,
        rejected: &mut Rejected,
        metrics: &TaskMetrics,
    ) -> Result<(), TaskFailure> {
        if rejected.is_empty() {
            return Ok(());
        }
        let mut rows = std::mem::take(&mut rejected.rows);
        rows.sort_by(|a, b| (&a.origin, a.offset).cmp(&(&b.origin, b.offset)));
        if self.settings.tolerance == Tolerance::None {
            // The task ends here; those behind are read again after a restart.
            rows.truncate(1);
        }
        metrics.rejected(rows.len());
        if self.settings.log {
            for row in &rows {
                self.log(row);
            }
        }
        if let Some(dead_letters) = &self.dead_letters {
            dead_letters.write(&rows).await?;
        }
        match self.settings.tolerance {
            Tolerance::All => Ok(()),
            Tolerance::None => Err(TaskFailure::rejected(&rows[0])),
        }
    }

    /// Connect's line for a failed record: where it was read and what failed, never what it holds.
    fn log(&self, row: &millstream_core::RejectedRow) {
        let place = if self.settings.log_records {
            format!(
                ", where consumed record is {{topic='{}', partition={}, offset={}, timestamp={}, timestampType={}}}",
                row.origin.topic,
                row.origin.partition,
                row.offset,
                row.timestamp,
                row.timestamp_type.name()
            )
        } else {
            String::new()
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
