//! Memory stays below what the worker is given, with thousands of objects open and with a server that has stopped; the
//! group membership lasts meanwhile, and nothing is lost.

use crate::case::{Shows, heal, see};
use crate::rest::Task;
use crate::stage::{ARCHIVE, STREAM, Stage, TOPIC};
use crate::worker::{Worker, until};
use millstream_embedded::broker::BatchBuilder;
use millstream_embedded::faults::Faults;
use std::cell::Cell;
use std::collections::BTreeMap;

pub(crate) const MIB: usize = 1 << 20;

/// Bytes of a record.
const SIZE: usize = 2_000;

/// A value of so many bytes that tells its place.
pub(crate) fn long_value(partition: i32, offset: i64, size: usize) -> String {
    let mut value = format!("{partition}-{offset} ");
    let letter = char::from(b'a' + (offset % 26) as u8);
    value.extend(std::iter::repeat_n(letter, size - value.len()));
    value
}

/// Appends `count` records to a partition, as one batch.
pub(crate) fn append(
    stage: &Stage,
    topic: &str,
    partition: i32,
    from: i64,
    count: i64,
    size: usize,
) {
    let mut batch = BatchBuilder::new();
    for offset in from..from + count {
        let value = long_value(partition, offset, size);
        batch.push(1_700_000_000_000, None, Some(value.as_bytes()), &[]);
    }
    stage
        .broker
        .append(topic, partition, &batch.finish())
        .unwrap();
}

/// Waits until the worker takes no further records: everything that may hold some is full, or nothing is left.
pub(crate) async fn standstill(worker: &Worker) -> u64 {
    let last = Cell::new((0, 0));
    until("the flow to stand still", || async {
        let now = worker.records_read().await;
        let (before, looks) = last.get();
        last.set((now, if now == before { looks + 1 } else { 0 }));
        (now > 0 && looks >= 50).then_some(now)
    })
    .await
}

pub(crate) fn stays_below(worker: &Worker, limit: usize) {
    let peak = worker.peak_memory();
    eprintln!("{} of {} MiB were resident", peak / MIB, limit / MIB);
    assert!(
        peak < limit,
        "{} MiB were resident, {} MiB are allowed\n{}",
        peak / MIB,
        limit / MIB,
        worker.log()
    );
}

/// As many files as partitions, all together larger than the memory; some of them are closed in the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_open_files_stay_within_memory() {
    const PARTITIONS: i32 = 10_000;
    const EACH: i64 = 12;
    const CLOSED: i32 = 100;
    const LIMIT: usize = 256 * MIB;
    let stage = Stage::new().await;
    stage.broker.create_topic("Wide", PARTITIONS).unwrap();
    for partition in 0..PARTITIONS {
        append(&stage, "Wide", partition, 0, EACH / 2, SIZE);
        append(&stage, "Wide", partition, EACH / 2, EACH / 2, SIZE);
    }
    let all = u64::from(PARTITIONS as u32) * EACH as u64;
    // The files of the second group end where those of the first did, but are compressed.
    for (number, compression) in ["none", "gzip"].into_iter().enumerate() {
        let memory = [("millstream.memory.bytes", "268435456")];
        let worker = stage.standalone(compression, &memory).await;
        let more = [
            ("topics", "Wide"),
            ("topics.dir", compression),
            ("flush.size", "13"),
            ("s3.compression.type", compression),
            ("consumer.override.group.id", compression),
        ];
        stage.post_archive(&worker, &more).await;
        until("all records to be read", || async {
            let closed = i64::from(CLOSED) * number as i64;
            (worker.records_read().await >= all + closed as u64).then_some(())
        })
        .await;
        stays_below(&worker, LIMIT);
        if number == 0 {
            for partition in 0..CLOSED {
                append(&stage, "Wide", partition, EACH, 1, SIZE);
            }
        }
        let wanted: BTreeMap<String, usize> = (0..CLOSED)
            .flat_map(|partition| (0..=EACH).map(move |offset| (partition, offset)))
            .map(|(partition, offset)| (long_value(partition, offset, SIZE), number + 1))
            .collect();
        until("the closed files", || async {
            (stage.objects() == wanted).then_some(())
        })
        .await;
        stays_below(&worker, LIMIT);
        is_member(&stage, compression).await;
    }
}

const LIMIT: usize = 96 * MIB;
const RECORDS: i64 = 30_000;

/// Twice what is allowed, in the three partitions of the topic.
fn produce_much(stage: &Stage) {
    for partition in 0..3 {
        for from in (0..RECORDS).step_by(100) {
            append(stage, TOPIC, partition, from, 100, SIZE);
        }
    }
}

async fn is_member(stage: &Stage, group: &str) {
    let (state, members) = stage.broker.group(group).unwrap();
    assert_eq!((state, members.len()), ("Stable", 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_s3_that_has_stopped_holds_the_flow_and_not_memory() {
    let stage = Stage::new().await;
    let memory = [("millstream.memory.bytes", "100663296")];
    let worker = stage.standalone("worker", &memory).await;
    stage.post_archive(&worker, &[("flush.size", "1000")]).await;
    worker.task_until(ARCHIVE, "running", Task::is_well).await;
    stage.s3_wire.set(Faults::stalling());
    produce_much(&stage);
    see(&stage, &worker, ARCHIVE, Shows::Degraded).await;
    let read = standstill(&worker).await;
    assert!(read < 3 * RECORDS as u64, "{read} were read");
    is_member(&stage, "connect-s3-sink").await;
    stays_below(&worker, LIMIT);
    stage.s3_wire.heal();
    heal(&worker, ARCHIVE, Shows::Degraded).await;
    let wanted: BTreeMap<String, usize> = (0..3)
        .flat_map(|partition| (0..RECORDS).map(move |offset| (partition, offset)))
        .map(|(partition, offset)| (long_value(partition, offset, SIZE), 1))
        .collect();
    until("all objects", || async {
        (stage.object_count() >= wanted.len() / 1000).then_some(())
    })
    .await;
    assert!(
        stage.objects() == wanted,
        "lines are missing, or are there twice"
    );
    stays_below(&worker, LIMIT);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_store_that_has_stopped_holds_the_flow_and_not_memory() {
    let stage = Stage::new().await;
    stage.document_wire.set(Faults::stalling());
    produce_much(&stage);
    let worker = stage
        .stream_with("worker", &[("MEMORY_BYTES", "100663296")])
        .await;
    see(&stage, &worker, STREAM, Shows::Degraded).await;
    let read = standstill(&worker).await;
    assert!(read < 3 * RECORDS as u64, "{read} were read");
    is_member(&stage, "millstream-MyTopic").await;
    stays_below(&worker, LIMIT);
    stage.document_wire.heal();
    heal(&worker, STREAM, Shows::Degraded).await;
    until("all documents", || async {
        (stage.document_count().await? == 3 * RECORDS as u64).then_some(())
    })
    .await;
    stays_below(&worker, LIMIT);
}
