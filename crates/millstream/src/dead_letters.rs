//! The dead-letter topic of a connector: made at the task's start if it is missing, written by a producer of the task's own.

use millstream_kafka::admin::NewTopic;
use millstream_kafka::{
    Admin, Bootstrap, ClientSettings, KafkaError, KafkaProducer, ProducerSettings, ResponseError,
    Role,
};
use millstream_runtime::TaskFailure;
use millstream_runtime::dead_letter::DeadLetters;
use millstream_worker::TaskStart;
use millstream_worker::sink_settings::DeadLetterSettings;
use std::sync::Arc;

const CONNECT_EXCEPTION: &str = "org.apache.kafka.connect.errors.ConnectException";

/// Opens the connector's dead-letter topic, if it names one.
pub(crate) async fn open(
    start: &TaskStart,
    settings: Option<&DeadLetterSettings>,
    bootstrap: Option<&Bootstrap>,
) -> Result<Option<DeadLetters>, TaskFailure> {
    let Some(dead) = settings else {
        return Ok(None);
    };
    create(dead, bootstrap).await?;
    crate::client_warnings::warn(start, &dead.producer, Role::Producer);
    let mut settings = ProducerSettings::from_properties(&dead.producer)
        .map_err(|error| TaskFailure::new(CONNECT_EXCEPTION, &error.to_string()))?;
    settings.client.follow(bootstrap);
    let writer = Arc::new(KafkaProducer::start(settings));
    Ok(Some(DeadLetters::new(
        start.id.clone(),
        dead.topic.as_str(),
        dead.with_context,
        writer,
    )))
}

/// Makes the topic with one partition, as Java does.
async fn create(
    dead: &DeadLetterSettings,
    bootstrap: Option<&Bootstrap>,
) -> Result<(), TaskFailure> {
    let topic = &*dead.topic;
    let refused = |why: &str, is_transient: bool| TaskFailure {
        is_transient,
        ..TaskFailure::new(
            CONNECT_EXCEPTION,
            &format!("Could not initialize dead letter queue with topic={topic}: {why}"),
        )
    };
    let settings = ClientSettings::from_properties(&dead.admin)
        .map_err(|error| refused(&error.to_string(), false))?;
    let admin = Admin::new(settings.following(bootstrap));
    let known = admin
        .list_topics()
        .await
        .map_err(|error| refused(&error.to_string(), error.is_transient()))?;
    if known.contains_key(topic) {
        return Ok(());
    }
    let wanted = NewTopic {
        name: topic.to_owned(),
        partitions: 1,
        replication: dead.replication,
        configs: Vec::new(),
    };
    let cannot_create = |error: KafkaError| {
        let why = format!(
            "{error}{}",
            remedy(error.response_error(), dead.replication)
        );
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
fn remedy(error: Option<ResponseError>, replication: i16) -> String {
    match error {
        Some(ResponseError::InvalidReplicationFactor) => format!(
            "; its replication factor is {replication}: set errors.deadletterqueue.topic.replication.factor to the number of \
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_a14_what_the_broker_refuses_comes_with_the_key_to_change() {
        let key = |error| remedy(Some(error), 3);
        let replicas = key(ResponseError::InvalidReplicationFactor);
        assert!(replicas.contains("factor is 3"), "{replicas}");
        assert!(replicas.contains("errors.deadletterqueue.topic.replication.factor"));
        let name = key(ResponseError::InvalidTopicException);
        assert!(name.contains("errors.deadletterqueue.topic.name"), "{name}");
        let rights = key(ResponseError::TopicAuthorizationFailed);
        assert!(rights.contains("admin.override."), "{rights}");
        assert_eq!(remedy(None, 3), "");
    }
}
