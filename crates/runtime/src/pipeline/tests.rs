//! The pipeline against a scripted consumer and a recording sink.

mod doubles;
mod order;
mod outages;
mod scene;

use doubles::{Log, Recorder, Slow, assigned, batch};
use millstream_core::{Confirms, Fetched, FlushReason, Tolerance, TopicPartition};
use scene::{Scene, play, run, run_with};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn a_stop_finishes_commits_and_leaves() {
    let (outcome, log) = run(
        [assigned(), batch(0, &["a", "b"]), batch(2, &["c"])],
        Tolerance::None,
        0,
    )
    .await;
    assert!(outcome.is_ok());
    assert_eq!(
        log,
        "open t-0; put [0, 1]; put [2]; finish; commit t-0@3; close; leave"
    );
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_that_hangs_holds_up_no_stop() {
    let (outcome, log) = run([assigned(), batch(1000, &["a"])], Tolerance::None, 0).await;
    assert!(outcome.is_ok());
    assert_eq!(
        log,
        "open t-0; put [1000]; finish; commit t-0@1001; close; leave"
    );
}

#[tokio::test(start_paused = true)]
async fn a_poison_record_fails_the_task_before_its_batch_is_put() {
    let items = [
        assigned(),
        batch(0, &["a"]),
        batch(1, &["b", "bad", "c"]),
        batch(4, &["d"]),
    ];
    let (outcome, log) = run(items, Tolerance::None, 0).await;
    let trace = outcome.expect_err("nothing is tolerated").trace;
    assert!(
        trace.contains("topic='t', partition=0, offset=2"),
        "{trace}"
    );
    assert!(trace.contains("it is bad"), "{trace}");
    // What is durable is committed on every way out, as in Java.
    assert_eq!(log, "open t-0; put [0]; finish; commit t-0@1; close; leave");
}

/// A sink that has failed is asked nothing any more; what it said before counts.
#[tokio::test(start_paused = true)]
async fn a_task_that_its_sink_fails_commits_what_is_durable() {
    let log = Log::default();
    let sink = Recorder {
        fails_at: Some(1),
        ..Recorder::new(&log)
    };
    let items = [assigned(), batch(0, &["a", "b"]), batch(2, &["c"])];
    let played = Scene::new(items, sink).play().await;
    let trace = played.outcome.expect_err("the sink is broken").trace;
    assert!(trace.contains("broken"), "{trace}");
    assert_eq!(
        played.log,
        "open t-0; put [0, 1]; commit t-0@2; close; leave"
    );
}

/// Rows that a sink rejects late hold back the offset, and not what can be said of other partitions or rows.
#[tokio::test(start_paused = true)]
async fn a_source_of_ranges_hears_of_each_when_it_is_done() {
    let log = Log::default();
    let sink = Recorder {
        rejects: true,
        ..Recorder::new(&log)
    };
    let scene = Scene {
        tolerance: Tolerance::All,
        dead_letters: Some(Slow(Duration::from_secs(3))),
        confirms: Confirms::Ranges,
        ..Scene::new([assigned(), batch(0, &["a", "b", "c"])], sink)
    };
    let played = scene.play().await;
    assert!(played.outcome.is_ok());
    assert_eq!(
        played.log,
        "open t-0; put [0, 1, 2]; confirm t-0@1..3; confirm t-0@0..1; \
         pause t-0; flush; finish; commit t-0@3; close; leave"
    );
}

/// What a queue lends is closed when it wants that, and at the end, while nothing more is asked for.
#[tokio::test(start_paused = true)]
async fn a_source_that_lends_has_what_is_open_closed() {
    let log = Log::default();
    let items = [
        assigned(),
        batch(0, &["a", "b"]),
        Fetched::Flush(FlushReason::Hold),
        batch(2, &["c"]),
    ];
    let scene = Scene {
        confirms: Confirms::Ranges,
        ..Scene::new(items, Recorder::new(&log))
    };
    let played = scene.play().await;
    assert!(played.outcome.is_ok());
    assert_eq!(
        played.log,
        "open t-0; put [0, 1]; confirm t-0@0..2; flush; put [2]; confirm t-0@2..3; \
         pause t-0; flush; finish; commit t-0@3; close; leave"
    );
}

/// A sink that cannot close what is open is asked nothing more, and what was done before counts.
#[tokio::test(start_paused = true)]
async fn a_flush_that_fails_ends_the_task() {
    let log = Log::default();
    let sink = Recorder {
        breaks_at_flush: true,
        ..Recorder::new(&log)
    };
    let items = [
        assigned(),
        batch(0, &["a"]),
        Fetched::Flush(FlushReason::Starved),
    ];
    let scene = Scene {
        confirms: Confirms::Ranges,
        ..Scene::new(items, sink)
    };
    let played = scene.play().await;
    let trace = played.outcome.expect_err("the sink is broken").trace;
    assert!(trace.contains("broken"), "{trace}");
    assert_eq!(
        played.log,
        "open t-0; put [0]; confirm t-0@0..1; flush; pause t-0; commit t-0@1; close; leave"
    );
}

#[tokio::test(start_paused = true)]
async fn a_rewind_is_read_again_and_counts_from_there() {
    let log = Log::default();
    let sink = Recorder {
        rewind: Some(1),
        ..Recorder::new(&log)
    };
    let items = [assigned(), batch(0, &["a", "b"]), batch(1, &["b", "c"])];
    let played = Scene::new(items, sink).play().await;
    assert!(played.outcome.is_ok());
    assert_eq!(
        played.log,
        "open t-0; put [0, 1]; seek t-0@1; put [1, 2]; finish; commit t-0@3; close; leave"
    );
}

#[tokio::test(start_paused = true)]
async fn lost_partitions_are_closed_without_a_commit() {
    let lost = Fetched::Lost(vec![TopicPartition::new("t", 0)]);
    let items = [assigned(), batch(0, &["a"]), lost];
    let (outcome, log) = run(items, Tolerance::None, 0).await;
    assert!(outcome.is_ok());
    assert_eq!(log, "open t-0; put [0]; close; finish; close; leave");
}

#[tokio::test(start_paused = true)]
async fn a_tolerated_record_is_skipped_and_its_offset_counts() {
    let items = [assigned(), batch(0, &["a", "bad"]), batch(2, &["bad"])];
    let (outcome, log) = run(items, Tolerance::All, 0).await;
    assert!(outcome.is_ok());
    assert_eq!(
        log,
        "open t-0; put [0]; put []; finish; commit t-0@3; close; leave"
    );
}

/// What lies behind a rejected row that has no dead letter yet is not committed, however much of it is durable.
#[tokio::test(start_paused = true)]
async fn a_stop_commits_nothing_behind_an_unsettled_row() {
    let items = [assigned(), batch(0, &["a"])];
    let never = Slow(Duration::from_secs(1_000_000));
    let (outcome, log) = run_with(items, Tolerance::All, 0, Some(never), true).await;
    assert!(outcome.is_ok());
    assert_eq!(log, "open t-0; put [0]; finish; close; leave");
}

#[tokio::test(start_paused = true)]
async fn report_b2_what_a_sink_has_news_of_is_asked_for_at_once() {
    let log = Log::default();
    let sink = Recorder {
        work: Some(Duration::from_millis(3)),
        ..Recorder::new(&log)
    };
    let items = [assigned(), batch(0, &["a", "b"])];
    let played = play(items, sink, Tolerance::None, None).await;
    assert!(played.outcome.is_ok());
    assert_eq!(
        played.log,
        "open t-0; put [0, 1]; heard after 0ns; finish; commit t-0@2; close; leave"
    );
    assert_eq!(played.counts.records_stored, 2);
}

/// Without anybody to hear of them, rows that the sink itself rejects fail nothing: its own settings let it drop them.
#[tokio::test(start_paused = true)]
async fn report_a1_rows_that_a_sink_drops_without_a_reporter_are_counted_and_fail_nothing() {
    let items = || [assigned(), batch(0, &["a"])];
    let rejecting = |log: &Log| Recorder {
        rejects: true,
        ..Recorder::new(log)
    };
    let log = Log::default();
    let played = play(items(), rejecting(&log), Tolerance::None, None).await;
    assert!(played.outcome.is_ok());
    assert_eq!(
        (played.counts.records_rejected, played.counts.records_stored),
        (1, 0)
    );
    // With one, the report is what ends the task.
    let log = Log::default();
    let letters = Some(Slow(Duration::ZERO));
    let played = play(items(), rejecting(&log), Tolerance::None, letters).await;
    let trace = played.outcome.expect_err("nothing is tolerated").trace;
    let start = "org.apache.kafka.connect.errors.ConnectException: \
                 Exiting WorkerSinkTask due to unrecoverable exception.\n\
                 \tat record {topic='t', partition=0, offset=0}, stage TASK_PUT, class Recorder\n\
                 Caused by: org.apache.kafka.connect.errors.ConnectException: Tolerance exceeded in error handler\n\
                 Caused by: org.apache.kafka.connect.errors.DataException: it is late";
    assert_eq!(trace, start);
}
