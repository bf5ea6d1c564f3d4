//! Store: one cluster behind the driver. It sends a command and says what came of it, in the terms of the
//! decisions to be taken: items that failed, a write concern that was not met, or no answer.

use crate::java_text::relaxed_json;
use bson::{Bson, Document, RawDocumentBuf, doc};
use millstream_core::RecordError;
use mongodb::error::{Error, ErrorKind};
use mongodb::options::{ClientOptions, ReadPreference, SelectionCriteria};
use mongodb::{Client, Database};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long an answer may take when the connection string does not say: the driver itself waits for ever.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) struct Store {
    client: Client,
    answer_timeout: Duration,
    trouble: Mutex<Option<Trouble>>,
    /// As a command carries it, if the connection string has one.
    pub(crate) write_concern: Option<Vec<u8>>,
    /// The first server, as error texts name it.
    pub(crate) host: String,
}

/// What keeps writes from succeeding.
#[derive(Clone, Debug)]
pub(crate) struct Trouble {
    pub(crate) reason: String,
    next_try: Instant,
}

impl Trouble {
    /// Time until the next attempt.
    pub(crate) fn wait(&self) -> Duration {
        let wait = self.next_try.saturating_duration_since(Instant::now());
        wait.max(Duration::from_millis(1))
    }
}

/// The answer to a write command.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    pub(crate) write_errors: Vec<WriteError>,
    pub(crate) concern_error: Option<ConcernError>,
}

/// One item that was refused.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WriteError {
    /// In the command, later in the bulk write.
    pub(crate) index: usize,
    pub(crate) code: i32,
    pub(crate) message: String,
    pub(crate) details: Document,
    pub(crate) key_pattern: Option<Document>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ConcernError {
    code: i32,
    code_name: String,
    message: String,
    details: Document,
}

/// A command without a usable answer.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// Java's exception class and message.
    pub(crate) error: RecordError,
    pub(crate) kind: FailureKind,
    /// The same for people, in one sentence.
    pub(crate) reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// May pass; whether the command was applied is unknown.
    Transient,
    /// Will not pass by itself.
    Lasting,
}

/// Server errors that pass: elections, shutdowns, write conflicts, time limits, throttling.
const TRANSIENT_CODES: [i32; 18] = [
    6, 7, 50, 89, 91, 112, 189, 262, 9001, 10058, 10107, 11600, 11602, 13388, 13435, 13436, 16500,
    64,
];

pub(crate) fn is_transient(code: i32) -> bool {
    // 64 is a write concern that timed out: as a command's failure it passes, as an item it does not exist.
    TRANSIENT_CODES.contains(&code)
}

impl Store {
    pub(crate) fn new(
        options: ClientOptions,
        host: &str,
        answer_timeout: Option<Duration>,
    ) -> Result<Self, Error> {
        let write_concern = options
            .write_concern
            .as_ref()
            .and_then(crate::uri::concern_document)
            .and_then(|concern| concern.to_vec().ok());
        Ok(Store {
            client: Client::with_options(options)?,
            answer_timeout: answer_timeout.unwrap_or(ANSWER_TIMEOUT),
            trouble: Mutex::new(None),
            write_concern,
            host: host.to_owned(),
        })
    }

    fn database(&self, name: &str) -> Database {
        self.client.database(name)
    }

    /// Sends one write command, once.
    pub(crate) async fn send(
        &self,
        database: &str,
        command: RawDocumentBuf,
    ) -> Result<Reply, Failure> {
        let database = self.database(database);
        let answer = database.run_raw_command(command);
        match tokio::time::timeout(self.answer_timeout, async { answer.await }).await {
            Ok(Ok(answer)) => {
                *self.lock_trouble() = None;
                Ok(reply_of(&answer))
            }
            Ok(Err(error)) => Err(self.failure(&error)),
            Err(_) => {
                let host = &self.host;
                Err(Failure {
                    error: RecordError::new(
                        "com.mongodb.MongoSocketReadTimeoutException",
                        "Timeout while receiving message",
                    ),
                    kind: FailureKind::Transient,
                    reason: format!("the document store {host} does not answer"),
                })
            }
        }
    }

    /// Notes that a command is tried again after a pause.
    pub(crate) fn note_trouble(&self, reason: &str, pause: Duration) {
        *self.lock_trouble() = Some(Trouble {
            reason: reason.to_owned(),
            next_try: Instant::now() + pause,
        });
    }

    /// What keeps writes from succeeding at the moment.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        self.lock_trouble().clone()
    }

    fn lock_trouble(&self) -> MutexGuard<'_, Option<Trouble>> {
        // It is replaced in one step, so a panicking holder leaves it whole.
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a document from the primary by its `_id`.
    pub(crate) async fn find(
        &self,
        database: &str,
        collection: &str,
        id: &Bson,
    ) -> Result<Option<Document>, Failure> {
        let command = doc! {"find": collection, "filter": {"_id": id.clone()}, "limit": 1, "singleBatch": true};
        let answer = self
            .database(database)
            .run_command(command)
            .selection_criteria(SelectionCriteria::ReadPreference(ReadPreference::Primary))
            .await
            .map_err(|error| self.failure(&error))?;
        let found = answer
            .get_document("cursor")
            .and_then(|cursor| cursor.get_array("firstBatch"))
            .ok()
            .and_then(|batch| batch.first())
            .and_then(Bson::as_document)
            .cloned();
        Ok(found)
    }

    /// Waits for a server that answers, and logs in if the string has credentials.
    pub(crate) async fn ping(&self, database: &str, wait: Duration) -> Result<(), Error> {
        let ping = async { self.database(database).run_command(doc! {"ping": 1}).await };
        match tokio::time::timeout(wait, ping).await {
            Ok(outcome) => outcome.map(|_| ()),
            Err(_) => Err(Error::custom("no server answered in time".to_owned())),
        }
    }

    fn failure(&self, error: &Error) -> Failure {
        let (class, message) = match error.kind.as_ref() {
            ErrorKind::Command(command) => (
                "com.mongodb.MongoCommandException",
                format!(
                    "Command execution failed on MongoDB server with error {} ({}): '{}' on server {}. The full response is {}",
                    command.code,
                    command.code_name,
                    command.message,
                    self.host,
                    error
                        .server_response()
                        .and_then(|raw| Document::try_from(raw.as_ref()).ok())
                        .map_or_else(|| "{}".to_owned(), |answer| relaxed_json(&answer)),
                ),
            ),
            ErrorKind::Io(cause) if cause.kind() == std::io::ErrorKind::UnexpectedEof => (
                "com.mongodb.MongoSocketReadException",
                "Prematurely reached end of stream".to_owned(),
            ),
            ErrorKind::Io(cause) => ("com.mongodb.MongoSocketException", cause.to_string()),
            ErrorKind::ServerSelection { message, .. } => {
                ("com.mongodb.MongoTimeoutException", message.clone())
            }
            ErrorKind::Authentication { message, .. } => {
                ("com.mongodb.MongoSecurityException", message.clone())
            }
            _ => ("com.mongodb.MongoException", error.kind.to_string()),
        };
        Failure {
            error: RecordError::new(class, message),
            kind: failure_kind(error),
            reason: self.reason(error),
        }
    }

    fn reason(&self, error: &Error) -> String {
        let host = &self.host;
        match error.kind.as_ref() {
            ErrorKind::Command(command) => format!(
                "the document store {host} answered {} {}: {}",
                command.code, command.code_name, command.message
            ),
            // The pool is cleared when any of its connections breaks.
            ErrorKind::Io(_) | ErrorKind::ConnectionPoolCleared { .. } => {
                format!("the connection to the document store {host} broke")
            }
            ErrorKind::ServerSelection { .. } | ErrorKind::DnsResolve { .. } => {
                format!("cannot reach the document store {host}")
            }
            other => format!("the document store {host} cannot be used: {other}"),
        }
    }
}

fn failure_kind(error: &Error) -> FailureKind {
    let passes = match error.kind.as_ref() {
        ErrorKind::Io(_)
        | ErrorKind::ConnectionPoolCleared { .. }
        | ErrorKind::ServerSelection { .. }
        | ErrorKind::DnsResolve { .. } => true,
        ErrorKind::Command(command) => is_transient(command.code),
        _ => error.contains_label("RetryableWriteError"),
    };
    if passes {
        FailureKind::Transient
    } else {
        FailureKind::Lasting
    }
}

fn reply_of(answer: &Document) -> Reply {
    let write_errors = answer
        .get_array("writeErrors")
        .map(|items| {
            items
                .iter()
                .filter_map(Bson::as_document)
                .map(write_error)
                .collect()
        })
        .unwrap_or_default();
    let concern_error = answer
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

fn write_error(item: &Document) -> WriteError {
    WriteError {
        index: usize::try_from(integer(item, "index")).unwrap_or(0),
        code: integer(item, "code"),
        message: item.get_str("errmsg").unwrap_or_default().to_owned(),
        details: item.get_document("errInfo").cloned().unwrap_or_default(),
        key_pattern: item.get_document("keyPattern").ok().cloned(),
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

impl WriteError {
    /// Whether the duplicate is of `_id`: by the key pattern, else by the index that the text names. `None` if
    /// neither tells.
    pub(crate) fn is_duplicate_id(&self) -> Option<bool> {
        if let Some(pattern) = &self.key_pattern {
            return Some(pattern.keys().eq(["_id"]));
        }
        let index = self.message.split("index: ").nth(1)?.split(' ').next()?;
        // Old servers put the namespace before the name.
        Some(index.rsplit('$').next() == Some("_id_"))
    }

    pub(crate) fn is_duplicate(&self) -> bool {
        matches!(self.code, 11000 | 11001)
    }

    /// What a dead letter's headers say.
    pub(crate) fn record_error(&self) -> RecordError {
        RecordError::new(
            "com.mongodb.kafka.connect.sink.dlq.WriteException",
            format!(
                "v=1, code={}, message={}, details={}",
                self.code,
                self.message,
                relaxed_json(&self.details)
            ),
        )
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
    pub(crate) fn record_error(&self) -> RecordError {
        RecordError::new(
            "com.mongodb.kafka.connect.sink.dlq.WriteConcernException",
            format!(
                "v=1, code={}, codeName={}, message={}, details={}",
                self.code,
                self.code_name,
                self.message,
                relaxed_json(&self.details)
            ),
        )
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

    fn check(message: &str, pattern: Option<Document>, expected: Option<bool>) {
        let error = WriteError {
            index: 0,
            code: 11000,
            message: message.to_owned(),
            details: Document::new(),
            key_pattern: pattern,
        };
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
}
