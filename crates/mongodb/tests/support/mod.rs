//! What the test files share: records as batches, a task against a server, documents compared with recordings.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used)]

pub(crate) mod compare;
pub(crate) mod rig;
pub(crate) mod tls;
