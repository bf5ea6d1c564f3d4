//! SessionKey: what the workers of a cluster sign the requests with that they send each other.

use bytes::Bytes;
use std::fmt;
use std::sync::Arc;

/// A key that all workers share. It does not show itself.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionKey {
    pub key: Bytes,
    /// As Java names it: `HmacSHA256`.
    pub algorithm: Arc<str>,
    /// Epoch milliseconds.
    pub created: i64,
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionKey")
            .field("algorithm", &self.algorithm)
            .field("created", &self.created)
            .finish_non_exhaustive()
    }
}
