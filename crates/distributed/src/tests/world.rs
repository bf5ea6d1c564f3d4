//! The played cluster: what there is beside the processes, what may happen next, and what always has to hold.
#![allow(clippy::unwrap_used)]

mod rest;

use super::Dice;
use super::coordinator::Coordinator;
use super::process::{ConfigCall, Process, StatusCall, Terms};
use millstream_core::Properties;
use millstream_worker::TaskId;
use millstream_worker::cluster::{
    ConfigEvent, ConfigRecord, GroupEvent, GroupProtocol, Leader, Position, RunState, SessionKey,
    StatusEvent, StatusRecord, StoreError, TargetState,
};
use millstream_worker::herder::request::{Answer, HerderError, Put, Request};
use millstream_worker::herder::state::{Action, Event, KeyPolicy, Ticket};
use millstream_worker::task::{TaskEvent, TaskReport};
use std::collections::BTreeMap;
use std::sync::Arc;

const MOST_WORKERS: usize = 4;
/// None is replaced because of its age.
const LONG_LIVED_KEY_MS: i64 = 1_000_000_000;

/// An instance of a task, from its start to its end.
struct Live {
    process: usize,
    instance: u64,
    id: TaskId,
    state: RunState,
}

/// Who waits for an answer of a herder.
enum Asking {
    Client {
        put: Option<ConfigRecord>,
    },
    /// The process that handed over tasks, and the number of the call.
    Worker(usize, u64),
}

/// A request that is not answered.
struct Open {
    /// The process that was asked last.
    at: usize,
    request: Request,
    asking: Asking,
    /// How often it may be forwarded.
    hops: u32,
}

pub(super) struct World {
    dice: Dice,
    /// Every event and action is printed.
    is_told: bool,
    now: i64,
    /// What most offer.
    protocol: GroupProtocol,
    terms: Terms,
    group: Coordinator,
    processes: Vec<Process>,
    log: Vec<ConfigRecord>,
    statuses: Vec<StatusRecord>,
    live: Vec<Live>,
    asking: BTreeMap<Ticket, Open>,
    tickets: u64,
    /// Configurations whose writers were told that they are in force.
    accepted: Vec<ConfigRecord>,
}

fn name(number: usize) -> Arc<str> {
    ["c0", "c1", "c2"][number].into()
}

impl World {
    pub(super) fn new(mut dice: Dice, is_told: bool) -> Self {
        let max_delay = [0, 400, 5_000][dice.roll(3)];
        let protocol = match dice.roll(8) {
            0 => GroupProtocol::Eager,
            1 => GroupProtocol::Compatible,
            _ => GroupProtocol::Sessioned,
        };
        let workers = 1 + dice.roll(MOST_WORKERS);
        let keys = KeyPolicy {
            algorithm: "HmacSHA256".into(),
            length: 32,
            ttl_ms: [0, LONG_LIVED_KEY_MS][dice.roll(2)],
        };
        let mut world = World {
            dice,
            is_told,
            now: 1,
            protocol,
            terms: Terms { max_delay, keys },
            group: Coordinator::new(),
            processes: Vec::new(),
            log: Vec::new(),
            statuses: Vec::new(),
            live: Vec::new(),
            asking: BTreeMap::new(),
            tickets: 0,
            accepted: Vec::new(),
        };
        for _ in 0..workers {
            world.start();
        }
        world
    }

    fn start(&mut self) {
        let number = self.processes.len();
        // Some offer less. The eager protocol is for all: a group that goes over to it lets two run the same for a moment,
        // as Java's does.
        let protocol = match self.dice.roll(8) {
            0 if self.protocol == GroupProtocol::Sessioned => GroupProtocol::Compatible,
            _ => self.protocol,
        };
        let mut process = Process::new(number, protocol, &self.terms);
        let actions = process.state.begin();
        let end = (self.statuses.len(), StatusEvent::End);
        process.status_events.push_back(end);
        self.processes.push(process);
        for action in actions {
            self.perform(number, action);
        }
    }

    /// One thing, whatever may be next.
    pub(super) fn happen(&mut self) {
        if !self.someone_stays() {
            self.start();
        }
        let alive = (0..self.processes.len()).filter(|number| self.processes[*number].is_alive);
        let alive: Vec<usize> = alive.collect();
        let number = alive[self.dice.roll(alive.len())];
        let connector = name(self.dice.roll(3));
        let action = self.dice.roll(100);
        if self.is_told && action < 25 {
            eprintln!("{} {number} {connector}: action {action}", self.now);
        }
        match action {
            0..4 => self.put(number, connector),
            4 => self.request(number, Request::Delete(connector)),
            5 => self.request(number, Request::SetTarget(connector, TargetState::Paused)),
            6 => self.request(number, Request::SetTarget(connector, TargetState::Started)),
            7 => self.request(number, Request::Stop(connector)),
            8 => self.request(
                number,
                Request::Restart {
                    name: connector,
                    include_tasks: true,
                    only_failed: false,
                },
            ),
            9 if alive.len() > 1 => self.crash(number),
            10 if alive.len() < MOST_WORKERS => self.start(),
            11 if alive.len() > 1 => {
                self.processes[number].is_leaving = true;
                self.handle(number, Event::Shutdown);
            }
            12 => self.freeze(number, true),
            13 => self.freeze(number, false),
            14 => self.cut_group(number, true),
            15 => self.cut_group(number, false),
            16 => self.processes[number].has_log = false,
            17 => self.processes[number].has_log = true,
            18 => self.group.move_away(self.now),
            19..24 => {
                let longest = [20, 400, 1_500][self.dice.roll(3)];
                let later = self.now + 1 + self.dice.roll(longest) as i64;
                self.advance(later);
            }
            24 => self.request(number, Request::Fence(connector)),
            _ => {
                // Things go on, for some more than for others.
                for _ in 0..1 + self.dice.roll(12) {
                    let first = self.dice.roll(9);
                    self.step(number, first);
                }
            }
        }
    }

    fn someone_stays(&self) -> bool {
        let mut processes = self.processes.iter();
        processes.any(|process| process.is_alive && !process.is_leaving)
    }

    fn put(&mut self, number: usize, connector: Arc<str>) {
        let tasks = self.dice.roll(4).to_string();
        self.tickets += 1;
        let version = self.tickets.to_string();
        let config = Properties::from_iter([
            ("connector.class", "Sink"),
            ("name", &*connector),
            ("tasks.max", tasks.as_str()),
            ("version", version.as_str()),
        ]);
        let put = Put {
            name: connector,
            config,
            initial_state: None,
            may_replace: true,
        };
        self.request(number, Request::Put(put));
    }

    fn request(&mut self, number: usize, request: Request) {
        let put = match &request {
            Request::Put(put) => Some(ConfigRecord::Connector {
                name: put.name.clone(),
                config: Some(put.config.clone()),
            }),
            _ => None,
        };
        self.ask(number, request, Asking::Client { put }, 2);
    }

    fn ask(&mut self, number: usize, request: Request, asking: Asking, hops: u32) {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let is_there = self.processes.get(number).is_some_and(|process| {
            process.is_alive && !process.is_frozen && !process.state.has_ended()
        });
        let open = Open {
            at: number,
            request: request.clone(),
            asking,
            hops,
        };
        self.asking.insert(ticket, open);
        if is_there {
            self.handle(number, Event::Request(request, ticket));
        } else {
            self.answer(ticket, Err(HerderError::TimedOut(String::new())));
        }
    }

    fn answer(&mut self, ticket: Ticket, answer: Result<Answer, HerderError>) {
        let open = self.asking.remove(&ticket);
        let Open {
            request,
            asking,
            hops,
            ..
        } = open.expect("answered once");
        if let Err(HerderError::NotHere { url: Some(url), .. }) = &answer
            && hops > 0
            && let Ok(number) = url.parse()
        {
            return self.ask(number, request, asking, hops - 1);
        }
        match asking {
            Asking::Client { put } => {
                self.accepted.extend(put.filter(|_| answer.is_ok()));
            }
            Asking::Worker(process, number) => {
                let outcome = answer.map(|_| ()).map_err(|e| StoreError(e.to_string()));
                let submitted = GroupEvent::Submitted { number, outcome };
                self.processes[process].submitted.push_back(submitted);
            }
        }
    }

    fn crash(&mut self, number: usize) {
        self.processes[number].is_alive = false;
        // What was being written may have got there.
        let front = self.processes[number].config_calls.pop_front();
        if let Some(ConfigCall::Write(_, records)) = front
            && self.dice.roll(2) == 0
        {
            self.log.extend(records);
        }
        self.live.retain(|live| live.process != number);
        // Whoever waits for this process hears that it is gone.
        let asked = self.asking.iter().filter(|(_, open)| open.at == number);
        let asked: Vec<Ticket> = asked.map(|(ticket, _)| *ticket).collect();
        for ticket in asked {
            self.answer(ticket, Err(HerderError::TimedOut(String::new())));
        }
    }

    fn freeze(&mut self, number: usize, is_frozen: bool) {
        let process = &mut self.processes[number];
        process.is_frozen = is_frozen;
        process.was_out = true;
    }

    fn cut_group(&mut self, number: usize, is_cut: bool) {
        let process = &mut self.processes[number];
        process.was_out = true;
        if is_cut {
            process.cut();
        } else {
            process.has_group = true;
        }
    }

    /// The clock goes on: sessions end, and what is due is done.
    fn advance(&mut self, now: i64) {
        self.now = now;
        let processes = &self.processes;
        self.group.tick(now, |id, number, waits| {
            processes[number].is_in_touch(id, waits)
        });
        self.deliver();
        for number in 0..self.processes.len() {
            let process = &mut self.processes[number];
            if !process.is_alive || process.is_frozen {
                continue;
            }
            if process.member.next_due().is_some_and(|due| due <= now) {
                process.member.on_due(now);
                process.act(&mut self.group, now);
            }
            let is_due = process.state.next_due().is_some_and(|due| due <= now);
            if is_due {
                self.handle(number, Event::Due);
            }
        }
    }

    fn deliver(&mut self) {
        for (asker, answer) in self.group.answers() {
            let process = &mut self.processes[asker.process];
            if process.is_alive && process.has_group {
                process.answered(asker, answer);
            }
        }
    }

    /// Lets one thing happen to a process, the first that can beginning with `first`; false if nothing can.
    fn step(&mut self, number: usize, first: usize) -> bool {
        let process = &self.processes[number];
        if !process.is_alive || process.is_frozen {
            return false;
        }
        (0..9).any(|n| self.step_one(number, (n + first) % 9))
    }

    fn step_one(&mut self, number: usize, source: usize) -> bool {
        let process = &mut self.processes[number];
        let event = match source {
            0 => return self.carry_out_config(number),
            1 => self.next_config(number).map(Event::Config),
            2 => self.next_status(number).map(Event::Status),
            3 => process.member.next_event().map(Event::Group),
            4 => process.submitted.pop_front().map(Event::Group),
            5 => process.local.pop_front(),
            6 => return self.carry_out_status(number),
            _ => {
                let stepped = process.step_client(number, &mut self.group, self.now);
                process.act(&mut self.group, self.now);
                self.deliver();
                return stepped;
            }
        };
        let Some(event) = event else {
            return false;
        };
        self.handle(number, event);
        true
    }

    fn handle(&mut self, number: usize, event: Event) {
        if self.is_told {
            eprintln!("{} {number}: {event:?}", self.now);
        }
        match &event {
            Event::TaskStopped { id, instance } => self
                .live
                .retain(|live| (live.process, live.instance, &live.id) != (number, *instance, id)),
            Event::Group(GroupEvent::Assigned(assignment)) if assignment.work.is_some() => {
                self.processes[number].generation = assignment.generation;
                if self.group.generation() == assignment.generation {
                    self.processes[number].was_out = false;
                }
            }
            _ => {}
        }
        let actions = self.processes[number].state.handle(event, self.now);
        for action in actions {
            self.perform(number, action);
        }
        let process = &mut self.processes[number];
        process.act(&mut self.group, self.now);
        if process.state.has_ended() {
            process.is_alive = false;
            assert!(self.live.iter().all(|live| live.process != number));
        }
        self.deliver();
    }

    fn perform(&mut self, number: usize, action: Action) {
        let now = self.now;
        if self.is_told {
            eprintln!("{now} {number} -> {action:?}");
        }
        let process = &mut self.processes[number];
        match action {
            Action::Reply(ticket, answer) => self.answer(ticket, answer),
            Action::WriteConfig { number, records } => {
                let call = ConfigCall::Write(number, records);
                process.config_calls.push_back(call);
            }
            Action::WriteSessionKey { number, created } => {
                self.tickets += 1;
                let key = SessionKey {
                    key: self.tickets.to_be_bytes().repeat(4).into(),
                    algorithm: self.terms.keys.algorithm.clone(),
                    created,
                };
                let call = ConfigCall::Write(number, vec![ConfigRecord::SessionKey(key)]);
                process.config_calls.push_back(call);
            }
            Action::FenceProducers { number, .. } => {
                let away = StoreError("the brokers are away".to_owned());
                let outcome = if self.dice.roll(4) == 0 {
                    Err(away)
                } else {
                    Ok(())
                };
                process.local.push_back(Event::Fenced { number, outcome });
            }
            Action::ReadToEnd(number) => {
                process
                    .config_calls
                    .push_back(ConfigCall::ReadToEnd(number));
            }
            Action::WriteStatus(record) => {
                process.status_calls.push_back(StatusCall::Write(record));
            }
            Action::FlushStatuses(number) => {
                process.status_calls.push_back(StatusCall::Flush(number));
            }
            Action::Observe(snapshot) => process.member.observe(snapshot, now),
            Action::Rejoin => process.member.rejoin(now),
            Action::Released(number) => process.member.released(number),
            Action::Leave => process.member.leave(),
            Action::SubmitTasks {
                number: call,
                name,
                configs,
            } => {
                let leader = match process.member.leader() {
                    Leader::At(url) => url.parse().ok(),
                    Leader::Here(_) | Leader::Unknown => None,
                };
                let request = Request::SetTasks { name, configs };
                let asking = Asking::Worker(number, call);
                self.ask(leader.unwrap_or(usize::MAX), request, asking, 0);
            }
            Action::PlanTasks {
                name,
                attempt,
                config,
            } => {
                let tasks = config.get("tasks.max").unwrap().parse().unwrap();
                process.local.push_back(Event::Planned {
                    name,
                    attempt,
                    outcome: Ok(vec![config; tasks]),
                });
            }
            Action::StartTask(start) => {
                let state = if start.is_paused {
                    RunState::Paused
                } else {
                    RunState::Running
                };
                self.check_start(number, &start.id);
                self.live.push(Live {
                    process: number,
                    instance: start.instance,
                    id: start.id,
                    state,
                });
                self.report(self.live.len() - 1);
            }
            Action::PauseTask(id) => self.steer(number, &id, RunState::Paused),
            Action::ResumeTask(id) => self.steer(number, &id, RunState::Running),
            Action::StopTask { id, instance } => {
                let stopped = Event::TaskStopped { id, instance };
                process.local.push_back(stopped);
            }
            Action::SetLogger { .. } | Action::Lead => {}
        }
    }

    /// A task may run twice only as long as a worker does not know that the group has given it up.
    fn check_start(&self, number: usize, id: &TaskId) {
        let is_out = |number: usize| {
            let process = &self.processes[number];
            process.was_out || !self.group.has(number)
        };
        for live in self.live.iter().filter(|live| live.id == *id) {
            assert_ne!(live.process, number, "{id} runs twice in one worker");
            let generations = [number, live.process].map(|n| self.processes[n].generation);
            assert!(
                is_out(number) || is_out(live.process),
                "{id} runs twice: in {number} and {} of generations {generations:?}",
                live.process
            );
        }
    }

    fn report(&mut self, place: usize) {
        let live = &self.live[place];
        let event = match live.state {
            RunState::Paused => TaskEvent::Paused,
            _ => TaskEvent::Running,
        };
        let report = TaskReport {
            id: live.id.clone(),
            instance: live.instance,
            event,
        };
        self.processes[live.process]
            .local
            .push_back(Event::Task(report));
    }

    fn steer(&mut self, number: usize, id: &TaskId, state: RunState) {
        let mut lives = self.live.iter();
        let place = lives.position(|live| live.process == number && live.id == *id);
        if let Some(place) = place {
            self.live[place].state = state;
            self.report(place);
        }
    }

    fn carry_out_config(&mut self, number: usize) -> bool {
        let process = &mut self.processes[number];
        let is_lost = !process.has_log;
        let failed = || StoreError("the log is away".to_owned());
        let event = match process.config_calls.pop_front() {
            None => return false,
            Some(ConfigCall::Write(number, records)) => {
                // One that fails may have got there all the same.
                let is_written = !is_lost || self.dice.roll(2) == 0;
                if is_written {
                    self.log.extend(records);
                }
                let outcome = if is_lost { Err(failed()) } else { Ok(()) };
                ConfigEvent::Written { number, outcome }
            }
            Some(ConfigCall::ReadToEnd(number)) => {
                let end = Position(self.log.len() as i64);
                let outcome = if is_lost { Err(failed()) } else { Ok(end) };
                ConfigEvent::End { number, outcome }
            }
        };
        let at = if is_lost { 0 } else { self.log.len() };
        process.config_events.push_back((at, event));
        true
    }

    fn carry_out_status(&mut self, number: usize) -> bool {
        let process = &mut self.processes[number];
        match process.status_calls.pop_front() {
            None => return false,
            Some(StatusCall::Write(record)) => {
                if process.may_write(&record) {
                    self.statuses.push(record);
                }
            }
            Some(StatusCall::Flush(number)) => {
                let flushed = StatusEvent::Flushed { number };
                let at = self.statuses.len();
                process.status_events.push_back((at, flushed));
            }
        }
        true
    }

    fn next_config(&mut self, number: usize) -> Option<ConfigEvent> {
        let process = &mut self.processes[number];
        let due = process.config_events.front();
        if due.is_some_and(|(at, _)| *at <= process.configs_read) {
            return process.config_events.pop_front().map(|(_, event)| event);
        }
        let record = self.log.get(process.configs_read).cloned();
        let record = record.filter(|_| process.has_log)?;
        process.configs_read += 1;
        let position = Position(process.configs_read as i64);
        Some(ConfigEvent::Record { position, record })
    }

    fn next_status(&mut self, number: usize) -> Option<StatusEvent> {
        let process = &mut self.processes[number];
        let due = process.status_events.front();
        if due.is_some_and(|(at, _)| *at <= process.statuses_read) {
            return process.status_events.pop_front().map(|(_, event)| event);
        }
        let record = self.statuses.get(process.statuses_read)?.clone();
        process.statuses_read += 1;
        process.note(&record);
        Some(StatusEvent::Record(record))
    }
}
