//! Refused: settings that no task starts with.

use crate::config::CONFIG_EXCEPTION;
use millstream_core::SinkError;

/// What the original says of the settings, and what to do where that tells too little.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) message: String,
    pub(crate) remedy: Option<String>,
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Remedy(String);

impl From<String> for Refused {
    fn from(message: String) -> Self {
        Refused {
            message,
            remedy: None,
        }
    }
}

impl From<Refused> for SinkError {
    fn from(refused: Refused) -> Self {
        let error = SinkError {
            class: CONFIG_EXCEPTION,
            ..SinkError::fatal(refused.message)
        };
        match refused.remedy {
            Some(remedy) => error.with_source(Remedy(remedy)),
            None => error,
        }
    }
}
