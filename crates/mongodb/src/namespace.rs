//! Namespaces: the database and collection of a record, fixed or read from its fields.

use crate::document::Half;
use crate::java_text::relaxed_json;
use crate::json::type_name;
use crate::record::SinkRecord;
use bson::{Bson, Document};
use millstream_core::RecordError;
use std::fmt;
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Namespace {
    pub(crate) database: Arc<str>,
    pub(crate) collection: Arc<str>,
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.database, self.collection)
    }
}

/// A path in the key or in the value.
#[derive(Clone, Debug)]
pub(crate) struct FieldSource {
    half: Half,
    path: String,
}

impl FieldSource {
    pub(crate) fn key(path: &str) -> Self {
        FieldSource {
            half: Half::Key,
            path: path.to_owned(),
        }
    }

    pub(crate) fn value(path: &str) -> Self {
        FieldSource {
            half: Half::Value,
            path: path.to_owned(),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct NamespaceMapper {
    default: Namespace,
    pub(crate) database_field: Option<FieldSource>,
    pub(crate) collection_field: Option<FieldSource>,
    pub(crate) error_if_invalid: bool,
}

impl NamespaceMapper {
    pub(crate) fn new(database: &str, collection: &str) -> Self {
        NamespaceMapper {
            default: Namespace {
                database: database.into(),
                collection: collection.into(),
            },
            database_field: None,
            collection_field: None,
            error_if_invalid: false,
        }
    }

    /// The one namespace, unless records name theirs.
    pub(crate) fn fixed(&self) -> Option<(&str, &str)> {
        (self.database_field.is_none() && self.collection_field.is_none())
            .then_some((&*self.default.database, &*self.default.collection))
    }

    /// The namespace of records that do not name theirs.
    pub(crate) fn default(&self) -> &Namespace {
        &self.default
    }

    /// The namespace of a record whose documents no processor has touched yet.
    pub(crate) fn of(&self, record: &mut SinkRecord<'_>) -> Result<Namespace, RecordError> {
        let mut namespace = self.default.clone();
        if let Some(field) = &self.database_field
            && let Some(name) = self.read(field, record)?
        {
            check_database(&name).map_err(illegal)?;
            namespace.database = name.into();
        }
        if let Some(field) = &self.collection_field
            && let Some(name) = self.read(field, record)?
        {
            check_collection(&name).map_err(illegal)?;
            namespace.collection = name.into();
        }
        Ok(namespace)
    }

    fn read(
        &self,
        field: &FieldSource,
        record: &mut SinkRecord<'_>,
    ) -> Result<Option<String>, RecordError> {
        let described = self.error_if_invalid.then(|| record.describe());
        let document = match field.half {
            Half::Key => record.key()?,
            Half::Value => record.value()?,
        };
        let path = &field.path;
        let found = document
            .as_ref()
            .and_then(|document| lookup(document, path));
        if let Some(Bson::String(name)) = found {
            return Ok(Some(name.clone()));
        }
        let Some(described) = described else {
            return Ok(None);
        };
        let why = match (&document, found) {
            (None, _) => format!("Invalid {} document: {described}", field.half.name()),
            (Some(_), Some(other)) => format!(
                "Invalid type for {} field path '{path}', expected a String",
                type_name(other)
            ),
            (Some(_), None) => format!("Missing document path '{path}'"),
        };
        let error = RecordError::data(why.as_str());
        // Java's text goes on with the whole document.
        Err(match document {
            Some(document) => error.with_java_message(format!("{why}: {}", relaxed_json(document))),
            None => error,
        })
    }
}

/// A field whose name holds the dots wins over descending; arrays are not entered.
pub(crate) fn lookup<'a>(document: &'a Document, path: &str) -> Option<&'a Bson> {
    if let Some(value) = document.get(path) {
        return Some(value);
    }
    let (head, rest) = path.split_once('.')?;
    lookup(document.get(head)?.as_document()?, rest)
}

fn illegal(why: String) -> RecordError {
    RecordError::new("java.lang.IllegalArgumentException", why)
}

/// Java's text for a name that its driver refuses.
pub(crate) fn check_database(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("state should be: databaseName is not empty".to_owned());
    }
    match name
        .chars()
        .find(|c| matches!(c, '\0' | '/' | '\\' | ' ' | '"' | '.'))
    {
        Some(bad) => Err(format!(
            "state should be: databaseName does not contain '{bad}'"
        )),
        None => Ok(()),
    }
}

pub(crate) fn check_collection(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("state should be: collectionName is not empty".to_owned());
    }
    if name.contains('\0') {
        return Err("state should be: collectionName does not contain a NUL".to_owned());
    }
    Ok(())
}
