//! The embedded broker, asked with raw requests in every version it serves.
#![allow(clippy::unwrap_used)]

mod groups;
mod records;
mod wire;

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
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
