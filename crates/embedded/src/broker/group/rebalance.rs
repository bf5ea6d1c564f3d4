//! The rebalance: from the first wish to join until everybody knows the new generation, and members that leave on the way.

use std::time::Duration;

use bytes::Bytes;
use indexmap::IndexMap;
use kafka_protocol::error::ResponseError;
use kafka_protocol::protocol::StrBytes;
use tokio::time::Instant;

use super::Group;
use super::member::{GroupState, Joined};

impl Group {
    /// Starts a rebalance, or sees whether the running one is complete.
    pub(super) fn prepare(&mut self, now: Instant) {
        if self.state != GroupState::PreparingRebalance {
            for member in self.members.values_mut() {
                if let Some(reply) = member.syncing.take() {
                    let _ = reply.send(Err(ResponseError::RebalanceInProgress));
                    member.deadline = now + member.session;
                }
            }
            let longest = self.longest_rebalance();
            let is_first = self.state == GroupState::Empty && !self.initial_delay.is_zero();
            self.hold_until = is_first.then(|| now + self.initial_delay.min(longest));
            self.phase_deadline = Some(now + longest);
            self.state = GroupState::PreparingRebalance;
        }
        self.try_complete(now);
    }

    pub(super) fn try_complete(&mut self, now: Instant) {
        if self.state != GroupState::PreparingRebalance
            || self.hold_until.is_some_and(|hold| now < hold)
        {
            return;
        }
        let all_joined = self.members.values().all(|member| member.joining.is_some())
            && self.promised.is_empty();
        // What was held back goes on with those who are there.
        let is_due = self.hold_until.is_some()
            || self.phase_deadline.is_some_and(|deadline| now >= deadline);
        if all_joined || is_due {
            self.complete(now);
        }
    }

    fn complete(&mut self, now: Instant) {
        self.hold_until = None;
        let late: Vec<_> = self
            .members
            .iter()
            .filter(|(_, m)| m.joining.is_none() && m.instance.is_none())
            .map(|(id, _)| id.clone())
            .collect();
        for id in late {
            self.remove(&id);
        }
        let is_led = self
            .leader
            .as_ref()
            .and_then(|leader| self.members.get(leader))
            .is_some_and(|m| m.joining.is_some());
        if !is_led {
            self.leader = self
                .members
                .iter()
                .find(|(_, member)| member.joining.is_some())
                .map(|(id, _)| id.clone());
        }
        if self.leader.is_none() && !self.members.is_empty() {
            // Only absent static members are left: wait for them, their sessions end it.
            self.phase_deadline = Some(now + self.longest_rebalance());
            return;
        }
        self.phase_deadline = None;
        self.generation += 1;
        if self.members.is_empty() {
            self.state = GroupState::Empty;
            self.protocol = None;
            return;
        }
        self.protocol = self.vote();
        self.state = GroupState::CompletingRebalance;
        self.phase_deadline = Some(now + self.longest_rebalance());
        let ids: Vec<_> = self.members.keys().cloned().collect();
        for id in ids {
            let joined = self.current(&id, &id, false);
            if let Some(member) = self.members.get_mut(&id) {
                member.assignment = Bytes::new();
                member.deadline = now + member.session;
                if let Some(reply) = member.joining.take() {
                    let _ = reply.send(joined);
                }
            }
        }
    }

    /// Never zero, so that a phase that is begun again and again leaves time in between.
    fn longest_rebalance(&self) -> Duration {
        let longest = self.members.values().map(|member| member.rebalance).max();
        longest.unwrap_or_default().max(Duration::from_millis(1))
    }

    /// Lets go of members that joined but never asked for their assignment.
    pub(super) fn drop_unsynced(&mut self, now: Instant) {
        let is_due = self.phase_deadline.is_some_and(|deadline| now >= deadline);
        if self.state != GroupState::CompletingRebalance || !is_due {
            return;
        }
        let late: Vec<_> = self
            .members
            .iter()
            .filter(|(_, m)| m.syncing.is_none())
            .map(|(id, _)| id.clone())
            .collect();
        for id in late {
            self.remove_and_rebalance(&id, now);
        }
    }

    /// The protocol that everybody supports and most prefer.
    fn vote(&self) -> Option<StrBytes> {
        let everyone = |name: &StrBytes| {
            self.members
                .values()
                .all(|m| m.protocols.iter().any(|(known, _)| known == name))
        };
        let mut votes: IndexMap<StrBytes, usize> = IndexMap::new();
        for member in self.members.values() {
            if let Some((name, _)) = member.protocols.iter().find(|(name, _)| everyone(name)) {
                *votes.entry(name.clone()).or_default() += 1;
            }
        }
        let most = votes.values().copied().max()?;
        votes
            .into_iter()
            .find(|(_, count)| *count == most)
            .map(|(name, _)| name)
    }

    pub(super) fn remove_and_rebalance(&mut self, id: &StrBytes, now: Instant) {
        self.remove(id);
        match self.state {
            GroupState::Empty => {}
            GroupState::PreparingRebalance => self.try_complete(now),
            GroupState::CompletingRebalance | GroupState::Stable => self.prepare(now),
        }
    }

    pub(super) fn remove(&mut self, id: &StrBytes) {
        let Some(mut member) = self.members.shift_remove(id) else {
            return;
        };
        if let Some(reply) = member.joining.take() {
            let error = Some(ResponseError::UnknownMemberId);
            let _ = reply.send(Joined {
                error,
                member_id: id.clone(),
                generation: -1,
                ..Joined::default()
            });
        }
        if let Some(reply) = member.syncing.take() {
            let _ = reply.send(Err(ResponseError::UnknownMemberId));
        }
        if let Some(instance) = member.instance {
            self.statics.remove(&instance);
        }
        if self.leader.as_ref() == Some(id) {
            self.leader = self
                .members
                .iter()
                .find(|(_, m)| m.joining.is_some())
                .or(self.members.first())
                .map(|(id, _)| id.clone());
        }
    }
}
