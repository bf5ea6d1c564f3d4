//! The store of statuses over a log that answers, fails or keeps silent.

use super::*;
use crate::fake_log::{Answers, FakeLog};
use futures::FutureExt;
use millstream_core::TaskId;
use millstream_worker::cluster::RunState;

fn store() -> (FakeLog, KafkaStatusStore) {
    let log = FakeLog::default();
    let (failed, _) = mpsc::channel(1);
    let mut store = KafkaStatusStore::new(Box::new(log.clone()), failed);
    assert_eq!(happen(&mut store), [StatusEvent::End]);
    log.take_calls();
    (log, store)
}

/// All that happens by itself.
fn happen(store: &mut KafkaStatusStore) -> Vec<StatusEvent> {
    std::iter::from_fn(|| store.next().now_or_never()).collect()
}

fn said(state: RunState, worker: &str, generation: i32) -> StatusRecord {
    StatusRecord {
        key: StatusKey::Task(TaskId::new("c", 0)),
        value: Some(StatusValue::Status(Status {
            state,
            trace: None,
            worker_id: worker.to_owned(),
            generation,
            version: None,
        })),
    }
}

fn by_others(log: &FakeLog, record: &StatusRecord) {
    let entry = status::write(record);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let value = entry.value.as_deref().map(text);
    log.append(&text(&entry.key), value.as_deref());
}

#[tokio::test]
async fn a_last_word_does_not_replace_what_a_later_owner_said() {
    let (log, mut store) = store();
    let running = said(RunState::Running, "b:1", 4);
    by_others(&log, &running);
    assert_eq!(happen(&mut store), [StatusEvent::Record(running.clone())]);
    store.write(said(RunState::Unassigned, "a:1", 3));
    store.flush(1);
    assert_eq!(happen(&mut store), [StatusEvent::Flushed { number: 1 }]);
    assert!(log.take_calls().is_empty());
    // A reader that sees one keeps to what it knows.
    by_others(&log, &said(RunState::Unassigned, "a:1", 4));
    happen(&mut store);
    store.write(said(RunState::Failed, "a:1", 3));
    store.flush(2);
    happen(&mut store);
    assert!(log.take_calls().is_empty());
    // Whatever else is said is written.
    store.write(said(RunState::Running, "a:1", 3));
    happen(&mut store);
    assert_eq!(log.take_calls(), ["status-task-c-0"]);
}

#[tokio::test(start_paused = true)]
async fn a_status_is_written_again_until_it_is_durable() {
    let (log, mut store) = store();
    log.inner().answers = Answers::FailsForNow;
    store.write(said(RunState::Running, "a:1", 1));
    store.flush(1);
    assert!(happen(&mut store).is_empty());
    log.inner().answers = Answers::Done;
    let paused = said(RunState::Paused, "a:1", 1);
    store.write(paused.clone());
    assert_eq!(store.next().await, StatusEvent::Flushed { number: 1 });
    assert_eq!(store.next().await, StatusEvent::Record(paused));
    let calls = log.take_calls();
    assert_eq!(calls, ["status-task-c-0", "status-task-c-0"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_given_up_and_a_flush_has_an_end() {
    let (log, mut store) = store();
    log.inner().answers = Answers::Refuses;
    store.write(said(RunState::Running, "a:1", 1));
    store.flush(1);
    assert_eq!(happen(&mut store), [StatusEvent::Flushed { number: 1 }]);
    log.inner().answers = Answers::Never;
    store.write(said(RunState::Paused, "a:1", 1));
    let begun = Instant::now();
    store.flush(2);
    assert_eq!(store.next().await, StatusEvent::Flushed { number: 2 });
    assert_eq!(begun.elapsed().as_secs(), FLUSH_TIMEOUT.as_secs());
}

#[tokio::test]
async fn a_partition_that_starts_over_is_forgotten() {
    let (log, mut store) = store();
    let running = said(RunState::Running, "a:1", 1);
    by_others(&log, &running);
    log.append("status-topic-t:connector-c", Some("{}"));
    assert_eq!(happen(&mut store), [StatusEvent::Record(running.clone())]);
    log.start_over();
    let gone = StatusRecord {
        key: running.key,
        value: None,
    };
    assert_eq!(happen(&mut store), [StatusEvent::Record(gone)]);
}
