//! Events of change data capture, read once and read again.

use super::texts;
use crate::support::rig::{Rig, feed};
use bson::{Document, doc};
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
