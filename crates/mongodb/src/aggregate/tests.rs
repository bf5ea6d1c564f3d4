//! Whatever is cut, lost, killed, replayed or done by two workers at once: totals are those of each record once.
#![allow(clippy::unwrap_used)]

use super::fold::{Contribution, Delta, Total, Totals, lacking};
use super::id::{TotalsId, TotalsKey};
use super::place::Place;
use super::settings::{AggregateSettings, Measure, Measured};
use super::sift::{OtherTopic, Sifted, sift};
use bytes::Bytes;
use millstream_core::{
    ByteColumn, Destination, Headers, Payload, RawKind, RecordBatch, TimestampType, TopicPartition,
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::ops::Range;

const WINDOW: i64 = 100;
const LATENESS: i64 = 150;

#[derive(Clone, Debug)]
struct Row {
    timestamp: i64,
    text: Option<String>,
}

fn settings() -> AggregateSettings {
    let measured = [
        (Measure::Sum, "n"),
        (Measure::Least, "n"),
        (Measure::Most, "n"),
        (Measure::Last, "s"),
    ];
    AggregateSettings {
        window: WINDOW,
        lateness: LATENESS,
        linger: 0,
        key: "k".to_owned(),
        measured: measured
            .map(|(measure, path)| Measured {
                measure,
                path: path.to_owned(),
            })
            .into(),
        skips_keyless: true,
    }
}

fn batch(origin: &TopicPartition, rows: &[Row], range: Range<usize>) -> RecordBatch {
    let mut column = ByteColumn::new();
    for row in &rows[range.clone()] {
        column.push(row.text.clone().map(Bytes::from));
    }
    RecordBatch {
        origin: origin.clone(),
        destination: Destination::Uniform(origin.topic.clone()),
        first_offset: range.start as i64,
        next_offset: range.end as i64,
        offsets: (range.start as i64..range.end as i64).collect(),
        timestamps: rows[range.clone()]
            .iter()
            .map(|row| row.timestamp)
            .collect(),
        timestamp_type: TimestampType::CreateTime,
        keys: Payload::undecoded(ByteColumn::nulls(range.len())),
        values: Payload::Raw {
            column,
            kind: RawKind::Json,
        },
        headers: Headers::None,
        permit: None,
        fetched: Default::default(),
    }
}

/// A document of totals as a server keeps it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Stored {
    next: BTreeMap<i32, i64>,
    count: i64,
    totals: Vec<Option<Total>>,
}

/// The collection, which carries out updates as a server does.
#[derive(Clone, Debug, Default, PartialEq)]
struct Collection {
    totals: BTreeMap<TotalsId, Stored>,
    places: BTreeMap<i32, Place>,
}

impl Collection {
    /// Whether the update's filter has matched.
    fn update(&mut self, id: &TotalsId, partition: i32, delta: &Delta) -> bool {
        let stored = self.totals.entry(id.clone()).or_default();
        let next = stored.next.get(&partition).copied();
        if next.is_some_and(|next| next > delta.first) {
            return false;
        }
        stored.next.insert(partition, delta.next);
        stored.count += delta.count;
        stored.totals.resize(delta.totals.len(), None);
        for (total, added) in stored.totals.iter_mut().zip(&delta.totals) {
            *total = match (total.take(), added.clone()) {
                (Some(total), Some(added)) => Some(total.and(added)),
                (total, added) => total.or(added),
            };
        }
        true
    }

    fn next(&self, id: &TotalsId, partition: i32) -> Option<i64> {
        self.totals.get(id)?.next.get(&partition).copied()
    }

    fn write_place(&mut self, partition: i32, place: &Place) {
        let stored = self.places.entry(partition).or_default();
        stored.next = stored.next.max(place.next);
        stored.watermark = stored.watermark.max(place.watermark);
        stored.counted = stored.counted.max(place.counted);
        stored.late = stored.late.max(place.late);
        stored.left_out = stored.left_out.max(place.left_out);
        stored.first = match (stored.first, place.first) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
}

/// A write of gathered batches, as far as it has got; whoever crashes leaves it where it is, and another worker of the past
/// may go on with it at any time.
#[derive(Clone, Debug)]
struct Job {
    partition: TopicPartition,
    pending: Vec<(TotalsId, Vec<Contribution>)>,
    place: Place,
    is_over: bool,
}

impl Job {
    fn new(partition: &TopicPartition, sifted: Vec<Sifted>, place: Place) -> Self {
        let mut pending: BTreeMap<TotalsId, Vec<Contribution>> = BTreeMap::new();
        for (id, contribution) in sifted.into_iter().flat_map(|sifted| sifted.counted) {
            pending.entry(id).or_default().push(contribution);
        }
        Job {
            partition: partition.clone(),
            pending: pending.into_iter().collect(),
            place,
            is_over: false,
        }
    }

    /// One request; its answer may be lost.
    fn step(&mut self, collection: &mut Collection, is_answered: bool) {
        let number = self.partition.partition;
        let Some((id, contributions)) = self.pending.last_mut() else {
            collection.write_place(number, &self.place);
            self.is_over |= is_answered;
            return;
        };
        let delta = Delta::of(contributions, &settings().measured, &self.partition);
        let matched = collection.update(id, number, &delta);
        if !is_answered {
            return;
        }
        let next = match matched {
            true => Some(delta.next),
            false => collection.next(id, number),
        };
        let rest = lacking(contributions, next).to_vec();
        match rest.is_empty() {
            true => drop(self.pending.pop()),
            false => *contributions = rest,
        }
    }
}

/// What totals are: each record of each partition, once, in order.
fn model(partitions: &[Vec<Row>]) -> Collection {
    let mut collection = Collection::default();
    for (number, rows) in partitions.iter().enumerate() {
        let partition = TopicPartition::new("t", number as i32);
        let mut place = Place::default();
        for row in 0..rows.len() {
            let sifted = sift(
                &settings(),
                &batch(&partition, rows, row..row + 1),
                &mut place,
            )
            .unwrap();
            let mut job = Job::new(&partition, vec![sifted], place.clone());
            while !job.is_over {
                job.step(&mut collection, true);
            }
        }
    }
    collection
}

/// A worker that starts anew, reads from a commit on, gathers batches and writes as far as it gets.
#[derive(Clone, Debug)]
struct Life {
    partition: usize,
    /// From where on of what was committed, in parts of 100.
    from: usize,
    batches: Vec<usize>,
    /// Requests before the kill, and which of them get no answer.
    requests: usize,
    lost: Vec<bool>,
    /// Whether a job of an earlier life goes on meanwhile.
    wakes_an_old_one: bool,
}

fn row() -> impl Strategy<Value = Row> {
    let text = prop_oneof![
        8 => (0u8..3, -500i64..500, 0u8..3).prop_map(|(key, n, s)| {
            Some(format!(r#"{{"k":"{key}","n":{}.{:02},"s":"{s}"}}"#, n, n.unsigned_abs() % 100))
        }),
        1 => (0u8..3).prop_map(|key| Some(format!(r#"{{"k":"{key}"}}"#))),
        1 => Just(Some(r#"{"k":"0","n":"no number"}"#.to_owned())),
        1 => Just(Some(r#"{"n":1}"#.to_owned())),
        1 => Just(None),
    ];
    (0i64..1500, text).prop_map(|(timestamp, text)| Row { timestamp, text })
}

fn life() -> impl Strategy<Value = Life> {
    (
        0usize..2,
        0usize..=100,
        prop::collection::vec(0usize..9, 1..5),
        0usize..12,
        prop::collection::vec(prop::bool::weighted(0.3), 12),
        prop::bool::weighted(0.3),
    )
        .prop_map(
            |(partition, from, batches, requests, lost, wakes_an_old_one)| Life {
                partition,
                from,
                batches,
                requests,
                lost,
                wakes_an_old_one,
            },
        )
}

struct World {
    partitions: Vec<Vec<Row>>,
    collection: Collection,
    committed: Vec<usize>,
    old: Vec<Job>,
}

impl World {
    fn live(&mut self, life: &Life) {
        let rows = &self.partitions[life.partition];
        let partition = TopicPartition::new("t", life.partition as i32);
        let mut at = self.committed[life.partition] * life.from / 100;
        let stored = self.collection.places.get(&partition.partition);
        let mut place = stored.cloned().unwrap_or_default();
        let mut sifted = Vec::new();
        for size in &life.batches {
            let end = (at + size).min(rows.len());
            sifted.push(sift(&settings(), &batch(&partition, rows, at..end), &mut place).unwrap());
            at = end;
        }
        let mut job = Job::new(&partition, sifted, place);
        for request in 0..life.requests {
            if life.wakes_an_old_one
                && let Some(old) = self.old.last_mut()
            {
                old.step(&mut self.collection, true);
            }
            let is_lost = life.lost.get(request).copied().unwrap_or(false);
            job.step(&mut self.collection, !is_lost);
            if job.is_over {
                self.committed[life.partition] = self.committed[life.partition].max(at);
                return;
            }
        }
        self.old.push(job);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn totals_are_those_of_each_record_once(
        partitions in prop::collection::vec(prop::collection::vec(row(), 1..60), 2),
        lives in prop::collection::vec(life(), 0..14),
    ) {
        let mut world = World {
            committed: vec![0; partitions.len()],
            partitions,
            collection: Collection::default(),
            old: Vec::new(),
        };
        for life in &lives {
            world.live(life);
        }
        for partition in 0..world.partitions.len() {
            let last = Life {
                partition,
                from: 100,
                batches: vec![7; 10],
                requests: usize::MAX,
                lost: Vec::new(),
                wakes_an_old_one: true,
            };
            world.live(&last);
        }
        // Those of the past wake up once more, when all is written.
        for old in &mut world.old {
            for _ in 0..20 {
                old.step(&mut world.collection, true);
            }
        }
        prop_assert_eq!(&world.collection, &model(&world.partitions));
        for (number, rows) in world.partitions.iter().enumerate() {
            let place = world.collection.places.get(&(number as i32)).cloned().unwrap_or_default();
            prop_assert_eq!(place.counted + place.late + place.left_out, rows.len() as i64);
        }
        let counted: i64 = world.collection.totals.values().map(|totals| totals.count).sum();
        prop_assert_eq!(counted, world.collection.places.values().map(|place| place.counted).sum::<i64>());
    }
}

fn rows(rows: &[(i64, Option<&str>)]) -> Vec<Row> {
    rows.iter()
        .map(|(timestamp, text)| Row {
            timestamp: *timestamp,
            text: text.map(str::to_owned),
        })
        .collect()
}

#[test]
fn a_record_is_late_by_what_came_before_it() {
    let key = Some(r#"{"k":"a"}"#);
    let rows = rows(&[
        (0, key),
        (249, key),
        (0, key),
        (250, key),
        (0, key),
        (100, key),
        (-1, key),
        (50, Some("{}")),
    ]);
    let partition = TopicPartition::new("t", 0);
    let mut place = Place::default();
    let sifted = sift(
        &settings(),
        &batch(&partition, &rows, 0..rows.len()),
        &mut place,
    )
    .unwrap();
    let windows: Vec<(i64, i64)> = sifted
        .counted
        .iter()
        .map(|(id, one)| (one.offset, id.window))
        .collect();
    assert_eq!(windows, [(0, 0), (1, 200), (2, 0), (3, 200), (5, 100)]);
    assert_eq!(
        (place.late, place.left_out, place.counted, place.next),
        (1, 2, 5, 8)
    );
    assert_eq!(
        sifted.bad.iter().map(|(row, _)| *row).collect::<Vec<_>>(),
        [6]
    );
    // Given again, nothing counts, and the bad one is told again.
    let mut again = place.clone();
    let sifted = sift(
        &settings(),
        &batch(&partition, &rows, 0..rows.len()),
        &mut again,
    )
    .unwrap();
    assert_eq!(
        (again, sifted.counted.len(), sifted.bad.len(), sifted.late),
        (place, 0, 1, 0)
    );
}

#[test]
fn the_partition_of_another_topic_is_told() {
    let key = Some(r#"{"k":"a"}"#);
    let partition = TopicPartition::new("t", 0);
    let mut place = Place::default();
    sift(
        &settings(),
        &batch(&partition, &rows(&[(5, key)]), 0..1),
        &mut place,
    )
    .unwrap();
    let other = sift(
        &settings(),
        &batch(&partition, &rows(&[(6, key)]), 0..1),
        &mut place,
    );
    assert_eq!(other.unwrap_err(), OtherTopic);
}

#[test]
fn an_update_counts_only_where_none_of_its_records_do() {
    let partition = TopicPartition::new("a.b", 1);
    let text = r#"{"k":"x","n":1.5,"s":"v"}"#;
    let mut place = Place::default();
    let rows = rows(&[(101, Some(text)), (102, Some(text))]);
    let sifted = sift(&settings(), &batch(&partition, &rows, 0..2), &mut place).unwrap();
    let (ids, contributions): (Vec<TotalsId>, Vec<Contribution>) =
        sifted.counted.into_iter().unzip();
    assert_eq!(
        ids[0],
        TotalsId {
            key: TotalsKey::Text("x".to_owned()),
            window: 100
        }
    );
    let measured = settings().measured;
    let delta = Delta::of(&contributions, &measured, &partition);
    let name = super::place::PartitionName::of(&partition);
    let statement = delta.statement(&ids[0], &measured, &name, super::fold::Sums::Plain);
    let decimal = |text: &str| bson::Bson::Decimal128(text.parse().unwrap());
    let date = bson::DateTime::from_millis;
    assert_eq!(
        statement,
        bson::doc! {
            "q": {"_id": {"key": "x", "window": date(100)}, "partitions.a%2Eb#1.next": {"$not": {"$gt": 0i64}}},
            "u": {
                "$inc": {"count": 2i64, "sum.n": decimal("3.0")},
                "$set": {"partitions.a%2Eb#1.next": 2i64},
                "$min": {"min.n": decimal("1.5")},
                "$max": {"max.n": decimal("1.5"), "last.s": {
                    "timestamp": date(102), "topic": "a.b", "partition": 1, "offset": 1i64, "value": "v",
                }},
            },
            "upsert": true,
        }
    );
    let none: Totals<Total> = Box::new([]);
    assert_eq!(Delta::of(&[], &[], &partition).totals, none);
}
