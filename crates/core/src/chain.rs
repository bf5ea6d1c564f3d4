//! The chain of transforms: predicates tested, stages applied in order, failed and filtered rows taken out.

mod config;
mod editing;
mod version;

pub use config::{AnyClass, ChainError, build, check_classes, unique_aliases, validate};
pub use editing::{Editing, Edits};

use crate::batch::{RecordBatch, RowMask};
use crate::rejected::{Rejected, Stage};
use crate::transform::{Needs, Predicate, Transform};

/// A transform with its condition.
pub struct ChainStage {
    pub transform: Box<dyn Transform>,
    pub predicate: Option<Box<dyn Predicate>>,
    /// Whether the transform applies where the predicate does not hold.
    pub negate: bool,
}

impl ChainStage {
    /// What the transform and its predicate must have decoded.
    pub fn needs(&self) -> Needs {
        let own = self.transform.needs();
        self.predicate
            .as_ref()
            .map_or(own, |predicate| own.or(predicate.needs()))
    }
}

/// Passes a batch through the chain. Rows that fail move to `rejected`, filtered rows are dropped.
pub fn apply(chain: &mut [ChainStage], batch: &mut RecordBatch, rejected: &mut Rejected) {
    apply_stages(chain.iter_mut(), batch, rejected);
}

/// As `apply`, to a batch in whose values these edits have been made.
pub fn apply_others(
    chain: &mut [ChainStage],
    edits: &Edits,
    batch: &mut RecordBatch,
    rejected: &mut Rejected,
) {
    let stages = chain.iter_mut().enumerate();
    let others = stages.filter(|(number, _)| !edits.hold(*number));
    apply_stages(others.map(|(_, stage)| stage), batch, rejected);
}

fn apply_stages<'a>(
    stages: impl Iterator<Item = &'a mut ChainStage>,
    batch: &mut RecordBatch,
    rejected: &mut Rejected,
) {
    for stage in stages {
        if batch.is_empty() {
            return;
        }
        if let Some(mask) = matching_rows(stage, batch, rejected) {
            let mut keep = RowMask::all(batch.len());
            let mut errors = Vec::new();
            stage.transform.apply(batch, &mask, &mut keep, &mut errors);
            for (row, error) in errors {
                let class = stage.transform.class_name();
                rejected.push(batch, row, Stage::Transformation, class, error);
                keep.clear(row);
            }
            batch.retain(&keep);
        }
    }
}

/// The rows that the stage applies to, or `None` if no row is left.
fn matching_rows(
    stage: &ChainStage,
    batch: &mut RecordBatch,
    rejected: &mut Rejected,
) -> Option<RowMask> {
    let Some(predicate) = &stage.predicate else {
        return Some(RowMask::all(batch.len()));
    };
    let mut errors = Vec::new();
    let mut mask = predicate.test(batch, &mut errors);
    if !errors.is_empty() {
        rejected.reject(batch, Stage::Transformation, predicate.class_name(), errors);
        if batch.is_empty() {
            return None;
        }
        // Rows have moved up; those that are left can be tested.
        mask = predicate.test(batch, &mut Vec::new());
    }
    if stage.negate {
        mask.negate();
    }
    Some(mask)
}
