//! Records of messages of JMS, as Confluent's connector makes them: structs of all that a message has.

use super::{Said, Told, filled, string, structure};
use crate::jms;
use bytes::Bytes;
use millstream_core::{
    BodyKind, ByteColumn, Decoded, Headers, Map, MessageDetails, Payload, RecordBatch, Schema,
    SchemaRef, SchemaType, SourceBatch, Text, Value,
};
use std::sync::Arc;

/// The types of properties, in the order of their fields.
const TYPES: [&str; 9] = [
    "boolean", "byte", "short", "integer", "long", "float", "double", "string", "bytes",
];

/// The type of a property that has no value.
const NULL: &str = "null-value";

/// Fields that are properties in JMS, where a message has them.
const PROPERTIES: [&str; 3] = [jms::GROUP_ID, jms::GROUP_SEQUENCE, jms::USER_ID];

pub(in crate::sources) struct JmsShape {
    key: SchemaRef,
    value: SchemaRef,
    property: SchemaRef,
    destination: SchemaRef,
}

impl JmsShape {
    pub(in crate::sources) fn new() -> Self {
        let required = Schema::of;
        let optional = Schema::optional;
        let destination = structure(
            Some("io.confluent.connect.jms.Destination"),
            [
                ("destinationType", required(SchemaType::String)),
                ("name", optional(SchemaType::String)),
            ],
        );
        let property = structure(
            Some("io.confluent.connect.jms.PropertyValue"),
            [
                ("propertyType", required(SchemaType::String)),
                (TYPES[0], optional(SchemaType::Boolean)),
                (TYPES[1], optional(SchemaType::Int8)),
                (TYPES[2], optional(SchemaType::Int16)),
                (TYPES[3], optional(SchemaType::Int32)),
                (TYPES[4], optional(SchemaType::Int64)),
                (TYPES[5], optional(SchemaType::Float32)),
                (TYPES[6], optional(SchemaType::Float64)),
                (TYPES[7], optional(SchemaType::String)),
                (TYPES[8], optional(SchemaType::Bytes)),
            ],
        );
        let place = || Schema {
            optional: true,
            ..Schema::clone(&destination)
        };
        let map = |schema: Schema| Schema {
            key_schema: Some(Arc::new(required(SchemaType::String))),
            value_schema: Some(Arc::clone(&property)),
            ..schema
        };
        JmsShape {
            key: structure(
                Some("io.confluent.connect.jms.Key"),
                [("messageID", required(SchemaType::String))],
            ),
            value: structure(
                Some("io.confluent.connect.jms.Value"),
                [
                    ("messageID", required(SchemaType::String)),
                    ("messageType", required(SchemaType::String)),
                    ("timestamp", required(SchemaType::Int64)),
                    ("deliveryMode", required(SchemaType::Int32)),
                    ("correlationID", optional(SchemaType::String)),
                    ("replyTo", place()),
                    ("destination", place()),
                    ("redelivered", required(SchemaType::Boolean)),
                    ("type", optional(SchemaType::String)),
                    ("expiration", required(SchemaType::Int64)),
                    ("priority", required(SchemaType::Int32)),
                    ("properties", map(required(SchemaType::Map))),
                    ("bytes", optional(SchemaType::Bytes)),
                    ("map", map(optional(SchemaType::Map))),
                    ("text", optional(SchemaType::String)),
                ],
            ),
            destination: Arc::new(place()),
            property,
        }
    }

    pub(super) fn records(&self, mut batch: RecordBatch) -> SourceBatch {
        let told = Told::of(&mut batch);
        let rows = batch.len();
        let mut keys = Decoded::with_capacity(ByteColumn::nulls(rows));
        let mut values = Decoded::with_capacity(ByteColumn::nulls(rows));
        let none = MessageDetails::default();
        for row in 0..rows {
            let message = told.message(batch.offsets[row]);
            let details = message.and_then(|message| message.details.as_deref());
            let details = details.unwrap_or(&none);
            let of_queue = Said::of(&batch, row);
            let id = match details.field(jms::MESSAGE_ID) {
                // AMQP's senders may give none.
                Value::Null => string(of_queue.id.as_deref().unwrap_or_default().as_bytes()),
                id => id.clone(),
            };
            let queue = told.0.as_ref().map_or("", |messages| &*messages.queue);
            let is_again = message.is_some_and(|message| message.is_redelivered);
            keys.push(filled(&self.key, vec![id.clone()]));
            let value = self.value(details, id, queue, is_again, batch.raw_value(row));
            values.push(filled(&self.value, value));
        }
        SourceBatch {
            records: RecordBatch {
                keys: Payload::Decoded(keys),
                values: Payload::Decoded(values),
                headers: Headers::None,
                ..batch
            },
            key_schema: None,
            value_schema: None,
            place: None,
        }
    }

    fn value(
        &self,
        details: &MessageDetails,
        id: Value,
        queue: &str,
        is_again: bool,
        body: Option<Bytes>,
    ) -> Vec<Value> {
        let field = |name: &str| details.field(name).clone();
        let or = |value: Value, other: Value| if value.is_null() { other } else { value };
        let as_bytes = |body: Option<Bytes>| body.map_or(Value::Null, Value::Bytes);
        let as_text = |body: Option<Bytes>| body.map_or(Value::Null, |body| string(&body));
        let null = || Value::Null;
        let (kind, bytes, map, text) = match &details.body {
            BodyKind::Bytes => ("bytes", as_bytes(body), null(), null()),
            BodyKind::Text => ("text", null(), null(), as_text(body)),
            BodyKind::Map(entries) => ("map", null(), self.map(entries.iter()), null()),
            BodyKind::List => ("stream", null(), null(), as_text(body)),
            BodyKind::Object => ("object", as_bytes(body), null(), null()),
        };
        let extra = PROPERTIES.iter().map(|name| (*name, details.field(name)));
        let extra = extra.filter(|(_, value)| !value.is_null());
        let extra: Vec<_> = extra
            .map(|(name, value)| (name.to_owned(), value.clone()))
            .collect();
        let destination = or(field(jms::DESTINATION), jms::destination(queue, false));
        vec![
            id,
            string(kind.as_bytes()),
            or(field(jms::TIMESTAMP), Value::Int64(0)),
            or(field(jms::DELIVERY_MODE), Value::Int32(jms::NOT_PERSISTENT)),
            field(jms::CORRELATION_ID),
            self.destination(&field(jms::REPLY_TO)),
            self.destination(&destination),
            Value::Boolean(is_again),
            field(jms::TYPE),
            or(field(jms::EXPIRATION), Value::Int64(0)),
            or(field(jms::PRIORITY), Value::Int32(jms::USUAL_PRIORITY)),
            self.map(details.properties.iter().chain(&extra)),
            bytes,
            map,
            text,
        ]
    }

    fn destination(&self, value: &Value) -> Value {
        let Value::String(text) = value else {
            return Value::Null;
        };
        let text = text.to_java_utf8();
        let (kind, name) = jms::taken_apart(&text);
        let values = vec![string(kind.as_bytes()), string(name.as_bytes())];
        filled(&self.destination, values).value
    }

    fn map<'a>(&self, entries: impl Iterator<Item = &'a (String, Value)>) -> Value {
        Value::Map(Map::linked(entries.map(|(name, value)| {
            let name = Value::String(Text::from(name.as_str()));
            (name, self.property(value))
        })))
    }

    /// A value in the field of its type.
    fn property(&self, value: &Value) -> Value {
        let place = match value {
            Value::Boolean(_) => Some(0),
            Value::Int8(_) => Some(1),
            Value::Int16(_) => Some(2),
            Value::Int32(_) => Some(3),
            Value::Int64(_) => Some(4),
            Value::Float32(_) => Some(5),
            Value::Float64(_) => Some(6),
            Value::String(_) => Some(7),
            Value::Bytes(_) => Some(8),
            Value::Null
            | Value::Decimal(_)
            | Value::Date(_)
            | Value::Array(_)
            | Value::Map(_)
            | Value::Struct(_) => None,
        };
        let kind = place.map_or(NULL, |place| TYPES[place]);
        let mut values = vec![Value::Null; 1 + TYPES.len()];
        values[0] = string(kind.as_bytes());
        if let Some(place) = place {
            values[1 + place] = value.clone();
        }
        filled(&self.property, values).value
    }
}
