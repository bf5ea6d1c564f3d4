//! What a task counts: one function per observation, called once per batch.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Counters of one task; shared with whoever shows them.
#[derive(Debug, Default)]
pub struct TaskMetrics {
    records_read: AtomicU64,
    records_sent: AtomicU64,
    records_stored: AtomicU64,
    objects_stored: AtomicU64,
    records_rejected: AtomicU64,
    records_filtered: AtomicU64,
    retries: AtomicU64,
    commits: AtomicU64,
    failed_commits: AtomicU64,
    lag: AtomicU64,
    is_degraded: AtomicBool,
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records that the consumer delivered.
    pub records_read: u64,
    /// Records that the sink took.
    pub records_sent: u64,
    /// Records that the sink has made durable.
    pub records_stored: u64,
    /// Objects that the sink has made durable; 0 where it writes none.
    pub objects_stored: u64,
    /// Records rejected by a converter, a transform or the sink.
    pub records_rejected: u64,
    /// Records that a transform dropped.
    pub records_filtered: u64,
    /// Batches that a sink refused for now.
    pub retries: u64,
    pub commits: u64,
    pub failed_commits: u64,
    /// Records between what is durable and the ends of the partitions, as last heard.
    pub lag: u64,
    /// Whether something is out of reach and being retried.
    pub is_degraded: bool,
}

impl TaskMetrics {
    pub fn read(&self, records: usize) {
        self.records_read
            .fetch_add(records as u64, Ordering::Relaxed);
    }

    pub fn sent(&self, records: usize) {
        self.records_sent
            .fetch_add(records as u64, Ordering::Relaxed);
    }

    pub fn stored(&self, records: u64, objects: usize) {
        self.records_stored.fetch_add(records, Ordering::Relaxed);
        self.objects_stored
            .fetch_add(objects as u64, Ordering::Relaxed);
    }

    pub fn rejected(&self, records: usize) {
        self.records_rejected
            .fetch_add(records as u64, Ordering::Relaxed);
    }

    pub fn filtered(&self, records: usize) {
        self.records_filtered
            .fetch_add(records as u64, Ordering::Relaxed);
    }

    pub fn retried(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    pub fn committed(&self, succeeded: bool) {
        let counter = if succeeded {
            &self.commits
        } else {
            &self.failed_commits
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub fn lag(&self, records: u64) {
        self.lag.store(records, Ordering::Relaxed);
    }

    pub fn degraded(&self, is_degraded: bool) {
        self.is_degraded.store(is_degraded, Ordering::Relaxed);
    }

    pub fn counts(&self) -> Counts {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            records_read: get(&self.records_read),
            records_sent: get(&self.records_sent),
            records_stored: get(&self.records_stored),
            objects_stored: get(&self.objects_stored),
            records_rejected: get(&self.records_rejected),
            records_filtered: get(&self.records_filtered),
            retries: get(&self.retries),
            commits: get(&self.commits),
            failed_commits: get(&self.failed_commits),
            lag: get(&self.lag),
            is_degraded: self.is_degraded.load(Ordering::Relaxed),
        }
    }
}
