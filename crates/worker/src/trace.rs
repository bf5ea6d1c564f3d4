//! Failures as Java prints stack traces: tools match on the classes in the first line and after `Caused by:`.

use millstream_core::RecordError;
use std::fmt::Write;

/// The one frame that stands for code that is not Java's.
const FRAME: &str = "\n\tat millstream(Native Method)";

/// The trace of a failure with all its causes.
pub fn trace(error: &RecordError) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        if !text.is_empty() {
            text.push_str("\nCaused by: ");
        }
        // Writing to a String cannot fail.
        let _ = write!(text, "{}: {}{FRAME}", error.class, error.message);
        next = error.cause.as_deref();
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_core::rejected::CONNECT_EXCEPTION;

    #[test]
    fn looks_like_a_java_trace() {
        let error = RecordError::new(CONNECT_EXCEPTION, "Tolerance exceeded in error handler")
            .caused_by(RecordError::data("no such field"));
        assert_eq!(
            trace(&error),
            "org.apache.kafka.connect.errors.ConnectException: Tolerance exceeded in error handler\n\
             \tat millstream(Native Method)\n\
             Caused by: org.apache.kafka.connect.errors.DataException: no such field\n\
             \tat millstream(Native Method)\n"
        );
    }
}
