//! Doubles: a broker that is a list of texts, real sinks that are given what it holds, and real sources that add to it.

use async_trait::async_trait;
use bytes::Bytes;
use millstream_core::{
    Acknowledgement, ByteBudget, ByteColumn, Destination, Headers, OutgoingRecord, Payload,
    Properties, RawKind, RecordBatch, RecordSender, Role, SinkTask, SourceContext, TaskContext,
    TimestampType, TopicPartition, WriteError,
};
use millstream_runtime::{
    ErrorPolicy, PlanParts, SourceParts, SourcePlan, Target, TaskFailure, TaskMetrics, TaskParts,
    TaskSettings as RunSettings, run_task_alone,
};
use millstream_worker::{
    AdminError, KafkaAdmin, TaskEvent, TaskEvents, TaskHandle, TaskSettings, TaskStart, TaskStarter,
};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Values by topic, and what groups have committed. All values are in partition 0.
#[derive(Default)]
pub(crate) struct Broker {
    pub(crate) topics: HashMap<String, Vec<String>>,
    /// Of topics that have more than one.
    pub(crate) partitions: HashMap<String, i32>,
    groups: BTreeMap<String, BTreeMap<TopicPartition, i64>>,
    members: HashMap<String, usize>,
    /// Moves with each record.
    changed: watch::Sender<u64>,
}

#[derive(Clone, Default)]
pub(crate) struct Doubles(pub(crate) Arc<Mutex<Broker>>);

/// The consumer group of a task; sources have none.
fn group_of(start: &TaskStart) -> String {
    let group = match &start.settings {
        TaskSettings::Sink(settings) => settings.consumer.get("group.id"),
        TaskSettings::Source(_) => None,
    };
    group.unwrap_or_default().to_owned()
}

struct RunningTask {
    group: String,
    target: watch::Sender<Target>,
    stop: CancellationToken,
    ended: JoinHandle<()>,
    doubles: Doubles,
}

impl TaskStarter for Doubles {
    fn start(&self, start: TaskStart, events: TaskEvents) -> Box<dyn TaskHandle> {
        let group = group_of(&start);
        *self
            .0
            .lock()
            .unwrap()
            .members
            .entry(group.clone())
            .or_default() += 1;
        let first = if start.is_paused {
            Target::Paused
        } else {
            Target::Running
        };
        let (target, targets) = watch::channel(first);
        let stop = CancellationToken::new();
        let (doubles, stopped) = (self.clone(), stop.clone());
        let ended = tokio::spawn(async move {
            let failed = match start.settings {
                TaskSettings::Sink(_) => doubles.run_sink(start, targets, &events, stopped).await,
                TaskSettings::Source(_) => {
                    doubles.run_source(start, targets, &events, stopped).await
                }
            };
            if let Err(failure) = failed {
                // Without the frames of Java's, but with the line breaks behind which they would stand.
                let trace = failure.trace.lines().map(|line| format!("{line}\n"));
                events
                    .send(TaskEvent::Failed {
                        trace: trace.collect(),
                        is_transient: failure.is_transient,
                    })
                    .await;
            }
        });
        Box::new(RunningTask {
            group,
            target,
            stop,
            ended,
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

    pub(crate) fn produce(&self, topic: &str, values: impl IntoIterator<Item = String>) {
        let mut broker = self.0.lock().unwrap();
        let topic = broker.topics.entry(topic.to_owned()).or_default();
        topic.extend(values);
        broker.changed.send_modify(|number| *number += 1);
    }

    /// Gives a real sink what is in its topics, and what comes.
    async fn run_sink(
        &self,
        start: TaskStart,
        mut target: watch::Receiver<Target>,
        events: &TaskEvents,
        stop: CancellationToken,
    ) -> Result<(), TaskFailure> {
        let Role::Sink(connector) = start.connector.role() else {
            panic!("the settings are those of a sink");
        };
        let mut changed = self.0.lock().unwrap().changed.subscribe();
        let mut sink: Option<Box<dyn SinkTask>> = None;
        let topics = start.task_config.get("topics").unwrap_or_default();
        let topics: Vec<&str> = topics.split(',').filter(|_| start.id.task == 0).collect();
        loop {
            let wished = *target.borrow_and_update();
            if wished == Target::Running && sink.is_none() {
                let memory = || ByteBudget::new(1 << 20);
                let name = start.id.connector.clone();
                let context = TaskContext::new(name, start.id.task, memory(), memory());
                let started = connector.start_task(&start.task_config, context).await;
                sink = Some(started.map_err(|error| TaskFailure::start(&error))?);
            }
            events
                .send(match wished {
                    Target::Running => TaskEvent::Running,
                    Target::Paused => TaskEvent::Paused,
                })
                .await;
            while *target.borrow() == wished {
                if let Some(sink) = sink.as_mut().filter(|_| wished == Target::Running) {
                    for topic in &topics {
                        if let Some(batch) = self.fetch(&group_of(&start), topic) {
                            copy(sink.as_mut(), batch).await?;
                            events.send(TaskEvent::Topic((*topic).into())).await;
                        }
                    }
                    let polled = sink.poll(0).await;
                    polled.map_err(|error| TaskFailure::sink(&error))?;
                }
                tokio::select! {
                    () = stop.cancelled() => return Ok(()),
                    moved = target.changed() => if moved.is_err() { return Ok(()) } else { break },
                    _ = changed.changed() => {}
                }
            }
        }
    }

    /// Runs a real source.
    async fn run_source(
        &self,
        start: TaskStart,
        target: watch::Receiver<Target>,
        events: &TaskEvents,
        stop: CancellationToken,
    ) -> Result<(), TaskFailure> {
        let settings = RunSettings {
            id: start.id.clone(),
            commit_interval: start.worker.flush_interval(),
            finish_deadline: Duration::from_secs(5),
            retries_outages: false,
            clock: || 0,
        };
        let (reports, mut reported) = mpsc::channel(16);
        let parts = Box::pin(self.clone().source_parts(start));
        let metrics = Arc::new(TaskMetrics::default());
        let mut run = Box::pin(run_task_alone(
            settings, parts, target, reports, metrics, stop,
        ));
        loop {
            tokio::select! {
                Some(report) = reported.recv() => events.send(translate(report)).await,
                ended = &mut run => return ended,
            }
        }
    }

    async fn source_parts(self, start: TaskStart) -> Result<TaskParts, TaskFailure> {
        let Role::Source(connector) = start.connector.role() else {
            panic!("the settings are those of a source");
        };
        let context = SourceContext {
            connector: start.id.connector.clone(),
            task: start.id.task,
            offsets: start.offsets.clone(),
            memory: ByteBudget::new(1 << 20),
            queue: Arc::default(),
        };
        let started = connector.start_source(&start.task_config, context).await;
        let converters = start.converters().unwrap();
        Ok(TaskParts::Source(SourceParts {
            source: started.map_err(|error| TaskFailure::start(&error))?,
            sender: Arc::new(self),
            plan: SourcePlan::new(PlanParts {
                key: converters.key,
                value: converters.value,
                header: converters.header,
                chain: start.chain().unwrap(),
            }),
            errors: Arc::new(ErrorPolicy::new(start.id, start.stages.errors, None)),
            tolerance: start.stages.errors.tolerance,
            offsets: start.offsets,
            flush_timeout: start.worker.flush_timeout(),
            in_flight: ByteBudget::new(1 << 20),
        }))
    }

    /// What the group has not read yet; from then on it has. A consumer makes the topics that it asks for.
    fn fetch(&self, group: &str, topic: &str) -> Option<RecordBatch> {
        let mut broker = self.0.lock().unwrap();
        let values = broker.topics.entry(topic.to_owned()).or_default().clone();
        if values.is_empty() {
            return None;
        }
        let group = broker.groups.entry(group.to_owned()).or_default();
        let committed = group.entry(TopicPartition::new(topic, 0)).or_default();
        let (first, next) = (*committed, values.len() as i64);
        if first >= next {
            return None;
        }
        *committed = next;
        let mut column = ByteColumn::new();
        for value in &values[first as usize..] {
            column.push(Some(Bytes::from(value.clone())));
        }
        let rows = column.len();
        Some(RecordBatch {
            origin: TopicPartition::new(topic, 0),
            destination: Destination::Uniform(topic.into()),
            first_offset: first,
            next_offset: next,
            offsets: (first..next).collect(),
            timestamps: vec![0; rows],
            timestamp_type: TimestampType::CreateTime,
            keys: Payload::undecoded(ByteColumn::nulls(rows)),
            values: Payload::Raw {
                column,
                kind: RawKind::String,
            },
            headers: Headers::None,
            fetched: Default::default(),
            permit: None,
        })
    }
}

async fn copy(sink: &mut dyn SinkTask, batch: RecordBatch) -> Result<(), TaskFailure> {
    let taken = sink.put(Arc::new(batch), 0).await;
    taken.map_err(|error| TaskFailure::sink(&error))?;
    let finished = sink.finish(Duration::from_secs(10)).await;
    finished.map_err(|error| TaskFailure::sink(&error))
}

fn translate(event: millstream_runtime::TaskEvent) -> TaskEvent {
    match event {
        millstream_runtime::TaskEvent::Running => TaskEvent::Running,
        millstream_runtime::TaskEvent::Paused => TaskEvent::Paused,
        millstream_runtime::TaskEvent::Degraded(degraded) => TaskEvent::Degraded(degraded),
        millstream_runtime::TaskEvent::Recovered => TaskEvent::Recovered,
        millstream_runtime::TaskEvent::Topic(topic) => TaskEvent::Topic(topic),
    }
}

#[async_trait]
impl RecordSender for Doubles {
    async fn send(&self, records: Vec<OutgoingRecord>) -> Result<Acknowledgement, WriteError> {
        for record in records {
            let value = record.value.unwrap_or_default();
            let value = String::from_utf8_lossy(&value).into_owned();
            self.produce(&record.topic, [value]);
        }
        Ok(Box::pin(std::future::ready(Ok(()))))
    }
}

#[async_trait]
impl TaskHandle for RunningTask {
    fn pause(&self) {
        self.target.send_replace(Target::Paused);
    }

    fn resume(&self) {
        self.target.send_replace(Target::Running);
    }

    async fn stop(self: Box<Self>, _deadline: Duration) {
        self.stop.cancel();
        self.ended.await.unwrap();
        let mut broker = self.doubles.0.lock().unwrap();
        *broker.members.entry(self.group.clone()).or_default() -= 1;
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
