//! The document sink in the whole binary: what stands in the collection decides what a duplicate is, the plan decides no
//! result, and failures tell places and no content.

use crate::case::{Shows, see};
use crate::stage::{STREAM, Stage, TOPIC};
use crate::worker::{Worker, until};
use mongodb::Client;
use mongodb::bson::{Bson, Document, doc};
use serde_json::json;

const SINK: &str = "document-sink";
const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";

async fn post(stage: &Stage, worker: &Worker, collection: &str, more: &[(&str, &str)]) {
    let mut config = json!({
        "connector.class": "com.mongodb.kafka.connect.MongoSinkConnector",
        "topics": TOPIC,
        "consumer.override.auto.offset.reset": "earliest",
        "connection.uri": stage.document_uri(),
        "database": "shop",
        "collection": collection,
    });
    for (key, value) in more {
        config[*key] = json!(value);
    }
    let name = format!("{SINK}-{collection}");
    worker.create(&name, &config).await;
}

async fn stored(stage: &Stage, collection: &str) -> Document {
    let uri = format!("mongodb://{}", stage.document_wire.address());
    let client = Client::with_uri_str(uri).await.unwrap();
    let collection = client.database("shop").collection::<Document>(collection);
    until("the document", || async {
        collection.find_one(doc! {}).await.ok().flatten()
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_b1_another_hash_of_the_same_records_is_not_in_the_collection_already() {
    let stage = Stage::new().await;
    stage.produce(3);
    let first = stage.stream("first").await;
    stage.stored().await;
    drop(first);
    let other = [("HASH_ALGORITHM", "sha256"), ("GROUP_ID", "again")];
    let second = stage.stream_with("second", &other).await;
    let seen = see(&stage, &second, STREAM, Shows::Failed).await;
    assert!(seen.contains("holds another document"), "{seen}");
    assert!(!second.log().contains("were in the collection already"));
    stage.stored().await;
    drop(second);
    let replacing = [
        ("HASH_ALGORITHM", "sha256"),
        ("GROUP_ID", "again"),
        ("ON_OTHER_DOCUMENT", "replace"),
    ];
    let _third = stage.stream_with("third", &replacing).await;
    let uri = format!("mongodb://{}", stage.document_wire.address());
    let client = Client::with_uri_str(uri).await.unwrap();
    let collection = client.database("kafka").collection::<Document>("hashed");
    // Of SHA-256, not of MD5.
    let replaced = doc! {"value": {"$regex": "^[0-9a-f]{64}$"}};
    until("the new documents", || async {
        let count = collection.count_documents(replaced.clone()).await.ok()?;
        (count == 9).then_some(())
    })
    .await;
    assert_eq!(stage.document_count().await, Some(9));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_b5_a_document_does_not_depend_on_the_plan() {
    let stage = Stage::new().await;
    let deep = format!("{}1{}", r#"{"d":"#.repeat(150), "}".repeat(150));
    let value = format!(
        r#"{{"_id":1,"comment":"nice \ud83d","a":1e400,"b":["Infinity",-1e999],"deep":{deep}}}"#
    );
    stage
        .broker
        .produce(TOPIC, 0, None, Some(value.as_bytes()))
        .unwrap();
    let worker = stage.standalone("worker", &[]).await;
    let plain = [
        ("value.converter", JSON),
        ("value.converter.schemas.enable", "false"),
    ];
    post(&stage, &worker, "raw", &plain).await;
    let transform = [
        ("transforms", "t"),
        (
            "transforms.t.type",
            "org.apache.kafka.connect.transforms.ReplaceField$Value",
        ),
        ("transforms.t.exclude", "nothing"),
    ];
    let transformed: Vec<(&str, &str)> = plain.iter().chain(&transform).copied().collect();
    post(&stage, &worker, "decoded", &transformed).await;
    let raw = stored(&stage, "raw").await;
    assert_eq!(raw, stored(&stage, "decoded").await);
    assert_eq!(raw.get("a"), Some(&Bson::Double(f64::INFINITY)));
    assert_eq!(raw.get_str("comment").unwrap(), "nice \u{fffd}");
    let list = raw.get_array("b").unwrap();
    assert_eq!(
        list,
        &[
            Bson::String("Infinity".to_owned()),
            Bson::Double(f64::NEG_INFINITY)
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_b8_status_and_log_show_no_content() {
    const SECRET: &str = "SECRETVALUE";
    let stage = Stage::new().await;
    let text = SECRET.repeat(1000);
    stage
        .broker
        .produce(TOPIC, 1, None, Some(text.as_bytes()))
        .unwrap();
    let worker = stage.standalone("worker", &[]).await;
    post(&stage, &worker, "text", &[]).await;
    let cast = [
        ("transforms", "t"),
        (
            "transforms.t.type",
            "org.apache.kafka.connect.transforms.Cast$Value",
        ),
        ("transforms.t.spec", "int8"),
    ];
    post(&stage, &worker, "cast", &cast).await;
    for collection in ["text", "cast"] {
        let name = format!("{SINK}-{collection}");
        let failed = |task: &crate::rest::Task| task.state == "FAILED";
        let task = worker.task_until(&name, "failed", failed).await;
        assert!(!task.trace.contains(SECRET), "{}", task.trace);
        assert!(task.trace.contains("offset"), "{}", task.trace);
    }
    assert!(!worker.log().contains(SECRET));
    post(
        &stage,
        &worker,
        "shown",
        &[("millstream.errors.show.content", "true")],
    )
    .await;
    let failed = |task: &crate::rest::Task| task.state == "FAILED";
    let name = format!("{SINK}-shown");
    let task = worker.task_until(&name, "failed", failed).await;
    assert!(task.trace.contains(SECRET), "{}", task.trace);
}
