//! Tokens for OAUTHBEARER: from the program, from a file, or unsecured ones for test clusters.

use super::jaas::Jaas;
use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// A bearer token, and what goes with it.
#[derive(Clone)]
pub struct Token {
    pub value: String,
    /// SASL extensions, such as a logical cluster's name.
    pub extensions: Vec<(String, String)>,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token([hidden])")
    }
}

/// Where tokens come from. Asked for each sign-in, so it should keep a token for as long as that is valid.
#[async_trait]
pub trait TokenSource: Send + Sync {
    async fn token(&self) -> Result<Token, String>;
}

pub(super) fn from_settings(
    endpoint: Option<&str>,
    jaas: Option<&Jaas>,
) -> Result<Arc<dyn TokenSource>, String> {
    if let Some(endpoint) = endpoint {
        return match endpoint.strip_prefix("file:") {
            Some(path) => Ok(Arc::new(TokenFile(PathBuf::from(
                path.strip_prefix("//").unwrap_or(path),
            )))),
            None => Err(
                "sasl.oauthbearer.token.endpoint.url: only a file: address is supported".to_owned(),
            ),
        };
    }
    if let Some(subject) = jaas.and_then(|jaas| jaas.option("unsecuredLoginStringClaim_sub")) {
        return Ok(Arc::new(Unsecured(subject.to_owned())));
    }
    Err("sasl.mechanism OAUTHBEARER needs sasl.oauthbearer.token.endpoint.url (a file: address with a token)".to_owned())
}

struct TokenFile(PathBuf);

#[async_trait]
impl TokenSource for TokenFile {
    async fn token(&self) -> Result<Token, String> {
        let text = tokio::fs::read_to_string(&self.0)
            .await
            .map_err(|error| format!("cannot read the token in {}: {error}", self.0.display()))?;
        Ok(Token {
            value: text.trim().to_owned(),
            extensions: Vec::new(),
        })
    }
}

/// Kafka's unsecured tokens: nobody has signed them.
struct Unsecured(String);

/// Seconds that such a token is valid, as in Java.
const LIFETIME: u64 = 3_600;

#[async_trait]
impl TokenSource for Unsecured {
    async fn token(&self) -> Result<Token, String> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let subject = self.0.replace('\\', "\\\\").replace('"', "\\\"");
        let claims = format!(
            "{{\"iat\":{now},\"exp\":{},\"sub\":\"{subject}\"}}",
            now + LIFETIME
        );
        Ok(Token {
            value: format!(
                "{}.{}.",
                URL_SAFE_NO_PAD.encode("{\"alg\":\"none\"}"),
                URL_SAFE_NO_PAD.encode(claims)
            ),
            extensions: Vec::new(),
        })
    }
}
