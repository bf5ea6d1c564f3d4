//! Socket: the task behind a connection, which writes requests and reads answers in order.

use super::stream::Stream;
use super::versions::Versions;
use super::{Shared, frame};
use crate::address::Address;
use crate::config::ClientSettings;
use crate::error::KafkaError;
use crate::limits::IN_FLIGHT;
use crate::security::explain_tls;
use bytes::{Bytes, BytesMut};
use kafka_protocol::protocol::StrBytes;
use millstream_core::{ByteBudget, BytePermit, ClientMeters};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// What an answer begins with.
const FRAME_LENGTH: usize = 4;

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
        explain_tls(error).map(CloseReason::Tls).or_else(|| {
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
    mut reader: ReadHalf<Box<dyn Stream>>,
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
