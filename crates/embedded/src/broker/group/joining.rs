//! Coming in: who may join a group, under which id, and what a member hears that has nothing to wait for.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::protocol::StrBytes;
use tokio::sync::oneshot;
use tokio::time::Instant;
use uuid::Uuid;

use super::Group;
use super::member::{GroupState, Join, Joined, Member};

/// Kafka's default of `group.max.session.timeout.ms`.
const MAX_SESSION: Duration = Duration::from_secs(1_800);
/// A group of a test bed is small; the limit keeps a runaway client from filling memory.
const MAX_MEMBERS: usize = 1_000;

enum Admitted {
    /// In, to be answered at the end of the rebalance.
    Waiting(StrBytes),
    /// In already, nothing changes.
    Current { id: StrBytes, skip: bool },
}

impl Group {
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
            let end = self.phase_deadline.unwrap_or(now);
            self.hold_until = Some((now + self.initial_delay).min(end));
        }
        let member = Member {
            instance: join.instance,
            client_id: join.client_id,
            client_host: join.client_host,
            protocols: join.protocols,
            assignment: Bytes::new(),
            session: join.session,
            rebalance: join.rebalance,
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
    pub(super) fn current(&self, id: &StrBytes, asked_as: &StrBytes, skip: bool) -> Joined {
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
}
