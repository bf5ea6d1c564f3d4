//! The internal topics against a broker: missing, there, unfit, and made by several workers at once.

#![allow(clippy::unwrap_used)]

use millstream_core::Properties;
use millstream_distributed::topics::{TopicError, prepare};
use millstream_embedded::broker::{ApiAction, ApiCap, ApiFault, ApiKey, Broker, BrokerSettings};
use millstream_kafka::{Admin, ClientSettings};
use millstream_worker::config::DistributedConfig;

async fn broker(cap: Option<ApiCap>) -> Broker {
    let settings = BrokerSettings {
        auto_create_topics: false,
        default_partitions: 7,
        cap,
        ..BrokerSettings::of_nodes(1)
    };
    Broker::start(settings).await.unwrap()
}

fn settings(broker: &Broker, more: &[(&str, &str)]) -> Properties {
    let mut settings = Properties::from_iter([
        ("group.id", "g"),
        ("config.storage.topic", "c"),
        ("offset.storage.topic", "o"),
        ("status.storage.topic", "s"),
        ("config.storage.replication.factor", "1"),
        ("offset.storage.replication.factor", "1"),
        ("status.storage.replication.factor", "1"),
        ("retry.backoff.ms", "20"),
        ("default.api.timeout.ms", "5000"),
    ]);
    settings.insert("bootstrap.servers", broker.bootstrap());
    for (key, value) in more {
        settings.insert(*key, *value);
    }
    settings
}

fn admin(broker: &Broker) -> Admin {
    Admin::new(ClientSettings::from_properties(&settings(broker, &[])).unwrap())
}

async fn attempt(broker: &Broker, more: &[(&str, &str)]) -> Result<(), TopicError> {
    let settings = settings(broker, more);
    let config = DistributedConfig::read(&settings).unwrap();
    prepare(&admin(broker), &config, &settings).await
}

/// Of the three topics, in the order o, s, c: partitions and a setting.
async fn shown(broker: &Broker, setting: &str) -> Vec<(i32, String)> {
    let admin = admin(broker);
    let mut shown = Vec::new();
    for name in ["o", "s", "c"] {
        let found = admin.describe_topics(&[name.to_owned()]).await.unwrap();
        let value = admin.topic_config(name, setting).await.unwrap();
        shown.push((found[name].partitions, value.unwrap_or_default()));
    }
    shown
}

fn with(partitions: [i32; 3], value: &str) -> Vec<(i32, String)> {
    let each = partitions.into_iter();
    each.map(|partitions| (partitions, value.to_owned()))
        .collect()
}

#[tokio::test]
async fn topics_that_are_missing_are_made_once() {
    let broker = broker(None).await;
    let more = [
        ("status.storage.cleanup.policy", "delete"),
        ("config.storage.partitions", "9"),
        ("status.storage.segment.ms", "5000"),
    ];
    let both = tokio::join!(attempt(&broker, &more), attempt(&broker, &more));
    both.0.unwrap();
    both.1.unwrap();
    assert_eq!(
        shown(&broker, "cleanup.policy").await,
        with([25, 5, 1], "compact")
    );
    assert_eq!(shown(&broker, "segment.ms").await[1].1, "5000");
}

#[tokio::test]
async fn the_brokers_defaults_are_taken_from_old_and_new_ones() {
    for cap in [None, Some(ApiCap::V2_2)] {
        let broker = broker(cap).await;
        let more = [
            ("offset.storage.partitions", "-1"),
            ("offset.storage.replication.factor", "-1"),
            ("status.storage.replication.factor", "-1"),
            ("config.storage.replication.factor", "-1"),
        ];
        attempt(&broker, &more).await.unwrap();
        let shown = shown(&broker, "cleanup.policy").await;
        assert_eq!(shown, with([7, 5, 1], "compact"), "{cap:?}");
    }
}

#[tokio::test]
async fn what_is_unfit_is_refused_in_java_s_words_and_repaired_where_that_is_allowed() {
    let broker = broker(None).await;
    attempt(&broker, &[]).await.unwrap();
    let admin = admin(&broker);
    for found in ["delete", "compact,delete"] {
        admin
            .set_topic_config("s", "cleanup.policy", found)
            .await
            .unwrap();
        let error = attempt(&broker, &[]).await.unwrap_err();
        assert!(!error.is_transient());
        let text = error.to_string();
        let expected = format!(
            "Topic 's' supplied via the 'status.storage.topic' property is required to have 'cleanup.policy=compact' to guarantee consistency and durability of connector and task statuses, but found the topic currently has 'cleanup.policy={found}'."
        );
        assert!(text.starts_with(&expected), "{text}");
        let fix = [("millstream.fix.internal.topics", "true")];
        attempt(&broker, &fix).await.unwrap();
        attempt(&broker, &[]).await.unwrap();
    }
}

#[tokio::test]
async fn the_topic_of_configurations_has_one_partition() {
    let broker = broker(None).await;
    broker.create_topic("c", 2).unwrap();
    let error = attempt(&broker, &[]).await.unwrap_err().to_string();
    assert_eq!(
        error,
        "Topic 'c' supplied via the 'config.storage.topic' property is required to have a single partition in order to guarantee consistency of connector configurations, but found 2 partitions."
    );
}

#[tokio::test]
async fn nothing_is_made_where_that_is_forbidden() {
    let broker = broker(None).await;
    let more = [("internal.topics.automatic.creation.enable", "false")];
    let error = attempt(&broker, &more).await.unwrap_err().to_string();
    assert!(
        error
            .starts_with("Topic 'o' specified via the 'offset.storage.topic' property is missing."),
        "{error}"
    );
    assert!(admin(&broker).list_topics().await.unwrap().is_empty());
}

#[tokio::test]
async fn too_many_replicas_are_told_with_the_topic() {
    let broker = broker(None).await;
    let more = [("offset.storage.replication.factor", "3")];
    let error = attempt(&broker, &more).await.unwrap_err();
    let text = error.to_string();
    assert!(!error.is_transient());
    assert!(
        text.starts_with("Error while attempting to create/find topic(s) 'o': ")
            && text.contains("replication factor of 3 cannot be reached"),
        "{text}"
    );
}

/// Who may not read a topic's settings has to trust in them, as in Java.
#[tokio::test]
async fn a_policy_that_cannot_be_read_is_no_reason_to_end() {
    let broker = broker(None).await;
    let refused = ApiFault::new(ApiKey::DescribeConfigs, ApiAction::Error(29));
    broker.faults().add(refused.times(100));
    attempt(&broker, &[]).await.unwrap();
}
