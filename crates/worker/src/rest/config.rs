//! `/connectors/{connector}/config`: show, replace, patch.

use super::body::Body;
use super::error::{CONFIG_TAKES, RestError};
use super::lookup::{info, not_found};
use super::peers;
use super::relay::{Relay, Relayed};
use super::wire::{Info, Name, StringMap};
use super::{Api, resource};
use crate::herder::request::{Answer, Put, Request};
use crate::json_text::string_map;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use millstream_core::Properties;
use millstream_health::PATH_SEGMENT;
use percent_encoding::{AsciiSet, utf8_percent_encode};

/// What is escaped in a path.
const ESCAPED: &AsciiSet = &PATH_SEGMENT.remove(b'/');

pub(super) fn router() -> Router<Api> {
    let methods = get(show).put(replace).patch(patch);
    let allow = "HEAD,PATCH,GET,OPTIONS,PUT";
    resource("/connectors/{connector}/config", methods, allow)
}

async fn show(
    State(api): State<Api>,
    Path(Name(name)): Path<Name>,
) -> Result<Json<StringMap>, RestError> {
    Ok(Json(StringMap(info(&api, &name)?.config)))
}

async fn replace(
    State(api): State<Api>,
    Path(Name(name)): Path<Name>,
    headers: HeaderMap,
    relay: Relay,
    body: Body,
) -> Result<Response, RestError> {
    let config = string_map(&body)?.ok_or(RestError::NullBody(
        "Cannot invoke \"java.util.Map.get(Object)\" because \"connectorConfig\" is null",
        CONFIG_TAKES,
    ))?;
    let request = Put {
        config: name_in(config, &name)?,
        name,
        initial_state: None,
        may_replace: true,
    };
    put(&api, &headers, &relay, request, body.bytes()).await
}

/// The leader looks the connector up before the body; a null takes a key away.
async fn patch(
    State(api): State<Api>,
    Path(Name(name)): Path<Name>,
    relay: Relay,
    body: Body,
) -> Result<Response, RestError> {
    let changes = string_map(&body)?;
    let lead = Request::Lead { waits: true };
    if let Relayed::There(answer) = relay.change(&api, lead, body.bytes()).await? {
        return Ok(answer);
    }
    let mut config = info(&api, &name)?.config;
    let changes = changes.ok_or(RestError::NullBody(
        "Cannot invoke \"java.util.Map.forEach(java.util.function.BiConsumer)\" because \"patch\" is null",
        "",
    ))?;
    for (key, value) in changes.entries() {
        match value {
            Some(value) => config.insert(key, value),
            None => {
                config.remove(key);
            }
        }
    }
    let request = Put {
        name: name.clone(),
        config,
        initial_state: None,
        may_replace: true,
    };
    match store(&api, &relay, request, body.bytes()).await? {
        Relayed::Here(Answer::Connector { info, .. }) => Ok(Json(Info::from(info)).into_response()),
        Relayed::Here(Answer::Done | Answer::Restarting(_)) => Err(not_found(&name)),
        Relayed::There(answer) => Ok(answer),
    }
}

/// Validates and stores; answers with the connector, and its location if it is new.
pub(super) async fn put(
    api: &Api,
    headers: &HeaderMap,
    relay: &Relay,
    request: Put,
    body: Bytes,
) -> Result<Response, RestError> {
    let name = request.name.clone();
    let mut response = match store(api, relay, request, body).await? {
        Relayed::Here(Answer::Connector { info, is_new: true }) => {
            (StatusCode::CREATED, Json(Info::from(info))).into_response()
        }
        Relayed::Here(Answer::Connector { info, .. }) => Json(Info::from(info)).into_response(),
        Relayed::Here(Answer::Done | Answer::Restarting(_)) => return Err(not_found(&name)),
        Relayed::There(answer) => answer,
    };
    if response.status() == StatusCode::CREATED {
        let location = HeaderValue::from_str(&location(api, headers, relay, &name));
        // Escaped, there is nothing in it that a header may not hold.
        response
            .headers_mut()
            .extend(location.ok().map(|l| (header::LOCATION, l)));
    }
    Ok(response)
}

/// Validates and stores. A class that only others have is theirs to validate.
async fn store(api: &Api, relay: &Relay, request: Put, body: Bytes) -> Result<Relayed, RestError> {
    let name = request.name.clone();
    let warnings = if peers::may_know_better(api, &request.config) {
        peers::validate(api, relay, &request.config).await?;
        None
    } else {
        let validated = api.validator.validate(&request.config).await?;
        Some(validated.accepted()?)
    };
    let relayed = relay.change(api, Request::Put(request), body).await?;
    // Only of what was accepted here: whoever is refused reads the answer.
    if let (Relayed::Here(_), Some(warnings)) = (&relayed, warnings) {
        warnings.log(&name);
    }
    Ok(relayed)
}

/// The configuration with its connector's name in it.
pub(super) fn name_in(mut config: Properties, name: &str) -> Result<Properties, RestError> {
    match config.get("name") {
        Some(given) if given != name => Err(RestError::BadRequest(format!(
            "Connector name configuration ({given}) doesn't match connector name in the URL ({name})"
        ))),
        Some(_) => Ok(config),
        None => {
            config.insert("name", name);
            Ok(config)
        }
    }
}

/// Under the address by which the client came; slashes stay as they are.
fn location(api: &Api, headers: &HeaderMap, relay: &Relay, name: &str) -> String {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let name = in_path(name);
    match host {
        Some(host) => format!("{}://{host}/connectors/{name}", relay.scheme()),
        None => format!("{}connectors/{name}", api.advertised_url),
    }
}

/// The name as a part of a path; escapes that it holds already stay what they are, as with Java's builder of addresses.
fn in_path(name: &str) -> String {
    let mut path = String::new();
    let mut rest = name;
    while let Some(at) = rest.find('%') {
        path.extend(utf8_percent_encode(&rest[..at], ESCAPED));
        let digits = rest.as_bytes().get(at + 1..at + 3);
        let is_escape = digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        path.push_str(if is_escape { "%" } else { "%25" });
        rest = &rest[at + 1..];
    }
    path.extend(utf8_percent_encode(rest, ESCAPED));
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_keeps_the_escapes_of_a_name() {
        for (name, expected) in [
            ("a b", "a%20b"),
            ("a/b", "a/b"),
            ("%41", "%41"),
            ("a%20b", "a%20b"),
            ("100%", "100%25"),
            ("%zz%4", "%25zz%254"),
            ("{a}", "%7Ba%7D"),
            ("\u{e4}", "%C3%A4"),
        ] {
            assert_eq!(in_path(name), expected, "{name}");
        }
    }
}
