//! Records of messages of SQS, as Confluent's, Nordstrom's and Camel's connectors make them.

use super::{HeaderSchemas, Said, filled, header, lossy, nulls, raw, string, structure};
use bytes::Bytes;
use millstream_core::batch::NO_TIMESTAMP;
use millstream_core::{
    ByteColumn, Decoded, Header, Headers, Payload, RawKind, RecordBatch, Schema, SchemaAndValue,
    SchemaRef, SchemaType, SourceBatch, Text, Value,
};
use std::sync::Arc;

/// Stands before what the service says of a message, among its headers.
const SYSTEM: &str = "sqs.";

/// What the service says of a message, by the names that it has there.
const SYSTEM_ATTRIBUTES: [&str; 7] = [
    "ApproximateFirstReceiveTimestamp",
    "SenderId",
    "MessageDeduplicationId",
    GROUP,
    "SequenceNumber",
    "AWSTraceHeader",
    "DeadLetterQueueSourceArn",
];

const GROUP: &str = "MessageGroupId";

/// The header that has the message's id, without its prefix.
const CAMEL_ID: &str = "CamelAwsSqsMessageId";

const CAMEL: &str = "CamelHeader.";

/// The attributes of a message that become headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sources) enum SqsAttributes {
    None,
    All,
    Named(Vec<String>),
}

pub(in crate::sources) struct SqsShape {
    of: Of,
    string: SchemaRef,
    headers: HeaderSchemas,
}

enum Of {
    Confluent {
        url: Text,
        key: SchemaRef,
        value: SchemaRef,
    },
    Nordstrom {
        attributes: SqsAttributes,
        key: Option<String>,
    },
    Camel {
        has_headers: bool,
        key: Option<String>,
    },
}

/// What SQS says of a message: attributes of its sender, and of the service.
struct SqsSaid {
    id: Option<String>,
    deliveries: Option<i32>,
    attributes: Vec<(String, Bytes)>,
    system: Vec<(String, Bytes)>,
}

impl SqsSaid {
    fn of(batch: &RecordBatch, row: usize) -> Self {
        let said = Said::of(batch, row);
        let mut attributes = said.headers;
        // The service's stand behind the sender's, which may have such names, too.
        let is_system = |name: &str| {
            let name = name.strip_prefix(SYSTEM);
            name.is_some_and(|name| SYSTEM_ATTRIBUTES.contains(&name))
        };
        let system = attributes.iter().rev();
        let system = system.take_while(|(name, _)| is_system(name)).count();
        let system = attributes.split_off(attributes.len() - system);
        SqsSaid {
            id: said.id,
            deliveries: said.deliveries,
            attributes,
            system,
        }
    }

    fn system(&self, name: &str) -> Option<&Bytes> {
        let named = |(known, _): &&(String, Bytes)| known.strip_prefix(SYSTEM) == Some(name);
        self.system.iter().find(named).map(|(_, value)| value)
    }

    fn attribute(&self, name: &str) -> Option<&Bytes> {
        let named = |(known, _): &&(String, Bytes)| known == name;
        self.attributes.iter().find(named).map(|(_, value)| value)
    }
}

impl SqsShape {
    fn new(of: Of) -> Self {
        SqsShape {
            of,
            string: Arc::new(Schema::of(SchemaType::String)),
            headers: HeaderSchemas::new(),
        }
    }

    pub(in crate::sources) fn confluent(url: &str) -> Self {
        let required = Schema::of;
        let optional = Schema::optional;
        let text = SchemaType::String;
        SqsShape::new(Of::Confluent {
            url: Text::from(url),
            key: structure(
                None,
                [
                    ("QueueUrl", required(text)),
                    ("MessageId", required(text)),
                    (GROUP, optional(text)),
                ],
            ),
            value: structure(
                None,
                [
                    (
                        "ApproximateFirstReceiveTimestamp",
                        optional(SchemaType::Int64),
                    ),
                    ("ApproximateReceiveCount", optional(SchemaType::Int32)),
                    ("SenderId", optional(text)),
                    ("SentTimestamp", optional(SchemaType::Int64)),
                    ("MessageDeduplicationId", optional(text)),
                    (GROUP, optional(text)),
                    ("SequenceNumber", optional(text)),
                    ("Body", required(text)),
                ],
            ),
        })
    }

    pub(in crate::sources) fn nordstrom(attributes: SqsAttributes, key: Option<String>) -> Self {
        SqsShape::new(Of::Nordstrom { attributes, key })
    }

    pub(in crate::sources) fn camel(has_headers: bool, key: Option<String>) -> Self {
        SqsShape::new(Of::Camel { has_headers, key })
    }

    pub(super) fn records(&self, batch: RecordBatch) -> SourceBatch {
        let rows = 0..batch.len();
        let said: Vec<SqsSaid> = rows.map(|row| SqsSaid::of(&batch, row)).collect();
        let headers = said.iter().map(|said| self.headers_of(said)).collect();
        let mut records = match &self.of {
            Of::Confluent { url, key, value } => confluent(batch, &said, url, key, value),
            Of::Nordstrom { key, .. } => {
                let keys = said.iter().map(|said| {
                    let named = key.as_deref().and_then(|name| said.attribute(name));
                    let key = named.map(|value| string(value));
                    key.or_else(|| Some(string(said.id.as_deref().unwrap_or_default().as_bytes())))
                });
                let keys = self.texts(keys);
                RecordBatch {
                    keys,
                    values: raw(batch.values, RawKind::String),
                    // The producer's time, as in the original.
                    timestamps: vec![NO_TIMESTAMP; said.len()],
                    ..batch
                }
            }
            Of::Camel { key, .. } => {
                let keys = match key {
                    None => nulls(said.len()),
                    Some(name) => self.texts(said.iter().map(|said| {
                        let id = said.id.as_ref().filter(|_| name == CAMEL_ID);
                        let id = id.map(|id| string(id.as_bytes()));
                        id.or_else(|| said.attribute(name).map(|value| string(value)))
                    })),
                };
                RecordBatch {
                    keys,
                    values: raw(batch.values, RawKind::String),
                    ..batch
                }
            }
        };
        records.headers = Headers::Decoded {
            rows: headers,
            raw: None,
        };
        let value_schema = matches!(records.values, Payload::Raw { .. });
        SourceBatch {
            records,
            key_schema: None,
            value_schema: value_schema.then(|| Arc::clone(&self.string)),
            place: None,
        }
    }

    /// A column of texts; without a text neither value nor schema.
    fn texts(&self, values: impl ExactSizeIterator<Item = Option<Value>>) -> Payload {
        let mut decoded = Decoded::with_capacity(ByteColumn::nulls(values.len()));
        for value in values {
            decoded.push(match value {
                Some(value) => SchemaAndValue {
                    schema: Some(Arc::clone(&self.string)),
                    value,
                },
                None => SchemaAndValue::NULL,
            });
        }
        Payload::Decoded(decoded)
    }

    fn headers_of(&self, said: &SqsSaid) -> Vec<Header> {
        let attributes = said.attributes.iter().cloned();
        let as_they_are = |(name, value)| header(name, value, &self.headers);
        match &self.of {
            Of::Confluent { .. }
            | Of::Nordstrom {
                attributes: SqsAttributes::All,
                ..
            } => attributes.map(as_they_are).collect(),
            Of::Nordstrom {
                attributes: SqsAttributes::Named(names),
                ..
            } => {
                let named = attributes.filter(|(name, _)| names.contains(name));
                named.map(as_they_are).collect()
            }
            Of::Nordstrom {
                attributes: SqsAttributes::None,
                ..
            }
            | Of::Camel {
                has_headers: false, ..
            } => Vec::new(),
            Of::Camel {
                has_headers: true, ..
            } => {
                let id = said.id.clone().into_iter();
                let id = id.map(|id| (CAMEL_ID.to_owned(), Bytes::from(id)));
                let all = id.chain(attributes);
                all.map(|(name, value)| header(format!("{CAMEL}{name}"), value, &self.headers))
                    .collect()
            }
        }
    }
}

/// Structs for keys and values.
fn confluent(
    batch: RecordBatch,
    said: &[SqsSaid],
    url: &Text,
    key_schema: &SchemaRef,
    value_schema: &SchemaRef,
) -> RecordBatch {
    let mut keys = Decoded::with_capacity(ByteColumn::nulls(said.len()));
    let mut values = Decoded::with_capacity(ByteColumn::nulls(said.len()));
    for (row, said) in said.iter().enumerate() {
        let text = |name: &str| said.system(name).map_or(Value::Null, |text| string(text));
        let number = |name: &str| {
            let number = said.system(name).and_then(|text| lossy(text).parse().ok());
            number.map_or(Value::Null, Value::Int64)
        };
        let id = said.id.as_deref().unwrap_or_default();
        let key = vec![
            Value::String(url.clone()),
            string(id.as_bytes()),
            text(GROUP),
        ];
        keys.push(filled(key_schema, key));
        let body = batch.raw_value(row).unwrap_or_default();
        let value = vec![
            number("ApproximateFirstReceiveTimestamp"),
            said.deliveries.map_or(Value::Null, Value::Int32),
            text("SenderId"),
            Value::Int64(batch.timestamps[row]),
            text("MessageDeduplicationId"),
            text(GROUP),
            text("SequenceNumber"),
            string(&body),
        ];
        values.push(filled(value_schema, value));
    }
    RecordBatch {
        keys: Payload::Decoded(keys),
        values: Payload::Decoded(values),
        ..batch
    }
}
