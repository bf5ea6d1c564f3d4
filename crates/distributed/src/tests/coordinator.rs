//! Kafka's coordinator of a classic group, as far as its members can tell, without sockets and clocks.

use bytes::Bytes;
use millstream_kafka::group::{GroupMember, Offer};

pub(super) const SESSION_MS: i64 = 1_000;
pub(super) const REBALANCE_MS: i64 = 3_000;

/// Which process asks, and the number of its request: an answer to an older one finds nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asker {
    pub(super) process: usize,
    pub(super) request: u64,
}

#[derive(Clone, Debug)]
pub(super) enum Answer {
    Joined {
        id: String,
        generation: i32,
        leader: String,
        protocol: String,
        /// For the leader alone.
        members: Vec<GroupMember>,
    },
    Synced(Bytes),
    UnknownMember,
    IllegalGeneration,
    Rebalancing,
    /// The coordinator is another now.
    Moved,
}

#[derive(Clone, Debug)]
struct Member {
    id: String,
    process: usize,
    offers: Vec<Offer>,
    has_joined: bool,
    waits: Option<Asker>,
    assignment: Bytes,
    seen: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Stable,
    Joining { deadline: i64 },
    Syncing,
}

#[derive(Clone, Debug)]
pub(super) struct Coordinator {
    /// In the order in which they joined: the next to lead is the first.
    members: Vec<Member>,
    generation: i32,
    leader: String,
    protocol: String,
    phase: Phase,
    last_id: u64,
    answers: Vec<(Asker, Answer)>,
    /// What outlives the coordinator: the group as it was stable last.
    kept: Option<Box<Coordinator>>,
}

impl Coordinator {
    pub(super) fn new() -> Self {
        Coordinator {
            members: Vec::new(),
            generation: 0,
            leader: String::new(),
            protocol: String::new(),
            phase: Phase::Stable,
            last_id: 0,
            answers: Vec::new(),
            kept: None,
        }
    }

    pub(super) fn generation(&self) -> i32 {
        self.generation
    }

    pub(super) fn answers(&mut self) -> Vec<(Asker, Answer)> {
        std::mem::take(&mut self.answers)
    }

    pub(super) fn has(&self, process: usize) -> bool {
        self.members.iter().any(|member| member.process == process)
    }

    pub(super) fn join(&mut self, asker: Asker, id: Option<&str>, offers: Vec<Offer>, now: i64) {
        let place = match id {
            Some(id) => self.members.iter().position(|member| member.id == id),
            None => {
                self.last_id += 1;
                self.members.push(Member {
                    id: format!("m{}", self.last_id),
                    process: asker.process,
                    offers: Vec::new(),
                    has_joined: false,
                    waits: None,
                    assignment: Bytes::new(),
                    seen: now,
                });
                Some(self.members.len() - 1)
            }
        };
        let Some(place) = place else {
            return self.answers.push((asker, Answer::UnknownMember));
        };
        let member = &mut self.members[place];
        member.seen = now;
        let is_news = member.offers != offers;
        member.offers = offers;
        let leads = member.id == self.leader;
        // Who says nothing new is told what there is; a leader always brings about a round.
        let is_repeated = match self.phase {
            Phase::Stable => !is_news && !leads,
            Phase::Syncing => !is_news,
            Phase::Joining { .. } => false,
        };
        if is_repeated {
            return self.answer_joined(place, asker);
        }
        if !matches!(self.phase, Phase::Joining { .. }) {
            self.rebalance(now);
        }
        let member = &mut self.members[place];
        member.has_joined = true;
        member.waits = Some(asker);
        self.complete(now);
    }

    pub(super) fn sync(
        &mut self,
        asker: Asker,
        id: &str,
        generation: i32,
        assignments: &[Offer],
        now: i64,
    ) {
        let Some(member) = self.members.iter_mut().find(|member| member.id == id) else {
            return self.answers.push((asker, Answer::UnknownMember));
        };
        member.seen = now;
        if generation != self.generation {
            return self.answers.push((asker, Answer::IllegalGeneration));
        }
        match self.phase {
            Phase::Joining { .. } => self.answers.push((asker, Answer::Rebalancing)),
            Phase::Stable => {
                let assignment = member.assignment.clone();
                self.answers.push((asker, Answer::Synced(assignment)));
            }
            Phase::Syncing => {
                member.waits = Some(asker);
                if self.leader == id {
                    self.settle(assignments);
                }
            }
        }
    }

    /// What a heartbeat tells; `None` if all is well.
    pub(super) fn beat(&mut self, id: &str, generation: i32, now: i64) -> Option<Answer> {
        let Some(member) = self.members.iter_mut().find(|member| member.id == id) else {
            return Some(Answer::UnknownMember);
        };
        member.seen = now;
        if generation != self.generation {
            return Some(Answer::IllegalGeneration);
        }
        let is_joining = matches!(self.phase, Phase::Joining { .. });
        is_joining.then_some(Answer::Rebalancing)
    }

    pub(super) fn leave(&mut self, id: &str, now: i64) {
        let before = self.members.len();
        self.members.retain(|member| member.id != id);
        if self.members.len() < before {
            self.members_have_gone(now);
        }
    }

    /// Time has gone on; `is_in_touch` says whether a process is still that member, or waits for this request.
    pub(super) fn tick(
        &mut self,
        now: i64,
        is_in_touch: impl Fn(&str, usize, Option<Asker>) -> bool,
    ) {
        for member in &mut self.members {
            if is_in_touch(&member.id, member.process, member.waits) {
                member.seen = now;
            }
        }
        let is_silent = |member: &mut Member| member.seen + SESSION_MS <= now;
        let gone: Vec<Member> = self.members.extract_if(.., is_silent).collect();
        // Whoever waited for an answer comes back to this one.
        let waited = gone.iter().filter_map(|member| member.waits);
        self.answers
            .extend(waited.map(|asker| (asker, Answer::UnknownMember)));
        if !gone.is_empty() {
            self.members_have_gone(now);
        }
        self.complete(now);
    }

    /// When `tick` may change something that no member brings about.
    pub(super) fn next_due(
        &self,
        is_in_touch: impl Fn(&str, usize, Option<Asker>) -> bool,
    ) -> Option<i64> {
        let silent = self
            .members
            .iter()
            .filter(|m| !is_in_touch(&m.id, m.process, m.waits));
        let sessions = silent.map(|member| member.seen + SESSION_MS);
        let deadline = match self.phase {
            Phase::Joining { deadline } => Some(deadline),
            Phase::Stable | Phase::Syncing => None,
        };
        sessions.chain(deadline).min()
    }

    /// Another broker goes on with what was stable last.
    pub(super) fn move_away(&mut self, now: i64) {
        let mut answers = self.answers();
        let waiting = self.members.iter().filter_map(|member| member.waits);
        answers.extend(waiting.map(|asker| (asker, Answer::Moved)));
        let (last_id, kept) = (self.last_id, self.kept.clone());
        *self = kept.as_deref().cloned().unwrap_or_else(Coordinator::new);
        self.kept = kept;
        self.last_id = last_id;
        self.answers = answers;
        for member in &mut self.members {
            member.seen = now;
        }
    }

    fn rebalance(&mut self, now: i64) {
        for member in &mut self.members {
            member.has_joined = false;
            if let Some(asker) = member.waits.take() {
                self.answers.push((asker, Answer::Rebalancing));
            }
        }
        let deadline = now + REBALANCE_MS;
        self.phase = Phase::Joining { deadline };
    }

    fn members_have_gone(&mut self, now: i64) {
        if !matches!(self.phase, Phase::Joining { .. }) {
            self.rebalance(now);
        }
        self.complete(now);
    }

    /// Ends the joining once everybody has joined, or time is up.
    fn complete(&mut self, now: i64) {
        let Phase::Joining { deadline } = self.phase else {
            return;
        };
        if deadline <= now {
            self.members.retain(|member| member.has_joined);
        }
        if self.members.iter().any(|member| !member.has_joined) {
            return;
        }
        self.generation += 1;
        self.phase = Phase::Syncing;
        let Some(first) = self.members.first() else {
            self.phase = Phase::Stable;
            return;
        };
        if !self.members.iter().any(|member| member.id == self.leader) {
            self.leader = first.id.clone();
        }
        let common = first.offers.iter().map(|(name, _)| name).find(|name| {
            let knows = |member: &Member| member.offers.iter().any(|(other, _)| other == *name);
            self.members.iter().all(knows)
        });
        self.protocol = common.cloned().unwrap_or_default();
        for place in 0..self.members.len() {
            if let Some(asker) = self.members[place].waits.take() {
                self.answer_joined(place, asker);
            }
        }
    }

    fn answer_joined(&mut self, place: usize, asker: Asker) {
        let member = &self.members[place];
        let is_led_here = member.id == self.leader && self.phase == Phase::Syncing;
        let all = self.members.iter().map(|member| GroupMember {
            id: member.id.clone(),
            instance_id: None,
            metadata: member
                .offers
                .iter()
                .find(|(name, _)| *name == self.protocol)
                .map(|(_, metadata)| metadata.clone())
                .unwrap_or_default(),
        });
        let answer = Answer::Joined {
            id: member.id.clone(),
            generation: self.generation,
            leader: self.leader.clone(),
            protocol: self.protocol.clone(),
            members: if is_led_here {
                all.collect()
            } else {
                Vec::new()
            },
        };
        self.answers.push((asker, answer));
    }

    fn settle(&mut self, assignments: &[Offer]) {
        self.phase = Phase::Stable;
        for member in &mut self.members {
            let given = assignments.iter().find(|(id, _)| *id == member.id);
            member.assignment = given.map(|(_, bytes)| bytes.clone()).unwrap_or_default();
            if let Some(asker) = member.waits.take() {
                let assignment = member.assignment.clone();
                self.answers.push((asker, Answer::Synced(assignment)));
            }
        }
        let mut kept = self.clone();
        kept.answers = Vec::new();
        kept.kept = None;
        self.kept = Some(Box::new(kept));
    }
}
