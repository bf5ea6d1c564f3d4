//! Records of messages of JMS, as Camel's connectors make them: the body by what it is, and headers with their types.

use super::{HeaderSchemas, Said, Told, string};
use crate::jms;
use millstream_core::batch::NO_TIMESTAMP;
use millstream_core::{
    BodyKind, ByteColumn, Decoded, Header, Headers, MessageDetails, MessageId, Payload,
    RecordBatch, SchemaAndValue, SourceBatch, Value,
};

/// Stands before the names of headers.
const PREFIX: &str = "CamelHeader.";

/// Fields that Camel has as objects of Java, of which no headers of records are made.
const OBJECTS: [&str; 2] = [jms::DESTINATION, jms::REPLY_TO];

const REDELIVERED: &str = "JMSRedelivered";
const DELIVERIES: &str = "JMSXDeliveryCount";

/// What stands in names of properties for characters that JMS does not take there.
const ESCAPED: [(&str, &str); 2] = [("_DOT_", "."), ("_HYPHEN_", "-")];

pub(in crate::sources) struct CamelJmsShape {
    has_headers: bool,
    key: Option<String>,
    schemas: HeaderSchemas,
}

impl CamelJmsShape {
    /// `key`: the header, without its prefix, whose value is the record's key.
    pub(in crate::sources) fn new(has_headers: bool, key: Option<String>) -> Self {
        CamelJmsShape {
            has_headers,
            key,
            schemas: HeaderSchemas::new(),
        }
    }

    pub(super) fn records(&self, mut batch: RecordBatch) -> SourceBatch {
        let told = Told::of(&mut batch);
        let rows = batch.len();
        let mut keys = Decoded::with_capacity(ByteColumn::nulls(rows));
        let mut values = Decoded::with_capacity(ByteColumn::nulls(rows));
        let mut headers = Vec::with_capacity(rows);
        for row in 0..rows {
            let message = told.message(batch.offsets[row]);
            let details = message.and_then(|message| message.details.as_deref());
            let kind = details.map_or(&BodyKind::Bytes, |details| &details.body);
            let body = batch.raw_value(row).map_or(Value::Null, |body| match kind {
                BodyKind::Bytes | BodyKind::Object => Value::Bytes(body),
                BodyKind::Text | BodyKind::Map(_) | BodyKind::List => string(&body),
            });
            values.push(self.with_schema(body));
            let said = match (message, details) {
                (Some(message), Some(details)) => {
                    said(message, details, Said::of(&batch, row).deliveries)
                }
                _ => Vec::new(),
            };
            let key = self.key.as_deref();
            let key = key.and_then(|name| said.iter().find(|(known, _)| known == name));
            keys.push(self.with_schema(key.map_or(Value::Null, |(_, value)| value.clone())));
            headers.push(self.headers(said));
        }
        SourceBatch {
            records: RecordBatch {
                keys: Payload::Decoded(keys),
                values: Payload::Decoded(values),
                headers: Headers::Decoded {
                    rows: headers,
                    raw: None,
                },
                // When it was read, as in the original, which is when it is produced.
                timestamps: vec![NO_TIMESTAMP; rows],
                ..batch
            },
            key_schema: None,
            value_schema: None,
            place: None,
        }
    }

    fn headers(&self, said: Vec<(String, Value)>) -> Vec<Header> {
        let said = said.into_iter().filter(|_| self.has_headers);
        said.map(|(name, value)| self.schemas.typed(format!("{PREFIX}{name}"), value))
            .collect()
    }

    /// A null has no schema.
    fn with_schema(&self, value: Value) -> SchemaAndValue {
        match value {
            Value::Null => SchemaAndValue::NULL,
            value => SchemaAndValue {
                schema: self.schemas.of(&value),
                value,
            },
        }
    }
}

/// What Camel has as headers of a message: the fields of JMS, then the properties, none of them null.
fn said(
    message: &MessageId,
    details: &MessageDetails,
    deliveries: Option<i32>,
) -> Vec<(String, Value)> {
    let fields = details.fields.iter();
    let fields = fields.filter(|(name, _)| !OBJECTS.contains(name));
    let fields = fields.map(|(name, value)| ((*name).to_owned(), value.clone()));
    let mut said: Vec<(String, Value)> = fields.collect();
    // These two are always there in JMS.
    for (name, usual) in [(jms::EXPIRATION, 0), (jms::TIMESTAMP, 0)] {
        if details.field(name).is_null() {
            said.push((name.to_owned(), Value::Int64(usual)));
        }
    }
    let is_again = Value::Boolean(message.is_redelivered);
    said.push((REDELIVERED.to_owned(), is_again));
    said.extend(deliveries.map(|count| (DELIVERIES.to_owned(), Value::Int32(count))));
    let properties = details.properties.iter();
    said.extend(properties.map(|(name, value)| (unescaped(name), value.clone())));
    said.retain(|(_, value)| !value.is_null());
    said
}

fn unescaped(name: &str) -> String {
    let escaped = ESCAPED.iter();
    escaped.fold(name.to_owned(), |name, (from, to)| name.replace(from, to))
}
