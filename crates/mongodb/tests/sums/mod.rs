//! Sums of totals beside those of a model, however often the task is killed, its answers are lost and its records come again.

use super::support::rig::{NOW, Rig, raw_batch};
use super::{WINDOW, rig, stored};
use bson::{Bson, Document};
use millstream_core::contract::done_to;
use millstream_core::{RawKind, RecordBatch, SinkErrorKind, TopicPartition};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// A record of a partition: key, cents, and how long after the first it was made.
#[derive(Clone, Debug)]
pub(crate) struct Sale {
    pub(crate) key: u8,
    pub(crate) cents: i64,
    pub(crate) after: i64,
}

/// How late a record may be for a window of one of the tests.
const LATENESS: i64 = 500;

/// Count, cents, least, most, and the moment and cents of the last.
type Sums = (i64, i64, i64, i64, (i64, i32, i64, i64));

/// The totals, and how many records are late.
fn model(partitions: &[Vec<Sale>], lateness: i64) -> (BTreeMap<(String, i64), Sums>, i64) {
    let mut totals: BTreeMap<(String, i64), Sums> = BTreeMap::new();
    let mut late = 0;
    for (partition, sales) in partitions.iter().enumerate() {
        let mut watermark = 0;
        for (offset, sale) in sales.iter().enumerate() {
            let time = NOW + sale.after;
            let is_late = time - time % WINDOW + WINDOW + lateness <= watermark;
            watermark = watermark.max(time);
            if is_late {
                late += 1;
                continue;
            }
            let last = (time, partition as i32, offset as i64, sale.cents);
            let id = (sale.key.to_string(), time - time % WINDOW);
            let new = (0, 0, i64::MAX, i64::MIN, last);
            let sums = totals.entry(id).or_insert(new);
            *sums = (
                sums.0 + 1,
                sums.1 + sale.cents,
                sums.2.min(sale.cents),
                sums.3.max(sale.cents),
                sums.4.max(last),
            );
        }
    }
    (totals, late)
}

fn cents(value: Option<&Bson>) -> i64 {
    match value.unwrap() {
        Bson::Int64(whole) => whole * 100,
        Bson::Decimal128(decimal) => {
            let text = decimal.to_string();
            let (whole, places) = text.split_once('.').unwrap();
            format!("{whole}{places:0<2}").parse().unwrap()
        }
        other => panic!("{other} is no sum"),
    }
}

fn read(document: &Document) -> ((String, i64), Sums) {
    let id = document.get_document("_id").unwrap();
    let millis = |from: &Document, name: &str| from.get_datetime(name).unwrap().timestamp_millis();
    let of = |name: &str| document.get_document(name).unwrap().get("n");
    let last = of("last").unwrap().as_document().unwrap();
    let sums = (
        document.get_i64("count").unwrap(),
        cents(of("sum")),
        cents(of("min")),
        cents(of("max")),
        (
            millis(last, "timestamp"),
            last.get_i32("partition").unwrap(),
            last.get_i64("offset").unwrap(),
            (last.get_f64("value").unwrap() * 100.0).round() as i64,
        ),
    );
    let key = id.get_str("key").unwrap().to_owned();
    ((key, millis(id, "window")), sums)
}

pub(crate) fn batch(partition: i32, sales: &[Sale], rows: Range<usize>) -> Arc<RecordBatch> {
    let sales = &sales[rows.clone()];
    let text = |sale: &Sale| {
        let (sign, cents) = (if sale.cents < 0 { "-" } else { "" }, sale.cents.abs());
        format!(
            r#"{{"k":"{}","n":{sign}{}.{:02}}}"#,
            sale.key,
            cents / 100,
            cents % 100
        )
    };
    let texts: Vec<String> = sales.iter().map(text).collect();
    let values: Vec<Option<&[u8]>> = texts.iter().map(|text| Some(text.as_bytes())).collect();
    Arc::new(RecordBatch {
        origin: TopicPartition::new("contract", partition),
        timestamps: sales.iter().map(|sale| NOW + sale.after).collect(),
        ..raw_batch("contract", rows.start as i64, &values, RawKind::Json)
    })
}

/// Gives partitions from their commits on, in batches of this size, for as long as the task lives; then what may be committed.
async fn live(
    rig: &Rig,
    partitions: &[Vec<Sale>],
    commits: &mut [usize],
    size: usize,
    looks: usize,
) {
    let mut task = rig.start(true).await.unwrap();
    let all: Vec<TopicPartition> = (0..partitions.len())
        .map(|partition| TopicPartition::new("contract", partition as i32))
        .collect();
    task.open(&all).await.unwrap();
    let mut given = commits.to_vec();
    let mut done: Vec<_> = all
        .iter()
        .zip(commits.iter())
        .map(|(partition, commit)| (partition.clone(), *commit as i64..*commit as i64))
        .collect();
    for _ in 0..looks {
        for (partition, sales) in partitions.iter().enumerate() {
            let end = (given[partition] + size).min(sales.len());
            if end > given[partition] {
                let batch = batch(partition as i32, sales, given[partition]..end);
                match task.put(batch, NOW).await {
                    Ok(()) => given[partition] = end,
                    Err(error) => assert!(
                        matches!(error.kind, SinkErrorKind::Retriable { .. }),
                        "{error}"
                    ),
                }
            }
        }
        // Nothing is lost by going on without news.
        let _ = tokio::time::timeout(Duration::from_millis(20), task.progressed()).await;
        if let Ok(progress) = task.poll(NOW).await {
            done.extend(progress.done);
        }
        for (partition, end) in done_to(&done) {
            commits[partition.partition as usize] = end as usize;
        }
        if commits
            .iter()
            .zip(partitions)
            .all(|(commit, sales)| *commit == sales.len())
        {
            return;
        }
    }
}

fn sales() -> impl Strategy<Value = Vec<Sale>> {
    let sale = (0u8..4, -9_999i64..9_999, 0i64..3_000).prop_map(|(key, cents, after)| Sale {
        key,
        cents,
        after,
    });
    prop::collection::vec(sale, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn totals_are_those_of_each_record_once_however_often_it_is_killed(
        partitions in prop::collection::vec(sales(), 2),
        lives in prop::collection::vec((0usize..12, any::<bool>(), 1usize..20, 0usize..=100), 0..5),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let fields = ("millstream.mongo.aggregate.fields", "sum:n,min:n,max:n,last:n");
            let lateness = LATENESS.to_string();
            let lateness = ("millstream.mongo.aggregate.lateness.ms", lateness.as_str());
            let rig = rig(&[fields, lateness], Vec::new()).await;
            let mut commits = vec![0; partitions.len()];
            for (writes, answers_last, size, from) in lives {
                rig.proxy.die_after(writes, answers_last);
                live(&rig, &partitions, &mut commits, size, 6).await;
                rig.proxy.heal();
                // A commit may be lost, too: the next one begins anywhere before it.
                for commit in &mut commits {
                    *commit = *commit * from / 100;
                }
            }
            live(&rig, &partitions, &mut commits, 7, 2_000).await;
            let ends: Vec<usize> = partitions.iter().map(Vec::len).collect();
            assert_eq!(commits, ends);
            let (totals, places) = stored(&rig).await;
            let totals: BTreeMap<_, _> = totals.iter().map(read).collect();
            let (expected, late) = model(&partitions, LATENESS);
            assert_eq!(totals, expected);
            let all = |name: &str| places.iter().map(|place| place.get_i64(name).unwrap()).sum::<i64>();
            assert_eq!(all("late"), late);
            // A record that a life after the next reads again is counted again here.
            let metered = rig.meters.late_records();
            assert!(metered >= late as u64 && (late > 0 || metered == 0), "{metered}, {late}");
            assert_eq!((all("counted") + late) as usize, ends.iter().sum::<usize>());
        });
    }
}

pub(crate) fn sale(key: u8, cents: i64) -> Sale {
    Sale {
        key,
        cents,
        after: 0,
    }
}

/// Two workers that both believe they have the partition, each with batches of its own cut.
#[tokio::test]
async fn two_workers_at_once_count_each_record_once() {
    let fields = [(
        "millstream.mongo.aggregate.fields",
        "sum:n,min:n,max:n,last:n",
    )];
    let rig = rig(&fields, Vec::new()).await;
    let sales: Vec<Sale> = (0..60).map(|n| sale((n % 3) as u8, n * 7)).collect();
    let partitions = [sales];
    let (mut one, mut other) = ([0], [0]);
    tokio::join!(
        live(&rig, &partitions, &mut one, 7, 2_000),
        live(&rig, &partitions, &mut other, 4, 2_000),
    );
    assert_eq!((one, other), ([60], [60]));
    let (totals, _) = stored(&rig).await;
    let totals: BTreeMap<_, _> = totals.iter().map(read).collect();
    assert_eq!(totals, model(&partitions, i64::MAX / 2).0);
}
