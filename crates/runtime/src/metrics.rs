//! What a task counts: one function per observation, called once per batch.

mod lag;
mod phases;
mod window;

use lag::Progress;
pub use lag::{Behind, Lag, PartitionLag};
use millstream_core::meters::{Histogram, HistogramCounts};
use millstream_core::{ClientMeters, QueueMeters, SinkMeters};
pub use phases::Phase;
use phases::Phases;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use window::Window;

/// Counters of one task; shared with whoever shows them. It goes on counting when the task is started again.
#[derive(Debug)]
pub struct TaskMetrics {
    records_read: AtomicU64,
    records_sent: AtomicU64,
    records_stored: AtomicU64,
    objects_stored: AtomicU64,
    records_rejected: AtomicU64,
    records_skipped: AtomicU64,
    errors_logged: AtomicU64,
    dead_letters: AtomicU64,
    failed_dead_letters: AtomicU64,
    /// Epoch milliseconds.
    last_error: AtomicI64,
    records_filtered: AtomicU64,
    retries: AtomicU64,
    commits: AtomicU64,
    failed_commits: AtomicU64,
    late_commits: AtomicU64,
    rebalances: AtomicU64,
    partitions: AtomicU64,
    /// The sink's `put`, with what it waited for.
    puts: Histogram,
    /// Milliseconds between a record's own time and its being read; of the last batch.
    delay: AtomicI64,
    /// What is more than a number. It is locked once or twice for a batch, and by whoever shows it.
    detail: Mutex<Detail>,
    /// What the sink counts.
    pub sink: Arc<SinkMeters>,
    /// What the task's consumer or producer counts.
    pub client: Arc<ClientMeters>,
    /// What the task's queue counts, where its records come from one.
    pub queue: Arc<QueueMeters>,
}

#[derive(Debug)]
struct Detail {
    phases: Phases,
    progress: Progress,
    lag: Arc<Lag>,
    read: Window,
    sent: Window,
    batches: Window,
    puts: Window,
    commits: Window,
    commit_outcomes: Window,
    completed: Window,
    late: Window,
    active: Window,
}

/// How an attempt to commit has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commit {
    Done,
    Failed,
    /// It took too long; should it be answered, nobody looks at that.
    Late,
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
    /// Of those, the ones that were tolerated.
    pub records_skipped: u64,
    /// Lines of the log about rejected records.
    pub errors_logged: u64,
    /// Records that were to go to the dead-letter topic.
    pub dead_letters: u64,
    pub failed_dead_letters: u64,
    /// When a record was rejected last, epoch milliseconds; 0 if none was.
    pub last_error: i64,
    /// Records that a transform dropped.
    pub records_filtered: u64,
    /// Batches that a sink refused for now.
    pub retries: u64,
    pub commits: u64,
    pub failed_commits: u64,
    /// Commits that were not answered in time; they are among the failed ones.
    pub late_commits: u64,
    /// Times that the task was given partitions.
    pub rebalances: u64,
    /// Partitions that it has.
    pub partitions: u64,
    /// Milliseconds between a record's own time and its being read, of the last batch.
    pub delay: i64,
    /// Records between what is durable and the ends of the partitions, as last heard.
    pub lag: u64,
    /// Records that have not been read, likewise.
    pub position_lag: u64,
    /// Records that are not committed, likewise.
    pub committed_lag: u64,
    /// Records that were read and are not committed.
    pub active: u64,
    /// Whether something is out of reach and being retried.
    pub is_degraded: bool,
}

/// What is of the last minute, or of the time since the start. Not a number where nothing was observed.
#[derive(Clone, Copy, Debug)]
pub struct Recent {
    pub running_ratio: f64,
    pub pause_ratio: f64,
    /// Of all time, not only of this start's.
    pub degraded: Duration,
    pub read_rate: f64,
    pub send_rate: f64,
    pub batch_average: f64,
    pub batch_max: f64,
    /// Milliseconds.
    pub put_average: f64,
    pub put_max: f64,
    pub commit_average: f64,
    pub commit_max: f64,
    /// Percent.
    pub commit_success: f64,
    pub commit_failure: f64,
    pub completion_rate: f64,
    pub skip_rate: f64,
    pub active_average: f64,
    pub active_max: f64,
}

impl Default for TaskMetrics {
    fn default() -> Self {
        TaskMetrics::new(Instant::now())
    }
}

impl TaskMetrics {
    pub fn new(now: Instant) -> Self {
        let window = || Window::new(now);
        let detail = Detail {
            phases: Phases::new(now),
            progress: Progress::new(now),
            lag: Arc::default(),
            read: window(),
            sent: window(),
            batches: window(),
            puts: window(),
            commits: window(),
            commit_outcomes: window(),
            completed: window(),
            late: window(),
            active: window(),
        };
        TaskMetrics {
            records_read: AtomicU64::new(0),
            records_sent: AtomicU64::new(0),
            records_stored: AtomicU64::new(0),
            objects_stored: AtomicU64::new(0),
            records_rejected: AtomicU64::new(0),
            records_skipped: AtomicU64::new(0),
            errors_logged: AtomicU64::new(0),
            dead_letters: AtomicU64::new(0),
            failed_dead_letters: AtomicU64::new(0),
            last_error: AtomicI64::new(0),
            records_filtered: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            failed_commits: AtomicU64::new(0),
            late_commits: AtomicU64::new(0),
            rebalances: AtomicU64::new(0),
            partitions: AtomicU64::new(0),
            puts: Histogram::of_times(),
            delay: AtomicI64::new(0),
            detail: Mutex::new(detail),
            sink: Arc::default(),
            client: Arc::default(),
            queue: Arc::default(),
        }
    }

    /// A batch has come; `delay`: milliseconds between the time of its last record and now, if it has one.
    pub fn read(&self, records: usize, delay: Option<i64>, now: Instant) {
        add(&self.records_read, records as u64);
        if let Some(delay) = delay {
            self.delay.store(delay, Ordering::Relaxed);
        }
        let mut detail = self.detail();
        detail.read.record(records as f64, now);
        detail.batches.record(records as f64, now);
        detail.progress.moved(now);
    }

    /// The sink, or the producer of a source, has taken records.
    pub fn sent(&self, records: usize, now: Instant) {
        add(&self.records_sent, records as u64);
        self.detail().sent.record(records as f64, now);
    }

    /// So long did the sink take for a batch that it took.
    pub fn put(&self, took: Duration, now: Instant) {
        self.puts.count_time(took);
        self.detail().puts.record(millis(took), now);
    }

    pub fn stored(&self, records: u64, objects: usize, now: Instant) {
        add(&self.objects_stored, objects as u64);
        if records > 0 {
            add(&self.records_stored, records);
            self.detail().progress.moved(now);
        }
    }

    /// Records were rejected. `at`: epoch milliseconds.
    pub fn rejected(&self, records: usize, at: i64) {
        add(&self.records_rejected, records as u64);
        self.last_error.store(at, Ordering::Relaxed);
    }

    /// Rejected records were tolerated.
    pub fn skipped(&self, records: usize) {
        add(&self.records_skipped, records as u64);
    }

    /// Rejected records were logged.
    pub fn logged(&self, records: usize) {
        add(&self.errors_logged, records as u64);
    }

    /// Rejected records go to the dead-letter topic.
    pub fn dead_letters(&self, records: usize) {
        add(&self.dead_letters, records as u64);
    }

    pub fn dead_letter_failed(&self) {
        add(&self.failed_dead_letters, 1);
    }

    pub fn filtered(&self, records: usize) {
        add(&self.records_filtered, records as u64);
    }

    pub fn retried(&self) {
        add(&self.retries, 1);
    }

    pub fn committed(&self, outcome: Commit, took: Duration, now: Instant) {
        let mut detail = self.detail();
        let succeeded = outcome == Commit::Done;
        detail
            .commit_outcomes
            .record(f64::from(u8::from(succeeded)), now);
        if succeeded {
            add(&self.commits, 1);
            detail.completed.record(1.0, now);
            detail.commits.record(millis(took), now);
        } else {
            add(&self.failed_commits, 1);
        }
        if outcome == Commit::Late {
            add(&self.late_commits, 1);
            detail.late.record(1.0, now);
        }
    }

    /// The partitions that the task has from now on, and whether they have just been given to it.
    pub fn assigned(&self, partitions: usize, is_gain: bool) {
        self.partitions.store(partitions as u64, Ordering::Relaxed);
        add(&self.rebalances, u64::from(is_gain));
    }

    pub fn lag(&self, lag: Lag, now: Instant) {
        let mut detail = self.detail();
        detail.active.record(lag.total.active as f64, now);
        detail.progress.behind(lag.total.position > 0, now);
        detail.lag = Arc::new(lag);
    }

    pub fn degraded(&self, is_degraded: bool, now: Instant) {
        self.detail().phases.degrade(is_degraded, now);
    }

    /// What the task is doing from now on.
    pub fn phase(&self, phase: Phase, now: Instant) {
        let mut detail = self.detail();
        detail.phases.change(phase, now);
        if matches!(phase, Phase::Starting | Phase::Failed | Phase::Ended) {
            // Others may have its partitions now.
            detail.lag = Arc::default();
            detail.progress = Progress::new(now);
            self.partitions.store(0, Ordering::Relaxed);
        }
    }

    pub fn current_phase(&self) -> Phase {
        self.detail().phases.current()
    }

    /// How far the task is behind, as of a second ago at most.
    pub fn current_lag(&self) -> Arc<Lag> {
        Arc::clone(&self.detail().lag)
    }

    /// How long a running task has had something to read without coming further: neither was anything read nor has anything
    /// become durable. `None` while there is nothing to read, and for one that does not run.
    pub fn stalled_for(&self, now: Instant) -> Option<Duration> {
        let detail = self.detail();
        let is_running = detail.phases.current() == Phase::Running;
        detail.progress.stalled_for(now).filter(|_| is_running)
    }

    pub fn puts(&self) -> HistogramCounts {
        self.puts.counts()
    }

    pub fn counts(&self) -> Counts {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (behind, is_degraded) = {
            let detail = self.detail();
            (detail.lag.total, detail.phases.is_degraded())
        };
        Counts {
            records_read: get(&self.records_read),
            records_sent: get(&self.records_sent),
            records_stored: get(&self.records_stored),
            objects_stored: get(&self.objects_stored),
            records_rejected: get(&self.records_rejected),
            records_skipped: get(&self.records_skipped),
            errors_logged: get(&self.errors_logged),
            dead_letters: get(&self.dead_letters),
            failed_dead_letters: get(&self.failed_dead_letters),
            last_error: self.last_error.load(Ordering::Relaxed),
            records_filtered: get(&self.records_filtered),
            retries: get(&self.retries),
            commits: get(&self.commits),
            failed_commits: get(&self.failed_commits),
            late_commits: get(&self.late_commits),
            rebalances: get(&self.rebalances),
            partitions: get(&self.partitions),
            delay: self.delay.load(Ordering::Relaxed),
            lag: behind.durable,
            position_lag: behind.position,
            committed_lag: behind.committed,
            active: behind.active,
            is_degraded,
        }
    }

    pub fn recent(&self, now: Instant) -> Recent {
        let detail = self.detail();
        Recent {
            running_ratio: detail.phases.ratio(Phase::Running, now),
            pause_ratio: detail.phases.ratio(Phase::Paused, now),
            degraded: detail.phases.degraded(now),
            read_rate: detail.read.rate(now),
            send_rate: detail.sent.rate(now),
            batch_average: detail.batches.average(now),
            batch_max: detail.batches.max(now),
            put_average: detail.puts.average(now),
            put_max: detail.puts.max(now),
            commit_average: detail.commits.average(now),
            commit_max: detail.commits.max(now),
            commit_success: detail.commit_outcomes.percentage(1.0, now),
            commit_failure: detail.commit_outcomes.percentage(0.0, now),
            completion_rate: detail.completed.rate(now),
            skip_rate: detail.late.rate(now),
            active_average: detail.active.average(now),
            active_max: detail.active.max(now),
        }
    }

    fn detail(&self) -> MutexGuard<'_, Detail> {
        // Numbers are whole whatever a panicking holder did.
        self.detail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
