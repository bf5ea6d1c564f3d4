//! The member of a group of workers: what it says and is told in each round, and what of that it tells the herder. Pure:
//! events and the time go in, what is to be done comes out. A membership (`membership.rs`) carries it out.

mod group_health;
mod leading;

use crate::assignor::Incremental;
use crate::leader::{Rebalance, offset};
use crate::protocol::{Assignment, Items, Metadata, offers};
use bytes::Bytes;
use group_health::HealthTracker;
use millstream_kafka::group::Offer;
use millstream_worker::cluster::{
    self, GroupEvent, GroupHealth, GroupProtocol, Leader, Owners, Position, Snapshot, Work,
};
use std::collections::{BTreeMap, VecDeque};

/// The pause before a member says again what it has said, which a coordinator answers at once and without a round: Java's
/// members do so without a pause, two thousand times a second. It doubles up to the longest.
const FIRST_PAUSE_MS: i64 = 100;
const LONGEST_PAUSE_MS: i64 = 10_000;

/// The pause before a group is joined again that has refused this member.
const REFUSED_PAUSE_MS: i64 = 30_000;

/// What a member goes by. Times in milliseconds.
#[derive(Clone, Debug)]
pub(crate) struct MemberSettings {
    /// Of this worker's REST API, as other workers reach it.
    pub(crate) url: String,
    /// What is offered at most.
    pub(crate) protocol: GroupProtocol,
    pub(crate) max_delay: i32,
    /// How long a round waits for its leader to read what others have read.
    pub(crate) sync_timeout: i64,
    /// How long the coordinator may be out of reach before everything stops.
    pub(crate) coordinator_timeout: i64,
}

/// What is to be done with the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MemberAction {
    Join,
    Rejoin,
    Leave,
    /// Answers the group that is about to join.
    Offer(Vec<Offer>),
    /// Answers the group whose round this member leads.
    Assign(Vec<Offer>),
}

/// The end of a round for this member.
#[derive(Clone, Debug)]
pub(crate) struct Joined {
    pub(crate) generation: i32,
    pub(crate) member_id: String,
    pub(crate) leader_id: String,
    pub(crate) protocol: String,
    pub(crate) assignment: Bytes,
}

pub(crate) struct Member {
    settings: MemberSettings,
    snapshot: Option<Snapshot>,
    assignor: Incremental,
    is_member: bool,
    /// Of the last round that came to its end.
    protocol: Option<GroupProtocol>,
    generation: i32,
    /// The last assignment with all that was kept from before, as it is told in the next round.
    held: Option<Assignment>,
    /// What the herder was told to run.
    running: Work,
    /// What the round brought that this worker led last.
    owners: Owners,
    leader: Leader,
    /// What was said last, and how often in a row.
    said: Option<Metadata>,
    repeats: u32,
    /// The group is about to join, and waits for what this member says.
    is_joining: bool,
    /// The round that this member leads, and until when it may wait.
    leading: Option<(Rebalance, i64)>,
    /// The bytes that the last round brought: a coordinator answers with them again where nothing has changed.
    last: Option<(i32, Bytes)>,
    /// Revocations that are not answered, and whether the group waits for a round after them.
    revocations: BTreeMap<u64, bool>,
    last_number: u64,
    /// What was said is held no more, and the group does not know.
    has_forgotten: bool,
    /// Since when the coordinator is out of reach.
    unreachable_since: Option<i64>,
    /// When another round is asked for.
    rejoin_at: Option<i64>,
    /// When the group has everybody join again.
    scheduled_at: Option<i64>,
    /// When the group is joined again that has refused this member.
    join_at: Option<i64>,
    health: HealthTracker,
    /// Not more than one round brings: the group is not listened to while some wait.
    events: VecDeque<GroupEvent>,
    actions: VecDeque<MemberAction>,
}

impl Member {
    pub(crate) fn new(settings: MemberSettings) -> Self {
        Member {
            assignor: Incremental::new(settings.max_delay),
            health: HealthTracker::new(),
            settings,
            snapshot: None,
            is_member: false,
            protocol: None,
            generation: -1,
            held: None,
            running: Work::default(),
            owners: Owners::default(),
            leader: Leader::Unknown,
            said: None,
            repeats: 0,
            is_joining: false,
            leading: None,
            last: None,
            revocations: BTreeMap::new(),
            last_number: 0,
            has_forgotten: false,
            unreachable_since: None,
            rejoin_at: None,
            scheduled_at: None,
            join_at: None,
            events: VecDeque::new(),
            actions: VecDeque::new(),
        }
    }

    pub(crate) fn next_event(&mut self) -> Option<GroupEvent> {
        self.events.pop_front()
    }

    pub(crate) fn next_action(&mut self) -> Option<MemberAction> {
        self.actions.pop_front()
    }

    pub(crate) fn group_health(&self) -> &GroupHealth {
        self.health.shown()
    }

    /// Who leads, as far as this member knows.
    pub(crate) fn leader(&self) -> &Leader {
        &self.leader
    }

    /// When `on_due` is due.
    pub(crate) fn next_due(&self) -> Option<i64> {
        let leading = self.leading.as_ref().map(|(_, deadline)| *deadline);
        let unreachable = self
            .unreachable_since
            .filter(|_| self.held.is_some())
            .map(|since| since + self.settings.coordinator_timeout);
        [
            leading,
            unreachable,
            self.rejoin_at,
            self.scheduled_at,
            self.join_at,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    pub(crate) fn on_due(&mut self, now: i64) {
        let is_due = |at: &mut i64| *at <= now;
        if let Some((rebalance, _)) = self.leading.take_if(|(_, deadline)| *deadline <= now) {
            self.share_out(&rebalance, now);
        }
        let is_unreachable = self
            .unreachable_since
            .is_some_and(|since| since + self.settings.coordinator_timeout <= now);
        if is_unreachable && self.held.is_some() {
            self.forget();
        }
        let is_wanted = self.rejoin_at.take_if(is_due).is_some();
        let is_scheduled = self.scheduled_at.take_if(is_due).is_some();
        if is_wanted || is_scheduled {
            self.actions.push_back(MemberAction::Rejoin);
        }
        if self.join_at.take_if(is_due).is_some() {
            self.actions.push_back(MemberAction::Join);
        }
    }

    pub(crate) fn observe(&mut self, snapshot: Snapshot, now: i64) {
        let own = snapshot.position.0;
        self.snapshot = Some(snapshot);
        if let Some((rebalance, _)) = self
            .leading
            .take_if(|(rebalance, _)| rebalance.newest() <= own)
        {
            self.share_out(&rebalance, now);
        }
        self.answer();
    }

    /// The herder asks for a round. One that would say nothing new has to wait, longer each time.
    pub(crate) fn rejoin(&mut self, now: i64) {
        if !self.is_member {
            self.is_member = true;
            self.actions.push_back(MemberAction::Join);
        } else if self.join_at.is_none() && !self.is_joining {
            let is_news = self.said.is_none() || self.said != self.metadata();
            if is_news {
                self.rejoin_at = None;
                self.actions.push_back(MemberAction::Rejoin);
            } else if self.rejoin_at.is_none() {
                let pause = FIRST_PAUSE_MS << self.repeats.min(16);
                self.rejoin_at = Some(now + pause.min(LONGEST_PAUSE_MS));
            }
        }
    }

    /// What a round has revoked may be given out in the next one, which this member asks for.
    pub(crate) fn released(&mut self, number: u64) {
        let Some(wants_round) = self.revocations.remove(&number) else {
            return;
        };
        if wants_round && !self.is_joining && self.is_member {
            self.actions.push_back(MemberAction::Rejoin);
        }
        self.answer();
    }

    /// Everything has stopped already.
    pub(crate) fn leave(&mut self) {
        let settings = self.settings.clone();
        let fresh = Member::new(settings);
        let before = std::mem::replace(self, fresh);
        // A leader's memory is its own, whoever it was to the group.
        self.assignor = before.assignor;
        self.generation = before.generation;
        self.snapshot = before.snapshot;
        self.last_number = before.last_number;
        if before.is_member {
            self.actions.push_back(MemberAction::Leave);
        }
    }

    pub(crate) fn on_joining(&mut self) {
        self.is_joining = true;
        self.leading = None;
        self.rejoin_at = None;
        self.scheduled_at = None;
        self.tell_of_rebalance();
        if self.protocol == Some(GroupProtocol::Eager) {
            self.revoke(self.running.clone(), self.generation, false);
        }
        self.answer();
    }

    pub(crate) fn on_joined(&mut self, joined: Joined, now: i64) {
        self.is_joining = false;
        self.leading = None;
        self.unreachable_since = None;
        let protocol = GroupProtocol::named(&joined.protocol);
        self.protocol = protocol;
        self.generation = joined.generation;
        let this = Some((joined.generation, joined.assignment.clone()));
        let is_repeated = this == std::mem::replace(&mut self.last, this.clone());
        let told = Assignment::decode(&joined.assignment).ok();
        self.leader = match &told {
            _ if joined.member_id == joined.leader_id => Leader::Here(self.owners.clone()),
            Some(told) => Leader::At(told.leader_url.as_str().into()),
            None => Leader::Unknown,
        };
        let own = self.position();
        self.health.joined(protocol);
        match &told {
            // Of its own round it has judged already.
            Some(_) if joined.member_id == joined.leader_id => {}
            Some(told) => self.health.followed(told, own, now),
            None => self.health.not_understood(),
        }
        let Some(told) = told else {
            // It cannot be put into effect; perhaps that of another round can.
            self.tell_of_assignment(Position::default(), None);
            return;
        };
        let (error, position, delay) = (told.error, told.offset, told.delay);
        let revoked = told.revoked.work();
        self.take(told, is_repeated);
        let mut gone = if is_repeated {
            Work::default()
        } else {
            revoked
        };
        // A leader gives out what it has revoked once it has heard from whom, though that never had it.
        let awaits_round = !gone.is_empty();
        if error == 0 && own >= position {
            gone.add(&self.unconfigured());
        }
        if let Some(held) = &mut self.held {
            held.assigned.remove(&gone);
        }
        let is_revoking = self.revoke(gone, joined.generation, true);
        let held = self.held.as_ref().map(|held| held.assigned.work());
        self.tell_of_assignment(Position(position), held.filter(|_| error == 0));
        if delay > 0 {
            self.scheduled_at = Some(now + i64::from(delay));
        }
        if self.has_forgotten || (awaits_round && !is_revoking) {
            self.actions.push_back(MemberAction::Rejoin);
        }
    }

    /// The group has given this member up. What runs goes on, as in Java: whoever returns soon enough keeps it, and what
    /// another has got meanwhile is taken from both in the next round.
    pub(crate) fn on_lost(&mut self) {
        self.last = None;
        self.leader = Leader::Unknown;
        self.tell_of_rebalance();
    }

    pub(crate) fn on_degraded(&mut self, now: i64) {
        self.unreachable_since.get_or_insert(now);
    }

    pub(crate) fn on_recovered(&mut self) {
        self.unreachable_since = None;
        if self.has_forgotten && !self.is_joining {
            self.actions.push_back(MemberAction::Rejoin);
        }
    }

    /// The group does not have this member. It may have been told to.
    pub(crate) fn on_refused(&mut self, reason: &str, now: i64) {
        self.forget();
        self.is_joining = false;
        self.leading = None;
        self.rejoin_at = None;
        self.scheduled_at = None;
        self.unreachable_since = None;
        self.last = None;
        self.said = None;
        self.health.refused(reason);
        self.actions.push_back(MemberAction::Leave);
        self.join_at = Some(now + REFUSED_PAUSE_MS);
    }

    /// Stops everything: others may have it by now.
    fn forget(&mut self) {
        self.has_forgotten = true;
        self.held = None;
        self.leader = Leader::Unknown;
        self.tell_of_rebalance();
        self.revoke(self.running.clone(), self.generation, false);
    }

    /// What is not revoked stays; an eager round leaves nothing of what was before.
    fn take(&mut self, mut told: Assignment, is_repeated: bool) {
        let revoked = told.revoked.work();
        told.revoked = Items::default();
        if self.protocol != Some(GroupProtocol::Eager)
            && let Some(held) = self.held.take()
        {
            let mut before = held.assigned;
            if is_repeated {
                told.assigned = Items::default();
            } else {
                before.remove(&revoked);
            }
            told.assigned.connectors.extend(before.connectors);
            told.assigned.tasks.extend(before.tasks);
        }
        told.assigned = std::mem::take(&mut told.assigned).distinct();
        self.held = Some(told);
    }

    /// What is held and not configured. A leader that has forgotten it would never have it stopped.
    fn unconfigured(&self) -> Work {
        let (Some(held), Some(snapshot)) = (&self.held, &self.snapshot) else {
            return Work::default();
        };
        let configured = Work::of(&snapshot.inventory);
        held.assigned.work().without(&configured)
    }

    /// Has the herder stop what of this it runs; whether that is anything.
    fn revoke(&mut self, mut work: Work, generation: i32, wants_round: bool) -> bool {
        work.connectors
            .retain(|name| self.running.connectors.contains(name));
        work.tasks.retain(|id| self.running.tasks.contains(id));
        self.running.remove(&work);
        if work.is_empty() {
            return false;
        }
        self.last_number += 1;
        self.revocations.insert(self.last_number, wants_round);
        self.events.push_back(GroupEvent::Revoked {
            number: self.last_number,
            generation,
            work,
        });
        true
    }

    fn tell_of_rebalance(&mut self) {
        if self.events.back() != Some(&GroupEvent::Rebalancing) {
            self.events.push_back(GroupEvent::Rebalancing);
        }
    }

    fn tell_of_assignment(&mut self, position: Position, work: Option<Work>) {
        if let Some(work) = &work {
            self.running = work.clone();
        }
        self.events
            .push_back(GroupEvent::Assigned(cluster::Assignment {
                generation: self.generation,
                protocol: self.health.shown().protocol.unwrap_or_default(),
                leader: self.leader.clone(),
                position,
                work,
            }));
    }

    /// Says what it has to say, once all that was revoked has been released.
    fn answer(&mut self) {
        if !self.is_joining || !self.revocations.is_empty() {
            return;
        }
        let Some(metadata) = self.metadata() else {
            return;
        };
        self.is_joining = false;
        self.has_forgotten = false;
        self.actions.push_back(MemberAction::Offer(offers(
            self.settings.protocol,
            &metadata,
        )));
        self.repeats = match self.said.replace(metadata) {
            before if before == self.said => self.repeats.saturating_add(1),
            _ => 0,
        };
    }

    /// What this member has to say; `None` before it knows what is configured.
    fn metadata(&self) -> Option<Metadata> {
        let snapshot = self.snapshot.as_ref()?;
        Some(Metadata {
            url: self.settings.url.clone(),
            offset: offset(snapshot.position),
            allocation: self.held.clone(),
        })
    }

    /// How far this worker has read.
    fn position(&self) -> i64 {
        let snapshot = self.snapshot.as_ref();
        snapshot.map_or(-1, |snapshot| snapshot.position.0)
    }
}

#[cfg(test)]
mod tests;
