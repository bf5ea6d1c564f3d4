//! From a record to its statement: namespace, post processors, write model, and the bytes for the wire. What
//! the Java driver would refuse while encoding, failing a whole batch, is found here and fails its record.

use crate::document_id::IdStrategy;
use crate::namespace::Namespace;
use crate::operation::{MAX_DOCUMENT, MAX_STATEMENT, Statement, StatementKind};
use crate::processor::IdOrigin;
use crate::record::SinkRecord;
use crate::settings::{Tolerance, TopicSettings};
use crate::write_model::{Model, Operation};
use bson::oid::ObjectId;
use bson::raw::RawDocument;
use bson::{Bson, Document, RawDocumentBuf, doc};
use millstream_core::RecordError;

/// The record's namespace and statement; `None` if it writes nothing. Where errors are tolerated, a record without a namespace still has its statement
/// made, as in the original: what is wrong with that is what is reported.
pub(crate) fn prepare(
    settings: &TopicSettings,
    record: &mut SinkRecord<'_>,
    now: i64,
) -> Result<Option<(Namespace, Statement)>, RecordError> {
    let mut namespace = settings.mapper.of(record);
    if settings.tolerance == Tolerance::None {
        namespace = Ok(namespace?);
    }
    if let Some(handler) = &settings.cdc {
        let Some(model) = handler.handle(record)? else {
            return namespace.map(|_| None);
        };
        let id = IdOrigin::Record;
        return Ok(Some((namespace?, encode(Operation { model, id })?)));
    }
    // A key that is the id itself is converted only when the statement is sent; a record without a value has none.
    let is_lazy =
        matches!(settings.ids, IdStrategy::FullKey) && !matches!(record.value(), Ok(None));
    if is_lazy && record.key().is_err() {
        namespace = Ok(namespace?);
    }
    let operation = operation(settings, record, now)?;
    Ok(Some((namespace?, encode(operation)?)))
}

fn operation(
    settings: &TopicSettings,
    record: &mut SinkRecord<'_>,
    now: i64,
) -> Result<Operation, RecordError> {
    let mut id = IdOrigin::Record;
    let mut is_key_itself = false;
    for processor in &settings.processors {
        if let Some(origin) = processor.apply(record)? {
            id = origin;
            is_key_itself = matches!(settings.ids, IdStrategy::FullKey);
        } else if is_key_itself && processor.changes_key() {
            // In the original this id is the key document, not a copy of it.
            let key = record.key()?.cloned().unwrap_or_default();
            if let Some(document) = record.value()? {
                document.insert("_id", key);
            }
        }
    }
    let model = if record.value()?.is_some() {
        settings.write.build(&settings.ids, record, now)?
    } else if record.has_key() {
        const REFUSED: &str = "Could not create write model";
        match settings.delete {
            Some(strategy) => strategy
                .build_delete(&settings.ids, record)
                .map_err(|cause| RecordError::data(REFUSED).caused_by(cause))?,
            None => return Err(RecordError::data(REFUSED)),
        }
    } else {
        return Err(RecordError::data(
            "Invalid Sink Record neither key doc nor value doc were present",
        ));
    };
    Ok(Operation { model, id })
}

fn encode(operation: Operation) -> Result<Statement, RecordError> {
    let mut id = operation.id;
    let (kind, document) = match operation.model {
        Model::Insert(document) => {
            if !document.contains_key("_id") {
                id = IdOrigin::Fresh;
            }
            (StatementKind::Insert, with_id_first(document))
        }
        Model::Replace {
            filter,
            replacement,
            upsert,
        } => {
            check_names(&replacement)?;
            (
                StatementKind::Replace,
                doc! {"q": filter, "u": replacement, "upsert": upsert},
            )
        }
        Model::Update {
            filter,
            update,
            upsert,
        } => {
            check_operators(&update)?;
            (
                StatementKind::Update,
                doc! {"q": filter, "u": update, "upsert": upsert},
            )
        }
        Model::Delete(filter) => (StatementKind::Delete, doc! {"q": filter, "limit": 1}),
    };
    let statement = RawDocumentBuf::try_from(&document)
        .map_err(|error| not_encodable(&document, &error.to_string()))?;
    let (size, most) = match stored_size(kind, &statement) {
        size if size > MAX_DOCUMENT => (size, MAX_DOCUMENT),
        _ => (statement.as_bytes().len(), MAX_STATEMENT),
    };
    if size > most {
        return Err(RecordError::new(
            "org.bson.BsonMaximumSizeExceededException",
            format!("Document size of {size} is larger than maximum of {most}."),
        ));
    }
    Ok(Statement {
        kind,
        bytes: statement.into_bytes(),
        id,
    })
}

/// The size of the document that the server would have to store, as far as the statement alone says.
fn stored_size(kind: StatementKind, statement: &RawDocument) -> usize {
    let inner = |name: &str| statement.get_document(name).ok();
    match kind {
        StatementKind::Insert => statement.as_bytes().len(),
        StatementKind::Delete => 0,
        StatementKind::Replace => inner("u").map_or(0, |document| {
            let has_id = matches!(document.get("_id"), Ok(Some(_)));
            document.as_bytes().len() + if has_id { 0 } else { OBJECT_ID_SIZE }
        }),
        StatementKind::Update => {
            let Some(update) = inner("u") else { return 0 };
            let parts = ["$set", "$setOnInsert"].map(|name| update.get_document(name).ok());
            let [Some(set), more] = parts else { return 0 };
            let elements = |document: &RawDocument| document.as_bytes().len() - EMPTY_SIZE;
            let filter = inner("q").filter(|_| !matches!(set.get("_id"), Ok(Some(_))));
            EMPTY_SIZE + elements(set) + more.map_or(0, elements) + filter.map_or(0, elements)
        }
    }
}

/// Length and end of a document.
const EMPTY_SIZE: usize = 5;

/// An `_id` that the server makes itself: type, name, value.
const OBJECT_ID_SIZE: usize = 17;

/// The wire form of an insert begins with `_id`; the driver makes one where there is none.
fn with_id_first(mut document: Document) -> Document {
    if document.keys().next().is_some_and(|name| name == "_id") {
        return document;
    }
    let id = document
        .remove("_id")
        .unwrap_or_else(|| Bson::ObjectId(ObjectId::new()));
    let mut whole = doc! {"_id": id};
    whole.extend(document);
    whole
}

fn check_names(replacement: &Document) -> Result<(), RecordError> {
    let bad = replacement
        .keys()
        .find(|name| name.starts_with('$') && !matches!(name.as_str(), "$ref" | "$id" | "$db"));
    match bad {
        None => Ok(()),
        Some(name) => Err(RecordError::new(
            "java.lang.IllegalArgumentException",
            format!(
                "Field names in a replacement document can not start with '$' but '{name}' does"
            ),
        )),
    }
}

/// An update that somebody else wrote, in the oplog, may be none.
fn check_operators(update: &Document) -> Result<(), RecordError> {
    let bad = update.keys().find(|name| !name.starts_with('$'));
    let message = match bad {
        Some(name) => format!("All update operators must start with '$', but '{name}' does not"),
        None if update.is_empty() => {
            "Invalid BSON document for an update. The document may not be empty.".to_owned()
        }
        None => return Ok(()),
    };
    Err(RecordError::new(
        "java.lang.IllegalArgumentException",
        message,
    ))
}

fn not_encodable(document: &Document, why: &str) -> RecordError {
    let message = match name_with_nul(document) {
        Some(name) => {
            let at = name.chars().take_while(|&c| c != '\0').count();
            format!(
                "BSON cstring '{name}' is not valid because it contains a null character at index {at}"
            )
        }
        None => why.to_owned(),
    };
    RecordError::new("org.bson.BsonSerializationException", message)
}

fn name_with_nul(document: &Document) -> Option<&str> {
    document.iter().find_map(|(name, value)| {
        if name.contains('\0') {
            return Some(name.as_str());
        }
        match value {
            Bson::Document(inner) => name_with_nul(inner),
            Bson::Array(items) => items
                .iter()
                .filter_map(Bson::as_document)
                .find_map(name_with_nul),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{connect_json, json};

    /// Half of what a thread has, as far as depth is concerned.
    const SMALL_STACK: usize = 1 << 20;

    #[test]
    fn an_update_has_operators_alone() {
        for (update, is_one) in [
            (doc! {"$set": {"a": 1}}, true),
            (doc! {"a": 1}, false),
            (doc! {}, false),
        ] {
            let model = Model::Update {
                filter: doc! {"_id": 1},
                update,
                upsert: false,
            };
            let id = IdOrigin::Record;
            assert_eq!(encode(Operation { model, id }).is_ok(), is_one);
        }
    }

    #[test]
    fn report_b5_deep_documents_need_no_more_stack_than_a_thread_has() {
        let work = || {
            let text = format!("{}1{}", r#"{"a":[{"b":"#.repeat(330), "}]}".repeat(330));
            let lenient = json::parse_document(&text).unwrap();
            let Ok(Bson::Document(plain)) = connect_json::read(text.as_bytes(), || None) else {
                panic!("not read");
            };
            for document in [lenient, plain] {
                let model = Model::Replace {
                    filter: doc! {"_id": 1},
                    replacement: document.clone(),
                    upsert: true,
                };
                let id = IdOrigin::Fresh;
                assert!(encode(Operation { model, id }).unwrap().bytes.len() > 5000);
            }
        };
        let thread = std::thread::Builder::new().stack_size(SMALL_STACK);
        thread.spawn(work).unwrap().join().unwrap();
    }
}
