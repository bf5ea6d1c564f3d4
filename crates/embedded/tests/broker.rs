//! The embedded broker, asked with raw requests in every version it serves.
#![allow(clippy::unwrap_used)]

mod wire;

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::StrBytes;
use millstream_embedded::broker::{
    ApiAction, ApiCap, ApiFault, BatchBuilder, Broker, BrokerSettings,
};
use millstream_embedded::faults::{FaultProxy, Faults};
use uuid::Uuid;
use wire::Client;

const TOPIC: &str = "orders";

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn topic_name() -> TopicName {
    TopicName(text(TOPIC))
}

fn group() -> GroupId {
    GroupId(text("group"))
}

fn batch(values: &[&str]) -> Bytes {
    let mut batch = BatchBuilder::new();
    for value in values {
        batch.push(1_000, None, Some(value.as_bytes()), &[]);
    }
    batch.finish()
}

async fn start() -> (Broker, Client) {
    let broker = Broker::start(BrokerSettings::default()).await.unwrap();
    let client = Client::connect(broker.addresses()[0]).await;
    broker.create_topic(TOPIC, 1).unwrap();
    (broker, client)
}

fn produce(records: Bytes) -> ProduceRequest {
    let part = PartitionProduceData::default()
        .with_index(0)
        .with_records(Some(records));
    let topic = TopicProduceData::default()
        .with_name(topic_name())
        .with_partition_data(vec![part]);
    ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(1_000)
        .with_topic_data(vec![topic])
}

fn fetch(offset: i64, max_bytes: i32, committed: bool, id: Option<Uuid>) -> FetchRequest {
    let part = FetchPartition::default()
        .with_fetch_offset(offset)
        .with_partition_max_bytes(max_bytes);
    let topic = FetchTopic::default().with_partitions(vec![part]);
    let topic = match id {
        None => topic.with_topic(topic_name()),
        Some(id) => topic.with_topic_id(id),
    };
    FetchRequest::default()
        .with_max_wait_ms(10_000)
        .with_min_bytes(0)
        .with_max_bytes(max_bytes)
        .with_isolation_level(i8::from(committed))
        .with_topics(vec![topic])
}

fn only(response: &FetchResponse) -> &PartitionData {
    &response.responses[0].partitions[0]
}

async fn topic_id(client: &mut Client) -> Uuid {
    client
        .call(10, &MetadataRequest::default().with_topics(None))
        .await
        .topics[0]
        .topic_id
}

/// Sends a request in each version of the range; none may close the connection or leave bytes over.
macro_rules! in_versions {
    ($client:expr, $range:expr, $request:expr) => {
        for version in $range {
            let _ = $client.call(version, &$request).await;
        }
    };
}

#[tokio::test]
async fn answers_every_version_of_every_request() {
    let (_broker, mut client) = start().await;
    in_versions!(client, 0..=4, ApiVersionsRequest::default());
    in_versions!(client, 0..=13, MetadataRequest::default());
    in_versions!(client, 3..=13, ProduceRequest::default().with_acks(1));
    in_versions!(client, 4..=18, FetchRequest::default());
    in_versions!(client, 1..=10, ListOffsetsRequest::default());
    in_versions!(client, 2..=9, OffsetCommitRequest::default());
    in_versions!(client, 1..=9, OffsetFetchRequest::default());
    in_versions!(
        client,
        0..=3,
        FindCoordinatorRequest::default().with_key(text("g"))
    );
    in_versions!(
        client,
        4..=6,
        FindCoordinatorRequest::default().with_coordinator_keys(vec![text("g")])
    );
    in_versions!(client, 0..=9, JoinGroupRequest::default());
    in_versions!(
        client,
        0..=5,
        SyncGroupRequest::default().with_group_id(group())
    );
    in_versions!(
        client,
        0..=4,
        HeartbeatRequest::default().with_group_id(group())
    );
    in_versions!(
        client,
        0..=5,
        LeaveGroupRequest::default().with_group_id(group())
    );
    in_versions!(
        client,
        0..=6,
        DescribeGroupsRequest::default().with_groups(vec![group()])
    );
    in_versions!(client, 0..=5, ListGroupsRequest::default());
    in_versions!(
        client,
        0..=2,
        DeleteGroupsRequest::default().with_groups_names(vec![group()])
    );
    in_versions!(client, 2..=7, CreateTopicsRequest::default());
    in_versions!(
        client,
        1..=5,
        DeleteTopicsRequest::default().with_topic_names(vec![TopicName(text("none"))])
    );
    in_versions!(client, 6..=6, DeleteTopicsRequest::default());
    in_versions!(client, 0..=2, DeleteRecordsRequest::default());
    in_versions!(client, 0..=3, CreatePartitionsRequest::default());
    in_versions!(client, 0..=5, InitProducerIdRequest::default());
    in_versions!(client, 2..=4, OffsetForLeaderEpochRequest::default());
    in_versions!(client, 0..=3, AddPartitionsToTxnRequest::default());
    in_versions!(client, 0..=3, AddOffsetsToTxnRequest::default());
    in_versions!(client, 0..=3, TxnOffsetCommitRequest::default());
    in_versions!(client, 0..=3, EndTxnRequest::default());
    in_versions!(client, 1..=4, DescribeConfigsRequest::default());
    in_versions!(client, 0..=2, AlterConfigsRequest::default());
    in_versions!(client, 0..=1, IncrementalAlterConfigsRequest::default());
    in_versions!(
        client,
        0..=0,
        OffsetDeleteRequest::default().with_group_id(group())
    );
    in_versions!(client, 0..=2, DescribeClusterRequest::default());
}

#[tokio::test]
async fn creates_topics_in_every_version() {
    let (_broker, mut client) = start().await;
    for version in 2..=7 {
        let name = TopicName(text(&format!("v{version}")));
        let topic = CreatableTopic::default()
            .with_name(name.clone())
            .with_num_partitions(2)
            .with_replication_factor(1);
        let request = CreateTopicsRequest::default().with_topics(vec![topic]);
        assert_eq!(client.call(version, &request).await.topics[0].error_code, 0);
        assert_eq!(
            client.call(version, &request).await.topics[0].error_code,
            ResponseError::TopicAlreadyExists.code()
        );
    }
    for version in 0..=13 {
        let asked = MetadataRequestTopic::default().with_name(Some(TopicName(text("v7"))));
        let request = MetadataRequest::default().with_topics(Some(vec![asked]));
        assert_eq!(
            client.call(version, &request).await.topics[0]
                .partitions
                .len(),
            2
        );
    }
}

#[tokio::test]
async fn stores_batches_as_they_come_and_serves_them_whole() {
    let (broker, mut client) = start().await;
    let both = [batch(&["a", "b"]), batch(&["c"])].concat();
    for (turn, version) in (3..=12).enumerate() {
        let response = client
            .call(version, &produce(Bytes::from(both.clone())))
            .await;
        let part = &response.responses[0].partition_responses[0];
        assert_eq!((part.error_code, part.base_offset), (0, turn as i64 * 3));
    }
    let id = topic_id(&mut client).await;
    for version in 4..=18 {
        let id = (version >= 13).then_some(id);
        let response = client.call(version, &fetch(1, 1, false, id)).await;
        let part = only(&response);
        assert_eq!(
            (
                part.error_code,
                part.high_watermark,
                part.last_stable_offset
            ),
            (0, 30, 30)
        );
        let records = part.records.as_ref().unwrap();
        assert_eq!(
            records[..8],
            0i64.to_be_bytes(),
            "the batch that holds offset 1 begins at 0"
        );
        assert_eq!(records[17..], batch(&["a", "b"])[17..]);
        let whole = client.call(version, &fetch(0, 1_000_000, false, id)).await;
        assert_eq!(
            only(&whole).records.as_ref().unwrap().len(),
            both.len() * 10
        );
    }
    let values: Vec<_> = broker
        .read(TOPIC, 0)
        .unwrap()
        .into_iter()
        .map(|record| (record.offset, record.value.unwrap()))
        .collect();
    assert_eq!(values[29], (29, Bytes::from_static(b"c")));
}

#[tokio::test]
async fn refuses_what_it_may_not_store() {
    let (_broker, mut client) = start().await;
    let mut torn = batch(&["a"]).to_vec();
    *torn.last_mut().unwrap() ^= 1;
    let huge = "x".repeat(1_100_000);
    let cases = [
        (Bytes::from(torn), ResponseError::CorruptMessage),
        (batch(&[&huge]), ResponseError::MessageTooLarge),
        (batch(&["a"]).slice(..30), ResponseError::CorruptMessage),
    ];
    for (records, expected) in cases {
        let response = client.call(9, &produce(records)).await;
        assert_eq!(
            response.responses[0].partition_responses[0].error_code,
            expected.code()
        );
    }
}

#[tokio::test]
async fn a_fetch_waits_for_records() {
    let (broker, mut client) = start().await;
    let request = fetch(0, 1_000, false, None).with_min_bytes(1);
    let (response, _) = tokio::join!(client.call(11, &request), async {
        broker.produce(TOPIC, 0, None, Some(b"late")).unwrap();
    });
    assert!(!only(&response).records.as_ref().unwrap().is_empty());
    let nothing = client
        .call(
            11,
            &fetch(1, 1_000, false, None)
                .with_min_bytes(1)
                .with_max_wait_ms(5),
        )
        .await;
    assert_eq!(only(&nothing).records.as_ref().unwrap().len(), 0);
    let beyond = client
        .call(11, &fetch(5, 1_000, false, None).with_min_bytes(1))
        .await;
    assert_eq!(
        only(&beyond).error_code,
        ResponseError::OffsetOutOfRange.code()
    );
}

#[tokio::test]
async fn a_session_tells_only_news() {
    let (broker, mut client) = start().await;
    let begin = fetch(0, 1_000, false, None).with_session_epoch(0);
    let first = client.call(11, &begin).await;
    let id = first.session_id;
    assert!(id != 0 && first.responses.len() == 1);
    let again = |epoch: i32| {
        FetchRequest::default()
            .with_max_bytes(1_000)
            .with_session_id(id)
            .with_session_epoch(epoch)
    };
    assert_eq!(client.call(11, &again(1)).await.responses.len(), 0);
    broker.produce(TOPIC, 0, None, Some(b"news")).unwrap();
    let news = client.call(11, &again(2)).await;
    assert_eq!((only(&news).high_watermark, news.session_id), (1, id));
    assert_eq!(
        client.call(11, &again(2)).await.error_code,
        ResponseError::InvalidFetchSessionEpoch.code()
    );
    let moved = fetch(1, 1_000, false, None)
        .with_session_id(id)
        .with_session_epoch(3);
    assert_eq!(client.call(11, &moved).await.responses.len(), 0);
    broker
        .faults()
        .add(ApiFault::new(ApiKey::Fetch, ApiAction::Error(6)).on_topic(TOPIC));
    assert_eq!(only(&client.call(11, &again(4)).await).error_code, 6);
    assert_eq!(
        client.call(11, &again(5)).await.responses.len(),
        1,
        "well again is news"
    );
    let forgotten = ForgottenTopic::default()
        .with_topic(topic_name())
        .with_partitions(vec![0]);
    assert_eq!(
        client
            .call(11, &again(6).with_forgotten_topics_data(vec![forgotten]))
            .await
            .responses
            .len(),
        0
    );
    broker.produce(TOPIC, 0, None, Some(b"unheard")).unwrap();
    assert_eq!(client.call(11, &again(7)).await.responses.len(), 0);
    assert_eq!(client.call(11, &again(-1)).await.session_id, 0);
    assert_eq!(
        client.call(11, &again(8)).await.error_code,
        ResponseError::FetchSessionIdNotFound.code()
    );
}

#[tokio::test]
async fn speaks_like_an_older_release() {
    let settings = BrokerSettings {
        cap: Some(ApiCap::V2_2),
        ..BrokerSettings::default()
    };
    let broker = Broker::start(settings).await.unwrap();
    let mut client = Client::connect(broker.addresses()[0]).await;
    client.send(4, &ApiVersionsRequest::default()).await;
    let mut answer = client.read().await.unwrap().slice(4..);
    let refused =
        <ApiVersionsResponse as kafka_protocol::protocol::Decodable>::decode(&mut answer, 0)
            .unwrap();
    assert_eq!(refused.error_code, ResponseError::UnsupportedVersion.code());
    let versions = client.call(2, &ApiVersionsRequest::default()).await;
    let fetch = versions
        .api_keys
        .iter()
        .find(|api| api.api_key == ApiKey::Fetch as i16)
        .unwrap();
    assert_eq!((fetch.min_version, fetch.max_version), (4, 10));
    assert!(
        client
            .try_call(11, &FetchRequest::default())
            .await
            .is_none()
    );
}

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
async fn finds_offsets_by_time() {
    let (broker, mut client) = start().await;
    for time in [100, 200, 300] {
        let mut batch = BatchBuilder::new();
        batch.push(time, None, Some(b"a"), &[]);
        batch.push(time + 50, None, Some(b"b"), &[]);
        broker.append(TOPIC, 0, &batch.finish()).unwrap();
    }
    for version in 1..=10 {
        for (timestamp, expected) in [(-1, 6), (-2, 0), (0, 0), (201, 3), (350, 5), (351, -1)] {
            let part = ListOffsetsPartition::default()
                .with_timestamp(timestamp)
                .with_current_leader_epoch(-1);
            let topic = ListOffsetsTopic::default()
                .with_name(topic_name())
                .with_partitions(vec![part]);
            let response = client
                .call(
                    version,
                    &ListOffsetsRequest::default().with_topics(vec![topic]),
                )
                .await;
            assert_eq!(
                response.topics[0].partitions[0].offset, expected,
                "time {timestamp} in version {version}"
            );
        }
    }
}

#[tokio::test]
async fn only_the_leader_serves_a_partition() {
    let broker = Broker::start(BrokerSettings::of_nodes(3)).await.unwrap();
    broker.create_topic(TOPIC, 1).unwrap();
    broker.move_leader(TOPIC, 0, 2).unwrap();
    let mut others = Client::connect(broker.addresses()[0]).await;
    let mut leader = Client::connect(broker.addresses()[1]).await;
    let code = |response: ProduceResponse| response.responses[0].partition_responses[0].error_code;
    assert_eq!(
        code(others.call(9, &produce(batch(&["a"]))).await),
        ResponseError::NotLeaderOrFollower.code()
    );
    assert_eq!(code(leader.call(9, &produce(batch(&["a"]))).await), 0);
    broker.stop_node(2);
    assert!(leader.try_call(9, &produce(batch(&["b"]))).await.is_none());
    let metadata = others
        .call(9, &MetadataRequest::default().with_topics(None))
        .await;
    let heir = metadata.topics[0].partitions[0].leader_id;
    assert_eq!(
        (
            metadata.brokers.len(),
            heir.0,
            metadata.topics[0].partitions[0].leader_epoch
        ),
        (2, 1, 2)
    );
    assert_eq!(code(others.call(9, &produce(batch(&["b"]))).await), 0);
    broker.start_node(2).await.unwrap();
    assert_eq!(
        others
            .call(9, &MetadataRequest::default().with_topics(None))
            .await
            .brokers
            .len(),
        3
    );
}

#[tokio::test]
async fn plays_the_faults_it_is_told_to() {
    let (broker, mut client) = start().await;
    let code = |response: ProduceResponse| response.responses[0].partition_responses[0].error_code;
    broker.faults().add(
        ApiFault::new(ApiKey::Produce, ApiAction::Error(6))
            .on_topic(TOPIC)
            .nth(2),
    );
    assert_eq!(code(client.call(9, &produce(batch(&["a"]))).await), 0);
    assert_eq!(code(client.call(9, &produce(batch(&["b"]))).await), 6);
    broker
        .faults()
        .add(ApiFault::new(ApiKey::Produce, ApiAction::LoseAnswer));
    assert!(client.try_call(9, &produce(batch(&["c"]))).await.is_none());
    assert_eq!(
        broker.offsets(TOPIC, 0),
        Ok((0, 2)),
        "a lost answer was still a success"
    );
    let mut client = Client::connect(broker.addresses()[0]).await;
    broker
        .faults()
        .add(ApiFault::new(ApiKey::Heartbeat, ApiAction::Error(27)));
    assert_eq!(
        client
            .call(3, &HeartbeatRequest::default().with_group_id(group()))
            .await
            .error_code,
        27
    );
    broker
        .faults()
        .add(ApiFault::new(ApiKey::Fetch, ApiAction::Disconnect));
    assert!(
        client
            .try_call(11, &fetch(0, 1_000, false, None))
            .await
            .is_none()
    );
    assert_eq!(broker.offsets(TOPIC, 0), Ok((0, 2)));
}

#[tokio::test]
async fn a_proxy_stands_in_front_of_a_node() {
    let (broker, _) = start().await;
    let proxy = FaultProxy::start(broker.addresses()[0]).await.unwrap();
    broker.advertise(1, proxy.address());
    let mut client = Client::connect(proxy.address()).await;
    let metadata = client.call(9, &MetadataRequest::default()).await;
    assert_eq!(metadata.brokers[0].port, i32::from(proxy.address().port()));
    broker
        .produce(TOPIC, 0, None, Some(&[b'x'; 1_000]))
        .unwrap();
    proxy.set(Faults {
        cut_answers_after: Some(500),
        ..Faults::default()
    });
    assert!(
        client
            .try_call(11, &fetch(0, 10_000, false, None))
            .await
            .is_none()
    );
    proxy.heal();
    let mut client = Client::connect(proxy.address()).await;
    assert_eq!(
        only(&client.call(11, &fetch(0, 10_000, false, None)).await).error_code,
        0
    );
    proxy.drop_connections();
    assert!(
        client
            .try_call(11, &fetch(0, 10_000, false, None))
            .await
            .is_none()
    );
    assert_eq!(proxy.accepted(), 2);
}

#[tokio::test]
async fn a_folder_outlives_the_broker() {
    let folder = tempfile::tempdir().unwrap();
    let settings = || BrokerSettings {
        folder: Some(folder.path().to_owned()),
        ..BrokerSettings::default()
    };
    let broker = Broker::start(settings()).await.unwrap();
    broker
        .create_topic_with(TOPIC, 2, &[("cleanup.policy", "compact")])
        .unwrap();
    broker.create_topic("gone", 1).unwrap();
    broker.produce("gone", 0, None, Some(b"x")).unwrap();
    broker.delete_topic("gone").unwrap();
    for value in ["a", "b", "c"] {
        broker
            .produce(TOPIC, 1, Some(b"k"), Some(value.as_bytes()))
            .unwrap();
    }
    broker.delete_records(TOPIC, 1, 1).unwrap();
    let mut client = Client::connect(broker.addresses()[0]).await;
    let id = topic_id(&mut client).await;
    let part = OffsetCommitRequestPartition::default()
        .with_committed_offset(2)
        .with_committed_metadata(Some(text("m")));
    let topic = OffsetCommitRequestTopic::default()
        .with_name(topic_name())
        .with_partitions(vec![part]);
    let commit = OffsetCommitRequest::default()
        .with_group_id(group())
        .with_generation_id_or_member_epoch(-1);
    client.call(8, &commit.with_topics(vec![topic])).await;
    drop(client);
    broker.shutdown().await;

    let broker = Broker::start(settings()).await.unwrap();
    assert_eq!(broker.topics(), vec![TOPIC.to_owned()]);
    assert_eq!(broker.offsets(TOPIC, 1), Ok((1, 3)));
    assert_eq!(
        broker.read(TOPIC, 1).unwrap()[0].value,
        Some(Bytes::from_static(b"b"))
    );
    assert_eq!(
        broker.committed("group", TOPIC, 0),
        Some((2, "m".to_owned()))
    );
    let mut client = Client::connect(broker.addresses()[0]).await;
    assert_eq!(topic_id(&mut client).await, id);
    assert_eq!(broker.produce(TOPIC, 1, Some(b"k"), Some(b"d")), Ok(3));
    broker.compact(TOPIC, 1).unwrap();
    broker.move_leader(TOPIC, 1, 1).unwrap();
    broker.shutdown().await;

    let broker = Broker::start(settings()).await.unwrap();
    let records = broker.read(TOPIC, 1).unwrap();
    assert_eq!(
        (records.len(), records[0].offset, broker.offsets(TOPIC, 1)),
        (1, 3, Ok((1, 4)))
    );
    let mut client = Client::connect(broker.addresses()[0]).await;
    let metadata = client
        .call(9, &MetadataRequest::default().with_topics(None))
        .await;
    assert_eq!(
        metadata.topics[0].partitions[1].leader_epoch, 1,
        "an epoch never falls back"
    );
}

#[tokio::test]
async fn transactions_show_only_what_was_committed() {
    let (broker, mut client) = start().await;
    let id = TransactionalId(text("tx"));
    let init = InitProducerIdRequest::default()
        .with_transactional_id(Some(id.clone()))
        .with_transaction_timeout_ms(60_000);
    let init = init
        .with_producer_id(ProducerId(-1))
        .with_producer_epoch(-1);
    let given = client.call(2, &init).await;
    let (producer, epoch) = (given.producer_id, given.producer_epoch);
    let topic = AddPartitionsToTxnTopic::default()
        .with_name(topic_name())
        .with_partitions(vec![0]);
    let add = AddPartitionsToTxnRequest::default()
        .with_v3_and_below_transactional_id(id.clone())
        .with_v3_and_below_producer_id(producer)
        .with_v3_and_below_producer_epoch(epoch)
        .with_v3_and_below_topics(vec![topic]);
    let end = EndTxnRequest::default()
        .with_transactional_id(id.clone())
        .with_producer_id(producer)
        .with_producer_epoch(epoch);
    for (sequence, committed) in [(0, false), (1, true)] {
        assert_eq!(
            client.call(2, &add).await.results_by_topic_v3_and_below[0].results_by_partition[0]
                .partition_error_code,
            0
        );
        let mut batch = BatchBuilder::of_producer(producer.0, epoch, sequence, true);
        batch.push(1, None, Some(b"v"), &[]);
        let request = produce(batch.finish()).with_transactional_id(Some(id.clone()));
        client.call(7, &request).await;
        let open = client.call(11, &fetch(0, 10_000, true, None)).await;
        assert_eq!(only(&open).last_stable_offset, i64::from(sequence) * 2);
        assert_eq!(
            client
                .call(2, &end.clone().with_committed(committed))
                .await
                .error_code,
            0
        );
    }
    let done = client.call(11, &fetch(0, 10_000, true, None)).await;
    let aborted = only(&done).aborted_transactions.as_ref().unwrap();
    assert_eq!(
        (
            aborted.len(),
            aborted[0].producer_id,
            aborted[0].first_offset
        ),
        (1, producer, 0)
    );
    assert_eq!(
        (only(&done).last_stable_offset, broker.offsets(TOPIC, 0)),
        (4, Ok((0, 4)))
    );
    let newer = client.call(2, &init).await;
    assert_eq!(
        (newer.producer_id, newer.producer_epoch),
        (producer, epoch + 1)
    );
    assert_eq!(
        client.call(2, &end).await.error_code,
        ResponseError::ProducerFenced.code()
    );
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
