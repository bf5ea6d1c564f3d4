//! StoreError: why a request failed, in words that name what to look at, and whether the same request may succeed later.
//!
//! S3 is believed by its code, not by its status: some refusals come as 200, some that pass as 400, and what comes without
//! a code comes from somebody else.

mod hints;

use super::connections::NoAnswer;
use super::credentials;
use crate::config::CredentialsSource;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::DispatchFailure;
use millstream_aws::causes::{causes, innermost};
use std::error::Error;
use std::sync::{Arc, OnceLock};

/// Codes of refusals that pass, whatever the status: S3 asks for less, did not get the request in time, or is not well; the
/// two clocks disagree, which the next attempt corrects; credentials have expired, and fresh ones may come any minute.
const TRANSIENT: [&str; 25] = [
    "BandwidthLimitExceeded",
    "Busy",
    "ExpiredToken",
    "ExpiredTokenException",
    "InternalError",
    "InternalFailure",
    "InternalServerError",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestExpired",
    "RequestInTheFuture",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "RequestTimeTooSkewed",
    "RequestTimeout",
    "RequestTimeoutException",
    "ServiceUnavailable",
    "SlowDown",
    "TemporaryRedirect",
    "Throttling",
    "ThrottlingException",
    "TokenRefreshRequired",
    "TooManyRequests",
    "TooManyRequestsException",
];

/// As much as is shown of an answer that is not S3's.
const SHOWN: usize = 60;

#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct StoreError {
    message: String,
    status: Option<u16>,
    code: Option<String>,
    is_transient: bool,
    /// Where S3 wants the request to go instead.
    redirect_to: Option<String>,
    source: Option<Cause>,
}

/// A cause that the message leaves out.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Cause(String);

impl StoreError {
    /// An answer that S3 may not give.
    pub(crate) fn permanent(message: impl Into<String>) -> Self {
        StoreError {
            message: message.into(),
            status: None,
            code: None,
            is_transient: false,
            redirect_to: None,
            source: None,
        }
    }

    pub(super) fn transient(message: String) -> Self {
        StoreError {
            is_transient: true,
            ..StoreError::permanent(message)
        }
    }

    /// The same failure, told as part of something larger.
    pub(crate) fn within(mut self, what: &str) -> Self {
        self.message.insert_str(0, what);
        self
    }

    /// The same failure as the cause of another that has its own words.
    pub(crate) fn behind(self, message: String) -> Self {
        StoreError {
            source: Some(Cause(self.message)),
            message,
            ..self
        }
    }

    /// What the message leaves out.
    pub(crate) fn into_cause(self) -> Option<Cause> {
        self.source
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

    /// Scheme and host that the request is to be sent to this time.
    pub(super) fn redirect_to(&self) -> Option<&str> {
        self.redirect_to.as_deref()
    }

    /// Whether this may be what a store says that knows no checksums: that it does not take a header, or not the signature
    /// in which it left one out.
    pub(super) fn may_be_about_headers(&self) -> bool {
        const SAID: [&str; 11] = [
            "BadRequest",
            "InvalidArgument",
            "InvalidHeader",
            "InvalidRequest",
            "MalformedTrailerError",
            "NotImplemented",
            "NotSupported",
            "SignatureDoesNotMatch",
            "UnsupportedArgument",
            "UnsupportedHeader",
            "XAmzContentSHA256Mismatch",
        ];
        let is_refusal = matches!(self.status, Some(400 | 403 | 411 | 501));
        is_refusal
            && match &self.code {
                Some(code) => SAID.contains(&code.as_str()) || self.message.contains("header"),
                None => true,
            }
    }
}

/// Whether a refusal may pass: by S3's code, and by the status where there is none of the kind.
fn is_transient_code(status: u16, code: Option<&str>) -> bool {
    let is_servers = status >= 500 && !matches!(status, 501 | 505);
    // 307 is of now, too, where it leads nowhere that can be followed.
    code.is_some_and(|code| TRANSIENT.contains(&code))
        || is_servers
        || matches!(status, 307 | 408 | 429)
}

/// Who named the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EndpointBy {
    /// The region, or the environment.
    Sdk,
    /// `store.url`.
    Setting,
    /// `store.url`, which has no scheme.
    SettingWithoutScheme,
}

/// What messages name of the endpoint that requests go to.
pub(super) struct Endpoint {
    pub(super) bucket: String,
    pub(super) region: String,
    pub(super) by: EndpointBy,
    pub(super) credentials: CredentialsSource,
    /// Scheme and host, once a request has gone there.
    pub(super) address: Arc<OnceLock<String>>,
}

impl Endpoint {
    /// The endpoint, as a reader finds it in the settings.
    pub(super) fn name(&self) -> String {
        let by = match self.by {
            EndpointBy::Sdk => "",
            EndpointBy::Setting | EndpointBy::SettingWithoutScheme => " (store.url)",
        };
        match self.address.get() {
            Some(address) => format!("S3 at {address}{by}"),
            None => format!("S3{by}"),
        }
    }

    pub(super) fn error<E>(&self, error: SdkError<E, HttpResponse>) -> StoreError
    where
        E: Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        match &error {
            SdkError::ServiceError(service) => {
                let (code, said) = (service.err().code(), service.err().message());
                self.refusal(service.raw(), code, said)
            }
            SdkError::DispatchFailure(failure) => self.connection_failed(failure),
            SdkError::TimeoutError(_) => self.timed_out(innermost(&error)),
            SdkError::ResponseError(_) => StoreError::transient(format!(
                "invalid or truncated response from {}",
                self.name()
            )),
            other => StoreError::permanent(format!("S3 request failed: {}", innermost(other))),
        }
    }

    /// An answer that says no, or says nothing that S3 would say.
    fn refusal(&self, raw: &HttpResponse, code: Option<&str>, said: Option<&str>) -> StoreError {
        let status = raw.status().as_u16();
        let body = raw.body().bytes().unwrap_or_default();
        let header = |name: &str| raw.headers().get(name);
        let error = StoreError {
            message: String::new(),
            status: Some(status),
            code: code.map(str::to_owned),
            is_transient: is_transient_code(status, code),
            redirect_to: None,
            source: None,
        };
        if status == 307 {
            let location = header("location").map(str::to_owned);
            if let Some(location) = location.or_else(|| element(body, "Endpoint")) {
                return self.redirect(&location, error);
            }
        }
        let is_not_s3 = code.is_none() && (raw.status().is_success() || !body.is_empty());
        if is_not_s3 && status != 301 {
            return StoreError {
                message: self.invalid_response(status, body),
                is_transient: true,
                ..error
            };
        }
        let theirs = header("x-amz-bucket-region").map(str::to_owned);
        let theirs = theirs.or_else(|| element(body, "Region"));
        let is_redirect = status == 301
            || matches!(
                code,
                Some("PermanentRedirect" | "AuthorizationHeaderMalformed")
            );
        if let Some(region) = theirs.filter(|region| is_redirect && *region != self.region) {
            let bucket = &self.bucket;
            return StoreError {
                message: format!("bucket {bucket} is in {region}; set s3.region={region}"),
                ..error
            };
        }
        let said = said.or(code).unwrap_or_else(|| meaning(status));
        StoreError {
            message: format!("{said} (Service: S3, Status Code: {status})"),
            ..error
        }
    }

    /// What HEAD of the bucket says by 400, which comes without a word.
    pub(super) fn bad_request(&self, error: StoreError, region: Option<&str>) -> StoreError {
        let (bucket, ours) = (&self.bucket, &self.region);
        let (message, is_transient) = match region {
            Some(region) if region != ours => (
                format!("bucket {bucket} is in {region}; set s3.region={region}"),
                false,
            ),
            _ if !is_bucket_name(bucket) => (
                format!("invalid bucket name: S3 rejects {bucket} (Status Code: 400)"),
                false,
            ),
            Some(_) => (
                format!(
                    "{} returned Bad Request without an error code (Status Code: 400): its region is {ours}, as s3.region says, so the \
                     credentials may have expired",
                    self.name()
                ),
                true,
            ),
            None => (
                format!(
                    "{} returned Bad Request without an error code (Status Code: 400): the bucket may be in another region than {ours} \
                     (s3.region), or the credentials have expired",
                    self.name()
                ),
                true,
            ),
        };
        StoreError {
            message,
            is_transient,
            ..error
        }
    }

    /// An answer in a form that S3 does not use.
    pub(super) fn not_s3(&self, status: u16) -> StoreError {
        StoreError::transient(self.invalid_response(status, &[]))
    }

    fn invalid_response(&self, status: u16, body: &[u8]) -> String {
        let text = String::from_utf8_lossy(&body[..body.len().min(4 * SHOWN)]);
        let text: Vec<&str> = text.split_whitespace().collect();
        let text: String = text.join(" ").chars().take(SHOWN).collect();
        // Other than a page it might be anything, even what was sent.
        let shown = if text.starts_with('<') {
            format!(", {text:?} …")
        } else {
            String::new()
        };
        format!(
            "invalid response from {} (Status Code: {status}{shown}): it is not S3's; is a proxy in between, is store.url right?",
            self.name()
        )
    }

    /// A temporary redirect, which is followed where it may be.
    fn redirect(&self, location: &str, error: StoreError) -> StoreError {
        let (endpoint, is_followed) = self.redirected(location);
        let message = format!("{} redirects the request to {endpoint}", self.name());
        if is_followed {
            StoreError {
                message,
                redirect_to: Some(endpoint),
                ..error
            }
        } else {
            StoreError {
                message: format!("{message}, which is not followed"),
                ..error
            }
        }
    }

    /// Where a temporary redirect leads, and whether it may be followed: what is encrypted stays so.
    fn redirected(&self, location: &str) -> (String, bool) {
        let own = self.address.get().map_or("https://", String::as_str);
        let (own_scheme, own_host) = own.split_once("://").unwrap_or(("https", own));
        let (scheme, rest) = match location.split_once("://") {
            Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
            // The element of S3's answer is a host alone.
            None => (own_scheme.to_owned(), location),
        };
        let host = match rest.split(['/', '?']).next() {
            // A path alone.
            None | Some("") => own_host,
            Some(host) => host,
        };
        // The SDK puts the bucket before the host again where it stood there.
        let bucket = format!("{}.", self.bucket);
        let host = host.strip_prefix(&bucket).unwrap_or(host);
        let is_followed = scheme == "https" || scheme == "http" && own_scheme == "http";
        (format!("{scheme}://{host}"), is_followed)
    }

    fn connection_failed(&self, failure: &DispatchFailure) -> StoreError {
        let Some(cause) = failure.as_connector_error() else {
            return StoreError::transient(format!("connection to {} failed", self.name()));
        };
        for link in causes(cause) {
            if let Some(error) = link.downcast_ref::<CredentialsError>() {
                let (message, is_transient) = credentials::explain(error, self.credentials);
                return StoreError {
                    is_transient,
                    ..StoreError::permanent(message)
                };
            }
            if let Some(late) = link.downcast_ref::<NoAnswer>() {
                return self.timed_out(late.to_string());
            }
        }
        StoreError {
            is_transient: !failure.is_user(),
            ..StoreError::permanent(format!(
                "connection to {} failed: {}",
                self.name(),
                self.why(cause)
            ))
        }
    }

    fn timed_out(&self, why: String) -> StoreError {
        StoreError::transient(format!("request to {} timed out: {why}", self.name()))
    }
}

/// Whether S3 could have a bucket of this name.
fn is_bucket_name(name: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_arn = name.starts_with("arn:");
    is_arn
        || (3..=63).contains(&name.len())
            && name.chars().all(|c| is_letter(c) || c == '-' || c == '.')
            && name.starts_with(is_letter)
            && name.ends_with(is_letter)
}

/// The text of an element of a small answer.
fn element(body: &[u8], name: &str) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once('<')?;
    (!text.is_empty()).then(|| text.to_owned())
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

#[cfg(test)]
mod tests;
