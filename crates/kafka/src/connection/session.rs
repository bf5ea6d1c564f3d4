//! Session: how long a sign-in is good for (KIP-368), and the way past its renewal. As in Java's client, a sign-in is renewed on
//! the same connection by whoever sends after most of it has passed. An idle connection renews nothing: a broker ends a session
//! that has run out with the next request alone, and takes a renewal even then.

use std::time::Duration;
use tokio::sync::{Notify, watch};
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

/// Where a session stands.
#[derive(Clone, Copy, Debug)]
struct State {
    times: Times,
    /// The broker takes nothing but the renewal.
    is_renewing: bool,
}

impl State {
    fn is_due(&self, now: Instant) -> bool {
        !self.times.is_short && now >= self.times.renew_at
    }

    fn is_open(&self, now: Instant) -> bool {
        !self.is_renewing && (!self.is_due(now) || now < self.times.hold_at)
    }
}

#[derive(Debug)]
pub(super) struct Session {
    state: watch::Sender<State>,
    due: Notify,
}

impl Session {
    pub(super) fn new(times: Times) -> Self {
        Session {
            state: watch::Sender::new(State {
                times,
                is_renewing: false,
            }),
            due: Notify::new(),
        }
    }

    /// Whether new requests need another connection.
    pub(super) fn is_over(&self) -> bool {
        let times = self.state.borrow().times;
        times.is_short && times.renew_at <= Instant::now()
    }

    /// Whether requests wait for a renewal.
    pub(super) fn is_at_end(&self) -> bool {
        self.state.borrow().times.hold_at <= Instant::now()
    }

    /// Waits while the sign-in is being renewed. Before its end it asks for a renewal and goes on; at its end it waits for that.
    /// `None`: the connection ends.
    pub(super) async fn open(&self, closed: &CancellationToken) -> Option<()> {
        let mut states = self.state.subscribe();
        loop {
            let state = *states.borrow_and_update();
            let now = Instant::now();
            if state.is_due(now) {
                self.due.notify_one();
            }
            if state.is_open(now) {
                return Some(());
            }
            tokio::select! {
                changed = states.changed() => changed.ok()?,
                () = closed.cancelled() => return None,
            }
        }
    }

    /// Does something at once that no renewal may come between, unless one is under way.
    pub(super) fn unless_renewing(&self, what: impl FnOnce()) -> bool {
        // No renewal begins while this is borrowed.
        let state = self.state.borrow();
        if state.is_renewing {
            return false;
        }
        what();
        true
    }

    /// Returns when a renewal is due and somebody wants to send.
    pub(super) async fn due(&self) {
        loop {
            self.due.notified().await;
            // A request may have asked while the last renewal was under way.
            if self.state.borrow().is_due(Instant::now()) {
                return;
            }
        }
    }

    /// Keeps requests from joining the queue from now on. Those in it are answered before the renewal.
    pub(super) fn hold(&self) {
        self.state.send_modify(|state| state.is_renewing = true);
    }

    pub(super) fn renewed(&self, times: Times) {
        self.state.send_replace(State {
            times,
            is_renewing: false,
        });
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
        assert!(session.open(&closed).await.is_some());
        tokio::time::advance(Duration::from_millis(9_001)).await;
        // Late, and not yet too late: it goes on, and asks.
        assert!(session.open(&closed).await.is_some());
        session.due().await;
        tokio::time::advance(Duration::from_millis(600)).await;
        let renewal = async {
            session.due().await;
            session.hold();
            assert!(!session.unless_renewing(|| unreachable!("it is held")));
            session.renewed(times(Instant::now(), 10_000));
        };
        let (passed, ()) = tokio::join!(session.open(&closed), renewal);
        assert!(passed.is_some());
        tokio::time::advance(Duration::from_millis(9_900)).await;
        closed.cancel();
        assert!(session.open(&closed).await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_too_short_is_not_renewed() {
        let session = Session::new(times(Instant::now(), 1_000));
        assert!(!session.is_over());
        tokio::time::advance(Duration::from_millis(901)).await;
        assert!(session.is_over());
        // Whoever has the connection yet uses it.
        assert!(session.open(&CancellationToken::new()).await.is_some());
        let endless = times(Instant::now(), u64::MAX);
        assert!(!endless.is_short);
    }
}
