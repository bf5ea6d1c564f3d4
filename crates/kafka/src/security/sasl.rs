//! Signing in to a broker, over a fresh connection or anew over one that is in use.

use super::scram::{Exchange, Hash};
use super::{Credentials, Token, TokenError, TokenSource, User, mechanism};
use crate::address::Address;
use crate::clock::now_ms;
use crate::connection::{Connection, SignedIn};
use crate::error::KafkaError;
use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::{SaslAuthenticateRequest, SaslHandshakeRequest};
use kafka_protocol::protocol::StrBytes;
use std::time::Duration;
use tokio::time::Instant;

/// Longest time to wait for a token, whoever makes it: the sources of this crate end before it.
const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// What one sign-in sends.
pub(crate) enum Prepared<'a> {
    Plain(&'a User),
    Scram(Hash, &'a User),
    Bearer(Valid, &'a dyn TokenSource),
    Iam(Valid, &'a dyn TokenSource),
}

/// A token to be sent. What the connection still answers goes before it, for as long as a fetch waits.
pub(crate) struct Valid {
    token: Token,
    /// When it ends, epoch milliseconds, if it was valid when it was gotten.
    until: Option<i64>,
}

impl Valid {
    fn new(token: Token, now: i64) -> Self {
        let until = token.expires_at.filter(|until| *until > now);
        Valid { token, until }
    }

    /// Whether it has ended since it was gotten.
    fn has_ended(&self, now: i64) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

impl<'a> Prepared<'a> {
    /// Gets a token where one is needed; the broker hears nothing of it.
    pub(crate) async fn new(
        credentials: &'a Credentials,
        broker: &Address,
    ) -> Result<Self, KafkaError> {
        Ok(match credentials {
            Credentials::Plain(user) => Prepared::Plain(user),
            Credentials::Scram(hash, user) => Prepared::Scram(*hash, user),
            Credentials::Token(source) => {
                Prepared::Bearer(token(source.as_ref(), broker).await?, source.as_ref())
            }
            Credentials::Iam(source) => {
                Prepared::Iam(token(source.as_ref(), broker).await?, source.as_ref())
            }
        })
    }

    fn mechanism(&self) -> &'static str {
        match self {
            Prepared::Plain(_) => mechanism::PLAIN,
            Prepared::Scram(hash, _) => hash.mechanism(),
            Prepared::Bearer(..) => mechanism::OAUTHBEARER,
            Prepared::Iam(..) => mechanism::AWS_MSK_IAM,
        }
    }
}

async fn token(source: &dyn TokenSource, broker: &Address) -> Result<Valid, KafkaError> {
    let token = tokio::time::timeout(LONGEST_WAIT, source.token(&broker.host));
    let error = match token.await {
        Ok(Ok(token)) => return Ok(Valid::new(token, now_ms())),
        Ok(Err(error)) => error,
        Err(_) => TokenError::transient(format!("no token within {} s", LONGEST_WAIT.as_secs())),
    };
    let (broker, why) = (broker.to_string(), error.why);
    Err(if error.is_transient {
        KafkaError::NoToken { broker, why }
    } else {
        KafkaError::Authentication { broker, why }
    })
}

/// Goes through the whole exchange of the mechanism.
pub(crate) async fn authenticate(
    connection: &Connection,
    prepared: &Prepared<'_>,
) -> Result<SignedIn, KafkaError> {
    handshake(connection, prepared.mechanism()).await?;
    // Before the broker begins to count, and after it has taken the handshake.
    let since = Instant::now();
    let answer = match prepared {
        Prepared::Plain(user) => {
            let message = format!("\0{}\0{}", user.name, user.password.reveal());
            exchange(connection, message, prepared).await?
        }
        Prepared::Scram(hash, user) => {
            let nonce = uuid::Uuid::new_v4().simple().to_string();
            let scram = Exchange::new(*hash, user, nonce);
            let first = exchange(connection, scram.first(), prepared).await?;
            let (proof, expected) = scram
                .answer(&first.text()?)
                .map_err(|why| failed(connection, why))?;
            let last = exchange(connection, proof, prepared).await?;
            Exchange::check(&last.text()?, &expected).map_err(|why| failed(connection, why))?;
            last
        }
        // What comes back holds the number of the request, which helps nobody here.
        Prepared::Iam(payload, _) => {
            exchange(connection, payload.token.value.clone(), prepared).await?
        }
        Prepared::Bearer(bearer, _) => {
            let first = bearer.token.first_message();
            let answer = exchange(connection, first, prepared).await?;
            if !answer.bytes.is_empty() {
                // The reason; the broker waits for this byte before it says that it is over.
                let why = String::from_utf8_lossy(&answer.bytes).into_owned();
                let _ = exchange(connection, "\x01".to_owned(), prepared).await;
                return Err(rejected(connection, prepared, &why, now_ms()));
            }
            answer
        }
    };
    Ok(SignedIn {
        since,
        lifetime: answer.lifetime,
    })
}

async fn handshake(connection: &Connection, mechanism: &'static str) -> Result<(), KafkaError> {
    if !connection.knows::<SaslHandshakeRequest>() {
        let why =
            "the broker does not support SASL; check security.protocol and the port".to_owned();
        return Err(failed(connection, why));
    }
    let response = connection
        .request_of_sign_in(|_| {
            SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str(mechanism))
        })
        .await?;
    if response.error_code == 0 {
        return Ok(());
    }
    let offered: Vec<&str> = response.mechanisms.iter().map(StrBytes::as_str).collect();
    let why = if offered.is_empty() {
        "the listener does not use SASL; check security.protocol and the port".to_owned()
    } else if offered.contains(&mechanism) {
        // As a broker does that is asked for a renewal too soon.
        let error = ResponseError::try_from_code(response.error_code);
        let error = error.map_or_else(|| response.error_code.to_string(), |e| e.to_string());
        format!("the broker refuses the handshake of SASL mechanism {mechanism}: {error}")
    } else {
        let offered = offered.join(", ");
        format!(
            "unsupported SASL mechanism {mechanism}; set sasl.mechanism to one that the broker enables: {offered}"
        )
    };
    Err(failed(connection, why))
}

struct Answer {
    bytes: Bytes,
    lifetime: Option<Duration>,
    broker: String,
}

impl Answer {
    fn text(&self) -> Result<String, KafkaError> {
        String::from_utf8(self.bytes.to_vec()).map_err(|_| KafkaError::Authentication {
            broker: self.broker.clone(),
            why: "the SASL response is not text".to_owned(),
        })
    }
}

async fn exchange(
    connection: &Connection,
    message: String,
    prepared: &Prepared<'_>,
) -> Result<Answer, KafkaError> {
    let response = connection
        .request_of_sign_in(|_| {
            SaslAuthenticateRequest::default().with_auth_bytes(Bytes::from(message))
        })
        .await?;
    if response.error_code != 0 {
        let message = response.error_message.as_ref().map_or("", |m| m.as_str());
        let error = ResponseError::try_from_code(response.error_code);
        if error != Some(ResponseError::SaslAuthenticationFailed) {
            return Err(KafkaError::response(
                format!("SASL authentication at {}", connection.broker()),
                response.error_code,
            ));
        }
        return Err(rejected(connection, prepared, message, now_ms()));
    }
    Ok(Answer {
        bytes: response.auth_bytes,
        lifetime: (response.session_lifetime_ms > 0)
            .then(|| Duration::from_millis(response.session_lifetime_ms as u64)),
        broker: connection.broker().to_owned(),
    })
}

/// The broker's reason with what to do about it. A token that has ended since it was gotten is no reason to give up.
fn rejected(
    connection: &Connection,
    prepared: &Prepared<'_>,
    message: &str,
    now: i64,
) -> KafkaError {
    let why = match prepared {
        Prepared::Plain(user) | Prepared::Scram(_, user) => format!(
            "the broker rejected user {}: {message}; check username and password in sasl.jaas.config",
            user.name
        ),
        Prepared::Bearer(sent, _) | Prepared::Iam(sent, _) if sent.has_ended(now) => {
            connection.close();
            return KafkaError::NoToken {
                broker: connection.broker().to_owned(),
                why: format!("the token expired before the broker read it ({message})"),
            };
        }
        Prepared::Bearer(_, source) | Prepared::Iam(_, source) => {
            format!(
                "the broker rejected the token ({message}); {}",
                source.remedy()
            )
        }
    };
    failed(connection, why)
}

fn failed(connection: &Connection, why: String) -> KafkaError {
    connection.close();
    KafkaError::Authentication {
        broker: connection.broker().to_owned(),
        why,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_ends_between_getting_and_sending_only_if_it_was_valid() {
        let gotten_at = |expires_at| {
            let token = Token {
                value: "t".to_owned(),
                extensions: Vec::new(),
                expires_at,
            };
            Valid::new(token, 1_000)
        };
        assert!(gotten_at(Some(1_001)).has_ended(1_001));
        assert!(!gotten_at(Some(1_001)).has_ended(1_000));
        assert!(!gotten_at(Some(1_000)).has_ended(2_000));
        assert!(!gotten_at(None).has_ended(i64::MAX));
    }
}
