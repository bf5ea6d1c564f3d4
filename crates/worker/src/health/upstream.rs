//! Upstream: a worker, Java's too, that is asked over HTTP. Nothing it does can hold up whoever asks for longer than the
//! bounds here.

use crate::tls::{ClientTls, explain};
use axum::http::header::{ACCEPT, AUTHORIZATION, CONNECTION, HOST, USER_AGENT};
use axum::http::{HeaderValue, Request, Uri};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use millstream_core::Properties;
use millstream_health::{Answer, Credentials, Policy, Step, Verdict, Walk};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Until a connection is there, greeting and all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Until an answer is there, body and all. The herder of a worker that is well answers in milliseconds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// For a whole check. Load balancers wait for an answer for a minute at most.
const CHECK_TIMEOUT: Duration = Duration::from_secs(30);

/// Of an answer: a thousand connectors with a trace in each status come to less.
const LONGEST_BODY: usize = 8 << 20;

const AGENT: HeaderValue = HeaderValue::from_static("millstream-healthcheck");

/// A worker by its URL, and who asks it.
pub struct Upstream {
    /// Without who asks.
    url: String,
    authorization: Result<Option<HeaderValue>, &'static str>,
    tls: ClientTls,
}

impl Upstream {
    /// `authorities`: a file with the certificates that are trusted instead of the system's.
    pub fn new(url: &str, credentials: &Credentials, authorities: Option<&str>) -> Self {
        let (url, in_url) = without_user(url);
        let of_url =
            in_url.map(|user| Credentials::read(&user, millstream_health::Matching::HostToo));
        let credentials = match (credentials, &of_url) {
            (Credentials::Nobody, Some(user)) => user,
            (given, _) => given,
        };
        let authorization = match credentials {
            Credentials::Nobody => Ok(None),
            // In the words of Python, which is asked to call a pair.
            Credentials::Unusable => Err("'tuple' object is not callable"),
            Credentials::User { name, password } => {
                let pair = BASE64_STANDARD.encode(format!("{name}:{password}"));
                let mut header = HeaderValue::from_str(&format!("Basic {pair}")).ok();
                if let Some(header) = &mut header {
                    header.set_sensitive(true);
                }
                Ok(header)
            }
        };
        let trusted = authorities.map(|file| ("ssl.truststore.location", file));
        Upstream {
            url,
            authorization,
            tls: ClientTls::new(&Properties::from_iter(trusted)),
        }
    }

    /// Its URL, without who asks.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// One check.
    pub async fn check(&self, policy: &Policy) -> Verdict {
        let walk = async {
            let (mut walk, mut path) = Walk::begin(policy);
            loop {
                match walk.answer(self.get(&path).await) {
                    Step::Ask(next) => path = next,
                    Step::Done(verdict) => return verdict,
                }
            }
        };
        let late = |_| {
            let (url, seconds) = (&self.url, CHECK_TIMEOUT.as_secs());
            Verdict::failed(
                policy,
                &format!("{url} has not answered all questions within {seconds} s"),
            )
        };
        timeout(CHECK_TIMEOUT, walk).await.unwrap_or_else(late)
    }

    /// One question, whatever it is answered.
    ///
    /// # Errors
    /// Why there is no answer, with the address.
    pub async fn get(&self, path: &str) -> Result<Answer, String> {
        let authorization = self.authorization.clone().map_err(str::to_owned)?;
        let url = format!("{}{path}", self.url);
        let failed = |why: String| format!("cannot ask {url}: {why}");
        let uri = url
            .parse::<Uri>()
            .map_err(|error| failed(error.to_string()))?;
        let connected = timeout(CONNECT_TIMEOUT, self.connect(&uri)).await;
        let late = |limit: Duration| failed(format!("no answer within {} s", limit.as_secs()));
        let stream = connected
            .map_err(|_| late(CONNECT_TIMEOUT))?
            .map_err(failed)?;
        let request = request(&uri, authorization).map_err(failed)?;
        let answered = timeout(ANSWER_TIMEOUT, exchange(stream, request)).await;
        answered.map_err(|_| late(ANSWER_TIMEOUT))?.map_err(failed)
    }

    async fn connect(&self, uri: &Uri) -> Result<Box<dyn Stream>, String> {
        let is_secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err("the URL of the worker begins with http:// or https://".to_owned()),
        };
        let host = uri.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = uri.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
        let told = |error: io::Error| explain(&error).unwrap_or_else(|| error.to_string());
        let stream = TcpStream::connect((host, port)).await.map_err(told)?;
        // Requests are small and whole.
        let _ = stream.set_nodelay(true);
        if !is_secure {
            return Ok(Box::new(stream));
        }
        let stream = self.tls.connect(host, stream).await.map_err(told)?;
        Ok(Box::new(stream))
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A URL may hold a user and a password, which must not come into messages.
fn without_user(url: &str) -> (String, Option<String>) {
    let found = url.split_once("://").and_then(|(scheme, rest)| {
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (user, place) = authority.rsplit_once('@')?;
        let user = percent_encoding::percent_decode_str(user).decode_utf8_lossy();
        Some((format!("{scheme}://{place}{path}"), user.into_owned()))
    });
    match found {
        Some((url, user)) => (url, Some(user)),
        None => (url.to_owned(), None),
    }
}

fn request(uri: &Uri, authorization: Option<HeaderValue>) -> Result<Request<Empty<Bytes>>, String> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let mut request = Request::get(path)
        .header(HOST, authority)
        .header(ACCEPT, "*/*")
        .header(USER_AGENT, AGENT)
        .header(CONNECTION, "close")
        .body(Empty::new())
        .map_err(|error| error.to_string())?;
    if let Some(authorization) = authorization {
        request.headers_mut().insert(AUTHORIZATION, authorization);
    }
    Ok(request)
}

async fn exchange(
    stream: Box<dyn Stream>,
    request: Request<Empty<Bytes>>,
) -> Result<Answer, String> {
    let broken = |error: hyper::Error| error.to_string();
    let (mut sender, connection) = http1::Builder::new()
        .handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let answer = async move {
        let answer = sender.send_request(request).await.map_err(broken)?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), LONGEST_BODY)
            .collect()
            .await;
        let body = body.map_err(|error| format!("its answer cannot be read: {error}"))?;
        let body = body.to_bytes().to_vec();
        Ok(Answer { status, body })
    };
    tokio::pin!(answer, connection);
    tokio::select! {
        answer = &mut answer => answer,
        // What has come is still to be read.
        _ = &mut connection => answer.await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_a_url_is_no_part_of_messages() {
        for (url, without, user) in [
            ("http://a:1/", "http://a:1/", None),
            ("http://u:p@a:1/x@y", "http://a:1/x@y", Some("u:p")),
            ("https://u:p%40q@a", "https://a", Some("u:p@q")),
            ("nonsense", "nonsense", None),
        ] {
            let found = without_user(url);
            assert_eq!(
                found,
                (without.to_owned(), user.map(str::to_owned)),
                "{url}"
            );
        }
    }
}
