//! The parts of a sink task: consumer, converters, chain, sink.

use super::{CONFIG_EXCEPTION, plan_parts, wrong_role};
use crate::starter::services::TaskServices;
use crate::{client_warnings, dead_letters};
use millstream_core::{Role, SinkMeters, TaskContext, Tolerance};
use millstream_kafka::{Bootstrap, ConsumerSettings, KafkaConsumer, Role as Client, Subscription};
use millstream_runtime::{
    Budgets, ErrorPolicy, Plan, SinkParts, Start, TaskFailure, TaskMetrics, deadlines,
};
use millstream_worker::TaskStart;
use millstream_worker::sink_settings::{SinkSettings, Topics};
use std::sync::Arc;
use std::time::Duration;

pub(in crate::starter) struct SinkAssembly {
    start: TaskStart,
    settings: SinkSettings,
    budgets: Budgets,
    bootstrap: Option<Bootstrap>,
    /// Settings that are wrong are told of when the consumer's turn has come.
    consumer: Result<ConsumerSettings, TaskFailure>,
    meters: Arc<SinkMeters>,
}

impl SinkAssembly {
    pub(super) fn new(
        start: TaskStart,
        settings: SinkSettings,
        services: &TaskServices,
        metrics: &TaskMetrics,
    ) -> Self {
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
            settings,
            budgets: services.budgets.clone(),
            bootstrap,
            consumer,
            meters: Arc::clone(&metrics.sink),
        }
    }

    pub(super) fn max_poll_interval(&self) -> Option<Duration> {
        self.consumer.as_ref().ok().map(max_poll_interval)
    }

    /// What the sink is given beside its settings.
    fn context(&self, consumer: &ConsumerSettings) -> TaskContext {
        let (id, errors) = (&self.start.id, &self.start.stages.errors);
        TaskContext {
            has_reporter: errors.log || self.settings.dead_letters.is_some(),
            goes_on_after_rejected: errors.tolerance == Tolerance::All,
            max_poll_records: usize::try_from(consumer.config.max_poll_records).unwrap_or(1),
            longest_put: deadlines::longest_put(max_poll_interval(consumer)),
            retries_outages: self.start.worker.config.self_healing,
            shows_content: errors.shows_content,
            meters: Arc::clone(&self.meters),
            ..TaskContext::new(
                Arc::clone(&id.connector),
                id.task,
                self.budgets.open.clone(),
                self.budgets.in_flight.clone(),
            )
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
        client_warnings::warn(start, &self.settings.consumer, Client::Consumer);
        let consumer = self.consumer.clone()?;
        let context = self.context(&consumer);
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
        let consumer = KafkaConsumer::start(consumer, self.subscription(), memory.clone())
            .map_err(|error| TaskFailure::consumer(&error))?;
        Ok(SinkParts {
            consumer: Box::new(consumer),
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
