//! Command: one request as a client wrote it, and the error a command answers with.

use bson::{Document, RawBsonRef, RawDocument, RawDocumentBuf, doc};
use std::io;

/// A command's body and its document sequences, both checked BSON.
#[derive(Clone, Debug)]
pub(super) struct Command {
    pub(super) name: String,
    pub(super) db: String,
    pub(super) body: RawDocumentBuf,
    pub(super) sequences: Vec<(String, Vec<RawDocumentBuf>)>,
}

impl Command {
    pub(super) fn new(
        body: RawDocumentBuf,
        sequences: Vec<(String, Vec<RawDocumentBuf>)>,
    ) -> io::Result<Self> {
        let name = match body.iter().next() {
            Some(Ok((name, _))) => name.to_string(),
            _ => return Err(io::ErrorKind::InvalidData.into()),
        };
        let db = body.get_str("$db").unwrap_or("admin").to_owned();
        Ok(Command {
            name,
            db,
            body,
            sequences,
        })
    }

    /// The collection that the command names as its first value.
    pub(super) fn collection(&self) -> Result<&str, CommandError> {
        match self.body.iter().next() {
            Some(Ok((_, RawBsonRef::String(name)))) if !name.is_empty() => Ok(name),
            _ => Err(CommandError::new(
                73,
                "InvalidNamespace",
                format!("collection name has invalid type in {}", self.name),
            )),
        }
    }

    pub(super) fn namespace(&self) -> Result<String, CommandError> {
        Ok(format!("{}.{}", self.db, self.collection()?))
    }

    /// The body as a document; for all but bulk data.
    pub(super) fn document(&self) -> Result<Document, CommandError> {
        decode(&self.body)
    }

    pub(super) fn flag(&self, name: &str, default: bool) -> bool {
        match self.body.get(name) {
            Ok(Some(RawBsonRef::Boolean(flag))) => flag,
            Ok(Some(RawBsonRef::Int32(number))) => number != 0,
            Ok(Some(RawBsonRef::Double(number))) => number != 0.0,
            _ => default,
        }
    }

    /// The statements of a write command: a sequence, or an array in the body.
    pub(super) fn statements(&self, field: &str) -> Result<Vec<&RawDocument>, CommandError> {
        if let Some((_, documents)) = self.sequences.iter().find(|(name, _)| name == field) {
            return Ok(documents.iter().map(|document| &**document).collect());
        }
        let array = self.body.get_array(field).map_err(|_| {
            CommandError::new(
                40414,
                "Location40414",
                format!(
                    "BSON field '{}.{field}' is missing but a required field",
                    self.name
                ),
            )
        })?;
        array
            .into_iter()
            .map(|item| {
                item.ok()
                    .and_then(RawBsonRef::as_document)
                    .ok_or_else(|| CommandError::bad_value(format!("'{field}' holds documents")))
            })
            .collect()
    }
}

pub(super) fn decode(raw: &RawDocument) -> Result<Document, CommandError> {
    Document::try_from(raw).map_err(|error| CommandError::bad_value(error.to_string()))
}

/// A command that failed, or one item of it, in MongoDB's terms.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub(super) struct CommandError {
    pub(super) code: i32,
    pub(super) name: &'static str,
    pub(super) message: String,
}

impl CommandError {
    pub(super) fn new(code: i32, name: &'static str, message: impl Into<String>) -> Self {
        CommandError {
            code,
            name,
            message: message.into(),
        }
    }

    pub(super) fn bad_value(message: impl Into<String>) -> Self {
        CommandError::new(2, "BadValue", message)
    }

    pub(super) fn failed_to_parse(message: impl Into<String>) -> Self {
        CommandError::new(9, "FailedToParse", message)
    }

    /// As the whole answer.
    pub(super) fn answer(&self) -> Document {
        doc! {"ok": 0.0, "errmsg": &self.message, "code": self.code, "codeName": self.name}
    }

    /// As one item of `writeErrors`.
    pub(super) fn item(&self, index: usize) -> Document {
        doc! {"index": index as i32, "code": self.code, "errmsg": &self.message}
    }
}

impl From<rusqlite::Error> for CommandError {
    fn from(error: rusqlite::Error) -> Self {
        CommandError::new(8, "UnknownError", format!("the store failed: {error}"))
    }
}
