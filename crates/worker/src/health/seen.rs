//! What the herder's view tells a health port, in the words of that.

use crate::cluster::RunState;
use crate::herder::View;
use crate::herder::request::Outage;
use millstream_health::{Alarm, AlarmKind, ConnectorStatus};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The statuses of all connectors that have one: one that was just created is none that has failed.
pub(super) fn statuses(view: &View) -> Vec<ConnectorStatus> {
    let states = view
        .names()
        .into_iter()
        .filter_map(|name| view.state(&name));
    states
        .map(|state| ConnectorStatus {
            name: Json::from(&*state.name),
            state: state.connector.state.name().to_owned(),
            worker_id: state.connector.worker_id.into(),
            tasks: state
                .tasks
                .into_iter()
                .map(|(id, task)| {
                    let status = task.status;
                    let trace = status.trace.filter(|trace| !trace.is_empty());
                    json!({"id": id, "state": status.state.name(), "worker_id": status.worker_id, "trace": trace})
                })
                .collect(),
        })
        .collect()
}

/// What the statuses of this worker's connectors and tasks tell.
pub(super) fn alarms_of(view: &View, worker_id: &str) -> Vec<Alarm> {
    let mut alarms = Vec::new();
    for state in view
        .names()
        .into_iter()
        .filter_map(|name| view.state(&name))
    {
        let mut tell = |task, kind, text: &str| {
            alarms.push(Alarm {
                connector: state.name.clone(),
                task,
                kind,
                // The first line of a trace says what happened.
                text: text.lines().next().unwrap_or_default().to_owned(),
            });
        };
        let connector = &state.connector;
        let has_failed = connector.state == RunState::Failed;
        if has_failed && connector.worker_id == worker_id {
            tell(
                None,
                AlarmKind::TaskFailed,
                connector.trace.as_deref().unwrap_or_default(),
            );
        }
        for (id, task) in &state.tasks {
            if task.status.worker_id != worker_id {
                continue;
            }
            if task.status.state == RunState::Failed {
                let trace = task.status.trace.as_deref().unwrap_or_default();
                tell(Some(*id), AlarmKind::TaskFailed, trace);
            }
            if let Some(Outage::Degraded(degraded)) = &task.outage {
                tell(Some(*id), AlarmKind::Degraded, &degraded.reason);
            }
        }
    }
    alarms
}

pub(super) type ActiveAlarms = BTreeMap<(Arc<str>, Option<u32>, AlarmKind), ()>;

/// Failures and outages are logged where they happen; this tells of what nobody else notices.
pub(super) fn tell(active: &mut ActiveAlarms, alarms: Vec<Alarm>) {
    let mut now = ActiveAlarms::new();
    for alarm in alarms {
        let key = (alarm.connector, alarm.task, alarm.kind);
        if !active.contains_key(&key) {
            tracing::warn!(connector = %key.0, task = key.1, alarm = key.2.name(), "{}", alarm.text);
        }
        now.insert(key, ());
    }
    for (connector, task, kind) in active.keys().filter(|key| !now.contains_key(*key)) {
        tracing::info!(%connector, task, alarm = kind.name(), "alarm is over");
    }
    *active = now;
}
