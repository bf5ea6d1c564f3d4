//! Which writes follow each other, how many records one of them holds, and what is written behind a failure.

use super::{PACKAGE, rig, texts, whole};
use crate::support::rig::{NOW, Rig, feed, raw_batch};
use bson::doc;
use millstream_core::contract::done_to;
use millstream_core::digest::{HashFunction, HashSettings};
use millstream_core::{Fusable, RawKind};
use std::sync::Arc;
use std::time::Duration;

/// Waits for a condition that nothing but the task's own writes brings about.
async fn comes_true(what: &str, condition: impl Fn() -> bool) {
    let wait = async {
        let mut looks = tokio::time::interval(Duration::from_millis(5));
        while !condition() {
            looks.tick().await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(60), wait).await;
    assert!(waited.is_ok(), "waited in vain for {what}");
}

#[tokio::test]
async fn report_b2_a_write_that_ends_starts_the_next_one() {
    let rig = rig(&[("max.batch.size", "1")]).await;
    let mut task = rig.start(false).await.unwrap();
    let values: Vec<String> = (0..100).map(|n| format!(r#"{{"_id":{n}}}"#)).collect();
    task.put(texts(0, &values[..50]), NOW).await.unwrap();
    task.put(texts(50, &values[50..]), NOW).await.unwrap();
    // Nobody calls the task meanwhile.
    comes_true("100 updates", || rig.sent("update") == 100).await;
    task.finish(Duration::from_secs(60)).await.unwrap();
    let done = done_to(&task.poll(NOW).await.unwrap().done);
    assert_eq!(done.iter().map(|(_, end)| *end).collect::<Vec<_>>(), [100]);
}

/// 3,000 inserts, one of them a duplicate, ordered, everything tolerated: how many are reported.
async fn reported(max_poll_records: usize) -> usize {
    let writes = format!("{PACKAGE}writemodel.strategy.InsertOneDefaultStrategy");
    let mut rig = rig(&[
        ("writemodel.strategy", writes.as_str()),
        ("errors.tolerance", "all"),
    ])
    .await;
    rig.max_poll_records = max_poll_records;
    let mut task = rig.start(true).await.unwrap();
    let mut values: Vec<String> = (0..3000).map(|n| format!(r#"{{"_id":{n}}}"#)).collect();
    values[10] = values[9].clone();
    let fed = feed(task.as_mut(), vec![texts(0, &values)]).await;
    assert!(fed.error.is_none(), "{:?}", fed.error);
    fed.rejected.len()
}

#[tokio::test]
async fn report_b4_a_bulk_write_holds_what_a_poll_holds_where_results_depend_on_it() {
    assert_eq!(reported(500).await, 1 + 489);
    assert_eq!(reported(1).await, 1);
}

#[tokio::test]
async fn report_b14_nothing_is_written_behind_a_record_that_fails() {
    let ids = format!("{PACKAGE}processor.id.strategy.KafkaMetaDataStrategy");
    let writes = format!("{PACKAGE}writemodel.strategy.InsertOneDefaultStrategy");
    let rig = rig(&[
        ("document.id.strategy", ids.as_str()),
        ("writemodel.strategy", writes.as_str()),
        ("bulk.write.ordered", "false"),
    ])
    .await;
    let mut task = rig.start(false).await.unwrap();
    let hoist = Fusable::HoistValue {
        field: "value".to_owned(),
    };
    let hash = Fusable::HashValue(HashSettings::plain(HashFunction::Md5));
    assert!(task.fuse(RawKind::Bytes, &[hash, hoist]));
    let rows: [Option<&[u8]>; 3] = [Some(b"a"), None, Some(b"c")];
    let batch = Arc::new(raw_batch("orders", 40, &rows, RawKind::Bytes));
    let origin = batch.origin.clone();
    task.put(batch, NOW).await.unwrap();
    let rejected = task.poll(NOW).await.unwrap().rejected;
    assert_eq!(
        rejected.iter().map(|row| row.offset).collect::<Vec<_>>(),
        [41]
    );
    task.close(&[origin]).await;
    task.finish(Duration::from_secs(10)).await.unwrap();
    let documents = rig.documents("shop", "orders").await;
    assert!(
        !documents.contains(&doc! {"_id": "orders#0#42"}) && documents.len() <= 1,
        "{documents:?}"
    );
}

#[tokio::test]
async fn report_b14_a_write_that_fails_ends_its_chain() {
    let validator: Rig = rig(&[("max.batch.size", "1")]).await;
    let refusal = doc! {"n": 0, "writeErrors": [{"index": 0, "code": 121, "errmsg": "Document failed validation"}], "ok": 1.0};
    validator.proxy.break_all(
        "update",
        millstream_embedded::documents::DocumentFaultAction::ReplaceReply(refusal),
    );
    let mut task = validator.start(false).await.unwrap();
    let values: Vec<String> = (0..3).map(|n| format!(r#"{{"_id":{n}}}"#)).collect();
    let fed = feed(task.as_mut(), vec![texts(7, &values)]).await;
    let error = whole(&fed.error.unwrap());
    assert!(
        error.contains("topic orders, partition 0, offset 7"),
        "{error}"
    );
    assert_eq!(validator.sent("update"), 1);
}
