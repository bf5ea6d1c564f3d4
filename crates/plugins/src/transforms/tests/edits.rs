//! Edits that a converter makes in an object's text must come to what the transforms do to its values.
use super::*;
use bytes::Bytes;
use millstream_core::chain::{Editing, Edits};
use millstream_java::json as java_json;

const EDITS: &[(&str, &[(&str, &str)])] = &[
    ("#Cast$Value", &[("spec", "a:string,b:int8,total:float32")]),
    ("#Cast$Value", &[("spec", "a:float64,c:boolean")]),
    (
        "#InsertField$Value",
        &[
            ("offset.field", "b"),
            ("static.field", "wörd"),
            ("static.value", "\"😀\""),
        ],
    ),
    (
        "#InsertField$Value",
        &[
            ("topic.field", "topic"),
            ("partition.field", "a"),
            ("timestamp.field", "ts"),
        ],
    ),
    ("#MaskField$Value", &[("fields", "a,c")]),
    ("#MaskField$Value", &[("fields", "b"), ("replacement", "7")]),
    (
        "#ReplaceField$Value",
        &[("exclude", "a"), ("renames", "b:a,c:x\"y")],
    ),
    (
        "#ReplaceField$Value",
        &[("include", "a,b,c,total,order_id"), ("renames", "b:c")],
    ),
    (
        "#TimestampConverter$Value",
        &[("field", "b"), ("target.type", "Timestamp")],
    ),
    (
        "#TimestampConverter$Value",
        &[
            ("field", "order_id"),
            ("target.type", "string"),
            ("format", "yyyy-MM-dd'T'HH:mm:ss.SSS"),
        ],
    ),
    (
        "io.aiven.kafka.connect.transforms.Hash$Value",
        &[
            ("function", "md5"),
            ("field.names", "a,c"),
            ("encoding", "binary"),
            ("skip.missing.or.null", "true"),
        ],
    ),
    (
        "io.aiven.kafka.connect.transforms.Hash$Value",
        &[("function", "sha256"), ("field.name", "a")],
    ),
    // Beside the edits.
    (
        "#RegexRouter",
        &[("regex", "t(.*)"), ("replacement", "u$1")],
    ),
    ("#DropHeaders", &[("headers", "h")]),
];

/// A topic's objects: the same names in the same order, mostly.
fn record(names: &[&str], values: &[usize], odd: u8) -> Option<String> {
    const VALUES: [&str; 20] = [
        "7",
        "-300",
        "0",
        "1.50",
        "-0.0",
        "007",
        "1e5",
        "12345678.5",
        "1700000000000",
        "null",
        "true",
        "\"\"",
        "\"x\"",
        "\"12\"",
        "\"gr\\u00f6\\/\\\"e\"",
        "\"größe 😀\"",
        "{\"z\": 1.0, \"name\": {}}",
        "[1, {\"b\":2}]",
        "{}",
        "[]",
    ];
    match odd {
        0 => return None,
        1 => return Some("{}".to_owned()),
        2 => return Some(" [1]".to_owned()),
        3 => return Some("{\"a\":1,\"a\":2}".to_owned()),
        _ => {}
    }
    let names = names.iter().skip(usize::from(odd == 4));
    let blank = if odd == 5 { " " } else { "" };
    let members = names
        .zip(values)
        .map(|(name, value)| format!("\"{name}\"{blank}:{blank}{}", VALUES[value % VALUES.len()]));
    let members: Vec<String> = members.collect();
    Some(format!("{{{}}}{blank}", members.join(",")))
}

fn undecoded(records: &[Option<String>]) -> RecordBatch {
    let mut column = ByteColumn::new();
    for record in records {
        column.push(record.clone().map(Bytes::from));
    }
    let rows: Vec<_> = (0..records.len())
        .map(|offset| (offset, SchemaAndValue::NULL, true))
        .collect();
    RecordBatch {
        values: Payload::undecoded(column),
        ..batch_of(&rows)
    }
}

fn column_of(batch: &RecordBatch) -> ByteColumn {
    match &batch.values {
        Payload::Raw { column, .. } => column.clone(),
        Payload::Encoded(_) | Payload::Decoded(_) => panic!("it is text"),
    }
}

/// Topic, offset and text of each row.
type Rows = Vec<(String, i64, Option<Vec<u8>>)>;

fn rows_of(batch: &RecordBatch, text: impl Fn(usize) -> Option<Vec<u8>>) -> Rows {
    let offsets = batch.offsets.iter().enumerate();
    offsets
        .map(|(row, offset)| (batch.destination.topic(row).to_string(), *offset, text(row)))
        .collect()
}

/// `None` where the edits cannot be made in the texts.
fn by_edits(
    chain: &mut [ChainStage],
    converter: &mut dyn Converter,
    mut batch: RecordBatch,
) -> Option<Rows> {
    let edits = Edits::of(chain)?;
    let mut editing = Editing {
        edits: &edits,
        chain,
        batch: &batch,
    };
    let texts = converter.to_raw_edited(&column_of(&batch), &mut editing)?;
    batch.values = Payload::undecoded(texts);
    let mut rejected = Rejected::default();
    chain::apply_others(chain, &edits, &mut batch, &mut rejected);
    assert!(rejected.is_empty());
    let texts = column_of(&batch);
    Some(rows_of(&batch, |row| texts.get(row).map(<[u8]>::to_vec)))
}

/// And how many rows were refused.
fn by_values(
    chain: &mut [ChainStage],
    converter: &mut dyn Converter,
    mut batch: RecordBatch,
) -> (Rows, usize) {
    let decoded = converter.decode_column("t1", &column_of(&batch), None, &mut Vec::new());
    batch.values = Payload::Decoded(decoded);
    let mut rejected = Rejected::default();
    chain::apply(chain, &mut batch, &mut rejected);
    let values = &batch.values.decoded().unwrap().values;
    let rows = rows_of(&batch, |row| {
        let mut text = Vec::new();
        java_json::write_value(&mut text, &values[row]).unwrap();
        (!values[row].is_null()).then_some(text)
    });
    (rows, rejected.rows.len())
}

const NAMES: [&str; 9] = [
    "a", "b", "c", "order_id", "customer", "total", "items", "status", "größe",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn edited_texts_are_those_of_the_transformed_values(
        stages in proptest::collection::vec(0..EDITS.len(), 1..5),
        names in proptest::sample::subsequence(&NAMES[..], 1..=9).prop_shuffle(),
        records in proptest::collection::vec((proptest::collection::vec(any::<usize>(), 9), any::<u8>()), 1..12),
        size in 1..4usize,
    ) {
        let stages: Vec<Stage> = stages
            .into_iter()
            .map(|number| Stage { number, condition: None })
            .collect();
        let (mut edited, mut applied) = (chain_from(EDITS, &stages), chain_from(EDITS, &stages));
        let (mut editor, mut reader) = (Converters::new().plain, Converters::new().plain);
        for batch in records.chunks(size) {
            let texts = batch.iter().map(|(values, odd)| record(&names, values, *odd));
            let texts: Vec<_> = texts.collect();
            if let Some(rows) = by_edits(&mut edited, &mut *editor, undecoded(&texts)) {
                let wanted = by_values(&mut applied, &mut *reader, undecoded(&texts));
                prop_assert_eq!((rows, 0), wanted);
            }
        }
    }
}

fn chain_of_edits(numbers: &[usize]) -> Vec<ChainStage> {
    let stages: Vec<Stage> = numbers
        .iter()
        .map(|&number| Stage {
            number,
            condition: None,
        })
        .collect();
    chain_from(EDITS, &stages)
}

/// Rows of which one cannot be edited are left to values, and the rows after them are edited again.
#[test]
fn edits_are_made_in_plain_objects() {
    let mut chain = chain_of_edits(&[2, 0, 4, 6, 9]);
    let mut converter = Converters::new().plain;
    let plain = r#"{"order_id":1700000000000,"a":"x","b":5,"total":19.99,"c":{"z":[1.50]}}"#;
    let mut edited = |records: &[&str]| {
        let records: Vec<_> = records
            .iter()
            .map(|text| Some((*text).to_owned()))
            .collect();
        by_edits(&mut chain, &mut *converter, undecoded(&records)).map(|rows| {
            let texts = rows.into_iter().filter_map(|(_, _, text)| text);
            texts
                .map(|text| String::from_utf8(text).unwrap())
                .collect::<Vec<_>>()
        })
    };
    // A mask looks into lists and objects.
    assert_eq!(edited(&[plain]), None);
    let plain = &plain.replace(r#"{"z":[1.50]}"#, "true");
    // One column is not tried after that.
    assert_eq!(edited(&[plain]), None);
    let text = |offset: usize| {
        format!(
            r#"{{"wörd":"\"\uD83D\uDE00\"","a":{offset},"total":19.99,"order_id":"2023-11-14T22:13:20.000","x\"y":false}}"#
        )
    };
    assert_eq!(edited(&[plain, plain]), Some(vec![text(0), text(1)]));
    assert_eq!(edited(&[plain, "{\"b\""]), None);
}

#[test]
fn what_is_no_edit_is_applied() {
    let is_edited = |numbers: &[usize]| Edits::of(&chain_of_edits(numbers)).is_some();
    assert!(is_edited(&[0, 12, 13]));
    // The topic that is put must not be that of before.
    assert!(is_edited(&[3, 12]) && !is_edited(&[12, 3]));
    assert!(!is_edited(&[12, 13]));
    let conditional = Stage {
        number: 0,
        condition: Some((0, false)),
    };
    assert!(Edits::of(&chain_from(EDITS, &[conditional])).is_none());
    let whole = [("#Cast$Value", &[("spec", "string")][..])];
    let whole = chain_from(
        &whole,
        &[Stage {
            number: 0,
            condition: None,
        }],
    );
    assert!(Edits::of(&whole).is_none());
}

/// Of ever other names, until the converter leaves them to values.
#[test]
fn objects_of_ever_other_names_are_not_remembered() {
    let mut chain = chain_of_edits(&[4]);
    let mut converter = Converters::new().plain;
    let mut left = 0;
    for number in 0..5000 {
        let record = format!("{{\"k{number}\":1,\"a\":\"x\"}}");
        let rows = by_edits(&mut chain, &mut *converter, undecoded(&[Some(record)]));
        left += usize::from(rows.is_none());
    }
    assert!((1..5000).contains(&left), "{left}");
}
