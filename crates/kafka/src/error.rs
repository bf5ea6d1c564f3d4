//! KafkaError: what can go wrong between the client and a broker, and whether trying again may help.

use kafka_protocol::error::ResponseError;
use kafka_protocol::protocol::StrBytes;
use millstream_core::{ConsumerError, Objection};
use std::error::Error;
use std::io;
use std::time::Duration;

#[derive(Debug, thiserror::Error)]
pub enum KafkaError {
    #[error("cannot connect to {broker}: {source}")]
    Connect { broker: String, source: io::Error },
    #[error("the connection to {broker} broke: {source}")]
    Broken { broker: String, source: io::Error },
    #[error("{broker} did not answer {request} within {} ms", after.as_millis())]
    TimedOut {
        broker: String,
        request: &'static str,
        after: Duration,
    },
    #[error("{broker} sent something that is not a {message} message: {source}")]
    Malformed {
        broker: String,
        message: &'static str,
        source: Box<dyn Error + Send + Sync>,
    },
    #[error("{broker} does not offer {request} in a version that this client speaks")]
    Unsupported {
        broker: String,
        request: &'static str,
    },
    /// A broker's answer carried an error code.
    #[error("cannot {action}: {}", describe(*error, said.as_deref()))]
    Refused {
        action: String,
        error: ResponseError,
        /// The broker's own words, where its answer has any.
        said: Option<String>,
    },
    /// A record that the producer's own settings do not let through.
    #[error(
        "cannot write a record to {topic}: its {size} bytes are more than max.request.size allows ({most})"
    )]
    TooLarge {
        topic: String,
        size: usize,
        most: usize,
    },
    #[error("cannot {action}: {why}")]
    Impossible { action: String, why: String },
    /// The broker does not accept who we are, or we do not accept it.
    #[error("cannot sign in to {broker}: {why}")]
    Authentication { broker: String, why: String },
    #[error("the client was closed")]
    Closed,
}

impl KafkaError {
    pub(crate) fn refused(action: impl Into<String>, code: i16) -> Self {
        KafkaError::refused_saying(action, code, None)
    }

    /// As `refused`, with the broker's own words.
    pub(crate) fn refused_saying(
        action: impl Into<String>,
        code: i16,
        said: Option<&StrBytes>,
    ) -> Self {
        let error = ResponseError::try_from_code(code).unwrap_or(ResponseError::Unknown(code));
        KafkaError::Refused {
            action: action.into(),
            said: said
                .map(|said| said.trim().trim_end_matches('.').to_owned())
                .filter(|said| !said.is_empty() && *said != error.to_string()),
            error,
        }
    }

    /// The error code that a broker answered with.
    pub fn response_error(&self) -> Option<ResponseError> {
        match self {
            KafkaError::Refused { error, .. } => Some(*error),
            _ => None,
        }
    }

    /// What about a record the producer or the broker does not take.
    pub fn objection(&self) -> Option<Objection> {
        match self {
            KafkaError::TooLarge { .. }
            | KafkaError::Refused {
                error: ResponseError::MessageTooLarge | ResponseError::RecordListTooLarge,
                ..
            } => Some(Objection::Size),
            KafkaError::Refused {
                error: ResponseError::InvalidTimestamp,
                ..
            } => Some(Objection::Timestamp),
            _ => None,
        }
    }

    /// Whether the same request may succeed later, here or at another broker.
    pub fn is_transient(&self) -> bool {
        match self {
            KafkaError::Connect { .. }
            | KafkaError::Broken { .. }
            | KafkaError::TimedOut { .. }
            | KafkaError::Malformed { .. } => true,
            KafkaError::Refused { error, .. } => error.is_retriable(),
            KafkaError::Unsupported { .. }
            | KafkaError::TooLarge { .. }
            | KafkaError::Impossible { .. }
            | KafkaError::Authentication { .. }
            | KafkaError::Closed => false,
        }
    }
}

/// The code's name as Kafka's documentation has it, so that it can be searched for; the broker's words; what to do.
fn describe(error: ResponseError, said: Option<&str>) -> String {
    if let ResponseError::Unknown(code) = error {
        return format!("the broker answered with the unknown error code {code}");
    }
    let name = error.to_string();
    let mut text = "the broker answered ".to_owned();
    for (i, c) in name.chars().enumerate() {
        if c.is_ascii_uppercase() && i > 0 {
            text.push('_');
        }
        text.push(c.to_ascii_uppercase());
    }
    if let Some(said) = said {
        text.push_str(": ");
        text.push_str(said);
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
            "session.timeout.ms lies outside of what the broker allows (group.min.session.timeout.ms to group.max.session.timeout.ms)"
        }
        ResponseError::InvalidGroupId => "set group.id to a name that is not empty",
        ResponseError::GroupMaxSizeReached => {
            "the group has as many members as the broker's group.max.size allows: lower tasks.max"
        }
        ResponseError::GroupAuthorizationFailed => {
            "the user may not use this group.id: it needs READ on the group"
        }
        ResponseError::TopicAuthorizationFailed => {
            "the user lacks rights on the topic: check its ACLs, and who signs in with sasl.jaas.config"
        }
        ResponseError::ClusterAuthorizationFailed => {
            "the user lacks rights on the cluster: check its ACLs, and who signs in with sasl.jaas.config"
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
        let text = |code| KafkaError::refused("join group g", code).to_string();
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
            text(82).starts_with("cannot join group g: the broker answered FENCED_INSTANCE_ID;")
        );
    }

    #[test]
    fn report_a14_the_brokers_words_are_kept() {
        let said =
            StrBytes::from_static_str("Replication factor: 3 larger than available brokers: 1.");
        let error = KafkaError::refused_saying("create topic dlq", 38, Some(&said));
        assert_eq!(
            error.to_string(),
            "cannot create topic dlq: the broker answered INVALID_REPLICATION_FACTOR: Replication factor: 3 larger than available brokers: 1"
        );
        let error = KafkaError::refused("create topic a/b", 17).to_string();
        assert!(
            error.contains("INVALID_TOPIC_EXCEPTION; a topic's name has"),
            "{error}"
        );
    }
}
