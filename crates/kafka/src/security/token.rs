//! Tokens for OAUTHBEARER and AWS_MSK_IAM: what they are, where they come from, and the two sources that ask nobody: a file,
//! and unsecured ones for test clusters.

use super::jaas::Jaas;
use crate::clock::now_ms;
use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// A bearer token, and what goes with it.
#[derive(Clone)]
pub struct Token {
    pub value: String,
    /// SASL extensions, such as a logical cluster's name.
    pub extensions: Vec<(String, String)>,
    /// When it is of no use any more, epoch milliseconds; `None`: nobody has said.
    pub expires_at: Option<i64>,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token([hidden])")
    }
}

impl Token {
    /// The message that OAUTHBEARER begins with (RFC 7628).
    pub(super) fn first_message(&self) -> String {
        let mut message = format!("n,,\x01auth=Bearer {}\x01", self.value);
        for (key, value) in &self.extensions {
            message.push_str(&format!("{key}={value}\x01"));
        }
        message.push('\x01');
        message
    }
}

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenError {
    /// With the place and the remedy, and without any secret.
    pub why: String,
    /// Whether it may be there later without anybody's doing.
    pub is_transient: bool,
}

impl TokenError {
    pub fn transient(why: impl Into<String>) -> Self {
        TokenError {
            why: why.into(),
            is_transient: true,
        }
    }

    pub fn fatal(why: impl Into<String>) -> Self {
        TokenError {
            why: why.into(),
            is_transient: false,
        }
    }
}

/// Where tokens come from. Asked for each sign-in and each renewal of one, so it keeps a token while that is valid if a
/// new one costs more than a signature.
#[async_trait]
pub trait TokenSource: Send + Sync {
    /// A token for the broker of this host.
    async fn token(&self, broker_host: &str) -> Result<Token, TokenError>;

    /// What to check when a broker rejects a token.
    fn remedy(&self) -> &'static str {
        "check its audience and that it has not expired"
    }
}

/// A file whose text is the token.
pub(super) struct TokenFile {
    pub(super) path: PathBuf,
    pub(super) extensions: Vec<(String, String)>,
}

#[async_trait]
impl TokenSource for TokenFile {
    async fn token(&self, _: &str) -> Result<Token, TokenError> {
        let text = tokio::fs::read_to_string(&self.path).await;
        let path = self.path.display();
        let text = text.map_err(|error| {
            TokenError::fatal(format!("cannot read the token in {path}: {error}"))
        })?;
        let value = text.trim();
        if value.is_empty() || !value.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(TokenError::fatal(format!(
                "the file {path} holds no token: it is to be one line of letters, digits, dots, hyphens and underscores"
            )));
        }
        Ok(Token {
            value: value.to_owned(),
            extensions: self.extensions.clone(),
            expires_at: None,
        })
    }
}

/// Kafka's unsecured tokens: nobody has signed them. Options as Java's login module has them.
pub(super) struct Unsecured {
    claims: Map<String, Value>,
    principal_claim: String,
    lifetime_seconds: i64,
    extensions: Vec<(String, String)>,
}

/// Seconds that such a token is valid, as in Java.
const LIFETIME: i64 = 3_600;

pub(super) const UNSECURED_CLAIM: &str = "unsecuredLoginStringClaim_";
const NUMBER_CLAIM: &str = "unsecuredLoginNumberClaim_";
const LIST_CLAIM: &str = "unsecuredLoginListClaim_";
const EXTENSION: &str = "unsecuredLoginExtension_";
const PREFIX: &str = "unsecuredLogin";

impl Unsecured {
    pub(super) fn new(jaas: &Jaas) -> Result<Self, String> {
        let mut made = Unsecured {
            claims: Map::new(),
            principal_claim: "sub".to_owned(),
            lifetime_seconds: LIFETIME,
            extensions: Vec::new(),
        };
        for (key, value) in jaas.options() {
            let of = |prefix: &str| key.strip_prefix(prefix).map(str::to_owned);
            let number = || {
                value
                    .parse::<i64>()
                    .map_err(|_| format!("sasl.jaas.config: {key} is to be a whole number"))
            };
            if let Some(claim) = of(UNSECURED_CLAIM) {
                made.claims.insert(claim, Value::from(value));
            } else if let Some(claim) = of(NUMBER_CLAIM) {
                made.claims.insert(claim, Value::from(number()?));
            } else if let Some(claim) = of(LIST_CLAIM) {
                // The first character is what separates the items.
                let mut rest = value.chars();
                let items: Vec<&str> = match rest.next() {
                    Some(separator) => rest.as_str().split(separator).collect(),
                    None => Vec::new(),
                };
                made.claims.insert(claim, Value::from(items));
            } else if let Some(name) = of(EXTENSION) {
                made.extensions.push((name, value.to_owned()));
            } else {
                match key.strip_prefix(PREFIX) {
                    Some("PrincipalClaimName") => made.principal_claim = value.to_owned(),
                    Some("LifetimeSeconds") => made.lifetime_seconds = number()?,
                    Some("ScopeClaimName") => {}
                    _ => return Err(jaas.unknown(key, "those that begin with unsecuredLogin")),
                }
            }
        }
        if !made.claims.contains_key(&made.principal_claim) {
            return Err(format!(
                "sasl.jaas.config has no {UNSECURED_CLAIM}{}, which names the user of an unsecured token",
                made.principal_claim
            ));
        }
        Ok(made)
    }

    fn at(&self, now_ms: i64) -> Token {
        let mut claims = self.claims.clone();
        let expires = (now_ms / 1_000).saturating_add(self.lifetime_seconds);
        claims.insert("iat".to_owned(), json!(now_ms / 1_000));
        claims.insert("exp".to_owned(), json!(expires));
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        Token {
            value: format!("{}.{}.", part(json!({"alg": "none"})), part(claims.into())),
            extensions: self.extensions.clone(),
            expires_at: Some(expires.saturating_mul(1_000)),
        }
    }
}

#[async_trait]
impl TokenSource for Unsecured {
    async fn token(&self, _: &str) -> Result<Token, TokenError> {
        Ok(self.at(now_ms()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unsecured(options: &str) -> Result<Unsecured, String> {
        Unsecured::new(&Jaas::parse(&format!("M required {options};"))?)
    }

    #[test]
    fn unsecured_tokens_hold_the_claims_of_the_options() {
        let made = unsecured(
            r#"unsecuredLoginStringClaim_sub="a\"b" unsecuredLoginNumberClaim_n="7" unsecuredLoginListClaim_scope="|x|y" unsecuredLoginLifetimeSeconds="5" unsecuredLoginExtension_logicalCluster="lkc-1""#,
        );
        let token = made.expect("all known").at(1_000_500);
        assert_eq!(token.expires_at, Some(1_005_000));
        let claims = token.value.split('.').nth(1).expect("three parts");
        let claims = URL_SAFE_NO_PAD.decode(claims).expect("base64");
        let claims: Value = serde_json::from_slice(&claims).expect("JSON");
        assert_eq!(
            claims,
            json!({"sub": "a\"b", "n": 7, "scope": ["x", "y"], "iat": 1000, "exp": 1005})
        );
        assert_eq!(
            token.first_message(),
            format!(
                "n,,\x01auth=Bearer {}\x01logicalCluster=lkc-1\x01\x01",
                token.value
            )
        );
        for (options, word) in [
            (
                "unsecuredLoginNumberClaim_n=1",
                "unsecuredLoginStringClaim_sub",
            ),
            (
                "unsecuredLoginStringClaim_sub=a unsecuredLoginNumberClaim_n=x",
                "whole number",
            ),
            ("unsecuredLoginStringClaim_sub=a clientId=b", "clientId"),
        ] {
            let error = unsecured(options).err().unwrap_or_default();
            assert!(error.contains(word), "{error}");
        }
    }
}
