//! Media types, checked as Java's server does: the body's, then what the client accepts.

use super::error::RestError;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

pub(super) async fn check(request: Request, next: Next) -> Response {
    let has_body_type = matches!(
        *request.method(),
        Method::POST | Method::PUT | Method::PATCH
    );
    if has_body_type {
        let needs_body = needs_body(request.method(), request.uri().path());
        match request.headers().get(header::CONTENT_TYPE) {
            Some(given) if !is_json(given) => {
                return RestError::UnsupportedMediaType.into_response();
            }
            None if needs_body => return RestError::MissingMediaType.into_response(),
            _ => {}
        }
    }
    let Some(answer) = negotiate(request.headers()) else {
        return RestError::NotAcceptable.into_response();
    };
    let mut response = next.run(request).await;
    let content_type = response.headers_mut().get_mut(header::CONTENT_TYPE);
    if let (Some(charset), Some(content_type)) = (answer, content_type)
        && content_type == "application/json"
        && let Ok(with_charset) =
            HeaderValue::from_str(&format!("application/json;charset={charset}"))
    {
        *content_type = with_charset;
    }
    response
}

/// The requests whose body is read; the others take none.
fn needs_body(method: &Method, path: &str) -> bool {
    let last = path
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or_default();
    let is_logger = path.starts_with("/admin/loggers/");
    match *method {
        Method::POST => matches!(last, "connectors" | "tasks"),
        Method::PUT => matches!(last, "config" | "validate") || is_logger,
        Method::PATCH => true,
        _ => false,
    }
}

fn is_json(value: &HeaderValue) -> bool {
    let text = value.to_str().unwrap_or_default();
    let media = text.split(';').next().unwrap_or_default().trim();
    media.eq_ignore_ascii_case("application/json")
}

/// `None`: JSON is not accepted. Otherwise the charset that the client asks for, if it does.
fn negotiate(headers: &HeaderMap) -> Option<Option<String>> {
    let accepted: Vec<&str> = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    if accepted.is_empty() {
        return Some(None);
    }
    accepted.into_iter().find_map(|item| {
        let mut parts = item.split(';').map(str::trim);
        let media = parts.next()?.to_ascii_lowercase();
        let parameters: Vec<_> = parts.filter_map(|part| part.split_once('=')).collect();
        let is_json = matches!(&*media, "application/json" | "application/*" | "*/*");
        let charset = parameters.iter().find(|(key, _)| *key == "charset");
        // A quality of 0 refuses nothing there.
        is_json.then(|| charset.map(|(_, charset)| (*charset).to_owned()))
    })
}
