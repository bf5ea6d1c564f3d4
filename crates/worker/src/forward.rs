//! Forwarder: sends requests to other workers. One connection for each, so many at a time and no more, each with its
//! deadlines; what comes back is passed on as it comes.

use crate::tls::{self, ClientTls};
use axum::body::Body;
use axum::http::header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT};
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use bytes::Bytes;
use futures::StreamExt;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

/// Requests under way to other workers. They have clients that wait here, of which there are not many more.
const AT_A_TIME: usize = 64;

/// How requests of a worker of ours name their sender: as Java's do, and so that ours are told apart.
pub(crate) const AGENT: HeaderValue = HeaderValue::from_static("kafka-connect (millstream)");

/// Until a connection is there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Until the head of an answer is there. The other worker's herder may take 90 seconds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);

/// Cloning shares it.
#[derive(Clone)]
pub(crate) struct Forwarder(Arc<Shared>);

struct Shared {
    tls: ClientTls,
    permits: Arc<Semaphore>,
    tracker: TaskTracker,
}

/// What is asked of another worker.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    /// Absolute.
    pub(crate) url: String,
    /// Beside those that every request of ours has.
    pub(crate) headers: HeaderMap,
    /// JSON, if it is not empty.
    pub(crate) body: Bytes,
}

/// Why there is no answer. The texts are Java's, where it has one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ForwardError {
    #[error("Error trying to forward REST request: Invalid URI host: null (authority: null)")]
    NoHost,
    #[error("Error trying to forward REST request: {0}")]
    Url(String),
    #[error("IO Error trying to forward REST request: {0}")]
    Io(String),
}

impl Forwarder {
    /// Connections end with what they were made for; `tracker` knows of them.
    pub(crate) fn new(tls: ClientTls, tracker: TaskTracker) -> Self {
        Forwarder(Arc::new(Shared {
            tls,
            permits: Arc::new(Semaphore::new(AT_A_TIME)),
            tracker,
        }))
    }

    /// Sends once; redirects are not followed. The body of the answer comes as the other worker sends it.
    ///
    /// # Errors
    /// If there is no answer in time, whatever it may be.
    pub(crate) async fn send(&self, ask: Ask) -> Result<Response<Body>, ForwardError> {
        let url = ask.url.parse::<Uri>();
        let url = url.map_err(|_| ForwardError::NoHost)?;
        let late = |_| {
            let text = format!("no answer from {} within {ANSWER_TIMEOUT:?}", place(&url));
            ForwardError::Io(format!("java.util.concurrent.TimeoutException: {text}"))
        };
        timeout(ANSWER_TIMEOUT, self.exchange(&url, ask))
            .await
            .map_err(late)?
    }

    async fn exchange(&self, url: &Uri, ask: Ask) -> Result<Response<Body>, ForwardError> {
        let host = url.host().filter(|host| !host.is_empty());
        let host = host.ok_or(ForwardError::NoHost)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let is_secure = match url.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            other => {
                let scheme = other.unwrap_or("none");
                return Err(ForwardError::Url(format!("Invalid protocol: {scheme}")));
            }
        };
        let port = url.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
        let request = request(url, ask)?;
        // The semaphore is never closed.
        let permit = self.0.permits.clone().acquire_owned().await.ok();
        let late =
            |_| ForwardError::Io("java.net.SocketTimeoutException: Connect Timeout".to_owned());
        let connected = timeout(CONNECT_TIMEOUT, self.connect(host, port, is_secure));
        let stream = connected.await.map_err(late)??;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| broken(&error))?;
        self.0.tracker.spawn(async move {
            // Whoever waits for the answer hears of it.
            let _ = connection.await;
        });
        let answer = sender.send_request(request).await;
        let (head, body) = answer.map_err(|error| broken(&error))?.into_parts();
        let parts = body.into_data_stream().map(move |part| {
            // A place is taken until the answer has been passed on.
            let _ = &permit;
            part
        });
        Ok(Response::from_parts(head, Body::from_stream(parts)))
    }

    async fn connect(
        &self,
        host: &str,
        port: u16,
        is_secure: bool,
    ) -> Result<Box<dyn Stream>, ForwardError> {
        let failed = |error: io::Error| ForwardError::Io(java_text(&error, host));
        let addresses = tokio::net::lookup_host((host, port)).await;
        let unknown = |_| ForwardError::Io(format!("java.net.UnknownHostException: {host}"));
        let addresses: Vec<_> = addresses.map_err(unknown)?.collect();
        let stream = TcpStream::connect(&*addresses).await.map_err(failed)?;
        // Requests are small and whole.
        let _ = stream.set_nodelay(true);
        if !is_secure {
            return Ok(Box::new(stream));
        }
        let stream = self.0.tls.connect(host, stream).await.map_err(failed)?;
        Ok(Box::new(stream))
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

fn request(url: &Uri, ask: Ask) -> Result<Request<Full<Bytes>>, ForwardError> {
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::new(Full::new(ask.body.clone()));
    *request.method_mut() = ask.method;
    *request.uri_mut() = path.parse().map_err(|_| ForwardError::NoHost)?;
    let headers = request.headers_mut();
    *headers = ask.headers;
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, AGENT);
    if !ask.body.is_empty() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let host = HeaderValue::from_str(place(url)).map_err(|_| ForwardError::NoHost)?;
    headers.insert(HOST, host);
    Ok(request)
}

/// host:port, as the URL has it.
fn place(url: &Uri) -> &str {
    let place = url.authority().map_or("", |authority| authority.as_str());
    place.rsplit_once('@').map_or(place, |(_, place)| place)
}

fn broken(error: &hyper::Error) -> ForwardError {
    let class = if error.is_incomplete_message() {
        "java.io.EOFException"
    } else {
        "java.io.IOException"
    };
    ForwardError::Io(format!("{class}: {error}"))
}

/// With the class that Java's worker shows, which people look for.
fn java_text(error: &io::Error, host: &str) -> String {
    if let Some(why) = tls::explain(error) {
        return format!("javax.net.ssl.SSLHandshakeException: {host}: {why}");
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            "java.net.ConnectException: Connection refused".to_owned()
        }
        io::ErrorKind::UnexpectedEof => {
            format!("javax.net.ssl.SSLHandshakeException: {host} hung up during the TLS handshake")
        }
        _ => format!("java.io.IOException: {error}"),
    }
}
