//! Time series collections that are there already, of their kind or of another.

use super::{texts, whole};
use crate::support::rig::{Rig, feed};
use bson::{Document, doc};
use millstream_embedded::documents::{DocumentFault, DocumentFaultAction};
use serde_json::json;

async fn started(collection: Document, faults: Vec<DocumentFault>) -> Rig {
    let config = json!({"topics": "orders", "database": "shop", "timeseries.timefield": "t",
        "timeseries.timefield.auto.convert": "true", "errors.tolerance": "all"});
    let rig = Rig::new(&config, faults).await;
    let client = mongodb::Client::with_uri_str(format!("mongodb://{}/", rig.store))
        .await
        .unwrap();
    client
        .database("shop")
        .run_command(collection)
        .await
        .unwrap();
    rig
}

fn values() -> Vec<String> {
    vec![r#"{"t":1,"v":"one"}"#.to_owned()]
}

#[tokio::test]
async fn a_collection_that_somebody_else_makes_meanwhile_is_taken() {
    // The task has looked before the other one made it.
    let not_there = DocumentFault {
        command: "collStats".to_owned(),
        nth: 1,
        action: DocumentFaultAction::ReplaceReply(doc! {"ok": 1.0, "nindexes": 0}),
    };
    let theirs = doc! {"create": "orders", "timeseries": {"timeField": "t"}};
    let rig = started(theirs, vec![not_there]).await;
    let mut task = rig.start(true).await.unwrap();
    for offset in [0, 1] {
        let fed = feed(task.as_mut(), vec![texts(offset, &values())]).await;
        assert!(fed.error.is_none(), "{:?}", fed.error);
    }
    assert_eq!(rig.sent("create"), 1);
    // Once it is known, it is not asked for again.
    assert_eq!(rig.sent("collStats"), 2);
    assert_eq!(rig.documents("shop", "orders").await.len(), 2);
}

#[tokio::test]
async fn an_ordinary_collection_ends_the_task_whatever_is_tolerated() {
    let rig = started(doc! {"create": "orders"}, Vec::new()).await;
    let mut task = rig.start(true).await.unwrap();
    let fed = feed(task.as_mut(), vec![texts(0, &values())]).await;
    let error = whole(&fed.error.unwrap());
    assert!(
        error.contains("`shop.orders` that is not a timeseries collection"),
        "{error}"
    );
    assert!(fed.rejected.is_empty());
    assert_eq!(rig.documents("shop", "orders").await.len(), 0);
}
