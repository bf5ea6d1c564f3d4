//! Files of ours, read by the crate's reader.

use super::*;
use crate::layout::LayoutOptions;
use bytes::Bytes;
use millstream_avro::AvroDataSettings;
use millstream_core::schema::{DATE, DECIMAL, TIMESTAMP};
use millstream_core::{Decimal, Field, Map, Schema, SchemaRef, SchemaType, Struct};
use parquet::basic::{Encoding, LogicalType};
use parquet::file::reader::{FileReader, SerializedFileReader};
use proptest::prelude::*;

pub(crate) fn struct_of(name: &str, fields: &[(&str, Schema)]) -> Schema {
    let fields = fields.iter().map(|(name, schema)| Field {
        name: (*name).to_owned(),
        schema: Arc::new(schema.clone()),
    });
    Schema {
        name: Some(name.to_owned()),
        fields: fields.collect(),
        ..Schema::of(SchemaType::Struct)
    }
}

pub(crate) fn array_of(values: Schema) -> Schema {
    Schema {
        value_schema: Some(Arc::new(values)),
        ..Schema::of(SchemaType::Array)
    }
}

pub(crate) fn map_of(keys: Schema, values: Schema) -> Schema {
    Schema {
        key_schema: Some(Arc::new(keys)),
        value_schema: Some(Arc::new(values)),
        ..Schema::of(SchemaType::Map)
    }
}

pub(crate) fn named(kind: SchemaType, name: &str) -> Schema {
    Schema {
        name: Some(name.to_owned()),
        ..Schema::of(kind)
    }
}

pub(crate) fn decimal_schema(scale: &str) -> Schema {
    let scale = ("scale".to_owned(), scale.to_owned());
    Schema {
        parameters: Some([scale].into_iter().collect()),
        ..named(SchemaType::Bytes, DECIMAL)
    }
}

pub(crate) fn optional(schema: Schema) -> Schema {
    Schema {
        optional: true,
        ..schema
    }
}

pub(crate) fn value(schema: &Schema, values: Vec<Value>) -> Value {
    let schema = Arc::new(schema.clone());
    Value::Struct(Box::new(Struct { schema, values }))
}

pub(crate) fn decimal(unscaled: i64) -> Value {
    Value::Decimal(Decimal {
        unscaled: unscaled.into(),
        scale: 2,
    })
}

fn options() -> LayoutOptions {
    LayoutOptions::new(AvroDataSettings::default())
}

fn layout(schema: &Schema) -> Arc<Layout> {
    Arc::new(Layout::new(&Arc::new(schema.clone()), &options()).unwrap())
}

fn read(file: Vec<u8>) -> SerializedFileReader<Bytes> {
    SerializedFileReader::new(Bytes::from(file)).unwrap()
}

fn texts(file: Vec<u8>) -> Vec<String> {
    let file = read(file);
    let rows = file.get_row_iter(None).unwrap();
    rows.map(|row| row.unwrap().to_string()).collect()
}

/// A file of these rows, and what its rows read as.
fn written(schema: &Schema, codec: Codec, rows: &[Value]) -> Vec<String> {
    let mut writer = Writer::new(&layout(schema), codec).unwrap();
    let mut out = Vec::new();
    for row in rows {
        writer.push(Row::Whole(row)).unwrap();
        writer.advance(&mut out).unwrap();
    }
    writer.finish(&mut out).unwrap();
    texts(out)
}

/// Lists, maps with and without texts as keys, structs, nulls and defaults at every place.
fn nested() -> (Schema, Vec<Value>) {
    let inner = optional(struct_of("In", &[("x", Schema::of(SchemaType::Int32))]));
    let text = || Schema::of(SchemaType::String);
    let with_default = Schema {
        default: Some(Value::Int32(5)),
        ..Schema::optional(SchemaType::Int32)
    };
    let schema = struct_of(
        "N",
        &[
            ("ll", array_of(array_of(Schema::of(SchemaType::Int32)))),
            ("m", map_of(text(), inner.clone())),
            ("e", optional(map_of(Schema::of(SchemaType::Int64), text()))),
            ("s", inner.clone()),
            ("d", decimal_schema("2")),
            ("t", named(SchemaType::Int64, TIMESTAMP)),
            ("o", with_default),
        ],
    );
    let x = |x| value(&inner, vec![Value::Int32(x)]);
    let ints = |ints: &[i32]| Value::Array(ints.iter().copied().map(Value::Int32).collect());
    let first = value(
        &schema,
        vec![
            Value::Array(vec![ints(&[1, 2]), ints(&[])]),
            Value::Map(Map::linked([("a".into(), x(1)), ("b".into(), Value::Null)])),
            Value::Map(Map::linked([(Value::Int64(7), "seven".into())])),
            x(2),
            decimal(-12345),
            Value::Date(1_700_000_000_123),
            Value::Null,
        ],
    );
    let second = value(
        &schema,
        vec![
            ints(&[]),
            Value::Map(Map::linked([])),
            Value::Null,
            Value::Null,
            decimal(0),
            Value::Date(0),
            Value::Int32(1),
        ],
    );
    (schema, vec![first, second])
}

/// The crate's rows show a list of structs as a list within a list, where it has two levels.
fn in_two_levels(rows: [&str; 2]) -> [String; 2] {
    rows.map(|row| row.replace("[{", "[[{").replace("}]", "}]]"))
}

const NESTED: [&str; 2] = [
    r#"{ll: [[1, 2], []], m: {"a" -> {x: 1}, "b" -> null}, e: [{key: 7, value: "seven"}], s: {x: 2}, d: -123.45, t: 2023-11-14 22:13:20.123 +00:00, o: 5}"#,
    r#"{ll: [], m: {}, e: null, s: null, d: 0.00, t: 1970-01-01 00:00:00.000 +00:00, o: 1}"#,
];

#[test]
fn values_at_every_place_come_back() {
    let (schema, rows) = nested();
    for codec in [
        Codec::None,
        Codec::Snappy,
        Codec::Gzip,
        Codec::Lz4,
        Codec::Lz4Raw,
        Codec::Zstd,
    ] {
        assert_eq!(
            written(&schema, codec, &rows),
            in_two_levels(NESTED),
            "{codec:?}"
        );
    }
}

#[test]
fn lists_have_three_levels_if_asked_for() {
    let (schema, rows) = nested();
    let options = LayoutOptions {
        three_level_lists: true,
        ..options()
    };
    let layout = Arc::new(Layout::new(&Arc::new(schema), &options).unwrap());
    let mut writer = Writer::new(&layout, Codec::None).unwrap();
    for row in &rows {
        writer.push(Row::Whole(row)).unwrap();
    }
    let mut out = Vec::new();
    writer.finish(&mut out).unwrap();
    let file = read(out.clone());
    let first = file.metadata().file_metadata().schema_descr().column(0);
    assert_eq!(first.path().string(), "ll.list.element.list.element");
    assert_eq!(texts(out), NESTED);
}

/// A union is a group of members, also where it is one of null and one type and where it is in a list.
#[test]
fn unions_are_groups_of_members() {
    let union = |fields: &[(&str, Schema)]| Schema {
        name: Some("io.confluent.connect.avro.Union".to_owned()),
        ..struct_of("", fields)
    };
    let two = union(&[
        ("int", Schema::optional(SchemaType::Int32)),
        ("string", Schema::optional(SchemaType::String)),
    ]);
    let one = optional(union(&[("int", Schema::optional(SchemaType::Int32))]));
    let schema = struct_of(
        "U",
        &[
            ("u", optional(two.clone())),
            ("l", array_of(two.clone())),
            ("o", one.clone()),
        ],
    );
    let int = |of: &Schema, v| value(of, vec![Value::Int32(v), Value::Null]);
    let text = |of: &Schema, v: &str| value(of, vec![Value::Null, v.into()]);
    let in_field = optional(two.clone());
    let rows = [
        value(
            &schema,
            vec![
                int(&in_field, 1),
                Value::Array(vec![text(&two, "a"), int(&two, 2)]),
                value(&one, vec![Value::Int32(3)]),
            ],
        ),
        value(
            &schema,
            vec![Value::Null, Value::Array(Vec::new()), Value::Null],
        ),
        value(
            &schema,
            vec![text(&in_field, "b"), Value::Array(Vec::new()), Value::Null],
        ),
    ];
    assert_eq!(
        written(&schema, Codec::Snappy, &rows),
        [
            r#"{u: {member0: 1, member1: null}, l: [[{member0: null, member1: "a"}, {member0: 2, member1: null}]], o: 3}"#,
            "{u: null, l: [], o: null}",
            r#"{u: {member0: null, member1: "b"}, l: [], o: null}"#,
        ]
    );
}

#[test]
fn a_decimal_on_fixed_has_its_sign_in_every_byte() {
    let mut of = decimal_schema("2");
    let parameters = of.parameters.as_mut().unwrap();
    parameters.insert("connect.decimal.precision".to_owned(), "9".to_owned());
    parameters.insert("connect.fixed.size".to_owned(), "4".to_owned());
    let schema = struct_of("F", &[("d", of)]);
    let row = |unscaled| value(&schema, vec![decimal(unscaled)]);
    let rows = [row(-1), row(1), row(123_456_789)];
    assert_eq!(
        written(&schema, Codec::None, &rows),
        ["{d: -0.01}", "{d: 0.01}", "{d: 1234567.89}"]
    );
    let mut writer = Writer::new(&layout(&schema), Codec::None).unwrap();
    let error = writer.push(Row::Whole(&row(1 << 40))).unwrap_err();
    assert_eq!(
        error.message,
        "Fixed Binary size 6 does not match field type length 4"
    );
}

/// The statistics of decimals are those of numbers, which the bytes are not in the order of.
#[test]
fn statistics_of_decimals_are_those_of_numbers() {
    let schema = struct_of("D", &[("d", optional(decimal_schema("2")))]);
    let mut writer = Writer::new(&layout(&schema), Codec::None).unwrap();
    for unscaled in [Some(0), Some(-1), None, Some(300), Some(-70_000), Some(2)] {
        let row = value(&schema, vec![unscaled.map_or(Value::Null, decimal)]);
        writer.push(Row::Whole(&row)).unwrap();
    }
    let mut out = Vec::new();
    writer.finish(&mut out).unwrap();
    let file = read(out);
    let statistics = file.metadata().row_group(0).column(0).statistics().unwrap();
    let number = |bytes: Option<&[u8]>| num_bigint::BigInt::from_signed_bytes_be(bytes.unwrap());
    assert_eq!(number(statistics.min_bytes_opt()), (-70_000).into());
    assert_eq!(number(statistics.max_bytes_opt()), 300.into());
    assert_eq!(statistics.null_count_opt(), Some(1));
}

#[test]
fn decimals_are_held_to_a_precision_that_is_not_the_original_s() {
    let schema = struct_of("D", &[("d", decimal_schema("2"))]);
    let options = LayoutOptions {
        decimal_precision: 5,
        ..options()
    };
    let layout = Arc::new(Layout::new(&Arc::new(schema.clone()), &options).unwrap());
    assert_eq!(layout.notes(), [] as [String; 0]);
    assert!(layout.avro.contains(r#""precision":5"#), "{}", layout.avro);
    let column = layout.message.column(0);
    assert_eq!(column.logical_type_ref(), Some(&LogicalType::decimal(2, 5)));
    let mut writer = Writer::new(&layout, Codec::None).unwrap();
    for (unscaled, fits) in [
        (99_999, true),
        (-99_999, true),
        (100_000, false),
        (-100_000, false),
    ] {
        let row = value(&schema, vec![decimal(unscaled)]);
        assert_eq!(writer.push(Row::Whole(&row)).is_ok(), fits, "{unscaled}");
    }
}

#[test]
fn what_readers_refuse_is_told() {
    let one = struct_of("One", &[("x", Schema::of(SchemaType::Int32))]);
    let schema = struct_of(
        "R",
        &[
            ("d", decimal_schema("2")),
            ("l", array_of(one)),
            ("a", Schema::of(SchemaType::Int32)),
            ("A", Schema::of(SchemaType::Int32)),
        ],
    );
    let layout = layout(&schema);
    let [decimal, list, case] = layout.notes() else {
        panic!("three notes, not {:?}", layout.notes());
    };
    assert!(decimal.starts_with("decimal d is written with a precision of 64"));
    assert!(list.starts_with("list elements l.array are structs of one field"));
    assert!(case.starts_with("field A differs from another one only in case"));
}

/// A bad value behind good ones, in a list, a map and a struct.
#[test]
fn of_a_row_that_fails_nothing_is_left() {
    let (schema, rows) = nested();
    let bad = |field: usize, with: Value| {
        let Value::Struct(mut row) = rows[0].clone() else {
            panic!("a struct");
        };
        row.values[field] = with;
        Value::Struct(row)
    };
    let ones = || Value::Array(vec![Value::Int32(1)]);
    let bads = [
        bad(
            0,
            Value::Array(vec![
                ones(),
                Value::Array(vec![Value::Int32(1), Value::Null]),
            ]),
        ),
        bad(
            1,
            Value::Map(Map::linked([
                ("a".into(), Value::Null),
                (Value::Int32(1), Value::Null),
            ])),
        ),
        bad(2, Value::Map(Map::linked([(Value::Int64(1), Value::Null)]))),
        bad(3, "no struct".into()),
        bad(4, Value::Null),
        bad(6, Value::Int64(1)),
        Value::Null,
    ];
    let mut writer = Writer::new(&layout(&schema), Codec::Snappy).unwrap();
    let mut out = Vec::new();
    for row in &rows {
        for bad in &bads {
            assert!(writer.check(Row::Whole(bad)).is_err());
            assert!(writer.push(Row::Whole(bad)).is_err());
            writer.advance(&mut out).unwrap();
        }
        writer.check(Row::Whole(row)).unwrap();
        writer.push(Row::Whole(row)).unwrap();
    }
    writer.finish(&mut out).unwrap();
    assert_eq!(texts(out), in_two_levels(NESTED));
}

fn five_fields() -> Schema {
    struct_of(
        "Order",
        &[
            ("id", Schema::of(SchemaType::Int64)),
            ("text", Schema::of(SchemaType::String)),
            ("kind", Schema::of(SchemaType::String)),
            ("amount", Schema::optional(SchemaType::Float64)),
            ("day", named(SchemaType::Int32, DATE)),
        ],
    )
}

fn order(schema: &SchemaRef, id: i64) -> Value {
    let kinds = ["new", "paid", "sent"];
    let values = vec![
        Value::Int64(id),
        Value::from(format!(
            "{:060}",
            id.wrapping_mul(0x9E37_79B9_7F4A_7C15_u64 as i64)
        )),
        kinds[id as usize % 3].into(),
        if id % 7 == 0 {
            Value::Null
        } else {
            Value::Float64(id as f64 / 8.0)
        },
        Value::Date(86_400_000 * (id % 40)),
    ];
    Value::Struct(Box::new(Struct {
        schema: Arc::clone(schema),
        values,
    }))
}

/// Pages are the original's size, and columns whose values repeat have a dictionary.
#[test]
fn pages_are_small_and_dictionaries_where_they_pay() {
    let schema = Arc::new(five_fields());
    let layout = Arc::new(Layout::new(&schema, &options()).unwrap());
    let mut writer = Writer::new(&layout, Codec::None).unwrap();
    let mut out = Vec::new();
    for id in 0..20_000 {
        writer.push(Row::Whole(&order(&schema, id))).unwrap();
        writer.advance(&mut out).unwrap();
    }
    writer.finish(&mut out).unwrap();
    let file = read(out);
    let group = file.get_row_group(0).unwrap();
    let mut has_dictionary = Vec::new();
    for column in 0..5 {
        let encodings: Vec<_> = group.metadata().column(column).encodings().collect();
        has_dictionary.push(encodings.contains(&Encoding::RLE_DICTIONARY));
        for page in group.get_column_page_reader(column).unwrap() {
            let len = page.unwrap().buffer().len();
            assert!(len <= PAGE_BYTES + PAGE_BYTES / 8, "a page of {len} bytes");
        }
    }
    assert_eq!(has_dictionary, [false, false, true, false, true]);
}

/// What a thousand files hold is theirs to give out, but for a small rest each.
#[test]
fn a_thousand_files_stay_small() {
    let schema = Arc::new(five_fields());
    let layout = Arc::new(Layout::new(&schema, &options()).unwrap());
    let mut files: Vec<(Writer, Vec<u8>)> = (0..1000)
        .map(|_| (Writer::new(&layout, Codec::Snappy).unwrap(), Vec::new()))
        .collect();
    let held = |files: &[(Writer, Vec<u8>)]| -> usize {
        files.iter().map(|(writer, _)| writer.memory()).sum()
    };
    for (writer, _) in &mut files {
        writer.push(Row::Whole(&order(&schema, 0))).unwrap();
    }
    assert!(
        held(&files) < 2 << 20,
        "{} bytes for a row each",
        held(&files)
    );
    for round in 0..5 {
        for (writer, out) in &mut files {
            for id in 0..100 {
                writer
                    .push(Row::Whole(&order(&schema, 100 * round + id)))
                    .unwrap();
                writer.advance(out).unwrap();
            }
            writer.rest(out).unwrap();
        }
        assert!(held(&files) < 100 << 20, "{} bytes are held", held(&files));
    }
    for (writer, mut out) in files.into_iter().step_by(100) {
        writer.finish(&mut out).unwrap();
        assert_eq!(read(out).metadata().file_metadata().num_rows(), 501);
    }
}

/// However much there is, a row group is closed when it is full, and memory with it.
#[test]
fn a_large_file_is_given_out_on_the_way() {
    let schema = struct_of("B", &[("b", Schema::of(SchemaType::Bytes))]);
    let mut writer = Writer::new(&layout(&schema), Codec::None).unwrap();
    let mut out = Vec::new();
    let block = value(&schema, vec![Value::Bytes(Bytes::from(vec![7; 1 << 20]))]);
    let distinct = |index: u8| {
        let mut bytes = vec![7; 1 << 20];
        bytes[0] = index;
        value(&schema, vec![Value::Bytes(Bytes::from(bytes))])
    };
    let mut most = 0;
    for index in 0..40 {
        writer.push(Row::Whole(&distinct(index))).unwrap();
        writer.advance(&mut out).unwrap();
        most = most.max(writer.memory());
    }
    assert!(most < ROW_GROUP_BYTES + (4 << 20), "{most} bytes are held");
    assert!(out.len() > 32 << 20, "{} bytes are given out", out.len());
    writer.push(Row::Whole(&block)).unwrap();
    writer.finish(&mut out).unwrap();
    assert_eq!(read(out).metadata().num_row_groups(), 3);
}

proptest! {
    /// Whatever is pushed, refused, checked and given out early, the file holds the rows that were taken, in order.
    #[test]
    fn a_file_holds_what_it_took(steps in proptest::collection::vec((0..5u8, 0..2000i64), 1..60)) {
        let schema = Arc::new(five_fields());
        let layout = Arc::new(Layout::new(&schema, &options()).unwrap());
        let mut writer = Writer::new(&layout, Codec::Snappy).unwrap();
        let (mut out, mut taken) = (Vec::new(), Vec::new());
        for (step, id) in steps {
            let row = order(&schema, id);
            match step {
                0 => writer.check(Row::Whole(&row)).unwrap(),
                1 => prop_assert!(writer.push(Row::Whole(&Value::Int32(1))).is_err()),
                2 => {
                    for more in 0..id {
                        writer.push(Row::Whole(&order(&schema, more))).unwrap();
                        writer.advance(&mut out).unwrap();
                        taken.push(more);
                    }
                }
                3 => writer.rest(&mut out).unwrap(),
                _ => {
                    writer.push(Row::Whole(&row)).unwrap();
                    writer.advance(&mut out).unwrap();
                    taken.push(id);
                }
            }
        }
        writer.finish(&mut out).unwrap();
        let ids = texts(out).into_iter().map(|row| {
            let id = row.strip_prefix("{id: ").and_then(|row| row.split(',').next());
            id.unwrap().parse::<i64>().unwrap()
        });
        prop_assert_eq!(ids.collect::<Vec<_>>(), taken);
    }
}
