//! Writing: values to records. A writer is made once for each schema; where its id is not known yet, it is registered or looked
//! up before the column is written.

use super::Shared;
use super::reading::refusal_of;
use crate::config::Choice;
use crate::format::{Failure, Format, record};
use crate::registry::Target;
use crate::wire;
use bytes::Bytes;
use millstream_core::rejected::SERIALIZATION_EXCEPTION;
use millstream_core::{Decoded, Destination, Preparation, RecordError, SchemaRef, Value};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::Instant;

pub(super) struct Writing<F: Format> {
    most: usize,
    /// The schemas that were written of late, the newest last.
    writers: VecDeque<(Option<SchemaRef>, Arc<F::Writer>)>,
    /// By topic and schema's place among what is written now: what the row before had.
    last: Option<Ready<F>>,
    /// What preparing the column at hand has found, by subject and text: an id, or why there is none.
    found: Arc<Mutex<HashMap<(String, String), Result<Target, RecordError>>>>,
    datum: Vec<u8>,
}

/// How rows of a topic and a schema are written.
struct Ready<F: Format> {
    topic: String,
    schema: Option<SchemaRef>,
    writer: Arc<F::Writer>,
    prefix: Vec<u8>,
}

impl<F: Format> Writing<F> {
    pub(super) fn new(most: usize) -> Self {
        Writing {
            most,
            writers: VecDeque::new(),
            last: None,
            found: Arc::default(),
            datum: Vec::new(),
        }
    }

    /// Finds the ids of a column's schemas that are not known yet.
    pub(super) fn prepare(
        &mut self,
        shared: &Arc<Shared<F>>,
        topics: &Destination,
        rows: &Decoded,
    ) -> Option<Preparation> {
        self.found
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        self.last = None;
        let mut wanted: Vec<(String, Arc<F::Writer>)> = Vec::new();
        let mut before: Option<(&str, Option<&SchemaRef>)> = None;
        let now = Instant::now();
        for (row, (schema, value)) in rows.schemas.iter().zip(&rows.values).enumerate() {
            let (topic, schema) = (&**topics.topic(row), schema.as_ref());
            let is_nothing = value.is_null() && schema.is_none();
            if is_nothing || before.is_some_and(|(of, other)| of == topic && is_same(other, schema))
            {
                continue;
            }
            // What fails here is told of each row as it is written.
            let Ok(writer) = self.writer(shared, schema) else {
                continue;
            };
            // A null without a datum needs no id.
            if value.is_null()
                && matches!(
                    shared.format.write(&writer, value, &mut self.datum),
                    Ok(false)
                )
            {
                continue;
            }
            before = Some((topic, schema));
            let Ok(subject) = subject(shared, topic, &writer) else {
                continue;
            };
            let text = shared.format.text(&writer);
            let is_wanted = |(of, other): &(String, Arc<F::Writer>)| {
                *of == subject && shared.format.text(other) == text
            };
            let known = shared
                .registry
                .known_target(&subject, text, &shared.settings, now);
            match known {
                // A new one may take its place before its rows are written.
                Some(target) => {
                    let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
                    found.insert((subject, text.text.clone()), Ok(target));
                }
                None if wanted.iter().any(is_wanted) => {}
                None => wanted.push((subject, writer)),
            }
        }
        if wanted.is_empty() {
            return None;
        }
        let (shared, found) = (Arc::clone(shared), Arc::clone(&self.found));
        Some(Box::pin(async move {
            for (subject, writer) in wanted {
                let text = shared.format.text(&writer);
                let target = shared
                    .registry
                    .find_target(&subject, text, &shared.settings)
                    .await;
                let outcome = match target {
                    Ok(target) => Ok(target),
                    Err(error) => {
                        let cause = refusal_of(error)?.to_record_error();
                        Err(not_found::<F>(&shared.settings.choice, &text.text).caused_by(cause))
                    }
                };
                let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                found.insert((subject, text.text.clone()), outcome);
            }
            Ok(())
        }))
    }

    pub(super) fn encode(
        &mut self,
        shared: &Shared<F>,
        topic: &str,
        schema: Option<&SchemaRef>,
        value: &Value,
    ) -> Result<Option<Bytes>, RecordError> {
        let told = |failure| told::<F>(topic, failure);
        if schema.is_none() && value.is_null() {
            return Ok(None);
        }
        let is_last = self
            .last
            .as_ref()
            .is_some_and(|last| last.topic == topic && is_same(last.schema.as_ref(), schema));
        if !is_last {
            let writer = self.writer(shared, schema).map_err(told)?;
            // A null has neither datum nor schema, and must not need the registry.
            if value.is_null() {
                self.datum.clear();
                let has_datum = shared.format.write(&writer, value, &mut self.datum);
                if !has_datum.map_err(told)? {
                    return Ok(None);
                }
            }
            self.last = Some(self.ready(shared, topic, schema, writer).map_err(told)?);
        }
        let Some(ready) = &self.last else {
            return Ok(None);
        };
        self.datum.clear();
        let has_datum = shared.format.write(&ready.writer, value, &mut self.datum);
        let has_datum = has_datum.map_err(|failure| match failure {
            Failure::Serializer(cause) => {
                let message = format!("Error serializing {} message", F::MESSAGES.name);
                let error = RecordError::new(SERIALIZATION_EXCEPTION, message).caused_by(cause);
                told(Failure::Serializer(error))
            }
            mapping => told(mapping),
        })?;
        Ok(has_datum.then(|| record(&ready.prefix, &self.datum)))
    }

    fn ready(
        &self,
        shared: &Shared<F>,
        topic: &str,
        schema: Option<&SchemaRef>,
        writer: Arc<F::Writer>,
    ) -> Result<Ready<F>, Failure> {
        let subject = subject(shared, topic, &writer).map_err(Failure::Serializer)?;
        let text = shared.format.text(&writer);
        let target = self.target(shared, &subject, &writer)?;
        let writer = match (&target.schema, &shared.settings.choice) {
            (
                Some(by),
                Choice::Id { is_strict, .. }
                | Choice::Latest { is_strict }
                | Choice::LatestWith { is_strict, .. },
            ) if by.schema != *text => Arc::new(shared.format.writer_by(&writer, by, *is_strict)?),
            _ => writer,
        };
        Ok(Ready {
            topic: topic.to_owned(),
            schema: schema.cloned(),
            prefix: wire::prefix(target.id, shared.format.indexes(&writer)),
            writer,
        })
    }

    fn target(
        &self,
        shared: &Shared<F>,
        subject: &str,
        writer: &F::Writer,
    ) -> Result<Target, Failure> {
        let text = shared.format.text(writer);
        // What was found just now is good for this column, however soon it is to be asked for again.
        let mut settings = shared.settings.clone();
        settings.latest_ttl = None;
        let now = Instant::now();
        if let Some(target) = shared.registry.known_target(subject, text, &settings, now) {
            return Ok(target);
        }
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let found = found.get(&(subject.to_owned(), text.text.clone())).cloned();
        let found =
            found.unwrap_or_else(|| Err(not_found::<F>(&shared.settings.choice, &text.text)));
        found.map_err(Failure::Serializer)
    }

    fn writer(
        &mut self,
        shared: &Shared<F>,
        schema: Option<&SchemaRef>,
    ) -> Result<Arc<F::Writer>, Failure> {
        let known = self.writers.iter().rev();
        let mut known = known.filter(|(of, _)| match (of, schema) {
            (Some(of), Some(schema)) => Arc::ptr_eq(of, schema) || of == schema,
            (of, schema) => of.is_none() && schema.is_none(),
        });
        if let Some((_, writer)) = known.next() {
            return Ok(Arc::clone(writer));
        }
        let writer = Arc::new(shared.format.writer(schema)?);
        self.writers
            .push_back((schema.cloned(), Arc::clone(&writer)));
        if self.writers.len() > self.most {
            self.writers.pop_front();
        }
        Ok(writer)
    }
}

/// The same schema, as the rows of a run have it.
fn is_same(one: Option<&SchemaRef>, other: Option<&SchemaRef>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (one, other) => one.is_none() && other.is_none(),
    }
}

fn subject<F: Format>(
    shared: &Shared<F>,
    topic: &str,
    writer: &F::Writer,
) -> Result<String, RecordError> {
    let settings = &shared.settings;
    let name = shared.format.written_name(writer);
    settings
        .strategy
        .subject(topic, settings.role, name.as_deref())
}

/// That there is no id for a schema.
fn not_found<F: Format>(choice: &Choice, text: &str) -> RecordError {
    RecordError::new(
        SERIALIZATION_EXCEPTION,
        format!("{}{text}", what_failed::<F>(choice)),
    )
}

fn what_failed<F: Format>(choice: &Choice) -> String {
    let name = F::MESSAGES.name;
    match choice {
        Choice::Register => format!("Error registering {name} schema"),
        Choice::Id { .. } => "Error retrieving schema ID".to_owned(),
        Choice::LatestWith { .. } => "Error retrieving latest with metadata".to_owned(),
        Choice::Latest { .. } => format!("Error retrieving latest version of {name} schema"),
        Choice::LookUp => format!("Error retrieving {name} schema"),
    }
}

/// The failure as the converter tells it.
fn told<F: Format>(topic: &str, failure: Failure) -> RecordError {
    match failure {
        Failure::Serializer(cause) => {
            RecordError::data((F::MESSAGES.not_written)(topic)).caused_by(cause)
        }
        Failure::Mapping(error) => error,
    }
}
