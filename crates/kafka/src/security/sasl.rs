//! Signing in to a broker, over a fresh connection or anew over one that is in use.

use super::scram::{Exchange, Hash};
use super::{Credentials, Token, TokenError, TokenSource, User, mechanism};
use crate::address::Address;
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
    Bearer(Token, &'a dyn TokenSource),
    Iam(Token, &'a dyn TokenSource),
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

async fn token(source: &dyn TokenSource, broker: &Address) -> Result<Token, KafkaError> {
    let token = tokio::time::timeout(LONGEST_WAIT, source.token(&broker.host));
    let error = match token.await {
        Ok(Ok(token)) => return Ok(token),
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
        Prepared::Iam(payload, _) => exchange(connection, payload.value.clone(), prepared).await?,
        Prepared::Bearer(token, _) => {
            let answer = exchange(connection, token.first_message(), prepared).await?;
            if !answer.bytes.is_empty() {
                // The reason; the broker waits for this byte before it says that it is over.
                let why = String::from_utf8_lossy(&answer.bytes).into_owned();
                let _ = exchange(connection, "\x01".to_owned(), prepared).await;
                return Err(failed(connection, rejected(prepared, &why)));
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
        return Err(failed(connection, rejected(prepared, message)));
    }
    Ok(Answer {
        bytes: response.auth_bytes,
        lifetime: (response.session_lifetime_ms > 0)
            .then(|| Duration::from_millis(response.session_lifetime_ms as u64)),
        broker: connection.broker().to_owned(),
    })
}

/// The broker's reason with what to do about it.
fn rejected(prepared: &Prepared<'_>, message: &str) -> String {
    match prepared {
        Prepared::Plain(user) | Prepared::Scram(_, user) => format!(
            "the broker rejected user {}: {message}; check username and password in sasl.jaas.config",
            user.name
        ),
        Prepared::Bearer(_, source) | Prepared::Iam(_, source) => {
            format!(
                "the broker rejected the token ({message}); {}",
                source.remedy()
            )
        }
    }
}

fn failed(connection: &Connection, why: String) -> KafkaError {
    connection.close();
    KafkaError::Authentication {
        broker: connection.broker().to_owned(),
        why,
    }
}
