//! Groups: members, and the offsets that they commit.

use super::wire::Client;
use super::{TOPIC, group, start, text, topic_name};
use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::StrBytes;

fn join(member_id: &StrBytes) -> JoinGroupRequest {
    let protocol = JoinGroupRequestProtocol::default()
        .with_name(text("sessioned"))
        .with_metadata(Bytes::from_static(b"me"));
    JoinGroupRequest::default()
        .with_group_id(group())
        .with_member_id(member_id.clone())
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(10_000)
        .with_protocol_type(text("connect"))
        .with_protocols(vec![protocol])
}

/// Joins in this version, with the detour over the promised id where there is one.
async fn join_as(client: &mut Client, version: i16, member_id: &StrBytes) -> JoinGroupResponse {
    let joined = client.call(version, &join(member_id)).await;
    if joined.error_code == ResponseError::MemberIdRequired.code() {
        return client.call(version, &join(&joined.member_id)).await;
    }
    joined
}

fn sync(joined: &JoinGroupResponse) -> SyncGroupRequest {
    let assignment = |member_id: &StrBytes| {
        SyncGroupRequestAssignment::default()
            .with_member_id(member_id.clone())
            .with_assignment(member_id.clone().into_bytes())
    };
    SyncGroupRequest::default()
        .with_group_id(group())
        .with_generation_id(joined.generation_id)
        .with_member_id(joined.member_id.clone())
        .with_assignments(
            joined
                .members
                .iter()
                .map(|member| assignment(&member.member_id))
                .collect(),
        )
}

#[tokio::test]
async fn two_members_of_any_protocol_type_share_in_every_version() {
    for version in 0..=9 {
        let (broker, mut one) = start().await;
        let mut two = Client::connect(broker.addresses()[0]).await;
        let first = join_as(&mut one, version, &StrBytes::new()).await;
        assert_eq!((first.error_code, first.members.len()), (0, 1));
        let beat = HeartbeatRequest::default()
            .with_group_id(group())
            .with_member_id(first.member_id.clone());
        let nobody = StrBytes::new();
        let (second, first) = tokio::join!(join_as(&mut two, version, &nobody), async {
            // The second member's wish shows in the first one's heartbeats.
            while one
                .call(3, &beat.clone().with_generation_id(1))
                .await
                .error_code
                != ResponseError::RebalanceInProgress.code()
            {
                tokio::task::yield_now().await;
            }
            one.call(version, &join(&first.member_id)).await
        });
        assert_eq!(
            (
                first.error_code,
                second.error_code,
                first.generation_id,
                second.generation_id
            ),
            (0, 0, 2, 2)
        );
        assert_eq!((first.members.len(), second.members.len()), (2, 0));
        let (requests, sync_version) = ((sync(&first), sync(&second)), version.min(5));
        let (a, b) = tokio::join!(
            one.call(sync_version, &requests.0),
            two.call(sync_version, &requests.1)
        );
        assert_eq!(
            (a.assignment, b.assignment),
            (first.member_id.into_bytes(), second.member_id.into_bytes())
        );
        assert_eq!(broker.group("group").unwrap().0, "Stable");
        for version in 0..=6 {
            let described = one
                .call(
                    version,
                    &DescribeGroupsRequest::default().with_groups(vec![group()]),
                )
                .await;
            assert_eq!(
                (
                    &*described.groups[0].protocol_type,
                    described.groups[0].members.len()
                ),
                ("connect", 2)
            );
        }
    }
}

#[tokio::test]
async fn keeps_offsets_with_their_metadata() {
    let (broker, mut client) = start().await;
    for version in 2..=9 {
        let part = OffsetCommitRequestPartition::default()
            .with_committed_offset(version.into())
            .with_committed_metadata(Some(text("note")));
        let topic = OffsetCommitRequestTopic::default()
            .with_name(topic_name())
            .with_partitions(vec![part]);
        let request = OffsetCommitRequest::default()
            .with_group_id(group())
            .with_generation_id_or_member_epoch(-1)
            .with_topics(vec![topic]);
        let response = client.call(version, &request).await;
        assert_eq!(response.topics[0].partitions[0].error_code, 0);
        assert_eq!(
            broker.committed("group", TOPIC, 0),
            Some((version.into(), "note".to_owned()))
        );
    }
    for version in 1..=7 {
        let topic = OffsetFetchRequestTopic::default()
            .with_name(topic_name())
            .with_partition_indexes(vec![0, 1]);
        let request = OffsetFetchRequest::default()
            .with_group_id(group())
            .with_topics(Some(vec![topic]));
        let response = client.call(version, &request).await;
        let parts = &response.topics[0].partitions;
        assert_eq!(
            (parts[0].committed_offset, parts[1].committed_offset),
            (9, -1)
        );
    }
    for version in 8..=9 {
        let topic = OffsetFetchRequestTopics::default()
            .with_name(topic_name())
            .with_partition_indexes(vec![0]);
        let asked = OffsetFetchRequestGroup::default()
            .with_group_id(group())
            .with_topics(Some(vec![topic]));
        let response = client
            .call(
                version,
                &OffsetFetchRequest::default().with_groups(vec![asked]),
            )
            .await;
        assert_eq!(
            response.groups[0].topics[0].partitions[0].committed_offset,
            9
        );
    }
}

#[tokio::test]
async fn a_dead_member_is_noticed() {
    let (broker, mut client) = start().await;
    let request = join(&StrBytes::new()).with_session_timeout_ms(20);
    let joined = client.call(3, &request).await;
    client.call(3, &sync(&joined)).await;
    assert_eq!(broker.group("group").unwrap().1.len(), 1);
    while broker.group("group").unwrap().0 != "Empty" {
        tokio::task::yield_now().await;
    }
    assert!(broker.group("group").unwrap().1.is_empty());
}
