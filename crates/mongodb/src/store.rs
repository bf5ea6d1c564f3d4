//! Store: one cluster behind the driver. It sends a command and says what came of it, in the terms of the
//! decisions to be taken: items that failed, a write concern that was not met, or no answer.

use crate::cause::Causes;
use crate::health::Health;
use crate::java_text::relaxed_json;
use crate::namespace::Namespace;
use crate::reply::Reply;
use bson::{Bson, Document, RawDocument, RawDocumentBuf, doc};
use millstream_core::{Degraded, RecordError, SinkMeters};
use mongodb::error::{Error, ErrorKind};
use mongodb::options::{ClientOptions, ReadPreference, SelectionCriteria, Tls};
use mongodb::{Client, Database};
use std::sync::Arc;
use std::time::Duration;
use tempfile::NamedTempFile;

/// How long an answer may take when the connection string does not say: the driver itself waits for ever.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) struct Store {
    client: Client,
    answer_timeout: Duration,
    health: Health,
    causes: Causes,
    /// As a command carries it, if the connection string has one.
    pub(crate) write_concern: Option<Vec<u8>>,
    /// The first server, as error texts name it.
    pub(crate) host: String,
    pub(crate) meters: Arc<SinkMeters>,
    /// The driver reads it again for each server that it finds.
    _trusted: Option<NamedTempFile>,
}

/// A command without a usable answer.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// Java's exception class and message.
    pub(crate) error: RecordError,
    pub(crate) kind: FailureKind,
    /// What a server that answers calls it.
    pub(crate) code: Option<i32>,
    /// The same for people, in one sentence.
    pub(crate) reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// May pass; whether the command was applied is unknown.
    Transient,
    /// Will not pass by itself.
    Lasting,
    /// The collection is not what the settings ask for: it ends the task, whatever is tolerated.
    Setup,
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
        mut options: ClientOptions,
        host: &str,
        answer_timeout: Option<Duration>,
        meters: Arc<SinkMeters>,
        trusted: Option<NamedTempFile>,
    ) -> Result<Self, Error> {
        let write_concern = options
            .write_concern
            .as_ref()
            .and_then(crate::uri::concern_document)
            .and_then(|concern| concern.to_vec().ok());
        let causes = Causes {
            wants_tls: matches!(options.tls, Some(Tls::Enabled(_))),
            replica_set: options.repl_set_name.clone(),
        };
        let health = Health::new(causes.clone());
        options.sdam_event_handler = Some(health.listener());
        Ok(Store {
            client: Client::with_options(options)?,
            answer_timeout: answer_timeout.unwrap_or(ANSWER_TIMEOUT),
            health,
            causes,
            write_concern,
            host: host.to_owned(),
            meters,
            _trusted: trusted,
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
        self.meters.sent(command.as_bytes().len());
        let answer = async { database.run_raw_command(command).await };
        let answer = self.in_time(answer).await?;
        self.health.note_answer();
        Ok(Reply::read(&answer))
    }

    /// Asks the primary something, once.
    pub(crate) async fn command(
        &self,
        database: &str,
        command: Document,
    ) -> Result<Document, Failure> {
        let database = self.database(database);
        let answer = async { database.run_command(command).await };
        let answer = self.in_time(answer).await?;
        self.health.note_answer();
        Ok(answer)
    }

    /// What an answer that must not take for ever comes to.
    async fn in_time<T>(
        &self,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Failure> {
        match tokio::time::timeout(self.answer_timeout, answer).await {
            Ok(outcome) => outcome.map_err(|error| self.failure(&error)),
            Err(_) => {
                let host = &self.host;
                let reason =
                    format!("request timed out: no response from the document store {host}");
                Err(Failure {
                    error: RecordError::new(
                        "com.mongodb.MongoSocketReadTimeoutException",
                        reason.as_str(),
                    )
                    .with_java_message("Timeout while receiving message"),
                    kind: FailureKind::Transient,
                    code: None,
                    reason,
                })
            }
        }
    }

    /// Notes that a command is tried again after a pause.
    pub(crate) fn note_retry(&self, reason: &str, pause: Duration) {
        self.meters.retried();
        self.health.note_retry(reason, pause);
    }

    /// What keeps writes from succeeding at the moment.
    pub(crate) fn degraded(&self) -> Option<Degraded> {
        self.health.degraded()
    }

    /// Gives the documents that stand under these ids on the primary, one after the other.
    pub(crate) async fn find(
        &self,
        namespace: &Namespace,
        ids: Vec<Bson>,
        mut take: impl FnMut(&RawDocument),
    ) -> Result<(), Failure> {
        let batch = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        let collection = self
            .database(&namespace.database)
            .collection::<RawDocumentBuf>(&namespace.collection);
        let search = collection
            .find(doc! {"_id": {"$in": ids}})
            // All in one answer, as far as its size allows.
            .batch_size(batch)
            .selection_criteria(SelectionCriteria::ReadPreference(ReadPreference::Primary));
        let mut found = self.in_time(async { search.await }).await?;
        while self.in_time(found.advance()).await? {
            take(found.current());
        }
        Ok(())
    }

    /// Waits for a server that answers, and logs in if the string has credentials. A cluster none of whose servers can
    /// be used is not waited for.
    pub(crate) async fn ping(&self, database: &str, wait: Duration) -> Result<(), Unreachable> {
        let ping = async { self.database(database).run_command(doc! {"ping": 1}).await };
        tokio::select! {
            outcome = tokio::time::timeout(wait, ping) => match outcome {
                Ok(outcome) => outcome.map(|_| ()).map_err(|error| self.unreachable(&error)),
                Err(_) => Err(Unreachable::Unavailable(self.health.unusable().unwrap_or_else(|| {
                    format!("request timed out: no response from the document store {}", self.host)
                }))),
            },
            reason = self.health.found_unusable() => Err(Unreachable::Unavailable(reason)),
        }
    }

    fn unreachable(&self, error: &Error) -> Unreachable {
        match error.kind.as_ref() {
            ErrorKind::Authentication { .. } => {
                Unreachable::AuthenticationFailed(self.reason(error))
            }
            ErrorKind::Command(_) => Unreachable::Responds,
            _ => Unreachable::Unavailable(self.reason(error)),
        }
    }

    fn failure(&self, error: &Error) -> Failure {
        let (class, message) = match error.kind.as_ref() {
            ErrorKind::Command(command) => (
                command_class(command.code),
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
        let reason = self.reason(error);
        let code = match error.kind.as_ref() {
            ErrorKind::Command(command) => Some(command.code),
            _ => None,
        };
        Failure {
            code,
            error: RecordError::new(class, reason.as_str()).with_java_message(message),
            kind: failure_kind(error),
            reason,
        }
    }

    /// For people, in one sentence. Heartbeats know best why no server could be selected.
    fn reason(&self, error: &Error) -> String {
        let is_selection = matches!(error.kind.as_ref(), ErrorKind::ServerSelection { .. });
        match self.health.unusable().filter(|_| is_selection) {
            Some(reason) => reason,
            None => self.causes.of(&self.host, error),
        }
    }
}

/// Why a ping was not answered.
#[derive(Clone, Debug)]
pub(crate) enum Unreachable {
    /// There is no server that can be used, for this reason.
    Unavailable(String),
    /// The authentication failed.
    AuthenticationFailed(String),
    /// A server answers, whatever it thinks of the command.
    Responds,
}

/// What Java's driver throws for a command that a server refuses.
fn command_class(code: i32) -> &'static str {
    match code {
        10058 | 10107 | 13435 => "com.mongodb.MongoNotPrimaryException",
        91 | 189 | 11600 | 11602 | 13436 => "com.mongodb.MongoNodeIsRecoveringException",
        _ => "com.mongodb.MongoCommandException",
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
