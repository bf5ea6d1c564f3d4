//! Degraded: what is told of an outage while it is ridden out, the same from a client's retry to the REST API.

use std::time::Duration;

/// Something is out of reach and being retried. Whoever tracks the outage fills it in; others pass it on as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Degraded {
    pub reason: String,
    /// When the outage began, epoch milliseconds.
    pub since: i64,
    /// How long after this was told the next attempt begins; zero where one is under way.
    pub next_try: Duration,
}
