//! `/connectors/{connector}/offsets`: what a sink's consumer group has committed, or a source has stored; set and reset while
//! the connector is stopped.

use super::body::Body;
use super::error::RestError;
use super::lookup::{info, not_found};
use super::relay::{Relay, Relayed};
use super::wire::{Message, Name, Offset, Offsets, Partition, Position};
use super::{Api, resource, source_offsets};
use crate::client_settings;
use crate::herder::request::Request;
use crate::json_text::{JsonError, object};
use crate::kafka_admin::{AdminError, KafkaAdmin};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use indexmap::IndexMap;
use millstream_core::{Connector, ConnectorKind, Properties, Role, TopicPartition};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::sync::Arc;

pub(super) fn router() -> Router<Api> {
    let methods = get(show).patch(alter).delete(reset);
    let allow = "HEAD,PATCH,DELETE,GET,OPTIONS";
    resource("/connectors/{connector}/offsets", methods, allow)
}

async fn show(State(api): State<Api>, Path(Name(name)): Path<Name>) -> Result<Response, RestError> {
    let config = info(&api, &name)?.config;
    if let Some(connector) = plugin(&api, &config)
        && connector.role().kind() == ConnectorKind::Source
    {
        let shown = source_offsets::show(api.offsets.as_ref(), &name).await?;
        return Ok(Json(shown).into_response());
    }
    let failed = |_| {
        let text = "Failed to retrieve consumer group offsets for sink connector";
        RestError::Failed(format!("{text} {name}"))
    };
    let group = Group::of(&api, &name, &config).await.map_err(failed)?;
    let offsets = group
        .kafka
        .group_offsets(&group.client, &group.id)
        .await
        .map_err(failed)?;
    let offsets = offsets.into_iter().map(|(at, offset)| Offset {
        partition: Partition {
            kafka_partition: at.partition,
            kafka_topic: Name(at.topic),
        },
        offset: Position {
            kafka_offset: offset,
        },
    });
    let offsets = offsets.collect();
    Ok(Json(Offsets { offsets }).into_response())
}

fn plugin<'a>(api: &'a Api, config: &Properties) -> Option<&'a dyn Connector> {
    let class = config.get("connector.class")?;
    let connector = api.validator.registry.connector(class).ok()?;
    Some(connector.as_ref())
}

/// The configuration with what its references stand for.
async fn resolved(api: &Api, config: &Properties) -> Result<Properties, String> {
    let resolved = api.worker.providers.resolve(config).await;
    let resolved = resolved.map_err(|error| error.to_string())?;
    Ok(resolved.properties)
}

async fn alter(
    State(api): State<Api>,
    Path(Name(name)): Path<Name>,
    relay: Relay,
    body: Body,
) -> Result<Response, RestError> {
    let entries = entries(&body)?;
    let lead = Request::Lead { waits: false };
    if let Relayed::There(answer) = relay.change(&api, lead, body.bytes()).await? {
        return Ok(answer);
    }
    let config = stopped(&api, &name)?;
    if let Some(Role::Source(source)) = plugin(&api, &config).map(Connector::role) {
        let config = resolved(&api, &config).await.map_err(RestError::Failed)?;
        let entries = entries.into_iter();
        let changes = source_offsets::changes(entries.map(|e| (e.partition, e.offset)))?;
        let store = api.offsets.as_ref();
        let altered = source_offsets::alter(store, source, &name, &config, changes);
        return Ok(Json(altered.await?).into_response());
    }
    let mut changes: IndexMap<TopicPartition, Option<i64>> = IndexMap::new();
    for entry in entries {
        let (partition, offset) = entry.parse()?;
        changes.insert(partition, offset);
    }
    // Java's client makes no such offset; its brokers are not asked.
    if changes.values().flatten().any(|offset| *offset < 0) {
        let text = format!("Failed to modify offsets for sink connector {name}");
        return Err(RestError::Failed(text));
    }
    let group = Group::of(&api, &name, &config)
        .await
        .map_err(|error| alter_failed(&name, &error))?;
    // A broker takes what it can and refuses the rest; here it is all or nothing.
    group
        .check_partitions(changes.keys())
        .await
        .map_err(|error| alter_failed(&name, &error))?;
    let altered = group.alter(changes).await;
    altered.map_err(|error| alter_failed(&name, &error))?;
    let message = "The offsets for this connector have been altered successfully";
    Ok(Json(Message { message }).into_response())
}

async fn reset(
    State(api): State<Api>,
    Path(Name(name)): Path<Name>,
    relay: Relay,
) -> Result<Response, RestError> {
    let lead = Request::Lead { waits: false };
    if let Relayed::There(answer) = relay.change(&api, lead, Bytes::new()).await? {
        return Ok(answer);
    }
    let config = stopped(&api, &name)?;
    if let Some(Role::Source(source)) = plugin(&api, &config).map(Connector::role) {
        let config = resolved(&api, &config).await.map_err(RestError::Failed)?;
        let reset = source_offsets::reset(api.offsets.as_ref(), source, &name, &config);
        return Ok(Json(reset.await?).into_response());
    }
    let group = Group::of(&api, &name, &config)
        .await
        .map_err(|error| reset_failed(&name, &error))?;
    let deleted = group.kafka.delete_group(&group.client, &group.id).await;
    deleted.map_err(|error| reset_failed(&name, &error))?;
    let message = "The offsets for this connector have been reset successfully";
    Ok(Json(Message { message }).into_response())
}

/// The configuration of a connector that is stopped, which is when its offsets may change.
fn stopped(api: &Api, name: &str) -> Result<Properties, RestError> {
    let view = api.herder.view();
    let config = view.info(name).ok_or_else(|| not_found(name))?.config;
    if view.is_stopped(name) {
        return Ok(config);
    }
    Err(RestError::BadRequest(format!(
        "Connectors must be in the STOPPED state before their offsets can be modified. This can be done for the specified connector by issuing a 'PUT' request to the '/connectors/{name}/stop' endpoint"
    )))
}

/// A connector's consumer group, and how to reach it.
struct Group {
    kafka: Arc<dyn KafkaAdmin>,
    client: Properties,
    id: String,
}

impl Group {
    async fn of(api: &Api, name: &str, config: &Properties) -> Result<Self, AdminError> {
        let failed = |why: String| AdminError::Failed(why);
        let config = resolved(api, config).await.map_err(failed)?;
        let kafka = api.kafka.clone();
        let client_id = format!("connector-worker-adminclient-{name}");
        Ok(Group {
            kafka: kafka.ok_or_else(|| failed("no admin client is available".to_owned()))?,
            client: client_settings::admin(&api.worker, &config, &client_id),
            id: client_settings::group_id(&config, name),
        })
    }

    async fn check_partitions(
        &self,
        partitions: impl Iterator<Item = &TopicPartition> + Clone + Send,
    ) -> Result<(), AdminError> {
        let mut topics: Vec<&str> = partitions.clone().map(|at| &*at.topic).collect();
        topics.sort_unstable();
        topics.dedup();
        let counts = self.kafka.partition_counts(&self.client, &topics).await?;
        let is_there = |at: &&TopicPartition| {
            let count = counts.get(&*at.topic);
            count.is_some_and(|count| (0..*count).contains(&at.partition))
        };
        match partitions.into_iter().find(|at| !is_there(at)) {
            Some(missing) => Err(AdminError::Failed(format!(
                "there is no partition {missing}"
            ))),
            None => Ok(()),
        }
    }

    async fn alter(
        &self,
        changes: IndexMap<TopicPartition, Option<i64>>,
    ) -> Result<(), AdminError> {
        let (mut set, mut removed) = (Vec::new(), Vec::new());
        for (partition, offset) in changes {
            match offset {
                Some(offset) => set.push((partition, offset)),
                None => removed.push(partition),
            }
        }
        let Group { kafka, client, id } = self;
        if !set.is_empty() {
            kafka.alter_group_offsets(client, id, &set).await?;
        }
        if !removed.is_empty() {
            kafka.delete_group_offsets(client, id, &removed).await?;
        }
        Ok(())
    }
}

fn alter_failed(name: &str, error: &AdminError) -> RestError {
    tracing::error!(connector = name, %error, "cannot alter the offsets of a consumer group");
    let alter = format!("Failed to alter consumer group offsets for connector {name}");
    RestError::Failed(match error {
        AdminError::GroupInUse(_) => format!("{alter} {}", still_active("alter its offsets")),
        AdminError::Failed(_) => alter,
    })
}

fn reset_failed(name: &str, error: &AdminError) -> RestError {
    tracing::error!(connector = name, %error, "cannot reset the offsets of a consumer group");
    RestError::Failed(match error {
        AdminError::GroupInUse(_) => format!(
            "Failed to reset consumer group offsets for connector {name} {}",
            still_active("reset its offsets")
        ),
        AdminError::Failed(_) => {
            format!("Failed to reset consumer group offsets for sink connector {name}")
        }
    })
}

fn still_active(request: &str) -> String {
    format!(
        "either because its tasks haven't stopped completely yet or the connector was resumed before the request to {request} could be successfully completed. If the connector is in a stopped state, this operation can be safely retried. If it doesn't eventually succeed, the Connect cluster may need to be restarted to get rid of the zombie sink tasks."
    )
}

/// One entry of a request; either part may be missing or null.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(default)]
    partition: Option<Map<String, Value>>,
    #[serde(default)]
    offset: Option<Map<String, Value>>,
}

fn entries(body: &[u8]) -> Result<Vec<Entry>, RestError> {
    const CLASS: &str = "org.apache.kafka.connect.runtime.rest.entities.ConnectorOffsets";
    let fields = object(body, CLASS)?.ok_or(RestError::NullBody(
        "Cannot invoke \"org.apache.kafka.connect.runtime.rest.entities.ConnectorOffsets.offsets()\" because \"offsets\" is null",
        "",
    ))?;
    let mut entries = Vec::new();
    for (field, value) in fields {
        match (field.as_str(), value) {
            ("offsets", Some(list)) => {
                entries =
                    serde_json::from_str(list.get()).map_err(|error| JsonError::from(&error))?;
            }
            ("offsets", None) => {}
            (other, _) => return Err(JsonError::unrecognized(other, CLASS).into()),
        }
    }
    if entries.is_empty() {
        let text = "Partitions / offsets need to be provided for an alter offsets request";
        return Err(RestError::BadRequest(text.to_owned()));
    }
    Ok(entries)
}

impl Entry {
    fn parse(self) -> Result<(TopicPartition, Option<i64>), RestError> {
        let refuse = |text: &str| Err(RestError::BadRequest(text.to_owned()));
        let Some(partition) = self.partition else {
            return refuse("The partition for a sink connector offset cannot be null or missing");
        };
        let (Some(topic), Some(number)) = (
            partition.get("kafka_topic"),
            partition.get("kafka_partition"),
        ) else {
            return refuse(
                "The partition for a sink connector offset must contain the keys 'kafka_topic' and 'kafka_partition'",
            );
        };
        if topic.is_null() {
            return refuse("Kafka topic names must be valid strings and may not be null");
        }
        if number.is_null() {
            return refuse("Kafka partitions must be valid numbers and may not be null");
        }
        let (topic, number) = (text_of(topic), text_of(number));
        let Ok(number) = number.parse() else {
            return refuse(&format!(
                "Failed to parse the following Kafka partition value in the provided offsets: '{number}'. Partition values for sink connectors need to be integers."
            ));
        };
        let partition = TopicPartition::new(topic, number);
        let Some(offset) = self.offset else {
            return Ok((partition, None));
        };
        let Some(offset) = offset.get("kafka_offset") else {
            return refuse(
                "The offset for a sink connector should either be null or contain the key 'kafka_offset'",
            );
        };
        let offset = text_of(offset);
        match offset.parse() {
            Ok(offset) => Ok((partition, Some(offset))),
            Err(_) => refuse(&format!(
                "Failed to parse the following Kafka offset value in the provided offsets: '{offset}'. Offset values for sink connectors need to be integers."
            )),
        }
    }
}

/// What Java's `String.valueOf` gives.
fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
