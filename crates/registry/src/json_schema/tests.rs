//! Schemas and values in both ways, and what cannot be said.

use super::*;
use crate::short::short;
use millstream_core::{ByteColumn, Map, Properties, Schema, SchemaType, Struct};
use proptest::prelude::*;
use std::sync::Arc;

fn converter(settings: &[(&str, &str)]) -> JsonSchema {
    let properties = Properties::from_iter(settings.iter().copied());
    JsonSchema::new(JsonSchemaConfig::parse(&properties).0.unwrap())
}

fn fetched(text: &str, references: &[(&str, &str)]) -> Fetched {
    let references = references
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    Fetched {
        schema: SchemaText {
            kind: "JSON".to_owned(),
            text: text.to_owned(),
            references: Vec::new(),
        },
        references: references.collect(),
    }
}

fn said(failure: Failure) -> String {
    match failure {
        Failure::Serializer(error) | Failure::Mapping(error) => error.to_string(),
    }
}

fn read_schema(text: &str, settings: &[(&str, &str)]) -> String {
    let reader = converter(settings).reader(&fetched(text, &[]), None);
    reader.map_or_else(said, |reader| short(&reader.schema))
}

#[test]
fn reads_schemas() {
    for (text, expected) in [
        (r#"{"type":"integer"}"#, "int64"),
        (r#"{"type":"number"}"#, "float64"),
        (
            r#"{"type":"integer","connect.type":"int8","connect.version":3}"#,
            "int8#3",
        ),
        (r#"{"type":["null","string"]}"#, "string?"),
        (
            r#"{"oneOf":[{"type":"null"},{"type":"boolean"}]}"#,
            "boolean?",
        ),
        (
            r#"{"type":"object","title":"T","properties":{"b":{"type":"integer","connect.index":1},"a":{"type":"string","connect.index":0}}}"#,
            "{a:string,b:int64}(T)",
        ),
        // Without an index the document's order counts.
        (
            r#"{"properties":{"b":{"type":"boolean"},"a":{"type":"boolean"}}}"#,
            "{b:boolean,a:boolean}",
        ),
        (
            r#"{"oneOf":[{"type":"string"},{"type":"integer"},{"type":"null"}]}"#,
            "{io.confluent.connect.json.OneOf.field.0:string?,io.confluent.connect.json.OneOf.field.1:int64?}?(OneOf)",
        ),
        (
            r##"{"$ref":"#/definitions/A","definitions":{"A":{"type":"object","properties":{"x":{"$ref":"#/definitions/B"}}},"B":{"type":"string"}}}"##,
            "{x:string}",
        ),
        (
            r#"{"allOf":[{"properties":{"a":{"type":"string"}}},{"properties":{"b":{"type":"integer"}}}]}"#,
            "{a:string,b:int64}",
        ),
        (r#"{"type":"array","items":{"type":"number"}}"#, "[float64]"),
        (
            r#"{"type":"object","additionalProperties":{"type":"integer"},"connect.type":"map"}"#,
            "<string,int64>",
        ),
        (
            r#"{"type":"array","connect.type":"map","items":{"type":"object","properties":{"key":{"type":"integer"},"value":{"type":"string"}}}}"#,
            "<int64,string>",
        ),
        (r#"{"type":"string","enum":["A","B"]}"#, "string"),
        (r#"{"type":"integer","enum":[1,2]}"#, "int64"),
        (
            r##"{"type":"object","title":"Node","properties":{"next":{"oneOf":[{"type":"null"},{"$ref":"#"}]}}}"##,
            "{next:↑?(Node)}(Node)",
        ),
        (
            r#"{}"#,
            "the JSON Schema has a place that allows anything, for which Connect has no schema",
        ),
        (
            r#"{"type":"array"}"#,
            "Array schema did not specify the items type",
        ),
        (
            r##"{"$ref":"#/nowhere"}"##,
            "the JSON Schema refers to #/nowhere, which is not there",
        ),
        (
            r##"{"properties":{"a":{"$ref":"#"}}}"##,
            "the JSON Schema refers to what encloses it (#), which needs a title for that",
        ),
        (
            r##"{"$ref":"#"}"##,
            "the JSON Schema is nested more than 64 levels deep",
        ),
        (
            r##"{"allOf":[{"$ref":"#"}]}"##,
            "the JSON Schema is nested more than 64 levels deep",
        ),
    ] {
        assert_eq!(read_schema(text, &[]), expected, "{text}");
    }
    let required =
        r#"{"properties":{"a":{"type":"string"},"b":{"type":"string"}},"required":["a"]}"#;
    let optional = [("use.optional.for.nonrequired", "true")];
    assert_eq!(read_schema(required, &optional), "{a:string,b:string?}");
}

#[test]
fn follows_references_to_other_schemas() {
    let text = r#"{"properties":{"a":{"$ref":"other.json"},"b":{"$ref":"http://x/deep.json#/definitions/D"}}}"#;
    let deep = r#"{"$id":"http://x/deep.json","definitions":{"D":{"type":"integer"}}}"#;
    let references = [("other.json", r#"{"type":"string"}"#), ("deep", deep)];
    let fetched = fetched(text, &references);
    let reader = converter(&[])
        .reader(&fetched, Some(4))
        .map_err(said)
        .unwrap();
    assert_eq!(short(&reader.schema), "{a:string,b:int64}#4");
}

fn read(schema: &str, json: &str) -> Result<Value, String> {
    let converter = converter(&[]);
    let reader = converter
        .reader(&fetched(schema, &[]), None)
        .map_err(said)?;
    let datum = Datum {
        payload: json.as_bytes(),
        indexes: &[],
    };
    let mut read = Decoded::with_capacity(ByteColumn::nulls(1));
    converter.read(&reader, datum, &mut read).map_err(said)?;
    Ok(read.values.remove(0))
}

#[test]
fn reads_values() {
    let int8 = r#"{"type":"integer","connect.type":"int8"}"#;
    let decimal = r#"{"type":"number","connect.type":"bytes","title":"org.apache.kafka.connect.data.Decimal","connect.parameters":{"scale":"2"}}"#;
    let date =
        r#"{"type":"integer","connect.type":"int32","title":"org.apache.kafka.connect.data.Date"}"#;
    for (schema, json, expected) in [
        (int8, "300", Value::Int8(44)),
        (int8, "\"x\"", Value::Int8(0)),
        (
            r#"{"type":"integer"}"#,
            "18446744073709551617",
            Value::Int64(1),
        ),
        (r#"{"type":"number"}"#, "1e3", Value::Float64(1000.0)),
        (r#"{"type":"string"}"#, "1", Value::Null),
        (r#"{"type":"boolean"}"#, "\"true\"", Value::Boolean(false)),
        (
            r#"{"type":"string","connect.type":"bytes"}"#,
            "\"AP8=\"",
            Value::Bytes(vec![0, 255].into()),
        ),
        (date, "1", Value::Date(86_400_000)),
        (r#"{"type":"integer","default":7}"#, "null", Value::Int64(7)),
    ] {
        assert_eq!(read(schema, json), Ok(expected), "{schema} {json}");
    }
    // Not a digit is lost.
    let Ok(Value::Decimal(read_back)) = read(decimal, "12345678901234567890.10") else {
        panic!("it is a decimal")
    };
    assert_eq!(read_back.to_string(), "12345678901234567890.10");
    for (schema, json, words) in [
        (
            r#"{"type":"integer"}"#,
            "null",
            "Invalid null value for required INT64 field",
        ),
        (
            r#"{"properties":{"a":{"type":"string"}}}"#,
            "[]",
            "Structs should be encoded as JSON objects, but found ARRAY",
        ),
        (
            r#"{"type":"string","connect.type":"bytes"}"#,
            "\"?\"",
            "Invalid bytes field",
        ),
        (
            date,
            "1.5",
            "Invalid type for Date, underlying representation should be integer but was NUMBER",
        ),
        (
            r#"{"oneOf":[{"type":"string"},{"type":"integer"}]}"#,
            "true",
            "Did not find matching oneof field for data",
        ),
        (r#"{"type":"string"}"#, "{", "malformed JSON at line 1"),
    ] {
        let said = read(schema, json).unwrap_err();
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn takes_the_branch_of_a_union_that_fits() {
    let union = r#"{"oneOf":[{"title":"A","properties":{"a":{"type":"string"},"b":{"type":"string"}}},{"title":"B","properties":{"b":{"type":"string"}}},{"type":"integer"}]}"#;
    let branch = |json: &str| {
        let Ok(Value::Struct(read)) = read(union, json) else {
            panic!("{json}")
        };
        read.values.iter().position(|value| !value.is_null())
    };
    assert_eq!(branch("5"), Some(2));
    assert_eq!(branch(r#"{"b":"x"}"#), Some(0));
    assert_eq!(branch(r#"{"a":"x","b":"y"}"#), Some(0));
}

#[test]
fn validates_if_asked() {
    let converter = converter(&[("json.fail.invalid.schema", "true")]);
    let text = r#"{"properties":{"a":{"type":"string","maxLength":2},"o":{"$ref":"other.json"}},"required":["a"]}"#;
    let fetched = fetched(text, &[("other.json", r#"{"type":"integer"}"#)]);
    let reader = converter.reader(&fetched, None).map_err(said).unwrap();
    let read = |json: &str| {
        let datum = Datum {
            payload: json.as_bytes(),
            indexes: &[],
        };
        let mut read = Decoded::with_capacity(ByteColumn::nulls(1));
        let outcome = converter.read(&reader, datum, &mut read);
        outcome.map(|_| ()).map_err(said)
    };
    assert_eq!(read(r#"{"a":"xy","o":1}"#), Ok(()));
    for (json, words) in [
        (r#"{"a":"secret"}"#, "at \"/a\""),
        (r#"{"a":"x","o":"secret"}"#, "at \"/o\""),
        (r#"{}"#, "required"),
    ] {
        let said = read(json).unwrap_err();
        assert!(said.contains(words) && !said.contains("secret"), "{said}");
    }
}

/// A struct of every kind, in a schema that tells all of Connect's attributes.
fn everything() -> (Schema, Value) {
    let required = |kind| Arc::new(Schema::of(kind));
    let optional = |kind| Arc::new(Schema::optional(kind));
    let inner = Arc::new(Schema {
        name: Some("com.x.Inner".to_owned()),
        fields: vec![millstream_core::Field {
            name: "z".to_owned(),
            schema: optional(SchemaType::Int32),
        }],
        ..Schema::optional(SchemaType::Struct)
    });
    let numbers = Arc::new(Schema {
        key_schema: Some(required(SchemaType::Int64)),
        value_schema: Some(required(SchemaType::String)),
        ..Schema::of(SchemaType::Map)
    });
    let texts = Arc::new(Schema {
        key_schema: Some(required(SchemaType::String)),
        value_schema: Some(optional(SchemaType::Boolean)),
        ..Schema::of(SchemaType::Map)
    });
    let list = Arc::new(Schema {
        value_schema: Some(required(SchemaType::Float32)),
        ..Schema::optional(SchemaType::Array)
    });
    let fields = [
        ("z", required(SchemaType::Int8)),
        ("a", optional(SchemaType::String)),
        ("bytes", required(SchemaType::Bytes)),
        ("inner", inner.clone()),
        ("numbers", numbers),
        ("texts", texts),
        ("list", list),
        ("double", required(SchemaType::Float64)),
    ];
    let fields = fields.map(|(name, schema)| millstream_core::Field {
        name: name.to_owned(),
        schema,
    });
    let schema = Schema {
        name: Some("com.x.All".to_owned()),
        doc: Some("all".to_owned()),
        fields: fields.into(),
        ..Schema::of(SchemaType::Struct)
    };
    let mut within = Struct::new(inner);
    within.values[0] = Value::Int32(5);
    let value = Struct {
        schema: Arc::new(schema.clone()),
        values: vec![
            Value::Int8(-5),
            Value::Null,
            Value::Bytes(vec![0, 255].into()),
            Value::Struct(Box::new(within)),
            Value::Map(Map::hashed([(Value::Int64(7), Value::from("seven"))])),
            Value::Map(Map::hashed([(Value::from("k"), Value::Null)])),
            Value::Array(vec![Value::Float32(1.5)]),
            Value::Float64(100.0),
        ],
    };
    (schema, Value::Struct(Box::new(value)))
}

#[test]
fn what_is_written_comes_back() {
    let (schema, value) = everything();
    let schema = Arc::new(schema);
    let converter = converter(&[]);
    let writer = converter.writer(Some(&schema)).map_err(said).unwrap();
    let mut out = Vec::new();
    assert!(
        converter
            .write(&writer, &value, &mut out)
            .map_err(said)
            .unwrap()
    );
    assert_eq!(
        String::from_utf8(out.clone()).unwrap(),
        r#"{"z":-5,"a":null,"bytes":"AP8=","inner":{"z":5},"numbers":[{"key":7,"value":"seven"}],"texts":{"k":null},"list":[1.5],"double":100.0}"#
    );
    let registered = fetched(&writer.text.text, &[]);
    let reader = converter.reader(&registered, None).map_err(said).unwrap();
    assert_eq!(*reader.schema, *schema, "{}", writer.text.text);
    let datum = Datum {
        payload: &out,
        indexes: &[],
    };
    let mut read = Decoded::with_capacity(ByteColumn::nulls(1));
    converter
        .read(&reader, datum, &mut read)
        .map_err(said)
        .unwrap();
    assert_eq!(read.values, [value]);
    assert_eq!(
        converter.written_name(&writer).as_deref(),
        Some("com.x.All")
    );
}

proptest! {
    #[test]
    fn any_schema_and_any_text_have_an_answer(schema in "\\PC{0,60}", json in "[\\[\\]{}\":,a0-9.eE+-]{0,60}") {
        let _ = read_schema(&schema, &[]);
        let _ = read(r#"{"properties":{"a":{"type":"integer"}}}"#, &json);
        let _ = read(r#"{"type":"array","items":{"type":"number"}}"#, &json);
    }
}
