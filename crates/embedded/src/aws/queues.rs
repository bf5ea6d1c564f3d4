//! Queues of SQS: visibility, handles, groups in order, receive counts and what the service refuses, by a clock that is
//! given. A queue also keeps what a reader did wrong that the service itself would let pass.

mod operations;

pub(super) use operations::{answer, is_operation, receive_wait};

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The longest time for which a message is kept from others, from its receipt.
const LONGEST: Duration = Duration::from_secs(12 * 60 * 60);

/// How a queue behaves.
#[derive(Clone, Debug, Default)]
pub struct QueueSettings {
    /// After so many receives a message goes to the dead letters.
    pub most_receives: Option<u32>,
    /// Messages come back after this time, whatever a reader asks for.
    pub lapses_after: Option<Duration>,
    /// Every so manyth entry of a batch fails, and may be tried again.
    pub fails_every: Option<usize>,
    /// So many bodies are given out with a wrong MD5.
    pub corrupts: usize,
}

/// What a queue is like at a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueNow {
    pub waiting: usize,
    pub in_flight: usize,
    /// Bodies of messages that were taken off, in that order.
    pub deleted: Vec<String>,
    /// Bodies of messages that were received too often.
    pub dead: Vec<String>,
    /// The most receives of a message, and of all together.
    pub most_receives: u32,
    pub receives: usize,
    /// Messages in flight at once, at most.
    pub most_in_flight: usize,
    /// Receives that are waited for now.
    pub receiving: usize,
    /// What a reader did wrong.
    pub violations: Vec<String>,
}

/// A queue. Times are since any moment that stays the same.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) settings: QueueSettings,
    pub(super) is_fifo: bool,
    messages: BTreeMap<u64, Stored>,
    last: u64,
    entries: usize,
    pub(super) receiving: usize,
    most_receives: u32,
    receives: usize,
    most_in_flight: usize,
    deleted: Vec<String>,
    dead: Vec<String>,
    violations: Vec<String>,
}

#[derive(Debug)]
struct Stored {
    body: String,
    group: Option<String>,
    attributes: Vec<(String, String)>,
    receives: u32,
    received: Duration,
    /// Others get it from then on.
    visible: Duration,
    /// Somebody has wanted it deleted.
    is_done: bool,
}

/// A message that is given out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) id: String,
    pub(super) handle: String,
    pub(super) body: String,
    pub(super) group: Option<String>,
    pub(super) attributes: Vec<(String, String)>,
    pub(super) receives: u32,
    pub(super) number: u64,
    pub(super) is_corrupt: bool,
}

/// Why an entry was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EntryError {
    pub(super) code: &'static str,
    pub(super) is_senders_fault: bool,
}

impl EntryError {
    fn of_sender(code: &'static str) -> Self {
        EntryError {
            code,
            is_senders_fault: true,
        }
    }
}

impl Queue {
    pub(super) fn new(is_fifo: bool, settings: QueueSettings) -> Self {
        Queue {
            is_fifo,
            settings,
            ..Queue::default()
        }
    }

    pub(super) fn send(&mut self, body: &str, group: Option<&str>, attributes: &[(&str, &str)]) {
        let attributes = attributes.iter();
        let attributes = attributes.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.last += 1;
        self.messages.insert(
            self.last,
            Stored {
                body: body.to_owned(),
                group: group.map(str::to_owned),
                attributes: attributes.collect(),
                receives: 0,
                received: Duration::ZERO,
                visible: Duration::ZERO,
                is_done: false,
            },
        );
    }

    /// Gives out messages that nobody has; in a FIFO queue none of a group of which somebody has one.
    pub(super) fn receive(
        &mut self,
        most: usize,
        visibility: Duration,
        now: Duration,
    ) -> Vec<Given> {
        let visibility = self
            .settings
            .lapses_after
            .map_or(visibility, |at| at.min(visibility));
        let locked: BTreeSet<String> = self.locked(now);
        let is_free = |stored: &Stored| {
            let group = stored.group.as_ref().filter(|_| self.is_fifo);
            stored.visible <= now && group.is_none_or(|group| !locked.contains(group))
        };
        let free = self.messages.iter().filter(|(_, stored)| is_free(stored));
        let numbers: Vec<u64> = free.map(|(number, _)| *number).collect();
        let mut given = Vec::new();
        for number in numbers {
            if given.len() == most {
                break;
            }
            given.extend(self.give(number, visibility, now));
        }
        let in_flight = self.in_flight(now);
        self.most_in_flight = self.most_in_flight.max(in_flight);
        given
    }

    /// `None` if it has been received too often.
    fn give(&mut self, number: u64, visibility: Duration, now: Duration) -> Option<Given> {
        let stored = self.messages.get_mut(&number)?;
        let most = self.settings.most_receives;
        if most.is_some_and(|most| stored.receives >= most) {
            let dead = self.messages.remove(&number)?;
            self.dead.push(dead.body);
            return None;
        }
        stored.receives += 1;
        stored.received = now;
        stored.visible = now + visibility;
        self.most_receives = self.most_receives.max(stored.receives);
        self.receives += 1;
        let is_corrupt = self.settings.corrupts > 0;
        self.settings.corrupts -= usize::from(is_corrupt);
        Some(Given {
            id: format!("message-{number}"),
            handle: format!("{number}/{}", stored.receives),
            body: stored.body.clone(),
            group: stored.group.clone(),
            attributes: stored.attributes.clone(),
            receives: stored.receives,
            number,
            is_corrupt,
        })
    }

    /// Groups of which somebody has a message.
    fn locked(&self, now: Duration) -> BTreeSet<String> {
        let held = self.messages.values().filter(|stored| stored.visible > now);
        held.filter_map(|stored| stored.group.clone()).collect()
    }

    pub(super) fn delete(&mut self, handle: &str, now: Duration) -> Result<(), EntryError> {
        let (number, receives) = self.read(handle)?;
        if let Some(stored) = self.messages.get_mut(&number) {
            stored.is_done = true;
        }
        self.may_fail()?;
        let Some(stored) = self.messages.get(&number) else {
            // It is gone already, which is what is wanted.
            return Ok(());
        };
        if stored.receives != receives || (self.is_fifo && stored.visible <= now) {
            return Err(EntryError::of_sender("ReceiptHandleIsInvalid"));
        }
        let group = stored.group.as_ref().filter(|_| self.is_fifo);
        let mut before = self.messages.range(..number).map(|(_, other)| other);
        if group.is_some() && before.any(|other| other.group.as_ref() == group && !other.is_done) {
            let what = format!("{} was deleted before others of its group", stored.body);
            self.violations.push(what);
        }
        if let Some(stored) = self.messages.remove(&number) {
            self.deleted.push(stored.body);
        }
        Ok(())
    }

    pub(super) fn change(
        &mut self,
        handle: &str,
        visibility: Duration,
        now: Duration,
    ) -> Result<(), EntryError> {
        self.may_fail()?;
        let (number, receives) = self.read(handle)?;
        let lapses_after = self.settings.lapses_after;
        let stored = self.messages.get_mut(&number);
        let stored = stored.filter(|stored| stored.receives == receives && stored.visible > now);
        let Some(stored) = stored else {
            return Err(EntryError::of_sender("MessageNotInflight"));
        };
        if now + visibility > stored.received + LONGEST {
            return Err(EntryError::of_sender("InvalidParameterValue"));
        }
        let visible = now + visibility;
        let lapses = lapses_after.map(|after| stored.received + after);
        stored.visible = lapses.map_or(visible, |at| at.min(visible));
        Ok(())
    }

    /// The number and the receive that a handle is of.
    fn read(&self, handle: &str) -> Result<(u64, u32), EntryError> {
        let parts = handle.split_once('/');
        let parts = parts
            .and_then(|(number, receives)| Some((number.parse().ok()?, receives.parse().ok()?)));
        parts.ok_or_else(|| EntryError::of_sender("ReceiptHandleIsInvalid"))
    }

    fn may_fail(&mut self) -> Result<(), EntryError> {
        self.entries += 1;
        match self.settings.fails_every {
            Some(every) if self.entries.is_multiple_of(every) => Err(EntryError {
                code: "InternalError",
                is_senders_fault: false,
            }),
            _ => Ok(()),
        }
    }

    /// All that is in flight comes back now.
    pub(super) fn return_all(&mut self, now: Duration) -> Vec<String> {
        let held = self
            .messages
            .values_mut()
            .filter(|stored| stored.visible > now);
        held.map(|stored| {
            stored.visible = now;
            stored.body.clone()
        })
        .collect()
    }

    pub(super) fn violate(&mut self, what: String) {
        self.violations.push(what);
    }

    fn in_flight(&self, now: Duration) -> usize {
        self.messages
            .values()
            .filter(|stored| stored.visible > now)
            .count()
    }

    pub(super) fn now(&self, now: Duration) -> QueueNow {
        let in_flight = self.in_flight(now);
        QueueNow {
            waiting: self.messages.len() - in_flight,
            in_flight,
            deleted: self.deleted.clone(),
            dead: self.dead.clone(),
            most_receives: self.most_receives,
            receives: self.receives,
            most_in_flight: self.most_in_flight,
            receiving: self.receiving,
            violations: self.violations.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn queue(is_fifo: bool, messages: &[(&str, &str)], settings: QueueSettings) -> Queue {
        let mut queue = Queue::new(is_fifo, settings);
        for (body, group) in messages {
            queue.send(body, Some(group), &[]);
        }
        queue
    }

    fn bodies(given: &[Given]) -> String {
        given.iter().map(|one| one.body.as_str()).collect()
    }

    const THREE: [(&str, &str); 3] = [("1", "a"), ("2", "b"), ("3", "a")];

    #[test]
    fn a_message_comes_back_unless_it_is_deleted_in_time() {
        let mut queue = queue(false, &THREE, QueueSettings::default());
        let first = queue.receive(2, MINUTE, Duration::ZERO);
        assert_eq!(bodies(&first), "12");
        assert_eq!(bodies(&queue.receive(9, MINUTE, MINUTE / 2)), "3");
        assert_eq!(queue.change(&first[0].handle, MINUTE, MINUTE / 2), Ok(()));
        let again = queue.receive(9, MINUTE, MINUTE);
        assert_eq!(bodies(&again), "2");
        // The handle of the receive before does not count any more.
        let invalid = Err(EntryError::of_sender("ReceiptHandleIsInvalid"));
        assert_eq!(queue.delete(&first[1].handle, MINUTE), invalid);
        assert_eq!(queue.delete(&again[0].handle, MINUTE), Ok(()));
        assert_eq!(queue.delete(&again[0].handle, MINUTE), Ok(()));
        let now = queue.now(MINUTE);
        assert_eq!(
            (now.deleted, now.most_receives, now.in_flight),
            (vec!["2".to_owned()], 2, 2)
        );
    }

    #[test]
    fn a_group_is_locked_while_somebody_has_one_of_it() {
        let mut queue = queue(true, &THREE, QueueSettings::default());
        let first = queue.receive(1, MINUTE, Duration::ZERO);
        assert_eq!(bodies(&queue.receive(9, MINUTE, Duration::ZERO)), "2");
        let deleted = queue.delete(&first[0].handle, Duration::ZERO);
        assert_eq!(deleted, Ok(()));
        assert_eq!(bodies(&queue.receive(9, MINUTE, Duration::ZERO)), "3");
        assert!(queue.now(Duration::ZERO).violations.is_empty());
        let mut queue = self::queue(true, &THREE, QueueSettings::default());
        let all = queue.receive(9, MINUTE, Duration::ZERO);
        assert_eq!(queue.delete(&all[2].handle, Duration::ZERO), Ok(()));
        assert_eq!(queue.now(Duration::ZERO).violations.len(), 1);
    }

    #[test]
    fn refuses_what_the_service_refuses() {
        let settings = QueueSettings {
            most_receives: Some(1),
            fails_every: Some(3),
            ..QueueSettings::default()
        };
        let mut queue = queue(false, &[("1", "a")], settings);
        let given = queue.receive(1, MINUTE, Duration::ZERO);
        let refused = |code| Err(EntryError::of_sender(code));
        assert_eq!(
            queue.change(&given[0].handle, LONGEST, MINUTE / 2),
            refused("InvalidParameterValue")
        );
        assert_eq!(
            queue.change(&given[0].handle, MINUTE, MINUTE),
            refused("MessageNotInflight")
        );
        let failed = queue.delete(&given[0].handle, Duration::ZERO);
        assert!(failed.is_err_and(|error| !error.is_senders_fault));
        assert_eq!(bodies(&queue.receive(1, MINUTE, MINUTE)), "");
        assert_eq!(queue.now(MINUTE).dead, ["1"]);
    }
}
