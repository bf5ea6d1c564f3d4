//! FileStreamSource: brings the lines of a file or of the standard input, and follows the file as it grows.

mod input;
mod lines;

use crate::file_error::java_exception;
use async_trait::async_trait;
use input::Input;
use lines::{Cut, Lines};
use millstream_core::batch::{FetchedColumns, NO_TIMESTAMP};
use millstream_core::config::{Importance, Key, Kind, Validator};
use millstream_core::plugin::KAFKA_VERSION;
use millstream_core::rejected::CONNECT_EXCEPTION;
use millstream_core::{
    ByteColumn, ConfigDef, Connector, ConnectorError, Destination, Headers, Payload, Plain,
    Properties, RawKind, RecordBatch, Role, Schema, SchemaRef, SchemaType, SourceBatch,
    SourceConnector, SourceContext, SourceError, SourceMap, SourcePlace, SourceTask, TimestampType,
    TopicPartition, config_def, limits,
};
use std::fs::File;
use std::io;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

/// How long a file is left alone that has nothing new, or is not there.
const PAUSE: Duration = Duration::from_secs(1);

const FILENAME: &str = "filename";
const POSITION: &str = "position";

config_def! {
    struct FileSourceConfig {
        file: Option<String> = Key::null("file", Kind::String)
            .importance(Importance::High)
            .doc("Source filename. If not specified, the standard input will be used"),
        topic: String = Key::required("topic", Kind::String)
            .importance(Importance::High)
            .doc("The topic to publish data to")
            .validator(Validator::NonEmpty),
        batch_size: i32 = Key::new("batch.size", Kind::Int, "2000")
            .importance(Importance::Low)
            .doc("The maximum number of records the source task can read from the file each time it is polled"),
    }
}

/// `org.apache.kafka.connect.file.FileStreamSourceConnector`.
#[derive(Clone, Copy, Debug, Default)]
pub struct FileStreamSourceConnector;

impl Connector for FileStreamSourceConnector {
    fn class_name(&self) -> &'static str {
        "org.apache.kafka.connect.file.FileStreamSourceConnector"
    }

    fn role(&self) -> Role<'_> {
        Role::Source(self)
    }

    fn version(&self) -> &'static str {
        KAFKA_VERSION
    }

    fn config_def(&self) -> &ConfigDef {
        static DEFINITION: LazyLock<ConfigDef> = LazyLock::new(FileSourceConfig::definition);
        &DEFINITION
    }

    /// There is one file, so there is one task.
    fn task_configs(&self, properties: &Properties, _max_tasks: usize) -> Vec<Properties> {
        vec![properties.clone()]
    }
}

#[async_trait]
impl SourceConnector for FileStreamSourceConnector {
    async fn start_source(
        &self,
        properties: &Properties,
        context: SourceContext,
    ) -> Result<Box<dyn SourceTask>, SourceError> {
        let config = parse(properties).map_err(|message| SourceError {
            class: "org.apache.kafka.common.config.ConfigException",
            ..SourceError::fatal(message)
        })?;
        let position = match &config.file {
            Some(file) => position(&context.offset(&partition(file)).await?)?,
            None => 0,
        };
        Ok(Box::new(FileStreamSourceTask::new(config, position)))
    }

    fn check_offsets(
        &self,
        connector: &Properties,
        offsets: &[(SourceMap, Option<SourceMap>)],
    ) -> Result<bool, ConnectorError> {
        let refuse = |message: &str| {
            Err(ConnectorError {
                class: CONNECT_EXCEPTION,
                message: message.to_owned(),
            })
        };
        if connector.get("file").is_none_or(str::is_empty) {
            return refuse(
                "Offsets cannot be modified if the 'file' configuration is unspecified. This is because stdin is used for input and offsets are not tracked.",
            );
        }
        for (partition, offset) in offsets {
            // To remove an offset is always right.
            let Some(offset) = offset else { continue };
            let Some(position) = offset.get(POSITION) else {
                return refuse(
                    "Offset objects should either be null or contain the key 'position'",
                );
            };
            let Plain::Integer(position) = position else {
                return refuse(
                    "The value for the 'position' key in the offset is expected to be a Long value",
                );
            };
            if *position < 0 {
                return refuse(
                    "The value for the 'position' key in the offset should be a non-negative value",
                );
            }
            if partition.get(FILENAME).is_none() {
                return refuse("Partition objects should contain the key 'filename'");
            }
        }
        Ok(true)
    }

    fn can_do_exactly_once(&self, connector: &Properties) -> Option<bool> {
        Some(connector.get("file").is_some_and(|file| !file.is_empty()))
    }
}

fn parse(properties: &Properties) -> Result<FileSourceConfig, String> {
    let (config, values) = FileSourceConfig::parse(properties);
    let Some(mut config) = config else {
        let errors = values.into_iter().flat_map(|value| value.errors);
        return Err(errors.into_iter().next().unwrap_or_default());
    };
    config.file.take_if(|file| file.is_empty());
    Ok(config)
}

fn partition(file: &str) -> SourceMap {
    SourceMap::from_iter([(FILENAME, file)])
}

/// Where to begin.
fn position(offset: &Option<SourceMap>) -> Result<u64, SourceError> {
    match offset.as_ref().and_then(|offset| offset.get(POSITION)) {
        None | Some(Plain::Null) => Ok(0),
        Some(Plain::Integer(position)) => Ok(u64::try_from(*position).unwrap_or(0)),
        Some(_) => Err(SourceError::fatal("Offset position is the incorrect type")),
    }
}

struct FileStreamSourceTask {
    config: FileSourceConfig,
    topic: Arc<str>,
    schema: SchemaRef,
    /// `None` for the standard input, which cannot be read again.
    place: Option<SourcePlace>,
    /// The bytes of the source before what `lines` holds.
    position: u64,
    input: Option<Input>,
    /// On a thread for blocking work: where the file is a pipe, its other end is waited for.
    opening: Option<JoinHandle<io::Result<Input>>>,
    lines: Lines,
    /// When there may be something new.
    due: Instant,
    /// Whether the log knows that the file is not there.
    is_missing: bool,
}

impl FileStreamSourceTask {
    fn new(config: FileSourceConfig, position: u64) -> Self {
        let place = config.file.as_deref().map(|file| SourcePlace {
            partition: Arc::new(partition(file)),
            offset_name: POSITION,
        });
        FileStreamSourceTask {
            topic: config.topic.as_str().into(),
            schema: Arc::new(Schema::of(SchemaType::String)),
            place,
            position,
            input: None,
            opening: None,
            lines: Lines::default(),
            due: Instant::now(),
            is_missing: false,
            config,
        }
    }

    /// Opens the source, unless it is open or not there.
    async fn open(&mut self) -> Result<bool, SourceError> {
        if self.input.is_some() {
            return Ok(true);
        }
        let Some(file) = self.config.file.clone() else {
            self.input = Some(Input::stdin());
            return Ok(true);
        };
        let position = self.position;
        let opening = self.opening.get_or_insert_with(|| {
            let path = file.clone();
            tokio::task::spawn_blocking(move || Input::file(File::open(path)?, position))
        });
        let opened = opening.await.map_err(io::Error::other).flatten();
        self.opening = None;
        match opened {
            Ok(input) => {
                self.is_missing = false;
                self.input = Some(input);
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if !std::mem::replace(&mut self.is_missing, true) {
                    tracing::warn!(file, "the file to read is not there yet; it is waited for");
                }
                Ok(false)
            }
            Err(error) => {
                let cause = java_exception(&file, &error);
                let message = format!("{}: {}", cause.class, cause.message);
                Err(SourceError::fatal(message).with_source(cause))
            }
        }
    }

    fn batch(&mut self, cut: Cut, now: i64) -> SourceBatch {
        let rows = cut.ends.len();
        let before = self.position as i64;
        let offsets: Vec<i64> = cut.ends.into_iter().map(|end| before + end).collect();
        if let Some(last) = offsets.last() {
            self.position = *last as u64;
        }
        SourceBatch {
            records: RecordBatch {
                origin: TopicPartition::new(Arc::clone(&self.topic), -1),
                destination: Destination::Uniform(Arc::clone(&self.topic)),
                first_offset: before,
                next_offset: self.position as i64,
                offsets,
                timestamps: vec![now.max(NO_TIMESTAMP); rows],
                timestamp_type: TimestampType::CreateTime,
                keys: Payload::undecoded(ByteColumn::nulls(rows)),
                values: Payload::Raw {
                    column: cut.lines,
                    kind: RawKind::String,
                },
                headers: Headers::None,
                fetched: FetchedColumns::default(),
                permit: None,
            },
            key_schema: None,
            value_schema: Some(Arc::clone(&self.schema)),
            place: self.place.clone(),
        }
    }
}

#[async_trait]
impl SourceTask for FileStreamSourceTask {
    async fn poll(&mut self, clock: fn() -> i64) -> Result<SourceBatch, SourceError> {
        let most = usize::try_from(self.config.batch_size).unwrap_or(0).max(1);
        loop {
            let cut = self.lines.cut(most);
            if !cut.ends.is_empty() {
                return Ok(self.batch(cut, clock()));
            }
            if self.lines.len() > limits::LONGEST_LINE {
                let file = self.config.file.as_deref().unwrap_or("the standard input");
                return Err(SourceError::fatal(format!(
                    "the line of {file} that begins at byte {} is longer than {} bytes",
                    self.position,
                    limits::LONGEST_LINE
                )));
            }
            sleep_until(self.due).await;
            let read = if self.open().await? {
                self.read().await?
            } else {
                0
            };
            if read == 0 {
                self.due = Instant::now() + PAUSE;
            }
        }
    }
}

impl FileStreamSourceTask {
    async fn read(&mut self) -> Result<usize, SourceError> {
        let (input, lines) = (&mut self.input, &mut self.lines);
        let Some(input) = input else { return Ok(0) };
        let read = input.read(|text| {
            lines.push(text);
            text.len()
        });
        read.await.map_err(|error| {
            let file = self.config.file.as_deref().unwrap_or("the standard input");
            SourceError::fatal(format!("cannot read {file}: {error}"))
        })
    }
}

#[cfg(test)]
mod tests;
