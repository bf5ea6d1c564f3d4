//! `/connectors` and `/connectors/{connector}`: list, create, show, delete.

use super::body::Body;
use super::config::{name_in, put};
use super::error::{CREATE_TAKES, RestError};
use super::lookup::info;
use super::query::query_values;
use super::relay::Relay;
use super::wire::{Info, Name, State as Status};
use super::{Api, resource};
use crate::herder::View;
use crate::herder::request::{Put, Request};
use crate::json_text::{UnknownFields, create_request};
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use serde::Serialize;
use std::collections::BTreeMap;

pub(super) fn router() -> Router<Api> {
    let all = get(list).post(create);
    let one = get(show).delete(delete);
    Router::new()
        .merge(resource("/connectors", all, "HEAD,POST,GET,OPTIONS"))
        .merge(resource(
            "/connectors/{connector}",
            one,
            "HEAD,DELETE,GET,OPTIONS",
        ))
}

#[derive(Serialize)]
struct Expanded {
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    info: Option<Info>,
}

async fn list(State(api): State<Api>, RawQuery(query): RawQuery) -> Response {
    let asked = query_values(query.as_deref(), "expand");
    if asked.is_empty() {
        let names: Vec<Name> = api.herder.view().names().into_iter().map(Name).collect();
        return Json(names).into_response();
    }
    let asks = |what: &str| asked.iter().any(|value| value == what);
    let (with_status, with_info) = (asks("status"), asks("info"));
    let expanded = expand(&api.herder.view(), with_status, with_info);
    Json(expanded).into_response()
}

/// A connector without a status is left out where statuses are asked for.
fn expand(view: &View, with_status: bool, with_info: bool) -> BTreeMap<String, Expanded> {
    let mut all = BTreeMap::new();
    for name in view.names() {
        let status = view.state(&name).filter(|_| with_status);
        if with_status && status.is_none() {
            continue;
        }
        let info = view.info(&name).filter(|_| with_info);
        let expanded = Expanded {
            status: status.map(Status::from),
            info: info.map(Info::from),
        };
        all.insert(name.to_string(), expanded);
    }
    all
}

async fn create(
    State(api): State<Api>,
    headers: HeaderMap,
    relay: Relay,
    body: Body,
) -> Result<Response, RestError> {
    let request = create_request(&body, UnknownFields::Refused)
        .map_err(|error| error.followed_by(CREATE_TAKES))?;
    let request = request.ok_or(RestError::NullBody(
        "Cannot invoke \"org.apache.kafka.connect.runtime.rest.entities.CreateConnectorRequest.name()\" because \"createRequest\" is null",
        CREATE_TAKES,
    ))?;
    let name = request.name.unwrap_or_default().trim().to_owned();
    let config = request.config.ok_or(RestError::NullBody(
        "Cannot invoke \"java.util.Map.get(Object)\" because \"connectorConfig\" is null",
        CREATE_TAKES,
    ))?;
    let put_request = Put {
        config: name_in(config, &name)?,
        name: name.into(),
        initial_state: request.initial_state,
        may_replace: false,
    };
    put(&api, &headers, &relay, put_request, body.bytes()).await
}

async fn show(
    State(api): State<Api>,
    Path(Name(name)): Path<Name>,
) -> Result<Json<Info>, RestError> {
    Ok(Json(info(&api, &name)?.into()))
}

async fn delete(
    State(api): State<Api>,
    Path(Name(name)): Path<Name>,
    relay: Relay,
) -> Result<Response, RestError> {
    let request = Request::Delete(name);
    let relayed = relay.change(&api, request, Bytes::new()).await?;
    Ok(relayed.or(|_| StatusCode::NO_CONTENT))
}
