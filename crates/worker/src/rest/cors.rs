//! Cross-origin requests: off unless origins are named. The request always reaches its resource.

use axum::extract::Request;
use axum::http::{HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use std::sync::Arc;

/// What pages of other origins may do; `None` if nothing is said about it.
#[derive(Clone)]
pub(super) struct Cors(Option<Arc<Rules>>);

struct Rules {
    origins: Vec<String>,
    methods: HeaderValue,
}

impl Cors {
    pub(super) fn new(origins: &str, methods: &str) -> Self {
        let items = |text: &str| -> Vec<String> {
            let items = text
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty());
            items.map(str::to_owned).collect()
        };
        let origins = items(origins);
        let methods = match items(methods) {
            none if none.is_empty() => "GET,POST,HEAD".to_owned(),
            some => some.join(","),
        };
        let methods = HeaderValue::from_str(&methods);
        let rules = methods.ok().filter(|_| !origins.is_empty());
        Cors(rules.map(|methods| Arc::new(Rules { origins, methods })))
    }
}

pub(super) async fn apply(cors: Cors, request: Request, next: Next) -> Response {
    let Some(rules) = cors.0 else {
        return next.run(request).await;
    };
    let origin = request.headers().get(header::ORIGIN).cloned();
    let is_preflight = *request.method() == Method::OPTIONS
        && request
            .headers()
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    let is_allowed = |origin: &HeaderValue| {
        let known = |rule: &String| rule == "*" || rule.as_bytes() == origin.as_bytes();
        rules.origins.iter().any(known)
    };
    let Some(origin) = origin.filter(is_allowed) else {
        return response;
    };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    if is_preflight {
        let content_type = HeaderValue::from_static("Content-Type");
        headers.insert(
            header::ACCESS_CONTROL_MAX_AGE,
            HeaderValue::from_static("60"),
        );
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, rules.methods.clone());
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, content_type);
    }
    response
}
