//! The ledger of the S3 sink, seen by its tasks: what one of them has stored and its queue has not been told of is known to
//! another to which those messages come again.

use crate::stage::Stage;
use millstream_core::{
    ByteBudget, ByteColumn, Destination, FetchedColumns, Headers, MessageId, Messages, Payload,
    Properties, QueueContext, RawKind, RecordBatch, SettledOffsets, SinkConnector, SinkError,
    SinkErrorKind, SinkTask, TaskContext, TimestampType, TopicPartition,
};
use millstream_s3::S3SinkConnector;
use std::sync::Arc;
use std::time::Duration;

/// When all of it happens, epoch milliseconds.
const NOW: i64 = 1_700_000_000_000;

const LONG: Duration = Duration::from_secs(20);

/// A task over the stage's S3, and the queue that it hears of.
struct Task {
    sink: Box<dyn SinkTask>,
    origin: TopicPartition,
    settled: Arc<SettledOffsets>,
}

impl Task {
    async fn start(stage: &Stage, number: u32) -> Self {
        let config = stage.archive_config(&[("flush.size", "3"), ("input.type", "sqs")]);
        let fields = config.as_object().unwrap().iter();
        let text = |value: &serde_json::Value| match value.as_str() {
            Some(text) => text.to_owned(),
            None => value.to_string(),
        };
        let properties: Properties = fields.map(|(key, value)| (key, text(value))).collect();
        let budget = || ByteBudget::new(1 << 26);
        let settled = Arc::new(SettledOffsets::default());
        let context = TaskContext {
            queue: Some(QueueContext {
                has_ledger: true,
                started: NOW,
                settled: Arc::clone(&settled),
                meters: Arc::default(),
            }),
            ..TaskContext::new("archive", number, budget(), budget())
        };
        let started = S3SinkConnector.start_task(&properties, context).await;
        let mut sink = started.unwrap();
        let origin = TopicPartition::new("orders", i32::try_from(number).unwrap());
        sink.open(std::slice::from_ref(&origin)).await.unwrap();
        Task {
            sink,
            origin,
            settled,
        }
    }

    /// Gives it messages with these ids, from this offset on.
    async fn put(&mut self, first: i64, ids: &[&str], may_be_stored: bool) {
        let put = self.try_put(first, ids, may_be_stored, NOW).await;
        put.unwrap();
    }

    /// The same at a time, epoch milliseconds.
    async fn try_put(
        &mut self,
        first: i64,
        ids: &[&str],
        may_be_stored: bool,
        now: i64,
    ) -> Result<(), SinkError> {
        let next = first + i64::try_from(ids.len()).unwrap();
        let messages = ids.iter().map(|id| MessageId {
            id: Some((*id).into()),
            mark: Some((*id).into()),
            may_be_stored,
            ..MessageId::default()
        });
        let mut values = ByteColumn::new();
        for id in ids {
            values.push(Some((*id).to_owned().into()));
        }
        let batch = RecordBatch {
            origin: self.origin.clone(),
            destination: Destination::Uniform(Arc::clone(&self.origin.topic)),
            first_offset: first,
            next_offset: next,
            offsets: (first..next).collect(),
            timestamps: vec![NOW; ids.len()],
            timestamp_type: TimestampType::CreateTime,
            keys: Payload::undecoded(ByteColumn::nulls(ids.len())),
            values: Payload::Raw {
                column: values,
                kind: RawKind::String,
            },
            headers: Headers::None,
            fetched: FetchedColumns {
                messages: Some(Arc::new(Messages::new("orders", (first..).zip(messages)))),
                ..FetchedColumns::default()
            },
            permit: None,
        };
        self.sink.put(Arc::new(batch), now).await.map(|_| ())
    }

    /// What it has been given becomes durable: which offsets are done, from and to.
    async fn finish(&mut self) -> Vec<(i64, i64)> {
        self.sink.flush(NOW).await.unwrap();
        self.sink.finish(LONG).await.unwrap();
        let done = self.sink.poll(NOW).await.unwrap().done;
        let ranges = done.into_iter().map(|(_, range)| range);
        ranges.map(|range| (range.start, range.end)).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_task_has_stored_another_does_not_store_again() {
    let stage = Stage::new().await;
    // Both know the ledger as it is at first: empty.
    let (mut one, mut other) = (Task::start(&stage, 0).await, Task::start(&stage, 1).await);
    one.put(0, &["a", "b", "c"], false).await;
    assert_eq!(one.finish().await, [(0, 3)]);
    assert_eq!(stage.ledger_entries(), 1);
    // It is gone before any of them is settled.
    drop(one);
    other.put(10, &["a"], true).await;
    other.put(11, &["d", "e"], false).await;
    other.put(13, &["b", "f"], true).await;
    assert_eq!(other.finish().await, [(10, 15)]);
    let stored = stage.objects();
    assert!(stored.values().all(|n| *n == 1), "{stored:?}");
    assert_eq!(stored.into_keys().collect::<String>(), "abcdef");
    // The entry stays until the last of its messages is settled, under whatever offset.
    assert_eq!(stage.ledger_entries(), 2);
    other.settled.add(10..15);
    other.sink.end(LONG).await;
    assert_eq!(stage.ledger_entries(), 1);
    other.put(15, &["c"], true).await;
    assert_eq!(other.finish().await, [(15, 16)]);
    other.settled.add([15]);
    other.sink.end(LONG).await;
    assert_eq!(stage.ledger_entries(), 0);
    assert_eq!(stage.object_count(), 2);
}

/// Where the object would be that an earlier run was storing, and its name.
const OBJECT: (&str, &str) = ("topics/orders/partition=0", "orders+0+missing+1.json");

/// Entries of these tasks and names, of the message a in an object that is not there.
fn plant_entries(stage: &Stage, entries: &[(i32, &str)]) {
    let folder = stage.path("s3/archive/topics/_millstream/archive");
    std::fs::create_dir_all(&folder).unwrap();
    for (task, name) in entries {
        let objects = format!(r#"["{}/{}"]"#, OBJECT.0, OBJECT.1);
        let entry = format!(r#"{{"task":{task},"objects":{objects},"records":1,"ids":["a"]}}"#);
        std::fs::write(folder.join(name), entry).unwrap();
    }
}

/// What stands in the ledger of an object that never came to be says nothing; it goes if it is the task's own, or too old.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_without_its_object_leaves_no_message_out() {
    let stage = Stage::new().await;
    // Of the task and of another a day ago, and of one fifteen days ago.
    let own = (0, "01HF5BY3000000000000000000");
    let others = [
        (1, "01HF5BY3000000000000000001"),
        (1, "01HE1AC1000000000000000000"),
    ];
    plant_entries(&stage, &[own, others[0], others[1]]);
    let mut task = Task::start(&stage, 0).await;
    // Right after the start the object may still be on its way.
    for later in [0, 9_999] {
        let put = task.try_put(0, &["a"], true, NOW + later).await;
        assert!(matches!(
            put.unwrap_err().kind,
            SinkErrorKind::Retriable { .. }
        ));
    }
    let put = task.try_put(0, &["a"], true, NOW + 10_000).await;
    put.unwrap();
    assert_eq!(task.finish().await, [(0, 1)]);
    assert_eq!(stage.objects().into_keys().collect::<String>(), "a");
    task.settled.add([0]);
    task.sink.end(LONG).await;
    assert_eq!(stage.ledger_entries(), 1);
}

/// A store carries out what it has all of, also where the process that sent it is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_comes_after_the_start_counts() {
    let stage = Stage::new().await;
    plant_entries(&stage, &[(0, "01HF5BY3000000000000000000")]);
    let mut task = Task::start(&stage, 0).await;
    let put = task.try_put(0, &["a", "b"], true, NOW + 1).await;
    assert!(matches!(
        put.unwrap_err().kind,
        SinkErrorKind::Retriable { .. }
    ));
    let folder = stage.path("s3/archive").join(OBJECT.0);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(OBJECT.1), "a\n").unwrap();
    let put = task.try_put(0, &["a", "b"], true, NOW + 2).await;
    put.unwrap();
    assert_eq!(task.finish().await, [(0, 2)]);
    assert_eq!(
        stage.objects().into_iter().collect::<Vec<_>>(),
        [("a".to_owned(), 1), ("b".to_owned(), 1)]
    );
}
