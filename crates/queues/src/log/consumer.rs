//! LogConsumer: a log as the source of a task's records. A worker reads ahead of it.

use super::LogParts;
use super::worker::{Spawned, spawn};
use crate::health::news;
use async_trait::async_trait;
use millstream_core::{Consumer, ConsumerError, Degraded, Fetched, TopicPartition};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::DropGuard;

/// How much longer than its deadline a worker may take before it is given up.
const GRACE: Duration = Duration::from_secs(1);

/// Reads one log for one task.
pub struct LogConsumer {
    parts: LogParts,
    items: mpsc::Receiver<Fetched>,
    trouble: watch::Receiver<Option<Degraded>>,
    is_paused: bool,
    task: JoinHandle<()>,
    /// A consumer that is dropped ends its task, too.
    stop: DropGuard,
}

impl LogConsumer {
    /// Starts the consumer; a broker that is out of reach is waited for. Needs a Tokio runtime.
    pub fn start(parts: LogParts) -> Self {
        let Spawned {
            items,
            trouble,
            task,
            stop,
        } = spawn(&parts, None, None);
        LogConsumer {
            parts,
            items,
            trouble,
            is_paused: false,
            task,
            stop,
        }
    }
}

#[async_trait]
impl Consumer for LogConsumer {
    async fn next(&mut self) -> Fetched {
        let is_paused = self.is_paused;
        let item = tokio::select! {
            biased;
            news = news(&mut self.trouble) => return news,
            item = self.items.recv(), if !is_paused => item,
        };
        item.unwrap_or_else(|| {
            Fetched::Failed(ConsumerError {
                is_transient: false,
                message: "the consumer of the log has ended".to_owned(),
                source: None,
            })
        })
    }

    async fn next_event(&mut self) -> Fetched {
        news(&mut self.trouble).await
    }

    async fn commit(
        &mut self,
        offsets: &[(TopicPartition, i64, String)],
    ) -> Result<(), ConsumerError> {
        let Some((_, next, _)) = offsets.last() else {
            return Ok(());
        };
        let queue = self.parts.log.connector.queue();
        let kept = self.parts.kept.write(*next).await;
        let kept = kept.map_err(|error| ConsumerError {
            is_transient: true,
            message: format!("the offset of stream {queue} cannot be kept: {error}"),
            source: Some(Box::new(error)),
        })?;
        if let Some(further) = kept {
            tracing::warn!(
                queue,
                offset = *next,
                further,
                "another task has come further in this stream, and the offset that it has kept stays"
            );
        }
        Ok(())
    }

    fn pause(&mut self, _partitions: &[TopicPartition]) {
        self.is_paused = true;
    }

    fn resume(&mut self, _partitions: &[TopicPartition]) {
        self.is_paused = false;
    }

    /// Another worker reads on there. What is wrong until then is over once it is connected, and is told of as before.
    fn seek(&mut self, _partition: &TopicPartition, offset: i64) {
        let is_news = self.trouble.has_changed().unwrap_or(false);
        let known = self.trouble.borrow().clone();
        // The one before ends with its token.
        let Spawned {
            items,
            mut trouble,
            task,
            stop,
        } = spawn(&self.parts, Some(offset), known);
        if is_news {
            trouble.mark_changed();
        }
        self.items = items;
        self.trouble = trouble;
        self.task = task;
        self.stop = stop;
    }

    async fn close(self: Box<Self>, deadline: Duration) {
        let LogConsumer {
            items,
            stop,
            mut task,
            ..
        } = *self;
        stop.disarm().cancel();
        drop(items);
        if timeout(deadline + GRACE, &mut task).await.is_err() {
            task.abort();
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
