//! Assembly: the parts of a sink task (consumer, converters, chain, sink), put together from its settings.

use crate::{client_remarks, dead_letters};
use async_trait::async_trait;
use millstream_core::{TaskContext, Tolerance};
use millstream_kafka::{ConsumerSettings, KafkaConsumer, Role, Subscription};
use millstream_runtime::{
    Assemble, Budgets, ErrorPolicy, Plan, PlanParts, Start, TaskFailure, TaskParts, deadlines,
};
use millstream_worker::TaskStart;
use millstream_worker::sink_settings::Topics;
use std::sync::Arc;
use std::time::Duration;

const CONFIG_EXCEPTION: &str = "org.apache.kafka.common.config.ConfigException";

/// What a task is made of, read once for all attempts to start it.
pub(super) struct Assembly {
    start: TaskStart,
    budgets: Budgets,
    /// Settings that are wrong are told of when the consumer's turn has come.
    consumer: Result<ConsumerSettings, TaskFailure>,
}

impl Assembly {
    pub(super) fn new(start: TaskStart, budgets: Budgets) -> Self {
        let settings = &start.settings.consumer;
        let consumer = ConsumerSettings::from_properties(settings)
            .map_err(|errors| TaskFailure::new(CONFIG_EXCEPTION, &errors.to_string()));
        Assembly {
            start,
            budgets,
            consumer,
        }
    }

    /// `max.poll.interval.ms`, unless the consumer's settings are wrong.
    pub(super) fn max_poll_interval(&self) -> Option<Duration> {
        self.consumer.as_ref().ok().map(max_poll_interval)
    }

    /// What the sink is given beside its settings.
    fn context(&self, consumer: &ConsumerSettings) -> TaskContext {
        let TaskStart { id, settings, .. } = &self.start;
        TaskContext {
            has_reporter: settings.errors.log || settings.dead_letters.is_some(),
            goes_on_after_rejected: settings.errors.tolerance == Tolerance::All,
            max_poll_records: usize::try_from(consumer.config.max_poll_records).unwrap_or(1),
            longest_put: deadlines::longest_put(max_poll_interval(consumer)),
            rides_out_outages: self.start.worker.config.self_healing,
            shows_content: settings.errors.shows_content,
            ..TaskContext::new(
                Arc::clone(&id.connector),
                id.task,
                self.budgets.open.clone(),
                self.budgets.in_flight.clone(),
            )
        }
    }

    fn subscription(&self) -> Subscription {
        match &self.start.settings.topics {
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
}

#[async_trait]
impl Assemble for Assembly {
    /// The sink comes before the consumer, so that a sink that cannot start takes no partitions.
    async fn assemble(&self, waits: &Start) -> Result<TaskParts, TaskFailure> {
        let start = &self.start;
        let chain = start.chain().map_err(|error| TaskFailure::chain(&error))?;
        let converters = start
            .converters()
            .map_err(|error| TaskFailure::new(error.class, &error.message))?;
        client_remarks::warn(start, &start.settings.consumer, Role::Consumer);
        let consumer = self.consumer.clone()?;
        let context = self.context(&consumer);
        let starting = start.connector.start_task(&start.task_config, context);
        let mut sink = waits
            .wait_for("the sink's server", starting)
            .await
            .map_err(|error| TaskFailure::start(&error))?;
        let parts = PlanParts {
            key: converters.key,
            value: converters.value,
            header: converters.header,
            chain,
        };
        let plan = Plan::new(parts, sink.as_mut());
        let opening = dead_letters::open(start);
        let letters = waits
            .wait_for("Kafka, for the dead-letter topic", opening)
            .await?;
        let memory = self.budgets.fetched.for_holder();
        let consumer = KafkaConsumer::start(consumer, self.subscription(), memory)
            .map_err(|error| TaskFailure::consumer(&error))?;
        Ok(TaskParts {
            consumer: Box::new(consumer),
            sink,
            plan,
            errors: ErrorPolicy::new(start.id.clone(), start.settings.errors, letters),
        })
    }
}

fn max_poll_interval(consumer: &ConsumerSettings) -> Duration {
    Duration::from_millis(consumer.config.max_poll_interval_ms as u64)
}
