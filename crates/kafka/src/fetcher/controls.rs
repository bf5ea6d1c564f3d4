//! Controls: what the consumer's owner wants of each partition, seen by the task as well.
//! Every assignment and every seek begins a new epoch; batches of an older one are not delivered.

use millstream_core::{Extent, TopicPartition};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::time::Instant;

#[derive(Debug, Default)]
pub(crate) struct Controls {
    state: Mutex<State>,
    changed: Notify,
}

/// The owner is in `next`; dropping this says that it has left, with an item or for something else.
pub(crate) struct Polling<'a>(&'a Controls);

impl Drop for Polling<'_> {
    fn drop(&mut self) {
        self.0.state().not_polled_since = Some(Instant::now());
    }
}

#[derive(Debug, Default)]
struct State {
    partitions: HashMap<TopicPartition, Control>,
    /// What the task has not seen yet.
    changed: Vec<TopicPartition>,
    last_epoch: u64,
    /// Since when the owner has been busy elsewhere; `None` while it waits for items.
    not_polled_since: Option<Instant>,
    /// The task gave the partitions up because the owner was away for too long.
    is_suspended: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Control {
    pub(crate) epoch: u64,
    pub(crate) is_paused: bool,
    /// Where to go on, until the task has seen it.
    pub(crate) seek: Option<i64>,
    /// Where the first fetch began, and the end that the broker last told.
    extent: Option<Extent>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    Deliver,
    /// The partition is paused.
    Hold,
    /// The partition is gone, or the reader went elsewhere.
    Drop,
}

impl Controls {
    /// The owner begins to wait for an item.
    pub(crate) fn poll(&self) -> Polling<'_> {
        let mut state = self.state();
        state.not_polled_since = None;
        if std::mem::take(&mut state.is_suspended) {
            drop(state);
            self.changed.notify_one();
        }
        Polling(self)
    }

    /// Since when the owner has been busy elsewhere.
    pub(crate) fn not_polled_since(&self) -> Option<Instant> {
        self.state().not_polled_since
    }

    /// From now on the owner's next call is news; returns whether it is still away.
    pub(crate) fn suspend(&self) -> bool {
        let mut state = self.state();
        state.is_suspended = state.not_polled_since.is_some();
        state.is_suspended
    }

    pub(crate) fn is_suspended(&self) -> bool {
        self.state().is_suspended
    }

    /// Begins an assignment and returns its epoch.
    pub(crate) fn assign(&self, partition: &TopicPartition) -> u64 {
        let mut state = self.state();
        state.last_epoch += 1;
        let control = Control {
            epoch: state.last_epoch,
            is_paused: false,
            seek: None,
            extent: None,
        };
        state.partitions.insert(partition.clone(), control);
        control.epoch
    }

    pub(crate) fn revoke<'a>(&self, partitions: impl IntoIterator<Item = &'a TopicPartition>) {
        let mut state = self.state();
        for partition in partitions {
            state.partitions.remove(partition);
        }
    }

    /// A fetch from this offset has told where the partition ends.
    pub(crate) fn note_end(&self, partition: &TopicPartition, offset: i64, end: i64) {
        if let Some(control) = self.state().partitions.get_mut(partition) {
            let begin = control.extent.map_or(offset, |extent| extent.begin);
            control.extent = Some(Extent { begin, end });
        }
    }

    pub(crate) fn extents(&self) -> Vec<(TopicPartition, Extent)> {
        let state = self.state();
        let known = state.partitions.iter();
        known
            .filter_map(|(partition, control)| Some((partition.clone(), control.extent?)))
            .collect()
    }

    pub(crate) fn delivery(&self, partition: &TopicPartition, epoch: u64) -> Delivery {
        match self.state().partitions.get(partition) {
            Some(control) if control.epoch != epoch => Delivery::Drop,
            Some(control) if control.is_paused => Delivery::Hold,
            Some(_) => Delivery::Deliver,
            None => Delivery::Drop,
        }
    }

    pub(crate) fn set_paused(&self, partitions: &[TopicPartition], is_paused: bool) {
        let state = &mut *self.state();
        for partition in partitions {
            if let Some(control) = state.partitions.get_mut(partition) {
                control.is_paused = is_paused;
                state.changed.push(partition.clone());
            }
        }
        self.changed.notify_one();
    }

    pub(crate) fn seek(&self, partition: &TopicPartition, offset: i64) {
        let mut state = self.state();
        state.last_epoch += 1;
        let epoch = state.last_epoch;
        if let Some(control) = state.partitions.get_mut(partition) {
            control.epoch = epoch;
            control.seek = Some(offset);
            state.changed.push(partition.clone());
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Returns once something changed since the last call.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// What has changed since the last call; a seek is told once.
    pub(crate) fn take(&self) -> Vec<(TopicPartition, Control)> {
        let state = &mut *self.state();
        let mut changed = std::mem::take(&mut state.changed);
        changed.sort();
        changed.dedup();
        let shown = changed.into_iter().filter_map(|partition| {
            let control = state.partitions.get_mut(&partition)?;
            let shown = *control;
            control.seek = None;
            Some((partition, shown))
        });
        shown.collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held; if something did, the map is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
