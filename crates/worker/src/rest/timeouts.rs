//! Timeouts: what a connection waits for, and since when. A client that is slow to say what it wants is not waited for.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Between the first byte of a request and the end of its head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Between two requests, and for taking an answer.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// Without a byte of a request's body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// In the order in which connections are given up for new ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Idle,
    Head,
    Body,
    /// The herder works on an answer, which has a deadline of its own.
    Busy,
}

/// Cloning shares it.
#[derive(Clone, Debug)]
pub(super) struct Watch(Arc<watch::Sender<(Phase, Instant)>>);

impl Watch {
    pub(super) fn new() -> Self {
        Watch(Arc::new(watch::Sender::new((Phase::Idle, Instant::now()))))
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.0.send_replace((phase, Instant::now()));
    }

    /// What the client is doing, and when it last did something that counts.
    pub(super) fn now(&self) -> (Phase, Instant) {
        *self.0.borrow()
    }

    /// Returns once the client has taken too long. Cancel safe.
    pub(super) async fn expired(&self) {
        let mut changes = self.0.subscribe();
        loop {
            let (phase, since) = *changes.borrow_and_update();
            let limit = match phase {
                Phase::Idle => Some(IDLE_TIMEOUT),
                Phase::Head => Some(HEAD_TIMEOUT),
                Phase::Body => Some(BODY_TIMEOUT),
                Phase::Busy => None,
            };
            tokio::select! {
                // The sender is ours, so there is always somebody to hear from.
                _ = changes.changed() => {}
                () = sleep_until(since + limit.unwrap_or_default()), if limit.is_some() => return,
            }
        }
    }

    /// A byte has come. It does not lengthen the time for a head.
    fn has_read(&self) {
        match self.now().0 {
            Phase::Idle => self.enter(Phase::Head),
            Phase::Body => self.enter(Phase::Body),
            Phase::Head | Phase::Busy => {}
        }
    }

    /// The client has taken a part of an answer.
    fn has_written(&self) {
        if self.now().0 == Phase::Idle {
            self.enter(Phase::Idle);
        }
    }
}

/// A stream that tells its watch what happens on it.
pub(super) struct Watched<S> {
    pub(super) stream: S,
    pub(super) watch: Watch,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.watch.has_read();
        }
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        if matches!(outcome, Poll::Ready(Ok(written)) if written > 0) {
            self.watch.has_written();
        }
        outcome
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
