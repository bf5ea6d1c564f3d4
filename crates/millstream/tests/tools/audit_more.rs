//! What `millstream audit` compares a bucket with: the topic, its group, an earlier run; and documents in place of objects.

use super::bucket::{RECORDS, Store};
use super::stage::{Stage, run};
use millstream_embedded::documents::DocumentServer;
use mongodb::bson::{Document, doc};
use mongodb::{Client, Collection};
use serde_json::Value;
use std::fs;

fn kinds(out: &str) -> Vec<(String, String)> {
    let report: Value = serde_json::from_str(out).unwrap();
    let counts = report["counts"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    counts
        .map(|count| (text(&count["severity"]), text(&count["kind"])))
        .collect()
}

fn of(severity: &str, kind: &str) -> Vec<(String, String)> {
    vec![(severity.to_owned(), kind.to_owned())]
}

/// The topic of the bucket: two partitions with so many records.
async fn topic(stage: &Stage, records: i64) {
    stage.broker.create_topic("orders", 2).unwrap();
    for partition in 0..2 {
        for _ in 0..records {
            stage
                .broker
                .produce("orders", partition, None, Some(b"x"))
                .unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_topic_and_its_group_say_what_has_to_be_there() {
    let stage = Stage::new().await;
    let store = Store::new().await;
    store.fill("archive", &[]).await;
    let file = store.file("archive", &[], "connector.json");
    let audit = async |more: &str| {
        let line = format!("audit --json --deep {more}");
        let ended = stage.with(&line, &[file.to_str().unwrap()], "").await;
        (ended.code, kinds(&ended.out), ended)
    };
    topic(&stage, RECORDS).await;
    let (code, found, ended) = audit("").await;
    assert_eq!((code, found), (0, Vec::new()), "{ended:?}");
    assert!(ended.out.contains("\"outcome\":\"proven\""), "{ended:?}");

    // The group of the connector has not committed as much; then more than is stored.
    let committed = async |offset: i64| {
        let to = format!(
            "groups --reset-offsets --group connect-archive --topic orders --to-offset {offset} --execute"
        );
        stage.out(&to).await;
    };
    stage.broker.produce("orders", 0, None, Some(b"x")).unwrap();
    let (code, found, ended) = audit("").await;
    assert_eq!((code, found), (0, of("note", "gap-at-end")), "{ended:?}");
    committed(20).await;
    let (code, found, ended) = audit("").await;
    assert_eq!((code, found), (0, Vec::new()), "{ended:?}");
    stage.broker.produce("orders", 1, None, Some(b"x")).unwrap();
    committed(31).await;
    let (code, found, ended) = audit("").await;
    assert_eq!((code, found), (1, of("error", "gap-at-end")), "{ended:?}");
    let (code, found, ended) = audit("--allow-gaps").await;
    assert_eq!((code, found), (0, of("note", "gap-at-end")), "{ended:?}");

    // A topic that was made anew.
    stage.broker.delete_topic("orders").unwrap();
    topic(&stage, 3).await;
    let (code, found, ended) = audit("--group other").await;
    assert_eq!((code, found), (1, of("error", "beyond-end")), "{ended:?}");
    stage.broker.delete_topic("orders").unwrap();
    stage.broker.create_topic("orders", 1).unwrap();
    let (_, found, ended) = audit("--group other").await;
    assert!(
        found.contains(&("error".to_owned(), "unknown-partition".to_owned())),
        "{ended:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_without_records_are_no_gaps_when_the_topic_is_read() {
    let stage = Stage::new().await;
    let store = Store::new().await;
    stage.broker.create_topic("orders", 1).unwrap();
    for n in 0..20 {
        let value = (n % 4 != 1).then(|| format!("{n}"));
        let value = value.as_deref().map(str::as_bytes);
        stage.broker.produce("orders", 0, None, value).unwrap();
    }
    let settings = [("behavior.on.null.values", "ignore")];
    store
        .archive(&stage.servers, "orders", 1, "archive", &settings)
        .await;
    let file = store.file("archive", &settings, "connector.json");
    let audit = async |more: &str| {
        let line = format!("audit --json --deep {more}");
        stage.with(&line, &[file.to_str().unwrap()], "").await
    };
    let blind = audit("").await;
    let gaps = [of("error", "gap"), of("note", "gap-at-end")].concat();
    assert_eq!((blind.code, kinds(&blind.out)), (1, gaps), "{blind:?}");
    assert!(blind.out.contains("--allow-gaps"), "{blind:?}");
    let read = audit("--read-topic").await;
    assert_eq!((read.code, kinds(&read.out)), (0, Vec::new()), "{read:?}");
    assert!(read.out.contains("\"outcome\":\"proven\""), "{read:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_counted_is_not_read_again() {
    let store = Store::new().await;
    store.fill("archive", &[]).await;
    let file = store.file("archive", &[], "connector.json");
    let audit = async || {
        let words = [
            file.to_str().unwrap(),
            "--json",
            "--deep",
            "--resume",
            "journal",
        ];
        let ended = run(store.folder.path(), "audit", &words, "").await;
        let report: Value = serde_json::from_str(&ended.out).unwrap();
        let looked = &report["looked"];
        (
            ended.code,
            looked["read_objects"].as_u64().unwrap(),
            looked["resumed_objects"].as_u64().unwrap(),
        )
    };
    assert_eq!(audit().await, (0, 12, 0));
    assert_eq!(audit().await, (0, 0, 12));
    // Interrupted after seven of them, in the middle of a line.
    let journal = store.folder.path().join("journal");
    let text = fs::read_to_string(&journal).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let cut = format!("{}{}", lines[..8].concat(), &lines[8][..20]);
    fs::write(&journal, cut).unwrap();
    assert_eq!(audit().await, (0, 5, 7));
    // One was replaced: it is read again, and found.
    let key = "topics/orders/partition=0/orders+0+0000000005.json";
    fs::write(store.path("archive", key), "1\n2\n3\n").unwrap();
    assert_eq!(audit().await, (1, 1, 11));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_queues_and_what_is_out_of_reach_are_told() {
    let store = Store::new().await;
    store.fill("archive", &[]).await;
    let file = store.file("archive", &[], "connector.json");
    let audit = async |more: &[&str]| {
        let words = [&[file.to_str().unwrap(), "--json", "--deep"], more].concat();
        run(store.folder.path(), "audit", &words, "").await
    };
    let uploading = store.begin_upload("archive").await;
    let open = audit(&[]).await;
    assert_eq!(
        (open.code, kinds(&open.out)),
        (0, of("note", "open-upload")),
        "{open:?}"
    );
    let old = audit(&["--uploads-older-than", "0s"]).await;
    assert_eq!(
        (old.code, kinds(&old.out)),
        (1, of("warning", "orphaned-upload")),
        "{old:?}"
    );
    drop(uploading);

    // Objects of a queue.
    let id = "01HF7YAT00Z6V2M3QK8D5T9RW";
    for (key, text) in [
        (format!("topics/q/partition=0/q+0+{id}A+2.json"), "1\n2\n"),
        (format!("topics/q/partition=0/q+0+{id}B+2.json"), "1\n"),
        (format!("topics/q/other/q+0+{id}A+2.json"), "1\n2\n"),
        (format!("topics/_millstream/c/{id}B"), "{}"),
    ] {
        let path = store.path("archive", &key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let queue = audit(&["--topic", "q"]).await;
    let expected = [of("error", "duplicate-batch"), of("error", "wrong-count")];
    assert_eq!(
        (queue.code, kinds(&queue.out)),
        (1, expected.concat()),
        "{queue:?}"
    );

    for (words, code, told) in [
        (vec!["--json"], 2, "--bucket"),
        (
            vec!["--bucket", "none", "--endpoint", "http://127.0.0.1:1"],
            69,
            "127.0.0.1:1",
        ),
        (
            vec!["--bucket", "archive", "--setting", "flush.size=x"],
            78,
            "flush.size",
        ),
        (vec!["nowhere.json"], 78, "nowhere.json"),
        (
            vec!["--bucket", "archive", "--from", "5", "--to", "5"],
            2,
            "--to 5",
        ),
        (
            vec![file.to_str().unwrap(), "--topic", "ordres"],
            2,
            "ordres",
        ),
        (
            vec!["--bucket", "archive", "--deep", "--resume", "/"],
            2,
            "--resume",
        ),
    ] {
        let more = [
            "--setting",
            "aws.access.key.id=test",
            "--setting",
            "aws.secret.access.key=test",
            "--setting",
            "s3.part.retries=1",
        ];
        let words = [words, more.to_vec()].concat();
        let ended = run(store.folder.path(), "audit", &words, "").await;
        assert_eq!(ended.code, code, "{words:?}: {ended:?}");
        assert!(ended.err.contains(told), "{words:?}: {ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_are_compared_with_offsets() {
    let stage = Stage::new().await;
    topic(&stage, 120).await;
    let server = DocumentServer::start("127.0.0.1:0".parse().unwrap(), None)
        .await
        .unwrap();
    let uri = format!("mongodb://{}", server.addr());
    let client = Client::with_uri_str(&uri).await.unwrap();
    let collection: Collection<Document> = client.database("kafka").collection("hashed");
    for partition in 0..2 {
        let document =
            |offset: i64| doc! {"_id": format!("orders#{partition}#{offset}"), "value": "x"};
        collection
            .insert_many((0..120).map(document))
            .await
            .unwrap();
    }
    let audit = async || {
        let more = ["--mongodb", uri.as_str()];
        let ended = stage.with("audit --json --topic orders", &more, "").await;
        (ended.code, ended)
    };
    let (code, ended) = audit().await;
    assert_eq!(code, 0, "{ended:?}");
    assert!(ended.out.contains("\"outcome\":\"proven\""), "{ended:?}");
    collection
        .delete_one(doc! {"_id": "orders#1#99"})
        .await
        .unwrap();
    collection
        .delete_one(doc! {"_id": "orders#1#100"})
        .await
        .unwrap();
    let (code, ended) = audit().await;
    assert_eq!(code, 1, "{ended:?}");
    let report: Value = serde_json::from_str(&ended.out).unwrap();
    let finding = &report["findings"][0];
    assert_eq!(
        (
            &finding["kind"],
            &finding["partition"],
            &finding["from"],
            &finding["to"]
        ),
        (
            &"missing-document".into(),
            &1.into(),
            &99.into(),
            &101.into()
        )
    );
    server.stop().await;
}
