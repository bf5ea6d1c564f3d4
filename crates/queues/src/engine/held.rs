//! Held: the messages that the queue has handed out and that are not settled yet, by offset, with their tokens, leases and
//! generations. Pure: it decides what may be settled, what is to be extended, what is not ours any more, and when what is
//! open in the sink has to be closed. Time is an argument.

mod flush;
mod leases;

use super::ids::{Mark, Marks};
use crate::input::{Message, QueueFacts, Token, Unsettled, UnsettledReason, WORN_ROOM};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

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
        // Of several with one id the last is known by it, which this one rarely is not.
        if let Some(id) = &entry.id
            && let Some(last) = self.ids.remove(id)
            && last != offset
        {
            self.ids.insert(Arc::clone(id), last);
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
