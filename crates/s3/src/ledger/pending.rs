//! Pending: entries whose objects are not there, and may still come. A store that has all of a request carries it out although the
//! process that sent it is gone, so what is missing right after a kill is looked for again before its messages are stored once
//! more. Pure.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// How long an object of a process that is gone is waited for, in milliseconds since it was missed first.
pub(super) const GRACE: i64 = 10_000;

#[derive(Debug, Default)]
pub(super) struct Pending {
    entries: HashMap<Arc<str>, Missed>,
    marks: usize,
}

#[derive(Debug)]
struct Missed {
    /// Epoch milliseconds.
    first: i64,
    /// Empty once they have been waited for.
    marks: HashSet<Arc<str>>,
}

impl Pending {
    /// The objects of an entry are not there at this time; whether they still may come.
    pub(super) fn miss(&mut self, name: &str, marks: Vec<Arc<str>>, now: i64) -> bool {
        if let Some(missed) = self.entries.get_mut(name) {
            let may_come = now - missed.first < GRACE;
            if !may_come {
                // The entry of a task that lives is found again, and not waited for again.
                self.marks -= missed.marks.len();
                missed.marks.clear();
            }
            return may_come;
        }
        let marks: HashSet<_> = marks.into_iter().collect();
        self.marks += marks.len();
        self.entries
            .insert(name.into(), Missed { first: now, marks });
        true
    }

    /// The entry is decided, or gone.
    pub(super) fn forget(&mut self, name: &str) {
        if let Some(missed) = self.entries.remove(name) {
            self.marks -= missed.marks.len();
        }
    }

    pub(super) fn keep_listed(&mut self, is_listed: impl Fn(&str) -> bool) {
        self.entries.retain(|name, _| is_listed(name));
        self.marks = self.entries.values().map(|missed| missed.marks.len()).sum();
    }

    /// Whether a message may yet turn out to be stored.
    pub(super) fn has(&self, mark: &str) -> bool {
        self.entries
            .values()
            .any(|missed| missed.marks.contains(mark))
    }

    /// Messages of all of its entries.
    pub(super) fn marks(&self) -> usize {
        self.marks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missed_may_come_for_a_while_and_once() {
        let mut pending = Pending::default();
        assert!(pending.miss("e", vec!["a".into(), "b".into()], 1_000));
        assert!(pending.has("a") && pending.has("b") && !pending.has("c"));
        assert_eq!(pending.marks(), 2);
        assert!(pending.miss("e", vec!["a".into(), "b".into()], 999 + GRACE));
        assert!(!pending.miss("e", vec!["a".into(), "b".into()], 1_000 + GRACE));
        assert!(!pending.has("a"));
        assert_eq!(pending.marks(), 0);
        assert!(!pending.miss("e", vec!["a".into(), "b".into()], 1_001 + GRACE));
        assert!(!pending.has("a"));
    }

    #[test]
    fn what_is_decided_or_gone_is_not_waited_for() {
        let mut pending = Pending::default();
        pending.miss("found", vec!["a".into()], 0);
        pending.miss("gone", vec!["b".into()], 0);
        pending.miss("left", vec!["c".into()], 0);
        pending.forget("found");
        pending.keep_listed(|name| name == "left");
        let waits = ["a", "b", "c"].map(|mark| pending.has(mark));
        assert_eq!(waits, [false, false, true]);
        assert_eq!(pending.marks(), 1);
    }
}
