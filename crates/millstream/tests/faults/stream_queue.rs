//! The hash job over a queue of SQS, started as a container starts it: what is taken off the queue is in the collection,
//! whatever happens to the process; and slips in the queue's URL are answered with what to write.

use crate::sqs::{QUEUE, Queue, assert_none_lost, body};
use crate::stage::Stage;
use crate::worker::{Worker, until};
use md5::{Digest, Md5};
use millstream_embedded::aws::QueueSettings;
use std::collections::BTreeMap;
use std::fs;

struct Job {
    stage: Stage,
    sqs: Queue,
}

impl Job {
    async fn new() -> Self {
        Job {
            stage: Stage::new().await,
            sqs: Queue::new(QUEUE, QueueSettings::default()).await,
        }
    }

    async fn start(&self, name: &str, more: &[(&str, &str)]) -> Worker {
        let file = self.stage.path("queue.properties");
        fs::write(&file, "sqs.wait.time.seconds=1\n").unwrap();
        let uri = self.stage.document_uri();
        let mut env = vec![
            ("MONGODB_URI", uri.as_str()),
            ("LISTENERS", "http://127.0.0.1:0"),
            ("INPUT_URL", &self.sqs.url),
            ("INPUT_PROPERTIES", file.to_str().unwrap()),
            ("AWS_ACCESS_KEY_ID", "key"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
        ];
        env.extend(more);
        let log = self.stage.path(&format!("{name}.log"));
        Worker::start(&["stream"], &env, log).await
    }

    /// Whatever is taken off is in the collection.
    async fn assert_settled_is_stored(&self) {
        let settled = self.sqs.now().deleted;
        let settled: Vec<String> = settled.iter().map(|body| hash(body)).collect();
        assert_none_lost(&settled, &self.stage.document_values().await);
    }

    async fn assert_each_once(&self, messages: usize) {
        let wanted: BTreeMap<String, usize> = (0..messages).map(|n| (hash(&body(n)), 1)).collect();
        let stored = self.stage.document_values().await;
        assert!(
            stored == wanted,
            "{} of {messages}: {stored:?}",
            stored.len()
        );
    }
}

fn hash(body: &str) -> String {
    let digest = Md5::digest(body.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// By region, account and name, at the endpoint that the environment names; no brokers are known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_becomes_hashes() {
    let job = Job::new().await;
    job.sqs.send(0..500);
    let endpoint = job.sqs.service.endpoint();
    let more = [
        ("INPUT_URL", "sqs://eu-west-1/123456789012/orders"),
        ("AWS_ENDPOINT_URL_SQS", endpoint.as_str()),
        // Of an earlier life as a reader of a topic.
        ("GROUP_ID", "g"),
    ];
    let worker = job.start("first", &more).await;
    job.sqs.drained(&worker, 500).await;
    job.assert_each_once(500).await;
    assert_eq!(worker.metric("millstream_queue_settled_total").await, 500);
    let (_, info) = worker.request("GET", "/connectors/stream", None).await;
    assert_eq!(info["config"]["input.type"], "sqs", "{info}");
    let log = worker.log();
    let told =
        "without effect, because records come from INPUT_URL (--input): GROUP_ID (--group-id)";
    assert!(log.contains(told), "{log}");
}

/// At a signal what is under way is written and settled, and the rest goes back at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_under_load_loses_and_doubles_nothing() {
    let job = Job::new().await;
    job.sqs.send(0..4000);
    let mut worker = job.start("first", &[]).await;
    until("some documents", || async {
        (job.sqs.now().deleted.len() > 200).then_some(())
    })
    .await;
    worker.signal("-TERM");
    assert_eq!(worker.ended().await, 0, "{}", worker.log());
    job.sqs.receives_ended().await;
    let stored = job.stage.document_values().await;
    assert_eq!(
        job.sqs.now().deleted.len(),
        stored.len(),
        "{}",
        worker.log()
    );
    job.sqs.return_messages();
    let worker = job.start("second", &[]).await;
    job.sqs.drained(&worker, 4000).await;
    job.assert_each_once(4000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_loses_nothing() {
    let job = Job::new().await;
    for round in 0..3 {
        job.sqs.send(round * 1000..(round + 1) * 1000);
        let worker = job.start(&format!("worker-{round}"), &[]).await;
        let wanted = round * 1000 + 300;
        until("some to be settled", || async {
            (job.sqs.now().deleted.len() > wanted).then_some(())
        })
        .await;
        worker.signal("-KILL");
        drop(worker);
        job.sqs.receives_ended().await;
        job.assert_settled_is_stored().await;
        job.sqs.return_messages();
    }
    let worker = job.start("last", &[]).await;
    job.sqs.drained(&worker, 3000).await;
    let stored = job.stage.document_values().await;
    let wanted: Vec<String> = (0..3000).map(|n| hash(&body(n))).collect();
    let lost = wanted.iter().filter(|value| !stored.contains_key(*value));
    assert_eq!(lost.count(), 0);
    assert_eq!(stored.len(), wanted.len());
}

/// All that is wrong is told at once, by the names that people type, and without passwords.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slips_end_the_process_with_what_to_write() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let run = async |arguments: &[&str]| {
        let line = [&["stream"][..], arguments].concat();
        let (code, log) = Worker::run(&line, &[], log.clone()).await;
        assert_ne!(code, 0, "{log}");
        log
    };
    let told = run(&["--input", "sqs://orders"]).await;
    for part in [
        "2 error(s)",
        "INPUT_URL (--input): sqs://orders has no three parts; write sqs://eu-west-1/123456789012/orders",
        "MONGODB_URI (--mongodb-uri) is missing",
    ] {
        assert!(told.contains(part), "{part} in {told}");
    }
    assert!(!told.contains("KAFKA_BOOTSTRAP_SERVERS"), "{told}");
    let file = folder.path().join("queue.properties");
    fs::write(&file, "rabbitmq.port=99999\nrabbitmq.prefetch.cuont=7\n").unwrap();
    let told = run(&[
        "--mongodb-uri",
        "mongodb://localhost:1",
        "--input",
        "amqps://u:s3cr3t@h/shop?queue=q",
        "--input-properties",
        file.to_str().unwrap(),
    ])
    .await;
    let expected = format!("rabbitmq.port in {}: a port is a number", file.display());
    assert!(told.contains(&expected), "{told}");
    assert!(!told.contains("s3cr3t"), "{told}");
}
