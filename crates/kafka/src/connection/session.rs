//! Session: how long a sign-in is good for (KIP-368), and the way past its renewal. As in Java's client, a sign-in is renewed on
//! the same connection by whoever sends after most of it has passed. An idle connection renews nothing: a broker ends a session
//! that has run out with the next request alone, and takes a renewal even then.

use std::time::Duration;
use tokio::sync::{Notify, RwLock, RwLockReadGuard, RwLockWriteGuard, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A broker takes one renewal a second of a connection; sessions that end sooner are followed by new connections.
const SHORTEST: Duration = Duration::from_secs(1);

/// No session is counted as longer; beyond it dates would overflow.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3_600);

/// What a broker said when it let us in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SignedIn {
    /// Before the broker began to count.
    pub(crate) since: Instant,
    /// `None`: until the connection ends.
    pub(crate) lifetime: Option<Duration>,
}

/// When what happens to a session.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Times {
    /// From then on the next request has the sign-in renewed.
    renew_at: Instant,
    /// From then on requests wait until it is.
    hold_at: Instant,
    /// The session is too short for a renewal.
    is_short: bool,
}

impl Times {
    /// `share` is the part of the lifetime after which to renew: Java takes between 85 and 95 percent, at random.
    pub(super) fn new(signed_in: SignedIn, share: f64) -> Self {
        let lifetime = signed_in.lifetime.unwrap_or(LONGEST).min(LONGEST);
        let renew = lifetime.mul_f64(share);
        Times {
            renew_at: signed_in.since + renew,
            hold_at: signed_in.since + renew + (lifetime - renew) / 4,
            is_short: renew < SHORTEST,
        }
    }
}

#[derive(Debug)]
pub(super) struct Session {
    times: watch::Sender<Times>,
    /// Requests hold it while they join the queue, a renewal for its whole exchange.
    gate: RwLock<()>,
    due: Notify,
}

impl Session {
    pub(super) fn new(times: Times) -> Self {
        Session {
            times: watch::Sender::new(times),
            gate: RwLock::new(()),
            due: Notify::new(),
        }
    }

    /// Whether new requests need another connection.
    pub(super) fn is_over(&self) -> bool {
        let times = self.times.borrow();
        times.is_short && times.renew_at <= Instant::now()
    }

    /// Whether requests wait for a renewal.
    pub(super) fn is_at_end(&self) -> bool {
        self.times.borrow().hold_at <= Instant::now()
    }

    /// Waits while the sign-in is being renewed. Before its end it asks for a renewal and goes on; at its end it waits for that.
    /// `None`: the connection ends.
    pub(super) async fn pass(&self, closed: &CancellationToken) -> Option<RwLockReadGuard<'_, ()>> {
        let mut times = self.times.subscribe();
        loop {
            let seen = *times.borrow_and_update();
            let now = Instant::now();
            if seen.is_short || now < seen.renew_at {
                break;
            }
            self.due.notify_one();
            if now < seen.hold_at {
                break;
            }
            tokio::select! {
                changed = times.changed() => changed.ok()?,
                () = closed.cancelled() => return None,
            }
        }
        tokio::select! {
            pass = self.gate.read() => Some(pass),
            () = closed.cancelled() => None,
        }
    }

    /// Returns when a renewal is due and somebody wants to send.
    pub(super) async fn due(&self) {
        loop {
            self.due.notified().await;
            // A request may have asked while the last renewal was under way.
            let times = *self.times.borrow();
            if !times.is_short && times.renew_at <= Instant::now() {
                return;
            }
        }
    }

    /// Keeps requests from joining the queue. Those in it are answered before the renewal.
    pub(super) async fn hold(&self) -> RwLockWriteGuard<'_, ()> {
        self.gate.write().await
    }

    pub(super) fn renewed(&self, times: Times) {
        self.times.send_replace(times);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn times(since: Instant, millis: u64) -> Times {
        let lifetime = Some(Duration::from_millis(millis));
        Times::new(SignedIn { since, lifetime }, 0.9)
    }

    #[tokio::test(start_paused = true)]
    async fn renews_before_the_end_and_waits_at_the_end() {
        let closed = CancellationToken::new();
        let session = Session::new(times(Instant::now(), 10_000));
        assert!(session.pass(&closed).await.is_some());
        tokio::time::advance(Duration::from_millis(9_001)).await;
        // Late, and not yet too late: it goes on, and asks.
        assert!(session.pass(&closed).await.is_some());
        session.due().await;
        tokio::time::advance(Duration::from_millis(600)).await;
        let renewal = async {
            session.due().await;
            let hold = session.hold().await;
            session.renewed(times(Instant::now(), 10_000));
            drop(hold);
        };
        let (passed, ()) = tokio::join!(session.pass(&closed), renewal);
        assert!(passed.is_some());
        tokio::time::advance(Duration::from_millis(9_900)).await;
        closed.cancel();
        assert!(session.pass(&closed).await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_too_short_is_not_renewed() {
        let session = Session::new(times(Instant::now(), 1_000));
        assert!(!session.is_over());
        tokio::time::advance(Duration::from_millis(901)).await;
        assert!(session.is_over());
        // Whoever has the connection yet uses it.
        assert!(session.pass(&CancellationToken::new()).await.is_some());
        let endless = times(Instant::now(), u64::MAX);
        assert!(!endless.is_short);
    }
}
