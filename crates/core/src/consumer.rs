//! The seam to a source of batches: Kafka, or a queue.

use crate::batch::RecordBatch;
use crate::degraded::Degraded;
use crate::offsets::TopicPartition;
use async_trait::async_trait;
use std::error::Error;
use std::ops::Range;
use std::time::Duration;
use tokio::sync::oneshot;

/// What a consumer reports. Events come in order and before the batches that follow from them; they may overtake batches
/// of partitions that they take away, which are then not delivered any more.
// Nearly every item is a batch, so boxing it would only cost.
#[allow(clippy::large_enum_variant)]
#[derive(Debug)]
pub enum Fetched {
    /// Partitions that now are this consumer's; their batches follow.
    Assigned(Vec<TopicPartition>),
    /// Where reading begins in partitions that have no committed offset. Nothing before it is read, so it may be
    /// committed: a restart then begins at the same place, whatever has come meanwhile.
    Positioned(Vec<(TopicPartition, i64)>),
    Batch(RecordBatch),
    /// What came before is to become durable without further records: the source cannot keep it for longer, or gives no more
    /// until that is settled. Comes in its place among the batches, from `next` alone.
    Flush(FlushReason),
    /// Partitions that are about to go. The consumer holds the rebalance until `done` is sent or dropped:
    /// finish, commit and close before that.
    Revoked {
        partitions: Vec<TopicPartition>,
        done: oneshot::Sender<()>,
    },
    /// Partitions that are gone already; nothing may be committed for them.
    Lost(Vec<TopicPartition>),
    /// Something is out of reach and being retried.
    Degraded(Degraded),
    /// The outage of an earlier `Degraded` is over.
    Recovered,
    /// The end: the consumer cannot go on.
    Failed(ConsumerError),
}

/// Why a source wants what is open to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlushReason {
    /// The oldest record has been held for as long as it may be.
    Hold,
    /// Nothing more comes before something is settled, or for a while.
    Starved,
    /// A record has used up much of the deliveries that its queue allows.
    Worn,
    /// The source is about to take records back, and cannot be persuaded otherwise.
    Expiry,
}

impl FlushReason {
    pub const ALL: [FlushReason; 4] = [
        FlushReason::Hold,
        FlushReason::Starved,
        FlushReason::Worn,
        FlushReason::Expiry,
    ];

    /// For logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            FlushReason::Hold => "hold",
            FlushReason::Starved => "starved",
            FlushReason::Worn => "worn",
            FlushReason::Expiry => "expiry",
        }
    }
}

/// What a source wants to be told when records are durable, filtered out or settled as rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirms {
    /// The offset before which everything is done: Kafka's commit.
    Prefix,
    /// Every finished range besides: a queue takes its messages off one by one, and keeps them leased until then.
    Ranges,
}

/// What a consumer knows of a partition without having delivered anything of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Where reading began when the partition was assigned: its committed offset, or where it starts without one.
    pub begin: i64,
    /// The end, as the last fetch response told it.
    pub end: i64,
}

/// A record source with groups and commits. `next` and the others are called by one owner.
#[async_trait]
pub trait Consumer: Send {
    /// The next item. Cancel safe: dropping the future loses nothing.
    async fn next(&mut self) -> Fetched;

    /// The next item that is neither a batch nor the end, for an owner with a batch in hand: batches stay with the
    /// consumer, which reads on only as far as it has room, and the group goes on hearing of this member. Cancel safe.
    async fn next_event(&mut self) -> Fetched;

    /// How the source wants to hear of what is done.
    fn confirms(&self) -> Confirms {
        Confirms::Prefix
    }

    /// Tells a source with `Confirms::Ranges` what is done, each range and row once. What is not told for an error is
    /// told again with the next call.
    async fn confirm(
        &mut self,
        _done: &[(TopicPartition, Range<i64>)],
    ) -> Result<(), ConsumerError> {
        Ok(())
    }

    /// Commits offsets (each the next to read, with a metadata text) of partitions this consumer owns.
    async fn commit(
        &mut self,
        offsets: &[(TopicPartition, i64, String)],
    ) -> Result<(), ConsumerError>;

    /// Stops delivery of these partitions; membership is kept.
    fn pause(&mut self, partitions: &[TopicPartition]);

    fn resume(&mut self, partitions: &[TopicPartition]);

    /// Moves the position; batches already delivered are the caller's to drop.
    fn seek(&mut self, partition: &TopicPartition, offset: i64);

    /// How far the assigned partitions reach, as the brokers last told it, for the lag; unknown ones are left out.
    fn extents(&self) -> Vec<(TopicPartition, Extent)> {
        Vec::new()
    }

    /// Leaves the group and closes the connections, within the deadline.
    async fn close(self: Box<Self>, deadline: Duration);
}

#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ConsumerError {
    /// Whether the same call may succeed later.
    pub is_transient: bool,
    pub message: String,
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}
