//! The consumer over a log in memory, in paused time.

pub(crate) mod memory_log;

use super::*;
use crate::input::InputErrorKind;
use crate::log::Reset;
use memory_log::MemoryLog;

/// The rows of so many records, one after the other, and whatever was told before and between them.
async fn take(consumer: &mut LogConsumer, records: usize) -> (Vec<i64>, Vec<String>) {
    let (mut offsets, mut told) = (Vec::new(), Vec::new());
    while offsets.len() < records {
        match consumer.next().await {
            Fetched::Batch(batch) => {
                for row in 0..batch.len() {
                    let offset = batch.offsets[row];
                    let text = offset.to_string();
                    assert_eq!(batch.raw_value(row).unwrap(), text.as_bytes());
                    assert_eq!(batch.raw_key(row).unwrap(), text.as_bytes());
                    let messages = batch.fetched.messages.as_ref().unwrap();
                    assert_eq!(messages.of(offset).unwrap().id.as_deref(), Some(&*text));
                    offsets.push(offset);
                }
            }
            Fetched::Assigned(_) => told.push("assigned".to_owned()),
            Fetched::Positioned(at) => told.push(format!("positioned at {}", at[0].1)),
            Fetched::Degraded(degraded) => told.push(degraded.reason),
            Fetched::Recovered => told.push("recovered".to_owned()),
            other => panic!("{other:?}"),
        }
    }
    (offsets, told)
}

#[tokio::test(start_paused = true)]
async fn goes_on_where_its_records_are_durable() {
    let log = MemoryLog::of(25);
    let mut consumer = log.consumer(3, 1 << 20);
    let (offsets, told) = take(&mut consumer, 22).await;
    assert!(offsets.into_iter().eq(3..25));
    assert_eq!(told, ["assigned", "positioned at 3"]);
    let origin = TopicPartition::new("events", 0);
    let commit = [(origin, 11, String::new())];
    consumer.commit(&commit).await.unwrap();
    Box::new(consumer).close(Duration::from_secs(1)).await;
    let mut consumer = log.consumer(3, 1 << 20);
    let (offsets, told) = take(&mut consumer, 14).await;
    assert!(offsets.into_iter().eq(11..25));
    assert_eq!(told, ["assigned"]);
    // The message before shows that it is the same log.
    assert_eq!(log.state.lock().unwrap().opened, [3, 10]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_loses_nothing_and_doubles_nothing() {
    let log = MemoryLog::of(40);
    {
        let mut state = log.state.lock().unwrap();
        (state.breaks_after, state.chunk) = (Some(13), 4);
    }
    let mut consumer = log.consumer(0, 1 << 20);
    let (offsets, told) = take(&mut consumer, 40).await;
    assert!(offsets.into_iter().eq(0..40));
    assert!(told.contains(&"the log is lost".to_owned()), "{told:?}");
    let state = log.state.lock().unwrap();
    assert_eq!(state.opened, [0, 12, 20, 28, 36]);
}

#[tokio::test(start_paused = true)]
async fn no_more_is_read_ahead_than_there_is_memory_for() {
    let log = MemoryLog::of(500);
    // Room for one batch of ten.
    let consumer = log.consumer(0, 3_000);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(log.state.lock().unwrap().most_out <= 10);
    let mut consumer = consumer;
    let (offsets, _) = take(&mut consumer, 500).await;
    assert!(offsets.into_iter().eq(0..500));
    assert!(log.state.lock().unwrap().most_out <= 10);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_told_of_and_a_refusal_is_the_end() {
    let log = MemoryLog::of(3);
    log.state.lock().unwrap().refuses = Some(InputErrorKind::Transient);
    let mut consumer = log.consumer(0, 1 << 20);
    let (_, told) = take(&mut consumer, 3).await;
    let outage = told.iter().position(|told| told == "the log is refused");
    let over = told.iter().position(|told| told == "recovered");
    assert!(outage.is_some() && outage < over, "{told:?}");
    log.state.lock().unwrap().refuses = Some(InputErrorKind::Fatal);
    let mut consumer = log.consumer(0, 1 << 20);
    loop {
        match consumer.next().await {
            Fetched::Failed(error) => break assert_eq!(error.message, "the log is refused"),
            Fetched::Assigned(_) | Fetched::Positioned(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_keeps_what_comes_and_a_position_can_be_moved() {
    let log = MemoryLog::of(20);
    let origin = TopicPartition::new("events", 0);
    let mut consumer = log.consumer(0, 1 << 20);
    let (offsets, _) = take(&mut consumer, 10).await;
    assert!(offsets.into_iter().eq(0..10));
    consumer.pause(std::slice::from_ref(&origin));
    let more = timeout(Duration::from_secs(60), consumer.next()).await;
    assert!(more.is_err(), "{more:?}");
    consumer.resume(std::slice::from_ref(&origin));
    let (offsets, _) = take(&mut consumer, 10).await;
    assert!(offsets.into_iter().eq(10..20));
    consumer.seek(&origin, 17);
    let (offsets, told) = take(&mut consumer, 3).await;
    assert!(offsets.into_iter().eq(17..20) && told.is_empty());
}

/// What a consumer tells until it has handed over a record at this offset; what is revoked is let go.
async fn until(consumer: &mut LogConsumer, offset: i64) -> Vec<String> {
    let mut told = Vec::new();
    loop {
        match consumer.next().await {
            Fetched::Batch(batch) => {
                told.push(format!("{}..{}", batch.first_offset, batch.next_offset));
                if (batch.first_offset..batch.next_offset).contains(&offset) {
                    return told;
                }
            }
            Fetched::Assigned(_) => told.push("assigned".to_owned()),
            Fetched::Positioned(at) => told.push(format!("positioned at {}", at[0].1)),
            Fetched::Flush(_) => told.push("flush".to_owned()),
            Fetched::Revoked { done, .. } => {
                told.push("revoked".to_owned());
                done.send(()).unwrap();
            }
            Fetched::Degraded(degraded) => told.push(degraded.reason),
            Fetched::Recovered => told.push("recovered".to_owned()),
            Fetched::Failed(error) => {
                told.push(error.message);
                return told;
            }
            Fetched::Lost(_) => panic!("{told:?}"),
        }
    }
}

/// A log of which the first twelve messages have been read and committed.
async fn read_until_twelve() -> MemoryLog {
    let log = MemoryLog::of(12);
    let mut consumer = log.consumer(0, 1 << 20);
    take(&mut consumer, 12).await;
    let commit = [(TopicPartition::new("events", 0), 12, String::new())];
    consumer.commit(&commit).await.unwrap();
    Box::new(consumer).close(Duration::from_secs(1)).await;
    log
}

const ENDS_BEFORE: &str = "stream events ends before offset 12, where reading goes on: it was made again, or this node of the cluster is behind";

const STRICT: Reset = Reset::Fail { remedy: "mend it" };

#[tokio::test(start_paused = true)]
async fn a_log_that_was_made_anew_is_read_from_its_beginning() {
    let log = read_until_twelve().await;
    log.becomes(0..5);
    let mut consumer = log.consumer(0, 1 << 20);
    let told = until(&mut consumer, 4).await;
    let expected = [
        "assigned",
        ENDS_BEFORE,
        "flush",
        "revoked",
        // News of the log's health goes before all else.
        "recovered",
        "assigned",
        "positioned at 0",
        "0..5",
    ];
    assert_eq!(told, expected);
    // The offset of the old one is forgotten, so that the new one's is kept.
    let commit = [(TopicPartition::new("events", 0), 5, String::new())];
    consumer.commit(&commit).await.unwrap();
    log.becomes(0..6);
    Box::new(consumer).close(Duration::from_secs(1)).await;
    let mut consumer = log.consumer(0, 1 << 20);
    assert_eq!(until(&mut consumer, 5).await, ["assigned", "5..6"]);
}

#[tokio::test(start_paused = true)]
async fn a_log_that_is_behind_is_waited_for() {
    let log = read_until_twelve().await;
    log.becomes(0..11);
    let mut consumer = log.consumer(0, 1 << 20);
    let reading = until(&mut consumer, 13);
    let catching_up = async {
        tokio::time::sleep(Duration::from_secs(40)).await;
        log.becomes(0..14);
    };
    let (told, ()) = tokio::join!(reading, catching_up);
    let expected = ["assigned", ENDS_BEFORE, "recovered", "12..14"];
    assert_eq!(told, expected);
}

#[tokio::test(start_paused = true)]
async fn what_is_gone_is_skipped_or_ends_the_task() {
    let log = read_until_twelve().await;
    log.becomes(12..14);
    let mut consumer = log.consumer(0, 1 << 20);
    // What was read is gone, and nothing else.
    assert_eq!(until(&mut consumer, 13).await, ["assigned", "12..14"]);
    log.becomes(20..22);
    let mut consumer = log.consumer(0, 1 << 20);
    assert_eq!(until(&mut consumer, 21).await, ["assigned", "20..22"]);
    let mut consumer = log.consumer_that(0, 1 << 20, STRICT);
    let gone =
        "messages of stream events that were not read are gone, from offset 12 to 19; mend it";
    assert_eq!(until(&mut consumer, 21).await, ["assigned", gone]);
    log.becomes(0..3);
    let mut consumer = log.consumer_that(0, 1 << 20, STRICT);
    let ends = "stream events ends before offset 12, where reading would go on; mend it";
    let told = until(&mut consumer, 21).await;
    assert_eq!(told, ["assigned", ENDS_BEFORE, ends]);
}

#[tokio::test(start_paused = true)]
async fn an_offset_that_is_kept_never_moves_back() {
    let log = MemoryLog::of(12);
    let mut late = log.consumer(0, 1 << 20);
    let mut next = log.consumer(0, 1 << 20);
    let commit = |offset| [(TopicPartition::new("events", 0), offset, String::new())];
    next.commit(&commit(9)).await.unwrap();
    late.commit(&commit(4)).await.unwrap();
    let mut after = log.consumer(0, 1 << 20);
    assert_eq!(until(&mut after, 11).await, ["assigned", "9..12"]);
    next.commit(&commit(10)).await.unwrap();
    let mut after = log.consumer(0, 1 << 20);
    assert_eq!(until(&mut after, 11).await, ["assigned", "10..12"]);
}

#[tokio::test(start_paused = true)]
async fn an_outage_that_a_seek_falls_into_is_over_when_it_is() {
    let log = MemoryLog::of(12);
    log.state.lock().unwrap().refuses = Some(InputErrorKind::Transient);
    let mut consumer = log.consumer(0, 1 << 20);
    while !matches!(consumer.next().await, Fetched::Degraded(_)) {}
    consumer.seek(&TopicPartition::new("events", 0), 7);
    assert_eq!(until(&mut consumer, 11).await, ["recovered", "7..12"]);
    // One that has not been told of is told of by the next worker, until it is over.
    log.state.lock().unwrap().refuses = Some(InputErrorKind::Transient);
    consumer.seek(&TopicPartition::new("events", 0), 3);
    tokio::time::sleep(Duration::from_millis(1)).await;
    log.state.lock().unwrap().refuses = Some(InputErrorKind::Transient);
    consumer.seek(&TopicPartition::new("events", 0), 4);
    let told = until(&mut consumer, 11).await;
    assert_eq!(told.last().unwrap(), "4..12");
    let last = told.iter().rfind(|told| !told.contains("..")).unwrap();
    assert_eq!(last, "recovered", "{told:?}");
}
