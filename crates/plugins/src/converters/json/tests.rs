//! The converter on whole values: what it reads, writes and refuses.

use super::*;

fn converter(settings: &[(&str, &str)]) -> Box<dyn Converter> {
    let properties: Properties = settings.iter().copied().collect();
    (PLUGIN.make)(&properties, ConverterUse::Value).unwrap()
}

#[test]
fn report_f15_an_empty_text_is_missing() {
    let read = |schema: &str, text: &str| {
        let mut fixed = converter(&[("schema.content", schema)]);
        let read = fixed.decode("t", Some(text.as_bytes()));
        read.map(|read| read.value).map_err(|error| error.message)
    };
    let record = r#"{"type":"struct","optional":true,"fields":[]}"#;
    let missing = "Structs should be encoded as JSON objects, but found MISSING";
    assert_eq!(read(record, ""), Err(missing.to_owned()));
    assert_eq!(read(record, " \n"), Err(missing.to_owned()));
    assert_eq!(read(record, "null"), Ok(Value::Null));
    assert_eq!(
        read(r#"{"type":"int32","default":5}"#, ""),
        Ok(Value::Int32(0))
    );
    assert_eq!(read(r#"{"type":"string"}"#, ""), Ok(Value::Null));
    let array = r#"{"type":"array","items":{"type":"int32"}}"#;
    assert_eq!(read(array, ""), Ok(Value::Array(Vec::new())));
    let timestamp = r#"{"type":"int64","name":"org.apache.kafka.connect.data.Timestamp"}"#;
    let message =
        "Invalid type for Timestamp, underlying representation should be integral but was MISSING";
    assert_eq!(read(timestamp, ""), Err(message.to_owned()));
}

#[test]
fn report_f15_a_bad_schema_has_java_s_message() {
    let properties = Properties::from_iter([("schema.content", "{")]);
    let Err(refused) = (PLUGIN.make)(&properties, ConverterUse::Value) else {
        panic!("the schema cannot be read");
    };
    assert_eq!(
        refused.message,
        "Failed to parse schema in converter config due to serialization error: "
    );
}

#[test]
fn report_message_9_names_the_converter_where_a_value_does_not_look_like_json() {
    let mut plain = converter(&[("schemas.enable", "false")]);
    let mut cause = |text: &[u8]| {
        let error = plain.decode("MyTopic", Some(text)).unwrap_err();
        error.cause.map(|cause| cause.message.clone())
    };
    assert_eq!(
        cause(b"hello").as_deref(),
        Some(
            "a value was expected at byte 0; it does not look like JSON: is \
             value.converter=org.apache.kafka.connect.json.JsonConverter right for topic MyTopic?"
        )
    );
    let like = cause(b"{\"a\":").unwrap();
    assert_eq!(like, "the text ends where a value was expected at byte 5");
}

/// Beyond the rows: a null within a list or map, too, is no value of a required schema.
#[test]
fn refuses_nulls_in_the_place_of_required_values() {
    let mut with_schema = converter(&[]);
    let mut message = |field: &str, payload: &str| {
        let text = format!(
            r#"{{"schema":{{"type":"struct","fields":[{{"field":"t",{field}}}]}},"payload":{{"t":{payload}}}}}"#
        );
        let read = with_schema.decode("t", Some(text.as_bytes()));
        read.map_err(|error| error.message)
            .map(|_| ())
            .err()
            .unwrap_or_default()
    };
    let array = r#""type":"array","items":{"type":"string"}"#;
    for (field, payload, place) in [
        (r#""type":"string""#, "5", ""),
        (r#""type":"string","default":"d""#, "5", ""),
        (array, r#"["x",5]"#, "element of array "),
        (
            r#""type":"array","items":{"type":"array","items":{"type":"string"}}"#,
            "[[5]]",
            "element of array element of array ",
        ),
        (
            r#""type":"map","keys":{"type":"string"},"values":{"type":"string"}"#,
            r#"{"k":5}"#,
            "value of map ",
        ),
    ] {
        assert_eq!(
            message(field, payload),
            format!(
                "Invalid value: null used for required {place}field: \"t\", schema type: STRING"
            )
        );
    }
    assert_eq!(message(r#""type":"string","optional":true"#, "5"), "");
}

/// Found by comparing random cases with Java's: of a repeated name the last value counts, the others do not fail.
#[test]
fn repeated_names_count_once() {
    let mut with_schema = converter(&[]);
    let mut read = |schema: &str, payload: &str| {
        let text = format!(r#"{{"schema":{schema},"payload":{payload}}}"#);
        with_schema
            .decode("t", Some(text.as_bytes()))
            .map(|read| read.value)
    };
    let numbers = r#"{"type":"array","items":{"type":"int16"}}"#;
    assert_eq!(
        read(numbers, r#"{"b":1,"a":2,"b":3}"#),
        Ok(Value::Array(vec![Value::Int16(3), Value::Int16(2)]))
    );
    let map = r#"{"type":"map","keys":{"type":"string"},"values":{"type":"array","items":{"type":"struct","fields":[]}}}"#;
    assert!(read(map, r#"{"b":[5],"b":[{}]}"#).is_ok());
}
