//! Meters: what clients and sinks count, shared with whoever shows it. One addition per request, write or object, never one
//! per record; whoever shows it reads without stopping anybody.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bounds of times, in microseconds. Those of MongoDB's own metrics (1, 10, 100, 1,000 and 10,000 ms) are among them.
pub const TIME_BOUNDS: [u64; 12] = [
    1_000, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 5_000_000,
    10_000_000, 60_000_000,
];

/// Bounds of sizes, in bytes: from a file of three small records to S3's parts and beyond.
pub const SIZE_BOUNDS: [u64; 9] = [
    1 << 10,
    1 << 14,
    1 << 17,
    1 << 20,
    4 << 20,
    16 << 20,
    64 << 20,
    256 << 20,
    1 << 30,
];

/// How many of what size. The bounds are fixed, so that it costs two additions, and as much memory at the end as at the start.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    /// One for each bound, and one for what is beyond the last.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

/// A histogram at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistogramCounts {
    pub bounds: &'static [u64],
    /// How many are within each bound and not within the one before; the last is of those beyond all.
    pub counts: Vec<u64>,
    pub sum: u64,
}

impl Histogram {
    pub fn of_times() -> Self {
        Histogram::new(&TIME_BOUNDS)
    }

    pub fn of_sizes() -> Self {
        Histogram::new(&SIZE_BOUNDS)
    }

    fn new(bounds: &'static [u64]) -> Self {
        Histogram {
            bounds,
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
        }
    }

    pub fn count(&self, value: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    pub fn count_time(&self, time: Duration) {
        self.count(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    pub fn counts(&self) -> HistogramCounts {
        let counts = self.counts.iter();
        HistogramCounts {
            bounds: self.bounds,
            counts: counts.map(|count| count.load(Ordering::Relaxed)).collect(),
            sum: self.sum.load(Ordering::Relaxed),
        }
    }
}

impl HistogramCounts {
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How many are beyond a bound, which must be one of this histogram's.
    pub fn over(&self, bound: u64) -> u64 {
        let within = self.bounds.partition_point(|b| *b <= bound);
        self.counts[within..].iter().sum()
    }
}

/// What a sink counts beside what its task does.
#[derive(Debug)]
pub struct SinkMeters {
    /// From an object's first request to the answer to its last.
    pub uploads: Histogram,
    pub object_bytes: Histogram,
    /// Bulk writes that succeeded, with those whose items failed: from the command to its outcome, retries and all.
    pub writes: Histogram,
    /// Bulk writes that failed as a whole.
    pub failed_writes: Histogram,
    bytes_out: AtomicU64,
    retries: AtomicU64,
    late_records: AtomicU64,
}

impl Default for SinkMeters {
    fn default() -> Self {
        SinkMeters {
            uploads: Histogram::of_times(),
            object_bytes: Histogram::of_sizes(),
            writes: Histogram::of_times(),
            failed_writes: Histogram::of_times(),
            bytes_out: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            late_records: AtomicU64::new(0),
        }
    }
}

impl SinkMeters {
    /// An object is stored.
    pub fn uploaded(&self, bytes: u64, time: Duration) {
        self.uploads.count_time(time);
        self.object_bytes.count(bytes);
    }

    /// So many bytes have gone to the sink's server.
    pub fn sent(&self, bytes: usize) {
        self.bytes_out.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// A request is sent again.
    pub fn retried(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    pub fn bytes_out(&self) -> u64 {
        self.bytes_out.load(Ordering::Relaxed)
    }

    pub fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }

    /// So many records came too late for their windows.
    pub fn came_late(&self, records: usize) {
        self.late_records
            .fetch_add(records as u64, Ordering::Relaxed);
    }

    pub fn late_records(&self) -> u64 {
        self.late_records.load(Ordering::Relaxed)
    }

    /// A bulk write has ended.
    pub fn wrote(&self, succeeded: bool, time: Duration) {
        let histogram = if succeeded {
            &self.writes
        } else {
            &self.failed_writes
        };
        histogram.count_time(time);
    }
}

/// What a client of Kafka counts, over all its connections.
#[derive(Debug, Default)]
pub struct ClientMeters {
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    requests: AtomicU64,
    responses: AtomicU64,
    opened: AtomicU64,
    closed: AtomicU64,
    authentications: AtomicU64,
    failed_authentications: AtomicU64,
    renewals: AtomicU64,
    failed_renewals: AtomicU64,
}

/// A client's counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientCounts {
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub requests: u64,
    pub responses: u64,
    pub opened: u64,
    pub closed: u64,
    /// Connections that are open now.
    pub open: u64,
    pub authentications: u64,
    pub failed_authentications: u64,
    /// Sign-ins that were renewed on their connection.
    pub renewals: u64,
    pub failed_renewals: u64,
}

impl ClientMeters {
    pub fn sent(&self, bytes: usize) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.bytes_out.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub fn received(&self, bytes: usize) {
        self.responses.fetch_add(1, Ordering::Relaxed);
        self.bytes_in.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub fn opened(&self) {
        self.opened.fetch_add(1, Ordering::Relaxed);
    }

    pub fn closed(&self) {
        self.closed.fetch_add(1, Ordering::Relaxed);
    }

    pub fn authenticated(&self, succeeded: bool) {
        let counter = if succeeded {
            &self.authentications
        } else {
            &self.failed_authentications
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// A sign-in that runs out was renewed on its connection, or refused.
    pub fn renewed(&self, succeeded: bool) {
        let counter = if succeeded {
            &self.renewals
        } else {
            &self.failed_renewals
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub fn counts(&self) -> ClientCounts {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (closed, opened) = (get(&self.closed), get(&self.opened));
        ClientCounts {
            bytes_in: get(&self.bytes_in),
            bytes_out: get(&self.bytes_out),
            requests: get(&self.requests),
            responses: get(&self.responses),
            opened,
            closed,
            open: opened.saturating_sub(closed),
            authentications: get(&self.authentications),
            failed_authentications: get(&self.failed_authentications),
            renewals: get(&self.renewals),
            failed_renewals: get(&self.failed_renewals),
        }
    }
}

/// What a task's queue is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QueueState {
    #[default]
    Connecting,
    Receiving,
    /// As much is held as may be.
    Full,
    /// Messages are held, and no more come.
    Starved,
    /// Nothing is asked for: the task is paused or ends.
    Paused,
    /// Messages wait to be settled.
    Settling,
    /// A call has failed and is made again after a pause.
    BackingOff,
    Failed,
}

impl QueueState {
    pub const ALL: [QueueState; 8] = [
        QueueState::Connecting,
        QueueState::Receiving,
        QueueState::Full,
        QueueState::Starved,
        QueueState::Paused,
        QueueState::Settling,
        QueueState::BackingOff,
        QueueState::Failed,
    ];

    /// For logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            QueueState::Connecting => "connecting",
            QueueState::Receiving => "receiving",
            QueueState::Full => "full",
            QueueState::Starved => "starved",
            QueueState::Paused => "paused",
            QueueState::Settling => "settling",
            QueueState::BackingOff => "backing-off",
            QueueState::Failed => "failed",
        }
    }
}

/// What a queue's consumer counts.
#[derive(Debug, Default)]
pub struct QueueMeters {
    counts: Mutex<QueueCounts>,
}

/// A queue's counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueCounts {
    /// `None` in a task that reads no queue.
    pub state: Option<QueueState>,
    pub received: u64,
    /// Of those, the ones that the queue says were delivered before.
    pub redelivered: u64,
    /// Taken off the queue.
    pub settled: u64,
    /// Those whose time ran out, or that the queue says are not ours any more.
    pub lapsed: u64,
    /// Those that were done when their connection was gone already, so that nothing was sent.
    pub late: u64,
    /// Those that came again while the sink still had them, and were not given to it twice, or that it knew to be stored.
    pub kept_out: u64,
    /// Those in which `input.id` has found nothing, so that nothing tells them when they come again.
    pub without_id: u64,
    pub given_back: u64,
    /// Connections that were lost.
    pub lost_connections: u64,
    /// Times that what was open was closed for the queue's sake, by reason in the order of `FlushReason::ALL`.
    pub flushes: [u64; 4],
    /// What is held now.
    pub held_messages: u64,
    pub held_bytes: u64,
    pub oldest_held: Duration,
    /// The most deliveries of a message that has been received.
    pub most_deliveries: u64,
    /// Messages that wait in the queue, where it tells.
    pub backlog: Option<u64>,
}

impl QueueMeters {
    /// Changes what is counted, all of it at once.
    pub fn update(&self, change: impl FnOnce(&mut QueueCounts)) {
        change(&mut self.lock());
    }

    pub fn counts(&self) -> QueueCounts {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, QueueCounts> {
        // Numbers are whole whatever a panicking holder did.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_own_bucket() {
        let histogram = Histogram::of_times();
        for value in [0, 1_000, 1_001, 60_000_000, 60_000_001] {
            histogram.count(value);
        }
        let counts = histogram.counts();
        assert_eq!((counts.counts[0], counts.counts[1]), (2, 1));
        assert_eq!(counts.counts[11..], [1, 1]);
        assert_eq!((counts.total(), counts.sum), (5, 120_002_002));
        assert_eq!((counts.over(1_000), counts.over(10_000_000)), (3, 2));
    }

    #[test]
    fn the_longest_time_is_counted() {
        let histogram = Histogram::of_times();
        histogram.count_time(Duration::from_secs(3600));
        assert_eq!(histogram.counts().over(60_000_000), 1);
    }
}
