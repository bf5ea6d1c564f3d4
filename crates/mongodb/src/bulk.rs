//! Bulk writes: the operations of consecutive records as one or a few commands, sent, retried and judged item
//! by item. What the outcome means for the records is `outcome.rs`'s part.

use crate::command_buffer::CommandBuffer;
use crate::existing::{self, Existing};
use crate::extensions::{DuplicatePolicy, WritePolicy};
use crate::namespace::Namespace;
use crate::operation::{Statement, StatementKind, StatementRef, Statements};
use crate::processor::IdOrigin;
use crate::reply::{ConcernError, Reply, WriteError};
use crate::store::{Failure, FailureKind, Store, is_transient};
use bson::raw::RawDocument;
use bson::{RawDocumentBuf, rawdoc};
use millstream_core::backoff::Backoff;
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::time::Duration;
use tokio::time::Instant;

impl StatementRef<'_> {
    /// Two connections may race to upsert one `_id`; at a second try the document is there and is updated.
    fn may_race(&self, error: &WriteError) -> bool {
        matches!(self.kind, StatementKind::Replace | StatementKind::Update)
            && error.is_duplicate()
            && error.is_duplicate_id() == Some(true)
    }

    /// Whether this is an insert whose `_id`, and no other index, is known to be taken.
    fn is_insert_of_known_id(&self, error: &WriteError) -> bool {
        self.kind == StatementKind::Insert
            && error.is_duplicate()
            && error.is_duplicate_id() == Some(true)
    }

    /// The insert as a replacement of what has its id.
    fn as_replacement(&self) -> Option<Statement> {
        let document = RawDocument::from_bytes(self.bytes).ok()?;
        let id = document.get("_id").ok().flatten()?;
        Some(Statement {
            kind: StatementKind::Replace,
            bytes: rawdoc! {"q": {"_id": id}, "u": document.to_owned(), "upsert": true}
                .into_bytes(),
            id: self.id,
        })
    }
}

impl DuplicatePolicy {
    /// Whether a refused insert may be in the collection already, by this very record, so that it is worth a look.
    fn looks_up(self, error: &WriteError, statement: StatementRef<'_>, is_ambiguous: bool) -> bool {
        if !error.is_duplicate() || statement.kind != StatementKind::Insert {
            return false;
        }
        let of_id = error.is_duplicate_id();
        match self {
            DuplicatePolicy::Error => false,
            // Where the server does not say whose duplicate it is.
            DuplicatePolicy::Ignore => of_id.is_none(),
            DuplicatePolicy::Auto | DuplicatePolicy::Replace => {
                (statement.id == IdOrigin::Offset || is_ambiguous) && of_id != Some(false)
            }
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct BulkWrite {
    pub(crate) namespace: Namespace,
    pub(crate) ordered: bool,
    pub(crate) statements: Statements,
}

/// What came of a bulk write, by index of its statements.
#[derive(Debug, Default)]
pub(crate) struct BulkOutcome {
    pub(crate) errors: Vec<WriteError>,
    pub(crate) concern: Option<ConcernError>,
    /// No answer to some command, when all retries were over.
    pub(crate) failure: Option<Failure>,
    /// With a failure: the statements of that command and of those behind it. What earlier commands did is known. Empty where
    /// no command was sent.
    pub(crate) unsettled: Vec<usize>,
    /// Items that were there already and count as done.
    pub(crate) duplicates: usize,
    /// Items that took the place of another document under their id.
    pub(crate) replaced: usize,
}

/// The row that a statement came from: of which batch that the task holds, by number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowRef {
    pub(crate) batch: u64,
    pub(crate) row: u32,
}

/// Bytes of one command; a server takes 16 MiB and a bit.
const MAX_COMMAND: usize = 12 * 1024 * 1024;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

impl BulkWrite {
    pub(crate) async fn run(&self, store: &Store, policy: WritePolicy) -> BulkOutcome {
        let begun = Instant::now();
        let mut outcome = BulkOutcome::default();
        let mut commands = self.commands().into_iter();
        for indexes in commands.by_ref() {
            let retries = Retries::new(policy.retry_for);
            if self
                .run_command(store, policy, indexes, None, retries, &mut outcome)
                .await
                .is_break()
            {
                break;
            }
        }
        if outcome.failure.is_some() {
            outcome.unsettled.extend(commands.flatten());
        }
        outcome.errors.sort_by_key(|error| error.index);
        store
            .meters
            .wrote(outcome.failure.is_none(), begun.elapsed());
        outcome
    }

    /// Goes on from the answer to a first attempt at all statements in one command.
    pub(crate) async fn resume(
        &self,
        store: &Store,
        policy: WritePolicy,
        reply: Reply,
        retries: Retries,
    ) -> BulkOutcome {
        let mut outcome = BulkOutcome::default();
        let all = (0..self.statements.len()).collect();
        // A broken-off run has put its reason into the outcome.
        let _ = self
            .run_command(store, policy, all, Some(reply), retries, &mut outcome)
            .await;
        outcome.errors.sort_by_key(|error| error.index);
        outcome
    }

    /// The statements of each command. Ordered: consecutive ones of a kind. Unordered: all of a kind.
    fn commands(&self) -> Vec<Vec<usize>> {
        let mut commands: Vec<(StatementKind, usize, Vec<usize>)> = Vec::new();
        for (index, statement) in self.statements.iter().enumerate() {
            let size = statement.bytes.len();
            let fits = |(kind, bytes, _): &&mut (StatementKind, usize, Vec<usize>)| {
                *kind == statement.kind && *bytes + size <= MAX_COMMAND
            };
            let open = if self.ordered {
                commands.last_mut().filter(fits)
            } else {
                commands.iter_mut().rev().find(fits)
            };
            match open {
                Some((_, bytes, indexes)) => {
                    *bytes += size;
                    indexes.push(index);
                }
                None => commands.push((statement.kind, size, vec![index])),
            }
        }
        commands
            .into_iter()
            .map(|(_, _, indexes)| indexes)
            .collect()
    }

    async fn run_command(
        &self,
        store: &Store,
        policy: WritePolicy,
        mut pending: Vec<usize>,
        mut first_reply: Option<Reply>,
        mut retries: Retries,
        outcome: &mut BulkOutcome,
    ) -> ControlFlow<()> {
        let mut retried_upserts: Vec<usize> = Vec::new();
        while !pending.is_empty() {
            let attempt = match first_reply.take() {
                Some(reply) => Ok(reply),
                None => {
                    let command = self.command(store, &pending);
                    store.send(&self.namespace.database, command).await
                }
            };
            let reply = match attempt {
                Ok(reply) => reply,
                Err(failure)
                    if failure.kind == FailureKind::Transient
                        && retries.pause(store, &failure.reason).await =>
                {
                    retries.is_ambiguous = true;
                    continue;
                }
                Err(failure) => {
                    outcome.failure = Some(failure);
                    outcome.unsettled = pending;
                    return ControlFlow::Break(());
                }
            };
            if let Some(concern) = reply.concern_error {
                outcome.concern.get_or_insert(concern);
            }
            let mut again = Vec::new();
            let mut resume_at = pending.len();
            let mut must_stop = false;
            let mut suspects = Vec::new();
            for mut error in reply.write_errors {
                let at = error.index.min(pending.len() - 1);
                let index = pending[at];
                error.index = index;
                let statement = self.statements.get(index);
                if policy
                    .duplicates
                    .looks_up(&error, statement, retries.is_ambiguous)
                {
                    suspects.push(error);
                    resume_at = at + 1;
                } else if policy.duplicates == DuplicatePolicy::Ignore
                    && statement.is_insert_of_known_id(&error)
                {
                    outcome.duplicates += 1;
                    resume_at = at + 1;
                } else if statement.may_race(&error) && !retried_upserts.contains(&index) {
                    retried_upserts.push(index);
                    again.push(index);
                    resume_at = at;
                } else if is_transient(error.code)
                    && retries.pause(store, &self.refusal(store, &error)).await
                {
                    again.push(index);
                    resume_at = at;
                } else {
                    outcome.errors.push(error);
                    must_stop = self.ordered;
                }
            }
            if must_stop {
                return ControlFlow::Break(());
            }
            pending = if self.ordered {
                pending.split_off(resume_at)
            } else {
                again
            };
            if !suspects.is_empty() {
                let settled = self
                    .settle_suspects(store, policy, suspects, &mut pending, &mut retries, outcome)
                    .await;
                if settled.is_break() {
                    return settled;
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// What refused inserts come to that may be in the collection already. Ordered, the first of them has stopped the
    /// command: those behind it are looked up with it, so that a replay costs one look-up and not one a record.
    async fn settle_suspects(
        &self,
        store: &Store,
        policy: WritePolicy,
        suspects: Vec<WriteError>,
        pending: &mut Vec<usize>,
        retries: &mut Retries,
        outcome: &mut BulkOutcome,
    ) -> ControlFlow<()> {
        let mut indexes: Vec<usize> = suspects.iter().map(|error| error.index).collect();
        if self.ordered {
            let follows = |index: &usize| self.statements.get(*index).id == IdOrigin::Offset;
            indexes.extend(pending.iter().copied().filter(follows));
        }
        let statements: Vec<StatementRef<'_>> = indexes
            .iter()
            .map(|&index| self.statements.get(index))
            .collect();
        let existing = loop {
            match existing::look_up(store, &self.namespace, &statements).await {
                Ok(existing) => break existing,
                Err(failure)
                    if failure.kind == FailureKind::Transient
                        && retries.pause(store, &failure.reason).await => {}
                Err(failure) => {
                    outcome.failure = Some(failure);
                    let refused = suspects.iter().map(|error| error.index);
                    outcome.unsettled = refused.chain(pending.drain(..)).collect();
                    return ControlFlow::Break(());
                }
            }
        };
        let mut replaced = Vec::new();
        for (mut error, &existing) in suspects.into_iter().zip(&existing) {
            let statement = self.statements.get(error.index);
            let is_done = match existing {
                Existing::Same => true,
                // Nobody else ever has a fresh id: whatever stands there has come from here.
                Existing::Other => {
                    statement.id == IdOrigin::Fresh || policy.duplicates == DuplicatePolicy::Ignore
                }
                Existing::Nothing => false,
            };
            if is_done {
                outcome.duplicates += 1;
                continue;
            }
            error.is_taken = existing == Existing::Other && statement.id == IdOrigin::Offset;
            if error.is_taken && policy.duplicates == DuplicatePolicy::Replace {
                replaced.push(error.index);
            } else {
                outcome.errors.push(error);
                if self.ordered {
                    return ControlFlow::Break(());
                }
            }
        }
        if self.ordered {
            let looked_up = indexes.iter().zip(&existing);
            let there: HashSet<usize> = looked_up
                .filter_map(|(&index, &existing)| (existing == Existing::Same).then_some(index))
                .collect();
            let before = pending.len();
            pending.retain(|index| !there.contains(index));
            outcome.duplicates += before - pending.len();
        }
        let settled = self.replace(store, policy, replaced, outcome).await;
        if outcome.failure.is_some() {
            outcome.unsettled.append(pending);
        }
        settled
    }

    /// Why an item is tried again.
    fn refusal(&self, store: &Store, error: &WriteError) -> String {
        let (host, summary) = (&store.host, error.summary(&self.namespace));
        format!("write failed on the document store {host}: {summary}")
    }

    /// Puts records in the place of what stands under their ids.
    async fn replace(
        &self,
        store: &Store,
        policy: WritePolicy,
        indexes: Vec<usize>,
        outcome: &mut BulkOutcome,
    ) -> ControlFlow<()> {
        let mut statements = Statements::default();
        for &index in &indexes {
            if let Some(replacement) = self.statements.get(index).as_replacement() {
                statements.push(replacement.borrowed());
            }
        }
        if statements.is_empty() {
            return ControlFlow::Continue(());
        }
        let count = statements.len();
        let bulk = BulkWrite {
            namespace: self.namespace.clone(),
            ordered: false,
            statements,
        };
        let replaced = Box::pin(bulk.run(store, policy)).await;
        outcome.replaced += count - replaced.errors.len();
        let errors = replaced.errors.into_iter().map(|mut error| {
            error.index = indexes[error.index.min(indexes.len() - 1)];
            error
        });
        outcome.errors.extend(errors);
        if let Some(concern) = replaced.concern {
            outcome.concern.get_or_insert(concern);
        }
        let unsettled = replaced.unsettled.into_iter().map(|at| indexes[at]);
        outcome.unsettled.extend(unsettled);
        let is_over = replaced.failure.is_some() || (self.ordered && !outcome.errors.is_empty());
        outcome.failure = outcome.failure.take().or(replaced.failure);
        if is_over {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn command(&self, store: &Store, indexes: &[usize]) -> RawDocumentBuf {
        let kind = self.statements.get(indexes[0]).kind.command();
        let all = indexes.iter().copied().eq(0..self.statements.len());
        let size = if all {
            self.statements.elements().len()
        } else {
            indexes
                .iter()
                .map(|&index| self.statements.get(index).bytes.len() + 8)
                .sum()
        };
        let concern = store.write_concern.as_deref();
        let mut buffer = CommandBuffer::new(
            kind,
            &self.namespace.collection,
            self.ordered,
            concern,
            size,
        );
        if all {
            buffer.push_elements(self.statements.elements(), indexes.len());
        } else {
            for &index in indexes {
                buffer.push(self.statements.get(index).bytes);
            }
        }
        buffer.finish()
    }
}

/// Pauses between attempts: doubling, with a bound on the whole.
pub(crate) struct Retries {
    until: Instant,
    backoff: Backoff,
    /// Whether a command may have been applied although no answer came.
    pub(crate) is_ambiguous: bool,
}

impl Retries {
    pub(crate) fn new(retry_for: Duration) -> Self {
        Retries {
            until: Instant::now() + retry_for,
            backoff: Backoff::new((FIRST_PAUSE, LONGEST_PAUSE)),
            is_ambiguous: false,
        }
    }

    /// Waits before the next attempt; `false` if there is none.
    pub(crate) async fn pause(&mut self, store: &Store, reason: &str) -> bool {
        if Instant::now() >= self.until {
            return false;
        }
        let pause = self.backoff.next_pause();
        store.note_retry(reason, pause);
        tokio::time::sleep(pause).await;
        true
    }
}
