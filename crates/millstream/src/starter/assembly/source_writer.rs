//! SourceWriter: the producer of a source task, which sees to it that a topic is there before the first record for it.

use async_trait::async_trait;
use millstream_core::{Acknowledgement, OutgoingRecord, RecordSender, WriteError};
use millstream_kafka::admin::NewTopic;
use millstream_kafka::{Admin, KafkaError, KafkaProducer, ResponseError};
use millstream_worker::topic_creation::TopicCreation;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

pub(super) struct SourceWriter {
    producer: KafkaProducer,
    /// Nothing, if topics are left to the brokers.
    topics: Option<Topics>,
}

/// Topics by the rules of the connector.
pub(super) struct Topics {
    rules: TopicCreation,
    admin: Admin,
    /// Those that are there.
    known: Mutex<BTreeSet<Arc<str>>>,
}

impl Topics {
    pub(super) fn new(rules: TopicCreation, admin: Admin) -> Self {
        Topics {
            rules,
            admin,
            known: Mutex::default(),
        }
    }

    fn knows(&self, topic: &str) -> bool {
        // A set that is only added to is whole, whatever a panicking holder did.
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.contains(topic)
    }

    /// Looks once for each topic whether it is there, and makes it if it is not.
    async fn ensure(&self, topic: &Arc<str>) -> Result<(), WriteError> {
        if self.knows(topic) {
            return Ok(());
        }
        let names = [topic.to_string()];
        let found = self.admin.describe_topics(&names).await;
        let found = found.map_err(|error| refused(topic, &error))?;
        if !found.contains_key(&**topic) {
            self.create(topic).await?;
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(Arc::clone(topic));
        Ok(())
    }

    async fn create(&self, topic: &Arc<str>) -> Result<(), WriteError> {
        let shape = self.rules.shape(topic).map_err(|why| WriteError {
            topic: Arc::clone(topic),
            reason: why,
            is_transient: false,
            rejection: None,
        })?;
        let wanted = NewTopic {
            name: topic.to_string(),
            partitions: shape.partitions,
            replication: shape.replication,
            configs: shape.configs.clone(),
        };
        let made = self.admin.create_topics(&[wanted]).await;
        let made = made.map_err(|error| refused(topic, &error))?;
        for outcome in made.into_values() {
            match outcome {
                Ok(()) => tracing::info!(topic = &**topic, "topic made"),
                // Another task was faster.
                Err(error) if error.response_error() == Some(ResponseError::TopicAlreadyExists) => {
                }
                Err(error) => return Err(refused(topic, &error)),
            }
        }
        Ok(())
    }
}

fn refused(topic: &Arc<str>, error: &KafkaError) -> WriteError {
    WriteError {
        topic: Arc::clone(topic),
        reason: format!(
            "Task failed to create new topic {topic}. Ensure that the task is authorized to create topics or that the topic \
             exists and restart the task: {error}"
        ),
        is_transient: error.is_transient(),
        rejection: None,
    }
}

impl SourceWriter {
    pub(super) fn new(producer: KafkaProducer, topics: Option<Topics>) -> Self {
        SourceWriter { producer, topics }
    }
}

#[async_trait]
impl RecordSender for SourceWriter {
    async fn send(&self, records: Vec<OutgoingRecord>) -> Result<Acknowledgement, WriteError> {
        if let Some(topics) = &self.topics {
            let mut last: Option<&Arc<str>> = None;
            for record in &records {
                if last.is_none_or(|last| **last != *record.topic) {
                    topics.ensure(&record.topic).await?;
                }
                last = Some(&record.topic);
            }
        }
        RecordSender::send(&self.producer, records).await
    }
}
