//! `/connectors/{connector}/tasks` and what belongs to one task.

use super::connectors::not_found;
use super::error::RestError;
use super::wire::{Name, TaskInfo, TaskStatus};
use super::{Api, resource};
use crate::herder::request::Request;
use crate::task::TaskId;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use std::sync::Arc;

pub(super) fn router() -> Router<Api> {
    let all = get(list).post(set_configs);
    let status = get(status);
    let one = "/connectors/{connector}/tasks/{task}";
    Router::new()
        .merge(resource(
            "/connectors/{connector}/tasks",
            all,
            "HEAD,POST,GET,OPTIONS",
        ))
        .merge(resource(
            &format!("{one}/status"),
            status,
            "HEAD,GET,OPTIONS",
        ))
        .merge(resource(
            &format!("{one}/restart"),
            post(restart),
            "POST,OPTIONS",
        ))
}

async fn list(
    State(api): State<Api>,
    Path(Name(name)): Path<Name>,
) -> Result<Json<Vec<TaskInfo>>, RestError> {
    let asked = name.clone();
    let configs = api
        .herder
        .read(move |state| state.task_configs(&asked))
        .await?;
    let configs = configs.ok_or_else(|| not_found(&name))?.into_iter();
    let infos = configs.enumerate();
    Ok(Json(
        infos
            .map(|(task, config)| TaskInfo::new(&name, task, config))
            .collect(),
    ))
}

/// Only workers ask for this, and only in a cluster.
async fn set_configs() -> RestError {
    let text =
        "Kafka Connect in standalone mode does not support externally setting task configurations.";
    RestError::Failed(text.to_owned())
}

async fn status(
    State(api): State<Api>,
    Path((Name(name), task)): Path<(Name, String)>,
) -> Result<Json<TaskStatus>, RestError> {
    let id = task_id(name, &task)?;
    let asked = id.clone();
    let state = api
        .herder
        .read(move |state| state.task_state(&asked))
        .await?;
    let missing = || RestError::NotFound(format!("No status found for task {id}"));
    Ok(Json((id.task, state.ok_or_else(missing)?).into()))
}

async fn restart(
    State(api): State<Api>,
    Path((Name(name), task)): Path<(Name, String)>,
) -> Result<StatusCode, RestError> {
    let request = Request::RestartTask(task_id(name, &task)?);
    api.herder.change(request).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn task_id(connector: Arc<str>, task: &str) -> Result<TaskId, RestError> {
    let task = task.parse().map_err(|_| RestError::NoSuchParameter)?;
    Ok(TaskId { connector, task })
}
