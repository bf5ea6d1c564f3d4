//! Records of the topic of statuses.

use super::config::task_id;
use super::{Unusable, Writer, entry, fields, required, text_of};
use millstream_core::compacted_log::LogEntry;
use millstream_worker::cluster::{RunState, Status, StatusKey, StatusRecord, StatusValue};

const CONNECTOR: &str = "status-connector-";
const TASK: &str = "status-task-";
const TOPIC: &str = "status-topic-";
const OF_CONNECTOR: &str = ":connector-";

const STATES: [RunState; 6] = [
    RunState::Unassigned,
    RunState::Running,
    RunState::Paused,
    RunState::Failed,
    RunState::Restarting,
    RunState::Stopped,
];

/// Reads a record.
///
/// # Errors
/// If it tells nothing.
pub fn read(key: &[u8], value: Option<&[u8]>) -> Result<StatusRecord, Unusable> {
    let key =
        read_key(&text_of(key)).ok_or_else(|| Unusable::odd("its key is of no known kind"))?;
    let Some(fields) = fields(value)? else {
        return Ok(StatusRecord { key, value: None });
    };
    let text = |name: &str| fields.get(name).and_then(|text| text.as_str());
    if let StatusKey::Topic { .. } = key {
        let topic = required(fields.get("topic"), "topic")?;
        let number = |name: &str| topic.get(name).and_then(serde_json::Value::as_i64);
        let task = number("task").and_then(|task| u32::try_from(task).ok());
        let value = StatusValue::Topic {
            task: required(task, "task")?,
            discovered: required(number("discoverTimestamp"), "discoverTimestamp")?,
        };
        let value = Some(value);
        return Ok(StatusRecord { key, value });
    }
    let name = required(text("state"), "state")?;
    if name == "DESTROYED" {
        return Ok(StatusRecord { key, value: None });
    }
    let state = STATES.into_iter().find(|state| state.name() == name);
    let generation = fields.get("generation").and_then(serde_json::Value::as_i64);
    let generation = generation.and_then(|generation| i32::try_from(generation).ok());
    let status = Status {
        state: required(state, "state")?,
        trace: text("trace").map(str::to_owned),
        worker_id: required(text("worker_id"), "worker_id")?.to_owned(),
        generation: required(generation, "generation")?,
        version: text("version").map(str::to_owned),
    };
    let value = Some(StatusValue::Status(status));
    Ok(StatusRecord { key, value })
}

/// The record's bytes.
pub fn write(record: &StatusRecord) -> LogEntry {
    let key = match &record.key {
        StatusKey::Connector(name) => format!("{CONNECTOR}{name}"),
        StatusKey::Task(id) => format!("{TASK}{id}"),
        StatusKey::Topic { topic, connector } => format!("{TOPIC}{topic}{OF_CONNECTOR}{connector}"),
    };
    let value = record.value.as_ref().map(|value| match value {
        StatusValue::Status(status) => Writer::new()
            .text("state", Some(status.state.name()))
            .text("trace", status.trace.as_deref())
            .text("worker_id", Some(&status.worker_id))
            .number("generation", status.generation.into())
            .text("version", status.version.as_deref())
            .end(),
        StatusValue::Topic { task, discovered } => {
            let (name, connector) = match &record.key {
                StatusKey::Topic { topic, connector } => (&**topic, &**connector),
                StatusKey::Connector(connector) => ("", &**connector),
                StatusKey::Task(id) => ("", &*id.connector),
            };
            let topic = Writer::new()
                .text("name", Some(name))
                .text("connector", Some(connector))
                .number("task", (*task).into())
                .number("discoverTimestamp", *discovered);
            Writer::new().object("topic", topic).end()
        }
    });
    entry(key, value)
}

fn read_key(key: &str) -> Option<StatusKey> {
    if let Some(name) = key.strip_prefix(CONNECTOR) {
        return Some(StatusKey::Connector(name.into()));
    }
    if let Some(id) = key.strip_prefix(TASK) {
        return task_id(id).map(StatusKey::Task);
    }
    // No topic's name has a colon, but a connector's may.
    let (topic, rest) = key.strip_prefix(TOPIC)?.split_once(':')?;
    let connector = rest.strip_prefix(&OF_CONNECTOR[1..])?;
    Some(StatusKey::Topic {
        topic: topic.into(),
        connector: connector.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_core::TaskId;

    fn check(key: &str, value: Option<&str>, expected: &StatusRecord) {
        assert_eq!(
            super::read(key.as_bytes(), value.map(str::as_bytes)).as_ref(),
            Ok(expected)
        );
        let written = write(expected);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
        assert_eq!(text(&written.key), key);
        assert_eq!(written.value.as_deref().map(text).as_deref(), value);
    }

    fn failed() -> Status {
        Status {
            state: RunState::Failed,
            trace: Some("java.lang.X\n\tat y\n".to_owned()),
            worker_id: "h:8083".to_owned(),
            generation: 4,
            version: Some("4.3.1".to_owned()),
        }
    }

    #[test]
    fn every_kind_is_written_as_java_writes_it() {
        let value = Some(StatusValue::Status(failed()));
        let key = StatusKey::Connector("c-1".into());
        check(
            "status-connector-c-1",
            Some(
                r#"{"state":"FAILED","trace":"java.lang.X\n\tat y\n","worker_id":"h:8083","generation":4,"version":"4.3.1"}"#,
            ),
            &StatusRecord { key, value },
        );
        let value = Some(StatusValue::Status(Status {
            state: RunState::Unassigned,
            trace: None,
            version: None,
            ..failed()
        }));
        let key = StatusKey::Task(TaskId::new("a-b", 0));
        check(
            "status-task-a-b-0",
            Some(
                r#"{"state":"UNASSIGNED","trace":null,"worker_id":"h:8083","generation":4,"version":null}"#,
            ),
            &StatusRecord {
                key: key.clone(),
                value,
            },
        );
        check(
            "status-task-a-b-0",
            None,
            &StatusRecord { key, value: None },
        );
        let key = StatusKey::Topic {
            topic: "foo".into(),
            connector: "b:connector-r".into(),
        };
        let value = Some(StatusValue::Topic {
            task: 0,
            discovered: 1_730_000_000_000,
        });
        check(
            "status-topic-foo:connector-b:connector-r",
            Some(
                r#"{"topic":{"name":"foo","connector":"b:connector-r","task":0,"discoverTimestamp":1730000000000}}"#,
            ),
            &StatusRecord { key, value },
        );
    }

    #[test]
    fn what_tells_nothing_is_told_apart() {
        let read = |key: &str, value: &str| super::read(key.as_bytes(), Some(value.as_bytes()));
        // A worker before 4.1 writes no version, and one that removes may say so.
        let old = r#"{"state":"RUNNING","trace":null,"worker_id":"w","generation":1}"#;
        let status = read("status-connector-c", old).map(|record| record.value);
        assert!(
            matches!(status, Ok(Some(StatusValue::Status(status))) if status.version.is_none())
        );
        let gone = r#"{"state":"DESTROYED","trace":null,"worker_id":"w","generation":1}"#;
        assert_eq!(
            read("status-task-c-0", gone).map(|record| record.value),
            Ok(None)
        );
        for (key, value) in [
            ("status-task-0", old),
            ("status-task-c-x", old),
            ("status-topic-t", "{}"),
            ("status-topic-t:connector-c", old),
            (
                "status-connector-c",
                r#"{"state":"SLEEPING","worker_id":"w","generation":1}"#,
            ),
            (
                "status-connector-c",
                r#"{"state":"RUNNING","worker_id":"w"}"#,
            ),
            ("connector-c", old),
        ] {
            assert!(matches!(read(key, value), Err(Unusable::Odd(_))), "{key}");
        }
        assert_eq!(read("status-connector-c", "{"), Err(Unusable::NotJson));
    }
}
