//! What the producers of a partition did: sequence numbers against repeats and gaps, and transactions open and aborted.

use std::collections::VecDeque;

use kafka_protocol::error::ResponseError;

use super::super::batch::{self, BatchHeader};
use super::{Aborted, Log};

/// Batches whose sequence numbers are remembered for each producer, as in Kafka: a client has at most five requests in flight.
const REMEMBERED_BATCHES: usize = 5;

#[derive(Debug, Default)]
pub(super) struct ProducerState {
    pub(super) epoch: i16,
    /// First and last sequence and base offset of the newest batches.
    recent: VecDeque<(i32, i32, i64)>,
}

impl Log {
    pub(super) fn check_sequence(
        &self,
        header: &BatchHeader,
    ) -> Result<Option<i64>, ResponseError> {
        if header.producer_id < 0 || header.is_control() {
            return Ok(None);
        }
        let Some(state) = self.producers.get(&header.producer_id) else {
            return Ok(None);
        };
        if header.producer_epoch < state.epoch {
            return Err(ResponseError::InvalidProducerEpoch);
        }
        let first = header.base_sequence;
        let Some((_, last, _)) = state
            .recent
            .back()
            .filter(|_| header.producer_epoch == state.epoch)
        else {
            return if first == 0 {
                Ok(None)
            } else {
                Err(ResponseError::OutOfOrderSequenceNumber)
            };
        };
        let end = advance(first, header.last_offset_delta);
        if let Some((_, _, base)) = state
            .recent
            .iter()
            .find(|known| (known.0, known.1) == (first, end))
        {
            return Ok(Some(*base));
        }
        if first == advance(*last, 1) {
            Ok(None)
        } else {
            Err(ResponseError::OutOfOrderSequenceNumber)
        }
    }

    pub(super) fn remember(&mut self, header: &BatchHeader, bytes: &[u8]) {
        if header.producer_id < 0 {
            return;
        }
        let state = self.producers.entry(header.producer_id).or_default();
        if header.producer_epoch > state.epoch {
            state.recent.clear();
        }
        state.epoch = header.producer_epoch;
        if header.is_control() {
            if let Some(first) = self.open.remove(&header.producer_id)
                && !batch::is_commit(bytes)
            {
                self.aborted.push(Aborted {
                    producer_id: header.producer_id,
                    first,
                    marker: header.base_offset,
                });
            }
            return;
        }
        let last = advance(header.base_sequence, header.last_offset_delta);
        state
            .recent
            .push_back((header.base_sequence, last, header.base_offset));
        if state.recent.len() > REMEMBERED_BATCHES {
            state.recent.pop_front();
        }
        if header.is_transactional() {
            self.open
                .entry(header.producer_id)
                .or_insert(header.base_offset);
        }
    }
}

/// Sequence numbers wrap to zero after the largest positive number.
fn advance(sequence: i32, by: i32) -> i32 {
    sequence.wrapping_add(by) & i32::MAX
}
