//! Sinks over a queue of SQS: a stage with a queue, and what they are set to.

use crate::sqs::{self, Queue, assert_none_lost};
use crate::stage::{ARCHIVE, Stage};
use crate::worker::Worker;
use millstream_embedded::aws::QueueSettings;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(crate) struct QueueStage {
    pub(crate) stage: Stage,
    pub(crate) sqs: Queue,
}

impl QueueStage {
    pub(crate) async fn new(queue: &'static str, settings: QueueSettings) -> Self {
        QueueStage {
            stage: Stage::new().await,
            sqs: Queue::new(queue, settings).await,
        }
    }

    /// The settings of the archive over the queue.
    pub(crate) fn archive(&self, more: &[(&str, &str)]) -> Value {
        let mut config = self.stage.archive_config(more);
        let fields = config.as_object_mut().unwrap();
        fields.remove("topics");
        for (key, value) in [
            ("input.type", "sqs"),
            ("sqs.queue.url", &self.sqs.url),
            ("sqs.waittime.seconds", "1"),
        ] {
            fields.insert(key.to_owned(), value.into());
        }
        config
    }

    /// The settings of a collection over the queue.
    pub(crate) fn documents(&self, more: &[(&str, &str)]) -> Value {
        let mut config = json!({
            "connector.class": "com.mongodb.kafka.connect.MongoSinkConnector",
            "tasks.max": 1,
            "input.type": "sqs",
            "sqs.queue.url": self.sqs.url,
            "sqs.waittime.seconds": "1",
            "aws.access.key.id": "key",
            "aws.secret.access.key": "secret",
            "connection.uri": self.stage.document_uri(),
            "database": "kafka",
            "collection": "hashed",
            "value.converter": "org.apache.kafka.connect.json.JsonConverter",
            "value.converter.schemas.enable": false,
        });
        for (key, value) in more {
            config[*key] = Value::from(*value);
        }
        config
    }

    /// Kills a worker that has stored and not settled, and has all that it had in hand come again.
    pub(crate) async fn kill(&self, worker: Worker) {
        worker.signal("-KILL");
        drop(worker);
        self.sqs.receives_ended().await;
        self.sqs.set(QueueSettings::default());
        self.sqs.return_messages();
    }

    pub(crate) async fn start(&self, worker: &str, more: &[(&str, &str)]) -> Worker {
        let worker = self.stage.standalone(worker, &[]).await;
        worker.create(ARCHIVE, &self.archive(more)).await;
        worker
    }

    /// The numbers that are in the archive, and how often.
    pub(crate) fn stored(&self) -> BTreeMap<String, usize> {
        self.stage.objects()
    }

    /// Whatever is taken off is in the archive.
    pub(crate) fn assert_settled_is_stored(&self) {
        let settled = self.sqs.now().deleted;
        assert_none_lost(&settled, &self.stored());
    }

    pub(crate) fn assert_each_once(&self, messages: usize) {
        sqs::assert_each_once(messages, &self.stored());
    }
}

/// The part of the settings that has objects closed soon.
pub(crate) const SOON: [(&str, &str); 2] = [("flush.size", "100"), ("input.idle.flush.ms", "500")];
