//! A cluster in which nothing happens by itself: one log of configurations and one of statuses, a group, and workers whose
//! stores, plans and tasks are queues. Each step lets one thing happen that could happen next.

use super::super::*;
use super::group::Group;
use crate::cluster::{AloneInCluster, GroupProtocol, Membership, SessionKey};
use crate::herder::request::TaskState;
use crate::registry::PluginRegistry;
use crate::task::TaskEvent;
use crate::unstartable::Unstartable;
use futures::FutureExt;

/// What a store is told to do, or to say once so much of its log has been read.
enum Call {
    Write(u64, Vec<ConfigRecord>),
    ReadToEnd(u64),
}

enum StatusCall {
    Write(StatusRecord),
    Flush(u64),
}

/// A task that runs: the instance, and what its status is to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Live {
    pub(super) worker: usize,
    pub(super) instance: u64,
    pub(super) state: RunState,
}

pub(super) struct World {
    pub(super) now: i64,
    pub(super) workers: Vec<Worker>,
    pub(super) live: BTreeMap<TaskId, Live>,
    /// Of clients, and how each was answered.
    pub(super) tickets: u64,
    pub(super) answers: BTreeMap<Ticket, Result<Answer, HerderError>>,
    /// Whether who keeps what references stand for is out of reach.
    pub(super) is_away: bool,
    /// Who was told to write as the leader, in order.
    pub(super) led: Vec<usize>,
    group: Group,
    configs: Vec<ConfigRecord>,
    statuses: Vec<StatusRecord>,
    /// In the order in which they were called, over all workers.
    status_calls: VecDeque<(usize, StatusCall)>,
    /// Requests on their way to another worker, with the hops that are left.
    forwarded: VecDeque<(usize, Request, Ticket, u32)>,
    /// What a worker waits for that asked the leader.
    submitted: BTreeMap<Ticket, (usize, u64)>,
    asked: BTreeMap<Ticket, (Request, u32)>,
}

pub(super) struct Worker {
    pub(super) state: State,
    /// The membership of a worker without peers; else the world's group.
    alone: Option<AloneInCluster>,
    pub(super) has_ended: bool,
    config_calls: VecDeque<Call>,
    configs_read: usize,
    config_events: VecDeque<(usize, ConfigEvent)>,
    statuses_read: usize,
    status_events: VecDeque<(usize, StatusEvent)>,
    plans: VecDeque<Event>,
    pub(super) reports: VecDeque<TaskReport>,
    stopped: VecDeque<Event>,
}

pub(super) fn key_policy() -> KeyPolicy {
    KeyPolicy {
        algorithm: "HmacSHA256".into(),
        length: 32,
        ttl_ms: 3_600_000,
    }
}

/// One such as the policy asks for.
pub(super) fn session_key(created: i64) -> SessionKey {
    SessionKey {
        key: vec![7; 32].into(),
        algorithm: "HmacSHA256".into(),
        created,
    }
}

/// How a write to the shared configuration ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WriteEnd {
    Done,
    Failed,
    /// It is in the log, and whoever wrote it does not know.
    Unknown,
}

impl World {
    /// Workers of a group; one that has no peers, if there are none.
    pub(super) fn new(mode: WorkerMode, workers: usize) -> Self {
        let mut world = World {
            now: 1_000_000,
            workers: Vec::new(),
            live: BTreeMap::new(),
            tickets: 0,
            answers: BTreeMap::new(),
            is_away: false,
            led: Vec::new(),
            group: Group::default(),
            configs: Vec::new(),
            statuses: Vec::new(),
            status_calls: VecDeque::new(),
            forwarded: VecDeque::new(),
            submitted: BTreeMap::new(),
            asked: BTreeMap::new(),
        };
        if workers == 0 {
            world.join(mode, Some(AloneInCluster::default()));
        }
        for _ in 0..workers {
            world.join(mode, None);
        }
        world
    }

    pub(super) fn join(&mut self, mode: WorkerMode, alone: Option<AloneInCluster>) {
        let number = self.workers.len();
        let mut registry = PluginRegistry::default();
        registry.connectors.push(Arc::new(Unstartable::new()));
        let mut state = State::new(Settings {
            mode,
            worker_id: format!("w:{number}"),
            registry: Arc::new(registry),
            topic_tracking: true,
            self_healing: true,
            protocol: GroupProtocol::Sessioned,
            keys: (mode == WorkerMode::Distributed).then(key_policy),
        });
        let actions = state.begin();
        self.workers.push(Worker {
            state,
            alone,
            has_ended: false,
            config_calls: VecDeque::new(),
            configs_read: 0,
            config_events: VecDeque::new(),
            statuses_read: 0,
            status_events: VecDeque::from([(self.statuses.len(), StatusEvent::End)]),
            plans: VecDeque::new(),
            reports: VecDeque::new(),
            stopped: VecDeque::new(),
        });
        for action in actions {
            self.perform(number, action);
        }
    }

    /// A client's request to one of the workers.
    pub(super) fn request(&mut self, worker: usize, request: Request) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.ask(worker, request, ticket, 2);
        ticket
    }

    fn ask(&mut self, worker: usize, request: Request, ticket: Ticket, hops: u32) {
        if self.workers[worker].has_ended {
            return self.answer(ticket, Err(HerderError::ShuttingDown));
        }
        self.asked.insert(ticket, (request.clone(), hops));
        self.handle(worker, Event::Request(request, ticket));
    }

    fn answer(&mut self, ticket: Ticket, answer: Result<Answer, HerderError>) {
        let asked = self.asked.remove(&ticket);
        if let (Err(HerderError::NotHere { url: Some(url), .. }), Some((request, hops))) =
            (&answer, asked)
            && hops > 0
        {
            let worker = url.parse().unwrap();
            self.forwarded
                .push_back((worker, request, ticket, hops - 1));
            return;
        }
        if let Some((worker, number)) = self.submitted.remove(&ticket) {
            let outcome = answer.map(|_| ()).map_err(|e| StoreError(e.to_string()));
            let submitted = GroupEvent::Submitted { number, outcome };
            return self.group.tell(worker, submitted);
        }
        let before = self.answers.insert(ticket, answer);
        assert!(before.is_none(), "answered twice");
    }

    pub(super) fn handle(&mut self, worker: usize, event: Event) {
        for action in self.workers[worker].state.handle(event, self.now) {
            self.perform(worker, action);
        }
        if self.workers[worker].state.has_ended() && !self.workers[worker].has_ended {
            self.workers[worker].has_ended = true;
            assert!(!self.live.values().any(|live| live.worker == worker));
        }
    }

    fn perform(&mut self, number: usize, action: Action) {
        let worker = &mut self.workers[number];
        match action {
            Action::Reply(ticket, answer) => self.answer(ticket, answer),
            Action::WriteConfig { number, records } => {
                worker.config_calls.push_back(Call::Write(number, records));
            }
            Action::WriteSessionKey { number, created } => {
                let key = ConfigRecord::SessionKey(session_key(created));
                worker
                    .config_calls
                    .push_back(Call::Write(number, vec![key]));
            }
            Action::FenceProducers { number, .. } => {
                let outcome = Ok(());
                worker.plans.push_back(Event::Fenced { number, outcome });
            }
            Action::ReadToEnd(number) => worker.config_calls.push_back(Call::ReadToEnd(number)),
            Action::WriteStatus(record) => {
                self.status_calls
                    .push_back((number, StatusCall::Write(record)));
            }
            Action::FlushStatuses(flush) => {
                self.status_calls
                    .push_back((number, StatusCall::Flush(flush)));
            }
            Action::Observe(snapshot) => match &mut worker.alone {
                Some(alone) => alone.observe(snapshot),
                None => self.group.observe(number, snapshot),
            },
            Action::Rejoin => match &mut worker.alone {
                Some(alone) => alone.rejoin(),
                None => self.group.rejoin(number),
            },
            Action::Released(revoked) => match &mut worker.alone {
                Some(alone) => alone.released(revoked),
                None => self.group.released(revoked),
            },
            Action::Leave => match &mut worker.alone {
                Some(alone) => alone.leave(),
                None => self.group.leave(number),
            },
            Action::SubmitTasks {
                number: submit,
                name,
                configs,
            } => {
                let Leader::At(url) = &worker.state.leader else {
                    panic!("a leader writes by itself");
                };
                let leader = url.parse().unwrap();
                // Not a client's: counted apart.
                let ticket = Ticket(u64::MAX - submit * 100 - number as u64);
                self.submitted.insert(ticket, (number, submit));
                let request = Request::SetTasks { name, configs };
                self.forwarded.push_back((leader, request, ticket, 0));
            }
            Action::PlanTasks {
                name,
                attempt,
                config,
            } => {
                let tasks = config.get("tasks.max").unwrap().parse().unwrap();
                let outcome = match config.get("fails") {
                    Some(how) if how != "for now" || self.is_away => Err(PlanFailure {
                        message: "no".to_owned(),
                        trace: "no\n".to_owned(),
                        is_transient: how == "for now",
                    }),
                    _ => Ok(vec![config; tasks]),
                };
                worker.plans.push_back(Event::Planned {
                    name,
                    attempt,
                    outcome,
                });
            }
            Action::StartTask(start) => {
                let state = if start.is_paused {
                    RunState::Paused
                } else {
                    RunState::Running
                };
                let new = Live {
                    worker: number,
                    instance: start.instance,
                    state,
                };
                let old = self.live.insert(start.id.clone(), new);
                assert_eq!(old, None, "{} runs twice", start.id);
                self.report_state(&start.id);
            }
            Action::PauseTask(id) => self.steer(number, &id, RunState::Paused),
            Action::ResumeTask(id) => self.steer(number, &id, RunState::Running),
            Action::StopTask { id, instance } => {
                worker
                    .stopped
                    .push_back(Event::TaskStopped { id, instance });
            }
            Action::Lead => self.led.push(number),
            Action::SetLogger { .. } => {}
        }
    }

    pub(super) fn report(&mut self, id: &TaskId, event: TaskEvent) {
        let Live {
            worker, instance, ..
        } = self.live[id];
        self.workers[worker].reports.push_back(TaskReport {
            id: id.clone(),
            instance,
            event,
        });
    }

    fn report_state(&mut self, id: &TaskId) {
        let event = match self.live[id].state {
            RunState::Paused => TaskEvent::Paused,
            _ => TaskEvent::Running,
        };
        self.report(id, event);
    }

    fn steer(&mut self, worker: usize, id: &TaskId, state: RunState) {
        let live = self.live.get_mut(id).unwrap();
        assert_eq!(live.worker, worker);
        // One that has failed is beyond that.
        if live.state != RunState::Failed {
            live.state = state;
            self.report_state(id);
        }
    }

    pub(super) fn fail(&mut self, id: &TaskId, is_transient: bool) {
        self.live.get_mut(id).unwrap().state = RunState::Failed;
        let trace = "gone\n".to_owned();
        self.report(
            id,
            TaskEvent::Failed {
                trace,
                is_transient,
            },
        );
    }

    /// Lets one thing happen to a worker, the first that can beginning with `which`; false if nothing can.
    pub(super) fn step(&mut self, number: usize, which: usize, end: WriteEnd) -> bool {
        (0..8).map(|n| (n + which) % 8).any(|source| {
            if self.workers[number].has_ended {
                // What the process has begun may still come to pass.
                return source == 0 && self.carry_out_call(number, end);
            }
            let worker = &mut self.workers[number];
            let event = match source {
                0 => return self.carry_out_call(number, end),
                1 => self.next_config(number).map(Event::Config),
                2 => self.next_status(number).map(Event::Status),
                3 => match &mut worker.alone {
                    Some(alone) => alone.next().now_or_never(),
                    None => self.group.next(number),
                }
                .map(Event::Group),
                4 => worker.plans.pop_front(),
                5 => worker.reports.pop_front().map(Event::Task),
                6 => worker.stopped.pop_front(),
                _ => return self.happen_between(),
            };
            let Some(event) = event else {
                return false;
            };
            if let Event::TaskStopped { id, .. } = &event {
                self.live.remove(id);
            }
            self.handle(number, event);
            true
        })
    }

    /// Lets a write end that a worker has begun; false if it has begun none.
    pub(super) fn step_write(&mut self, number: usize, end: WriteEnd) -> bool {
        let calls = &self.workers[number].config_calls;
        matches!(calls.front(), Some(Call::Write(..))) && self.carry_out_call(number, end)
    }

    /// What the group's member asks for by itself.
    pub(super) fn rejoin(&mut self, number: usize) {
        self.group.rejoin(number);
    }

    /// Whether the one worker has no group to be joined.
    pub(super) fn is_alone(&self) -> bool {
        self.workers[0].alone.is_some()
    }

    /// The whole log of configurations.
    pub(super) fn log(&self) -> Vec<ConfigEvent> {
        let records = self.configs.iter().cloned().zip(1..);
        records
            .map(|(record, position)| ConfigEvent::Record {
                position: Position(position),
                record,
            })
            .collect()
    }

    /// What is nobody's alone: the group, statuses being written, requests under way between workers.
    fn happen_between(&mut self) -> bool {
        if let Some((worker, request, ticket, hops)) = self.forwarded.pop_front() {
            self.ask(worker, request, ticket, hops);
            return true;
        }
        match self.status_calls.pop_front() {
            Some((number, StatusCall::Write(record))) => {
                let worker = &self.workers[number];
                if worker.may_write(&record) {
                    self.statuses.push(record);
                }
                true
            }
            Some((number, StatusCall::Flush(flush))) => {
                let flushed = StatusEvent::Flushed { number: flush };
                let at = self.statuses.len();
                self.workers[number].status_events.push_back((at, flushed));
                true
            }
            None => self.group.rebalance(),
        }
    }

    fn carry_out_call(&mut self, number: usize, end: WriteEnd) -> bool {
        let worker = &mut self.workers[number];
        let failed = StoreError("the log is away".to_owned());
        let event = match worker.config_calls.pop_front() {
            None => return false,
            Some(Call::Write(number, records)) => {
                if end != WriteEnd::Failed {
                    self.configs.extend(records);
                }
                let outcome = if end == WriteEnd::Done {
                    Ok(())
                } else {
                    Err(failed)
                };
                ConfigEvent::Written { number, outcome }
            }
            Some(Call::ReadToEnd(number)) => {
                let position = Position(self.configs.len() as i64);
                let outcome = if end == WriteEnd::Done {
                    Ok(position)
                } else {
                    Err(failed)
                };
                ConfigEvent::End { number, outcome }
            }
        };
        worker.config_events.push_back((self.configs.len(), event));
        true
    }

    fn next_config(&mut self, number: usize) -> Option<ConfigEvent> {
        let worker = &mut self.workers[number];
        let due = worker.config_events.front();
        if due.is_some_and(|(at, _)| *at <= worker.configs_read) {
            return worker.config_events.pop_front().map(|(_, event)| event);
        }
        let record = self.configs.get(worker.configs_read)?.clone();
        worker.configs_read += 1;
        let position = Position(worker.configs_read as i64);
        Some(ConfigEvent::Record { position, record })
    }

    fn next_status(&mut self, number: usize) -> Option<StatusEvent> {
        let worker = &mut self.workers[number];
        let due = worker.status_events.front();
        if due.is_some_and(|(at, _)| *at <= worker.statuses_read) {
            return worker.status_events.pop_front().map(|(_, event)| event);
        }
        let record = self.statuses.get(worker.statuses_read)?.clone();
        worker.statuses_read += 1;
        Some(StatusEvent::Record(record))
    }

    /// Lets everything happen, until nothing is left and no time would bring anything.
    pub(super) fn settle(&mut self) {
        for _ in 0..100_000 {
            let workers = 0..self.workers.len();
            let mut happened = false;
            for worker in workers.clone() {
                happened |= self.step(worker, 0, WriteEnd::Done);
            }
            if happened {
                continue;
            }
            let mut alive = workers.filter(|worker| !self.workers[*worker].has_ended);
            let due = alive.find_map(|worker| Some((worker, self.workers[worker].state.retry()?)));
            let Some((worker, due)) = due else {
                return;
            };
            self.now = self.now.max(due);
            self.handle(worker, Event::Due);
        }
        panic!("it never comes to rest");
    }

    pub(super) fn put(&mut self, worker: usize, name: &str, settings: &[(&str, &str)]) -> Ticket {
        let mut config = Properties::from_iter([
            ("connector.class", "Sink"),
            ("name", name),
            ("tasks.max", "2"),
        ]);
        for (key, value) in settings {
            config.insert(*key, *value);
        }
        self.request(
            worker,
            Request::Put(Put {
                name: name.into(),
                config,
                initial_state: None,
                may_replace: true,
            }),
        )
    }

    /// `connector: state; tasks: states`, as the first worker shows it.
    pub(super) fn shown(&self, name: &str) -> String {
        let Some(state) = self.workers[0].state.view.state(name) else {
            return "none".to_owned();
        };
        let mut text = state.connector.state.name().to_owned();
        for (_, task) in &state.tasks {
            text.push(' ');
            text.push_str(task.status.state.name());
        }
        text
    }

    pub(super) fn task_state(&self, id: &TaskId) -> TaskState {
        self.workers[0].state.view.task_state(id).unwrap()
    }
}

impl Worker {
    /// What a store does that writes later than it was told to.
    fn may_write(&self, record: &StatusRecord) -> bool {
        let Some(StatusValue::Status(status)) = &record.value else {
            return true;
        };
        let view = &self.state.view;
        let known = match &record.key {
            StatusKey::Connector(name) => view.known(name).and_then(|known| known.status.as_ref()),
            StatusKey::Task(id) => view
                .known(&id.connector)
                .and_then(|known| known.task_statuses.get(&id.task)),
            StatusKey::Topic { .. } => None,
        };
        status.may_follow(known.map(|known| &**known))
    }
}

impl State {
    /// When something is tried again that no task is waiting for.
    pub(super) fn retry(&self) -> Option<i64> {
        let instances = self
            .instances
            .values()
            .filter_map(|instance| instance.retry_at);
        let reading = self.reading.iter().filter_map(|reading| reading.retry_at);
        let key = self.key_is_due().filter(|_| self.keys.retry_at.is_some());
        let others = instances.chain(reading).chain(key);
        others.chain(self.round_due()).min()
    }
}
