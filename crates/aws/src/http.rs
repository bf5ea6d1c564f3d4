//! HTTP for the few calls of this crate: one request, one answer, both small, within a time.

use crate::causes::innermost;
use crate::environment::Environment;
use crate::trust::{CA_BUNDLE, CERT_FILE, trust_store};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use std::ffi::OsString;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

/// A service that is there takes a connection within milliseconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Calls are rare: what is idle is closed before the other side does.
const IDLE: Duration = Duration::from_secs(5);

/// A thousand instances, with thirty attributes of a kibibyte each, are the most that a service may answer.
const LONGEST_ANSWER: usize = 32 * 1024 * 1024;

/// A client that takes connections as they are needed.
#[derive(Clone)]
pub struct Http {
    /// For services: through the proxy that the environment names.
    services: SharedHttpConnector,
    /// For what stands beside the process, at a link-local address: no proxy reaches that.
    neighbours: SharedHttpConnector,
}

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Service,
    /// Without a proxy, and over plain HTTP alone.
    Neighbour,
}

/// What is sent. The names of headers are in lower case.
#[derive(Clone)]
pub struct Request {
    pub method: &'static str,
    pub url: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
}

/// What came back.
#[derive(Clone)]
pub struct Answer {
    pub status: u16,
    /// Names are in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(other, _)| other == name);
        header.map(|(_, value)| value.as_str())
    }

    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl fmt::Debug for Answer {
    /// Bodies hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer({}, {} bytes)", self.status, self.body.len())
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Http")
    }
}

impl Http {
    /// A client that trusts the certificates that the environment names, or the system's.
    pub fn new(environment: &Environment) -> Result<Self, String> {
        let path = |name: &str| environment.get(name).map(OsString::from);
        let trust = trust_store(path(CA_BUNDLE), path(CERT_FILE))?;
        Ok(Http {
            services: connector(trust, ProxyConfig::from_env())?,
            neighbours: connector(TrustStore::empty(), ProxyConfig::disabled())?,
        })
    }

    /// The same connections for a provider of the SDK.
    pub(crate) fn for_sdk(&self, way: Way) -> SharedHttpClient {
        let connector = self.connector(way).clone();
        http_client_fn(move |_, _| connector.clone())
    }

    fn connector(&self, way: Way) -> &SharedHttpConnector {
        match way {
            Way::Service => &self.services,
            Way::Neighbour => &self.neighbours,
        }
    }

    /// The answer, or why there is none.
    pub async fn send(
        &self,
        way: Way,
        request: Request,
        patience: Duration,
    ) -> Result<Answer, String> {
        let answer = exchange(self.connector(way), request);
        match tokio::time::timeout(patience, answer).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer within {} s", patience.as_secs_f32())),
        }
    }
}

/// Whether a URL leads over plain HTTP to this machine or to what stands beside it, at a loopback or a link-local address: no
/// proxy gets there, and what is sent does not leave the machine.
pub fn is_beside(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return false;
    }
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_link_local(),
        // Beside loopback the address of EKS's agent, which is a unique local one.
        Ok(IpAddr::V6(address)) => {
            address.is_loopback()
                || address.is_unicast_link_local()
                || address.segments() == [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23]
        }
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

fn connector(trust: TrustStore, proxy: ProxyConfig) -> Result<SharedHttpConnector, String> {
    let tls = TlsContext::builder().with_trust_store(trust).build();
    let settings = HttpConnectorSettings::builder().connect_timeout(CONNECT_TIMEOUT);
    let connector = aws_smithy_http_client::Connector::builder()
        .connector_settings(settings.build())
        .pool_idle_timeout(IDLE)
        .proxy_config(proxy)
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .tls_context(tls.map_err(|error| error.to_string())?)
        .build();
    Ok(SharedHttpConnector::new(connector))
}

async fn exchange(connector: &SharedHttpConnector, request: Request) -> Result<Answer, String> {
    let mut sent = HttpRequest::new(SdkBody::from(request.body));
    let wrong = |what: &str| format!("{what} cannot be sent");
    sent.set_method(request.method)
        .map_err(|_| wrong("the method"))?;
    sent.set_uri(request.url).map_err(|_| wrong("the URL"))?;
    for (name, value) in request.headers {
        let headers = sent.headers_mut();
        let added = headers.try_insert(name, value);
        added.map_err(|_| wrong(&format!("the header {name}")))?;
    }
    let answer = connector.call(sent).await;
    let answer = answer.map_err(|error| innermost(&error))?;
    let status = answer.status().as_u16();
    let headers = answer.headers().iter();
    let headers = headers
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let body = Limited::new(answer.into_body(), LONGEST_ANSWER)
        .collect()
        .await
        .map_err(|error| innermost(&*error))?;
    Ok(Answer {
        status,
        headers,
        body: body.to_bytes(),
    })
}
