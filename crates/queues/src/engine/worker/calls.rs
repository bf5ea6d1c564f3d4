//! The calls that a worker makes to its queue: what is settled, extended, given back, and how much waits.

use super::{Call, SETTLE_PAUSE, TICK, TOKENS_AT_A_TIME, Worker};
use crate::input::{InputError, InputErrorKind, Token, UnsettledReason};
use std::time::Duration;
use tokio::time::Instant;

/// How often the queue is asked how much waits in it.
pub(super) const BACKLOG_INTERVAL: Duration = Duration::from_secs(60);

impl Worker {
    /// Settles some of what may be settled.
    pub(super) async fn settle(&mut self) -> Result<(), InputError> {
        let now = Instant::now();
        let Some(input) = self.link.input().filter(|_| now >= self.settle_at) else {
            return Ok(());
        };
        let taken = self.held.take_settling(TOKENS_AT_A_TIME);
        if taken.is_empty() {
            return Ok(());
        }
        let tokens: Vec<Token> = taken.iter().map(|(_, token)| token.clone()).collect();
        match input.settle(&tokens).await {
            Ok(unsettled) => {
                self.held.settled(&taken, &unsettled);
                let is_settled = |at: &usize| unsettled.iter().all(|one| one.at != *at);
                let settled = (0..taken.len()).filter(is_settled);
                self.settled.add(settled.map(|at| taken[at].0));
                let again = UnsettledReason::TryAgain;
                if unsettled.iter().any(|one| one.reason == again) {
                    self.settle_at = Instant::now() + SETTLE_PAUSE;
                } else {
                    self.recover(Call::Settle);
                }
                Ok(())
            }
            Err(error) => {
                self.held.not_settled(&taken);
                let pause = self.on_error(error, Call::Settle).await?;
                self.settle_at = Instant::now() + pause;
                Ok(())
            }
        }
    }

    /// Extends leases, those first that end first.
    pub(super) async fn extend(&mut self) -> Result<(), InputError> {
        let begun = Instant::now();
        let Some(input) = self.link.input().filter(|_| begun >= self.extend_at) else {
            return Ok(());
        };
        let taken = self.held.take_extending(begun, TOKENS_AT_A_TIME);
        if taken.is_empty() {
            return Ok(());
        }
        let tokens: Vec<Token> = taken.iter().map(|(_, token)| token.clone()).collect();
        match input.extend(&tokens).await {
            Ok(lapsed) => {
                if self.held.extended(&taken, &lapsed, begun) {
                    self.drop_undelivered();
                }
                Ok(())
            }
            Err(error) => {
                self.on_error(error, Call::Extend).await?;
                self.extend_at = Instant::now() + TICK;
                self.held.not_extended(&taken, self.extend_at);
                Ok(())
            }
        }
    }

    /// Gives back what was taken back. While nothing is asked for, the whole connection goes with it, once nothing that
    /// came over it is with the sink: a queue that pushes would hand the same messages out again at once.
    pub(super) async fn give_back(&mut self) -> Result<(), InputError> {
        if self.is_paused {
            if self.link.is_up() && !self.held.owns_any() {
                let returning = std::mem::take(&mut self.returning);
                self.close(&returning, TICK).await;
            }
            return Ok(());
        }
        let Some(input) = self.link.input().filter(|_| !self.returning.is_empty()) else {
            return Ok(());
        };
        let returning = std::mem::take(&mut self.returning);
        match input.give_back(&returning).await {
            Ok(()) => Ok(()),
            // They come again when the queue takes them back by itself.
            Err(error) => self.on_error(error, Call::GiveBack).await.map(|_| ()),
        }
    }

    pub(super) async fn ask_backlog(&mut self) -> Result<(), InputError> {
        let now = Instant::now();
        let Some(input) = self.link.input().filter(|_| now >= self.backlog_at) else {
            return Ok(());
        };
        self.backlog_at = now + BACKLOG_INTERVAL;
        match input.backlog().await {
            Ok(backlog) => {
                let waiting = i64::try_from(backlog.unwrap_or(0)).unwrap_or(i64::MAX);
                self.end = self.held.next_offset().saturating_add(waiting);
                self.meters.update(|counts| counts.backlog = backlog);
                Ok(())
            }
            // A queue that may not be asked is read all the same.
            Err(error) if error.kind != InputErrorKind::Lost => {
                self.meters.update(|counts| counts.backlog = None);
                tracing::debug!(queue = self.connector.queue(), %error, "the backlog is unknown");
                Ok(())
            }
            Err(error) => self.on_error(error, Call::Connection).await.map(|_| ()),
        }
    }
}
