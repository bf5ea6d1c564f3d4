//! `/connectors/{connector}/tasks` and what belongs to one task.

use super::error::RestError;
use super::internal;
use super::lookup::not_found;
use super::relay::Relay;
use super::wire::{Name, TaskInfo, TaskStatus};
use super::{Api, resource};
use crate::herder::request::Request;
use crate::task::TaskId;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use std::sync::Arc;

pub(super) fn router() -> Router<Api> {
    let all = get(list).post(internal::set_tasks);
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
    let configs = api.herder.view().task_configs(&name);
    let configs = configs.ok_or_else(|| not_found(&name))?;
    let infos = configs.iter().enumerate();
    Ok(Json(
        infos
            .map(|(task, config)| TaskInfo::new(&name, task, config.clone()))
            .collect(),
    ))
}

async fn status(
    State(api): State<Api>,
    Path((Name(name), task)): Path<(Name, String)>,
) -> Result<Json<TaskStatus>, RestError> {
    let number = number(&task)?;
    let missing = || RestError::NotFound(format!("No status found for task {name}-{number}"));
    let id = task_id(&name, number).ok_or_else(missing)?;
    let state = api.herder.view().task_state(&id);
    Ok(Json((id.task, state.ok_or_else(missing)?).into()))
}

async fn restart(
    State(api): State<Api>,
    Path((Name(name), task)): Path<(Name, String)>,
    relay: Relay,
) -> Result<Response, RestError> {
    let number = number(&task)?;
    let Some(id) = task_id(&name, number) else {
        return Err(api.herder.view().no_such_task(&name, number).into());
    };
    let request = Request::RestartTask(id);
    let relayed = relay.change(&api, request, Bytes::new()).await?;
    Ok(relayed.or(|_| StatusCode::NO_CONTENT))
}

/// A task's number as Java reads it: a 32-bit integer, which may be one that no task has.
fn number(task: &str) -> Result<i32, RestError> {
    task.parse().map_err(|_| RestError::NoSuchParameter)
}

fn task_id(connector: &Arc<str>, number: i32) -> Option<TaskId> {
    let task = u32::try_from(number).ok()?;
    Some(TaskId::new(connector.clone(), task))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_f6_a_number_is_an_integer_of_java() {
        for (text, expected) in [
            ("-3", Some(-3)),
            ("-0", Some(0)),
            ("+1", Some(1)),
            ("2147483648", None),
            ("x", None),
            ("1.0", None),
            ("", None),
        ] {
            assert_eq!(number(text).ok(), expected, "{text}");
        }
        let name: Arc<str> = "s".into();
        assert_eq!(task_id(&name, -3), None);
    }
}
