//! The recordings of AvroConverter, through a registry: bytes, what is registered, and what comes back.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use millstream_avro::AvroSchema;
use millstream_core::{
    ByteColumn, Converter, ConverterUse, Decoded, Destination, Payload, PluginError, Properties,
    RecordError, SchemaAndValue,
};
use millstream_embedded::registry::RegistryServer;
use millstream_golden::{Outcome, bytes_of, records_equal, schema_and_value};
use millstream_registry::CONVERTERS;
use serde_json::Value as Json;
use std::net::SocketAddr;

const TOPIC: &str = "test";

async fn registry() -> RegistryServer {
    RegistryServer::start(SocketAddr::from(([127, 0, 0, 1], 0)))
        .await
        .unwrap()
}

fn converter(case: &Json, registry: &RegistryServer) -> Result<Box<dyn Converter>, PluginError> {
    let class = case["converter"].as_str().unwrap();
    let plugin = CONVERTERS
        .iter()
        .find(|plugin| plugin.class == class)
        .unwrap();
    let config = case["config"].as_object().unwrap().iter();
    let config = config.map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned()));
    let url = ("schema.registry.url".to_owned(), registry.url());
    let role = match case["kind"].as_str() {
        Some("key") => ConverterUse::Key,
        _ => ConverterUse::Value,
    };
    (plugin.make)(&Properties::from_iter(config.chain([url])), role)
}

/// Data that stay encoded are refused as those that are read, and are the same values.
fn same_encoded(
    converter: &mut dyn Converter,
    column: &ByteColumn,
    decoded: &Decoded,
    errors: &[(usize, RecordError)],
) {
    let mut own = Vec::new();
    let kept = converter.encoded_column(TOPIC, column, None, &mut own);
    let texts = |errors: &[(usize, RecordError)]| format!("{errors:?}");
    assert_eq!(texts(&own), texts(errors));
    if let Payload::Encoded(encoded) = kept {
        assert_eq!(encoded.schema(0), decoded.schemas[0].as_ref());
        assert_eq!(encoded.value(0).unwrap(), decoded.values[0]);
    }
}

async fn read(
    converter: &mut dyn Converter,
    bytes: Option<Bytes>,
) -> Result<SchemaAndValue, RecordError> {
    let mut column = ByteColumn::new();
    column.push(bytes);
    if let Some(preparation) = converter.prepare(TOPIC, &column, None) {
        preparation.await.unwrap();
    }
    let mut errors = Vec::new();
    let mut decoded = converter.decode_column(TOPIC, &column, None, &mut errors);
    same_encoded(converter, &column, &decoded, &errors);
    match errors.pop() {
        Some((_, error)) => Err(error),
        None => Ok(SchemaAndValue {
            schema: decoded.schemas.remove(0),
            value: decoded.values.remove(0),
        }),
    }
}

async fn write(
    converter: &mut dyn Converter,
    row: SchemaAndValue,
) -> Result<Option<Bytes>, RecordError> {
    let mut decoded = Decoded::with_capacity(ByteColumn::new());
    decoded.push(row.clone());
    let topics = Destination::Uniform(TOPIC.into());
    if let Some(preparation) = converter.prepare_encode(&topics, &decoded) {
        preparation.await.unwrap();
    }
    converter.encode(TOPIC, row.schema.as_ref(), &row.value)
}

/// What differs; nothing if all is as recorded.
async fn judge(case: &Json) -> Option<String> {
    let registry = registry().await;
    for known in case["registry"].as_array().into_iter().flatten() {
        let text = |name: &str| known[name].as_str().unwrap();
        let id = registry.register(text("subject"), "AVRO", text("schema"));
        assert_eq!(i64::from(id), known["id"].as_i64().unwrap());
    }
    let mut converter = converter(case, &registry).unwrap();
    let expected = &case["output"];
    let message = expected["error"]["message"].as_str();
    let refused = |error: &RecordError| match message {
        Some(message) if error.java_message() == message => None,
        _ => Some(format!("failed: {error:?}")),
    };
    if let Some(input) = case.get("to_connect") {
        let input = (!input.is_null()).then(|| bytes_of(&input["bytes"]));
        let came = read(converter.as_mut(), input).await;
        return match came {
            // Java's converter answers null, and the worker's task dies of it.
            Ok(actual) if expected.is_null() => {
                (!actual.value.is_null()).then(|| format!("{actual:?}"))
            }
            Ok(_) if message.is_some() => Some("did not fail".to_owned()),
            Ok(actual) => differs(&actual, expected),
            Err(error) => refused(&error),
        };
    }
    let came = write(converter.as_mut(), schema_and_value(&case["from_connect"])).await;
    let bytes = match came {
        Ok(_) if message.is_some() => return Some("did not fail".to_owned()),
        Ok(bytes) => bytes,
        Err(error) => return refused(&error),
    };
    let recorded = (!expected.is_null()).then(|| bytes_of(&expected["bytes"]));
    if bytes != recorded {
        return Some(format!("wrote {bytes:?}, not {recorded:?}"));
    }
    for known in case["registered"].as_array().into_iter().flatten() {
        let subject = known["subject"].as_str().unwrap();
        let versions = registry.versions(subject);
        let index = usize::try_from(known["version"].as_i64().unwrap() - 1).unwrap();
        let recorded = known["schema"].as_str().unwrap();
        match versions.get(index) {
            Some(schema) if schema.text == recorded => {}
            other => return Some(format!("registered {other:?}, not {recorded}")),
        }
        // What comes back from a registry is printed as it was.
        match AvroSchema::parse(recorded) {
            Ok(schema) if schema.text() == recorded => {}
            Ok(schema) => return Some(format!("printed {}, not {recorded}", schema.text())),
            Err(error) => return Some(format!("{recorded}: {error}")),
        }
    }
    match (
        bytes,
        case.get("read_back")
            .filter(|recorded| recorded.get("value").is_some()),
    ) {
        (Some(bytes), Some(recorded)) => match read(converter.as_mut(), Some(bytes)).await {
            Ok(actual) => differs(&actual, recorded).map(|why| format!("read back: {why}")),
            Err(error) => Some(format!("read back: {error:?}")),
        },
        _ => None,
    }
}

fn differs(actual: &SchemaAndValue, recorded: &Json) -> Option<String> {
    let recorded = schema_and_value(recorded);
    let is_equal = records_equal(actual, &recorded);
    (!is_equal).then(|| format!("\n   actual {actual:?}\n expected {recorded:?}"))
}

#[test]
fn golden_avro_through_a_registry() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    millstream_golden::run("avro converter", |_, case| {
        match runtime.block_on(judge(case)) {
            None => Outcome::Passed,
            Some(why) => Outcome::Failed(why),
        }
    });
}
