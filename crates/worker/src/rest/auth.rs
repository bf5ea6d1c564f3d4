//! Asks who is there, once it is known what is asked for: what there is not needs no permission.

use super::error::RestError;
use crate::auth::Authenticator;
use axum::extract::Request;
use axum::http::{HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// In the extensions of a request: whom to ask.
#[derive(Clone)]
pub(super) struct Guard(pub(super) Arc<Authenticator>);

/// Answers those with 401 whom the guard does not know; for OPTIONS the type is that of its other answers, as in Java.
pub(super) async fn check(request: Request, next: Next) -> Response {
    let guard = request.extensions().get::<Guard>().cloned();
    let Some(Guard(authenticator)) = guard else {
        return next.run(request).await;
    };
    if is_internal(request.method(), request.uri().path()) || may_pass(&authenticator, &request) {
        return next.run(request).await;
    }
    let mut response = refused(&authenticator);
    if request.method() == Method::OPTIONS {
        let text = HeaderValue::from_static("text/plain");
        response.headers_mut().insert(header::CONTENT_TYPE, text);
    }
    response
}

/// Whether the sender of a request is known.
pub(crate) fn may_pass(authenticator: &Authenticator, request: &Request) -> bool {
    authenticator.knows(request.headers().get(header::AUTHORIZATION))
}

/// What strangers are answered.
pub(crate) fn refused(authenticator: &Authenticator) -> Response {
    let mut response = RestError::Unauthorized.into_response();
    if authenticator.takes_tokens() {
        let bearer = HeaderValue::from_static("Bearer");
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, bearer);
    }
    response
}

/// Requests between workers, which know each other by their signatures.
fn is_internal(method: &Method, path: &str) -> bool {
    let mut parts = path.trim_start_matches('/').split('/');
    let of_connector = parts.next() == Some("connectors") && parts.next().is_some();
    let last = (parts.next(), parts.next());
    let is_tasks = *method == Method::POST && last == (Some("tasks"), None);
    let is_fence = *method == Method::PUT && last == (Some("fence"), None);
    of_connector && (is_tasks || is_fence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_requests_between_workers_need_no_user() {
        for (method, path, expected) in [
            (Method::POST, "/connectors/c/tasks", true),
            (Method::PUT, "/connectors/c/fence", true),
            (Method::PUT, "/connectors/c/tasks", false),
            (Method::GET, "/connectors/c/tasks", false),
            (Method::POST, "/connectors/c/tasks/0/restart", false),
            (Method::POST, "/connectors", false),
            (Method::GET, "/", false),
        ] {
            assert_eq!(is_internal(&method, path), expected, "{method} {path}");
        }
    }
}
