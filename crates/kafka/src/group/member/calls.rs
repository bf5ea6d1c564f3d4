//! What a member says to its coordinator, in the versions that both speak.

use super::{JOIN_GRACE, Member, Offer};
use crate::error::KafkaError;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    GroupId, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
    SyncGroupRequest, SyncGroupResponse,
};
use kafka_protocol::protocol::StrBytes;
use std::time::Duration;

impl Member {
    pub(super) async fn join(&mut self, offers: &[Offer]) -> Result<JoinGroupResponse, KafkaError> {
        let limit = (self.settings.rebalance_timeout + JOIN_GRACE)
            .max(self.cluster.settings().request_timeout());
        loop {
            let connection = self.coordinator().await?;
            let response = connection
                .request_within(limit, |version| {
                    let mut request = JoinGroupRequest::default()
                        .with_group_id(self.group_id())
                        .with_session_timeout_ms(millis(self.settings.session_timeout))
                        .with_rebalance_timeout_ms(if version >= 1 {
                            millis(self.settings.rebalance_timeout)
                        } else {
                            -1
                        })
                        .with_member_id(self.id.clone())
                        .with_protocol_type(StrBytes::from_static_str(self.settings.protocol_type))
                        .with_protocols(offers.iter().map(protocol).collect());
                    if version >= 5 {
                        request.group_instance_id = self.instance_id();
                    }
                    request
                })
                .await?;
            // The broker names new members first, so that one which dies at once leaves nothing behind.
            if ResponseError::try_from_code(response.error_code)
                == Some(ResponseError::MemberIdRequired)
            {
                self.id = response.member_id;
                continue;
            }
            self.check(response.error_code, "join")?;
            self.id = response.member_id.clone();
            self.generation = response.generation_id;
            return Ok(response);
        }
    }

    pub(super) async fn sync(
        &mut self,
        joined: &JoinGroupResponse,
        assignments: Vec<Offer>,
    ) -> Result<SyncGroupResponse, KafkaError> {
        let limit = (self.settings.rebalance_timeout + JOIN_GRACE)
            .max(self.cluster.settings().request_timeout());
        let connection = self.coordinator().await?;
        let response = connection
            .request_within(limit, |version| {
                let mut request = SyncGroupRequest::default()
                    .with_group_id(self.group_id())
                    .with_generation_id(self.generation)
                    .with_member_id(self.id.clone())
                    .with_assignments(
                        assignments
                            .into_iter()
                            .map(|(member, assignment)| {
                                SyncGroupRequestAssignment::default()
                                    .with_member_id(StrBytes::from_string(member))
                                    .with_assignment(assignment)
                            })
                            .collect(),
                    );
                if version >= 3 {
                    request.group_instance_id = self.instance_id();
                }
                if version >= 5 {
                    request.protocol_type =
                        Some(StrBytes::from_static_str(self.settings.protocol_type));
                    request.protocol_name = joined.protocol_name.clone();
                }
                request
            })
            .await?;
        self.check(response.error_code, "sync")?;
        Ok(response)
    }

    pub(super) async fn heartbeat(&mut self) -> Result<(), KafkaError> {
        let connection = self.coordinator().await?;
        let response = connection
            .request_within(
                // Time is left to find another coordinator before the session ends.
                (self.settings.session_timeout / 3).min(self.cluster.settings().request_timeout()),
                |version| {
                    let mut request = HeartbeatRequest::default()
                        .with_group_id(self.group_id())
                        .with_generation_id(self.generation)
                        .with_member_id(self.id.clone());
                    if version >= 3 {
                        request.group_instance_id = self.instance_id();
                    }
                    request
                },
            )
            .await?;
        self.check(response.error_code, "heartbeat in")
    }

    pub(super) async fn leave(&mut self) {
        if self.id.is_empty() {
            return;
        }
        if self.is_joining
            && let Some((_, connection)) = &self.coordinator
        {
            connection.close();
        }
        let Ok(connection) = self.coordinator().await else {
            return;
        };
        // A static member's absence is what its session timeout is for; brokers before 2.3 know no such members.
        let knows_static = connection
            .version_of::<JoinGroupRequest>()
            .is_ok_and(|v| v >= 5);
        if self.settings.instance_id.is_some() && knows_static {
            return;
        }
        let result = connection
            .request(|version| {
                let request = LeaveGroupRequest::default().with_group_id(self.group_id());
                if version >= 3 {
                    let member = MemberIdentity::default().with_member_id(self.id.clone());
                    request.with_members(vec![member])
                } else {
                    request.with_member_id(self.id.clone())
                }
            })
            .await;
        if let Err(error) = result {
            tracing::debug!(group = %self.settings.group_id, %error, "leave group failed");
        }
    }

    fn check(&self, code: i16, operation: &str) -> Result<(), KafkaError> {
        if code == 0 {
            return Ok(());
        }
        Err(KafkaError::response(
            format!("{operation} group {}", self.settings.group_id),
            code,
        ))
    }

    fn group_id(&self) -> GroupId {
        GroupId(StrBytes::from_string(self.settings.group_id.clone()))
    }

    fn instance_id(&self) -> Option<StrBytes> {
        self.settings.instance_id.clone().map(StrBytes::from_string)
    }
}

fn protocol((name, metadata): &Offer) -> JoinGroupRequestProtocol {
    JoinGroupRequestProtocol::default()
        .with_name(StrBytes::from_string(name.clone()))
        .with_metadata(metadata.clone())
}

fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
