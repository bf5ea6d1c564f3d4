//! The sink against real files: lines, order, full disks, slow pipes.

use super::*;
use bytes::Bytes;
use millstream_core::batch::{Decoded, FetchedColumns};
use millstream_core::value::SchemaAndValue;
use millstream_core::{
    ByteBudget, ByteColumn, Destination, Headers, Payload, SinkErrorKind, Text, TimestampType,
    Value,
};

const NOW: i64 = 1_700_000_000_000;

fn batch(first: i64, values: Payload) -> Arc<RecordBatch> {
    let rows = values.len();
    let offsets: Vec<i64> = (first..first + rows as i64).collect();
    let origin = TopicPartition::new("t", 0);
    Arc::new(RecordBatch {
        destination: Destination::Uniform(origin.topic.clone()),
        origin,
        first_offset: first,
        next_offset: first + rows as i64,
        timestamps: vec![0; rows],
        timestamp_type: TimestampType::CreateTime,
        offsets,
        keys: Payload::undecoded(ByteColumn::nulls(rows)),
        values,
        headers: Headers::None,
        fetched: FetchedColumns::default(),
        permit: None,
    })
}

fn strings(values: &[Option<&'static [u8]>]) -> Payload {
    let mut column = ByteColumn::new();
    for value in values {
        column.push(value.map(Bytes::from_static));
    }
    Payload::Raw {
        column,
        kind: RawKind::String,
    }
}

fn context(retries_outages: bool) -> TaskContext {
    let budget = || ByteBudget::new(1 << 20);
    TaskContext {
        retries_outages,
        ..TaskContext::new("f", 0, budget(), budget())
    }
}

async fn start(file: &str, retries_outages: bool) -> Result<Box<dyn SinkTask>, SinkError> {
    let properties = Properties::from_iter([("file", file)]);
    let context = context(retries_outages);
    FileStreamSinkConnector
        .start_task(&properties, context)
        .await
}

/// What is in the file after these values.
async fn check(values: Payload, expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    let mut task = start(path.to_str().unwrap(), true).await.unwrap();
    let rows = values.len() as i64;
    task.put(batch(7, values), NOW).await.unwrap();
    task.finish(Duration::from_secs(10)).await.unwrap();
    let progress = task.poll(NOW).await.unwrap();
    assert_eq!(progress.done, [(TopicPartition::new("t", 0), 7..7 + rows)]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
}

#[tokio::test]
async fn writes_a_line_for_each_value_as_java_prints_it() {
    check(
        strings(&[Some(b"one"), None, Some(b""), Some("zwölf".as_bytes())]),
        "one\nnull\n\nzwölf\n",
    )
    .await;
    let mut decoded = Decoded::with_capacity(ByteColumn::new());
    let values = [
        Value::Null,
        Value::Float64(1e10),
        Value::String(Text::from_utf16(&[0x41, 0xD800])),
        Value::Array(vec![Value::Int32(1), Value::Boolean(true)]),
    ];
    for value in values {
        decoded.push(SchemaAndValue {
            schema: None,
            value,
        });
    }
    check(Payload::Decoded(decoded), "null\n1.0E10\nA?\n[1, true]\n").await;
}

/// The twin of the fast path: what is malformed is replaced value by value.
#[tokio::test]
async fn a_value_that_is_cut_short_does_not_touch_the_next() {
    check(
        strings(&[Some(b"a\xC3"), Some(b"\xA4b"), Some(b"c")]),
        "a\u{FFFD}\n\u{FFFD}b\nc\n",
    )
    .await;
}

#[tokio::test]
async fn appends_to_what_is_there_in_the_order_of_the_batches() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    std::fs::write(&path, "zero\n").unwrap();
    let mut task = start(path.to_str().unwrap(), true).await.unwrap();
    let mut done = Vec::new();
    for (row, text) in [b"one", b"two"].into_iter().enumerate() {
        let values = strings(&[Some(text)]);
        task.put(batch(row as i64, values), NOW).await.unwrap();
        done.extend(task.poll(NOW).await.unwrap().done);
    }
    task.finish(Duration::from_secs(10)).await.unwrap();
    done.extend(task.poll(NOW).await.unwrap().done);
    let origin = || TopicPartition::new("t", 0);
    assert_eq!(done, [(origin(), 0..1), (origin(), 1..2)]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "zero\none\ntwo\n");
}

/// Java's `PrintStream` drops what it cannot write, and the offsets are committed all the same.
#[tokio::test]
async fn a_full_disk_holds_the_rows_back() {
    let mut task = start("/dev/full", true).await.unwrap();
    let origin = TopicPartition::new("t", 0);
    task.put(batch(0, strings(&[Some(b"one")])), NOW)
        .await
        .unwrap();
    for later in [0, 1_000] {
        task.progressed().await;
        let error = task.poll(NOW + later).await.unwrap_err();
        let kind = SinkErrorKind::Retriable {
            after: RETRY_PAUSE,
            since: Some(NOW),
        };
        assert_eq!(error.kind, kind);
        assert!(error.message.starts_with("cannot write to /dev/full: "));
    }
    let again = batch(1, strings(&[Some(b"two")]));
    task.put(again, NOW).await.unwrap_err();
    task.close(&[origin]).await;
    let mut task = start("/dev/full", false).await.unwrap();
    task.put(batch(0, strings(&[Some(b"one")])), NOW)
        .await
        .unwrap();
    task.progressed().await;
    let error = task.poll(NOW).await.unwrap_err();
    assert_eq!(error.kind, SinkErrorKind::Fatal);
}

#[tokio::test]
async fn a_file_that_cannot_be_made_ends_the_start() {
    let error = start("/no/such/folder/out", true).await.map(|_| ());
    let error = error.unwrap_err();
    assert_eq!(
        error.to_string(),
        "Couldn't find or create file '/no/such/folder/out' for FileStreamSinkTask"
    );
    let cause = error.source.unwrap();
    let cause = cause
        .downcast_ref::<millstream_core::RecordError>()
        .unwrap();
    assert_eq!(cause.class, "java.nio.file.NoSuchFileException");
}

/// A pipe that nobody reads takes so much and no more.
#[tokio::test]
async fn what_a_pipe_does_not_take_is_waited_for_within_bounds() {
    let (_reader, writer) = std::io::pipe().unwrap();
    let output = Output::new(Box::new(writer));
    let context = TaskContext {
        longest_put: Duration::from_millis(20),
        ..context(true)
    };
    let mut task = FileStreamSinkTask::new("a pipe".to_owned(), output, context);
    static LONG: [u8; 200_000] = [b'x'; 200_000];
    task.put(batch(0, strings(&[Some(&LONG)])), NOW)
        .await
        .unwrap();
    let again = task.put(batch(1, strings(&[Some(b"y")])), NOW).await;
    assert!(matches!(
        again.unwrap_err().kind,
        SinkErrorKind::Retriable { .. }
    ));
    assert!(task.poll(NOW).await.unwrap().done.is_empty());
    task.finish(Duration::from_millis(1)).await.unwrap_err();
}
