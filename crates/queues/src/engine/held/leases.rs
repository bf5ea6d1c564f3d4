//! How long messages are ours: leases, their extension, and what happens at their end.

use super::Held;
use crate::input::Token;
use std::collections::BTreeSet;
use tokio::time::Instant;

impl Held {
    /// The lease of a message ends then; it is extended when half of it is gone, if it can be.
    pub(super) fn lease(&mut self, offset: i64, expires: Option<Instant>) {
        let Some(entry) = self.entries.get_mut(&offset) else {
            return;
        };
        if let Some(before) = entry.expires {
            self.leases.remove(&(before, offset));
        }
        if let Some(before) = entry.extends {
            self.extensions.remove(&(before, offset));
        }
        entry.expires = expires;
        entry.extends = None;
        let Some((expires, lease)) = expires.zip(self.facts.lease) else {
            return;
        };
        self.leases.insert((expires, offset));
        let extends = expires - lease / 2;
        let end = self
            .facts
            .longest_hold
            .map(|longest| entry.received + longest);
        if end.is_none_or(|end| extends + lease <= end) {
            entry.extends = Some(extends);
            self.extensions.insert((extends, offset));
        }
    }

    /// What is to be extended now, those first whose lease ends first. `extended` or `not_extended` is to follow.
    pub(in crate::engine) fn take_extending(
        &mut self,
        now: Instant,
        most: usize,
    ) -> Vec<(i64, Token)> {
        let mut due = Vec::new();
        while due.len() < most
            && let Some((at, offset)) = self.extensions.first().copied()
            && at <= now
        {
            self.extensions.pop_first();
            if let Some(entry) = self.entries.get_mut(&offset) {
                entry.extends = None;
                due.extend(entry.token.clone().map(|token| (offset, token)));
            }
        }
        due
    }

    /// The leases of these have begun anew at `from`, but for those that are not ours any more. Whether some of them were
    /// not delivered yet, and are not to be.
    pub(in crate::engine) fn extended(
        &mut self,
        taken: &[(i64, Token)],
        lapsed: &[usize],
        from: Instant,
    ) -> bool {
        let Some(lease) = self.facts.lease else {
            return false;
        };
        let lapsed: BTreeSet<usize> = lapsed.iter().copied().collect();
        let mut has_dropped = false;
        for (at, (offset, _)) in taken.iter().enumerate() {
            match lapsed.contains(&at) {
                true => has_dropped |= self.lapse(*offset),
                false => self.lease(*offset, Some(from + lease)),
            }
        }
        has_dropped
    }

    /// These are to be extended again, from then on.
    pub(in crate::engine) fn not_extended(&mut self, taken: &[(i64, Token)], again: Instant) {
        for (offset, _) in taken {
            if let Some(entry) = self.entries.get_mut(offset) {
                entry.extends = Some(again);
                self.extensions.insert((again, *offset));
            }
        }
    }

    /// Lets go of messages whose lease has ended. Whether some of them were not delivered yet, and are not to be.
    pub(in crate::engine) fn expire(&mut self, now: Instant) -> bool {
        let mut has_dropped = false;
        while let Some((expires, offset)) = self.leases.first().copied()
            && expires <= now
        {
            let entry = self.entries.get(&offset);
            if entry.is_some_and(|entry| entry.is_done) {
                // The queue may still know the token; it says so when the message is settled.
                self.lease(offset, None);
            } else {
                has_dropped |= self.lapse(offset);
            }
        }
        has_dropped
    }

    /// A message is not ours any more. One that was not delivered is dropped, with what follows it in its group: it comes
    /// again.
    pub(super) fn lapse(&mut self, offset: i64) -> bool {
        self.counts.lapsed += 1;
        let group = self.entries.get(&offset).and_then(|e| e.group.clone());
        let group = group.filter(|_| offset >= self.delivered_to);
        let members = group.and_then(|group| self.groups.get(&group));
        let behind: Vec<i64> = members
            .map(|members| members.range(offset + 1..).copied().collect())
            .unwrap_or_default();
        self.counts.lapsed += behind.len() as u64;
        for follower in behind {
            self.remove(follower);
        }
        self.lose(offset)
    }

    pub(super) fn lose(&mut self, offset: i64) -> bool {
        let Some(entry) = self.entries.get_mut(&offset) else {
            return false;
        };
        let is_delivered = offset < self.delivered_to;
        if !is_delivered || entry.is_done {
            self.remove(offset);
            return !is_delivered;
        }
        entry.token = None;
        self.lease(offset, None);
        false
    }

    /// When leases are to be extended or have ended.
    pub(in crate::engine) fn next_lease(&self) -> Option<Instant> {
        let first = [self.extensions.first(), self.leases.first()];
        first.into_iter().flatten().map(|(at, _)| *at).min()
    }
}
