//! Trouble: what keeps the store from being written to. Two know of it: writes that are tried again, and the driver's
//! heartbeats, which find a server that is away, speaks no TLS or belongs to another replica set before any write
//! has waited for it.

use crate::cause::Causes;
use mongodb::event::EventHandler;
use mongodb::event::sdam::SdamEvent;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// A write that has waited for so long is said to be tried again after this, though its attempt is still under way.
const SHORTEST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// What keeps writes from succeeding.
#[derive(Clone, Debug)]
pub(crate) struct Trouble {
    pub(crate) reason: String,
    next_try: Instant,
    pause: Duration,
}

impl Trouble {
    pub(crate) fn new(reason: &str, pause: Duration) -> Self {
        Trouble {
            reason: reason.to_owned(),
            next_try: Instant::now() + pause,
            pause,
        }
    }

    /// Time until the next attempt. While one is under way: until it is worth while to look again.
    pub(crate) fn wait(&self) -> Duration {
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
    /// Of a write that is tried again.
    writing: Mutex<Option<Trouble>>,
    heartbeats: Arc<Heartbeats>,
}

/// What each server's last heartbeat came to.
struct Heartbeats {
    causes: Causes,
    servers: Mutex<BTreeMap<String, Option<String>>>,
    /// Why no server can be used, if so.
    unusable: watch::Sender<Option<String>>,
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
        *lock(&self.writing) = Some(Trouble::new(reason, pause));
    }

    /// Notes that a command was answered.
    pub(crate) fn note_answer(&self) {
        *lock(&self.writing) = None;
    }

    /// What keeps writes from succeeding at the moment. A heartbeat's reason is the more exact one.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        let writing = lock(&self.writing).clone();
        match (self.unusable(), writing) {
            (Some(reason), Some(trouble)) => Some(Trouble { reason, ..trouble }),
            (Some(reason), None) => Some(Trouble::new(&reason, LONGEST_WAIT)),
            (None, writing) => writing,
        }
    }

    /// Why no server can be used, if so.
    pub(crate) fn unusable(&self) -> Option<String> {
        self.heartbeats.unusable.borrow().clone()
    }

    /// Returns the reason once every server has been asked and none can be used.
    pub(crate) async fn found_unusable(&self) -> String {
        let mut unusable = self.heartbeats.unusable.subscribe();
        // The sender lives as long as this, so there always is something to wait for.
        match unusable.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
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
            let is_new = *known != now;
            *known = now;
            is_new
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is kept is replaced in one step, so a panicking holder leaves it whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
