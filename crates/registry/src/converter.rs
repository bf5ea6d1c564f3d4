//! RegistryConverter: keys or values whose schemas a registry keeps, in whatever language. What has to be fetched for a column
//! is fetched before it (`prepare`); converting itself asks nobody.

mod reading;
mod writing;

use crate::client::Client;
use crate::config::{ClientSettings, SchemaSettings};
use crate::format::Format;
use crate::registry::Registry;
use bytes::Bytes;
use millstream_core::converter::RowErrors;
use millstream_core::{
    ByteColumn, Converter, ConverterUse, Decoded, Destination, Payload, Preparation, RawHeaders,
    RecordError, SchemaAndValue, SchemaRef, Value,
};
use reading::Reading;
use std::sync::Arc;
use writing::Writing;

pub(crate) struct RegistryConverter<F: Format> {
    shared: Arc<Shared<F>>,
    reading: Reading<F>,
    writing: Writing<F>,
}

/// What preparations have, too.
struct Shared<F> {
    format: F,
    registry: Registry,
    settings: SchemaSettings,
}

impl<F: Format> RegistryConverter<F> {
    pub(crate) fn new(format: F, client: ClientSettings, settings: SchemaSettings) -> Self {
        let client = Client::new(client);
        let most = client.max_schemas();
        RegistryConverter {
            shared: Arc::new(Shared {
                format,
                registry: Registry::new(client),
                settings,
            }),
            reading: Reading::new(most),
            writing: Writing::new(most),
        }
    }
}

impl<F: Format> Converter for RegistryConverter<F> {
    fn class_name(&self) -> &'static str {
        F::MESSAGES.class
    }

    fn prepare(
        &mut self,
        topic: &str,
        column: &ByteColumn,
        headers: Option<&RawHeaders>,
    ) -> Option<Preparation> {
        self.reading.prepare(&self.shared, topic, column, headers)
    }

    fn prepare_encode(&mut self, topics: &Destination, rows: &Decoded) -> Option<Preparation> {
        self.writing.prepare(&self.shared, topics, rows)
    }

    fn decode(&mut self, topic: &str, bytes: Option<&[u8]>) -> Result<SchemaAndValue, RecordError> {
        let mut one = Decoded::with_capacity(ByteColumn::nulls(1));
        self.reading
            .decode(&self.shared, topic, bytes, None, 0, &mut one)?;
        Ok(SchemaAndValue {
            schema: one.schemas.pop().flatten(),
            value: one.values.pop().unwrap_or(Value::Null),
        })
    }

    fn decode_column(
        &mut self,
        topic: &str,
        column: &ByteColumn,
        headers: Option<&RawHeaders>,
        errors: &mut RowErrors,
    ) -> Decoded {
        let mut decoded = Decoded::with_capacity(column.clone());
        for (row, bytes) in column.iter().enumerate() {
            let outcome =
                self.reading
                    .decode(&self.shared, topic, bytes, headers, row, &mut decoded);
            if let Err(error) = outcome {
                errors.push((row, error));
                decoded.push(SchemaAndValue::NULL);
            }
        }
        decoded
    }

    fn encoded_column(
        &mut self,
        topic: &str,
        column: &ByteColumn,
        headers: Option<&RawHeaders>,
        errors: &mut RowErrors,
    ) -> Payload {
        let mut own = RowErrors::new();
        let scanned = self
            .reading
            .scan_column(&self.shared, topic, column, headers, &mut own);
        match scanned {
            Some(encoded) => {
                errors.append(&mut own);
                Payload::Encoded(encoded)
            }
            None => Payload::Decoded(self.decode_column(topic, column, headers, errors)),
        }
    }

    fn encode(
        &mut self,
        topic: &str,
        schema: Option<&SchemaRef>,
        value: &Value,
    ) -> Result<Option<Bytes>, RecordError> {
        self.writing.encode(&self.shared, topic, schema, value)
    }
}

/// `key` or `value`, as messages say it.
fn role_name(role: ConverterUse) -> &'static str {
    match role {
        ConverterUse::Key => "key",
        ConverterUse::Value => "value",
    }
}
