//! Totals over a document server: the contract of sinks, with a document for each row, and what is written and refused.
#![allow(clippy::unwrap_used)]

mod sums;
mod support;

use async_trait::async_trait;
use bson::{Bson, Document, doc};
use millstream_core::contract::{self, Store, Subject, done_to};
use millstream_core::{
    ByteBudget, RawKind, RecordBatch, SinkConnector, SinkError, SinkTask, TaskContext,
    TopicPartition,
};
use millstream_embedded::documents::{DocumentFault, DocumentFaultAction};
use millstream_mongodb::MongoSinkConnector;
use serde_json::json;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use sums::{Sale, batch, sale};
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
