//! The incremental cooperative assignor, as Java's (KIP-415): members keep what they have unless the balance, a deletion or
//! a second holder speaks against it. What a member took with it when it left waits a while for its return. The state
//! between two rounds belongs to the worker that leads.

use super::{Holder, Kind, Share, configured};
use crate::protocol::Items;
use millstream_worker::TaskId;
use millstream_worker::cluster::{Inventory, Work};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The first pause between rounds that move work for the sake of balance, and by what it grows.
const BACKOFF_FACTOR: f64 = 40.0;

/// Everything a round goes by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round<'a> {
    /// Milliseconds.
    pub(crate) now: i64,
    pub(crate) generation: i32,
    /// Of the leader: the last one that it has seen to its end, −1 for none.
    pub(crate) last_completed: i32,
    pub(crate) inventory: &'a Inventory,
    /// In an order that is the same wherever this is computed: whom balancing takes from first depends on it.
    pub(crate) members: &'a [Holder],
}

/// What the leader remembers of earlier rounds.
#[derive(Clone, Debug)]
pub(crate) struct Incremental {
    /// How long what was lost is kept for a member that may return, milliseconds.
    max_delay: i32,
    previous: Work,
    previous_revoked: Work,
    previous_generation: i32,
    previous_members: BTreeSet<String>,
    /// When what was lost is given out, epoch milliseconds; 0 for never.
    scheduled: i64,
    delay: i32,
    /// Members that are to have what was lost, in the order in which they were seen idle.
    candidates: Vec<String>,
    revoked_in_previous: bool,
    successive_revocations: u32,
}

impl Incremental {
    pub(crate) fn new(max_delay: i32) -> Self {
        Incremental {
            max_delay,
            previous: Work::default(),
            previous_revoked: Work::default(),
            previous_generation: -1,
            previous_members: BTreeSet::new(),
            scheduled: 0,
            delay: 0,
            candidates: Vec::new(),
            revoked_in_previous: false,
            successive_revocations: 0,
        }
    }

    /// The shares by member id, and in how many milliseconds all are to join again (0: not by themselves).
    pub(crate) fn share_out(&mut self, round: Round<'_>) -> (BTreeMap<String, Share>, i32) {
        // What was given out in a round that came to nothing, or that another led, says nothing of what runs.
        if self.previous_generation != round.last_completed {
            self.previous = Work::default();
        }
        let configured = configured(round.inventory);
        let held: Vec<Work> = round.members.iter().map(|m| m.holds.work()).collect();
        let active = union(&held);
        let revoked_before = std::mem::take(&mut self.previous_revoked);
        // Whoever was to let go has not heard of it.
        if intersects(&revoked_before, &active) {
            self.previous = active.clone();
        }
        let deleted = self.previous.without(&configured);
        let lost = self.previous.without(&active).without(&deleted);
        let created = configured.without(&self.previous).without(&active);
        let mut table = Table::new(round.members);
        table.revoke_from_all(&deleted);
        table.revoke_from_all(&duplicated(&held));
        let lost_to_assign = self.place_lost(&lost, &mut table, round.now);
        if self.delay == 0 {
            self.balance(&configured, &mut table, round.now);
        } else {
            self.revoked_in_previous = false;
        }
        table.fill::<Arc<str>>(created.connectors, lost_to_assign.connectors);
        table.fill::<TaskId>(created.tasks, lost_to_assign.tasks);
        self.previous = table.all();
        self.previous.add(&lost);
        self.previous_revoked = table.revoked();
        self.previous_generation = round.generation;
        self.previous_members = round.members.iter().map(|m| m.id.clone()).collect();
        (table.into_shares(), self.delay)
    }

    /// Gives out what was lost if its time has come, and tells what of it is to be shared out like new work.
    fn place_lost(&mut self, lost: &Work, table: &mut Table, now: i64) -> Work {
        if lost.is_empty() && !self.revoked_in_previous {
            self.reset_delay();
            return Work::default();
        }
        let is_there = |id: &String| table.rows.iter().any(|row| row.id == *id);
        let is_complete = self.previous_members.iter().all(is_there);
        // Nobody has left: somebody has not heard of what was given to it.
        if (self.scheduled <= 0 && is_complete) || self.max_delay == 0 {
            return lost.clone();
        }
        if self.scheduled > 0 && now >= self.scheduled {
            let candidates = std::mem::take(&mut self.candidates);
            self.reset_delay();
            self.revoked_in_previous = false;
            return table.give_in_turn(&candidates, lost);
        }
        for row in &table.rows {
            if row.next.is_empty() && !self.candidates.contains(&row.id) {
                self.candidates.push(row.id.clone());
            }
        }
        self.delay = if now < self.scheduled {
            let left = self.scheduled - now;
            i32::try_from(left).map_or(self.max_delay, |left| left.min(self.max_delay))
        } else {
            self.max_delay
        };
        self.scheduled = now + i64::from(self.delay);
        Work::default()
    }

    fn reset_delay(&mut self) {
        self.candidates.clear();
        self.scheduled = 0;
        self.delay = 0;
    }

    /// Takes from members what is too much. In two rounds running there is a pause instead, which grows.
    fn balance(&mut self, configured: &Work, table: &mut Table, now: i64) {
        let too_much = table.too_much(configured);
        let is_balanced = too_much.iter().all(Work::is_empty);
        match (is_balanced, self.revoked_in_previous) {
            (false, true) => {
                self.successive_revocations = self.successive_revocations.saturating_add(1);
                self.delay = backoff(self.max_delay, self.successive_revocations);
                if self.delay == 0 {
                    table.revoke(&too_much);
                } else {
                    self.scheduled = now + i64::from(self.delay);
                }
            }
            (false, false) => {
                table.revoke(&too_much);
                self.revoked_in_previous = true;
            }
            (true, true) => {
                self.revoked_in_previous = false;
                self.successive_revocations = 0;
            }
            (true, false) => {}
        }
    }
}

/// The pause, in milliseconds, before the nth round running that would move work.
fn backoff(longest: i32, nth: u32) -> i32 {
    if longest <= 0 {
        return 0;
    }
    let most = f64::from(longest).ln() / BACKOFF_FACTOR.ln();
    BACKOFF_FACTOR.powf(f64::from(nth).min(most)) as i32
}

/// The members of a round with what each has and gets.
struct Table {
    rows: Vec<Row>,
}

struct Row {
    id: String,
    /// What is the member's after the round.
    next: Items,
    new: Items,
    revoked: Work,
}

impl Table {
    fn new(members: &[Holder]) -> Self {
        let rows = members.iter().map(|member| Row {
            id: member.id.clone(),
            next: member.holds.clone(),
            new: Items::default(),
            revoked: Work::default(),
        });
        Table {
            rows: rows.collect(),
        }
    }

    fn revoke_from_all(&mut self, work: &Work) {
        if work.is_empty() {
            return;
        }
        for row in &mut self.rows {
            let held = row.next.work();
            row.revoke(&common(&held, work));
        }
    }

    /// From each row its own.
    fn revoke(&mut self, work: &[Work]) {
        for (row, work) in self.rows.iter_mut().zip(work) {
            row.revoke(work);
        }
    }

    /// What each member has beyond its share. As many as need be may have one more than the others.
    fn too_much(&self, configured: &Work) -> Vec<Work> {
        let mut result = vec![Work::default(); self.rows.len()];
        if self.rows.iter().all(|row| row.next.is_empty()) || configured.is_empty() {
            return result;
        }
        let surplus = self.surplus(configured.connectors.len());
        for (work, names) in result.iter_mut().zip(surplus) {
            work.connectors = names;
        }
        let surplus = self.surplus(configured.tasks.len());
        for (work, ids) in result.iter_mut().zip(surplus) {
            work.tasks = ids;
        }
        result
    }

    fn surplus<T: Kind>(&self, total: usize) -> Vec<BTreeSet<T>> {
        let (least, mut extras) = (total / self.rows.len(), total % self.rows.len());
        let held = || self.rows.iter().map(|row| T::of(&row.next));
        let having = |count| held().filter(|held| held.len() == count).count();
        let (with_extra, with_least) = (having(least + 1), having(least));
        if with_extra == extras && with_extra + with_least == self.rows.len() {
            return vec![BTreeSet::new(); self.rows.len()];
        }
        let surplus = held().map(|held| {
            let mut most = least;
            if held.len() > least && extras > 0 {
                extras -= 1;
                most += 1;
            }
            let count = held.len().saturating_sub(most);
            held.iter().take(count).cloned().collect()
        });
        surplus.collect()
    }

    /// To those of the ids that are there, one item each in turn; what is left if none is.
    fn give_in_turn(&mut self, ids: &[String], work: &Work) -> Work {
        let place = |id: &String| self.rows.iter().position(|row| row.id == *id);
        let places: Vec<usize> = ids.iter().filter_map(place).collect();
        if places.is_empty() {
            return work.clone();
        }
        for (name, place) in work.connectors.iter().zip(places.iter().cycle()) {
            self.rows[*place].give(name.clone());
        }
        for (id, place) in work.tasks.iter().zip(places.iter().cycle()) {
            self.rows[*place].give(id.clone());
        }
        Work::default()
    }

    /// To the least loaded, until they are level with the next. Whoever was lighter at first stays in front.
    fn fill<T: Kind>(&mut self, created: BTreeSet<T>, lost: BTreeSet<T>) {
        let load = |row: &Row| T::of(&row.next).len();
        self.rows
            .sort_by(|a, b| (load(a), &a.id).cmp(&(load(b), &b.id)));
        let mut items = created.into_iter().chain(lost).peekable();
        while items.peek().is_some() {
            let Some(least) = self.rows.first().map(load) else {
                return;
            };
            let level = self.rows.iter().take_while(|row| load(row) <= least);
            let level = level.count();
            for (row, item) in self.rows[..level].iter_mut().zip(&mut items) {
                row.give(item);
            }
        }
    }

    fn all(&self) -> Work {
        let mut all = Work::default();
        for row in &self.rows {
            all.add(&row.next.work());
        }
        all
    }

    fn revoked(&self) -> Work {
        let mut all = Work::default();
        for row in &self.rows {
            all.add(&row.revoked);
        }
        all
    }

    fn into_shares(self) -> BTreeMap<String, Share> {
        let shares = self.rows.into_iter().map(|row| {
            let share = Share {
                assigned: row.new,
                revoked: row.revoked.into(),
                all: row.next,
            };
            (row.id, share)
        });
        shares.collect()
    }
}

impl Row {
    /// It may have been given in this very round; then it is not given after all.
    fn revoke(&mut self, work: &Work) {
        self.next.remove(work);
        self.new.remove(work);
        self.revoked.add(work);
    }

    fn give<T: Kind>(&mut self, item: T) {
        T::of_mut(&mut self.next).push(item.clone());
        T::of_mut(&mut self.new).push(item);
    }
}

fn union(held: &[Work]) -> Work {
    let mut all = Work::default();
    for work in held {
        all.add(work);
    }
    all
}

/// What more than one member holds.
fn duplicated(held: &[Work]) -> Work {
    let (mut seen, mut twice) = (Work::default(), Work::default());
    for work in held {
        twice.add(&common(work, &seen));
        seen.add(work);
    }
    twice
}

/// What is in both.
fn common(one: &Work, other: &Work) -> Work {
    if other.is_empty() {
        return Work::default();
    }
    one.without(&one.without(other))
}

fn intersects(one: &Work, other: &Work) -> bool {
    !one.connectors.is_disjoint(&other.connectors) || !one.tasks.is_disjoint(&other.tasks)
}

#[cfg(test)]
mod tests;
