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

/// Java's plugins of the kinds whose settings are not shown, each with the end of its name that an alias leaves out.
const WITHOUT_SETTINGS: [(&str, &str); 8] = [
    (
        "org.apache.kafka.common.config.provider.DirectoryConfigProvider",
        "ConfigProvider",
    ),
    (
        "org.apache.kafka.common.config.provider.EnvVarConfigProvider",
        "ConfigProvider",
    ),
    (
        "org.apache.kafka.common.config.provider.FileConfigProvider",
        "ConfigProvider",
    ),
    (
        "org.apache.kafka.connect.connector.policy.AllConnectorClientConfigOverridePolicy",
        "ConnectorClientConfigOverridePolicy",
    ),
    (
        "org.apache.kafka.connect.connector.policy.AllowlistConnectorClientConfigOverridePolicy",
        "ConnectorClientConfigOverridePolicy",
    ),
    (
        "org.apache.kafka.connect.connector.policy.NoneConnectorClientConfigOverridePolicy",
        "ConnectorClientConfigOverridePolicy",
    ),
    (
        "org.apache.kafka.connect.connector.policy.PrincipalConnectorClientConfigOverridePolicy",
        "ConnectorClientConfigOverridePolicy",
    ),
    (
        "org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension",
        "ConnectRestExtension",
    ),
];

fn has_no_settings(name: &str) -> bool {
    WITHOUT_SETTINGS.iter().any(|(class, suffix)| {
        let simple = class.rsplit('.').next().unwrap_or(class);
        name == *class || name == simple || Some(name) == simple.strip_suffix(suffix)
    })
}

async fn definition(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<Json<Vec<Definition>>, RestError> {
    if has_no_settings(&name) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugins_of_other_kinds_are_known_by_all_their_names() {
        for (name, expected) in [
            (
                "org.apache.kafka.common.config.provider.FileConfigProvider",
                true,
            ),
            ("FileConfigProvider", true),
            ("EnvVar", true),
            ("Principal", true),
            ("BasicAuthSecurityRestExtension", true),
            ("Config", false),
            ("java.lang.String", false),
            ("org.apache.kafka.connect.file.FileStreamSinkTask", false),
            ("FileStreamSink", false),
            ("", false),
        ] {
            assert_eq!(has_no_settings(name), expected, "{name}");
        }
    }
}
