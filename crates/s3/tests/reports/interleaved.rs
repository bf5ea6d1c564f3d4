//! Records of several schemas that take turns, and records that are late.

use super::extensions::{decoded, names};
use crate::support::server::Server;
use crate::{LONG, MIB, batch, partition, start};
use millstream_core::contract::done_to;
use millstream_core::{
    ByteBudget, Field, RecordBatch, Schema, SchemaAndValue, SchemaType, Struct, Value,
};
use std::sync::Arc;

/// A row of one of two versions of a schema.
fn row(version: usize, text: &str) -> SchemaAndValue {
    let field = |name: &str| Field {
        name: name.to_owned(),
        schema: Arc::new(Schema::of(SchemaType::String)),
    };
    let names = ["text", "more"];
    let schema = Arc::new(Schema {
        name: Some("Row".to_owned()),
        version: i32::try_from(version).ok(),
        fields: names[..version].iter().map(|name| field(name)).collect(),
        ..Schema::of(SchemaType::Struct)
    });
    let value = Value::Struct(Box::new(Struct {
        schema: Arc::clone(&schema),
        values: vec![Value::from(text); version],
    }));
    SchemaAndValue {
        schema: Some(schema),
        value,
    }
}

fn turns(first: i64, versions: &[usize]) -> Arc<RecordBatch> {
    let rows = versions.iter().zip(first..);
    decoded(
        first,
        rows.map(|(version, offset)| row(*version, &offset.to_string()))
            .collect(),
    )
}

/// The texts of each object, by its first offset.
fn texts(server: &Server) -> Vec<(String, Vec<String>)> {
    let state = server.state();
    let objects = state.objects.iter().map(|(key, object)| {
        let lines = object.body.split(|&byte| byte == b'\n');
        let texts = lines.filter(|line| !line.is_empty()).map(|line| {
            let row: serde_json::Value = serde_json::from_slice(line).unwrap();
            row["text"].as_str().unwrap().to_owned()
        });
        let start = key.trim_end_matches(".json").rsplit('+').next().unwrap();
        (start.trim_start_matches('0').to_owned(), texts.collect())
    });
    objects.collect()
}

#[tokio::test]
async fn each_schema_has_a_file_where_that_is_asked_for() {
    let per_schema = ("millstream.s3.file.per.schema", "true");
    for step in [1, 2, 6] {
        let server = Server::start(true).await;
        let settings = [per_schema, ("flush.size", "6")];
        let mut task = start(&server, &settings, &ByteBudget::new(64 * MIB)).await;
        task.open(&[partition(0)]).await.unwrap();
        let versions = [1, 2, 1, 2, 2, 1];
        for (first, rows) in (0..).step_by(step).zip(versions.chunks(step)) {
            assert!(task.poll(0).await.unwrap().done.is_empty());
            task.put(turns(first, rows), 0).await.unwrap();
        }
        task.finish(LONG).await.unwrap();
        let progress = task.poll(0).await.unwrap();
        assert_eq!(done_to(&progress.done), [(partition(0), 6)], "by {step}");
        let of = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        let expected: [(String, Vec<String>); 2] = [
            (String::new(), of(&["0", "2", "5"])),
            ("1".to_owned(), of(&["1", "3", "4"])),
        ];
        assert_eq!(texts(&server), expected, "by {step}");
    }
    // Without it each change closes a file.
    let server = Server::start(true).await;
    let settings = [("flush.size", "6")];
    let mut task = start(&server, &settings, &ByteBudget::new(64 * MIB)).await;
    task.open(&[partition(0)]).await.unwrap();
    task.put(turns(0, &[1, 2, 1, 2, 2, 1]), 0).await.unwrap();
    task.finish(LONG).await.unwrap();
    assert_eq!(server.state().objects.len(), 4);
}

/// Nothing is committed of the rows of one file while another with rows before them is open.
#[tokio::test]
async fn what_a_bound_of_open_files_closes_it_closes_whole() {
    let server = Server::start(true).await;
    let settings = [
        ("millstream.s3.file.per.schema", "true"),
        ("partitioner.max.open.files", "1"),
        ("flush.size", "100"),
    ];
    let mut task = start(&server, &settings, &ByteBudget::new(64 * MIB)).await;
    task.open(&[partition(0)]).await.unwrap();
    task.put(turns(0, &[1, 1, 2, 2, 1]), 0).await.unwrap();
    task.finish(LONG).await.unwrap();
    let progress = task.poll(0).await.unwrap();
    assert_eq!(done_to(&progress.done), [(partition(0), 4)]);
    assert_eq!(server.state().objects.len(), 2);
}

const HOUR: i64 = 3_600_000;
const MINUTE: i64 = 60_000;

/// Texts of records at so many milliseconds after ten o'clock.
fn at(first: i64, times: &[i64]) -> Arc<RecordBatch> {
    let texts = vec!["x"; times.len()];
    let mut batch = Arc::into_inner(batch(partition(0), first, &texts)).unwrap();
    batch.timestamps = times.iter().map(|time| 10 * HOUR + time).collect();
    Arc::new(batch)
}

async fn hourly(grace: &str, times: &[i64]) -> Vec<String> {
    let mut found: Option<Vec<String>> = None;
    // What an object holds follows from the records, not from how they come.
    for step in [times.len(), 2, 1] {
        let server = Server::start(true).await;
        let settings = [
            (
                "partitioner.class",
                "io.confluent.connect.storage.partitioner.HourlyPartitioner",
            ),
            ("timestamp.extractor", "Record"),
            ("locale", "en"),
            ("timezone", "UTC"),
            ("rotate.interval.ms", "3600000"),
            ("millstream.s3.rotate.grace.ms", grace),
            ("flush.size", "100"),
        ];
        let mut task = start(&server, &settings, &ByteBudget::new(64 * MIB)).await;
        task.open(&[partition(0)]).await.unwrap();
        for (first, times) in (0..).step_by(step).zip(times.chunks(step)) {
            task.put(at(first, times), 0).await.unwrap();
        }
        task.finish(LONG).await.unwrap();
        let short = |name: &String| {
            let (folder, start) = name.rsplit_once("/t+0+").unwrap();
            let hour = folder.rsplit_once("hour=").unwrap().1;
            format!("{hour}/{}", start.trim_start_matches('0'))
        };
        let names: Vec<String> = names(&server).iter().map(short).collect();
        assert!(found.as_ref().is_none_or(|found| *found == names), "{step}");
        found = Some(names);
    }
    found.unwrap()
}

#[tokio::test]
async fn late_records_join_the_file_of_their_hour_within_the_grace() {
    let times = [
        50 * MINUTE,
        HOUR + 1,
        HOUR - 2,
        HOUR + 3,
        HOUR - 1,
        HOUR + 5 * MINUTE,
        HOUR + 6 * MINUTE,
        HOUR + 10 * MINUTE,
        HOUR + 11 * MINUTE,
    ];
    // Ten o'clock's file closes at the first change of the folder, and so does each that is made afterwards.
    assert_eq!(
        hourly("0", &times).await,
        ["10/", "10/2", "10/4", "11/1", "11/3"]
    );
    // With five minutes both stay open, and the record behind those begins anew.
    assert_eq!(hourly("300000", &times).await, ["10/", "11/1"]);
    // What is later than the grace makes a file of its own.
    let late = [&times[..], &[HOUR - 1, 2 * HOUR + 30 * MINUTE]].concat();
    assert_eq!(
        hourly("300000", &late).await,
        ["10/", "10/9", "11/1", "11/6"]
    );
    // A time far ahead, in a folder of the next year, holds nothing open until then.
    let ahead = [365 * 24 * HOUR, 0, 1, 2 * HOUR];
    assert_eq!(hourly("300000", &ahead).await, ["10/1", "10/"]);
}
