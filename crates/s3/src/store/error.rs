//! StoreError: why a request failed, and whether the same request may succeed later.

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use std::error::Error;

/// Codes by which S3 asks for less, whatever the status.
const THROTTLING: [&str; 10] = [
    "BandwidthLimitExceeded",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
];

/// Codes that say that the two clocks disagree, which the next attempt corrects.
const CLOCK_SKEW: [&str; 3] = [
    "RequestExpired",
    "RequestInTheFuture",
    "RequestTimeTooSkewed",
];

#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct StoreError {
    message: String,
    status: Option<u16>,
    code: Option<String>,
    is_transient: bool,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl StoreError {
    /// An answer that S3 may not give.
    pub(crate) fn broken(message: impl Into<String>) -> Self {
        StoreError {
            message: message.into(),
            status: None,
            code: None,
            is_transient: false,
            source: None,
        }
    }

    /// The same failure, told as part of something larger.
    pub(crate) fn within(mut self, what: &str) -> Self {
        self.message.insert_str(0, what);
        self
    }

    pub(crate) fn status(&self) -> Option<u16> {
        self.status
    }

    pub(crate) fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// Whether the request may be tried again after a pause.
    pub(crate) fn is_transient(&self) -> bool {
        self.is_transient
    }
}

/// The classes of the specification's table of S3 failures.
fn may_pass(status: u16, code: Option<&str>) -> bool {
    matches!(status, 429 | 500 | 502 | 503 | 504)
        || code.is_some_and(|code| THROTTLING.contains(&code) || CLOCK_SKEW.contains(&code))
}

impl<E> From<SdkError<E, HttpResponse>> for StoreError
where
    E: Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        let status = error.raw_response().map(|raw| raw.status().as_u16());
        let (message, code, is_transient) = match &error {
            SdkError::ServiceError(service) => {
                let status = service.raw().status().as_u16();
                let code = service.err().code().map(str::to_owned);
                let said = service.err().message().or(code.as_deref());
                let said = said.unwrap_or_else(|| meaning(status));
                (
                    format!("{said} (Service: S3, Status Code: {status})"),
                    code.clone(),
                    may_pass(status, code.as_deref()),
                )
            }
            SdkError::TimeoutError(_) => ("the request to S3 timed out".to_owned(), None, true),
            SdkError::DispatchFailure(failure) => {
                let connector = failure.as_connector_error();
                let why = innermost(connector.map(|error| error as &dyn Error));
                match credentials_error(&error) {
                    Some(credentials) => {
                        let passes = may_load_later(credentials);
                        (format!("no AWS credentials: {why}"), None, passes)
                    }
                    None => (format!("cannot reach S3: {why}"), None, !failure.is_user()),
                }
            }
            SdkError::ResponseError(_) => {
                let said = "the answer of S3 broke off or makes no sense";
                (said.to_owned(), None, true)
            }
            other => (
                format!("cannot ask S3: {}", innermost(other.source())),
                None,
                false,
            ),
        };
        StoreError {
            message,
            status,
            code,
            is_transient,
            source: Some(Box::new(error)),
        }
    }
}

/// What a status means, for answers to HEAD, which have no body.
fn meaning(status: u16) -> &'static str {
    match status {
        301 => "Moved Permanently",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "no message",
    }
}

/// Whether the failure is that there are no credentials.
fn credentials_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a CredentialsError> {
    std::iter::successors(Some(error), |&error| error.source())
        .find_map(|error| error.downcast_ref())
}

/// A provider that does not answer may do so later; one that has none, or is told nonsense, will not.
fn may_load_later(error: &CredentialsError) -> bool {
    !matches!(
        error,
        CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_)
    )
}

/// The text of the last cause, which is the one that says something.
fn innermost(error: Option<&(dyn Error + 'static)>) -> String {
    let mut error = error;
    let mut text = "unknown cause".to_owned();
    while let Some(inner) = error {
        text = inner.to_string();
        error = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, code: Option<&str>, passes: bool) {
        assert_eq!(may_pass(status, code), passes, "{status} {code:?}");
    }

    #[test]
    fn tells_what_may_pass() {
        for status in [429, 500, 502, 503, 504] {
            check(status, None, true);
        }
        check(400, Some("RequestTimeout"), false);
        check(400, Some("SlowDown"), true);
        check(403, Some("AccessDenied"), false);
        check(403, Some("RequestTimeTooSkewed"), true);
        check(404, Some("NoSuchUpload"), false);
        check(409, Some("OperationAborted"), false);
        check(412, Some("PreconditionFailed"), false);
    }
}
