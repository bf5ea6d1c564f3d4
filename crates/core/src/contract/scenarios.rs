//! Scenarios: what every sink is driven through. Each panics, as a test does, with the promise that was broken.
//!
//! The sink under test is told of no scenario: it starts, is given batches, and its store behaves as `Store` says. Rows
//! are counted by their offsets, so a subject stores with each row where it came from.

use super::Ledger;
use crate::batch::{RecordBatch, RowMask};
use crate::budget::ByteBudget;
use crate::offsets::TopicPartition;
use crate::sink::{SinkError, SinkErrorKind, SinkTask, TaskContext};
use async_trait::async_trait;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// Memory for what is open, and for what is in flight.
const BUDGET: usize = 64 << 20;

/// How long a task may take for what is on its way.
const DEADLINE: Duration = Duration::from_secs(10);

/// How long the driver waits for news before it looks again.
const LOOK: Duration = Duration::from_millis(5);

/// Looks before something that should happen counts as never happening.
const LOOKS: usize = 4_000;

/// How much later each look is by the clock that the task is told, in milliseconds: pauses pass quickly.
const STEP_MILLIS: i64 = 500;

/// Rows of a partition in each scenario: a whole number of objects for sinks that store by up to six rows.
const ROWS: i64 = 12;

/// Where batches end: not where objects do.
const CUTS: [i64; 3] = [2, 7, ROWS];

/// How the store behaves from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    Well,
    /// It carries out so many requests more that change it, and is not reached after that.
    DiesAfter {
        requests: usize,
        /// Whether the last of them is answered.
        answers_last: bool,
    },
}

/// A sink with a store of its own.
#[async_trait]
pub trait Subject: Send + Sync {
    /// A task as a new process starts it, over the same store. Objects, if it stores by objects, end after one, two, three
    /// or six rows of a partition.
    async fn start(&self, context: TaskContext) -> Result<Box<dyn SinkTask>, SinkError>;

    /// A batch of these rows; the sink is to reject those that are bad.
    fn batch(&self, origin: &TopicPartition, rows: Range<i64>, bad: &BTreeSet<i64>) -> RecordBatch;

    /// The rows that the store holds, each as often as it holds it.
    async fn stored(&self) -> Vec<(TopicPartition, i64)>;

    fn set(&self, store: Store);

    /// Requests so far that have changed the store.
    fn carried_out(&self) -> usize;
}

/// A task and what is known of it.
struct Drive<'a, S> {
    subject: &'a S,
    task: Box<dyn SinkTask>,
    ledger: Ledger,
    /// From where on, and how far, each partition was given.
    begun: BTreeMap<TopicPartition, i64>,
    given: BTreeMap<TopicPartition, i64>,
    bad: BTreeSet<i64>,
    told: BTreeSet<(TopicPartition, i64)>,
    now: i64,
}

impl<'a, S: Subject> Drive<'a, S> {
    async fn start(subject: &'a S, goes_on_after_rejected: bool) -> Self {
        let budget = || ByteBudget::new(BUDGET);
        let context = TaskContext {
            has_reporter: true,
            goes_on_after_rejected,
            ..TaskContext::new("contract", 0, budget(), budget())
        };
        let task = subject.start(context).await.expect("the task starts");
        Drive {
            subject,
            task,
            ledger: Ledger::default(),
            begun: BTreeMap::new(),
            given: BTreeMap::new(),
            bad: BTreeSet::new(),
            told: BTreeSet::new(),
            now: 1_700_000_000_000,
        }
    }

    async fn open(&mut self, partition: &TopicPartition) {
        let opened = self.task.open(std::slice::from_ref(partition)).await;
        opened.expect("partitions open");
    }

    /// Gives rows, again and again while they are refused, at most `tries` times; whether they were taken.
    async fn put(&mut self, origin: &TopicPartition, rows: Range<i64>, tries: usize) -> bool {
        let batch = self.subject.batch(origin, rows, &self.bad);
        self.put_batch(batch, tries).await
    }

    async fn put_batch(&mut self, batch: RecordBatch, tries: usize) -> bool {
        let batch = Arc::new(batch);
        self.ledger.deliver(&batch);
        for _ in 0..tries {
            match self.task.put(Arc::clone(&batch), self.now).await {
                Ok(()) => {
                    self.given.insert(batch.origin.clone(), batch.next_offset);
                    self.look().await;
                    return true;
                }
                Err(error) => is_transient(&error),
            }
            self.wait().await;
        }
        false
    }

    /// Asks what came of earlier rows. Whatever is done must be in the store, or have been told as rejected.
    async fn look(&mut self) {
        let polled = self.task.poll(self.now).await;
        for (partition, offset) in self.task.take_rewinds() {
            self.ledger.rewind(&partition, offset);
            self.given.insert(partition, offset);
        }
        let progress = match polled {
            Ok(progress) => progress,
            Err(error) => return is_transient(&error),
        };
        for row in &progress.rejected {
            self.told.insert((row.origin.clone(), row.offset));
        }
        let done = self.ledger.complete(&progress);
        if done.is_empty() {
            return;
        }
        let stored: BTreeSet<(TopicPartition, i64)> =
            self.subject.stored().await.into_iter().collect();
        for row in done {
            assert!(
                stored.contains(&row) || self.told.contains(&row),
                "{}@{} is said to be done, and is neither stored nor rejected",
                row.0,
                row.1
            );
        }
    }

    async fn wait(&mut self) {
        // Nothing is lost by going on without news.
        let _ = tokio::time::timeout(LOOK, self.task.progressed()).await;
        self.now += STEP_MILLIS;
        self.look().await;
    }

    /// Gives a partition from where it stands to its end, and sees it done.
    async fn complete(&mut self, partition: &TopicPartition) {
        for _ in 0..LOOKS {
            let given = self.given.get(partition).copied().unwrap_or(0);
            if given < ROWS {
                let end = CUTS.into_iter().find(|cut| *cut > given).unwrap_or(ROWS);
                assert!(
                    self.put(partition, given..end, LOOKS).await,
                    "{partition} is refused for ever"
                );
                continue;
            }
            if self.position(partition) == ROWS {
                return;
            }
            // What a finish cannot do now it may do later.
            let _ = self.task.finish(DEADLINE).await;
            self.wait().await;
        }
        let position = self.position(partition);
        panic!("{partition} is never done: it stands at {position} of {ROWS}");
    }

    /// Has the task close what is open, and sees everything given done, without further rows.
    async fn flush(&mut self, partition: &TopicPartition) {
        let flushed = self.task.flush(self.now).await;
        flushed.expect("what is open is closed");
        let given = self.given.get(partition).copied().unwrap_or(0);
        for _ in 0..LOOKS {
            if self.position(partition) == given {
                return;
            }
            self.wait().await;
        }
        let position = self.position(partition);
        panic!("{partition} is never done: it stands at {position} of {given} after a flush");
    }

    /// Gives a partition from an offset on.
    fn go_on_from(&mut self, partition: &TopicPartition, offset: i64) {
        self.begun.insert(partition.clone(), offset);
        self.given.insert(partition.clone(), offset);
    }

    /// What may be committed of a partition.
    fn position(&self, partition: &TopicPartition) -> i64 {
        let begun = self.begun.get(partition).copied().unwrap_or(0);
        self.ledger.position(partition).unwrap_or(begun)
    }
}

fn is_transient(error: &SinkError) {
    let is_transient = matches!(error.kind, SinkErrorKind::Retriable { .. });
    assert!(is_transient, "the task failed: {error}");
}

fn partition(number: i32) -> TopicPartition {
    TopicPartition::new("contract", number)
}

/// Every row of these partitions is in the store once, but for the bad ones.
async fn holds_each_once(
    subject: &impl Subject,
    partitions: &[TopicPartition],
    bad: &BTreeSet<i64>,
) {
    let mut stored = subject.stored().await;
    stored.sort();
    let rows = (0..ROWS).filter(|row| !bad.contains(row));
    let rows: Vec<i64> = rows.collect();
    let expected = partitions
        .iter()
        .flat_map(|partition| rows.iter().map(|row| (partition.clone(), *row)));
    assert_eq!(stored, expected.collect::<Vec<_>>());
}

/// What was stored and not committed is given again, to the same task's successor: each row is stored once.
pub async fn replays<S: Subject, F: Future<Output = S>>(fresh: impl Fn() -> F) {
    let one = partition(0);
    // Each start reads from an offset that an earlier one may have committed.
    for from in [0, 6] {
        let subject = fresh().await;
        let mut first = Drive::start(&subject, true).await;
        first.open(&one).await;
        first.complete(&one).await;
        drop(first);
        let mut second = Drive::start(&subject, true).await;
        second.open(&one).await;
        second.go_on_from(&one, from);
        second.complete(&one).await;
        holds_each_once(&subject, std::slice::from_ref(&one), &BTreeSet::new()).await;
    }
}

/// A partition goes to another task in the middle; the one that stays is not disturbed.
pub async fn rebalances<S: Subject, F: Future<Output = S>>(fresh: impl Fn() -> F) {
    let (moves, stays) = (partition(0), partition(1));
    for cut in 0..=ROWS {
        let subject = fresh().await;
        let mut giver = Drive::start(&subject, true).await;
        giver.open(&moves).await;
        giver.open(&stays).await;
        if cut > 0 {
            assert!(giver.put(&moves, 0..cut, LOOKS).await, "it is refused");
            assert!(giver.put(&stays, 0..CUTS[0], LOOKS).await, "it is refused");
        }
        giver.task.finish(DEADLINE).await.expect("it finishes");
        giver.look().await;
        let committed = giver.position(&moves);
        assert!(committed <= cut, "{committed} rows are done of {cut} given");
        giver.task.close(std::slice::from_ref(&moves)).await;
        giver.ledger.forget(&moves);
        let mut taker = Drive::start(&subject, true).await;
        taker.open(&moves).await;
        taker.go_on_from(&moves, committed);
        taker.complete(&moves).await;
        giver.complete(&stays).await;
        holds_each_once(&subject, &[moves.clone(), stays.clone()], &BTreeSet::new()).await;
    }
}

/// After a flush everything given is done without another row, those that a transform dropped included; what follows is
/// stored like anything else.
pub async fn flushes<S: Subject, F: Future<Output = S>>(fresh: impl Fn() -> F) {
    let one = partition(0);
    for cut in 0..7 {
        let subject = fresh().await;
        let mut drive = Drive::start(&subject, true).await;
        drive.open(&one).await;
        if cut > 0 {
            assert!(drive.put(&one, 0..cut, LOOKS).await, "it is refused");
        }
        let dropped = cut..cut + 2;
        let mut batch = subject.batch(&one, dropped.clone(), &BTreeSet::new());
        batch.retain(&RowMask::from_fn(batch.len(), |_| false));
        assert!(drive.put_batch(batch, LOOKS).await, "it is refused");
        drive.flush(&one).await;
        // Nothing is open, and nothing is done that was not.
        drive.flush(&one).await;
        let rest = drive.put(&one, dropped.end..ROWS, LOOKS).await;
        assert!(rest, "it is refused");
        drive.flush(&one).await;
        holds_each_once(&subject, std::slice::from_ref(&one), &dropped.collect()).await;
    }
}

/// The store is away: rows are refused for a while or wait, none is done, and all are stored once it is back.
pub async fn refusals<S: Subject, F: Future<Output = S>>(fresh: impl Fn() -> F) {
    let one = partition(0);
    for requests in 0..3 {
        let subject = fresh().await;
        let mut drive = Drive::start(&subject, true).await;
        drive.open(&one).await;
        subject.set(Store::DiesAfter {
            requests,
            answers_last: true,
        });
        let mut given = 0;
        for cut in CUTS {
            if !drive.put(&one, given..cut, 3).await {
                break;
            }
            given = cut;
        }
        for _ in 0..10 {
            drive.wait().await;
        }
        assert!(drive.position(&one) < ROWS, "all is done in an outage");
        subject.set(Store::Well);
        drive.complete(&one).await;
        holds_each_once(&subject, std::slice::from_ref(&one), &BTreeSet::new()).await;
    }
}

/// Rows that the sink rejects are told, each before it counts as done; the others are stored. A task that ends with the
/// first of them stores none behind it in its batch.
pub async fn late_rejections<S: Subject, F: Future<Output = S>>(fresh: impl Fn() -> F) {
    let one = partition(0);
    for bad in [vec![0], vec![3, 4], vec![ROWS - 1], vec![1, 6, 9]] {
        let subject = fresh().await;
        let mut drive = Drive::start(&subject, true).await;
        drive.bad = bad.iter().copied().collect();
        drive.open(&one).await;
        for (start, end) in std::iter::zip([0, CUTS[0], CUTS[1]], CUTS) {
            assert!(drive.put(&one, start..end, LOOKS).await, "it is refused");
        }
        for _ in 0..LOOKS {
            if drive.told.len() == bad.len() {
                break;
            }
            drive.task.finish(DEADLINE).await.expect("it finishes");
            drive.wait().await;
        }
        let told: Vec<i64> = drive.told.iter().map(|(_, row)| *row).collect();
        assert_eq!(told, bad, "every rejected row is told");
        let stored: BTreeSet<i64> = subject
            .stored()
            .await
            .into_iter()
            .map(|(_, row)| row)
            .collect();
        assert!(bad.iter().all(|row| !stored.contains(row)));
    }
    let subject = fresh().await;
    let mut drive = Drive::start(&subject, false).await;
    drive.bad = [3].into();
    drive.open(&one).await;
    let batch = Arc::new(subject.batch(&one, 0..ROWS, &drive.bad));
    drive.ledger.deliver(&batch);
    drive
        .task
        .put(batch, drive.now)
        .await
        .expect("it is reported");
    let _ = drive.task.finish(DEADLINE).await;
    drive.look().await;
    assert_eq!(drive.told.len(), 1, "the row that ends the task is told");
    for (_, row) in subject.stored().await {
        assert!(
            row < 3,
            "row {row} is stored behind the one that ended the task"
        );
    }
}

/// The process ends between any two requests of its I/O, answered or not: what was committed is stored, and what is given
/// again to the next process makes each row be there once.
pub async fn crashes<S: Subject, F: Future<Output = S>>(fresh: impl Fn() -> F) {
    let one = partition(0);
    let subject = fresh().await;
    let mut whole = Drive::start(&subject, true).await;
    whole.open(&one).await;
    whole.complete(&one).await;
    let steps = subject.carried_out();
    assert!(steps > 1, "a store that is asked once shows nothing");
    for requests in 0..=steps {
        for answers_last in [true, false] {
            let subject = fresh().await;
            let mut drive = Drive::start(&subject, true).await;
            drive.open(&one).await;
            subject.set(Store::DiesAfter {
                requests,
                answers_last,
            });
            let mut given = 0;
            for cut in CUTS {
                if !drive.put(&one, given..cut, 2).await {
                    break;
                }
                given = cut;
            }
            for _ in 0..LOOKS {
                if subject.carried_out() >= requests {
                    break;
                }
                let _ = drive.task.finish(LOOK).await;
                drive.wait().await;
            }
            drive.wait().await;
            let committed = drive.position(&one);
            drop(drive);
            subject.set(Store::Well);
            let mut next = Drive::start(&subject, true).await;
            next.open(&one).await;
            next.go_on_from(&one, committed);
            next.complete(&one).await;
            holds_each_once(&subject, std::slice::from_ref(&one), &BTreeSet::new()).await;
        }
    }
}
