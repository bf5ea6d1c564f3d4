//! Faults by operation: the next requests of one kind are answered with an error, cut off before or after they
//! take effect, or held back. What happens to the bytes of a connection is `crate::faults`.

use hyper::body::Incoming;
use hyper::service::Service;
use s3s::service::S3Service;
use s3s::{Body, HttpError, HttpResponse};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// What happens to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum S3Action {
    /// It is answered with this status and error code, without any effect.
    Error(u16, &'static str),
    /// It is answered with a page, as by a proxy that wants somebody to sign in.
    Page,
    /// The connection closes before it is handled.
    Disconnect,
    /// It is handled, then the connection closes instead of the answer.
    LoseAnswer,
    /// Nothing happens until the faults are cleared; then the connection closes.
    Stall,
}

#[derive(Debug)]
struct Fault {
    operation: String,
    times: u32,
    action: S3Action,
}

/// The faults a server still has to play.
#[derive(Debug)]
pub struct S3Faults {
    faults: Mutex<Vec<Fault>>,
    /// Counts how often the faults were cleared.
    cleared: watch::Sender<u64>,
}

impl Default for S3Faults {
    fn default() -> Self {
        S3Faults {
            faults: Mutex::default(),
            cleared: watch::Sender::new(0),
        }
    }
}

impl S3Faults {
    /// Hits so many of the next requests of an operation, under its name in S3's documentation.
    pub fn fail_next(&self, operation: &str, action: S3Action, times: u32) {
        self.lock().push(Fault {
            operation: operation.to_owned(),
            times,
            action,
        });
    }

    /// Forgets all faults that have not happened, and ends stalls.
    pub fn clear(&self) {
        self.lock().clear();
        self.cleared.send_modify(|times| *times += 1);
    }

    /// Requests that are still to be hit.
    pub fn left(&self) -> u32 {
        self.lock().iter().map(|fault| fault.times).sum()
    }

    fn take(&self, operation: &str) -> Option<S3Action> {
        let mut faults = self.lock();
        let fault = faults
            .iter_mut()
            .find(|fault| fault.operation == operation)?;
        fault.times -= 1;
        let action = fault.action.clone();
        faults.retain(|fault| fault.times > 0);
        Some(action)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Fault>> {
        // Each change is one step, so a panicking holder leaves it whole.
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The service with its faults in front.
#[derive(Clone)]
pub(super) struct FaultyService {
    pub(super) service: S3Service,
    pub(super) faults: Arc<S3Faults>,
}

impl Service<http::Request<Incoming>> for FaultyService {
    type Response = HttpResponse;
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send>>;

    fn call(&self, request: http::Request<Incoming>) -> Self::Future {
        let FaultyService { service, faults } = self.clone();
        let action = faults.take(operation(request.method(), request.uri()));
        let is_head = request.method() == http::Method::HEAD;
        Box::pin(async move {
            match action {
                None => carry_out(service, request).await,
                Some(S3Action::Error(status, code)) => answer(status, code, is_head),
                Some(S3Action::Page) => page(is_head),
                Some(S3Action::Disconnect) => Err(cut()),
                Some(S3Action::LoseAnswer) => {
                    carry_out(service, request).await?;
                    Err(cut())
                }
                Some(S3Action::Stall) => {
                    // Fails only once the server is gone, which ends a stall too.
                    let _ = faults.cleared.subscribe().changed().await;
                    Err(cut())
                }
            }
        })
    }
}

/// A request that has begun is carried out whatever becomes of its connection: an object half put together would be
/// lost together with its upload.
async fn carry_out(
    service: S3Service,
    request: http::Request<Incoming>,
) -> Result<HttpResponse, HttpError> {
    let work = tokio::spawn(async move { Service::call(&service, request).await });
    work.await.unwrap_or_else(|_| Err(cut()))
}

fn cut() -> HttpError {
    HttpError::new(Box::new(io::Error::from(io::ErrorKind::ConnectionAborted)))
}

/// An error as S3 writes it; one to HEAD has no body.
fn answer(status: u16, code: &str, is_head: bool) -> Result<HttpResponse, HttpError> {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>{code}</Message></Error>"
    );
    written(status, "application/xml", text, is_head)
}

fn page(is_head: bool) -> Result<HttpResponse, HttpError> {
    let text = "<html><body>Welcome, please sign in</body></html>";
    written(200, "text/html", text.to_owned(), is_head)
}

fn written(
    status: u16,
    kind: &str,
    text: String,
    is_head: bool,
) -> Result<HttpResponse, HttpError> {
    let body = if is_head { String::new() } else { text };
    http::Response::builder()
        .status(status)
        .header("content-type", kind)
        .body(Body::from(body))
        .map_err(|error| HttpError::new(Box::new(error)))
}

/// The operation's name, for those that sinks and their tests use.
fn operation(method: &http::Method, uri: &http::Uri) -> &'static str {
    let is_object = uri.path().trim_matches('/').contains('/');
    let query = uri.query().unwrap_or_default();
    let has = |name: &str| {
        query
            .split('&')
            .any(|pair| pair.split('=').next() == Some(name))
    };
    match (method.as_str(), is_object) {
        ("HEAD", false) => "HeadBucket",
        ("HEAD", true) => "HeadObject",
        ("GET", true) => "GetObject",
        ("POST", true) if has("uploads") => "CreateMultipartUpload",
        ("POST", true) if has("uploadId") => "CompleteMultipartUpload",
        ("PUT", true) if has("partNumber") => "UploadPart",
        ("PUT", true) if has("tagging") => "PutObjectTagging",
        ("PUT", true) => "PutObject",
        ("DELETE", true) if has("uploadId") => "AbortMultipartUpload",
        ("DELETE", true) => "DeleteObject",
        _ => "Other",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn tells_operations_apart() {
        for (method, uri, expected) in [
            ("HEAD", "/b", "HeadBucket"),
            ("HEAD", "/b/", "HeadBucket"),
            ("HEAD", "/b/k", "HeadObject"),
            ("POST", "/b/t/k?uploads", "CreateMultipartUpload"),
            (
                "PUT",
                "/b/k?x-id=UploadPart&partNumber=1&uploadId=u",
                "UploadPart",
            ),
            ("POST", "/b/k?uploadId=u", "CompleteMultipartUpload"),
            (
                "DELETE",
                "/b/k?x-id=AbortMultipartUpload&uploadId=u",
                "AbortMultipartUpload",
            ),
            ("PUT", "/b/k?tagging", "PutObjectTagging"),
        ] {
            let method: http::Method = method.parse().unwrap();
            assert_eq!(operation(&method, &uri.parse().unwrap()), expected, "{uri}");
        }
    }

    #[test]
    fn plays_as_many_as_were_asked_for() {
        let faults = S3Faults::default();
        faults.fail_next("UploadPart", S3Action::Disconnect, 2);
        assert_eq!(faults.take("HeadBucket"), None);
        assert_eq!(faults.take("UploadPart"), Some(S3Action::Disconnect));
        assert_eq!(faults.left(), 1);
        faults.clear();
        assert_eq!(faults.take("UploadPart"), None);
    }
}
