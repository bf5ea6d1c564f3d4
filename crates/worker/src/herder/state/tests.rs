//! The herder over a log and tasks that are lists, with every order of events that can happen.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::cluster::{AloneInCluster, Membership};
use crate::task::TaskEvent;
use async_trait::async_trait;
use futures::FutureExt;
use millstream_core::sink::{Connector as Plugin, SinkError, SinkTask, TaskContext};
use millstream_core::{ConfigDef, Properties};
use proptest::prelude::*;
use std::collections::VecDeque;

struct Sink(ConfigDef);

#[async_trait]
impl Plugin for Sink {
    fn class_name(&self) -> &'static str {
        "Sink"
    }

    fn version(&self) -> &'static str {
        "1"
    }

    fn config_def(&self) -> &ConfigDef {
        &self.0
    }

    async fn start_task(
        &self,
        _properties: &Properties,
        _context: TaskContext,
    ) -> Result<Box<dyn SinkTask>, SinkError> {
        Err(SinkError::fatal("nothing is started here"))
    }
}

/// Everything around the herder.
struct World {
    state: State,
    now: i64,
    tickets: u64,
    answers: BTreeMap<Ticket, Result<Answer, HerderError>>,
    configs: VecDeque<ConfigRecord>,
    statuses: VecDeque<StatusRecord>,
    membership: AloneInCluster,
    plans: VecDeque<Event>,
    /// Tasks that run, with their instance and whether they are paused.
    live: BTreeMap<TaskId, (u64, bool)>,
    reports: VecDeque<TaskReport>,
    stopped: VecDeque<Event>,
}

impl World {
    fn new(flavour: Flavour) -> Self {
        let mut registry = PluginRegistry::default();
        registry
            .connectors
            .push(Arc::new(Sink(ConfigDef::new(Vec::new()))));
        World {
            state: State::new(Settings {
                flavour,
                worker_id: "w:1".to_owned(),
                registry: Arc::new(registry),
                topic_tracking: true,
                self_healing: true,
            }),
            now: 1_000_000,
            tickets: 0,
            answers: BTreeMap::new(),
            configs: VecDeque::new(),
            statuses: VecDeque::new(),
            membership: AloneInCluster::default(),
            plans: VecDeque::new(),
            live: BTreeMap::new(),
            reports: VecDeque::new(),
            stopped: VecDeque::new(),
        }
    }

    fn request(&mut self, request: Request) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.handle(Event::Request(request, ticket));
        ticket
    }

    fn handle(&mut self, event: Event) {
        for action in self.state.handle(event, self.now) {
            self.perform(action);
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Reply(ticket, answer) => {
                assert!(
                    self.answers.insert(ticket, answer).is_none(),
                    "answered twice"
                );
            }
            Action::WriteConfig(records) => self.configs.extend(records),
            Action::WriteStatus(record) => self.statuses.push_back(record),
            Action::Rejoin(inventory) => self.membership.rejoin(inventory),
            Action::PlanTasks {
                name,
                attempt,
                config,
            } => {
                let tasks = config.get("tasks.max").unwrap().parse().unwrap();
                let outcome = match config.get("fails") {
                    Some(_) => Err(PlanFailure {
                        message: "no".to_owned(),
                        trace: "no\n".to_owned(),
                    }),
                    None => Ok(vec![config; tasks]),
                };
                self.plans.push_back(Event::Planned {
                    name,
                    attempt,
                    outcome,
                });
            }
            Action::StartTask(start) => {
                let new = (start.instance, start.is_paused);
                let old = self.live.insert(start.id.clone(), new);
                assert_eq!(old, None, "{} runs twice", start.id);
                let event = if start.is_paused {
                    TaskEvent::Paused
                } else {
                    TaskEvent::Running
                };
                self.report(start.id, start.instance, event);
            }
            Action::PauseTask(id) => self.steer(id, true),
            Action::ResumeTask(id) => self.steer(id, false),
            Action::StopTask { id, instance } => {
                self.stopped.push_back(Event::TaskStopped { id, instance });
            }
            Action::SetLogger { .. } => {}
        }
    }

    fn report(&mut self, id: TaskId, instance: u64, event: TaskEvent) {
        self.reports.push_back(TaskReport {
            id,
            instance,
            event,
        });
    }

    fn steer(&mut self, id: TaskId, pauses: bool) {
        let (instance, is_paused) = self.live.get_mut(&id).unwrap();
        *is_paused = pauses;
        let (instance, event) = (
            *instance,
            if pauses {
                TaskEvent::Paused
            } else {
                TaskEvent::Running
            },
        );
        self.report(id, instance, event);
    }

    /// Lets one thing happen that is due, chosen by `which`; false if nothing is.
    fn step(&mut self, which: usize) -> bool {
        for source in (0..6).map(|n| (n + which) % 6) {
            let event = match source {
                0 => self.configs.pop_front().map(Event::Config),
                1 => self.statuses.pop_front().map(Event::Status),
                2 => self.membership.next().now_or_never().map(Event::Assigned),
                3 => self.plans.pop_front(),
                4 => self.reports.pop_front().map(Event::Task),
                _ => self.stopped.pop_front(),
            };
            if let Some(event) = event {
                if let Event::TaskStopped { id, .. } = &event {
                    self.live.remove(id);
                }
                self.handle(event);
                return true;
            }
        }
        false
    }

    fn settle(&mut self) {
        while self.step(0) {}
    }

    fn put(&mut self, name: &str, settings: &[(&str, &str)]) -> Ticket {
        let mut config = Properties::from_iter([
            ("connector.class", "Sink"),
            ("name", name),
            ("tasks.max", "2"),
        ]);
        for (key, value) in settings {
            config.insert(*key, *value);
        }
        self.request(Request::Put(Put {
            name: name.into(),
            config,
            initial_state: None,
            may_replace: true,
        }))
    }

    /// `connector: state; tasks: states`.
    fn shown(&self, name: &str) -> String {
        let Some(state) = self.state.state(name) else {
            return "none".to_owned();
        };
        let mut text = state.connector.state.name().to_owned();
        for (_, task) in &state.tasks {
            text.push(' ');
            text.push_str(task.status.state.name());
        }
        text
    }
}

fn check(world: &mut World, request: Request, expected: &str) {
    let ticket = world.request(request);
    world.settle();
    assert!(world.answers.contains_key(&ticket), "no answer");
    assert_eq!(world.shown("c"), expected);
}

#[test]
fn walks_through_a_connector_s_life() {
    let mut world = World::new(Flavour::Standalone);
    let name: Arc<str> = "c".into();
    let ticket = world.put("c", &[]);
    world.settle();
    let Ok(Answer::Connector { info, is_new: true }) = &world.answers[&ticket] else {
        panic!("not created");
    };
    assert_eq!(info.tasks, 2);
    assert_eq!(world.shown("c"), "RUNNING RUNNING RUNNING");
    let target = |target| Request::SetTarget("c".into(), target);
    check(
        &mut world,
        target(TargetState::Paused),
        "PAUSED PAUSED PAUSED",
    );
    check(
        &mut world,
        target(TargetState::Started),
        "RUNNING RUNNING RUNNING",
    );
    check(&mut world, Request::Stop(name.clone()), "STOPPED");
    assert!(world.state.is_stopped("c") && world.live.is_empty());
    check(&mut world, target(TargetState::Paused), "PAUSED");
    check(
        &mut world,
        target(TargetState::Started),
        "RUNNING RUNNING RUNNING",
    );
    check(
        &mut world,
        Request::RestartConnector(name.clone()),
        "RUNNING RUNNING RUNNING",
    );
    let restart = Request::Restart {
        name: name.clone(),
        include_tasks: true,
        only_failed: false,
    };
    check(&mut world, restart, "RUNNING RUNNING RUNNING");
    check(&mut world, Request::Delete(name), "none");
    assert!(world.live.is_empty());
}

#[test]
fn a_connector_that_cannot_start_is_failed_and_says_why() {
    let mut world = World::new(Flavour::Standalone);
    let ticket = world.put("c", &[("fails", "yes")]);
    world.settle();
    assert_eq!(
        world.answers[&ticket].clone().unwrap_err().to_string(),
        "no"
    );
    assert_eq!(world.shown("c"), "FAILED");
    let ticket = world.put("c", &[]);
    world.settle();
    assert!(world.answers[&ticket].is_ok());
    assert_eq!(world.shown("c"), "RUNNING RUNNING RUNNING");
}

#[test]
fn a_task_that_failed_for_a_transient_reason_starts_again() {
    let mut world = World::new(Flavour::Standalone);
    world.put("c", &[("tasks.max", "1")]);
    world.settle();
    let id = TaskId::new("c", 0);
    let fail = |world: &mut World, is_transient| {
        let (instance, _) = world.live[&TaskId::new("c", 0)];
        let trace = "gone\n".to_owned();
        world.report(
            TaskId::new("c", 0),
            instance,
            TaskEvent::Failed {
                trace,
                is_transient,
            },
        );
        world.settle();
    };
    for pause in [5_000, 10_000, 20_000] {
        fail(&mut world, true);
        assert_eq!(world.shown("c"), "RUNNING FAILED");
        assert_eq!(world.state.next_due(), Some(world.now + pause));
        let trouble = world.state.task_state(&id).unwrap().trouble;
        assert!(matches!(trouble, Some(Trouble::Healing { .. })));
        world.now += pause;
        world.handle(Event::Due);
        world.settle();
        assert_eq!(world.shown("c"), "RUNNING RUNNING");
    }
    fail(&mut world, false);
    assert_eq!(world.state.next_due(), None);
}

#[test]
fn shows_trouble_only_while_it_lasts() {
    let mut world = World::new(Flavour::Standalone);
    world.put("c", &[("tasks.max", "1")]);
    world.settle();
    let id = TaskId::new("c", 0);
    let (instance, _) = world.live[&id];
    let degraded = TaskEvent::Degraded {
        since: 7,
        reason: "S3 is away".to_owned(),
        next_try_ms: 100,
    };
    let again = TaskEvent::Degraded {
        since: 9,
        reason: "S3 is away".to_owned(),
        next_try_ms: 200,
    };
    let first = Trouble::Degraded {
        since: 7,
        reason: "S3 is away".to_owned(),
        next_try_ms: 100,
    };
    world.report(id.clone(), instance, degraded);
    world.settle();
    let shown = world.state.task_state(&id).unwrap().trouble;
    assert_eq!(shown, Some(first));
    for (event, since) in [(again, Some(7)), (TaskEvent::Recovered, None)] {
        world.report(id.clone(), instance, event);
        world.settle();
        assert_eq!(world.shown("c"), "RUNNING RUNNING");
        let trouble = world.state.task_state(&id).unwrap().trouble;
        let shown = trouble.map(|trouble| match trouble {
            Trouble::Degraded { since, .. } => since,
            Trouble::Healing { .. } => panic!("nothing failed"),
        });
        assert_eq!(shown, since);
    }
}

#[test]
fn report_c6_a_task_that_starts_is_shown_and_says_what_it_waits_for() {
    let mut world = World::new(Flavour::Standalone);
    world.put("c", &[("tasks.max", "1")]);
    while world.live.is_empty() {
        assert!(world.step(0), "the task is never started");
    }
    let running = world.reports.pop_front().unwrap();
    world.settle();
    assert_eq!(world.shown("c"), "RUNNING UNASSIGNED");
    let waits = TaskEvent::Degraded {
        since: 7,
        reason: "waiting for S3".to_owned(),
        next_try_ms: 0,
    };
    world.report(running.id.clone(), running.instance, waits);
    world.settle();
    assert_eq!(world.shown("c"), "RUNNING UNASSIGNED");
    let trouble = world.state.task_state(&running.id).unwrap().trouble;
    assert!(matches!(trouble, Some(Trouble::Degraded { .. })));
    world.reports.push_back(running);
    world.settle();
    assert_eq!(world.shown("c"), "RUNNING RUNNING");
}

#[test]
fn report_c21_a_restart_of_a_task_that_is_not_there_leaves_no_ghost() {
    for flavour in [Flavour::Standalone, Flavour::Distributed] {
        let mut world = World::new(flavour);
        world.put("c", &[]);
        world.settle();
        let ticket = world.request(Request::RestartTask(TaskId::new("c", 9)));
        world.settle();
        let answer = world.answers[&ticket].clone();
        assert!(matches!(answer, Err(HerderError::NotFound(_))));
        assert_eq!(world.shown("c"), "RUNNING RUNNING RUNNING");
    }
}

/// Anything that clients and tasks may do.
#[derive(Clone, Debug)]
enum Deed {
    Put {
        connector: u8,
        tasks: u8,
        fails: bool,
    },
    Delete(u8),
    Target(u8, bool),
    Stop(u8),
    Restart {
        connector: u8,
        include_tasks: bool,
        only_failed: bool,
    },
    RestartTask(u8, u8),
    FailTask(u8, u8),
    Step(usize),
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        3 => (0..2u8, 0..4u8, prop::bool::weighted(0.1))
            .prop_map(|(connector, tasks, fails)| Deed::Put { connector, tasks, fails }),
        1 => (0..2u8).prop_map(Deed::Delete),
        2 => (0..2u8, any::<bool>()).prop_map(|(c, pause)| Deed::Target(c, pause)),
        1 => (0..2u8).prop_map(Deed::Stop),
        2 => (0..2u8, any::<bool>(), any::<bool>())
            .prop_map(|(connector, include_tasks, only_failed)| Deed::Restart { connector, include_tasks, only_failed }),
        1 => (0..2u8, 0..4u8).prop_map(|(c, t)| Deed::RestartTask(c, t)),
        1 => (0..2u8, 0..4u8).prop_map(|(c, t)| Deed::FailTask(c, t)),
        20 => (0..6usize).prop_map(Deed::Step),
    ];
    prop::collection::vec(deed, 1..120)
}

fn perform(world: &mut World, deed: Deed) {
    let name = |connector: u8| -> Arc<str> { format!("c{connector}").into() };
    match deed {
        Deed::Put {
            connector,
            tasks,
            fails,
        } => {
            let tasks = tasks.to_string();
            let mut settings = vec![("tasks.max", tasks.as_str())];
            settings.extend(fails.then_some(("fails", "yes")));
            world.put(&name(connector), &settings);
        }
        Deed::Delete(c) => {
            world.request(Request::Delete(name(c)));
        }
        Deed::Target(c, true) => {
            world.request(Request::SetTarget(name(c), TargetState::Paused));
        }
        Deed::Target(c, false) => {
            world.request(Request::SetTarget(name(c), TargetState::Started));
        }
        Deed::Stop(c) => {
            world.request(Request::Stop(name(c)));
        }
        Deed::Restart {
            connector,
            include_tasks,
            only_failed,
        } => {
            world.request(Request::Restart {
                name: name(connector),
                include_tasks,
                only_failed,
            });
        }
        Deed::RestartTask(c, t) => {
            world.request(Request::RestartTask(TaskId::new(name(c), u32::from(t))));
        }
        Deed::FailTask(c, t) => {
            let id = TaskId::new(name(c), u32::from(t));
            if let Some((instance, _)) = world.live.get(&id) {
                let event = TaskEvent::Failed {
                    trace: "x\n".to_owned(),
                    is_transient: false,
                };
                let instance = *instance;
                world.report(id, instance, event);
            }
        }
        Deed::Step(which) => {
            world.step(which);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever happens in whatever order: no task runs twice, every request is answered once, and in the end
    /// just that runs which the configuration says, and the statuses say so.
    #[test]
    fn settles_into_what_was_asked_for(deeds in deeds(), is_standalone in any::<bool>()) {
        let flavour = if is_standalone { Flavour::Standalone } else { Flavour::Distributed };
        let mut world = World::new(flavour);
        for deed in deeds {
            perform(&mut world, deed);
        }
        world.settle();
        prop_assert_eq!(world.answers.len() as u64, world.tickets);
        for name in ["c0", "c1"] {
            let configured = world.state.task_configs(name).map_or(0, |tasks| tasks.len());
            let live = world.live.keys().filter(|id| &*id.connector == name).count();
            prop_assert_eq!(live, configured, "tasks of {}", name);
            match world.state.state(name) {
                None => prop_assert!(world.state.info(name).is_none()),
                Some(state) => {
                    prop_assert_eq!(state.tasks.len(), configured);
                    let is_paused = state.connector.state == RunState::Paused;
                    let live = world.live.iter().filter(|(id, _)| &*id.connector == name);
                    let paused = live.filter(|(_, (_, paused))| *paused).count();
                    prop_assert!(!is_paused || paused == configured);
                }
            }
        }
    }
}
