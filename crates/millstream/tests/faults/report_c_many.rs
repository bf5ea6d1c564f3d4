//! Two hundred connectors in a process that may open as many files as a shell usually gives, and its REST API meanwhile.

use crate::rest::{self, Task};
use crate::stage::{PARTITIONS, Stage, TOPIC};
use crate::worker::{Worker, until};
use hyper::StatusCode;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

const CONNECTORS: usize = 200;

/// The usual soft limit, here the hard one as well.
const FILES: usize = 1_024;

/// What a status may take, one in a hundred aside, beside what the machine takes for an answer to anything.
const ANSWER: Duration = Duration::from_millis(50);

/// Between two questions; a flow of some ten seconds leaves room for hundreds.
const PACE: Duration = Duration::from_millis(20);

/// Every so many questions one is about all connectors at once.
const ALL_AT_ONCE: usize = 10;

/// Looking for objects reads all folders, which is not to be what the machine is busy with.
const LOOK: Duration = Duration::from_millis(500);

/// Each partition closes three objects in every connector.
const FLUSH: &str = "100";
const RECORDS: i64 = 300;

/// Objects of all partitions of a connector.
const OBJECTS_OF_ONE: usize = PARTITIONS as usize * 3;
const OBJECTS: usize = CONNECTORS * OBJECTS_OF_ONE;

/// Connectors on three brokers, and the connections to them that each keeps: to every leader one for fetches, to the group's
/// coordinator one, and one for what any broker knows.
const SPREAD: usize = 50;
const EACH: usize = 5;

fn name(number: usize) -> String {
    format!("archive-{number}")
}

/// What answers took.
#[derive(Default)]
struct Times {
    /// A byte there and back, from a thread of this process that has nothing else to do: what the machine does that minute.
    echo: Vec<Duration>,
    one: Vec<Duration>,
    all: Vec<Duration>,
}

fn percentile(times: &[Duration], percent: usize) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}

/// A server that gives a byte back, over a connection for each, until one closes without.
fn echo() -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || -> std::io::Result<()> {
        let mut byte = [0];
        loop {
            let (mut stream, _) = listener.accept()?;
            stream.read_exact(&mut byte)?;
            stream.write_all(&byte)?;
        }
    });
    Ok(address)
}

/// Asks until told to stop, over a connection of its own each time, from a thread that has nothing else to do: what the
/// embedded services of this process are busy with is not part of an answer.
fn ask(address: SocketAddr, stop: &CancellationToken) -> Times {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut times = Times::default();
        let echo = echo().unwrap();
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut number = 0;
        while stop.run_until_cancelled(pace.tick()).await.is_some() {
            number += 1;
            let begun = Instant::now();
            let mut stream = TcpStream::connect(echo).await.unwrap();
            stream.write_u8(0).await.unwrap();
            stream.read_u8().await.unwrap();
            times.echo.push(begun.elapsed());
            let (path, times) = if number % ALL_AT_ONCE == 0 {
                ("/connectors?expand=status".to_owned(), &mut times.all)
            } else {
                let name = name(number % CONNECTORS);
                (format!("/connectors/{name}/status"), &mut times.one)
            };
            let begun = Instant::now();
            let (status, _) = rest::send(address, "GET", &path, None).await.unwrap();
            times.push(begun.elapsed());
            assert_eq!(status, StatusCode::OK, "{path}");
        }
        // The echo ends with a connection that says nothing.
        drop(TcpStream::connect(echo).await);
        times
    })
}

/// Open descriptors by what they are; sockets by the port at their other end.
fn kinds(worker: &Worker, stage: &Stage) -> BTreeMap<String, usize> {
    let brokers = stage.broker.addresses().iter().copied();
    let brokers = brokers.chain([stage.broker_wire.address()]);
    let mut ports: BTreeMap<u16, &str> = brokers.map(|broker| (broker.port(), "Kafka")).collect();
    ports.insert(stage.s3_wire.address().port(), "S3");
    let table = worker.proc("net/tcp");
    let sockets: BTreeMap<String, &str> = table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let port = u16::from_str_radix(fields.get(2)?.split(':').nth(1)?, 16).ok()?;
            let peer = ports.get(&port).copied().unwrap_or("other TCP");
            Some((format!("socket:[{}]", fields.get(9)?), peer))
        })
        .collect();
    let mut kinds = BTreeMap::new();
    for target in worker.descriptor_targets() {
        let kind = sockets.get(&target).copied().unwrap_or("other");
        *kinds.entry(kind.to_owned()).or_default() += 1;
    }
    kinds
}

/// Posts connectors that archive the topic, each into a folder of its own, and waits until all run.
async fn post_all(stage: &Stage, worker: &Worker, connectors: usize) {
    for number in 0..connectors {
        let name = name(number);
        let own = [
            ("topics", TOPIC),
            ("topics.dir", &*name),
            ("flush.size", FLUSH),
        ];
        stage.post_archive_as(worker, &name, &own).await;
    }
    for number in 0..connectors {
        worker
            .task_until(&name(number), "running", Task::is_well)
            .await;
    }
    eprintln!("all run: {:?}", kinds(worker, stage));
}

/// Waits for so many objects; the most descriptors that were open meanwhile, and what they were.
async fn watch(stage: &Stage, worker: &Worker, objects: usize) -> (usize, BTreeMap<String, usize>) {
    let (mut most, mut busiest, mut looked) = (0, BTreeMap::new(), None::<Instant>);
    until("all objects", || {
        let descriptors = worker.descriptors();
        if descriptors > most {
            (most, busiest) = (descriptors, kinds(worker, stage));
        }
        let is_due = looked.is_none_or(|at| at.elapsed() >= LOOK);
        let is_there = is_due && stage.object_count() >= objects;
        if is_due {
            looked = Some(Instant::now());
        }
        async move { is_there.then_some(()) }
    })
    .await;
    (most, busiest)
}

/// What `docs/performance.md` counts with where a topic's partitions have leaders on several brokers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_c2_connections_of_connectors_on_three_brokers() {
    let stage = Stage::of_brokers(3).await;
    let worker = stage.standalone("worker", &[]).await;
    post_all(&stage, &worker, SPREAD).await;
    stage.produce(RECORDS);
    let (most, busiest) = watch(&stage, &worker, SPREAD * OBJECTS_OF_ONE).await;
    eprintln!("at most {most} descriptors, about {busiest:?}");
    let to_kafka = busiest["Kafka"];
    // Some may be asking one broker for something just then.
    assert!(to_kafka <= SPREAD * EACH + SPREAD / 2, "{to_kafka}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_c2_two_hundred_connectors_live_with_the_usual_limit_of_files() {
    let stage = Stage::new().await;
    let file = stage.path("worker.properties");
    std::fs::write(&file, stage.standalone_properties(&[])).unwrap();
    let arguments = ["standalone", file.to_str().unwrap()];
    let worker = Worker::start_with_files(FILES, &arguments, stage.path("worker.log")).await;
    let limits = worker.proc("limits");
    let limit = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    assert_eq!(limit.matches(" 1024 ").count(), 2, "{limit}");
    post_all(&stage, &worker, CONNECTORS).await;
    let stop = CancellationToken::new();
    let asked = {
        let (address, stop) = (worker.address, stop.clone());
        tokio::task::spawn_blocking(move || ask(address, &stop))
    };
    let flow = Instant::now();
    stage.produce(RECORDS);
    let (most, busiest) = watch(&stage, &worker, OBJECTS).await;
    let took = flow.elapsed();
    stop.cancel();
    let times = asked.await.unwrap();
    eprintln!("{OBJECTS} objects after {took:?}; at most {most} descriptors, about {busiest:?}");
    let kinds_of_times = [
        ("status of one", &times.one),
        ("status of all", &times.all),
        ("echo", &times.echo),
    ];
    for (what, times) in kinds_of_times {
        let [half, most_of_them, longest] = [50, 99, 100].map(|part| percentile(times, part));
        let count = times.len();
        eprintln!("{what}: {count} times, p50 {half:?}, p99 {most_of_them:?}, longest {longest:?}");
    }
    assert_eq!(stage.object_count(), OBJECTS);
    assert!(most < FILES, "{most}");
    let log = worker.log();
    assert!(!log.contains("Too many open files"), "{log}");
    let (p99, echo) = (percentile(&times.one, 99), percentile(&times.echo, 99));
    assert!(p99 < ANSWER + echo, "{p99:?}, an echo {echo:?}");
}
