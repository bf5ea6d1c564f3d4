//! The parts of a source task: source, chain, converters, producer, offsets.

use super::source_writer::{SourceWriter, Topics};
use super::{CONFIG_EXCEPTION, plan_parts, wrong_role};
use crate::client_warnings;
use crate::starter::services::TaskServices;
use millstream_core::{ClientMeters, QueueMeters, Role, SourceContext};
use millstream_kafka::{
    Admin, Bootstrap, ClientSettings, InvalidConfig, KafkaProducer, ProducerSettings,
    Role as Client,
};
use millstream_runtime::{
    Budgets, ErrorPolicy, SourceParts, SourcePlan, Start, TaskFailure, TaskMetrics,
};
use millstream_worker::TaskStart;
use millstream_worker::source_settings::SourceSettings;
use std::sync::Arc;

pub(in crate::starter) struct SourceAssembly {
    start: TaskStart,
    settings: SourceSettings,
    budgets: Budgets,
    bootstrap: Option<Bootstrap>,
    meters: Arc<ClientMeters>,
    queue: Arc<QueueMeters>,
}

impl SourceAssembly {
    pub(super) fn new(
        start: TaskStart,
        settings: SourceSettings,
        services: &TaskServices,
        metrics: &TaskMetrics,
    ) -> Self {
        SourceAssembly {
            start,
            settings,
            budgets: services.budgets.clone(),
            bootstrap: services.bootstrap.clone(),
            meters: Arc::clone(&metrics.client),
            queue: Arc::clone(&metrics.queue),
        }
    }

    pub(super) async fn assemble(&self, waits: &Start) -> Result<SourceParts, TaskFailure> {
        let start = &self.start;
        let Role::Source(connector) = start.connector.role() else {
            return Err(wrong_role());
        };
        let plan = SourcePlan::new(plan_parts(start)?);
        client_warnings::warn(start, &self.settings.producer, Client::Producer);
        let producer = ProducerSettings::from_properties(&self.settings.producer);
        let mut producer = producer.map_err(refused)?;
        producer.client.meters = Arc::clone(&self.meters);
        producer.client.follow(self.bootstrap.as_ref());
        let topics = self.topics()?;
        let context = SourceContext {
            connector: Arc::clone(&start.id.connector),
            task: start.id.task,
            offsets: Arc::clone(&start.offsets),
            memory: self.budgets.fetched.for_holder(),
            queue: Arc::clone(&self.queue),
        };
        let starting = connector.start_source(&start.task_config, context);
        let source = waits
            .wait_for("the source, or the store of its offsets", starting)
            .await
            .map_err(|error| TaskFailure::start(&error))?;
        let errors = ErrorPolicy::new(start.id.clone(), start.stages.errors, None);
        Ok(SourceParts {
            source,
            sender: Arc::new(SourceWriter::new(KafkaProducer::start(producer), topics)),
            plan,
            errors: Arc::new(errors),
            tolerance: start.stages.errors.tolerance,
            offsets: Arc::clone(&start.offsets),
            flush_timeout: start.worker.flush_timeout(),
            in_flight: self.budgets.in_flight.for_holder(),
        })
    }

    fn topics(&self) -> Result<Option<Topics>, TaskFailure> {
        let Some(rules) = self.settings.topic_creation.clone() else {
            return Ok(None);
        };
        let config = ClientSettings::from_properties(&self.settings.admin).map_err(refused)?;
        let admin = Admin::new(config.following(self.bootstrap.as_ref()));
        Ok(Some(Topics::new(rules, admin)))
    }
}

fn refused(error: InvalidConfig) -> TaskFailure {
    TaskFailure::new(CONFIG_EXCEPTION, &error.to_string())
}
