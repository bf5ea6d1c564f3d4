//! Transactional writer: the writes of a log that go through transactions, one after the other, and the claim under which
//! they do.

use crate::error::KafkaError;
use crate::producer::{ProducerRecord, ProducerSettings};
use crate::transactions::{Claim, Transactions, is_fenced};
use futures::future::BoxFuture;
use millstream_core::TopicPartition;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

enum Request {
    Claim,
    Write {
        number: u64,
        records: Vec<ProducerRecord>,
        /// Of keys and values.
        bytes: usize,
        deadline: Instant,
    },
}

/// What came of one.
pub(super) struct Transacted {
    claim: Option<Claim>,
    /// The number of the write that it was, and the offsets of its records.
    written: Option<(u64, Result<Vec<i64>, KafkaError>)>,
}

pub(super) struct TransactionalWriter {
    transactions: Transactions,
    partition: TopicPartition,
    delivery_timeout: Duration,
    claim: Option<Claim>,
    /// The log bounds the bytes of the writes among them.
    requests: VecDeque<Request>,
    is_busy: bool,
}

impl TransactionalWriter {
    pub(super) fn new(settings: ProducerSettings, id: &str, partition: TopicPartition) -> Self {
        TransactionalWriter {
            delivery_timeout: settings.delivery_timeout(),
            transactions: Transactions::new(settings, id),
            partition,
            claim: None,
            requests: VecDeque::new(),
            is_busy: false,
        }
    }

    /// Whoever writes under the id by now is shut out.
    pub(super) fn claim(&mut self) {
        if !matches!(self.requests.back(), Some(Request::Claim)) {
            self.requests.push_back(Request::Claim);
        }
    }

    pub(super) fn write(&mut self, number: u64, records: Vec<ProducerRecord>, bytes: usize) {
        let deadline = Instant::now() + self.delivery_timeout;
        self.requests.push_back(Request::Write {
            number,
            records,
            bytes,
            deadline,
        });
    }

    /// What is to be done next, if nothing is under way, with the bytes that wait no more.
    pub(super) fn begin(&mut self) -> Option<(usize, BoxFuture<'static, Transacted>)> {
        let requests = self.requests.pop_front_if(|_| !self.is_busy)?;
        self.is_busy = true;
        let transactions = self.transactions.clone();
        let before = self.claim.take();
        let partition = self.partition.clone();
        Some(match requests {
            Request::Claim => (
                0,
                Box::pin(async move {
                    let claimed = transactions.claim().await;
                    if let Err(error) = &claimed {
                        tracing::warn!(%error, "the transactional id of {partition} was not claimed; the next write tries again");
                    }
                    Transacted {
                        claim: claimed.ok(),
                        written: None,
                    }
                }),
            ),
            Request::Write {
                number,
                records,
                bytes,
                deadline,
            } => (
                bytes,
                Box::pin(async move {
                    let written = transactions
                        .write(before, &partition, &records, deadline)
                        .await;
                    let (claim, outcome) = match written {
                        Ok((claim, offsets)) => (Some(claim), Ok(offsets)),
                        Err(error) => (None, Err(error)),
                    };
                    Transacted {
                        claim,
                        written: Some((number, outcome)),
                    }
                }),
            ),
        })
    }

    /// Takes note of what came of it, and gives out what that is for whoever wrote.
    pub(super) fn end(
        &mut self,
        transacted: Transacted,
    ) -> Option<(u64, Result<Vec<i64>, KafkaError>)> {
        self.is_busy = false;
        self.claim = transacted.claim;
        if let Some((_, Err(error))) = &transacted.written
            && !is_fenced(error)
        {
            // What is left open of the transaction keeps readers waiting until another claim aborts it.
            self.claim();
        }
        transacted.written
    }
}
