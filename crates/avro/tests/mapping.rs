//! Schemas and their texts: names, references, defaults, fixed sizes; what Java prints is what we print.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use indexmap::IndexMap;
use millstream_avro::{AvroDataSettings, AvroSchema, Reader, Writer, avro_schema, connect_schema};
use millstream_core::schema::DECIMAL;
use millstream_core::{
    Decimal, Field, Map, RecordError, Schema, SchemaAndValue, SchemaRef, SchemaType, Struct, Value,
};
use std::sync::Arc;

fn sink() -> AvroDataSettings {
    AvroDataSettings {
        enhanced_schema_support: true,
        ..AvroDataSettings::default()
    }
}

fn of(kind: SchemaType) -> SchemaRef {
    Arc::new(Schema::of(kind))
}

fn named(schema: &SchemaRef, name: &str) -> SchemaRef {
    let mut schema = Schema::clone(schema);
    schema.name = Some(name.to_owned());
    Arc::new(schema)
}

fn optional(schema: &SchemaRef) -> SchemaRef {
    let mut schema = Schema::clone(schema);
    schema.optional = true;
    Arc::new(schema)
}

fn with_default(schema: &SchemaRef, default: Value) -> SchemaRef {
    let mut schema = Schema::clone(schema);
    schema.default = Some(default);
    Arc::new(schema)
}

fn with_parameters(schema: &SchemaRef, parameters: &[(&str, &str)]) -> SchemaRef {
    let mut schema = Schema::clone(schema);
    let parameters = parameters
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    schema.parameters = Some(parameters.collect::<IndexMap<_, _>>());
    Arc::new(schema)
}

fn structure(fields: &[(&str, &SchemaRef)]) -> SchemaRef {
    let mut schema = Schema::of(SchemaType::Struct);
    let fields = fields.iter().map(|(name, schema)| Field {
        name: (*name).to_owned(),
        schema: SchemaRef::clone(schema),
    });
    schema.fields = fields.collect();
    Arc::new(schema)
}

fn array(items: &SchemaRef) -> SchemaRef {
    let mut schema = Schema::of(SchemaType::Array);
    schema.value_schema = Some(SchemaRef::clone(items));
    Arc::new(schema)
}

fn map(keys: &SchemaRef, values: &SchemaRef) -> SchemaRef {
    let mut schema = Schema::of(SchemaType::Map);
    schema.key_schema = Some(SchemaRef::clone(keys));
    schema.value_schema = Some(SchemaRef::clone(values));
    Arc::new(schema)
}

fn record(schema: &SchemaRef, values: Vec<Value>) -> Value {
    Value::Struct(Box::new(Struct {
        schema: SchemaRef::clone(schema),
        values,
    }))
}

fn decimal_on_fixed(size: &str) -> SchemaRef {
    let parameters = [
        ("scale", "2"),
        ("connect.decimal.precision", "4"),
        ("connect.fixed.size", size),
    ];
    let mut schema = Schema::clone(&with_parameters(
        &named(&of(SchemaType::Bytes), DECIMAL),
        &parameters,
    ));
    schema.version = Some(1);
    Arc::new(schema)
}

fn decimal(unscaled: i64) -> Value {
    Value::Decimal(Decimal {
        unscaled: unscaled.into(),
        scale: 2,
    })
}

fn text(schema: &SchemaRef) -> Result<String, RecordError> {
    let avro = avro_schema(Some(schema), &sink())?;
    // What we print, we read.
    assert_eq!(AvroSchema::parse(avro.text()).unwrap().text(), avro.text());
    Ok(avro.text().to_owned())
}

fn refused(schema: &SchemaRef) -> String {
    let error = text(schema).unwrap_err();
    assert_eq!(error.class, "org.apache.avro.SchemaParseException");
    error.message
}

/// The value's datum, read back by the schema's text.
fn round_trip(value: &Value, schema: &SchemaRef) -> SchemaAndValue {
    let settings = sink();
    let avro = avro_schema(Some(schema), &settings).unwrap();
    let parsed = AvroSchema::parse(avro.text()).unwrap();
    let mut datum = Vec::new();
    let writer = Writer::new(Some(schema), avro, &settings).unwrap();
    writer.encode(value, &mut datum).unwrap();
    Reader::new(parsed, None, &settings)
        .unwrap()
        .decode(&datum)
        .unwrap()
}

#[test]
fn names_are_checked_and_namespaces_are_not() {
    let int = of(SchemaType::Int32);
    let dashed = named(&structure(&[("größe", &int)]), "my-topic.Value");
    assert_eq!(
        text(&dashed).unwrap(),
        r#"{"type":"record","name":"Value","namespace":"my-topic","fields":[{"name":"größe","type":"int"}],"connect.name":"my-topic.Value"}"#
    );
    let notes = avro_schema(Some(&dashed), &sink()).unwrap();
    assert_eq!(notes.notes().len(), 2, "{:?}", notes.notes());
    assert_eq!(
        refused(&named(&dashed, "a.Outer$Inner")),
        "Illegal character in: Outer$Inner"
    );
    assert_eq!(
        refused(&structure(&[("a.b", &int)])),
        "Illegal character in: a.b"
    );
    assert_eq!(
        refused(&structure(&[("1a", &int)])),
        "Illegal initial character: 1a"
    );
}

#[test]
fn structs_without_a_name_are_numbered_and_equal_ones_are_one() {
    let (int, long) = (of(SchemaType::Int32), of(SchemaType::Int64));
    let (a, b) = (structure(&[("x", &int)]), structure(&[("y", &long)]));
    let (c, list) = (
        structure(&[("x", &int)]),
        array(&structure(&[("z", &long)])),
    );
    let all = structure(&[("a", &a), ("b", &b), ("c", &c), ("l", &list)]);
    assert_eq!(
        text(&all).unwrap(),
        concat!(
            r#"{"type":"record","name":"ConnectDefault","namespace":"io.confluent.connect.avro","fields":["#,
            r#"{"name":"a","type":{"type":"record","name":"ConnectDefault2","fields":[{"name":"x","type":"int"}]}},"#,
            r#"{"name":"b","type":{"type":"record","name":"ConnectDefault3","fields":[{"name":"y","type":"long"}]}},"#,
            r#"{"name":"c","type":"ConnectDefault2"},"#,
            r#"{"name":"l","type":{"type":"array","items":{"type":"record","name":"ConnectDefault4","fields":[{"name":"z","type":"long"}]}}}]}"#
        )
    );
}

/// Java prints and finds it, others do not.
#[test]
fn a_type_without_a_namespace_is_found_inside_one() {
    let inner = named(&structure(&[("b", &of(SchemaType::Int32))]), "In");
    let outer = named(&structure(&[("a", &inner), ("c", &inner)]), "com.x.Out");
    let written = text(&outer).unwrap();
    assert!(written.contains(r#"{"type":"record","name":"In","namespace":"","fields""#));
    assert!(written.ends_with(r#"{"name":"c","type":"In"}],"connect.name":"com.x.Out"}"#));
    let avro = AvroSchema::parse(&written).unwrap();
    assert!(
        avro.notes()[0].contains("`In` has no namespace"),
        "{:?}",
        avro.notes()
    );
    let back = connect_schema(&avro, &sink()).unwrap().unwrap();
    assert_eq!(back.fields[1].schema.name.as_deref(), Some("In"));
}

#[test]
fn two_types_of_one_name_are_told_with_both_places() {
    let (int, string) = (of(SchemaType::Int32), of(SchemaType::String));
    let one = named(&structure(&[("b", &int)]), "com.x.In");
    let other = named(&structure(&[("b", &string)]), "com.x.In");
    let nested = named(&structure(&[("deep", &other)]), "com.x.Mid");
    let refused_of = |a: &SchemaRef, b: &SchemaRef| {
        refused(&named(&structure(&[("a", a), ("c", b)]), "com.x.Out"))
    };
    let message = refused_of(&one, &nested);
    for part in ["Can't redefine: com.x.In", "`a`", "`c.deep`"] {
        assert!(message.contains(part), "{message}");
    }
    let message = refused_of(&map(&int, &string), &map(&int, &int));
    for part in [
        "Can't redefine: io.confluent.connect.avro.MapEntry",
        "`a`",
        "`c`",
    ] {
        assert!(message.contains(part), "{message}");
    }
    let mut second_version = Schema::clone(&one);
    second_version.version = Some(2);
    assert!(refused_of(&one, &Arc::new(second_version)).starts_with("Can't redefine: com.x.In"));
    let both = named(
        &structure(&[("a", &one), ("c", &optional(&one))]),
        "com.x.Out",
    );
    assert!(
        text(&both)
            .unwrap()
            .contains(r#"{"name":"c","type":["null","In"],"default":null}"#)
    );
}

/// An optional struct whose name is taken becomes the one that has it, and then its values do not fit.
#[test]
fn an_optional_struct_of_a_taken_name_is_refused() {
    let one = named(&structure(&[("b", &of(SchemaType::Int32))]), "com.x.In");
    let other = named(&structure(&[("d", &of(SchemaType::Int32))]), "com.x.In");
    let both = structure(&[("a", &one), ("c", &optional(&other))]);
    let avro = avro_schema(Some(&both), &sink()).unwrap();
    let error = Writer::new(Some(&both), avro, &sink()).unwrap_err();
    assert!(
        error.message.starts_with("Can't redefine: com.x.In"),
        "{error}"
    );
}

#[test]
fn defaults_are_written_twice_and_stand_for_null() {
    let bytes = with_default(
        &of(SchemaType::Bytes),
        Value::Bytes(Bytes::from_static(b"\x00\xff")),
    );
    let list = with_default(
        &array(&of(SchemaType::Int32)),
        Value::Array(vec![Value::Int32(1)]),
    );
    let float = with_default(&of(SchemaType::Float32), Value::Float32(12.2));
    let large = with_default(&of(SchemaType::Float64), Value::Float64(1e10));
    let both = structure(&[("b", &bytes), ("l", &list), ("f", &float), ("d", &large)]);
    let both = named(&both, "R");
    assert_eq!(
        text(&both).unwrap(),
        concat!(
            r#"{"type":"record","name":"R","fields":["#,
            r#"{"name":"b","type":{"type":"bytes","connect.default":"\u0000ÿ"},"default":"\u0000ÿ"},"#,
            r#"{"name":"l","type":{"type":"array","items":"int","connect.default":[1]},"default":[1]},"#,
            r#"{"name":"f","type":{"type":"float","connect.default":12.2},"default":12.2},"#,
            r#"{"name":"d","type":{"type":"double","connect.default":1.0E10},"default":1.0E10}],"connect.name":"R"}"#
        )
    );
    let nulls = record(&both, vec![Value::Null; 4]);
    let Value::Struct(back) = round_trip(&nulls, &both).value else {
        panic!("a struct");
    };
    assert_eq!(back.values[2], Value::Float32(12.2));
    assert_eq!(back.values[1], Value::Array(vec![Value::Int32(1)]));
    // A default that Avro does not take is left out: pairs are records there.
    let pairs = Value::Map(Map::linked([(Value::Int32(1), Value::Int32(2))]));
    let entries = with_default(&map(&of(SchemaType::Int32), &of(SchemaType::Int32)), pairs);
    let written = text(&structure(&[("m", &entries)])).unwrap();
    assert!(
        written.contains(r#""connect.default":[[1,2]]}}"#),
        "{written}"
    );
}

#[test]
fn what_connect_has_no_type_for_comes_out_plain() {
    let file_of = |topic: &str| {
        let topic = format!(r#"{{"type":"record","name":"R","fields":[{{"name":"x",{topic}}}]}}"#);
        let schema = AvroSchema::parse(&topic).unwrap();
        let connect = connect_schema(&schema, &AvroDataSettings::default())
            .unwrap()
            .unwrap();
        let file = text(&connect).unwrap();
        let field = file.split_once(r#"{"name":"x","#).unwrap().1;
        field.rsplit_once("}],").unwrap().0.to_owned()
    };
    let check = |topic: &str, file: &str| assert_eq!(file_of(topic), file, "{topic}");
    check(
        r#""type":{"type":"long","logicalType":"timestamp-micros"}"#,
        r#""type":"long""#,
    );
    check(
        r#""type":{"type":"string","logicalType":"uuid"}"#,
        r#""type":"string""#,
    );
    check(
        r#""type":{"type":"fixed","name":"D","size":12,"logicalType":"duration"}"#,
        r#""type":{"type":"fixed","name":"D","size":12,"connect.parameters":{"connect.fixed.size":"12"},"connect.name":"D"}"#,
    );
    check(
        r#""type":["int","null"],"default":3"#,
        r#""type":["null","int"],"default":null"#,
    );
    check(
        r#""type":{"type":"string","avro.java.string":"String"},"order":"ignore""#,
        r#""type":{"type":"string","connect.parameters":{"avro.java.string":"String"},"avro.java.string":"String"}"#,
    );
    check(r#""type":"int","default":4"#, r#""type":"int","default":4"#);
}

#[test]
fn an_enum_keeps_its_symbols_and_its_default() {
    let topic = r#"{"type":"record","name":"R","fields":[{"name":"e","type":{"type":"enum","name":"E","doc":"ed","symbols":["A","B"],"default":"A"}}]}"#;
    let connect = connect_schema(
        &AvroSchema::parse(topic).unwrap(),
        &AvroDataSettings::default(),
    );
    let connect = connect.unwrap().unwrap();
    let written = text(&connect).unwrap();
    assert!(
        written.contains(r#"{"type":"enum","name":"E","doc":"ed","symbols":["A","B"],"default":"A","connect.parameters":{"io.confluent.connect.avro.enum.doc.E":"ed","io.confluent.connect.avro.enum.default.E":"A","io.confluent.connect.avro.Enum":"E","io.confluent.connect.avro.Enum.A":"A","io.confluent.connect.avro.Enum.B":"B"},"connect.name":"E"}"#),
        "{written}"
    );
    let value = record(&connect, vec![Value::from("B")]);
    assert_eq!(round_trip(&value, &connect).value, value);
    let avro = avro_schema(Some(&connect), &sink()).unwrap();
    let writer = Writer::new(Some(&connect), avro, &sink()).unwrap();
    let error = writer.encode(
        &record(&connect, vec![Value::from("secret")]),
        &mut Vec::new(),
    );
    let error = error.unwrap_err();
    assert!(!error.message.contains("secret"), "{error}");
    assert!(error.java_message().contains("'secret'"));
}

/// The original writes no decimal that is shorter than its fixed, and has no name for a second one.
#[test]
fn decimals_on_fixed_are_widened_and_numbered() {
    let two = decimal_on_fixed("2");
    assert_eq!(
        text(&two).unwrap(),
        r#"{"type":"fixed","name":"Decimal","namespace":"org.apache.kafka.connect.data","size":2,"scale":2,"precision":4,"connect.version":1,"connect.parameters":{"scale":"2","connect.decimal.precision":"4","connect.fixed.size":"2"},"connect.name":"org.apache.kafka.connect.data.Decimal","logicalType":"decimal"}"#
    );
    let eight = decimal_on_fixed("8");
    let all = named(
        &structure(&[
            ("a", &two),
            ("b", &eight),
            ("c", &two),
            ("d", &optional(&eight)),
        ]),
        "R",
    );
    let written = text(&all).unwrap();
    for part in [
        r#"{"name":"b","type":{"type":"fixed","name":"Decimal2","namespace":"org.apache.kafka.connect.data","size":8,"#,
        r#"{"name":"c","type":"org.apache.kafka.connect.data.Decimal"}"#,
        r#"{"name":"d","type":["null","org.apache.kafka.connect.data.Decimal2"],"default":null}"#,
    ] {
        assert!(written.contains(part), "{part} is not in {written}");
    }
    let value = record(
        &all,
        vec![decimal(1), decimal(-1), decimal(9999), Value::Null],
    );
    assert_eq!(round_trip(&value, &all).value, value);
    let avro = avro_schema(Some(&all), &sink()).unwrap();
    let writer = Writer::new(Some(&all), avro, &sink()).unwrap();
    let large = record(
        &all,
        vec![decimal(1 << 20), decimal(1), decimal(1), Value::Null],
    );
    let error = writer.encode(&large, &mut Vec::new()).unwrap_err();
    assert_eq!(
        error.message,
        "Unscaled value byte array length 3 is greater than fixed size 2"
    );
}

#[test]
fn a_struct_within_itself_is_written_and_read() {
    let node = r#"{"type":"record","name":"Node","namespace":"com.x","fields":[{"name":"v","type":"int"},{"name":"next","type":["null","Node"],"default":null}],"connect.name":"com.x.Node"}"#;
    let avro = AvroSchema::parse(node).unwrap();
    let connect = connect_schema(&avro, &sink()).unwrap().unwrap();
    assert_eq!(text(&connect).unwrap(), node);
    let list = (0..3).fold(Value::Null, |rest, v| {
        record(&connect, vec![Value::Int32(v), rest])
    });
    assert_eq!(round_trip(&list, &connect).value, list);
    let long = (0..10_000).fold(Value::Null, |rest, v| {
        record(&connect, vec![Value::Int32(v), rest])
    });
    let writer = Writer::new(
        Some(&connect),
        avro_schema(Some(&connect), &sink()).unwrap(),
        &sink(),
    );
    let error = writer.unwrap().encode(&long, &mut Vec::new()).unwrap_err();
    assert!(error.message.contains("levels deep"), "{error}");
    // Taken apart by hand: a destructor of so many levels would not fit the stack either.
    let mut rest = long;
    while let Value::Struct(mut record) = rest {
        rest = record.values.pop().unwrap();
    }
}

#[test]
fn a_map_is_written_in_the_order_of_a_java_hash_map() {
    let schema = map(&of(SchemaType::String), &of(SchemaType::Int32));
    let value = Value::Map(Map::linked([
        (Value::from("id"), Value::Int32(1)),
        (Value::from("name"), Value::Int32(2)),
    ]));
    let avro = avro_schema(Some(&schema), &sink()).unwrap();
    let mut datum = Vec::new();
    Writer::new(Some(&schema), avro, &sink())
        .unwrap()
        .encode(&value, &mut datum)
        .unwrap();
    assert_eq!(datum, b"\x04\x08name\x04\x04id\x02\x00");
}

#[test]
fn texts_that_are_no_schemas_are_refused_with_the_reason() {
    let message = |text: &str| AvroSchema::parse(text).unwrap_err().message;
    let check = |text: &str, part: &str| {
        let message = message(text);
        assert!(message.contains(part), "{text}: {message}");
    };
    check("{", "the schema is no JSON");
    check(r#""nothing""#, "Undefined name: \"nothing\"");
    check(r#"{"type":"record","name":"R"}"#, "Record has no fields");
    check(r#"{"type":"record","fields":[]}"#, "No name in schema");
    check(
        r#"{"type":"record","name":"R","fields":[{"name":"a","type":"Q"}]}"#,
        "The type of the \"a\" field",
    );
    check(
        r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"a","type":"int"}]}"#,
        "Duplicate field a",
    );
    check(r#"["int","int"]"#, "Duplicate in union:int");
    check(r#"["int",["string"]]"#, "Nested union");
    check(
        r#"{"type":"enum","name":"E","symbols":["A"],"default":"B"}"#,
        "The Enum Default: B",
    );
    check(
        r#"{"type":"fixed","name":"F","size":-1}"#,
        "Invalid or no size: F",
    );
    check(
        r#"[{"type":"fixed","name":"F","size":1},{"type":"record","name":"F","fields":[]}]"#,
        "Can't redefine: F",
    );
    check(
        &format!(
            "{}\"int\"{}",
            r#"{"type":"array","items":"#.repeat(500),
            "}".repeat(500)
        ),
        "no JSON",
    );
}

#[test]
fn bytes_that_do_not_fill_their_fixed_are_refused() {
    let fixed = named(&of(SchemaType::Bytes), "F");
    let fixed = with_parameters(&fixed, &[("connect.fixed.size", "2")]);
    let avro = avro_schema(Some(&fixed), &sink()).unwrap();
    let writer = Writer::new(Some(&fixed), avro, &sink()).unwrap();
    for length in [1, 3] {
        let bytes = Value::Bytes(vec![0; length].into());
        let error = writer.encode(&bytes, &mut Vec::new()).unwrap_err();
        assert_eq!(
            error.message,
            format!("{length} bytes are no value of a fixed of 2")
        );
    }
}
