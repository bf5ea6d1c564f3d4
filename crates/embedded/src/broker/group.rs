//! One classic consumer group as a state machine: requests and time in, answers through their channels. It follows Kafka's
//! coordinator; it knows neither sockets nor clocks, `now` is an argument.

mod joining;
mod member;
mod rebalance;

use std::collections::HashMap;
use std::time::Duration;

use indexmap::IndexMap;
use kafka_protocol::error::ResponseError;
use kafka_protocol::protocol::StrBytes;
use tokio::sync::oneshot;
use tokio::time::Instant;

pub(crate) use member::{Committed, GroupState, Join, Joined, Member, Offsets, Sync, Synced};

/// See the file's comment.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) state: GroupState,
    pub(crate) protocol_type: StrBytes,
    pub(crate) protocol: Option<StrBytes>,
    pub(crate) members: IndexMap<StrBytes, Member>,
    pub(crate) offsets: Offsets,
    /// Offsets inside open transactions, by producer id.
    pub(crate) pending_offsets: HashMap<i64, Offsets>,
    generation: i32,
    leader: Option<StrBytes>,
    statics: HashMap<StrBytes, StrBytes>,
    /// Ids handed out whose members have not joined yet, with the time they are given.
    promised: HashMap<StrBytes, Instant>,
    /// When a rebalance goes on without those who are late: to join again, or to ask for their assignment.
    phase_deadline: Option<Instant>,
    /// Until when the first rebalance of an empty group waits for more members.
    hold_until: Option<Instant>,
    initial_delay: Duration,
}

impl Group {
    pub(crate) fn new(initial_delay: Duration) -> Self {
        Self {
            state: GroupState::Empty,
            protocol_type: StrBytes::new(),
            protocol: None,
            members: IndexMap::new(),
            offsets: Offsets::new(),
            pending_offsets: HashMap::new(),
            generation: 0,
            leader: None,
            statics: HashMap::new(),
            promised: HashMap::new(),
            phase_deadline: None,
            hold_until: None,
            initial_delay,
        }
    }

    /// Nobody is in it and nobody was promised a place.
    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty() && self.promised.is_empty()
    }

    fn check_member(
        &self,
        id: &StrBytes,
        instance: Option<&StrBytes>,
    ) -> Result<(), ResponseError> {
        if let Some(instance) = instance {
            match self.statics.get(instance) {
                None => return Err(ResponseError::UnknownMemberId),
                Some(current) if current != id => return Err(ResponseError::FencedInstanceId),
                Some(_) => {}
            }
        }
        if self.members.contains_key(id) {
            Ok(())
        } else {
            Err(ResponseError::UnknownMemberId)
        }
    }

    /// Takes the leader's assignments, or lets a member wait for them.
    pub(crate) fn sync(&mut self, sync: Sync, now: Instant, reply: oneshot::Sender<Synced>) {
        if let Err(error) = self.check_sync(&sync) {
            let _ = reply.send(Err(error));
            return;
        }
        let id = sync.member_id;
        let is_leader = self.leader.as_ref() == Some(&id);
        if let Some(member) = self.members.get_mut(&id) {
            member.deadline = now + member.session;
            member.syncing = Some(reply);
        }
        if self.state == GroupState::CompletingRebalance {
            if !is_leader {
                return;
            }
            for (id, assignment) in sync.assignments {
                if let Some(member) = self.members.get_mut(&id) {
                    member.assignment = assignment;
                }
            }
            self.state = GroupState::Stable;
            self.phase_deadline = None;
        }
        let (kind, protocol) = (
            self.protocol_type.clone(),
            self.protocol.clone().unwrap_or_default(),
        );
        for member in self.members.values_mut() {
            if let Some(reply) = member.syncing.take() {
                member.deadline = now + member.session;
                let _ = reply.send(Ok((
                    kind.clone(),
                    protocol.clone(),
                    member.assignment.clone(),
                )));
            }
        }
    }

    fn check_sync(&self, sync: &Sync) -> Result<(), ResponseError> {
        self.check_member(&sync.member_id, sync.instance.as_ref())?;
        let other_type = sync
            .protocol_type
            .as_ref()
            .is_some_and(|kind| *kind != self.protocol_type);
        let other_protocol = sync.protocol.is_some() && sync.protocol != self.protocol;
        if sync.generation != self.generation {
            return Err(ResponseError::IllegalGeneration);
        }
        match self.state {
            GroupState::Empty => Err(ResponseError::UnknownMemberId),
            GroupState::PreparingRebalance => Err(ResponseError::RebalanceInProgress),
            _ if other_type || other_protocol => Err(ResponseError::InconsistentGroupProtocol),
            GroupState::CompletingRebalance | GroupState::Stable => Ok(()),
        }
    }

    pub(crate) fn heartbeat(
        &mut self,
        id: &StrBytes,
        instance: Option<&StrBytes>,
        generation: i32,
        now: Instant,
    ) -> Result<(), ResponseError> {
        self.check_member(id, instance)?;
        if generation != self.generation {
            return Err(ResponseError::IllegalGeneration);
        }
        if let Some(member) = self.members.get_mut(id) {
            member.deadline = now + member.session;
        }
        match self.state {
            GroupState::Empty => Err(ResponseError::UnknownMemberId),
            GroupState::PreparingRebalance => Err(ResponseError::RebalanceInProgress),
            GroupState::CompletingRebalance | GroupState::Stable => Ok(()),
        }
    }

    /// Lets a member go; a static member may be named by its instance alone.
    pub(crate) fn leave(
        &mut self,
        id: &StrBytes,
        instance: Option<&StrBytes>,
        now: Instant,
    ) -> Result<(), ResponseError> {
        if self.promised.remove(id).is_some() {
            self.try_complete(now);
            return Ok(());
        }
        let id = match instance.and_then(|instance| self.statics.get(instance)) {
            Some(current) if id.is_empty() => current.clone(),
            _ => id.clone(),
        };
        self.check_member(&id, instance)?;
        self.remove_and_rebalance(&id, now);
        Ok(())
    }

    /// Whether this member may commit offsets of this generation; -1 is a client that uses the group for its offsets only.
    pub(crate) fn check_commit(
        &mut self,
        id: &StrBytes,
        instance: Option<&StrBytes>,
        generation: i32,
        now: Instant,
    ) -> Result<(), ResponseError> {
        if generation < 0 && self.members.is_empty() {
            return Ok(());
        }
        self.check_member(id, instance)?;
        if generation != self.generation {
            return Err(ResponseError::IllegalGeneration);
        }
        if self.state == GroupState::CompletingRebalance {
            return Err(ResponseError::RebalanceInProgress);
        }
        if let Some(member) = self.members.get_mut(id) {
            member.deadline = now + member.session;
        }
        Ok(())
    }

    /// Ends what is due and answers when to look again.
    pub(crate) fn expire(&mut self, now: Instant) -> Option<Instant> {
        let promised = self.promised.len();
        self.promised.retain(|_, deadline| *deadline > now);
        if self.promised.len() < promised {
            self.try_complete(now);
        }
        let dead: Vec<_> = self
            .members
            .iter()
            .filter(|(_, m)| !m.is_waiting() && m.deadline <= now)
            .map(|(id, _)| id.clone())
            .collect();
        for id in dead {
            self.remove_and_rebalance(&id, now);
        }
        self.drop_unsynced(now);
        self.try_complete(now);
        let sessions = self
            .members
            .values()
            .filter(|member| !member.is_waiting())
            .map(|member| member.deadline);
        let phases = self
            .hold_until
            .or(self.phase_deadline)
            .into_iter()
            .chain(self.promised.values().copied());
        sessions.chain(phases).min()
    }
}

#[cfg(test)]
mod tests;
