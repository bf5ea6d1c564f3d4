//! Known: the entries of the ledger as the task has them in mind. Pure.

use crate::upload::JobId;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

#[derive(Debug, Default)]
pub(super) struct Known {
    /// By name, which is in the order of time.
    entries: BTreeMap<Arc<str>, Entry>,
    /// The entry whose objects hold a message, where all of them are stored.
    durable: HashMap<Arc<str>, Arc<str>>,
    /// Which message has which offset, and the entry that waits for its settlement.
    offsets: HashMap<i64, (Arc<str>, Arc<str>)>,
    /// The entries whose objects are being stored.
    jobs: HashMap<JobId, Arc<str>>,
    /// Messages of all entries.
    marks: usize,
}

#[derive(Debug)]
struct Entry {
    /// Objects that are not stored yet.
    missing: usize,
    /// Messages that are not settled, as far as is known, and how often each is there: equal ones may be one by their marks.
    unsettled: HashMap<Arc<str>, u32>,
    /// Offsets that were given for it.
    offsets: Vec<i64>,
    /// Messages that it names, once for each record.
    marks: Vec<Arc<str>>,
    /// It is of this run.
    is_own: bool,
}

impl Entry {
    fn new(missing: usize, marks: Vec<Arc<str>>, is_own: bool) -> Self {
        let mut unsettled: HashMap<Arc<str>, u32> = HashMap::with_capacity(marks.len());
        for mark in &marks {
            *unsettled.entry(Arc::clone(mark)).or_default() += 1;
        }
        Entry {
            missing,
            unsettled,
            offsets: Vec::new(),
            marks,
            is_own,
        }
    }
}

impl Known {
    pub(super) fn intend(&mut self, name: &str, objects: usize, messages: &[(i64, Arc<str>)]) {
        let name: Arc<str> = name.into();
        for (offset, mark) in messages {
            let place = (Arc::clone(&name), Arc::clone(mark));
            self.offsets.insert(*offset, place);
        }
        let marks = messages.iter().map(|(_, mark)| Arc::clone(mark)).collect();
        let mut entry = Entry::new(objects, marks, true);
        entry.offsets = messages.iter().map(|(offset, _)| *offset).collect();
        self.marks += entry.marks.len();
        self.entries.insert(name, entry);
    }

    pub(super) fn stores(&mut self, name: &str, jobs: &[JobId]) {
        let known = self.entries.get_key_value(name);
        let Some(name) = known.map(|(name, _)| Arc::clone(name)) else {
            return;
        };
        let jobs = jobs.iter().map(|job| (*job, Arc::clone(&name)));
        self.jobs.extend(jobs);
    }

    /// An object is stored; the name of its entry if nothing is left of that.
    pub(super) fn stored(&mut self, job: JobId) -> Option<Arc<str>> {
        let name = self.jobs.remove(&job)?;
        let entry = self.entries.get_mut(&name)?;
        entry.missing = entry.missing.saturating_sub(1);
        if entry.missing == 0 {
            let marks = entry.marks.iter().cloned();
            self.durable
                .extend(marks.map(|mark| (mark, Arc::clone(&name))));
        }
        self.remove_if_over(&name)
    }

    /// An object will not be there, and so its entry never counts.
    pub(super) fn dropped(&mut self, job: JobId) {
        if let Some(name) = self.jobs.remove(&job) {
            self.remove(&name);
        }
    }

    /// An entry that was in the bucket.
    pub(super) fn read(&mut self, name: &str, marks: Vec<Arc<str>>) {
        let name: Arc<str> = name.into();
        let stored = marks.iter().cloned();
        self.durable
            .extend(stored.map(|mark| (mark, Arc::clone(&name))));
        self.marks += marks.len();
        let entry = Entry::new(0, marks, false);
        self.entries.insert(name, entry);
    }

    /// Whether a message is in an object that is stored.
    pub(super) fn has(&self, mark: &str) -> bool {
        self.durable.contains_key(mark)
    }

    pub(super) fn has_entry(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    pub(super) fn marks(&self) -> usize {
        self.marks
    }

    /// A message that is stored has come again under an offset.
    pub(super) fn comes_again(&mut self, offset: i64, mark: &Arc<str>) {
        let Some(name) = self.durable.get(mark) else {
            return;
        };
        let place = (Arc::clone(name), Arc::clone(mark));
        if self.offsets.insert(offset, place).is_none()
            && let Some(entry) = self.entries.get_mut(name)
        {
            entry.offsets.push(offset);
        }
    }

    /// The queue has let go of a message; the name of its entry if nothing is left of that.
    pub(super) fn settled(&mut self, offset: i64) -> Option<Arc<str>> {
        let (name, mark) = self.offsets.remove(&offset)?;
        let entry = self.entries.get_mut(&name)?;
        if let Some(left) = entry.unsettled.get_mut(&mark) {
            *left -= 1;
            if *left == 0 {
                entry.unsettled.remove(&mark);
            }
        }
        self.remove_if_over(&name)
    }

    fn remove_if_over(&mut self, name: &Arc<str>) -> Option<Arc<str>> {
        let entry = self.entries.get(name)?;
        let is_over = entry.missing == 0 && entry.unsettled.is_empty();
        is_over.then(|| {
            self.remove(name);
            Arc::clone(name)
        })
    }

    /// Forgets entries of others that the bucket does not have any more.
    pub(super) fn keep_listed(&mut self, is_listed: impl Fn(&str) -> bool) {
        let gone = self.entries.iter();
        let gone = gone.filter(|(name, entry)| !entry.is_own && !is_listed(name));
        let gone: Vec<Arc<str>> = gone.map(|(name, _)| Arc::clone(name)).collect();
        for name in gone {
            self.remove(&name);
        }
    }

    /// Forgets the oldest entries whose objects are stored, while there are more messages than so many; the names of those of
    /// this run.
    pub(super) fn forget_beyond(&mut self, most: usize) -> Vec<Arc<str>> {
        let mut forgotten = Vec::new();
        while self.marks > most {
            let mut stored = self.entries.iter().filter(|(_, entry)| entry.missing == 0);
            let Some((name, is_own)) = stored.next().map(|(name, entry)| (name, entry.is_own))
            else {
                break;
            };
            let name = Arc::clone(name);
            self.remove(&name);
            forgotten.extend(is_own.then_some(name));
        }
        forgotten
    }

    fn remove(&mut self, name: &Arc<str>) {
        let Some(entry) = self.entries.remove(name) else {
            return;
        };
        self.marks -= entry.marks.len();
        for offset in entry.offsets {
            self.offsets.remove(&offset);
        }
        for mark in entry.marks {
            // Another entry may have it, too.
            if self.durable.get(&mark) == Some(name) {
                self.durable.remove(&mark);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(from: i64, marks: &[&str]) -> Vec<(i64, Arc<str>)> {
        (from..)
            .zip(marks.iter().map(|mark| (*mark).into()))
            .collect()
    }

    fn job(number: u64) -> JobId {
        JobId::of_test(number)
    }

    #[test]
    fn a_message_is_durable_when_all_objects_of_its_entry_are() {
        let mut known = Known::default();
        known.intend("1", 2, &messages(0, &["a", "b"]));
        known.stores("1", &[job(1), job(2)]);
        assert_eq!(known.stored(job(1)), None);
        assert!(!known.has("a"));
        assert_eq!(known.stored(job(2)), None);
        assert!(known.has("a") && known.has("b") && !known.has("c"));
    }

    #[test]
    fn an_entry_goes_when_all_of_it_is_settled_under_whatever_offset() {
        let mut known = Known::default();
        known.intend("1", 1, &messages(0, &["a", "b"]));
        known.stores("1", &[job(1)]);
        known.stored(job(1));
        assert_eq!(known.settled(0), None);
        // Its settlement was lost: it comes again.
        known.comes_again(7, &"b".into());
        known.comes_again(7, &"b".into());
        assert_eq!(known.settled(9), None);
        assert_eq!(known.settled(7).as_deref(), Some("1"));
        assert!(!known.has("a") && known.marks() == 0 && known.offsets.is_empty());
    }

    #[test]
    fn equal_messages_are_settled_one_by_one() {
        let mut known = Known::default();
        known.intend("1", 1, &messages(0, &["a", "a"]));
        known.stores("1", &[job(1)]);
        known.stored(job(1));
        assert_eq!(known.settled(0), None);
        assert_eq!(known.settled(1).as_deref(), Some("1"));
    }

    #[test]
    fn entries_of_others_stay_as_long_as_they_are_listed() {
        let mut known = Known::default();
        known.read("1", vec!["a".into()]);
        known.read("2", vec!["a".into(), "b".into()]);
        known.intend("3", 1, &messages(0, &["c"]));
        known.keep_listed(|name| name == "2");
        assert!(known.has("a") && known.has_entry("3") && !known.has_entry("1"));
        known.keep_listed(|_| false);
        assert!(!known.has("a") && known.has_entry("3"));
    }

    #[test]
    fn the_oldest_are_forgotten_and_what_is_dropped_never_counts() {
        let mut known = Known::default();
        for (name, mark) in [("1", "a"), ("2", "b"), ("3", "c")] {
            let number: u64 = name.parse().unwrap_or_default();
            known.intend(name, 1, &messages(number as i64, &[mark]));
            known.stores(name, &[job(number)]);
        }
        known.read("0", vec!["z".into()]);
        known.stored(job(2));
        known.dropped(job(3));
        let forgotten = known.forget_beyond(1);
        assert_eq!(forgotten, [Arc::from("2")]);
        // What is on its way is not forgotten.
        assert!(known.has_entry("1") && !known.has_entry("0") && !known.has("c"));
        assert_eq!(known.forget_beyond(0), []);
    }
}
