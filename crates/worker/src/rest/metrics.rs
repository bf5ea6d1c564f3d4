//! `/metrics`, which Java's worker does not have: there its place is taken by JMX and an agent.

use super::Api;
use super::error::RestError;
use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) fn router() -> Router<Api> {
    // Without the media check of Connect's resources: scrapers accept what they like.
    Router::new().route("/metrics", get(metrics))
}

async fn metrics(State(api): State<Api>) -> Result<Response, RestError> {
    let source = api.metrics.as_ref().ok_or(RestError::NoSuchPath)?;
    let text = source.render(api.herder.facts());
    Ok(([(header::CONTENT_TYPE, PROMETHEUS_TEXT)], text).into_response())
}
