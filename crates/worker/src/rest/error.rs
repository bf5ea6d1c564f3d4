//! Every error's status, body and headers. There is no wildcard: a new error must pick its status here.

use crate::forward::ForwardError;
use crate::herder::request::HerderError;
use crate::json_text::JsonError;
use crate::kafka_admin::AdminError;
use crate::loggers::UnknownLevel;
use crate::validation::{InvalidConfig, ValidationError};
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// What a request can end with instead of its answer.
#[derive(Debug)]
pub(crate) enum RestError {
    /// No resource has this path.
    NoSuchPath,
    /// A part of the path is not of its type.
    NoSuchParameter,
    MethodNotAllowed,
    NotAcceptable,
    UnsupportedMediaType,
    MissingMediaType,
    /// Beyond so many bytes.
    BodyTooLarge(usize),
    /// The body ended before its end, or is none.
    BodyBroken(String),
    /// The text is Java's.
    BadRequest(String),
    Forbidden(String),
    /// The client is not known. The answer is a bare text, as Java's extension has it.
    Unauthorized,
    Conflict(&'static str),
    Unavailable(&'static str),
    NotFound(String),
    Failed(String),
    Herder(HerderError),
    Forward(ForwardError),
    Json(JsonError),
    /// Where Java dereferences a null: its text, and what the request takes.
    NullBody(&'static str, &'static str),
    Validation(ValidationError),
    Invalid(InvalidConfig),
    UnknownLevel(UnknownLevel),
    Admin(AdminError),
}

/// What requests take whose errors, which are Java's, do not tell.
pub(super) const CREATE_TAKES: &str = "POST /connectors takes {\"name\": ..., \"config\": {...}}";
pub(super) const CONFIG_TAKES: &str =
    "the body is the configuration alone: {\"connector.class\": ..., ...}";

#[derive(Serialize)]
struct Body {
    error_code: u16,
    message: String,
}

impl RestError {
    fn status(&self) -> StatusCode {
        match self {
            RestError::NoSuchPath
            | RestError::NoSuchParameter
            | RestError::NotFound(_)
            | RestError::UnknownLevel(_)
            | RestError::Herder(HerderError::NotFound(_)) => StatusCode::NOT_FOUND,
            RestError::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            RestError::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            RestError::UnsupportedMediaType | RestError::MissingMediaType => {
                StatusCode::UNSUPPORTED_MEDIA_TYPE
            }
            RestError::BodyTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            RestError::BadRequest(_)
            | RestError::BodyBroken(_)
            | RestError::Herder(HerderError::BadRequest(_))
            | RestError::Invalid(_)
            | RestError::Validation(ValidationError::BadRequest(_)) => StatusCode::BAD_REQUEST,
            RestError::Forbidden(_) => StatusCode::FORBIDDEN,
            RestError::Unauthorized => StatusCode::UNAUTHORIZED,
            RestError::Conflict(_)
            | RestError::Herder(
                HerderError::AlreadyExists(_)
                | HerderError::Conflict(_)
                | HerderError::NotHere { .. }
                | HerderError::Rebalancing,
            ) => StatusCode::CONFLICT,
            RestError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            RestError::Failed(_)
            | RestError::Forward(_)
            | RestError::Json(_)
            | RestError::NullBody(..)
            | RestError::Admin(_)
            | RestError::Validation(ValidationError::Config(_) | ValidationError::Thrown(_))
            | RestError::Herder(
                HerderError::Failed(_) | HerderError::TimedOut(_) | HerderError::ShuttingDown,
            ) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn message(self) -> String {
        match self {
            RestError::NoSuchPath
            | RestError::NoSuchParameter
            | RestError::MethodNotAllowed
            | RestError::NotAcceptable
            | RestError::UnsupportedMediaType
            | RestError::MissingMediaType => format!("HTTP {}", self.status()),
            RestError::BodyTooLarge(most) => {
                format!("the request body is larger than {most} bytes")
            }
            RestError::BodyBroken(why) => format!("cannot read the request body: {why}"),
            RestError::BadRequest(text)
            | RestError::Forbidden(text)
            | RestError::NotFound(text)
            | RestError::Failed(text) => text,
            RestError::Unauthorized => "User cannot access the resource.".to_owned(),
            RestError::Conflict(text) | RestError::Unavailable(text) => text.to_owned(),
            RestError::Forward(error) => error.to_string(),
            RestError::NullBody(text, "") => text.to_owned(),
            RestError::NullBody(text, takes) => format!("{text}; {takes}"),
            RestError::Herder(error) => error.to_string(),
            RestError::Json(error) => error.to_string(),
            RestError::Validation(error) => error.to_string(),
            RestError::Invalid(error) => error.to_string(),
            RestError::UnknownLevel(error) => error.to_string(),
            RestError::Admin(error) => error.to_string(),
        }
    }

    /// Errors of routing carry a JSON body without saying so.
    fn names_its_type(&self) -> bool {
        !matches!(
            self,
            RestError::NoSuchPath
                | RestError::MethodNotAllowed
                | RestError::NotAcceptable
                | RestError::UnsupportedMediaType
        )
    }
}

impl IntoResponse for RestError {
    fn into_response(self) -> Response {
        let (status, names_its_type) = (self.status(), self.names_its_type());
        if let RestError::Unauthorized = self {
            let json = HeaderValue::from_static("application/json");
            return (status, [(header::CONTENT_TYPE, json)], self.message()).into_response();
        }
        let body = Body {
            error_code: status.as_u16(),
            message: self.message(),
        };
        let mut response = (status, Json(body)).into_response();
        if !names_its_type {
            response.headers_mut().remove(header::CONTENT_TYPE);
        }
        response
    }
}

macro_rules! from {
    ($error:ty => $variant:ident) => {
        impl From<$error> for RestError {
            fn from(error: $error) -> Self {
                RestError::$variant(error)
            }
        }
    };
}

from!(HerderError => Herder);
from!(ForwardError => Forward);
from!(JsonError => Json);
from!(ValidationError => Validation);
from!(InvalidConfig => Invalid);
from!(UnknownLevel => UnknownLevel);
from!(AdminError => Admin);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_rebalance_refuses_may_be_tried_again() {
        let url = Some("http://w:8083/".into());
        let why = "Only the leader can set connector configs.";
        for (error, text) in [
            (
                HerderError::NotHere { why, url },
                "Cannot complete request momentarily due to no known leader URL, likely because a rebalance was underway.",
            ),
            (
                HerderError::Rebalancing,
                "Cannot complete request momentarily due to stale configuration (typically caused by a concurrent config change)",
            ),
        ] {
            let error = RestError::from(error);
            assert_eq!(error.status(), StatusCode::CONFLICT);
            assert_eq!(error.message(), text);
        }
    }

    #[test]
    fn report_message_26_java_s_words_are_followed_by_ours() {
        let java =
            "Cannot invoke \"java.util.Map.get(Object)\" because \"connectorConfig\" is null";
        let error = RestError::NullBody(java, CREATE_TAKES);
        assert_eq!(error.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(error.message(), format!("{java}; {CREATE_TAKES}"));
        assert_eq!(RestError::NullBody(java, "").message(), java);
        let field = JsonError::unrecognized("connector.class", "CreateConnectorRequest");
        let text = field.followed_by(CREATE_TAKES).to_string();
        assert!(text.ends_with(CREATE_TAKES) && text.starts_with("Unrecognized field"));
    }
}
