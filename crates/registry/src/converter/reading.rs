//! Reading: records to values. A reader is made once for each schema and topic; what a batch lacks is fetched together.

use super::{Shared, role_name};
use crate::bounded::Bounded;
use crate::client::{CallError, Refusal};
use crate::format::{Datum, Failure, Format};
use crate::registry::Fetched;
use crate::wire::{self, Framed, SchemaKey};
use millstream_core::converter::RowErrors;
use millstream_core::rejected::SERIALIZATION_EXCEPTION;
use millstream_core::{
    ByteColumn, Decoded, Encoded, Preparation, RawHeaders, RecordError, SchemaAndValue, Unavailable,
};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(super) struct Reading<F: Format> {
    most: usize,
    /// By topic: a schema has a version in each subject.
    readers: HashMap<String, Bounded<SchemaKey, Arc<F::Reader>>>,
    /// The one that the row before had.
    last: Option<(String, SchemaKey, Arc<F::Reader>)>,
    /// What preparing the column at hand has found; no more than it has rows.
    found: Arc<Mutex<HashMap<SchemaKey, Found>>>,
    /// Topics whose records have both a header and a prefix, which the log has been told.
    doubled: BTreeSet<String>,
}

#[derive(Clone)]
enum Found {
    Schema(Arc<Fetched>, Option<i32>),
    /// Why there is none, as the cause of the converter's own message.
    Nothing(RecordError),
}

impl<F: Format> Reading<F> {
    pub(super) fn new(most: usize) -> Self {
        Reading {
            most,
            readers: HashMap::new(),
            last: None,
            found: Arc::default(),
            doubled: BTreeSet::new(),
        }
    }

    /// Fetches the schemas of a column's rows, if one of them is not known yet. Those that are known are found again with
    /// it, because a new one may take their places before their rows are read.
    pub(super) fn prepare(
        &mut self,
        shared: &Arc<Shared<F>>,
        topic: &str,
        column: &ByteColumn,
        headers: Option<&RawHeaders>,
    ) -> Option<Preparation> {
        lock(&self.found).clear();
        let name = wire::header_name(shared.settings.role);
        let readers = self.readers.get(topic);
        let (mut wanted, mut seen) = (Vec::new(), HashSet::new());
        let (mut is_missing, mut before) = (false, None);
        for (row, bytes) in column.iter().enumerate() {
            let header = wire::header(headers, row, name);
            let Some(key) = bytes.and_then(|bytes| wire::key_of(bytes, header)) else {
                continue;
            };
            if before.replace(key) != Some(key) && seen.insert(key) {
                is_missing |= readers.is_none_or(|readers| readers.get(&key).is_none());
                wanted.push(key);
            }
        }
        if !is_missing {
            return None;
        }
        let (shared, found) = (Arc::clone(shared), Arc::clone(&self.found));
        let topic = topic.to_owned();
        Some(Box::pin(async move {
            for key in wanted {
                let outcome = find(&shared, &topic, key).await?;
                lock(&found).insert(key, outcome);
            }
            Ok(())
        }))
    }

    pub(super) fn decode(
        &mut self,
        shared: &Shared<F>,
        topic: &str,
        bytes: Option<&[u8]>,
        headers: Option<&RawHeaders>,
        row: usize,
        out: &mut Decoded,
    ) -> Result<(), RecordError> {
        let Some(bytes) = bytes else {
            out.push(SchemaAndValue::NULL);
            return Ok(());
        };
        let framed = frame::<F>(shared, topic, bytes, headers, row)?;
        let reader = self.reader(shared, topic, framed.key);
        let reader = reader.map_err(|failure| told::<F>(topic, failure))?;
        let has_rest = shared
            .format
            .read(reader, datum(&framed), out)
            .map_err(|failure| not_read::<F>(topic, &framed, failure))?;
        if has_rest {
            self.note_rest(topic, &framed, bytes);
        }
        Ok(())
    }

    /// Looks at the rows of a column, whose data stay as they are; `None` if that cannot be done with one of them.
    pub(super) fn scan_column(
        &mut self,
        shared: &Shared<F>,
        topic: &str,
        column: &ByteColumn,
        headers: Option<&RawHeaders>,
        errors: &mut RowErrors,
    ) -> Option<Encoded> {
        let mut encoded = Encoded::with_capacity(column.clone());
        // That of the row before, with its number.
        let mut known: Option<(SchemaKey, u32)> = None;
        for (row, bytes) in column.iter().enumerate() {
            let Some(bytes) = bytes else {
                encoded.push_null();
                continue;
            };
            let framed = match frame::<F>(shared, topic, bytes, headers, row) {
                Ok(framed) => framed,
                Err(error) => {
                    errors.push((row, error));
                    encoded.push_null();
                    continue;
                }
            };
            let scanned = match self.reader(shared, topic, framed.key) {
                Ok(reader) => {
                    if known.is_none_or(|(key, _)| key != framed.key) {
                        known = Some((framed.key, encoded.add(F::encoding(reader)?)));
                    }
                    let scanned = shared.format.scan(&**reader, datum(&framed));
                    scanned.map_err(|failure| not_read::<F>(topic, &framed, failure))
                }
                Err(failure) => Err(told::<F>(topic, failure)),
            };
            match (scanned, known) {
                (Ok(scanned), Some((_, encoding))) => {
                    let start = bytes.len() - framed.payload.len();
                    let end = start + scanned.len;
                    encoded.push(encoding, start..end, scanned.is_canonical);
                    if end < bytes.len() {
                        self.note_rest(topic, &framed, bytes);
                    }
                }
                (Err(error), _) => {
                    errors.push((row, error));
                    encoded.push_null();
                }
                (Ok(_), None) => encoded.push_null(),
            }
        }
        Some(encoded)
    }

    /// Bytes that are left over are no error. Where the schema's id is in a header, they may come of another one before the datum.
    fn note_rest(&mut self, topic: &str, framed: &Framed<'_>, bytes: &[u8]) {
        if framed.is_in_header && bytes.first() == Some(&0) {
            self.warn_doubled(topic);
        }
    }

    fn reader(
        &mut self,
        shared: &Shared<F>,
        topic: &str,
        key: SchemaKey,
    ) -> Result<&Arc<F::Reader>, Failure> {
        let is_last = matches!(&self.last, Some((of, id, _)) if *id == key && of == topic);
        if !is_last {
            let reader = self.find_reader(shared, topic, key)?;
            self.last = Some((topic.to_owned(), key, reader));
        }
        let last = self.last.as_ref().map(|(.., reader)| reader);
        last.ok_or_else(|| Failure::Serializer(not_retrieved::<F>(shared, "schema", key)))
    }

    fn find_reader(
        &mut self,
        shared: &Shared<F>,
        topic: &str,
        key: SchemaKey,
    ) -> Result<Arc<F::Reader>, Failure> {
        let known = self
            .readers
            .get(topic)
            .and_then(|readers| readers.get(&key));
        match known {
            Some(reader) => Ok(Arc::clone(reader)),
            None => self.make_reader(shared, topic, key),
        }
    }

    fn make_reader(
        &mut self,
        shared: &Shared<F>,
        topic: &str,
        key: SchemaKey,
    ) -> Result<Arc<F::Reader>, Failure> {
        let found = lock(&self.found).get(&key).cloned();
        let (schema, version) = match found {
            Some(Found::Schema(schema, version)) => (schema, version),
            Some(Found::Nothing(error)) => return Err(Failure::Serializer(error)),
            None => {
                let error = not_retrieved::<F>(shared, "schema", key);
                return Err(Failure::Serializer(error));
            }
        };
        if schema.schema.kind != F::TYPE.name() {
            let error = RecordError::new(
                SERIALIZATION_EXCEPTION,
                format!(
                    "the schema of {} is one of {}, which {} does not read; is this the right converter for topic {topic}?",
                    id_text::<F>(key, &[]),
                    schema.schema.kind,
                    F::MESSAGES.class
                ),
            );
            return Err(Failure::Serializer(error));
        }
        let reader = Arc::new(shared.format.reader(&schema, version)?);
        self.readers
            .entry(topic.to_owned())
            .or_insert_with(|| Bounded::new(self.most))
            .insert(key, Arc::clone(&reader));
        Ok(reader)
    }

    fn warn_doubled(&mut self, topic: &str) {
        if self.doubled.insert(topic.to_owned()) {
            tracing::warn!(
                topic,
                "records have their schema's id in a header and seem to begin with one as well; the header counts, and what is \
                 read of them may be wrong: whoever writes them should drop one of the two"
            );
        }
    }
}

/// Fetches a schema and the version that it is of its subject.
async fn find<F: Format>(
    shared: &Shared<F>,
    topic: &str,
    key: SchemaKey,
) -> Result<Found, Unavailable> {
    let settings = &shared.settings;
    let by_topic = match settings.strategy.uses_schema() {
        true => None,
        false => settings.strategy.subject(topic, settings.role, None).ok(),
    };
    let nothing = |what: &str, refusal: &Refusal| {
        let error = not_retrieved::<F>(shared, what, key);
        Found::Nothing(error.caused_by(refusal.to_record_error()))
    };
    let schema = match shared.registry.schema(key, by_topic.as_deref()).await {
        Ok(schema) => schema,
        Err(error) => return refusal_of(error).map(|refusal| nothing("schema", &refusal)),
    };
    let subject = match by_topic {
        Some(subject) => subject,
        None => {
            let name = shared.format.record_name(&schema);
            match settings
                .strategy
                .subject(topic, settings.role, name.as_deref())
            {
                Ok(subject) => subject,
                Err(error) => return Ok(Found::Nothing(error)),
            }
        }
    };
    match shared.registry.version(&subject, key, &schema).await {
        Ok(version) => Ok(Found::Schema(schema, version)),
        Err(error) => refusal_of(error).map(|refusal| nothing("schema version", &refusal)),
    }
}

/// What the registry refuses; that it is away is no record's fault.
pub(super) fn refusal_of(error: CallError) -> Result<Refusal, Unavailable> {
    match error {
        CallError::Refused(refusal) => Ok(refusal),
        CallError::Unavailable(reason) | CallError::NoSuchPath(reason) => {
            Err(Unavailable { reason })
        }
    }
}

fn not_retrieved<F: Format>(shared: &Shared<F>, what: &str, key: SchemaKey) -> RecordError {
    let (name, role) = (F::MESSAGES.name, role_name(shared.settings.role));
    let id = id_text::<F>(key, &[]);
    RecordError::new(
        SERIALIZATION_EXCEPTION,
        format!("Error retrieving {name} {role} {what} for id {id}"),
    )
}

/// A schema's id as Confluent's classes print it.
fn id_text<F: Format>(key: SchemaKey, indexes: &[i32]) -> String {
    let (id, guid) = match key {
        SchemaKey::Id(id) => (id.to_string(), "null".to_owned()),
        SchemaKey::Guid(guid) => ("null".to_owned(), guid.to_string()),
    };
    let indexes = match indexes {
        [] => "null".to_owned(),
        indexes => format!("{indexes:?}"),
    };
    format!(
        "SchemaId{{schemaType='{}', id={id}, guid='{guid}', messageIndexes={indexes}}}",
        F::TYPE.name()
    )
}

/// Takes a record's bytes apart.
fn frame<'a, F: Format>(
    shared: &Shared<F>,
    topic: &str,
    bytes: &'a [u8],
    headers: Option<&RawHeaders>,
    row: usize,
) -> Result<Framed<'a>, RecordError> {
    let header = wire::header(headers, row, wire::header_name(shared.settings.role));
    match wire::read_plain(bytes) {
        Some(framed) if header.is_none() && !F::MESSAGES.has_indexes => Ok(framed),
        _ => wire::read(bytes, header, F::MESSAGES.has_indexes).map_err(|error| {
            let error = wire::explain(error, headers, row);
            told::<F>(topic, Failure::Serializer(error))
        }),
    }
}

fn datum<'a>(framed: &'a Framed<'_>) -> Datum<'a> {
    Datum {
        payload: framed.payload,
        indexes: &framed.indexes,
    }
}

/// A datum's failure as the converter tells it.
fn not_read<F: Format>(topic: &str, framed: &Framed<'_>, failure: Failure) -> RecordError {
    let Failure::Serializer(cause) = failure else {
        return told::<F>(topic, failure);
    };
    let id = id_text::<F>(framed.key, &framed.indexes);
    let name = F::MESSAGES.name;
    let message = format!("Error deserializing {name} message for id {id}");
    let error = RecordError::new(SERIALIZATION_EXCEPTION, message).caused_by(cause);
    told::<F>(topic, Failure::Serializer(error))
}

/// The failure as the converter tells it.
fn told<F: Format>(topic: &str, failure: Failure) -> RecordError {
    match failure {
        Failure::Serializer(cause) => {
            RecordError::data((F::MESSAGES.not_read)(topic)).caused_by(cause)
        }
        Failure::Mapping(error) => error,
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    // Entries are put in whole.
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
