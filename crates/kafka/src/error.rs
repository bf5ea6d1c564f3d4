//! KafkaError: what can go wrong between the client and a broker, and whether trying again may help.

use kafka_protocol::error::ResponseError;
use millstream_core::ConsumerError;
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
    #[error("cannot {action}: {}", describe(*error))]
    Refused {
        action: String,
        error: ResponseError,
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
        KafkaError::Refused {
            action: action.into(),
            error: ResponseError::try_from_code(code).unwrap_or(ResponseError::Unknown(code)),
        }
    }

    /// The error code that a broker answered with.
    pub fn response_error(&self) -> Option<ResponseError> {
        match self {
            KafkaError::Refused { error, .. } => Some(*error),
            _ => None,
        }
    }

    /// Whether a record is larger than the producer or the broker takes.
    pub fn is_too_large(&self) -> bool {
        matches!(
            self,
            KafkaError::TooLarge { .. }
                | KafkaError::Refused {
                    error: ResponseError::MessageTooLarge | ResponseError::RecordListTooLarge,
                    ..
                }
        )
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

/// The code's name as Kafka's documentation has it, so that it can be searched for.
fn describe(error: ResponseError) -> String {
    if let ResponseError::Unknown(code) = error {
        return format!("the broker answered with the unknown error code {code}");
    }
    let name = error.to_string();
    let mut words = String::new();
    for (i, c) in name.chars().enumerate() {
        if c.is_ascii_uppercase() && i > 0 {
            words.push('_');
        }
        words.push(c.to_ascii_uppercase());
    }
    format!("the broker answered {words}")
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
