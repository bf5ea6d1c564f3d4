//! `/connectors/{connector}/topics`: the topics that a connector has used.

use super::error::RestError;
use super::wire::Name;
use super::{Api, resource};
use crate::herder::request::Request;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, put};
use axum::{Json, Router};
use serde_json::json;

pub(super) fn router() -> Router<Api> {
    let path = "/connectors/{connector}/topics";
    Router::new()
        .merge(resource(path, get(list), "HEAD,GET,OPTIONS"))
        .merge(resource(
            &format!("{path}/reset"),
            put(reset),
            "OPTIONS,PUT",
        ))
}

async fn list(
    State(api): State<Api>,
    Path(Name(name)): Path<Name>,
) -> Result<Json<serde_json::Value>, RestError> {
    refuse_unless(
        api.worker.config.topic_tracking,
        "Topic tracking is disabled.",
    )?;
    let topics = api.herder.view().topics(&name);
    let topics: Vec<Name> = topics.into_iter().map(Name).collect();
    Ok(Json(json!({&*name: {"topics": topics}})))
}

async fn reset(
    State(api): State<Api>,
    Path(Name(name)): Path<Name>,
) -> Result<StatusCode, RestError> {
    let config = &api.worker.config;
    refuse_unless(config.topic_tracking, "Topic tracking is disabled.")?;
    refuse_unless(
        config.topic_tracking_reset,
        "Topic tracking reset is disabled.",
    )?;
    api.herder.change(Request::ResetTopics(name)).await?;
    Ok(StatusCode::ACCEPTED)
}

fn refuse_unless(is_enabled: bool, why: &str) -> Result<(), RestError> {
    if is_enabled {
        return Ok(());
    }
    Err(RestError::Forbidden(why.to_owned()))
}
