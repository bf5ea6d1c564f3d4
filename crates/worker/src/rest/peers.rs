//! Peers: other workers may have connectors that this one has not. Whether such a connector's configuration is right is
//! for them to say.

use super::Api;
use super::error::RestError;
use super::relay::Relay;
use super::wire::StringMap;
use crate::forward::Ask;
use crate::validation::{InvalidConfig, ValidationError};
use axum::body::to_bytes;
use axum::http::{Method, StatusCode};
use millstream_core::Properties;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

/// What does not stand in a class name as it is.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'_').remove(b'$');

/// Of what another worker has found. Some hundred settings make some hundred kilobytes.
const LARGEST_ANSWER: usize = 8 << 20;

/// Whether the class is one that others may have, and this worker has not.
pub(super) fn may_know_better(api: &Api, config: &Properties) -> bool {
    let class = config.get("connector.class").unwrap_or_default();
    let is_known = class.is_empty() || api.validator.registry.connector(class).is_ok();
    !is_known && !api.herder.view().others().is_empty()
}

/// Has a connector's configuration validated by whoever has its class, if this worker leads; a leader elsewhere sees to
/// that by itself. Where somebody cannot be asked it is taken: it is worse to refuse what is right.
pub(super) async fn validate(
    api: &Api,
    relay: &Relay,
    config: &Properties,
) -> Result<(), RestError> {
    let view = api.herder.view();
    if !view.leads() {
        return Ok(());
    }
    let class = config.get("connector.class").unwrap_or_default();
    let mut is_open = false;
    for url in view.others() {
        match ask(api, relay, url, class, config).await {
            Found::Errors(errors) if errors.is_empty() => return Ok(()),
            Found::Errors(errors) => return Err(InvalidConfig::new(&errors).into()),
            Found::NoSuchClass => {}
            Found::Nothing(why) => {
                tracing::warn!(
                    class,
                    url = &**url,
                    why,
                    "another worker may have this connector and cannot be asked"
                );
                is_open = true;
            }
        }
    }
    if is_open {
        return Ok(());
    }
    match api.validator.registry.connector(class) {
        Ok(_) => Ok(()),
        Err(error) => Err(ValidationError::BadRequest(error.to_string()).into()),
    }
}

enum Found {
    Errors(Vec<String>),
    NoSuchClass,
    Nothing(String),
}

#[derive(Deserialize)]
struct Infos {
    configs: Vec<Config>,
}

#[derive(Deserialize)]
struct Config {
    value: Value,
}

#[derive(Deserialize)]
struct Value {
    errors: Vec<String>,
}

async fn ask(api: &Api, relay: &Relay, url: &str, class: &str, config: &Properties) -> Found {
    let body = match serde_json::to_vec(&StringMap(config.clone())) {
        Ok(body) => body.into(),
        Err(error) => return Found::Nothing(error.to_string()),
    };
    let (base, name) = (
        url.trim_end_matches('/'),
        utf8_percent_encode(class, ESCAPED),
    );
    let answer = api.forwarder.send(Ask {
        method: Method::PUT,
        url: format!("{base}/connector-plugins/{name}/config/validate"),
        headers: relay.headers().clone(),
        body,
    });
    let (head, body) = match answer.await {
        Ok(answer) => answer.into_parts(),
        Err(error) => return Found::Nothing(error.to_string()),
    };
    let body = match to_bytes(body, LARGEST_ANSWER).await {
        Ok(body) => body,
        Err(error) => return Found::Nothing(error.to_string()),
    };
    if head.status == StatusCode::OK {
        return match serde_json::from_slice::<Infos>(&body) {
            Ok(infos) => {
                let errors = infos.configs.into_iter().flat_map(|one| one.value.errors);
                Found::Errors(errors.collect())
            }
            Err(error) => Found::Nothing(error.to_string()),
        };
    }
    // Java has this in the middle of its text, and not always with the same class before it.
    if String::from_utf8_lossy(&body).contains("Failed to find any class") {
        return Found::NoSuchClass;
    }
    Found::Nothing(format!("it answers {}", head.status))
}
