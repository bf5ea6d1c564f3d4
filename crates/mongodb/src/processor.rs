//! The post processors: what happens to a document between its record and its write.

use crate::document_id::IdStrategy;
use crate::null_fields::remove_nulls;
use crate::projection::Projection;
use crate::record::SinkRecord;
use crate::rename::Renamer;
use crate::time_field::TimeField;
use millstream_core::RecordError;

#[derive(Clone, Debug)]
pub(crate) enum Processor {
    DocumentIdAdder {
        strategy: IdStrategy,
        overwrite: bool,
    },
    KafkaMetaAdder,
    NullFieldValueRemover,
    ProjectKey(Projection),
    ProjectValue(Projection),
    Rename(Renamer),
    ConvertTime(TimeField),
}

/// Where the `_id` of a document came from, as far as a replay is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdOrigin {
    /// The record brought it; two records may have the same.
    Record,
    /// Made of the record's topic, partition and offset, or of the message of a queue that it was made of.
    Offset,
    /// Made up; nothing else has it.
    Fresh,
}

impl Processor {
    pub(crate) fn changes_key(&self) -> bool {
        matches!(self, Processor::ProjectKey(_) | Processor::Rename(_))
    }

    /// Applies the step; says where the id came from if it set one.
    pub(crate) fn apply(
        &self,
        record: &mut SinkRecord<'_>,
    ) -> Result<Option<IdOrigin>, RecordError> {
        match self {
            Processor::DocumentIdAdder {
                strategy,
                overwrite,
            } => {
                return add_id(strategy, *overwrite, record);
            }
            Processor::KafkaMetaAdder => {
                let place = format!(
                    "{}-{}-{}",
                    record.topic(),
                    record.partition(),
                    record.offset()
                );
                let timestamp = record.timestamp();
                if let Some(document) = record.value()? {
                    document.insert("topic-partition-offset", place);
                    if let Some((name, millis)) = timestamp {
                        document.insert(name, millis);
                    }
                }
            }
            Processor::NullFieldValueRemover => {
                if let Some(document) = record.value()? {
                    remove_nulls(document);
                }
            }
            Processor::ProjectKey(projection) => {
                if let Some(document) = record.key()? {
                    projection.apply(document);
                }
            }
            Processor::ProjectValue(projection) => {
                if let Some(document) = record.value()? {
                    projection.apply(document);
                }
            }
            Processor::ConvertTime(field) => {
                if let Some(document) = record.value()? {
                    field.convert(document);
                }
            }
            Processor::Rename(renamer) => {
                if let Some(document) = record.key()? {
                    renamer.apply("key", document)?;
                }
                if let Some(document) = record.value()? {
                    renamer.apply("value", document)?;
                }
            }
        }
        Ok(None)
    }
}

fn add_id(
    strategy: &IdStrategy,
    overwrite: bool,
    record: &mut SinkRecord<'_>,
) -> Result<Option<IdOrigin>, RecordError> {
    match record.value()? {
        Some(document) if overwrite || !document.contains_key("_id") => {}
        _ => return Ok(None),
    }
    let id = strategy.generate(record)?;
    if let Some(document) = record.value()? {
        document.insert("_id", id);
    }
    Ok(Some(if strategy.names_the_offset() {
        IdOrigin::Offset
    } else if strategy.is_fresh() {
        IdOrigin::Fresh
    } else {
        IdOrigin::Record
    }))
}
