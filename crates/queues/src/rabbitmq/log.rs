//! A stream of RabbitMQ, read by AMQP 0.9.1: acknowledgements are credit there, and take nothing off.

use super::window::Window;
use super::{RabbitConnector, failure};
use crate::amqp::STREAM_OFFSET;
use crate::input::{InputError, InputErrorKind, Message};
use crate::log::{LogConnector, LogReader};
use async_trait::async_trait;
use futures::{FutureExt, StreamExt};
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, Connection, Consumer};
use std::time::Duration;
use tokio::time::timeout;

/// How many messages may be on their way at most where nobody says: a stream is refused without a bound.
const MOST: u16 = 256;

/// What an acknowledgement waits for the socket, and an end for the broker.
const ANSWER: Duration = Duration::from_secs(30);

/// The reply code of a close for no particular reason.
const SUCCESS: u16 = 200;

/// Opens connections to a stream.
pub(crate) struct StreamConnector(pub(super) RabbitConnector);

#[async_trait]
impl LogConnector for StreamConnector {
    fn queue(&self) -> &str {
        &self.0.settings.queue
    }

    async fn open(&self, from: i64) -> Result<Box<dyn LogReader>, InputError> {
        let settings = &self.0.settings;
        let connection = self.0.open_connection().await?;
        let window = match settings.prefetch {
            Some(prefetch) => Window::fixed(prefetch),
            None => Window::following(MOST, 0),
        };
        let opened = async {
            let channel = connection.create_channel().await?;
            let consumer = consume(&channel, &settings.queue, window.allowed(), from);
            lapin::Result::Ok((consumer.await?, channel))
        };
        let (consumer, channel) = match timeout(settings.connect_timeout, opened).await {
            Ok(Ok(opened)) => opened,
            Ok(Err(error)) if failure::is_unknown_argument(&error) => {
                let what = format!(
                    "RabbitMQ's queue {} is no stream; remove rabbitmq.stream.offset: {error}",
                    settings.queue
                );
                return Err(InputError::new(InputErrorKind::Fatal, what).with_source(error));
            }
            Ok(Err(error)) => return Err(self.0.refusal("cannot be read", error)),
            Err(_) => return Err(self.0.transient("the broker did not answer in time")),
        };
        self.0.note_connected();
        Ok(Box::new(StreamReader {
            queue: settings.queue.clone(),
            keeps_types: settings.keeps_types,
            connection,
            channel,
            consumer,
            next: from,
            window,
            unsettled: 0,
            last: None,
        }))
    }
}

/// Begins to read at an offset, with so many messages on their way at most.
async fn consume(
    channel: &Channel,
    queue: &str,
    allowed: u16,
    from: i64,
) -> lapin::Result<Consumer> {
    let options = BasicQosOptions::default();
    channel.basic_qos(allowed, options).await?;
    let mut arguments = FieldTable::default();
    let from = match from {
        0 => AMQPValue::LongString("first".into()),
        from => AMQPValue::LongLongInt(from),
    };
    arguments.insert(STREAM_OFFSET.into(), from);
    let (queue, any_tag) = (ShortString::from(queue), ShortString::default());
    let options = BasicConsumeOptions::default();
    channel
        .basic_consume(queue, any_tag, options, arguments)
        .await
}

struct StreamReader {
    queue: String,
    keeps_types: bool,
    connection: Connection,
    channel: Channel,
    consumer: Consumer,
    /// The offset behind the last message that was returned.
    next: i64,
    window: Window,
    /// How many messages were returned and not acknowledged.
    unsettled: usize,
    /// The tag of the last message that was returned and not acknowledged.
    last: Option<u64>,
}

impl StreamReader {
    fn lost(&self, why: &str) -> InputError {
        let what = format!(
            "the connection to RabbitMQ's stream {} is lost: {why}",
            self.queue
        );
        InputError::new(InputErrorKind::Lost, what)
    }

    /// What has become of a frame, or of a question.
    fn answered<T>(
        &self,
        answer: Result<lapin::Result<T>, tokio::time::error::Elapsed>,
    ) -> Result<T, InputError> {
        match answer {
            Ok(answer) => answer.map_err(|error| self.lost(&error.to_string()).with_source(error)),
            Err(_) => Err(self.lost("the broker does not answer any more")),
        }
    }

    /// Another consumer reads on with another allowance. What is on its way to this one comes again.
    async fn take_over(&mut self, allowed: u16) -> Result<(), InputError> {
        let taken_over = async {
            let options = BasicCancelOptions::default();
            self.channel
                .basic_cancel(self.consumer.tag(), options)
                .await?;
            consume(&self.channel, &self.queue, allowed, self.next).await
        };
        self.consumer = self.answered(timeout(ANSWER, taken_over).await)?;
        self.window.changed(allowed);
        Ok(())
    }

    fn taken(
        &mut self,
        delivery: Option<lapin::Result<Delivery>>,
    ) -> Result<(i64, Message), InputError> {
        let delivery = match delivery {
            Some(Ok(delivery)) => delivery,
            Some(Err(error)) => return Err(self.lost(&error.to_string()).with_source(error)),
            None => return Err(self.lost("RabbitMQ has ended the consumer")),
        };
        let headers = delivery.properties.headers().as_ref();
        let offset = headers.and_then(|headers| headers.inner().get(STREAM_OFFSET));
        let Some(AMQPValue::LongLongInt(offset)) = offset else {
            let what = format!(
                "RabbitMQ's stream {} has a message without an offset",
                self.queue
            );
            return Err(InputError::new(InputErrorKind::Fatal, what));
        };
        let offset = *offset;
        self.last = Some(delivery.delivery_tag);
        self.next = offset.saturating_add(1);
        self.unsettled += 1;
        self.window.delivered(delivery.data.len(), false);
        let tag = self.keeps_types.then(|| self.consumer.tag());
        let tag = tag.as_ref().map(ShortString::as_str);
        Ok((offset, super::message::message(delivery, tag)))
    }
}

#[async_trait]
impl LogReader for StreamReader {
    async fn receive(&mut self, most: usize) -> Result<Vec<(i64, Message)>, InputError> {
        let first = self.consumer.next().await;
        let mut messages = vec![self.taken(first)?];
        while messages.len() < most {
            match self.consumer.next().now_or_never() {
                // What was read beside a loss comes again, as all else.
                Some(next) => messages.push(self.taken(next)?),
                None => break,
            }
        }
        Ok(messages)
    }

    async fn allow_more(&mut self) -> Result<(), InputError> {
        let Some(tag) = self.last.take() else {
            return Ok(());
        };
        let options = BasicAckOptions { multiple: true };
        let sent = timeout(ANSWER, self.channel.basic_ack(tag, options)).await;
        self.answered(sent)?;
        self.window.gone(std::mem::take(&mut self.unsettled));
        match self.window.change() {
            Some(allowed) => self.take_over(allowed).await,
            None => Ok(()),
        }
    }

    async fn close(self: Box<Self>) {
        // Nothing depends on how it ends.
        let closed = self.connection.close(SUCCESS, ShortString::default());
        let _ = timeout(ANSWER, closed).await;
    }
}
