//! Held: the messages that the queue has handed out and that are not settled yet, by offset, with their tokens, leases and
//! generations. Pure: it decides what may be settled, what is to be extended, what is not ours any more, and when what is
//! open in the sink has to be closed. Time is an argument.

use super::ids::{Mark, Marks};
use crate::input::{Message, QueueFacts, Token, Unsettled, UnsettledReason, WORN_ROOM};
use millstream_core::FlushReason;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Of the time for which a queue lets a message be held so much is used: the rest is for the write itself.
const HOLD_SHARE: f64 = 0.8;

/// What a task may hold, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldRules {
    /// The most messages: `input.max.held.messages`.
    pub messages: usize,
    /// After so long what is open is closed: `input.max.hold.ms`.
    pub hold: Duration,
    /// What is open is closed when no message has come for so long, if ever: `input.idle.flush.ms`.
    pub idle: Option<Duration>,
}

#[derive(Debug)]
pub(crate) struct Held {
    rules: HoldRules,
    facts: QueueFacts,
    entries: BTreeMap<i64, Entry>,
    bytes: usize,
    /// The offset of the next message.
    next: i64,
    /// Messages before this offset have been delivered.
    delivered_to: i64,
    /// What was delivered before this offset has been told to be closed.
    flushed_to: i64,
    /// The offset behind the last message with many deliveries.
    worn_to: i64,
    /// Messages up to this offset may have been in hand before without a word of it.
    unmarked_to: i64,
    /// When the last message came or was delivered.
    last_movement: Instant,
    /// When the leases end of messages that are ours.
    leases: BTreeSet<(Instant, i64)>,
    /// When leases are to be extended, of those that can be and are not being extended.
    extensions: BTreeSet<(Instant, i64)>,
    /// What may be settled, and is not under way.
    to_settle: BTreeSet<i64>,
    /// The held messages of each group, of a queue that keeps an order.
    groups: HashMap<Arc<str>, BTreeSet<i64>>,
    /// Where messages are by what tells them when they come again; of several, the last.
    ids: HashMap<Arc<str>, i64>,
    /// Since the last `take_counts`.
    counts: Counts,
    /// Nothing more is asked for, so that nothing more comes.
    is_paused: bool,
}

#[derive(Debug)]
struct Entry {
    /// Gone once the message is not ours any more.
    token: Option<Token>,
    received: Instant,
    expires: Option<Instant>,
    extends: Option<Instant>,
    id: Option<Arc<str>>,
    /// What the sink knows it by.
    mark: Option<Arc<str>>,
    group: Option<Arc<str>>,
    bytes: usize,
    is_done: bool,
    /// It is being settled.
    is_taken: bool,
}

/// What has happened to messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) received: u64,
    pub(crate) redelivered: u64,
    pub(crate) settled: u64,
    /// Messages whose lease ended, or that the queue says are not ours any more.
    pub(crate) lapsed: u64,
    /// Messages that were done after their connection was lost: nothing could be sent.
    pub(crate) late: u64,
    /// Messages that came again while the sink still had them, and were not given to it twice.
    pub(crate) kept_out: u64,
    pub(crate) given_back: u64,
    /// The most deliveries of a message.
    pub(crate) most_deliveries: u32,
}

/// What is held at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HeldNow {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
    pub(crate) oldest: Duration,
}

impl Held {
    /// Nothing held; offsets count from `first` on.
    pub(crate) fn new(rules: HoldRules, first: i64, now: Instant) -> Self {
        Held {
            rules,
            facts: QueueFacts::default(),
            entries: BTreeMap::new(),
            bytes: 0,
            next: first,
            delivered_to: first,
            flushed_to: first,
            worn_to: first,
            unmarked_to: first,
            last_movement: now,
            leases: BTreeSet::new(),
            extensions: BTreeSet::new(),
            to_settle: BTreeSet::new(),
            groups: HashMap::new(),
            ids: HashMap::new(),
            counts: Counts::default(),
            is_paused: false,
        }
    }

    /// Whether nothing more is asked for.
    pub(crate) fn pause(&mut self, is_paused: bool) {
        self.is_paused = is_paused;
    }

    /// What is known of the queue since there is a connection.
    pub(crate) fn learn(&mut self, facts: QueueFacts) {
        if facts.hides_returns {
            // Who was here before, if only we a moment ago, had no more than this in hand.
            let most = i64::try_from(self.rules.messages).unwrap_or(i64::MAX);
            self.unmarked_to = self.next.saturating_add(most);
        }
        self.facts = facts;
    }

    /// Whether the message with this offset may be stored already.
    pub(crate) fn may_be_stored(&self, offset: i64, message: &Message) -> bool {
        message.redelivered || offset < self.unmarked_to
    }

    pub(crate) fn facts(&self) -> &QueueFacts {
        &self.facts
    }

    pub(crate) fn rules(&self) -> &HoldRules {
        &self.rules
    }

    /// How many messages more may be held: only a few while there is a worn one.
    pub(crate) fn room(&self) -> usize {
        let first = self.entries.first_key_value();
        let most = match first {
            Some((first, _)) if *first < self.worn_to => self.rules.messages.min(WORN_ROOM),
            _ => self.rules.messages,
        };
        most.saturating_sub(self.entries.len())
    }

    pub(crate) fn next_offset(&self) -> i64 {
        self.next
    }

    pub(crate) fn contains(&self, offset: i64) -> bool {
        self.entries.contains_key(&offset)
    }

    /// Whether there are messages that are ours.
    pub(crate) fn owns_any(&self) -> bool {
        self.entries.values().any(|entry| entry.token.is_some())
    }

    /// Takes a message in; its offset, or `None` where it is held already and only its token is new.
    pub(crate) fn receive(
        &mut self,
        message: &Message,
        marks: Marks,
        bytes: usize,
        now: Instant,
    ) -> Option<i64> {
        self.counts.received += 1;
        self.counts.redelivered += u64::from(message.redelivered);
        let deliveries = message.deliveries.unwrap_or(0);
        self.counts.most_deliveries = self.counts.most_deliveries.max(deliveries);
        self.last_movement = now;
        let held = marks.held.as_ref();
        if let Some(offset) = held.and_then(|mark| self.again(message, mark)) {
            self.counts.kept_out += 1;
            self.own(offset, message.token.clone(), message.expires, now);
            return None;
        }
        let id = marks.held.map(|mark| mark.text);
        self.ids.extend(id.clone().map(|id| (id, self.next)));
        let offset = self.next;
        self.next += 1;
        if self.facts.is_worn(deliveries) {
            self.worn_to = self.next;
        }
        let is_ordered = self.facts.is_ordered;
        let group = message.group.as_deref().filter(|_| is_ordered);
        let group: Option<Arc<str>> = group.map(|name| match self.groups.get_key_value(name) {
            Some((known, _)) => Arc::clone(known),
            None => name.into(),
        });
        if let Some(group) = &group {
            let members = self.groups.entry(Arc::clone(group)).or_default();
            members.insert(offset);
        }
        let entry = Entry {
            token: Some(message.token.clone()),
            received: now,
            expires: None,
            extends: None,
            id,
            mark: marks.sink,
            group,
            bytes,
            is_done: false,
            is_taken: false,
        };
        self.bytes += bytes;
        self.entries.insert(offset, entry);
        self.lease(offset, message.expires);
        Some(offset)
    }

    /// Where a message is that comes again. Senders repeat ids, so that one by which a sender tells it means a message that is
    /// held only if that one was lost and this one is said to come again.
    fn again(&self, message: &Message, mark: &Mark) -> Option<i64> {
        let offset = *self.ids.get(&mark.text)?;
        let is_lost = || {
            let entry = self.entries.get(&offset);
            message.redelivered && entry.is_some_and(|entry| entry.token.is_none())
        };
        (mark.is_of_queue || is_lost()).then_some(offset)
    }

    /// What the sink knows the message with this offset by.
    pub(crate) fn mark(&self, offset: i64) -> Option<Arc<str>> {
        self.entries.get(&offset)?.mark.clone()
    }

    /// A held message has come again: the new token is the one that counts.
    fn own(&mut self, offset: i64, token: Token, expires: Option<Instant>, now: Instant) {
        let Some(entry) = self.entries.get_mut(&offset) else {
            return;
        };
        if entry.token.replace(token).is_none() {
            // It was not ours for a while: how long the queue lets it be held counts anew.
            entry.received = now;
        }
        self.lease(offset, expires);
    }

    /// The lease of a message ends then; it is extended when half of it is gone, if it can be.
    fn lease(&mut self, offset: i64, expires: Option<Instant>) {
        let Some(entry) = self.entries.get_mut(&offset) else {
            return;
        };
        if let Some(before) = entry.expires {
            self.leases.remove(&(before, offset));
        }
        if let Some(before) = entry.extends {
            self.extensions.remove(&(before, offset));
        }
        entry.expires = expires;
        entry.extends = None;
        let Some((expires, lease)) = expires.zip(self.facts.lease) else {
            return;
        };
        self.leases.insert((expires, offset));
        let extends = expires - lease / 2;
        let end = self
            .facts
            .longest_hold
            .map(|longest| entry.received + longest);
        if end.is_none_or(|end| extends + lease <= end) {
            entry.extends = Some(extends);
            self.extensions.insert((extends, offset));
        }
    }

    /// Messages before this offset are with the pipeline.
    pub(crate) fn delivered(&mut self, to: i64, now: Instant) {
        self.delivered_to = self.delivered_to.max(to);
        self.last_movement = now;
    }

    /// What is durable, filtered out or settled as rejected: it may be settled, in an ordered queue behind those of its
    /// group that came before.
    pub(crate) fn done(&mut self, range: Range<i64>) {
        let delivered = range.start..range.end.min(self.delivered_to);
        if delivered.is_empty() {
            return;
        }
        let offsets: Vec<i64> = self.entries.range(delivered).map(|(o, _)| *o).collect();
        for offset in offsets {
            let entry = self.entries.get_mut(&offset).filter(|e| !e.is_done);
            let Some(entry) = entry else {
                continue;
            };
            entry.is_done = true;
            if entry.token.is_none() {
                self.counts.late += 1;
                self.remove(offset);
            } else if let Some(group) = entry.group.clone() {
                self.release_group(&group);
            } else {
                self.to_settle.insert(offset);
            }
        }
    }

    /// What is done at the head of a group may be settled.
    fn release_group(&mut self, group: &str) {
        let members = self.groups.get(group).into_iter().flatten();
        let entries = &self.entries;
        let is_done = |offset: &&i64| entries.get(offset).is_some_and(|entry| entry.is_done);
        let is_taken = |offset: &&i64| entries.get(offset).is_some_and(|entry| entry.is_taken);
        let free = members
            .take_while(is_done)
            .filter(|offset| !is_taken(offset));
        self.to_settle.extend(free);
    }

    /// Takes the first that may be settled, at most so many.
    pub(crate) fn take_settling(&mut self, most: usize) -> Vec<(i64, Token)> {
        let mut taken = Vec::with_capacity(self.to_settle.len().min(most));
        while taken.len() < most
            && let Some(offset) = self.to_settle.pop_first()
        {
            if let Some(entry) = self.entries.get_mut(&offset)
                && let Some(token) = entry.token.clone()
            {
                entry.is_taken = true;
                taken.push((offset, token));
            }
        }
        taken
    }

    /// How many may be settled and are not under way.
    pub(crate) fn settling(&self) -> usize {
        self.to_settle.len()
    }

    /// These have been settled, but for some.
    pub(crate) fn settled(&mut self, taken: &[(i64, Token)], unsettled: &[Unsettled]) {
        let mut reasons: HashMap<usize, UnsettledReason> = HashMap::new();
        reasons.extend(unsettled.iter().map(|one| (one.at, one.reason)));
        for (at, (offset, _)) in taken.iter().enumerate() {
            match reasons.get(&at) {
                Some(UnsettledReason::TryAgain) => {
                    self.settle_again(*offset);
                    continue;
                }
                Some(UnsettledReason::Lapsed) => self.counts.lapsed += 1,
                None => self.counts.settled += 1,
            }
            self.remove(*offset);
        }
    }

    /// These are to be settled again.
    pub(crate) fn not_settled(&mut self, taken: &[(i64, Token)]) {
        for (offset, _) in taken {
            self.settle_again(*offset);
        }
    }

    fn settle_again(&mut self, offset: i64) {
        if let Some(entry) = self.entries.get_mut(&offset) {
            entry.is_taken = false;
            self.to_settle.insert(offset);
        }
    }

    /// What is to be extended now, those first whose lease ends first. `extended` or `not_extended` is to follow.
    pub(crate) fn take_extending(&mut self, now: Instant, most: usize) -> Vec<(i64, Token)> {
        let mut due = Vec::new();
        while due.len() < most
            && let Some((at, offset)) = self.extensions.first().copied()
            && at <= now
        {
            self.extensions.pop_first();
            if let Some(entry) = self.entries.get_mut(&offset) {
                entry.extends = None;
                due.extend(entry.token.clone().map(|token| (offset, token)));
            }
        }
        due
    }

    /// The leases of these have begun anew at `from`, but for those that are not ours any more. Whether some of them were
    /// not delivered yet, and are not to be.
    pub(crate) fn extended(
        &mut self,
        taken: &[(i64, Token)],
        lapsed: &[usize],
        from: Instant,
    ) -> bool {
        let Some(lease) = self.facts.lease else {
            return false;
        };
        let lapsed: BTreeSet<usize> = lapsed.iter().copied().collect();
        let mut has_dropped = false;
        for (at, (offset, _)) in taken.iter().enumerate() {
            match lapsed.contains(&at) {
                true => has_dropped |= self.lapse(*offset),
                false => self.lease(*offset, Some(from + lease)),
            }
        }
        has_dropped
    }

    /// These are to be extended again, from then on.
    pub(crate) fn not_extended(&mut self, taken: &[(i64, Token)], again: Instant) {
        for (offset, _) in taken {
            if let Some(entry) = self.entries.get_mut(offset) {
                entry.extends = Some(again);
                self.extensions.insert((again, *offset));
            }
        }
    }

    /// Lets go of messages whose lease has ended. Whether some of them were not delivered yet, and are not to be.
    pub(crate) fn expire(&mut self, now: Instant) -> bool {
        let mut has_dropped = false;
        while let Some((expires, offset)) = self.leases.first().copied()
            && expires <= now
        {
            let entry = self.entries.get(&offset);
            if entry.is_some_and(|entry| entry.is_done) {
                // The queue may still know the token; it says so when the message is settled.
                self.lease(offset, None);
            } else {
                has_dropped |= self.lapse(offset);
            }
        }
        has_dropped
    }

    /// A message is not ours any more. One that was not delivered is dropped, with what follows it in its group: it comes
    /// again.
    fn lapse(&mut self, offset: i64) -> bool {
        self.counts.lapsed += 1;
        let group = self.entries.get(&offset).and_then(|e| e.group.clone());
        let group = group.filter(|_| offset >= self.delivered_to);
        let members = group.and_then(|group| self.groups.get(&group));
        let behind: Vec<i64> = members
            .map(|members| members.range(offset + 1..).copied().collect())
            .unwrap_or_default();
        self.counts.lapsed += behind.len() as u64;
        for follower in behind {
            self.remove(follower);
        }
        self.lose(offset)
    }

    fn lose(&mut self, offset: i64) -> bool {
        let Some(entry) = self.entries.get_mut(&offset) else {
            return false;
        };
        let is_delivered = offset < self.delivered_to;
        if !is_delivered || entry.is_done {
            self.remove(offset);
            return !is_delivered;
        }
        entry.token = None;
        self.lease(offset, None);
        false
    }

    /// The connection is gone, and with it all tokens: what is not delivered is dropped, what is done and not settled
    /// counts as late, and all of it comes again.
    pub(crate) fn lose_all(&mut self) {
        let offsets: Vec<i64> = self.entries.keys().copied().collect();
        for offset in offsets {
            let entry = self.entries.get(&offset);
            let is_late = entry.is_some_and(|e| e.is_done && e.token.is_some());
            self.counts.late += u64::from(is_late);
            self.lose(offset);
        }
        self.to_settle.clear();
    }

    /// Lets go of what is at or behind an offset and not done: the tokens of what is ours, in order, to be given back.
    pub(crate) fn take_back(&mut self, from: i64) -> Vec<Token> {
        // What is done and waits for others of its group is not settled before these, so it goes with them.
        let is_open =
            |offset: i64, entry: &Entry| !entry.is_done || !self.to_settle.contains(&offset);
        let behind = self.entries.range(from..);
        let open = behind.filter(|(offset, entry)| is_open(**offset, entry));
        let offsets: Vec<i64> = open.map(|(offset, _)| *offset).collect();
        let mut tokens = Vec::with_capacity(offsets.len());
        for offset in offsets {
            let entry = self.remove(offset);
            tokens.extend(entry.and_then(|entry| entry.token));
        }
        self.counts.given_back += tokens.len() as u64;
        if from <= self.delivered_to {
            // What comes next is delivered behind all of it.
            self.delivered_to = self.next;
        }
        tokens
    }

    /// The tokens of all that is ours, in order, to be given back at the end.
    pub(crate) fn take_all(&mut self) -> Vec<Token> {
        let entries = std::mem::take(&mut self.entries).into_values();
        let tokens: Vec<Token> = entries.filter_map(|entry| entry.token).collect();
        self.counts.given_back += tokens.len() as u64;
        self.leases.clear();
        self.extensions.clear();
        self.to_settle.clear();
        self.groups.clear();
        self.ids.clear();
        self.bytes = 0;
        tokens
    }

    fn remove(&mut self, offset: i64) -> Option<Entry> {
        let entry = self.entries.remove(&offset)?;
        self.bytes -= entry.bytes;
        self.to_settle.remove(&offset);
        if let Some(at) = entry.expires {
            self.leases.remove(&(at, offset));
        }
        if let Some(at) = entry.extends {
            self.extensions.remove(&(at, offset));
        }
        if let Some(id) = &entry.id
            && self.ids.get(id) == Some(&offset)
        {
            self.ids.remove(id);
        }
        if let Some(group) = &entry.group
            && let Some(members) = self.groups.get_mut(&**group)
        {
            members.remove(&offset);
            match members.is_empty() {
                true => drop(self.groups.remove(&**group)),
                // What waited behind it waits no longer.
                false => self.release_group(&group.clone()),
            }
        }
        Some(entry)
    }

    /// The first message that is delivered, not done, and not told to be closed.
    fn first_open(&self) -> Option<&Entry> {
        let open = self.entries.range(self.flushed_to..self.delivered_to);
        open.map(|(_, entry)| entry).find(|entry| !entry.is_done)
    }

    /// Why what is open has to be closed now, if it has to; `flushed` is to follow.
    pub(crate) fn flush_due(&self, now: Instant) -> Option<FlushReason> {
        let first = self.first_open()?;
        if self.worn_to > self.flushed_to && self.delivered_to >= self.worn_to {
            return Some(FlushReason::Worn);
        }
        if now >= first.received + self.hold() {
            return Some(FlushReason::Hold);
        }
        if self.runs_out(now) {
            return Some(FlushReason::Expiry);
        }
        let is_starved = self.is_paused || self.starving_until().is_some_and(|until| now >= until);
        is_starved.then_some(FlushReason::Starved)
    }

    /// Whether the lease of something that is open has come so near to its end that extending it does not seem to work.
    fn runs_out(&self, now: Instant) -> bool {
        let Some(lease) = self.facts.lease else {
            return false;
        };
        let open = self.flushed_to..self.delivered_to;
        let near = self.leases.iter();
        let mut near = near.take_while(|(at, _)| *at <= now + lease / 4);
        near.any(|(_, offset)| {
            let entry = self.entries.get(offset);
            open.contains(offset) && entry.is_some_and(|entry| !entry.is_done)
        })
    }

    fn hold(&self) -> Duration {
        let longest = self.facts.longest_hold;
        let longest = longest.map(|longest| longest.mul_f64(HOLD_SHARE));
        longest.map_or(self.rules.hold, |longest| longest.min(self.rules.hold))
    }

    /// What has been delivered is told to be closed.
    pub(crate) fn flushed(&mut self) {
        self.flushed_to = self.delivered_to;
    }

    /// When what is open is to be closed because nothing more came.
    fn starving_until(&self) -> Option<Instant> {
        let has_waiting = self.entries.range(self.delivered_to..).next().is_some();
        let idle = self.rules.idle.filter(|_| !has_waiting);
        idle.map(|idle| self.last_movement + idle)
    }

    /// When `flush_due` is to be asked, as far as the clock alone decides. A lease comes near its end only where extending it
    /// fails, which is looked at as often as that is tried.
    pub(crate) fn next_flush(&self) -> Option<Instant> {
        let hold = self.first_open()?.received + self.hold();
        Some(self.starving_until().map_or(hold, |until| until.min(hold)))
    }

    /// When leases are to be extended or have ended.
    pub(crate) fn next_lease(&self) -> Option<Instant> {
        let first = [self.extensions.first(), self.leases.first()];
        first.into_iter().flatten().map(|(at, _)| *at).min()
    }

    /// What has happened since the last call.
    pub(crate) fn take_counts(&mut self) -> Counts {
        std::mem::take(&mut self.counts)
    }

    pub(crate) fn now_held(&self, now: Instant) -> HeldNow {
        let first = self.entries.values().next();
        HeldNow {
            messages: self.entries.len(),
            bytes: self.bytes,
            oldest: first.map_or(Duration::ZERO, |first| now - first.received),
        }
    }
}

#[cfg(test)]
mod tests;
