//! Errors: where a record was, what is wrong with it, and nothing of what it holds; sizes are known before anything
//! is sent.

use super::{PACKAGE, rig, texts, whole};
use crate::support::rig::{Fed, feed, raw_batch};
use bson::doc;
use bytes::Bytes;
use millstream_core::{ByteColumn, Payload, RawKind, RecordBatch};
use millstream_embedded::documents::DocumentFaultAction;
use std::sync::Arc;

const SECRET: &str = "SECRETVALUE";
const MAX: usize = 16 * 1024 * 1024;

/// A batch of texts as values and as keys.
fn keyed(rows: &[(&str, &str)]) -> Arc<RecordBatch> {
    let values: Vec<Option<&[u8]>> = rows
        .iter()
        .map(|(_, value)| Some(value.as_bytes()))
        .collect();
    let mut batch = raw_batch("orders", 0, &values, RawKind::String);
    let mut keys = ByteColumn::new();
    for (key, _) in rows {
        keys.push(Some(Bytes::copy_from_slice(key.as_bytes())));
    }
    batch.keys = Payload::Raw {
        column: keys,
        kind: RawKind::String,
    };
    Arc::new(batch)
}

fn full_key() -> String {
    format!("{PACKAGE}processor.id.strategy.FullKeyStrategy")
}

async fn fails(settings: &[(&str, &str)], rows: &[(&str, &str)]) -> String {
    let rig = rig(settings).await;
    let mut task = rig.start(false).await.unwrap();
    let fed = feed(task.as_mut(), vec![keyed(rows)]).await;
    whole(&fed.error.unwrap())
}

#[tokio::test]
async fn report_b8_errors_show_places_and_types_and_no_content() {
    let keys = full_key();
    let long = SECRET.repeat(80_000);
    let uuids = format!("{PACKAGE}processor.id.strategy.UuidProvidedInValueStrategy");
    let mapper = format!("{PACKAGE}namespace.mapping.FieldPathNamespaceMapper");
    let by_field = [
        ("namespace.mapper", mapper.as_str()),
        ("namespace.mapper.value.collection.field", "x"),
        ("namespace.mapper.error.if.invalid", "true"),
    ];
    let inserts = format!("{PACKAGE}writemodel.strategy.InsertOneDefaultStrategy");
    let duplicate = format!(r#"{{"_id":"{SECRET}"}}"#);
    let by_uuid = [
        ("document.id.strategy", uuids.as_str()),
        ("document.id.strategy.overwrite.existing", "true"),
    ];
    for (settings, rows, expected) in [
        (
            &[][..],
            vec![("k", SECRET)],
            "Could not convert value (java.lang.String)",
        ),
        (
            &[],
            vec![("k", "\"SECRETVALUE\"")],
            "CurrentBSONType is STRING",
        ),
        (&[], vec![("k", long.as_str())], "Could not convert value"),
        (
            &[("document.id.strategy", keys.as_str())],
            vec![(SECRET, "{}")],
            "Could not convert key (java.lang.String)",
        ),
        (
            &by_uuid,
            vec![("k", duplicate.as_str())],
            "UUID cannot be constructed",
        ),
        (
            &by_field,
            vec![("k", r#"{"x":1,"y":"SECRETVALUE"}"#)],
            "INT32 field path 'x'",
        ),
        (
            &by_field,
            vec![("k", r#"{"y":"SECRETVALUE"}"#)],
            "Missing document path 'x'",
        ),
        (
            &[("writemodel.strategy", inserts.as_str())],
            vec![("k", duplicate.as_str()), ("k", duplicate.as_str())],
            "E11000 duplicate key error in index _id_ of shop.orders",
        ),
    ] {
        let error = fails(settings, &rows).await;
        assert!(error.contains(expected), "{error}");
        assert!(
            error.contains("topic orders, partition 0, offset "),
            "{error}"
        );
        assert!(!error.contains(SECRET) && error.len() < 1000, "{error}");
    }
}

#[tokio::test]
async fn report_b8_whoever_asks_for_them_gets_the_original_s_texts() {
    let mut rig = rig(&[]).await;
    rig.shows_content = true;
    let mut task = rig.start(false).await.unwrap();
    let fed = feed(task.as_mut(), vec![keyed(&[("k", SECRET)])]).await;
    let error = fed.error.unwrap();
    assert_eq!(
        error.message,
        "Could not convert value 'SECRETVALUE' (java.lang.String) into a BsonDocument."
    );
    assert!(whole(&error).contains("offset 0"), "{error}");
}

/// Nothing is made of such a record that its key could be wrong for.
#[tokio::test]
async fn a_record_without_a_value_and_a_namespace_has_no_write_model() {
    let keys = full_key();
    let mapper = format!("{PACKAGE}namespace.mapping.FieldPathNamespaceMapper");
    let rig = rig(&[
        ("document.id.strategy", keys.as_str()),
        ("namespace.mapper", mapper.as_str()),
        ("namespace.mapper.value.collection.field", "x"),
        ("namespace.mapper.error.if.invalid", "true"),
        ("errors.tolerance", "all"),
    ])
    .await;
    let mut task = rig.start(true).await.unwrap();
    let mut batch = Arc::into_inner(keyed(&[("no document", "")])).unwrap();
    batch.values = raw_batch("orders", 0, &[None], RawKind::String).values;
    let fed = feed(task.as_mut(), vec![Arc::new(batch)]).await;
    let found: Vec<&str> = fed
        .rejected
        .iter()
        .map(|row| row.error.message.as_str())
        .collect();
    assert_eq!(found, ["Could not create write model"]);
}

/// A record that has no namespace and no key either: the original reports what it finds last, where it goes on after the
/// first.
#[tokio::test]
async fn the_last_of_two_errors_of_a_record_is_reported_where_errors_are_tolerated() {
    let ids = |name: &str| format!("{PACKAGE}processor.id.strategy.{name}");
    let mapper = format!("{PACKAGE}namespace.mapping.FieldPathNamespaceMapper");
    let settings = |tolerance, strategy: &str| {
        [
            ("document.id.strategy", ids(strategy)),
            ("namespace.mapper", mapper.clone()),
            ("namespace.mapper.value.collection.field", "x".to_owned()),
            ("namespace.mapper.error.if.invalid", "true".to_owned()),
            ("errors.tolerance", String::from(tolerance)),
            (
                "document.id.strategy.partial.key.projection.type",
                "allowlist".to_owned(),
            ),
            (
                "document.id.strategy.partial.key.projection.list",
                "k".to_owned(),
            ),
        ]
    };
    let rows = [("no document", "{}"), ("{\"k\":1}", "{}")];
    for (tolerance, strategy, expected) in [
        (
            "all",
            "PartialKeyStrategy",
            vec![
                "Could not convert key (java.lang.String) into a BsonDocument.",
                "Missing document path 'x'",
            ],
        ),
        (
            "none",
            "PartialKeyStrategy",
            vec!["Missing document path 'x'"],
        ),
        // The original converts such a key only when it sends the statement.
        (
            "all",
            "FullKeyStrategy",
            vec!["Missing document path 'x'", "Missing document path 'x'"],
        ),
    ] {
        let settings = settings(tolerance, strategy);
        let settings: Vec<(&str, &str)> = settings.iter().map(|(k, v)| (*k, v.as_str())).collect();
        let rig = rig(&settings).await;
        let mut task = rig.start(true).await.unwrap();
        let fed = feed(task.as_mut(), vec![keyed(&rows)]).await;
        let mut found: Vec<String> = fed
            .rejected
            .iter()
            .map(|row| row.error.message.clone())
            .collect();
        found.extend(fed.error.map(|error| error.message));
        assert_eq!(found, expected, "{tolerance} {strategy}");
    }
}

#[tokio::test]
async fn report_f20_each_bad_key_is_reported() {
    let keys = full_key();
    let rig = rig(&[
        ("document.id.strategy", keys.as_str()),
        ("errors.tolerance", "all"),
    ])
    .await;
    let mut task = rig.start(true).await.unwrap();
    let rows = [
        ("{\"k\":1}", "{\"n\":1}"),
        ("text", "{\"n\":2}"),
        ("more", "{\"n\":3}"),
    ];
    let fed = feed(task.as_mut(), vec![keyed(&rows)]).await;
    assert!(fed.error.is_none(), "{:?}", fed.error);
    let offsets: Vec<i64> = fed.rejected.iter().map(|row| row.offset).collect();
    assert_eq!(offsets, [1, 2]);
    let java = fed.rejected[1].error.java_message();
    assert!(java.contains("'more'"), "{java}");
    assert_eq!(rig.documents("shop", "orders").await.len(), 1);
}

/// Feeds a document of this size and tells what was reported, and how many writes were sent.
async fn sized(size: usize, strategy: &str) -> (Fed, usize) {
    let class = format!("{PACKAGE}writemodel.strategy.{strategy}");
    let rig = rig(&[
        ("writemodel.strategy", class.as_str()),
        ("errors.tolerance", "all"),
    ])
    .await;
    for command in ["insert", "update"] {
        let answer = doc! {"n": 1, "ok": 1.0};
        rig.proxy
            .break_all(command, DocumentFaultAction::ReplaceReply(answer));
    }
    let mut task = rig.start(true).await.unwrap();
    // Length, type, name and value of `_id`, type and name of `t`, its length, its end, the end.
    let around = 4 + (1 + 4 + 4) + (1 + 2) + 4 + 1 + 1;
    let text = format!(r#"{{"_id":1,"t":"{}"}}"#, "x".repeat(size - around));
    let fed = feed(task.as_mut(), vec![texts(3, &[text])]).await;
    assert!(fed.error.is_none(), "{:?}", fed.error);
    (fed, rig.sent("insert") + rig.sent("update"))
}

#[tokio::test]
async fn report_b7_a_document_is_measured_before_it_is_sent() {
    for strategy in [
        "InsertOneDefaultStrategy",
        "ReplaceOneDefaultStrategy",
        "UpdateOneDefaultStrategy",
    ] {
        let (fed, sent) = sized(MAX, strategy).await;
        assert_eq!((fed.rejected.len(), sent), (0, 1), "{strategy}");
        let (fed, sent) = sized(MAX + 1, strategy).await;
        let row = &fed.rejected[0];
        assert_eq!((row.offset, sent), (3, 0), "{strategy}");
        assert_eq!(
            (row.error.class, row.error.message.as_str()),
            (
                "org.bson.BsonMaximumSizeExceededException",
                "Document size of 16777217 is larger than maximum of 16777216."
            )
        );
    }
}
