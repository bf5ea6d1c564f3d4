//! A subscription in use. Its acknowledgements are cumulative, so they go no further than the first message that is held.

use super::frame::{self, Frame};
use super::message::message;
use super::{EmptyBody, SUBSCRIPTION};
use crate::input::{
    InputError, InputErrorKind, Message, QueueInput, Token, Unsettled, UnsettledReason,
};
use crate::net::Stream;
use crate::ring::{Ack, Ring};
use async_trait::async_trait;
use bytes::BytesMut;
use std::collections::VecDeque;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep_until, timeout};

/// What a call waits for the broker.
const ANSWER: Duration = Duration::from_secs(30);

/// A broker is gone that has not been heard of for so many of the spans it promised.
const MISSED_BEATS: u32 = 3;

/// How much is read at a time at the most, and the room that is kept for it at the least: bodies share the memory that they
/// were read into, so that it is not used again.
const READ: usize = 64 << 10;
const LEAST_READ: usize = 8 << 10;

/// Where so many messages come with one read, those that follow are left to gather for a while: what is done once for all
/// that a read brings, up to its write and its acknowledgement, costs as much as fifty messages. With fewer nobody waits, nor
/// with half of what ActiveMQ Classic has on its way, nor where more has come than was read.
const GATHERED: std::ops::Range<usize> = 8..100;
const GATHERING: Duration = Duration::from_millis(10);

/// The name of the receipt that ends a connection.
const LAST: &str = "last";

/// A connection: frames and heartbeats.
pub(super) struct Talk {
    stream: Stream,
    buffer: BytesMut,
    /// What is still to be sent, from the middle of a frame on where writing was left off.
    outgoing: BytesMut,
    /// How often we promised to send something, and when it is due.
    sends: Option<Duration>,
    send_by: Instant,
    /// How often the broker promised to, and when it is believed to be gone.
    hears: Option<Duration>,
    hear_by: Instant,
}

impl Talk {
    pub(super) fn new(stream: Stream) -> Self {
        let now = Instant::now();
        Talk {
            stream,
            buffer: BytesMut::new(),
            outgoing: BytesMut::new(),
            sends: None,
            send_by: now,
            hears: None,
            hear_by: now,
        }
    }

    /// Takes over what the broker answered to our wish of a heartbeat at this interval: what it sends, what it wants.
    pub(super) fn agree(&mut self, wish: Duration, answer: Option<&str>) {
        let (sends, wants) = answer
            .and_then(|text| text.split_once(','))
            .unwrap_or(("0", "0"));
        let span = |text: &str| match text.trim().parse::<u64>() {
            Ok(millis) if millis > 0 && !wish.is_zero() => {
                Some(wish.max(Duration::from_millis(millis)))
            }
            _ => None,
        };
        self.hears = span(sends);
        // Sooner than promised, since clocks and networks are not exact.
        self.sends = span(wants).map(|span| span / 2);
        let now = Instant::now();
        self.heard(now);
        self.sent(now);
    }

    fn heard(&mut self, now: Instant) {
        if let Some(span) = self.hears {
            self.hear_by = now + span * MISSED_BEATS;
        }
    }

    fn sent(&mut self, now: Instant) {
        if let Some(span) = self.sends {
            self.send_by = now + span;
        }
    }

    pub(super) async fn send(&mut self, frame: &Frame) -> io::Result<()> {
        self.put(frame);
        self.write().await
    }

    /// Has a frame sent with the next that is sent or read.
    fn put(&mut self, frame: &Frame) {
        self.outgoing.extend_from_slice(&frame.encode());
    }

    /// Sends what there is to send. Cancel safe.
    async fn write(&mut self) -> io::Result<()> {
        if self.outgoing.is_empty() {
            return Ok(());
        }
        while !self.outgoing.is_empty() {
            self.stream.write_buf(&mut self.outgoing).await?;
        }
        self.stream.flush().await?;
        self.sent(Instant::now());
        Ok(())
    }

    /// A frame that has come as a whole already.
    fn ready(&mut self) -> io::Result<Option<Frame>> {
        frame::next(&mut self.buffer)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// Whether all was read that had come by then.
    fn has_read_all(&self) -> bool {
        self.buffer.len() < self.buffer.capacity()
    }

    /// The next frame. Cancel safe: what was read stays in the buffer.
    pub(super) async fn next(&mut self) -> io::Result<Frame> {
        loop {
            if let Some(frame) = self.ready()? {
                return Ok(frame);
            }
            self.write().await?;
            if self.buffer.capacity() - self.buffer.len() < LEAST_READ {
                self.buffer.reserve(READ);
            }
            tokio::select! {
                biased;
                read = self.stream.read_buf(&mut self.buffer) => {
                    if read? == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    self.heard(Instant::now());
                }
                () = sleep_until(self.hear_by), if self.hears.is_some() => {
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "the broker is not heard of any more"));
                }
                () = sleep_until(self.send_by), if self.sends.is_some() => self.beat().await?,
            }
        }
    }

    /// Says that we are there while nothing is read, for ever.
    async fn keep_alive(&mut self) -> io::Result<()> {
        loop {
            if self.sends.is_none() {
                std::future::pending::<()>().await;
            }
            sleep_until(self.send_by).await;
            self.beat().await?;
        }
    }

    async fn beat(&mut self) -> io::Result<()> {
        self.outgoing.extend_from_slice(b"\n");
        self.write().await
    }
}

pub(super) struct StompInput {
    queue: String,
    empty_body: EmptyBody,
    keeps_types: bool,
    talk: Talk,
    ring: Ring,
    /// The `ack` headers of messages in the ring, the first being the one of `first`.
    handles: VecDeque<Box<str>>,
    first: u64,
    /// Until when messages are left to gather.
    gathers_until: Option<Instant>,
    is_lost: bool,
}

impl StompInput {
    pub(super) fn new(
        queue: &str,
        empty_body: EmptyBody,
        keeps_types: bool,
        talk: Talk,
        room: usize,
    ) -> Self {
        StompInput {
            queue: queue.to_owned(),
            empty_body,
            keeps_types,
            talk,
            // A cumulative acknowledgement cannot leave a message out.
            ring: Ring::new(usize::MAX),
            handles: VecDeque::with_capacity(room.min(1024)),
            first: 1,
            gathers_until: None,
            is_lost: false,
        }
    }

    fn fail(&mut self, kind: InputErrorKind, why: &str) -> InputError {
        self.is_lost = true;
        InputError::new(kind, format!("the queue {}: {why}", self.queue))
    }

    fn lost(&mut self, error: io::Error) -> InputError {
        let why = format!("the connection is lost: {error}");
        self.fail(InputErrorKind::Lost, &why).with_source(error)
    }

    fn accept(&mut self, frame: Frame) -> Result<Option<Message>, InputError> {
        match frame.command() {
            "MESSAGE" => {}
            "ERROR" => {
                let said = frame.header("message").unwrap_or("it does not say why");
                let why = format!("the broker ends the connection: {said}");
                return Err(self.fail(InputErrorKind::Lost, &why));
            }
            _ => return Ok(None),
        }
        let Some(handle) = frame.header("ack").map(Box::from) else {
            return Err(self.fail(
                InputErrorKind::Fatal,
                "a message comes without an ack header",
            ));
        };
        let id = || frame.header("message-id").unwrap_or_default();
        if frame.header("JMS_AMQP_NATIVE").is_some() {
            let id = id();
            let why = format!(
                "message {id} was sent over AMQP and comes in its encoding; read the queue with activemq.protocol=amqp"
            );
            return Err(self.fail(InputErrorKind::Fatal, &why));
        }
        let is_unknown = frame.body.is_empty() && frame.header("content-length").is_none();
        if is_unknown && self.empty_body == EmptyBody::Fail {
            let id = id();
            let why = format!(
                "message {id} comes without a body: it is an empty text, or a map, stream or object message that STOMP does not carry; read the queue with activemq.protocol=amqp, or set input.stomp.empty.body=null if all of them are empty texts"
            );
            return Err(self.fail(InputErrorKind::Fatal, &why));
        }
        if is_unknown && self.empty_body == EmptyBody::DeadLetter {
            tracing::warn!(
                queue = self.queue,
                message = id(),
                "a message without a body goes to the broker's dead letters"
            );
            self.talk.put(&answer("NACK", &handle));
            return Ok(None);
        }
        let place = self.first + self.handles.len() as u64;
        self.ring.deliver(place);
        self.handles.push_back(handle);
        let token = Token::Tag(place);
        Ok(Some(message(frame, token, is_unknown, self.keeps_types)))
    }

    /// The frame that acknowledges what is due.
    fn due(&mut self) -> Option<Frame> {
        let Ack { tag, .. } = self.ring.due().pop()?;
        let mut last = None;
        while self.first <= tag {
            last = self.handles.pop_front();
            self.first += 1;
        }
        last.map(|handle| answer("ACK", &handle))
    }

    async fn send(&mut self, frame: &Frame) -> Result<(), InputError> {
        match timeout(ANSWER, self.talk.send(frame)).await {
            Ok(sent) => sent.map_err(|error| self.lost(error)),
            Err(_) => Err(self.fail(InputErrorKind::Lost, "the broker takes nothing any more")),
        }
    }
}

/// The frame that says what becomes of a message, by its `ack` header.
fn answer(command: &str, handle: &str) -> Frame {
    Frame::new(command, [("id", handle)])
}

#[async_trait]
impl QueueInput for StompInput {
    async fn receive(&mut self, room: usize) -> Result<Vec<Message>, InputError> {
        if room == 0 {
            // What comes waits in the connection, and a loss is told with the next message or acknowledgement.
            let kept = self.talk.keep_alive().await;
            return Err(self.lost(kept.err().unwrap_or(io::ErrorKind::UnexpectedEof.into())));
        }
        if let Some(until) = self.gathers_until {
            sleep_until(until).await;
            self.gathers_until = None;
        }
        let mut messages = Vec::new();
        while messages.is_empty() {
            let frame = self.talk.next().await.map_err(|error| self.lost(error))?;
            messages.extend(self.accept(frame)?);
        }
        while messages.len() < room {
            match self.talk.ready().map_err(|error| self.lost(error))? {
                Some(frame) => messages.extend(self.accept(frame)?),
                None => break,
            }
        }
        if GATHERED.contains(&messages.len()) && self.talk.has_read_all() {
            self.gathers_until = Some(Instant::now() + GATHERING);
        }
        Ok(messages)
    }

    async fn settle(&mut self, tokens: &[Token]) -> Result<Vec<Unsettled>, InputError> {
        let mut unsettled = Vec::new();
        for (at, token) in tokens.iter().enumerate() {
            let is_held = match token {
                Token::Tag(place) => self.ring.settle(*place),
                Token::Handle(_) | Token::Delivery { .. } => false,
            };
            if !is_held {
                let reason = UnsettledReason::Lapsed;
                unsettled.push(Unsettled { at, reason });
            }
        }
        if let Some(ack) = self.due() {
            self.send(&ack).await?;
        }
        Ok(unsettled)
    }

    async fn extend(&mut self, _: &[Token]) -> Result<Vec<usize>, InputError> {
        Ok(Vec::new())
    }

    async fn give_back(&mut self, tokens: &[Token]) -> Result<(), InputError> {
        if tokens.is_empty() {
            return Ok(());
        }
        // A NACK would send it to the queue of dead letters.
        let why = "STOMP gives messages back by the end of a connection";
        Err(self.fail(InputErrorKind::Lost, why))
    }

    async fn close(mut self: Box<Self>, _: &[Token]) -> Result<(), InputError> {
        if self.is_lost {
            return Ok(());
        }
        // What was acknowledged has been sent; the broker takes frames in their order, and answers to the last.
        self.send(&Frame::new("UNSUBSCRIBE", [("id", SUBSCRIPTION)]))
            .await?;
        self.send(&Frame::new("DISCONNECT", [("receipt", LAST)]))
            .await?;
        let answered = timeout(ANSWER, async {
            loop {
                let frame = self.talk.next().await?;
                if frame.command() == "RECEIPT" && frame.header("receipt-id") == Some(LAST) {
                    return io::Result::Ok(());
                }
            }
        });
        match answered.await {
            Ok(answered) => answered.map_err(|error| self.lost(error)),
            Err(_) => Err(self.fail(
                InputErrorKind::Lost,
                "the broker does not answer to the end",
            )),
        }
    }
}

#[cfg(test)]
mod tests;
