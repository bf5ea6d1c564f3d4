//! `converters/*.jsonl`: bytes to values and back.

use bytes::Bytes;
use millstream_core::{
    ByteColumn, ConverterUse, Header, PluginError, Properties, RawKind, RecordError, SchemaAndValue,
};
use millstream_golden::{Outcome, bytes_of, records_equal, run, schema_and_value};
use millstream_plugins::{CONVERTERS, HEADER_CONVERTERS};
use serde_json::Value as Json;

#[test]
fn golden_converters() {
    run("converters", |_, case| judge(case));
}

/// What a case came to: read, written, or refused with a message.
enum Came {
    Read(SchemaAndValue),
    Written(Option<Bytes>),
    Refused(String),
}

fn judge(case: &Json) -> Outcome {
    if let Some(zone) = case["timezone"].as_str() {
        return Outcome::NotDue(format!("the time zone {zone}: ours is UTC"));
    }
    if case["name"] == "JsonConverter-write-struct-mismatching" {
        return Outcome::NotDue("the recording does not tell the struct's own schema".to_owned());
    }
    let class = case["converter"].as_str().unwrap();
    if !HEADER_CONVERTERS.iter().any(|plugin| plugin.class == class) {
        return Outcome::NotDue(class.to_owned());
    }
    let came = convert(case, class);
    let expected = &case["output"];
    if let Some(message) = expected["error"]["message"].as_str() {
        return match came {
            Came::Refused(text)
                if same_message(&text, message)
                    || expected["error"]["class"] == "java.lang.NullPointerException" =>
            {
                Outcome::Passed
            }
            Came::Refused(text) => Outcome::equal(&text.as_str(), &message),
            _ => Outcome::Failed(format!("did not fail with: {message}")),
        };
    }
    match came {
        Came::Refused(text) => Outcome::Failed(format!("failed: {text}")),
        Came::Read(actual) => {
            let expected = schema_and_value(expected);
            if records_equal(&actual, &expected) {
                Outcome::Passed
            } else {
                Outcome::equal(&actual, &expected)
            }
        }
        Came::Written(actual) => {
            let expected = (!expected.is_null()).then(|| bytes_of(&expected["bytes"]));
            Outcome::equal(&actual, &expected)
        }
    }
}

/// The harness makes linked maps; the recordings name Java's hash maps.
fn same_message(actual: &str, expected: &str) -> bool {
    actual.replace("java.util.LinkedHashMap", "java.util.HashMap") == expected
}

fn convert(case: &Json, class: &str) -> Came {
    let config = case["config"].as_object().unwrap();
    let properties: Properties = config
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str().unwrap()))
        .collect();
    let outcome = if case["kind"] == "header" || class.ends_with("SimpleHeaderConverter") {
        convert_header(case, class, &properties)
    } else {
        convert_record(case, class, &properties)
    };
    match outcome {
        Ok(Ok(came)) => came,
        Ok(Err(error)) => Came::Refused(error.message),
        Err(error) => Came::Refused(error.message),
    }
}

fn input(case: &Json) -> Option<Bytes> {
    let input = &case["to_connect"];
    (!input.is_null()).then(|| bytes_of(&input["bytes"]))
}

fn convert_record(
    case: &Json,
    class: &str,
    properties: &Properties,
) -> Result<Result<Came, RecordError>, PluginError> {
    let plugin = CONVERTERS.iter().find(|plugin| plugin.class == class);
    let role = if case["kind"] == "key" {
        ConverterUse::Key
    } else {
        ConverterUse::Value
    };
    let mut converter = (plugin.unwrap().make)(properties, role)?;
    if case.get("to_connect").is_some() {
        let bytes = input(case);
        let read = converter.decode("test", bytes.as_deref());
        if converter.raw_kinds().contains(&RawKind::Json) {
            check_raw(&mut *converter, bytes, &read);
        }
        return Ok(read.map(Came::Read));
    }
    let from = schema_and_value(&case["from_connect"]);
    let written = converter.encode("test", from.schema.as_ref(), &from.value);
    Ok(written.map(Came::Written))
}

/// The raw form says what the decoded one does.
fn check_raw(
    converter: &mut dyn millstream_core::Converter,
    bytes: Option<Bytes>,
    read: &Result<SchemaAndValue, RecordError>,
) {
    let mut column = ByteColumn::new();
    column.push(bytes);
    let mut errors = Vec::new();
    let raw = converter.to_raw("test", &column, RawKind::Json, &mut errors);
    match read {
        Err(error) => assert_eq!(errors, [(0, error.clone())]),
        Ok(read) if read.value.is_null() => assert!(raw.is_null(0) && errors.is_empty()),
        Ok(read) => {
            let mut text = Vec::new();
            millstream_java::json::write_value(&mut text, &read.value).unwrap();
            assert_eq!(raw.get(0), Some(&text[..]));
        }
    }
}

fn convert_header(
    case: &Json,
    class: &str,
    properties: &Properties,
) -> Result<Result<Came, RecordError>, PluginError> {
    let plugin = HEADER_CONVERTERS
        .iter()
        .find(|plugin| plugin.class == class);
    let mut converter = (plugin.unwrap().make)(properties)?;
    if case.get("to_connect").is_some() {
        let read = converter.decode("test", "h", input(case).as_deref());
        return Ok(read.map(Came::Read));
    }
    let from = schema_and_value(&case["from_connect"]);
    let header = Header {
        key: "h".to_owned(),
        schema: from.schema,
        value: from.value,
    };
    Ok(converter.encode("test", &header).map(Came::Written))
}
