//! An API that only shows: for a worker whose connectors are decided elsewhere.

use super::error::RestError;
use axum::extract::Request;
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Answers whatever is not a question with 403. Validation is refused, too: it asks the systems that a body names.
pub(super) async fn refuse_changes(request: Request, next: Next) -> Response {
    if [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method()) {
        return next.run(request).await;
    }
    RestError::Forbidden("This REST API is read-only; to allow changes, set millstream.rest.read.only=false, or REST_ALLOW_CHANGES=true for stream".to_owned()).into_response()
}
