//! Fold: what the records of the topic of configurations come to, one after the other. Pure.

use crate::records::Unusable;
use crate::records::config::ConfigEntry;
use millstream_core::Properties;
use millstream_worker::cluster::{ConfigEvent, ConfigRecord, Position};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[derive(Debug, Default)]
pub(super) struct Fold {
    position: Position,
    /// Connectors there are.
    connectors: BTreeSet<Arc<str>>,
    /// The settings of tasks that no commit has made valid yet.
    deferred: BTreeMap<Arc<str>, BTreeMap<u32, Properties>>,
    /// The topic is being read once more: the connectors that were there before.
    before: Option<BTreeSet<Arc<str>>>,
}

impl Fold {
    /// After the last record that counted.
    pub(super) fn position(&self) -> Position {
        self.position
    }

    /// Takes the record at this offset.
    pub(super) fn apply(
        &mut self,
        offset: i64,
        entry: Result<ConfigEntry, Unusable>,
    ) -> Option<ConfigEvent> {
        if entry == Err(Unusable::NotJson) {
            return None;
        }
        let position = Position(offset + 1);
        self.position = position;
        let record = entry.ok().and_then(|entry| self.record(entry));
        Some(match record {
            Some(record) => ConfigEvent::Record { position, record },
            None => ConfigEvent::Passed { position },
        })
    }

    /// What it tells, if that is anything yet.
    fn record(&mut self, entry: ConfigEntry) -> Option<ConfigRecord> {
        Some(match entry {
            ConfigEntry::Connector { name, config } => {
                if config.is_some() {
                    self.connectors.insert(name.clone());
                } else {
                    self.connectors.remove(&name);
                    self.deferred.remove(&name);
                }
                ConfigRecord::Connector { name, config }
            }
            ConfigEntry::Target { name, state } => ConfigRecord::Target { name, state },
            ConfigEntry::Task { id, config } => {
                let of_connector = self.deferred.entry(id.connector).or_default();
                of_connector.insert(id.task, config);
                return None;
            }
            ConfigEntry::Commit { name, tasks } => {
                let mut deferred = self.deferred.remove(&name).unwrap_or_default();
                // It was deleted, and compaction has left this.
                if !self.connectors.contains(&name) {
                    return None;
                }
                let all = (0..tasks).map(|task| deferred.remove(&task));
                // With some of them missing, compacted away, there are none until a complete commit.
                let configs = all.collect::<Option<Vec<_>>>().unwrap_or_default();
                if configs.len() < tasks as usize {
                    tracing::warn!(
                        connector = &*name,
                        "the settings of its {tasks} tasks are not complete; they are written anew by whoever runs the connector"
                    );
                }
                ConfigRecord::Tasks { name, configs }
            }
            ConfigEntry::Fenced { name, tasks } => ConfigRecord::Fenced { name, tasks },
            ConfigEntry::SessionKey(key) => ConfigRecord::SessionKey(key),
            // They were acted on when they were read first.
            ConfigEntry::Restart { .. } | ConfigEntry::Logger { .. } if self.before.is_some() => {
                return None;
            }
            ConfigEntry::Restart {
                name,
                include_tasks,
                only_failed,
            } => ConfigRecord::Restart {
                name,
                include_tasks,
                only_failed,
            },
            ConfigEntry::Logger { namespace, level } => ConfigRecord::Logger { namespace, level },
        })
    }

    /// What was read counts for nothing, and all there is follows.
    pub(super) fn start_over(&mut self) -> ConfigEvent {
        let mut before = std::mem::take(&mut self.connectors);
        before.extend(self.before.take().unwrap_or_default());
        *self = Fold {
            before: Some(before),
            ..Fold::default()
        };
        let position = self.position;
        ConfigEvent::Passed { position }
    }

    /// It has been read to its end again: connectors of which it told nothing this time are no more.
    pub(super) fn end_over(&mut self) -> Vec<ConfigEvent> {
        let position = self.position;
        let before = self.before.take().unwrap_or_default();
        let gone = before.into_iter();
        let gone = gone.filter(|name| !self.connectors.contains(name));
        let records = gone.flat_map(|name| {
            let connector = ConfigRecord::Connector {
                name: name.clone(),
                config: None,
            };
            [connector, ConfigRecord::Target { name, state: None }]
        });
        records
            .map(|record| ConfigEvent::Record { position, record })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of a log of keys and values, without what tells nothing; `None` is a tombstone.
    fn fold(log: &[(&str, Option<&str>)]) -> (Vec<ConfigRecord>, i64) {
        let mut fold = Fold::default();
        let mut records = Vec::new();
        for (offset, (key, value)) in (0..).zip(log) {
            let entry = ConfigEntry::read(key.as_bytes(), value.map(str::as_bytes));
            if let Some(ConfigEvent::Record { record, .. }) = fold.apply(offset, entry) {
                records.push(record);
            }
        }
        (records, fold.position().0)
    }

    const CONNECTOR: (&str, Option<&str>) = ("connector-c", Some(r#"{"properties":{}}"#));

    fn task<'a>(key: &'a str, value: &'a str) -> (&'a str, Option<&'a str>) {
        (key, Some(value))
    }

    /// The values of `k` in the settings of the tasks after each commit.
    fn tasks(log: &[(&str, Option<&str>)]) -> Vec<Vec<String>> {
        let (records, _) = fold(log);
        let tasks = records.into_iter().filter_map(|record| match record {
            ConfigRecord::Tasks { configs, .. } => Some(configs),
            _ => None,
        });
        let values = |configs: Vec<Properties>| {
            let values = configs.iter();
            values
                .map(|config| config.get("k").unwrap_or_default().to_owned())
                .collect()
        };
        tasks.map(values).collect()
    }

    #[test]
    fn settings_of_tasks_count_once_they_are_committed() {
        let (a, b) = (r#"{"properties":{"k":"a"}}"#, r#"{"properties":{"k":"b"}}"#);
        let two = task("commit-c", r#"{"tasks":2}"#);
        let log = [
            CONNECTOR,
            task("task-c-0", a),
            task("task-c-1", a),
            two,
            task("task-c-0", b),
        ];
        assert_eq!(tasks(&log), [["a", "a"]]);
        assert_eq!(fold(&log).1, 5);
        let compacted = [
            CONNECTOR,
            task("task-c-1", a),
            two,
            task("task-c-0", b),
            task("task-c-1", b),
            two,
        ];
        assert_eq!(tasks(&compacted), [vec![], vec!["b", "b"]]);
        let one = task("commit-c", r#"{"tasks":1}"#);
        let stale = [CONNECTOR, task("task-c-1", a), task("task-c-0", b), one];
        assert_eq!(tasks(&stale), [["b"]]);
        assert!(tasks(&[task("task-c-0", a), one]).is_empty());
        let none = task("commit-c", r#"{"tasks":0}"#);
        assert_eq!(tasks(&[CONNECTOR, none]), [Vec::<String>::new()]);
        // A lone commit, whose tasks were compacted away.
        assert_eq!(tasks(&[CONNECTOR, two]), [Vec::<String>::new()]);
        // What was deferred is gone with its connector.
        let again = [
            CONNECTOR,
            task("task-c-0", a),
            ("connector-c", None),
            CONNECTOR,
            one,
        ];
        assert_eq!(tasks(&again), [Vec::<String>::new()]);
    }

    #[test]
    fn the_position_is_after_the_last_record_that_is_json() {
        assert_eq!(fold(&[CONNECTOR, ("connector-x", Some("{"))]).1, 1);
        assert_eq!(fold(&[CONNECTOR, ("elsewhere", Some("[1]"))]).1, 2);
        assert_eq!(fold(&[("connector-x", Some("")), CONNECTOR]).1, 2);
        let (records, position) = fold(&[("task-c-0", None), ("target-state-c", None)]);
        assert_eq!((records.len(), position), (1, 2));
    }

    #[test]
    fn what_is_gone_after_a_new_start_is_deleted() {
        let mut fold = Fold::default();
        let apply = |fold: &mut Fold, offset, (key, value): (&str, Option<&str>)| {
            fold.apply(
                offset,
                ConfigEntry::read(key.as_bytes(), value.map(str::as_bytes)),
            )
        };
        let restart = ("restart-connector-c", Some("{}"));
        let is_news =
            |event: Option<ConfigEvent>| matches!(event, Some(ConfigEvent::Record { .. }));
        apply(&mut fold, 0, CONNECTOR);
        apply(&mut fold, 1, ("connector-d", CONNECTOR.1));
        assert!(is_news(apply(&mut fold, 2, restart)));
        fold.start_over();
        assert_eq!(fold.position(), Position(0));
        assert!(!is_news(apply(&mut fold, 0, restart)));
        fold.start_over();
        apply(&mut fold, 0, CONNECTOR);
        let gone = fold.end_over();
        let names = gone.iter().map(|event| match event {
            ConfigEvent::Record {
                record: ConfigRecord::Connector { name, config: None },
                ..
            }
            | ConfigEvent::Record {
                record: ConfigRecord::Target { name, state: None },
                ..
            } => &**name,
            other => panic!("{other:?}"),
        });
        assert_eq!(names.collect::<Vec<_>>(), ["d", "d"]);
        assert!(is_news(apply(&mut fold, 1, restart)));
        assert!(fold.end_over().is_empty());
    }
}
