//! Endpoint: one POST to a token endpoint over a connection of its own, within bounds of time and size. Redirects are not
//! followed: the request holds a secret.

use super::super::tls::{Tls, explain};
use super::super::token::TokenError;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use std::io;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// More than any token, which has to fit into a frame of Kafka's handshake.
const MOST: usize = 256 * 1024;

pub(super) struct Endpoint {
    uri: Uri,
    host: String,
    port: u16,
    tls: Option<Tls>,
    connect_timeout: Duration,
    read_timeout: Duration,
}

/// What is posted.
pub(super) struct Form {
    pub(super) authorization: Option<HeaderValue>,
    pub(super) body: String,
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content_type: String,
    pub(super) body: Vec<u8>,
}

impl Endpoint {
    pub(super) fn new(
        address: &str,
        tls: impl FnOnce() -> Result<Tls, Vec<String>>,
        connect_timeout: Duration,
        read_timeout: Duration,
    ) -> Result<Self, Vec<String>> {
        // It may hold a secret where one should not be, so that it is not shown.
        let wrong = |why: &str| vec![format!("{}: {why}", super::ENDPOINT)];
        let uri: Uri = address
            .parse()
            .map_err(|_| wrong("not an address; write https://host/path"))?;
        let host = uri.host().unwrap_or_default();
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        if host.is_empty() {
            return Err(wrong("not an address; write https://host/path"));
        }
        if uri.authority().is_some_and(|a| a.as_str().contains('@')) {
            return Err(wrong(
                "user and password do not belong into the address; set clientId and clientSecret in sasl.jaas.config",
            ));
        }
        let (tls, port) = match uri.scheme_str() {
            Some("https") => (Some(tls()?), 443),
            Some("http") => (None, 80),
            _ => return Err(wrong("the address begins with https:, http: or file:")),
        };
        Ok(Endpoint {
            port: uri.port_u16().unwrap_or(port),
            uri,
            host,
            tls,
            connect_timeout,
            read_timeout,
        })
    }

    /// The address without its query, for messages.
    pub(super) fn name(&self) -> String {
        let scheme = self.uri.scheme_str().unwrap_or_default();
        let authority = self.uri.authority().map_or("", |a| a.as_str());
        format!("{scheme}://{authority}{}", self.uri.path())
    }

    pub(super) async fn post(&self, form: &Form) -> Result<Answer, TokenError> {
        let exchange = async {
            let connecting = timeout(self.connect_timeout, self.connect()).await;
            let connection = connecting.map_err(|_| {
                let ms = self.connect_timeout.as_millis();
                let key = "sasl.login.connect.timeout.ms";
                self.failed(&format!("no connection within {ms} ms ({key})"))
            })??;
            let answering = timeout(self.read_timeout, connection.post(self.request(form)?)).await;
            answering
                .map_err(|_| {
                    let ms = self.read_timeout.as_millis();
                    let key = "sasl.login.read.timeout.ms";
                    self.failed(&format!("no answer within {ms} ms ({key})"))
                })?
                .map_err(|why| self.failed(&why))
        };
        exchange.await
    }

    fn request(&self, form: &Form) -> Result<Request<Full<Bytes>>, TokenError> {
        let path = self.uri.path_and_query().map_or("/", |p| p.as_str());
        let host = self.uri.authority().map_or("", |a| a.as_str());
        let mut request = Request::post(path)
            .header(HOST, host)
            .header(ACCEPT, "application/json")
            .header(CACHE_CONTROL, "no-cache")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(authorization) = &form.authorization {
            request = request.header(hyper::header::AUTHORIZATION, authorization);
        }
        request
            .body(Full::new(Bytes::from(form.body.clone())))
            .map_err(|error| TokenError::fatal(format!("{}: {error}", super::ENDPOINT)))
    }

    async fn connect(&self) -> Result<Connection, TokenError> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await;
        let stream = stream.map_err(|error| self.failed(&error.to_string()))?;
        let made = match &self.tls {
            None => Connection::over(stream).await,
            Some(tls) => {
                let secured = tls.connect(&self.host, stream).await;
                Connection::over(secured.map_err(|error| self.tls_failed(&error))?).await
            }
        };
        made.map_err(|error| self.failed(&error.to_string()))
    }

    fn failed(&self, why: &str) -> TokenError {
        TokenError::transient(format!(
            "the token endpoint {} cannot be asked: {why}; check {}",
            self.name(),
            super::ENDPOINT
        ))
    }

    /// A certificate that is not trusted stays so until somebody acts.
    fn tls_failed(&self, error: &io::Error) -> TokenError {
        let Some(why) = explain(error, "its address") else {
            return self.failed(&error.to_string());
        };
        TokenError::fatal(format!(
            "TLS handshake failed with the token endpoint {}: {why} (these settings of the endpoint's are options of sasl.jaas.config)",
            self.name()
        ))
    }
}

/// A connection for one request; its task ends with it.
struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Connection {
    async fn over(
        stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
    ) -> hyper::Result<Self> {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let task = crate::tasks::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection to the token endpoint ended");
            }
        });
        Ok(Connection { sender, task })
    }

    async fn post(mut self, request: Request<Full<Bytes>>) -> Result<Answer, String> {
        let response = self.sender.send_request(request).await;
        let response = response.map_err(|error| error.to_string())?;
        let status = response.status().as_u16();
        let content_type = response.headers().get(CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok());
        let content_type = content_type.unwrap_or_default().to_owned();
        let body = Limited::new(response.into_body(), MOST).collect().await;
        let body = body.map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                format!("its answer has more than {} KiB", MOST / 1024)
            } else {
                error.to_string()
            }
        })?;
        Ok(Answer {
            status,
            content_type,
            body: body.to_bytes().to_vec(),
        })
    }
}
