//! Connection: one socket to one broker, with requests in flight side by side. Cloning shares it.
//! A task owns the socket; it ends when the last handle is dropped or the stream breaks.

mod frame;
mod session;
mod socket;
mod stream;
mod versions;

pub(crate) use session::SignedIn;

use crate::address::Address;
use crate::config::ClientSettings;
use crate::error::KafkaError;
use crate::security::{Credentials, Prepared, authenticate};
use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use kafka_protocol::protocol::{Request, StrBytes};
use millstream_core::{ByteBudget, BytePermit, ClientMeters};
use millstream_wire::Shaped;
use session::{Session, Times};
use socket::{CloseReason, Frame, Outgoing, Waiting};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use versions::Versions;

const UNSUPPORTED_VERSION: i16 = 35;

/// Pause between attempts to get what a renewal takes, while the session has not run out.
const RETRY: Duration = Duration::from_secs(1);

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
    /// Where the broker wants a new sign-in before long.
    session: Option<Arc<Session>>,
    /// Why the stream ended, if that is for a person to mend.
    close_reason: Arc<OnceLock<CloseReason>>,
    /// The broker has answered more than the question what it offers, which every listener answers.
    is_accepted: AtomicBool,
    /// The next answer has begun to come and waits for memory, which is no fault of the broker's.
    is_held: Arc<AtomicBool>,
    security_protocol: String,
}

impl Connection {
    /// Connects, signs in and learns what the broker offers. Where `memory` is given, large answers wait for their share.
    pub(crate) async fn open(
        address: &Address,
        settings: &ClientSettings,
        memory: Option<ByteBudget>,
    ) -> Result<Self, KafkaError> {
        let stream = stream::open(address, settings).await?;
        let mut shared = socket::start(stream, address, settings, memory);
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
            let prepared = Prepared::new(credentials, address).await?;
            let signed_in = authenticate(&connection, &prepared).await;
            match &signed_in {
                Ok(_) => settings.meters.authenticated(true),
                // One that broke off says nothing about the sign-in.
                Err(KafkaError::Authentication { .. }) => settings.meters.authenticated(false),
                Err(_) => {}
            }
            let signed_in = signed_in.map_err(explain)?;
            // Nobody else has a handle yet.
            if signed_in.lifetime.is_some()
                && let Some(shared) = Arc::get_mut(&mut connection.shared)
            {
                let session = Arc::new(Session::new(times(signed_in)));
                shared.session = Some(Arc::clone(&session));
                let closed = shared.closed.clone();
                let connection = Arc::downgrade(&connection.shared);
                crate::tasks::spawn(keep_signed_in(
                    connection,
                    session,
                    closed,
                    credentials.clone(),
                    Arc::clone(&settings.meters),
                ));
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
                .session
                .as_ref()
                .is_some_and(|session| session.is_over())
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

    /// As `request`, while all others wait for the sign-in that it is part of.
    pub(crate) async fn request_of_sign_in<R: Request<Response: Shaped>>(
        &self,
        build: impl FnOnce(i16) -> R,
    ) -> Result<R::Response, KafkaError> {
        let version = self.version_of::<R>()?;
        let request = build(version);
        let limit = self.shared.request_timeout;
        let sent = self.shared.send(&request, version, limit, None).await;
        let (response, _) = self.decoded::<R>(sent, version)?;
        Ok(response)
    }

    async fn exchange<R: Request<Response: Shaped>>(
        &self,
        version: i16,
        limit: Duration,
        build: impl FnOnce(i16) -> R,
    ) -> Result<(R::Response, Option<BytePermit>), KafkaError> {
        let session = self.shared.open().await?;
        let request = build(version);
        let sent = self.shared.send(&request, version, limit, session).await;
        self.decoded::<R>(sent, version)
    }

    fn decoded<R: Request<Response: Shaped>>(
        &self,
        sent: Result<Frame, KafkaError>,
        version: i16,
    ) -> Result<(R::Response, Option<BytePermit>), KafkaError> {
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
        let session = self.shared.open().await?;
        let id = self.shared.next_id.fetch_add(1, Ordering::Relaxed);
        let outgoing = Outgoing {
            frame: self.shared.encode(&build(version), version, id)?,
            waiting: None,
        };
        let queued = self.shared.enqueue(outgoing, session).await;
        queued.ok_or_else(|| self.shared.disconnected())
    }
}

fn times(signed_in: SignedIn) -> Times {
    Times::new(signed_in, rand::random_range(0.85..0.95))
}

/// Renews the sign-in of a connection until that ends, and does not keep it open meanwhile.
async fn keep_signed_in(
    connection: Weak<Shared>,
    session: Arc<Session>,
    closed: CancellationToken,
    credentials: Credentials,
    meters: Arc<ClientMeters>,
) {
    loop {
        tokio::select! {
            () = session.due() => {}
            () = closed.cancelled() => return,
        }
        let Some(shared) = connection.upgrade() else {
            return;
        };
        let connection = Connection { shared };
        let renewed = renew(&connection, &session, &credentials).await;
        match &renewed {
            Ok(()) => meters.renewed(true),
            Err(KafkaError::Authentication { .. }) => meters.renewed(false),
            Err(_) => {}
        }
        if let Err(error) = renewed {
            connection.close();
            if !matches!(error, KafkaError::Disconnected { .. }) {
                tracing::warn!(broker = connection.broker(), %error, "re-authentication failed, reconnecting");
            }
            return;
        }
    }
}

/// What a sign-in takes (a token) is gotten while requests go on.
async fn renew(
    connection: &Connection,
    session: &Session,
    credentials: &Credentials,
) -> Result<(), KafkaError> {
    let prepared = loop {
        match Prepared::new(credentials, connection.address()).await {
            Ok(prepared) => break prepared,
            Err(error) if error.is_transient() && !session.is_at_end() => sleep(RETRY).await,
            Err(error) => return Err(error),
        }
    };
    session.hold();
    let signed_in = authenticate(connection, &prepared).await?;
    session.renewed(times(signed_in));
    Ok(())
}

impl Shared {
    /// Waits where a sign-in is being renewed.
    async fn open(&self) -> Result<Option<&Session>, KafkaError> {
        let Some(session) = &self.session else {
            return Ok(None);
        };
        let open = session.open(&self.closed).await;
        open.map(|()| Some(&**session))
            .ok_or_else(|| self.disconnected())
    }

    /// Puts a request into the queue, not between the parts of a renewal. It holds nothing while it waits: whoever does not go
    /// on with a request keeps nobody else from a renewal. `None`: the connection ends.
    async fn enqueue(&self, outgoing: Outgoing, session: Option<&Session>) -> Option<()> {
        let Some(session) = session else {
            return self.outgoing.send(outgoing).await.ok();
        };
        let mut outgoing = Some(outgoing);
        loop {
            let place = self.outgoing.reserve().await.ok()?;
            let is_queued = session.unless_renewing(|| {
                if let Some(outgoing) = outgoing.take() {
                    place.send(outgoing);
                }
            });
            if is_queued {
                return Some(());
            }
            session.open(&self.closed).await?;
        }
    }

    fn disconnected(&self) -> KafkaError {
        KafkaError::Disconnected {
            broker: self.broker.clone(),
            source: io::ErrorKind::ConnectionReset.into(),
        }
    }

    /// Sends a request and waits for the frame that answers it.
    async fn send<R: Request>(
        &self,
        request: &R,
        version: i16,
        limit: Duration,
        session: Option<&Session>,
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
            shared.enqueue(outgoing, session).await?;
            answer.await.ok()
        };
        let mut exchange = std::pin::pin!(exchange);
        loop {
            match tokio::time::timeout(limit, &mut exchange).await {
                Ok(Some(frame)) => return Ok(frame),
                Ok(None) => return Err(shared.disconnected()),
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
    let frame = shared.send(&request, 3, limit, None).await?.bytes;
    let error = frame
        .get(4..6)
        .map(|code| i16::from_be_bytes([code[0], code[1]]));
    let response = if error == Some(UNSUPPORTED_VERSION) {
        let frame = shared
            .send(&ApiVersionsRequest::default(), 0, limit, None)
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
