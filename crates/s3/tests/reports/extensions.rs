//! What the sink does on request and its original does not.

use crate::support::server::Server;
use crate::{LONG, MIB, batch, least, partition, start, start_task};
use bytes::Bytes;
use millstream_core::contract::done_to;
use millstream_core::{
    ByteBudget, ByteColumn, Connector, Decoded, Field, Map, Payload, Properties, RawKind,
    RecordBatch, Schema, SchemaAndValue, SchemaType, Struct, Value,
};
use millstream_s3::S3SinkConnector;
use std::sync::Arc;

const FORMAT: &str = "format.class";
const AVRO: &str = "io.confluent.connect.s3.format.avro.AvroFormat";
const PARQUET: &str = "io.confluent.connect.s3.format.parquet.ParquetFormat";

/// The objects' names after the folder of the topic, without their extensions.
pub(super) fn names(server: &Server) -> Vec<String> {
    let state = server.state();
    let names = state.objects.keys();
    names
        .map(|key| {
            let name = key.trim_start_matches("topics/t/");
            let extensions = [".json.gz", ".json", ".avro", ".snappy.parquet"];
            let cut = extensions.iter().find_map(|end| name.strip_suffix(end));
            cut.unwrap_or(name).to_owned()
        })
        .collect()
}

fn object(offset: i64) -> String {
    format!("partition=0/t+0+{offset:010}")
}

/// Structs of one text.
fn structs(first: i64, texts: &[&str]) -> Arc<RecordBatch> {
    let schema = Arc::new(Schema {
        name: Some("Row".to_owned()),
        fields: vec![Field {
            name: "text".to_owned(),
            schema: Arc::new(Schema::of(SchemaType::String)),
        }],
        ..Schema::of(SchemaType::Struct)
    });
    let value = |text: &&str| {
        Value::Struct(Box::new(Struct {
            schema: Arc::clone(&schema),
            values: vec![Value::from(*text)],
        }))
    };
    let rows = texts.iter().map(|text| SchemaAndValue {
        schema: Some(Arc::clone(&schema)),
        value: value(text),
    });
    decoded(first, rows.collect())
}

pub(super) fn decoded(first: i64, rows: Vec<SchemaAndValue>) -> Arc<RecordBatch> {
    let texts = vec![""; rows.len()];
    let mut batch = Arc::into_inner(batch(partition(0), first, &texts)).unwrap();
    let mut values = Decoded::with_capacity(ByteColumn::nulls(rows.len()));
    for row in rows {
        values.push(row);
    }
    batch.values = Payload::Decoded(values);
    Arc::new(batch)
}

/// What an object holds follows from the records, not from how they come or how they are compressed.
#[tokio::test]
async fn objects_are_closed_once_their_records_have_so_many_bytes() {
    // Ten bytes of each record make three of them 30, one way or another.
    let gzip = ("s3.compression.type", "gzip");
    let snappy = ("avro.codec", "snappy");
    let cases: [(&str, &[(&str, &str)], &str, bool); 5] = [
        ("lines", &[], "1234567", false),
        ("compressed lines", &[gzip], "1234567", false),
        ("avro", &[(FORMAT, AVRO)], "123456789", true),
        (
            "avro, compressed",
            &[(FORMAT, AVRO), snappy],
            "123456789",
            true,
        ),
        ("parquet", &[(FORMAT, PARQUET)], "123456", true),
    ];
    for (what, settings, text, is_struct) in cases {
        for step in [8, 3, 1] {
            let server = Server::start(true).await;
            let mut settings = settings.to_vec();
            settings.extend([("millstream.s3.rotate.bytes", "30"), ("flush.size", "1000")]);
            let mut task = start(&server, &settings, &ByteBudget::new(64 * MIB)).await;
            task.open(&[partition(0)]).await.unwrap();
            for first in (0..8).step_by(step) {
                let texts = vec![text; step.min(8 - first)];
                let rows = match is_struct {
                    true => structs(first as i64, &texts),
                    false => batch(partition(0), first as i64, &texts),
                };
                task.put(rows, 0).await.unwrap();
            }
            task.finish(LONG).await.unwrap();
            let progress = task.poll(0).await.unwrap();
            assert_eq!(names(&server), [object(0), object(3)], "{what} by {step}");
            assert_eq!(done_to(&progress.done), [(partition(0), 6)], "{what}");
        }
    }
}

/// A record that alone is larger has an object of its own; the number of records stays a bound.
#[tokio::test]
async fn a_large_record_and_the_flush_size_close_objects_as_well() {
    let server = Server::start(true).await;
    let settings = [("millstream.s3.rotate.bytes", "20"), ("flush.size", "3")];
    let mut task = start(&server, &settings, &ByteBudget::new(64 * MIB)).await;
    task.open(&[partition(0)]).await.unwrap();
    let large = "x".repeat(100);
    let rows = batch(partition(0), 0, &[&large, &large, "a", "b", "c", "d"]);
    task.put(rows, 0).await.unwrap();
    task.finish(LONG).await.unwrap();
    assert_eq!(names(&server), [object(0), object(1), object(2)]);
}

#[tokio::test]
async fn objects_are_closed_that_wait_too_long_for_a_record() {
    let server = Server::start(true).await;
    let settings = [
        ("millstream.s3.rotate.idle.ms", "5000"),
        ("flush.size", "1000"),
    ];
    let mut task = start(&server, &settings, &ByteBudget::new(64 * MIB)).await;
    let begin = 1_000_000;
    task.poll(begin).await.unwrap();
    task.open(&[partition(0)]).await.unwrap();
    assert_eq!(task.next_due(), None);
    task.put(batch(partition(0), 0, &["a"]), begin)
        .await
        .unwrap();
    assert_eq!(task.next_due(), Some(begin + 5000));
    // A further record begins the wait anew.
    task.put(batch(partition(0), 1, &["b"]), begin + 4000)
        .await
        .unwrap();
    task.poll(begin + 8999).await.unwrap();
    assert_eq!(task.next_due(), Some(begin + 9000));
    task.poll(begin + 9000).await.unwrap();
    task.finish(LONG).await.unwrap();
    let progress = task.poll(begin + 9000).await.unwrap();
    assert_eq!(done_to(&progress.done), [(partition(0), 2)]);
    assert_eq!((names(&server), task.next_due()), (vec![object(0)], None));

    // A clock that went ahead once holds nothing open until then.
    task.put(batch(partition(0), 2, &["c"]), begin + 86_400_000)
        .await
        .unwrap();
    task.put(batch(partition(0), 3, &["d"]), begin + 20_000)
        .await
        .unwrap();
    assert_eq!(task.next_due(), Some(begin + 25_000));
}

fn map(pairs: &[(&str, Value)]) -> Value {
    let pairs = pairs.iter();
    Value::Map(Map::hashed(
        pairs.map(|(key, value)| (Value::from(*key), value.clone())),
    ))
}

#[tokio::test]
async fn fields_name_folders_without_a_schema_and_before_the_time() {
    let field = [
        (
            "partitioner.class",
            "io.confluent.connect.storage.partitioner.FieldPartitioner",
        ),
        ("partition.field.name", "region,at.shop"),
    ];
    let daily = [
        (
            "partitioner.class",
            "io.confluent.connect.storage.partitioner.DailyPartitioner",
        ),
        ("timestamp.extractor", "Record"),
        ("locale", "en"),
        ("timezone", "UTC"),
        ("millstream.s3.partition.fields", "region,at.shop"),
    ];
    let schemaless = ("millstream.s3.partition.schemaless", "true");
    let at = |shop: Value| map(&[("shop", shop)]);
    let whole = map(&[("region", Value::from("eu")), ("at", at(Value::Int64(7)))]);
    let cases = [
        (field.to_vec(), whole.clone(), Ok("region=eu/at.shop=7/")),
        (
            field.to_vec(),
            map(&[("region", Value::Boolean(true)), ("at", Value::Null)]),
            Ok("region=true/at.shop=null/"),
        ),
        (field.to_vec(), map(&[]), Ok("region=null/at.shop=null/")),
        (
            field.to_vec(),
            map(&[("region", Value::Float64(1.5))]),
            Err("Error encoding partition."),
        ),
        (
            field.to_vec(),
            Value::from("text"),
            Err("Error encoding partition."),
        ),
        (
            daily.to_vec(),
            whole,
            Ok("region=eu/at.shop=7/year=1970/month=01/day=01/"),
        ),
    ];
    for (mut settings, value, expected) in cases {
        let server = Server::start(true).await;
        settings.extend([schemaless, ("flush.size", "1")]);
        let budget = ByteBudget::new(64 * MIB);
        let mut task = start_task(&server, &settings, &budget, false).await;
        task.open(&[partition(0)]).await.unwrap();
        let row = SchemaAndValue {
            schema: None,
            value: value.clone(),
        };
        let put = task.put(decoded(0, vec![row]), 0).await;
        match expected {
            Ok(folder) => {
                put.unwrap();
                task.finish(LONG).await.unwrap();
                let name = format!("{folder}t+0+0000000000");
                assert_eq!(names(&server), [name], "{value:?}");
            }
            Err(why) => assert!(put.unwrap_err().message.contains(why), "{value:?}"),
        }
    }
}

/// Rows behind the last one that is stored, and the marker of a transaction.
#[tokio::test]
async fn offsets_of_which_nothing_is_to_be_stored_are_done_on_request() {
    for (is_asked, done) in [("false", 3), ("true", 6)] {
        let server = Server::start(true).await;
        let settings = [
            ("behavior.on.null.values", "ignore"),
            ("millstream.s3.commit.frontier", is_asked),
        ];
        let mut task = start(&server, &settings, &ByteBudget::new(64 * MIB)).await;
        task.open(&[partition(0)]).await.unwrap();
        let mut rows = Arc::into_inner(batch(partition(0), 0, &["a", "b", "c", "", ""])).unwrap();
        let mut column = ByteColumn::new();
        for text in [Some("a"), Some("b"), Some("c"), None, None] {
            column.push(text.map(|text| Bytes::copy_from_slice(text.as_bytes())));
        }
        rows.values = Payload::Raw {
            column,
            kind: RawKind::String,
        };
        rows.next_offset = 6;
        task.put(Arc::new(rows), 0).await.unwrap();
        task.finish(LONG).await.unwrap();
        let mut ranges = task.poll(0).await.unwrap().done;
        ranges.sort_by_key(|(_, rows)| rows.start);
        assert_eq!(done_to(&ranges), [(partition(0), done)]);
        // While something is open, nothing behind it is done.
        let rows = batch(partition(0), 6, &["d"]);
        task.put(rows, 0).await.unwrap();
        assert!(task.poll(0).await.unwrap().done.is_empty());
    }
}

#[test]
fn settings_that_do_not_go_together_are_refused() {
    let cases = [
        ("millstream.s3.rotate.bytes", "-1", "at least 0"),
        ("millstream.s3.rotate.idle.ms", "soon", "Not a number"),
        ("millstream.s3.partition.fields", "a", "time-based"),
        ("millstream.s3.partition.fields", "a,a", "duplicate"),
        ("millstream.s3.zstd.level", "20", "no more than 19"),
        (
            "millstream.s3.rotate.grace.ms",
            "60000",
            "rotate.interval.ms",
        ),
        ("millstream.s3.rotate.grace.ms", "-1", "at least 0"),
    ];
    for (key, value, why) in cases {
        let mut properties = least();
        properties.insert(key, value);
        let values = S3SinkConnector.validate(&properties);
        let own = values.iter().find(|value| value.name == key).unwrap();
        let errors = own.errors.join("; ");
        assert!(errors.contains(why), "{key}={value}: {errors}");
    }
}

#[test]
fn settings_that_do_not_go_with_others_are_refused() {
    let cases = [
        (
            "millstream.s3.zstd.level",
            "3",
            ("s3.compression.type", "gzip"),
            "remove one of them",
        ),
        (
            "millstream.s3.zstd.level",
            "3",
            (FORMAT, AVRO),
            "format.class is another",
        ),
        (
            "millstream.s3.envelope",
            "true",
            (FORMAT, PARQUET),
            "format.json.JsonFormat",
        ),
        (
            "millstream.s3.envelope",
            "true",
            ("schema.compatibility", "FULL"),
            "set schema.compatibility to NONE",
        ),
        (
            "millstream.s3.file.per.schema",
            "true",
            ("schema.compatibility", "BACKWARD"),
            "set schema.compatibility to NONE",
        ),
    ];
    for (key, value, (other, is), why) in cases {
        let mut properties = least();
        properties.insert(key, value);
        let errors = |properties: &Properties| {
            let values = S3SinkConnector.validate(properties);
            let own = values.iter().find(|value| value.name == key).unwrap();
            own.errors.join("; ")
        };
        assert_eq!(errors(&properties), "", "{key}");
        properties.insert(other, is);
        let errors = errors(&properties);
        assert!(errors.contains(why), "{key}={value}: {errors}");
    }
}
