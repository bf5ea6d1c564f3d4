//! Records of messages of RabbitMQ, as Confluent's and IBM's connectors make them.

use super::{HeaderSchemas, Said, Told, header, raw};
use millstream_core::{
    ByteColumn, Decoded, Header, Headers, MessageDetails, Payload, RawKind, RecordBatch, Schema,
    SchemaAndValue, SchemaRef, SchemaType, SourceBatch, Text, Value,
};
use std::sync::Arc;

/// Stands before the names of Confluent's headers.
const PREFIX: &str = "rabbitmq.";

/// The field that messages over AMQP 0.9.1 have, and those over AMQP 1.0 do not.
const DELIVERY_TAG: &str = "delivery.tag";

/// The header whose value IBM's connector takes for the key.
const KEY: &str = "keyValue";

pub(in crate::sources) struct RabbitShape {
    is_ibm: bool,
    text: SchemaRef,
    optional_text: SchemaRef,
    optional_bytes: SchemaRef,
    headers: HeaderSchemas,
}

impl RabbitShape {
    /// The body as bytes, the sender's message id as the key; envelope, properties and headers as headers.
    pub(in crate::sources) fn confluent() -> Self {
        RabbitShape {
            is_ibm: false,
            text: Arc::new(Schema::of(SchemaType::String)),
            optional_text: Arc::new(Schema::optional(SchemaType::String)),
            optional_bytes: Arc::new(Schema::optional(SchemaType::Bytes)),
            headers: HeaderSchemas::new(),
        }
    }

    /// The body as text, a header as the key, headers as headers.
    pub(in crate::sources) fn ibm() -> Self {
        RabbitShape {
            is_ibm: true,
            ..RabbitShape::confluent()
        }
    }

    pub(super) fn records(&self, mut batch: RecordBatch) -> SourceBatch {
        let told = Told::of(&mut batch);
        let details = |row: usize| told.message(batch.offsets[row])?.details.as_deref();
        let rows = 0..batch.len();
        let headers = rows.clone().map(|row| match details(row) {
            Some(details) if self.is_ibm => self.of_sender(details).collect(),
            Some(details) if !details.field(DELIVERY_TAG).is_null() => self.all(details),
            _ => self.texts(&batch, row),
        });
        let headers = headers.collect();
        if !self.is_ibm {
            batch.headers = of_rows(headers);
            batch.keys = raw(batch.keys, RawKind::String);
            batch.values = raw(batch.values, RawKind::Bytes);
            return SourceBatch {
                records: batch,
                key_schema: Some(Arc::clone(&self.optional_text)),
                value_schema: Some(Arc::clone(&self.optional_bytes)),
                place: None,
            };
        }
        let keys = rows.map(|row| details(row).map_or(Value::Null, key));
        let keys = self.keys(keys);
        batch.headers = of_rows(headers);
        batch.keys = keys;
        batch.values = raw(batch.values, RawKind::String);
        SourceBatch {
            records: batch,
            key_schema: None,
            value_schema: Some(Arc::clone(&self.text)),
            place: None,
        }
    }

    /// What AMQP 0.9.1 says of a message, with nulls for what its sender left out, and its headers under their own names.
    fn all(&self, details: &MessageDetails) -> Vec<Header> {
        let fields = details.fields.iter();
        let fields = fields.map(|(name, value)| {
            let name = format!("{PREFIX}{name}");
            self.headers.typed(name, value.clone())
        });
        fields.chain(self.of_sender(details)).collect()
    }

    fn of_sender<'a>(&'a self, details: &'a MessageDetails) -> impl Iterator<Item = Header> + 'a {
        let properties = details.properties.iter();
        properties.map(|(name, value)| self.headers.typed(name.clone(), value.clone()))
    }

    /// All that came with a message, as text.
    fn texts(&self, batch: &RecordBatch, row: usize) -> Vec<Header> {
        let said = Said::of(batch, row).headers.into_iter();
        said.map(|(name, value)| header(name, value, &self.headers))
            .collect()
    }

    /// A column of texts that may be null.
    fn keys(&self, values: impl ExactSizeIterator<Item = Value>) -> Payload {
        let mut decoded = Decoded::with_capacity(ByteColumn::nulls(values.len()));
        for value in values {
            decoded.push(SchemaAndValue {
                schema: Some(Arc::clone(&self.optional_text)),
                value,
            });
        }
        Payload::Decoded(decoded)
    }
}

fn of_rows(rows: Vec<Vec<Header>>) -> Headers {
    Headers::Decoded { rows, raw: None }
}

/// The header that is the key, as text.
fn key(details: &MessageDetails) -> Value {
    let found = details.properties.iter().find(|(name, _)| name == KEY);
    let text = match found.map(|(_, value)| value) {
        None | Some(Value::Null) => return Value::Null,
        Some(Value::String(text)) => return Value::String(text.clone()),
        Some(Value::Boolean(value)) => value.to_string(),
        Some(Value::Int8(value)) => value.to_string(),
        Some(Value::Int16(value)) => value.to_string(),
        Some(Value::Int32(value)) => value.to_string(),
        Some(Value::Int64(value)) => value.to_string(),
        Some(Value::Float32(value)) => value.to_string(),
        Some(Value::Float64(value)) => value.to_string(),
        Some(Value::Bytes(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
        Some(
            Value::Decimal(_) | Value::Date(_) | Value::Array(_) | Value::Map(_) | Value::Struct(_),
        ) => return Value::Null,
    };
    Value::String(Text::from(text))
}
