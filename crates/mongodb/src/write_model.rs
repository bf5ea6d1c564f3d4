//! The write model strategies: which statement a record becomes.

use crate::document_id::IdStrategy;
use crate::processor::IdOrigin;
use crate::record::SinkRecord;
use bson::{Bson, DateTime, Document, doc};
use millstream_core::RecordError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WriteStrategy {
    ReplaceOneDefault,
    InsertOneDefault,
    UpdateOneDefault,
    UpdateOneTimestamps,
    ReplaceOneBusinessKey,
    UpdateOneBusinessKeyTimestamp,
    DeleteOneDefault,
    DeleteOneBusinessKey,
    DeleteOneTombstoneBusinessKey,
}

/// One operation of a bulk write.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Model {
    Insert(Document),
    Replace {
        filter: Document,
        replacement: Document,
        upsert: bool,
    },
    Update {
        filter: Document,
        update: Document,
        upsert: bool,
    },
    Delete(Document),
}

/// An operation with what is known about its `_id`.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) model: Model,
    pub(crate) id: IdOrigin,
}

const NO_KEY: &str = "Could not build the WriteModel,the key document was missing unexpectedly";
const NO_ID: &str = "Could not build the WriteModel,the `_id` field was missing unexpectedly";
const NO_BUSINESS_KEY: &str = "Could not build the WriteModel,the value document does not contain an _id field of \
     type BsonDocument which holds the business key fields.\n\n If you are including an existing `_id` value in the \
     business key then ensure `document.id.strategy.overwrite.existing=true`.";

impl WriteStrategy {
    /// The statement for a record with a value. `now` is epoch milliseconds.
    pub(crate) fn build(
        self,
        ids: &IdStrategy,
        record: &mut SinkRecord<'_>,
        now: i64,
    ) -> Result<Model, RecordError> {
        if self == WriteStrategy::DeleteOneDefault {
            // As a write strategy it has no id strategy of its own: the key is the filter.
            let key = record.key()?.ok_or_else(|| RecordError::data(NO_KEY))?;
            let filter = if key.contains_key("_id") {
                key.clone()
            } else {
                doc! {"_id": key.clone()}
            };
            return Ok(Model::Delete(filter));
        }
        if self == WriteStrategy::DeleteOneTombstoneBusinessKey {
            return self.build_delete(ids, record);
        }
        let mut value = record.take_value()?.unwrap_or_default();
        let now = Bson::DateTime(DateTime::from_millis(now));
        Ok(match self {
            WriteStrategy::InsertOneDefault => Model::Insert(value),
            WriteStrategy::ReplaceOneDefault => Model::Replace {
                filter: doc! {"_id": id_of(&value)?},
                replacement: value,
                upsert: true,
            },
            WriteStrategy::UpdateOneDefault => {
                let filter = doc! {"_id": id_of(&value)?};
                value.remove("_id");
                Model::Update {
                    filter,
                    update: doc! {"$set": value},
                    upsert: true,
                }
            }
            WriteStrategy::UpdateOneTimestamps => {
                let filter = doc! {"_id": id_of(&value)?};
                Model::Update {
                    filter,
                    update: stamped(value, now),
                    upsert: true,
                }
            }
            WriteStrategy::ReplaceOneBusinessKey => Model::Replace {
                filter: business_key(&mut value, ids)?,
                replacement: value,
                upsert: true,
            },
            WriteStrategy::UpdateOneBusinessKeyTimestamp => {
                let filter = business_key(&mut value, ids)?;
                Model::Update {
                    filter,
                    update: stamped(value, now),
                    upsert: true,
                }
            }
            WriteStrategy::DeleteOneBusinessKey => Model::Delete(business_key(&mut value, ids)?),
            WriteStrategy::DeleteOneDefault | WriteStrategy::DeleteOneTombstoneBusinessKey => {
                return Err(RecordError::data(NO_KEY));
            }
        })
    }

    /// The statement for a tombstone.
    pub(crate) fn build_delete(
        self,
        ids: &IdStrategy,
        record: &mut SinkRecord<'_>,
    ) -> Result<Model, RecordError> {
        let filter = match (self, ids) {
            (WriteStrategy::DeleteOneDefault, ids) => doc! {"_id": ids.generate(record)?},
            (WriteStrategy::DeleteOneTombstoneBusinessKey, IdStrategy::PartialKey(_)) => {
                match ids.generate(record)? {
                    Bson::Document(key) => flattened(&key),
                    _ => return Err(RecordError::data(NO_KEY)),
                }
            }
            (WriteStrategy::DeleteOneTombstoneBusinessKey, _) => {
                return Err(RecordError::new(
                    millstream_core::rejected::CONNECT_EXCEPTION,
                    "DeleteOneTombstoneBusinessKeyStrategy expects PartialKeyStrategy to be defined",
                ));
            }
            _ => {
                return Err(RecordError::data(
                    "Could not build the WriteModel,the value document was missing unexpectedly",
                ));
            }
        };
        Ok(Model::Delete(filter))
    }
}

fn id_of(value: &Document) -> Result<Bson, RecordError> {
    value
        .get("_id")
        .cloned()
        .ok_or_else(|| RecordError::data(NO_ID))
}

fn stamped(mut value: Document, now: Bson) -> Document {
    value.insert("_modifiedTS", now.clone());
    doc! {"$set": value, "$setOnInsert": {"_insertedTS": now}}
}

/// Takes `_id` out of the value; its fields are the filter.
fn business_key(value: &mut Document, ids: &IdStrategy) -> Result<Document, RecordError> {
    match value.remove("_id") {
        Some(Bson::Document(key)) if ids.is_partial() => Ok(flattened(&key)),
        Some(Bson::Document(key)) => Ok(key),
        _ => Err(RecordError::data(NO_BUSINESS_KEY)),
    }
}

/// Nested documents as dotted names; arrays stay whole, empty documents vanish.
fn flattened(document: &Document) -> Document {
    fn flatten(prefix: &str, document: &Document, into: &mut Document) {
        for (name, value) in document {
            let name = format!("{prefix}{name}");
            match value {
                Bson::Document(inner) => flatten(&format!("{name}."), inner, into),
                other => {
                    into.insert(name, other.clone());
                }
            }
        }
    }
    let mut flat = Document::new();
    flatten("", document, &mut flat);
    flat
}
