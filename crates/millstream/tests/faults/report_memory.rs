//! Memory of the whole process: many connectors share what it is given, large records are counted, and a missing
//! temporary folder holds the flow.

use crate::memory::{MIB, append, long_value, standstill, stays_below};
use crate::rest::Task;
use crate::stage::{ARCHIVE, Stage};
use crate::worker::{Worker, until};
use millstream_embedded::faults::Faults;
use std::collections::BTreeMap;
use std::time::Duration;

const TOPIC: &str = "Shared";
const GIVEN: usize = 64 * MIB;
const SETTING: (&str, &str) = ("millstream.memory.bytes", "67108864");

/// What it has at most where nobody says how much.
const DEFAULT: usize = 256 * MIB;

/// What a process may have resident: a quarter more than it is given, and itself.
const fn most(given: usize) -> usize {
    given / 4 * 5 + 28 * MIB
}

/// Bytes of a record.
const SIZE: usize = 100;

fn produce(stage: &Stage, records: i64) {
    stage.broker.create_topic(TOPIC, 3).unwrap();
    for partition in 0..3 {
        for from in (0..records).step_by(500) {
            append(stage, TOPIC, partition, from, 500, SIZE);
        }
    }
}

/// What sixteen connectors may keep once they have nothing to do.
const IDLE_MEMORY: usize = 60 * MIB;
const IDLE_DESCRIPTORS: usize = 100;

/// What a process has to bear.
#[derive(Clone, Copy)]
struct Load {
    connectors: usize,
    /// In each of three partitions.
    records: i64,
    /// Records of an object.
    flush: i64,
    /// What the process is given; by default 256 MiB.
    given: Option<usize>,
    /// How long each request and each answer of S3 is on its way.
    delay: Duration,
}

const fn load(connectors: usize, records: i64, flush: i64) -> Load {
    Load {
        connectors,
        records,
        flush,
        given: Some(GIVEN),
        delay: Duration::ZERO,
    }
}

impl Load {
    const fn with_the_default(self) -> Load {
        Load {
            given: None,
            ..self
        }
    }

    const fn with_a_slow_store(self) -> Load {
        Load {
            delay: Duration::from_millis(50),
            ..self
        }
    }

    /// So many connectors read the same topic. What the process has resident meanwhile, and afterwards, stays within bounds.
    async fn bear(self) {
        let Load {
            connectors,
            records,
            flush,
            given,
            delay,
        } = self;
        let stage = Stage::new().await;
        produce(&stage, records);
        let setting = given.map(|_| SETTING);
        let worker = stage.standalone("worker", setting.as_slice()).await;
        stage.s3_wire.set(Faults {
            delay,
            ..Faults::default()
        });
        let flush_size = flush.to_string();
        for number in 0..connectors {
            let name = format!("archive-{number}");
            let more = [
                ("topics", TOPIC),
                ("topics.dir", &*name),
                ("flush.size", &*flush_size),
            ];
            stage.post_archive_as(&worker, &name, &more).await;
        }
        let objects = connectors * 3 * (records / flush) as usize;
        until("all objects", || async {
            (stage.object_count() >= objects).then_some(())
        })
        .await;
        eprintln!("{connectors} connectors, S3 behind {delay:?}:");
        stays_below(&worker, most(given.unwrap_or(DEFAULT)));
        if connectors > 16 {
            return;
        }
        until("memory and connections to be given back", || async {
            let (resident, descriptors) = (worker.resident_memory(), worker.descriptors());
            let is_idle = resident < IDLE_MEMORY && descriptors < IDLE_DESCRIPTORS;
            is_idle.then(|| {
                eprintln!(
                    "{} MiB and {descriptors} descriptors are kept",
                    resident / MIB
                )
            })
        })
        .await;
    }
}

const ONE: Load = load(1, 100_000, 10_000);
const FOUR: Load = load(4, 40_000, 10_000);
const SIXTEEN: Load = load(16, 20_000, 10_000);
const TWO_HUNDRED: Load = load(200, 2_000, 500);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_c1_one_connector_stays_within_its_memory() {
    ONE.bear().await;
    ONE.with_the_default().bear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_c1_sixteen_connectors_share_the_memory_of_one() {
    for load in [FOUR, SIXTEEN] {
        load.bear().await;
        load.with_the_default().bear().await;
    }
    SIXTEEN.with_the_default().with_a_slow_store().bear().await;
}

/// What each connector is by itself, without records, is some 0.2 MiB, which is kept back from what records may have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_c1_two_hundred_connectors_share_the_memory_of_one() {
    TWO_HUNDRED.bear().await;
    let default = TWO_HUNDRED.with_the_default();
    default.bear().await;
    default.with_a_slow_store().bear().await;
}

/// Connectors that store one record of each of these sizes in an object of its own.
async fn archive_large(connectors: usize, sizes: &[usize]) {
    let stage = Stage::new().await;
    let configs = [("max.message.bytes", "40000000")];
    stage.broker.create_topic_with(TOPIC, 1, &configs).unwrap();
    for (offset, size) in (0..).zip(sizes) {
        append(&stage, TOPIC, 0, offset, 1, *size);
    }
    let worker = stage.standalone("worker", &[SETTING]).await;
    for number in 0..connectors {
        let name = format!("archive-{number}");
        let more = [
            ("topics", TOPIC),
            ("topics.dir", &*name),
            ("flush.size", "1"),
        ];
        stage.post_archive_as(&worker, &name, &more).await;
    }
    until("the large records", || async {
        (stage.object_count() >= connectors * sizes.len()).then_some(())
    })
    .await;
    let wanted: BTreeMap<String, usize> = (0..)
        .zip(sizes)
        .map(|(offset, size)| (long_value(0, offset, *size), connectors))
        .collect();
    assert!(stage.objects() == wanted, "a record is not what was sent");
    eprintln!("{connectors} connectors, {} large records:", sizes.len());
    stays_below(&worker, most(GIVEN));
}

/// Records of 30 MB: one is there as it was fetched and one as it goes out, each in a single buffer that is given back at once.
/// That is what small records may have, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_a9_large_records_are_held_once() {
    archive_large(1, &[30_000_000; 4]).await;
    archive_large(1, &[8_000_000; 10]).await;
}

/// Of all that five connectors read and store, one large record is there at a time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_a9_large_records_of_five_connectors_pass_one_by_one() {
    archive_large(5, &[30_000_000; 3]).await;
}

fn is_short_of_memory(task: &Task) -> bool {
    let degraded = task.degraded.as_deref().unwrap_or_default();
    degraded.contains("millstream.s3.temp.dir")
}

/// Nothing can go to a temporary file: the flow stops at the end of memory, and the status says why.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_c4_without_a_temporary_folder_the_flow_stops_and_says_why() {
    const PARTITIONS: i32 = 100;
    let stage = Stage::new().await;
    stage.broker.create_topic(TOPIC, PARTITIONS).unwrap();
    for partition in 0..PARTITIONS {
        for from in (0..800).step_by(200) {
            append(&stage, TOPIC, partition, from, 200, 1_000);
        }
    }
    let worker: Worker = stage.standalone("worker", &[SETTING]).await;
    let folder = stage.path("spill");
    let more = [
        ("topics", TOPIC),
        ("flush.size", "1000000"),
        ("millstream.s3.temp.dir", folder.to_str().unwrap()),
    ];
    stage.post_archive(&worker, &more).await;
    worker
        .task_until(ARCHIVE, "short of memory", is_short_of_memory)
        .await;
    let read = standstill(&worker).await;
    assert!(read < 80_000, "{read} records were read");
    stays_below(&worker, most(GIVEN));
    std::fs::create_dir(&folder).unwrap();
    until("all records to be read", || async {
        (worker.records_read().await >= 80_000).then_some(())
    })
    .await;
    worker.task_until(ARCHIVE, "running", Task::is_well).await;
    stays_below(&worker, most(GIVEN));
}
