//! Records of the topic of configurations.

use super::{Unusable, Writer, entry, fields, properties, required, text_of};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use millstream_core::compacted_log::LogEntry;
use millstream_core::{Properties, TaskId};
use millstream_worker::cluster::{SessionKey, TargetState};
use std::sync::Arc;

const TARGET: &str = "target-state-";
const CONNECTOR: &str = "connector-";
const TASK: &str = "task-";
const COMMIT: &str = "commit-";
const RESTART: &str = "restart-connector-";
const FENCING: &str = "tasks-fencing-";
const SESSION_KEY: &str = "session-key";
const LOGGER: &str = "logger-cluster-";

/// One record. The settings of tasks count once their commit has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigEntry {
    /// `None`: the connector was deleted.
    Connector {
        name: Arc<str>,
        config: Option<Properties>,
    },
    /// `None`: the connector was deleted.
    Target {
        name: Arc<str>,
        state: Option<TargetState>,
    },
    Task {
        id: TaskId,
        config: Properties,
    },
    /// The settings of so many tasks have been written.
    Commit {
        name: Arc<str>,
        tasks: u32,
    },
    Fenced {
        name: Arc<str>,
        tasks: u32,
    },
    SessionKey(SessionKey),
    Restart {
        name: Arc<str>,
        include_tasks: bool,
        only_failed: bool,
    },
    Logger {
        namespace: String,
        level: String,
    },
}

impl ConfigEntry {
    /// Reads a record.
    ///
    /// # Errors
    /// If it tells nothing. The value is looked at first, as in Java: what is no JSON does not count, whatever its key.
    pub fn read(key: &[u8], value: Option<&[u8]>) -> Result<Self, Unusable> {
        let key = text_of(key);
        let fields = fields(value)?;
        // In this order, as one prefix may begin with another.
        if let Some(name) = key.strip_prefix(TARGET) {
            let name = name.into();
            let state = fields.map(|fields| {
                let newer = fields.get("state.v2").and_then(|state| state.as_str());
                let state = newer.or_else(|| fields.get("state")?.as_str());
                required(state.and_then(target), "state")
            });
            let state = state.transpose()?;
            return Ok(ConfigEntry::Target { name, state });
        }
        if let Some(name) = key.strip_prefix(CONNECTOR) {
            let config = fields.map(|fields| {
                let config = fields.get("properties").and_then(properties);
                required(config, "properties")
            });
            return Ok(ConfigEntry::Connector {
                name: name.into(),
                config: config.transpose()?,
            });
        }
        // A new field is read only once it is known that there is one: Java writes no other tombstones.
        let no_tombstone = || Unusable::odd("a record of this kind is never removed");
        if let Some(id) = key.strip_prefix(TASK) {
            let id = task_id(id).ok_or_else(|| Unusable::odd("its key names no task"))?;
            let fields = fields.ok_or_else(no_tombstone)?;
            let config = fields.get("properties").and_then(properties);
            let config = required(config, "properties")?;
            return Ok(ConfigEntry::Task { id, config });
        }
        let count = |name: &str| {
            let fields = fields.as_ref().ok_or_else(no_tombstone)?;
            let count = fields.get(name).and_then(serde_json::Value::as_i64);
            required(count.and_then(|count| u32::try_from(count).ok()), name)
        };
        if let Some(name) = key.strip_prefix(COMMIT) {
            let tasks = count("tasks")?;
            let name = name.into();
            return Ok(ConfigEntry::Commit { name, tasks });
        }
        let flag = |name: &str| {
            let fields = fields.as_ref().ok_or_else(no_tombstone)?;
            let flag = fields.get(name).and_then(serde_json::Value::as_bool);
            Ok(flag.unwrap_or(false))
        };
        if let Some(name) = key.strip_prefix(RESTART) {
            return Ok(ConfigEntry::Restart {
                name: name.into(),
                include_tasks: flag("include-tasks")?,
                only_failed: flag("only-failed")?,
            });
        }
        if let Some(name) = key.strip_prefix(FENCING) {
            let tasks = count("task-count")?;
            let name = name.into();
            return Ok(ConfigEntry::Fenced { name, tasks });
        }
        let text = |name: &str| {
            let fields = fields.as_ref().ok_or_else(no_tombstone)?;
            let text = fields.get(name).and_then(|text| text.as_str());
            required(text, name).map(str::to_owned)
        };
        if key == SESSION_KEY {
            let key = STANDARD.decode(text("key")?).ok();
            let created = fields.as_ref().and_then(|fields| {
                let created = fields.get("creation-timestamp")?;
                created.as_i64()
            });
            return Ok(ConfigEntry::SessionKey(SessionKey {
                key: required(key, "key")?.into(),
                algorithm: text("algorithm")?.into(),
                created: required(created, "creation-timestamp")?,
            }));
        }
        if let Some(namespace) = key.strip_prefix(LOGGER) {
            return Ok(ConfigEntry::Logger {
                namespace: namespace.to_owned(),
                level: text("level")?,
            });
        }
        Err(Unusable::odd("its key is of no known kind"))
    }

    /// The record's bytes.
    pub fn write(&self) -> LogEntry {
        match self {
            ConfigEntry::Connector { name, config } => {
                let value = config.as_ref();
                let value = value.map(|config| Writer::new().properties("properties", config));
                entry(format!("{CONNECTOR}{name}"), value.map(Writer::end))
            }
            ConfigEntry::Target { name, state } => {
                let value = state.map(|state| {
                    let writer = Writer::new().text("state", Some(state_before_stopped(state)));
                    writer.text("state.v2", Some(state_name(state))).end()
                });
                entry(format!("{TARGET}{name}"), value)
            }
            ConfigEntry::Task { id, config } => {
                let value = Writer::new().properties("properties", config).end();
                entry(format!("{TASK}{id}"), Some(value))
            }
            ConfigEntry::Commit { name, tasks } => {
                let value = Writer::new().number("tasks", (*tasks).into()).end();
                entry(format!("{COMMIT}{name}"), Some(value))
            }
            ConfigEntry::Fenced { name, tasks } => {
                let value = Writer::new().number("task-count", (*tasks).into()).end();
                entry(format!("{FENCING}{name}"), Some(value))
            }
            ConfigEntry::SessionKey(key) => {
                let value = Writer::new()
                    .text("key", Some(&STANDARD.encode(&key.key)))
                    .text("algorithm", Some(&key.algorithm))
                    .number("creation-timestamp", key.created);
                entry(SESSION_KEY.to_owned(), Some(value.end()))
            }
            ConfigEntry::Restart {
                name,
                include_tasks,
                only_failed,
            } => {
                let value = Writer::new().flag("include-tasks", *include_tasks);
                let value = value.flag("only-failed", *only_failed).end();
                entry(format!("{RESTART}{name}"), Some(value))
            }
            ConfigEntry::Logger { namespace, level } => {
                let value = Writer::new().text("level", Some(level)).end();
                entry(format!("{LOGGER}{namespace}"), Some(value))
            }
        }
    }
}

/// What follows `task-`: the name, a hyphen and the number.
pub(super) fn task_id(text: &str) -> Option<TaskId> {
    let (name, task) = text.rsplit_once('-')?;
    Some(TaskId::new(name, task.parse().ok()?))
}

fn state_name(state: TargetState) -> &'static str {
    match state {
        TargetState::Started => "STARTED",
        TargetState::Paused => "PAUSED",
        TargetState::Stopped => "STOPPED",
    }
}

/// As workers before 3.5 are told, which know no stop.
fn state_before_stopped(state: TargetState) -> &'static str {
    match state {
        TargetState::Stopped => state_name(TargetState::Paused),
        TargetState::Started | TargetState::Paused => state_name(state),
    }
}

fn target(name: &str) -> Option<TargetState> {
    [
        TargetState::Started,
        TargetState::Paused,
        TargetState::Stopped,
    ]
    .into_iter()
    .find(|state| state_name(*state) == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(key: &str, value: &str) -> Result<ConfigEntry, Unusable> {
        ConfigEntry::read(key.as_bytes(), Some(value.as_bytes()))
    }

    /// Both ways.
    fn check(key: &str, value: Option<&str>, expected: &ConfigEntry) {
        let read = ConfigEntry::read(key.as_bytes(), value.map(str::as_bytes));
        assert_eq!(read.as_ref(), Ok(expected), "{key}");
        let written = expected.write();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
        assert_eq!(text(&written.key), key);
        assert_eq!(written.value.as_deref().map(text).as_deref(), value);
    }

    #[test]
    fn every_kind_is_written_as_java_writes_it() {
        let mut config = Properties::from_iter([("connector.class", "FileStreamSink")]);
        config.insert("name", "é/\"\u{1}\n");
        config.insert_null("x");
        check(
            "connector-n",
            Some(
                r#"{"properties":{"connector.class":"FileStreamSink","name":"é/\"\u0001\n","x":null}}"#,
            ),
            &ConfigEntry::Connector {
                name: "n".into(),
                config: Some(config.clone()),
            },
        );
        let gone = ConfigEntry::Connector {
            name: "n".into(),
            config: None,
        };
        check("connector-n", None, &gone);
        for (state, value) in [
            (
                Some(TargetState::Stopped),
                Some(r#"{"state":"PAUSED","state.v2":"STOPPED"}"#),
            ),
            (
                Some(TargetState::Paused),
                Some(r#"{"state":"PAUSED","state.v2":"PAUSED"}"#),
            ),
            (
                Some(TargetState::Started),
                Some(r#"{"state":"STARTED","state.v2":"STARTED"}"#),
            ),
            (None, None),
        ] {
            let name = "c".into();
            check(
                "target-state-c",
                value,
                &ConfigEntry::Target { name, state },
            );
        }
        let id = TaskId::new("a-b", 3);
        let config = Properties::from_iter([("k", "v")]);
        check(
            "task-a-b-3",
            Some(r#"{"properties":{"k":"v"}}"#),
            &ConfigEntry::Task { id, config },
        );
        let (name, tasks) = ("c".into(), 2);
        check(
            "commit-c",
            Some(r#"{"tasks":2}"#),
            &ConfigEntry::Commit { name, tasks },
        );
        let (name, tasks) = ("c".into(), 3);
        check(
            "tasks-fencing-c",
            Some(r#"{"task-count":3}"#),
            &ConfigEntry::Fenced { name, tasks },
        );
        check(
            "session-key",
            Some(
                r#"{"key":"AAEC/w==","algorithm":"HmacSHA256","creation-timestamp":1730000000000}"#,
            ),
            &ConfigEntry::SessionKey(SessionKey {
                key: vec![0, 1, 2, 255].into(),
                algorithm: "HmacSHA256".into(),
                created: 1_730_000_000_000,
            }),
        );
        check(
            "restart-connector-c",
            Some(r#"{"include-tasks":true,"only-failed":false}"#),
            &ConfigEntry::Restart {
                name: "c".into(),
                include_tasks: true,
                only_failed: false,
            },
        );
        check(
            "logger-cluster-a.b",
            Some(r#"{"level":"debug"}"#),
            &ConfigEntry::Logger {
                namespace: "a.b".to_owned(),
                level: "debug".to_owned(),
            },
        );
    }

    #[test]
    fn older_and_odd_records_are_read_as_java_reads_them() {
        let target = |value| read("target-state-c", value);
        let name: Arc<str> = "c".into();
        let paused = ConfigEntry::Target {
            name: name.clone(),
            state: Some(TargetState::Paused),
        };
        assert_eq!(target(r#"{"state":"PAUSED"}"#), Ok(paused.clone()));
        assert_eq!(
            target(r#"{"state":"PAUSED","state.v2":7,"new":[]}"#),
            Ok(paused)
        );
        for odd in [r#"{"state":"HALTED"}"#, "{}", "[]", "7", "\"x\""] {
            assert!(matches!(target(odd), Err(Unusable::Odd(_))), "{odd}");
        }
        // A null is a tombstone.
        let state = None;
        assert_eq!(target("null"), Ok(ConfigEntry::Target { name, state }));
        for (key, value) in [
            ("task-x", r#"{"properties":{}}"#),
            ("task-a-x", r#"{"properties":{}}"#),
            ("task-a-0", "null"),
            ("commit-a", r#"{"tasks":"2"}"#),
            ("commit-a", r#"{"tasks":-1}"#),
            (
                "session-key",
                r#"{"key":"?","algorithm":"a","creation-timestamp":1}"#,
            ),
            ("connector-a", r#"{"properties":[]}"#),
            ("session-keys", "{}"),
            ("elsewhere", "1e999"),
        ] {
            assert!(
                matches!(read(key, value), Err(Unusable::Odd(_))),
                "{key} {value}"
            );
        }
        for value in ["", "{", "{}x", "{'a':1}", "\u{0}"] {
            assert_eq!(read("elsewhere", value), Err(Unusable::NotJson), "{value}");
        }
        // Java's workers fail on values that are no texts; here they are what they look like.
        let config = Properties::from_iter([("tasks.max", "2")]);
        assert_eq!(
            read("connector-a", r#"{"properties":{"tasks.max":2}}"#),
            Ok(ConfigEntry::Connector {
                name: "a".into(),
                config: Some(config),
            })
        );
    }
}
