//! Connection: one socket to one broker, with requests in flight side by side. Cloning shares it.
//! A task owns the socket; it ends when the last handle is dropped or the stream breaks.

mod frame;
mod stream;
mod versions;

use crate::address::Address;
use crate::config::ClientSettings;
use crate::error::KafkaError;
use crate::limits::IN_FLIGHT;
use crate::security::{authenticate, explain_tls};
use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use kafka_protocol::protocol::{Request, StrBytes};
use millstream_core::{ByteBudget, BytePermit, ClientMeters};
use millstream_wire::Shaped;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use stream::Stream;
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use versions::Versions;

const UNSUPPORTED_VERSION: i16 = 35;

/// What an answer begins with.
const FRAME_LENGTH: usize = 4;

/// From this size on an answer is counted as memory before it is read.
const COUNTED_FROM: usize = 32 * 1024;

#[derive(Clone, Debug)]
pub(crate) struct Connection {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    address: Address,
    broker: String,
    client_id: StrBytes,
    versions: Versions,
    request_timeout: Duration,
    next_id: AtomicI32,
    outgoing: mpsc::Sender<Outgoing>,
    /// Cancelled when the stream is of no use any more.
    closed: CancellationToken,
    /// The broker wants a new sign-in before long. It happens on a new connection, which leaves what is
    /// under way on this one alone.
    retires_at: Option<Instant>,
    /// Why the stream ended, if that is for a person to mend.
    close_reason: Arc<OnceLock<CloseReason>>,
    /// The broker has answered more than the question what it offers, which every listener answers.
    is_accepted: AtomicBool,
    /// The next answer has begun to come and waits for memory, which is no fault of the broker's.
    is_held: Arc<AtomicBool>,
    security_protocol: String,
}

/// What a person has to mend before the broker and we can talk.
#[derive(Debug)]
enum CloseReason {
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

    fn error(&self, broker: String) -> KafkaError {
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

struct Outgoing {
    frame: BytesMut,
    /// `None`: the broker will not answer.
    waiting: Option<Waiting>,
}

/// Someone who waits for the answer to a request.
struct Waiting {
    id: i32,
    reply: oneshot::Sender<Frame>,
}

/// An answer as it came, with the memory that it is counted as.
struct Frame {
    bytes: Bytes,
    memory: Option<BytePermit>,
}

impl Connection {
    /// Connects, signs in and learns what the broker offers. Where `memory` is given, large answers wait for their share.
    pub(crate) async fn open(
        address: &Address,
        settings: &ClientSettings,
        memory: Option<ByteBudget>,
    ) -> Result<Self, KafkaError> {
        let stream = stream::open(address, settings).await?;
        let mut shared = start(stream, address, settings, memory);
        // A broker that hangs still accepts connections; it is found out by its silence.
        let limit = settings.request_timeout().min(settings.setup_timeout());
        // What went wrong before the broker's first answer says more than that the stream ended.
        let first_reason = Arc::clone(&shared.close_reason);
        let explain = |error| match first_reason.get() {
            Some(reason) => reason.error(address.to_string()),
            None => error,
        };
        let versions = request_versions(&shared, limit).await;
        shared.versions = versions.map_err(|error| explain(shared.hint(error)))?;
        let mut connection = Connection {
            shared: Arc::new(shared),
        };
        if let Some(credentials) = &settings.security.sasl {
            let authenticated = Instant::now();
            let lifetime = authenticate(&connection, credentials).await;
            match &lifetime {
                Ok(_) => settings.meters.authenticated(true),
                // One that broke off says nothing about the sign-in.
                Err(KafkaError::Authentication { .. }) => settings.meters.authenticated(false),
                Err(_) => {}
            }
            let lifetime = lifetime.map_err(explain)?;
            // Nobody else has a handle yet.
            if let Some(shared) = Arc::get_mut(&mut connection.shared) {
                // As in Java, well before the broker would end it.
                shared.retires_at =
                    lifetime.map(|l| authenticated + l.mul_f64(rand::random_range(0.85..0.95)));
            }
        }
        Ok(connection)
    }

    pub(crate) fn address(&self) -> &Address {
        &self.shared.address
    }

    pub(crate) fn broker(&self) -> &str {
        &self.shared.broker
    }

    /// Whether new requests need another connection; those under way are still answered where a sign-in runs out.
    pub(crate) fn is_closed(&self) -> bool {
        self.shared.closed.is_cancelled()
            || self.shared.outgoing.is_closed()
            || self
                .shared
                .retires_at
                .is_some_and(|at| at <= Instant::now())
    }

    /// Gives the connection up, also for those who share it.
    pub(crate) fn close(&self) {
        self.shared.closed.cancel();
    }

    /// Whether the broker lists this request at all.
    pub(crate) fn knows<R: Request>(&self) -> bool {
        self.shared.versions.choose::<R>().is_some()
    }

    /// The version of this request that both sides speak.
    pub(crate) fn version_of<R: Request>(&self) -> Result<i16, KafkaError> {
        self.shared
            .versions
            .choose::<R>()
            .ok_or_else(|| KafkaError::Unsupported {
                broker: self.shared.broker.clone(),
                request: name::<R>(),
            })
    }

    /// Sends what `build` makes for the version spoken, and waits for the answer.
    pub(crate) async fn request<R: Request<Response: Shaped>>(
        &self,
        build: impl FnOnce(i16) -> R,
    ) -> Result<R::Response, KafkaError> {
        self.request_within(self.shared.request_timeout, build)
            .await
    }

    /// As `request`, with a limit of its own; for requests that the broker holds back on purpose.
    pub(crate) async fn request_within<R: Request<Response: Shaped>>(
        &self,
        limit: Duration,
        build: impl FnOnce(i16) -> R,
    ) -> Result<R::Response, KafkaError> {
        let (response, _) = self.request_with_memory(limit, build).await?;
        Ok(response)
    }

    /// As `request_within`, with the memory that the answer is counted as.
    pub(crate) async fn request_with_memory<R: Request<Response: Shaped>>(
        &self,
        limit: Duration,
        build: impl FnOnce(i16) -> R,
    ) -> Result<(R::Response, Option<BytePermit>), KafkaError> {
        let version = self.version_of::<R>()?;
        self.exchange(version, limit, build).await
    }

    /// As `request`, in no newer version than this one.
    pub(crate) async fn request_up_to<R: Request<Response: Shaped>>(
        &self,
        newest: i16,
        build: impl FnOnce(i16) -> R,
    ) -> Result<R::Response, KafkaError> {
        let version = self.version_of::<R>()?.min(newest);
        let limit = self.shared.request_timeout;
        let (response, _) = self.exchange(version, limit, build).await?;
        Ok(response)
    }

    async fn exchange<R: Request<Response: Shaped>>(
        &self,
        version: i16,
        limit: Duration,
        build: impl FnOnce(i16) -> R,
    ) -> Result<(R::Response, Option<BytePermit>), KafkaError> {
        let sent = self.shared.send(&build(version), version, limit).await;
        let frame = sent.map_err(|error| self.shared.hint(error))?;
        self.shared.is_accepted.store(true, Ordering::Relaxed);
        let response = frame::decode::<R>(frame.bytes, version);
        let response = response.map_err(|source| self.shared.malformed::<R>(source))?;
        Ok((response, frame.memory))
    }

    /// Sends a request that the broker does not answer (produce with `acks=0`); returns once it is on its way.
    pub(crate) async fn send_without_response<R: Request>(
        &self,
        build: impl FnOnce(i16) -> R,
    ) -> Result<(), KafkaError> {
        let version = self.version_of::<R>()?;
        let id = self.shared.next_id.fetch_add(1, Ordering::Relaxed);
        let outgoing = Outgoing {
            frame: self.shared.encode(&build(version), version, id)?,
            waiting: None,
        };
        let sent = self.shared.outgoing.send(outgoing).await;
        sent.map_err(|_| KafkaError::Disconnected {
            broker: self.shared.broker.clone(),
            source: io::ErrorKind::ConnectionReset.into(),
        })
    }
}

impl Shared {
    /// Sends a request and waits for the frame that answers it.
    async fn send<R: Request>(
        &self,
        request: &R,
        version: i16,
        limit: Duration,
    ) -> Result<Frame, KafkaError> {
        let shared = self;
        let id = shared.next_id.fetch_add(1, Ordering::Relaxed);
        let frame = self.encode(request, version, id)?;
        let (reply, answer) = oneshot::channel();
        let outgoing = Outgoing {
            frame,
            waiting: Some(Waiting { id, reply }),
        };
        let exchange = async {
            shared.outgoing.send(outgoing).await.ok()?;
            answer.await.ok()
        };
        let mut exchange = std::pin::pin!(exchange);
        loop {
            match tokio::time::timeout(limit, &mut exchange).await {
                Ok(Some(frame)) => return Ok(frame),
                Ok(None) => {
                    return Err(KafkaError::Disconnected {
                        broker: shared.broker.clone(),
                        source: io::ErrorKind::ConnectionReset.into(),
                    });
                }
                Err(_) if self.is_held.load(Ordering::Relaxed) => {}
                Err(_) => {
                    // Answers come in order, so everything behind this one is stuck too.
                    self.closed.cancel();
                    return Err(KafkaError::TimedOut {
                        broker: shared.broker.clone(),
                        request: name::<R>(),
                        after: limit,
                    });
                }
            }
        }
    }

    fn encode<R: Request>(
        &self,
        request: &R,
        version: i16,
        id: i32,
    ) -> Result<BytesMut, KafkaError> {
        frame::encode(request, version, id, &self.client_id).map_err(|source| KafkaError::Failed {
            operation: format!("encode {} version {version}", name::<R>()),
            why: source.to_string(),
        })
    }

    /// A broker that hangs up on the first request may be one that expects TLS or a sign-in.
    fn hint(&self, error: KafkaError) -> KafkaError {
        match error {
            KafkaError::Disconnected { broker, source }
                if !self.is_accepted.load(Ordering::Relaxed) =>
            {
                let why = format!(
                    "{source}; the listener may expect another security.protocol than {}",
                    self.security_protocol
                );
                KafkaError::Disconnected {
                    broker,
                    source: io::Error::new(source.kind(), why),
                }
            }
            other => other,
        }
    }

    fn malformed<R: Request>(
        &self,
        source: Box<dyn std::error::Error + Send + Sync>,
    ) -> KafkaError {
        self.closed.cancel();
        KafkaError::Malformed {
            broker: self.broker.clone(),
            request: name::<R>(),
            source,
        }
    }
}

/// Asks in the newest form; a broker that does not know it says so in the oldest.
async fn request_versions(shared: &Shared, limit: Duration) -> Result<Versions, KafkaError> {
    let request = ApiVersionsRequest::default()
        .with_client_software_name(StrBytes::from_static_str("millstream"))
        .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
    let frame = shared.send(&request, 3, limit).await?.bytes;
    let error = frame
        .get(4..6)
        .map(|code| i16::from_be_bytes([code[0], code[1]]));
    let response = if error == Some(UNSUPPORTED_VERSION) {
        let frame = shared
            .send(&ApiVersionsRequest::default(), 0, limit)
            .await?;
        decode_versions(frame.bytes, 0)
    } else {
        decode_versions(frame, 3)
    };
    let response = response.map_err(|source| shared.malformed::<ApiVersionsRequest>(source))?;
    match response.error_code {
        0 => Ok(Versions::new(&response)),
        code => Err(KafkaError::response(
            format!("ApiVersions request to {}", shared.broker),
            code,
        )),
    }
}

fn decode_versions(
    mut frame: Bytes,
    version: i16,
) -> Result<ApiVersionsResponse, Box<dyn std::error::Error + Send + Sync>> {
    if frame.len() < 4 {
        return Err("truncated".into());
    }
    let mut body = frame.split_off(4);
    Ok(millstream_wire::decode(&mut body, version)?)
}

/// The request's name for messages.
fn name<R: Request>() -> &'static str {
    let path = std::any::type_name::<R>();
    let name = path.rsplit("::").next().unwrap_or(path);
    name.strip_suffix("Request").unwrap_or(name)
}

/// Starts the task that owns the stream.
fn start(
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
        retires_at: None,
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
