//! `/metrics`, which Java's worker does not have: there its place is taken by JMX and an agent.

use super::error::RestError;
use super::{Api, auth};
use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

pub(crate) const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) fn router() -> Router<Api> {
    // Without the media check of Connect's resources: scrapers accept what they like.
    let methods = get(metrics).route_layer(from_fn(auth::check));
    Router::new().route("/metrics", methods)
}

async fn metrics(State(api): State<Api>) -> Result<Response, RestError> {
    let source = api.metrics.as_ref().ok_or(RestError::NoSuchPath)?;
    let text = source.render(api.herder.facts());
    Ok(([(header::CONTENT_TYPE, PROMETHEUS_TEXT)], text).into_response())
}
