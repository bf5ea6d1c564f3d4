//! The page as monitoring reads it: every line by a strict parser, Java's names, hostile names.
#![allow(clippy::unwrap_used)]

mod java;
mod page;
mod parser;

use super::java::{MONGO_SINK, S3_SINK};
use super::*;
use millstream_core::{ConnectorKind, TaskId, TopicPartition, limits};
use millstream_runtime::TaskMetrics;
use millstream_runtime::metrics::{Commit, Lag, PartitionLag, Phase};
use millstream_worker::cluster::RunState;
use millstream_worker::metrics::{ConnectorFacts, Tally};
use parser::parse;
use proptest::prelude::*;

/// A connector that runs here with one task.
fn connector(name: &str, kind: ConnectorKind, class: &str) -> ConnectorFacts {
    ConnectorFacts {
        name: name.into(),
        kind: Some(kind),
        class: Some(class.to_owned()),
        version: Some("1.0".to_owned()),
        state: Some(RunState::Running),
        tasks: vec![(0, RunState::Running)],
        ending: 0,
    }
}

/// A worker with one connector of each kind.
pub(crate) fn facts() -> WorkerFacts {
    WorkerFacts {
        worker_id: "here:8083".into(),
        connectors: vec![
            connector("archive", ConnectorKind::Sink, S3_SINK),
            connector("hash", ConnectorKind::Sink, MONGO_SINK),
            connector("lines", ConnectorKind::Source, "a.Source"),
        ],
        tally: Tally {
            rebalances: 2,
            rebalance_ms: 30,
            ..Tally::default()
        },
        is_in_group: true,
        leader: Some("here:8083".into()),
        protocol: "sessioned",
        generation: 3,
        now: 5_000,
    }
}

/// The metrics of a worker whose tasks have done something.
pub(crate) fn worked(
    facts: &WorkerFacts,
    topic: &str,
    partitions: i32,
    now: Instant,
) -> Prometheus {
    let board = Board::default();
    for (id, _) in facts.tasks() {
        let metrics = board.metrics(&id);
        work(&metrics, topic, partitions, now);
    }
    let prometheus = Prometheus::new(board, Budgets::new(1 << 30), Names::Both);
    prometheus.with_group(Arc::default(), now)
}

fn work(metrics: &TaskMetrics, topic: &str, partitions: i32, now: Instant) {
    metrics.phase(Phase::Starting, now);
    metrics.phase(Phase::Running, now);
    metrics.assigned(partitions as usize, true);
    metrics.read(10, Some(7), now);
    metrics.put(Duration::from_millis(3), now);
    metrics.sent(9, now);
    metrics.stored(8, 2, now);
    metrics.rejected(1, 4_000);
    metrics.committed(Commit::Done, Duration::from_millis(5), now);
    metrics.committed(Commit::Late, Duration::from_secs(1), now);
    metrics.sink.uploaded(1000, Duration::from_millis(20));
    metrics.sink.wrote(true, Duration::from_millis(2));
    metrics.client.received(100);
    let lag = |number| PartitionLag {
        partition: TopicPartition::new(topic, number),
        end: 20,
        position: 10,
        durable: 8,
        committed: 5,
    };
    metrics.lag(Lag::of((0..partitions).map(lag).collect()), now);
}

fn shown(prometheus: &Prometheus, facts: WorkerFacts, now: Instant) -> String {
    render(&prometheus.look(facts, now), Names::Both)
}

#[test]
fn a_task_is_shown_by_both_families_and_ours() {
    let now = Instant::now();
    let text = shown(&worked(&facts(), "t", 2, now), facts(), now);
    let parsed = parse(&text).unwrap();
    let of = [("connector", "archive"), ("task", "0")];
    for (name, value) in [
        (
            "kafka_connect_sink_task_metrics_sink_record_read_total",
            10.0,
        ),
        ("kafka_connect_sink_task_sink_record_read_total", 10.0),
        (
            "kafka_connect_sink_task_metrics_sink_record_active_count",
            10.0,
        ),
        ("kafka_connect_sink_task_metrics_put_batch_max_time_ms", 3.0),
        ("kafka_connect_connector_task_metrics_running_ratio", 1.0),
        (
            "kafka_connect_connector_task_metrics_offset_commit_success_percentage",
            50.0,
        ),
        (
            "kafka_connect_sink_task_metrics_offset_commit_skip_total",
            1.0,
        ),
        ("kafka_connect_sink_task_metrics_partition_count", 2.0),
        (
            "kafka_connect_task_error_metrics_last_error_timestamp",
            4_000.0,
        ),
        ("millstream_records_stored_total", 8.0),
        ("millstream_task_position_lag_records", 20.0),
        ("millstream_task_committed_lag_records", 30.0),
        ("millstream_records_lag", 24.0),
        ("millstream_kafka_bytes_in_total", 100.0),
        ("millstream_upload_seconds_count", 1.0),
        ("millstream_object_bytes_sum", 1000.0),
    ] {
        assert_eq!(parsed.value(name, &of), Some(value), "{name}\n{text}");
    }
    for (name, labels, value) in [
        (
            "kafka_connect_connect_worker_metrics_connector_count",
            vec![("connector", "aggregate")],
            3.0,
        ),
        ("kafka_connect_worker_task_count", vec![], 3.0),
        (
            "kafka_connect_connect_worker_metrics_connector_running_task_count",
            vec![("connector", "hash")],
            1.0,
        ),
        (
            "kafka_connect_connect_worker_rebalance_metrics_completed_rebalances_total",
            vec![],
            2.0,
        ),
        (
            "kafka_connect_connector_metrics",
            vec![("connector", "lines"), ("connector_type", "source")],
            1.0,
        ),
        (
            "kafka_connect_connector_status",
            vec![("connector", "lines"), ("status", "running")],
            1.0,
        ),
        (
            "kafka_consumer_incoming_byte_total",
            vec![("clientid", "connector-consumer-hash-0")],
            100.0,
        ),
        (
            "kafka_producer_incoming_byte_total",
            vec![("clientid", "connector-producer-lines-0")],
            100.0,
        ),
        (
            "kafka_connect_connect_metrics_incoming_byte_rate",
            vec![("client_id", "connect-here:8083")],
            0.0,
        ),
        (
            "kafka_connect_mongodb_sink_task_metrics_in_task_put_duration_over_1_ms",
            vec![("connector", "hash"), ("task", "0")],
            1.0,
        ),
    ] {
        assert_eq!(parsed.value(name, &labels), Some(value), "{name}\n{text}");
    }
    // What an S3 task has a document store's has not.
    assert_eq!(
        parsed.value(
            "millstream_upload_seconds_count",
            &[("connector", "hash"), ("task", "0")]
        ),
        None
    );
}

#[test]
fn partitions_beyond_the_bound_have_one_series_together() {
    let now = Instant::now();
    let partitions = limits::SHOWN_PARTITIONS as i32 + 3;
    let text = shown(&worked(&facts(), "t", partitions, now), facts(), now);
    let parsed = parse(&text).unwrap();
    let name = "millstream_position_lag_records";
    let of_archive = parsed.samples.iter().filter(|((found, labels), _)| {
        found == name && labels.contains(&("connector".to_owned(), "archive".to_owned()))
    });
    let values: Vec<f64> = of_archive.map(|(_, value)| *value).collect();
    assert_eq!(values.len(), limits::SHOWN_PARTITIONS + 1);
    assert_eq!(values.iter().sum::<f64>(), 10.0 * f64::from(partitions));
}

#[test]
fn a_task_that_is_gone_is_shown_no_more() {
    let now = Instant::now();
    let prometheus = worked(&facts(), "t", 1, now);
    let mut facts = facts();
    facts
        .connectors
        .retain(|connector| &*connector.name == "hash");
    let text = shown(&prometheus, facts, now);
    assert!(text.contains("connector=\"hash\""));
    assert!(!text.contains("archive"), "{text}");
}

#[test]
fn a_family_is_chosen_by_a_setting() {
    let now = Instant::now();
    let prometheus = worked(&facts(), "t", 1, now);
    let names = |setting: &str| {
        let text = render(&prometheus.look(facts(), now), Names::of(setting));
        parse(&text).unwrap().types.into_keys().collect::<Vec<_>>()
    };
    let (confluent, strimzi, both) = (names("confluent"), names("strimzi"), names("both"));
    let has = |names: &[String], name: &str| names.iter().any(|found| found == name);
    assert!(has(
        &confluent,
        "kafka_connect_sink_task_metrics_partition_count"
    ));
    assert!(!has(&confluent, "kafka_connect_sink_task_partition_count"));
    assert!(has(&strimzi, "kafka_connect_sink_task_partition_count"));
    assert!(!has(
        &strimzi,
        "kafka_connect_sink_task_metrics_partition_count"
    ));
    let all = confluent.iter().chain(&strimzi);
    assert!(all.into_iter().all(|name| has(&both, name)));
    for names in [confluent, strimzi] {
        assert!(has(&names, "millstream_task_degraded"));
    }
}

#[test]
fn rates_of_the_workers_client_are_of_the_last_minute() {
    let begun = Instant::now();
    let after = |seconds| begun + Duration::from_secs(seconds);
    let meters = Arc::new(ClientMeters::default());
    let kept = Mutex::new(VecDeque::from([(begun, ClientCounts::default())]));
    let group = GroupMeters {
        meters: Arc::clone(&meters),
        kept,
    };
    meters.received(600);
    assert_eq!(group.look(after(30)).rate(|c| c.bytes_in), 20.0);
    for seconds in [60, 90, 120] {
        group.look(after(seconds));
    }
    assert_eq!(group.look(after(120)).rate(|c| c.bytes_in), 0.0);
    meters.received(1200);
    assert_eq!(group.look(after(150)).rate(|c| c.bytes_in), 20.0);
    assert!(group.kept.lock().unwrap().len() < 10);
}

/// Names that a connector or a topic may have, though nobody should.
fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[\"\\\\\n\r{},=# a]{0,9}",
        Just("aggregate".to_owned()),
        Just("others".to_owned()),
        Just("\u{2028}\u{0}\t".to_owned()),
    ]
}

proptest! {
    #[test]
    fn whatever_things_are_called_the_text_is_valid(
        names in proptest::collection::btree_set(hostile(), 0..4),
        topic in hostile(),
        partitions in 0..3i32,
        known in any::<bool>(),
    ) {
        let now = Instant::now();
        let mut facts = facts();
        facts.worker_id = topic.as_str().into();
        facts.leader = known.then(|| topic.as_str().into());
        let kinds = [(ConnectorKind::Sink, S3_SINK), (ConnectorKind::Sink, MONGO_SINK), (ConnectorKind::Source, topic.as_str())];
        facts.connectors = names.iter().zip(kinds.iter().cycle()).map(|(name, (kind, class))| {
            let mut connector = connector(name, *kind, class);
            connector.tasks.push((1, RunState::Failed));
            if !known {
                (connector.kind, connector.class, connector.version) = (None, None, None);
            }
            connector
        }).collect();
        let text = shown(&worked(&facts, &topic, partitions, now), facts.clone(), now);
        let parsed = parse(&text).map_err(TestCaseError::fail)?;
        for (id, _) in facts.tasks() {
            let TaskId { connector, task } = id;
            let task = task.to_string();
            let labels = [("connector", &*connector), ("task", &*task)];
            prop_assert_eq!(parsed.value("millstream_records_stored_total", &labels), Some(8.0));
        }
    }

    #[test]
    fn the_parser_takes_any_text(text in any::<String>()) {
        let _ = parse(&text);
    }
}
