//! Totals over a document server: the contract of sinks, with a document for each row, and sums that are those of a model
//! however often the process is killed, its answers are lost and its records come again.
#![allow(clippy::unwrap_used)]

mod support;

use async_trait::async_trait;
use bson::{Bson, Document, doc};
use millstream_core::contract::{self, Store, Subject, done_to};
use millstream_core::{
    ByteBudget, RawKind, RecordBatch, SinkConnector, SinkError, SinkErrorKind, SinkTask,
    TaskContext, TopicPartition,
};
use millstream_embedded::documents::{DocumentFault, DocumentFaultAction};
use millstream_mongodb::MongoSinkConnector;
use proptest::prelude::*;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use support::rig::{NOW, Rig, feed, raw_batch};

const WINDOW: i64 = 1_000;

async fn rig(more: &[(&str, &str)], faults: Vec<DocumentFault>) -> Rig {
    let config = json!({
        "topics": "contract",
        "database": "shop",
        "collection": "totals",
        "max.batch.size": "2",
        "mongo.errors.tolerance": "all",
        "millstream.mongo.aggregate.window.ms": WINDOW.to_string(),
        "millstream.mongo.aggregate.key": "k",
        "millstream.mongo.aggregate.linger.ms": "0",
    });
    let mut rig = Rig::new(&config, faults).await;
    rig.properties
        .insert("millstream.mongo.retry.timeout.ms", "600000");
    for (key, value) in more {
        rig.properties.insert(*key, *value);
    }
    // A store that is not the test's own has what an earlier test left.
    let client = mongodb::Client::with_uri_str(format!("mongodb://{}/", rig.store));
    let collection = client
        .await
        .unwrap()
        .database("shop")
        .collection::<Document>("totals");
    collection.delete_many(doc! {}).await.unwrap();
    rig
}

/// The documents of totals, and those of places.
async fn stored(rig: &Rig) -> (Vec<Document>, Vec<Document>) {
    let documents = rig.documents("shop", "totals").await.into_iter();
    documents.partition(|document| document.get_document("_id").unwrap().contains_key("key"))
}

/// A document for each row: its count is how often the row is stored.
struct Rows(Rig);

async fn rows() -> Rows {
    Rows(rig(&[], Vec::new()).await)
}

#[async_trait]
impl Subject for Rows {
    async fn start(&self, context: TaskContext) -> Result<Box<dyn SinkTask>, SinkError> {
        MongoSinkConnector
            .start_task(&self.0.properties, context)
            .await
    }

    fn batch(&self, origin: &TopicPartition, rows: Range<i64>, bad: &BTreeSet<i64>) -> RecordBatch {
        let partition = origin.partition;
        let text = |row: i64| match bad.contains(&row) {
            true => "no document".to_owned(),
            false => format!(r#"{{"k": "{partition}@{row}"}}"#),
        };
        let texts: Vec<String> = rows.clone().map(text).collect();
        let values: Vec<Option<&[u8]>> = texts.iter().map(|text| Some(text.as_bytes())).collect();
        RecordBatch {
            origin: origin.clone(),
            ..raw_batch("contract", rows.start, &values, RawKind::String)
        }
    }

    async fn stored(&self) -> Vec<(TopicPartition, i64)> {
        let (totals, _) = stored(&self.0).await;
        let rows = totals.iter().flat_map(|document| {
            let id = document.get_document("_id").unwrap();
            let (partition, row) = id.get_str("key").unwrap().split_once('@').unwrap();
            let origin = TopicPartition::new("contract", partition.parse().unwrap());
            let row: i64 = row.parse().unwrap();
            let count = document.get_i64("count").unwrap() as usize;
            std::iter::repeat_n((origin, row), count)
        });
        rows.collect()
    }

    fn set(&self, store: Store) {
        match store {
            Store::Well => self.0.proxy.heal(),
            Store::DiesAfter {
                requests,
                answers_last,
            } => self.0.proxy.die_after(requests, answers_last),
        }
    }

    fn carried_out(&self) -> usize {
        self.0.proxy.writes()
    }
}

#[tokio::test]
async fn replays() {
    contract::replays(rows).await;
}

#[tokio::test]
async fn rebalances() {
    contract::rebalances(rows).await;
}

#[tokio::test]
async fn refusals() {
    contract::refusals(rows).await;
}

#[tokio::test]
async fn late_rejections() {
    contract::late_rejections(rows).await;
}

#[tokio::test]
async fn crashes() {
    contract::crashes(rows).await;
}

#[tokio::test]
async fn flushes() {
    contract::flushes(rows).await;
}

/// A record of a partition: key, cents, and how long after the first it was made.
#[derive(Clone, Debug)]
struct Sale {
    key: u8,
    cents: i64,
    after: i64,
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

fn batch(partition: i32, sales: &[Sale], rows: Range<usize>) -> Arc<RecordBatch> {
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
            assert_eq!((all("counted") + late) as usize, ends.iter().sum::<usize>());
        });
    }
}

fn sale(key: u8, cents: i64) -> Sale {
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

#[tokio::test]
async fn a_sum_beyond_an_int64_goes_on_as_a_decimal() {
    let rig = rig(
        &[("millstream.mongo.aggregate.fields", "sum:n")],
        Vec::new(),
    )
    .await;
    let mut task = rig.start(true).await.unwrap();
    let text = format!(r#"{{"k":1,"n":{}}}"#, i64::MAX);
    for offset in 0..3 {
        let batch = raw_batch("contract", offset, &[Some(text.as_bytes())], RawKind::Json);
        let fed = feed(task.as_mut(), vec![Arc::new(batch)]).await;
        assert!(fed.error.is_none(), "{:?}", fed.error);
    }
    let (totals, _) = stored(&rig).await;
    let sum = totals[0].get_document("sum").unwrap().get("n").unwrap();
    assert_eq!(sum.to_string(), "27670116110564327421");
    assert_eq!(totals[0].get_i64("count").unwrap(), 3);
}

/// MongoDB refuses to add to an Int64 what it cannot hold.
#[tokio::test]
async fn a_sum_that_is_refused_as_an_int64_is_added_as_a_decimal() {
    let rig = rig(
        &[("millstream.mongo.aggregate.fields", "sum:n")],
        Vec::new(),
    )
    .await;
    let client = mongodb::Client::with_uri_str(format!("mongodb://{}/", rig.store));
    let collection = client.await.unwrap().database("shop").collection("totals");
    let id = doc! {"key": 1i64, "window": bson::DateTime::from_millis(NOW)};
    let full = doc! {"_id": id, "count": 1i64, "sum": {"n": i64::MAX}};
    collection.insert_one(full).await.unwrap();
    let mut task = rig.start(true).await.unwrap();
    let text = br#"{"k":1,"n":5}"#;
    let batch = raw_batch("contract", 0, &[Some(text)], RawKind::Json);
    let fed = feed(task.as_mut(), vec![Arc::new(batch)]).await;
    assert!(fed.error.is_none(), "{:?}", fed.error);
    let (totals, _) = stored(&rig).await;
    let sum = totals[0].get_document("sum").unwrap().get("n").unwrap();
    assert_eq!(sum.to_string(), "9223372036854775812");
    assert_eq!(totals[0].get_i64("count").unwrap(), 2);
}

/// The example of the documentation.
#[tokio::test]
async fn writes_the_documented_documents() {
    let fields = "sum:amount,max:amount,last:plan";
    let rig = rig(&[("millstream.mongo.aggregate.fields", fields)], Vec::new()).await;
    let mut task = rig.start(true).await.unwrap();
    let texts = [
        r#"{"k":"anna","amount":19.99,"plan":"free"}"#,
        r#"{"k":"anna","amount":5,"plan":"gold"}"#,
    ];
    let values: Vec<Option<&[u8]>> = texts.iter().map(|text| Some(text.as_bytes())).collect();
    let batch = Arc::new(raw_batch("contract", 41, &values, RawKind::Json));
    let fed = feed(task.as_mut(), vec![batch]).await;
    assert!(fed.error.is_none(), "{:?}", fed.error);
    let (totals, places) = stored(&rig).await;
    let decimal = |text: &str| Bson::Decimal128(text.parse().unwrap());
    let now = bson::DateTime::from_millis(NOW);
    assert_eq!(
        totals,
        [doc! {
            "_id": {"key": "anna", "window": now},
            "count": 2i64,
            "sum": {"amount": decimal("24.99")},
            "partitions": {"contract#0": {"next": 43i64}},
            "max": {"amount": decimal("19.99")},
            "last": {"plan": {"timestamp": now, "topic": "contract", "partition": 0, "offset": 42i64, "value": "gold"}},
        }]
    );
    assert_eq!(
        places,
        [doc! {
            "_id": {"partition": "contract#0"}, "of": "k by 1000 ms",
            "next": 43i64, "counted": 2i64, "late": 0i64, "leftOut": 0i64, "watermark": now,
            "first": {"offset": 41i64, "timestamp": now},
        }]
    );
}

#[tokio::test]
async fn a_topic_that_was_made_anew_ends_the_task() {
    let rig = rig(&[], Vec::new()).await;
    let mut task = rig.start(true).await.unwrap();
    let first = batch(0, &[sale(1, 1), sale(1, 1)], 0..2);
    assert!(feed(task.as_mut(), vec![first]).await.error.is_none());
    let mut again = rig.start(true).await.unwrap();
    let other = Sale {
        after: 5,
        ..sale(1, 1)
    };
    let fed = feed(again.as_mut(), vec![batch(0, &[other], 0..1)]).await;
    let error = fed.error.expect("another topic").to_string();
    assert!(
        error.contains("another contract#0, up to offset 2"),
        "{error}"
    );
}

#[tokio::test]
async fn totals_by_another_window_need_another_collection() {
    let mut rig = rig(&[], Vec::new()).await;
    let mut task = rig.start(true).await.unwrap();
    let batch = batch(0, &[sale(1, 1)], 0..1);
    assert!(
        feed(task.as_mut(), vec![Arc::clone(&batch)])
            .await
            .error
            .is_none()
    );
    rig.properties
        .insert("millstream.mongo.aggregate.window.ms", "500");
    let mut other = rig.start(true).await.unwrap();
    let error = feed(other.as_mut(), vec![batch])
        .await
        .error
        .expect("another window");
    let error = error.to_string();
    assert!(
        error.contains("for k by 1000 ms, and these are for k by 500 ms"),
        "{error}"
    );
}

/// Numbers, texts and dates in one field: an extreme and a last value are the same wherever batches are cut.
#[tokio::test]
async fn values_of_several_kinds_come_to_the_same_by_one_update_and_by_many() {
    let fields = "min:v,max:v,last:v,min:w,max:w";
    let rig = rig(&[("millstream.mongo.aggregate.fields", fields)], Vec::new()).await;
    let mut task = rig.start(true).await.unwrap();
    let values = ["7", "\"b\"", "-2.5", "null", "\"a\"", "7.25", "\"\"", "3"];
    let texts = |key: u8| {
        let texts = values.iter().enumerate();
        texts
            .map(|(row, value)| format!(r#"{{"k":{key},"v":{value},"w":{}.5}}"#, row * 13 % 8))
            .collect::<Vec<_>>()
    };
    let (whole, cut) = (texts(1), texts(2));
    let rows: Vec<Option<&[u8]>> = whole.iter().map(|text| Some(text.as_bytes())).collect();
    let mut batches = vec![Arc::new(raw_batch("contract", 0, &rows, RawKind::Json))];
    for (offset, text) in (8..).zip(&cut) {
        let rows = [Some(text.as_bytes())];
        batches.push(Arc::new(raw_batch(
            "contract",
            offset,
            &rows,
            RawKind::Json,
        )));
    }
    let fed = feed(task.as_mut(), batches).await;
    assert!(fed.error.is_none(), "{:?}", fed.error);
    let (totals, _) = stored(&rig).await;
    let of = |name: &str, document: &Document| document.get_document(name).unwrap().clone();
    for name in ["min", "max"] {
        assert_eq!(of(name, &totals[0]), of(name, &totals[1]));
    }
    let decimal = |text: &str| Bson::Decimal128(text.parse().unwrap());
    assert_eq!(
        of("min", &totals[0]),
        doc! {"v": decimal("-2.5"), "w": decimal("0.5")}
    );
    assert_eq!(of("max", &totals[0]), doc! {"v": "b", "w": decimal("7.5")});
    for document in &totals {
        let last = of("last", document);
        assert_eq!(last.get_document("v").unwrap().get_i64("value").unwrap(), 3);
    }
}

/// What is gathered or on its way is counted, and given back when it is written.
#[tokio::test]
async fn records_in_hand_are_counted_as_memory() {
    let rig = rig(&[], Vec::new()).await;
    let in_flight = ByteBudget::new(1 << 20);
    let context = TaskContext::new("totals", 0, ByteBudget::new(1 << 20), in_flight.clone());
    let task = MongoSinkConnector.start_task(&rig.properties, context);
    let mut task = task.await.unwrap();
    let sales: Vec<Sale> = (0..100).map(|n| sale((n % 7) as u8, n)).collect();
    task.put(batch(0, &sales, 0..100), NOW).await.unwrap();
    let gathered = in_flight.usage().used;
    assert!(gathered > 100 * 100, "{gathered}");
    rig.proxy.die_after(0, false);
    let polled = task.poll(NOW).await;
    assert!(polled.is_ok_and(|progress| progress.done.is_empty()));
    assert_eq!(in_flight.usage().used, gathered);
    rig.proxy.heal();
    task.finish(Duration::from_secs(20)).await.unwrap();
    assert_eq!(task.poll(NOW).await.unwrap().done.len(), 1);
    assert_eq!(in_flight.usage().used, 0);
}

#[tokio::test]
async fn what_is_gathered_makes_room_where_memory_is_short() {
    let linger = ("millstream.mongo.aggregate.linger.ms", "60000");
    let rig = rig(&[linger], Vec::new()).await;
    let budget = || ByteBudget::new(40_000);
    let context = TaskContext::new("totals", 0, budget(), budget());
    let task = MongoSinkConnector.start_task(&rig.properties, context);
    let mut task = task.await.unwrap();
    let sales: Vec<Sale> = (0..2_000).map(|n| sale((n % 7) as u8, n)).collect();
    // The clock of the task stands still, so that nothing is due.
    for from in (0..2_000).step_by(100) {
        task.put(batch(0, &sales, from..from + 100), NOW)
            .await
            .unwrap();
    }
    let done = task.poll(NOW).await.unwrap().done;
    assert!(done_to(&done)[0].1 >= 1_000, "{done:?}");
    // One that is larger than all there is comes through as well.
    let large = batch(1, &sales, 0..1_000);
    task.put(large, NOW).await.unwrap();
    task.finish(Duration::from_secs(20)).await.unwrap();
    let mut done = done;
    done.extend(task.poll(NOW).await.unwrap().done);
    let ends: Vec<i64> = done_to(&done).into_iter().map(|(_, end)| end).collect();
    assert_eq!(ends, [2_000, 1_000]);
}

/// Another unique index refuses a document for ever: that ends the task, and is not taken for a replay.
#[tokio::test]
async fn a_refusal_that_does_not_pass_ends_the_task() {
    let refused = DocumentFault {
        command: "update".to_owned(),
        nth: 1,
        action: DocumentFaultAction::ReplaceReply(doc! {
            "ok": 1.0, "n": 0,
            "writeErrors": [{"index": 0, "code": 11000, "errmsg": "E11000", "keyPattern": {"u": 1}}],
        }),
    };
    let rig = rig(&[], vec![refused]).await;
    let mut task = rig.start(true).await.unwrap();
    let fed = feed(task.as_mut(), vec![batch(0, &[sale(1, 1)], 0..1)]).await;
    let error = fed.error.expect("it is refused").to_string();
    assert!(error.contains("E11000 duplicate key"), "{error}");
    assert!(fed.done.is_empty());
}
