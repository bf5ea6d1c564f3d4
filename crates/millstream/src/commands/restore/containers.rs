//! Containers: records of Avro and Parquet objects, brought back into Kafka's bytes by the connector's own converters.

use super::cell::{ATTEMPTS, Cell, ReadError};
use crate::commands::Exit;
use crate::plugins;
use millstream_audit::contents::ContentKind;
use millstream_audit::names::Part;
use millstream_core::backoff::Backoff;
use millstream_core::{Converter, ConverterUse, Decoded, Destination, Properties, Value};
use millstream_s3::{Archive, Container, ObjectRows, headers_of_row};
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, mpsc};
use tokio::time::sleep;
use tracing::warn;

/// Blocks that are read ahead.
const AHEAD: usize = 1;

/// Between two questions to a registry that is away.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));

/// The container that an object is, if it is one.
pub(super) fn container(kind: &ContentKind) -> Option<Container> {
    match kind {
        ContentKind::Avro => Some(Container::Avro),
        ContentKind::Parquet => Some(Container::Parquet),
        ContentKind::Json { .. } | ContentKind::Bytes { .. } => None,
    }
}

type Shared = Arc<Mutex<Box<dyn Converter>>>;

/// The converters of values and of keys, where objects hold them by their types.
#[derive(Clone, Default)]
pub(super) struct Converted {
    values: Option<Shared>,
    keys: Option<Shared>,
    topic: Arc<str>,
}

impl fmt::Debug for Converted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Converted")
    }
}

impl Converted {
    /// By the connector's settings; records are for this topic.
    ///
    /// # Errors
    /// Which setting is missing or wrong.
    pub(super) fn new(
        properties: &Properties,
        topic: &str,
        has_values: bool,
        has_keys: bool,
    ) -> Result<Self, Exit> {
        let made = |is_wanted: bool, role, used| {
            let made = is_wanted.then(|| converter(properties, role, used));
            made.transpose()
        };
        Ok(Converted {
            values: made(has_values, "value.converter", ConverterUse::Value)?,
            keys: made(has_keys, "key.converter", ConverterUse::Key)?,
            topic: topic.into(),
        })
    }
}

fn converter(properties: &Properties, role: &str, used: ConverterUse) -> Result<Shared, Exit> {
    let Some(class) = properties.get(role) else {
        return Err(Exit::usage(format!(
            "{role} is not set here, and records of Avro and Parquet objects are written by it again: give --setting {role}=CLASS, \
             and its own settings in the same way"
        )));
    };
    let registry = plugins::registry();
    let plugin = registry.converter(class);
    let plugin =
        plugin.ok_or_else(|| Exit::usage(format!("{role}: class {class} could not be found")))?;
    let own = properties.with_prefix(&format!("{role}."));
    let made = (plugin.make)(&own, used);
    let made = made.map_err(|error| Exit::usage(format!("{role}: {error}")))?;
    Ok(Arc::new(Mutex::new(made)))
}

/// Reads one object from a file that it is copied to.
pub(super) struct ContainerReader {
    archive: Arc<Archive>,
    key: String,
    container: Container,
    part: Part,
    converter: Option<Shared>,
    topic: Destination,
    rows: Option<mpsc::Receiver<Result<Decoded, String>>>,
    cells: VecDeque<Cell>,
}

impl ContainerReader {
    pub(super) fn new(
        archive: Arc<Archive>,
        key: &str,
        container: Container,
        part: Part,
        converted: &Converted,
    ) -> Self {
        let converter = match part {
            Part::Values => &converted.values,
            Part::Keys => &converted.keys,
            Part::Headers => &None,
        };
        ContainerReader {
            archive,
            key: key.to_owned(),
            container,
            part,
            converter: converter.clone(),
            topic: Destination::Uniform(Arc::clone(&converted.topic)),
            rows: None,
            cells: VecDeque::new(),
        }
    }

    pub(super) async fn next(&mut self) -> Result<Option<Cell>, ReadError> {
        loop {
            if let Some(cell) = self.cells.pop_front() {
                return Ok(Some(cell));
            }
            let rows = match &mut self.rows {
                Some(rows) => rows,
                None => {
                    let opened = self.open().await?;
                    self.rows.insert(opened)
                }
            };
            match rows.recv().await {
                None => return Ok(None),
                Some(Ok(decoded)) => self.convert(decoded).await?,
                Some(Err(why)) => return Err(self.wrong(why)),
            }
        }
    }

    fn wrong(&self, why: String) -> ReadError {
        ReadError::Content {
            key: self.key.clone(),
            why,
        }
    }

    /// Copies the object, and reads it on a thread of its own: its readers wait for the disk.
    async fn open(&self) -> Result<mpsc::Receiver<Result<Decoded, String>>, ReadError> {
        let mut attempt = 1;
        let file = loop {
            match self.archive.file(&self.key).await {
                Ok(file) => break file,
                Err(error) if error.is_transient() && attempt < ATTEMPTS => attempt += 1,
                Err(source) => {
                    let key = self.key.clone();
                    return Err(ReadError::Store { key, source });
                }
            }
        };
        let (container, of) = (self.container, rows_of(self.part));
        let (blocks, receiver) = mpsc::channel(AHEAD);
        tokio::task::spawn_blocking(move || {
            let rows = match ObjectRows::open(file, container, of) {
                Ok(rows) => rows,
                Err(error) => {
                    // Nobody listens where the command has ended; so below.
                    let _ = blocks.blocking_send(Err(error.to_string()));
                    return;
                }
            };
            for block in rows {
                let block = block.map_err(|error| error.to_string());
                if blocks.blocking_send(block).is_err() {
                    return;
                }
            }
        });
        Ok(receiver)
    }

    async fn convert(&mut self, decoded: Decoded) -> Result<(), ReadError> {
        let Some(converter) = self.converter.clone() else {
            for row in &decoded.values {
                let headers = headers_of_row(row);
                let headers = headers.ok_or_else(|| {
                    self.wrong("it holds no headers as the sink writes them".to_owned())
                })?;
                self.cells.push_back(Cell::Headers(headers));
            }
            return Ok(());
        };
        let mut converter = converter.lock().await;
        self.prepare(converter.as_mut(), &decoded).await;
        for (schema, value) in decoded.schemas.iter().zip(decoded.values) {
            let encoded = converter.encode(self.topic.topic(0), schema.as_ref(), &value);
            let encoded = encoded.map_err(|error| self.wrong(error.to_string()))?;
            let bytes = encoded.map(|bytes| bytes.to_vec());
            self.cells.push_back(Cell::Row { bytes, value });
        }
        Ok(())
    }

    /// Has what the converter needs fetched, as long as that takes: a registry that is away is waited for.
    async fn prepare(&self, converter: &mut dyn Converter, decoded: &Decoded) {
        let mut backoff = Backoff::new(PAUSES);
        while let Some(preparation) = converter.prepare_encode(&self.topic, decoded) {
            let Err(unavailable) = preparation.await else {
                return;
            };
            warn!(object = self.key, error = %unavailable, "waiting to convert records, tried again");
            sleep(backoff.next_pause()).await;
        }
    }
}

fn rows_of(part: Part) -> millstream_s3::Part {
    match part {
        Part::Values => millstream_s3::Part::Values,
        Part::Keys => millstream_s3::Part::Keys,
        Part::Headers => millstream_s3::Part::Headers,
    }
}

/// A number that stands in a field of a row; dots lead into structs and maps.
pub(super) fn number_of(row: &Value, field: &str) -> Option<i64> {
    fn inner<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
        match value {
            Value::Struct(row) => row.values.get(row.schema.field_index(name)?),
            Value::Map(map) => map.get_str(name),
            _ => None,
        }
    }
    let found = inner(row, field).or_else(|| field.split('.').try_fold(row, inner))?;
    match found {
        Value::Int8(number) => Some(i64::from(*number)),
        Value::Int16(number) => Some(i64::from(*number)),
        Value::Int32(number) => Some(i64::from(*number)),
        Value::Int64(number) | Value::Date(number) => Some(*number),
        Value::String(text) => text.to_java_utf8().parse().ok(),
        _ => None,
    }
}
