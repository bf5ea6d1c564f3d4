//! StartError: settings that no task starts with.

use crate::config::CONFIG_EXCEPTION;
use millstream_core::rejected::CONNECT_EXCEPTION;
use millstream_core::{RecordError, SinkError};

/// What the original says of the settings, and what to do where that tells too little.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StartError {
    pub(crate) class: &'static str,
    pub(crate) message: String,
    /// What the original's exception was caused by.
    pub(crate) cause: Option<Box<RecordError>>,
    pub(crate) remedy: Option<String>,
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Remedy(String);

impl StartError {
    pub(crate) fn new(class: &'static str, message: impl Into<String>) -> Self {
        StartError {
            class,
            message: message.into(),
            cause: None,
            remedy: None,
        }
    }

    /// A class that cannot be made into what a setting wants.
    pub(crate) fn reflection(cause: RecordError) -> Self {
        StartError::new(CONNECT_EXCEPTION, "Reflection exception: ").caused_by(cause)
    }

    pub(crate) fn caused_by(self, cause: RecordError) -> Self {
        StartError {
            cause: Some(Box::new(cause)),
            ..self
        }
    }
}

impl From<String> for StartError {
    fn from(message: String) -> Self {
        StartError::new(CONFIG_EXCEPTION, message)
    }
}

impl From<StartError> for SinkError {
    fn from(refused: StartError) -> Self {
        let error = SinkError {
            class: refused.class,
            ..SinkError::fatal(refused.message)
        };
        match (refused.cause, refused.remedy) {
            (Some(cause), _) => error.with_source(*cause),
            (None, Some(remedy)) => error.with_source(Remedy(remedy)),
            (None, None) => error,
        }
    }
}

/// Java's exception for a constructor that a class lacks.
pub(crate) fn no_such_constructor(class: &str, takes: &str) -> RecordError {
    RecordError::new(
        "java.lang.NoSuchMethodException",
        format!("{class}.<init>({takes})"),
    )
}
