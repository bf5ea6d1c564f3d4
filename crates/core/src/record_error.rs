//! RecordError: why one record failed, and what of that may be shown.

use std::fmt;

/// Why one record failed, in Java's terms: the exception's class, its message and its causes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordError {
    pub class: &'static str,
    /// Place, field and type, never what the record holds: it goes into logs and the status.
    pub message: String,
    /// Java's text where that repeats what the record holds.
    java_message: Option<String>,
    pub cause: Option<Box<RecordError>>,
}

pub const DATA_EXCEPTION: &str = "org.apache.kafka.connect.errors.DataException";
pub const SCHEMA_BUILDER_EXCEPTION: &str = "org.apache.kafka.connect.errors.SchemaBuilderException";
pub const CONNECT_EXCEPTION: &str = "org.apache.kafka.connect.errors.ConnectException";
pub const SERIALIZATION_EXCEPTION: &str = "org.apache.kafka.common.errors.SerializationException";

impl RecordError {
    pub fn new(class: &'static str, message: impl Into<String>) -> Self {
        RecordError {
            class,
            message: message.into(),
            java_message: None,
            cause: None,
        }
    }

    /// A `DataException`, the usual one.
    pub fn data(message: impl Into<String>) -> Self {
        RecordError::new(DATA_EXCEPTION, message)
    }

    pub fn caused_by(mut self, cause: RecordError) -> Self {
        self.cause = Some(Box::new(cause));
        self
    }

    /// Adds what Java says instead, record content included.
    pub fn with_java_message(mut self, text: impl Into<String>) -> Self {
        self.java_message = Some(text.into());
        self
    }

    /// What Java says.
    pub fn java_message(&self) -> &str {
        self.java_message.as_deref().unwrap_or(&self.message)
    }

    /// The error for logs and status: with Java's texts, its causes too, if record content may be shown.
    pub fn shown(mut self, shows_content: bool) -> Self {
        if let Some(text) = self.java_message.take().filter(|_| shows_content) {
            self.message = text;
        }
        self.cause = self.cause.map(|cause| Box::new(cause.shown(shows_content)));
        self
    }
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        let mut cause = &self.cause;
        while let Some(error) = cause {
            write!(f, ": {}", error.message)?;
            cause = &error.cause;
        }
        Ok(())
    }
}

impl std::error::Error for RecordError {}
