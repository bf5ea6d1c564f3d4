//! What tasks count in Prometheus' text format, under the names that Connect's dashboards chart.

use crate::progress::Board;
use millstream_core::TaskId;
use millstream_runtime::metrics::Counts;
use millstream_worker::MetricsSource;
use std::fmt::Write;

/// One family: its name, its type, its help text and the number it shows.
type Family = (&'static str, &'static str, &'static str, fn(&Counts) -> u64);

const FAMILIES: [Family; 11] = [
    (
        "kafka_connect_sink_task_metrics_sink_record_read_total",
        "counter",
        "Records that the task's consumer delivered.",
        |counts| counts.records_read,
    ),
    (
        "kafka_connect_sink_task_metrics_sink_record_send_total",
        "counter",
        "Records that passed the transforms and were taken by the sink.",
        |counts| counts.records_sent,
    ),
    (
        "millstream_records_stored_total",
        "counter",
        "Records that the sink has made durable.",
        |counts| counts.records_stored,
    ),
    (
        "millstream_objects_stored_total",
        "counter",
        "Objects that the sink has made durable; 0 where it writes none.",
        |counts| counts.objects_stored,
    ),
    (
        "millstream_records_lag",
        "gauge",
        "Records between what is durable and the ends of the task's partitions.",
        |counts| counts.lag,
    ),
    (
        "kafka_connect_task_error_metrics_total_record_failures",
        "counter",
        "Records that a converter, a transform or the sink rejected.",
        |counts| counts.records_rejected,
    ),
    (
        "millstream_records_filtered_total",
        "counter",
        "Records that a transform dropped.",
        |counts| counts.records_filtered,
    ),
    (
        "kafka_connect_task_error_metrics_total_retries",
        "counter",
        "Times that a sink refused a batch for a transient reason.",
        |counts| counts.retries,
    ),
    (
        "kafka_connect_sink_task_metrics_offset_commit_completion_total",
        "counter",
        "Offset commits that succeeded.",
        |counts| counts.commits,
    ),
    (
        "millstream_offset_commit_failure_total",
        "counter",
        "Offset commits that failed; the next one includes their offsets.",
        |counts| counts.failed_commits,
    ),
    (
        "millstream_task_degraded",
        "gauge",
        "1 while the task is degraded: something that it needs is unavailable and retried.",
        |counts| u64::from(counts.is_degraded),
    ),
];

/// The metrics of every task on the board.
pub(crate) struct Prometheus(pub(crate) Board);

impl MetricsSource for Prometheus {
    fn render(&self) -> String {
        let tasks: Vec<(TaskId, Counts)> = self
            .0
            .tasks()
            .into_iter()
            .map(|(id, metrics)| (id, metrics.counts()))
            .collect();
        render(&tasks)
    }
}

fn render(tasks: &[(TaskId, Counts)]) -> String {
    let mut text = String::new();
    for (name, kind, help, number) in FAMILIES {
        // Writing to a String cannot fail.
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        for (id, counts) in tasks {
            let connector = escape(&id.connector);
            let _ = writeln!(
                text,
                "{name}{{connector=\"{connector}\",task=\"{}\"}} {}",
                id.task,
                number(counts)
            );
        }
    }
    text
}

/// A label's value may hold any text; three characters need a backslash.
fn escape(label: &str) -> String {
    label
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_has_a_line_in_every_family() {
        let counts = Counts {
            records_read: 7,
            is_degraded: true,
            ..Counts::default()
        };
        let text = render(&[(TaskId::new("a\"b", 0), counts)]);
        assert!(text.contains(
            "kafka_connect_sink_task_metrics_sink_record_read_total{connector=\"a\\\"b\",task=\"0\"} 7\n"
        ));
        assert!(text.contains("millstream_task_degraded{connector=\"a\\\"b\",task=\"0\"} 1\n"));
        assert_eq!(text.lines().count(), 3 * FAMILIES.len());
    }
}
