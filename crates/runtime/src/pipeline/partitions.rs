//! Partitions come and go: opened as they are assigned, finished, committed and closed as they are revoked.

use super::Pipeline;
use crate::failure::TaskFailure;
use crate::outages::OutageSource;
use millstream_core::{Confirms, TopicPartition};
use tokio::time::{Instant, timeout};

impl Pipeline {
    pub(super) async fn open(
        &mut self,
        partitions: Vec<TopicPartition>,
    ) -> Result<(), TaskFailure> {
        self.sink
            .open(&partitions)
            .await
            .map_err(|error| TaskFailure::sink(&error))?;
        if self.is_paused {
            self.consumer.pause(&partitions);
        }
        self.log_partitions("partitions assigned", &partitions);
        self.assigned.extend(partitions);
        self.metrics.assigned(self.assigned.len(), true);
        Ok(())
    }

    /// Start positions are before every row that was ever read of their partitions, so they may be committed.
    pub(super) fn on_positioned(&mut self, mut positions: Vec<(TopicPartition, i64)>) {
        positions.retain(|(partition, _)| self.assigned.contains(partition));
        self.durability.begin(&positions, Instant::now());
    }

    /// Lets partitions go: finish, settle, commit, close. What takes too long is not committed, and read again by whoever
    /// comes next. An error is one that ends the task.
    pub(super) async fn revoke(
        &mut self,
        partitions: &[TopicPartition],
    ) -> Result<(), TaskFailure> {
        let revoked = self.finish().await;
        if !self.durability.finished().is_empty() {
            self.confirm().await;
        }
        self.commit(self.settings.finish_deadline).await;
        self.close_partitions(partitions).await;
        revoked
    }

    /// Has what is open closed: what was put is to become durable without further rows.
    pub(super) async fn flush(&mut self, reason: &str) -> Result<(), TaskFailure> {
        tracing::debug!(
            connector = &*self.settings.id.connector,
            task = self.settings.id.task,
            reason,
            "closing what is open"
        );
        if let Err(error) = self.sink.flush((self.settings.clock)()).await {
            self.has_sink_failed = true;
            return Err(TaskFailure::sink(&error));
        }
        self.poll_sink().await.map(|_| ())
    }

    /// At the end a source that lends its records gets them back as settled as can be: what it takes back unsettled counts
    /// as a failed delivery. So what is open is closed, and not dropped, and nothing more is asked for meanwhile.
    pub(super) async fn release_open(
        &mut self,
        partitions: &[TopicPartition],
    ) -> Result<(), TaskFailure> {
        if self.consumer.confirms() != Confirms::Ranges {
            return Ok(());
        }
        self.consumer.pause(partitions);
        match self.has_sink_failed {
            true => Ok(()),
            false => self.flush("stop").await,
        }
    }

    /// Waits, within bounds, for what is on its way.
    pub(super) async fn finish(&mut self) -> Result<(), TaskFailure> {
        let deadline = self.settings.finish_deadline;
        if !self.has_sink_failed {
            if let Err(error) = self.sink.finish(deadline).await {
                self.warn_unfinished(&error.to_string());
            }
            self.poll_sink().await?;
        }
        match timeout(deadline / 2, self.settle_all()).await {
            Ok(settled) => settled,
            Err(_) => {
                self.warn_unfinished("dead letter queue write timed out");
                Ok(())
            }
        }
    }

    pub(super) async fn settle_all(&mut self) -> Result<(), TaskFailure> {
        while let Some(settling) = &mut self.settling {
            let outcome = (&mut settling.outcome).await;
            self.note_settled(outcome)?;
        }
        Ok(())
    }

    pub(super) fn warn_unfinished(&self, reason: &str) {
        tracing::warn!(
            connector = &*self.settings.id.connector,
            task = self.settings.id.task,
            error = reason,
            "not everything in flight was finished; it is read again from the committed offset"
        );
    }

    /// Closes partitions without a commit.
    pub(super) async fn close_partitions(&mut self, partitions: &[TopicPartition]) {
        self.log_partitions("partitions revoked", partitions);
        self.drop_batch_of(partitions).await;
        self.close_sink(partitions).await;
        self.durability.forget(partitions);
        for partition in partitions {
            self.assigned.remove(partition);
        }
        self.metrics.assigned(self.assigned.len(), false);
    }

    /// Drops the batch on its way to the sink, if it is of one of these partitions. With it goes what its converters lacked.
    pub(super) async fn drop_batch_of(&mut self, partitions: &[TopicPartition]) {
        let converting = self
            .converting
            .take_if(|converting| partitions.contains(converting.origin()));
        if converting.is_some() {
            self.outage_reporter.recover(OutageSource::Converter).await;
        }
        self.current
            .take_if(|current| partitions.contains(&current.batch.origin));
    }

    /// One line, however many there are.
    pub(super) fn log_partitions(&self, what: &str, partitions: &[TopicPartition]) {
        if !partitions.is_empty() {
            tracing::info!(
                connector = &*self.settings.id.connector,
                task = self.settings.id.task,
                count = partitions.len(),
                partitions = some_of(partitions),
                "{what}"
            );
        }
    }

    /// Closing may have to tell a server that is out of reach; leaving the group must not wait for that.
    pub(super) async fn close_sink(&mut self, partitions: &[TopicPartition]) {
        let closed = self.sink.close(partitions);
        if timeout(self.settings.finish_deadline / 3, closed)
            .await
            .is_err()
        {
            tracing::warn!(
                connector = &*self.settings.id.connector,
                task = self.settings.id.task,
                "closing the sink timed out"
            );
        }
    }
}

/// The first partitions by name; thousands of them would make no line.
pub(super) fn some_of(partitions: &[TopicPartition]) -> String {
    const SHOWN: usize = 10;
    let first = partitions.iter().take(SHOWN);
    let mut text = first
        .map(|partition| format!("{}-{}", partition.topic, partition.partition))
        .collect::<Vec<_>>()
        .join(", ");
    if partitions.len() > SHOWN {
        text.push_str(", …");
    }
    text
}
