//! Lane: the writes of one partition whose order matters, one after the other. The writes of a batch are one chain that
//! runs by itself, and a chain that waits for the one before it starts when that ends: nobody has to look after them.

use crate::bulk::{BulkOutcome, BulkWrite, RowRef};
use crate::extensions::WritePolicy;
use crate::operation::StatementKind;
use crate::outcome;
use crate::processor::IdOrigin;
use crate::series_maker;
use crate::settings::TopicSettings;
use crate::store::Store;
use std::sync::{Arc, Weak};
use tokio::sync::oneshot;

/// Chains of one lane at a time: one on its way, and the next batch's behind it, ready to go.
const MAX_CHAINS: usize = 2;

/// A bulk write being put together.
pub(crate) struct Group {
    pub(crate) settings: Arc<TopicSettings>,
    pub(crate) topic: Arc<str>,
    pub(crate) bulk: BulkWrite,
    pub(crate) rows: Vec<RowRef>,
}

/// A bulk write that ended.
pub(crate) struct Written {
    pub(crate) settings: Arc<TopicSettings>,
    pub(crate) bulk: BulkWrite,
    pub(crate) rows: Vec<RowRef>,
    pub(crate) outcome: BulkOutcome,
}

/// What a partition knows of its chains.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    chains: usize,
    /// Gone when the partition is.
    wanted: Arc<()>,
    /// Tells whether the last chain ended well.
    last: Option<oneshot::Receiver<bool>>,
}

/// A chain's place in its lane.
pub(crate) struct Turn {
    before: Option<oneshot::Receiver<bool>>,
    wanted: Weak<()>,
    ended_well: oneshot::Sender<bool>,
}

impl Group {
    /// Whether these writes must follow those before them; inserts under ids that nothing else has need not, unless their
    /// rate is limited.
    pub(crate) fn needs_order(&self) -> bool {
        self.settings.rate.is_on()
            || self.bulk.statements.iter().any(|statement| {
                statement.kind != StatementKind::Insert || statement.id == IdOrigin::Record
            })
    }

    /// Bytes of its statements, as a command carries them.
    pub(crate) fn bytes(&self) -> usize {
        self.bulk.statements.elements().len()
    }

    pub(crate) async fn write(self, store: &Store, policy: WritePolicy) -> Written {
        let write = async {
            if let Some(series) = &self.settings.time_series
                && let Err(failure) =
                    series_maker::ensure(series, store, &self.bulk.namespace, policy.retry_for)
                        .await
            {
                return BulkOutcome {
                    failure: Some(failure),
                    ..BulkOutcome::default()
                };
            }
            self.bulk.run(store, policy).await
        };
        let outcome = self.settings.rate.hold(write).await;
        Written {
            outcome,
            settings: self.settings,
            bulk: self.bulk,
            rows: self.rows,
        }
    }
}

impl Lane {
    pub(crate) fn is_idle(&self) -> bool {
        self.chains == 0
    }

    /// Whether the next batch has to wait before it may bring its chain.
    pub(crate) fn is_full(&self) -> bool {
        self.chains >= MAX_CHAINS
    }

    /// Chains that only wait for others.
    pub(crate) fn waiting(&self) -> usize {
        self.chains.saturating_sub(1)
    }

    pub(crate) fn join(&mut self) -> Turn {
        let (ended_well, last) = oneshot::channel();
        self.chains += 1;
        Turn {
            before: self.last.replace(last),
            wanted: Arc::downgrade(&self.wanted),
            ended_well,
        }
    }

    pub(crate) fn leave(&mut self) {
        self.chains = self.chains.saturating_sub(1);
        if self.chains == 0 {
            self.last = None;
        }
    }
}

/// Runs a chain when its turn has come. Behind a write that ends the task nothing is written any more.
pub(crate) async fn run(
    groups: Vec<Group>,
    turn: Turn,
    store: &Store,
    policy: WritePolicy,
) -> Vec<Written> {
    if let Some(before) = turn.before
        && !before.await.unwrap_or(false)
    {
        return Vec::new();
    }
    let mut written = Vec::with_capacity(groups.len());
    for group in groups {
        // Where a rate is limited a chain may outlast its partition by far, and somebody else reads its rows by then.
        if turn.wanted.strong_count() == 0 {
            return written;
        }
        let tolerance = group.settings.tolerance;
        let one = group.write(store, policy).await;
        let ends_task = outcome::ends_task(&one.outcome, tolerance);
        written.push(one);
        if ends_task {
            return written;
        }
    }
    // A task that is being closed no longer listens.
    let _ = turn.ended_well.send(true);
    written
}
