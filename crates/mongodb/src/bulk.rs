//! Bulk writes: the operations of consecutive records as one or a few commands, sent, retried and judged item
//! by item. What the outcome means for the records is `outcome.rs`'s part.

use crate::command_buffer::{CommandBuffer, CommandKind};
use crate::namespace::Namespace;
use crate::processor::IdOrigin;
use crate::store::{ConcernError, Failure, FailureKind, Reply, Store, WriteError, is_transient};
use bson::{Bson, Document, RawDocumentBuf};
use millstream_core::backoff::Backoff;
use std::ops::ControlFlow;
use std::time::Duration;
use tokio::time::Instant;

/// One operation, ready for the wire.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub(crate) kind: StatementKind,
    /// The document to insert, or the whole statement.
    pub(crate) bytes: Vec<u8>,
    pub(crate) id: IdOrigin,
}

/// The driver's four kinds; updates and replacements share a command but never one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StatementKind {
    Insert,
    Replace,
    Update,
    Delete,
}

impl StatementKind {
    fn command(self) -> CommandKind {
        match self {
            StatementKind::Insert => CommandKind::Insert,
            StatementKind::Replace | StatementKind::Update => CommandKind::Update,
            StatementKind::Delete => CommandKind::Delete,
        }
    }
}

impl Statement {
    /// Two connections may race to upsert one `_id`; at a second try the document is there and is updated.
    fn may_race(&self, error: &WriteError) -> bool {
        matches!(self.kind, StatementKind::Replace | StatementKind::Update)
            && error.is_duplicate()
            && error.is_duplicate_id() == Some(true)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct BulkWrite {
    pub(crate) namespace: Namespace,
    pub(crate) ordered: bool,
    pub(crate) statements: Vec<Statement>,
}

/// What came of a bulk write, by index of its statements.
#[derive(Debug, Default)]
pub(crate) struct BulkOutcome {
    pub(crate) errors: Vec<WriteError>,
    pub(crate) concern: Option<ConcernError>,
    /// No answer to some command, when all retries were over.
    pub(crate) failure: Option<Failure>,
    /// Items that were there already and count as done.
    pub(crate) duplicates: usize,
}

/// The row that a statement came from: of which batch that the task holds, by number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowRef {
    pub(crate) batch: u64,
    pub(crate) row: u32,
}

/// How long to go on, and what duplicates mean.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WritePolicy {
    /// Zero: no retries, as the original.
    pub(crate) retry_for: Duration,
    pub(crate) duplicates: DuplicatePolicy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DuplicatePolicy {
    /// One that a replay or a retry explains is a success.
    Auto,
    /// All are errors, as in the original.
    Error,
    /// Every one of `_id` is a success.
    Ignore,
}

/// Bytes of one command; a server takes 16 MiB and a bit.
const MAX_COMMAND: usize = 12 * 1024 * 1024;

/// A server's own limit on one document.
pub(crate) const MAX_DOCUMENT: usize = 16 * 1024 * 1024;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

impl BulkWrite {
    pub(crate) async fn run(&self, store: &Store, policy: WritePolicy) -> BulkOutcome {
        let mut outcome = BulkOutcome::default();
        for indexes in self.commands() {
            let retries = Retries::new(policy.retry_for);
            if self
                .run_command(store, policy, indexes, None, retries, &mut outcome)
                .await
                .is_break()
            {
                break;
            }
        }
        outcome.errors.sort_by_key(|error| error.index);
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
        let mut ordered = self.ordered;
        let mut retried_upserts: Vec<usize> = Vec::new();
        while !pending.is_empty() {
            let attempt = match first_reply.take() {
                Some(reply) => Ok(reply),
                None => {
                    let command = self.command(store, &pending, ordered);
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
                    return ControlFlow::Break(());
                }
            };
            if let Some(concern) = reply.concern_error {
                outcome.concern.get_or_insert(concern);
            }
            let was_ordered = ordered;
            let mut again = Vec::new();
            let mut resume_at = pending.len();
            let mut must_stop = false;
            for mut error in reply.write_errors {
                let at = error.index.min(pending.len() - 1);
                let index = pending[at];
                error.index = index;
                let statement = &self.statements[index];
                if self
                    .is_done(store, policy, &error, statement, retries.is_ambiguous)
                    .await
                {
                    outcome.duplicates += 1;
                    resume_at = at + 1;
                    // One duplicate means a replay; its other inserts have ids of their own and need no order.
                    ordered &= statement.id != IdOrigin::Offset;
                } else if statement.may_race(&error) && !retried_upserts.contains(&index) {
                    retried_upserts.push(index);
                    again.push(index);
                    resume_at = at;
                } else if is_transient(error.code) && retries.pause(store, &error.message).await {
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
            pending = if was_ordered {
                pending.split_off(resume_at)
            } else {
                again
            };
        }
        ControlFlow::Continue(())
    }

    fn command(&self, store: &Store, indexes: &[usize], ordered: bool) -> RawDocumentBuf {
        let kind = self.statements[indexes[0]].kind.command();
        let size = indexes
            .iter()
            .map(|&index| self.statements[index].bytes.len() + 8)
            .sum();
        let concern = store.write_concern.as_deref();
        let mut buffer =
            CommandBuffer::new(kind, &self.namespace.collection, ordered, concern, size);
        for &index in indexes {
            buffer.push(&self.statements[index].bytes);
        }
        buffer.finish()
    }

    /// Whether a refused insert is in the collection already, by this very record.
    async fn is_done(
        &self,
        store: &Store,
        policy: WritePolicy,
        error: &WriteError,
        statement: &Statement,
        is_ambiguous: bool,
    ) -> bool {
        if !error.is_duplicate() || statement.kind != StatementKind::Insert {
            return false;
        }
        let explained = match policy.duplicates {
            DuplicatePolicy::Error => false,
            DuplicatePolicy::Ignore => true,
            DuplicatePolicy::Auto => statement.id == IdOrigin::Offset || is_ambiguous,
        };
        if !explained {
            return false;
        }
        match error.is_duplicate_id() {
            Some(false) => false,
            Some(true)
                if statement.id != IdOrigin::Record
                    || policy.duplicates == DuplicatePolicy::Ignore =>
            {
                true
            }
            // Not clear whose document it is: look.
            _ => self.is_there(store, statement).await,
        }
    }

    async fn is_there(&self, store: &Store, statement: &Statement) -> bool {
        let Ok(document) = Document::from_reader(statement.bytes.as_slice()) else {
            return false;
        };
        let id = document.get("_id").cloned().unwrap_or(Bson::Null);
        let found = store
            .find(&self.namespace.database, &self.namespace.collection, &id)
            .await;
        found.ok().flatten() == Some(document)
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
        store.note_trouble(reason, pause);
        tokio::time::sleep(pause).await;
        true
    }
}
