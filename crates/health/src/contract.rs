//! The HTTP contract of kafka-connect-healthcheck: which request is answered how. Paths that it does not know are left to
//! those who have more to tell.

use crate::verdict::Verdict;

pub const JSON: &str = "application/json";
pub const HTML: &str = "text/html";

/// Of the page that Python's server answers with.
const ERROR_PAGE: &str = "text/html;charset=utf-8";

/// An answer but for what HTTP adds to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    pub content_type: &'static str,
    pub body: String,
    /// The client is told to close the connection.
    pub closes: bool,
}

impl Reply {
    pub fn json(status: u16, body: impl Into<String>) -> Self {
        Reply {
            status,
            content_type: JSON,
            body: body.into(),
            closes: false,
        }
    }

    /// Of what is there.
    pub fn up() -> Self {
        Reply::json(200, r#"{"status": "UP"}"#)
    }

    /// 404, without a word, as the original.
    pub fn nothing() -> Self {
        Reply::json(404, "")
    }

    pub fn of(verdict: Verdict) -> Self {
        let status = if verdict.is_healthy { 200 } else { 503 };
        Reply::json(status, verdict.body)
    }
}

/// What a request comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// Wants the verdict.
    Verdict,
    /// Wants something that the original does not have; those who have it answer, others with `Reply::nothing`.
    Own(String),
    Answered(Reply),
}

/// Decides from the method and the target of a request, which has its query with it.
pub fn route(method: &str, target: &str) -> Route {
    match (method, target) {
        ("GET", "/") => Route::Verdict,
        ("GET", "/ping") => Route::Answered(Reply::up()),
        ("GET", path) => Route::Own(path.to_owned()),
        ("HEAD", _) => Route::Answered(Reply {
            status: 200,
            content_type: HTML,
            body: String::new(),
            closes: false,
        }),
        (method, _) => Route::Answered(unsupported(method)),
    }
}

/// The page of Python's server.
fn unsupported(method: &str) -> Reply {
    let method = method
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let body = format!(
        "<!DOCTYPE HTML>\n<html lang=\"en\">\n    <head>\n        <meta charset=\"utf-8\">\n        <title>Error response</title>\n    </head>\n    <body>\n        <h1>Error response</h1>\n        <p>Error code: 501</p>\n        <p>Message: Unsupported method ('{method}').</p>\n        <p>Error code explanation: 501 - Server does not support this operation.</p>\n    </body>\n</html>\n"
    );
    Reply {
        status: 501,
        content_type: ERROR_PAGE,
        body,
        closes: true,
    }
}
