//! Producer ids and transactions: who may write under a transactional id, which partitions and groups an open transaction
//! touches, and the markers that end it.

mod requests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::batch::{self, BatchHeader};
use super::store::Entry;
use super::{Shared, lock, wall_clock};

/// How long the timer sleeps when no transaction is open.
const IDLE: Duration = Duration::from_secs(3_600);

#[derive(Debug, Default)]
struct Transaction {
    producer_id: i64,
    epoch: i16,
    timeout: Duration,
    partitions: BTreeSet<(String, i32)>,
    /// When it is aborted unless it ends; `None` while none is open.
    deadline: Option<Instant>,
    /// How the newest one ended: a repeated end is answered the same way.
    ended: Option<bool>,
}

/// The transactional ids of the cluster, and the next producer id.
#[derive(Debug, Default)]
pub(crate) struct Transactions {
    by_id: Mutex<BTreeMap<String, Transaction>>,
    next_producer_id: Mutex<i64>,
    opened: Notify,
}

impl Transactions {
    pub(crate) fn restore(&self, next: i64, ids: BTreeMap<String, (i64, i16)>) {
        *lock(&self.next_producer_id) = next;
        let transaction = |(producer_id, epoch)| Transaction {
            producer_id,
            epoch,
            ..Transaction::default()
        };
        *lock(&self.by_id) = ids
            .into_iter()
            .map(|(id, producer)| (id, transaction(producer)))
            .collect();
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        let mut entries = vec![Entry::NextProducerId {
            next: *lock(&self.next_producer_id),
        }];
        for (id, transaction) in lock(&self.by_id).iter() {
            let (producer_id, epoch) = (transaction.producer_id, transaction.epoch);
            entries.push(Entry::Transactional {
                id: id.clone(),
                producer_id,
                epoch,
            });
        }
        entries
    }
}

impl Shared {
    fn next_producer_id(&self) -> i64 {
        let mut next = lock(&self.transactions.next_producer_id);
        let id = *next;
        *next += 1;
        self.journal.write(&Entry::NextProducerId { next: *next });
        id
    }

    /// Aborts transactions that run too long, for as long as the broker lives.
    pub(crate) async fn run_transactions(&self) {
        loop {
            let now = Instant::now();
            let next = {
                let mut transactions = lock(&self.transactions.by_id);
                for (id, transaction) in transactions.iter_mut() {
                    if transaction.deadline.is_some_and(|deadline| deadline <= now) {
                        // The epoch rises first, so that its producer cannot go on.
                        self.raise_epoch(id, transaction);
                        self.end(transaction, false);
                    }
                }
                transactions
                    .values()
                    .filter_map(|transaction| transaction.deadline)
                    .min()
            };
            tokio::select! {
                () = tokio::time::sleep_until(next.unwrap_or(now + IDLE)) => {}
                () = self.transactions.opened.notified() => {}
            }
        }
    }

    fn raise_epoch(&self, id: &str, transaction: &mut Transaction) {
        if transaction.epoch == i16::MAX {
            transaction.producer_id = self.next_producer_id();
            transaction.epoch = 0;
        } else {
            transaction.epoch += 1;
        }
        let (producer_id, epoch) = (transaction.producer_id, transaction.epoch);
        self.journal.write(&Entry::Transactional {
            id: id.to_owned(),
            producer_id,
            epoch,
        });
    }

    /// Writes the markers of an open transaction and settles its offsets.
    fn end(&self, transaction: &mut Transaction, committed: bool) {
        transaction.deadline = None;
        transaction.ended = Some(committed);
        for (topic, partition) in std::mem::take(&mut transaction.partitions) {
            self.write_marker(
                &topic,
                partition,
                (transaction.producer_id, transaction.epoch),
                committed,
            );
        }
        self.groups
            .end_transaction(transaction.producer_id, committed);
    }

    pub(super) fn write_marker(
        &self,
        topic: &str,
        partition: i32,
        producer: (i64, i16),
        committed: bool,
    ) {
        let Some(partition) = self
            .topics
            .get(topic)
            .and_then(|topic| topic.partition(partition))
        else {
            return;
        };
        let marker = batch::end_marker(producer, committed, wall_clock());
        if let Some(header) = BatchHeader::parse(&marker)
            && let Err(error) = partition.log().append(header, &marker, None)
        {
            tracing::error!(%error, topic, "cannot end a transaction in the embedded broker");
        }
        partition.wake();
    }

    /// After a restart nobody remembers what a transaction was about: what is open in the logs is aborted.
    pub(crate) fn abort_leftovers(&self) {
        for topic in self.topics.all() {
            for (index, partition) in topic.partitions().iter().enumerate() {
                let open = partition.log().open_producers();
                for producer in open {
                    self.write_marker(&topic.name, index as i32, producer, false);
                }
            }
        }
    }
}
