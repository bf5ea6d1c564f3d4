//! What Java's HTTP server does before any resource sees a request: odd paths are refused with a page of HTML,
//! a slash at the end and matrix parameters do not count.

use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, Uri, Version, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};

pub(super) async fn check(mut request: Request, next: Next) -> Response {
    let content_types = request.headers().get_all(header::CONTENT_TYPE);
    let path = request.uri().path();
    if content_types.iter().count() > 1 || is_suspicious(path) || !names_its_host(&request) {
        return bad_request(request.method());
    }
    if let Some(plain) = plain_uri(request.uri()) {
        *request.uri_mut() = plain;
    }
    let mut response = next.run(request).await;
    // The list belongs to the answer to OPTIONS alone.
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().remove(header::ALLOW);
    }
    response
}

/// HTTP/1.1 wants one host, and a name for it.
fn names_its_host(request: &Request) -> bool {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (request.version(), hosts.next(), hosts.next()) {
        (Version::HTTP_11, Some(host), None) => !host.is_empty(),
        (Version::HTTP_11, ..) => false,
        _ => true,
    }
}

/// Paths that could be read in more than one way. Dots that are written as such are names, unless they lead above the root.
fn is_suspicious(path: &str) -> bool {
    let Some(decoded) = decode(path) else {
        return true;
    };
    let mut segments = path.split('/').skip(1).peekable();
    let mut depth = 0;
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        let is_hidden = segment.contains('%') && matches!(&*decode_text(segment), "." | "..");
        depth += match segment {
            ".." => -1,
            "." => 0,
            _ => 1,
        };
        if (segment.is_empty() && !is_last) || is_hidden || depth < 0 {
            return true;
        }
    }
    let lower = path.to_ascii_lowercase();
    let is_ambiguous = ["%2f", "%25", "%5c"]
        .iter()
        .any(|escape| lower.contains(escape));
    is_ambiguous
        || path.contains(['"', '|'])
        || decoded.iter().any(|byte| *byte < 0x20 || *byte == 0x7f)
        || std::str::from_utf8(&decoded).is_err()
}

fn decode_text(text: &str) -> String {
    String::from_utf8_lossy(&decode(text).unwrap_or_default()).into_owned()
}

/// The bytes behind percent escapes; `None` if one is broken.
fn decode(path: &str) -> Option<Vec<u8>> {
    let mut bytes = path.bytes();
    let mut decoded = Vec::with_capacity(path.len());
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            let (high, low) = (digit(bytes.next()?)?, digit(bytes.next()?)?);
            decoded.push((high * 16 + low) as u8);
        } else {
            decoded.push(byte);
        }
    }
    Some(decoded)
}

/// The address without matrix parameters and the slash at the end, if it has any.
fn plain_uri(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    let has_slash = path.len() > 1 && path.ends_with('/');
    if !has_slash && !path.contains(';') {
        return None;
    }
    let segments = path.split('/').map(|s| s.split(';').next().unwrap_or(s));
    let mut plain = segments.collect::<Vec<_>>().join("/");
    if plain.len() > 1 && plain.ends_with('/') {
        plain.pop();
    }
    if let Some(query) = uri.query() {
        plain.push('?');
        plain.push_str(query);
    }
    plain.parse().ok()
}

/// Only these methods get a page; the others an empty body.
fn bad_request(method: &Method) -> Response {
    let page = "<html><head><title>Error 400 Bad Request</title></head><body><h2>HTTP ERROR 400 Bad Request</h2></body></html>\n";
    let uncached = (
        header::CACHE_CONTROL,
        HeaderValue::from_static("must-revalidate,no-cache,no-store"),
    );
    let html = (
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/html;charset=iso-8859-1"),
    );
    match *method {
        Method::GET | Method::HEAD | Method::POST => {
            (StatusCode::BAD_REQUEST, [html, uncached], Html(page)).into_response()
        }
        _ => (StatusCode::BAD_REQUEST, [uncached]).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_paths_with_two_meanings() {
        for path in [
            "//connectors",
            "/connectors/%zz",
            "/a/%00",
            "/a%2Fb",
            "/a%25",
            "/%2e%2e/a",
            "/a/.%2e",
            "/../a",
            "/a/../../a",
            "/%FF",
            "/a%5Cb",
        ] {
            assert!(is_suspicious(path), "{path}");
        }
        for path in [
            "/",
            "/connectors/",
            "/connectors/a%20b%3F",
            "/connectors/x;a=b",
            "/connectors/a+b.c",
            "/connectors/../config",
            "/connectors/./config",
            "/connectors/..",
        ] {
            assert!(!is_suspicious(path), "{path}");
        }
    }

    #[test]
    fn a_request_names_one_host() {
        for (version, hosts, expected) in [
            (Version::HTTP_11, &["a:1"][..], true),
            (Version::HTTP_11, &[], false),
            (Version::HTTP_11, &[""], false),
            (Version::HTTP_11, &["a", "a"], false),
            (Version::HTTP_10, &[], true),
        ] {
            let mut request = axum::http::Request::builder().version(version);
            for host in hosts {
                request = request.header(header::HOST, *host);
            }
            let request = request.body(axum::body::Body::empty());
            let request = request.expect("the parts are fine");
            assert_eq!(names_its_host(&request), expected, "{version:?} {hosts:?}");
        }
    }

    #[test]
    fn report_f8_only_some_methods_get_a_page() {
        for (method, is_page) in [
            (Method::GET, true),
            (Method::POST, true),
            (Method::DELETE, false),
            (Method::PUT, false),
            (Method::PATCH, false),
            (Method::OPTIONS, false),
        ] {
            let response = bad_request(&method);
            let headers = response.headers();
            assert_eq!(
                headers.contains_key(header::CONTENT_TYPE),
                is_page,
                "{method}"
            );
            assert_eq!(
                headers[header::CACHE_CONTROL],
                "must-revalidate,no-cache,no-store"
            );
        }
    }

    #[test]
    fn drops_what_does_not_count() {
        let plain =
            |uri: &'static str| plain_uri(&Uri::from_static(uri)).map(|uri| uri.to_string());
        assert_eq!(
            plain("/connectors/?expand=info").as_deref(),
            Some("/connectors?expand=info")
        );
        assert_eq!(
            plain("/connectors/x;a=b/status").as_deref(),
            Some("/connectors/x/status")
        );
        assert_eq!(plain("/connectors"), None);
        assert_eq!(plain("/"), None);
    }
}
