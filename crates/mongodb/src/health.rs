//! Health: what keeps the store from being written to. Two know of it: writes that are tried again, and the driver's
//! heartbeats, which find a server that is away, speaks no TLS or belongs to another replica set before any write
//! has waited for it.

use crate::cause::Causes;
use millstream_core::Degraded;
use mongodb::event::EventHandler;
use mongodb::event::sdam::SdamEvent;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::sync::watch;
use tokio::time::Instant;

/// A write that has waited for so long is said to be tried again after this, though its attempt is still under way.
const SHORTEST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// A write that is tried again.
struct Retrying {
    reason: String,
    /// Since when none has been answered, epoch milliseconds.
    since: i64,
    next_try: Instant,
    pause: Duration,
}

impl Retrying {
    /// Time until the next attempt. While one is under way: until it is worth while to look again.
    fn wait(&self) -> Duration {
        let wait = self.next_try.saturating_duration_since(Instant::now());
        if wait >= SHORTEST_WAIT {
            wait
        } else {
            self.pause.clamp(SHORTEST_WAIT, LONGEST_WAIT)
        }
    }
}

/// What is known of the cluster at the moment.
pub(crate) struct Health {
    writing: Mutex<Option<Retrying>>,
    heartbeats: Arc<Heartbeats>,
}

/// What each server's last heartbeat came to.
struct Heartbeats {
    causes: Causes,
    servers: Mutex<BTreeMap<String, Option<String>>>,
    /// Whether no server can be used, and why. The driver goes on looking by itself.
    unusable: watch::Sender<Option<Degraded>>,
}

impl Health {
    pub(crate) fn new(causes: Causes) -> Self {
        Health {
            writing: Mutex::new(None),
            heartbeats: Arc::new(Heartbeats {
                causes,
                servers: Mutex::default(),
                unusable: watch::Sender::new(None),
            }),
        }
    }

    /// What tells this of heartbeats.
    pub(crate) fn listener(&self) -> EventHandler<SdamEvent> {
        let heartbeats = Arc::clone(&self.heartbeats);
        EventHandler::callback(move |event| heartbeats.note(&event))
    }

    /// Notes that a command is tried again after a pause.
    pub(crate) fn note_retry(&self, reason: &str, pause: Duration) {
        let mut writing = lock(&self.writing);
        let since = writing.as_ref().map_or_else(now_ms, |known| known.since);
        *writing = Some(Retrying {
            reason: reason.to_owned(),
            since,
            next_try: Instant::now() + pause,
            pause,
        });
    }

    /// Notes that a command was answered.
    pub(crate) fn note_answer(&self) {
        *lock(&self.writing) = None;
    }

    /// What keeps writes from succeeding at the moment. A heartbeat's reason is the more exact one.
    pub(crate) fn degraded(&self) -> Option<Degraded> {
        let unusable = self.heartbeats.unusable.borrow().clone();
        let writing = lock(&self.writing);
        match (unusable, writing.as_ref()) {
            (Some(unusable), Some(retrying)) => Some(Degraded {
                reason: unusable.reason,
                since: unusable.since.min(retrying.since),
                next_try: retrying.wait(),
            }),
            (None, Some(retrying)) => Some(Degraded {
                reason: retrying.reason.clone(),
                since: retrying.since,
                next_try: retrying.wait(),
            }),
            (unusable, None) => unusable,
        }
    }

    /// Why no server can be used, if so.
    pub(crate) fn unusable(&self) -> Option<String> {
        let unusable = self.heartbeats.unusable.borrow();
        unusable.as_ref().map(|unusable| unusable.reason.clone())
    }

    /// Returns the reason once every server has been asked and none can be used.
    pub(crate) async fn found_unusable(&self) -> String {
        let mut unusable = self.heartbeats.unusable.subscribe();
        // The sender lives as long as this, so there always is something to wait for.
        match unusable.wait_for(Option::is_some).await {
            Ok(unusable) => unusable
                .as_ref()
                .map_or_else(String::new, |u| u.reason.clone()),
            Err(_) => String::new(),
        }
    }
}

impl Heartbeats {
    fn note(&self, event: &SdamEvent) {
        let mut servers = lock(&self.servers);
        match event {
            SdamEvent::ServerOpening(event) => {
                servers.entry(event.address.to_string()).or_default();
            }
            SdamEvent::ServerHeartbeatSucceeded(event) => {
                let address = event.server_address.to_string();
                let cause = self.causes.of_hello(&address, &event.reply);
                servers.insert(address, cause);
            }
            SdamEvent::ServerHeartbeatFailed(event) => {
                let address = event.server_address.to_string();
                let cause = self.causes.of_heartbeat(&address, &event.failure);
                servers.insert(address, Some(cause));
            }
            _ => return,
        }
        let mut reasons: Vec<&str> = servers.values().flatten().map(String::as_str).collect();
        let all_failed = !servers.is_empty() && reasons.len() == servers.len();
        reasons.dedup();
        let now = all_failed.then(|| reasons.join("; "));
        self.unusable.send_if_modified(|known| {
            let is_new = known.as_ref().map(|known| &known.reason) != now.as_ref();
            let since = known.as_ref().map_or_else(now_ms, |known| known.since);
            *known = now.map(|reason| Degraded {
                reason,
                since,
                next_try: LONGEST_WAIT,
            });
            is_new
        });
    }
}

/// Epoch milliseconds.
fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as i64)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is kept is replaced in one step, so a panicking holder leaves it whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
