//! JSON bodies, with their fields in Java's order.

use crate::herder::request::{ConnectorInfo, ConnectorState, Outage, TaskState};
use crate::loggers::LoggerLevel;
use crate::validation::Validated;
use millstream_core::config::{ConfigValue, Default};
use millstream_core::{ConnectorKind, Key, Properties};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::sync::Arc;

/// A name in a path or a body.
#[derive(Clone)]
pub(super) struct Name(pub(super) Arc<str>);

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Name(String::deserialize(deserializer)?.into()))
    }
}

#[derive(Serialize)]
pub(super) struct ServerInfo {
    pub(super) version: &'static str,
    pub(super) commit: &'static str,
    pub(super) kafka_cluster_id: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Health {
    pub(super) status: &'static str,
    pub(super) message: String,
}

#[derive(Serialize)]
pub(super) struct Message {
    pub(super) message: &'static str,
}

/// A map of strings, nulls shown.
pub(super) struct StringMap(pub(super) Properties);

impl Serialize for StringMap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in self.0.entries() {
            map.serialize_entry(key, &value)?;
        }
        map.end()
    }
}

#[derive(Serialize)]
pub(super) struct Info {
    name: Name,
    config: StringMap,
    tasks: Vec<Task>,
    r#type: &'static str,
}

#[derive(Serialize)]
pub(super) struct Task {
    connector: Name,
    task: u32,
}

impl From<ConnectorInfo> for Info {
    fn from(info: ConnectorInfo) -> Self {
        Info {
            tasks: (0..info.tasks)
                .map(|task| Task {
                    connector: Name(info.name.clone()),
                    task,
                })
                .collect(),
            name: Name(info.name),
            config: StringMap(info.config),
            r#type: connector_type(info.kind),
        }
    }
}

/// A connector whose class is not here is of no known type.
fn connector_type(kind: Option<ConnectorKind>) -> &'static str {
    kind.map_or("unknown", ConnectorKind::name)
}

#[derive(Serialize)]
pub(super) struct State {
    name: Name,
    connector: Status,
    tasks: Vec<TaskStatus>,
    r#type: &'static str,
}

#[derive(Serialize)]
struct Status {
    state: &'static str,
    worker_id: String,
    /// A null where it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
}

#[derive(Serialize)]
pub(super) struct TaskStatus {
    id: u32,
    #[serde(flatten)]
    status: Status,
    /// Shown while it lasts, so that the status of a healthy task is Java's.
    #[serde(skip_serializing_if = "Option::is_none")]
    degraded: Option<Degraded>,
    #[serde(skip_serializing_if = "Option::is_none")]
    self_healing: Option<SelfHealing>,
}

#[derive(Serialize)]
struct Degraded {
    since: i64,
    reason: String,
    next_try_ms: u64,
}

#[derive(Serialize)]
struct SelfHealing {
    restarts: u32,
    /// Epoch milliseconds.
    next_try: i64,
}

impl From<crate::cluster::Status> for Status {
    fn from(status: crate::cluster::Status) -> Self {
        Status {
            state: status.state.name(),
            worker_id: status.worker_id,
            version: Some(status.version),
            trace: status.trace.filter(|trace| !trace.is_empty()),
        }
    }
}

impl From<(u32, TaskState)> for TaskStatus {
    fn from((id, task): (u32, TaskState)) -> Self {
        let (mut degraded, mut self_healing) = (None, None);
        match task.outage {
            Some(Outage::Degraded(told)) => {
                degraded = Some(Degraded {
                    since: told.since,
                    reason: told.reason,
                    next_try_ms: u64::try_from(told.next_try.as_millis()).unwrap_or(u64::MAX),
                });
            }
            Some(Outage::Restarting { restarts, next_try }) => {
                self_healing = Some(SelfHealing { restarts, next_try });
            }
            None => {}
        }
        TaskStatus {
            id,
            status: task.status.into(),
            degraded,
            self_healing,
        }
    }
}

impl From<ConnectorState> for State {
    fn from(state: ConnectorState) -> Self {
        State {
            name: Name(state.name),
            connector: state.connector.into(),
            tasks: state.tasks.into_iter().map(TaskStatus::from).collect(),
            r#type: connector_type(state.kind),
        }
    }
}

impl State {
    /// With those fields alone that workers of Java's know, whatever their release: they refuse answers with others. Those of
    /// 3.9 do not know a version, those of 4.3 nothing of outages.
    pub(super) fn for_any_java(mut self) -> Self {
        self.connector.version = None;
        for task in &mut self.tasks {
            task.status.version = None;
            task.degraded = None;
            task.self_healing = None;
        }
        self
    }
}

#[derive(Serialize)]
pub(super) struct TaskInfo {
    pub(super) id: Task,
    pub(super) config: StringMap,
}

impl TaskInfo {
    pub(super) fn new(connector: &Arc<str>, task: usize, config: Properties) -> Self {
        TaskInfo {
            id: Task {
                connector: Name(connector.clone()),
                task: task as u32,
            },
            config: StringMap(config),
        }
    }
}

#[derive(Serialize)]
pub(super) struct Plugin {
    pub(super) class: String,
    pub(super) r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Level {
    level: &'static str,
    last_modified: Option<i64>,
}

impl From<LoggerLevel> for Level {
    fn from(level: LoggerLevel) -> Self {
        Level {
            level: level.level,
            last_modified: level.last_modified,
        }
    }
}

#[derive(Serialize)]
pub(super) struct Offsets {
    pub(super) offsets: Vec<Offset>,
}

#[derive(Serialize)]
pub(super) struct Offset {
    pub(super) partition: Partition,
    pub(super) offset: Position,
}

#[derive(Serialize)]
pub(super) struct Partition {
    pub(super) kafka_partition: i32,
    pub(super) kafka_topic: Name,
}

#[derive(Serialize)]
pub(super) struct Position {
    pub(super) kafka_offset: i64,
}

#[derive(Serialize)]
pub(super) struct ConfigInfos {
    name: String,
    error_count: usize,
    groups: Vec<String>,
    configs: Vec<ConfigInfo>,
}

#[derive(Serialize)]
struct ConfigInfo {
    definition: Option<Definition>,
    value: Value,
}

#[derive(Serialize)]
pub(super) struct Definition {
    name: String,
    r#type: &'static str,
    required: bool,
    default_value: Option<String>,
    importance: &'static str,
    documentation: String,
    group: Option<String>,
    order_in_group: i32,
    width: &'static str,
    display_name: String,
    dependents: Vec<String>,
}

#[derive(Serialize)]
struct Value {
    name: String,
    value: Option<String>,
    recommended_values: Vec<String>,
    errors: Vec<String>,
    visible: bool,
}

impl From<Validated> for ConfigInfos {
    fn from(validated: Validated) -> Self {
        let infos = validated
            .configs
            .into_iter()
            .map(|(key, value)| ConfigInfo {
                definition: key.map(Definition::from),
                value: value.into(),
            });
        ConfigInfos {
            name: validated.class,
            error_count: validated.error_count,
            groups: validated.groups,
            configs: infos.collect(),
        }
    }
}

impl From<Key> for Definition {
    fn from(key: Key) -> Self {
        Definition {
            required: key.default == Default::Required,
            default_value: key.default_text(),
            name: key.name.into_owned(),
            r#type: key.kind.name(),
            importance: key.importance.name(),
            documentation: key.doc.into_owned(),
            group: key.group.map(|group| group.into_owned()),
            order_in_group: key.order,
            width: key.width.name(),
            display_name: key.display_name.into_owned(),
            dependents: key.dependents.into_iter().map(|d| d.into_owned()).collect(),
        }
    }
}

impl From<ConfigValue> for Value {
    fn from(value: ConfigValue) -> Self {
        Value {
            name: value.name,
            value: value.value.map(|value| value.to_text()),
            recommended_values: value.recommended,
            errors: value.errors,
            visible: value.visible,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{RunState, Status as Known};

    /// Java's workers refuse answers that they passed a restart on for, if one field is new to them.
    #[test]
    fn additions_47_what_any_java_reads_has_no_field_of_its_successors_or_of_ours() {
        let status = Known {
            state: RunState::Restarting,
            trace: None,
            worker_id: "w:1".to_owned(),
            generation: 3,
            version: Some("4.3.1".to_owned()),
        };
        let outage = Outage::Restarting {
            restarts: 1,
            next_try: 7,
        };
        let state = || {
            State::from(ConnectorState {
                name: "c".into(),
                connector: status.clone(),
                tasks: vec![(
                    0,
                    TaskState {
                        status: status.clone(),
                        outage: Some(outage.clone()),
                    },
                )],
                kind: Some(ConnectorKind::Sink),
            })
        };
        let json = |state: State| serde_json::to_string(&state).expect("a state is JSON");
        assert_eq!(
            json(state()),
            r#"{"name":"c","connector":{"state":"RESTARTING","worker_id":"w:1","version":"4.3.1"},"tasks":[{"id":0,"state":"RESTARTING","worker_id":"w:1","version":"4.3.1","self_healing":{"restarts":1,"next_try":7}}],"type":"sink"}"#
        );
        assert_eq!(
            json(state().for_any_java()),
            r#"{"name":"c","connector":{"state":"RESTARTING","worker_id":"w:1"},"tasks":[{"id":0,"state":"RESTARTING","worker_id":"w:1"}],"type":"sink"}"#
        );
    }
}
