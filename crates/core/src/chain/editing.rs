//! A chain whose stages are edits: a converter makes them as it brings objects into their text.

use super::ChainStage;
use crate::batch::RecordBatch;
use crate::edit::{Edit, Editor, Layout, Origin, Step};
use crate::transform::Needs;
use crate::value::Value;

/// The edits of a chain's stages, by the stages' numbers.
pub struct Edits {
    stages: Vec<(usize, Vec<Edit>)>,
}

impl Edits {
    /// `None` if no stage looks into values, or one of them that does can only be applied.
    pub fn of(chain: &[ChainStage]) -> Option<Edits> {
        const VALUE_ALONE: Needs = Needs {
            key: false,
            value: true,
            headers: false,
        };
        let mut stages = Vec::new();
        let mut is_renamed = false;
        for (number, stage) in chain.iter().enumerate() {
            let needs = stage.needs();
            if needs.value {
                if needs != VALUE_ALONE || stage.predicate.is_some() {
                    return None;
                }
                let edits = stage.transform.edits()?;
                // Edits are made before the other stages are applied, and what is put may be the topic.
                if is_renamed && edits.iter().any(|edit| matches!(edit, Edit::Put { .. })) {
                    return None;
                }
                stages.push((number, edits));
            }
            is_renamed |= stage.transform.renames_topics();
        }
        (!stages.is_empty()).then_some(Edits { stages })
    }

    /// Whether the stage of this number is one of them.
    pub fn hold(&self, stage: usize) -> bool {
        self.stages.iter().any(|(number, _)| *number == stage)
    }
}

/// The edits of a batch's values.
pub struct Editing<'a> {
    pub edits: &'a Edits,
    pub chain: &'a mut [ChainStage],
    pub batch: &'a RecordBatch,
}

impl Editor for Editing<'_> {
    fn layout(&self, names: &[&str]) -> Option<Layout> {
        Layout::new(names, &self.edits.stages)
    }

    fn keeps_null(&self) -> bool {
        let mut edits = self.edits.stages.iter().flat_map(|(_, edits)| edits);
        !edits.any(|edit| matches!(edit, Edit::RefuseNull))
    }

    fn value(&mut self, row: usize, step: Step, old: &Value) -> Option<Value> {
        let origin = Origin {
            topic: self.batch.destination.topic(row),
            partition: self.batch.origin.partition,
            offset: self.batch.offsets[row],
            timestamp: self.batch.timestamps[row],
        };
        let transform = &mut self.chain[step.stage].transform;
        transform.edit(step.edit, old, &origin)
    }
}
