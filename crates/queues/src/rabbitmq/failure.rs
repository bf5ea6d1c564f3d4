//! What RabbitMQ's refusals mean for the task.

use super::RabbitSettings;
use crate::input::{InputError, InputErrorKind};
use lapin::ErrorKind;
use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};

/// So many closes with INTERNAL_ERROR while messages are read, and it is the messages: sent over AMQP 1.0 with properties
/// that AMQP 0.9.1 has no types for, each such close takes one of the lives of all that is held.
const INTERNAL_ERRORS: u32 = 2;

/// What is remembered of a queue over its connections.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    /// The settings have been right once: what is refused now may be put right again by whoever changed it.
    pub(super) has_connected: bool,
    internal_errors: u32,
    /// The largest of the last messages; 0 if there were none.
    pub(super) size: usize,
}

/// Why a connection to the queue could not be made.
pub(super) fn refusal(
    settings: &RabbitSettings,
    what: &str,
    error: lapin::Error,
    has_connected: bool,
) -> InputError {
    let queue = &settings.queue;
    let (kind, hint) = match protocol_error(&error) {
        Some(AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED)) => (
            InputErrorKind::Fatal,
            "; see rabbitmq.virtual.host and the permissions of the user",
        ),
        Some(AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED)) => (
            InputErrorKind::Fatal,
            "; see rabbitmq.username, rabbitmq.password and the user's permission to read the queue",
        ),
        Some(AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND)) => (
            InputErrorKind::Fatal,
            "; see rabbitmq.queue and rabbitmq.virtual.host, or declare the queue",
        ),
        _ => (InputErrorKind::Transient, ""),
    };
    let kind = if has_connected {
        InputErrorKind::Transient
    } else {
        kind
    };
    let what = format!("RabbitMQ's queue {queue} {what}: {error}{hint}");
    InputError::new(kind, what).with_source(error)
}

/// Why the connection, channel or consumer has ended; without an error it was a cancel by the broker.
pub(super) fn loss(queue: &str, error: Option<lapin::Error>, trouble: &mut Trouble) -> InputError {
    let Some(error) = error else {
        let what = format!(
            "RabbitMQ has ended the consumer of queue {queue}: the consumer timeout has passed, or the queue has moved or is gone"
        );
        return InputError::new(InputErrorKind::Lost, what);
    };
    let internal = AMQPErrorKind::Hard(AMQPHardError::INTERNALERROR);
    if protocol_error(&error) == Some(internal) {
        trouble.internal_errors += 1;
        if trouble.internal_errors >= INTERNAL_ERRORS {
            let what = format!(
                "RabbitMQ has closed the connection of queue {queue} with an internal error twice: it holds messages that AMQP 0.9.1 cannot carry; read it with rabbitmq.protocol=amqp1"
            );
            return InputError::new(InputErrorKind::Fatal, what).with_source(error);
        }
    }
    let what = format!("the connection to RabbitMQ's queue {queue} is lost: {error}");
    InputError::new(InputErrorKind::Lost, what).with_source(error)
}

/// The broker does not know an argument, for the type of queue that it is.
pub(super) fn is_unknown_argument(error: &lapin::Error) -> bool {
    let failed = AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED);
    protocol_error(error) == Some(failed)
}

fn protocol_error(error: &lapin::Error) -> Option<AMQPErrorKind> {
    match error.kind() {
        ErrorKind::ProtocolError(error) => Some(error.kind().clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::TlsFiles;
    use lapin::protocol::AMQPError;
    use millstream_core::config::Password;
    use std::time::Duration;

    fn settings() -> RabbitSettings {
        RabbitSettings {
            endpoints: Vec::new(),
            tls: TlsFiles::default(),
            username: "reader".to_owned(),
            password: Password::new("hidden"),
            virtual_host: "/".to_owned(),
            queue: "orders".to_owned(),
            prefetch: None,
            consumer_timeout: super::super::CONSUMER_TIMEOUT,
            connect_timeout: Duration::from_secs(1),
            heartbeat: Duration::from_secs(60),
            keeps_types: false,
            connection_name: "test".to_owned(),
        }
    }

    fn protocol(kind: AMQPErrorKind) -> lapin::Error {
        let error = AMQPError::new(kind, "as the broker says it".into());
        ErrorKind::ProtocolError(error).into()
    }

    #[test]
    fn wrong_settings_fail_until_they_have_been_right_once() {
        let not_found = || protocol(AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND));
        let error = refusal(&settings(), "cannot be read", not_found(), false);
        assert_eq!(error.kind, InputErrorKind::Fatal);
        assert!(
            error
                .message
                .starts_with("RabbitMQ's queue orders cannot be read: ")
        );
        assert!(error.message.contains("rabbitmq.queue"), "{error}");
        let error = refusal(&settings(), "cannot be read", not_found(), true);
        assert_eq!(error.kind, InputErrorKind::Transient);
        let busy = protocol(AMQPErrorKind::Soft(AMQPSoftError::RESOURCELOCKED));
        let error = refusal(&settings(), "cannot be read", busy, false);
        assert_eq!(error.kind, InputErrorKind::Transient);
        let refused = protocol(AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED));
        let error = refusal(&settings(), "cannot be reached", refused, false);
        assert!(error.message.contains("rabbitmq.username"), "{error}");
        assert!(!error.message.contains("hidden"), "{error}");
    }

    #[test]
    fn the_second_internal_error_names_the_other_protocol() {
        let mut trouble = Trouble::default();
        let internal = || protocol(AMQPErrorKind::Hard(AMQPHardError::INTERNALERROR));
        let mut kind = |error| loss("orders", error, &mut trouble).kind;
        assert_eq!(kind(None), InputErrorKind::Lost);
        assert_eq!(kind(Some(internal())), InputErrorKind::Lost);
        let forced = protocol(AMQPErrorKind::Hard(AMQPHardError::CONNECTIONFORCED));
        assert_eq!(kind(Some(forced)), InputErrorKind::Lost);
        assert_eq!(kind(Some(internal())), InputErrorKind::Fatal);
    }
}
