//! Raw statements against those that values are made into.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::config::MongoConfig;
use crate::connect_json;
use crate::json::parse_document;
use crate::record::SinkRecord;
use crate::settings::TopicSettings;
use crate::statement;
use crate::topics::Topics;
use bson::{Bson, Document, doc};
use millstream_core::{
    ByteColumn, Destination, Headers, Properties, TimestampType, TopicPartition,
};
use proptest::prelude::*;
use std::sync::Arc;

/// What the fast way makes of a document's text, if it takes it.
fn read(text: &str, narrow: bool) -> Option<Vec<u8>> {
    let mut elements = Vec::new();
    read_elements(text, narrow, &mut elements, &mut Vec::new())?;
    let mut bytes = Vec::new();
    push_document(&mut bytes, |bytes| bytes.extend_from_slice(&elements));
    Some(bytes)
}

/// A string's document.
fn fast(text: &str) -> Option<Vec<u8>> {
    read(text, true)
}

fn slow(text: &str) -> Option<Vec<u8>> {
    parse_document(text).ok()?.to_vec().ok()
}

#[test]
fn takes_what_is_plain() {
    for text in [
        r#"{}"#,
        r#" { "_id" : 7 , "a" : [ 1 , -2.5e3 , null , true , { "b" : "c\u00e9\ud83d\ude00\n" } ] } tail"#,
        r#"{"a":2147483648,"b":-9223372036854775808,"c":-0,"d":007,"e":1E400,"f":""}"#,
        r#"{"a.b":[[],{}],"é":"ü"}"#,
        r#"{"d":[0.1,-0.0,4503599627370497.5,9007199254740993.0,0.30000000000000004,123456789012345678.9]}"#,
        r#"{"d":[0.0000000000000000000001,0.00000000000000000000001,1e22,1E-22,12345.6789e3,5.0]}"#,
        r#"{"a name of more than eight bytes":"eight of \\ and \"quotes\" 😀 in a row and a tab\t"}"#,
    ] {
        assert_eq!(fast(text).unwrap(), slow(text).unwrap(), "{text}");
    }
}

#[test]
fn leaves_the_rest() {
    for text in [
        "{a:1}",
        "{'a':1}",
        r#"{"a":1,}"#,
        r#"{"$a":1}"#,
        r#"{"a":1,"a":2}"#,
        r#"{"name":1,"other":2,"inner":{"name":[3]},"name":4}"#,
        r#"{"":1,"":2}"#,
        "{\"a\0\":1}",
        "{\"a name of some length\0\":1}",
        r#"{"a":99999999999999999999.5}"#,
        r#"{"a":9223372036854775808}"#,
        r#"{"a":"\ud83d"}"#,
        r#"{"a":NaN}"#,
        r#"{"a":truex}"#,
        r#"{"a\n":1}"#,
        "[1]",
        "",
        r#"{"a":1"#,
    ] {
        assert!(fast(text).is_none(), "{text}");
    }
}

/// What the fast way makes of a converter's text.
fn fast_connect(text: &str) -> Option<Vec<u8>> {
    read(text, false)
}

fn slow_connect(text: &str) -> Option<Vec<u8>> {
    match connect_json::read(text.as_bytes(), || None).ok()? {
        Bson::Document(document) => document.to_vec().ok(),
        _ => None,
    }
}

/// Texts of whole documents, as producers write them.
fn json_document() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        "-?(0|[1-9][0-9]{0,19})(\\.[0-9]{1,17})?([eE][+-]?[0-9]{1,3})?",
        r#""([a-zé😀 {}\[\],:]|\\\\|\\"|\\n|\\u00e9|\\ud83d\\ude00|\\ud83d|\\ude00){0,8}""#,
        Just("\"Infinity\"".to_owned()),
        Just("true".to_owned()),
        Just("false".to_owned()),
        Just("null".to_owned()),
    ];
    let value = scalar.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5)
                .prop_map(|items| format!("[{}]", items.join(", "))),
            members(inner),
        ]
    });
    members(value)
}

fn members(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    prop::collection::vec(("[a-d_é.$]{0,3}|_id", value), 0..6).prop_map(|members| {
        let members: Vec<String> = members
            .iter()
            .map(|(name, value)| format!("\"{name}\":{value}"))
            .collect();
        format!("{{{}}}", members.join(","))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5000))]
    #[test]
    fn documents_are_read_alike_on_both_ways(text in json_document()) {
        if let Some(bytes) = fast(&text) {
            prop_assert_eq!(bytes, slow(&text).unwrap());
        }
        if let Some(bytes) = fast_connect(&text) {
            prop_assert_eq!(bytes, slow_connect(&text).unwrap());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn any_text_it_takes_is_read_alike(text in r#"\{("[ab_é]{0,2}":("[a\\\\nu0e9"]{0,6}"|-?[0-9]{1,20}|[0-9.eE+-]{1,6}|\[[1, ]{0,4}\]|\{"x":1\}|true|null|x),?){0,4}\}? ?"#) {
        if let Some(bytes) = fast(&text) {
            prop_assert_eq!(bytes, slow(&text).unwrap());
        }
    }
}

/// A row of `RawKind::Document` as the JSON converter makes it of a text.
fn document_row(text: &str) -> Vec<u8> {
    let read = connect_json::read(text.as_bytes(), || None).unwrap();
    let names_nothing = |document: &Document| {
        let text = format!("{document:?}");
        document.keys().all(|name| !name.starts_with('_')) && !text.contains('$')
    };
    match read {
        Bson::Document(document) if names_nothing(&document) => {
            let bytes = document.to_vec().unwrap();
            [&[DOCUMENT], &bytes[4..bytes.len() - 1]].concat()
        }
        _ => text.as_bytes().to_vec(),
    }
}

/// A record with this value, at offset 42 of partition 3.
fn record(text: &str, kind: RawKind) -> RecordBatch {
    let mut column = ByteColumn::new();
    let row = match kind {
        RawKind::Document => document_row(text),
        _ => text.as_bytes().to_vec(),
    };
    column.push(Some(row.into()));
    let origin = TopicPartition::new("t", 3);
    RecordBatch {
        destination: Destination::Uniform(origin.topic.clone()),
        origin,
        first_offset: 42,
        next_offset: 43,
        offsets: vec![42],
        timestamps: vec![0],
        timestamp_type: TimestampType::CreateTime,
        keys: Payload::undecoded(ByteColumn::nulls(1)),
        values: Payload::Raw { column, kind },
        headers: Headers::None,
        permit: None,
        fetched: Default::default(),
    }
}

fn settings(write: &str, ids: &str, overwrite: bool) -> Arc<TopicSettings> {
    let package = "com.mongodb.kafka.connect.sink.";
    let properties = Properties::from_iter([
        ("topics", "t".to_owned()),
        ("database", "d".to_owned()),
        (
            "writemodel.strategy",
            format!("{package}writemodel.strategy.{write}Strategy"),
        ),
        (
            "document.id.strategy",
            format!("{package}processor.id.strategy.{ids}Strategy"),
        ),
        (
            "document.id.strategy.overwrite.existing",
            overwrite.to_string(),
        ),
    ]);
    let (config, _) = MongoConfig::parse(&properties);
    let topics = Topics::new(&properties, &config.unwrap());
    topics.ok().unwrap().get("t").ok().unwrap()
}

const NOW: i64 = 1_700_000_000_123;

/// Compares the statement of a record with that of the long way, if the fast way takes it; tells whether it did.
fn is_alike(settings: &TopicSettings, text: &str, kind: RawKind) -> bool {
    let batch = record(text, kind);
    let mut scratch = RawScratch::default();
    let path = settings.raw.unwrap();
    let Some(fast) = path.statement(&batch, 0, NOW, &mut scratch) else {
        return false;
    };
    // The long way knows elements, too.
    let mut long = vec![batch];
    if kind == RawKind::Document {
        long.push(record(text, RawKind::Json));
    }
    for batch in &long {
        let prepared = statement::prepare(settings, &mut SinkRecord::new(batch, 0), NOW);
        let (_, slow) = prepared.unwrap().unwrap();
        assert_eq!((fast.kind, fast.id), (slow.kind, slow.id), "{text}");
        let tree = |bytes: &[u8]| Document::from_reader(bytes).unwrap();
        let trees = (tree(fast.bytes), tree(&slow.bytes));
        assert_eq!(fast.bytes, slow.bytes, "{text}: {trees:?}");
    }
    true
}

const WRITES: [&str; 4] = [
    "InsertOneDefault",
    "ReplaceOneDefault",
    "UpdateOneDefault",
    "UpdateOneTimestamps",
];

#[test]
fn each_form_of_statement_is_taken_and_is_that_of_the_long_way() {
    for write in WRITES {
        let made = settings(write, "KafkaMetaData", false);
        let brought = settings(write, "ProvidedInValue", false);
        let replaced = settings(write, "KafkaMetaData", true);
        for kind in [RawKind::Json, RawKind::String, RawKind::Document] {
            for text in [r#"{}"#, r#"{"n":1,"m":{"_id":2,"_modifiedTS":3}}"#] {
                assert!(is_alike(&made, text, kind), "{write} {text}");
                assert!(is_alike(&replaced, text, kind), "{write} {text}");
                assert!(!is_alike(&brought, text, kind), "{write} {text}");
            }
            for text in [
                r#"{"_id":7}"#,
                r#"{"_id":{"a":1},"n":[1.5]}"#,
                r#"{"n":1,"_id":"x","z":null}"#,
                r#"{"n":1,"z":2,"_id":null}"#,
            ] {
                assert!(is_alike(&made, text, kind), "{write} {text}");
                assert!(is_alike(&brought, text, kind), "{write} {text}");
                assert!(!is_alike(&replaced, text, kind), "{write} {text}");
            }
            let stamped = r#"{"_modifiedTS":1,"n":1}"#;
            let taken = is_alike(&made, stamped, kind);
            assert_eq!(taken, write != "UpdateOneTimestamps");
        }
    }
}

#[test]
fn an_update_sets_all_but_the_id() {
    let batch = record(r#"{"n":1,"_id":7,"z":2}"#, RawKind::String);
    let mut scratch = RawScratch::default();
    let mut statement = |write| {
        let path = settings(write, "ProvidedInValue", false).raw.unwrap();
        let statement = path.statement(&batch, 0, NOW, &mut scratch).unwrap();
        Document::from_reader(statement.bytes).unwrap()
    };
    let now = bson::DateTime::from_millis(NOW);
    assert_eq!(
        statement("UpdateOneDefault"),
        doc! {"q": {"_id": 7}, "u": {"$set": {"n": 1, "z": 2}}, "upsert": true}
    );
    assert_eq!(
        statement("UpdateOneTimestamps"),
        doc! {
            "q": {"_id": 7},
            "u": {"$set": {"n": 1, "_id": 7, "z": 2, "_modifiedTS": now}, "$setOnInsert": {"_insertedTS": now}},
            "upsert": true,
        }
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn statements_are_those_of_the_long_way(
        text in json_document(), write in 0..WRITES.len(), brings in any::<bool>(), overwrite in any::<bool>(),
    ) {
        let ids = if brings { "ProvidedInValue" } else { "KafkaMetaData" };
        let settings = settings(WRITES[write], ids, overwrite && !brings);
        is_alike(&settings, &text, RawKind::Json);
        is_alike(&settings, &text, RawKind::String);
        if slow_connect(&text).is_some() {
            is_alike(&settings, &text, RawKind::Document);
        }
    }
}
