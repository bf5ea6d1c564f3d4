//! Sequence: the steps in which records are written, as Java's workers do it, so that a reader of any kind sees them whole
//! or not at all. Pure.

use crate::records::config::ConfigEntry;
use millstream_core::TaskId;
use millstream_core::compacted_log::LogEntry;
use millstream_worker::cluster::ConfigRecord;
use std::collections::VecDeque;
use std::sync::Arc;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    ReadToEnd,
    /// Written together, and read back.
    Write(Vec<LogEntry>),
    /// Likewise, by whoever leads: with exactly-once support in one transaction.
    WriteAsLeader(Vec<LogEntry>),
}

/// A step, and what is said if it fails; the text is Java's.
pub(super) type Planned = (Step, Arc<str>);

const TASKS: &str = "Error writing task configurations to Kafka";
const COMMIT: &str = "Error writing root configuration to Kafka";

/// The steps of one call of `ConfigStore::write`.
pub(super) fn steps(records: Vec<ConfigRecord>) -> VecDeque<Planned> {
    let mut steps = VecDeque::new();
    let mut together: Vec<ConfigRecord> = Vec::new();
    for record in records {
        match record {
            ConfigRecord::Tasks { name, configs } => {
                steps.extend(written_together(std::mem::take(&mut together)));
                let tasks = configs.len() as u32;
                steps.push_back((Step::ReadToEnd, COMMIT.into()));
                if tasks > 0 {
                    let entries = (0..).zip(configs).map(|(task, config)| {
                        let id = TaskId::new(name.clone(), task);
                        ConfigEntry::Task { id, config }.write()
                    });
                    // It is over once it has been read back, so reading to the end again would tell nothing new.
                    steps.push_back((Step::WriteAsLeader(entries.collect()), TASKS.into()));
                }
                let commit = ConfigEntry::Commit { name, tasks }.write();
                steps.push_back((Step::WriteAsLeader(vec![commit]), COMMIT.into()));
            }
            other => together.push(other),
        }
    }
    steps.extend(written_together(together));
    steps
}

fn written_together(records: Vec<ConfigRecord>) -> Option<Planned> {
    // What is said of a target state beside a connector is said of the connector.
    let is_target = |record: &&ConfigRecord| matches!(record, ConfigRecord::Target { .. });
    let first = records.iter().find(|record| !is_target(record));
    let said = error(first.or(records.first())?);
    // Any worker may write these, whoever leads.
    let is_anybody_s = |record: &ConfigRecord| {
        matches!(
            record,
            ConfigRecord::Target { .. } | ConfigRecord::Logger { .. }
        )
    };
    let step = if records.iter().all(is_anybody_s) {
        Step::Write
    } else {
        Step::WriteAsLeader
    };
    let entries = records.into_iter().filter_map(entry);
    Some((step(entries.collect()), said))
}

fn error(record: &ConfigRecord) -> Arc<str> {
    match record {
        ConfigRecord::Connector {
            config: Some(_), ..
        } => "Error writing connector configuration to Kafka".into(),
        ConfigRecord::Connector { config: None, .. } => {
            "Error removing connector configuration from Kafka".into()
        }
        ConfigRecord::Target { .. } => "Error writing target state to Kafka".into(),
        ConfigRecord::Tasks { .. } => TASKS.into(),
        ConfigRecord::Restart {
            name,
            include_tasks,
            only_failed,
        } => format!(
            "Error writing restart request for {{connectorName='{name}', onlyFailed={only_failed}, includeTasks={include_tasks}}} to Kafka"
        )
        .into(),
        ConfigRecord::Logger { .. } => "Error writing logger level to Kafka".into(),
        ConfigRecord::SessionKey(_) => "Error writing session key to Kafka".into(),
        ConfigRecord::Fenced { .. } => "Error writing task count record to Kafka".into(),
    }
}

/// The one record that it is; the settings of tasks are several.
fn entry(record: ConfigRecord) -> Option<LogEntry> {
    let entry = match record {
        ConfigRecord::Connector { name, config } => ConfigEntry::Connector { name, config },
        ConfigRecord::Target { name, state } => ConfigEntry::Target { name, state },
        ConfigRecord::Tasks { .. } => return None,
        ConfigRecord::Restart {
            name,
            include_tasks,
            only_failed,
        } => ConfigEntry::Restart {
            name,
            include_tasks,
            only_failed,
        },
        ConfigRecord::Logger { namespace, level } => ConfigEntry::Logger { namespace, level },
        ConfigRecord::SessionKey(key) => ConfigEntry::SessionKey(key),
        ConfigRecord::Fenced { name, tasks } => ConfigEntry::Fenced { name, tasks },
    };
    Some(entry.write())
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_core::Properties;
    use millstream_worker::cluster::TargetState;

    /// Each step with what is said if it fails: keys, those that are removed with a minus, after whose write it is; or `end`.
    fn check(records: Vec<ConfigRecord>, expected: &[(&str, &str)]) {
        let steps = steps(records);
        let shown = steps.iter().map(|(step, said)| {
            let keys = |entries: &[LogEntry]| {
                let keys = entries.iter().map(|entry| {
                    let sign = if entry.value.is_none() { "-" } else { "" };
                    format!("{sign}{}", String::from_utf8_lossy(&entry.key))
                });
                keys.collect::<Vec<_>>().join(" ")
            };
            let keys = match step {
                Step::ReadToEnd => "end".to_owned(),
                Step::Write(entries) => format!("any {}", keys(entries)),
                Step::WriteAsLeader(entries) => format!("leader {}", keys(entries)),
            };
            (keys, said.to_string())
        });
        let shown: Vec<_> = shown.collect();
        let shown: Vec<_> = shown
            .iter()
            .map(|(k, s)| (k.as_str(), s.as_str()))
            .collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn records_are_written_in_java_s_sequences() {
        let name: Arc<str> = "c".into();
        let connector = |config| ConfigRecord::Connector {
            name: name.clone(),
            config,
        };
        let target = |state| ConfigRecord::Target {
            name: name.clone(),
            state,
        };
        let tasks = |count| ConfigRecord::Tasks {
            name: name.clone(),
            configs: vec![Properties::new(); count],
        };
        let writing = "Error writing connector configuration to Kafka";
        let removing = "Error removing connector configuration from Kafka";
        let state = "Error writing target state to Kafka";
        let stopped = || target(Some(TargetState::Stopped));
        check(
            vec![stopped(), connector(Some(Properties::new()))],
            &[("leader target-state-c connector-c", writing)],
        );
        check(
            vec![connector(None), target(None)],
            &[("leader -connector-c -target-state-c", removing)],
        );
        check(
            vec![tasks(2)],
            &[
                ("end", COMMIT),
                ("leader task-c-0 task-c-1", TASKS),
                ("leader commit-c", COMMIT),
            ],
        );
        check(
            vec![tasks(0), stopped()],
            &[
                ("end", COMMIT),
                ("leader commit-c", COMMIT),
                ("any target-state-c", state),
            ],
        );
        let restart = ConfigRecord::Restart {
            name: name.clone(),
            include_tasks: true,
            only_failed: false,
        };
        check(
            vec![restart],
            &[(
                "leader restart-connector-c",
                "Error writing restart request for {connectorName='c', onlyFailed=false, includeTasks=true} to Kafka",
            )],
        );
        let level = ConfigRecord::Logger {
            namespace: "root".to_owned(),
            level: "INFO".to_owned(),
        };
        check(
            vec![level],
            &[(
                "any logger-cluster-root",
                "Error writing logger level to Kafka",
            )],
        );
        check(vec![], &[]);
    }
}
