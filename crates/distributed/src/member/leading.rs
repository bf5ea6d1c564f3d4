//! The member that leads: it waits until it has read what others have read, and gives out what there is.

use super::{Member, MemberAction};
use crate::leader::{JoinedMember, Rebalance};
use crate::protocol::Metadata;
use millstream_kafka::group::GroupMember;
use millstream_worker::cluster::GroupProtocol;

impl Member {
    /// The others cannot be led by whoever does not understand them: those are given nothing.
    pub(crate) fn on_assign(
        &mut self,
        protocol: &str,
        generation: i32,
        member_id: String,
        members: &[GroupMember],
        now: i64,
    ) {
        let mut joined: Vec<JoinedMember> = Vec::with_capacity(members.len());
        for member in members {
            match Metadata::decode(&member.metadata) {
                Ok(metadata) => joined.push(JoinedMember {
                    id: member.id.clone(),
                    metadata,
                }),
                Err(error) => {
                    tracing::warn!(member = member.id, %error, "cannot parse the metadata of a group member");
                }
            }
        }
        joined.sort_by(|a, b| a.id.cmp(&b.id));
        let rebalance = Rebalance {
            // Offered are the known ones alone.
            protocol: GroupProtocol::named(protocol).unwrap_or(GroupProtocol::Eager),
            generation,
            last_completed: self.generation,
            id: member_id,
            url: self.settings.url.clone(),
            members: joined,
        };
        if rebalance.newest() > self.position() {
            self.leading = Some((rebalance, now + self.settings.sync_timeout));
        } else {
            self.share_out(&rebalance, now);
        }
    }

    pub(super) fn share_out(&mut self, rebalance: &Rebalance, now: i64) {
        let snapshot = self.snapshot.clone().unwrap_or_default();
        let shared = rebalance.share_out(&snapshot, &mut self.assignor, now);
        self.health.led(rebalance, snapshot.position.0, now);
        self.owners = shared.owners;
        let assignments = shared.assignments.into_iter();
        let bytes = assignments.map(|(id, assignment)| (id, assignment.encode(rebalance.protocol)));
        self.actions
            .push_back(MemberAction::Assign(bytes.collect()));
    }
}
