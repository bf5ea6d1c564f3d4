//! `/connectors` and `/connectors/{connector}`: list, create, show, delete.

use super::body::Body;
use super::config::{name_in, put};
use super::error::{CREATE_TAKES, RestError};
use super::wire::{Info, Name, State as Status};
use super::{Api, resource};
use crate::herder::View;
use crate::herder::request::{ConnectorInfo, Put, Request};
use crate::json_text::{UnknownFields, create_request};
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
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
    put(&api, &headers, put_request).await
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
) -> Result<StatusCode, RestError> {
    api.herder.change(Request::Delete(name)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The connector, which must exist.
pub(super) fn info(api: &Api, name: &str) -> Result<ConnectorInfo, RestError> {
    let info = api.herder.view().info(name);
    info.ok_or_else(|| not_found(name))
}

pub(super) fn not_found(name: &str) -> RestError {
    RestError::NotFound(format!("Connector {name} not found"))
}

/// All values of a query parameter, decoded as far as letters and digits need no decoding.
pub(super) fn query_values(query: Option<&str>, name: &str) -> Vec<String> {
    let pairs = query.unwrap_or_default().split('&');
    let pairs = pairs.filter_map(|pair| pair.split_once('=').or(Some((pair, ""))));
    pairs
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| value.to_owned())
        .collect()
}

/// Java's `Boolean.parseBoolean` of the first value.
pub(super) fn query_flag(query: Option<&str>, name: &str, default: bool) -> bool {
    let values = query_values(query, name);
    let first = values.first();
    first.map_or(default, |value| value.eq_ignore_ascii_case("true"))
}
