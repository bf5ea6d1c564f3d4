//! Records as each class makes them: which key, which value, which headers, and their schemas.

mod camel_jms;
mod jms;
mod rabbit;
mod sqs;

use crate::record;
use bytes::Bytes;
pub(super) use camel_jms::CamelJmsShape;
pub(super) use jms::JmsShape;
use millstream_core::{
    ByteColumn, Field, Header, MessageId, Messages, Payload, RawKind, RecordBatch, Schema,
    SchemaAndValue, SchemaRef, SchemaType, SourceBatch, Struct, Text, Value, text,
};
pub(super) use rabbit::RabbitShape;
pub(super) use sqs::{SqsAttributes, SqsShape};
use std::sync::Arc;

/// What makes records of messages.
pub(super) enum Shape {
    Sqs(SqsShape),
    Rabbit(RabbitShape),
    Jms(JmsShape),
    CamelJms(CamelJmsShape),
}

impl Shape {
    /// The messages of a batch as records, under the same offsets.
    pub(super) fn records(&self, batch: RecordBatch) -> SourceBatch {
        match self {
            Shape::Sqs(shape) => shape.records(batch),
            Shape::Rabbit(shape) => shape.records(batch),
            Shape::Jms(shape) => shape.records(batch),
            Shape::CamelJms(shape) => shape.records(batch),
        }
    }
}

/// What a row says of its message beside the body.
struct Said {
    /// What came with the message, in its order.
    headers: Vec<(String, Bytes)>,
    id: Option<String>,
    deliveries: Option<i32>,
}

impl Said {
    fn of(batch: &RecordBatch, row: usize) -> Self {
        let headers = batch.raw_headers(row).into_iter();
        let headers = headers.map(|(name, value)| (lossy(&name), value.unwrap_or_default()));
        let mut headers: Vec<(String, Bytes)> = headers.collect();
        // What the queue says of the message stands behind what came with it, and begins with the queue's name.
        let own = headers.iter().rposition(|(name, _)| name == record::QUEUE);
        let of_queue = headers.split_off(own.unwrap_or(headers.len()));
        let find = |name: &str| of_queue.iter().find(|(known, _)| known == name);
        let id = find(record::ID).map(|(_, id)| lossy(id));
        let deliveries = find(record::DELIVERIES).and_then(|(_, count)| lossy(count).parse().ok());
        Said {
            headers,
            id,
            deliveries,
        }
    }
}

fn lossy(bytes: &[u8]) -> String {
    text::decode_utf8(bytes).into_owned()
}

fn string(bytes: &[u8]) -> Value {
    Value::String(Text::from(&*text::decode_utf8(bytes)))
}

/// Text, or bytes that are none.
fn header(key: String, value: Bytes, schemas: &HeaderSchemas) -> Header {
    match std::str::from_utf8(&value) {
        Ok(text) => Header {
            key,
            schema: Some(Arc::clone(&schemas.string)),
            value: Value::String(Text::from(text)),
        },
        Err(_) => Header {
            key,
            schema: Some(Arc::clone(&schemas.bytes)),
            value: Value::Bytes(value),
        },
    }
}

/// What a message says of itself, and its types, where they were kept.
struct Told(Option<Arc<Messages>>);

impl Told {
    /// Takes it off the batch.
    fn of(batch: &mut RecordBatch) -> Self {
        Told(batch.fetched.messages.take())
    }

    /// The message that the row with this offset is made of.
    fn message(&self, offset: i64) -> Option<&MessageId> {
        self.0.as_deref()?.of(offset)
    }
}

/// The schemas of values in headers, by their types.
struct HeaderSchemas {
    string: SchemaRef,
    bytes: SchemaRef,
    boolean: SchemaRef,
    /// By the number of bytes: 1, 2, 4 and 8.
    integers: [SchemaRef; 4],
    float: SchemaRef,
    double: SchemaRef,
    /// Java gives a text that is null the schema of an optional one.
    null: SchemaRef,
}

impl HeaderSchemas {
    fn new() -> Self {
        let of = |kind| Arc::new(Schema::of(kind));
        HeaderSchemas {
            string: of(SchemaType::String),
            bytes: of(SchemaType::Bytes),
            boolean: of(SchemaType::Boolean),
            integers: [
                SchemaType::Int8,
                SchemaType::Int16,
                SchemaType::Int32,
                SchemaType::Int64,
            ]
            .map(of),
            float: of(SchemaType::Float32),
            double: of(SchemaType::Float64),
            null: Arc::new(Schema::optional(SchemaType::String)),
        }
    }

    /// The header of a value, which is nested in none.
    fn typed(&self, key: String, value: Value) -> Header {
        let schema = self.of(&value);
        Header { key, schema, value }
    }

    fn of(&self, value: &Value) -> Option<SchemaRef> {
        let [int8, int16, int32, int64] = &self.integers;
        let schema = match value {
            Value::Null => &self.null,
            Value::Boolean(_) => &self.boolean,
            Value::Int8(_) => int8,
            Value::Int16(_) => int16,
            Value::Int32(_) => int32,
            Value::Int64(_) => int64,
            Value::Float32(_) => &self.float,
            Value::Float64(_) => &self.double,
            Value::String(_) => &self.string,
            Value::Bytes(_) => &self.bytes,
            Value::Decimal(_)
            | Value::Date(_)
            | Value::Array(_)
            | Value::Map(_)
            | Value::Struct(_) => return None,
        };
        Some(Arc::clone(schema))
    }
}

/// The same bytes, as what they are.
fn raw(payload: Payload, kind: RawKind) -> Payload {
    let column = match payload {
        Payload::Raw { column, .. } => column,
        Payload::Encoded(encoded) => encoded.raw,
        Payload::Decoded(decoded) => decoded.raw,
    };
    Payload::Raw { column, kind }
}

/// A column of nulls.
fn nulls(rows: usize) -> Payload {
    Payload::undecoded(ByteColumn::nulls(rows))
}

/// A struct of these values, one for each field of its schema.
fn filled(schema: &SchemaRef, values: Vec<Value>) -> SchemaAndValue {
    SchemaAndValue {
        schema: Some(Arc::clone(schema)),
        value: Value::Struct(Box::new(Struct {
            schema: Arc::clone(schema),
            values,
        })),
    }
}

/// The schema of a struct.
fn structure<const FIELDS: usize>(
    name: Option<&str>,
    fields: [(&str, Schema); FIELDS],
) -> SchemaRef {
    let fields = fields.into_iter().map(|(name, schema)| Field {
        name: name.to_owned(),
        schema: Arc::new(schema),
    });
    Arc::new(Schema {
        name: name.map(str::to_owned),
        fields: fields.collect(),
        ..Schema::of(SchemaType::Struct)
    })
}
