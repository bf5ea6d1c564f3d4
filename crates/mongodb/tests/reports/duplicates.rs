//! An id that was made of topic, partition and offset is no proof that the record behind it is in the collection.

use super::{PACKAGE, rig, texts, value_of, whole};
use crate::support::rig::{Rig, feed};
use bson::doc;
use millstream_embedded::documents::DocumentFaultAction;

const IDS: &str = "com.mongodb.kafka.connect.sink.processor.id.strategy.KafkaMetaDataStrategy";

async fn inserting(ordered: &str, more: &[(&str, &str)]) -> Rig {
    let writes = format!("{PACKAGE}writemodel.strategy.InsertOneDefaultStrategy");
    let mut settings = vec![
        ("document.id.strategy", IDS),
        ("writemodel.strategy", writes.as_str()),
        ("bulk.write.ordered", ordered),
    ];
    settings.extend(more);
    rig(&settings).await
}

fn values(word: &str, count: usize) -> Vec<String> {
    (0..count)
        .map(|n| format!(r#"{{"v":"{word}{n}"}}"#))
        .collect()
}

/// Stores ten old records, then as a new task five new ones under the same offsets.
async fn made_anew(rig: &Rig) -> Result<(), String> {
    let mut task = rig.start(false).await.unwrap();
    let fed = feed(task.as_mut(), vec![texts(0, &values("old", 10))]).await;
    assert!(fed.error.is_none(), "{:?}", fed.error);
    let mut task = rig.start(false).await.unwrap();
    let fed = feed(task.as_mut(), vec![texts(0, &values("new", 5))]).await;
    fed.error.map_or(Ok(()), |error| Err(whole(&error)))
}

#[tokio::test]
async fn report_b1_a_topic_made_anew_is_no_replay() {
    for ordered in ["false", "true"] {
        let rig = inserting(ordered, &[]).await;
        let error = made_anew(&rig).await.unwrap_err();
        for piece in [
            "shop.orders",
            "topic orders, partition 0, offset 0",
            "replace",
        ] {
            assert!(error.contains(piece), "{error}");
        }
        let documents = rig.documents("shop", "orders").await;
        assert_eq!(value_of(&documents, "orders#0#0"), "old0");
    }
}

#[tokio::test]
async fn report_b1_another_document_gives_way_where_that_is_asked_for() {
    for ordered in ["false", "true"] {
        let policy = [("millstream.mongo.duplicate.policy", "replace")];
        let rig = inserting(ordered, &policy).await;
        made_anew(&rig).await.unwrap();
        let documents = rig.documents("shop", "orders").await;
        assert_eq!(documents.len(), 10);
        assert_eq!(value_of(&documents, "orders#0#0"), "new0");
        assert_eq!(value_of(&documents, "orders#0#4"), "new4");
        assert_eq!(value_of(&documents, "orders#0#5"), "old5");
    }
}

#[tokio::test]
async fn report_b1_holds_where_the_server_names_no_index() {
    let rig = inserting("false", &[]).await;
    let mut task = rig.start(false).await.unwrap();
    feed(task.as_mut(), vec![texts(0, &values("old", 3))]).await;
    let refused: Vec<_> = (0..3)
        .map(|index| doc! {"index": index, "code": 11000, "errmsg": "E11000 duplicate key error collection: shop.orders"})
        .collect();
    let answer = doc! {"n": 0, "writeErrors": refused, "ok": 1.0};
    rig.proxy
        .break_all("insert", DocumentFaultAction::ReplaceReply(answer));
    let fed = feed(task.as_mut(), vec![texts(0, &values("old", 3))]).await;
    assert!(fed.error.is_none(), "{:?}", fed.error);
    // One round trip more, not one a document.
    assert_eq!(rig.sent("find"), 1);
    let fed = feed(task.as_mut(), vec![texts(0, &values("new", 3))]).await;
    assert_eq!(rig.sent("find"), 2);
    let error = whole(&fed.error.unwrap());
    assert!(error.contains("holds another document"), "{error}");
}

#[tokio::test]
async fn report_b18_a_replay_costs_one_look_up_a_batch() {
    for ordered in ["false", "true"] {
        let rig = inserting(ordered, &[]).await;
        let mut task = rig.start(false).await.unwrap();
        for _ in 0..2 {
            let fed = feed(task.as_mut(), vec![texts(0, &values("v", 3000))]).await;
            assert!(fed.error.is_none(), "{:?}", fed.error);
        }
        assert_eq!(rig.sent("find"), 1, "ordered {ordered}");
        assert_eq!(rig.documents("shop", "orders").await.len(), 3000);
    }
}
