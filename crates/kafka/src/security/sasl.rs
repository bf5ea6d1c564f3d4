//! Signing in to a broker over a fresh connection.

use super::scram::Exchange;
use super::{Credentials, User};
use crate::connection::Connection;
use crate::error::KafkaError;
use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::{SaslAuthenticateRequest, SaslHandshakeRequest};
use kafka_protocol::protocol::StrBytes;
use std::time::Duration;

/// Returns how long the sign-in is good for, where the broker limits it.
pub(crate) async fn authenticate(
    connection: &Connection,
    credentials: &Credentials,
) -> Result<Option<Duration>, KafkaError> {
    let mechanism = credentials.mechanism();
    if !connection.knows::<SaslHandshakeRequest>() {
        let why =
            "the broker does not support SASL; check security.protocol and the port".to_owned();
        return Err(failed(connection, why));
    }
    let response = connection
        .request(|_| {
            SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str(mechanism))
        })
        .await?;
    if response.error_code != 0 {
        let offered: Vec<&str> = response.mechanisms.iter().map(StrBytes::as_str).collect();
        let why = if offered.is_empty() {
            "the listener does not use SASL; check security.protocol and the port".to_owned()
        } else {
            let offered = offered.join(", ");
            format!(
                "unsupported SASL mechanism {mechanism}; set sasl.mechanism to one that the broker enables: {offered}"
            )
        };
        return Err(failed(connection, why));
    }
    match credentials {
        Credentials::Plain(user) => {
            let message = format!("\0{}\0{}", user.name, user.password.reveal());
            let answer = exchange(connection, message, Some(user)).await?;
            Ok(answer.lifetime)
        }
        Credentials::Scram(hash, user) => {
            let nonce = uuid::Uuid::new_v4().simple().to_string();
            let scram = Exchange::new(*hash, user, nonce);
            let first = exchange(connection, scram.first(), Some(user)).await?;
            let (proof, expected) = scram
                .answer(&first.text()?)
                .map_err(|why| failed(connection, why))?;
            let last = exchange(connection, proof, Some(user)).await?;
            Exchange::check(&last.text()?, &expected).map_err(|why| failed(connection, why))?;
            Ok(last.lifetime)
        }
        Credentials::Token(source) => {
            let token = source
                .token()
                .await
                .map_err(|why| failed(connection, why))?;
            let mut message = format!("n,,\x01auth=Bearer {}\x01", token.value);
            for (key, value) in &token.extensions {
                message.push_str(&format!("{key}={value}\x01"));
            }
            message.push('\x01');
            let answer = exchange(connection, message, None).await?;
            if !answer.bytes.is_empty() {
                // The reason; the broker waits for this byte before it says that it is over.
                let why = String::from_utf8_lossy(&answer.bytes).into_owned();
                let _ = exchange(connection, "\x01".to_owned(), None).await;
                return Err(failed(connection, token_rejected(&why)));
            }
            Ok(answer.lifetime)
        }
    }
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
    user: Option<&User>,
) -> Result<Answer, KafkaError> {
    let response = connection
        .request(|_| SaslAuthenticateRequest::default().with_auth_bytes(Bytes::from(message)))
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
        let remedy = match user {
            Some(user) => format!(
                "the broker rejected user {}: {message}; check username and password in sasl.jaas.config",
                user.name
            ),
            None => token_rejected(message),
        };
        return Err(failed(connection, remedy));
    }
    Ok(Answer {
        bytes: response.auth_bytes,
        lifetime: (response.session_lifetime_ms > 0)
            .then(|| Duration::from_millis(response.session_lifetime_ms as u64)),
        broker: connection.broker().to_owned(),
    })
}

fn token_rejected(message: &str) -> String {
    format!(
        "the broker rejected the token ({message}); check its audience and that it has not expired"
    )
}

fn failed(connection: &Connection, why: String) -> KafkaError {
    connection.close();
    KafkaError::Authentication {
        broker: connection.broker().to_owned(),
        why,
    }
}
