//! What is wrong with an event, in Java's texts; those that repeat the event stand beside ones that do not.

use crate::java_text::relaxed_json;
use crate::json::type_name;
use bson::{Bson, Document};
use millstream_core::RecordError;

const INVALID_OPERATION: &str = "org.bson.BsonInvalidOperationException";

/// An error whose Java text goes on with a document.
pub(super) fn about(what: &str, separator: &str, document: &Document) -> RecordError {
    RecordError::data(what)
        .with_java_message(format!("{what}{separator}{}", relaxed_json(document)))
}

/// An exception inside another one that says nothing of its own.
pub(super) fn wrapped(cause: RecordError) -> RecordError {
    let class = cause.class;
    RecordError::data(format!("{class}: {}", cause.message))
        .with_java_message(format!("{class}: {}", cause.java_message()))
        .caused_by(cause)
}

pub(super) fn wrong_type(expected: &str, found: &Bson) -> RecordError {
    let found = type_name(found);
    RecordError::new(
        INVALID_OPERATION,
        format!("Value expected to be of type {expected} is of unexpected type {found}"),
    )
}

pub(super) fn invalid_operation(what: &str) -> RecordError {
    RecordError::new(INVALID_OPERATION, what)
}

/// A string that has to be there.
pub(super) fn string<'a>(document: &'a Document, name: &str) -> Result<&'a str, RecordError> {
    match document.get(name) {
        Some(Bson::String(text)) => Ok(text),
        Some(other) => Err(wrong_type("STRING", other)),
        None => Err(invalid_operation(&format!(
            "Document does not contain key {name}"
        ))),
    }
}

/// A document that has to be there.
pub(super) fn document<'a>(
    document: &'a Document,
    name: &str,
) -> Result<&'a Document, RecordError> {
    match document.get(name) {
        Some(Bson::Document(inner)) => Ok(inner),
        Some(other) => Err(wrong_type("DOCUMENT", other)),
        None => Err(invalid_operation(&format!(
            "Document does not contain key {name}"
        ))),
    }
}
