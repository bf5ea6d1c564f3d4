//! A link in use: deliveries become messages, settled ones dispositions.
//!
//! A broker that takes messages back (RabbitMQ's consumer timeout) says so with dispositions: the link is at its end then.

use super::message::{Reading, message};
use super::sections::{Undecodable, decoded};
use super::tap::TakenBack;
use super::transfers::Content;
use super::{STREAM_OFFSET, is_stream};
use crate::input::{
    InputError, InputErrorKind, Message, QueueInput, Token, Unsettled, UnsettledReason,
};
use async_trait::async_trait;
use bytes::Bytes;
use fe2o3_amqp::Receiver;
use fe2o3_amqp::connection::ConnectionHandle;
use fe2o3_amqp::link::RecvError;
use fe2o3_amqp::link::delivery::{Delivery, DeliveryInfo};
use fe2o3_amqp::session::SessionHandle;
use fe2o3_amqp::types::messaging::Body;
use fe2o3_amqp::types::primitives::Value;
use futures::FutureExt;
use std::collections::HashMap;
use std::error::Error;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::unconstrained;
use tokio::time::timeout;

/// ActiveMQ Classic looks for more messages than the two hundred it has at hand when it is given credit, and then for so
/// many: credit of a thousand at once brings two hundred messages and no more.
pub(super) const LARGEST_CREDIT: u16 = 100;

/// What a call waits for the broker.
const ANSWER: Duration = Duration::from_secs(30);

/// What the library makes of a delivery whose content has been taken out before (`tap`).
type Emptied = Delivery<Body<Value>>;

#[derive(Debug)]
struct Received {
    info: DeliveryInfo,
    sections: Bytes,
}

pub(super) struct AmqpInput {
    queue: String,
    reading: Reading,
    connection: ConnectionHandle<()>,
    session: SessionHandle<()>,
    receiver: Receiver,
    taken_back: Arc<TakenBack>,
    /// In the order of the deliveries.
    contents: mpsc::Receiver<Content>,
    /// A delivery that was taken from the link when there was no room.
    waiting: Option<Received>,
    /// What the link knows the deliveries by that were returned and neither settled nor given back.
    held: HashMap<u32, DeliveryInfo>,
    /// Credit that may not have been sent: the call that was to do it was dropped.
    is_granting: bool,
    is_lost: bool,
}

impl AmqpInput {
    pub(super) fn new(
        queue: &str,
        reading: Reading,
        connection: ConnectionHandle<()>,
        session: SessionHandle<()>,
        receiver: Receiver,
        taken_back: Arc<TakenBack>,
        contents: mpsc::Receiver<Content>,
    ) -> Self {
        AmqpInput {
            queue: queue.to_owned(),
            reading,
            connection,
            session,
            receiver,
            taken_back,
            contents,
            waiting: None,
            held: HashMap::new(),
            is_granting: false,
            is_lost: false,
        }
    }

    fn lost(&mut self, error: impl Error + Send + Sync + 'static) -> InputError {
        self.is_lost = true;
        let what = format!("the link to queue {} is lost: {error}", self.queue);
        InputError::new(InputErrorKind::Lost, what).with_source(error)
    }

    fn ended(&mut self) -> InputError {
        self.is_lost = true;
        let what = format!(
            "the broker has taken back what it delivered of queue {}: it was held for too long, or the queue has moved",
            self.queue
        );
        InputError::new(InputErrorKind::Lost, what)
    }

    fn unanswered(&mut self) -> InputError {
        self.is_lost = true;
        let seconds = ANSWER.as_secs();
        let what = format!(
            "the broker of queue {} does not answer in {seconds} s",
            self.queue
        );
        InputError::new(InputErrorKind::Lost, what)
    }

    fn undecodable(&mut self, error: Undecodable) -> InputError {
        self.is_lost = true;
        let what = format!(
            "the queue {} has a message that is no AMQP 1.0 message: {error}; take it off the queue",
            self.queue
        );
        InputError::new(InputErrorKind::Fatal, what).with_source(error)
    }

    /// Sees to it that what may come is as much as is wanted. Cancel safe.
    async fn grant(&mut self, room: usize) -> Result<(), InputError> {
        let waiting = usize::from(self.waiting.is_some());
        let room = u32::try_from(room.saturating_sub(waiting)).unwrap_or(u32::MAX);
        let credit = self.receiver.credit();
        let wanted = room.min(LARGEST_CREDIT.into());
        // Half of it is on its way while the other half is asked for.
        if self.is_granting || credit < wanted && credit <= u32::from(LARGEST_CREDIT / 2) {
            self.is_granting = true;
            let granted = self.receiver.set_credit(wanted.max(credit)).await;
            granted.map_err(|error| self.lost(error))?;
            self.is_granting = false;
        }
        Ok(())
    }

    async fn next(&mut self) -> Result<Received, InputError> {
        if let Some(delivery) = self.waiting.take() {
            return Ok(delivery);
        }
        let received = tokio::select! {
            received = self.receiver.recv::<Body<Value>>() => Some(received),
            () = self.taken_back.happens() => None,
        };
        match received {
            Some(received) => self.with_content(received),
            None => Err(self.ended()),
        }
    }

    fn with_content(
        &mut self,
        received: Result<Emptied, RecvError>,
    ) -> Result<Received, InputError> {
        let delivery = received.map_err(|error| self.lost(error))?;
        let info = DeliveryInfo::from(delivery);
        // What the library has left out is passed over.
        while let Ok(Content { number, sections }) = self.contents.try_recv() {
            if number == info.delivery_id() {
                return Ok(Received { info, sections });
            }
        }
        self.is_lost = true;
        let what = format!(
            "the broker of queue {} writes its transfers in a form that is not understood",
            self.queue
        );
        Err(InputError::new(InputErrorKind::Fatal, what))
    }

    fn accept(&mut self, received: Received) -> Result<Message, InputError> {
        let Received { info, sections } = received;
        let content = decoded(&sections).map_err(|error| self.undecodable(error))?;
        let number = info.delivery_id();
        let tag = info.delivery_tag().to_vec().into();
        self.held.insert(number, info);
        let token = Token::Delivery { number, tag };
        Ok(message(token, content, self.reading))
    }

    /// What the link knows these by, and the places of those that it does not know.
    fn take(&mut self, tokens: &[Token]) -> (Vec<DeliveryInfo>, Vec<usize>) {
        let (mut known, mut unknown) = (Vec::new(), Vec::new());
        for (at, token) in tokens.iter().enumerate() {
            let info = match token {
                Token::Delivery { number, .. } => self.held.remove(number),
                Token::Tag(_) | Token::Handle(_) => None,
            };
            match info {
                Some(info) => known.push(info),
                None => unknown.push(at),
            }
        }
        (known, unknown)
    }

    /// Gives back what has come and not been returned, so that it is not counted as delivered.
    async fn leave(&mut self) -> Result<(), InputError> {
        let mut unread: Vec<DeliveryInfo> = self.held.drain().map(|(_, info)| info).collect();
        unread.extend(self.waiting.take().map(|waiting| waiting.info));
        // The library hands out nothing any more once there is no credit.
        while let Some(Ok(delivery)) =
            unconstrained(self.receiver.recv::<Body<Value>>()).now_or_never()
        {
            unread.push(delivery.into());
        }
        let stopped = self.receiver.set_credit(0).await;
        stopped.map_err(|error| self.lost(error))?;
        let released = timeout(ANSWER, self.receiver.release_all(unread)).await;
        match released {
            Ok(released) => released.map_err(|error| self.lost(error)),
            Err(_) => Err(self.unanswered()),
        }
    }
}

#[async_trait]
impl QueueInput for AmqpInput {
    async fn receive(&mut self, room: usize) -> Result<Vec<Message>, InputError> {
        if room == 0 {
            // Only a loss is to be told.
            if self.waiting.is_none() {
                self.waiting = Some(self.next().await?);
            }
            self.taken_back.happens().await;
            return Err(self.ended());
        }
        self.grant(room).await?;
        let first = self.next().await?;
        let mut messages = vec![self.accept(first)?];
        while messages.len() < room {
            match self.receiver.recv::<Body<Value>>().now_or_never() {
                Some(received) => {
                    let received = self.with_content(received)?;
                    messages.push(self.accept(received)?);
                }
                None => break,
            }
        }
        let is_of_stream = |message: &Message| message.headers.get(STREAM_OFFSET).is_some();
        // RabbitMQ alone tells who is first, and has streams.
        if self.reading.tells_first && messages.iter().any(is_of_stream) {
            self.is_lost = true;
            return Err(is_stream(&self.queue));
        }
        // More is to come while its owner is busy or lets it gather. An error comes again with the next call.
        let _ = self.grant(room - messages.len()).now_or_never();
        Ok(messages)
    }

    async fn settle(&mut self, tokens: &[Token]) -> Result<Vec<Unsettled>, InputError> {
        if self.taken_back.is_set() {
            return Err(self.ended());
        }
        let (known, unknown) = self.take(tokens);
        match timeout(ANSWER, self.receiver.accept_all(known)).await {
            Ok(accepted) => accepted.map_err(|error| self.lost(error))?,
            Err(_) => return Err(self.unanswered()),
        }
        let reason = UnsettledReason::Lapsed;
        let unknown = unknown.into_iter();
        Ok(unknown.map(|at| Unsettled { at, reason }).collect())
    }

    async fn extend(&mut self, _: &[Token]) -> Result<Vec<usize>, InputError> {
        Ok(Vec::new())
    }

    async fn give_back(&mut self, tokens: &[Token]) -> Result<(), InputError> {
        let (known, _) = self.take(tokens);
        match timeout(ANSWER, self.receiver.release_all(known)).await {
            Ok(released) => released.map_err(|error| self.lost(error)),
            Err(_) => Err(self.unanswered()),
        }
    }

    async fn close(mut self: Box<Self>, _: &[Token]) -> Result<(), InputError> {
        if self.is_lost {
            // Nothing is said any more about deliveries that may not be ours; the broker notices the end.
            let _ = timeout(ANSWER, self.connection.close()).await;
            return Ok(());
        }
        self.leave().await?;
        let AmqpInput {
            queue,
            mut connection,
            mut session,
            receiver,
            ..
        } = *self;
        // Dispositions are not answered; each of these is, and comes behind them.
        let ended = timeout(ANSWER, async {
            let failed = |what: &dyn Display| {
                let what = format!("the queue {queue} was not left in order: {what}");
                InputError::new(InputErrorKind::Lost, what)
            };
            receiver.close().await.map_err(|error| failed(&error))?;
            session.end().await.map_err(|error| failed(&error))?;
            connection.close().await.map_err(|error| failed(&error))
        });
        ended.await.unwrap_or_else(|_| {
            let what = format!("the broker of queue {queue} does not answer to the end");
            Err(InputError::new(InputErrorKind::Lost, what))
        })
    }
}
