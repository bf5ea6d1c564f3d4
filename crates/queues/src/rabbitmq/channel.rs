//! A connection in use: deliveries become messages, settled ones acknowledgements.

use super::DELIVERY_LIMIT;
use super::failure::{Trouble, loss};
use super::message::message;
use super::window::Window;
use crate::input::{
    InputError, InputErrorKind, Message, QueueInput, Token, Unsettled, UnsettledReason, is_worn,
};
use crate::ring::{Ack, Ring};
use async_trait::async_trait;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions,
    QueueDeclareOptions,
};
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Connection, Consumer};
use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::timeout;

/// What a call waits for the broker or, where it does not answer to a frame, for the socket.
const ANSWER: Duration = Duration::from_secs(30);

/// The reply code of a close for no particular reason.
const SUCCESS: u16 = 200;

/// What a connection begins with.
pub(super) struct ChannelParts {
    pub(super) queue: String,
    pub(super) connection: Connection,
    pub(super) channel: Channel,
    pub(super) consumer: Consumer,
    pub(super) ring: Ring,
    pub(super) window: Window,
    pub(super) keeps_types: bool,
    pub(super) trouble: Arc<Mutex<Trouble>>,
}

pub(super) struct RabbitInput {
    queue: String,
    connection: Connection,
    channel: Channel,
    consumer: Consumer,
    /// It was cancelled by us, and all that it got has been read.
    has_ended: bool,
    /// Who takes over from `consumer`, with what it is allowed.
    successor: Option<(Successor, u16)>,
    /// A delivery that was taken from the consumer when there was no room.
    waiting: Option<Delivery>,
    ring: Ring,
    window: Window,
    keeps_types: bool,
    trouble: Arc<Mutex<Trouble>>,
    is_lost: bool,
}

/// A consumer with another allowance.
enum Successor {
    /// Kept while it is waited for, so that no question to the broker is left in the middle.
    Coming(BoxFuture<'static, lapin::Result<Consumer>>),
    Here(Consumer),
}

impl Successor {
    /// Returns once it has come; never if it is here, or nobody comes. Cancel safe.
    async fn come(successor: &mut Option<(Successor, u16)>) -> lapin::Result<Consumer> {
        match successor {
            Some((Successor::Coming(coming), _)) => coming.await,
            Some((Successor::Here(_), _)) | None => pending().await,
        }
    }
}

/// What comes next. Nearly always it is a delivery, which is taken apart at once.
#[allow(clippy::large_enum_variant)]
enum Next {
    Delivery(Option<lapin::Result<Delivery>>),
    Successor(lapin::Result<Consumer>),
}

/// Begins to read a queue, with so many messages unsettled at most.
pub(super) async fn consume(
    channel: &Channel,
    queue: &str,
    prefetch: u16,
) -> lapin::Result<Consumer> {
    channel
        .basic_qos(prefetch, BasicQosOptions::default())
        .await?;
    let (queue, any_tag) = (ShortString::from(queue), ShortString::default());
    let options = BasicConsumeOptions::default();
    channel
        .basic_consume(queue, any_tag, options, FieldTable::default())
        .await
}

impl RabbitInput {
    pub(super) fn new(parts: ChannelParts) -> Self {
        RabbitInput {
            queue: parts.queue,
            connection: parts.connection,
            channel: parts.channel,
            consumer: parts.consumer,
            has_ended: false,
            successor: None,
            waiting: None,
            ring: parts.ring,
            window: parts.window,
            keeps_types: parts.keeps_types,
            trouble: parts.trouble,
            is_lost: false,
        }
    }

    /// The next delivery, of which there may be none for ever. Cancel safe.
    async fn next(&mut self) -> Result<Delivery, InputError> {
        if let Some(delivery) = self.waiting.take() {
            return Ok(delivery);
        }
        loop {
            let RabbitInput {
                consumer,
                has_ended,
                successor,
                ..
            } = self;
            let next = tokio::select! {
                biased;
                come = Successor::come(successor) => Next::Successor(come),
                delivery = consumer.next(), if !*has_ended => Next::Delivery(delivery),
            };
            match next {
                Next::Delivery(delivery) => {
                    if let Some(delivery) = self.delivered(delivery)? {
                        return Ok(delivery);
                    }
                }
                Next::Successor(Ok(consumer)) => {
                    if let Some((successor, _)) = &mut self.successor {
                        *successor = Successor::Here(consumer);
                    }
                    self.take_over();
                }
                Next::Successor(Err(error)) => return Err(self.lost(Some(error))),
            }
        }
    }

    /// A delivery that is here already.
    fn ready(&mut self) -> Result<Option<Delivery>, InputError> {
        if self.has_ended {
            return Ok(None);
        }
        match self.consumer.next().now_or_never() {
            Some(delivery) => self.delivered(delivery),
            None => Ok(None),
        }
    }

    /// What the consumer has handed out; none if it has ended because another takes over.
    fn delivered(
        &mut self,
        delivery: Option<lapin::Result<Delivery>>,
    ) -> Result<Option<Delivery>, InputError> {
        match delivery {
            Some(Ok(delivery)) => Ok(Some(delivery)),
            Some(Err(error)) => Err(self.lost(Some(error))),
            // A stream that has ended is not to be asked again.
            None if self.successor.is_some() => {
                self.has_ended = true;
                self.take_over();
                Ok(None)
            }
            // After a cancel by the broker the channel stays open.
            None => Err(self.lost(None)),
        }
    }

    /// The successor is read once all is read that came before it.
    fn take_over(&mut self) {
        let is_here = matches!(self.successor, Some((Successor::Here(_), _)));
        if self.has_ended
            && is_here
            && let Some((Successor::Here(consumer), allowed)) = self.successor.take()
        {
            self.consumer = consumer;
            self.has_ended = false;
            self.window.changed(allowed);
        }
    }

    /// Has another consumer take over where the allowance of this one does not fit any more. What it got stays ours, and is
    /// acknowledged on the same channel.
    fn fit(&mut self) {
        self.window.gone(self.ring.take_gone());
        if self.successor.is_some() {
            return;
        }
        let Some(allowed) = self.window.change() else {
            return;
        };
        let (channel, queue) = (self.channel.clone(), self.queue.clone());
        let tag = self.consumer.tag();
        let coming = async move {
            channel
                .basic_cancel(tag, BasicCancelOptions::default())
                .await?;
            consume(&channel, &queue, allowed).await
        };
        self.successor = Some((Successor::Coming(Box::pin(coming)), allowed));
    }

    fn lost(&mut self, error: Option<lapin::Error>) -> InputError {
        self.is_lost = true;
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.size = self.window.size();
        loss(&self.queue, error, &mut trouble)
    }

    fn accept(&mut self, delivery: Delivery) -> Result<Message, InputError> {
        let tag = delivery.delivery_tag;
        if self.ring.deliver(tag) {
            let bytes = delivery.data.len();
            let tag = self.keeps_types.then(|| self.consumer.tag());
            let message = message(delivery, tag.as_ref().map(ShortString::as_str));
            let deliveries = message.deliveries.unwrap_or(0);
            self.window
                .delivered(bytes, is_worn(deliveries, DELIVERY_LIMIT));
            return Ok(message);
        }
        self.is_lost = true;
        let what = format!(
            "RabbitMQ's queue {} has delivered tag {tag} out of turn",
            self.queue
        );
        Err(InputError::new(InputErrorKind::Lost, what))
    }

    async fn acknowledge(&mut self, acks: Vec<Ack>) -> Result<(), InputError> {
        for Ack { tag, multiple } in acks {
            let options = BasicAckOptions { multiple };
            let sent = timeout(ANSWER, self.channel.basic_ack(tag, options)).await;
            self.answered(sent)?;
        }
        Ok(())
    }

    /// What has become of a frame, or of a question.
    fn answered<T>(
        &mut self,
        sent: Result<lapin::Result<T>, tokio::time::error::Elapsed>,
    ) -> Result<T, InputError> {
        match sent {
            Ok(sent) => sent.map_err(|error| self.lost(Some(error))),
            Err(_) => {
                self.is_lost = true;
                let what = format!(
                    "RabbitMQ does not answer for queue {} in {} s",
                    self.queue,
                    ANSWER.as_secs()
                );
                Err(InputError::new(InputErrorKind::Lost, what))
            }
        }
    }

    /// Leaves the queue: nothing more is delivered, what is settled is acknowledged, the rest goes back at once.
    async fn leave(&mut self) -> Result<(), InputError> {
        let due = self.ring.all();
        self.acknowledge(due).await?;
        if let Some((successor, _)) = self.successor.take() {
            self.consumer = match successor {
                Successor::Here(consumer) => consumer,
                Successor::Coming(coming) => {
                    let come = timeout(ANSWER, coming).await;
                    self.answered(come)?
                }
            };
        }
        let cancel = self
            .channel
            .basic_cancel(self.consumer.tag(), BasicCancelOptions::default());
        let cancelled = timeout(ANSWER, cancel).await;
        self.answered(cancelled)?;
        // Tag 0: all that is outstanding, read or not.
        let everything = BasicNackOptions {
            multiple: true,
            requeue: true,
        };
        let returned = timeout(ANSWER, self.channel.basic_nack(0, everything)).await;
        self.answered(returned)?;
        // Its answer comes after the broker has taken everything that was sent before.
        let closed = timeout(ANSWER, self.channel.close(SUCCESS, ShortString::default())).await;
        self.answered(closed)
    }
}

#[async_trait]
impl QueueInput for RabbitInput {
    async fn receive(&mut self, room: usize) -> Result<Vec<Message>, InputError> {
        if room == 0 {
            // Only a loss is to be told.
            if self.waiting.is_none() {
                self.waiting = Some(self.next().await?);
            }
            return pending().await;
        }
        let first = self.next().await?;
        let mut messages = vec![self.accept(first)?];
        while messages.len() < room {
            // What was read beside a loss comes again, as all else.
            match self.ready()? {
                Some(delivery) => messages.push(self.accept(delivery)?),
                None => break,
            }
        }
        self.fit();
        Ok(messages)
    }

    async fn settle(&mut self, tokens: &[Token]) -> Result<Vec<Unsettled>, InputError> {
        let mut unsettled = Vec::new();
        for (at, token) in tokens.iter().enumerate() {
            let is_held = match token {
                Token::Tag(tag) => self.ring.settle(*tag),
                Token::Handle(_) | Token::Delivery { .. } => false,
            };
            if !is_held {
                let reason = UnsettledReason::Lapsed;
                unsettled.push(Unsettled { at, reason });
            }
        }
        let due = self.ring.due();
        self.acknowledge(due).await?;
        self.fit();
        Ok(unsettled)
    }

    async fn extend(&mut self, _: &[Token]) -> Result<Vec<usize>, InputError> {
        Ok(Vec::new())
    }

    async fn give_back(&mut self, tokens: &[Token]) -> Result<(), InputError> {
        let options = BasicNackOptions {
            multiple: false,
            requeue: true,
        };
        for token in tokens {
            if let Token::Tag(tag) = token
                && self.ring.give_back(*tag)
            {
                let returned = timeout(ANSWER, self.channel.basic_nack(*tag, options)).await;
                self.answered(returned)?;
            }
        }
        Ok(())
    }

    async fn backlog(&mut self) -> Result<Option<u64>, InputError> {
        // On a channel of its own, because a refusal closes the channel that asked.
        let asked = timeout(ANSWER, async {
            let channel = self.connection.create_channel().await?;
            let passive = QueueDeclareOptions {
                passive: true,
                ..QueueDeclareOptions::default()
            };
            let name = ShortString::from(self.queue.as_str());
            let queue = channel
                .queue_declare(name, passive, FieldTable::default())
                .await?;
            channel.close(SUCCESS, ShortString::default()).await?;
            lapin::Result::Ok(queue.message_count())
        });
        // Who may read a queue need not be allowed to ask for its length.
        let count = asked.await.ok().and_then(Result::ok);
        Ok(count.map(u64::from))
    }

    async fn close(mut self: Box<Self>, _: &[Token]) -> Result<(), InputError> {
        // Nothing is said any more about deliveries that a broker has taken back: it would not object, and forget nothing.
        let left = if self.is_lost {
            Ok(())
        } else {
            self.leave().await
        };
        let closed = self.connection.close(SUCCESS, ShortString::default());
        let closed = timeout(ANSWER, closed).await;
        left?;
        if self.is_lost {
            return Ok(());
        }
        self.answered(closed)
    }
}
