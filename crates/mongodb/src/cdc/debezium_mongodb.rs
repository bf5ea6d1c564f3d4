//! Events of Debezium's connector for MongoDB: documents as texts of extended JSON inside the envelope, the id as such a
//! text in the key.

use super::debezium_rdbms::{Change, change};
use super::errors::{string, wrapped};
use crate::json;
use crate::record::SinkRecord;
use crate::write_model::Model;
use bson::{Document, doc};
use millstream_core::RecordError;

/// `has_patches`: an update is a patch of the oplog, not the whole document.
pub(super) fn handle(
    record: &mut SinkRecord<'_>,
    has_patches: bool,
) -> Result<Option<Model>, RecordError> {
    let key = record.key()?.cloned().unwrap_or_default();
    if key.is_empty() {
        return Err(RecordError::data(
            "Key document must not be missing for CDC mode",
        ));
    }
    let value = record.take_value()?.unwrap_or_default();
    if value.is_empty() && key.contains_key("id") {
        // A tombstone that a delete leaves for compaction.
        return Ok(None);
    }
    let model = match change(&value)? {
        Change::Nothing => return Ok(None),
        Change::Create => insert(&value)?,
        Change::Update if has_patches => patch(&key, &value).map_err(as_data)?,
        Change::Update => update(&key, &value).map_err(as_data)?,
        Change::Delete => {
            if !key.contains_key("id") {
                return Err(missing("Delete", "id"));
            }
            Model::Delete(id_filter(&key).map_err(wrapped)?)
        }
    };
    Ok(Some(model))
}

fn missing(operation: &str, field: &str) -> RecordError {
    RecordError::data(format!("{operation} document missing `{field}` field."))
}

/// The original turns what is not a data exception into one with the same text.
fn as_data(error: RecordError) -> RecordError {
    if error.class == millstream_core::rejected::DATA_EXCEPTION {
        return error;
    }
    RecordError::data(error.message.as_str())
        .with_java_message(error.java_message())
        .caused_by(error)
}

/// `{_id: …}` of the key's text.
fn id_filter(key: &Document) -> Result<Document, RecordError> {
    Ok(json::parse_document(&format!(
        "{{_id: {}}}",
        string(key, "id")?
    ))?)
}

fn filter_for_update(key: &Document) -> Result<Document, RecordError> {
    if !key.contains_key("id") {
        return Err(missing("Update", "id"));
    }
    id_filter(key)
}

fn insert(value: &Document) -> Result<Model, RecordError> {
    if !value.contains_key("after") {
        return Err(missing("Insert", "after"));
    }
    let inserted = || {
        let after = json::parse_document(string(value, "after")?)?;
        let Some(id) = after.get("_id").cloned() else {
            return Err(RecordError::new(
                "java.lang.IllegalArgumentException",
                "The value for key _id can not be null",
            ));
        };
        Ok(replace(doc! {"_id": id}, after))
    };
    inserted().map_err(wrapped)
}

fn update(key: &Document, value: &Document) -> Result<Model, RecordError> {
    if !value.contains_key("after") {
        return Err(missing("Update", "after"));
    }
    let after = json::parse_document(string(value, "after")?)?;
    Ok(replace(filter_for_update(key)?, after))
}

fn patch(key: &Document, value: &Document) -> Result<Model, RecordError> {
    if !value.contains_key("patch") {
        return Err(missing("Update", "patch"));
    }
    let mut patch = json::parse_document(string(value, "patch")?)?;
    // The oplog's own format number, which no update takes.
    patch.remove("$v");
    Ok(match patch.get("_id").cloned() {
        // The whole new document.
        Some(id) => replace(doc! {"_id": id}, patch),
        None => Model::Update {
            filter: filter_for_update(key)?,
            update: patch,
            upsert: false,
        },
    })
}

fn replace(filter: Document, replacement: Document) -> Model {
    Model::Replace {
        filter,
        replacement,
        upsert: true,
    }
}
