//! A worker of the played cluster: the herder's state, the member, and the Kafka client's part of the membership, with what
//! each waits for in queues.

use super::coordinator::{Answer, Asker, Coordinator};
use crate::member::{Joined, Member, MemberAction, MemberSettings};
use bytes::Bytes;
use millstream_kafka::group::Offer;
use millstream_worker::PluginRegistry;
use millstream_worker::cluster::{
    ConfigEvent, ConfigRecord, GroupEvent, GroupProtocol, Status, StatusEvent, StatusKey,
    StatusRecord, StatusValue,
};
use millstream_worker::herder::state::{Event, KeyPolicy, Settings, State, WorkerMode};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// What all workers of a played cluster are set to.
pub(super) struct Terms {
    pub(super) max_delay: i32,
    pub(super) keys: KeyPolicy,
}

pub(super) enum ConfigCall {
    Write(u64, Vec<ConfigRecord>),
    ReadToEnd(u64),
}

pub(super) enum StatusCall {
    Write(StatusRecord),
    Flush(u64),
}

/// A worker's process, from its start to its end.
pub(super) struct Process {
    pub(super) state: State,
    pub(super) member: Member,
    client: Client,
    pub(super) is_alive: bool,
    /// It was told to shut down.
    pub(super) is_leaving: bool,
    /// Nothing happens in it.
    pub(super) is_frozen: bool,
    /// It reaches the coordinator, and the logs.
    pub(super) has_group: bool,
    pub(super) has_log: bool,
    /// Since it was last up to date with the group it was frozen, cut off or thrown out.
    pub(super) was_out: bool,
    /// Of the last assignment.
    pub(super) generation: i32,
    pub(super) config_calls: VecDeque<ConfigCall>,
    pub(super) configs_read: usize,
    pub(super) config_events: VecDeque<(usize, ConfigEvent)>,
    pub(super) status_calls: VecDeque<StatusCall>,
    pub(super) statuses_read: usize,
    pub(super) status_events: VecDeque<(usize, StatusEvent)>,
    /// The last that was read of each.
    statuses: BTreeMap<StatusKey, Status>,
    pub(super) submitted: VecDeque<GroupEvent>,
    /// Plans, reports and ends of tasks.
    pub(super) local: VecDeque<Event>,
}

/// What the client does for its member: `millstream_kafka`'s, in one sentence each.
#[derive(Debug, Default)]
struct Client {
    stage: Stage,
    id: Option<String>,
    generation: i32,
    last_request: u64,
    /// Not there yet, or on its way back.
    request: Option<Request>,
    answer: Option<Answer>,
    wants_rejoin: bool,
    is_degraded: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Out,
    /// The member has been asked what it offers.
    Preparing,
    /// A request is under way.
    Asking,
    /// The member shares out.
    Assigning(Round),
    Syncing(Round),
    Staying,
    /// The connection broke; it goes on from the beginning.
    Broken,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Round {
    generation: i32,
    leader: String,
    protocol: String,
}

#[derive(Clone, Debug)]
enum Request {
    Join(Vec<Offer>),
    Sync(Vec<Offer>),
}

impl Process {
    pub(super) fn new(number: usize, protocol: GroupProtocol, terms: &Terms) -> Self {
        let state = State::new(Settings {
            mode: WorkerMode::Distributed,
            worker_id: format!("w:{number}"),
            // The classes are known to nobody: plans come from the world, and nothing is started.
            registry: Arc::new(PluginRegistry::default()),
            topic_tracking: false,
            self_healing: true,
            protocol,
            keys: Some(terms.keys.clone()),
        });
        Process {
            state,
            member: Member::new(MemberSettings {
                url: number.to_string(),
                protocol,
                max_delay: terms.max_delay,
                sync_timeout: 300,
                coordinator_timeout: 300,
            }),
            client: Client::default(),
            is_alive: true,
            is_leaving: false,
            is_frozen: false,
            has_group: true,
            has_log: true,
            was_out: false,
            generation: -1,
            config_calls: VecDeque::new(),
            configs_read: 0,
            config_events: VecDeque::new(),
            status_calls: VecDeque::new(),
            statuses_read: 0,
            status_events: VecDeque::new(),
            statuses: BTreeMap::new(),
            submitted: VecDeque::new(),
            local: VecDeque::new(),
        }
    }

    /// What a store does that writes later than it was told to.
    pub(super) fn may_write(&self, record: &StatusRecord) -> bool {
        match &record.value {
            Some(StatusValue::Status(status)) => status.may_follow(self.statuses.get(&record.key)),
            Some(StatusValue::Topic { .. }) | None => true,
        }
    }

    /// A status has been read.
    pub(super) fn note(&mut self, record: &StatusRecord) {
        match &record.value {
            Some(StatusValue::Status(status)) => {
                self.statuses.insert(record.key.clone(), status.clone());
            }
            Some(StatusValue::Topic { .. }) => {}
            None => {
                self.statuses.remove(&record.key);
            }
        }
    }

    /// Heartbeats of this process keep the member alive, or it waits for the answer to this request.
    pub(super) fn is_in_touch(&self, id: &str, waits: Option<Asker>) -> bool {
        let is_this = self.client.id.as_deref() == Some(id);
        let is_waiting = waits.is_some_and(|asker| asker.request == self.client.last_request);
        self.is_alive && !self.is_frozen && self.has_group && (is_this || is_waiting)
    }

    /// The way to the coordinator breaks, with what is on it.
    pub(super) fn cut(&mut self) {
        self.has_group = false;
        let client = &mut self.client;
        if matches!(client.stage, Stage::Asking | Stage::Syncing(_)) {
            client.stage = Stage::Broken;
            client.last_request += 1;
            client.request = None;
            client.answer = None;
        }
    }

    /// What the member has decided becomes requests.
    pub(super) fn act(&mut self, group: &mut Coordinator, now: i64) {
        while let Some(action) = self.member.next_action() {
            match action {
                MemberAction::Join => {
                    self.client.stage = Stage::Preparing;
                    self.member.on_joining();
                }
                MemberAction::Rejoin => self.client.wants_rejoin = true,
                MemberAction::Leave => {
                    // Whom it does not reach will notice.
                    if let Some(id) = self.client.id.take().filter(|_| self.has_group) {
                        group.leave(&id, now);
                    }
                    let last_request = self.client.last_request + 1;
                    self.client = Client {
                        last_request,
                        ..Client::default()
                    };
                }
                MemberAction::Offer(offers) if self.client.stage == Stage::Preparing => {
                    self.ask(Request::Join(offers));
                    self.client.stage = Stage::Asking;
                }
                MemberAction::Assign(shares) => {
                    if let Stage::Assigning(round) = self.client.stage.clone() {
                        self.ask(Request::Sync(shares));
                        self.client.stage = Stage::Syncing(round);
                    }
                }
                MemberAction::Offer(_) => {}
            }
        }
    }

    fn ask(&mut self, request: Request) {
        self.client.last_request += 1;
        self.client.request = Some(request);
        self.client.answer = None;
    }

    /// The coordinator has answered; whoever has gone on does not listen.
    pub(super) fn answered(&mut self, asker: Asker, answer: Answer) {
        if asker.request == self.client.last_request {
            self.client.answer = Some(answer);
        }
    }

    /// Lets the client do what it can; false if that is nothing.
    pub(super) fn step_client(&mut self, number: usize, group: &mut Coordinator, now: i64) -> bool {
        let client = &mut self.client;
        if client.stage == Stage::Out {
            return false;
        }
        if !self.has_group {
            let is_news = !std::mem::replace(&mut client.is_degraded, true);
            if is_news {
                self.member.on_degraded(now);
            }
            return is_news;
        }
        let asker = Asker {
            process: number,
            request: client.last_request,
        };
        if let Some(answer) = client.answer.take() {
            self.take(answer, now);
            return true;
        }
        match client.request.take() {
            Some(Request::Join(offers)) => {
                group.join(asker, client.id.as_deref(), offers, now);
                return true;
            }
            Some(Request::Sync(shares)) => {
                let id = client.id.clone().unwrap_or_default();
                let Stage::Syncing(round) = &client.stage else {
                    return true;
                };
                group.sync(asker, &id, round.generation, &shares, now);
                return true;
            }
            None => {}
        }
        match client.stage {
            Stage::Broken => {
                self.prepare();
                true
            }
            Stage::Preparing => {
                let id = client.id.clone().filter(|_| client.generation >= 0);
                match id.and_then(|id| group.beat(&id, client.generation, now)) {
                    Some(Answer::UnknownMember) => self.lose(true),
                    Some(Answer::IllegalGeneration) => self.lose(false),
                    _ => return false,
                }
                true
            }
            Stage::Staying if client.wants_rejoin => {
                self.prepare();
                true
            }
            Stage::Staying => {
                let id = client.id.clone().unwrap_or_default();
                match group.beat(&id, client.generation, now) {
                    None if client.is_degraded => {
                        client.is_degraded = false;
                        self.member.on_recovered();
                    }
                    None => return false,
                    Some(Answer::UnknownMember) => {
                        self.lose(true);
                        self.prepare();
                    }
                    Some(Answer::IllegalGeneration) => {
                        self.lose(false);
                        self.prepare();
                    }
                    Some(_) => self.prepare(),
                }
                true
            }
            Stage::Out | Stage::Asking | Stage::Assigning(_) | Stage::Syncing(_) => false,
        }
    }

    fn take(&mut self, answer: Answer, now: i64) {
        match answer {
            Answer::Joined {
                id,
                generation,
                leader,
                protocol,
                members,
            } => {
                let is_led_here = id == leader && !members.is_empty();
                let round = Round {
                    generation,
                    leader,
                    protocol,
                };
                self.client.id = Some(id.clone());
                self.client.generation = generation;
                if is_led_here {
                    self.client.stage = Stage::Assigning(round.clone());
                    self.member
                        .on_assign(&round.protocol, generation, id, &members, now);
                } else {
                    self.client.stage = Stage::Syncing(round);
                    self.ask(Request::Sync(Vec::new()));
                }
            }
            Answer::Synced(assignment) => self.joined(assignment, now),
            Answer::UnknownMember => {
                self.lose(true);
                self.prepare();
            }
            Answer::IllegalGeneration => {
                self.lose(false);
                self.prepare();
            }
            Answer::Rebalancing => self.prepare(),
            Answer::Moved => {
                self.client.is_degraded = true;
                self.member.on_degraded(now);
                self.prepare();
            }
        }
    }

    fn joined(&mut self, assignment: Bytes, now: i64) {
        let Stage::Syncing(round) = std::mem::replace(&mut self.client.stage, Stage::Staying)
        else {
            return;
        };
        if std::mem::take(&mut self.client.is_degraded) {
            self.member.on_recovered();
        }
        let joined = Joined {
            generation: round.generation,
            member_id: self.client.id.clone().unwrap_or_default(),
            leader_id: round.leader,
            protocol: round.protocol,
            assignment,
        };
        self.member.on_joined(joined, now);
    }

    fn prepare(&mut self) {
        self.client.stage = Stage::Preparing;
        self.client.wants_rejoin = false;
        self.member.on_joining();
    }

    fn lose(&mut self, forget_id: bool) {
        if forget_id {
            self.client.id = None;
        }
        if std::mem::replace(&mut self.client.generation, -1) >= 0 {
            self.was_out = true;
            self.member.on_lost();
        }
    }
}
