//! Tables: Java's attributes and where their values come from here. Windowed ones are of the last 30 to 60 s, as in Java.

use super::row::{Row, TextRow, lower_case, row, text, total};
use super::snapshot::{GroupClient, Snapshot, TaskSnapshot};
use millstream_core::ConnectorKind;
use millstream_core::meters::{ClientCounts, HistogramCounts};
use millstream_runtime::metrics::PartitionLag;
use millstream_worker::cluster::RunState;
use millstream_worker::metrics::ConnectorFacts;

/// 0 where nothing was tried, as in Java.
fn percentage(of: u64, others: u64) -> f64 {
    match of + others {
        0 => 0.0,
        all => 100.0 * of as f64 / all as f64,
    }
}

#[rustfmt::skip]
pub(super) const WORKER: &[Row<Snapshot>] = &[
    row("connector-count", "Connectors that run in this worker.",
        |s| s.facts.connectors.iter().filter(|c| c.state.is_some()).count() as f64),
    row("task-count", "Tasks that run in this worker.", |s| s.facts.tasks().count() as f64),
    row("connector-startup-attempts-total", "Starts of connectors.",
        |s| (s.facts.tally.connectors_started + s.facts.tally.connectors_not_started) as f64),
    row("connector-startup-success-total", "Starts of connectors that succeeded.",
        |s| s.facts.tally.connectors_started as f64),
    row("connector-startup-success-percentage", "What part of them succeeded, since the worker's start.",
        |s| percentage(s.facts.tally.connectors_started, s.facts.tally.connectors_not_started)),
    row("connector-startup-failure-total", "Starts of connectors that failed.",
        |s| s.facts.tally.connectors_not_started as f64),
    row("connector-startup-failure-percentage", "What part of them failed, since the worker's start.",
        |s| percentage(s.facts.tally.connectors_not_started, s.facts.tally.connectors_started)),
    row("task-startup-attempts-total", "Starts of tasks.",
        |s| (s.facts.tally.tasks_started + s.facts.tally.tasks_not_started) as f64),
    row("task-startup-success-total", "Starts of tasks that succeeded.", |s| s.facts.tally.tasks_started as f64),
    row("task-startup-success-percentage", "What part of them succeeded, since the worker's start.",
        |s| percentage(s.facts.tally.tasks_started, s.facts.tally.tasks_not_started)),
    row("task-startup-failure-total", "Starts of tasks that failed.", |s| s.facts.tally.tasks_not_started as f64),
    row("task-startup-failure-percentage", "What part of them failed, since the worker's start.",
        |s| percentage(s.facts.tally.tasks_not_started, s.facts.tally.tasks_started)),
];

#[rustfmt::skip]
pub(super) const WORKER_CONNECTOR: &[Row<ConnectorFacts>] = &[
    row("connector-total-task-count", "The connector's tasks in this worker.", |c| c.tasks.len() as f64),
    row("connector-running-task-count", "Those of them that run.", |c| c.tasks_in(RunState::Running) as f64),
    row("connector-paused-task-count", "Those of them that are paused.", |c| c.tasks_in(RunState::Paused) as f64),
    row("connector-failed-task-count", "Those of them that have failed.", |c| c.tasks_in(RunState::Failed) as f64),
    row("connector-unassigned-task-count", "Those of them that have not started yet.",
        |c| c.tasks_in(RunState::Unassigned) as f64),
    row("connector-destroyed-task-count", "Those of them that are being stopped for good.", |c| c.ending as f64),
    row("connector-restarting-task-count", "Those of them that are being restarted.",
        |c| c.tasks_in(RunState::Restarting) as f64),
];

#[rustfmt::skip]
pub(super) const REBALANCE: &[Row<Snapshot>] = &[
    row("completed-rebalances-total", "Rebalances of the workers' group that this worker has completed.",
        |s| s.facts.tally.rebalances as f64),
    row("rebalancing", "1 while the group shares its work out anew, or cannot be reached.",
        |s| f64::from(u8::from(s.facts.tally.rebalancing_since.is_some()))),
    row("rebalance-max-time-ms", "The longest rebalance since the worker's start (Java's is of the last minute).",
        |s| s.facts.tally.longest_rebalance_ms as f64),
    row("rebalance-avg-time-ms", "The mean of all rebalances since the worker's start (Java's is of the last minute).",
        |s| match s.facts.tally.rebalances {
            0 => 0.0,
            count => s.facts.tally.rebalance_ms as f64 / count as f64,
        }),
    row("time-since-last-rebalance-ms", "Milliseconds since the end of the last rebalance; 0 before the first.",
        |s| s.facts.tally.rebalanced_at.map_or(0.0, |at| s.facts.now.saturating_sub(at).max(0) as f64)),
    row("epoch", "The group's generation.", |s| f64::from(s.facts.generation)),
];

#[rustfmt::skip]
pub(super) const CONNECTOR: &[TextRow<ConnectorFacts>] = &[
    text("connector-class", "The connector's class, as a label.", |c| c.class.clone()),
    text("connector-type", "Sink or source, as a label.", |c| c.kind.map(|kind| match kind {
        ConnectorKind::Sink => "sink".to_owned(),
        ConnectorKind::Source => "source".to_owned(),
    })),
    text("connector-version", "The version of the connector's class, as a label.", |c| c.version.clone()),
    text("status", "The connector's status, as a label.", |c| c.state.map(lower_case)),
];

#[rustfmt::skip]
pub(super) const TASK: &[Row<TaskSnapshot>] = &[
    row("running-ratio", "The part of the time since its start that the task has been running.", |t| t.recent.running_ratio),
    row("pause-ratio", "The part of the time since its start that the task has been paused.", |t| t.recent.pause_ratio),
    row("batch-size-avg", "Records of a batch, on average.", |t| t.recent.batch_average),
    row("batch-size-max", "Records of the largest batch.", |t| t.recent.batch_max),
    row("offset-commit-avg-time-ms", "Milliseconds that a commit of offsets took, on average.", |t| t.recent.commit_average),
    row("offset-commit-max-time-ms", "Milliseconds that the longest commit of offsets took.", |t| t.recent.commit_max),
    row("offset-commit-success-percentage", "What part of the commits succeeded, in percent.", |t| t.recent.commit_success),
    row("offset-commit-failure-percentage", "What part of the commits failed, in percent.", |t| t.recent.commit_failure),
];

#[rustfmt::skip]
pub(super) const SINK: &[Row<TaskSnapshot>] = &[
    row("sink-record-read-rate", "Records per second that the consumer delivered.", |t| t.recent.read_rate),
    row("sink-record-read-total", "Records that the task's consumer delivered.", |t| t.counts.records_read as f64),
    row("sink-record-send-rate", "Records per second that passed the transforms and were taken by the sink.",
        |t| t.recent.send_rate),
    row("sink-record-send-total", "Records that passed the transforms and were taken by the sink.",
        |t| t.counts.records_sent as f64),
    row("sink-record-active-count", "Records that were read and are not committed.", |t| t.counts.active as f64),
    row("sink-record-active-count-avg", "The same on average, of values taken once a second.", |t| t.recent.active_average),
    row("sink-record-active-count-max", "The most of them, of values taken once a second.", |t| t.recent.active_max),
    row("partition-count", "Partitions that the task has.", |t| t.counts.partitions as f64),
    row("offset-commit-seq-no", "Attempts to commit offsets.",
        |t| (t.counts.commits + t.counts.failed_commits) as f64),
    row("offset-commit-completion-rate", "Offset commits per second that succeeded.", |t| t.recent.completion_rate),
    row("offset-commit-completion-total", "Offset commits that succeeded.", |t| t.counts.commits as f64),
    row("offset-commit-skip-rate", "Offset commits per second that were not answered in time.", |t| t.recent.skip_rate),
    row("offset-commit-skip-total", "Offset commits that were not answered in time; the next one includes their offsets.",
        |t| t.counts.late_commits as f64),
    row("put-batch-avg-time-ms", "Milliseconds that the sink took for a batch, waits included, on average.",
        |t| t.recent.put_average),
    row("put-batch-max-time-ms", "Milliseconds that the sink took for the longest batch, waits included.",
        |t| t.recent.put_max),
];

/// Read and neither written nor dropped.
fn active(task: &TaskSnapshot) -> f64 {
    let counts = &task.counts;
    let done = counts.records_stored + counts.records_filtered + counts.records_skipped;
    counts.records_read.saturating_sub(done) as f64
}

#[rustfmt::skip]
pub(super) const SOURCE: &[Row<TaskSnapshot>] = &[
    row("source-record-poll-rate", "Records per second that the source brought.", |t| t.recent.read_rate),
    row("source-record-poll-total", "Records that the source brought.", |t| t.counts.records_read as f64),
    row("source-record-write-rate", "Records per second that passed the transforms and were taken by the producer.",
        |t| t.recent.send_rate),
    row("source-record-write-total", "Records that passed the transforms and were taken by the producer.",
        |t| t.counts.records_sent as f64),
    row("source-record-active-count", "Records that were read and that Kafka has not acknowledged.", active),
];

#[rustfmt::skip]
pub(super) const ERRORS: &[Row<TaskSnapshot>] = &[
    total("total-record-errors", "Records that a converter, a transform or the sink rejected.",
        |t| t.counts.records_rejected as f64),
    total("total-record-failures", "Records that a converter, a transform or the sink rejected.",
        |t| t.counts.records_rejected as f64),
    total("total-records-skipped", "Rejected records that were tolerated.", |t| t.counts.records_skipped as f64),
    total("total-retries", "Times that a sink refused a batch for a transient reason.", |t| t.counts.retries as f64),
    total("total-errors-logged", "Rejected records that were logged.", |t| t.counts.errors_logged as f64),
    total("deadletterqueue-produce-requests", "Records that were to be written to the dead-letter topic.",
        |t| t.counts.dead_letters as f64),
    total("deadletterqueue-produce-failures", "Times that the dead-letter topic could not be written to.",
        |t| t.counts.failed_dead_letters as f64),
    row("last-error-timestamp", "When a record was rejected last, in milliseconds since the epoch; 0 if none was.",
        |t| t.counts.last_error as f64),
];

#[rustfmt::skip]
pub(super) const CLIENT: &[Row<ClientCounts>] = &[
    row("incoming-byte-total", "Bytes that came from the brokers.", |c| c.bytes_in as f64),
    row("outgoing-byte-total", "Bytes that went to the brokers.", |c| c.bytes_out as f64),
    row("request-total", "Requests sent.", |c| c.requests as f64),
    row("response-total", "Responses received.", |c| c.responses as f64),
    row("network-io-total", "Requests and responses.", |c| (c.requests + c.responses) as f64),
    row("connection-count", "Connections that are open.", |c| c.open as f64),
    row("connection-creation-total", "Connections opened.", |c| c.opened as f64),
    row("connection-close-total", "Connections closed.", |c| c.closed as f64),
    row("successful-authentication-total", "Sign-ins that succeeded.", |c| c.authentications as f64),
    row("failed-authentication-total", "Sign-ins that were refused.", |c| c.failed_authentications as f64),
    row("successful-reauthentication-total", "Sign-ins that were renewed on their connection.", |c| c.renewals as f64),
    row("failed-reauthentication-total", "Sign-ins that could not be renewed.", |c| c.failed_renewals as f64),
];

#[rustfmt::skip]
pub(super) const CLIENT_RATES: &[Row<GroupClient>] = &[
    row("incoming-byte-rate", "Bytes per second that came from the brokers.", |c| c.rate(|c| c.bytes_in)),
    row("outgoing-byte-rate", "Bytes per second that went to the brokers.", |c| c.rate(|c| c.bytes_out)),
    row("request-rate", "Requests per second.", |c| c.rate(|c| c.requests)),
    row("response-rate", "Responses per second.", |c| c.rate(|c| c.responses)),
    row("network-io-rate", "Requests and responses per second.", |c| c.rate(|c| c.requests + c.responses)),
    row("connection-creation-rate", "Connections opened per second.", |c| c.rate(|c| c.opened)),
    row("connection-close-rate", "Connections closed per second.", |c| c.rate(|c| c.closed)),
    row("successful-authentication-rate", "Sign-ins per second that succeeded.", |c| c.rate(|c| c.authentications)),
    row("failed-authentication-rate", "Sign-ins per second that were refused.", |c| c.rate(|c| c.failed_authentications)),
    row("successful-reauthentication-rate", "Sign-ins per second that were renewed.", |c| c.rate(|c| c.renewals)),
    row("failed-reauthentication-rate", "Sign-ins per second that could not be renewed.", |c| c.rate(|c| c.failed_renewals)),
];

#[rustfmt::skip]
pub(super) const FETCH: &[Row<PartitionLag>] = &[
    row("records-lag", "Records of the partition that have not been read.", |p| p.behind().position as f64),
];

/// How many took longer than so many milliseconds.
fn over(counts: &HistogramCounts, millis: u64) -> f64 {
    counts.over(millis * 1000) as f64
}

fn millis(counts: &HistogramCounts) -> f64 {
    (counts.sum / 1000) as f64
}

#[rustfmt::skip]
pub(super) const MONGO: &[Row<TaskSnapshot>] = &[
    total("records", "Records that the sink was given.", |t| t.counts.records_sent as f64),
    total("records-successful", "Records that were written.", |t| t.counts.records_stored as f64),
    total("records-failed", "Records that were rejected.", |t| t.counts.records_rejected as f64),
    row("latest-kafka-time-difference-ms", "Milliseconds between the time of the last record of a batch and its being read.",
        |t| t.counts.delay as f64),
    total("in-task-put", "Batches that the sink took.", |t| t.puts.total() as f64),
    total("in-task-put-duration-ms", "Milliseconds that this took.", |t| millis(&t.puts)),
    total("in-task-put-duration-over-1-ms", "Those that took longer than 1 ms.", |t| over(&t.puts, 1)),
    total("in-task-put-duration-over-10-ms", "Those that took longer than 10 ms.", |t| over(&t.puts, 10)),
    total("in-task-put-duration-over-100-ms", "Those that took longer than 100 ms.", |t| over(&t.puts, 100)),
    total("in-task-put-duration-over-1000-ms", "Those that took longer than 1 s.", |t| over(&t.puts, 1000)),
    total("in-task-put-duration-over-10000-ms", "Those that took longer than 10 s.", |t| over(&t.puts, 10_000)),
    total("batch-writes-successful", "Bulk writes that were answered.", |t| t.sink.writes.counts().total() as f64),
    total("batch-writes-successful-duration-ms", "Milliseconds that they took.", |t| millis(&t.sink.writes.counts())),
    total("batch-writes-successful-duration-over-1-ms", "Those that took longer than 1 ms.",
        |t| over(&t.sink.writes.counts(), 1)),
    total("batch-writes-successful-duration-over-10-ms", "Those that took longer than 10 ms.",
        |t| over(&t.sink.writes.counts(), 10)),
    total("batch-writes-successful-duration-over-100-ms", "Those that took longer than 100 ms.",
        |t| over(&t.sink.writes.counts(), 100)),
    total("batch-writes-successful-duration-over-1000-ms", "Those that took longer than 1 s.",
        |t| over(&t.sink.writes.counts(), 1000)),
    total("batch-writes-successful-duration-over-10000-ms", "Those that took longer than 10 s.",
        |t| over(&t.sink.writes.counts(), 10_000)),
    total("batch-writes-failed", "Bulk writes that failed as a whole.", |t| t.sink.failed_writes.counts().total() as f64),
    total("batch-writes-failed-duration-ms", "Milliseconds that they took.",
        |t| millis(&t.sink.failed_writes.counts())),
    total("batch-writes-failed-duration-over-1-ms", "Those that took longer than 1 ms.",
        |t| over(&t.sink.failed_writes.counts(), 1)),
    total("batch-writes-failed-duration-over-10-ms", "Those that took longer than 10 ms.",
        |t| over(&t.sink.failed_writes.counts(), 10)),
    total("batch-writes-failed-duration-over-100-ms", "Those that took longer than 100 ms.",
        |t| over(&t.sink.failed_writes.counts(), 100)),
    total("batch-writes-failed-duration-over-1000-ms", "Those that took longer than 1 s.",
        |t| over(&t.sink.failed_writes.counts(), 1000)),
    total("batch-writes-failed-duration-over-10000-ms", "Those that took longer than 10 s.",
        |t| over(&t.sink.failed_writes.counts(), 10_000)),
];
