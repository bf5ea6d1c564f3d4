//! Events of Debezium's connectors for relational databases: an envelope with `op`, `before` and `after`. The columns of
//! the primary key, which are the record's key, are the `_id`.

use super::errors::{document, invalid_operation, string, wrapped};
use crate::record::SinkRecord;
use crate::write_model::Model;
use bson::oid::ObjectId;
use bson::{Bson, Document, doc};
use millstream_core::RecordError;

/// What an envelope is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Created, or read in a snapshot.
    Create,
    Update,
    Delete,
    /// A change of a schema.
    Nothing,
}

/// What Debezium's envelope is about, whichever database it is from.
pub(super) fn change(value: &Document) -> Result<Change, RecordError> {
    const NO_OPERATION: &str = "Value document is missing or CDC operation is not a string";
    if !value.contains_key("op") && value.contains_key("ddl") {
        return Ok(Change::Nothing);
    }
    let operation = string(value, "op").map_err(|_| RecordError::data(NO_OPERATION))?;
    match operation {
        "c" | "r" => Ok(Change::Create),
        "u" => Ok(Change::Update),
        "d" => Ok(Change::Delete),
        other => Err(RecordError::data("Unknown operation type")
            .with_java_message(format!("Unknown operation type {other}"))),
    }
}

pub(super) fn handle(record: &mut SinkRecord<'_>) -> Result<Option<Model>, RecordError> {
    let Some(value) = record.take_value()?.filter(|value| !value.is_empty()) else {
        // A tombstone that a delete leaves for compaction.
        return Ok(None);
    };
    let change = change(&value)?;
    let model = match change {
        Change::Nothing => return Ok(None),
        Change::Delete => {
            key_of(record).and_then(|key| Ok(Model::Delete(filter(&key, &value, change)?)))
        }
        Change::Create | Change::Update => {
            key_of(record).and_then(|key| replacement(&key, value, change))
        }
    };
    model.map(Some).map_err(wrapped)
}

fn key_of(record: &mut SinkRecord<'_>) -> Result<Document, RecordError> {
    Ok(record.key()?.cloned().unwrap_or_default())
}

fn filter(key: &Document, value: &Document, change: Change) -> Result<Document, RecordError> {
    if !key.is_empty() {
        return Ok(doc! {"_id": key.clone()});
    }
    if change == Change::Create {
        return Ok(doc! {"_id": ObjectId::new()});
    }
    const NO_BEFORE: &str = "Value doc 'before' field is empty or has invalid type for update/delete operation.  -> \
                             defensive actions taken!";
    let before = document(value, "before").and_then(|before| {
        if before.is_empty() {
            Err(invalid_operation("value doc before field is empty"))
        } else {
            Ok(before.clone())
        }
    });
    before.map_err(|cause| RecordError::data(NO_BEFORE).caused_by(cause))
}

fn replacement(key: &Document, mut value: Document, change: Change) -> Result<Model, RecordError> {
    let filter = filter(key, &value, change)?;
    let after = match value.remove("after") {
        Some(Bson::Document(after)) if !after.is_empty() => after,
        _ => {
            return Err(RecordError::data(
                "Value document must contain non-empty 'after' field of type document for insert/update operation",
            ));
        }
    };
    let mut replacement = Document::new();
    if let Some(id) = filter.get("_id") {
        replacement.insert("_id", id.clone());
    }
    for (name, value) in after {
        if !key.contains_key(&name) {
            replacement.insert(name, value);
        }
    }
    Ok(Model::Replace {
        filter,
        replacement,
        upsert: true,
    })
}
