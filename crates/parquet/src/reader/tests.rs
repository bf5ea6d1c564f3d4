//! What a writer has put into a file comes back equal.

use super::*;
use crate::writer::tests::{
    array_of, decimal, decimal_schema, map_of, named, optional, struct_of, value,
};
use crate::{Codec, Layout, LayoutOptions, Row, Writer};
use millstream_core::schema::{DATE, TIME, TIMESTAMP};
use millstream_core::{Map, Schema, Text};
use proptest::prelude::*;
use std::io::{Seek, Write};
use std::sync::Arc;

fn written(schema: &Schema, rows: &[Value], three_levels: bool) -> RowReader {
    let options = LayoutOptions {
        three_level_lists: three_levels,
        ..LayoutOptions::new(AvroDataSettings::default())
    };
    let layout = Arc::new(Layout::new(&Arc::new(schema.clone()), &options).unwrap());
    let mut writer = Writer::new(&layout, Codec::Snappy).unwrap();
    let mut bytes = Vec::new();
    for row in rows {
        writer.push(Row::Whole(row)).unwrap();
        writer.advance(&mut bytes).unwrap();
    }
    writer.finish(&mut bytes).unwrap();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes).unwrap();
    file.rewind().unwrap();
    RowReader::open(file).unwrap()
}

fn values(rows: Vec<Value>) -> Vec<Vec<Value>> {
    let fields = rows.into_iter().map(|row| match row {
        Value::Struct(row) => row.values,
        other => panic!("a row is a struct, not {other:?}"),
    });
    fields.collect()
}

fn all(reader: RowReader) -> Vec<Vec<Value>> {
    reader.flat_map(|rows| values(rows.unwrap())).collect()
}

fn inner() -> Schema {
    struct_of("Inner", &[("one", Schema::of(SchemaType::Int32))])
}

fn whole() -> Schema {
    let of = Schema::of;
    struct_of(
        "Row",
        &[
            ("i8", of(SchemaType::Int8)),
            ("i16", of(SchemaType::Int16)),
            ("i32", optional(of(SchemaType::Int32))),
            ("i64", of(SchemaType::Int64)),
            ("f32", of(SchemaType::Float32)),
            ("f64", optional(of(SchemaType::Float64))),
            ("flag", of(SchemaType::Boolean)),
            ("text", optional(of(SchemaType::String))),
            ("bytes", of(SchemaType::Bytes)),
            ("day", named(SchemaType::Int32, DATE)),
            ("time", named(SchemaType::Int32, TIME)),
            ("at", optional(named(SchemaType::Int64, TIMESTAMP))),
            ("price", decimal_schema("2")),
            ("numbers", array_of(of(SchemaType::Int64))),
            ("rows", array_of(inner())),
            ("map", map_of(of(SchemaType::String), of(SchemaType::Int32))),
            (
                "entries",
                map_of(of(SchemaType::Int32), of(SchemaType::String)),
            ),
            ("inner", optional(inner())),
        ],
    )
}

fn row(seed: i64) -> Vec<Value> {
    let text = |number: i64| Value::String(Text::from(number.to_string().as_str()));
    let or_null = |value: Value| if seed % 3 == 0 { Value::Null } else { value };
    let count = seed.rem_euclid(4);
    let of_inner = |number: i64| value(&inner(), vec![Value::Int32(number as i32)]);
    let pairs = |key: &dyn Fn(i64) -> Value, value: &dyn Fn(i64) -> Value| {
        let pairs: Vec<_> = (0..count).map(|at| (key(at), value(at))).collect();
        Value::Map(Map::hashed(pairs))
    };
    let number = |at: i64| Value::Int32((seed + at) as i32);
    vec![
        Value::Int8(seed as i8),
        Value::Int16(seed as i16),
        or_null(Value::Int32(seed as i32)),
        Value::Int64(seed),
        Value::Float32(seed as f32 / 4.0),
        or_null(Value::Float64(seed as f64 / 8.0)),
        Value::Boolean(seed % 2 == 0),
        or_null(text(seed)),
        Value::Bytes(seed.to_be_bytes().to_vec().into()),
        Value::Date(seed.rem_euclid(20_000) * 86_400_000),
        Value::Date(seed.rem_euclid(86_400_000)),
        or_null(Value::Date(seed)),
        decimal(seed),
        Value::Array((0..count).map(Value::Int64).collect()),
        Value::Array((0..count).map(of_inner).collect()),
        pairs(&text, &number),
        pairs(&number, &text),
        or_null(value(&optional(inner()), vec![Value::Int32(seed as i32)])),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn rows_come_back(seeds in proptest::collection::vec(any::<i32>(), 0..600), three_levels in any::<bool>()) {
        let schema = whole();
        let expected: Vec<Vec<Value>> = seeds.iter().map(|seed| row(i64::from(*seed))).collect();
        let rows: Vec<Value> = expected.iter().map(|row| value(&schema, row.clone())).collect();
        let reader = written(&schema, &rows, three_levels);
        prop_assert_eq!(reader.schema().fields.len(), schema.fields.len());
        for (read, own) in reader.schema().fields.iter().zip(&schema.fields) {
            prop_assert_eq!(&read.name, &own.name);
            prop_assert_eq!((read.schema.kind, read.schema.optional), (own.schema.kind, own.schema.optional));
        }
        prop_assert_eq!(format!("{:?}", all(reader)), format!("{expected:?}"));
    }

    #[test]
    fn what_is_no_file_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"PAR1").unwrap();
        file.write_all(&bytes).unwrap();
        file.write_all(b"PAR1").unwrap();
        file.rewind().unwrap();
        prop_assert!(RowReader::open(file).is_err());
    }
}

#[test]
fn lists_with_nulls_come_back() {
    let text = optional(Schema::of(SchemaType::String));
    let schema = struct_of("Row", &[("texts", optional(array_of(text)))]);
    let list = |texts: &[Option<&str>]| {
        let texts = texts
            .iter()
            .map(|text| text.map_or(Value::Null, Value::from));
        Value::Array(texts.collect())
    };
    let expected = vec![
        vec![list(&[Some("a"), None, Some("b")])],
        vec![Value::Null],
        vec![list(&[])],
        vec![list(&[None])],
    ];
    let rows: Vec<Value> = expected
        .iter()
        .map(|row| value(&schema, row.clone()))
        .collect();
    assert_eq!(all(written(&schema, &rows, false)), expected);
}
