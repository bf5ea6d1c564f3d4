//! Answer: what a token endpoint said, read. RFC 6749, sections 5.1 and 5.2.

use super::super::token::Token;
use super::endpoint::Answer;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// As much of what an endpoint says as is passed on.
const SHOWN: usize = 300;

/// How every JWT begins: an object's brace and quote.
const JWT: &str = "eyJ";

/// Why there is no token in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) what: String,
    /// The OAuth error code, where there is one.
    pub(super) code: Option<String>,
    pub(super) is_transient: bool,
}

impl Failure {
    fn transient(what: impl Into<String>) -> Self {
        Failure {
            what: what.into(),
            code: None,
            is_transient: true,
        }
    }
}

/// Statuses after which the same request will not do better, as Java has them.
const FINAL: [u16; 17] = [
    400, 401, 402, 403, 404, 405, 406, 407, 409, 410, 411, 412, 413, 414, 415, 501, 505,
];

pub(super) fn token(answer: &Answer, now_ms: i64) -> Result<Token, Failure> {
    let json: Option<Value> = serde_json::from_slice(&answer.body).ok();
    let json = json.filter(Value::is_object);
    match (answer.status, json) {
        (200 | 201, Some(json)) => granted(&json, now_ms),
        (200 | 201, None) => Err(Failure::transient(not_json(answer))),
        (status, json) => Err(refused(status, json.as_ref(), answer)),
    }
}

fn not_json(answer: &Answer) -> String {
    let kind = answer.content_type.split(';').next().unwrap_or_default();
    let kind = shown(kind.trim());
    let is_json = kind.is_empty() || kind.ends_with("json");
    match (answer.body.is_empty(), is_json) {
        (true, _) => format!("answered {} with nothing", answer.status),
        (false, true) => format!("answered {} with what is no JSON object", answer.status),
        (false, false) => format!("answered {} with {kind} instead of JSON", answer.status),
    }
}

fn granted(json: &Value, now_ms: i64) -> Result<Token, Failure> {
    let member = |name: &str| json.get(name)?.as_str().map(str::trim);
    let value = ["access_token", "id_token"]
        .into_iter()
        .filter_map(member)
        .find(|text| !text.is_empty());
    let Some(value) = value else {
        return Err(Failure {
            what: "answered without access_token".to_owned(),
            code: None,
            is_transient: false,
        });
    };
    // It goes between separators; a broker of Kafka's reads still fewer characters.
    if !value.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Failure {
            what: "answered with an access_token that is no token".to_owned(),
            code: None,
            is_transient: false,
        });
    }
    let seconds = json.get("expires_in").and_then(seconds);
    let expires_in = seconds.map(|s| now_ms.saturating_add(s.saturating_mul(1_000)));
    Ok(Token {
        value: value.to_owned(),
        extensions: Vec::new(),
        // The token itself says what the broker goes by.
        expires_at: expiry(value).or(expires_in),
    })
}

/// A number, or a text of one as some write it.
fn seconds(value: &Value) -> Option<i64> {
    let number = value.as_i64().or_else(|| Some(value.as_f64()? as i64));
    number.or_else(|| value.as_str()?.trim().parse().ok())
}

/// The claim `exp` of a JWT, epoch milliseconds.
fn expiry(token: &str) -> Option<i64> {
    let mut parts = token.split('.');
    let claims = parts.nth(1)?;
    parts.next()?;
    let claims = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    let exp = seconds(claims.get("exp")?)?;
    Some(exp.saturating_mul(1_000))
}

fn refused(status: u16, json: Option<&Value>, answer: &Answer) -> Failure {
    let member = |name: &str| {
        let text = json?.get(name)?.as_str()?;
        Some(shown(text)).filter(|text| !text.is_empty())
    };
    let code = member("error").or_else(|| member("errorCode"));
    let words = member("error_description").or_else(|| member("errorSummary"));
    let what = match (&code, words) {
        (Some(code), Some(words)) => format!("answered {status} {code}: {words}"),
        (Some(code), None) => format!("answered {status} {code}"),
        (None, _) if json.is_some() || answer.body.is_empty() => format!("answered {status}"),
        (None, _) => not_json(answer),
    };
    let passes = ["temporarily_unavailable", "server_error", "slow_down"];
    let passes = code.as_ref().is_some_and(|code| passes.contains(&&**code));
    Failure {
        what,
        // Redirects are not followed, so that they change nothing by themselves.
        is_transient: passes || !(FINAL.contains(&status) || (300..400).contains(&status)),
        code,
    }
}

/// On one line, not without end, and without a token that came back.
fn shown(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let words = words.filter(|word| !word.is_empty());
    let words: Vec<&str> = words
        .map(|word| if word.contains(JWT) { "[hidden]" } else { word })
        .collect();
    let line = words.join(" ");
    let mut shown: String = line.chars().take(SHOWN).collect();
    if line.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown.trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn read(status: u16, content_type: &str, body: &str) -> Result<Token, Failure> {
        let answer = Answer {
            status,
            content_type: content_type.to_owned(),
            body: body.as_bytes().to_vec(),
        };
        token(&answer, 1_000_000)
    }

    fn jwt(claims: &str) -> String {
        format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn reads_tokens_and_their_ends() {
        let expires = |body: &str| read(200, "application/json", body).unwrap().expires_at;
        assert_eq!(expires(r#"{"access_token":"a"}"#), None);
        assert_eq!(
            expires(r#"{"access_token":"a","expires_in":60}"#),
            Some(1_060_000)
        );
        assert_eq!(
            expires(r#"{"access_token":"a","expires_in":"60"}"#),
            Some(1_060_000)
        );
        let own = jwt(r#"{"exp":1500.5}"#);
        assert_eq!(
            expires(&format!(r#"{{"access_token":"{own}","expires_in":60}}"#)),
            Some(1_500_000)
        );
        let id = read(201, "", r#"{"access_token":" ","id_token":" x "}"#).unwrap();
        assert_eq!(id.value, "x");
    }

    #[test]
    fn says_why_there_is_none() {
        for (status, kind, body, what, is_transient) in [
            (
                200,
                "text/html; charset=utf-8",
                "<html>",
                "answered 200 with text/html instead of JSON",
                true,
            ),
            (
                200,
                "application/json",
                "[1]",
                "answered 200 with what is no JSON object",
                true,
            ),
            (
                200,
                "application/json",
                "",
                "answered 200 with nothing",
                true,
            ),
            (
                200,
                "application/json",
                "{}",
                "answered without access_token",
                false,
            ),
            (
                200,
                "",
                "{\"access_token\":\"a\\u0001b\"}",
                "answered with an access_token that is no token",
                false,
            ),
            (
                401,
                "application/json",
                r#"{"error":"invalid_client","error_description":"No such client.\n"}"#,
                "answered 401 invalid_client: No such client",
                false,
            ),
            (
                400,
                "application/json",
                r#"{"error":"temporarily_unavailable"}"#,
                "answered 400 temporarily_unavailable",
                true,
            ),
            (
                400,
                "application/json",
                r#"{"errorCode":"E07","errorSummary":"x"}"#,
                "answered 400 E07: x",
                false,
            ),
            (
                404,
                "text/html",
                "<html>",
                "answered 404 with text/html instead of JSON",
                false,
            ),
            (500, "", "", "answered 500", true),
            (429, "application/json", "{}", "answered 429", true),
            (302, "", "", "answered 302", false),
            (
                400,
                "",
                r#"{"error":"invalid_grant","error_description":"eyJhbGciOi.e30.x is old"}"#,
                "answered 400 invalid_grant: [hidden] is old",
                false,
            ),
        ] {
            let failure = read(status, kind, body).unwrap_err();
            assert_eq!((&*failure.what, failure.is_transient), (what, is_transient));
        }
    }

    proptest! {
        #[test]
        fn any_answer_is_read(status in 100..600_u16, kind in "\\PC{0,30}", body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = token(&Answer { status, content_type: kind, body }, i64::MAX);
        }

        #[test]
        fn any_object_is_read(
            status in prop_oneof![Just(200_u16), Just(400), Just(503)],
            value in "[\\PC\\x00-\\x1f]{0,400}",
            number in any::<f64>(),
        ) {
            let body = serde_json::json!({
                "access_token": jwt(&serde_json::json!({"exp": number}).to_string()),
                "expires_in": number, "error": value, "error_description": value,
            });
            let answer = Answer { status, content_type: String::new(), body: body.to_string().into_bytes() };
            if let Err(failure) = token(&answer, i64::MAX) {
                prop_assert!(failure.what.chars().count() <= 2 * SHOWN + 50);
                prop_assert!(!failure.what.chars().any(char::is_control));
            }
        }
    }
}
