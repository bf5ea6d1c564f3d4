//! What becomes of a task that is started.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::cluster::MemoryOffsets;
use crate::config::{RemoteError, RemoteValue, RemoteValues};
use crate::task::TaskHandle;
use crate::unstartable::Unstartable;
use async_trait::async_trait;
use millstream_core::Degraded;
use std::sync::Mutex;
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
    stage_of(&[])
}

fn stage_of(more: &[(&str, &str)]) -> Stage {
    let (told_in, told) = mpsc::channel(8);
    let (reports_in, reports) = mpsc::channel(8);
    let registry = PluginRegistry {
        connectors: vec![Arc::new(Unstartable::new())],
        ..PluginRegistry::default()
    };
    let worker = WorkerSettings::minimal(more);
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

/// A secret that somebody changes: what a service answers.
struct Secret(Arc<Mutex<Result<String, RemoteError>>>);

impl RemoteValues for Secret {
    fn get(&self, _: &RemoteValue) -> Result<Option<String>, RemoteError> {
        self.0.lock().unwrap().clone().map(Some)
    }
}

const SECRETS: [(&str, &str); 2] = [
    ("config.providers", "secrets"),
    (
        "config.providers.secrets.class",
        "SecretsManagerConfigProvider",
    ),
];

/// Gives each task's events to the test.
struct Talker(mpsc::Sender<(String, TaskEvents)>);

impl TaskStarter for Talker {
    fn start(&self, start: TaskStart, events: TaskEvents) -> Box<dyn TaskHandle> {
        let password = start.task_config.get("password").unwrap_or_default();
        self.0.try_send((password.to_owned(), events)).unwrap();
        Box::new(Quiet)
    }
}

struct Quiet;

#[async_trait]
impl TaskHandle for Quiet {
    fn pause(&self) {}

    fn resume(&self) {}

    async fn stop(self: Box<Self>, _deadline: Duration) {}
}

#[tokio::test]
async fn a_task_in_trouble_starts_again_with_what_its_references_stand_for_now() {
    let mut stage = stage_of(&SECRETS);
    let secret = Arc::new(Mutex::new(Ok("old".to_owned())));
    let providers = &stage.tasks.starting.worker.providers;
    providers.ask_with(Arc::new(Secret(secret.clone())));
    let (started_in, mut started) = mpsc::channel(8);
    stage.tasks.starting.starter = Arc::new(Talker(started_in));
    let mut start = start("Sink");
    start.task_config.insert("password", "${secrets:db}");
    let life = tokio::spawn(stage.tasks.start(start));
    let (password, events) = started.recv().await.unwrap();
    assert_eq!(password, "old");
    // A change alone is no reason to do anything.
    *secret.lock().unwrap() = Ok("new-password".to_owned());
    events.send(TaskEvent::Running).await;
    assert!(started.try_recv().is_err());
    let degraded = Degraded {
        reason: "the login is refused".to_owned(),
        since: 1,
        next_try: Duration::ZERO,
    };
    events.send(TaskEvent::Degraded(degraded)).await;
    let (password, events) = started.recv().await.unwrap();
    assert_eq!(password, "new-password");
    // The next lookup is some time later, and nothing comes of one that finds the same.
    let (trace, is_transient) = ("new-password is refused".to_owned(), false);
    let failed = TaskEvent::Failed {
        trace,
        is_transient,
    };
    events.send(failed).await;
    let mut traces = Vec::new();
    while let Ok(report) = stage.reports.try_recv() {
        if let TaskEvent::Failed { trace, .. } = report.event {
            traces.push(trace);
        }
    }
    assert_eq!(traces, ["${secrets:db} is refused"]);
    assert!(started.try_recv().is_err());
    stage.tasks.stop(&TaskId::new("c", 0), 7);
    life.await.unwrap();
}

/// A worker with this setting, whose service is away.
fn away(self_healing: &str) -> (Stage, Arc<Mutex<Result<String, RemoteError>>>) {
    let heals = ("millstream.self.healing", self_healing);
    let stage = stage_of(&[&SECRETS[..], &[heals]].concat());
    let secret = Arc::new(Mutex::new(Err(RemoteError {
        message: "secret db: 500".to_owned(),
        is_transient: true,
    })));
    let providers = &stage.tasks.starting.worker.providers;
    providers.ask_with(Arc::new(Secret(secret.clone())));
    (stage, secret)
}

fn start_with_reference() -> InstanceStart {
    let mut start = start("Sink");
    start.task_config.insert("password", "${secrets:db}");
    start
}

#[tokio::test(start_paused = true)]
async fn who_keeps_the_references_may_be_away_at_a_start() {
    let (mut stage, secret) = away("true");
    let id = TaskId::new("c", 0);
    let life = tokio::spawn(stage.tasks.start(start_with_reference()));
    let mut told = async || stage.reports.recv().await.unwrap().event;
    assert_eq!(told().await, TaskEvent::Running);
    let mut since = None;
    for _ in 0..2 {
        let TaskEvent::Degraded(degraded) = told().await else {
            panic!("not degraded");
        };
        assert_eq!(degraded.reason, "secret db: 500");
        assert!(degraded.next_try > Duration::ZERO);
        assert_eq!(*since.get_or_insert(degraded.since), degraded.since);
    }
    // What is wanted of the task meanwhile is told, too.
    stage.tasks.pause(&id);
    while told().await != TaskEvent::Paused {}
    *secret.lock().unwrap() = Ok("here".to_owned());
    assert_eq!(stage.told.recv().await, Some("starts paused"));
    while told().await != TaskEvent::Recovered {}
    stage.tasks.stop(&id, 7);
    life.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_start_that_waits_for_its_references_can_be_stopped() {
    let (mut stage, _secret) = away("true");
    let life = tokio::spawn(stage.tasks.start(start_with_reference()));
    assert_eq!(
        stage.reports.recv().await.unwrap().event,
        TaskEvent::Running
    );
    stage.tasks.stop(&TaskId::new("c", 0), 7);
    life.await.unwrap();
    assert!(stage.told.try_recv().is_err(), "it never starts");
}

#[tokio::test]
async fn a_reference_that_is_refused_fails_the_task() {
    for (self_healing, is_transient) in [("true", false), ("false", true)] {
        let (mut stage, secret) = away(self_healing);
        *secret.lock().unwrap() = Err(RemoteError {
            message: "secret db: no".to_owned(),
            is_transient,
        });
        let life = tokio::spawn(stage.tasks.start(start_with_reference()));
        let TaskEvent::Failed { trace, .. } = stage.reports.recv().await.unwrap().event else {
            panic!("it has not failed");
        };
        assert!(trace.contains("secret db: no"), "{trace}");
        stage.tasks.stop(&TaskId::new("c", 0), 7);
        life.await.unwrap();
    }
}

#[tokio::test]
async fn a_plan_says_whether_its_failure_may_pass() {
    let (stage, secret) = away("true");
    let config = Properties::from_iter([
        ("name", "c"),
        ("connector.class", "Sink"),
        ("password", "${secrets:db}"),
    ]);
    let plan = || stage.tasks.plan("c".into(), config.clone());
    assert!(plan().await.unwrap_err().is_transient);
    *secret.lock().unwrap() = Ok("here".to_owned());
    assert!(plan().await.is_ok());
}
