//! Schemas and values in both ways, and what cannot be said.

use super::*;
use crate::short::short;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use millstream_core::{ByteColumn, Field, Map, Properties, Schema, SchemaType, Struct};
use proptest::prelude::*;
use prost_reflect::prost::Message as _;
use prost_reflect::prost_types::FieldDescriptorProto;
use prost_reflect::prost_types::field_descriptor_proto::Type;

fn converter(settings: &[(&str, &str)]) -> Protobuf {
    let properties = Properties::from_iter(settings.iter().copied());
    Protobuf {
        options: Options::new(ProtobufConfig::parse(&properties).0.unwrap()),
    }
}

fn fetched(text: &str, references: &[(&str, &str)]) -> Fetched {
    let references = references
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    Fetched {
        schema: SchemaText {
            kind: "PROTOBUF".to_owned(),
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

fn read(
    converter: &Protobuf,
    schema: &Fetched,
    indexes: &[i32],
    payload: &[u8],
) -> Result<SchemaAndValue, String> {
    let reader = converter.reader(schema, Some(2)).map_err(said)?;
    let mut read = Decoded::with_capacity(ByteColumn::nulls(1));
    converter
        .read(&reader, Datum { payload, indexes }, &mut read)
        .map_err(said)?;
    Ok(SchemaAndValue {
        schema: read.schemas.remove(0),
        value: read.values.remove(0),
    })
}

const TEXT: &str = r#"syntax = "proto3";
package com.x;
import "google/protobuf/timestamp.proto";
import "google/type/date.proto";
import "confluent/type/decimal.proto";
import "confluent/meta.proto";
import "other.proto";
message First { string only = 1; }
message All {
  sint32 z = 9;
  uint64 big = 2;
  int32 tiny = 3 [(confluent.field_meta) = { params: [{ key: "connect.type", value: "int8" }] }];
  Color color = 4;
  repeated string words = 5;
  map<string, int32> counts = 6;
  oneof choice {
    string text = 7;
    int64 number = 8;
  }
  google.protobuf.Timestamp at = 10;
  google.type.Date day = 11;
  confluent.type.Decimal price = 12 [(confluent.field_meta) = { params: [{ key: "scale", value: "2" }] }];
  optional bool maybe = 13;
  Inner inner = 14;
  All again = 15;
  y.Other other = 16;
  message Inner { float f = 1; }
  enum Color { RED = 0; BLUE = 5; }
}
"#;
const OTHER: (&str, &str) = (
    "other.proto",
    "syntax = \"proto3\";\npackage y;\nmessage Other { bytes b = 1; }\n",
);

#[test]
fn reads_schemas_and_values() {
    let schema = fetched(TEXT, &[OTHER]);
    let converter = converter(&[]);
    // z: -3; color: 5; words; counts; number: 7 in the oneof; day; price 1.50; inner.f; again.z: 1.
    let bytes: Vec<u8> = [
        &[9 << 3, 5][..],
        &[4 << 3, 5],
        &[5 << 3 | 2, 1, b'a'],
        &[6 << 3 | 2, 5, 1 << 3 | 2, 1, b'k', 2 << 3, 3],
        &[8 << 3, 7],
        &[11 << 3 | 2, 7, 8, 0xB2, 0x0F, 16, 1, 24, 2],
        &[12 << 3 | 2, 6, 1 << 3 | 2, 2, 0, 150, 3 << 3, 2],
        &[14 << 3 | 2, 5, 1 << 3 | 5, 0, 0, 0xC0, 0x3F],
        &[15 << 3 | 2, 2, 9 << 3, 2],
    ]
    .concat();
    let came = read(&converter, &schema, &[1], &bytes).unwrap();
    let of = came.schema.unwrap();
    assert_eq!(
        short(&of),
        "{choice_0:{text:string?,number:int64?}?(choice),z:int32?,big:int64?,tiny:int8?,color:string?(Color),\
         words:[string?]?,counts:<string?,int32?>?,at:int64?(Timestamp)#1,day:int32?(Date)#1,price:bytes?(Decimal)#1,\
         maybe:boolean?,inner:{f:float32?}?(Inner),again:↑?(All),other:{b:bytes?}?(Other)}(All)#2"
    );
    let tag = of.fields[1].schema.parameters.as_ref().unwrap();
    assert_eq!(tag[names::TAG], "9");
    assert_eq!(tag[names::TYPE], "sint32");
    let Value::Struct(record) = came.value else {
        panic!("it is a struct")
    };
    let get = |name: &str| record.get(name).unwrap().clone();
    assert_eq!(
        (get("z"), get("big"), get("tiny")),
        (Value::Int32(-3), Value::Int64(0), Value::Int8(0))
    );
    assert_eq!(get("color"), Value::from("BLUE"));
    assert_eq!(get("words"), Value::Array(vec![Value::from("a")]));
    assert_eq!(
        get("counts"),
        Value::Map(Map::hashed([(Value::from("k"), Value::Int32(3))]))
    );
    assert!(
        matches!(get("choice_0"), Value::Struct(union) if union.values == [Value::Null, Value::Int64(7)])
    );
    assert_eq!(
        (get("at"), get("maybe"), get("other")),
        (Value::Null, Value::Null, Value::Null)
    );
    assert_eq!(get("day"), Value::Date(86_400_000));
    assert_eq!(get("price").to_string(), "1.50");
    assert!(
        matches!(get("again"), Value::Struct(again) if again.get("z") == Some(&Value::Int32(1)) && *again.schema == *of)
    );
}

#[test]
fn settings_change_what_is_read() {
    let schema = fetched(TEXT, &[OTHER]);
    for (settings, words) in [
        (
            ("enhanced.protobuf.schema.support", "true"),
            "color:string?(Color)",
        ),
        (("int.for.enums", "true"), "color:int32?(Color)"),
        (
            ("flatten.unions", "true"),
            "{text:string?,number:int64?,z:int32?",
        ),
        (("generate.index.for.unions", "false"), "{choice:{"),
        (("optional.for.nullables", "true"), "z:int32,"),
    ] {
        let came = read(&converter(&[settings]), &schema, &[1], &[]).unwrap();
        let text = short(&came.schema.unwrap());
        assert!(text.contains(words), "{words}: {text}");
    }
    let nested = read(&converter(&[]), &schema, &[1, 0], &[]).unwrap();
    assert_eq!(short(&nested.schema.unwrap()), "{f:float32?}(Inner)#2");
    for indexes in [&[9][..], &[1, 5], &[-1], &[]] {
        let said = read(&converter(&[]), &schema, indexes, &[]).unwrap_err();
        assert!(said.contains("no message at the indexes"), "{said}");
    }
    assert!(
        read(&converter(&[]), &fetched("message {", &[]), &[0], &[])
            .unwrap_err()
            .contains("Invalid Protobuf schema")
    );
}

/// Files come as descriptors in base64, too, under any name.
#[test]
fn reads_descriptors() {
    let of_text = fetched(TEXT, &[OTHER]);
    let file = files::compile(&of_text).unwrap();
    let encoded = |file: FileDescriptor| {
        let mut bytes = file.encode_to_vec();
        bytes.extend([1 << 3 | 2, 1, b'z']);
        STANDARD.encode(bytes)
    };
    let other = file.parent_pool().get_file_by_name(OTHER.0).unwrap();
    let of_descriptor = fetched(&encoded(file), &[(OTHER.0, &encoded(other))]);
    let both = [of_text, of_descriptor].map(|schema| {
        let came = read(&converter(&[]), &schema, &[1], &[4 << 3, 5]).unwrap();
        (came.schema, came.value)
    });
    assert_eq!(both[0], both[1]);
    for no_file in ["Cg==", "AAAA", "====", "bWVzc2FnZSB7"] {
        let said = read(&converter(&[]), &fetched(no_file, &[]), &[0], &[]).unwrap_err();
        assert!(said.contains("Invalid Protobuf schema"), "{said}");
    }
}

fn structure(name: &str, fields: Vec<(&str, Schema)>) -> Schema {
    let fields = fields.into_iter().map(|(name, schema)| Field {
        name: name.to_owned(),
        schema: Arc::new(schema),
    });
    Schema {
        name: Some(name.to_owned()),
        fields: fields.collect(),
        ..Schema::of(SchemaType::Struct)
    }
}

fn everything() -> (SchemaRef, Value) {
    let logical = |kind, name: &str| Schema {
        name: Some(name.to_owned()),
        version: Some(1),
        ..Schema::optional(kind)
    };
    let mut decimal = logical(SchemaType::Bytes, millstream_core::schema::DECIMAL);
    decimal.parameters = Some([("scale".to_owned(), "2".to_owned())].into_iter().collect());
    let inner = structure(
        "com.x.Inner",
        vec![("i", Schema::optional(SchemaType::Int32))],
    );
    let schema = structure(
        "com.x.Y",
        vec![
            ("tiny", Schema::optional(SchemaType::Int8)),
            ("text", Schema::optional(SchemaType::String)),
            ("gone", Schema::optional(SchemaType::String)),
            ("bytes", Schema::optional(SchemaType::Bytes)),
            ("double", Schema::optional(SchemaType::Float64)),
            (
                "list",
                Schema {
                    value_schema: Some(Arc::new(Schema::of(SchemaType::Int64))),
                    ..Schema::optional(SchemaType::Array)
                },
            ),
            (
                "map",
                Schema {
                    key_schema: Some(Arc::new(Schema::of(SchemaType::String))),
                    value_schema: Some(Arc::new(inner.clone())),
                    ..Schema::optional(SchemaType::Map)
                },
            ),
            ("inner", inner.clone()),
            ("price", decimal),
            (
                "day",
                logical(SchemaType::Int32, millstream_core::schema::DATE),
            ),
            (
                "time",
                logical(SchemaType::Int32, millstream_core::schema::TIME),
            ),
            (
                "at",
                logical(SchemaType::Int64, millstream_core::schema::TIMESTAMP),
            ),
        ],
    );
    let schema = Arc::new(schema);
    let inner = |number| {
        let mut inner = Struct::new(Arc::new(inner.clone()));
        inner.values[0] = Value::Int32(number);
        Value::Struct(Box::new(inner))
    };
    let price = millstream_core::Decimal::from_unscaled_bytes(&[0, 150], 2);
    let value = Struct {
        schema: schema.clone(),
        values: vec![
            Value::Int8(-5),
            Value::from("x"),
            Value::Null,
            Value::Bytes(vec![0, 255].into()),
            Value::Float64(1.5),
            Value::Array(vec![Value::Int64(1), Value::Int64(2)]),
            Value::Map(Map::hashed([(Value::from("k"), inner(1))])),
            inner(2),
            Value::Decimal(price),
            Value::Date(86_400_000),
            Value::Date(3_723_004),
            Value::Date(-1),
        ],
    };
    (schema, Value::Struct(Box::new(value)))
}

#[test]
fn what_is_written_comes_back() {
    let (schema, value) = everything();
    let converter = converter(&[]);
    let writer = converter.writer(Some(&schema)).map_err(said).unwrap();
    let text = &writer.text.text;
    assert!(
        text.starts_with("syntax = \"proto3\";\npackage com.x;\n"),
        "{text}"
    );
    assert_eq!(
        (
            converter.written_name(&writer).as_deref(),
            converter.indexes(&writer)
        ),
        (Some("com.x.Y"), &[0][..])
    );
    let mut out = Vec::new();
    assert!(
        converter
            .write(&writer, &value, &mut out)
            .map_err(said)
            .unwrap()
    );
    let came = read(&converter, &fetched(text, &[]), &[0], &out).unwrap();
    let (Value::Struct(came), Value::Struct(sent)) = (came.value, value) else {
        panic!("they are structs")
    };
    let names: Vec<&str> = came
        .schema
        .fields
        .iter()
        .map(|field| field.name.as_str())
        .collect();
    let sent_names: Vec<&str> = schema
        .fields
        .iter()
        .map(|field| field.name.as_str())
        .collect();
    assert_eq!(names, sent_names, "{text}");
    for (index, name) in names.iter().enumerate() {
        let (came, sent) = (&came.values[index], &sent.values[index]);
        match *name {
            // What is not there is the default of proto3.
            "gone" => assert_eq!(*came, Value::from("")),
            // Structs have the names and parameters that were read.
            "map" | "inner" => assert!(!came.is_null()),
            _ => assert_eq!(came, sent, "{name}"),
        }
    }
    assert!(
        !converter
            .write(&writer, &Value::Null, &mut out)
            .map_err(said)
            .unwrap()
    );
}

#[test]
fn refuses_what_protobuf_cannot_say() {
    let list = |of| Schema {
        value_schema: Some(Arc::new(of)),
        ..Schema::of(SchemaType::Array)
    };
    let nested = list(list(Schema::of(SchemaType::Int32)));
    let by_float = Schema {
        key_schema: Some(Arc::new(Schema::of(SchemaType::Float64))),
        value_schema: Some(Arc::new(Schema::of(SchemaType::Int32))),
        ..Schema::of(SchemaType::Map)
    };
    for (schema, words) in [
        (
            Schema::of(SchemaType::String),
            "Unsupported root schema of type STRING",
        ),
        (
            structure("A", vec![("l", nested)]),
            "Array cannot be nested",
        ),
        (
            structure("A", vec![("m", by_float)]),
            "a map of FLOAT64 to INT32",
        ),
        (
            structure("A", vec![("a b", Schema::of(SchemaType::Int32))]),
            "Invalid Protobuf schema",
        ),
    ] {
        let Err(failure) = converter(&[]).writer(Some(&Arc::new(schema))) else {
            panic!("{words}")
        };
        let said = said(failure);
        assert!(said.contains(words), "{said}");
    }
    let scrubbed = structure(
        "A-b",
        vec![
            ("a b", Schema::of(SchemaType::Int32)),
            ("1c", Schema::of(SchemaType::Int32)),
        ],
    );
    let scrub = converter(&[("scrub.invalid.names", "true")]);
    let writer = scrub
        .writer(Some(&Arc::new(scrubbed)))
        .map_err(said)
        .unwrap();
    assert!(
        writer
            .text
            .text
            .contains("int32 a_b = 1;\n  int32 x1c = 2;"),
        "{}",
        writer.text.text
    );
}

/// An enum and a union come back as they were read.
#[test]
fn enums_and_unions_are_written_as_they_were_read() {
    let text = "syntax = \"proto3\";\nmessage M {\n  E e = 3;\n  oneof c {\n    string s = 1;\n    int32 n = 2;\n  }\n  enum E {\n    A = 0;\n    B = 4;\n  }\n}\n";
    let converter = converter(&[]);
    let bytes = [3 << 3, 4, 2 << 3, 9];
    let came = read(&converter, &fetched(text, &[]), &[0], &bytes).unwrap();
    let schema = came.schema.unwrap();
    let writer = converter.writer(Some(&schema)).map_err(said).unwrap();
    let mut out = Vec::new();
    converter
        .write(&writer, &came.value, &mut out)
        .map_err(said)
        .unwrap();
    let again = read(&converter, &fetched(&writer.text.text, &[]), &[0], &out).unwrap();
    assert_eq!(again.value, came.value, "{}", writer.text.text);
    assert_eq!(again.schema.unwrap(), schema);
}

#[test]
fn descriptors_of_maps_without_key_or_value_are_refused() {
    let text = r#"syntax = "proto3"; message M { message Inner { map<string, int32> counts = 1; } Inner inner = 1; }"#;
    let whole = files::compile(&fetched(text, &[])).unwrap();
    let compiled = |change: &dyn Fn(&mut FieldDescriptorProto, &mut FieldDescriptorProto)| {
        let mut descriptor = whole.file_descriptor_proto().clone();
        let entry = &mut descriptor.message_type[0].nested_type[0].nested_type[0];
        let [key, value] = &mut entry.field[..] else {
            panic!("an entry has two fields");
        };
        change(key, value);
        let text = STANDARD.encode(descriptor.encode_to_vec());
        files::compile(&fetched(&text, &[])).is_ok()
    };
    assert!(compiled(&|_, _| ()));
    assert!(!compiled(&|key, _| key.number = Some(3)));
    assert!(!compiled(&|_, value| value.number = Some(3)));
    assert!(!compiled(&|key, _| key.set_type(Type::Bytes)));
}

proptest! {
    #[test]
    fn any_bytes_have_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..60), text in "\\PC{0,40}") {
        let schema = fetched(TEXT, &[OTHER]);
        let _ = read(&converter(&[]), &schema, &[1], &bytes);
        let _ = read(&converter(&[]), &fetched(&text, &[]), &[0], &bytes);
    }

    #[test]
    fn any_descriptor_has_an_answer(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut descriptor = files::compile(&fetched(TEXT, &[OTHER])).unwrap().encode_to_vec();
        for (at, byte) in changes {
            let at = at.index(descriptor.len());
            descriptor[at] = byte;
        }
        let schema = fetched(&STANDARD.encode(descriptor), &[OTHER]);
        let _ = read(&converter(&[]), &schema, &[1], &[4 << 3, 5]);
    }
}
