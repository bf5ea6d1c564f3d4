//! Status, pause, resume, stop and restart of a connector.

use super::error::RestError;
use super::internal;
use super::query::query_flag;
use super::relay::Relay;
use super::wire::{Name, State as Status};
use super::{Api, resource};
use crate::cluster::TargetState;
use crate::herder::request::{Answer, Request};
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use bytes::Bytes;

pub(super) fn router() -> Router<Api> {
    let change = "OPTIONS,PUT";
    Router::new()
        .merge(resource(
            "/connectors/{connector}/status",
            get(status),
            "HEAD,GET,OPTIONS",
        ))
        .merge(resource(
            "/connectors/{connector}/pause",
            put(pause),
            change,
        ))
        .merge(resource(
            "/connectors/{connector}/resume",
            put(resume),
            change,
        ))
        .merge(resource("/connectors/{connector}/stop", put(stop), change))
        .merge(resource(
            "/connectors/{connector}/fence",
            put(internal::fence),
            change,
        ))
        .merge(resource(
            "/connectors/{connector}/restart",
            post(restart),
            "POST,OPTIONS",
        ))
}

async fn status(
    State(api): State<Api>,
    Path(Name(name)): Path<Name>,
) -> Result<Json<Status>, RestError> {
    let state = api.herder.view().state(&name);
    let missing = || RestError::NotFound(format!("No status found for connector {name}"));
    Ok(Json(state.ok_or_else(missing)?.into()))
}

async fn pause(
    State(api): State<Api>,
    Path(Name(name)): Path<Name>,
) -> Result<StatusCode, RestError> {
    let request = Request::SetTarget(name, TargetState::Paused);
    api.herder.change(request).await?;
    Ok(StatusCode::ACCEPTED)
}

async fn resume(
    State(api): State<Api>,
    Path(Name(name)): Path<Name>,
) -> Result<StatusCode, RestError> {
    let request = Request::SetTarget(name, TargetState::Started);
    api.herder.change(request).await?;
    Ok(StatusCode::ACCEPTED)
}

async fn stop(
    State(api): State<Api>,
    Path(Name(name)): Path<Name>,
    relay: Relay,
) -> Result<Response, RestError> {
    let request = Request::Stop(name);
    let relayed = relay.change(&api, request, Bytes::new()).await?;
    Ok(relayed.or(|_| StatusCode::NO_CONTENT))
}

async fn restart(
    State(api): State<Api>,
    Path(Name(name)): Path<Name>,
    RawQuery(query): RawQuery,
    relay: Relay,
) -> Result<Response, RestError> {
    let flag = |name| query_flag(query.as_deref(), name, false);
    let (include_tasks, only_failed) = (flag("includeTasks"), flag("onlyFailed"));
    let request = if include_tasks || only_failed {
        Request::Restart {
            name,
            include_tasks,
            only_failed,
        }
    } else {
        Request::RestartConnector(name)
    };
    let relayed = relay.change(&api, request, Bytes::new()).await?;
    Ok(relayed.or(|answer| match answer {
        Answer::Restarting(state) => {
            let status = Status::from(state);
            let status = if relay.is_from_java() {
                status.for_any_java()
            } else {
                status
            };
            (StatusCode::ACCEPTED, Json(status)).into_response()
        }
        Answer::Done | Answer::Connector { .. } => StatusCode::NO_CONTENT.into_response(),
    }))
}
