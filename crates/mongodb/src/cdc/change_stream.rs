//! Change stream events as MongoDB's source connector publishes them; all of an event is in the value.

use super::errors::about;
use crate::java_text::{java_debug, relaxed_json};
use crate::record::SinkRecord;
use crate::write_model::Model;
use bson::{Bson, Document, doc};
use millstream_core::RecordError;

const OPERATION: &str = "operationType";
const KEY: &str = "documentKey";
const FULL: &str = "fullDocument";
const DESCRIPTION: &str = "updateDescription";
const UPDATED: &str = "updatedFields";
const REMOVED: &str = "removedFields";
const TRUNCATED: &str = "truncatedArrays";
const DISAMBIGUATED: &str = "disambiguatedPaths";

const EXPECTING: &str = "expecting a document but found";

pub(super) fn handle(record: &mut SinkRecord<'_>) -> Result<Option<Model>, RecordError> {
    let mut event = record.take_value()?.unwrap_or_default();
    let operation = match event.get(OPERATION) {
        Some(Bson::String(operation)) => operation.to_ascii_lowercase(),
        Some(_) => {
            return Err(RecordError::data(
                "Error: Unexpected CDC operation type, should be a string",
            ));
        }
        None => {
            let what = format!("Error: `{OPERATION}` field is doc is missing.");
            return Err(about(&what, " ", &event));
        }
    };
    Ok(Some(match operation.as_str() {
        "insert" | "replace" => replace(&mut event, true)?,
        "update" if event.contains_key(FULL) => replace(&mut event, false)?,
        "update" => Model::Update {
            filter: key(&event)?,
            update: update(&event)?,
            upsert: false,
        },
        "delete" => Model::Delete(key(&event)?),
        other => {
            tracing::debug!(operation = other, "change stream event writes nothing");
            return Ok(None);
        }
    }))
}

fn replace(event: &mut Document, upsert: bool) -> Result<Model, RecordError> {
    let filter = key(event)?;
    document(event, FULL, EXPECTING)?;
    let replacement = match event.remove(FULL) {
        Some(Bson::Document(full)) => full,
        _ => Document::new(),
    };
    Ok(Model::Replace {
        filter,
        replacement,
        upsert,
    })
}

fn key(event: &Document) -> Result<Document, RecordError> {
    document(event, KEY, EXPECTING).cloned()
}

/// A document of the event. `wanted` is how Java's text words that it wanted one.
fn document<'a>(
    event: &'a Document,
    name: &str,
    wanted: &str,
) -> Result<&'a Document, RecordError> {
    match event.get(name) {
        Some(Bson::Document(found)) => Ok(found),
        Some(other) => Err(unexpected(name, wanted, other, event)),
        None => Err(about(&format!("Missing {name} field"), ": ", event)),
    }
}

fn unexpected(name: &str, wanted: &str, found: &Bson, shown: &Document) -> RecordError {
    let plain = format!("Unexpected {name} field type");
    let java = format!(
        "{plain}, {wanted} `{}`: {}",
        java_debug(found),
        relaxed_json(shown)
    );
    RecordError::data(plain).with_java_message(java)
}

fn update(event: &Document) -> Result<Document, RecordError> {
    let description = document(event, DESCRIPTION, "expected a document found")?;
    let known = [UPDATED, REMOVED, TRUNCATED, DISAMBIGUATED];
    let odd: Vec<&str> = description
        .keys()
        .map(String::as_str)
        .filter(|name| !known.contains(name))
        .collect();
    if !odd.is_empty() {
        let plain = format!("Warning unexpected field(s) in {DESCRIPTION}");
        let java = format!(
            "{plain} [{}]. {}. Cannot process due to risk of data loss.",
            odd.join(", "),
            relaxed_json(description)
        );
        return Err(RecordError::data(format!(
            "{plain}. Cannot process due to risk of data loss."
        ))
        .with_java_message(java));
    }
    let lacks = |name: &str| {
        about(
            &format!("Missing {DESCRIPTION}.{name} field"),
            ": ",
            description,
        )
    };
    let updated = match description.get(UPDATED) {
        Some(Bson::Document(updated)) => updated,
        Some(_) => {
            let whole = Bson::Document(description.clone());
            let wanted = "expected a document but found";
            return Err(unexpected(DESCRIPTION, wanted, &whole, description));
        }
        None => return Err(lacks(UPDATED)),
    };
    const ARRAY: &str = "expected an array but found";
    let removed = match description.get(REMOVED) {
        Some(Bson::Array(removed)) => removed,
        Some(other) => return Err(unexpected(REMOVED, ARRAY, other, description)),
        None => return Err(lacks(REMOVED)),
    };
    match description.get(TRUNCATED) {
        None | Some(Bson::Array(_)) => {}
        Some(other) => return Err(unexpected(TRUNCATED, ARRAY, other, description)),
    }
    match description.get(DISAMBIGUATED) {
        None | Some(Bson::Document(_)) => {}
        Some(other) => return Err(unexpected(DISAMBIGUATED, ARRAY, other, description)),
    }
    let mut unset = Document::new();
    for name in removed {
        let Bson::String(name) = name else {
            let plain = format!("Unexpected value type in {REMOVED}, expected a string");
            let java = format!(
                "{plain} but found `{}`: {}",
                java_debug(name),
                relaxed_json(description)
            );
            return Err(RecordError::data(plain).with_java_message(java));
        };
        unset.insert(name, "");
    }
    let mut update = doc! {"$set": updated.clone()};
    if !unset.is_empty() {
        update.insert("$unset", unset);
    }
    Ok(update)
}
