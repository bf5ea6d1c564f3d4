//! Fetch collector: the owner's end of the fetch buffer. Events come before the batches that follow from them; batches that
//! an event or a seek has made stale are dropped, and those of paused partitions wait here.

use super::{Controls, Delivery, Item};
use millstream_core::{BytePermit, ConsumerError, Fetched, RecordBatch, TopicPartition};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::mpsc;

pub(crate) struct FetchCollector {
    events: mpsc::Receiver<Fetched>,
    items: mpsc::Receiver<Item>,
    controls: Arc<Controls>,
    /// Batches of partitions that were paused when they came.
    held: VecDeque<(u64, RecordBatch)>,
    /// To be delivered before others: held batches whose partitions go on, and what an event was before.
    ready: VecDeque<Item>,
}

/// What was taken out.
// Nearly every item is a batch, so boxing it would only cost.
#[allow(clippy::large_enum_variant)]
pub(crate) enum Collected {
    Event(Fetched),
    Batch(RecordBatch),
    /// All that was wanted of the partition has been taken; where reading stands.
    Reached(TopicPartition, i64),
    /// The end.
    Failed(ConsumerError),
}

impl FetchCollector {
    pub(crate) fn new(
        events: mpsc::Receiver<Fetched>,
        items: mpsc::Receiver<Item>,
        controls: Arc<Controls>,
    ) -> Self {
        FetchCollector {
            events,
            items,
            controls,
            held: VecDeque::new(),
            ready: VecDeque::new(),
        }
    }

    /// The next of either kind. Cancel safe.
    pub(crate) async fn next(&mut self) -> Collected {
        loop {
            let item = match self.ready.pop_front() {
                Some(item) => item,
                None => tokio::select! {
                    biased;
                    Some(event) = self.events.recv() => return Collected::Event(self.apply(event)),
                    item = self.items.recv() => item.unwrap_or_else(|| Item::Failed(ended())),
                },
            };
            if let Item::Failed(error) = item {
                return Collected::Failed(error);
            }
            // What was told before the item was sent may have come only now.
            if let Ok(event) = self.events.try_recv() {
                self.ready.push_front(item);
                return Collected::Event(self.apply(event));
            }
            if let Some(taken) = self.admit(item) {
                return taken;
            }
        }
    }

    /// The next event; batches stay where they are. Cancel safe.
    pub(crate) async fn next_event(&mut self) -> Fetched {
        match self.events.recv().await {
            Some(event) => self.apply(event),
            // The end is told behind the batches that are still to be taken.
            None => std::future::pending().await,
        }
    }

    /// Delivers the batches of these partitions that were held back.
    pub(crate) fn release(&mut self, partitions: &[TopicPartition]) {
        for (epoch, batch) in std::mem::take(&mut self.held) {
            if partitions.contains(&batch.origin) {
                self.ready.push_back(Item::Batch {
                    epoch,
                    weight: 0,
                    batch,
                });
            } else {
                self.held.push_back((epoch, batch));
            }
        }
    }

    /// Forgets held batches that an event has made stale.
    fn apply(&mut self, event: Fetched) -> Fetched {
        if matches!(event, Fetched::Revoked { .. } | Fetched::Lost(_)) {
            let controls = &self.controls;
            self.held.retain(|(epoch, batch)| {
                controls.delivery(&batch.origin, *epoch) != Delivery::Drop
            });
        }
        event
    }

    /// Lets go what other tasks' oversized records wait for, and what is held of its partition before it: that is read again
    /// once the partition goes on.
    fn give_up(&mut self, batch: &RecordBatch) {
        let mut from = batch.first_offset;
        self.held.retain(|(_, held)| {
            let is_of_it = held.origin == batch.origin;
            if is_of_it {
                from = from.min(held.first_offset);
            }
            !is_of_it
        });
        self.controls.seek(&batch.origin, from);
    }

    /// The item, unless it is not wanted any more or has to wait.
    fn admit(&mut self, item: Item) -> Option<Collected> {
        match item {
            Item::Batch { epoch, batch, .. } => {
                match self.controls.delivery(&batch.origin, epoch) {
                    Delivery::Deliver => Some(Collected::Batch(batch)),
                    Delivery::Hold if is_oversized(&batch) => {
                        self.give_up(&batch);
                        None
                    }
                    Delivery::Hold => {
                        self.held.push_back((epoch, batch));
                        None
                    }
                    Delivery::Drop => None,
                }
            }
            Item::Reached {
                epoch,
                partition,
                offset,
            } => {
                let verdict = self.controls.delivery(&partition, epoch);
                (verdict != Delivery::Drop).then_some(Collected::Reached(partition, offset))
            }
            Item::Failed(error) => Some(Collected::Failed(error)),
        }
    }
}

fn is_oversized(batch: &RecordBatch) -> bool {
    let permit = batch.permit.as_ref();
    permit.is_some_and(BytePermit::is_oversized)
}

fn ended() -> ConsumerError {
    ConsumerError {
        is_transient: false,
        message: "the consumer is closed".to_owned(),
        source: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_core::{
        ByteBudget, ByteColumn, Destination, FetchedColumns, Headers, Payload, TimestampType,
    };
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    /// A batch of one record.
    fn batch(partition: &TopicPartition, offset: i64, permit: Option<BytePermit>) -> RecordBatch {
        RecordBatch {
            origin: partition.clone(),
            destination: Destination::Uniform(partition.topic.clone()),
            first_offset: offset,
            next_offset: offset + 1,
            offsets: vec![offset],
            timestamps: vec![0],
            timestamp_type: TimestampType::CreateTime,
            keys: Payload::undecoded(ByteColumn::nulls(1)),
            values: Payload::undecoded(ByteColumn::nulls(1)),
            headers: Headers::None,
            fetched: FetchedColumns::default(),
            permit,
        }
    }

    /// The partition and offset of the next batch, if one is there now.
    fn next_batch(collector: &mut FetchCollector) -> Option<(i32, i64)> {
        let mut context = Context::from_waker(Waker::noop());
        match pin!(collector.next()).poll(&mut context) {
            Poll::Ready(Collected::Batch(batch)) => {
                Some((batch.origin.partition, batch.first_offset))
            }
            Poll::Ready(_) => panic!("only batches were sent"),
            Poll::Pending => None,
        }
    }

    /// One that waits for its paused partition would hold up those of all other tasks.
    #[test]
    fn report_a9_an_oversized_record_of_a_paused_partition_is_given_back_and_read_again() {
        let budget = ByteBudget::one_by_one(100, 0);
        let oversized = || budget.try_acquire(101);
        let (_events, events) = mpsc::channel(1);
        let (items, receiver) = mpsc::channel(9);
        let controls = Arc::new(Controls::default());
        let mut collector = FetchCollector::new(events, receiver, Arc::clone(&controls));
        let partitions = [0, 1].map(|number| TopicPartition::new("t", number));
        let epochs = [0, 1].map(|number| controls.assign(&partitions[number]));
        let send = |number: usize, epoch, offset, permit| {
            let batch = batch(&partitions[number], offset, permit);
            let sent = items.try_send(Item::Batch {
                epoch,
                weight: 0,
                batch,
            });
            sent.expect("there is room");
        };
        controls.set_paused(&partitions, true);
        send(0, epochs[0], 7, None);
        send(1, epochs[1], 3, None);
        send(0, epochs[0], 8, Some(oversized().expect("nobody has one")));
        assert!(oversized().is_none());
        assert_eq!(next_batch(&mut collector), None);
        assert!(oversized().is_some(), "it is given back");
        // What was held before it in its partition goes as well, so that the order stays.
        let changes = controls.take();
        let told = changes
            .iter()
            .map(|(of, control)| (of.partition, control.seek));
        assert_eq!(told.collect::<Vec<_>>(), [(0, Some(7)), (1, None)]);
        controls.set_paused(&partitions, false);
        collector.release(&partitions);
        assert_eq!(next_batch(&mut collector), Some((1, 3)));
        send(0, epochs[0], 9, None);
        assert_eq!(next_batch(&mut collector), None, "it was fetched before");
        send(0, changes[0].1.epoch, 7, None);
        assert_eq!(next_batch(&mut collector), Some((0, 7)));
    }
}
