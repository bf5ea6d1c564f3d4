//! All groups of the cluster: the lock around each, the timer that expires what is due, and the offsets in the journal.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::group::{Committed, Group, Offsets};
use super::lock;
use super::store::{Entry, Journal};

/// How long the timer sleeps when nothing is due; every change wakes it.
const IDLE: Duration = Duration::from_secs(3_600);

/// See the file's comment.
#[derive(Debug)]
pub(crate) struct Groups {
    by_id: Mutex<BTreeMap<String, Arc<Mutex<Group>>>>,
    /// Wakes the timer after a change that may be due earlier.
    changed: Notify,
    journal: Arc<Journal>,
    initial_delay: Duration,
}

impl Groups {
    pub(crate) fn new(journal: Arc<Journal>, initial_delay: Duration) -> Self {
        Self {
            by_id: Mutex::default(),
            changed: Notify::new(),
            journal,
            initial_delay,
        }
    }

    pub(crate) fn get(&self, id: &str) -> Option<Arc<Mutex<Group>>> {
        lock(&self.by_id).get(id).cloned()
    }

    pub(crate) fn get_or_create(&self, id: &str) -> Arc<Mutex<Group>> {
        let fresh = || Arc::new(Mutex::new(Group::new(self.initial_delay)));
        lock(&self.by_id)
            .entry(id.to_owned())
            .or_insert_with(fresh)
            .clone()
    }

    pub(crate) fn all(&self) -> Vec<(String, Arc<Mutex<Group>>)> {
        lock(&self.by_id)
            .iter()
            .map(|(id, group)| (id.clone(), group.clone()))
            .collect()
    }

    /// Changes a group and has the timer look at it.
    pub(crate) fn change<T>(
        &self,
        group: &Mutex<Group>,
        change: impl FnOnce(&mut Group, Instant) -> T,
    ) -> T {
        let mut guard = lock(group);
        let now = Instant::now();
        let answer = change(&mut guard, now);
        guard.expire(now);
        drop(guard);
        self.changed.notify_one();
        answer
    }

    /// Expires members and rebalances for as long as the broker lives.
    pub(crate) async fn run(&self) {
        loop {
            let now = Instant::now();
            let next = self
                .all()
                .iter()
                .filter_map(|(_, group)| lock(group).expire(now))
                .min();
            // The end of a deadline may start a phase that is due at once; a floor keeps such a group from spinning.
            let at = next
                .unwrap_or(now + IDLE)
                .max(now + Duration::from_millis(1));
            tokio::select! {
                () = tokio::time::sleep_until(at) => {}
                () = self.changed.notified() => {}
            }
        }
    }

    pub(crate) fn commit(&self, id: &str, group: &mut MutexGuard<'_, Group>, offsets: Offsets) {
        for ((topic, partition), committed) in offsets {
            self.journal
                .write(&entry(id, &topic, partition, &committed));
            group.offsets.insert((topic, partition), committed);
        }
    }

    pub(crate) fn forget_offset(
        &self,
        id: &str,
        group: &mut MutexGuard<'_, Group>,
        topic: &str,
        partition: i32,
    ) {
        if group
            .offsets
            .remove(&(topic.to_owned(), partition))
            .is_some()
        {
            self.journal.write(&Entry::OffsetDeleted {
                group: id.to_owned(),
                topic: topic.to_owned(),
                partition,
            });
        }
    }

    /// Drops the offsets of a deleted topic.
    pub(crate) fn forget_topic(&self, topic: &str) {
        for (id, group) in self.all() {
            let mut group = lock(&group);
            let partitions: Vec<i32> = group
                .offsets
                .keys()
                .filter(|(name, _)| name == topic)
                .map(|(_, p)| *p)
                .collect();
            for partition in partitions {
                self.forget_offset(&id, &mut group, topic, partition);
            }
        }
    }

    pub(crate) fn delete(&self, id: &str) {
        lock(&self.by_id).remove(id);
        self.journal.write(&Entry::GroupDeleted {
            group: id.to_owned(),
        });
    }

    /// Ends a producer's transaction: its offsets count, or never were.
    pub(crate) fn end_transaction(&self, producer_id: i64, committed: bool) {
        for (id, group) in self.all() {
            let mut group = lock(&group);
            if let Some(offsets) = group.pending_offsets.remove(&producer_id)
                && committed
            {
                self.commit(&id, &mut group, offsets);
            }
        }
    }

    /// Takes the journal's offsets of one group.
    pub(crate) fn restore(&self, offsets: HashMap<String, Offsets>) {
        for (id, offsets) in offsets {
            lock(&self.get_or_create(&id)).offsets = offsets;
        }
    }

    /// The journal's lines that make these offsets again.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        for (id, group) in self.all() {
            for ((topic, partition), committed) in &lock(&group).offsets {
                entries.push(entry(&id, topic, *partition, committed));
            }
        }
        entries
    }
}

fn entry(group: &str, topic: &str, partition: i32, committed: &Committed) -> Entry {
    Entry::Commit {
        group: group.to_owned(),
        topic: topic.to_owned(),
        partition,
        offset: committed.offset,
        epoch: committed.epoch,
        metadata: committed.metadata.clone(),
    }
}
