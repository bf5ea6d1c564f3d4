//! The source against real files: lines, positions, files that come later and grow.

use super::*;
use millstream_core::{ByteBudget, OffsetError, OffsetStore};
use std::io::Write;

/// Offsets that were stored before.
struct Stored(Vec<(SourceMap, SourceMap)>);

#[async_trait]
impl OffsetStore for Stored {
    async fn read(&self, _connector: &str) -> Result<Vec<(SourceMap, SourceMap)>, OffsetError> {
        Ok(self.0.clone())
    }

    async fn write(
        &self,
        _connector: &str,
        _offsets: &[(SourceMap, Option<SourceMap>)],
    ) -> Result<(), OffsetError> {
        Ok(())
    }
}

async fn start(
    file: &str,
    batch_size: &str,
    stored: Vec<(SourceMap, SourceMap)>,
) -> Result<Box<dyn SourceTask>, SourceError> {
    let properties = Properties::from_iter([
        ("file", file),
        ("topic", "lines"),
        ("batch.size", batch_size),
    ]);
    let context = SourceContext {
        connector: "f".into(),
        task: 0,
        offsets: Arc::new(Stored(stored)),
        memory: ByteBudget::new(0),
        queue: Arc::default(),
    };
    FileStreamSourceConnector
        .start_source(&properties, context)
        .await
}

/// The lines of the next batch, each with the position after it.
async fn next(task: &mut dyn SourceTask) -> Vec<(String, i64)> {
    let batch = task.poll(|| 7).await.unwrap();
    assert_eq!(batch.records.timestamps, vec![7; batch.records.len()]);
    let Payload::Raw {
        column,
        kind: RawKind::String,
    } = &batch.records.values
    else {
        panic!("lines come as text");
    };
    let lines = column
        .iter()
        .map(|line| String::from_utf8(line.unwrap().to_vec()).unwrap());
    lines.zip(batch.records.offsets).collect()
}

fn lines(expected: &[(&str, i64)]) -> Vec<(String, i64)> {
    let lines = expected.iter();
    lines
        .map(|(line, end)| ((*line).to_owned(), *end))
        .collect()
}

fn stored(file: &str, position: impl Into<Plain>) -> (SourceMap, SourceMap) {
    let position: Plain = position.into();
    (
        partition(file),
        SourceMap::from_iter([(POSITION, position)]),
    )
}

#[tokio::test(start_paused = true)]
async fn a_file_is_followed_from_where_it_was_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in");
    let file = path.to_str().unwrap();
    std::fs::write(&path, "one\ntwo\nthree\nfo").unwrap();
    let mut task = start(file, "2000", vec![stored(file, 4), stored("/other", 9)])
        .await
        .unwrap();
    assert_eq!(
        next(task.as_mut()).await,
        lines(&[("two", 8), ("three", 14)])
    );
    let mut more = std::fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .unwrap();
    more.write_all(b"ur\n").unwrap();
    assert_eq!(next(task.as_mut()).await, lines(&[("four", 19)]));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_not_there_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("later");
    let mut task = start(path.to_str().unwrap(), "2", Vec::new())
        .await
        .unwrap();
    let waits = tokio::time::timeout(Duration::from_secs(5), task.poll(|| 7)).await;
    assert!(waits.is_err());
    std::fs::write(&path, "1\n2\n3\n").unwrap();
    assert_eq!(next(task.as_mut()).await, lines(&[("1", 2), ("2", 4)]));
    assert_eq!(next(task.as_mut()).await, lines(&[("3", 6)]));
}

/// A poll is dropped whenever something else happens to the task.
#[tokio::test(start_paused = true)]
async fn nothing_is_lost_by_polls_that_are_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in");
    let text: String = (0..50_000).map(|line| format!("line {line}\n")).collect();
    std::fs::write(&path, &text).unwrap();
    let mut task = start(path.to_str().unwrap(), "700", Vec::new())
        .await
        .unwrap();
    let mut found = String::new();
    while found.len() < text.len() {
        tokio::select! {
            biased;
            () = tokio::task::yield_now() => {}
            lines = next(task.as_mut()) => {
                for (line, end) in lines {
                    found += &line;
                    found.push('\n');
                    assert_eq!(found.len() as i64, end);
                }
            }
        }
    }
    assert_eq!(found, text);
}

#[tokio::test]
async fn what_cannot_be_read_ends_the_task() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().to_str().unwrap();
    let mut task = start(file, "2", Vec::new()).await.unwrap();
    let error = task.poll(|| 7).await.unwrap_err();
    assert!(error.message.starts_with(&format!("cannot read {file}: ")));
    let mut long = FileStreamSourceTask::new(
        parse(&Properties::from_iter([
            ("topic", "lines"),
            ("file", "/in"),
        ]))
        .unwrap(),
        7,
    );
    long.lines.push(&vec![b'x'; limits::LONGEST_LINE + 1]);
    let error = long.poll(|| 7).await.unwrap_err();
    assert!(
        error
            .message
            .starts_with("the line of /in that begins at byte 7 is longer than")
    );
    let position = Plain::from("4");
    let error = start("/in", "2", vec![stored("/in", position)]).await;
    let error = error.map(|_| ()).unwrap_err();
    assert_eq!(error.message, "Offset position is the incorrect type");
}

#[tokio::test]
async fn first_lines_of_the_standard_input_have_no_place() {
    let mut task = FileStreamSourceTask::new(
        parse(&Properties::from_iter([("topic", "lines"), ("file", "")])).unwrap(),
        0,
    );
    task.lines.push(b"one\n");
    let batch = task.poll(|| 7).await.unwrap();
    assert_eq!((batch.records.len(), batch.place), (1, None));
}

#[test]
fn offsets_are_looked_at_as_java_does() {
    let check = |file: &str, partition: SourceMap, offset: Option<SourceMap>| {
        let properties = Properties::from_iter([("file", file), ("topic", "t")]);
        let checked = FileStreamSourceConnector.check_offsets(&properties, &[(partition, offset)]);
        checked.map_err(|error| error.message)
    };
    let at = |position: Plain| Some(SourceMap::from_iter([(POSITION, position)]));
    assert_eq!(check("/in", partition("/in"), at(4.into())), Ok(true));
    assert_eq!(check("/in", SourceMap::new(), None), Ok(true));
    let negative = check("/in", partition("/in"), at((-1).into()));
    assert_eq!(
        negative.unwrap_err(),
        "The value for the 'position' key in the offset should be a non-negative value"
    );
    let stdin = check("", partition("/in"), None).unwrap_err();
    assert!(
        stdin.starts_with("Offsets cannot be modified if the 'file' configuration is unspecified.")
    );
}
