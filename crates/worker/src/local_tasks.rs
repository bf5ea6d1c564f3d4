//! LocalTasks: plans, starts and stops what this machine runs. Each task has one future for its whole life, which the
//! herder owns and never waits for; references are resolved in it.

use crate::config::{Redactor, Resolved, WorkerSettings, has_reference};
use crate::connector_config::{ConnectorConfig, SinkConfig, read};
use crate::herder::state::{InstanceStart, PlanFailure};
use crate::registry::PluginRegistry;
use crate::sink_settings::SinkSettings;
use crate::source_settings::{self, SourceSettings};
use crate::stage_settings::StageSettings;
use crate::task::{
    TaskEvent, TaskEvents, TaskId, TaskReport, TaskSettings, TaskStart, TaskStarter,
};
use crate::too_many_tasks::too_many_tasks;
use crate::trace::trace;
use millstream_core::rejected::CONNECT_EXCEPTION;
use millstream_core::{ConnectorKind, OffsetStore, Properties, RecordError, Role, chain};
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
            let plan = plan_tasks(&name, &config, &registry, &worker).await;
            plan.map_err(|error| PlanFailure {
                message: error.message.clone(),
                trace: trace(&error),
            })
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

/// Starts a task and does with it what is wanted, until that is to stop.
async fn live(
    starting: Starting,
    start: InstanceStart,
    mut targets: watch::Receiver<TaskTarget>,
    events: TaskEvents,
) {
    let mut first_targets = targets.clone();
    let made = tokio::select! {
        made = starting.make(start) => made,
        () = told_to_stop(&mut first_targets) => return,
    };
    let handle = match made {
        Ok(mut start) => {
            let target = *targets.borrow_and_update();
            if target == TaskTarget::Stop {
                return;
            }
            start.is_paused = target == TaskTarget::Pause;
            let events = events.redacting(start.redactor.clone());
            starting.starter.start(start, events)
        }
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
    loop {
        match next_target(&mut targets).await {
            TaskTarget::Run => handle.resume(),
            TaskTarget::Pause => handle.pause(),
            TaskTarget::Stop => break,
        }
    }
    handle.stop(starting.worker.shutdown_timeout()).await;
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

impl Starting {
    async fn make(&self, start: InstanceStart) -> Result<TaskStart, RecordError> {
        let connector_config = resolve(&self.worker, &start.connector_config).await?;
        let task_config = resolve(&self.worker, &start.task_config).await?;
        let redactor = connector_config.redactor.with(&task_config.redactor);
        let connector_config = connector_config.properties;
        let class = connector_config.get("connector.class").unwrap_or_default();
        let connector = self.registry.connector(class);
        let connector = connector.map_err(|error| redacted(connect(&error), &redactor))?;
        let refused = |error| redacted(RecordError::new(CONFIG_EXCEPTION, error), &redactor);
        let worker = &self.worker;
        let stages = StageSettings::read(&connector_config, worker).map_err(&refused)?;
        let settings = match connector.role() {
            Role::Sink(_) => {
                SinkSettings::read(&start.id, &connector_config, worker).map(TaskSettings::Sink)
            }
            Role::Source(_) => {
                SourceSettings::read(&start.id, &connector_config, worker).map(TaskSettings::Source)
            }
        };
        let settings = settings.map_err(&refused)?;
        Ok(TaskStart {
            connector: connector.clone(),
            id: start.id,
            stages,
            settings,
            task_config: task_config.properties,
            redactor,
            worker: self.worker.clone(),
            registry: self.registry.clone(),
            offsets: self.offsets.clone(),
            is_paused: start.is_paused,
        })
    }
}

async fn plan_tasks(
    name: &str,
    raw: &Properties,
    registry: &PluginRegistry,
    worker: &WorkerSettings,
) -> Result<Vec<Properties>, RecordError> {
    let Resolved {
        properties,
        redactor,
    } = resolve(worker, raw).await?;
    let tasks = plan_resolved(name, raw, &properties, registry, worker);
    tasks.map_err(|error| redacted(error, &redactor))
}

fn plan_resolved(
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

async fn resolve(worker: &WorkerSettings, config: &Properties) -> Result<Resolved, RecordError> {
    let resolved = worker.providers.resolve(config).await;
    resolved.map_err(|error| RecordError::new(CONFIG_EXCEPTION, error.to_string()))
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
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::cluster::MemoryOffsets;
    use crate::task::TaskHandle;
    use crate::unstartable::Unstartable;
    use async_trait::async_trait;
    use std::time::Duration;

    /// Tells what it is told.
    #[derive(Clone)]
    struct Recorder(mpsc::Sender<&'static str>);

    impl TaskStarter for Recorder {
        fn start(&self, start: TaskStart, _events: TaskEvents) -> Box<dyn TaskHandle> {
            let told = if start.is_paused {
                "starts paused"
            } else {
                "starts"
            };
            self.0.try_send(told).unwrap();
            Box::new(self.clone())
        }
    }

    #[async_trait]
    impl TaskHandle for Recorder {
        fn pause(&self) {
            self.0.try_send("pauses").unwrap();
        }

        fn resume(&self) {
            self.0.try_send("resumes").unwrap();
        }

        async fn stop(self: Box<Self>, _deadline: Duration) {
            self.0.try_send("stops").unwrap();
        }
    }

    struct Stage {
        tasks: LocalTasks,
        told: mpsc::Receiver<&'static str>,
        reports: mpsc::Receiver<TaskReport>,
    }

    fn stage() -> Stage {
        let (told_in, told) = mpsc::channel(8);
        let (reports_in, reports) = mpsc::channel(8);
        let registry = PluginRegistry {
            connectors: vec![Arc::new(Unstartable::new())],
            ..PluginRegistry::default()
        };
        let worker = WorkerSettings::minimal(&[]);
        let (registry, worker) = (Arc::new(registry), Arc::new(worker.unwrap()));
        let offsets = Arc::<MemoryOffsets>::default();
        let starter = Arc::new(Recorder(told_in));
        let tasks = LocalTasks::new(starter, registry, worker, offsets, reports_in);
        Stage {
            tasks,
            told,
            reports,
        }
    }

    fn start(class: &str) -> InstanceStart {
        InstanceStart {
            id: TaskId::new("c", 0),
            instance: 7,
            connector_config: Properties::from_iter([("name", "c"), ("connector.class", class)]),
            task_config: Properties::new(),
            is_paused: false,
        }
    }

    #[tokio::test]
    async fn a_task_does_what_is_wished_until_that_is_to_stop() {
        let mut stage = stage();
        let id = TaskId::new("c", 0);
        let life = tokio::spawn(stage.tasks.start(start("Sink")));
        assert_eq!(stage.told.recv().await, Some("starts"));
        stage.tasks.pause(&id);
        assert_eq!(stage.told.recv().await, Some("pauses"));
        stage.tasks.resume(&id);
        assert_eq!(stage.told.recv().await, Some("resumes"));
        assert!(stage.tasks.stop(&id, 7));
        assert!(!stage.tasks.stop(&id, 7));
        life.await.unwrap();
        assert_eq!(stage.told.recv().await, Some("stops"));
    }

    #[tokio::test]
    async fn what_is_wished_before_the_start_counts() {
        let mut stage = stage();
        let id = TaskId::new("c", 0);
        let life = stage.tasks.start(start("Sink"));
        stage.tasks.pause(&id);
        let life = tokio::spawn(life);
        assert_eq!(stage.told.recv().await, Some("starts paused"));
        stage.tasks.stop(&id, 7);
        life.await.unwrap();
        assert_eq!(stage.told.recv().await, Some("stops"));
        let life = stage.tasks.start(start("Sink"));
        stage.tasks.stop(&id, 7);
        life.await;
        assert!(stage.told.try_recv().is_err(), "it never starts");
    }

    #[tokio::test]
    async fn a_task_that_cannot_start_says_so_and_keeps_its_place() {
        let mut stage = stage();
        let life = tokio::spawn(stage.tasks.start(start("Nope")));
        let report = stage.reports.recv().await.unwrap();
        assert_eq!(report.instance, 7);
        let TaskEvent::Failed { trace, .. } = report.event else {
            panic!("{report:?}");
        };
        assert!(trace.contains("Failed to find any class"), "{trace}");
        assert!(!life.is_finished());
        stage.tasks.stop(&TaskId::new("c", 0), 7);
        life.await.unwrap();
    }
}
