//! docs/metrics.md, which is written from the tables.

use super::super::java::attributes;
use super::super::names::{Family, Group};
use super::super::own::{
    ALARMS, BUDGETS, NUMBERS, PARTITIONS, PROCESS, QUEUE_FLUSHES, QUEUE_STATE, SPREADS,
};
use super::java::{MISSING, MISSING_BESIDE, NOT_CHARTED};
use millstream_core::limits;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Groups with what they are about and the labels of each family.
const GROUPS: &[(Group, &str, &str)] = &[
    (
        Group::Worker,
        "The worker",
        "`connector=\"aggregate\"` by Confluent's rules, none by Strimzi's",
    ),
    (
        Group::WorkerConnector,
        "The worker, by connector",
        "`connector`",
    ),
    (
        Group::Rebalance,
        "Rebalances of the workers' group; always 0 for a standalone worker",
        "none",
    ),
    (
        Group::Coordinator,
        "The worker's place in its group; not for a standalone worker",
        "`client_id`, by Strimzi's rules `clientid`",
    ),
    (
        Group::Connect,
        "The worker's client in its group; not for a standalone worker",
        "`client_id`, by Strimzi's rules `clientid`; rates by Confluent's rules only",
    ),
    (
        Group::Connector,
        "Connectors that run here, by texts: a label tells the text, the value is 1",
        "`connector` and the text's own; by Confluent's rules all are called `kafka_connect_connector_metrics`",
    ),
    (Group::ConnectorTask, "Tasks", "`connector`, `task`"),
    (Group::SinkTask, "Tasks of sinks", "`connector`, `task`"),
    (Group::SourceTask, "Tasks of sources", "`connector`, `task`"),
    (Group::TaskError, "Errors of tasks", "`connector`, `task`"),
    (
        Group::Consumer,
        "Consumers of sinks",
        "`client_type`, `client_id`, by Strimzi's rules `clientid`",
    ),
    (
        Group::ConsumerFetch,
        "Consumers of sinks, by partition",
        "as above, and `topic`, `partition`",
    ),
    (
        Group::Producer,
        "Producers of sources",
        "as those of consumers",
    ),
    (
        Group::MongoSink,
        "Tasks of the MongoDB sink, as its own beans have them",
        "`connector`, `task`",
    ),
];

fn page() -> String {
    let mut text = String::from(ABOUT);
    for (group, title, labels) in GROUPS {
        let _ = write!(text, "\n### {title}\n\nLabels: {labels}.\n\n");
        text.push_str("| Confluent's name | Strimzi's name | what it tells |\n|---|---|---|\n");
        let rows = attributes();
        for (_, attribute, help) in rows.iter().filter(|(of, ..)| of == group) {
            let confluent = match group {
                Group::Connector => "kafka_connect_connector_metrics".to_owned(),
                group => group.name(Family::Confluent, attribute),
            };
            let strimzi = match group {
                Group::MongoSink => "the same".to_owned(),
                group => format!("`{}`", group.name(Family::Strimzi, attribute)),
            };
            let is_strimzis = help.contains("Strimzi's names only");
            let confluent = if is_strimzis {
                "–".to_owned()
            } else {
                format!("`{confluent}`")
            };
            let is_confluents = *group == Group::Connect && attribute.ends_with("-rate");
            let strimzi = if is_confluents {
                "–".to_owned()
            } else {
                strimzi
            };
            let _ = writeln!(text, "| {confluent} | {strimzi} | {help} |");
        }
    }
    text.push_str("\n## Of Java's what is missing\n\n");
    text.push_str("What has no meaning here is left out; it is not shown as 0.\n\n| group | attributes | why |\n|---|---|---|\n");
    for (group, starts, why) in MISSING {
        let starts: Vec<String> = starts
            .iter()
            .map(|start| match *start {
                "" => "all".to_owned(),
                start if start.ends_with('-') || *group != "consumer-metrics" => {
                    format!("`{start}…`")
                }
                start => format!("`{start}`"),
            })
            .collect();
        let _ = writeln!(text, "| {group} | {} | {why} |", starts.join(", "));
    }
    for (group, names, why) in MISSING_BESIDE {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        let _ = writeln!(text, "| {group} | {} | {why} |", names.join(", "));
    }
    text.push_str("\nThe dashboards of Confluent's monitoring stacks and of Strimzi chart some that are not there:\n\n| name | why |\n|---|---|\n");
    for (name, why) in NOT_CHARTED {
        let _ = writeln!(text, "| `{name}` | {why} |");
    }
    text.push_str(
        "\n## Ours\n\nThese names are the same whatever `millstream.metrics.names` says.\n\n",
    );
    text.push_str(
        "### Tasks\n\nLabels: `connector`, `task`.\n\n| name | what it tells |\n|---|---|\n",
    );
    for number in NUMBERS {
        let _ = writeln!(text, "| `{}` | {} |", number.name, number.help);
    }
    for (name, help) in [ALARMS, QUEUE_FLUSHES, QUEUE_STATE] {
        let _ = writeln!(text, "| `{name}` | {help} |");
    }
    for spread in SPREADS {
        let _ = writeln!(text, "| `{}` (histogram) | {} |", spread.name, spread.help);
    }
    let _ = write!(
        text,
        "\n### Partitions\n\nLabels: `connector`, `task`, `topic`, `partition`. Of each task the first {} partitions by name are shown one by one; what lies behind them is one series with the partition `others`, so that sums stay right. They are worked out once a second, and less often for tasks with thousands of partitions, from what fetch responses tell by the way.\n\n| name | what it tells |\n|---|---|\n",
        limits::SHOWN_PARTITIONS
    );
    for number in PARTITIONS {
        let _ = writeln!(text, "| `{}` | {} |", number.name, number.help);
    }
    text.push_str("\n### Memory\n\nLabel: `bound`, one of `fetched`, `open` and `in_flight`.\n\n| name | what it tells |\n|---|---|\n");
    for number in BUDGETS {
        let _ = writeln!(text, "| `{}` | {} |", number.name, number.help);
    }
    text.push_str("\n### The process\n\n| name | what it tells |\n|---|---|\n");
    for (name, _, help) in PROCESS {
        let _ = writeln!(text, "| `{name}` | {help} |");
    }
    text.push_str("| `millstream_build_info` | 1; the label `version` tells the version. |\n");
    text.push_str("| `kafka_connect_app_info` | 1; the labels `version` and `start_time_ms` tell Kafka's version that this worker stands for, and when it was started. |\n");
    text.push_str(BESIDE);
    text
}

const ABOUT: &str = "# Metrics

`GET /metrics` on the REST listener, and on the health port, answers in Prometheus' text format. It shows what Java's worker shows over JMX, under the
names that the JMX exporter makes of it by the rules of Confluent's monitoring stacks or of Strimzi, and beside that what only
millstream counts. No agent is needed, and dashboards made for Java's workers go on working.

`millstream.metrics.names` in the worker's settings says by whose rules names are made: `confluent` (the default: they are the
names of the images that most clusters run, and each family more makes an answer almost twice as long), `strimzi` or `both`.
Labels that a scraper adds, such as `kafka_connect_cluster_id` in Confluent's stacks or `strimzi_io_cluster` in Strimzi's, are
added by its configuration here, too.

Each worker tells of what it runs itself; the cluster is the sum of its workers. Nothing is counted per record: counters grow
with each batch. Rates, means and maxima are windowed as in Java: two samples of 30 s. What nobody has observed in that time is
`NaN`, as in Java.

Dashboards for Grafana are in `deploy/grafana/`, alerts for Prometheus in `deploy/prometheus/`.

This page is written by a test from the tables in the code.

## What Java's worker counts
";

const BESIDE: &str = "
## CloudWatch

With `millstream.metrics.emf=true` (`METRICS_EMF=true` for `stream`) a line in the embedded metric format is written to the standard output every
`millstream.metrics.emf.interval.ms` for the worker and for each of its tasks, in the namespace `Millstream`. The log driver of a
container takes it to CloudWatch, which makes metrics of it; no call is made and no permission needed. Lines of the log go to the
standard error. Dimensions are `Cluster` (the `group.id`, or `standalone`), `Connector` and `Task`: the worker's lines have the
first, a task's come to metrics of its connector and of the task alone. Totals are told as what has come since the line before.
A task without partitions writes nothing, so that the mean of `PositionLag` over a connector is the backlog of a task that
works, which is what to scale by; missing data must not scale in.

## Datadog

Its check of Confluent Platform reads JMX, which there is not. Point the OpenMetrics check at the same numbers:

```yaml
instances:
  - openmetrics_endpoint: http://localhost:8083/metrics
    namespace: kafka.connect
    metrics: ['kafka_connect_.*', 'millstream_.*', 'process_.*']
```
";

#[test]
fn docs_are_as_the_tables_are() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let page = page();
    // The one way to write what is otherwise compared.
    if std::env::var_os("MILLSTREAM_WRITE_DOCS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let current = fs::read_to_string(&path).unwrap_or_default();
    let why = "docs/metrics.md is stale: run this test with MILLSTREAM_WRITE_DOCS=1";
    assert!(current == page, "{why}");
}

#[test]
fn every_group_is_on_the_page() {
    for (group, attribute, _) in attributes() {
        let is_there = GROUPS.iter().any(|(known, ..)| *known == group);
        assert!(is_there, "{group:?} {attribute}");
    }
}
