//! The parts of a sink task: consumer, converters, chain, sink.

use super::{CONFIG_EXCEPTION, plan_parts, wrong_role};
use crate::clock::now_ms;
use crate::starter::services::TaskServices;
use crate::{client_warnings, dead_letters};
use millstream_core::{
    ByteBudget, Consumer, QueueContext, QueueMeters, Role, SettledOffsets, SinkMeters, TaskContext,
    Tolerance, TopicPartition,
};
use millstream_kafka::{Bootstrap, ConsumerSettings, KafkaConsumer, Role as Client, Subscription};
use millstream_queues::{
    ConsumerParts, IdleConsumer, KeptOffset, LogConsumer, LogParts, LogSource, QueueConsumer,
    QueueSettings, queue_settings,
};
use millstream_runtime::{
    Budgets, ErrorPolicy, Plan, SinkParts, Start, TaskFailure, TaskMetrics, deadlines,
};
use millstream_worker::TaskStart;
use millstream_worker::inputs::task_of_input;
use millstream_worker::sink_settings::{SinkSettings, Topics};
use std::sync::Arc;
use std::time::Duration;

pub(in crate::starter) struct SinkAssembly {
    start: TaskStart,
    /// Whether the records come from a queue.
    reads_queue: bool,
    settings: SinkSettings,
    budgets: Budgets,
    bootstrap: Option<Bootstrap>,
    /// Settings that are wrong are told of when the consumer's turn has come.
    consumer: Result<ConsumerSettings, TaskFailure>,
    meters: Arc<SinkMeters>,
    queue_meters: Arc<QueueMeters>,
    /// What the queue has taken note of, for the sink.
    settled: Arc<SettledOffsets>,
}

/// Where the records come from.
enum Source {
    Kafka(Box<ConsumerSettings>),
    Queue(QueueSettings),
}

impl SinkAssembly {
    pub(super) fn new(
        mut start: TaskStart,
        settings: SinkSettings,
        services: &TaskServices,
        metrics: &TaskMetrics,
    ) -> Self {
        let of_input = task_of_input(&start.registry, &start.task_config);
        let reads_queue = of_input.is_some();
        start.task_config = of_input.unwrap_or(start.task_config);
        let bootstrap = services.bootstrap.clone();
        let consumer = ConsumerSettings::from_properties(&settings.consumer)
            .map_err(|errors| TaskFailure::new(CONFIG_EXCEPTION, &errors.to_string()));
        let consumer = consumer.map(|mut consumer| {
            consumer.client.meters = Arc::clone(&metrics.client);
            consumer.client.follow(bootstrap.as_ref());
            consumer
        });
        SinkAssembly {
            start,
            reads_queue,
            settings,
            budgets: services.budgets.clone(),
            bootstrap,
            consumer,
            meters: Arc::clone(&metrics.sink),
            queue_meters: Arc::clone(&metrics.queue),
            settled: Arc::default(),
        }
    }

    pub(super) fn max_poll_interval(&self) -> Option<Duration> {
        let consumer = self.consumer.as_ref().ok();
        consumer
            .filter(|_| !self.reads_queue)
            .map(max_poll_interval)
    }

    fn source(&self) -> Result<Source, TaskFailure> {
        if !self.reads_queue {
            return self
                .consumer
                .clone()
                .map(|settings| Source::Kafka(Box::new(settings)));
        }
        let queue = queue_settings(&self.start.task_config);
        queue
            .map(Source::Queue)
            .map_err(|error| TaskFailure::new(CONFIG_EXCEPTION, &error))
    }

    fn consumer(
        &self,
        source: Source,
        memory: ByteBudget,
    ) -> Result<Box<dyn Consumer>, TaskFailure> {
        match source {
            Source::Kafka(settings) => {
                let consumer = KafkaConsumer::start(*settings, self.subscription(), memory);
                let consumer = consumer.map_err(|error| TaskFailure::consumer(&error))?;
                Ok(Box::new(consumer))
            }
            Source::Queue(QueueSettings {
                log: Some(log),
                topic,
                ..
            }) => Ok(self.log_consumer(log, topic, memory)),
            Source::Queue(queue) => {
                let task = i32::try_from(self.start.id.task).unwrap_or(i32::MAX);
                Ok(Box::new(QueueConsumer::start(ConsumerParts {
                    connector: queue.connector,
                    origin: TopicPartition::new(queue.topic, task),
                    rules: queue.rules,
                    ids: queue.ids,
                    settled: Arc::clone(&self.settled),
                    budget: memory,
                    meters: Arc::clone(&self.queue_meters),
                    clock: now_ms,
                })))
            }
        }
    }

    /// A log is read by the first task; the offset is kept where those of sources are.
    fn log_consumer(&self, log: LogSource, topic: String, memory: ByteBudget) -> Box<dyn Consumer> {
        let TaskStart { id, offsets, .. } = &self.start;
        if id.task > 0 {
            return Box::new(IdleConsumer);
        }
        let (offsets, connector) = (Arc::clone(offsets), Arc::clone(&id.connector));
        let kept = KeptOffset::new(offsets, connector, log.connector.queue());
        Box::new(LogConsumer::start(LogParts {
            log,
            origin: TopicPartition::new(topic, 0),
            kept,
            ids_are_offsets: true,
            budget: memory,
            meters: Arc::clone(&self.queue_meters),
            clock: now_ms,
        }))
    }

    /// What the sink is given beside its settings.
    fn context(&self, source: &Source) -> TaskContext {
        let (id, errors) = (&self.start.id, &self.start.stages.errors);
        let context = TaskContext::new(
            Arc::clone(&id.connector),
            id.task,
            self.budgets.open.clone(),
            self.budgets.in_flight.clone(),
        );
        let (max_poll_records, longest_put) = match source {
            Source::Kafka(consumer) => (
                usize::try_from(consumer.config.max_poll_records).unwrap_or(1),
                deadlines::longest_put(max_poll_interval(consumer)),
            ),
            // No group waits to hear of this member.
            Source::Queue(_) => (context.max_poll_records, context.longest_put),
        };
        TaskContext {
            has_reporter: errors.log || self.settings.dead_letters.is_some(),
            goes_on_after_rejected: errors.tolerance == Tolerance::All,
            max_poll_records,
            longest_put,
            retries_outages: self.start.worker.config.self_healing,
            shows_content: errors.shows_content,
            meters: Arc::clone(&self.meters),
            queue: match source {
                Source::Kafka(_) | Source::Queue(QueueSettings { log: Some(_), .. }) => None,
                Source::Queue(queue) => Some(QueueContext {
                    has_ledger: queue.has_ledger,
                    started: now_ms(),
                    settled: Arc::clone(&self.settled),
                    meters: Arc::clone(&self.queue_meters),
                }),
            },
            ..context
        }
    }

    fn subscription(&self) -> Subscription {
        match &self.settings.topics {
            Topics::Named(topics) => Subscription::Topics(topics.clone()),
            Topics::Matching(pattern) => {
                let pattern = Arc::clone(pattern);
                // A name that cannot be decided upon is not subscribed to; validation has compiled the pattern before.
                Subscription::Pattern(Box::new(move |topic| {
                    pattern.is_full_match(topic).unwrap_or(false)
                }))
            }
        }
    }

    /// The sink comes before the consumer, so that a sink that cannot start takes no partitions.
    pub(super) async fn assemble(&self, waits: &Start) -> Result<SinkParts, TaskFailure> {
        let start = &self.start;
        let Role::Sink(connector) = start.connector.role() else {
            return Err(wrong_role());
        };
        let parts = plan_parts(start)?;
        let source = self.source()?;
        if matches!(source, Source::Kafka(_)) {
            client_warnings::warn(start, &self.settings.consumer, Client::Consumer);
        }
        let context = self.context(&source);
        let starting = connector.start_task(&start.task_config, context);
        let mut sink = waits
            .wait_for("the sink's server", starting)
            .await
            .map_err(|error| TaskFailure::start(&error))?;
        let plan = Plan::new(parts, sink.as_mut());
        let opening = {
            let (letters, bootstrap) = (&self.settings.dead_letters, &self.bootstrap);
            dead_letters::open(start, letters.as_ref(), bootstrap.as_ref())
        };
        let letters = waits
            .wait_for("Kafka, for the dead-letter topic", opening)
            .await?;
        let memory = self.budgets.fetched.for_holder();
        Ok(SinkParts {
            consumer: self.consumer(source, memory.clone())?,
            sink,
            plan,
            errors: ErrorPolicy::new(start.id.clone(), start.stages.errors, letters),
            fetched: memory,
        })
    }
}

fn max_poll_interval(consumer: &ConsumerSettings) -> Duration {
    Duration::from_millis(consumer.config.max_poll_interval_ms as u64)
}
