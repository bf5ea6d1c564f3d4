//! Reply: what a server said to a write command, item by item; and how that reads: in Java's words for dead letters
//! and for whoever asks for them, without what a record holds for everybody else.

use crate::java_text::relaxed_json;
use crate::namespace::Namespace;
use bson::{Bson, Document};
use millstream_core::RecordError;

/// The answer to a write command.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    pub(crate) write_errors: Vec<WriteError>,
    pub(crate) concern_error: Option<ConcernError>,
}

/// One item that was refused.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct WriteError {
    /// In the command, later in the bulk write.
    pub(crate) index: usize,
    pub(crate) code: i32,
    pub(crate) message: String,
    pub(crate) details: Document,
    pub(crate) key_pattern: Option<Document>,
    /// Whether another document stands under an id that only this record should have.
    pub(crate) is_taken: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ConcernError {
    code: i32,
    code_name: String,
    message: String,
    details: Document,
}

impl Reply {
    pub(crate) fn read(answer: &Document) -> Self {
        let write_errors = answer
            .get_array("writeErrors")
            .map(|items| {
                items
                    .iter()
                    .filter_map(Bson::as_document)
                    .map(WriteError::read)
                    .collect()
            })
            .unwrap_or_default();
        let concern_error =
            answer
                .get_document("writeConcernError")
                .ok()
                .map(|error| ConcernError {
                    code: integer(error, "code"),
                    code_name: error.get_str("codeName").unwrap_or_default().to_owned(),
                    message: error.get_str("errmsg").unwrap_or_default().to_owned(),
                    details: error.get_document("errInfo").cloned().unwrap_or_default(),
                });
        Reply {
            write_errors,
            concern_error,
        }
    }
}

fn integer(document: &Document, name: &str) -> i32 {
    match document.get(name) {
        Some(Bson::Int32(v)) => *v,
        Some(Bson::Int64(v)) => *v as i32,
        Some(Bson::Double(v)) => *v as i32,
        _ => 0,
    }
}

/// The names of the codes with which items are refused, as servers document them.
const CODE_NAMES: [(i32, &str); 18] = [
    (2, "BadValue"),
    (9, "FailedToParse"),
    (13, "Unauthorized"),
    (14, "TypeMismatch"),
    (15, "Overflow"),
    (28, "PathNotViable"),
    (40, "ConflictingUpdateOperators"),
    (52, "DollarPrefixedFieldName"),
    (56, "EmptyFieldName"),
    (57, "DottedFieldName"),
    (61, "ShardKeyNotFound"),
    (66, "ImmutableField"),
    (73, "InvalidNamespace"),
    (121, "DocumentValidationFailure"),
    (10334, "BSONObjectTooLarge"),
    (17280, "KeyTooLong"),
    (17419, "document too large after the update"),
    (17420, "document too large after the update"),
];

/// A server's text up to where it begins to repeat documents: those stand in braces, values in double quotes.
pub(crate) fn without_content(text: &str) -> &str {
    let end = text.find(['{', '"']).unwrap_or(text.len());
    text[..end].trim_end_matches([' ', ':', ',', '(', '['])
}

impl WriteError {
    fn read(item: &Document) -> Self {
        WriteError {
            index: usize::try_from(integer(item, "index")).unwrap_or(0),
            code: integer(item, "code"),
            message: item.get_str("errmsg").unwrap_or_default().to_owned(),
            details: item.get_document("errInfo").cloned().unwrap_or_default(),
            key_pattern: item.get_document("keyPattern").ok().cloned(),
            is_taken: false,
        }
    }

    pub(crate) fn is_duplicate(&self) -> bool {
        matches!(self.code, 11000 | 11001)
    }

    /// Whether the duplicate is of `_id`: by the key pattern, else by the index that the text names. `None` if
    /// neither tells.
    pub(crate) fn is_duplicate_id(&self) -> Option<bool> {
        if let Some(pattern) = &self.key_pattern {
            return Some(pattern.keys().eq(["_id"]));
        }
        Some(self.index_name()? == "_id_")
    }

    /// The index that a duplicate's text names.
    fn index_name(&self) -> Option<&str> {
        let index = self.message.split("index: ").nth(1)?.split(' ').next()?;
        // Old servers put the namespace before the name.
        index.rsplit('$').next()
    }

    /// Why the item was refused, without what the record holds.
    pub(crate) fn summary(&self, namespace: &Namespace) -> String {
        if self.is_taken {
            return format!(
                "under its id {namespace} holds another document: was the topic made anew, or are its records hashed \
                 in another way now? Empty the collection, write to another one, or set {}=replace",
                crate::extensions::DUPLICATE_POLICY
            );
        }
        if self.is_duplicate() {
            return match self.index_name() {
                Some(index) => format!(
                    "E{} duplicate key error in index {index} of {namespace}",
                    self.code
                ),
                None => format!("E{} duplicate key error in {namespace}", self.code),
            };
        }
        let name = CODE_NAMES.iter().find(|(code, _)| *code == self.code);
        let name = name.map_or_else(String::new, |(_, name)| format!(" {name}"));
        format!("{}{name}: {}", self.code, without_content(&self.message))
    }

    /// What a dead letter's headers say.
    pub(crate) fn record_error(&self, namespace: &Namespace) -> RecordError {
        RecordError::new(
            "com.mongodb.kafka.connect.sink.dlq.WriteException",
            self.summary(namespace),
        )
        .with_java_message(format!(
            "v=1, code={}, message={}, details={}",
            self.code,
            self.message,
            relaxed_json(&self.details)
        ))
    }

    /// As it stands in Java's text of a failed bulk write.
    pub(crate) fn describe(&self) -> String {
        format!(
            "BulkWriteError{{index={}, code={}, message='{}', details={}}}",
            self.index,
            self.code,
            self.message,
            relaxed_json(&self.details)
        )
    }
}

impl ConcernError {
    /// Why the write concern was not met, without what records hold.
    pub(crate) fn summary(&self) -> String {
        format!(
            "write concern error {} ({}): {}",
            self.code,
            self.code_name,
            without_content(&self.message)
        )
    }

    pub(crate) fn record_error(&self) -> RecordError {
        RecordError::new(
            "com.mongodb.kafka.connect.sink.dlq.WriteConcernException",
            self.summary(),
        )
        .with_java_message(format!(
            "v=1, code={}, codeName={}, message={}, details={}",
            self.code,
            self.code_name,
            self.message,
            relaxed_json(&self.details)
        ))
    }

    pub(crate) fn describe(&self) -> String {
        format!(
            "WriteConcernError{{code={}, codeName='{}', message='{}', details={}}}",
            self.code,
            self.code_name,
            self.message,
            relaxed_json(&self.details)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::doc;

    fn error(code: i32, message: &str) -> WriteError {
        WriteError {
            code,
            message: message.to_owned(),
            ..WriteError::default()
        }
    }

    fn check(message: &str, pattern: Option<Document>, expected: Option<bool>) {
        let mut error = error(11000, message);
        error.key_pattern = pattern;
        assert_eq!(error.is_duplicate_id(), expected, "{message}");
    }

    #[test]
    fn duplicates_of_the_id_are_recognised() {
        check("", Some(doc! {"_id": 1}), Some(true));
        check("", Some(doc! {"u": 1}), Some(false));
        check(
            "E11000 duplicate key error collection: d.c index: _id_ dup key: { _id: 1 }",
            None,
            Some(true),
        );
        check(
            "E11000 duplicate key error index: d.c.$_id_ dup key: { : 1 }",
            None,
            Some(true),
        );
        check(
            "E11000 duplicate key error collection: d.c index: u_1 dup key: { u: 1 }",
            None,
            Some(false),
        );
        check("E11000 duplicate key error collection: d.c", None, None);
    }

    #[test]
    fn report_b8_a_refused_item_is_told_without_its_content() {
        let namespace = Namespace {
            database: "d".into(),
            collection: "c".into(),
        };
        let says = |code, message: &str, expected: &str| {
            let error = error(code, message);
            assert_eq!(error.summary(&namespace), expected);
            let java = error.record_error(&namespace);
            assert_eq!(
                java.java_message(),
                format!("v=1, code={code}, message={message}, details={{}}")
            );
        };
        says(
            11000,
            "E11000 duplicate key error collection: d.c index: u_1 dup key: { u: \"secret\" }",
            "E11000 duplicate key error in index u_1 of d.c",
        );
        says(
            28,
            "Cannot create field 'x' in element {a: \"secret\"}",
            "28 PathNotViable: Cannot create field 'x' in element",
        );
        says(4711, "no \"secret\" here", "4711: no");
    }

    /// Not every server gives one; Java's driver then takes the whole reply for unreadable.
    #[test]
    fn an_error_without_a_code_is_of_its_own_record_alone() {
        let error = WriteError::read(&doc! {"index": 3, "errmsg": "no"});
        assert_eq!((error.index, error.code), (3, 0));
        assert_eq!(error.message, "no");
        assert!(!error.is_duplicate());
    }
}
