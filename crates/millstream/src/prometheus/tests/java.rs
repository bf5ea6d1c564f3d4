//! What Java's worker shows, and what of it is shown here: a recording of its beans against our tables.

use super::super::java::attributes;
use super::super::names::{Family, Group};
use super::parser::parse;
use super::{facts, shown, worked};
use std::collections::{BTreeMap, BTreeSet};
use tokio::time::Instant;

const RECORDED: &str = include_str!("../../../data/java-metrics.txt");

/// What is missing on purpose: the group, what its attributes begin with, and why.
pub(super) const MISSING: &[(&str, &[&str], &str)] = &[
    (
        "connect-coordinator-metrics",
        &[
            "failed-rebalance",
            "heartbeat-",
            "join-",
            "last-",
            "rebalance-",
            "sync-",
        ],
        "the steps of a rebalance are not counted one by one; the rebalances are, and how long they took",
    ),
    (
        "connect-metrics",
        &["io-", "select-"],
        "there is no thread that selects among sockets",
    ),
    (
        "connect-metrics",
        &["request-size-"],
        "bytes and requests are counted, sizes are not kept",
    ),
    (
        "connect-metrics",
        &[
            "reauthentication-latency",
            "successful-authentication-no-reauth",
        ],
        "a renewal is counted, its time is not kept; a sign-in counts alike, whatever the broker renews",
    ),
    (
        "connector-task-metrics",
        &[
            "connector-",
            "header-converter-",
            "key-converter-",
            "task-",
            "value-converter-",
        ],
        "texts, which neither Confluent's nor Strimzi's rules show; the connector's are among connector-metrics",
    ),
    (
        "consumer-coordinator-metrics",
        &[""],
        "commits and rebalances of a task are counted for the task",
    ),
    (
        "consumer-fetch-manager-metrics",
        &[""],
        "what is fetched is counted for the task, in records, and for its client, in bytes",
    ),
    (
        "consumer-fetch-manager-metrics by partition",
        &["preferred-read-replica", "records-lag-", "records-lead"],
        "lag is told as it is now; the beginning of a partition is not asked for",
    ),
    (
        "consumer-metrics",
        &[
            "commit-",
            "committed-",
            "last-poll-",
            "poll-",
            "time-between-poll-",
        ],
        "calls of Java's consumer, which there are not; commits are counted for the task",
    ),
    (
        "consumer-metrics",
        &[
            "connection-close-rate",
            "connection-creation-rate",
            "failed-authentication-rate",
            "incoming-byte-rate",
            "network-io-rate",
            "outgoing-byte-rate",
            "request-rate",
            "response-rate",
            "successful-authentication-rate",
            "failed-reauthentication-rate",
            "successful-reauthentication-rate",
        ],
        "the rate of the total is one function away: rate(…_total[1m])",
    ),
    (
        "consumer-metrics",
        &["io-", "select-"],
        "there is no thread that selects among sockets",
    ),
    (
        "consumer-metrics",
        &["request-size-"],
        "bytes and requests are counted, sizes are not kept",
    ),
    (
        "consumer-metrics",
        &[
            "reauthentication-latency",
            "successful-authentication-no-reauth",
        ],
        "a renewal is counted, its time is not kept; a sign-in counts alike, whatever the broker renews",
    ),
];

/// Those of sources and of MongoDB's sink, which the recording does not have: the group, the attributes, and why they are
/// missing.
pub(super) const MISSING_BESIDE: &[(&str, &[&str], &str)] = &[
    (
        "source-task-metrics",
        &["poll-batch-avg-time-ms", "poll-batch-max-time-ms"],
        "a source is waited for among other things, so that a call has no length",
    ),
    (
        "source-task-metrics",
        &[
            "source-record-active-count-avg",
            "source-record-active-count-max",
        ],
        "the count is told as it is now",
    ),
    (
        "source-task-metrics",
        &[
            "transaction-size-avg",
            "transaction-size-max",
            "transaction-size-min",
        ],
        "records of sources are not written in transactions",
    ),
    (
        "sink-task-metrics of MongoDB",
        &["in-connect-framework…", "processing-phases…"],
        "a batch is not processed in phases that could be told apart",
    ),
];

fn recorded() -> BTreeSet<(&'static str, &'static str)> {
    let lines = RECORDED.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split_once(": ").unwrap()).collect()
}

/// The name of a group in the recording.
fn bean(group: Group) -> &'static str {
    match group {
        Group::ConsumerFetch => "consumer-fetch-manager-metrics by partition",
        other => other.java(),
    }
}

#[test]
fn every_attribute_of_javas_is_here_or_missing_on_purpose() {
    let ours: BTreeSet<_> = attributes()
        .iter()
        .map(|(group, name, _)| (bean(*group), *name))
        .collect();
    let is_missing = |(bean, attribute): &(&str, &str)| {
        let mut groups = MISSING.iter().filter(|(group, ..)| group == bean);
        groups.any(|(_, starts, _)| starts.iter().any(|start| attribute.starts_with(start)))
    };
    let unaccounted: Vec<_> = recorded()
        .into_iter()
        .filter(|one| !ours.contains(one) && !is_missing(one))
        .collect();
    assert_eq!(unaccounted, []);
    let both: Vec<_> = recorded()
        .into_iter()
        .filter(|one| ours.contains(one) && is_missing(one))
        .collect();
    assert_eq!(both, [], "they are here and said to be missing");
    for (group, starts, _) in MISSING {
        for start in *starts {
            let mut recorded = recorded().into_iter();
            let is_there =
                recorded.any(|(bean, attribute)| bean == *group && attribute.starts_with(start));
            assert!(is_there, "Java has no {group} {start}");
        }
    }
}

#[test]
fn nothing_is_called_javas_that_java_does_not_have() {
    let recorded = recorded();
    let beside = [Group::SourceTask, Group::Producer, Group::MongoSink];
    for (group, attribute, _) in attributes() {
        if !beside.contains(&group) {
            assert!(
                recorded.contains(&(bean(group), attribute)),
                "{group:?} {attribute}"
            );
        }
    }
}

/// What the dashboards and alerts of Confluent's monitoring stacks and of Strimzi name, but for the JVM.
const CHARTED: &str = "
kafka_connect_app_info
kafka_connect_connect_metrics_{connection_count,failed_authentication_total,incoming_byte_rate,network_io_rate,outgoing_byte_rate,request_rate,response_rate,successful_authentication_rate}
kafka_connect_connect_worker_metrics_{connector_count,task_count,connector_startup_success_total,connector_startup_failure_total,task_startup_success_total,task_startup_failure_total}
kafka_connect_connect_worker_metrics_connector_{destroyed,failed,paused,running,total,unassigned}_task_count
kafka_connect_connect_worker_rebalance_metrics_{completed_rebalances_total,rebalance_avg_time_ms,time_since_last_rebalance_ms}
kafka_connect_connector_metrics
kafka_connect_connector_task_metrics_{batch_size_avg,batch_size_max,offset_commit_avg_time_ms,offset_commit_success_percentage,pause_ratio,running_ratio}
kafka_connect_sink_task_metrics_{offset_commit_completion_rate,offset_commit_skip_rate,partition_count,put_batch_avg_time_ms,put_batch_max_time_ms,sink_record_active_count_avg,sink_record_active_count_max,sink_record_read_rate,sink_record_send_rate}
kafka_connect_source_task_metrics_{source_record_poll_rate,source_record_write_rate}
kafka_connect_task_error_metrics_{deadletterqueue_produce_failures,deadletterqueue_produce_requests,total_errors_logged,total_record_errors,total_record_failures,total_records_skipped,total_retries}
kafka_connect_worker_{connector_count,task_count}
kafka_connect_worker_connector_{destroyed,failed,paused,running,unassigned}_task_count
kafka_connect_worker_rebalance_rebalancing
kafka_connect_coordinator_{assigned_connectors,assigned_tasks}
kafka_connect_{connector_status,connector_task_status,connector_connector_class,connector_connector_type,connector_connector_version,task_error_total_record_failures}
kafka_consumer_{incoming_byte_total,connection_count}
kafka_producer_{outgoing_byte_total,connection_count}
process_cpu_seconds_total
";

/// Of what they chart, this has no meaning here.
pub(super) const NOT_CHARTED: &[(&str, &str)] = &[
    (
        "kafka_connect_connect_metrics_io_ratio",
        "there is no thread that selects among sockets",
    ),
    (
        "kafka_connect_source_task_metrics_poll_batch_avg_time_ms",
        "see above",
    ),
    (
        "kafka_connect_source_task_metrics_poll_batch_max_time_ms",
        "see above",
    ),
    (
        "kafka_connect_source_task_metrics_source_record_active_count_avg",
        "see above",
    ),
    (
        "kafka_connect_source_task_metrics_source_record_active_count_max",
        "see above",
    ),
    ("jvm_…", "there is no JVM; see process_…"),
];

#[test]
fn what_dashboards_chart_is_there() {
    let now = Instant::now();
    let text = shown(&worked(&facts(), "t", 1, now), facts(), now);
    let parsed = parse(&text).unwrap();
    let mut charted = Vec::new();
    for line in CHARTED.lines().filter(|line| !line.is_empty()) {
        match line.split_once('{') {
            Some((before, rest)) => {
                let (names, after) = rest.split_once('}').unwrap();
                charted.extend(
                    names
                        .split(',')
                        .map(|name| format!("{before}{name}{after}")),
                );
            }
            None => charted.push(line.to_owned()),
        }
    }
    let missing: Vec<_> = charted
        .iter()
        .filter(|name| !parsed.types.contains_key(*name))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    for (name, _) in NOT_CHARTED {
        assert!(!text.contains(name), "{name} is there");
    }
}

/// Two of Java's attributes must not come to one name.
#[test]
fn names_are_unique_within_a_family() {
    for family in [Family::Confluent, Family::Strimzi] {
        let mut names = BTreeMap::new();
        for (group, attribute, _) in attributes() {
            let name = group.name(family, attribute);
            let before = names.insert(name.clone(), (group, attribute));
            assert!(
                before.is_none(),
                "{name}: {before:?} and {group:?} {attribute}"
            );
        }
    }
}
