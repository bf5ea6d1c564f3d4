//! Events of Qlik Replicate for relational databases. Where the operation and the data stand depends on how Replicate is
//! set up: in `message` or at the top, the operation in `headers` or beside the data. The columns of the primary key, which
//! are the record's key, are the `_id`, and stay columns too.

use super::errors::about;
use crate::java_text::relaxed_json;
use crate::record::SinkRecord;
use crate::write_model::Model;
use bson::oid::ObjectId;
use bson::{Bson, Document, doc};
use millstream_core::RecordError;

pub(super) fn handle(record: &mut SinkRecord<'_>) -> Result<Option<Model>, RecordError> {
    let Some(value) = record.take_value()?.filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let operation = operation(&value)?.to_ascii_lowercase();
    let is_known = matches!(
        operation.as_str(),
        "insert" | "refresh" | "read" | "update" | "delete"
    );
    if !is_known {
        let what = "Unable to determine the CDC operation from";
        return Err(about(what, ": ", &value));
    }
    let key = record.key()?.cloned().unwrap_or_default();
    let key_filter = (!key.is_empty()).then(|| doc! {"_id": key});
    Ok(match operation.as_str() {
        "update" => update(key_filter, &value)?,
        "delete" => Some(delete(key_filter, &value)?),
        _ => Some(replace(key_filter, &value)?),
    })
}

fn operation(value: &Document) -> Result<&str, RecordError> {
    let headers = inner(inner(value, "message")?, "headers")?;
    let operation = headers
        .get("operation")
        .or_else(|| headers.get("headers_operation"));
    match operation {
        Some(Bson::String(operation)) => Ok(operation),
        _ => {
            let what = "Error: Could not determine the CDC operation type.";
            Err(about(what, " ", value))
        }
    }
}

/// The document of that name, or the one it would be in.
fn inner<'a>(outer: &'a Document, name: &str) -> Result<&'a Document, RecordError> {
    match outer.get(name) {
        None => Ok(outer),
        Some(Bson::Document(found)) => Ok(found),
        Some(_) => {
            let what = format!("Error: Value document contains a '{name}' that is not a document");
            Err(about(&what, ": ", outer))
        }
    }
}

/// The same, where a null is as good as nothing.
fn inner_not_null<'a>(outer: &'a Document, name: &str) -> Result<&'a Document, RecordError> {
    match outer.get(name) {
        Some(Bson::Null) => Ok(outer),
        _ => inner(outer, name),
    }
}

fn replace(key_filter: Option<Document>, value: &Document) -> Result<Model, RecordError> {
    let filter = key_filter.unwrap_or_else(|| doc! {"_id": ObjectId::new()});
    let data = inner(inner(value, "message")?, "data")?;
    let mut replacement = filter.clone();
    replacement.extend(data.clone());
    Ok(Model::Replace {
        filter,
        replacement,
        upsert: true,
    })
}

fn update(key_filter: Option<Document>, value: &Document) -> Result<Option<Model>, RecordError> {
    let message = inner(value, "message")?;
    let filter = match key_filter {
        Some(filter) => filter,
        None => not_empty(inner(message, "beforeData")?, value)?.clone(),
    };
    let before = inner(message, "beforeData")?;
    let after = not_empty(inner(message, "data")?, value)?;
    let changed: Document = after
        .iter()
        .filter(|(name, value)| {
            !before
                .get(name.as_str())
                .is_some_and(|was| is_same(was, value))
        })
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    Ok((!changed.is_empty()).then(|| Model::Update {
        filter,
        update: doc! {"$set": changed},
        upsert: true,
    }))
}

fn delete(key_filter: Option<Document>, value: &Document) -> Result<Model, RecordError> {
    if let Some(filter) = key_filter {
        return Ok(Model::Delete(filter));
    }
    let data = inner_not_null(inner(value, "message")?, "data")?;
    let filter = not_empty(inner_not_null(data, "beforeData")?, value)?;
    Ok(Model::Delete(filter.clone()))
}

fn not_empty<'a>(document: &'a Document, value: &Document) -> Result<&'a Document, RecordError> {
    if !document.is_empty() {
        return Ok(document);
    }
    let plain = "Error: Value Document does not contain the expected data, cannot create filter";
    let java = format!("{plain}: {}.", relaxed_json(value));
    Err(RecordError::data(plain).with_java_message(java))
}

/// Numbers of a column are the same by their bits: Java tells zeros apart, and takes what is not a number for itself.
fn is_same(was: &Bson, is: &Bson) -> bool {
    match (was, is) {
        (Bson::Double(was), Bson::Double(is)) => {
            was.to_bits() == is.to_bits() || (was.is_nan() && is.is_nan())
        }
        _ => was == is,
    }
}
