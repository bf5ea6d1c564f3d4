//! What the leader of a round decides: who is to read on before anything is given out, and otherwise who runs what. Pure.

use crate::assignor::{Holder, Incremental, Round, Share, share_out};
use crate::protocol::{Assignment, CONFIG_MISMATCH, Metadata};
use millstream_worker::cluster::{GroupProtocol, Owners, Position, Snapshot};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A member of the group, with what it said as it joined.
#[derive(Clone, Debug)]
pub(crate) struct JoinedMember {
    pub(crate) id: String,
    pub(crate) metadata: Metadata,
}

/// A rebalance as its leader finds it: who has joined.
#[derive(Clone, Debug)]
pub(crate) struct Rebalance {
    pub(crate) protocol: GroupProtocol,
    pub(crate) generation: i32,
    /// The last generation that this worker has seen to its end, −1 for none.
    pub(crate) last_completed: i32,
    /// The leader's own.
    pub(crate) id: String,
    pub(crate) url: String,
    pub(crate) members: Vec<JoinedMember>,
}

/// What comes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shared {
    pub(crate) assignments: BTreeMap<String, Assignment>,
    /// The others', by what they run.
    pub(crate) owners: Owners,
}

/// The number by which the workers of a group compare how far they have read. Before the first record there is none.
pub(crate) fn offset(position: Position) -> i64 {
    if position.0 <= 0 { -1 } else { position.0 }
}

impl Rebalance {
    /// How far the member has read that has read furthest: nothing is given out for less.
    pub(crate) fn newest(&self) -> i64 {
        let offsets = self.members.iter().map(|member| member.metadata.offset);
        offsets.max().unwrap_or(-1)
    }

    /// Shares out what the snapshot holds; if that is behind what a member has read, everybody reads on instead.
    pub(crate) fn share_out(
        &self,
        snapshot: &Snapshot,
        assignor: &mut Incremental,
        now: i64,
    ) -> Shared {
        let newest = self.newest();
        let is_behind = snapshot.position.0 < newest;
        let (shares, delay) = if is_behind {
            (BTreeMap::new(), 0)
        } else if self.protocol == GroupProtocol::Eager {
            let ids: Vec<String> = self
                .members
                .iter()
                .map(|member| member.id.clone())
                .collect();
            (share_out(&snapshot.inventory, &ids), 0)
        } else {
            let holders: Vec<Holder> = self.members.iter().map(holder).collect();
            assignor.share_out(Round {
                now,
                generation: self.generation,
                last_completed: self.last_completed,
                inventory: &snapshot.inventory,
                members: &holders,
            })
        };
        let header = Assignment {
            error: if is_behind { CONFIG_MISMATCH } else { 0 },
            leader: self.id.clone(),
            leader_url: self.url.clone(),
            offset: offset(snapshot.position).max(newest),
            delay,
            ..Assignment::default()
        };
        let assignments = self.members.iter().map(|member| {
            let share = shares.get(&member.id).cloned().unwrap_or_default();
            let assignment = Assignment {
                assigned: share.assigned,
                revoked: share.revoked,
                ..header.clone()
            };
            (member.id.clone(), assignment)
        });
        Shared {
            assignments: assignments.collect(),
            owners: self.owners(&shares),
        }
    }

    fn owners(&self, shares: &BTreeMap<String, Share>) -> Owners {
        let mut owners = Owners::default();
        for member in self.members.iter().filter(|member| member.id != self.id) {
            let url: Arc<str> = member.metadata.url.as_str().into();
            owners.others.insert(url.clone());
            let Some(share) = shares.get(&member.id) else {
                continue;
            };
            for name in &share.all.connectors {
                owners.connectors.insert(name.clone(), url.clone());
            }
            for id in &share.all.tasks {
                owners.tasks.insert(id.clone(), url.clone());
            }
        }
        owners
    }
}

fn holder(member: &JoinedMember) -> Holder {
    let allocation = member.metadata.allocation.as_ref();
    let holds = allocation.map(|allocation| allocation.assigned.clone());
    Holder {
        id: member.id.clone(),
        holds: holds.unwrap_or_default().distinct(),
    }
}
