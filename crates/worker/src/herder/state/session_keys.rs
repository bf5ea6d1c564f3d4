//! Session keys: the leader sees to it that there is one that is neither too old nor of another kind than it is set to use.

use super::writes::Then;
use super::*;
use crate::cluster::{GroupProtocol, SessionKey};

/// The first pause after a key could not be written; it doubles up to the longest.
const FIRST_PAUSE_MS: i64 = 250;
const LONGEST_PAUSE_MS: i64 = 60_000;

#[derive(Default)]
pub(super) struct Keys {
    /// When the last key that was read is to be replaced; `None`: not because of its age.
    expires_at: Option<i64>,
    is_writing: bool,
    failed_times: u32,
    pub(super) retry_at: Option<i64>,
}

impl State {
    /// The age counts from the key's making, across restarts and leaders. Without a limit, a key that was there at the
    /// start is of no age that is known, and so too old.
    pub(super) fn on_session_key(&mut self, key: SessionKey) {
        let policy = self.view.settings.keys.as_ref();
        let ttl = policy.map_or(0, |policy| policy.ttl_ms);
        self.keys.expires_at = match ttl {
            0 if self.is_caught_up => None,
            ttl => Some(key.created.saturating_add(ttl)),
        };
        self.view.session_key = Some(key);
    }

    /// Has another key written, if that is this worker's to do and there is need.
    pub(super) fn renew_session_key(&mut self, now: i64, out: &mut Vec<Action>) {
        let is_due = |at: Option<i64>| at.is_some_and(|at| at <= now);
        let pauses = self.keys.retry_at.is_some() && !is_due(self.keys.retry_at);
        if self.keys.is_writing || pauses || !self.keeps_keys() {
            return;
        }
        let Some(policy) = &self.view.settings.keys else {
            return;
        };
        let is_right =
            |key: &SessionKey| key.algorithm == policy.algorithm && key.key.len() == policy.length;
        let key = self.view.session_key.as_ref();
        // One that could not be written may have been written all the same, or by another leader.
        self.keys.retry_at = None;
        if key.is_some_and(is_right) && !is_due(self.keys.expires_at) {
            self.keys.failed_times = 0;
            return;
        }
        self.keys.is_writing = true;
        let number = self.begin_write(None, Then::RenewKey);
        out.push(Action::WriteSessionKey {
            number,
            created: now,
        });
    }

    pub(super) fn on_key_written(&mut self, is_written: bool, now: i64) {
        let keys = &mut self.keys;
        keys.is_writing = false;
        if is_written {
            keys.failed_times = 0;
            return;
        }
        let pause = FIRST_PAUSE_MS << keys.failed_times.min(16);
        keys.failed_times += 1;
        keys.retry_at = Some(now + pause.min(LONGEST_PAUSE_MS));
    }

    /// When `renew_session_key` has something to do next.
    pub(super) fn key_is_due(&self) -> Option<i64> {
        let due = self.keys.retry_at.or(self.keys.expires_at);
        due.filter(|_| !self.keys.is_writing && self.keeps_keys())
    }

    fn keeps_keys(&self) -> bool {
        let leads = matches!(self.leader, Leader::Here(_)) && !self.is_rebalancing;
        let signs = self.view.protocol == GroupProtocol::Sessioned;
        leads && signs && self.leaving.is_none() && !self.is_ending
    }
}
