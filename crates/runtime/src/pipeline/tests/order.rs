//! Reading goes ahead of the sink, and what comes of its rows comes late: order and commits under all that may come between.

use super::doubles::{Picky, batch_of};
use super::scene::{parts, policy, settings};
use crate::run::run_task;
use crate::task::Target;
use async_trait::async_trait;
use millstream_core::{
    ByteBudget, ColumnNeed, Consumer, ConsumerError, Fetched, Progress, RawKind, RecordBatch,
    SinkError, SinkNeeds, SinkTask, Tolerance, TopicPartition,
};
use proptest::prelude::*;
use std::collections::{BTreeSet, VecDeque};
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

const PARTITIONS: usize = 2;
const LASTS: Duration = Duration::from_secs(300);

#[derive(Clone, Debug)]
enum Step {
    /// Records, and which of them are good.
    Batch(usize, Vec<bool>),
    /// The partition goes, with or without a warning, and comes again.
    Revoked(usize),
    Lost(usize),
}

/// What a sink does when it is asked, in turn.
#[derive(Clone, Debug)]
struct Moods {
    refuses: Vec<bool>,
    is_slow: Vec<bool>,
    rewinds: Vec<bool>,
}

impl Moods {
    fn next(moods: &mut Vec<bool>) -> bool {
        moods.pop().unwrap_or(false)
    }
}

fn step() -> impl Strategy<Value = Step> {
    let partition = 0..PARTITIONS;
    prop_oneof![
        8 => (partition.clone(), prop::collection::vec(prop::bool::weighted(0.9), 1..4))
            .prop_map(|(partition, values)| Step::Batch(partition, values)),
        1 => partition.clone().prop_map(Step::Revoked),
        1 => partition.prop_map(Step::Lost),
    ]
}

fn moods() -> impl Strategy<Value = Moods> {
    let some = |chance: f64| prop::collection::vec(prop::bool::weighted(chance), 0..30);
    (some(0.3), some(0.5), some(0.2)).prop_map(|(refuses, is_slow, rewinds)| Moods {
        refuses,
        is_slow,
        rewinds,
    })
}

/// A partition as its broker and its store know it.
#[derive(Debug, Default)]
struct Kept {
    /// Where the consumer reads on.
    position: i64,
    committed: i64,
    /// What the sink has told to be done.
    done: BTreeSet<i64>,
    /// What the sink has taken and not told.
    taken: Vec<std::ops::Range<i64>>,
    /// The offset that the sink has to get next.
    next: i64,
    is_assigned: bool,
}

impl Kept {
    fn start(&mut self) {
        self.taken.clear();
        (self.position, self.next) = (self.committed, self.committed);
        self.is_assigned = true;
    }
}

type World = Arc<Mutex<Vec<Kept>>>;

fn seen(world: &World) -> MutexGuard<'_, Vec<Kept>> {
    world.lock().expect("nothing panics while it holds it")
}

fn of(number: usize) -> TopicPartition {
    TopicPartition::new("t", number as i32)
}

struct Broker {
    world: World,
    steps: VecDeque<Step>,
    /// Who are to be assigned anew.
    coming: VecDeque<usize>,
    end: Instant,
    stop: CancellationToken,
}

impl Broker {
    fn take(&mut self, step: Step) -> Option<Fetched> {
        let mut world = seen(&self.world);
        match step {
            Step::Batch(partition, values) => {
                let kept = &mut world[partition];
                let texts: Vec<&'static str> = values
                    .iter()
                    .map(|is_good| if *is_good { "good" } else { "bad" })
                    .collect();
                let batch = batch_of(&of(partition), kept.position, &texts);
                kept.position = batch.next_offset;
                kept.is_assigned.then_some(Fetched::Batch(batch))
            }
            Step::Revoked(partition) => {
                world[partition].is_assigned = false;
                self.coming.push_back(partition);
                Some(Fetched::Revoked {
                    partitions: vec![of(partition)],
                    done: oneshot::channel().0,
                })
            }
            Step::Lost(partition) => {
                world[partition].is_assigned = false;
                self.coming.push_back(partition);
                Some(Fetched::Lost(vec![of(partition)]))
            }
        }
    }

    fn assign(&mut self) -> Option<Fetched> {
        let partition = self.coming.pop_front()?;
        seen(&self.world)[partition].start();
        Some(Fetched::Assigned(vec![of(partition)]))
    }
}

#[async_trait]
impl Consumer for Broker {
    async fn next(&mut self) -> Fetched {
        if let Some(assigned) = self.assign() {
            return assigned;
        }
        while let Some(step) = self.steps.pop_front() {
            if let Some(fetched) = self.take(step) {
                return fetched;
            }
        }
        sleep_until(self.end).await;
        self.stop.cancel();
        pending().await
    }

    async fn next_event(&mut self) -> Fetched {
        if let Some(assigned) = self.assign() {
            return assigned;
        }
        // It overtakes a batch, as it may.
        let is_event = |step: &Step| !matches!(step, Step::Batch(..));
        let soon = self.steps.iter().take(2).position(is_event);
        let step = soon.and_then(|index| self.steps.remove(index));
        match step.and_then(|step| self.take(step)) {
            Some(event) => event,
            None => pending().await,
        }
    }

    async fn commit(
        &mut self,
        offsets: &[(TopicPartition, i64, String)],
    ) -> Result<(), ConsumerError> {
        for (partition, offset, _) in offsets {
            let kept = &mut seen(&self.world)[partition.partition as usize];
            let open = (0..*offset).find(|row| !kept.done.contains(row));
            assert_eq!(open, None, "{offset} of {partition} is committed: {kept:?}");
            kept.committed = *offset;
        }
        Ok(())
    }

    fn pause(&mut self, _: &[TopicPartition]) {}

    fn resume(&mut self, _: &[TopicPartition]) {}

    fn seek(&mut self, partition: &TopicPartition, offset: i64) {
        seen(&self.world)[partition.partition as usize].position = offset;
    }

    async fn close(self: Box<Self>, _: Duration) {}
}

struct Store {
    world: World,
    moods: Moods,
}

impl Store {
    /// Says that all is done that it has taken.
    fn tell(&self) -> Progress {
        let mut done = Vec::new();
        for (number, kept) in seen(&self.world).iter_mut().enumerate() {
            for range in kept.taken.drain(..) {
                kept.done.extend(range.clone());
                done.push((of(number), range));
            }
        }
        Progress {
            done,
            ..Progress::default()
        }
    }
}

#[async_trait]
impl SinkTask for Store {
    fn needs(&self) -> SinkNeeds {
        SinkNeeds {
            key: ColumnNeed::Nothing,
            value: ColumnNeed::RawOr(&[RawKind::Bytes]),
            headers: false,
        }
    }

    async fn open(&mut self, _: &[TopicPartition]) -> Result<(), SinkError> {
        Ok(())
    }

    async fn put(&mut self, batch: Arc<RecordBatch>, _: i64) -> Result<(), SinkError> {
        if Moods::next(&mut self.moods.refuses) {
            return Err(SinkError::retriable("busy", Duration::from_secs(1)));
        }
        let kept = &mut seen(&self.world)[batch.origin.partition as usize];
        assert_eq!(
            batch.first_offset, kept.next,
            "{} of {kept:?}",
            batch.origin
        );
        assert!(batch.offsets.is_sorted());
        kept.next = batch.next_offset;
        kept.taken.push(batch.first_offset..batch.next_offset);
        Ok(())
    }

    async fn progressed(&mut self) {
        pending().await
    }

    async fn poll(&mut self, _: i64) -> Result<Progress, SinkError> {
        match Moods::next(&mut self.moods.is_slow) {
            true => Ok(Progress::default()),
            false => Ok(self.tell()),
        }
    }

    fn take_rewinds(&mut self) -> Vec<(TopicPartition, i64)> {
        let mut world = seen(&self.world);
        let owing = world.iter().position(|kept| !kept.taken.is_empty());
        let Some(number) = owing.filter(|_| Moods::next(&mut self.moods.rewinds)) else {
            return Vec::new();
        };
        let kept = &mut world[number];
        kept.next = kept.taken[0].start;
        kept.taken.clear();
        vec![(of(number), kept.next)]
    }

    async fn finish(&mut self, _: Duration) -> Result<(), SinkError> {
        self.moods.is_slow.clear();
        Ok(())
    }

    async fn close(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            let kept = &mut seen(&self.world)[partition.partition as usize];
            kept.taken.clear();
        }
    }
}

async fn play(steps: Vec<Step>, moods: Moods) {
    let world: World = Arc::default();
    seen(&world).resize_with(PARTITIONS, Kept::default);
    let stop = CancellationToken::new();
    let consumer = Broker {
        world: Arc::clone(&world),
        steps: steps.into(),
        coming: (0..PARTITIONS).collect(),
        end: Instant::now() + LASTS,
        stop: stop.clone(),
    };
    let sink = Store {
        world: Arc::clone(&world),
        moods,
    };
    let value = Picky::default();
    let errors = policy(Tolerance::All, None);
    let (consumer, sink, value) = (Box::new(consumer), Box::new(sink), Box::new(value));
    let parts = parts(consumer, sink, value, errors, ByteBudget::new(1 << 20));
    let (_owner, targets) = watch::channel(Target::Running);
    let (reports, _reported) = mpsc::channel(1 << 10);
    let outcome = run_task(
        settings(Duration::from_secs(3)),
        Box::pin(async { Ok(parts) }),
        targets,
        reports,
        Arc::default(),
        stop,
    );
    assert!(outcome.await.is_ok());
    for kept in seen(&world).iter() {
        assert_eq!(kept.committed, kept.position, "nothing is left: {kept:?}");
    }
}

proptest! {
    /// Whatever comes between: each partition's rows reach the sink in their order and none is left out, an offset is
    /// committed when all before it is done, and in the end all is.
    #[test]
    fn rows_keep_their_order_and_commits_follow_what_is_done(
        steps in prop::collection::vec(step(), 1..40),
        moods in moods(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.block_on(play(steps, moods));
    }
}
