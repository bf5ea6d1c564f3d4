//! Events of change data capture, read once and read again.

use super::texts;
use crate::support::rig::{Rig, feed};
use bson::{Document, doc};
use millstream_embedded::documents::{DocumentFault, DocumentFaultAction};
use serde_json::json;

const HANDLER: &str = "com.mongodb.kafka.connect.sink.cdc.mongodb.ChangeStreamHandler";

fn event(operation: &str, id: u32, more: &str) -> String {
    format!(r#"{{"operationType":"{operation}","documentKey":{{"_id":{id}}}{more}}}"#)
}

#[tokio::test]
async fn events_that_are_read_again_leave_the_same_documents() {
    let config =
        json!({"topics": "orders", "database": "shop", "change.data.capture.handler": HANDLER});
    let rig = Rig::new(&config, Vec::new()).await;
    let full = |id: u32, v: &str| format!(r#","fullDocument":{{"_id":{id},"v":"{v}"}}"#);
    let events = [
        event("insert", 1, &full(1, "a")),
        event("insert", 2, &full(2, "b")),
        event(
            "update",
            1,
            r#","updateDescription":{"updatedFields":{"v":"c","w":1},"removedFields":["x"]}"#,
        ),
        event("drop", 9, ""),
        event("delete", 2, ""),
        // Nothing is made of an update whose document is gone.
        event("update", 2, &full(2, "d")),
    ];
    let expected: Vec<Document> = vec![doc! {"_id": 1, "v": "c", "w": 1}];
    for first in [0, 2, 4] {
        // The last events are read again, as after a crash; those before them have been committed.
        let mut task = rig.start(false).await.unwrap();
        let again = texts(first as i64, &events[first..]);
        let fed = feed(task.as_mut(), vec![again]).await;
        assert!(fed.error.is_none(), "{:?}", fed.error);
        assert_eq!(rig.documents("shop", "orders").await, expected);
        let taken: i64 = fed
            .done
            .iter()
            .map(|(_, range)| range.end - range.start)
            .sum();
        assert_eq!(taken, (events.len() - first) as i64);
    }
}

/// The events make three commands, of which the second gets no answer.
#[tokio::test]
async fn what_was_stored_before_the_store_went_away_is_no_dead_letter() {
    let settings = json!({
        "topics": "orders", "database": "shop", "change.data.capture.handler": HANDLER, "errors.tolerance": "all",
    });
    let away = DocumentFault {
        command: "delete".to_owned(),
        nth: 1,
        action: DocumentFaultAction::CloseBefore,
    };
    let rig = Rig::new(&settings, vec![away]).await;
    let full = |id: u32| format!(r#","fullDocument":{{"_id":{id}}}"#);
    let events = [
        event("insert", 1, &full(1)),
        event("insert", 2, &full(2)),
        event("delete", 1, ""),
        event("insert", 3, &full(3)),
    ];
    let mut task = rig.start(true).await.unwrap();
    let fed = feed(task.as_mut(), vec![texts(0, &events)]).await;
    assert!(fed.error.is_none(), "{:?}", fed.error);
    let refused: Vec<i64> = fed.rejected.iter().map(|row| row.offset).collect();
    assert_eq!(refused, [2, 3]);
    let stored: Vec<Document> = vec![doc! {"_id": 1}, doc! {"_id": 2}];
    assert_eq!(rig.documents("shop", "orders").await, stored);
}
