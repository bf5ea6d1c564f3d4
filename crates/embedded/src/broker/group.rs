//! One classic consumer group as a state machine: requests and time in, answers through their channels. It follows Kafka's
//! coordinator; it knows neither sockets nor clocks, `now` is an argument.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bytes::Bytes;
use indexmap::IndexMap;
use kafka_protocol::error::ResponseError;
use kafka_protocol::protocol::StrBytes;
use tokio::sync::oneshot;
use tokio::time::Instant;
use uuid::Uuid;

/// Kafka's default of `group.max.session.timeout.ms`.
const MAX_SESSION: Duration = Duration::from_secs(1_800);
/// A group of a test bed is small; the limit keeps a runaway client from filling memory.
const MAX_MEMBERS: usize = 1_000;

/// Where a group stands, in Kafka's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GroupState {
    Empty,
    PreparingRebalance,
    CompletingRebalance,
    Stable,
}

impl GroupState {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

/// What a member says when it joins.
#[derive(Debug, Clone, Default)]
pub(crate) struct Join {
    pub(crate) member_id: StrBytes,
    pub(crate) instance: Option<StrBytes>,
    pub(crate) client_id: StrBytes,
    pub(crate) client_host: String,
    pub(crate) session: Duration,
    pub(crate) rebalance: Duration,
    pub(crate) protocol_type: StrBytes,
    pub(crate) protocols: Vec<(StrBytes, Bytes)>,
    /// Whether the client's version expects to be told its id before it may join.
    pub(crate) needs_id: bool,
    /// Whether the client's version knows `skip_assignment`.
    pub(crate) may_skip: bool,
}

/// The answer to a join. Members are listed for the leader only.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Joined {
    pub(crate) error: Option<ResponseError>,
    pub(crate) member_id: StrBytes,
    pub(crate) generation: i32,
    pub(crate) protocol_type: StrBytes,
    pub(crate) protocol: Option<StrBytes>,
    pub(crate) leader: StrBytes,
    pub(crate) members: Vec<(StrBytes, Option<StrBytes>, Bytes)>,
    pub(crate) skip_assignment: bool,
}

/// What a member sends to get its assignment, the leader with everybody's.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sync {
    pub(crate) member_id: StrBytes,
    pub(crate) instance: Option<StrBytes>,
    pub(crate) generation: i32,
    pub(crate) protocol_type: Option<StrBytes>,
    pub(crate) protocol: Option<StrBytes>,
    pub(crate) assignments: Vec<(StrBytes, Bytes)>,
}

/// The answer to a sync.
pub(crate) type Synced = Result<(StrBytes, StrBytes, Bytes), ResponseError>;

/// One member.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) instance: Option<StrBytes>,
    pub(crate) client_id: StrBytes,
    pub(crate) client_host: String,
    pub(crate) protocols: Vec<(StrBytes, Bytes)>,
    pub(crate) assignment: Bytes,
    session: Duration,
    rebalance: Duration,
    deadline: Instant,
    joining: Option<oneshot::Sender<Joined>>,
    syncing: Option<oneshot::Sender<Synced>>,
}

impl Member {
    fn metadata(&self, protocol: &StrBytes) -> Bytes {
        self.protocols
            .iter()
            .find(|(name, _)| name == protocol)
            .map(|(_, metadata)| metadata.clone())
            .unwrap_or_default()
    }

    fn is_waiting(&self) -> bool {
        self.joining.is_some() || self.syncing.is_some()
    }
}

/// A committed offset.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Committed {
    pub(crate) offset: i64,
    pub(crate) epoch: i32,
    pub(crate) metadata: Option<String>,
}

/// Offsets by topic and partition.
pub(crate) type Offsets = BTreeMap<(String, i32), Committed>;

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
    /// When a rebalance goes on without those who have not joined again.
    join_deadline: Option<Instant>,
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
            join_deadline: None,
            hold_until: None,
            initial_delay,
        }
    }

    /// Nobody is in it and nobody was promised a place.
    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty() && self.promised.is_empty()
    }

    /// Takes a member's wish to join; the answer comes when the rebalance is complete.
    pub(crate) fn join(&mut self, join: Join, now: Instant, reply: oneshot::Sender<Joined>) {
        let member_id = join.member_id.clone();
        match self.admit(join, now) {
            Err((error, member_id)) => {
                let _ = reply.send(Joined {
                    error: Some(error),
                    member_id,
                    generation: -1,
                    ..Joined::default()
                });
            }
            Ok(Admitted::Waiting(id)) => {
                if let Some(member) = self.members.get_mut(&id) {
                    member.joining = Some(reply);
                }
                self.prepare(now);
            }
            Ok(Admitted::Current { id, skip }) => {
                let _ = reply.send(self.current(&id, &member_id, skip));
            }
        }
    }

    fn admit(&mut self, join: Join, now: Instant) -> Result<Admitted, (ResponseError, StrBytes)> {
        let refuse = |error| Err((error, join.member_id.clone()));
        if join.session.is_zero() || join.session > MAX_SESSION {
            return refuse(ResponseError::InvalidSessionTimeout);
        }
        if !self.supports(&join) {
            return refuse(ResponseError::InconsistentGroupProtocol);
        }
        if join.member_id.is_empty() {
            return self.admit_new(join, now);
        }
        if self.promised.remove(&join.member_id).is_some() {
            let id = join.member_id.clone();
            self.add(id.clone(), join, now);
            return Ok(Admitted::Waiting(id));
        }
        if let Err(error) = self.check_member(&join.member_id, join.instance.as_ref()) {
            return refuse(error);
        }
        let id = join.member_id.clone();
        let is_leader = self.leader.as_ref() == Some(&id);
        let unchanged = self.members[&id].protocols == join.protocols;
        match self.state {
            GroupState::Empty => refuse(ResponseError::UnknownMemberId),
            GroupState::CompletingRebalance if unchanged => {
                Ok(Admitted::Current { id, skip: false })
            }
            GroupState::Stable if unchanged && !is_leader => {
                Ok(Admitted::Current { id, skip: false })
            }
            GroupState::PreparingRebalance
            | GroupState::CompletingRebalance
            | GroupState::Stable => {
                self.update(&id, join, now);
                Ok(Admitted::Waiting(id))
            }
        }
    }

    fn admit_new(
        &mut self,
        join: Join,
        now: Instant,
    ) -> Result<Admitted, (ResponseError, StrBytes)> {
        if self.members.len() + self.promised.len() >= MAX_MEMBERS {
            return Err((ResponseError::GroupMaxSizeReached, StrBytes::new()));
        }
        let prefix = join
            .instance
            .clone()
            .unwrap_or_else(|| join.client_id.clone());
        let id = StrBytes::from_string(format!("{prefix}-{}", Uuid::new_v4()));
        if let Some(old) = join
            .instance
            .as_ref()
            .and_then(|instance| self.statics.get(instance))
            .cloned()
        {
            return Ok(self.replace(&old, id, join, now));
        }
        if join.needs_id && join.instance.is_none() {
            self.promised.insert(id.clone(), now + join.session);
            return Err((ResponseError::MemberIdRequired, id));
        }
        self.add(id.clone(), join, now);
        Ok(Admitted::Waiting(id))
    }

    fn supports(&self, join: &Join) -> bool {
        if join.protocol_type.is_empty() || join.protocols.is_empty() {
            return false;
        }
        if self.members.is_empty() {
            return true;
        }
        let everyone = |name: &StrBytes| {
            let others = self.members.iter().filter(|(id, _)| **id != join.member_id);
            others
                .into_iter()
                .all(|(_, member)| member.protocols.iter().any(|(known, _)| known == name))
        };
        self.protocol_type == join.protocol_type
            && join.protocols.iter().any(|(name, _)| everyone(name))
    }

    fn add(&mut self, id: StrBytes, join: Join, now: Instant) {
        if self.members.is_empty() {
            self.protocol_type = join.protocol_type;
        }
        if let Some(instance) = &join.instance {
            self.statics.insert(instance.clone(), id.clone());
        }
        self.leader.get_or_insert_with(|| id.clone());
        if self.state == GroupState::PreparingRebalance && self.hold_until.is_some() {
            let end = self.join_deadline.unwrap_or(now);
            self.hold_until = Some((now + self.initial_delay).min(end));
        }
        let member = Member {
            instance: join.instance,
            client_id: join.client_id,
            client_host: join.client_host,
            protocols: join.protocols,
            assignment: Bytes::new(),
            session: join.session,
            rebalance: join
                .rebalance
                .max(join.session.min(Duration::from_millis(1))),
            deadline: now + join.session,
            joining: None,
            syncing: None,
        };
        self.members.insert(id, member);
    }

    fn update(&mut self, id: &StrBytes, join: Join, now: Instant) {
        if let Some(member) = self.members.get_mut(id) {
            member.protocols = join.protocols;
            member.session = join.session;
            member.rebalance = join.rebalance;
            member.client_id = join.client_id;
            member.client_host = join.client_host;
            member.deadline = now + join.session;
        }
    }

    /// A static member came back under a new id: it takes over its old place, without a rebalance if nothing changes.
    fn replace(&mut self, old: &StrBytes, id: StrBytes, join: Join, now: Instant) -> Admitted {
        let may_skip = join.may_skip;
        let Some(mut member) = self.members.shift_remove(old) else {
            self.add(id.clone(), join, now);
            return Admitted::Waiting(id);
        };
        if let Some(reply) = member.joining.take() {
            let error = Some(ResponseError::FencedInstanceId);
            let _ = reply.send(Joined {
                error,
                member_id: old.clone(),
                generation: -1,
                ..Joined::default()
            });
        }
        if let Some(reply) = member.syncing.take() {
            let _ = reply.send(Err(ResponseError::FencedInstanceId));
        }
        if let Some(instance) = &member.instance {
            self.statics.insert(instance.clone(), id.clone());
        }
        let was_leader = self.leader.as_ref() == Some(old);
        if was_leader {
            self.leader = Some(id.clone());
        }
        let unchanged = member.protocols == join.protocols;
        self.members.insert(id.clone(), member);
        self.update(&id, join, now);
        if self.state == GroupState::Stable && unchanged {
            // Clients that do not know `skip_assignment` must not think they lead, or they would assign anew.
            return Admitted::Current {
                id,
                skip: was_leader && may_skip,
            };
        }
        Admitted::Waiting(id)
    }

    /// The current generation as `id` sees it.
    fn current(&self, id: &StrBytes, asked_as: &StrBytes, skip: bool) -> Joined {
        let is_leader = self.leader.as_ref() == Some(id);
        // A static member that came back asked with an empty id; only with `skip` may it hear that it leads.
        let told_leader = is_leader && (skip || !asked_as.is_empty());
        let leader = self.leader.clone().unwrap_or_default();
        Joined {
            error: None,
            member_id: id.clone(),
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: if is_leader && !told_leader {
                StrBytes::from_static_str("unchanged")
            } else {
                leader
            },
            members: if told_leader {
                self.roster()
            } else {
                Vec::new()
            },
            skip_assignment: skip,
        }
    }

    fn roster(&self) -> Vec<(StrBytes, Option<StrBytes>, Bytes)> {
        let protocol = self.protocol.clone().unwrap_or_default();
        let row = |(id, member): (&StrBytes, &Member)| {
            (
                id.clone(),
                member.instance.clone(),
                member.metadata(&protocol),
            )
        };
        self.members.iter().map(row).collect()
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

    /// Starts a rebalance, or sees whether the running one is complete.
    fn prepare(&mut self, now: Instant) {
        if self.state != GroupState::PreparingRebalance {
            for member in self.members.values_mut() {
                if let Some(reply) = member.syncing.take() {
                    let _ = reply.send(Err(ResponseError::RebalanceInProgress));
                    member.deadline = now + member.session;
                }
            }
            let longest = self
                .members
                .values()
                .map(|member| member.rebalance)
                .max()
                .unwrap_or_default();
            let is_first = self.state == GroupState::Empty && !self.initial_delay.is_zero();
            self.hold_until = is_first.then(|| now + self.initial_delay.min(longest));
            self.join_deadline = Some(now + longest);
            self.state = GroupState::PreparingRebalance;
        }
        self.try_complete(now);
    }

    fn try_complete(&mut self, now: Instant) {
        if self.state != GroupState::PreparingRebalance
            || self.hold_until.is_some_and(|hold| now < hold)
        {
            return;
        }
        let all_joined = self.members.values().all(|member| member.joining.is_some())
            && self.promised.is_empty();
        // What was held back goes on with those who are there.
        let is_due =
            self.hold_until.is_some() || self.join_deadline.is_some_and(|deadline| now >= deadline);
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
            let longest = self
                .members
                .values()
                .map(|member| member.rebalance)
                .max()
                .unwrap_or_default();
            self.join_deadline = Some(now + longest.max(Duration::from_millis(1)));
            return;
        }
        self.join_deadline = None;
        self.generation += 1;
        if self.members.is_empty() {
            self.state = GroupState::Empty;
            self.protocol = None;
            return;
        }
        self.protocol = self.vote();
        self.state = GroupState::CompletingRebalance;
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

    fn remove_and_rebalance(&mut self, id: &StrBytes, now: Instant) {
        self.remove(id);
        match self.state {
            GroupState::Empty => {}
            GroupState::PreparingRebalance => self.try_complete(now),
            GroupState::CompletingRebalance | GroupState::Stable => self.prepare(now),
        }
    }

    fn remove(&mut self, id: &StrBytes) {
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
        self.try_complete(now);
        let sessions = self
            .members
            .values()
            .filter(|member| !member.is_waiting())
            .map(|member| member.deadline);
        let phases = self
            .hold_until
            .or(self.join_deadline)
            .into_iter()
            .chain(self.promised.values().copied());
        sessions.chain(phases).min()
    }
}

enum Admitted {
    /// In, to be answered at the end of the rebalance.
    Waiting(StrBytes),
    /// In already, nothing changes.
    Current { id: StrBytes, skip: bool },
}

#[cfg(test)]
mod tests;
