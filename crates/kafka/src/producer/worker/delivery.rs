//! Deliveries: which calls wait for which records.

use crate::error::KafkaError;
use crate::producer::{Outcome, Written};
use millstream_core::BytePermit;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::oneshot;

#[derive(Default)]
pub(super) struct Deliveries {
    pending: HashMap<u64, Pending>,
    next: u64,
}

struct Pending {
    written: Vec<Written>,
    remaining: usize,
    error: Option<Arc<KafkaError>>,
    reply: oneshot::Sender<Outcome>,
    /// Room in the buffer, given back with the last record.
    _permit: BytePermit,
}

const NOT_YET: Written = Written {
    partition: -1,
    offset: -1,
};

impl Deliveries {
    pub(super) fn begin(
        &mut self,
        records: usize,
        permit: BytePermit,
        reply: oneshot::Sender<Outcome>,
    ) -> u64 {
        let id = self.next;
        self.next += 1;
        if records == 0 {
            // Nothing to wait for; the caller may be gone.
            let _ = reply.send(Ok(Vec::new()));
            return id;
        }
        let pending = Pending {
            written: vec![NOT_YET; records],
            remaining: records,
            error: None,
            reply,
            _permit: permit,
        };
        self.pending.insert(id, pending);
        id
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Notes a batch's records as written from `base_offset` on (−1: unknown).
    pub(super) fn written(&mut self, owners: Vec<(u64, usize)>, partition: i32, base_offset: i64) {
        for (index, owner) in owners.into_iter().enumerate() {
            let offset = if base_offset < 0 {
                -1
            } else {
                base_offset + index as i64
            };
            self.settle(owner, Ok(Written { partition, offset }));
        }
    }

    pub(super) fn fail(
        &mut self,
        owners: impl IntoIterator<Item = (u64, usize)>,
        error: &Arc<KafkaError>,
    ) {
        for owner in owners {
            self.settle(owner, Err(Arc::clone(error)));
        }
    }

    fn settle(&mut self, (id, place): (u64, usize), result: Result<Written, Arc<KafkaError>>) {
        let Some(pending) = self.pending.get_mut(&id) else {
            return;
        };
        match result {
            Ok(written) => pending.written[place] = written,
            Err(error) => {
                pending.error.get_or_insert(error);
            }
        }
        pending.remaining -= 1;
        if pending.remaining == 0
            && let Some(pending) = self.pending.remove(&id)
        {
            let outcome = match pending.error {
                Some(error) => Err(error),
                None => Ok(pending.written),
            };
            // Whoever sent the records may not care.
            let _ = pending.reply.send(outcome);
        }
    }
}
