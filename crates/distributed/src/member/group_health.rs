//! What is wrong with the group, as far as a member can tell. The one number that can stop a group of workers is how far
//! each has read the configuration: a member that claims an offset which nobody else reaches keeps everybody waiting for ever.

use crate::leader::Rebalance;
use crate::protocol::Assignment;
use millstream_worker::cluster::{GroupHealth, GroupProtocol};

/// Rounds in a row, and the time over which they come, that say that it is no matter of reading on.
const HOPELESS_ROUNDS: u32 = 3;
const HOPELESS_MS: i64 = 3_000;

pub(super) struct HealthTracker {
    shown: GroupHealth,
    behind: Option<Behind>,
}

/// How long this worker has been at this place while the group is further.
struct Behind {
    own: i64,
    since: i64,
    rounds: u32,
}

impl HealthTracker {
    pub(super) fn new() -> Self {
        HealthTracker {
            shown: GroupHealth::default(),
            behind: None,
        }
    }

    pub(super) fn shown(&self) -> &GroupHealth {
        &self.shown
    }

    /// A round that this worker led, having read so far.
    pub(super) fn led(&mut self, rebalance: &Rebalance, own: i64, now: i64) {
        let newest = rebalance.newest();
        let furthest = rebalance
            .members
            .iter()
            .find(|member| member.metadata.offset == newest);
        let url = furthest.map_or("", |member| &member.metadata.url);
        let who = format!("the worker {url}");
        self.compare(&who, newest, own, now);
    }

    pub(super) fn joined(&mut self, protocol: Option<GroupProtocol>) {
        self.shown.protocol = protocol;
    }

    /// A round that another worker led.
    pub(super) fn followed(&mut self, told: &Assignment, own: i64, now: i64) {
        self.compare("the group", told.offset, own, now);
    }

    pub(super) fn not_understood(&mut self) {
        let error = "the leader's answer is not of the group's protocol";
        self.shown.error = Some(error.to_owned());
    }

    pub(super) fn refused(&mut self, reason: &str) {
        self.behind = None;
        self.shown = GroupHealth {
            protocol: None,
            error: Some(format!("cannot join the group: {reason}")),
        };
    }

    fn compare(&mut self, who: &str, theirs: i64, own: i64, now: i64) {
        if theirs <= own {
            self.behind = None;
            self.shown.error = None;
            return;
        }
        let known = self.behind.take().filter(|behind| behind.own == own);
        let mut behind = known.unwrap_or(Behind {
            own,
            since: now,
            rounds: 0,
        });
        behind.rounds += 1;
        let is_hopeless = behind.rounds >= HOPELESS_ROUNDS && now - behind.since >= HOPELESS_MS;
        self.behind = Some(behind);
        self.shown.error = is_hopeless.then(|| {
            format!(
                "{who} has read the configuration as far as offset {theirs}, and its topic ends at {own} here; \
                 check that all workers of the group have the same config.storage.topic"
            )
        });
    }
}
