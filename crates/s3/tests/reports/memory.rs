//! What open and closing objects hold, where memory is short.

use crate::support::server::Server;
use crate::{LONG, MIB, batch, partition, start};
use millstream_core::contract::done_to;
use millstream_core::{ByteBudget, SinkErrorKind};
use std::time::Duration;

/// With no folder for what memory has no room for, batches are refused, and taken again once there is one.
#[tokio::test]
async fn report_c4_without_a_temporary_folder_memory_has_an_end() {
    let server = Server::start(true).await;
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("spill");
    let path = folder.to_str().unwrap().to_owned();
    let settings = [("flush.size", "1000"), ("millstream.s3.temp.dir", &*path)];
    let budget = ByteBudget::new(MIB);
    let mut task = start(&server, &settings, &budget).await;
    task.open(&[partition(0), partition(1)]).await.unwrap();
    let text = "x".repeat(100_000);
    let mut next = 0;
    let refused = loop {
        assert!(next < 40, "nothing bounds what is held in memory");
        let rows = batch(partition((next % 2) as i32), next / 2, &[&text]);
        match task.put(rows, 0).await {
            Ok(()) => next += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused.kind, SinkErrorKind::Retriable { .. }));
    for part in [
        &*path,
        "No such file",
        "millstream.s3.temp.dir",
        "millstream.memory.bytes",
    ] {
        assert!(refused.message.contains(part), "{}", refused.message);
    }
    // The next row would be one too many, again and again.
    let rows = batch(partition(0), next / 2, &[&text]);
    assert!(task.put(rows.clone(), 0).await.is_err());
    std::fs::create_dir(&folder).unwrap();
    for more in 0..30 {
        let rows = batch(partition(0), next / 2 + more, &[&text]);
        task.put(rows, 0).await.unwrap();
    }
}

/// One rotation closes far more than may be in memory: its files go out as there is room.
#[tokio::test]
async fn report_c1_closing_many_files_waits_for_room() {
    const FOLDERS: usize = 600;
    let server = Server::start(true).await;
    let flush = (2 * FOLDERS).to_string();
    let settings = [
        ("flush.size", flush.as_str()),
        (
            "partitioner.class",
            "io.confluent.connect.storage.partitioner.TimeBasedPartitioner",
        ),
        ("partition.duration.ms", "1"),
        ("path.format", "mmssSSS"),
        ("locale", "en"),
        ("timezone", "UTC"),
        ("timestamp.extractor", "Record"),
    ];
    let budget = ByteBudget::new(4 * MIB);
    let mut task = start(&server, &settings, &budget).await;
    task.open(&[partition(0)]).await.unwrap();
    let text = "x".repeat(20_000);
    for round in 0..2 {
        for folder in 0..FOLDERS {
            let offset = round * FOLDERS + folder;
            let mut rows = batch(partition(0), offset as i64, &[&text]);
            std::sync::Arc::get_mut(&mut rows).unwrap().timestamps = vec![folder as i64];
            loop {
                match task.put(rows.clone(), 0).await {
                    Ok(()) => break,
                    Err(error) => assert!(
                        matches!(error.kind, SinkErrorKind::Retriable { .. }),
                        "{error}"
                    ),
                }
            }
        }
    }
    task.finish(LONG).await.unwrap();
    let progress = task.poll(0).await.unwrap();
    assert_eq!(
        done_to(&progress.done),
        [(partition(0), 2 * FOLDERS as i64)]
    );
    let state = server.state();
    assert_eq!(state.objects.len(), FOLDERS);
    let line = format!("\"{text}\"\n");
    assert!(
        state
            .objects
            .values()
            .all(|object| object.body == line.repeat(2))
    );
}

/// A record of many parts arrives whole, and leaves nothing behind.
#[tokio::test]
async fn report_a9_a_record_of_many_parts_arrives_whole() {
    let server = Server::start(true).await;
    let budget = ByteBudget::new(4 * MIB);
    let mut task = start(&server, &[("flush.size", "1")], &budget).await;
    task.open(&[partition(0)]).await.unwrap();
    let texts = ["a", "b"].map(|letter| letter.repeat(31 * MIB));
    for (offset, text) in texts.iter().enumerate() {
        let rows = batch(partition(0), offset as i64, &[text]);
        task.put(rows, 0).await.unwrap();
    }
    task.finish(LONG).await.unwrap();
    assert_eq!(
        done_to(&task.poll(0).await.unwrap().done),
        [(partition(0), texts.len() as i64)]
    );
    let bodies: Vec<bytes::Bytes> = {
        let state = server.state();
        state
            .objects
            .values()
            .map(|object| object.body.clone())
            .collect()
    };
    for (body, text) in bodies.iter().zip(&texts) {
        assert!(*body == format!("\"{text}\"\n"));
    }
    // Spare buffers are let go after a while.
    let _ = task.poll(0).await;
    let _ = task.poll(Duration::from_secs(9).as_millis() as i64).await;
    assert_eq!(budget.available(), 4 * MIB);
}
