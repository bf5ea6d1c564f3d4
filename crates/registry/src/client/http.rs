//! One request over a connection of its own, within bounds of time and size. A registry is asked once for each schema, so that
//! connections need not be kept; redirects are not followed, because the request holds a secret.

use crate::config::{ClientSettings, RegistryUrl};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use millstream_kafka::security::explain_tls;
use std::error::Error;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// More than any schema with sense; a registry's own limit for a request is a tenth of it.
const LONGEST_ANSWER: usize = 16 * 1024 * 1024;

const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";

/// What is asked, without the address.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) method: Method,
    /// Path and query, escaped.
    pub(super) path: String,
    pub(super) body: Option<Bytes>,
}

#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

/// Asks one address.
///
/// # Errors
/// Why there is no answer, in words that fit behind the address.
pub(super) async fn ask(
    settings: &ClientSettings,
    url: &RegistryUrl,
    headers: &HeaderMap,
    question: &Question,
) -> Result<Answer, String> {
    let connecting = timeout(settings.connect_timeout, connect(settings, url)).await;
    let mut connection = connecting.map_err(|_| {
        let ms = settings.connect_timeout.as_millis();
        format!("no connection within {ms} ms (http.connect.timeout.ms)")
    })??;
    let request = request(settings, url, headers, question)?;
    let answering = timeout(settings.read_timeout, connection.send(request)).await;
    answering.map_err(|_| {
        let ms = settings.read_timeout.as_millis();
        format!("no answer within {ms} ms (http.read.timeout.ms)")
    })?
}

fn request(
    settings: &ClientSettings,
    url: &RegistryUrl,
    headers: &HeaderMap,
    question: &Question,
) -> Result<Request<Full<Bytes>>, String> {
    let path = format!("{}{}", url.path, question.path);
    // A proxy is told the whole address, unless it only passes on what is encrypted.
    let target = match settings.proxy.is_some() && !url.is_tls {
        true => format!("http://{}{path}", url.authority()),
        false => path,
    };
    let mut request = Request::builder()
        .method(question.method.clone())
        .uri(target)
        .header(HOST, url.authority())
        .header(ACCEPT, format!("{MEDIA_TYPE}, application/json"))
        .header(USER_AGENT, "millstream");
    if question.body.is_some() {
        request = request.header(CONTENT_TYPE, MEDIA_TYPE);
    }
    let mut request = request
        .body(Full::new(question.body.clone().unwrap_or_default()))
        .map_err(|error| format!("it cannot be asked: {error}"))?;
    for (name, value) in headers {
        request.headers_mut().insert(name, value.clone());
    }
    Ok(request)
}

async fn connect(settings: &ClientSettings, url: &RegistryUrl) -> Result<Connection, String> {
    let (host, port) = match &settings.proxy {
        Some((host, port)) => (host.as_str(), *port),
        None => (url.host.as_str(), url.port),
    };
    let stream = TcpStream::connect((host, port)).await;
    let mut stream = stream.map_err(|error| match settings.proxy {
        Some(_) => format!("the proxy {host}:{port} (proxy.host) cannot be reached: {error}"),
        None => error.to_string(),
    })?;
    let Some(tls) = settings.tls.as_ref().filter(|_| url.is_tls) else {
        return Connection::over(stream).await;
    };
    if settings.proxy.is_some() {
        let opened = open_tunnel(&mut stream, &url.authority()).await;
        opened.map_err(|error| format!("the proxy {host}:{port} (proxy.host): {error}"))?;
    }
    let secured = tls
        .connect(&url.host, stream)
        .await
        .map_err(|error| tls_failed(&error))?;
    Connection::over(secured).await
}

/// Has a proxy pass on what is encrypted (RFC 9110, 9.3.6).
async fn open_tunnel(stream: &mut TcpStream, authority: &str) -> io::Result<()> {
    const LONGEST_HEAD: usize = 8 * 1024;
    let request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    // Byte by byte: what follows the head is the registry's.
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == LONGEST_HEAD {
            return Err(io::Error::other("it does not answer as a proxy"));
        }
        head.push(stream.read_u8().await?);
    }
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let status = line.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    match status {
        [b'2', _, _] => Ok(()),
        status => {
            let status = String::from_utf8_lossy(status);
            Err(io::Error::other(format!("it answers {status} to CONNECT")))
        }
    }
}

fn tls_failed(error: &io::Error) -> String {
    let why = explained(error).unwrap_or_else(|| error.to_string());
    format!("TLS handshake failed: {why}")
}

fn explained(error: &io::Error) -> Option<String> {
    let why = explain_tls(error, "schema.registry.url")?;
    Some(format!("{why} (with schema.registry. in front of ssl.…)"))
}

/// What ended a connection. Under TLS 1.3 it may be the server's opinion of our certificate, which comes after the handshake.
fn http_failed(error: &hyper::Error) -> String {
    let mut cause = error.source();
    let mut said = error.to_string();
    while let Some(inner) = cause {
        if let Some(why) = inner.downcast_ref().and_then(explained) {
            return why;
        }
        said = format!("{said}: {inner}");
        cause = inner.source();
    }
    if error.is_parse() {
        said.push_str("; what answers speaks no HTTP: does it want https: in schema.registry.url?");
    }
    said
}

/// A connection for one request; its task ends with it.
struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    task: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Connection {
    async fn over(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    ) -> Result<Self, String> {
        let made = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = made.map_err(|error| http_failed(&error))?;
        let task = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection to the schema registry ended");
            }
        });
        Ok(Connection { sender, task })
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, String> {
        let response = self.sender.send_request(request).await;
        let response = response.map_err(|error| http_failed(&error))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), LONGEST_ANSWER)
            .collect()
            .await;
        let body = body.map_err(
            |error| match error.is::<http_body_util::LengthLimitError>() {
                true => format!("its answer has more than {} MiB", LONGEST_ANSWER >> 20),
                false => error
                    .downcast_ref()
                    .map_or_else(|| error.to_string(), http_failed),
            },
        )?;
        Ok(Answer {
            status,
            body: body.to_bytes(),
        })
    }
}
