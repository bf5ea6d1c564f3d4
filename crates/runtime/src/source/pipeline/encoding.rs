//! A transformed batch becomes bytes, once its converters have what somebody else keeps for them: ids of a registry. While
//! that is fetched, and while it cannot be, the source is not asked for more; nothing is lost over it.

use super::{CurrentBatch, Sent, SourcePipeline};
use crate::failure::TaskFailure;
use crate::outages::OutageSource;
use crate::preparing::Preparing;
use millstream_core::{Preparation, RecordBatch, Rejected, SourcePlace, Unavailable};
use tokio::time::Instant;

/// A batch behind its transforms.
pub(super) struct Transformed {
    pub(super) records: RecordBatch,
    pub(super) rejected: Rejected,
    pub(super) place: Option<SourcePlace>,
    /// Where the source stands after each row that was read.
    pub(super) read: Vec<i64>,
}

/// One that waits for what its converters need.
pub(super) struct Encoding {
    transformed: Transformed,
    preparing: Preparing,
}

impl Encoding {
    /// As `Preparing::outcome`.
    pub(super) async fn prepared(&mut self) -> Option<Result<(), Unavailable>> {
        self.preparing.outcome().await
    }

    /// When the next attempt is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.preparing.due()
    }
}

impl SourcePipeline {
    pub(super) async fn prepare(&mut self, transformed: Transformed) -> Result<(), TaskFailure> {
        match self.parts.plan.prepare(&transformed.records) {
            Some(preparation) => {
                self.wait_for_converters(transformed, preparation);
                Ok(())
            }
            None => self.encode(transformed).await,
        }
    }

    fn wait_for_converters(&mut self, transformed: Transformed, preparation: Preparation) {
        self.current = CurrentBatch::Encoding(Box::new(Encoding {
            transformed,
            preparing: Preparing::new(preparation),
        }));
    }

    pub(super) async fn on_prepared(
        &mut self,
        outcome: Result<(), Unavailable>,
    ) -> Result<(), TaskFailure> {
        let CurrentBatch::Encoding(encoding) = &mut self.current else {
            return Ok(());
        };
        if let Err(unavailable) = outcome {
            let pause = encoding.preparing.failed();
            self.metrics.retried();
            self.outage_reporter
                .attempt_failed(OutageSource::Converter, unavailable.reason, pause)
                .await;
            return Ok(());
        }
        let current = std::mem::replace(&mut self.current, CurrentBatch::Empty);
        match current {
            CurrentBatch::Encoding(encoding) => self.encode(encoding.transformed).await,
            CurrentBatch::Empty | CurrentBatch::Sending(..) | CurrentBatch::Refused(..) => Ok(()),
        }
    }

    /// Asks anew, if it is time to.
    pub(super) async fn prepare_again(&mut self, now: Instant) -> Result<(), TaskFailure> {
        let CurrentBatch::Encoding(encoding) = &mut self.current else {
            return Ok(());
        };
        if !encoding.preparing.is_due(now) {
            return Ok(());
        }
        match self.parts.plan.prepare(&encoding.transformed.records) {
            Some(preparation) => {
                encoding.preparing.again(preparation);
                Ok(())
            }
            // What was missing has come in the meantime.
            None => self.on_prepared(Ok(())).await,
        }
    }

    /// Converts, settles what failed, hands the rest to the producer.
    async fn encode(&mut self, transformed: Transformed) -> Result<(), TaskFailure> {
        self.outage_reporter.recover(OutageSource::Converter).await;
        let Transformed {
            records,
            mut rejected,
            place,
            read,
        } = transformed;
        let outgoing = self.parts.plan.encode(records, &mut rejected);
        let outgoing = outgoing.map_err(|error| TaskFailure::new(error.class, &error.message))?;
        self.parts
            .errors
            .settle(&mut rejected, &self.metrics, (self.settings.clock)())
            .await?;
        if outgoing.offsets.len() < read.len() {
            // What was dropped has no offset of its own; the next record that is acknowledged covers it.
            let mut kept = outgoing.offsets.iter().peekable();
            let mut dropped = read;
            dropped.retain(|offset| kept.next_if_eq(&offset).is_none());
            let now = (self.settings.clock)();
            self.parts.source.acknowledged(&dropped, now);
        }
        let Some(last) = outgoing.offsets.last() else {
            return Ok(());
        };
        self.number += 1;
        if let Some(place) = &place {
            self.progress.send(place, self.number, *last);
        }
        self.send(Sent {
            number: self.number,
            place,
            offsets: outgoing.offsets,
            records: outgoing.records,
        });
        Ok(())
    }
}
