//! Something is away: the sink's server, the dead-letter topic, a broker. A pause, a commit and a rebalance wait for none.

use super::doubles::{Log, Picky, Recorder, Slow, assigned, batch, note, revoked};
use super::scene::{Scene, play, run, run_with};
use crate::task::{Target, TaskEvent};
use millstream_core::{ByteBudget, Degraded, Fetched, Tolerance, TopicPartition, limits};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// `PUT /connectors/{name}/pause` and `resume` while the sink's server is away.
#[tokio::test(start_paused = true)]
async fn a_pause_takes_effect_during_an_outage() {
    let log = Log::default();
    let sink = Recorder {
        refusals: 4,
        ..Recorder::new(&log)
    };
    let scene = Scene {
        targets: vec![(7, Target::Paused), (12, Target::Running)],
        ..Scene::new([assigned(), batch(0, &["a"]), batch(1, &["b"])], sink)
    };
    let played = scene.play().await;
    assert!(played.outcome.is_ok());
    // The batch in hand was read before the pause, and goes on being offered as in Java.
    assert_eq!(
        played.log,
        "open t-0; refuse; refuse; Paused wanted; pause t-0; refuse; Running wanted; resume t-0; \
         refuse; put [0]; put [1]; finish; commit t-0@2; close; leave"
    );
    assert!(played.events.contains(&TaskEvent::Paused));
}

#[tokio::test(start_paused = true)]
async fn a_pause_takes_effect_while_dead_letters_wait() {
    let log = Log::default();
    let scene = Scene {
        tolerance: Tolerance::All,
        dead_letters: Some(Slow(Duration::from_secs(10))),
        targets: vec![(5, Target::Paused), (6, Target::Running)],
        ..Scene::new([assigned(), batch(0, &["bad", "b"])], Recorder::new(&log))
    };
    let played = scene.play().await;
    assert!(played.outcome.is_ok());
    assert_eq!(
        played.log,
        "open t-0; Paused wanted; pause t-0; Running wanted; resume t-0; put [1]; finish; \
         commit t-0@2; close; leave"
    );
}

/// What a converter needs is away: no record is blamed or lost, and neither a pause nor a revocation waits for it.
#[tokio::test(start_paused = true)]
async fn a_batch_waits_for_what_its_converter_needs() {
    let log = Log::default();
    let scene = Scene {
        value: Picky {
            preparations: 3,
            takes: Duration::from_secs(1),
        },
        tolerance: Tolerance::All,
        targets: vec![(1, Target::Paused), (2, Target::Running)],
        ..Scene::new(
            [assigned(), batch(0, &["a", "bad"]), batch(2, &["c"])],
            Recorder::new(&log),
        )
    };
    let played = scene.play().await;
    assert!(played.outcome.is_ok());
    assert_eq!(
        played.log,
        "open t-0; Paused wanted; pause t-0; Running wanted; resume t-0; put [0]; put [2]; finish; \
         commit t-0@3; close; leave"
    );
    let degraded = |event: &&TaskEvent| matches!(event, TaskEvent::Degraded(degraded) if degraded.reason == "the registry is away");
    assert_eq!(played.events.iter().filter(degraded).count(), 2);
    assert!(played.events.contains(&TaskEvent::Recovered));

    let log = Log::default();
    let scene = Scene {
        value: Picky {
            preparations: 100,
            takes: Duration::ZERO,
        },
        ..Scene::new(
            [assigned(), batch(0, &["a"]), revoked().0],
            Recorder::new(&log),
        )
    };
    let played = scene.play().await;
    assert!(played.outcome.is_ok());
    assert_eq!(played.log, "open t-0; finish; close; finish; close; leave");
    // Nothing is missed any more once the batch is another member's.
    assert!(played.events.iter().any(|event| degraded(&event)));
    assert!(played.events.contains(&TaskEvent::Recovered));
}

/// A stop waits for no outage.
#[tokio::test(start_paused = true)]
async fn a_stop_ends_an_outage() {
    let log = Log::default();
    let sink = Recorder {
        refusals: 100,
        ..Recorder::new(&log)
    };
    let played = Scene::new([assigned(), batch(0, &["a"])], sink)
        .play()
        .await;
    assert!(played.outcome.is_ok());
    let end = played.log.rsplit("refuse; ").next();
    assert_eq!(end, Some("finish; close; leave"));
}

/// What is durable is committed on the interval, whatever else the task waits for.
#[tokio::test(start_paused = true)]
async fn commits_go_on_during_outages() {
    let log = Log::default();
    let scene = Scene {
        tolerance: Tolerance::All,
        dead_letters: Some(Slow(Duration::from_secs(15))),
        commit_interval: Duration::from_secs(7),
        ..Scene::new(
            [assigned(), batch(0, &["a", "b"]), batch(2, &["bad"])],
            Recorder::new(&log),
        )
    };
    let played = scene.play().await;
    assert!(played.outcome.is_ok());
    assert_eq!(
        played.log,
        "open t-0; put [0, 1]; commit t-0@2; put []; commit t-0@3; finish; close; leave"
    );
    let log = Log::default();
    let sink = Recorder {
        work: Some(Duration::from_secs(2)),
        refusals: 0,
        refuses_behind: Some((1, 2)),
        ..Recorder::new(&log)
    };
    let scene = Scene {
        commit_interval: Duration::from_secs(4),
        ..Scene::new([assigned(), batch(0, &["a"]), batch(1, &["b"])], sink)
    };
    let played = scene.play().await;
    assert!(played.outcome.is_ok());
    assert_eq!(
        played.log,
        "open t-0; put [0]; refuse; heard after 0ns; refuse; commit t-0@1; put [1]; \
         heard after 0ns; commit t-0@2; finish; close; leave"
    );
}

/// A refused batch is due again while rows that the sink rejected meanwhile are still being settled: the task waits for
/// those, and does not run in a circle until then.
#[tokio::test(start_paused = true)]
async fn a_refused_batch_waits_for_rows_that_are_being_settled() {
    let log = Log::default();
    let sink = Recorder {
        work: Some(Duration::from_secs(3)),
        refuses_behind: Some((1, 1)),
        rejects: true,
        ..Recorder::new(&log)
    };
    let scene = Scene {
        tolerance: Tolerance::All,
        dead_letters: Some(Slow(Duration::from_secs(8))),
        ..Scene::new([assigned(), batch(0, &["a"]), batch(1, &["b"])], sink)
    };
    let played = scene.play().await;
    assert!(played.outcome.is_ok());
    assert_eq!(
        played.log,
        "open t-0; put [0]; refuse; heard after 0ns; put [1]; heard after 0ns; finish; commit t-0@2; close; leave"
    );
}

#[tokio::test(start_paused = true)]
async fn what_the_consumer_retries_is_reported() {
    let away = Degraded {
        reason: "no broker".to_owned(),
        since: 7,
        next_try: Duration::from_secs(1),
    };
    let log = Log::default();
    let degraded = TaskEvent::Degraded(away.clone());
    let items = [assigned(), Fetched::Degraded(away), Fetched::Recovered];
    let played = Scene::new(items, Recorder::new(&log)).play().await;
    assert!(played.outcome.is_ok());
    let told: Vec<&TaskEvent> = played
        .events
        .iter()
        .filter(|e| **e != TaskEvent::Running)
        .collect();
    assert_eq!(told, [&degraded, &TaskEvent::Recovered]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_batch_is_given_again_in_order() {
    let items = [assigned(), batch(0, &["a"]), batch(1, &["b"])];
    let (outcome, log) = run(items, Tolerance::None, 2).await;
    assert!(outcome.is_ok());
    assert_eq!(
        log,
        "open t-0; refuse; refuse; put [0]; put [1]; finish; commit t-0@2; close; leave"
    );
}

#[tokio::test(start_paused = true)]
async fn a_revocation_during_an_outage_is_answered_and_the_batch_abandoned() {
    let (revocation, released) = revoked();
    let items = [
        assigned(),
        batch(0, &["a"]),
        batch(1, &["b"]),
        revocation,
        assigned(),
        batch(0, &["a"]),
    ];
    let (outcome, log) = run(items, Tolerance::None, 1).await;
    assert!(outcome.is_ok());
    assert_eq!(released.await, Ok(()));
    assert_eq!(
        log,
        "open t-0; refuse; finish; close; open t-0; put [0]; finish; commit t-0@1; close; leave"
    );
}

#[tokio::test(start_paused = true)]
async fn a_revocation_is_answered_while_dead_letters_wait() {
    let (revocation, released) = revoked();
    let items = [
        assigned(),
        batch(0, &["a"]),
        batch(1, &["bad", "b"]),
        batch(3, &["c"]),
        revocation,
        assigned(),
        batch(1, &["bad", "b"]),
    ];
    let slow = Slow(Duration::from_secs(10));
    let (outcome, log) = run_with(items, Tolerance::All, 0, Some(slow), false).await;
    assert!(outcome.is_ok());
    assert_eq!(released.await, Ok(()));
    // What was settled after the partition had gone is not committed; its next owner reads on from the committed offset.
    assert_eq!(
        log,
        "open t-0; put [0]; finish; commit t-0@1; close; open t-0; put [2]; finish; commit t-0@3; close; leave"
    );
}

/// A sink without room may well answer what it is asked meanwhile: that does not make it well.
#[tokio::test(start_paused = true)]
async fn report_c4_a_sink_that_refuses_is_degraded_until_it_takes_the_batch() {
    let log = Log::default();
    let sink = Recorder {
        refusals: 3,
        ..Recorder::new(&log)
    };
    let items = [assigned(), batch(0, &["a"])];
    let played = play(items, sink, Tolerance::None, None).await;
    assert!(played.outcome.is_ok());
    let seen: Vec<&str> = played
        .events
        .iter()
        .filter_map(|event| match event {
            TaskEvent::Degraded(degraded) => Some(&*degraded.reason),
            TaskEvent::Recovered => Some("recovered"),
            _ => None,
        })
        .collect();
    assert_eq!(seen, ["busy", "busy", "busy", "recovered"]);
}

/// The items of a scene with an oversized batch, behind another one that the sink refuses as well.
async fn play_oversized(is_wanted_by_others: bool) -> (String, bool) {
    let log = Log::default();
    let budget = ByteBudget::one_by_one(100, 0);
    let (own, other) = (budget.for_holder(), budget.for_holder());
    let permit = own.try_acquire(101).expect("nobody has one");
    permit.comes_from(&TopicPartition::new("t", 0), 1);
    let Fetched::Batch(mut oversized) = batch(1, &["b"]) else {
        unreachable!("it is a batch");
    };
    oversized.permit = Some(permit);
    let sink = Recorder {
        refuses_behind: Some((1, usize::MAX)),
        ..Recorder::new(&log)
    };
    let items = [assigned(), batch(0, &["a"]), Fetched::Batch(oversized)];
    let scene = Scene {
        fetched: own,
        commit_interval: Duration::from_secs(1),
        lasts: limits::OVERSIZED_PATIENCE + Duration::from_secs(10),
        ..Scene::new(items, sink)
    };
    let has_come = Arc::new(Mutex::new(false));
    let waiting = is_wanted_by_others.then(|| {
        let (log, has_come) = (log.clone(), Arc::clone(&has_come));
        tokio::spawn(async move {
            let _permit = other.acquire(500).await;
            *has_come.lock().expect("nothing panics") = true;
            note(&log, "the next one".to_owned());
        })
    });
    let played = scene.play().await;
    assert!(played.outcome.is_ok());
    drop(waiting);
    let has_come = *has_come.lock().expect("nothing panics");
    (played.log.replace("refuse; ", ""), has_come)
}

/// A task whose sink takes nothing gives up the oversized record that others wait for, and reads it again later; what was
/// durable before stays so.
#[tokio::test(start_paused = true)]
async fn report_a9_an_oversized_record_makes_way_for_those_of_others() {
    let (log, has_come) = play_oversized(true).await;
    assert!(has_come, "{log}");
    assert_eq!(
        log,
        "open t-0; put [0]; commit t-0@1; close; open t-0; seek t-0@1; the next one; finish; close; leave"
    );
}

#[tokio::test(start_paused = true)]
async fn report_a9_an_oversized_record_that_nobody_waits_for_is_kept() {
    let (log, _) = play_oversized(false).await;
    assert_eq!(log, "open t-0; put [0]; commit t-0@1; finish; close; leave");
}
