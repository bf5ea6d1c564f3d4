//! The records of objects: values, keys and headers side by side, read ahead by several objects.

use super::cell::{ATTEMPTS, Cell, ReadError};
use super::containers::{self, ContainerReader, Converted};
use super::plan::Source;
use bytes::{Buf, Bytes};
use millstream_audit::contents::ContentKind;
use millstream_audit::names::Part;
use millstream_audit::restore::{Encoding, Envelope, NotDecoded, Splitter, headers, millis_of};
use millstream_core::limits::LONGEST_LINE;
use millstream_s3::{Archive, ArchiveError, Contents};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// Objects that are read ahead.
const AHEAD: usize = 4;
/// Batches of an object that wait, and bytes at which a batch is handed on.
const WAITING: usize = 2;
const BATCH: usize = 256 * 1024;
/// How records stand in the objects, and which are wanted.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) values: Encoding,
    pub(super) keys: Encoding,
    /// Whether each line is a whole record.
    pub(super) has_envelopes: bool,
    /// What brings values and keys back that objects hold by their types.
    pub(super) converted: Converted,
    pub(super) separator: Vec<u8>,
    pub(super) timestamp_field: Option<String>,
    pub(super) offset_field: Option<String>,
    pub(super) from: Option<i64>,
    pub(super) to: Option<i64>,
    pub(super) from_time: Option<i64>,
    pub(super) to_time: Option<i64>,
}

/// A record that is to be written.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    /// The partition it had.
    pub(super) partition: i32,
    pub(super) timestamp: Option<i64>,
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) headers: Vec<(String, Option<String>)>,
}

impl Record {
    fn size(&self) -> usize {
        let field = |field: &Option<Vec<u8>>| field.as_ref().map_or(0, Vec::len);
        64 + field(&self.key) + field(&self.value)
    }
}

type Batch = Result<Vec<Record>, ReadError>;

/// Reads objects in order.
pub(super) struct Records {
    archive: Arc<Archive>,
    shape: Arc<Shape>,
    data: Handle,
    left: VecDeque<Source>,
    ahead: VecDeque<mpsc::Receiver<Batch>>,
}

impl Records {
    pub(super) fn new(
        archive: Arc<Archive>,
        shape: Shape,
        sources: Vec<Source>,
        data: Handle,
    ) -> Self {
        Records {
            archive,
            shape: Arc::new(shape),
            data,
            left: sources.into(),
            ahead: VecDeque::new(),
        }
    }

    /// The next records; none at the end. Cancel safe.
    pub(super) async fn next(&mut self) -> Option<Batch> {
        loop {
            while self.ahead.len() < AHEAD
                && let Some(source) = self.left.pop_front()
            {
                self.ahead.push_back(self.read(source));
            }
            let first = self.ahead.front_mut()?;
            match first.recv().await {
                Some(batch) => return Some(batch),
                None => drop(self.ahead.pop_front()),
            }
        }
    }

    /// Objects that were not read to their end.
    pub(super) fn left(&self) -> usize {
        self.left.len() + self.ahead.len()
    }

    fn read(&self, source: Source) -> mpsc::Receiver<Batch> {
        let (batches, receiver) = mpsc::channel(WAITING);
        let (archive, shape) = (Arc::clone(&self.archive), Arc::clone(&self.shape));
        self.data.spawn(async move {
            let object = Object {
                archive,
                shape,
                source,
                batches,
            };
            if let Err(error) = object.run().await {
                // Nobody listens where the command has ended.
                let _ = object.batches.send(Err(error)).await;
            }
        });
        receiver
    }
}

struct Object {
    archive: Arc<Archive>,
    shape: Arc<Shape>,
    source: Source,
    batches: mpsc::Sender<Batch>,
}

impl Object {
    async fn run(&self) -> Result<(), ReadError> {
        let source = &self.source;
        let values_kind = ContentKind::of(&source.extension, &self.shape.separator);
        let keys_kind = ContentKind::of(&source.keys_extension, &self.shape.separator);
        let headers_kind = ContentKind::of(
            source.headers.as_deref().map_or("", ending),
            &self.shape.separator,
        );
        let mut values = self.part(source.values.as_ref(), &values_kind, Part::Values)?;
        let mut keys = self.part(source.keys.as_ref(), &keys_kind, Part::Keys)?;
        let mut headers = self.part(source.headers.as_ref(), &headers_kind, Part::Headers)?;
        let (mut batch, mut size, mut row) = (Vec::new(), 0, 0i64);
        loop {
            let value = next(&mut values).await?;
            let key = next(&mut keys).await?;
            let header = next(&mut headers).await?;
            let ended = [
                values.is_some() && value.is_none(),
                keys.is_some() && key.is_none(),
                headers.is_some() && header.is_none(),
            ];
            if ended.contains(&true) {
                let present = [values.is_some(), keys.is_some(), headers.is_some()];
                if ended != present {
                    return Err(self.wrong("values, keys and headers hold different numbers of records: audit the bucket first".to_owned()));
                }
                break;
            }
            if let Some(record) = self.record(row, value, key, header)? {
                size += record.size();
                batch.push(record);
            }
            row += 1;
            if size >= BATCH {
                size = 0;
                if self
                    .batches
                    .send(Ok(std::mem::take(&mut batch)))
                    .await
                    .is_err()
                {
                    return Ok(());
                }
            }
        }
        if !batch.is_empty() {
            let _ = self.batches.send(Ok(batch)).await;
        }
        Ok(())
    }

    fn part(
        &self,
        key: Option<&String>,
        kind: &ContentKind,
        part: Part,
    ) -> Result<Option<PartReader>, ReadError> {
        let Some(key) = key else { return Ok(None) };
        let archive = Arc::clone(&self.archive);
        if let Some(container) = containers::container(kind) {
            let reader = ContainerReader::new(archive, key, container, part, &self.shape.converted);
            return Ok(Some(PartReader::Container(Box::new(reader))));
        }
        let lines = LineReader::new(archive, key, kind)?;
        Ok(Some(PartReader::Lines(Box::new(lines))))
    }

    /// The record of a row, if it is wanted.
    fn record(
        &self,
        row: i64,
        value: Option<Cell>,
        key: Option<Cell>,
        header: Option<Cell>,
    ) -> Result<Option<Record>, ReadError> {
        let shape = &self.shape;
        let wrong =
            |part: Part, why: String| self.wrong(format!("{} of row {row}: {why}", part.name()));
        let of_value = |why: NotDecoded| wrong(Part::Values, why.to_string());
        let envelope = match &value {
            Some(Cell::Text(line)) if shape.has_envelopes => {
                Some(Envelope::parse(line).map_err(of_value)?)
            }
            _ => None,
        };
        let (value, key, whole) = match envelope {
            Some(Envelope {
                key,
                value,
                headers,
                timestamp,
            }) => {
                let (value, key) = (Cell::Text(value), Cell::Text(key));
                (Some(value), Some(key), Some((headers, timestamp)))
            }
            None => (value, key, None),
        };
        let number = |field: &Option<String>| match (field, &value) {
            (Some(field), Some(Cell::Text(bytes))) => {
                millis_of(bytes, field).map(Some).map_err(of_value)
            }
            (Some(field), Some(Cell::Row { value, .. })) => {
                let found = containers::number_of(value, field);
                found.map(Some).ok_or_else(|| of_value(NotDecoded::NoField))
            }
            _ => Ok(None),
        };
        let of_envelope = whole.as_ref().and_then(|(_, timestamp)| *timestamp);
        let timestamp = number(&shape.timestamp_field)?.or(of_envelope);
        let offset = self.offset(row, number(&shape.offset_field)?)?;
        let is_out = shape.from.is_some_and(|from| offset < from)
            || shape.to.is_some_and(|to| offset >= to)
            || shape
                .from_time
                .is_some_and(|from| timestamp.is_none_or(|at| at < from))
            || shape
                .to_time
                .is_some_and(|to| timestamp.is_none_or(|at| at >= to));
        if is_out {
            return Ok(None);
        }
        let decode = |part: Part, encoding: Encoding, cell: Option<Cell>| match cell {
            Some(Cell::Text(bytes)) => encoding
                .decode(bytes)
                .map_err(|why| wrong(part, why.to_string())),
            Some(Cell::Row { bytes, .. }) => Ok(bytes),
            Some(Cell::Headers(_)) | None => Ok(None),
        };
        let headers = match (whole, header) {
            (Some((headers, _)), _) => headers,
            (None, Some(Cell::Text(line))) => {
                headers(&line).map_err(|why| wrong(Part::Headers, why.to_string()))?
            }
            (None, Some(Cell::Headers(headers))) => headers,
            (None, _) => Vec::new(),
        };
        Ok(Some(Record {
            partition: self.source.partition,
            timestamp,
            key: decode(Part::Keys, shape.keys, key)?,
            value: decode(Part::Values, shape.values, value)?,
            headers,
        }))
    }

    /// A row's offset: that of its field, or its place behind the start.
    fn offset(&self, row: i64, told: Option<i64>) -> Result<i64, ReadError> {
        if let Some(offset) = told {
            return Ok(offset);
        }
        let offset = self.source.start.saturating_add(row);
        let is_ranged = self.shape.from.is_some() || self.shape.to.is_some();
        if is_ranged && self.source.next.is_some_and(|next| offset >= next) {
            return Err(self.wrong(
                "its records reach beyond the start of the next object, so that their offsets are not known: name the field that \
                 holds them (--offset-field), or restore without --from and --to"
                    .to_owned(),
            ));
        }
        Ok(offset)
    }

    fn wrong(&self, why: String) -> ReadError {
        let source = &self.source;
        let key = source
            .values
            .as_ref()
            .or(source.keys.as_ref())
            .or(source.headers.as_ref());
        ReadError::Content {
            key: key.cloned().unwrap_or_default(),
            why,
        }
    }
}

fn ending(key: &str) -> &str {
    key.rfind(".headers")
        .map_or("", |at| &key[at + ".headers".len()..])
}

async fn next(part: &mut Option<PartReader>) -> Result<Option<Cell>, ReadError> {
    match part {
        Some(PartReader::Lines(lines)) => Ok(lines.next().await?.map(Cell::Text)),
        Some(PartReader::Container(container)) => container.next().await,
        None => Ok(None),
    }
}

/// Reads one object.
enum PartReader {
    Lines(Box<LineReader>),
    Container(Box<ContainerReader>),
}

/// The records of one object. An answer that breaks off is asked for again, and what was given is passed over.
struct LineReader {
    archive: Arc<Archive>,
    key: String,
    kind: ContentKind,
    splitter: Splitter,
    contents: Option<Contents>,
    /// What has come and is not cut yet.
    unread: Bytes,
    records: VecDeque<Vec<u8>>,
    /// Records that were given, and those of them that come again.
    given: usize,
    to_pass: usize,
    attempt: u32,
    is_over: bool,
}

impl LineReader {
    fn new(archive: Arc<Archive>, key: &str, kind: &ContentKind) -> Result<Self, ReadError> {
        let splitter = Splitter::new(kind, LONGEST_LINE).map_err(|why| ReadError::Content {
            key: key.to_owned(),
            why: why.to_string(),
        })?;
        Ok(LineReader {
            archive,
            key: key.to_owned(),
            kind: kind.clone(),
            splitter,
            contents: None,
            unread: Bytes::new(),
            records: VecDeque::new(),
            given: 0,
            to_pass: 0,
            attempt: 1,
            is_over: false,
        })
    }

    async fn next(&mut self) -> Result<Option<Vec<u8>>, ReadError> {
        loop {
            if let Some(record) = self.records.pop_front() {
                if self.to_pass > 0 {
                    self.to_pass -= 1;
                    continue;
                }
                self.given += 1;
                return Ok(Some(record));
            }
            if self.is_over {
                return Ok(None);
            }
            match self.more().await {
                Ok(()) => {}
                Err(ReadError::Store { source, .. })
                    if source.is_transient() && self.attempt < ATTEMPTS =>
                {
                    self.again()?
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn more(&mut self) -> Result<(), ReadError> {
        let store = |source: ArchiveError| ReadError::Store {
            key: self.key.clone(),
            source,
        };
        let contents = match &mut self.contents {
            Some(contents) => contents,
            None => {
                let opened = self
                    .archive
                    .contents(&self.key, None, None)
                    .await
                    .map_err(store)?;
                self.contents.insert(opened)
            }
        };
        let piece = match std::mem::take(&mut self.unread) {
            unread if !unread.is_empty() => Some(unread),
            _ => contents.next().await.map_err(store)?,
        };
        let mut records = Vec::new();
        let cut = match piece {
            Some(mut piece) => self.splitter.push(&piece, &mut records).map(|taken| {
                piece.advance(taken);
                self.unread = piece;
            }),
            None => {
                self.is_over = true;
                self.splitter.finish(&mut records)
            }
        };
        cut.map_err(|why| ReadError::Content {
            key: self.key.clone(),
            why: why.to_string(),
        })?;
        self.records.extend(records);
        Ok(())
    }

    /// Begins anew: the records that were given come again, and are taken out.
    fn again(&mut self) -> Result<(), ReadError> {
        self.attempt += 1;
        self.contents = None;
        self.unread = Bytes::new();
        let splitter = Splitter::new(&self.kind, LONGEST_LINE);
        self.splitter = splitter.map_err(|why| ReadError::Content {
            key: self.key.clone(),
            why: why.to_string(),
        })?;
        self.records.clear();
        self.to_pass = self.given;
        Ok(())
    }
}
