//! Java: what its worker counts, and this one, too. An attribute that has no meaning here is missing, rather than always 0.

use super::exposition::{Exposition, Labels};
use super::names::{Family, Group, Names, kind_of};
use super::row::{Row, lower_case};
#[cfg(test)]
use super::snapshot::GroupClient;
use super::snapshot::{Snapshot, TaskSnapshot};
use super::tables::{
    CLIENT, CLIENT_RATES, CONNECTOR, FETCH, MONGO, REBALANCE, SINK, SOURCE, TASK, WORKER,
};
use super::tables::{ERRORS, WORKER_CONNECTOR};
use millstream_core::ConnectorKind;
#[cfg(test)]
use millstream_core::meters::ClientCounts;
use millstream_worker::KAFKA_VERSION;

/// The label that carries the worker's own numbers among those of its connectors, by Confluent's rules.
const AGGREGATE: &str = "aggregate";

pub(super) const MONGO_SINK: &str = "com.mongodb.kafka.connect.MongoSinkConnector";
pub(super) const S3_SINK: &str = "io.confluent.connect.s3.S3SinkConnector";

/// Writes what Java counts, under the names of the families asked for.
pub(super) fn write(out: &mut Exposition, snapshot: &Snapshot, names: Names) {
    for &family in names.families() {
        worker(out, snapshot, family);
        connectors(out, snapshot, family);
        tasks(out, snapshot, family);
        clients(out, snapshot, family);
    }
    // Strimzi's rules have no names of their own for it.
    let mongo = |task: &TaskSnapshot| task.is_of(MONGO_SINK);
    task_rows(
        out,
        snapshot,
        Family::Confluent,
        Group::MongoSink,
        MONGO,
        mongo,
    );
}

fn worker(out: &mut Exposition, snapshot: &Snapshot, family: Family) {
    // Confluent's rules give both the same names, apart by a label; so each name has one block.
    let aggregate: Labels = match family {
        Family::Confluent => &[("connector", AGGREGATE)],
        Family::Strimzi => &[],
    };
    for row in WORKER {
        one(out, snapshot, family, Group::Worker, row, aggregate);
    }
    for row in WORKER_CONNECTOR {
        let name = Group::WorkerConnector.name(family, row.attribute);
        let kind = kind_of(row.attribute, row.is_total);
        let mut block = out.family(&name, kind, row.help);
        for connector in &snapshot.facts.connectors {
            let labels = [("connector", &*connector.name)];
            block.sample(&labels, (row.value)(connector));
        }
    }
    for row in REBALANCE {
        one(out, snapshot, family, Group::Rebalance, row, &[]);
    }
    let facts = &snapshot.facts;
    if facts.is_in_group && family == Family::Strimzi {
        let leader = facts.leader.as_deref().unwrap_or_default();
        for (attribute, text) in [
            ("leader-name", leader),
            ("connect-protocol", facts.protocol),
        ] {
            let name = Group::Rebalance.name(family, attribute);
            let label = attribute.replace('-', "_");
            let help = "The group's, as a label.";
            let mut block = out.family(&name, kind_of(attribute, false), help);
            block.sample(&[(&label, text)], 1.0);
        }
    }
}

fn one(
    out: &mut Exposition,
    snapshot: &Snapshot,
    family: Family,
    group: Group,
    row: &Row<Snapshot>,
    labels: Labels,
) {
    let name = group.name(family, row.attribute);
    let kind = kind_of(row.attribute, row.is_total);
    let mut block = out.family(&name, kind, row.help);
    block.sample(labels, (row.value)(snapshot));
}

/// Texts are labels of a series whose value says nothing. Confluent's rules give them all one name, Strimzi's one each.
fn connectors(out: &mut Exposition, snapshot: &Snapshot, family: Family) {
    let here = || {
        let connectors = snapshot.facts.connectors.iter();
        connectors.filter(|connector| connector.state.is_some())
    };
    match family {
        Family::Confluent => {
            let help = "1; the labels tell a connector's status, class, type and version.";
            let name = "kafka_connect_connector_metrics";
            let mut block = out.family(name, kind_of(name, false), help);
            for connector in here() {
                for row in CONNECTOR {
                    if let Some(text) = (row.text)(connector) {
                        let label = row.attribute.replace('-', "_");
                        block.sample(&[("connector", &connector.name), (&label, &text)], 1.0);
                    }
                }
            }
        }
        Family::Strimzi => {
            for row in CONNECTOR {
                let name = Group::Connector.name(family, row.attribute);
                let label = row.attribute.replace('-', "_");
                let mut block = out.family(&name, kind_of(row.attribute, false), row.help);
                for connector in here() {
                    if let Some(text) = (row.text)(connector) {
                        block.sample(&[("connector", &connector.name), (&label, &text)], 1.0);
                    }
                }
            }
        }
    }
}

fn tasks(out: &mut Exposition, snapshot: &Snapshot, family: Family) {
    let all = |_: &TaskSnapshot| true;
    task_rows(out, snapshot, family, Group::ConnectorTask, TASK, all);
    if family == Family::Strimzi {
        let name = Group::ConnectorTask.name(family, "status");
        let help = "1; a label tells the task's status.";
        let mut block = out.family(&name, kind_of("status", false), help);
        for task in &snapshot.tasks {
            let status = lower_case(task.state);
            let labels = [
                ("connector", &*task.id.connector),
                ("task", &task.number),
                ("status", &status),
            ];
            block.sample(&labels, 1.0);
        }
    }
    let (sink, source) = (TaskSnapshot::is_sink, TaskSnapshot::is_source);
    task_rows(out, snapshot, family, Group::SinkTask, SINK, sink);
    task_rows(out, snapshot, family, Group::SourceTask, SOURCE, source);
    task_rows(out, snapshot, family, Group::TaskError, ERRORS, all);
}

fn task_rows(
    out: &mut Exposition,
    snapshot: &Snapshot,
    family: Family,
    group: Group,
    rows: &[Row<TaskSnapshot>],
    is_of_it: impl Fn(&TaskSnapshot) -> bool,
) {
    for row in rows {
        let name = group.name(family, row.attribute);
        let kind = kind_of(row.attribute, row.is_total);
        let mut block = out.family(&name, kind, row.help);
        for task in snapshot.tasks.iter().filter(|task| is_of_it(task)) {
            let labels = [("connector", &*task.id.connector), ("task", &task.number)];
            block.sample(&labels, (row.value)(task));
        }
    }
}

fn clients(out: &mut Exposition, snapshot: &Snapshot, family: Family) {
    let id_label = match family {
        Family::Confluent => "client_id",
        Family::Strimzi => "clientid",
    };
    if let Some(group) = &snapshot.group {
        let id = format!("connect-{}", snapshot.facts.worker_id);
        let labels = [(id_label, &*id)];
        for row in CLIENT {
            let name = Group::Connect.name(family, row.attribute);
            let mut block = out.family(&name, kind_of(row.attribute, row.is_total), row.help);
            block.sample(&labels, (row.value)(&group.counts));
        }
        // Strimzi's rules leave the rates of clients out.
        for row in CLIENT_RATES.iter().filter(|_| family == Family::Confluent) {
            let name = Group::Connect.name(family, row.attribute);
            let mut block = out.family(&name, kind_of(row.attribute, row.is_total), row.help);
            block.sample(&labels, (row.value)(group));
        }
        for (attribute, help, count) in assigned(snapshot) {
            let name = Group::Coordinator.name(family, attribute);
            let mut block = out.family(&name, kind_of(attribute, false), help);
            block.sample(&labels, count as f64);
        }
    }
    for (kind, group) in [
        (ConnectorKind::Sink, Group::Consumer),
        (ConnectorKind::Source, Group::Producer),
    ] {
        for row in CLIENT {
            let name = group.name(family, row.attribute);
            let mut block = out.family(&name, kind_of(row.attribute, row.is_total), row.help);
            for task in snapshot.tasks.iter().filter(|t| t.kind == Some(kind)) {
                let id = client_id(kind, task);
                let value = (row.value)(&task.client);
                match family {
                    Family::Confluent => {
                        let client_type = client_type(kind);
                        block.sample(&[("client_type", client_type), (id_label, &id)], value);
                    }
                    Family::Strimzi => block.sample(&[(id_label, &id)], value),
                }
            }
        }
    }
    partitions(out, snapshot, family, id_label);
}

fn partitions(out: &mut Exposition, snapshot: &Snapshot, family: Family, id_label: &str) {
    for row in FETCH {
        let name = Group::ConsumerFetch.name(family, row.attribute);
        let mut block = out.family(&name, kind_of(row.attribute, row.is_total), row.help);
        for task in snapshot.tasks.iter().filter(|task| task.is_sink()) {
            let id = client_id(ConnectorKind::Sink, task);
            for lag in &task.lag.partitions {
                let number = lag.partition.partition.to_string();
                let labels = [
                    ("client_type", "consumer"),
                    (id_label, &*id),
                    ("topic", &*lag.partition.topic),
                    ("partition", &*number),
                ];
                let labels = match family {
                    Family::Confluent => &labels[..],
                    Family::Strimzi => &labels[1..],
                };
                block.sample(labels, (row.value)(lag));
            }
        }
    }
}

/// What the application tells of itself, each text in a series of its own.
pub(super) fn app_info(out: &mut Exposition, snapshot: &Snapshot) {
    let help =
        "1; the labels tell Kafka's version that this worker stands for, and when it was started.";
    let name = "kafka_connect_app_info";
    let mut block = out.family(name, kind_of(name, false), help);
    let id = &*snapshot.facts.worker_id;
    block.sample(&[("client_id", id), ("version", KAFKA_VERSION)], 1.0);
    if let Some(started) = snapshot.process.start_seconds {
        let started = format!("{:.0}", started * 1000.0);
        block.sample(&[("client_id", id), ("start_time_ms", &started)], 1.0);
    }
}

fn assigned(snapshot: &Snapshot) -> [(&'static str, &'static str, usize); 2] {
    let connectors = &snapshot.facts.connectors;
    [
        (
            "assigned-connectors",
            "Connectors that the group has given to this worker.",
            connectors.iter().filter(|c| c.state.is_some()).count(),
        ),
        (
            "assigned-tasks",
            "Tasks that the group has given to this worker.",
            connectors.iter().map(|c| c.tasks.len()).sum(),
        ),
    ]
}

fn client_type(kind: ConnectorKind) -> &'static str {
    match kind {
        ConnectorKind::Sink => "consumer",
        ConnectorKind::Source => "producer",
    }
}

/// The client's id where the connector sets no other.
fn client_id(kind: ConnectorKind, task: &TaskSnapshot) -> String {
    let of = client_type(kind);
    format!("connector-{of}-{}-{}", task.id.connector, task.number)
}

/// All attributes of ours, by group, for the page and the comparison with Java's.
#[cfg(test)]
pub(super) fn attributes() -> Vec<(Group, &'static str, &'static str)> {
    fn of<S>(group: Group, rows: &'static [Row<S>]) -> Vec<(Group, &'static str, &'static str)> {
        let rows = rows.iter();
        rows.map(|row| (group, row.attribute, row.help)).collect()
    }
    let connector = CONNECTOR.iter();
    let connector = connector.map(|row| (Group::Connector, row.attribute, row.help));
    let status = "The task's status, as a label (Strimzi's names only).";
    [
        of(Group::Worker, WORKER),
        of(Group::WorkerConnector, WORKER_CONNECTOR),
        of(Group::Rebalance, REBALANCE),
        vec![
            (
                Group::Rebalance,
                "leader-name",
                "Who leads, as a label (Strimzi's names only).",
            ),
            (
                Group::Rebalance,
                "connect-protocol",
                "What the group speaks, as a label (Strimzi's names only).",
            ),
            (
                Group::Coordinator,
                "assigned-connectors",
                "Connectors that the group has given to this worker.",
            ),
            (
                Group::Coordinator,
                "assigned-tasks",
                "Tasks that the group has given to this worker.",
            ),
        ],
        of::<ClientCounts>(Group::Connect, CLIENT),
        of::<GroupClient>(Group::Connect, CLIENT_RATES),
        connector.collect(),
        of(Group::ConnectorTask, TASK),
        vec![(Group::ConnectorTask, "status", status)],
        of(Group::SinkTask, SINK),
        of(Group::SourceTask, SOURCE),
        of(Group::TaskError, ERRORS),
        of(Group::Consumer, CLIENT),
        of(Group::ConsumerFetch, FETCH),
        of(Group::Producer, CLIENT),
        of(Group::MongoSink, MONGO),
    ]
    .concat()
}
