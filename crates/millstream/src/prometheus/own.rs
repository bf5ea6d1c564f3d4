//! Own: what Java's worker does not count. These names are the same whatever is chosen for Java's.

use super::exposition::{Exposition, Kind};
use super::java::{MONGO_SINK, S3_SINK};
use super::snapshot::{Snapshot, TaskSnapshot};
use millstream_core::meters::HistogramCounts;
use millstream_core::{BudgetUse, FlushReason, QueueState};
use millstream_health::AlarmKind;
use millstream_runtime::metrics::Behind;
use millstream_worker::cluster::RunState;

/// What stands for the partitions beyond those that are shown one by one.
const OTHERS: &str = "others";

/// Microseconds of a second.
const MICROS: f64 = 1e6;

/// A number of each task.
pub(super) struct Number {
    pub(super) name: &'static str,
    kind: Kind,
    pub(super) help: &'static str,
    of: Tasks,
    value: fn(&TaskSnapshot) -> f64,
}

/// Times or sizes of each task.
pub(super) struct Spread {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    of: Tasks,
    /// How many of what was counted are one of the unit shown.
    unit: f64,
    counts: fn(&TaskSnapshot) -> HistogramCounts,
}

/// A number of each partition.
pub(super) struct PartitionNumber {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    value: fn(&Behind) -> u64,
}

/// A number of each of the three shares of the memory for records.
pub(super) struct BudgetNumber {
    pub(super) name: &'static str,
    kind: Kind,
    pub(super) help: &'static str,
    value: fn(&BudgetUse) -> f64,
}

/// Whose number it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tasks {
    All,
    Sinks,
    S3,
    Mongo,
    /// Those whose records come from a queue: sinks, and sources of topics.
    Queues,
}

impl Tasks {
    fn contain(self, task: &TaskSnapshot) -> bool {
        match self {
            Tasks::All => true,
            Tasks::Sinks => task.is_sink(),
            Tasks::S3 => task.is_of(S3_SINK),
            Tasks::Mongo => task.is_of(MONGO_SINK),
            Tasks::Queues => task.queue.state.is_some(),
        }
    }
}

const fn number(
    name: &'static str,
    kind: Kind,
    of: Tasks,
    help: &'static str,
    value: fn(&TaskSnapshot) -> f64,
) -> Number {
    Number {
        name,
        kind,
        help,
        of,
        value,
    }
}

#[rustfmt::skip]
pub(super) const NUMBERS: &[Number] = &[
    number("millstream_records_stored_total", Kind::Counter, Tasks::All,
        "Records that the sink has made durable, or that Kafka has acknowledged.", |t| t.counts.records_stored as f64),
    number("millstream_objects_stored_total", Kind::Counter, Tasks::Sinks,
        "Objects that the sink has made durable; 0 where it writes none.", |t| t.counts.objects_stored as f64),
    number("millstream_records_filtered_total", Kind::Counter, Tasks::All,
        "Records that a transform dropped.", |t| t.counts.records_filtered as f64),
    number("millstream_records_lag", Kind::Gauge, Tasks::Sinks,
        "Records between what is durable and the ends of the task's partitions.", |t| t.counts.lag as f64),
    number("millstream_task_position_lag_records", Kind::Gauge, Tasks::Sinks,
        "Records of all partitions of the task that have not been read: its backlog.",
        |t| t.counts.position_lag as f64),
    number("millstream_task_committed_lag_records", Kind::Gauge, Tasks::Sinks,
        "Records of all partitions of the task that are not committed. A sink of files commits a file at a time.",
        |t| t.counts.committed_lag as f64),
    number("millstream_task_stalled_seconds", Kind::Gauge, Tasks::Sinks,
        "How long there has been something to read without anything being read or becoming durable; 0 where there is nothing to read, and while the task is paused.",
        |t| t.stalled.unwrap_or_default().as_secs_f64()),
    number("millstream_task_failed", Kind::Gauge, Tasks::All,
        "1 if the task has failed.", |t| flag(t.state == RunState::Failed)),
    number("millstream_task_degraded", Kind::Gauge, Tasks::All,
        "1 while the task is degraded: something that it needs is unavailable and retried.",
        |t| flag(t.counts.is_degraded)),
    number("millstream_task_degraded_seconds_total", Kind::Counter, Tasks::All,
        "Seconds that the task has been degraded.", |t| t.recent.degraded.as_secs_f64()),
    number("millstream_task_rebalances_total", Kind::Counter, Tasks::Sinks,
        "Times that the task's consumer was given partitions.", |t| t.counts.rebalances as f64),
    number("millstream_offset_commit_failure_total", Kind::Counter, Tasks::All,
        "Offset commits that failed; the next one includes their offsets.", |t| t.counts.failed_commits as f64),
    number("millstream_kafka_bytes_in_total", Kind::Counter, Tasks::All,
        "Bytes that the task's client has received from Kafka, as they came over the wire.",
        |t| t.client.bytes_in as f64),
    number("millstream_kafka_bytes_out_total", Kind::Counter, Tasks::All,
        "Bytes that the task's client has sent to Kafka, as they went over the wire.", |t| t.client.bytes_out as f64),
    number("millstream_sink_bytes_out_total", Kind::Counter, Tasks::Sinks,
        "Bytes of parts that S3 has stored, or of commands that were sent to the document store.",
        |t| t.sink.bytes_out() as f64),
    number("millstream_sink_request_retries_total", Kind::Counter, Tasks::Sinks,
        "Requests to the sink's server that failed and were sent again.", |t| t.sink.retries() as f64),
    number("millstream_sink_late_records_total", Kind::Counter, Tasks::Mongo,
        "Records that came too late for the windows of their totals, and are in none.", |t| t.sink.late_records() as f64),
    number("millstream_bulk_write_failures_total", Kind::Counter, Tasks::Mongo,
        "Bulk writes that failed as a whole.", |t| t.sink.failed_writes.counts().total() as f64),
    number("millstream_queue_received_total", Kind::Counter, Tasks::Queues,
        "Messages that the task has received from its queue, those that came again included.", |t| t.queue.received as f64),
    number("millstream_queue_redelivered_total", Kind::Counter, Tasks::Queues,
        "Of those, the ones that the queue says were delivered before, to whomever.", |t| t.queue.redelivered as f64),
    number("millstream_queue_settled_total", Kind::Counter, Tasks::Queues,
        "Messages that were taken off the queue, after what was made of them was durable.", |t| t.queue.settled as f64),
    number("millstream_queue_lapsed_total", Kind::Counter, Tasks::Queues,
        "Messages that were not the task's any more when it was done with them, or before: they come again.", |t| t.queue.lapsed as f64),
    number("millstream_queue_late_settlements_total", Kind::Counter, Tasks::Queues,
        "Messages that were durable when their connection was gone already, so that nothing was sent: they come again.", |t| t.queue.late as f64),
    number("millstream_queue_doubles_kept_out_total", Kind::Counter, Tasks::Queues,
        "Messages that came again while the sink still had them, and were not given to it twice, or that it knew to be stored.", |t| t.queue.kept_out as f64),
    number("millstream_queue_messages_without_id_total", Kind::Counter, Tasks::Queues,
        "Messages in which input.id has found no id, so that nothing tells them when they come again.", |t| t.queue.without_id as f64),
    number("millstream_queue_given_back_total", Kind::Counter, Tasks::Queues,
        "Messages that were given back to the queue.", |t| t.queue.given_back as f64),
    number("millstream_queue_connections_lost_total", Kind::Counter, Tasks::Queues,
        "Connections to the queue that were lost.", |t| t.queue.lost_connections as f64),
    number("millstream_queue_held_messages", Kind::Gauge, Tasks::Queues,
        "Messages that are held: received, and neither settled nor given back.", |t| t.queue.held_messages as f64),
    number("millstream_queue_held_bytes", Kind::Gauge, Tasks::Queues,
        "Bytes of those messages as they were received.", |t| t.queue.held_bytes as f64),
    number("millstream_queue_oldest_held_seconds", Kind::Gauge, Tasks::Queues,
        "For how long the oldest of them has been held.", |t| t.queue.oldest_held.as_secs_f64()),
    number("millstream_queue_most_deliveries", Kind::Gauge, Tasks::Queues,
        "The most deliveries of a message that the task has received, where the queue counts.",
        |t| t.queue.most_deliveries as f64),
    number("millstream_queue_backlog_messages", Kind::Gauge, Tasks::Queues,
        "Messages that wait in the queue, as it last told; not a number where it does not tell. Tasks that share a queue have the same.",
        |t| t.queue.backlog.map_or(f64::NAN, |backlog| backlog as f64)),
];

#[rustfmt::skip]
pub(super) const SPREADS: &[Spread] = &[
    Spread {
        name: "millstream_put_seconds",
        help: "How long the sink took for a batch, with what it waited for.",
        of: Tasks::Sinks, unit: MICROS, counts: |t| t.puts.clone(),
    },
    Spread {
        name: "millstream_upload_seconds",
        help: "From an object's last part until S3 has put the object together, retries and all.",
        of: Tasks::S3, unit: MICROS, counts: |t| t.sink.uploads.counts(),
    },
    Spread {
        name: "millstream_object_bytes",
        help: "The size of an object.",
        of: Tasks::S3, unit: 1.0, counts: |t| t.sink.object_bytes.counts(),
    },
    Spread {
        name: "millstream_bulk_write_seconds",
        help: "From the sending of a bulk write to its outcome, retries and all.",
        of: Tasks::Mongo, unit: MICROS, counts: |t| t.sink.writes.counts(),
    },
];

#[rustfmt::skip]
pub(super) const PARTITIONS: &[PartitionNumber] = &[
    PartitionNumber {
        name: "millstream_position_lag_records",
        help: "Records of a partition that have not been read.",
        value: |b| b.position,
    },
    PartitionNumber {
        name: "millstream_committed_lag_records",
        help: "Records of a partition that are not committed.",
        value: |b| b.committed,
    },
];

#[rustfmt::skip]
pub(super) const BUDGETS: &[BudgetNumber] = &[
    BudgetNumber {
        name: "millstream_memory_budget_bytes", kind: Kind::Gauge,
        help: "Memory for records, by what holds them: fetched, open in the sink, in flight.",
        value: |b| b.total as f64,
    },
    BudgetNumber {
        name: "millstream_memory_used_bytes", kind: Kind::Gauge,
        help: "What of that is taken.",
        value: |b| b.used as f64,
    },
    BudgetNumber {
        name: "millstream_memory_waiting", kind: Kind::Gauge,
        help: "Requests for such memory that wait now.",
        value: |b| b.waiting as f64,
    },
    BudgetNumber {
        name: "millstream_memory_waits_total", kind: Kind::Counter,
        help: "Requests for such memory that have had to wait.",
        value: |b| b.waits as f64,
    },
    BudgetNumber {
        name: "millstream_memory_waited_seconds_total", kind: Kind::Counter,
        help: "How long they have waited together.",
        value: |b| b.waited.as_secs_f64(),
    },
];

/// Names of the process, as every Prometheus client has them.
#[rustfmt::skip]
pub(super) const PROCESS: &[(&str, Kind, &str)] = &[
    ("process_cpu_seconds_total", Kind::Counter, "User and system CPU time, in seconds."),
    ("process_resident_memory_bytes", Kind::Gauge, "Resident memory."),
    ("process_virtual_memory_bytes", Kind::Gauge, "Virtual memory."),
    ("process_threads", Kind::Gauge, "Threads."),
    ("process_open_fds", Kind::Gauge, "Open file descriptors."),
    ("process_max_fds", Kind::Gauge, "The most that may be open."),
    ("process_start_time_seconds", Kind::Gauge, "When the process was started, in seconds since the epoch."),
];

/// The verdicts of the health port as series of their own, so that rules need not know what makes one.
pub(super) const ALARMS: (&str, &str) = (
    "millstream_task_alarm",
    "1 while the health port tells this of the task; the label `alarm` is one of `task_failed`, `stalled`, `degraded` and `lag_growing`.",
);

/// Why what was open was closed for the queue's sake, and what the queue is doing; each has a label of its own.
pub(super) const QUEUE_FLUSHES: (&str, &str) = (
    "millstream_queue_flushes_total",
    "Times that what was open was closed for the queue's sake; the label `reason` is one of `hold` (held for as long as a message may be), `starved` (the queue gave nothing more), `worn` (a message had used up half of its deliveries) and `expiry` (the queue was about to take messages back).",
);
pub(super) const QUEUE_STATE: (&str, &str) = (
    "millstream_queue_state",
    "1 for what the task's queue is doing; the label `state` is one of `connecting`, `receiving`, `full`, `starved`, `paused`, `settling`, `backing-off` and `failed`.",
);

fn flag(is: bool) -> f64 {
    f64::from(u8::from(is))
}

pub(super) fn write(out: &mut Exposition, snapshot: &Snapshot) {
    for number in NUMBERS {
        let mut family = out.family(number.name, number.kind, number.help);
        let tasks = snapshot.tasks.iter().filter(|task| number.of.contain(task));
        for task in tasks {
            let labels = [("connector", &*task.id.connector), ("task", &task.number)];
            family.sample(&labels, (number.value)(task));
        }
    }
    alarms(out, snapshot);
    queues(out, snapshot);
    for spread in SPREADS {
        let mut family = out.family(spread.name, Kind::Histogram, spread.help);
        let tasks = snapshot.tasks.iter().filter(|task| spread.of.contain(task));
        for task in tasks {
            let labels = [("connector", &*task.id.connector), ("task", &task.number)];
            family.histogram(&labels, &(spread.counts)(task), spread.unit);
        }
    }
    partitions(out, snapshot);
    for number in BUDGETS {
        let mut family = out.family(number.name, number.kind, number.help);
        for (bound, usage) in &snapshot.budgets {
            family.sample(&[("bound", bound)], (number.value)(usage));
        }
    }
    process(out, snapshot);
}

fn alarms(out: &mut Exposition, snapshot: &Snapshot) {
    let mut family = out.family(ALARMS.0, Kind::Gauge, ALARMS.1);
    for task in &snapshot.tasks {
        for kind in AlarmKind::ALL {
            let labels = [
                ("connector", &*task.id.connector),
                ("task", &task.number),
                ("alarm", kind.name()),
            ];
            family.sample(&labels, flag(task.alarms.contains(&kind)));
        }
    }
}

fn queues(out: &mut Exposition, snapshot: &Snapshot) {
    let tasks = || {
        snapshot
            .tasks
            .iter()
            .filter(|task| Tasks::Queues.contain(task))
    };
    let mut family = out.family(QUEUE_FLUSHES.0, Kind::Counter, QUEUE_FLUSHES.1);
    for task in tasks() {
        for (reason, count) in FlushReason::ALL.iter().zip(task.queue.flushes) {
            let labels = [
                ("connector", &*task.id.connector),
                ("task", &task.number),
                ("reason", reason.name()),
            ];
            family.sample(&labels, count as f64);
        }
    }
    let mut family = out.family(QUEUE_STATE.0, Kind::Gauge, QUEUE_STATE.1);
    for task in tasks() {
        for state in QueueState::ALL {
            let labels = [
                ("connector", &*task.id.connector),
                ("task", &task.number),
                ("state", state.name()),
            ];
            family.sample(&labels, flag(task.queue.state == Some(state)));
        }
    }
}

/// Those beyond the bound have one series together, so that the sum of all is the sum of all.
fn partitions(out: &mut Exposition, snapshot: &Snapshot) {
    for number in PARTITIONS {
        let mut family = out.family(number.name, Kind::Gauge, number.help);
        for task in &snapshot.tasks {
            let mut sample = |topic: &str, partition: &str, behind: &Behind| {
                let labels = [
                    ("connector", &*task.id.connector),
                    ("task", &task.number),
                    ("topic", topic),
                    ("partition", partition),
                ];
                family.sample(&labels, (number.value)(behind) as f64);
            };
            for lag in &task.lag.partitions {
                let partition = lag.partition.partition.to_string();
                sample(&lag.partition.topic, &partition, &lag.behind());
            }
            if let Some(others) = &task.lag.others {
                sample("", OTHERS, others);
            }
        }
    }
}

fn process(out: &mut Exposition, snapshot: &Snapshot) {
    let process = &snapshot.process;
    let values = [
        process.cpu_seconds,
        process.resident_bytes,
        process.virtual_bytes,
        process.threads,
        process.open_fds,
        process.max_fds,
        process.start_seconds,
    ];
    for ((name, kind, help), value) in PROCESS.iter().zip(values) {
        if let Some(value) = value {
            out.family(name, *kind, help).sample(&[], value);
        }
    }
    let labels = [("version", env!("CARGO_PKG_VERSION"))];
    let help = "1; a label tells the version of millstream.";
    let mut family = out.family("millstream_build_info", Kind::Gauge, help);
    family.sample(&labels, 1.0);
}
