//! Other people's clients against the embedded broker. Each test says in one line why it does nothing where its client is not
//! installed.
#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::process::{Command, Stdio};

use millstream_embedded::broker::{ApiCap, Broker, BrokerSettings};

/// What the program prints, or `None` when it is not installed.
async fn run(program: &'static str, args: Vec<String>, input: String) -> Option<String> {
    let work = move || {
        let mut child = Command::new(program)
            .args(&args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .ok()?;
        // A program that wants no input may be gone before it is written.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        Some(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    tokio::task::spawn_blocking(work).await.unwrap()
}

async fn kcat(args: String, input: &str) -> Option<String> {
    let args = args.split(' ').map(str::to_owned).collect();
    let output = run("kcat", args, input.to_owned()).await;
    if output.is_none() {
        eprintln!("skipped: kcat is not installed");
    }
    output
}

#[tokio::test]
async fn kcat_reads_what_it_wrote() {
    for cap in [None, Some(ApiCap::V2_2), Some(ApiCap::V4_3)] {
        let broker = Broker::start(BrokerSettings {
            cap,
            ..BrokerSettings::of_nodes(3)
        })
        .await
        .unwrap();
        broker.create_topic("t", 3).unwrap();
        let lines: String = (0..1_000).map(|n| format!("{n}\n")).collect();
        let bootstrap = broker.bootstrap();
        for codec in ["none", "lz4", "gzip"] {
            let Some(_) = kcat(format!("-b {bootstrap} -t t -P -z {codec}"), &lines).await else {
                return;
            };
        }
        let read = kcat(format!("-b {bootstrap} -t t -C -e -q"), "")
            .await
            .unwrap();
        let mut numbers: Vec<u32> = read.lines().map(|line| line.parse().unwrap()).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..3_000).map(|n| n / 3).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn kcat_follows_a_moved_leader() {
    let broker = Broker::start(BrokerSettings::of_nodes(3)).await.unwrap();
    broker.create_topic("t", 1).unwrap();
    broker.move_leader("t", 0, 3).unwrap();
    let args = format!(
        "-b {} -t t -C -q -o beginning -c 20 -X topic.metadata.refresh.interval.ms=500",
        broker.bootstrap()
    );
    let produce = |from: u32| {
        for n in from..from + 10 {
            broker
                .produce("t", 0, None, Some(n.to_string().as_bytes()))
                .unwrap();
        }
    };
    produce(0);
    let (read, ()) = tokio::join!(kcat(args, ""), async {
        // The first ten are on their way, or are read from the heir: either way nothing may be lost or doubled.
        tokio::task::yield_now().await;
        broker.stop_node(3);
        produce(10);
    });
    if let Some(read) = read {
        let expected: String = (0..20).map(|n| format!("{n}\n")).collect();
        assert_eq!(read, expected);
    }
}

#[tokio::test]
async fn kcat_joins_a_group_and_commits() {
    let broker = Broker::start(BrokerSettings::default()).await.unwrap();
    broker.create_topic("t", 1).unwrap();
    for n in 0..10 {
        broker
            .produce("t", 0, None, Some(n.to_string().as_bytes()))
            .unwrap();
    }
    let bootstrap = broker.bootstrap();
    let args = format!("-b {bootstrap} -q -X auto.offset.reset=earliest -c 10 -G g t");
    let Some(read) = kcat(args, "").await else {
        return;
    };
    assert_eq!(read.lines().count(), 10);
    assert_eq!(
        broker.committed("g", "t", 0).map(|(offset, _)| offset),
        Some(10)
    );
    assert_eq!(broker.group("g").unwrap().0, "Empty");
}

const PYTHON: &str = "
import sys
try:
    from kafka import KafkaConsumer, KafkaProducer, TopicPartition
except ImportError:
    print('missing'); sys.exit()
bootstrap = sys.argv[1]
producer = KafkaProducer(bootstrap_servers=bootstrap, acks='all', compression_type='gzip')
for n in range(100):
    producer.send('t', key=b'k', value=b'%d' % n, headers=[('h', b'x')], partition=n % 2)
producer.flush()
consumer = KafkaConsumer('t', bootstrap_servers=bootstrap, group_id='g', auto_offset_reset='earliest', enable_auto_commit=False)
seen = []
while len(seen) < 100:
    for records in consumer.poll(1000).values():
        seen += [record.value for record in records if record.headers == [('h', b'x')]]
consumer.commit()
consumer.close()
print(len(set(seen)))
";

#[tokio::test]
async fn kafka_python_produces_consumes_and_commits() {
    let broker = Broker::start(BrokerSettings::of_nodes(2)).await.unwrap();
    broker.create_topic("t", 2).unwrap();
    let args = vec!["-c".to_owned(), PYTHON.to_owned(), broker.bootstrap()];
    match run("python3", args, String::new())
        .await
        .as_deref()
        .map(str::trim)
    {
        None | Some("missing") => eprintln!("skipped: kafka-python is not installed"),
        Some(printed) => {
            assert_eq!(printed, "100");
            let committed = |partition| {
                broker
                    .committed("g", "t", partition)
                    .map(|(offset, _)| offset)
            };
            assert_eq!((committed(0), committed(1)), (Some(50), Some(50)));
        }
    }
}
