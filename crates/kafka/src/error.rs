//! KafkaError: what can go wrong between the client and a broker, and whether trying again may help.

use kafka_protocol::error::ResponseError;
use kafka_protocol::protocol::StrBytes;
use millstream_core::{ConsumerError, RecordRejection};
use std::error::Error;
use std::io;
use std::time::Duration;

#[derive(Debug, thiserror::Error)]
pub enum KafkaError {
    #[error("cannot connect to {broker}: {source}")]
    Connect { broker: String, source: io::Error },
    #[error("disconnected from {broker}: {source}")]
    Disconnected { broker: String, source: io::Error },
    #[error("request timed out: {broker} did not answer {request} within {} ms", after.as_millis())]
    TimedOut {
        broker: String,
        request: &'static str,
        after: Duration,
    },
    #[error("malformed {request} response from {broker}: {source}")]
    Malformed {
        broker: String,
        request: &'static str,
        source: Box<dyn Error + Send + Sync>,
    },
    #[error(
        "unsupported version: {broker} does not support {request} in any version that this client supports"
    )]
    Unsupported {
        broker: String,
        request: &'static str,
    },
    /// A broker's response carried an error code.
    #[error("{operation} failed: {}", describe(*error, message.as_deref()))]
    Response {
        operation: String,
        error: ResponseError,
        /// The broker's own words, where its response has any.
        message: Option<String>,
    },
    /// A record that the producer's own settings do not let through.
    #[error("record too large for {topic}: its {size} bytes exceed max.request.size ({most})")]
    TooLarge {
        topic: String,
        size: usize,
        most: usize,
    },
    /// Something on our side, before or without a broker's response.
    #[error("{operation} failed: {why}")]
    Failed { operation: String, why: String },
    /// The broker does not accept who we are.
    #[error("authentication failed at {broker}: {why}")]
    Authentication { broker: String, why: String },
    /// What it takes to sign in cannot be had now.
    #[error("cannot sign in to {broker}: {why}")]
    NoToken { broker: String, why: String },
    #[error("TLS handshake failed with {broker}: {why}")]
    Tls { broker: String, why: String },
    /// Whoever answers does not speak Kafka's protocol.
    #[error("invalid response from {broker}: {why}")]
    InvalidResponse { broker: String, why: String },
    #[error("the client is closed")]
    Closed,
}

impl KafkaError {
    pub(crate) fn response(operation: impl Into<String>, code: i16) -> Self {
        KafkaError::response_with_message(operation, code, None)
    }

    /// As `response`, with the broker's own words.
    pub(crate) fn response_with_message(
        operation: impl Into<String>,
        code: i16,
        message: Option<&StrBytes>,
    ) -> Self {
        let error = ResponseError::try_from_code(code).unwrap_or(ResponseError::Unknown(code));
        KafkaError::Response {
            operation: operation.into(),
            message: message
                .map(|message| message.trim().trim_end_matches('.').to_owned())
                .filter(|message| !message.is_empty() && *message != error.to_string()),
            error,
        }
    }

    /// The error code that a broker answered with.
    pub fn response_error(&self) -> Option<ResponseError> {
        match self {
            KafkaError::Response { error, .. } => Some(*error),
            _ => None,
        }
    }

    /// Whether the broker was reached and no other one can be expected to take us, either.
    pub(crate) fn is_of_handshake(&self) -> bool {
        matches!(
            self,
            KafkaError::Authentication { .. }
                | KafkaError::NoToken { .. }
                | KafkaError::Tls { .. }
                | KafkaError::InvalidResponse { .. }
        )
    }

    /// What about a record the producer or the broker does not take.
    pub fn rejection(&self) -> Option<RecordRejection> {
        match self {
            KafkaError::TooLarge { .. }
            | KafkaError::Response {
                error: ResponseError::MessageTooLarge | ResponseError::RecordListTooLarge,
                ..
            } => Some(RecordRejection::TooLarge),
            KafkaError::Response {
                error: ResponseError::InvalidTimestamp,
                ..
            } => Some(RecordRejection::InvalidTimestamp),
            _ => None,
        }
    }

    /// Whether the same request may succeed later, here or at another broker.
    pub fn is_transient(&self) -> bool {
        match self {
            KafkaError::Connect { .. }
            | KafkaError::Disconnected { .. }
            | KafkaError::TimedOut { .. }
            | KafkaError::NoToken { .. }
            | KafkaError::Malformed { .. } => true,
            // The end of the transaction before is being written.
            KafkaError::Response {
                error: ResponseError::ConcurrentTransactions,
                ..
            } => true,
            KafkaError::Response { error, .. } => error.is_retriable(),
            KafkaError::Unsupported { .. }
            | KafkaError::TooLarge { .. }
            | KafkaError::Failed { .. }
            | KafkaError::Authentication { .. }
            | KafkaError::Tls { .. }
            | KafkaError::InvalidResponse { .. }
            | KafkaError::Closed => false,
        }
    }
}

/// The code's name as Kafka's documentation has it, so that it can be searched for; the broker's words; what to do.
fn describe(error: ResponseError, message: Option<&str>) -> String {
    if let ResponseError::Unknown(code) = error {
        return format!("the broker returned the unknown error code {code}");
    }
    let name = error.to_string();
    let mut text = "the broker returned ".to_owned();
    for (i, c) in name.chars().enumerate() {
        if c.is_ascii_uppercase() && i > 0 {
            text.push('_');
        }
        text.push(c.to_ascii_uppercase());
    }
    if let Some(message) = message {
        text.push_str(": ");
        text.push_str(message);
    }
    if let Some(remedy) = remedy(error) {
        text.push_str("; ");
        text.push_str(remedy);
    }
    text
}

/// What to change where no retry helps, and the setting's name.
fn remedy(error: ResponseError) -> Option<&'static str> {
    Some(match error {
        ResponseError::InconsistentGroupProtocol => {
            "the group's members have no assignor in common: set partition.assignment.strategy to one that the others take, or another group.id"
        }
        ResponseError::FencedInstanceId | ResponseError::UnreleasedInstanceId => {
            "another member has the same group.instance.id: give each member its own"
        }
        ResponseError::InvalidSessionTimeout => {
            "session.timeout.ms is outside of what the broker allows (group.min.session.timeout.ms to group.max.session.timeout.ms)"
        }
        ResponseError::InvalidGroupId => "set group.id to a name that is not empty",
        ResponseError::GroupMaxSizeReached => {
            "the group has as many members as the broker's group.max.size allows: lower tasks.max"
        }
        ResponseError::GroupAuthorizationFailed => {
            "not authorized to access the group: grant the user READ on this group.id"
        }
        ResponseError::TopicAuthorizationFailed => {
            "not authorized to access the topic: check its ACLs, and the user in sasl.jaas.config"
        }
        ResponseError::TransactionalIdAuthorizationFailed => {
            "not authorized on the transactional id: grant the user WRITE and DESCRIBE on it"
        }
        ResponseError::ClusterAuthorizationFailed => {
            "not authorized on the cluster: check its ACLs, and the user in sasl.jaas.config"
        }
        ResponseError::InvalidTopicException => {
            "a topic's name has up to 249 letters, digits, dots, underscores and hyphens"
        }
        ResponseError::MessageTooLarge | ResponseError::RecordListTooLarge => {
            "the topic's max.message.bytes is smaller than the record"
        }
        ResponseError::InvalidTimestamp => {
            "the record's time is further away than the topic's message.timestamp.before.max.ms or message.timestamp.after.max.ms"
        }
        _ => return None,
    })
}

impl From<KafkaError> for ConsumerError {
    fn from(error: KafkaError) -> Self {
        ConsumerError {
            is_transient: error.is_transient(),
            message: error.to_string(),
            source: error
                .source()
                .is_some()
                .then(|| Box::new(error) as Box<dyn Error + Send + Sync>),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_b15_group_errors_name_the_key_to_change() {
        let text = |code| KafkaError::response("join group g", code).to_string();
        let keys = [
            (23, "partition.assignment.strategy"),
            (24, "group.id"),
            (26, "session.timeout.ms"),
            (30, "group.id"),
            (81, "tasks.max"),
            (82, "group.instance.id"),
            (111, "group.instance.id"),
        ];
        for (code, key) in keys {
            assert!(text(code).contains(key), "{}", text(code));
        }
        assert!(
            text(82).starts_with("join group g failed: the broker returned FENCED_INSTANCE_ID;")
        );
    }

    #[test]
    fn report_a14_the_brokers_words_are_kept() {
        let message =
            StrBytes::from_static_str("Replication factor: 3 larger than available brokers: 1.");
        let error = KafkaError::response_with_message("create topic dlq", 38, Some(&message));
        assert_eq!(
            error.to_string(),
            "create topic dlq failed: the broker returned INVALID_REPLICATION_FACTOR: Replication factor: 3 larger than available brokers: 1"
        );
        let error = KafkaError::response("create topic a/b", 17).to_string();
        assert!(
            error.contains("INVALID_TOPIC_EXCEPTION; a topic's name has"),
            "{error}"
        );
    }
}
