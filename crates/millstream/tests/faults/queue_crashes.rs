//! Sinks over a queue whose worker is killed between the write and the settlement: nothing is lost, and what comes again is known
//! by its id.

use crate::queue_stage::{QueueStage, SOON};
use crate::sqs::{QUEUE, assert_doubled_in_hand_only};
use crate::worker::until;
use millstream_embedded::aws::QueueSettings;
use millstream_embedded::s3::S3Action;
use serde_json::json;
use std::collections::BTreeSet;

/// A worker that is killed loses nothing, and stores nothing twice but what it had in hand.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_doubles_only_what_was_in_hand() {
    let queue = QueueStage::new(QUEUE, QueueSettings::default()).await;
    let mut in_hand = BTreeSet::new();
    for round in 0..3 {
        queue.sqs.send(round * 300..(round + 1) * 300);
        let worker = queue
            .start(&format!("worker-{round}"), &[("flush.size", "40")])
            .await;
        let wanted = round * 300 + 120;
        until("some objects", || async {
            (queue.stored().len() > wanted).then_some(())
        })
        .await;
        worker.signal("-KILL");
        drop(worker);
        queue.sqs.receives_ended().await;
        queue.assert_settled_is_stored();
        in_hand.extend(queue.sqs.return_messages());
    }
    let worker = queue.start("last", &SOON).await;
    queue.sqs.drained(&worker, 900).await;
    assert_doubled_in_hand_only(900, &queue.stored(), &in_hand);
}

/// A queue that takes nothing off: what is stored is not settled.
fn settling_nothing() -> QueueSettings {
    QueueSettings {
        fails_every: Some(1),
        ..QueueSettings::default()
    }
}

/// What was written, not settled, and comes again after a crash is one document.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_again_after_a_crash_is_one_document() {
    let queue = QueueStage::new(QUEUE, settling_nothing()).await;
    let documents = (0..60).map(|n| (json!({"n": n}).to_string(), None));
    queue.sqs.send_all(documents);
    let config = queue.documents(&[]);
    let worker = queue.stage.standalone("first", &[]).await;
    worker.create("documents", &config).await;
    until("all documents", || async {
        (queue.stage.document_count().await == Some(60)).then_some(())
    })
    .await;
    queue.kill(worker).await;
    let worker = queue.stage.standalone("second", &[]).await;
    worker.create("documents", &config).await;
    queue.sqs.drained(&worker, 60).await;
    assert_eq!(queue.sqs.now().most_receives, 2);
    let wanted: BTreeSet<String> = (1..=60).map(|n| format!("orders#message-{n}")).collect();
    assert_eq!(queue.stage.document_count().await, Some(60));
    assert_eq!(queue.stage.document_ids().await, wanted);
}

/// Without ids a crash makes a second document of each, as validation says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_ids_what_comes_again_is_another_document() {
    let queue = QueueStage::new(QUEUE, settling_nothing()).await;
    queue
        .sqs
        .send_all((0..5).map(|n| (json!({"n": n}).to_string(), None)));
    let config = queue.documents(&[("input.id", "none")]);
    let worker = queue.stage.standalone("first", &[]).await;
    worker.create("documents", &config).await;
    until("all documents", || async {
        (queue.stage.document_count().await == Some(5)).then_some(())
    })
    .await;
    assert!(
        worker.log().contains("nothing tells such doubles"),
        "{}",
        worker.log()
    );
    queue.kill(worker).await;
    let worker = queue.stage.standalone("second", &[]).await;
    worker.create("documents", &config).await;
    queue.sqs.drained(&worker, 5).await;
    assert_eq!(queue.stage.document_count().await, Some(10));
}

/// A crash between an object and the settlement of its messages: with the ledger they are settled and not stored again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_again_after_a_crash_is_stored_once_with_the_ledger() {
    for (ledger, copies) in [("true", 1), ("false", 2)] {
        let queue = QueueStage::new(QUEUE, settling_nothing()).await;
        queue.sqs.send(0..60);
        let more = [("flush.size", "20"), ("input.ledger", ledger)];
        let worker = queue.start("first", &more).await;
        until("all objects", || async {
            (queue.stored().len() == 60).then_some(())
        })
        .await;
        assert!(queue.sqs.now().deleted.is_empty());
        queue.kill(worker).await;
        queue.sqs.send(60..80);
        let mut worker = queue
            .start(
                "second",
                &[more[0], more[1], ("input.idle.flush.ms", "500")],
            )
            .await;
        queue.sqs.drained(&worker, 80).await;
        let stored = queue.stored();
        assert_eq!(stored.len(), 80);
        let wrong = stored.iter();
        let wrong: Vec<_> = wrong
            .filter(|(body, n)| {
                **n != if body.as_str() < "order-00060" {
                    copies
                } else {
                    1
                }
            })
            .collect();
        assert!(wrong.is_empty(), "input.ledger={ledger}: {wrong:?}");
        let kept_out = worker
            .metric("millstream_queue_doubles_kept_out_total")
            .await;
        assert_eq!(kept_out, if copies == 1 { 60 } else { 0 });
        worker.signal("-TERM");
        assert_eq!(worker.ended().await, 0, "{}", worker.log());
        // Everything is settled, so that nothing is left to remember.
        assert_eq!(queue.stage.ledger_entries(), 0);
    }
}

/// A crash between the entry of the ledger and its object: the entry says nothing, and goes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_whose_object_never_came_to_be_goes() {
    let queue = QueueStage::new(QUEUE, QueueSettings::default()).await;
    let faults = queue.stage.s3.faults();
    faults.fail_next("CompleteMultipartUpload", S3Action::Stall, 100);
    queue.sqs.send(0..20);
    let worker = queue.start("first", &[("flush.size", "20")]).await;
    until("an entry", || async {
        (queue.stage.ledger_entries() == 1).then_some(())
    })
    .await;
    worker.signal("-KILL");
    drop(worker);
    faults.clear();
    queue.sqs.return_messages();
    let mut worker = queue.start("second", &[("flush.size", "20")]).await;
    queue.sqs.drained(&worker, 20).await;
    queue.assert_each_once(20);
    worker.signal("-TERM");
    assert_eq!(worker.ended().await, 0, "{}", worker.log());
    assert_eq!(queue.stage.ledger_entries(), 0);
}
