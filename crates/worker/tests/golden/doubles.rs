//! Doubles: Kafka's FileStreamSink, a broker that is a list of texts, and tasks that copy from one to the other.

use async_trait::async_trait;
use millstream_core::config::{Importance, Kind};
use millstream_core::{
    ConfigDef, Connector, Key, Properties, RecordError, SinkError, SinkTask, TaskContext,
    TopicPartition,
};
use millstream_worker::{
    AdminError, KAFKA_VERSION, KafkaAdmin, TaskEvent, TaskEvents, TaskHandle, TaskStart,
    TaskStarter, trace,
};
use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) struct FileStreamSink(ConfigDef);

impl FileStreamSink {
    pub(crate) fn new() -> Self {
        FileStreamSink(ConfigDef::new(vec![
            Key::null("file", Kind::String)
                .importance(Importance::High)
                .doc("Destination filename. If not specified, the standard output will be used"),
        ]))
    }
}

#[async_trait]
impl Connector for FileStreamSink {
    fn class_name(&self) -> &'static str {
        "org.apache.kafka.connect.file.FileStreamSinkConnector"
    }

    fn version(&self) -> &'static str {
        KAFKA_VERSION
    }

    fn config_def(&self) -> &ConfigDef {
        &self.0
    }

    async fn start_task(
        &self,
        _properties: &Properties,
        _context: TaskContext,
    ) -> Result<Box<dyn SinkTask>, SinkError> {
        Err(SinkError::fatal("the doubles start tasks themselves"))
    }
}

/// Values by topic, and what groups have committed. All values are in partition 0.
#[derive(Default)]
pub(crate) struct Broker {
    pub(crate) topics: HashMap<String, Vec<String>>,
    /// Of topics that have more than one.
    pub(crate) partitions: HashMap<String, i32>,
    groups: BTreeMap<String, BTreeMap<TopicPartition, i64>>,
    members: HashMap<String, usize>,
}

#[derive(Clone, Default)]
pub(crate) struct Doubles(pub(crate) Arc<Mutex<Broker>>);

/// The consumer group of a task.
fn group_of(start: &TaskStart) -> String {
    let consumer = &start.settings.consumer;
    consumer.get("group.id").unwrap_or_default().to_owned()
}

struct RunningTask {
    start: TaskStart,
    events: TaskEvents,
    doubles: Doubles,
}

impl TaskStarter for Doubles {
    fn start(&self, start: TaskStart, events: TaskEvents) -> Box<dyn TaskHandle> {
        let group = group_of(&start);
        *self.0.lock().unwrap().members.entry(group).or_default() += 1;
        let (doubles, own, reports) = (self.clone(), start.clone(), events.clone());
        tokio::spawn(async move {
            for event in doubles.run(&own) {
                reports.send(event).await;
            }
        });
        Box::new(RunningTask {
            start,
            events,
            doubles: self.clone(),
        })
    }
}

impl Doubles {
    pub(crate) fn commit(&self, group: &str, at: TopicPartition, offset: i64) {
        let mut broker = self.0.lock().unwrap();
        let group = broker.groups.entry(group.to_owned()).or_default();
        group.insert(at, offset);
    }

    /// All that a task does, at once.
    fn run(&self, start: &TaskStart) -> Vec<TaskEvent> {
        if start.is_paused {
            return vec![TaskEvent::Paused];
        }
        let file = start.task_config.get("file");
        if let Some(file) = file
            && !Path::new(file).parent().is_some_and(Path::is_dir)
        {
            let missing = RecordError::new("java.nio.file.NoSuchFileException", file);
            let why = format!("Couldn't find or create file '{file}' for FileStreamSinkTask");
            let error = RecordError::new("org.apache.kafka.connect.errors.ConnectException", why);
            return vec![TaskEvent::Failed {
                trace: trace::trace(&error.caused_by(missing)),
                is_transient: false,
            }];
        }
        let mut events = vec![TaskEvent::Running];
        let topics = start.task_config.get("topics").unwrap_or_default();
        for topic in topics.split(',').filter(|_| start.id.task == 0) {
            // A consumer makes the topics that it asks for.
            let mut broker = self.0.lock().unwrap();
            broker.topics.entry(topic.to_owned()).or_default();
            drop(broker);
            events.extend(self.copy(start, topic, file));
        }
        events
    }

    fn copy(&self, start: &TaskStart, topic: &str, file: Option<&str>) -> Option<TaskEvent> {
        let mut broker = self.0.lock().unwrap();
        let values = broker
            .topics
            .get(topic)
            .cloned()
            .filter(|v| !v.is_empty())?;
        let group = group_of(start);
        let group = broker.groups.entry(group).or_default();
        let committed = group.entry(TopicPartition::new(topic, 0)).or_default();
        let mut output = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(file?)
            .unwrap();
        for value in &values[*committed as usize..] {
            writeln!(output, "{value}").unwrap();
        }
        *committed = values.len() as i64;
        Some(TaskEvent::Topic(topic.into()))
    }
}

impl RunningTask {
    fn report(&self, event: TaskEvent) {
        let events = self.events.clone();
        tokio::spawn(async move { events.send(event).await });
    }
}

#[async_trait]
impl TaskHandle for RunningTask {
    fn pause(&self) {
        self.report(TaskEvent::Paused);
    }

    fn resume(&self) {
        self.report(TaskEvent::Running);
    }

    async fn stop(self: Box<Self>, _deadline: Duration) {
        let group = group_of(&self.start);
        *self
            .doubles
            .0
            .lock()
            .unwrap()
            .members
            .entry(group)
            .or_default() -= 1;
    }
}

#[async_trait]
impl KafkaAdmin for Doubles {
    async fn cluster_id(&self, _client: &Properties) -> Result<String, AdminError> {
        Ok("a-cluster".to_owned())
    }

    async fn partition_counts(
        &self,
        _client: &Properties,
        topics: &[&str],
    ) -> Result<BTreeMap<String, i32>, AdminError> {
        let broker = self.0.lock().unwrap();
        let known = topics
            .iter()
            .filter(|topic| broker.topics.contains_key(**topic));
        let count = |topic: &str| broker.partitions.get(topic).copied().unwrap_or(1);
        Ok(known
            .map(|topic| ((*topic).to_owned(), count(topic)))
            .collect())
    }

    async fn group_offsets(
        &self,
        _client: &Properties,
        group: &str,
    ) -> Result<Vec<(TopicPartition, i64)>, AdminError> {
        let broker = self.0.lock().unwrap();
        let offsets = broker.groups.get(group).into_iter().flatten();
        Ok(offsets.map(|(at, offset)| (at.clone(), *offset)).collect())
    }

    async fn alter_group_offsets(
        &self,
        _client: &Properties,
        group: &str,
        offsets: &[(TopicPartition, i64)],
    ) -> Result<(), AdminError> {
        let mut broker = self.0.lock().unwrap();
        let known = broker.groups.entry(group.to_owned()).or_default();
        known.extend(offsets.iter().cloned());
        Ok(())
    }

    async fn delete_group_offsets(
        &self,
        _client: &Properties,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<(), AdminError> {
        let mut broker = self.0.lock().unwrap();
        let known = broker.groups.entry(group.to_owned()).or_default();
        known.retain(|at, _| !partitions.contains(at));
        Ok(())
    }

    async fn delete_group(&self, _client: &Properties, group: &str) -> Result<(), AdminError> {
        let mut broker = self.0.lock().unwrap();
        if broker
            .members
            .get(group)
            .is_some_and(|members| *members > 0)
        {
            return Err(AdminError::GroupInUse("the group is not empty".to_owned()));
        }
        broker.groups.remove(group);
        Ok(())
    }
}
