//! Cross-origin requests: off unless origins are named. The request always reaches its resource.

use axum::extract::Request;
use axum::http::{HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use millstream_java::regex::JavaRegex;
use std::sync::Arc;

/// What pages of other origins may do; `None` if nothing is said about it.
#[derive(Clone)]
pub(super) struct Cors(Option<Arc<Rules>>);

struct Rules {
    origins: Vec<Origin>,
    methods: HeaderValue,
}

/// Origins as Java's HTTP server takes them: each is a regular expression without regard to case, and `*` is any.
enum Origin {
    Any,
    Like(Box<JavaRegex>),
    /// What is no regular expression.
    Only(String),
}

impl Origin {
    fn new(text: String) -> Self {
        if text == "*" {
            return Origin::Any;
        }
        let pattern = JavaRegex::compile(&format!("(?i){text}"));
        pattern.map_or(Origin::Only(text), |pattern| {
            Origin::Like(Box::new(pattern))
        })
    }

    fn includes(&self, origin: &str) -> bool {
        match self {
            Origin::Any => true,
            Origin::Like(pattern) => pattern.is_full_match(origin).unwrap_or(false),
            Origin::Only(text) => text == origin,
        }
    }
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
        let origins: Vec<Origin> = items(origins).into_iter().map(Origin::new).collect();
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
    // A request may name several origins, of which one is enough.
    let is_allowed = |origin: &HeaderValue| {
        let named = String::from_utf8_lossy(origin.as_bytes());
        let mut named = named.split(' ');
        named.any(|origin| rules.origins.iter().any(|rule| rule.includes(origin)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_regular_expressions_without_regard_to_case() {
        for (rule, origin, expected) in [
            ("*", "null", true),
            ("http://a.com", "http://a.com", true),
            ("http://a.com", "http://A.com", true),
            ("http://a.com", "http://a.com.example", false),
            ("https://.*[.]a[.]com", "https://x.a.com", true),
            ("https://.*[.]a[.]com", "https://a.com", false),
            ("http://(a.com", "http://(a.com", true),
            ("http://(a.com", "http://a.com", false),
        ] {
            let rule = Origin::new(rule.to_owned());
            assert_eq!(rule.includes(origin), expected, "{origin}");
        }
    }
}
