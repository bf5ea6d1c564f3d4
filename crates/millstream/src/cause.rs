//! Why something ended, in one line for whoever looks at the end of the log.

use millstream_worker::herder::request::HerderError;
use millstream_worker::{CreateError, StartError};
use std::io::ErrorKind;

/// Says only that a task has ended, not why.
const WRAPPERS: [&str; 3] = [
    "Exiting WorkerSinkTask due to unrecoverable exception.",
    "Tolerance exceeded in error handler",
    "Failed to start MongoDB sink task",
];

/// The reason of a task's failure with the causes in its trace that it does not tell itself, from the outermost to the
/// innermost, without the names of Java's classes.
pub(crate) fn of_failure(reason: &str, trace: &str) -> String {
    let causes = trace.lines().enumerate().filter_map(|(number, line)| {
        let cause = line.strip_prefix("Caused by: ");
        cause.or((number == 0).then_some(line)).map(message)
    });
    let mut told: Vec<&str> = Vec::new();
    for cause in [reason.trim()].into_iter().chain(causes) {
        if !told.iter().any(|known| known.contains(cause)) {
            told.push(cause);
        }
    }
    if told.len() > 1 {
        told.retain(|cause| !WRAPPERS.contains(cause));
    }
    told.join(": ")
}

/// What follows the name of an exception's class.
fn message(cause: &str) -> &str {
    match cause.split_once(": ") {
        Some((class, message)) if !class.contains(' ') && class.contains('.') => message,
        _ => cause,
    }
    .trim()
}

/// Whether a worker has not started because it was told to stop meanwhile.
pub(crate) fn is_stop(error: &StartError) -> bool {
    let StartError::Connector { source, .. } = error else {
        return false;
    };
    matches!(source, CreateError::Herder(HerderError::ShuttingDown))
}

/// Why a worker does not start, with what to do about a port that somebody else has.
pub(crate) fn of_start(error: &StartError) -> String {
    match error {
        StartError::Listen { listener, source } if source.kind() == ErrorKind::AddrInUse => {
            let other =
                next_port(listener).map_or_else(String::new, |next| format!(" such as {next}"));
            format!(
                "{error}; is another worker running, or the demo? set listeners to another port{other}"
            )
        }
        _ => error.to_string(),
    }
}

/// The same address with the next port.
fn next_port(listener: &str) -> Option<String> {
    let (host, port) = listener.rsplit_once(':')?;
    let next = port.parse::<u16>().ok()?.checked_add(1)?;
    Some(format!("{host}:{next}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn report_c15_the_cause_is_told_whatever_stands_around_it() {
        let class = "org.apache.kafka.connect.errors.ConnectException";
        let check = |reason: &str, trace: String, expected: &str| {
            assert_eq!(of_failure(reason, &trace), expected)
        };
        let start = "Failed to start MongoDB sink task";
        check(
            start,
            format!("{class}: {start}\nCaused by: com.mongodb.MongoException: no such host: x"),
            "no such host: x",
        );
        check(start, format!("{class}: {start}"), start);
        let exiting = "Exiting WorkerSinkTask due to unrecoverable exception.";
        check(
            "topic t, partition 0, offset 7: refused",
            format!("{class}: {exiting}\n\tat record {{topic='t'}}\nCaused by: a.B: refused"),
            "topic t, partition 0, offset 7: refused",
        );
        check(
            "it is bad",
            format!(
                "{class}: Tolerance exceeded in error handler\nCaused by: a.B: it is bad\nCaused by: a.C: too large"
            ),
            "it is bad: too large",
        );
    }

    #[test]
    fn a_stop_while_it_starts_is_no_failure() {
        let connector = |source| StartError::Connector {
            name: "a".to_owned(),
            source,
        };
        assert!(is_stop(&connector(CreateError::Herder(
            HerderError::ShuttingDown
        ))));
        assert!(!is_stop(&connector(CreateError::Herder(
            HerderError::TimedOut(String::new())
        ))));
    }

    #[test]
    fn report_message_23_a_port_that_is_taken_comes_with_another() {
        let taken = |listener: &str| StartError::Listen {
            listener: listener.to_owned(),
            source: io::Error::from(ErrorKind::AddrInUse),
        };
        let text = of_start(&taken("http://:8083"));
        assert!(
            text.ends_with("set listeners to another port such as http://:8084"),
            "{text}"
        );
        assert!(of_start(&taken("http://:65535")).ends_with("to another port"));
    }
}
