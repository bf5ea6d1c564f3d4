//! Replies and refusals as HTTP has them.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use millstream_health::{Reply, Route, route};

/// What a request comes to.
pub(super) fn routed(request: &Request) -> Route {
    // As it was sent, with its query: a path with one is none of the contract.
    route(request.method().as_str(), &request.uri().to_string())
}

pub(super) fn response(reply: Reply) -> Response {
    let Reply {
        status,
        content_type,
        body,
        closes,
    } = reply;
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, Body::from(body)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    if closes {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
