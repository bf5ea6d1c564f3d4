//! What the task waits for: the place of a partition, room for records, the write before; and what the end of a job means.

use super::gathering::Gathered;
use super::{AggregateTask, Counting, Ended, Phase, What};
use crate::told::TICK;
use millstream_core::{BytePermit, RecordBatch, SinkError, TopicPartition};
use std::sync::Arc;
use tokio::task::JoinError;
use tokio::time::{Instant, timeout};

impl AggregateTask {
    pub(super) fn join_ended(&mut self) -> Result<(), SinkError> {
        while let Some(ended) = self.heard.take().or_else(|| self.jobs.try_join_next()) {
            self.settle(ended)?;
        }
        Ok(())
    }

    pub(super) fn settle(&mut self, ended: Result<Ended, JoinError>) -> Result<(), SinkError> {
        let settled = match ended {
            Ok(ended) => self.settle_one(ended),
            Err(error) => {
                Err(SinkError::fatal("a write ended without an outcome").with_source(error))
            }
        };
        self.has_ended |= settled.is_err();
        settled
    }

    fn settle_one(&mut self, ended: Ended) -> Result<(), SinkError> {
        let Ended {
            origin,
            opening,
            what,
        } = ended;
        self.writing -= usize::from(matches!(what, What::Written(_)));
        let partition = self.partitions.get_mut(&origin);
        let Some(partition) = partition.filter(|partition| partition.opening == opening) else {
            // Whoever has the partition now reads again what this did not finish.
            return Ok(());
        };
        match what {
            What::Read(read) => {
                let (target, place) = read?;
                partition.phase = Phase::Counting(Box::new(Counting {
                    target,
                    place,
                    open: None,
                    is_writing: false,
                }));
            }
            What::Written(written) => {
                let covered = written?;
                if let Phase::Counting(counting) = &mut partition.phase {
                    counting.is_writing = false;
                }
                self.told.done.push((origin, covered));
            }
        }
        Ok(())
    }

    /// Waits until it is known where a partition stands; refuses its batch where that takes long.
    pub(super) async fn read_place(&mut self, batch: &RecordBatch) -> Result<(), SinkError> {
        let origin = &batch.origin;
        loop {
            let phase = self
                .partitions
                .get(origin)
                .map(|partition| &partition.phase);
            match phase {
                Some(Phase::Counting(_)) => return Ok(()),
                Some(Phase::Reading) => {
                    self.wait("the place of a partition is still being read")
                        .await?
                }
                Some(Phase::Unread) => self.start_reading(origin, batch.first_offset)?,
                None => self.open_one(origin),
            }
        }
    }

    fn start_reading(&mut self, origin: &TopicPartition, from: i64) -> Result<(), SinkError> {
        let target = Arc::new(self.target(origin)?);
        let Some(partition) = self.partitions.get_mut(origin) else {
            return Ok(());
        };
        partition.phase = Phase::Reading;
        let (origin, opening) = (origin.clone(), partition.opening);
        let (store, policy) = (Arc::clone(&self.parts.store), self.parts.policy);
        self.jobs.spawn(async move {
            let read = target.read(&store, policy).await;
            if let Ok(place) = &read
                && place.next > from
            {
                let partition = &*target.name.text;
                tracing::info!(
                    partition,
                    from,
                    to = place.next,
                    "records are in the totals already, and count once"
                );
            }
            Ended {
                origin,
                opening,
                what: What::Read(read.map(|place| (target, place))),
            }
        });
        Ok(())
    }

    /// Waits while all that may be gathered of a partition is, and its last write is still under way.
    pub(super) async fn let_writes_catch_up(
        &mut self,
        origin: &TopicPartition,
        now: i64,
    ) -> Result<(), SinkError> {
        loop {
            self.start_due(now);
            let counting = self.counting(origin);
            if !counting.is_some_and(|one| one.open.as_ref().is_some_and(Gathered::is_full)) {
                return Ok(());
            }
            self.wait("backpressure: totals are written slower than records arrive; the document store is slow").await?;
        }
    }

    /// Memory for gathered records. What is gathered already is written to make room for them; where none is, they are taken
    /// uncounted, so that something is done whatever others hold.
    pub(super) async fn make_room(
        &mut self,
        bytes: usize,
        now: i64,
    ) -> Result<Option<BytePermit>, SinkError> {
        loop {
            if bytes == 0 {
                return Ok(None);
            }
            if let Some(permit) = self.memory.try_acquire(bytes) {
                return Ok(Some(permit));
            }
            self.close_all();
            self.start_due(now);
            let holds_nothing = self.writing == 0 && self.due_at().is_none();
            if holds_nothing && Instant::now() >= self.put_until {
                return Ok(None);
            }
            self.wait("backpressure: no memory for more records until totals are written")
                .await?;
        }
    }

    /// Waits for a job to end, or a moment; refuses the batch in hand where the store is away or this has taken long.
    async fn wait(&mut self, what: &str) -> Result<(), SinkError> {
        if let Some(degraded) = self.parts.store.degraded() {
            return Err(degraded.into());
        }
        if Instant::now() >= self.put_until {
            return Err(SinkError::retriable(what, TICK));
        }
        match self.jobs.is_empty() {
            // What is lacking is with others.
            true => tokio::time::sleep(TICK).await,
            false => {
                if let Ok(Some(ended)) = timeout(TICK, self.jobs.join_next()).await {
                    self.settle(ended)?;
                }
            }
        }
        Ok(())
    }
}
