//! The client's bounds that are not settings, each with its reason.

use std::time::Duration;

/// Largest frame taken from a broker. A response is at most `fetch.max.bytes` and one oversized batch;
/// the bound only keeps a stranger on the port from asking for gigabytes (TLS and HTTP read as lengths beyond it).
pub(crate) const MAX_FRAME: usize = 256 * 1024 * 1024;

/// Requests in flight on one connection: a fetch, a heartbeat and commits fit easily, a producer sets its own bound.
pub(crate) const IN_FLIGHT: usize = 64;

/// Longest pause between attempts to reach a coordinator.
pub(crate) const MAX_BACKOFF: Duration = millstream_core::limits::MAX_BACKOFF;

/// Group events that may wait: the group waits for an answer to most of them, so few ever do.
pub(crate) const GROUP_EVENTS: usize = 16;

/// Longest wait for a topic that a subscription names and the cluster does not have yet.
pub(crate) const MISSING_TOPIC_REFRESH: Duration = Duration::from_secs(1);

/// Longest wait for answers that a healthy broker gives at once (metadata, coordinators). A broker that hangs is left
/// for another one then, instead of holding everything up for `request.timeout.ms`.
pub(crate) const QUICK_ANSWER: Duration = Duration::from_secs(5);

/// The same for offsets, which a coordinator writes to its replicas before it answers.
pub(crate) const OFFSETS_ANSWER: Duration = Duration::from_secs(10);

/// How long past `fetch.max.wait.ms` an answer may be before the leader is looked for elsewhere.
pub(crate) const LATE_FETCH: Duration = Duration::from_secs(1);

/// How long a broker that did not answer is asked last when any will do.
pub(crate) const SUSPICION: Duration = Duration::from_secs(10);

/// How long what a broker has told of leaders is gone by without asking anew.
pub(crate) const RECENT: Duration = Duration::from_secs(1);
