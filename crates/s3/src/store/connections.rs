//! Connections: one HTTP client for every S3 connector of the process. The SDK alone would give each connector a pool of
//! its own, which a worker with many of them pays for with its file descriptors.
//!
//! Requests at a time are bounded per endpoint, and so are connections, since each of them carries one request. What is
//! idle is closed after some seconds, and where many hosts are spoken to, few connections to each are kept at all.

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http_body_util::BodyExt;
use millstream_aws::http::is_beside;
use millstream_aws::trust::{CA_BUNDLE, CERT_FILE, trust_store};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Requests at a time that all endpoints share. With 30 ms each they are some 2,000 a second, and as parts of 25 MiB
/// they fill any line; two busy tasks keep them going.
const SHARED_REQUESTS: usize = 60;

/// What an endpoint may always have under way beside them: one that hangs must not hold up the others.
const OWN_REQUESTS: usize = 4;

/// Connections that are kept for the next request, as long as few hosts are spoken to.
const KEPT_CONNECTIONS: usize = 128;

/// How long a connection may be idle. Objects close in bursts, and within one a connection is used again at once.
const IDLE: Duration = Duration::from_secs(5);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The HTTP client of the process.
pub(super) struct Connections {
    connector: SharedHttpConnector,
    /// Without a proxy.
    direct: SharedHttpConnector,
    shared: Arc<Semaphore>,
    endpoints: Mutex<HashMap<String, Weak<Semaphore>>>,
    hosts: Arc<Hosts>,
}

impl Connections {
    /// Those of this process, made for whoever asks first.
    pub(super) fn of_process() -> Result<Arc<Connections>, String> {
        static PROCESS: Mutex<Option<Arc<Connections>>> = Mutex::new(None);
        let mut process = lock(&PROCESS);
        if let Some(connections) = &*process {
            return Ok(Arc::clone(connections));
        }
        let trust = trust_store(std::env::var_os(CA_BUNDLE), std::env::var_os(CERT_FILE))?;
        // As the SDK's own client does.
        let connections = Arc::new(Connections::new(trust, ProxyConfig::from_env())?);
        *process = Some(Arc::clone(&connections));
        Ok(connections)
    }

    pub(super) fn new(trust: TrustStore, proxy: ProxyConfig) -> Result<Self, String> {
        Ok(Connections {
            connector: connector(trust, proxy)?,
            direct: connector(TrustStore::empty(), ProxyConfig::disabled())?,
            shared: Arc::new(Semaphore::new(SHARED_REQUESTS)),
            endpoints: Mutex::default(),
            hosts: Arc::default(),
        })
    }

    /// A client for those who provide credentials: few requests, which no upload may hold up. The agent of a container and
    /// an instance's metadata are at addresses that no proxy reaches.
    pub(super) fn for_credentials(&self) -> SharedHttpClient {
        let line = self.line(Some(self.direct.clone()), None);
        SharedHttpClient::new(Client { line })
    }

    /// A client for an endpoint, and where it will have sent its first request.
    pub(super) fn to(&self, endpoint: &str) -> (SharedHttpClient, Arc<OnceLock<String>>) {
        let request_limit = RequestLimit {
            own: self.own_requests(endpoint),
            shared: Arc::clone(&self.shared),
        };
        let line = self.line(None, Some(request_limit));
        let address = Arc::clone(&line.address);
        (SharedHttpClient::new(Client { line }), address)
    }

    fn line(
        &self,
        beside: Option<SharedHttpConnector>,
        request_limit: Option<RequestLimit>,
    ) -> Line {
        Line {
            connector: self.connector.clone(),
            beside,
            hosts: Arc::clone(&self.hosts),
            request_limit,
            address: Arc::default(),
        }
    }

    fn own_requests(&self, endpoint: &str) -> Arc<Semaphore> {
        let mut endpoints = lock(&self.endpoints);
        endpoints.retain(|_, requests| requests.strong_count() > 0);
        if let Some(requests) = endpoints.get(endpoint).and_then(Weak::upgrade) {
            return requests;
        }
        let requests = Arc::new(Semaphore::new(OWN_REQUESTS));
        endpoints.insert(endpoint.to_owned(), Arc::downgrade(&requests));
        requests
    }
}

fn connector(trust: TrustStore, proxy: ProxyConfig) -> Result<SharedHttpConnector, String> {
    let tls = TlsContext::builder().with_trust_store(trust).build();
    let connector = aws_smithy_http_client::Connector::builder()
        .connector_settings(
            HttpConnectorSettings::builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .build(),
        )
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(KEPT_CONNECTIONS)
        .proxy_config(proxy)
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .tls_context(tls.map_err(|error| error.to_string())?)
        .build();
    Ok(SharedHttpConnector::new(connector))
}

/// The requests that may be under way to an endpoint.
#[derive(Clone)]
struct RequestLimit {
    own: Arc<Semaphore>,
    shared: Arc<Semaphore>,
}

impl RequestLimit {
    async fn take(&self) -> Option<OwnedSemaphorePermit> {
        // Neither is ever closed; without a permit a request merely goes uncounted.
        tokio::select! {
            biased;
            permit = Arc::clone(&self.own).acquire_owned() => permit.ok(),
            permit = Arc::clone(&self.shared).acquire_owned() => permit.ok(),
        }
    }
}

#[derive(Clone)]
struct Line {
    connector: SharedHttpConnector,
    /// For what stands beside the process, where that is another way.
    beside: Option<SharedHttpConnector>,
    hosts: Arc<Hosts>,
    request_limit: Option<RequestLimit>,
    address: Arc<OnceLock<String>>,
}

struct Client {
    line: Line,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

impl HttpClient for Client {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        // What provides credentials says how long it may take to connect, too; S3 is given the time for an answer alone.
        let answer_timeout = match (settings.connect_timeout(), settings.read_timeout()) {
            (Some(connect), Some(read)) if self.line.request_limit.is_none() => {
                Some(connect + read)
            }
            (connect, None) if self.line.request_limit.is_none() => connect,
            (_, read) => read,
        };
        SharedHttpConnector::new(LimitedConnector {
            line: self.line.clone(),
            answer_timeout,
        })
    }
}

struct LimitedConnector {
    line: Line,
    /// Until the answer begins.
    answer_timeout: Option<Duration>,
}

impl fmt::Debug for LimitedConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LimitedConnector")
    }
}

impl HttpConnector for LimitedConnector {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        let (line, answer_timeout) = (self.line.clone(), self.answer_timeout);
        HttpConnectorFuture::new(async move {
            let permit = match &line.request_limit {
                Some(limit) => limit.take().await,
                None => None,
            };
            let address = address_of(request.uri());
            line.address.get_or_init(|| address.to_ascii_lowercase());
            let counted = Hosts::begin(&line.hosts, address, Instant::now());
            if !counted.keeps_connection {
                request.headers_mut().insert("connection", "close");
            }
            let direct = line.beside.as_ref().filter(|_| is_beside(request.uri()));
            let answer = direct.unwrap_or(&line.connector).call(request);
            let answer = match answer_timeout {
                Some(answer_timeout) => tokio::time::timeout(answer_timeout, answer)
                    .await
                    .map_err(|_| ConnectorError::timeout(Box::new(NoAnswer(answer_timeout))))??,
                None => answer.await?,
            };
            Ok(held(answer, (permit, counted)))
        })
    }
}

/// The scheme and host of a request.
fn address_of(uri: &str) -> &str {
    let host = uri.find("://").map_or(0, |at| at + 3);
    let end = uri[host..]
        .find(['/', '?'])
        .map_or(uri.len(), |at| host + at);
    &uri[..end]
}

/// The answer, which keeps something until it has been read: its connection is busy so long.
fn held(mut answer: HttpResponse, kept: impl Send + Sync + 'static) -> HttpResponse {
    let body = std::mem::replace(answer.body_mut(), SdkBody::empty());
    let body = body.map_frame(move |frame| {
        let _ = &kept;
        frame
    });
    *answer.body_mut() = SdkBody::from_body_1_x(body);
    answer
}

/// The server took the request, or did not, and said nothing.
#[derive(Debug, thiserror::Error)]
#[error("no response within {} s", .0.as_secs())]
pub(super) struct NoAnswer(pub(super) Duration);

/// The hosts that are spoken to.
#[derive(Default)]
struct Hosts(Mutex<HashMap<String, Host>>);

struct Host {
    requests: usize,
    last: Instant,
}

/// A request that is under way to a host.
struct HostRequest {
    hosts: Arc<Hosts>,
    address: String,
    /// Whether its connection may be used again.
    keeps_connection: bool,
}

impl Hosts {
    /// The hosts share the connections that are kept: to one of very many, a single one.
    fn begin(hosts: &Arc<Hosts>, address: &str, now: Instant) -> HostRequest {
        let mut known = lock(&hosts.0);
        known.retain(|_, host| host.requests > 0 || now - host.last < IDLE);
        let host = known.entry(address.to_owned()).or_insert(Host {
            requests: 0,
            last: now,
        });
        host.requests += 1;
        let requests = host.requests;
        HostRequest {
            keeps_connection: requests <= (KEPT_CONNECTIONS / known.len()).max(1),
            hosts: Arc::clone(hosts),
            address: address.to_owned(),
        }
    }
}

impl Drop for HostRequest {
    fn drop(&mut self) {
        if let Some(host) = lock(&self.hosts.0).get_mut(&self.address) {
            host.requests -= 1;
            host.last = Instant::now();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change is one step, so a panicking holder leaves it whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::net::SocketAddr;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    #[test]
    fn report_c1_hosts_share_the_connections_that_are_kept() {
        let hosts: Arc<Hosts> = Arc::default();
        let now = Instant::now();
        let one: Vec<HostRequest> = (0..KEPT_CONNECTIONS + 1)
            .map(|_| Hosts::begin(&hosts, "http://a", now))
            .collect();
        let kept = one
            .iter()
            .filter(|request| request.keeps_connection)
            .count();
        assert_eq!(kept, KEPT_CONNECTIONS);
        drop(one);
        // Of very many hosts each keeps one.
        let many: Vec<HostRequest> = (0..2 * KEPT_CONNECTIONS)
            .flat_map(|host| {
                let address = format!("http://{host}");
                [0, 1].map(|_| Hosts::begin(&hosts, &address, now))
            })
            .collect();
        let late = many.iter().skip(2 * KEPT_CONNECTIONS);
        let kept = late.filter(|request| request.keeps_connection).count();
        assert_eq!(kept, KEPT_CONNECTIONS);
        drop(many);
        let later = now + 10 * IDLE;
        drop(Hosts::begin(&hosts, "http://a", later));
        assert_eq!(lock(&hosts.0).len(), 1);
    }

    #[tokio::test]
    async fn report_c1_an_endpoint_that_hangs_leaves_the_others_their_own() {
        let connections = Connections::new(TrustStore::default(), ProxyConfig::disabled()).unwrap();
        let request_limit = |endpoint: &str| RequestLimit {
            own: connections.own_requests(endpoint),
            shared: Arc::clone(&connections.shared),
        };
        let hanging = request_limit("http://hangs");
        let mut taken = Vec::new();
        for _ in 0..SHARED_REQUESTS + OWN_REQUESTS {
            taken.push(hanging.take().await);
        }
        let other = request_limit("http://works");
        for _ in 0..OWN_REQUESTS {
            taken.push(other.take().await);
        }
        assert_eq!(other.own.available_permits(), 0);
        assert_eq!(connections.shared.available_permits(), 0);
        taken.clear();
        assert_eq!(connections.shared.available_permits(), SHARED_REQUESTS);
        // Endpoints that nobody speaks to any more are forgotten.
        drop((hanging, other));
        let _ = connections.own_requests("http://new");
        assert_eq!(lock(&connections.endpoints).len(), 1);
    }

    /// An agent that answers a single request.
    async fn agent() -> SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let answer = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
            let _ = socket.read(&mut [0; 1024]).await;
            socket.write_all(answer).await.unwrap();
        });
        address
    }

    #[tokio::test]
    async fn credentials_of_the_container_are_fetched_past_the_proxy() {
        // Nobody is there.
        let closed = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let proxy = format!("http://{}", closed.local_addr().unwrap());
        drop(closed);
        let proxy = ProxyConfig::all(proxy).unwrap();
        let connections = Connections::new(TrustStore::empty(), proxy).unwrap();
        let status = async |beside: Option<SharedHttpConnector>, url: &str| {
            let line = connections.line(beside, None);
            let mut request = HttpRequest::empty();
            request.set_uri(url).unwrap();
            let answer_timeout = None;
            let limited = LimitedConnector {
                line,
                answer_timeout,
            };
            let answer = limited.call(request).await;
            answer.map(|answer| answer.status().as_u16())
        };
        let direct = Some(connections.direct.clone());
        let url = format!("http://{}/credentials", agent().await);
        assert_eq!(status(direct.clone(), &url).await.unwrap(), 204);
        // Everything else takes the way that the environment names.
        assert!(status(None, &url).await.is_err());
        assert!(status(direct, "http://sts.example/").await.is_err());
    }

    #[test]
    fn reads_the_address_of_a_request() {
        for (uri, address) in [
            ("http://s3:9000/archive/k?uploads", "http://s3:9000"),
            (
                "https://archive.s3.amazonaws.com/?x=1",
                "https://archive.s3.amazonaws.com",
            ),
            ("https://host", "https://host"),
        ] {
            assert_eq!(address_of(uri), address);
        }
    }
}
