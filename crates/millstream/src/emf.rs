//! EMF: lines in CloudWatch's embedded metric format, from which it makes metrics without being called. One for the worker and
//! one for each task that has something to tell; totals are told as what has come since the line before.

use crate::prometheus::{Prometheus, Snapshot, TaskSnapshot};
use millstream_core::TaskId;
use millstream_worker::cluster::RunState;
use millstream_worker::herder::HerderHandle;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

const NAMESPACE: &str = "Millstream";

/// The longest value of a dimension that CloudWatch takes.
const LONGEST_VALUE: usize = 1024;

/// How lines are written.
#[derive(Clone, Debug)]
pub(crate) struct EmfSettings {
    pub(crate) interval: Duration,
    /// A dimension of every line: the cluster's `group.id`, or what kind of process this is.
    pub(crate) cluster: String,
}

/// Writes the lines to the standard output, whose reader may be slow: no other thread waits for it, and a time that has
/// passed meanwhile is left out.
pub(crate) async fn write_every(
    settings: Option<EmfSettings>,
    metrics: Arc<Prometheus>,
    herder: HerderHandle,
    stop: CancellationToken,
) {
    let Some(settings) = settings else {
        return;
    };
    let interval = settings.interval;
    let mut ticks = interval_at(Instant::now() + interval, interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut lines = Lines::new(settings.cluster);
    loop {
        let is_last = tokio::select! {
            _ = ticks.tick() => false,
            () = stop.cancelled() => true,
        };
        let snapshot = metrics.look(herder.facts(), Instant::now());
        let text = lines.write(&snapshot, crate::clock::now_ms());
        let written = tokio::task::spawn_blocking(move || {
            let mut out = io::stdout().lock();
            out.write_all(text.as_bytes())?;
            out.flush()
        });
        if let Ok(Err(error)) = written.await {
            tracing::warn!(%error, "cannot write metrics to the standard output");
        }
        if is_last {
            return;
        }
    }
}

/// What was told before, so that a line can say what has come since.
struct Lines {
    cluster: String,
    tasks: BTreeMap<TaskId, Totals>,
    worker: Totals,
}

/// Totals by the names of their metrics.
type Totals = BTreeMap<&'static str, f64>;

/// A line that is being made.
struct Line<'a> {
    before: &'a Totals,
    totals: Totals,
    metrics: Vec<Value>,
    values: Map<String, Value>,
}

impl<'a> Line<'a> {
    fn new(before: &'a Totals) -> Self {
        Line {
            before,
            totals: Totals::new(),
            metrics: Vec::new(),
            values: Map::new(),
        }
    }

    /// A value as it is now. What is no number is left out.
    fn gauge(&mut self, name: &'static str, unit: &'static str, value: f64) {
        if value.is_finite() {
            self.metrics.push(json!({"Name": name, "Unit": unit}));
            self.values.insert(name.to_owned(), value.into());
        }
    }

    /// What a total has grown by.
    fn total(&mut self, name: &'static str, unit: &'static str, value: f64) -> f64 {
        let more = self.remember(name, value);
        self.gauge(name, unit, more);
        more
    }

    fn remember(&mut self, name: &'static str, value: f64) -> f64 {
        self.totals.insert(name, value);
        let before = self.before.get(name).copied().unwrap_or(0.0);
        (value - before).max(0.0)
    }

    /// The mean of what has come since the line before, if anything has.
    fn mean(&mut self, name: &'static str, unit: &'static str, of: Mean) {
        let sum = self.remember(of.names.0, of.sum);
        let count = self.remember(of.names.1, of.count);
        if count > 0.0 {
            self.gauge(name, unit, sum / count);
        }
    }

    fn finish(
        self,
        dimensions: &[(&'static str, &str)],
        sets: &[&[&str]],
        now: i64,
    ) -> (Totals, String) {
        let directive = json!({
            "Namespace": NAMESPACE,
            "Dimensions": sets,
            "Metrics": self.metrics,
        });
        let mut root = Map::new();
        let metadata = json!({"Timestamp": now, "CloudWatchMetrics": [directive]});
        root.insert("_aws".to_owned(), metadata);
        for (name, value) in dimensions {
            root.insert((*name).to_owned(), dimension(value).into());
        }
        root.extend(self.values);
        (self.totals, format!("{}\n", Value::Object(root)))
    }
}

/// A sum and a count, and by what names they are remembered.
struct Mean {
    names: (&'static str, &'static str),
    sum: f64,
    count: f64,
}

impl Lines {
    fn new(cluster: String) -> Self {
        Lines {
            cluster,
            tasks: BTreeMap::new(),
            worker: Totals::new(),
        }
    }

    /// The lines of one moment. `now`: epoch milliseconds. What is told of a task that is gone is forgotten.
    fn write(&mut self, snapshot: &Snapshot, now: i64) -> String {
        let mut line = Line::new(&self.worker);
        of_worker(&mut line, snapshot);
        let dimensions = [("Cluster", &*self.cluster)];
        let (totals, mut text) = line.finish(&dimensions, &[&["Cluster"]], now);
        self.worker = totals;
        let mut told = BTreeMap::new();
        let nothing = Totals::new();
        for task in &snapshot.tasks {
            let before = self.tasks.get(&task.id).unwrap_or(&nothing);
            let mut line = Line::new(before);
            of_task(&mut line, task);
            let dimensions = [
                ("Cluster", &*self.cluster),
                ("Connector", &*task.id.connector),
                ("Task", &task.number),
            ];
            let sets: [&[&str]; 2] = [&["Cluster", "Connector"], &["Cluster", "Connector", "Task"]];
            let (totals, line) = line.finish(&dimensions, &sets, now);
            told.insert(task.id.clone(), totals);
            if has_something_to_tell(task) {
                text.push_str(&line);
            }
        }
        self.tasks = told;
        text
    }
}

/// A task without partitions is silent: it would lower the mean of what those have to do that work.
fn has_something_to_tell(task: &TaskSnapshot) -> bool {
    !task.is_sink() || task.counts.partitions > 0 || task.state == RunState::Failed
}

fn of_worker(line: &mut Line, snapshot: &Snapshot) {
    let facts = &snapshot.facts;
    let tasks = |state: RunState| {
        let connectors = facts.connectors.iter();
        connectors.map(|c| c.tasks_in(state)).sum::<usize>() as f64
    };
    let here = facts.connectors.iter().filter(|c| c.state.is_some());
    line.gauge("Connectors", "Count", here.count() as f64);
    line.gauge("RunningTasks", "Count", tasks(RunState::Running));
    line.gauge("PausedTasks", "Count", tasks(RunState::Paused));
    line.gauge("FailedTasks", "Count", tasks(RunState::Failed));
    let degraded = snapshot.tasks.iter().filter(|t| t.counts.is_degraded);
    line.gauge("DegradedTasks", "Count", degraded.count() as f64);
    line.total("Rebalances", "Count", facts.tally.rebalances as f64);
    for (name, (_, usage)) in ["MemoryFetched", "MemoryOpen", "MemoryInFlight"]
        .into_iter()
        .zip(&snapshot.budgets)
    {
        line.gauge(name, "Bytes", usage.used as f64);
    }
    let process = &snapshot.process;
    let known = |value: Option<f64>| value.unwrap_or(f64::NAN);
    line.gauge("ResidentMemory", "Bytes", known(process.resident_bytes));
    line.gauge("OpenFiles", "Count", known(process.open_fds));
    if let Some(seconds) = process.cpu_seconds {
        line.total("CpuTime", "Seconds", seconds);
    }
}

fn of_task(line: &mut Line, task: &TaskSnapshot) {
    let (counts, recent, sink) = (&task.counts, &task.recent, &task.sink);
    if task.is_sink() {
        line.gauge("PositionLag", "Count", counts.position_lag as f64);
        line.gauge("CommittedLag", "Count", counts.committed_lag as f64);
        line.gauge("Partitions", "Count", counts.partitions as f64);
        let stalled = task.stalled.unwrap_or_default();
        line.gauge("StalledTime", "Seconds", stalled.as_secs_f64());
    }
    line.total("RecordsRead", "Count", counts.records_read as f64);
    line.total("RecordsStored", "Count", counts.records_stored as f64);
    line.total("RecordsRejected", "Count", counts.records_rejected as f64);
    line.total("ObjectsStored", "Count", counts.objects_stored as f64);
    line.total("BytesIn", "Bytes", task.client.bytes_in as f64);
    let bytes_out = if task.is_source() {
        task.client.bytes_out
    } else {
        sink.bytes_out()
    };
    line.total("BytesOut", "Bytes", bytes_out as f64);
    line.total("Retries", "Count", (counts.retries + sink.retries()) as f64);
    line.total("FailedCommits", "Count", counts.failed_commits as f64);
    line.gauge("Degraded", "None", f64::from(u8::from(counts.is_degraded)));
    line.total("DegradedTime", "Seconds", recent.degraded.as_secs_f64());
    let (uploads, sizes, writes) = (
        sink.uploads.counts(),
        sink.object_bytes.counts(),
        sink.writes.counts(),
    );
    for (name, unit, names, counts, scale) in [
        (
            "UploadTime",
            "Milliseconds",
            ("upload us", "uploads"),
            &uploads,
            1e3,
        ),
        (
            "ObjectSize",
            "Bytes",
            ("object bytes", "objects"),
            &sizes,
            1.0,
        ),
        (
            "BulkWriteTime",
            "Milliseconds",
            ("write us", "writes"),
            &writes,
            1e3,
        ),
        (
            "PutTime",
            "Milliseconds",
            ("put us", "puts"),
            &task.puts,
            1e3,
        ),
    ] {
        let (sum, count) = (counts.sum as f64 / scale, counts.total() as f64);
        line.mean(name, unit, Mean { names, sum, count });
    }
}

/// A value that CloudWatch takes: printable ASCII, not empty, no colon in front. Whatever else a name has is written as in a
/// URL, so that two names stay two.
fn dimension(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for (index, byte) in value.bytes().enumerate() {
        let is_plain = matches!(byte, b' '..=b'~') && byte != b'%' && (index > 0 || byte != b':');
        if is_plain {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
        if text.len() > LONGEST_VALUE {
            text.truncate(LONGEST_VALUE);
            break;
        }
    }
    if text.trim().is_empty() {
        // It has at least one character that is not a blank.
        text.push('-');
    }
    text
}

#[cfg(test)]
mod tests;
