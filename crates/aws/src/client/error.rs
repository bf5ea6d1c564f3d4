//! What an answer means: decided once for all services.

use super::endpoint::Service;
use crate::http::Answer;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use bytes::Bytes;
use serde_json::Value as Json;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How much of a message of a service is shown.
const LONGEST_MESSAGE: usize = 400;

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// There were too many calls.
    Throttled,
    /// It may be over in a moment.
    Transient,
    /// What is asked for is being made.
    NotReady,
    /// The credentials have expired; others may do.
    Expired,
    /// The clock is wrong.
    Skewed,
    /// Nobody gave credentials.
    NoCredentials,
    /// The credentials are not allowed that.
    Denied,
    /// Asking again does not help.
    Permanent,
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallError {
    pub service: Service,
    pub operation: &'static str,
    pub class: Class,
    /// The service's name for it, or its status; nothing where no service answered.
    pub name: Option<String>,
    pub message: String,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: ", self.service.shown(), self.operation)?;
        match &self.name {
            Some(name) if self.message.is_empty() => f.write_str(name),
            Some(name) => write!(f, "{name}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for CallError {}

impl CallError {
    /// An answer that is well-formed and does not say what it should.
    pub fn malformed(service: Service, operation: &'static str, what: &str) -> Self {
        Failure::new(Class::Transient, what.to_owned()).of(service, operation)
    }
}

/// A failure of an attempt, before it is said which call it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) class: Class,
    pub(super) name: Option<String>,
    pub(super) message: String,
    pub(super) retry_after: Option<Duration>,
}

impl Failure {
    pub(super) fn new(class: Class, message: String) -> Self {
        Failure {
            class,
            name: None,
            message,
            retry_after: None,
        }
    }

    pub(super) fn impossible(why: String) -> Self {
        Self::new(Class::Permanent, why)
    }

    pub(super) fn unreachable(endpoint: &str, why: &str) -> Self {
        Self::new(Class::Transient, format!("{endpoint}: {why}"))
    }

    pub(super) fn of(self, service: Service, operation: &'static str) -> CallError {
        CallError {
            service,
            operation,
            class: self.class,
            name: self.name,
            message: self.message,
        }
    }
}

/// The document of an answer, or what is wrong.
pub(super) fn judge(answer: &Answer) -> Result<Json, Failure> {
    let is_called_html = answer
        .header("content-type")
        .is_some_and(|kind| kind.to_ascii_lowercase().contains("html"));
    let document: Option<Json> = serde_json::from_slice(&answer.body).ok();
    // Some stand-ins for AWS call every answer a web page. One that holds members is none.
    let document = document.filter(|document| {
        let members = document.as_object();
        members.is_some_and(|members| !is_called_html || !members.is_empty())
    });
    let is_html = is_called_html && document.is_none();
    if answer.is_success() {
        return document.ok_or_else(|| {
            let what = if is_html { "a web page" } else { "no JSON" };
            Failure::new(
                Class::Transient,
                format!(
                    "the answer is {what}; is there a proxy, or another service, at this address?"
                ),
            )
        });
    }
    let (name, message) = name_and_message(answer, document.as_ref());
    let class = match is_html {
        true => Class::Transient,
        false => classify(answer.status, &name),
    };
    Err(Failure {
        class,
        name: Some(name),
        message,
        retry_after: retry_after(answer),
    })
}

/// The document of an answer, unread, or what is wrong.
pub(super) fn judge_document(answer: &Answer) -> Result<Bytes, Failure> {
    let is_object = answer.body.trim_ascii_start().starts_with(b"{");
    if answer.is_success() && is_object {
        return Ok(answer.body.clone());
    }
    // Only where something is wrong is the rest looked at.
    judge(answer).map(|_| answer.body.clone())
}

/// What an answer of S3 holds, or what is wrong: its errors are XML.
pub(super) fn judge_bytes(answer: &Answer) -> Result<Bytes, Failure> {
    if answer.is_success() {
        return Ok(answer.body.clone());
    }
    let text = String::from_utf8_lossy(&answer.body);
    let name = element(&text, "Code").filter(|name| !name.is_empty());
    let name = name.map_or_else(|| answer.status.to_string(), str::to_owned);
    let message = element(&text, "Message").unwrap_or_default();
    let message = message.chars().take(LONGEST_MESSAGE).collect();
    let elsewhere = answer.header("x-amz-bucket-region");
    let elsewhere = elsewhere.filter(|_| matches!(answer.status, 301 | 307 | 400));
    Err(Failure {
        class: classify(answer.status, &name),
        message: match elsewhere {
            Some(region) => format!("the bucket is in another region, {region}"),
            None => message,
        },
        name: Some(name),
        retry_after: retry_after(answer),
    })
}

/// The text of the first element of that name.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (content, _) = rest.split_once(&format!("</{name}>"))?;
    Some(content.trim())
}

/// Whether an answer is one of a service's: a success with a JSON object.
pub fn is_answer(answer: &Answer) -> bool {
    judge(answer).is_ok()
}

/// The name and the message of an error: the name from the header or the document, else the status.
pub fn error_of(answer: &Answer) -> (String, String) {
    let document: Option<Json> = serde_json::from_slice(&answer.body).ok();
    name_and_message(answer, document.as_ref())
}

fn name_and_message(answer: &Answer, document: Option<&Json>) -> (String, String) {
    let text = |name: &str| document?.get(name)?.as_str();
    let name = answer
        .header("x-amzn-errortype")
        .or_else(|| text("__type"))
        .or_else(|| text("code"))
        .or_else(|| text("Code"))
        .map(bare_name)
        .filter(|name| !name.is_empty());
    let name = name.map_or_else(|| answer.status.to_string(), str::to_owned);
    let message = text("message").or_else(|| text("Message"));
    let message = message.unwrap_or_default();
    (name, message.chars().take(LONGEST_MESSAGE).collect())
}

/// The name without what stands around it: `com.amazonaws.x#Name:http://…`.
fn bare_name(text: &str) -> &str {
    let text = text.split(':').next().unwrap_or_default();
    text.rsplit('#').next().unwrap_or_default().trim()
}

/// The class of an error by its status and name.
pub fn classify(status: u16, name: &str) -> Class {
    let begins = |start: &str| name.starts_with(start);
    let is_throttle = matches!(
        name,
        "RequestLimitExceeded" | "TooManyRequestsException" | "RequestThrottled" | "SlowDown"
    );
    if status == 429 || is_throttle || begins("Throttling") || begins("Throttled") {
        return Class::Throttled;
    }
    match name {
        "RequestExpired" | "InvalidClientTokenId" | "UnrecognizedClientException" => {
            return Class::Expired;
        }
        "RequestTimeTooSkewed" | "InvalidSignatureException" => return Class::Skewed,
        _ if begins("ExpiredToken") => return Class::Expired,
        _ => {}
    }
    if status >= 500 || status == 408 {
        return Class::Transient;
    }
    if status == 409 {
        return Class::NotReady;
    }
    let is_denied = begins("AccessDenied") || begins("Forbidden") || begins("Unauthorized");
    if is_denied || matches!(status, 401 | 403) {
        return Class::Denied;
    }
    Class::Permanent
}

fn retry_after(answer: &Answer) -> Option<Duration> {
    let seconds = answer.header("retry-after")?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// By how many seconds the clock of who answered is ahead of `now`.
pub(super) fn seconds_ahead(answer: &Answer, now: SystemTime) -> Option<i64> {
    let date = DateTime::from_str(answer.header("date")?, Format::HttpDate).ok()?;
    let now = now.duration_since(UNIX_EPOCH).ok()?.as_secs();
    date.secs().checked_sub(i64::try_from(now).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Each row of the table of errors.
    #[test]
    fn classifies() {
        for (status, name, class) in [
            (429, "429", Class::Throttled),
            (400, "RequestLimitExceeded", Class::Throttled),
            (400, "ThrottlingException", Class::Throttled),
            (400, "Throttling", Class::Throttled),
            (400, "ThrottledException", Class::Throttled),
            (400, "TooManyRequestsException", Class::Throttled),
            (400, "RequestThrottled", Class::Throttled),
            (503, "SlowDown", Class::Throttled),
            (500, "InternalServiceError", Class::Transient),
            (503, "503", Class::Transient),
            (502, "502", Class::Transient),
            (408, "RequestTimeout", Class::Transient),
            (409, "ConflictException", Class::NotReady),
            (403, "ExpiredTokenException", Class::Expired),
            (400, "ExpiredToken", Class::Expired),
            (400, "RequestExpired", Class::Expired),
            (403, "InvalidClientTokenId", Class::Expired),
            (400, "UnrecognizedClientException", Class::Expired),
            (403, "RequestTimeTooSkewed", Class::Skewed),
            (403, "InvalidSignatureException", Class::Skewed),
            (403, "AccessDeniedException", Class::Denied),
            (400, "AccessDeniedException", Class::Denied),
            (403, "ForbiddenException", Class::Denied),
            (401, "UnauthorizedException", Class::Denied),
            (403, "403", Class::Denied),
            (403, "SignatureDoesNotMatch", Class::Denied),
            (400, "NamespaceNotFound", Class::Permanent),
            (400, "ServiceNotFound", Class::Permanent),
            (400, "InvalidInput", Class::Permanent),
            (400, "BadRequestException", Class::Permanent),
            (404, "NotFoundException", Class::Permanent),
            (400, "ParameterNotFound", Class::Permanent),
            (302, "302", Class::Permanent),
        ] {
            assert_eq!(classify(status, name), class, "{status} {name}");
        }
    }

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
        let headers = headers.iter();
        Answer {
            status,
            headers: headers
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    #[test]
    fn takes_a_web_page_for_no_answer() {
        let html = [("content-type", "text/html; charset=utf-8")];
        for (status, headers, body) in [
            (200, &html[..], "<html>portal</html>"),
            (200, &html, "{}"),
            (200, &[], "<html>"),
            (200, &[], "[]"),
            (200, &[], ""),
            (403, &html, "<html>blocked</html>"),
            (403, &html, "{}"),
        ] {
            let failure = judge(&answer(status, headers, body)).unwrap_err();
            assert_eq!(failure.class, Class::Transient, "{status} {body}");
        }
        assert!(judge(&answer(200, &[], "{}")).is_ok());
    }

    /// moto 5 writes no other type on its answers.
    #[test]
    fn takes_a_document_that_is_called_a_web_page() {
        let html = [("content-type", "text/html; charset=utf-8")];
        let secret = r#"{"SecretString":"s"}"#;
        assert!(judge(&answer(200, &html, secret)).is_ok());
        let missing = r#"{"__type":"ResourceNotFoundException","message":"no"}"#;
        let failure = judge(&answer(400, &html, missing)).unwrap_err();
        assert_eq!(failure.class, Class::Permanent);
    }

    #[test]
    fn reads_the_errors_of_s3() {
        let check = |status, headers: &[(&str, &str)], body: &str, class, shown: &str| {
            let failure = judge_bytes(&answer(status, headers, body)).unwrap_err();
            assert_eq!(failure.class, class, "{body}");
            let error = failure.of(Service::S3, "GetObject").to_string();
            assert_eq!(error, format!("S3 GetObject: {shown}"));
        };
        let missing = "<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code><Message>not there</Message></Error>";
        check(404, &[], missing, Class::Permanent, "NoSuchKey: not there");
        let denied = "<Error><Code>AccessDenied</Code></Error>";
        check(403, &[], denied, Class::Denied, "AccessDenied");
        check(503, &[], "", Class::Transient, "503");
        let region = [("x-amz-bucket-region", "us-east-1")];
        let moved = "<Error><Code>PermanentRedirect</Code><Message>m</Message></Error>";
        let shown = "PermanentRedirect: the bucket is in another region, us-east-1";
        check(301, &region, moved, Class::Permanent, shown);
        let bytes = judge_bytes(&answer(200, &[], "<html>"));
        assert_eq!(bytes, Ok(Bytes::from_static(b"<html>")));
    }

    #[test]
    fn reads_the_time_of_who_answers() {
        let now = UNIX_EPOCH + Duration::from_secs(1_767_225_600 - 600);
        let ahead = |date: &str| seconds_ahead(&answer(403, &[("date", date)], ""), now);
        assert_eq!(ahead("Thu, 01 Jan 2026 00:00:00 GMT"), Some(600));
        assert_eq!(ahead("yesterday"), None);
        assert_eq!(seconds_ahead(&answer(403, &[], ""), now), None);
    }

    #[test]
    fn reads_as_a_sentence() {
        let error = judge(&answer(
            400,
            &[("x-amzn-errortype", "NotFoundException:http://x/")],
            r#"{"message":"no cluster"}"#,
        ));
        let error = error.unwrap_err().of(Service::Msk, "GetBootstrapBrokers");
        assert_eq!(
            error.to_string(),
            "MSK GetBootstrapBrokers: NotFoundException: no cluster"
        );
    }

    proptest! {
        #[test]
        fn takes_any_answer(
            status in 100..600u16,
            kind in ".*",
            name in ".*",
            body: Vec<u8>,
        ) {
            let headers = [("x-amzn-errortype", &*name), ("content-type", &*kind), ("retry-after", &*name), ("date", &*kind)];
            let mut answer = answer(status, &headers, "");
            answer.body = Bytes::from(body);
            let _ = judge(&answer);
            let _ = judge_bytes(&answer);
            let _ = seconds_ahead(&answer, UNIX_EPOCH);
        }
    }
}
