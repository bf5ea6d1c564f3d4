//! LocalTasks: plans, starts and stops what this machine runs. Each task has one future for its whole life, which the
//! herder owns and never waits for; references are resolved in it.

mod lookup;
mod renewal;

use crate::config::{ProviderError, Redactor, Resolved, WorkerSettings, has_reference};
use crate::connector_config::{ConnectorConfig, SinkConfig, read};
use crate::herder::state::{InstanceStart, PlanFailure};
use crate::registry::PluginRegistry;
use crate::sink_settings::SinkSettings;
use crate::source_settings::{self, SourceSettings};
use crate::stage_settings::StageSettings;
use crate::task::{
    TaskEvent, TaskEvents, TaskId, TaskReport, TaskSettings, TaskStart, TaskStarter, Trouble,
};
use crate::too_many_tasks::too_many_tasks;
use crate::trace::trace;
use millstream_core::rejected::CONNECT_EXCEPTION;
use millstream_core::{ConnectorKind, OffsetStore, Properties, RecordError, Role, chain};
use renewal::Renewal;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

const CONFIG_EXCEPTION: &str = "org.apache.kafka.common.config.ConfigException";

pub(crate) struct LocalTasks {
    starting: Starting,
    reports: mpsc::Sender<TaskReport>,
    /// Of each task that was started and not told to stop, with its instance.
    targets: HashMap<TaskId, (u64, watch::Sender<TaskTarget>)>,
}

/// What a task is made of.
#[derive(Clone)]
struct Starting {
    starter: Arc<dyn TaskStarter>,
    registry: Arc<PluginRegistry>,
    worker: Arc<WorkerSettings>,
    offsets: Arc<dyn OffsetStore>,
}

/// What is wanted of a task. Of several targets in a row the last alone counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TaskTarget {
    Run,
    Pause,
    Stop,
}

impl LocalTasks {
    pub(crate) fn new(
        starter: Arc<dyn TaskStarter>,
        registry: Arc<PluginRegistry>,
        worker: Arc<WorkerSettings>,
        offsets: Arc<dyn OffsetStore>,
        reports: mpsc::Sender<TaskReport>,
    ) -> Self {
        LocalTasks {
            starting: Starting {
                starter,
                registry,
                worker,
                offsets,
            },
            reports,
            targets: HashMap::new(),
        }
    }

    /// Asks the connector for its tasks' settings. References are resolved for it and put back afterwards.
    pub(crate) fn plan(
        &self,
        name: Arc<str>,
        config: Properties,
    ) -> impl Future<Output = Result<Vec<Properties>, PlanFailure>> + use<> {
        let Starting {
            registry, worker, ..
        } = self.starting.clone();
        async move {
            let failed = |error: RecordError, is_transient| PlanFailure {
                message: error.message.clone(),
                trace: trace(&error),
                is_transient,
            };
            let resolved = worker.providers.resolve(&config).await;
            let resolved = resolved.map_err(|error| failed(refused(&error), error.is_transient))?;
            let Resolved {
                properties,
                redactor,
            } = resolved;
            let plan = plan_tasks(&name, &config, &properties, &registry, &worker);
            plan.map_err(|error| failed(redacted(error, &redactor), false))
        }
    }

    /// The whole life of a task: resolves once it has been told to stop and has ended.
    pub(crate) fn start(&mut self, start: InstanceStart) -> impl Future<Output = ()> + use<> {
        let first = if start.is_paused {
            TaskTarget::Pause
        } else {
            TaskTarget::Run
        };
        let (target, targets) = watch::channel(first);
        let (id, instance) = (start.id.clone(), start.instance);
        self.targets.insert(id.clone(), (instance, target));
        let events = TaskEvents::new(id, instance, self.reports.clone());
        live(self.starting.clone(), start, targets, events)
    }

    pub(crate) fn pause(&self, id: &TaskId) {
        self.target(id, TaskTarget::Pause);
    }

    pub(crate) fn resume(&self, id: &TaskId) {
        self.target(id, TaskTarget::Run);
    }

    fn target(&self, id: &TaskId, target: TaskTarget) {
        if let Some((_, targets)) = self.targets.get(id) {
            targets.send_replace(target);
        }
    }

    /// Tells the task to stop; false if there is none that could.
    pub(crate) fn stop(&mut self, id: &TaskId, instance: u64) -> bool {
        let of_instance = |(live, target): (u64, watch::Sender<TaskTarget>)| {
            live == instance && target.send(TaskTarget::Stop).is_ok()
        };
        self.targets.remove(id).is_some_and(of_instance)
    }
}

/// Starts a task and does with it what is wanted, until that is to stop. It starts again when it is in trouble and what its
/// references stand for has changed.
async fn live(
    starting: Starting,
    start: InstanceStart,
    mut targets: watch::Receiver<TaskTarget>,
    events: TaskEvents,
) {
    let (trouble, troubles) = watch::channel(Trouble::None);
    let mut renewal = starting.is_renewed(&start).then(|| Renewal::new(troubles));
    let mut first_targets = targets.clone();
    let mut found = None;
    loop {
        let looked_up = async {
            match found.take() {
                // Somebody has looked just now.
                Some(found) => Ok(found),
                None => {
                    let lookup = starting.values_in_the_end(&start, targets.clone(), &events);
                    lookup.await
                }
            }
        };
        let looked_up = tokio::select! {
            looked_up = looked_up => looked_up,
            () = told_to_stop(&mut first_targets) => return,
        };
        let made = looked_up.and_then(|(values, redactor)| {
            let made = starting.make(&start, &values, redactor)?;
            Ok((made, values))
        });
        let (mut made, values) = match made {
            Ok(made) => made,
            Err(error) => {
                let (trace, is_transient) = (trace(&error), false);
                events
                    .send(TaskEvent::Failed {
                        trace,
                        is_transient,
                    })
                    .await;
                return told_to_stop(&mut targets).await;
            }
        };
        let target = *targets.borrow_and_update();
        if target == TaskTarget::Stop {
            return;
        }
        made.is_paused = target == TaskTarget::Pause;
        let events = events.clone().redacting(made.redactor.clone());
        trouble.send_replace(Trouble::None);
        let handle = starting
            .starter
            .start(made, events.telling(trouble.clone()));
        found = loop {
            let target = tokio::select! {
                target = next_target(&mut targets) => target,
                other = starting.other_values(&start, &values, &mut renewal) => break Some(other),
            };
            match target {
                TaskTarget::Run => handle.resume(),
                TaskTarget::Pause => handle.pause(),
                TaskTarget::Stop => break None,
            }
        };
        handle.stop(starting.worker.shutdown_timeout()).await;
        if found.is_none() {
            return;
        }
    }
}

/// Waits for another target. When nobody is left to have one, the task is to stop.
async fn next_target(targets: &mut watch::Receiver<TaskTarget>) -> TaskTarget {
    match targets.changed().await {
        Ok(()) => *targets.borrow_and_update(),
        Err(_) => TaskTarget::Stop,
    }
}

async fn told_to_stop(targets: &mut watch::Receiver<TaskTarget>) {
    while next_target(targets).await != TaskTarget::Stop {}
}

/// The settings of a connector and of a task, without references.
#[derive(PartialEq)]
struct Values {
    connector: Properties,
    task: Properties,
}

impl Starting {
    /// Whether what the task's references stand for is worth a second look. Without healing the answers are Java's.
    fn is_renewed(&self, start: &InstanceStart) -> bool {
        let settings = [&start.connector_config, &start.task_config];
        let mut settings = settings.into_iter();
        self.worker.config.self_healing
            && settings.any(|it| self.worker.providers.asks_services(it))
    }

    /// What the references of a task in trouble stand for, once that is something else.
    async fn other_values(
        &self,
        start: &InstanceStart,
        known: &Values,
        renewal: &mut Option<Renewal>,
    ) -> (Values, Redactor) {
        let Some(renewal) = renewal else {
            return std::future::pending().await;
        };
        let task = (&*start.id.connector, start.id.task);
        loop {
            renewal.due().await;
            match self.values(start).await {
                Ok((values, _)) if values == *known => {}
                Ok(other) => {
                    tracing::info!(
                        connector = task.0,
                        task = task.1,
                        "what the task's references stand for has changed; it starts again with that"
                    );
                    return other;
                }
                Err(error) => tracing::warn!(
                    connector = task.0,
                    task = task.1,
                    error = %error,
                    "the task's references cannot be looked up again"
                ),
            }
        }
    }

    async fn values(&self, start: &InstanceStart) -> Result<(Values, Redactor), ProviderError> {
        let settings = [&start.connector_config, &start.task_config];
        let resolved = self.worker.providers.resolve_together(settings);
        let [connector, task] = resolved.await?;
        let redactor = connector.redactor.with(&task.redactor);
        let values = Values {
            connector: connector.properties,
            task: task.properties,
        };
        Ok((values, redactor))
    }

    fn make(
        &self,
        start: &InstanceStart,
        values: &Values,
        redactor: Redactor,
    ) -> Result<TaskStart, RecordError> {
        let connector_config = &values.connector;
        let class = connector_config.get("connector.class").unwrap_or_default();
        let connector = self.registry.connector(class);
        let connector = connector.map_err(|error| redacted(connect(&error), &redactor))?;
        let refused = |error| redacted(RecordError::new(CONFIG_EXCEPTION, error), &redactor);
        let worker = &self.worker;
        let stages = StageSettings::read(connector_config, worker).map_err(&refused)?;
        let settings = match connector.role() {
            Role::Sink(_) => {
                SinkSettings::read(&start.id, connector_config, worker).map(TaskSettings::Sink)
            }
            Role::Source(_) => {
                SourceSettings::read(&start.id, connector_config, worker).map(TaskSettings::Source)
            }
        };
        let settings = settings.map_err(&refused)?;
        Ok(TaskStart {
            connector: connector.clone(),
            id: start.id.clone(),
            stages,
            settings,
            task_config: values.task.clone(),
            redactor,
            worker: self.worker.clone(),
            registry: self.registry.clone(),
            offsets: self.offsets.clone(),
            is_paused: start.is_paused,
        })
    }
}

/// `config` is `raw` with its references replaced.
fn plan_tasks(
    name: &str,
    raw: &Properties,
    config: &Properties,
    registry: &PluginRegistry,
    worker: &WorkerSettings,
) -> Result<Vec<Properties>, RecordError> {
    let class = config.get("connector.class").unwrap_or_default();
    let connector = registry.connector(class).map_err(|error| connect(&error))?;
    chain::check_classes(config, &registry.transforms, &registry.predicates)
        .map_err(|error| RecordError::new(error.class, error.message))?;
    connector
        .check_start(config)
        .map_err(|error| RecordError::new(error.class, error.message))?;
    let refused = |error| RecordError::new(CONFIG_EXCEPTION, error);
    let own = read(config, ConnectorConfig::parse).map_err(refused)?;
    match connector.role() {
        Role::Sink(_) => drop(read(config, SinkConfig::parse).map_err(refused)?),
        Role::Source(_) => drop(source_settings::check(config, worker).map_err(refused)?),
    }
    let max = usize::try_from(own.tasks_max).unwrap_or(1);
    let mut tasks = connector.task_configs(config, max);
    if tasks.len() > max && own.enforces_tasks_max {
        return Err(too_many_tasks(name, tasks.len(), max));
    }
    for task in &mut tasks {
        task.insert("task.class", connector.task_class());
        if connector.role().kind() == ConnectorKind::Sink {
            for key in ["topics", "topics.regex"] {
                if let Some(value) = config.get(key) {
                    task.insert(key, value);
                }
            }
        }
        // Secrets stay references wherever settings are kept.
        for (key, value) in raw.iter().filter(|(_, value)| has_reference(value)) {
            if task.contains(key) {
                task.insert(key, value);
            }
        }
    }
    Ok(tasks)
}

/// The failure of a start whose references cannot be looked up.
fn refused(error: &ProviderError) -> RecordError {
    RecordError::new(CONFIG_EXCEPTION, error.to_string())
}

/// The failure with all its causes, showing references and not what they stand for.
fn redacted(error: RecordError, redactor: &Redactor) -> RecordError {
    let cause = error.cause.map(|cause| redacted(*cause, redactor));
    let shown = RecordError::new(error.class, redactor.text(&error.message));
    match cause {
        Some(cause) => shown.caused_by(cause),
        None => shown,
    }
}

fn connect(error: &impl ToString) -> RecordError {
    RecordError::new(CONNECT_EXCEPTION, error.to_string())
}

#[cfg(test)]
mod tests;
