//! Pending statuses: those that are written until they are durable. They are written in order; an attempt that failed for a reason that may pass is
//! made again, unless there is something newer of its key by then. Pure.

use millstream_core::backoff::Backoff;
use millstream_worker::cluster::{StatusKey, StatusRecord, StatusValue};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// The pauses between attempts at one record; Java's own loop makes none.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// Attempts of one key: as many as a restart tells, and some more. Beyond that the newest takes the place of what waits.
const UNDER_WAY: usize = 8;

/// A value, and its number among all that were written.
#[derive(Debug)]
struct Numbered {
    sequence: u64,
    value: Option<StatusValue>,
}

#[derive(Debug)]
struct Slot {
    /// What is written next, from then on.
    next: Option<(Numbered, Option<Instant>)>,
    /// What is being written, in order.
    under_way: VecDeque<Numbered>,
    backoff: Backoff,
}

/// Bounded by the keys there are.
#[derive(Debug, Default)]
pub(super) struct PendingStatuses {
    slots: HashMap<StatusKey, Slot>,
    /// Each with its key, and the sequence of what it writes.
    attempts: BTreeMap<u64, (StatusKey, u64)>,
    last_sequence: u64,
    last_attempt: u64,
    /// Each waits until everything up to a sequence is durable or given up, or the time is over.
    flushes: VecDeque<Flush>,
}

#[derive(Debug)]
struct Flush {
    number: u64,
    sequence: u64,
    deadline: Instant,
}

impl PendingStatuses {
    /// Takes over a record. What waits for its key is superseded.
    pub(super) fn put(&mut self, record: StatusRecord) {
        self.last_sequence += 1;
        let StatusRecord { key, value } = record;
        let sequence = self.last_sequence;
        let slot = self.slots.entry(key).or_insert_with(|| Slot {
            next: None,
            under_way: VecDeque::new(),
            backoff: Backoff::new(PAUSES),
        });
        let from = slot.next.take().and_then(|(_, from)| from);
        slot.next = Some((Numbered { sequence, value }, from));
    }

    /// Takes a record that is due, with the number of the attempt. One that `may_write` forbids is given up.
    pub(super) fn take_due(
        &mut self,
        now: Instant,
        may_write: impl Fn(&StatusKey, &Option<StatusValue>) -> bool,
    ) -> Option<(u64, StatusRecord)> {
        loop {
            let mut slots = self.slots.iter();
            let due = slots.find(|(_, slot)| slot.is_due(now));
            let key = due.map(|(key, _)| key.clone())?;
            let slot = self.slots.get_mut(&key)?;
            let (next, _) = slot.next.take()?;
            if !may_write(&key, &next.value) {
                self.remove_if_idle(&key);
                continue;
            }
            let (sequence, value) = (next.sequence, next.value.clone());
            slot.under_way.push_back(next);
            self.last_attempt += 1;
            self.attempts
                .insert(self.last_attempt, (key.clone(), sequence));
            return Some((self.last_attempt, StatusRecord { key, value }));
        }
    }

    /// An attempt has ended: it is over, or to be made again. The key, if it was one of these.
    pub(super) fn on_end(
        &mut self,
        attempt: u64,
        is_over: bool,
        now: Instant,
    ) -> Option<StatusKey> {
        let (key, sequence) = self.attempts.remove(&attempt)?;
        let slot = self.slots.get_mut(&key)?;
        let at = slot
            .under_way
            .iter()
            .position(|tried| tried.sequence == sequence)?;
        let tried = slot.under_way.remove(at)?;
        let newest = slot.under_way.back().map(|newest| newest.sequence);
        if is_over {
            slot.backoff.reset();
        } else if slot.next.is_none() && newest.is_none_or(|newest| newest < sequence) {
            let from = now + slot.backoff.next_pause();
            slot.next = Some((tried, Some(from)));
        }
        self.remove_if_idle(&key);
        Some(key)
    }

    fn remove_if_idle(&mut self, key: &StatusKey) {
        let slot = self.slots.get(key);
        if slot.is_some_and(|slot| slot.next.is_none() && slot.under_way.is_empty()) {
            self.slots.remove(key);
        }
    }

    pub(super) fn flush(&mut self, number: u64, deadline: Instant) {
        let sequence = self.last_sequence;
        self.flushes.push_back(Flush {
            number,
            sequence,
            deadline,
        });
    }

    /// Takes a flush that is over, and whether all of it was written or given up.
    pub(super) fn take_flushed(&mut self, now: Instant) -> Option<(u64, bool)> {
        let flush = self.flushes.front()?;
        let is_done = self.oldest().is_none_or(|oldest| oldest > flush.sequence);
        if !is_done && flush.deadline > now {
            return None;
        }
        let flush = self.flushes.pop_front()?;
        Some((flush.number, is_done))
    }

    /// When something is due by the clock alone.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let waiting = self.slots.values().filter(|slot| slot.has_room());
        let retries = waiting.filter_map(|slot| slot.next.as_ref()?.1);
        let flush = self.flushes.front().map(|flush| flush.deadline);
        retries.chain(flush).min()
    }

    fn oldest(&self) -> Option<u64> {
        let open = self.slots.values().flat_map(|slot| {
            let next = slot.next.as_ref().map(|(next, _)| next.sequence);
            next.into_iter()
                .chain(slot.under_way.iter().map(|value| value.sequence))
        });
        open.min()
    }
}

impl Slot {
    fn has_room(&self) -> bool {
        self.under_way.len() < UNDER_WAY
    }

    fn is_due(&self, now: Instant) -> bool {
        let from = self.next.as_ref().map(|(_, from)| *from);
        self.has_room() && from.is_some_and(|from| from.is_none_or(|from| from <= now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &str, task: u32) -> StatusRecord {
        StatusRecord {
            key: StatusKey::Connector(name.into()),
            value: Some(StatusValue::Topic {
                task,
                discovered: 0,
            }),
        }
    }

    fn due(pending: &mut PendingStatuses, now: Instant) -> Option<(u64, StatusRecord)> {
        pending.take_due(now, |_, _| true)
    }

    #[test]
    fn all_is_written_in_order_as_long_as_there_is_room() {
        let now = Instant::now();
        let mut pending = PendingStatuses::default();
        let mut attempts = Vec::new();
        for task in 0..UNDER_WAY as u32 {
            pending.put(record("a", task));
            let (attempt, written) = due(&mut pending, now).expect("one");
            assert_eq!(written, record("a", task));
            attempts.push(attempt);
        }
        pending.put(record("a", 8));
        pending.put(record("a", 9));
        assert_eq!(due(&mut pending, now), None);
        pending.flush(7, now + Duration::from_secs(1));
        // What failed while something newer is under way is superseded.
        for attempt in attempts {
            pending.on_end(attempt, false, now);
        }
        assert_eq!(pending.take_flushed(now), None);
        let (attempt, written) = due(&mut pending, now).expect("one");
        assert_eq!(written, record("a", 9));
        // What comes later need not be waited for.
        pending.put(record("a", 10));
        pending.on_end(attempt, true, now);
        assert_eq!(pending.take_flushed(now), Some((7, true)));
    }

    #[test]
    fn what_failed_is_tried_again_after_a_pause_unless_it_is_forbidden_then() {
        let now = Instant::now();
        let mut pending = PendingStatuses::default();
        pending.put(record("a", 1));
        let (attempt, _) = due(&mut pending, now).expect("one");
        assert!(pending.on_end(attempt, false, now).is_some());
        assert_eq!(due(&mut pending, now), None);
        let later = pending.next_due().expect("a retry");
        let (attempt, written) = due(&mut pending, later).expect("one");
        assert_eq!(written, record("a", 1));
        pending.on_end(attempt, false, later);
        let later = pending.next_due().expect("a retry");
        assert_eq!(pending.take_due(later, |_, _| false), None);
        assert_eq!(pending.next_due(), None);
        assert!(pending.slots.is_empty() && pending.attempts.is_empty());
    }

    #[test]
    fn a_flush_ends_with_its_time() {
        let now = Instant::now();
        let mut pending = PendingStatuses::default();
        pending.put(record("a", 1));
        due(&mut pending, now);
        let end = now + Duration::from_secs(1);
        pending.flush(1, end);
        assert_eq!(pending.take_flushed(now), None);
        assert_eq!(pending.next_due(), Some(end));
        assert_eq!(pending.take_flushed(end), Some((1, false)));
    }
}
