//! Socket: the task behind a connection, which writes requests and reads answers in order.

use super::stream::Stream;
use super::versions::Versions;
use super::{Shared, frame};
use crate::address::Address;
use crate::config::ClientSettings;
use crate::error::KafkaError;
use crate::limits::IN_FLIGHT;
use crate::security::{TLS_SETTINGS, explain_tls};
use bytes::{Bytes, BytesMut};
use kafka_protocol::protocol::StrBytes;
use millstream_core::{ByteBudget, BytePermit, ClientMeters};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::io::{AsyncWriteExt, BufReader, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// What an answer begins with.
const FRAME_LENGTH: usize = 4;

/// What is read at a time where answers are small: a heartbeat's, or that of a fetch that has found nothing, is then one call
/// of the system with its length, and not one for each and a third that finds nothing. What is larger goes to its own buffer.
const READ_AHEAD: usize = 256;

/// From this size on an answer is counted as memory before it is read.
const COUNTED_FROM: usize = 32 * 1024;

/// What a person has to mend before the broker and we can talk.
#[derive(Debug)]
pub(super) enum CloseReason {
    Tls(String),
    InvalidResponse(String),
}

impl CloseReason {
    fn of(error: &io::Error) -> Option<Self> {
        explain_tls(error, TLS_SETTINGS)
            .map(CloseReason::Tls)
            .or_else(|| {
                (error.kind() == io::ErrorKind::InvalidData)
                    .then(|| CloseReason::InvalidResponse(error.to_string()))
            })
    }

    pub(super) fn error(&self, broker: String) -> KafkaError {
        match self {
            CloseReason::Tls(why) => KafkaError::Tls {
                broker,
                why: why.clone(),
            },
            CloseReason::InvalidResponse(why) => KafkaError::InvalidResponse {
                broker,
                why: why.clone(),
            },
        }
    }
}

pub(super) struct Outgoing {
    pub(super) frame: BytesMut,
    /// `None`: the broker will not answer.
    pub(super) waiting: Option<Waiting>,
}

/// Someone who waits for the answer to a request.
pub(super) struct Waiting {
    pub(super) id: i32,
    pub(super) reply: oneshot::Sender<Frame>,
}

/// An answer as it came, with the memory that it is counted as.
pub(super) struct Frame {
    pub(super) bytes: Bytes,
    pub(super) memory: Option<BytePermit>,
}

/// Starts the task that owns the stream.
pub(super) fn start(
    stream: Box<dyn Stream>,
    address: &Address,
    settings: &ClientSettings,
    memory: Option<ByteBudget>,
) -> Shared {
    let (reader, writer) = tokio::io::split(stream);
    let reader = BufReader::with_capacity(READ_AHEAD, reader);
    let (outgoing, requests) = mpsc::channel(IN_FLIGHT);
    let (sent, mut waiting) = mpsc::channel(IN_FLIGHT);
    let closed = CancellationToken::new();
    let broker = address.to_string();
    let token = closed.clone();
    let name = broker.clone();
    let close_reason = Arc::new(OnceLock::new());
    let reason_of_task = Arc::clone(&close_reason);
    let is_held = Arc::new(AtomicBool::new(false));
    let meters = Arc::clone(&settings.meters);
    let gate = memory.map(|memory| Gate {
        memory,
        is_held: Arc::clone(&is_held),
    });
    crate::tasks::spawn(async move {
        meters.opened();
        let result = tokio::select! {
            result = write(writer, requests, sent, &meters) => result,
            result = read(reader, &mut waiting, gate, &meters) => result,
            () = token.cancelled() => Ok(()),
        };
        if let Err(error) = result {
            tracing::debug!(broker = %name, %error, "connection closed");
            if let Some(reason) = CloseReason::of(&error) {
                let _ = reason_of_task.set(reason);
            }
        }
        meters.closed();
        // Those who wait hear of the end only now, so that they find the reason.
        drop(waiting);
        token.cancel();
    });
    Shared {
        address: address.clone(),
        broker,
        client_id: StrBytes::from_string(settings.client_id.clone()),
        versions: Versions::default(),
        request_timeout: settings.request_timeout(),
        next_id: AtomicI32::new(0),
        outgoing,
        closed,
        session: None,
        close_reason,
        is_accepted: AtomicBool::new(false),
        is_held,
        security_protocol: settings.security_protocol().to_owned(),
    }
}

async fn write(
    mut writer: WriteHalf<Box<dyn Stream>>,
    mut requests: mpsc::Receiver<Outgoing>,
    sent: mpsc::Sender<Waiting>,
    meters: &ClientMeters,
) -> io::Result<()> {
    while let Some(outgoing) = requests.recv().await {
        if let Some(waiting) = outgoing.waiting
            && sent.send(waiting).await.is_err()
        {
            break;
        }
        writer.write_all(&outgoing.frame).await?;
        writer.flush().await?;
        meters.sent(outgoing.frame.len());
    }
    Ok(())
}

/// Where answers wait for memory.
struct Gate {
    memory: ByteBudget,
    is_held: Arc<AtomicBool>,
}

impl Gate {
    async fn pass(&self, size: usize) -> BytePermit {
        if let Some(permit) = self.memory.try_acquire(size) {
            return permit;
        }
        self.is_held.store(true, Ordering::Relaxed);
        let permit = self.memory.acquire(size).await;
        self.is_held.store(false, Ordering::Relaxed);
        permit
    }
}

async fn read(
    mut reader: BufReader<ReadHalf<Box<dyn Stream>>>,
    waiting: &mut mpsc::Receiver<Waiting>,
    gate: Option<Gate>,
    meters: &ClientMeters,
) -> io::Result<()> {
    loop {
        let size = frame::size(&mut reader).await?;
        let memory = match &gate {
            Some(gate) if size >= COUNTED_FROM => Some(gate.pass(size).await),
            Some(_) | None => None,
        };
        let bytes = frame::body(&mut reader, size).await?;
        meters.received(FRAME_LENGTH + size);
        let id = frame::correlation_id(&bytes)?;
        let Some(next) = waiting.recv().await else {
            return Ok(());
        };
        if next.id != id {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!(
                    "correlation id {id} of a response does not match request {}",
                    next.id
                ),
            ));
        }
        // Whoever asked may have stopped waiting.
        let _ = next.reply.send(Frame { bytes, memory });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::Pin;
    use std::sync::atomic::AtomicUsize;
    use std::task::{Context, Poll};
    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

    /// A broker whose answers are all there, and that counts how often it is asked for some of them.
    struct Answers {
        bytes: Bytes,
        asked: Arc<AtomicUsize>,
    }

    impl AsyncRead for Answers {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            into: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let most = into.remaining().min(self.bytes.len());
            into.put_slice(&self.bytes.split_to(most));
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Answers {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// The bodies of answers, which begin with correlation ids from 0, as they are read; and in how many calls.
    async fn read_all(bodies: &[Vec<u8>]) -> (Vec<Vec<u8>>, usize) {
        let mut bytes = BytesMut::new();
        for (id, body) in (0_i32..).zip(bodies) {
            bytes.extend_from_slice(&(4 + body.len() as i32).to_be_bytes());
            bytes.extend_from_slice(&id.to_be_bytes());
            bytes.extend_from_slice(body);
        }
        let asked = Arc::new(AtomicUsize::new(0));
        let stream: Box<dyn Stream> = Box::new(Answers {
            bytes: bytes.freeze(),
            asked: Arc::clone(&asked),
        });
        let (reader, _writer) = tokio::io::split(stream);
        let (sent, mut waiting) = mpsc::channel(bodies.len());
        let mut answers = Vec::new();
        for (id, _) in (0..).zip(bodies) {
            let (reply, answer) = oneshot::channel();
            sent.try_send(Waiting { id, reply }).expect("there is room");
            answers.push(answer);
        }
        let reader = BufReader::with_capacity(READ_AHEAD, reader);
        let ended = read(reader, &mut waiting, None, &ClientMeters::default()).await;
        assert_eq!(
            ended.expect_err("the end").kind(),
            io::ErrorKind::UnexpectedEof
        );
        let mut read = Vec::new();
        for answer in answers {
            read.push(answer.await.expect("an answer").bytes[4..].to_vec());
        }
        (read, asked.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn small_answers_are_one_read_and_large_ones_are_not_read_in_pieces() {
        let small = vec![vec![1; 20]];
        let (read, calls) = read_all(&small).await;
        assert_eq!((read, calls), (small, 2), "the answer and the end");
        let mixed = vec![vec![1; 20], vec![2; 1 << 20], vec![], vec![3; 300]];
        let (read, calls) = read_all(&mixed).await;
        assert_eq!(read, mixed);
        assert!(calls <= 6, "{calls} reads");
    }
}
