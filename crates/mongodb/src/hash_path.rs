//! The fused chain [hash the whole value, hoist it into a field]: digests of many rows at once, written as
//! BSON straight into the command. Its documents are those of the ordinary way, byte for byte.

use crate::bulk::{BulkOutcome, BulkWrite, Retries, RowRef};
use crate::command_buffer::{
    CommandBuffer, CommandKind, end_document, push_decimal, push_name, push_string,
};
use crate::document_id::IdStrategy;
use crate::extensions::WritePolicy;
use crate::namespace::Namespace;
use crate::operation::{StatementKind, StatementRef, Statements};
use crate::processor::{IdOrigin, Processor};
use crate::settings::TopicSettings;
use crate::store::{FailureKind, Store};
use crate::topics::Topics;
use crate::write_model::WriteStrategy;
use bson::RawDocumentBuf;
use bson::oid::ObjectId;
use millstream_core::digest::{Digester, HashInput, HashSettings, NullHashing};
use millstream_core::text::decode_utf8;
use millstream_core::{
    Destination, Fusable, Payload, RawKind, RecordBatch, RecordError, SinkError,
};
use std::sync::Arc;
use tokio::time::Instant;

/// Documents of one command: more gain nothing, the buffers stay in the processor's cache, and a replay is short.
const MAX_DOCUMENTS: usize = 5_000;

/// Bytes at which a command is sent.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// Buffers kept for the next commands; as many as are usually in flight.
const MAX_SPARE: usize = 4;

/// How long rows wait for more before they are sent.
const LINGER_MILLIS: i64 = 10;

/// The class whose stage this path stands for.
pub(crate) const HASH_CLASS: &str = "io.aiven.kafka.connect.transforms.Hash$Value";

pub(crate) struct HashPath {
    digester: Digester,
    settings: HashSettings,
    is_text: bool,
    /// The BSON between a document's id and its digest, and behind a null.
    before_digest: Vec<u8>,
    null_field: Vec<u8>,
    /// Whether nothing is to be written behind a row that fails.
    stops_at_failure: bool,
    open: Option<OpenChunk>,
    /// Buffers of commands that are done: fresh memory for each would cost as much as filling it.
    spare: Vec<Vec<u8>>,
    digests: Vec<u8>,
    prefix: Vec<u8>,
}

struct OpenChunk {
    namespace: Namespace,
    settings: Arc<TopicSettings>,
    ids: IdOrigin,
    buffer: CommandBuffer,
    rows: Vec<RowRef>,
    batches: Vec<u64>,
    opened_at: i64,
}

/// A command with whose rows it carries.
pub(crate) struct HashChunk {
    pub(crate) write: HashWrite,
    pub(crate) rows: Vec<RowRef>,
    pub(crate) batches: Vec<u64>,
    pub(crate) settings: Arc<TopicSettings>,
}

pub(crate) struct HashWrite {
    pub(crate) namespace: Namespace,
    command: RawDocumentBuf,
    ids: IdOrigin,
}

/// What `take` did with a batch.
pub(crate) struct Taken {
    pub(crate) next_row: usize,
    /// Whether the batch has its first row in the command now open or just filled.
    pub(crate) joined: bool,
    pub(crate) full: Option<HashChunk>,
    pub(crate) failed: Vec<(usize, RecordError)>,
    /// Rows without a value that were left out.
    pub(crate) skipped: usize,
}

impl HashPath {
    /// The path, if the chain and the settings of every topic are what it can do.
    pub(crate) fn recognise(
        value: RawKind,
        stages: &[Fusable],
        topics: &Topics,
        stops_at_failure: bool,
    ) -> Option<Self> {
        let [Fusable::HashValue(hash), Fusable::HoistValue { field }] = stages else {
            return None;
        };
        let takes_kind = matches!(value, RawKind::String | RawKind::Bytes);
        let is_plain_name = field != "_id" && !field.contains('\0');
        if !takes_kind || !is_plain_name || !topics.all(is_eligible) {
            return None;
        }
        let digester = Digester::new(hash).ok()?;
        let length = digester.encoded_len() as i32;
        let mut before_digest = Vec::new();
        if digester.is_binary() {
            push_name(&mut before_digest, 0x05, field);
            before_digest.extend_from_slice(&length.to_le_bytes());
            before_digest.push(0);
        } else {
            push_name(&mut before_digest, 0x02, field);
            before_digest.extend_from_slice(&(length + 1).to_le_bytes());
        }
        let mut null_field = Vec::new();
        push_name(&mut null_field, 0x0A, field);
        Some(HashPath {
            digester,
            settings: hash.clone(),
            is_text: value == RawKind::String && hash.input == HashInput::Text,
            before_digest,
            null_field,
            stops_at_failure,
            open: None,
            spare: Vec::new(),
            digests: Vec::new(),
            prefix: Vec::new(),
        })
    }

    /// Takes rows from `from` on: those of one topic, as many as the open command has room for.
    pub(crate) fn take(
        &mut self,
        batch: &RecordBatch,
        number: u64,
        from: usize,
        settings: &Arc<TopicSettings>,
        store: &Store,
        now: i64,
    ) -> Result<Taken, SinkError> {
        let Payload::Raw { column, .. } = &batch.values else {
            return Err(SinkError::fatal("the hashing path got decoded values"));
        };
        let topic = batch.destination.topic(from);
        let Some((database, collection)) = settings.namespace() else {
            return Err(SinkError::fatal("the hashing path needs one namespace"));
        };
        let full = self.make_room(database, collection, settings, store, now);
        let Some(chunk) = &mut self.open else {
            return Err(SinkError::fatal(
                "the hashing path has no command to write to",
            ));
        };
        let room = MAX_DOCUMENTS - chunk.buffer.count();
        let most = batch.len().min(from + room);
        let end = match &batch.destination {
            Destination::Uniform(_) => most,
            Destination::PerRow(topics) => {
                let same = topics[from..most]
                    .iter()
                    .take_while(|other| *other == topic);
                from + same.count()
            }
        };

        // Malformed text is hashed as Java decodes it; the rest where it lies.
        let mut decoded: Vec<(usize, String)> = Vec::new();
        if self.is_text {
            for row in from..end {
                if let Some(bytes) = column.get(row).filter(|bytes| !bytes.is_ascii())
                    && std::str::from_utf8(bytes).is_err()
                {
                    decoded.push((row, decode_utf8(bytes).into_owned()));
                }
            }
        }
        let mut inputs: Vec<&[u8]> = Vec::with_capacity(end - from);
        let mut replaced = decoded.iter().peekable();
        for row in from..end {
            match replaced.next_if(|(at, _)| *at == row) {
                Some((_, text)) => inputs.push(text.as_bytes()),
                None => inputs.push(column.get(row).unwrap_or_default()),
            }
        }
        self.digests.clear();
        self.digester.digest_all(&inputs, &mut self.digests);

        self.prefix.clear();
        self.prefix.extend_from_slice(topic.as_bytes());
        self.prefix.push(b'#');
        push_decimal(&mut self.prefix, i64::from(batch.origin.partition));
        self.prefix.push(b'#');
        let (mut failed, mut skipped) = (Vec::new(), 0);
        let mut next_row = end;
        let length = self.digester.digest_len();
        for row in from..end {
            let is_null = column.is_null(row);
            if is_null {
                match self.settings.null {
                    NullHashing::Fail => {
                        failed.push((row, null_value()));
                        if self.stops_at_failure {
                            break;
                        }
                        continue;
                    }
                    NullHashing::Skip => {
                        skipped += 1;
                        continue;
                    }
                    NullHashing::Pass => {}
                }
            }
            let out = chunk.buffer.begin_element();
            let start = out.len();
            out.extend_from_slice(&[0; 4]);
            match chunk.ids {
                IdOrigin::Fresh => {
                    push_name(out, 0x07, "_id");
                    out.extend_from_slice(&ObjectId::new().bytes());
                }
                IdOrigin::Offset | IdOrigin::Record => {
                    push_name(out, 0x02, "_id");
                    push_string(out, |out| {
                        out.extend_from_slice(&self.prefix);
                        push_decimal(out, batch.offsets[row]);
                    });
                }
            }
            if is_null {
                out.extend_from_slice(&self.null_field);
            } else {
                out.extend_from_slice(&self.before_digest);
                let at = (row - from) * length;
                self.digester.encode(&self.digests[at..at + length], out);
                if !self.digester.is_binary() {
                    out.push(0);
                }
            }
            end_document(out, start);
            chunk.rows.push(RowRef {
                batch: number,
                row: row as u32,
            });
            if chunk.buffer.size() >= MAX_BYTES {
                next_row = row + 1;
                break;
            }
        }
        let has_row = chunk.rows.last().is_some_and(|last| last.batch == number);
        let joined = has_row && chunk.batches.last() != Some(&number);
        if joined {
            chunk.batches.push(number);
        }
        let is_full = |chunk: &OpenChunk| {
            chunk.buffer.count() >= MAX_DOCUMENTS || chunk.buffer.size() >= MAX_BYTES
        };
        let full = match full {
            Some(earlier) => Some(earlier),
            None if self.open.as_ref().is_some_and(is_full) => self.close(),
            None => None,
        };
        Ok(Taken {
            next_row,
            joined,
            full,
            failed,
            skipped,
        })
    }

    /// Opens a command for this namespace; one that is full or for another namespace is given back.
    fn make_room(
        &mut self,
        database: &str,
        collection: &str,
        settings: &Arc<TopicSettings>,
        store: &Store,
        now: i64,
    ) -> Option<HashChunk> {
        let fits = |chunk: &OpenChunk| {
            Arc::ptr_eq(&chunk.settings, settings)
                && *chunk.namespace.collection == *collection
                && chunk.buffer.count() < MAX_DOCUMENTS
                && chunk.buffer.size() < MAX_BYTES
        };
        if self.open.as_ref().is_some_and(fits) {
            return None;
        }
        let earlier = self.close();
        let concern = store.write_concern.as_deref();
        let per_document = 64 + self.digester.encoded_len();
        let size = (MAX_DOCUMENTS * per_document).min(MAX_BYTES);
        self.open = Some(OpenChunk {
            namespace: Namespace {
                database: database.into(),
                collection: collection.into(),
            },
            ids: if settings.ids.names_the_offset() {
                IdOrigin::Offset
            } else {
                IdOrigin::Fresh
            },
            settings: Arc::clone(settings),
            buffer: CommandBuffer::reusing(
                self.spare.pop().unwrap_or_else(|| Vec::with_capacity(size)),
                CommandKind::Insert,
                collection,
                false,
                concern,
            ),
            rows: Vec::with_capacity(MAX_DOCUMENTS),
            batches: Vec::new(),
            opened_at: now,
        });
        earlier
    }

    /// The open command, if it has a row.
    pub(crate) fn close(&mut self) -> Option<HashChunk> {
        let chunk = self.open.take().filter(|chunk| chunk.buffer.count() > 0)?;
        Some(HashChunk {
            write: HashWrite {
                namespace: chunk.namespace,
                command: chunk.buffer.finish(),
                ids: chunk.ids,
            },
            rows: chunk.rows,
            batches: chunk.batches,
            settings: chunk.settings,
        })
    }

    /// Takes back the buffer of a command that is done.
    pub(crate) fn recycle(&mut self, write: HashWrite) {
        if self.spare.len() < MAX_SPARE {
            self.spare.push(write.command.into_bytes());
        }
    }

    pub(crate) fn due_at(&self) -> Option<i64> {
        let chunk = self.open.as_ref()?;
        (chunk.buffer.count() > 0).then_some(chunk.opened_at + LINGER_MILLIS)
    }

    pub(crate) fn is_due(&self, now: i64) -> bool {
        self.due_at().is_some_and(|due| due <= now)
    }
}

/// Inserts under ids that the path can write: nothing about the record is looked at but its value.
fn is_eligible(settings: &TopicSettings) -> bool {
    let adds_only_the_id = matches!(
        settings.processors.as_slice(),
        [Processor::DocumentIdAdder { .. }]
    );
    let inserts = match settings.ids {
        IdStrategy::KafkaMetaData => settings.write == WriteStrategy::InsertOneDefault,
        // Under a fresh id a replacement is an insert.
        IdStrategy::BsonOid => matches!(
            settings.write,
            WriteStrategy::InsertOneDefault | WriteStrategy::ReplaceOneDefault
        ),
        _ => false,
    };
    adds_only_the_id
        && settings.cdc.is_none()
        && settings.time_series.is_none()
        && inserts
        && settings.delete.is_none()
        && settings.namespace().is_some()
        && settings.max_batch >= MAX_DOCUMENTS
        && !settings.rate.is_on()
}

impl HashWrite {
    /// The size of the command.
    pub(crate) fn bytes(&self) -> usize {
        self.command.as_bytes().len()
    }

    pub(crate) async fn run(&self, store: &Store, policy: WritePolicy) -> BulkOutcome {
        let begun = Instant::now();
        let mut retries = Retries::new(policy.retry_for);
        let outcome = loop {
            match store
                .send(&self.namespace.database, self.command.clone())
                .await
            {
                Ok(reply) if reply.write_errors.is_empty() => {
                    break BulkOutcome {
                        concern: reply.concern_error,
                        ..BulkOutcome::default()
                    };
                }
                Ok(reply) => break self.bulk().resume(store, policy, reply, retries).await,
                Err(failure)
                    if failure.kind == FailureKind::Transient
                        && retries.pause(store, &failure.reason).await =>
                {
                    retries.is_ambiguous = true;
                }
                Err(failure) => {
                    break BulkOutcome {
                        failure: Some(failure),
                        ..BulkOutcome::default()
                    };
                }
            }
        };
        let succeeded = outcome.failure.is_none();
        store.meters.wrote(succeeded, begun.elapsed());
        outcome
    }

    /// The same write statement by statement, for the rare answer that has to be looked at item by item.
    fn bulk(&self) -> BulkWrite {
        let documents = self.command.get_array("documents").into_iter().flatten();
        let mut statements = Statements::default();
        for document in documents.flatten() {
            if let Some(document) = document.as_document() {
                statements.push(StatementRef {
                    kind: StatementKind::Insert,
                    bytes: document.as_bytes(),
                    id: self.ids,
                });
            }
        }
        BulkWrite {
            namespace: self.namespace.clone(),
            ordered: false,
            statements,
        }
    }
}

/// What the transform says of a record without a value.
fn null_value() -> RecordError {
    RecordError::data("value can't be null")
}
