//! Grant: what a token endpoint is asked with. As in Kafka 4.3: `client_credentials` with an assertion from a file, one made
//! here, or a secret, whichever of these is set first in this order; or an assertion as the grant itself (`jwt-bearer`).

use super::super::config::OAuthConfig;
use super::super::jaas::Jaas;
use super::super::token::TokenError;
use super::answer::Failure;
use super::assertion::Assertion;
use super::endpoint::Form;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::HeaderValue;
use millstream_core::Password;
use std::fmt::Write;

/// The options of the JAAS line that are the grant's.
pub(super) const OPTIONS: [&str; 3] = ["clientId", "clientSecret", "scope"];

const CLIENT_ID: &str = "sasl.oauthbearer.client.credentials.client.id";
const CLIENT_SECRET: &str = "sasl.oauthbearer.client.credentials.client.secret";

pub(super) enum Grant {
    Secret {
        authorization: HeaderValue,
        body: String,
        secret: Password,
    },
    ClientAssertion {
        assertion: Assertion,
        client_id: Option<String>,
        scope: Option<String>,
    },
    JwtBearer {
        assertion: Assertion,
        scope: Option<String>,
    },
}

impl Grant {
    pub(super) fn new(
        oauth: &OAuthConfig,
        jaas: Option<&Jaas>,
        is_jwt_bearer: bool,
    ) -> Result<Self, Vec<String>> {
        let option = |key| jaas.and_then(|jaas| jaas.option(key));
        let set = |text: Option<&str>| {
            let text = text.map(str::trim).filter(|text| !text.is_empty());
            text.map(str::to_owned)
        };
        let scope = set(oauth.scope.as_deref().or_else(|| option("scope")));
        let client_id = set(oauth.client_id.as_deref().or_else(|| option("clientId")));
        if is_jwt_bearer {
            let assertion = Assertion::new(oauth)?;
            return Ok(Grant::JwtBearer { assertion, scope });
        }
        if oauth.assertion_file.is_some() || oauth.assertion_iss.is_some() {
            return Ok(Grant::ClientAssertion {
                assertion: Assertion::new(oauth)?,
                client_id,
                scope,
            });
        }
        let secret = oauth.client_secret.as_ref().map(Password::reveal);
        let secret = set(secret.or_else(|| option("clientSecret")));
        let missing = |key, option| {
            format!(
                "{} needs the client's credentials: set {key}, or {option} in sasl.jaas.config",
                super::ENDPOINT
            )
        };
        let (client_id, secret) = match (client_id, secret) {
            (Some(id), Some(secret)) => (id, secret),
            (id, secret) => {
                let id = id.is_none().then(|| missing(CLIENT_ID, "clientId"));
                let secret = secret.is_none();
                let secret = secret.then(|| missing(CLIENT_SECRET, "clientSecret"));
                return Err([id, secret].into_iter().flatten().collect());
            }
        };
        Ok(Grant::Secret {
            authorization: basic(&client_id, &secret, oauth.urlencodes_header),
            body: with_scope(
                "grant_type=client_credentials".to_owned(),
                scope.as_deref(),
                oauth.urlencodes_header,
            ),
            secret: Password::new(secret),
        })
    }

    pub(super) async fn request(&self, now_ms: i64) -> Result<Form, TokenError> {
        Ok(match self {
            Grant::Secret {
                authorization,
                body,
                ..
            } => Form {
                authorization: Some(authorization.clone()),
                body: body.clone(),
            },
            Grant::ClientAssertion {
                assertion,
                client_id,
                scope,
            } => {
                let mut body = format!(
                    "grant_type=client_credentials&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion={}",
                    escaped(&assertion.text(now_ms).await?, true)
                );
                if let Some(id) = client_id {
                    body.push_str(&format!("&client_id={}", escaped(id, true)));
                }
                Form {
                    authorization: None,
                    body: with_scope(body, scope.as_deref(), true),
                }
            }
            Grant::JwtBearer { assertion, scope } => Form {
                authorization: None,
                body: with_scope(
                    format!(
                        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={}",
                        escaped(&assertion.text(now_ms).await?, true)
                    ),
                    scope.as_deref(),
                    true,
                ),
            },
        })
    }

    /// A refusal with the endpoint's name and what to do.
    pub(super) fn explain(&self, endpoint: String, failure: Failure) -> TokenError {
        let remedy = match failure.code.as_deref() {
            Some("invalid_client") => match self {
                Grant::Secret { .. } => {
                    "check clientId and clientSecret in sasl.jaas.config (or sasl.oauthbearer.client.credentials.…)"
                }
                Grant::ClientAssertion { .. } | Grant::JwtBearer { .. } => {
                    "check sasl.oauthbearer.assertion.…: its claims, its key, and this host's clock"
                }
            },
            Some("invalid_scope") => "check scope in sasl.jaas.config (or sasl.oauthbearer.scope)",
            Some("invalid_grant") => {
                "check sasl.oauthbearer.assertion.…: its claims, its key, and this host's clock"
            }
            Some("unauthorized_client" | "unsupported_grant_type") => {
                "allow the client this grant, or set another sasl.oauthbearer.jwt.retriever.class"
            }
            _ if failure.is_transient => "it is asked again",
            _ => "check sasl.oauthbearer.token.endpoint.url",
        };
        let mut what = failure.what;
        if let Grant::Secret { secret, .. } = self {
            what = what.replace(secret.reveal(), "[hidden]");
        }
        TokenError {
            why: format!("the token endpoint {endpoint} {what}; {remedy}"),
            is_transient: failure.is_transient,
        }
    }
}

fn basic(id: &str, secret: &str, urlencodes: bool) -> HeaderValue {
    let both = if urlencodes {
        format!("{}:{}", escaped(id, true), escaped(secret, true))
    } else {
        format!("{id}:{secret}")
    };
    // RFC 7617: not the alphabet for addresses.
    let encoded = format!("Basic {}", STANDARD.encode(both));
    let mut value = HeaderValue::from_str(&encoded).expect("base64 fits into a header");
    value.set_sensitive(true);
    value
}

/// Java writes the scope as it is unless it is told to encode; what somebody encoded by hand for that stays, and what would
/// break the form is escaped.
fn with_scope(mut body: String, scope: Option<&str>, is_encoded: bool) -> String {
    if let Some(scope) = scope {
        body.push_str("&scope=");
        body.push_str(&escaped(scope, is_encoded));
    }
    body
}

/// As Java's `URLEncoder` has it; `%` and `+` may have been written on purpose.
fn escaped(text: &str, is_whole: bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'*' | b'_' => {
                escaped.push(byte.into());
            }
            b' ' => escaped.push('+'),
            b'%' | b'+' | b'/' | b':' | b',' | b'~' if !is_whole => escaped.push(byte.into()),
            _ => write!(escaped, "%{byte:02X}").expect("a string takes all"),
        }
    }
    escaped
}
