//! Failures as Java prints stack traces: tools match on the classes in the first line and after `Caused by:`.

use millstream_core::RecordError;

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
        text.push_str(error.class);
        // Java ends after the class where an exception has no message.
        if !error.message.is_empty() {
            text.push_str(": ");
            text.push_str(&error.message);
        }
        text.push_str(FRAME);
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
        let mute = trace(&RecordError::new("java.lang.RuntimeException", ""));
        assert!(mute.starts_with("java.lang.RuntimeException\n\tat"));
    }
}
