//! Objects of ParquetFormat, where the recordings have no case.

use crate::support::server::Server;
use crate::{LONG, MIB, batch, partition, start, start_task};
use bytes::Bytes;
use millstream_core::contract::done_to;
use millstream_core::{
    ByteBudget, ByteColumn, ColumnNeed, Decoded, Field, Payload, RawKind, RecordBatch, Schema,
    SchemaRef, SchemaType, Struct, TopicPartition, Value,
};
use parquet::file::reader::{FileReader, SerializedFileReader};
use std::sync::Arc;

const FORMAT: &str = "io.confluent.connect.s3.format.parquet.ParquetFormat";

fn read(object: &Bytes) -> SerializedFileReader<Bytes> {
    SerializedFileReader::new(object.clone()).unwrap()
}

fn of_one_field(name: &str, field: &str, kind: SchemaType) -> SchemaRef {
    let field = Field {
        name: field.to_owned(),
        schema: Arc::new(Schema::of(kind)),
    };
    Arc::new(Schema {
        name: Some(name.to_owned()),
        fields: vec![field],
        ..Schema::of(SchemaType::Struct)
    })
}

fn row(schema: &SchemaRef, value: Value) -> Value {
    Value::Struct(Box::new(Struct {
        schema: Arc::clone(schema),
        values: vec![value],
    }))
}

fn column(rows: Vec<(Option<SchemaRef>, Value)>) -> Payload {
    let raw = ByteColumn::nulls(rows.len());
    let (schemas, values) = rows.into_iter().unzip();
    Payload::Decoded(Decoded {
        schemas,
        values,
        raw,
    })
}

/// As many rows as there are values, from an offset on.
fn decoded(
    origin: TopicPartition,
    first: i64,
    schema: &SchemaRef,
    values: Vec<Value>,
) -> RecordBatch {
    let texts = vec!["v"; values.len()];
    let rows = batch(origin, first, &texts);
    let values = values.into_iter();
    let values = values.map(|value| (Some(Arc::clone(schema)), value));
    RecordBatch {
        values: column(values.collect()),
        ..Arc::into_inner(rows).expect("nobody else has it")
    }
}

#[tokio::test]
async fn a_key_of_another_schema_is_refused_with_its_value() {
    let server = Server::start(true).await;
    let settings = [
        ("flush.size", "2"),
        ("store.kafka.keys", "true"),
        ("keys.format.class", FORMAT),
    ];
    let mut task = start_task(&server, &settings, &ByteBudget::new(64 * MIB), true).await;
    task.open(&[partition(0)]).await.unwrap();
    let (key, other) = (
        of_one_field("K", "id", SchemaType::Int32),
        of_one_field("K", "id", SchemaType::String),
    );
    let mut rows = Arc::into_inner(batch(partition(0), 0, &["a", "b", "c", "d"])).unwrap();
    rows.keys = column(vec![
        (Some(key.clone()), row(&key, Value::Int32(1))),
        (Some(other.clone()), row(&other, "2".into())),
        (None, Value::Int32(3)),
        (Some(key.clone()), row(&key, Value::Int32(4))),
    ]);
    task.put(Arc::new(rows), 0).await.unwrap();
    task.finish(LONG).await.unwrap();
    let progress = task.poll(0).await.unwrap();
    let refused = progress.rejected.iter().map(|row| row.offset);
    assert_eq!(refused.collect::<Vec<_>>(), [1, 2]);
    assert_eq!(done_to(&progress.done), [(partition(0), 4)]);
    let state = server.state();
    let object =
        |name: &str| &state.objects[&format!("topics/t/partition=0/t+0+0000000000{name}")].body;
    assert_eq!(object(".json"), "\"a\"\n\"d\"\n");
    let keys = read(object(".keys.snappy.parquet"));
    let keys = keys.get_row_iter(None).unwrap();
    let keys: Vec<String> = keys.map(|key| key.unwrap().to_string()).collect();
    assert_eq!(keys, ["{key: {id: 1}}", "{key: {id: 4}}"]);
}

/// Hundreds of open files that together are far more than memory: row groups are given out early, and all rows arrive.
#[tokio::test]
async fn many_open_files_need_little_memory() {
    const FILES: i32 = 200;
    const ROUNDS: i64 = 30;
    const ROWS: i64 = 20;
    let server = Server::start(true).await;
    let flush = (ROUNDS * ROWS).to_string();
    let settings = [("format.class", FORMAT), ("flush.size", flush.as_str())];
    let budget = ByteBudget::new(8 * MIB);
    let mut task = start(&server, &settings, &budget).await;
    let all: Vec<_> = (0..FILES).map(partition).collect();
    task.open(&all).await.unwrap();
    let schema = of_one_field("V", "v", SchemaType::String);
    // What does not compress.
    let text = |file: i32, offset: i64| {
        let digits = (0..20u64).map(|index| {
            let seed = offset as u64 * 1000 + index + ((file as u64) << 32);
            format!(
                "{:016x}",
                seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29)
            )
        });
        digits.collect::<String>()
    };
    for round in 0..ROUNDS {
        for file in 0..FILES {
            let offsets = round * ROWS..(round + 1) * ROWS;
            let values = offsets.map(|offset| row(&schema, text(file, offset).into()));
            let rows = decoded(partition(file), round * ROWS, &schema, values.collect());
            let rows = Arc::new(rows);
            while task.put(Arc::clone(&rows), 0).await.is_err() {
                task.finish(LONG).await.unwrap();
            }
        }
    }
    task.finish(LONG).await.unwrap();
    task.poll(0).await.unwrap();
    let state = server.state();
    assert_eq!(state.objects.len(), FILES as usize);
    let mut row_groups = 0;
    for file in 0..FILES {
        let name = format!("topics/t/partition={file}/t+{file}+0000000000.snappy.parquet");
        let object = read(&state.objects[&name].body);
        row_groups += object.metadata().num_row_groups();
        let rows = object.get_row_iter(None).unwrap();
        let rows: Vec<String> = rows.map(|row| row.unwrap().to_string()).collect();
        let expected =
            (0..ROUNDS * ROWS).map(|offset| format!("{{v: \"{}\"}}", text(file, offset)));
        assert!(
            rows.into_iter().eq(expected),
            "{name} does not hold its rows"
        );
    }
    assert!(row_groups > 2 * FILES as usize, "{row_groups} row groups");
}

#[tokio::test]
async fn a_value_without_a_schema_names_the_converter() {
    let server = Server::start(true).await;
    let settings = [("format.class", FORMAT)];
    let mut task = start_task(&server, &settings, &ByteBudget::new(64 * MIB), true).await;
    task.open(&[partition(0)]).await.unwrap();
    let mut rows = Arc::into_inner(batch(partition(0), 0, &["a"])).unwrap();
    rows.values = column(vec![(None, Value::Int32(1))]);
    let error = task.put(Arc::new(rows), 0).await.unwrap_err();
    assert!(
        error
            .message
            .contains("set value.converter to one that gives schemas"),
        "{error}"
    );
}

/// Data stay encoded where nothing but the format looks into values.
#[tokio::test]
async fn who_looks_into_values_takes_no_data_that_stay_encoded() {
    let server = Server::start(true).await;
    let budget = ByteBudget::new(64 * MIB);
    let compatible = ("schema.compatibility", "BACKWARD");
    let by_field = [
        (
            "partitioner.class",
            "io.confluent.connect.storage.partitioner.FieldPartitioner",
        ),
        ("partition.field.name", "f"),
    ];
    for (format, raw) in [
        (
            "io.confluent.connect.s3.format.avro.AvroFormat",
            &[RawKind::String, RawKind::Bytes][..],
        ),
        (FORMAT, &[]),
    ] {
        let format = ("format.class", format);
        for (settings, needed) in [
            (vec![format], ColumnNeed::EncodedOr(raw)),
            (vec![format, compatible], ColumnNeed::RawOr(raw)),
            (vec![format, by_field[0], by_field[1]], ColumnNeed::Decoded),
        ] {
            let task = start_task(&server, &settings, &budget, true).await;
            assert_eq!(task.needs().value, needed, "{settings:?}");
        }
    }
}
