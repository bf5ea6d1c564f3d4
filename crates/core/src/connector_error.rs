//! ConnectorError: what a connector refuses, in Java's terms.

/// A connector that refuses its settings or offsets: Java's exception class and message.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct ConnectorError {
    pub class: &'static str,
    pub message: String,
}
