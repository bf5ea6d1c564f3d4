//! `/connector-plugins`: what is compiled in, its settings, and validation.

use super::body::Body;
use super::error::{CONFIG_TAKES, RestError};
use super::query::query_flag;
use super::wire::{ConfigInfos, Definition, Plugin};
use super::{Api, resource};
use crate::json_text::string_map;
use crate::registry::PluginKind;
use axum::extract::{Path, RawQuery, State};
use axum::routing::{get, put};
use axum::{Json, Router};

pub(super) fn router() -> Router<Api> {
    let config = "/connector-plugins/{plugin}/config";
    Router::new()
        .merge(resource(
            "/connector-plugins",
            get(list),
            "HEAD,GET,OPTIONS",
        ))
        .merge(resource(config, get(definition), "HEAD,GET,OPTIONS"))
        .merge(resource(
            &format!("{config}/validate"),
            put(validate),
            "OPTIONS,PUT",
        ))
}

async fn list(State(api): State<Api>, RawQuery(query): RawQuery) -> Json<Vec<Plugin>> {
    let connectors_only = query_flag(query.as_deref(), "connectorsOnly", true);
    let all = api.validator.registry.list().into_iter();
    let is_connector = |kind| matches!(kind, PluginKind::Sink | PluginKind::Source);
    let listed = all.filter(|(_, kind, _)| !connectors_only || is_connector(*kind));
    let plugins = listed.map(|(class, kind, version)| Plugin {
        class,
        r#type: kind.name(),
        version,
    });
    Json(plugins.collect())
}

/// Plugins that have no settings to show.
const CONFIG_PROVIDERS: [&str; 3] = [
    "org.apache.kafka.common.config.provider.DirectoryConfigProvider",
    "org.apache.kafka.common.config.provider.EnvVarConfigProvider",
    "org.apache.kafka.common.config.provider.FileConfigProvider",
];

async fn definition(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<Json<Vec<Definition>>, RestError> {
    if CONFIG_PROVIDERS.contains(&name.as_str()) {
        return Err(RestError::BadRequest(format!(
            "Invalid plugin class {name}. Valid types are sink, source, converter, header_converter, transformation, predicate."
        )));
    }
    let keys = api.validator.plugin_keys(&name);
    let keys = keys.ok_or_else(|| RestError::NotFound(format!("Unknown plugin {name}.")))?;
    Ok(Json(keys.into_iter().map(Definition::from).collect()))
}

async fn validate(
    State(api): State<Api>,
    Path(name): Path<String>,
    body: Body,
) -> Result<Json<ConfigInfos>, RestError> {
    let config = string_map(&body)?.ok_or(RestError::NullBody(
        "Cannot invoke \"java.util.Map.get(Object)\" because \"connectorConfig\" is null",
        CONFIG_TAKES,
    ))?;
    if let Some(class) = config.get("connector.class")
        && !without_suffix(class).ends_with(without_suffix(&name))
    {
        return Err(RestError::BadRequest(format!(
            "Included connector type {class} does not match request type {name}"
        )));
    }
    // Java wraps what validation throws, and so shows its class.
    let validated = api.validator.validate(&config).await;
    let validated =
        validated.map_err(|error| RestError::Failed(format!("{}: {error}", error.java_class())))?;
    Ok(Json(validated.into()))
}

/// The name without one `Connector` at its end, unless nothing would be left.
fn without_suffix(name: &str) -> &str {
    let cut = name.strip_suffix("Connector");
    cut.filter(|rest| !rest.is_empty()).unwrap_or(name)
}
