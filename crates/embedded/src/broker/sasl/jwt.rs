//! JWTs of an issuer whose secret is known, or of nobody (Kafka's unsecured tokens).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::scram::mac;

/// Which tokens are taken.
#[derive(Clone, Default)]
pub struct JwtRule {
    /// The secret of HS256; without one unsecured tokens are taken.
    pub secret: Option<Vec<u8>>,
    /// Must be in `aud`.
    pub audience: Option<String>,
    /// Must be in `scope`.
    pub scope: Option<String>,
}

impl JwtRule {
    /// Who the token is of and when it ends, epoch milliseconds; or OAuth's word for what is wrong with it.
    pub(super) fn check(&self, token: &str, now_ms: i64) -> Result<(String, i64), String> {
        let invalid = || "invalid_token".to_owned();
        let parts: Vec<&str> = token.split('.').collect();
        let [header, claims, signature] = parts[..] else {
            return Err(invalid());
        };
        let json = |part: &str| -> Option<Value> {
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
        };
        let alg = json(header).ok_or_else(invalid)?["alg"].clone();
        let is_good = match &self.secret {
            None => alg == "none" && signature.is_empty(),
            Some(secret) => {
                let expected = mac(secret, format!("{header}.{claims}").as_bytes());
                alg == "HS256" && URL_SAFE_NO_PAD.decode(signature).ok() == Some(expected)
            }
        };
        let claims = json(claims).filter(|_| is_good).ok_or_else(invalid)?;
        let exp = claims["exp"].as_f64().ok_or_else(invalid)?;
        let expires_ms = (exp * 1_000.0) as i64;
        if expires_ms <= now_ms || !has(&claims["aud"], self.audience.as_deref()) {
            return Err(invalid());
        }
        if !has(&claims["scope"], self.scope.as_deref()) {
            return Err("insufficient_scope".to_owned());
        }
        let subject = claims["sub"].as_str().ok_or_else(invalid)?;
        Ok((subject.to_owned(), expires_ms))
    }
}

/// Whether a claim that is a list, or a text with blanks between, has what is wanted.
fn has(claim: &Value, wanted: Option<&str>) -> bool {
    let Some(wanted) = wanted else {
        return true;
    };
    match claim {
        Value::Array(items) => items.iter().any(|item| item == wanted),
        Value::String(text) => text.split(' ').any(|item| item == wanted),
        _ => false,
    }
}

/// A token with these claims; without a secret an unsecured one.
pub(crate) fn make(secret: Option<&[u8]>, claims: &Value) -> String {
    let alg = if secret.is_some() { "HS256" } else { "none" };
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let content = format!("{}.{}", part(&json!({ "alg": alg })), part(claims));
    let signature = secret.map(|secret| URL_SAFE_NO_PAD.encode(mac(secret, content.as_bytes())));
    format!("{content}.{}", signature.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn takes_what_the_rule_allows_until_it_ends() {
        let rule = JwtRule {
            secret: Some(b"key".to_vec()),
            audience: Some("kafka".to_owned()),
            scope: Some("write".to_owned()),
        };
        let claims =
            |aud: &str, scope: &str| json!({"sub": "a", "exp": 10, "aud": [aud], "scope": scope});
        let token = |claims| make(Some(b"key"), &claims);
        let good = token(claims("kafka", "read write"));
        assert_eq!(rule.check(&good, 9_999), Ok(("a".to_owned(), 10_000)));
        let refused = |token: &str, now| rule.check(token, now).unwrap_err();
        assert_eq!(refused(&good, 10_000), "invalid_token");
        assert_eq!(refused(&token(claims("x", "write")), 0), "invalid_token");
        assert_eq!(
            refused(&token(claims("kafka", "read")), 0),
            "insufficient_scope"
        );
        let forged = make(Some(b"other"), &claims("kafka", "write"));
        assert_eq!(refused(&forged, 0), "invalid_token");
        let unsigned = make(None, &claims("kafka", "write"));
        assert_eq!(refused(&unsigned, 0), "invalid_token");
        assert!(JwtRule::default().check(&unsigned, 0).is_ok());
        assert!(JwtRule::default().check(&good, 0).is_err());
    }

    proptest! {
        #[test]
        fn any_token_has_an_answer(token in "[a-zA-Z0-9._-]{0,60}", claims in "\\PC{0,40}") {
            let _ = JwtRule::default().check(&token, 0);
            let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
            let token = format!("{}.{}.", part(r#"{"alg":"none"}"#), part(&claims));
            let _ = JwtRule::default().check(&token, 0);
        }
    }
}
