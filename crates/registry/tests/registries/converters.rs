//! A converter with a registry, and what it makes of rows.

use bytes::Bytes;
use millstream_core::{
    ByteColumn, Converter, ConverterUse, Decoded, Destination, Properties, RawHeaders, RecordError,
    Schema, SchemaAndValue, Unavailable, Value,
};
use millstream_embedded::registry::RegistryServer;
use millstream_registry::CONVERTERS;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

const AVRO: &str = "io.confluent.connect.avro.AvroConverter";
pub(crate) const TOPIC: &str = "t";

pub(crate) async fn registry() -> RegistryServer {
    RegistryServer::start(SocketAddr::from(([127, 0, 0, 1], 0)))
        .await
        .unwrap()
}

pub(crate) fn converter(url: &str, more: &[(&str, &str)]) -> Box<dyn Converter> {
    let plugin = CONVERTERS
        .iter()
        .find(|plugin| plugin.class == AVRO)
        .unwrap();
    let mut properties = Properties::from_iter(more.iter().copied());
    properties.insert("schema.registry.url", url);
    (plugin.make)(&properties, ConverterUse::Value).unwrap()
}

/// A port at which nobody listens.
pub(crate) fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

pub(crate) fn message(id: i32, datum: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0];
    bytes.extend(id.to_be_bytes());
    bytes.extend(datum);
    bytes
}

pub(crate) struct Read {
    pub(crate) values: Vec<Value>,
    pub(crate) errors: Vec<(usize, RecordError)>,
}

pub(crate) async fn read(
    converter: &mut dyn Converter,
    rows: &[Option<&[u8]>],
    headers: Option<&RawHeaders>,
) -> Result<Read, Unavailable> {
    let mut column = ByteColumn::new();
    for row in rows {
        column.push(row.map(Bytes::copy_from_slice));
    }
    if let Some(preparation) = converter.prepare(TOPIC, &column, headers) {
        preparation.await?;
    }
    let mut errors = Vec::new();
    let decoded = converter.decode_column(TOPIC, &column, headers, &mut errors);
    Ok(Read {
        values: decoded.values,
        errors,
    })
}

pub(crate) async fn write(
    converter: &mut dyn Converter,
    value: Value,
    schema: Schema,
) -> Result<Result<Option<Bytes>, RecordError>, Unavailable> {
    let schema = Some(Arc::new(schema));
    let mut rows = Decoded::with_capacity(ByteColumn::new());
    rows.push(SchemaAndValue {
        schema: schema.clone(),
        value: value.clone(),
    });
    let topics = Destination::Uniform(TOPIC.into());
    if let Some(preparation) = converter.prepare_encode(&topics, &rows) {
        preparation.await?;
    }
    Ok(converter.encode(TOPIC, schema.as_ref(), &value))
}
