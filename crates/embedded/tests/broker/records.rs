//! What is stored and served: batches, offsets by time, sessions, transactions.

use super::wire::Client;
use super::{TOPIC, batch, fetch, group, only, produce, start, text, topic_id, topic_name};
use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::fetch_request::ForgottenTopic;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::*;
use millstream_embedded::broker::{ApiAction, ApiFault, BatchBuilder, Broker, BrokerSettings};

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
