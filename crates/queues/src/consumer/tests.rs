//! The consumer over a queue in memory, in paused time: what its owner hears, and what the queue is asked.

pub(crate) mod memory_queue;

use super::*;
use crate::input::{Gathering, InputErrorKind, QueueFacts};
use memory_queue::{Call, MemoryQueue, clock};
use millstream_core::{FlushReason, RecordBatch};
use tokio::time::sleep;

/// The first offset: the time of the start in microseconds.
const START: i64 = clock() * 1_000;

fn start(queue: &MemoryQueue) -> QueueConsumer {
    queue.consumer(TopicPartition::new("orders", 3))
}

fn queue(messages: u64) -> MemoryQueue {
    let queue = MemoryQueue::default();
    queue.send(0..messages);
    queue
}

/// The numbers of the messages of a batch.
fn numbers(batch: &RecordBatch) -> Vec<u64> {
    let values = (0..batch.len()).map(|row| batch.raw_value(row).unwrap());
    values
        .map(|value| std::str::from_utf8(&value).unwrap().parse().unwrap())
        .collect()
}

/// Batches until so many messages have come; their numbers, and the offsets they cover.
async fn take(consumer: &mut QueueConsumer, messages: usize) -> (Vec<u64>, Range<i64>) {
    let mut all = Vec::new();
    let mut covered: Option<Range<i64>> = None;
    while all.len() < messages {
        if let Fetched::Batch(batch) = consumer.next().await {
            let first = covered.map_or(batch.first_offset, |before| before.start);
            covered = Some(first..batch.next_offset);
            all.extend(numbers(&batch));
        }
    }
    (all, covered.unwrap())
}

async fn confirm(consumer: &mut QueueConsumer, range: Range<i64>) {
    let origin = TopicPartition::new("orders", 3);
    consumer.confirm(&[(origin, range)]).await.unwrap();
}

/// Lets the worker do what there is to do now.
async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn messages_come_in_batches_and_are_settled_when_they_are_done() {
    let queue = queue(15);
    let mut consumer = start(&queue);
    let Fetched::Assigned(partitions) = consumer.next().await else {
        panic!("nothing is assigned");
    };
    assert_eq!(partitions, [TopicPartition::new("orders", 3)]);
    let (all, covered) = take(&mut consumer, 15).await;
    assert_eq!(all, (0..15).collect::<Vec<_>>());
    assert_eq!(covered, START..START + 15);
    confirm(&mut consumer, START + 3..START + 5).await;
    settle().await;
    assert_eq!(queue.state().settled, [3, 4]);
    // Said twice, and of what never was.
    confirm(&mut consumer, START..START + 4).await;
    confirm(&mut consumer, START + 100..START + 200).await;
    settle().await;
    assert_eq!(queue.state().settled, [3, 4, 0, 1, 2]);
    Box::new(consumer).close(Duration::from_secs(5)).await;
    let state = queue.state();
    assert_eq!(state.waiting, (5..15).collect::<Vec<_>>());
    assert_eq!((state.closed, state.misused, state.out.len()), (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn no_more_is_held_than_may_be() {
    let queue = queue(100);
    let mut consumer = start(&queue);
    let (_, covered) = take(&mut consumer, 20).await;
    settle().await;
    assert_eq!(queue.state().out.len(), 20);
    confirm(&mut consumer, covered.start..covered.start + 10).await;
    let (next, _) = take(&mut consumer, 10).await;
    assert_eq!(next, (20..30).collect::<Vec<_>>());
    assert_eq!(queue.state().most_out, 20);
}

#[tokio::test(start_paused = true)]
async fn what_comes_a_few_at_a_time_is_left_to_gather() {
    let pause = Duration::from_millis(10);
    let queue = MemoryQueue::new(QueueFacts {
        gathering: Some(Gathering { few: 2..100, pause }),
        ..QueueFacts::default()
    });
    queue.send(0..20);
    let mut consumer = start(&queue);
    let begun = Instant::now();
    let (_, first) = take(&mut consumer, 10).await;
    assert_eq!(begun.elapsed(), Duration::ZERO);
    confirm(&mut consumer, first.clone()).await;
    settle().await;
    assert_eq!(queue.state().settled.len(), 10, "that waits for nothing");
    take(&mut consumer, 10).await;
    assert_eq!(begun.elapsed(), pause);
    // Nobody waits behind fewer, nor for what comes later, nor where nothing more may be held.
    queue.send(20..30);
    let (_, covered) = take(&mut consumer, 10).await;
    confirm(&mut consumer, first.end..covered.end).await;
    sleep(pause).await;
    let begun = Instant::now();
    for number in [30, 31] {
        queue.send(number..number + 1);
        take(&mut consumer, 1).await;
    }
    queue.send(32..50);
    let (_, rest) = take(&mut consumer, 10).await;
    assert_eq!(begun.elapsed(), Duration::ZERO);
    take(&mut consumer, 8).await;
    confirm(&mut consumer, covered.end..rest.end).await;
    let begun = Instant::now();
    queue.send(50..60);
    take(&mut consumer, 10).await;
    assert!(begun.elapsed() < pause, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_comes_many_at_a_time_is_not_left_to_gather() {
    let queue = MemoryQueue::new(QueueFacts {
        gathering: Some(Gathering {
            few: 2..100,
            pause: Duration::from_millis(10),
        }),
        ..QueueFacts::default()
    });
    let queue = queue.that_hands_out(100);
    queue.send(0..300);
    let mut consumer = queue.consumer_of(TopicPartition::new("orders", 3), 300);
    let begun = Instant::now();
    take(&mut consumer, 300).await;
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn what_is_open_is_closed_where_nothing_more_comes() {
    let queue = queue(20);
    let mut consumer = start(&queue);
    take(&mut consumer, 20).await;
    // More waits, and none of it may be taken.
    queue.send(20..25);
    let begun = Instant::now();
    let flushed = consumer.next().await;
    assert!(
        matches!(flushed, Fetched::Flush(FlushReason::Starved)),
        "{flushed:?}"
    );
    assert!(begun.elapsed() >= Duration::from_secs(4));
    let silence = tokio::time::timeout(Duration::from_secs(3600), consumer.next()).await;
    assert!(silence.is_err(), "it is told once");
}

#[tokio::test(start_paused = true)]
async fn tokens_of_a_lost_connection_are_not_used_and_its_messages_come_again() {
    let queue = queue(5);
    let mut consumer = start(&queue);
    let (_, covered) = take(&mut consumer, 5).await;
    queue.fail(Call::Receive, InputErrorKind::Lost);
    let lost = consumer.next().await;
    let Fetched::Degraded(degraded) = lost else {
        panic!("{lost:?}");
    };
    assert_eq!(degraded.reason, "the queue fails: Receive");
    assert!(matches!(consumer.next().await, Fetched::Recovered));
    confirm(&mut consumer, covered.clone()).await;
    let (again, behind) = take(&mut consumer, 5).await;
    assert_eq!(again, [0, 1, 2, 3, 4]);
    assert_eq!(behind, covered.end..covered.end + 5);
    assert_eq!(queue.state().settled, Vec::<u64>::new());
    confirm(&mut consumer, behind).await;
    settle().await;
    let state = queue.state();
    assert_eq!((state.settled.len(), state.misused), (5, 0));
    assert_eq!(state.connections.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_costs_deliveries_is_not_made_at_once() {
    let queue = MemoryQueue::new(QueueFacts {
        reconnect_pause: Some(Duration::from_secs(5)),
        ..QueueFacts::default()
    });
    queue.send(0..1);
    let mut consumer = start(&queue);
    take(&mut consumer, 1).await;
    queue.fail(Call::Receive, InputErrorKind::Lost);
    take(&mut consumer, 1).await;
    let connections = queue.state().connections.clone();
    assert!(connections[1] - connections[0] >= Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_settled_is_settled_later_and_told_of_meanwhile() {
    let queue = queue(2);
    let mut consumer = start(&queue);
    let (_, covered) = take(&mut consumer, 2).await;
    for _ in 0..3 {
        queue.fail(Call::Settle, InputErrorKind::Transient);
    }
    confirm(&mut consumer, covered).await;
    for _ in 0..3 {
        assert!(matches!(consumer.next_event().await, Fetched::Degraded(_)));
    }
    assert!(matches!(consumer.next_event().await, Fetched::Recovered));
    assert_eq!(queue.state().settled, [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_not_there_is_waited_for_and_one_that_cannot_be_read_ends_the_task() {
    let queue = queue(1);
    queue.fail(Call::Connect, InputErrorKind::Transient);
    let mut consumer = start(&queue);
    consumer.next().await;
    assert!(matches!(consumer.next().await, Fetched::Degraded(_)));
    assert!(matches!(consumer.next().await, Fetched::Recovered));
    take(&mut consumer, 1).await;
    queue.fail(Call::Receive, InputErrorKind::Fatal);
    let end = consumer.next().await;
    let Fetched::Failed(error) = end else {
        panic!("{end:?}");
    };
    assert_eq!(
        (error.is_transient, &*error.message),
        (false, "the queue fails: Receive")
    );
    Box::new(consumer).close(Duration::from_secs(5)).await;
}

/// Nothing is asked for in a pause, what the sink has is closed, and the rest goes back with the connection.
#[tokio::test(start_paused = true)]
async fn a_pause_gives_back_what_the_sink_does_not_have() {
    let queue = queue(15);
    let mut consumer = start(&queue);
    consumer.next().await;
    let Fetched::Batch(first) = consumer.next().await else {
        panic!("no batch");
    };
    settle().await;
    let had = numbers(&first).len();
    consumer.pause(&[]);
    let flushed = consumer.next().await;
    assert!(
        matches!(flushed, Fetched::Flush(FlushReason::Starved)),
        "{flushed:?}"
    );
    queue.send(15..30);
    confirm(&mut consumer, first.first_offset..first.next_offset).await;
    settle().await;
    {
        let state = queue.state();
        assert_eq!(state.settled.len(), had);
        assert_eq!((state.closed, state.out.len()), (1, 0));
    }
    let silence = tokio::time::timeout(Duration::from_secs(3600), consumer.next()).await;
    assert!(silence.is_err(), "nothing comes in a pause");
    consumer.resume(&[]);
    let (rest, _) = take(&mut consumer, 20).await;
    assert_eq!(rest, (had as u64..had as u64 + 20).collect::<Vec<_>>());
    assert_eq!(queue.state().misused, 0);
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_is_over_at_once_loses_and_doubles_nothing() {
    let queue = queue(15);
    let mut consumer = start(&queue);
    settle().await;
    consumer.pause(&[]);
    consumer.resume(&[]);
    let (all, _) = take(&mut consumer, 15).await;
    assert_eq!(all, (0..15).collect::<Vec<_>>());
    assert_eq!(queue.state().connections.len(), 1);
}

/// The sink hears that nothing comes under the offset that it waits for, and gets the messages under others.
#[tokio::test(start_paused = true)]
async fn what_is_read_again_comes_under_other_offsets() {
    let queue = queue(10);
    let mut consumer = start(&queue);
    let (_, covered) = take(&mut consumer, 10).await;
    confirm(&mut consumer, covered.start + 8..covered.end).await;
    consumer.seek(&TopicPartition::new("orders", 3), covered.start + 6);
    let Fetched::Batch(gap) = consumer.next().await else {
        panic!("no batch");
    };
    assert!(gap.is_empty());
    assert_eq!(
        gap.first_offset..gap.next_offset,
        covered.start + 6..covered.end
    );
    let (again, behind) = take(&mut consumer, 2).await;
    assert_eq!((again, behind.start), (vec![6, 7], covered.end));
    confirm(&mut consumer, covered.start..behind.end).await;
    settle().await;
    let state = queue.state();
    assert_eq!((state.settled.len(), state.misused), (10, 0));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_partition_counts_what_waits_in_the_queue() {
    let queue = queue(50);
    let mut consumer = start(&queue);
    take(&mut consumer, 20).await;
    sleep(Duration::from_secs(61)).await;
    let [(_, extent)] = &consumer.extents()[..] else {
        panic!("one partition");
    };
    assert_eq!((extent.begin, extent.end), (START, START + 50));
}

/// What is done is settled at the end even if the queue needs some attempts, and the rest is given back.
#[tokio::test(start_paused = true)]
async fn the_end_settles_what_is_done() {
    let queue = queue(4);
    let mut consumer = start(&queue);
    let (_, covered) = take(&mut consumer, 4).await;
    queue.fail(Call::Settle, InputErrorKind::Transient);
    queue.fail(Call::Settle, InputErrorKind::Transient);
    confirm(&mut consumer, covered.start..covered.start + 3).await;
    Box::new(consumer).close(Duration::from_secs(30)).await;
    let state = queue.state();
    assert_eq!(state.settled, [0, 1, 2]);
    assert_eq!((&state.given_back[..], state.closed), (&[3][..], 1));
}
