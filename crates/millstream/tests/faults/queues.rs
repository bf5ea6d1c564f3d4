//! Sinks whose records come from a queue of SQS: what is settled is stored, whatever happens to the worker, the sink and the
//! queue; and what the queue makes come twice is known by name.

use crate::queue_stage::{QueueStage, SOON};
use crate::sqs::{QUEUE, body};
use crate::stage::ARCHIVE;
use crate::worker::until;
use hyper::StatusCode;
use millstream_embedded::aws::{QueueSettings, Step};
use millstream_embedded::s3::S3Action;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const FIFO: &str = "orders.fifo";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_is_archived_and_settled() {
    let settings = QueueSettings {
        fails_every: Some(7),
        ..QueueSettings::default()
    };
    let queue = QueueStage::new(QUEUE, settings).await;
    queue.sqs.send(0..730);
    let worker = queue.start("first", &SOON).await;
    queue.sqs.drained(&worker, 730).await;
    queue.assert_each_once(730);
    assert_eq!(queue.sqs.now().most_receives, 1);
    assert_eq!(worker.metric("millstream_queue_settled_total").await, 730);
    let (_, topics) = worker
        .request("GET", "/connectors/s3-sink/topics", None)
        .await;
    assert_eq!(topics["s3-sink"]["topics"], json!([QUEUE]));
}

/// A worker whose connectors all read queues asks Kafka for nothing, until somebody asks it about Kafka.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_of_queues_alone_does_without_kafka() {
    let queue = QueueStage::new(QUEUE, QueueSettings::default()).await;
    queue.sqs.send(0..40);
    let worker = queue.start("first", &SOON).await;
    queue.sqs.drained(&worker, 40).await;
    assert_eq!(queue.stage.broker_wire.accepted(), 0);
    let (status, answer) = worker.request("GET", "/", None).await;
    assert_eq!(status, StatusCode::OK);
    assert!(answer["kafka_cluster_id"].is_string(), "{answer}");
    assert!(queue.stage.broker_wire.accepted() > 0);
}

/// Messages become documents under the id that they bring.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_becomes_documents() {
    let queue = QueueStage::new(QUEUE, QueueSettings::default()).await;
    let documents = (0..500).map(|n| (json!({"_id": body(n), "n": n}).to_string(), None));
    queue.sqs.send_all(documents);
    let worker = queue.stage.standalone("first", &[]).await;
    let config = json!({
        "connector.class": "com.mongodb.kafka.connect.MongoSinkConnector",
        "tasks.max": 2,
        "input.type": "sqs",
        "sqs.url": queue.sqs.url,
        "sqs.wait.time.seconds": 1,
        "aws.access.key.id": "key",
        "aws.secret.access.key": "secret",
        "connection.uri": queue.stage.document_uri(),
        "database": "kafka",
        "collection": "hashed",
        "document.id.strategy": "com.mongodb.kafka.connect.sink.processor.id.strategy.ProvidedInValueStrategy",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable": false,
    });
    worker.create("documents", &config).await;
    queue.sqs.drained(&worker, 500).await;
    let wanted: BTreeSet<String> = (0..500).map(body).collect();
    assert_eq!(queue.stage.document_ids().await, wanted);
}

/// An answer that is lost is no reason for a second copy.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_whose_answer_was_lost_is_stored_once() {
    let queue = QueueStage::new(QUEUE, QueueSettings::default()).await;
    let faults = queue.stage.s3.faults();
    faults.fail_next("CompleteMultipartUpload", S3Action::LoseAnswer, 2);
    faults.fail_next("PutObject", S3Action::LoseAnswer, 1);
    queue.sqs.send(0..100);
    let worker = queue.start("first", &[("flush.size", "25")]).await;
    queue.sqs.drained(&worker, 100).await;
    queue.assert_each_once(100);
    assert_eq!(faults.left(), 0);
    // Named by queue, task, the time of its opening, and records.
    let names = queue.stage.object_names();
    assert_eq!(names.len(), 4);
    for name in names {
        let id = name.strip_prefix("orders+0+01");
        let id = id.and_then(|rest| rest.strip_suffix("+25.json"));
        assert_eq!(id.map(str::len), Some(24), "{name}");
    }
}

/// At a signal what is open is closed and settled, and the rest goes back at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_settles_what_is_stored_and_gives_back_the_rest() {
    let queue = QueueStage::new(QUEUE, QueueSettings::default()).await;
    queue.sqs.send(0..1500);
    let mut worker = queue.start("first", &[("flush.size", "70")]).await;
    until("some objects", || async {
        (queue.stored().len() > 200).then_some(())
    })
    .await;
    worker.signal("-TERM");
    assert_eq!(worker.ended().await, 0, "{}", worker.log());
    queue.sqs.receives_ended().await;
    let now = queue.sqs.now();
    assert_eq!(now.deleted.len(), queue.stored().len());
    // What was on its way to the worker as it ended: four receives at most.
    assert!(now.in_flight <= 40, "{}", worker.log());
    queue.sqs.return_messages();
    let worker = queue.start("second", &SOON).await;
    queue.sqs.drained(&worker, 1500).await;
    queue.assert_each_once(1500);
}

/// A size that the queue never fills does not keep records open for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_queue_cannot_fill_is_closed_all_the_same() {
    let queue = QueueStage::new(QUEUE, QueueSettings::default()).await;
    queue.sqs.send(0..35);
    let more = [("flush.size", "5000"), ("input.idle.flush.ms", "300")];
    let worker = queue.start("first", &more).await;
    queue.sqs.drained(&worker, 35).await;
    queue.assert_each_once(35);
    let starved =
        r#"millstream_queue_flushes_total{connector="s3-sink",task="0",reason="starved"}"#;
    assert!(worker.metric(starved).await > 0);
}

/// A FIFO queue gives ten messages of a group at a time. Each group is stored in order, and nothing is deleted before what
/// came before it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fifo_queue_keeps_the_order_of_its_groups() {
    let settings = QueueSettings {
        fails_every: Some(5),
        ..QueueSettings::default()
    };
    let queue = QueueStage::new(FIFO, settings).await;
    let groups = ["a", "b", "c"];
    let messages = (0..120).map(|n| {
        (
            format!("{}-{:03}", groups[n % 3], n / 3),
            Some(groups[n % 3]),
        )
    });
    queue.sqs.send_all(messages);
    let worker = queue.start("first", &[("flush.size", "1000")]).await;
    queue.sqs.drained(&worker, 120).await;
    let mut last: BTreeMap<String, String> = BTreeMap::new();
    for line in queue.stage.lines_in_order() {
        let (group, number) = line.split_once('-').unwrap();
        let before = last.insert(group.to_owned(), number.to_owned());
        assert!(
            before.is_none_or(|before| *before < *number),
            "{line} is out of order"
        );
    }
    assert_eq!(queue.stored().len(), 120);
}

/// While S3 is away no more is held than may be, nothing goes back and forth, and nothing is stored twice afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_the_sink_holds_what_may_be_held() {
    let queue = QueueStage::new(QUEUE, QueueSettings::default()).await;
    let more = [
        ("flush.size", "20"),
        ("input.max.held.messages", "60"),
        ("input.idle.flush.ms", "500"),
    ];
    let worker = queue.start("first", &more).await;
    queue.sqs.send(0..20);
    queue.sqs.drained(&worker, 20).await;
    queue.stage.s3_wire.go_away();
    queue.sqs.send(20..400);
    worker
        .task_until(ARCHIVE, "that says that S3 is away", |task| {
            task.degraded.is_some()
        })
        .await;
    let full = r#"millstream_queue_state{connector="s3-sink",task="0",state="full"}"#;
    until("a full task", || async {
        (worker.metric(full).await == 1).then_some(())
    })
    .await;
    assert_eq!(queue.sqs.now().in_flight, 60);
    queue.stage.s3_wire.heal();
    queue.sqs.drained(&worker, 400).await;
    queue.assert_each_once(400);
    let now = queue.sqs.now();
    assert_eq!((now.most_receives, now.most_in_flight), (1, 60));
}

/// Messages come again while they are open: they are stored once, and settled by the handle that counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_again_while_it_is_open_is_not_stored_twice() {
    let settings = QueueSettings {
        lapses_after: Some(Duration::from_millis(400)),
        ..QueueSettings::default()
    };
    let queue = QueueStage::new(QUEUE, settings).await;
    queue.sqs.send(0..25);
    let worker = queue.start("first", &[("flush.size", "26")]).await;
    let again = "millstream_queue_doubles_kept_out_total";
    until("all of them to come again", || async {
        (worker.metric(again).await >= 25).then_some(())
    })
    .await;
    queue.sqs.set(QueueSettings::default());
    queue.sqs.return_messages();
    until("the last handles to be known", || async {
        let now = queue.sqs.now();
        let received = worker.metric("millstream_queue_received_total").await;
        (now.in_flight == 25 && now.waiting == 0 && received == now.receives as u64).then_some(())
    })
    .await;
    queue.sqs.send(25..26);
    queue.sqs.drained(&worker, 26).await;
    queue.assert_each_once(26);
}

/// What SQS answers in a bad moment is told of while it lasts, and nothing is lost by it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_the_queue_is_told_of() {
    let queue = QueueStage::new(QUEUE, QueueSettings::default()).await;
    let failing = || Step::error(503, "ServiceUnavailable", "not now");
    queue
        .sqs
        .service
        .script("ReceiveMessage", std::iter::repeat_with(failing).take(12));
    queue.sqs.service.script(
        "DeleteMessageBatch",
        std::iter::repeat_with(failing).take(7),
    );
    queue.sqs.send(0..40);
    let worker = queue.start("first", &[("flush.size", "20")]).await;
    let task = worker
        .task_until(ARCHIVE, "that says that SQS is away", |task| {
            task.degraded.is_some()
        })
        .await;
    let reason = task.degraded.unwrap();
    assert!(
        reason.contains("queue orders: SQS ReceiveMessage: ServiceUnavailable: not now"),
        "{reason}"
    );
    queue.sqs.drained(&worker, 40).await;
    queue.assert_each_once(40);
    worker
        .task_until(ARCHIVE, "that is well again", |task| task.is_well())
        .await;
}

/// A body that has changed on its way is not stored; it comes again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_does_not_match_its_md5_is_not_stored() {
    let settings = QueueSettings {
        corrupts: 2,
        ..QueueSettings::default()
    };
    let queue = QueueStage::new(QUEUE, settings).await;
    queue.sqs.send(0..5);
    let worker = queue
        .start(
            "first",
            &[("flush.size", "5"), ("input.idle.flush.ms", "200")],
        )
        .await;
    until("the others to be settled", || async {
        (queue.sqs.now().deleted.len() == 3).then_some(())
    })
    .await;
    queue.sqs.return_messages();
    queue.sqs.drained(&worker, 5).await;
    queue.assert_each_once(5);
    assert!(
        worker.log().contains("bodies do not match their MD5"),
        "{}",
        worker.log()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_task_gives_its_messages_back_and_goes_on() {
    let queue = QueueStage::new(QUEUE, QueueSettings::default()).await;
    queue.sqs.send(0..50);
    let worker = queue
        .start(
            "first",
            &[("flush.size", "1000"), ("input.idle.flush.ms", "60000")],
        )
        .await;
    until("all to be received", || async {
        (queue.sqs.now().in_flight == 50).then_some(())
    })
    .await;
    worker
        .request("PUT", "/connectors/s3-sink/pause", None)
        .await;
    // What was open is stored, and what comes meanwhile is left to others.
    until("what was open to be stored", || async {
        let now = queue.sqs.now();
        (now.in_flight == 0 && now.receiving == 0).then_some(())
    })
    .await;
    queue.sqs.send(50..60);
    worker
        .request("PUT", "/connectors/s3-sink/resume", None)
        .await;
    until("the others to be received", || async {
        (queue.sqs.now().in_flight == 10).then_some(())
    })
    .await;
    drop(worker);
}

/// All that is wrong is told at once, each with its key and what to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_cannot_work_are_refused() {
    let queue = QueueStage::new(QUEUE, QueueSettings::default()).await;
    let worker = queue.stage.standalone("first", &[]).await;
    let refused = async |config: &Value| {
        let body = json!({"name": ARCHIVE, "config": config});
        let (status, answer) = worker.request("POST", "/connectors", Some(&body)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{answer}");
        answer["message"].as_str().unwrap().to_owned()
    };
    let mut config = queue.archive(&[("flush.size", "30000"), ("input.max.hold.ms", "40000000")]);
    config["topics"] = "t".into();
    config["sqs.messages.max"] = 11.into();
    let message = refused(&config).await;
    for expected in [
        "contains the following 4 error(s)",
        "flush.size: 30000 is above input.max.held.messages, which is 20000",
        "topics: records come from input.type, which is sqs; remove one of the two",
        "input.max.hold.ms: 40000000 is more than 80 % of the time",
        "Invalid value 11 for configuration sqs.messages.max",
    ] {
        assert!(message.contains(expected), "{message}");
    }
    let mut config = queue.archive(&[]);
    config["input.type"] = "kinesis".into();
    let message = refused(&config).await;
    let expected = "input.type: there is no input kinesis; write sqs or rabbitmq or activemq, or remove it to read from Kafka";
    assert!(message.contains(expected), "{message}");
}

/// A queue that is not there ends the task, with its name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_is_not_there_is_named() {
    let queue = QueueStage::new(QUEUE, QueueSettings::default()).await;
    let worker = queue.stage.standalone("first", &[]).await;
    let mut config = queue.archive(&[]);
    config["sqs.queue.url"] = format!("{}/1/nobody", queue.sqs.service.endpoint()).into();
    worker.create(ARCHIVE, &config).await;
    let task = worker
        .task_until(ARCHIVE, "that has failed", |task| task.state == "FAILED")
        .await;
    let expected = "queue nobody: SQS GetQueueAttributes: QueueDoesNotExist: The specified queue does not exist.";
    assert!(task.trace.contains(expected), "{}", task.trace);
}
