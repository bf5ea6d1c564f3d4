//! The offsets of a source connector: shown from the store that its tasks write to; set and reset while it is stopped.

use super::error::RestError;
use super::wire::Message;
use millstream_core::{OffsetStore, Plain, Properties, SourceConnector, SourceMap};
use serde::Serialize;
use serde::ser::SerializeMap;
use serde_json::{Map, Value};

/// What a connector has stored, as the API shows it.
#[derive(Serialize)]
pub(super) struct SourceOffsets {
    offsets: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    partition: Shown,
    offset: Shown,
}

struct Shown(SourceMap);

impl Serialize for Shown {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.0.iter() {
            match value {
                Plain::Null => map.serialize_entry(name, &())?,
                Plain::Boolean(value) => map.serialize_entry(name, value)?,
                Plain::Integer(value) => map.serialize_entry(name, value)?,
                Plain::Float(value) => map.serialize_entry(name, value)?,
                Plain::Text(value) => map.serialize_entry(name, value)?,
            }
        }
        map.end()
    }
}

/// What is to be set; `None` removes.
pub(super) type Changes = Vec<(SourceMap, Option<SourceMap>)>;

pub(super) async fn show(store: &dyn OffsetStore, name: &str) -> Result<SourceOffsets, RestError> {
    let stored = store.read(name).await.map_err(|error| {
        tracing::error!(connector = name, %error, "cannot read the offsets of a source");
        RestError::Failed(format!(
            "Failed to retrieve offsets for source connector {name}"
        ))
    })?;
    let entries = stored.into_iter().map(|(partition, offset)| Entry {
        partition: Shown(partition),
        offset: Shown(offset),
    });
    Ok(SourceOffsets {
        offsets: entries.collect(),
    })
}

/// The changes of a request; of several for one partition the last counts.
pub(super) fn changes(
    entries: impl IntoIterator<Item = (Option<Map<String, Value>>, Option<Map<String, Value>>)>,
) -> Result<Changes, RestError> {
    let mut changes = Changes::new();
    for (partition, offset) in entries {
        let Some(partition) = partition else {
            let text = "Partition objects cannot be null";
            return Err(RestError::Failed(text.to_owned()));
        };
        let partition = source_map(partition)?;
        let offset = offset.map(source_map).transpose()?;
        changes.retain(|(known, _)| *known != partition);
        changes.push((partition, offset));
    }
    Ok(changes)
}

fn source_map(fields: Map<String, Value>) -> Result<SourceMap, RestError> {
    let mut map = SourceMap::new();
    for (field, value) in fields {
        let plain = match value {
            Value::Null => Plain::Null,
            Value::Bool(value) => Plain::Boolean(value),
            Value::Number(number) => match number.as_i64() {
                Some(number) => Plain::Integer(number),
                None => Plain::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => Plain::Text(text),
            Value::Array(_) => return Err(not_primitive(&field, "ARRAY")),
            Value::Object(_) => return Err(not_primitive(&field, "MAP")),
        };
        map.set(field, plain);
    }
    Ok(map)
}

fn not_primitive(field: &str, kind: &str) -> RestError {
    RestError::Failed(format!(
        "Offsets may only contain primitive types as values, but field {field} contains {kind}"
    ))
}

/// Sets offsets that the connector has nothing against.
pub(super) async fn alter(
    store: &dyn OffsetStore,
    source: &dyn SourceConnector,
    name: &str,
    config: &Properties,
    changes: Changes,
) -> Result<Message, RestError> {
    let vouches = check(source, config, &changes)?;
    write(store, name, &changes).await?;
    Ok(Message {
        message: if vouches {
            "The offsets for this connector have been altered successfully"
        } else {
            "The Connect framework-managed offsets for this connector have been altered successfully. However, if this connector manages offsets externally, they will need to be manually altered in the system that the connector uses."
        },
    })
}

/// Removes whatever is stored.
pub(super) async fn reset(
    store: &dyn OffsetStore,
    source: &dyn SourceConnector,
    name: &str,
    config: &Properties,
) -> Result<Message, RestError> {
    let stored = store
        .read(name)
        .await
        .map_err(|error| failed(name, &error))?;
    let changes: Changes = stored
        .into_iter()
        .map(|(partition, _)| (partition, None))
        .collect();
    let vouches = check(source, config, &changes)?;
    write(store, name, &changes).await?;
    Ok(Message {
        message: if vouches {
            "The offsets for this connector have been reset successfully"
        } else {
            "The Connect framework-managed offsets for this connector have been reset successfully. However, if this connector manages offsets externally, they will need to be manually reset in the system that the connector uses."
        },
    })
}

fn check(
    source: &dyn SourceConnector,
    config: &Properties,
    changes: &Changes,
) -> Result<bool, RestError> {
    let checked = source.check_offsets(config, changes);
    checked.map_err(|error| RestError::Failed(error.message))
}

async fn write(store: &dyn OffsetStore, name: &str, changes: &Changes) -> Result<(), RestError> {
    if changes.is_empty() {
        return Ok(());
    }
    let written = store.write(name, changes).await;
    written.map_err(|error| failed(name, &error))
}

fn failed(name: &str, error: &impl std::fmt::Display) -> RestError {
    tracing::error!(connector = name, %error, "cannot modify the offsets of a source");
    RestError::Failed(format!(
        "Failed to modify offsets for source connector {name}"
    ))
}
