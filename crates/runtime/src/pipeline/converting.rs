//! A batch whose converters need what somebody else keeps: schemas of a registry. While that is fetched, and while it cannot
//! be, the loop goes on; no record is lost over it, and none is to blame.

use super::Pipeline;
use crate::failure::TaskFailure;
use crate::outages::OutageSource;
use crate::preparing::Preparing;
use millstream_core::{Preparation, RecordBatch, TopicPartition, Unavailable};
use tokio::time::Instant;

pub(super) struct Converting {
    batch: RecordBatch,
    preparing: Preparing,
}

impl Converting {
    pub(super) fn new(batch: RecordBatch, preparation: Preparation) -> Self {
        Converting {
            batch,
            preparing: Preparing::new(preparation),
        }
    }

    pub(super) fn origin(&self) -> &TopicPartition {
        &self.batch.origin
    }

    /// As `Preparing::outcome`.
    pub(super) async fn prepared(&mut self) -> Option<Result<(), Unavailable>> {
        self.preparing.outcome().await
    }

    /// When the next attempt is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.preparing.due()
    }
}

impl Pipeline {
    pub(super) async fn on_prepared(
        &mut self,
        outcome: Result<(), Unavailable>,
    ) -> Result<(), TaskFailure> {
        match outcome {
            Ok(()) => match self.converting.take() {
                Some(converting) => self.convert(converting.batch).await,
                None => Ok(()),
            },
            Err(unavailable) => {
                if let Some(converting) = &mut self.converting {
                    let pause = converting.preparing.failed();
                    self.metrics.retried();
                    self.outage_reporter
                        .attempt_failed(OutageSource::Converter, unavailable.reason, pause)
                        .await;
                }
                Ok(())
            }
        }
    }

    /// Asks anew, if it is time to.
    pub(super) async fn prepare_again(&mut self) -> Result<(), TaskFailure> {
        let now = Instant::now();
        let due = self.converting.as_mut();
        let Some(converting) = due.filter(|converting| converting.preparing.is_due(now)) else {
            return Ok(());
        };
        match self.plan.prepare(&converting.batch) {
            Some(preparation) => {
                converting.preparing.again(preparation);
                Ok(())
            }
            // What was missing has come in the meantime.
            None => self.on_prepared(Ok(())).await,
        }
    }
}
