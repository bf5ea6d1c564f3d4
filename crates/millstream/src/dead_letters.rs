//! The dead-letter topic of a connector: made at the task's start if it is missing, written by a producer of the task's own.

use millstream_core::Properties;
use millstream_kafka::admin::NewTopic;
use millstream_kafka::{
    Admin, ClientConfig, KafkaError, KafkaProducer, ProducerConfig, ResponseError,
};
use millstream_runtime::TaskFailure;
use millstream_runtime::dead_letter::DeadLetters;
use millstream_worker::{TaskStart, client_settings};
use std::sync::Arc;

/// Replicas of a dead-letter topic unless the connector says otherwise.
const REPLICATION: i16 = 3;

const CONNECT_EXCEPTION: &str = "org.apache.kafka.connect.errors.ConnectException";

/// Opens the connector's dead-letter topic, if it names one.
pub(crate) async fn open(start: &TaskStart) -> Result<Option<DeadLetters>, TaskFailure> {
    let connector = &start.connector_config;
    let Some(topic) = topic(connector) else {
        return Ok(None);
    };
    create(start, topic).await?;
    let settings =
        client_settings::dead_letter_producer(&start.worker_config, connector, &start.id);
    let config = ProducerConfig::from_properties(&settings)
        .map_err(|error| TaskFailure::new(CONNECT_EXCEPTION, &error.to_string()))?;
    let with_context = text(connector, "errors.deadletterqueue.context.headers.enable")
        .is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let writer = Arc::new(KafkaProducer::start(config));
    Ok(Some(DeadLetters::new(
        start.id.clone(),
        topic,
        with_context,
        writer,
    )))
}

/// The connector's dead-letter topic, if it names one.
pub(crate) fn topic(connector: &Properties) -> Option<&str> {
    text(connector, "errors.deadletterqueue.topic.name")
}

/// Makes the topic with one partition, as Java does.
async fn create(start: &TaskStart, topic: &str) -> Result<(), TaskFailure> {
    let client_id = format!("connector-dlq-adminclient-{}", start.id);
    let settings =
        client_settings::admin(&start.worker_config, &start.connector_config, &client_id);
    let refused = |why: &str, is_transient: bool| TaskFailure {
        is_transient,
        ..TaskFailure::new(
            CONNECT_EXCEPTION,
            &format!("Could not initialize dead letter queue with topic={topic}: {why}"),
        )
    };
    let config = ClientConfig::from_properties(&settings)
        .map_err(|error| refused(&error.to_string(), false))?;
    let admin = Admin::new(config);
    let known = admin
        .list_topics()
        .await
        .map_err(|error| refused(&error.to_string(), error.is_transient()))?;
    if known.contains_key(topic) {
        return Ok(());
    }
    let replication = text(
        &start.connector_config,
        "errors.deadletterqueue.topic.replication.factor",
    )
    .and_then(|text| text.parse().ok())
    .unwrap_or(REPLICATION);
    let wanted = NewTopic {
        name: topic.to_owned(),
        partitions: 1,
        replication,
        configs: Vec::new(),
    };
    let cannot_create = |error: KafkaError| {
        let why = format!("{error}{}", remedy(&error, replication));
        refused(&why, error.is_transient())
    };
    let made = admin
        .create_topics(&[wanted])
        .await
        .map_err(&cannot_create)?;
    for outcome in made.into_values() {
        match outcome {
            // Another task was faster.
            Err(error) if error.response_error() == Some(ResponseError::TopicAlreadyExists) => {}
            outcome => outcome.map_err(&cannot_create)?,
        }
    }
    Ok(())
}

/// What to change when the broker does not make the topic.
fn remedy(error: &KafkaError, replication: i16) -> String {
    match error.response_error() {
        Some(ResponseError::InvalidReplicationFactor) => format!(
            "; it is to have {replication} replicas: set errors.deadletterqueue.topic.replication.factor to the number of \
             brokers at most"
        ),
        Some(ResponseError::InvalidTopicException) => {
            "; errors.deadletterqueue.topic.name has to be a name that Kafka takes".to_owned()
        }
        Some(
            ResponseError::TopicAuthorizationFailed
            | ResponseError::ClusterAuthorizationFailed
            | ResponseError::PolicyViolation,
        ) => "; create the topic beforehand, or let the connector's admin client (admin.override.*) create it"
            .to_owned(),
        _ => String::new(),
    }
}

fn text<'a>(connector: &'a Properties, key: &str) -> Option<&'a str> {
    connector
        .get(key)
        .map(str::trim)
        .filter(|text| !text.is_empty())
}
