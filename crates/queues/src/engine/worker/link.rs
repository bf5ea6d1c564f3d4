//! Link: the one connection that a worker has, or how it comes to one.

use crate::input::{Connected, InputError, Message, QueueConnector, QueueInput, Token};
use futures::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};

/// How long a lost connection may take to be put away.
const CLOSE_LOST: Duration = Duration::from_secs(1);

pub(super) enum Link {
    /// None is wanted.
    Down,
    /// The next attempt begins then.
    Waiting(Instant),
    Connecting(BoxFuture<'static, Result<Connected, InputError>>),
    Up {
        input: Box<dyn QueueInput>,
        /// When it is asked again, after an error or a receipt of a few messages.
        ask_at: Instant,
    },
}

/// What came of waiting.
pub(super) enum LinkEvent {
    /// It is time for an attempt.
    Connect,
    Connected(Result<Connected, InputError>),
    Received(Result<Vec<Message>, InputError>),
}

impl Link {
    pub(super) fn connect(connector: &Arc<dyn QueueConnector>, room: usize) -> Self {
        let connector = Arc::clone(connector);
        Link::Connecting(Box::pin(async move { connector.connect(room).await }))
    }

    /// The next event; `room` is `None` where nothing is asked for, and not heard of either. Cancel safe.
    pub(super) async fn next(&mut self, room: Option<usize>) -> LinkEvent {
        match self {
            Link::Down => std::future::pending().await,
            Link::Waiting(until) => {
                sleep_until(*until).await;
                LinkEvent::Connect
            }
            Link::Connecting(connecting) => LinkEvent::Connected(connecting.await),
            Link::Up { input, ask_at } => {
                let Some(room) = room else {
                    return std::future::pending().await;
                };
                sleep_until(*ask_at).await;
                LinkEvent::Received(input.receive(room).await)
            }
        }
    }

    pub(super) fn input(&mut self) -> Option<&mut Box<dyn QueueInput>> {
        match self {
            Link::Up { input, .. } => Some(input),
            Link::Down | Link::Waiting(_) | Link::Connecting(_) => None,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(self, Link::Up { .. })
    }

    /// Asks for nothing until then.
    pub(super) fn rest(&mut self, until: Instant) {
        if let Link::Up { ask_at, .. } = self {
            *ask_at = until;
        }
    }

    /// Ends the connection, whose tokens are lost.
    pub(super) async fn drop_lost(&mut self, then: Link) {
        if let Link::Up { input, .. } = std::mem::replace(self, then) {
            // Whatever it says, it is gone.
            let _ = timeout(CLOSE_LOST, input.close(&[])).await;
        }
    }

    /// Ends the connection and gives these back.
    pub(super) async fn close(&mut self, held: &[Token], within: Duration) -> Result<(), String> {
        let Link::Up { input, .. } = std::mem::replace(self, Link::Down) else {
            return Ok(());
        };
        match timeout(within, input.close(held)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("the queue did not answer in time".to_owned()),
        }
    }
}
