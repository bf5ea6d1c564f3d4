//! LocalTasks: plans, starts and stops what this machine runs.

use crate::config::{Concealer, Resolved, WorkerConfig, has_reference};
use crate::herder::state::{InstanceStart, PlanFailure};
use crate::registry::PluginRegistry;
use crate::sink_settings::SinkSettings;
use crate::task::{TaskEvent, TaskEvents, TaskHandle, TaskId, TaskReport, TaskStart, TaskStarter};
use crate::trace::trace;
use futures::future::join_all;
use millstream_core::rejected::CONNECT_EXCEPTION;
use millstream_core::{Properties, RecordError, chain};
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

const CONFIG_EXCEPTION: &str = "org.apache.kafka.common.config.ConfigException";
const TOO_MANY_TASKS: &str = "org.apache.kafka.connect.runtime.TooManyTasksException";

pub(crate) struct LocalTasks {
    pub(crate) starter: Arc<dyn TaskStarter>,
    pub(crate) registry: Arc<PluginRegistry>,
    pub(crate) worker: Arc<WorkerConfig>,
    pub(crate) reports: mpsc::Sender<TaskReport>,
    pub(crate) handles: HashMap<TaskId, Box<dyn TaskHandle>>,
}

impl LocalTasks {
    /// Asks the connector for its tasks' settings. References are resolved for it and put back afterwards.
    pub(crate) fn plan(
        &self,
        name: Arc<str>,
        config: Properties,
    ) -> impl Future<Output = Result<Vec<Properties>, PlanFailure>> + use<> {
        let (registry, worker) = (self.registry.clone(), self.worker.clone());
        async move {
            let plan = plan_tasks(&name, &config, &registry, &worker).await;
            plan.map_err(|error| PlanFailure {
                message: error.message.clone(),
                trace: trace(&error),
            })
        }
    }

    pub(crate) async fn start(&mut self, start: InstanceStart) {
        let id = start.id.clone();
        let events = TaskEvents::new(id.clone(), start.instance, self.reports.clone());
        match self.make_start(start).await {
            Ok(start) => {
                let events = events.concealing(start.concealer.clone());
                let handle = self.starter.start(start, events);
                self.handles.insert(id, handle);
            }
            // The herder cannot wait for room in its own queue.
            Err(error) => {
                tokio::spawn(async move {
                    let trace = trace(&error);
                    let is_transient = false;
                    events
                        .send(TaskEvent::Failed {
                            trace,
                            is_transient,
                        })
                        .await;
                });
            }
        }
    }

    async fn make_start(&self, start: InstanceStart) -> Result<TaskStart, RecordError> {
        let connector_config = resolve(&self.worker, &start.connector_config).await?;
        let task_config = resolve(&self.worker, &start.task_config).await?;
        let concealer = connector_config.concealer.with(&task_config.concealer);
        let connector_config = connector_config.properties;
        let class = connector_config.get("connector.class").unwrap_or_default();
        let connector = self.registry.connector(class);
        let connector = connector.map_err(|error| concealed(connect(&error), &concealer))?;
        Ok(TaskStart {
            connector: connector.clone(),
            id: start.id,
            connector_config,
            task_config: task_config.properties,
            concealer,
            worker_config: self.worker.clone(),
            registry: self.registry.clone(),
            is_paused: start.is_paused,
        })
    }

    pub(crate) fn pause(&self, id: &TaskId) {
        if let Some(handle) = self.handles.get(id) {
            handle.pause();
        }
    }

    pub(crate) fn resume(&self, id: &TaskId) {
        if let Some(handle) = self.handles.get(id) {
            handle.resume();
        }
    }

    /// Resolves once the task has ended.
    pub(crate) fn stop(&mut self, id: &TaskId) -> impl Future<Output = ()> + use<> {
        let (handle, deadline) = (self.handles.remove(id), self.worker.shutdown_timeout());
        async move {
            if let Some(handle) = handle {
                handle.stop(deadline).await;
            }
        }
    }

    /// Stops all tasks side by side.
    pub(crate) async fn stop_all(&mut self, deadline: Duration) {
        let handles = self.handles.drain();
        join_all(handles.map(|(_, handle)| handle.stop(deadline))).await;
    }
}

async fn plan_tasks(
    name: &str,
    raw: &Properties,
    registry: &PluginRegistry,
    worker: &WorkerConfig,
) -> Result<Vec<Properties>, RecordError> {
    let Resolved {
        properties,
        concealer,
    } = resolve(worker, raw).await?;
    let tasks = plan_resolved(name, raw, &properties, registry);
    tasks.map_err(|error| concealed(error, &concealer))
}

fn plan_resolved(
    name: &str,
    raw: &Properties,
    config: &Properties,
    registry: &PluginRegistry,
) -> Result<Vec<Properties>, RecordError> {
    let class = config.get("connector.class").unwrap_or_default();
    let connector = registry.connector(class).map_err(|error| connect(&error))?;
    chain::check_classes(config, &registry.transforms, &registry.predicates)
        .map_err(|error| RecordError::new(error.class, error.message))?;
    connector
        .check_start(config)
        .map_err(|error| RecordError::new(error.class, error.message))?;
    let settings = SinkSettings::read(config);
    let settings = settings.map_err(|error| RecordError::new(CONFIG_EXCEPTION, error))?;
    let max = settings.tasks_max;
    let mut tasks = connector.task_configs(config, max);
    if tasks.len() > max && settings.enforces_tasks_max {
        return Err(RecordError::new(
            TOO_MANY_TASKS,
            too_many(name, tasks.len(), max),
        ));
    }
    for task in &mut tasks {
        task.insert("task.class", connector.task_class());
        for key in ["topics", "topics.regex"] {
            if let Some(value) = config.get(key) {
                task.insert(key, value);
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

async fn resolve(worker: &WorkerConfig, config: &Properties) -> Result<Resolved, RecordError> {
    let resolved = worker.providers.resolve(config).await;
    resolved.map_err(|error| RecordError::new(CONFIG_EXCEPTION, error.to_string()))
}

/// The failure with all its causes, showing references and not what they stand for.
fn concealed(error: RecordError, concealer: &Concealer) -> RecordError {
    let cause = error.cause.map(|cause| concealed(*cause, concealer));
    let shown = RecordError::new(error.class, concealer.text(&error.message));
    match cause {
        Some(cause) => shown.caused_by(cause),
        None => shown,
    }
}

fn connect(error: &impl ToString) -> RecordError {
    RecordError::new(CONNECT_EXCEPTION, error.to_string())
}

fn too_many(name: &str, tasks: usize, max: usize) -> String {
    format!(
        "The connector {name} has generated {tasks} tasks, which is greater than {max}, the maximum number of tasks it is configured to create. This behaviour should be considered a bug and is disallowed. If necessary, it can be permitted by reconfiguring the connector with 'tasks.max.enforce' set to false; however, this option will be removed in a future release of Kafka Connect."
    )
}
