//! The group: reading the configuration before joining, what is assigned and revoked, and leaving.

use super::*;
use crate::cluster::Assignment;

/// The pause before the configuration is read again that could not be read; it doubles up to the longest.
const FIRST_PAUSE_MS: i64 = 250;
const LONGEST_PAUSE_MS: i64 = 60_000;

/// Longest wait of a round that is wanted for what else is about to change.
const ROUND_PATIENCE_MS: i64 = 100;

/// Reads the configuration to its end.
pub(super) struct Reading {
    /// Of the action that is under way.
    number: u64,
    /// The end was reached.
    is_over: bool,
    /// What follows, unless the worker is still behind: to put this assignment into effect. Else to join.
    assignment: Option<(Assignment, Work)>,
    failed_times: u32,
    /// When it is tried again.
    pub(super) retry_at: Option<i64>,
}

impl Reading {
    pub(super) fn to_join() -> Self {
        Reading {
            number: 0,
            is_over: false,
            assignment: None,
            failed_times: 0,
            retry_at: None,
        }
    }
}

/// The rounds in which the group shares out its work. Times are epoch milliseconds.
#[derive(Default)]
pub(super) struct Rounds {
    /// Since then one is to be asked for, and has not been.
    wanted_since: Option<i64>,
    /// When the one that is under way began.
    begun: Option<i64>,
    /// How long the last one took, milliseconds.
    pub(super) took: i64,
}

impl Rounds {
    fn note(&mut self, is_under_way: bool, now: i64) {
        if is_under_way {
            self.begun.get_or_insert(now);
        } else if let Some(begun) = self.begun.take() {
            self.took = now.saturating_sub(begun);
        }
    }

    /// Until when one that is wanted may wait: for as long as it would take by itself.
    fn due(&self) -> Option<i64> {
        Some(self.wanted_since? + self.took.clamp(0, ROUND_PATIENCE_MS))
    }
}

/// What was revoked and not answered yet.
pub(super) enum Revocation {
    /// These tasks have not ended yet.
    Stopping(BTreeSet<TaskId>),
    /// Their statuses are being written.
    Flushing(u64),
}

/// How far this worker is with leaving the group.
pub(super) enum Leaving {
    Stopping,
    Flushing(u64),
}

impl State {
    pub(super) fn on_group(&mut self, event: GroupEvent, now: i64, out: &mut Vec<Action>) {
        match event {
            GroupEvent::Submitted { number, outcome } => {
                self.on_submitted(number, outcome, now, out);
            }
            GroupEvent::Revoked {
                number,
                generation,
                work,
            } => self.on_revoked(number, generation, &work, out),
            // Whoever is on the way out takes nothing on.
            GroupEvent::Rebalancing | GroupEvent::Assigned(_)
                if self.is_ending || self.leaving.is_some() => {}
            GroupEvent::Rebalancing => self.is_rebalancing = true,
            GroupEvent::Assigned(assignment) => self.on_assigned(assignment, out),
        }
    }

    fn set_leader(&mut self, leader: Leader) {
        let (leads, others) = match &leader {
            Leader::Here(owners) => (true, owners.others.clone()),
            Leader::At(url) => (false, BTreeSet::from([url.clone()])),
            Leader::Unknown => (false, BTreeSet::new()),
        };
        self.leader = leader;
        self.view.leads = leads;
        self.view.others = Arc::new(others);
    }

    /// Starts nothing before the configuration is known that the assignment was made for.
    fn on_assigned(&mut self, mut assignment: Assignment, out: &mut Vec<Action>) {
        self.view.generation = assignment.generation;
        self.view.protocol = assignment.protocol;
        self.set_leader(assignment.leader.clone());
        if self.view.leads {
            out.push(Action::Lead);
        }
        // A newer assignment takes the place of one that waits.
        if self.is_caught_up {
            self.reading = None;
        }
        match assignment.work.take() {
            Some(work) if assignment.position <= self.view.position => {
                self.put_into_effect(assignment.position, work, out);
            }
            work => {
                let reading = Reading {
                    assignment: work.map(|work| (assignment, work)),
                    ..Reading::to_join()
                };
                self.is_rebalancing = true;
                self.read_to_end(reading, out);
            }
        }
    }

    pub(super) fn read_to_end(&mut self, reading: Reading, out: &mut Vec<Action>) {
        let number = self.next_number();
        self.reading = Some(Reading {
            number,
            retry_at: None,
            ..reading
        });
        out.push(Action::ReadToEnd(number));
    }

    pub(super) fn on_end(
        &mut self,
        number: u64,
        outcome: Result<Position, StoreError>,
        now: i64,
        out: &mut Vec<Action>,
    ) {
        let reading = self.reading.as_mut();
        let Some(reading) = reading.filter(|reading| reading.number == number) else {
            return;
        };
        match outcome {
            Ok(position) => {
                reading.is_over = true;
                self.view.position = self.view.position.max(position);
                self.on_caught_up(out);
            }
            Err(_) => {
                let pause = FIRST_PAUSE_MS << reading.failed_times.min(16);
                reading.failed_times += 1;
                reading.retry_at = Some(now + pause.min(LONGEST_PAUSE_MS));
                reading.assignment = None;
                // Others take over from a worker that cannot read what is configured.
                if self.is_caught_up && self.leaving.is_none() {
                    self.stop_everything(out);
                }
            }
        }
    }

    /// Goes on after the configuration, and at the start the statuses, were read to their ends.
    pub(super) fn on_caught_up(&mut self, out: &mut Vec<Action>) {
        if !self.has_statuses || self.leaving.is_some() {
            return;
        }
        let Some(reading) = self.reading.take_if(|reading| reading.is_over) else {
            return;
        };
        if !self.is_caught_up {
            self.is_caught_up = true;
            let connectors = self.view.all();
            let there = connectors.filter(|(_, known)| known.config.is_some());
            let inventory = there.map(|(name, known)| (name.clone(), known.tasks.len() as u32));
            self.inventory = Arc::new(inventory.collect());
        }
        match reading.assignment {
            Some((assignment, work)) if assignment.position <= self.view.position => {
                self.put_into_effect(assignment.position, work, out);
            }
            Some(_) | None => {
                self.changed_at = self.view.position;
                self.rounds.wanted_since = None;
                out.push(Action::Rejoin);
            }
        }
    }

    /// The inventory has another connector, or one has other tasks: the work is to be shared out anew.
    pub(super) fn change_inventory(&mut self, name: &Arc<str>, now: i64) {
        if !self.is_caught_up {
            return;
        }
        let inventory = Arc::make_mut(&mut self.inventory);
        match self.view.known(name).filter(|known| known.config.is_some()) {
            Some(known) => {
                inventory.insert(name.clone(), known.tasks.len() as u32);
            }
            None => {
                inventory.remove(name);
            }
        }
        self.changed_at = self.view.position;
        if !self.joins_later() && self.leaving.is_none() && !self.is_ending {
            self.rounds.wanted_since.get_or_insert(now);
        }
    }

    /// Asks for the round that is wanted. One for each change would be two for every connector of many that are created one
    /// after another, and each round tells all that there is. So it waits for the one that is under way, and for what this
    /// worker is about to change itself, but no longer than a round takes: where those are quick, little is gained by fewer.
    pub(super) fn ask_for_round(&mut self, now: i64, out: &mut Vec<Action>) {
        self.rounds.note(self.is_rebalancing, now);
        let is_late = self.round_due().is_some_and(|due| due <= now);
        if self.rounds.wanted_since.is_some() && (is_late || !self.is_about_to_change()) {
            self.rounds.wanted_since = None;
            out.push(Action::Rejoin);
        }
    }

    /// When the round is asked for whatever is about to change.
    pub(super) fn round_due(&self) -> Option<i64> {
        self.rounds.due().filter(|_| !self.joins_later())
    }

    /// The group is joined, or joined again, once the configuration has been read to its end.
    fn joins_later(&self) -> bool {
        let reading = self.reading.as_ref();
        reading.is_some_and(|reading| reading.assignment.is_none())
    }

    fn is_about_to_change(&self) -> bool {
        let is_settling =
            |instance: &Instance| instance.planning.is_some() || instance.handing.is_some();
        self.is_rebalancing || self.joins_later() || self.instances.values().any(is_settling)
    }

    /// Tells the group before anything else how far the configuration was read, and what is in it.
    pub(super) fn observe(&mut self, actions: &mut Vec<Action>) {
        let position = Some(self.view.position);
        if self.is_caught_up && self.observed != position {
            self.observed = position;
            let snapshot = Snapshot {
                position: self.view.position,
                inventory: self.inventory.clone(),
            };
            actions.insert(0, Action::Observe(snapshot));
        }
    }

    fn put_into_effect(&mut self, position: Position, work: Work, out: &mut Vec<Action>) {
        self.is_rebalancing = false;
        self.view.has_started = true;
        self.assigned_for = position;
        if position >= self.changed_at {
            self.rounds.wanted_since = None;
        }
        self.assigned = work;
        let assigned = &self.assigned;
        let slots = self.view.slots();
        let lost = slots.filter(|(id, _)| !assigned.tasks.contains(id));
        for id in lost.map(|(id, _)| id).collect::<Vec<_>>() {
            self.stop_task(&id, false, out);
        }
        self.drop_lost_instances(out);
        self.republish_kept_statuses(out);
        for name in self.assigned.connectors.clone() {
            if self.view.config(&name).is_some() && !self.instances.contains_key(&name) {
                self.instances.insert(name.clone(), Instance::default());
                self.start_connector(&name, out);
            }
            // The leader may be another now.
            self.hand_over_tasks(&name, out);
        }
        for id in self.assigned.tasks.clone() {
            self.start_task(&id, out);
        }
        if let Leader::Here(_) = self.leader {
            self.forget_what_is_gone(out);
        }
        for (request, ticket) in std::mem::take(&mut self.queued) {
            self.on_request(request, ticket, out);
        }
    }

    fn on_revoked(&mut self, number: u64, generation: i32, work: &Work, out: &mut Vec<Action>) {
        self.view.generation = generation;
        self.assigned.remove(work);
        for id in &work.tasks {
            self.stop_task(id, false, out);
        }
        self.drop_lost_instances(out);
        let running = work.tasks.iter().filter(|id| self.view.slot(id).is_some());
        let stopping = Revocation::Stopping(running.cloned().collect());
        self.revocations.insert(number, stopping);
        self.flush_revoked(out);
    }

    /// A task of this name has ended; whoever waits for the last one of a revocation has its statuses written.
    pub(super) fn on_ended(&mut self, id: &TaskId, out: &mut Vec<Action>) {
        for revocation in self.revocations.values_mut() {
            if let Revocation::Stopping(tasks) = revocation {
                tasks.remove(id);
            }
        }
        self.flush_revoked(out);
    }

    fn flush_revoked(&mut self, out: &mut Vec<Action>) {
        let mut last = self.last_number;
        for revocation in self.revocations.values_mut() {
            if matches!(revocation, Revocation::Stopping(tasks) if tasks.is_empty()) {
                last += 1;
                *revocation = Revocation::Flushing(last);
                out.push(Action::FlushStatuses(last));
            }
        }
        self.last_number = last;
        let is_idle = self.view.slots().next().is_none();
        if is_idle && matches!(self.leaving, Some(Leaving::Stopping)) {
            let number = self.next_number();
            self.leaving = Some(Leaving::Flushing(number));
            out.push(Action::FlushStatuses(number));
        }
    }

    pub(super) fn on_flushed(&mut self, flushed: u64, out: &mut Vec<Action>) {
        self.revocations.retain(|number, revocation| {
            let is_this = matches!(revocation, Revocation::Flushing(number) if *number == flushed);
            if is_this {
                out.push(Action::Released(*number));
            }
            !is_this
        });
        if matches!(self.leaving, Some(Leaving::Flushing(number)) if number == flushed) {
            self.leaving = None;
            out.push(Action::Leave);
            if self.is_ending {
                self.has_ended = true;
                self.give_up_writes(out);
            }
            self.on_caught_up(out);
        }
    }

    /// Stops everything and answers everybody; nothing is begun any more.
    pub(super) fn on_shutdown(&mut self, out: &mut Vec<Action>) {
        if std::mem::replace(&mut self.is_ending, true) {
            return;
        }
        self.reading = None;
        let busy = std::mem::take(&mut self.busy).into_values().flatten();
        let queued = std::mem::take(&mut self.queued);
        let asked = busy.chain(queued).map(|(_, ticket)| ticket);
        let waiting = std::mem::take(&mut self.waiting).into_values().flatten();
        let healths = std::mem::take(&mut self.healths).into_iter();
        let told = waiting.map(|waiting| waiting.ticket);
        for ticket in asked.chain(told).chain(healths.map(|(ticket, _)| ticket)) {
            out.push(Action::Reply(ticket, Err(HerderError::ShuttingDown)));
        }
        self.stop_everything(out);
    }

    /// Stops all that runs here; then the group is left.
    fn stop_everything(&mut self, out: &mut Vec<Action>) {
        self.is_rebalancing = true;
        self.set_leader(Leader::Unknown);
        self.rounds.wanted_since = None;
        self.assigned = Work::default();
        for id in self.view.slots().map(|(id, _)| id).collect::<Vec<_>>() {
            self.stop_task(&id, false, out);
        }
        self.drop_lost_instances(out);
        self.leaving = Some(Leaving::Stopping);
        self.flush_revoked(out);
    }
}
