//! What an answer that is no success means: an outage, or something that the registry refuses and will refuse again.

use super::http::Answer;
use http::StatusCode;
use millstream_core::RecordError;
use serde_json::Value as Json;

/// How much of a registry's message is shown.
const LONGEST_MESSAGE: usize = 400;

/// Why a call has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CallError {
    /// No registry answers, or none as one does: it is asked again later.
    Unavailable(String),
    /// The same, because what answers does not know the path.
    NoSuchPath(String),
    Refused(Refusal),
}

/// The registry has understood and says no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The registry's own, or the status where it has none.
    pub(crate) code: i64,
    pub(crate) message: String,
}

impl Refusal {
    /// As Confluent's client throws it.
    pub(crate) fn to_record_error(&self) -> RecordError {
        RecordError::new(
            "io.confluent.kafka.schemaregistry.client.rest.exceptions.RestClientException",
            format!("{}; error code: {}", self.message, self.code),
        )
    }
}

/// What a body says, whoever wrote it: an object, a bare string, several messages, a page, or nothing.
fn said(body: &[u8]) -> (Option<i64>, Option<String>) {
    let document: Option<Json> = serde_json::from_slice(body).ok();
    let text = |value: &Json| match value {
        Json::String(text) => Some(text.clone()),
        Json::Array(items) => {
            let items: Vec<&str> = items.iter().filter_map(Json::as_str).collect();
            (!items.is_empty()).then(|| items.join("; "))
        }
        _ => None,
    };
    let (code, message) = match &document {
        Some(Json::Object(members)) => (
            members.get("error_code").and_then(Json::as_i64),
            members.get("message").and_then(text),
        ),
        Some(other) => (None, text(other)),
        None => (None, None),
    };
    let message = message.map(|text| {
        let shown: String = text.chars().take(LONGEST_MESSAGE).collect();
        shown.replace(['\r', '\n'], " ")
    });
    (code, message.filter(|text| !text.is_empty()))
}

/// Decides about an answer that is no success.
pub(super) fn judge(answer: &Answer) -> CallError {
    let status = answer.status;
    let (code, message) = said(&answer.body);
    let of_registry = message
        .clone()
        .map_or_else(String::new, |text| format!(": {text}"));
    let told = |remedy: &str| format!("it answers HTTP {}{of_registry}; {remedy}", status.as_u16());
    let outage = |remedy: &str| CallError::Unavailable(told(remedy));
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => outage(
            "check basic.auth.credentials.source and what it needs, or bearer.auth.…, and what this user may do",
        ),
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => outage("check proxy.host"),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => outage("it is asked again"),
        _ if status.is_redirection() => {
            outage("redirects are not followed; set schema.registry.url to where it leads")
        }
        _ if status.is_server_error() => outage("it is asked again"),
        // The path itself is not there: whatever answers is no registry, or the address lacks a part.
        StatusCode::NOT_FOUND if code.is_none_or(|code| code / 100 != 404) => {
            CallError::NoSuchPath(told(
                "no schema registry is at this address; check schema.registry.url",
            ))
        }
        _ if status.is_client_error() => CallError::Refused(Refusal {
            code: code
                .filter(|code| *code != 0)
                .unwrap_or(status.as_u16().into()),
            message: message.unwrap_or_else(|| format!("HTTP {}", status.as_u16())),
        }),
        _ => outage("is there another service at this address?"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;

    fn judged(status: u16, body: &str) -> Result<(i64, String), String> {
        let answer = Answer {
            status: StatusCode::from_u16(status).unwrap(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        };
        match judge(&answer) {
            CallError::Refused(refusal) => Ok((refusal.code, refusal.message)),
            CallError::Unavailable(reason) | CallError::NoSuchPath(reason) => Err(reason),
        }
    }

    /// Bodies as Confluent's registry, Karapace and Apicurio write them.
    #[test]
    fn reads_errors_of_all_registries() {
        let ok = |code, message: &str| Ok((code, message.to_owned()));
        for (status, body, expected) in [
            (
                404,
                r#"{"error_code":40403,"message":"Schema 9 not found"}"#,
                ok(40403, "Schema 9 not found"),
            ),
            (
                409,
                r#"{"error_code":409,"message":"Incompatible"}"#,
                ok(409, "Incompatible"),
            ),
            (
                422,
                r#"{"error_code":42201,"message":["a","b"]}"#,
                ok(42201, "a; b"),
            ),
            (400, r#""bad""#, ok(400, "bad")),
            (422, "", ok(422, "HTTP 422")),
        ] {
            assert_eq!(judged(status, body), expected, "{status} {body}");
        }
        for (status, body, words) in [
            (404, r#""Not Found""#, "Not Found; no schema registry"),
            (404, "", "no schema registry is at this address"),
            (404, "<html>", "no schema registry is at this address"),
            (
                404,
                r#"{"error_code":404,"message":"HTTP 404 Not Found"}"#,
                "no schema registry",
            ),
            (
                401,
                r#"{"error_code":401,"message":"Unauthorized"}"#,
                "HTTP 401: Unauthorized; check basic.auth",
            ),
            (500, r#"{"error_code":0,"message":"x"}"#, "HTTP 500: x"),
            (500, r#"{"error_code":50001,"message":"store"}"#, "store"),
            (302, "", "redirects"),
            (429, "", "HTTP 429"),
            (204, "", "another service"),
        ] {
            let reason = judged(status, body).unwrap_err();
            assert!(reason.contains(words), "{reason}");
        }
    }

    proptest! {
        #[test]
        fn any_body_has_a_meaning(status in 300u16..600, body in "\\PC{0,80}") {
            let _ = judged(status, &body);
        }
    }
}
