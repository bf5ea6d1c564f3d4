//! OIDC: tokens for OAUTHBEARER by Kafka's settings, from a file, unsecured, or from a token endpoint.

mod answer;
mod assertion;
mod endpoint;
mod grant;

use super::config::{OAuthConfig, SecurityConfig};
use super::jaas::Jaas;
use super::kept::{Fetch, Kept, Window};
use super::tls::Tls;
use super::token::{Token, TokenError, TokenFile, TokenSource, UNSECURED_CLAIM, Unsecured};
use crate::clock::now_ms;
use crate::config::{collect, duration};
use async_trait::async_trait;
use endpoint::Endpoint;
use grant::Grant;
use millstream_core::Properties;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

pub(super) const LOGIN_HANDLER: &str =
    "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler";
/// Its name before Kafka 3.4.
pub(super) const FORMER_LOGIN_HANDLER: &str =
    "org.apache.kafka.common.security.oauthbearer.secured.OAuthBearerLoginCallbackHandler";
pub(super) const UNSECURED_LOGIN_HANDLER: &str = "org.apache.kafka.common.security.oauthbearer.internals.unsecured.OAuthBearerUnsecuredLoginCallbackHandler";

const ENDPOINT: &str = "sasl.oauthbearer.token.endpoint.url";
const RETRIEVER: &str = "sasl.oauthbearer.jwt.retriever.class";
const RETRIEVERS: &str = "org.apache.kafka.common.security.oauthbearer.";
const EXTENSION: &str = "extension_";

/// How long the endpoint is waited for where the settings do not say; Java waits for ever.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How the endpoint is asked, by Java's classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Retriever {
    Default,
    ClientCredentials,
    JwtBearer,
    File,
}

impl Retriever {
    fn named(class: &str) -> Option<Self> {
        Some(match class.strip_prefix(RETRIEVERS)? {
            "DefaultJwtRetriever" => Retriever::Default,
            "ClientCredentialsJwtRetriever" => Retriever::ClientCredentials,
            "JwtBearerJwtRetriever" => Retriever::JwtBearer,
            "FileJwtRetriever" => Retriever::File,
            _ => return None,
        })
    }
}

/// The source that the settings ask for, or everything that is wrong with them.
pub(super) fn source(
    config: &SecurityConfig,
    oauth: &OAuthConfig,
    jaas: Option<&Jaas>,
) -> Result<Arc<dyn TokenSource>, Vec<String>> {
    let handler = config.login_handler.as_deref();
    let is_unsecured = |jaas: &&Jaas| {
        jaas.options()
            .any(|(key, _)| key.starts_with(UNSECURED_CLAIM))
    };
    match (&oauth.token_endpoint, jaas) {
        (None, Some(jaas)) if is_unsecured(&jaas) && handler.is_none_or(is_unsecured_handler) => {
            let made = Unsecured::new(jaas).map_err(|error| vec![error])?;
            Ok(Arc::new(made))
        }
        _ if handler.is_some_and(is_unsecured_handler) => Err(vec![format!(
            "sasl.login.callback.handler.class asks for unsecured tokens: sasl.jaas.config needs {UNSECURED_CLAIM}sub=\"…\", and {ENDPOINT} is to be left out"
        )]),
        (None, _) => Err(vec![format!(
            "sasl.mechanism OAUTHBEARER needs {ENDPOINT} (the address of the token endpoint, or a file: address with a token)"
        )]),
        (Some(address), jaas) => from_endpoint(oauth, address, jaas),
    }
}

fn is_unsecured_handler(class: &str) -> bool {
    class == UNSECURED_LOGIN_HANDLER
}

fn from_endpoint(
    oauth: &OAuthConfig,
    address: &str,
    jaas: Option<&Jaas>,
) -> Result<Arc<dyn TokenSource>, Vec<String>> {
    let mut errors = Vec::new();
    let extensions = options(jaas, &mut errors);
    let retriever = Retriever::named(&oauth.retriever).unwrap_or_else(|| {
        errors.push(format!(
            "{RETRIEVER}: the class {} is not known here, and Java's classes cannot be loaded; there are DefaultJwtRetriever, ClientCredentialsJwtRetriever, JwtBearerJwtRetriever and FileJwtRetriever of {RETRIEVERS}*",
            oauth.retriever
        ));
        Retriever::Default
    });
    let path = address.strip_prefix("file:");
    match (path, retriever) {
        (Some(path), Retriever::Default | Retriever::File) if errors.is_empty() => {
            return Ok(Arc::new(TokenFile {
                path: PathBuf::from(path.strip_prefix("//").unwrap_or(path)),
                extensions,
            }));
        }
        (Some(_), Retriever::Default | Retriever::File) => return Err(errors),
        (Some(_), _) => errors.push(format!(
            "{ENDPOINT}: {RETRIEVER} {} asks an http: or https: address, not a file",
            oauth.retriever
        )),
        (None, Retriever::File) => errors.push(format!(
            "{ENDPOINT}: {RETRIEVER} {} needs a file: address",
            oauth.retriever
        )),
        (None, _) => {}
    }
    let timeout = |millis: Option<i32>| millis.map_or(TIMEOUT, |ms| duration(ms.into()));
    let tls = || tls(jaas);
    let endpoint = Endpoint::new(
        address,
        tls,
        timeout(oauth.connect_timeout_ms),
        timeout(oauth.read_timeout_ms),
    );
    let endpoint = endpoint.map_err(|found| errors.extend(found));
    let grant = Grant::new(oauth, jaas, retriever == Retriever::JwtBearer);
    let grant = grant.map_err(|found| errors.extend(found));
    match (endpoint, grant) {
        (Ok(endpoint), Ok(grant)) if errors.is_empty() => {
            let oidc = Oidc {
                endpoint,
                grant,
                extensions,
                backoff: (
                    duration(oauth.retry_backoff_ms),
                    duration(oauth.retry_backoff_max_ms),
                ),
            };
            Ok(Arc::new(Kept::new(oidc, Window::new(oauth))))
        }
        _ => Err(errors),
    }
}

/// Checks the options of the JAAS line, and takes SASL extensions from them.
fn options(jaas: Option<&Jaas>, errors: &mut Vec<String>) -> Vec<(String, String)> {
    let mut extensions = Vec::new();
    for (key, value) in jaas.into_iter().flat_map(Jaas::options) {
        if let Some(name) = key.strip_prefix(EXTENSION) {
            // As RFC 7628 has them; the broker reads no others.
            let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphabetic());
            let is_char = |b: u8| b.is_ascii_graphic() || b" \t\r\n".contains(&b);
            if !is_name || name == "auth" {
                errors.push(format!(
                    "sasl.jaas.config: {key} names no SASL extension: its name is of letters alone, and not auth"
                ));
            } else if value.is_empty() || !value.bytes().all(is_char) {
                errors.push(format!(
                    "sasl.jaas.config: the value of {key} is no SASL extension's: it is to be printable ASCII"
                ));
            }
            extensions.push((name.to_owned(), value.to_owned()));
        } else if let Some(jaas) = jaas
            && !grant::OPTIONS.contains(&key)
            && !key.starts_with("ssl.")
        {
            errors.push(jaas.unknown(key, "clientId, clientSecret, scope, extension_… and ssl.…"));
        }
    }
    extensions
}

/// TLS towards the endpoint: by the `ssl.…` options of the JAAS line, as in Java, and not by those of the Kafka client.
fn tls(jaas: Option<&Jaas>) -> Result<Tls, Vec<String>> {
    let options = jaas.into_iter().flat_map(Jaas::options);
    let options = options.filter(|(key, _)| key.starts_with("ssl."));
    let properties = Properties::from_iter(options);
    let mut errors = Vec::new();
    let config = collect(SecurityConfig::parse(&properties), &mut errors);
    let tls = config.map(|config| Tls::new(&config));
    let tls = tls.and_then(|made| made.map_err(|error| errors.push(error)).ok());
    tls.filter(|_| errors.is_empty()).ok_or_else(|| {
        let of = |error| format!("sasl.jaas.config: {error}");
        errors.into_iter().map(of).collect()
    })
}

/// A token endpoint with what it is asked.
struct Oidc {
    endpoint: Endpoint,
    grant: Grant,
    extensions: Vec<(String, String)>,
    /// The first pause, and after how long to give up.
    backoff: (Duration, Duration),
}

impl Oidc {
    async fn once(&self) -> Result<Token, TokenError> {
        let request = self.grant.request(now_ms()).await?;
        let answer = self.endpoint.post(&request).await?;
        let mut token = answer::token(&answer, now_ms())
            .map_err(|failure| self.grant.explain(self.endpoint.name(), failure))?;
        token.extensions.clone_from(&self.extensions);
        Ok(token)
    }
}

#[async_trait]
impl Fetch for Oidc {
    /// Tries again as Java does: with pauses that double, until the longest of them has passed in all.
    async fn fetch(&self) -> Result<Token, TokenError> {
        let (mut pause, in_all) = self.backoff;
        let end = Instant::now() + in_all;
        loop {
            match self.once().await {
                Err(error) if error.is_transient && Instant::now() < end => {
                    sleep(pause.min(end - Instant::now())).await;
                    pause = pause.saturating_mul(2);
                }
                done => return done,
            }
        }
    }
}

#[cfg(test)]
mod tests;
