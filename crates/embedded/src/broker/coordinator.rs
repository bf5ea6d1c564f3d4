//! The requests of classic groups: join, sync, heartbeat, leave, list, describe and delete.

use std::time::Duration;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse,
    GroupId, HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse,
    LeaveGroupRequest, LeaveGroupResponse, ListGroupsRequest, ListGroupsResponse, SyncGroupRequest,
    SyncGroupResponse,
};
use kafka_protocol::protocol::StrBytes;
use tokio::sync::oneshot;

use super::call::{Call, code};
use super::group::{Group, Join, Joined, Sync};
use super::lock;

/// Clients of this version of JoinGroup know that they are told their id first.
const NEEDS_ID: i16 = 4;
/// Clients of this version of JoinGroup know `skip_assignment`.
const MAY_SKIP: i16 = 9;

impl Call<'_> {
    pub(crate) async fn join_group(&self, request: JoinGroupRequest) -> JoinGroupResponse {
        let asked_as = request.member_id.clone();
        let joined = match self.check_coordinator(&request.group_id) {
            Err(error) => Joined {
                error: Some(error),
                member_id: asked_as,
                generation: -1,
                ..Joined::default()
            },
            Ok(()) => {
                let group = self.broker.groups.get_or_create(&request.group_id);
                let (reply, answer) = oneshot::channel();
                let join = self.wish(request);
                self.broker
                    .groups
                    .change(&group, |group, now| group.join(join, now, reply));
                answer.await.unwrap_or_else(|_| Joined {
                    error: Some(ResponseError::UnknownMemberId),
                    member_id: asked_as,
                    generation: -1,
                    ..Joined::default()
                })
            }
        };
        let member = |(id, instance, metadata)| {
            JoinGroupResponseMember::default()
                .with_member_id(id)
                .with_group_instance_id(instance)
                .with_metadata(metadata)
        };
        let protocol = match joined.protocol {
            // Null came with version 7.
            None if self.version < 7 => Some(StrBytes::new()),
            protocol => protocol,
        };
        JoinGroupResponse::default()
            .with_error_code(joined.error.map_or(0, |error| error.code()))
            .with_generation_id(joined.generation)
            .with_protocol_type(Some(joined.protocol_type))
            .with_protocol_name(protocol)
            .with_leader(joined.leader)
            .with_skip_assignment(joined.skip_assignment)
            .with_member_id(joined.member_id)
            .with_members(joined.members.into_iter().map(member).collect())
    }

    fn wish(&self, request: JoinGroupRequest) -> Join {
        let millis = |ms: i32| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
        let session = millis(request.session_timeout_ms);
        Join {
            member_id: request.member_id,
            instance: request.group_instance_id,
            client_id: self.client_id.clone(),
            client_host: self.client_host.to_owned(),
            session,
            // Version 0 has the session timeout only.
            rebalance: if self.version == 0 {
                session
            } else {
                millis(request.rebalance_timeout_ms)
            },
            protocol_type: request.protocol_type,
            protocols: request
                .protocols
                .into_iter()
                .map(|protocol| (protocol.name, protocol.metadata))
                .collect(),
            needs_id: self.version >= NEEDS_ID,
            may_skip: self.version >= MAY_SKIP,
        }
    }

    pub(crate) async fn sync_group(&self, request: SyncGroupRequest) -> SyncGroupResponse {
        let synced = match self.check_coordinator(&request.group_id) {
            Err(error) => Err(error),
            Ok(()) => match self.broker.groups.get(&request.group_id) {
                None => Err(ResponseError::UnknownMemberId),
                Some(group) => {
                    let (reply, answer) = oneshot::channel();
                    let assignments = request
                        .assignments
                        .into_iter()
                        .map(|a| (a.member_id, a.assignment))
                        .collect();
                    let sync = Sync {
                        member_id: request.member_id,
                        instance: request.group_instance_id,
                        generation: request.generation_id,
                        protocol_type: request.protocol_type,
                        protocol: request.protocol_name,
                        assignments,
                    };
                    self.broker
                        .groups
                        .change(&group, |group, now| group.sync(sync, now, reply));
                    answer.await.unwrap_or(Err(ResponseError::UnknownMemberId))
                }
            },
        };
        match synced {
            Err(error) => SyncGroupResponse::default().with_error_code(error.code()),
            Ok((kind, protocol, assignment)) => SyncGroupResponse::default()
                .with_protocol_type(Some(kind))
                .with_protocol_name(Some(protocol))
                .with_assignment(assignment),
        }
    }

    /// Runs `act` on a group that exists.
    fn on_group<T>(
        &self,
        id: &GroupId,
        act: impl FnOnce(&mut Group, tokio::time::Instant) -> Result<T, ResponseError>,
    ) -> Result<T, ResponseError> {
        self.check_coordinator(id)?;
        let group = self
            .broker
            .groups
            .get(id)
            .ok_or(ResponseError::UnknownMemberId)?;
        self.broker.groups.change(&group, act)
    }

    pub(crate) fn heartbeat(&self, request: HeartbeatRequest) -> HeartbeatResponse {
        let instance = request.group_instance_id.as_ref();
        let beat = self.on_group(&request.group_id, |group, now| {
            group.heartbeat(&request.member_id, instance, request.generation_id, now)
        });
        HeartbeatResponse::default().with_error_code(code(beat))
    }

    pub(crate) fn leave_group(&self, request: LeaveGroupRequest) -> LeaveGroupResponse {
        if self.version < 3 {
            let left = self.on_group(&request.group_id, |group, now| {
                group.leave(&request.member_id, None, now)
            });
            return LeaveGroupResponse::default().with_error_code(code(left));
        }
        if let Err(error) = self.check_coordinator(&request.group_id) {
            return LeaveGroupResponse::default().with_error_code(error.code());
        }
        let members = request.members.into_iter().map(|member| {
            let instance = member.group_instance_id.clone();
            let left = self.on_group(&request.group_id, |group, now| {
                group.leave(&member.member_id, instance.as_ref(), now)
            });
            MemberResponse::default()
                .with_member_id(member.member_id)
                .with_group_instance_id(member.group_instance_id)
                .with_error_code(code(left))
        });
        LeaveGroupResponse::default().with_members(members.collect())
    }

    pub(crate) fn list_groups(&self, request: ListGroupsRequest) -> ListGroupsResponse {
        let kinds = &request.types_filter;
        let wants_classic = kinds.is_empty()
            || kinds
                .iter()
                .any(|kind| kind.eq_ignore_ascii_case("classic"));
        let states = &request.states_filter;
        let groups = self
            .broker
            .groups
            .all()
            .into_iter()
            .filter_map(|(id, group)| {
                let group = lock(&group);
                let state = group.state.name();
                let is_mine = self.broker.nodes.coordinator(&id) == Some(self.node);
                let is_wanted = wants_classic
                    && (states.is_empty()
                        || states
                            .iter()
                            .any(|wanted| wanted.eq_ignore_ascii_case(state)));
                (is_mine && is_wanted).then(|| {
                    ListedGroup::default()
                        .with_group_id(GroupId(StrBytes::from_string(id)))
                        .with_protocol_type(group.protocol_type.clone())
                        .with_group_state(StrBytes::from_static_str(state))
                        .with_group_type(StrBytes::from_static_str("classic"))
                })
            });
        let error = self.forced_whole().map_or(0, |error| error.code());
        ListGroupsResponse::default()
            .with_error_code(error)
            .with_groups(groups.collect())
    }

    pub(crate) fn describe_groups(&self, request: DescribeGroupsRequest) -> DescribeGroupsResponse {
        let groups = request.groups.into_iter().map(|id| {
            let described = DescribedGroup::default().with_group_id(id.clone());
            if let Err(error) = self.check_coordinator(&id) {
                return described.with_error_code(error.code());
            }
            match self.broker.groups.get(&id) {
                // Version 6 tells a missing group from a dead one.
                None if self.version >= 6 => described
                    .with_error_code(ResponseError::GroupIdNotFound.code())
                    .with_group_state(StrBytes::from_static_str("Dead")),
                None => described.with_group_state(StrBytes::from_static_str("Dead")),
                Some(group) => describe(&lock(&group), described),
            }
        });
        DescribeGroupsResponse::default().with_groups(groups.collect())
    }

    pub(crate) fn delete_groups(&self, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
        let results = request.groups_names.into_iter().map(|id| {
            let deleted = self.check_coordinator(&id).and_then(|()| {
                let group = self
                    .broker
                    .groups
                    .get(&id)
                    .ok_or(ResponseError::GroupIdNotFound)?;
                if !lock(&group).is_empty() {
                    return Err(ResponseError::NonEmptyGroup);
                }
                self.broker.groups.delete(&id);
                Ok(())
            });
            DeletableGroupResult::default()
                .with_group_id(id)
                .with_error_code(code(deleted))
        });
        DeleteGroupsResponse::default().with_results(results.collect())
    }
}

fn describe(group: &Group, described: DescribedGroup) -> DescribedGroup {
    let protocol = group.protocol.clone().unwrap_or_default();
    let members = group.members.iter().map(|(id, member)| {
        let metadata = member
            .protocols
            .iter()
            .find(|(name, _)| *name == protocol)
            .map(|(_, metadata)| metadata.clone());
        DescribedGroupMember::default()
            .with_member_id(id.clone())
            .with_group_instance_id(member.instance.clone())
            .with_client_id(member.client_id.clone())
            .with_client_host(StrBytes::from_string(member.client_host.clone()))
            .with_member_metadata(metadata.unwrap_or_default())
            .with_member_assignment(member.assignment.clone())
    });
    let members = members.collect();
    described
        .with_group_state(StrBytes::from_static_str(group.state.name()))
        .with_protocol_type(group.protocol_type.clone())
        .with_protocol_data(protocol)
        .with_members(members)
}
