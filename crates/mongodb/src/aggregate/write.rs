//! Write: brings what was gathered of a partition into the collection, document by document and then the place, and goes on
//! after lost answers and beside others who write the same. What is sent is decided by `fold.rs` and `place.rs`.

use super::fold::{Contribution, Delta, Sums, lacking};
use super::id::TotalsId;
use super::place::{PartitionName, Place};
use super::settings::AggregateSettings;
use crate::bulk::Retries;
use crate::command_buffer::{CommandBuffer, CommandKind};
use crate::extensions::WritePolicy;
use crate::namespace::Namespace;
use crate::reply::{Reply, WriteError};
use crate::store::{Failure, FailureKind, Store, is_transient};
use bson::Document;
use millstream_core::rejected::DATA_EXCEPTION;
use millstream_core::{SinkError, SinkErrorKind, TopicPartition};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::time::Instant;

/// Bytes of one command, but for its last statement.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// Statements of one command: the documents of those that are there already come in one answer.
const MAX_STATEMENTS: usize = 1_000;

/// What a server calls a sum that an Int64 cannot hold.
const BAD_VALUE: i32 = 2;

/// Where the totals of a partition stand.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) namespace: Namespace,
    pub(crate) partition: TopicPartition,
    pub(crate) name: PartitionName,
    pub(crate) settings: Arc<AggregateSettings>,
    /// Statements of one command, as the settings allow.
    pub(crate) max_batch: usize,
}

/// What a document still lacks.
struct Pending<'a> {
    id: &'a TotalsId,
    rest: &'a [Contribution],
    sums: Sums,
}

/// Why a command has to be sent again after a pause.
type Reason = String;

impl Target {
    /// Reads the place of the partition.
    pub(crate) async fn read(
        &self,
        store: &Store,
        policy: WritePolicy,
    ) -> Result<Place, SinkError> {
        let mut retries = Retries::new(policy.retry_for);
        let of = self.settings.of();
        loop {
            let mut document = Document::new();
            let found = store
                .find(&self.namespace, vec![self.name.id()], |found| {
                    document = Document::try_from(found).unwrap_or_default();
                })
                .await;
            if let Err(failure) = found {
                wait(failure, store, &mut retries).await?;
                continue;
            }
            return match Place::other_settings(&document, &of) {
                None => Ok(Place::read(&document)),
                Some(other) => {
                    let (namespace, partition) = (&self.namespace, &self.name.text);
                    Err(SinkError::fatal(format!(
                        "{namespace} holds totals of {partition} for {other}, and these are for {of}: empty the collection, or \
                         write to another one"
                    )))
                }
            };
        }
    }

    /// Adds records to their documents, each once whatever was added before, and then moves the place.
    pub(crate) async fn write(
        &self,
        gathered: &HashMap<TotalsId, Vec<Contribution>>,
        place: &Place,
        store: &Store,
        policy: WritePolicy,
    ) -> Result<(), SinkError> {
        let begun = Instant::now();
        let written = async {
            let pending = gathered.iter().map(|(id, rest)| Pending {
                id,
                rest,
                sums: Sums::Plain,
            });
            let mut pending: Vec<Pending<'_>> = pending.collect();
            let mut retries = Retries::new(policy.retry_for);
            while !pending.is_empty() {
                let before = left(&pending);
                let reason = self.step(&mut pending, store, &mut retries).await?;
                if let Some(reason) = reason {
                    pause(&reason, store, &mut retries).await?;
                } else if left(&pending) < before {
                    retries = Retries::new(policy.retry_for);
                }
            }
            self.write_place(place, store, policy).await
        };
        let outcome = written.await;
        store.meters.wrote(outcome.is_ok(), begun.elapsed());
        outcome
    }

    /// Sends one command and takes from `pending` what is in its documents then.
    async fn step(
        &self,
        pending: &mut Vec<Pending<'_>>,
        store: &Store,
        retries: &mut Retries,
    ) -> Result<Option<Reason>, SinkError> {
        let mut deltas = Vec::new();
        let mut statements = Vec::new();
        let mut bytes = 0;
        let most = self.max_batch.min(MAX_STATEMENTS);
        for one in pending.iter().rev().take(most) {
            let delta = Delta::of(one.rest, &self.settings.measured, &self.partition);
            let statement = delta.statement(one.id, &self.settings.measured, &self.name, one.sums);
            let statement = encode(&statement)?;
            bytes += statement.len();
            statements.push(statement);
            deltas.push(delta);
            if bytes >= MAX_BYTES {
                break;
            }
        }
        let reply = match self.send(&statements, store).await {
            Ok(reply) => reply,
            Err(failure) => {
                wait(failure, store, retries).await?;
                return Ok(None);
            }
        };
        let mut refused: HashMap<usize, WriteError> = reply
            .write_errors
            .into_iter()
            .map(|error| (error.index, error))
            .collect();
        let sent = pending.split_off(pending.len() - statements.len());
        let (mut taken, mut reason) = (Vec::new(), None);
        for (index, (mut one, delta)) in sent.into_iter().rev().zip(deltas).enumerate() {
            match refused.remove(&index) {
                None => {
                    one.rest = lacking(one.rest, Some(delta.next));
                    pending.extend((!one.rest.is_empty()).then_some(one));
                }
                Some(error) if error.is_duplicate() && error.is_duplicate_id() != Some(false) => {
                    taken.push(one);
                }
                Some(error) if is_transient(error.code) => {
                    reason = Some(self.refusal(&error, store));
                    pending.push(one);
                }
                Some(error) if error.code == BAD_VALUE && one.sums == Sums::Plain => {
                    one.sums = Sums::Decimal;
                    pending.push(one);
                }
                Some(error) => return Err(SinkError::fatal(self.refusal(&error, store))),
            }
        }
        if !taken.is_empty() {
            let again = self.look(taken, store, retries).await?;
            reason = reason.or(again.1);
            pending.extend(again.0);
        }
        Ok(reason)
    }

    /// Sees what documents lack that hold some of the records already: an answer was lost, the records were counted before
    /// a crash, or somebody else writes them, too.
    async fn look<'a>(
        &self,
        taken: Vec<Pending<'a>>,
        store: &Store,
        retries: &mut Retries,
    ) -> Result<(Vec<Pending<'a>>, Option<Reason>), SinkError> {
        let ids: Vec<_> = taken.iter().map(|one| one.id.to_bson()).collect();
        let found = loop {
            let mut found: HashMap<TotalsId, Option<i64>> = HashMap::with_capacity(ids.len());
            let search = store.find(&self.namespace, ids.clone(), |raw| {
                if let Ok(document) = Document::try_from(raw)
                    && let Some(id) = document.get("_id").and_then(TotalsId::read)
                {
                    found.insert(id, self.name.next_in(&document));
                }
            });
            match search.await {
                Ok(()) => break found,
                Err(failure) => wait(failure, store, retries).await?,
            }
        };
        let (mut lacks, mut reason) = (Vec::new(), None);
        for mut one in taken {
            let rest = lacking(one.rest, found.get(one.id).copied().flatten());
            if rest.len() == one.rest.len() {
                // Another partition has made the document meanwhile, or it is gone again.
                reason = Some(format!(
                    "somebody else writes to {} at the same time",
                    self.namespace
                ));
            }
            one.rest = rest;
            lacks.extend((!rest.is_empty()).then_some(one));
        }
        Ok((lacks, reason))
    }

    async fn write_place(
        &self,
        place: &Place,
        store: &Store,
        policy: WritePolicy,
    ) -> Result<(), SinkError> {
        let statement = [encode(&place.statement(&self.name, &self.settings.of()))?];
        let mut retries = Retries::new(policy.retry_for);
        loop {
            match self.send(&statement, store).await {
                Ok(reply) => match reply.write_errors.first() {
                    None => return Ok(()),
                    // Two who make it at once; at the second try it is there.
                    Some(error) if error.is_duplicate() || is_transient(error.code) => {
                        pause(&self.refusal(error, store), store, &mut retries).await?;
                    }
                    Some(error) => return Err(SinkError::fatal(self.refusal(error, store))),
                },
                Err(failure) => wait(failure, store, &mut retries).await?,
            }
        }
    }

    async fn send(&self, statements: &[Vec<u8>], store: &Store) -> Result<Reply, Failure> {
        let size = statements.iter().map(|statement| statement.len() + 8).sum();
        let concern = store.write_concern.as_deref();
        let collection = &self.namespace.collection;
        let mut buffer = CommandBuffer::new(CommandKind::Update, collection, false, concern, size);
        for statement in statements {
            buffer.push(statement);
        }
        let reply = store
            .send(&self.namespace.database, buffer.finish())
            .await?;
        match &reply.concern_error {
            // Whether it is durable is not known; a restart sends what is not in the collection then.
            Some(concern) => Err(Failure {
                error: concern.record_error(),
                kind: FailureKind::Lasting,
                code: None,
                reason: concern.summary(),
            }),
            None => Ok(reply),
        }
    }

    fn refusal(&self, error: &WriteError, store: &Store) -> Reason {
        let (host, summary) = (&store.host, error.summary(&self.namespace));
        format!(
            "totals of {} cannot be written on the document store {host}: {summary}",
            self.name.text
        )
    }
}

/// Records that are not in their documents yet.
fn left(pending: &[Pending<'_>]) -> usize {
    pending.iter().map(|one| one.rest.len()).sum()
}

fn encode(statement: &Document) -> Result<Vec<u8>, SinkError> {
    let encoded = statement.to_vec();
    encoded.map_err(|error| SinkError::fatal("totals cannot be written as BSON").with_source(error))
}

/// Waits after a command without an answer, unless it does not pass or has lasted too long.
async fn wait(failure: Failure, store: &Store, retries: &mut Retries) -> Result<(), SinkError> {
    match failure.kind {
        FailureKind::Transient => pause(&failure.reason, store, retries).await,
        FailureKind::Lasting | FailureKind::Setup => Err(SinkError::fatal(failure.reason)),
    }
}

async fn pause(reason: &str, store: &Store, retries: &mut Retries) -> Result<(), SinkError> {
    if retries.pause(store, reason).await {
        return Ok(());
    }
    Err(SinkError {
        kind: SinkErrorKind::GaveUp,
        class: DATA_EXCEPTION,
        message: reason.to_owned(),
        source: None,
    })
}
