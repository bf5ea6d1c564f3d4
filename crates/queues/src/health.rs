//! What is wrong with a queue or a log: its worker notes it, and the consumer in front of it tells of each change.

use millstream_core::{Degraded, Fetched};
use std::future::pending;
use std::time::Duration;
use tokio::sync::watch;

/// Something is wrong, or something else than before; since when stays. `clock`: epoch milliseconds.
pub(crate) fn degrade(
    health: &watch::Sender<Option<Degraded>>,
    reason: String,
    next_try: Duration,
    clock: fn() -> i64,
) {
    health.send_modify(|trouble| {
        let since = trouble.as_ref().map(|earlier| earlier.since);
        *trouble = Some(Degraded {
            reason,
            since: since.unwrap_or_else(clock),
            next_try,
        });
    });
}

/// The next change. Cancel safe.
pub(crate) async fn news(health: &mut watch::Receiver<Option<Degraded>>) -> Fetched {
    if health.changed().await.is_err() {
        // The worker has ended, which its last item tells of.
        return pending().await;
    }
    match &*health.borrow_and_update() {
        Some(degraded) => Fetched::Degraded(degraded.clone()),
        None => Fetched::Recovered,
    }
}
