//! `/admin/loggers`: log levels while the worker runs.

use super::body::Body;
use super::error::RestError;
use super::query::query_values;
use super::wire::Level;
use super::{Api, resource};
use crate::herder::request::Request;
use crate::json_text::{object, scalar};
use crate::loggers::parse_level;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use std::collections::BTreeMap;

pub(super) fn router() -> Router<Api> {
    let one = get(show).put(set);
    Router::new()
        .merge(resource("/admin/loggers", get(list), "HEAD,GET,OPTIONS"))
        .merge(resource(
            "/admin/loggers/{logger}",
            one,
            "HEAD,GET,OPTIONS,PUT",
        ))
}

async fn list(State(api): State<Api>) -> Json<BTreeMap<String, Level>> {
    let all = api.loggers.all().into_iter();
    Json(all.map(|(name, level)| (name, level.into())).collect())
}

async fn show(
    State(api): State<Api>,
    Path(logger): Path<String>,
) -> Result<Json<Level>, RestError> {
    let level = api.loggers.get(&logger);
    let missing = || RestError::NotFound(format!("Logger {logger} not found."));
    Ok(Json(level.ok_or_else(missing)?.into()))
}

async fn set(
    State(api): State<Api>,
    Path(namespace): Path<String>,
    RawQuery(query): RawQuery,
    body: Body,
) -> Result<Response, RestError> {
    let fields = object(&body, "java.util.LinkedHashMap")?.ok_or(RestError::NullBody(
        "Cannot invoke \"java.util.Map.get(Object)\" because \"levelMap\" is null",
        "the body is {\"level\": ...}",
    ))?;
    let level = fields.get("level");
    let missing = "Desired 'level' parameter was not specified in request.";
    let level = scalar(level.ok_or_else(|| RestError::BadRequest(missing.to_owned()))?)?;
    if level.is_empty() {
        return Err(RestError::Failed(
            "Illegal null or empty Level name.".to_owned(),
        ));
    }
    parse_level(&level)?;
    let scope = query_values(query.as_deref(), "scope");
    let is_cluster = scope
        .first()
        .is_some_and(|scope| scope.eq_ignore_ascii_case("cluster"));
    if is_cluster {
        api.herder
            .change(Request::SetClusterLogger { namespace, level })
            .await?;
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let changed = api.loggers.set(&namespace, &level, crate::herder::now())?;
    Ok(Json(changed).into_response())
}
