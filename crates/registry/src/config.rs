//! The settings that the converters of a registry share, under Confluent's names; and what they come to, checked.

mod auth;
mod unsupported;
mod urls;

pub(crate) use auth::{Authorization, auth_headers};
pub(crate) use urls::RegistryUrl;

use crate::subject::{SubjectStrategy, check_strategy};
use http::{HeaderMap, HeaderName, HeaderValue};
use millstream_core::config::{Importance, Key, Kind, Validator};
use millstream_core::{
    ConfigDef, ConfigValue, ConverterUse, KeyError, Password, Properties, config_def,
};
use millstream_kafka::security::{SecurityConfig, Tls};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

const URL: &str = "schema.registry.url";
const SSL: &str = "schema.registry.";
const REQUEST_HEADER: &str = "request.header.";

/// A switch of a converter's mapping.
pub(crate) fn flag(name: &'static str, default: &'static str) -> Key {
    Key::new(name, Kind::Boolean, default).importance(Importance::Low)
}

config_def! {
    /// Where a registry is, how to sign in, and how schemas are chosen.
    pub(crate) struct RegistryConfig {
        pub(crate) urls: Vec<String> = Key::required(URL, Kind::List)
            .importance(Importance::High)
            .validator(Validator::Check(urls::check))
            .doc("Addresses of the schema registry, as `http:` or `https:` URLs. Where one does not answer the next is asked."),
        pub(crate) max_schemas: i32 = Key::new("max.schemas.per.subject", Kind::Int, "1000")
            .importance(Importance::Low)
            .validator(Validator::AtLeast(1))
            .doc("Schemas that the converter keeps; the one that came first goes first."),
        pub(crate) auto_register: bool = Key::new("auto.register.schemas", Kind::Boolean, "true")
            .doc("Whether a schema that is written is registered with its subject. Otherwise it must be there already."),
        pub(crate) normalize: bool = Key::new("normalize.schemas", Kind::Boolean, "false")
            .doc("Whether the registry is asked to take schemas that differ in spelling alone for one."),
        pub(crate) use_schema_id: i32 = Key::new("use.schema.id", Kind::Int, "-1")
            .importance(Importance::Low)
            .doc("With `auto.register.schemas=false`: the id of the schema that everything is written with."),
        pub(crate) id_compatibility_strict: bool = Key::new("id.compatibility.strict", Kind::Boolean, "true")
            .importance(Importance::Low)
            .doc("With `use.schema.id`: whether the schema of that id has to be able to read what is written."),
        pub(crate) use_latest_version: bool = Key::new("use.latest.version", Kind::Boolean, "false")
            .importance(Importance::Low)
            .doc("With `auto.register.schemas=false`: whether everything is written with the newest schema of its subject."),
        pub(crate) latest_compatibility_strict: bool = Key::new("latest.compatibility.strict", Kind::Boolean, "true")
            .importance(Importance::Low)
            .doc("With `use.latest.version`: whether the newest schema has to be able to read what is written."),
        pub(crate) latest_with_metadata: Option<String> = Key::null("use.latest.with.metadata", Kind::String)
            .importance(Importance::Low)
            .doc("With `auto.register.schemas=false`: as `use.latest.version`, among schemas with this metadata (`name=value`, comma between)."),
        pub(crate) latest_ttl_seconds: i32 = Key::new("latest.cache.ttl.sec", Kind::Int, "-1")
            .importance(Importance::Low)
            .doc("Seconds after which the newest schema of a subject is asked for again; −1: never."),
        pub(crate) key_strategy: String = strategy("key.subject.name.strategy")
            .doc("How the subject of a key's schema is named: `TopicNameStrategy`, `RecordNameStrategy` or `TopicRecordNameStrategy` of `io.confluent.kafka.serializers.subject`."),
        pub(crate) value_strategy: String = strategy("value.subject.name.strategy")
            .doc("The same of a value's schema."),
        pub(crate) basic_source: String = Key::new("basic.auth.credentials.source", Kind::String, "URL")
            .validator(Validator::OneOf(&["URL", "USER_INFO", "SASL_INHERIT"]))
            .doc("Where user and password are: in the URLs, in `basic.auth.user.info`, or in `sasl.jaas.config` beside these settings."),
        pub(crate) basic_user_info: Option<Password> = Key::null("basic.auth.user.info", Kind::Password)
            .doc("With `USER_INFO`: `user:password`."),
        pub(crate) former_user_info: Option<Password> = Key::null("schema.registry.basic.auth.user.info", Kind::Password)
            .importance(Importance::Low)
            .doc("The former name of `basic.auth.user.info`."),
        pub(crate) sasl_jaas_config: Option<Password> = Key::null("sasl.jaas.config", Kind::Password)
            .doc("With `SASL_INHERIT`: the line of a Kafka client whose user and password the registry takes, too."),
        pub(crate) bearer_source: Option<String> = Key::null("bearer.auth.credentials.source", Kind::String)
            .validator(Validator::Check(auth::check_bearer_source))
            .doc("`STATIC_TOKEN` or `OAUTHBEARER`: with a token instead of a password."),
        pub(crate) bearer_token: Option<Password> = Key::null("bearer.auth.token", Kind::Password)
            .doc("With `STATIC_TOKEN`: the token."),
        pub(crate) issuer: Option<String> = Key::null("bearer.auth.issuer.endpoint.url", Kind::String)
            .doc("With `OAUTHBEARER`: the token endpoint."),
        pub(crate) client_id: Option<String> = Key::null("bearer.auth.client.id", Kind::String)
            .doc("With `OAUTHBEARER`: the client's id."),
        pub(crate) client_secret: Option<Password> = Key::null("bearer.auth.client.secret", Kind::Password)
            .doc("With `OAUTHBEARER`: the client's secret."),
        pub(crate) scope: Option<String> = Key::null("bearer.auth.scope", Kind::String)
            .doc("With `OAUTHBEARER`: the scope to ask for."),
        pub(crate) logical_cluster: Option<String> = Key::null("bearer.auth.logical.cluster", Kind::String)
            .importance(Importance::Low)
            .doc("With a token: the registry of Confluent Cloud that it is for."),
        pub(crate) identity_pool: Option<String> = Key::null("bearer.auth.identity.pool.id", Kind::String)
            .importance(Importance::Low)
            .doc("With a token: the identity pool of Confluent Cloud that it is for."),
        pub(crate) connect_timeout_ms: i32 = millis("http.connect.timeout.ms", "5000")
            .doc("Longest wait for a connection."),
        pub(crate) read_timeout_ms: i32 = millis("http.read.timeout.ms", "10000")
            .doc("Longest wait for an answer."),
        pub(crate) proxy_host: Option<String> = Key::null("proxy.host", Kind::String)
            .importance(Importance::Low)
            .doc("The HTTP proxy before the registry."),
        pub(crate) proxy_port: i32 = Key::new("proxy.port", Kind::Int, "-1")
            .importance(Importance::Low)
            .doc("Its port."),
    }
}

fn strategy(name: &'static str) -> Key {
    Key::new(name, Kind::Class, SubjectStrategy::Topic.class())
        .validator(Validator::Check(check_strategy))
}

fn millis(name: &'static str, default: &'static str) -> Key {
    Key::new(name, Kind::Int, default)
        .importance(Importance::Low)
        .validator(Validator::AtLeast(1))
}

/// How the schema of what is written is found, in the order in which Confluent's converters look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    Register,
    Id {
        id: i32,
        is_strict: bool,
    },
    LatestWith {
        metadata: Vec<(String, String)>,
        is_strict: bool,
    },
    Latest {
        is_strict: bool,
    },
    LookUp,
}

/// What a client of a registry works with.
pub(crate) struct ClientSettings {
    /// At least one.
    pub(crate) urls: Vec<RegistryUrl>,
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) authorization: Authorization,
    /// Sent with every request.
    pub(crate) headers: HeaderMap,
    pub(crate) connect_timeout: Duration,
    pub(crate) read_timeout: Duration,
    pub(crate) proxy: Option<(String, u16)>,
    pub(crate) max_schemas: usize,
}

/// How subjects are named and schemas chosen.
#[derive(Clone, Debug)]
pub(crate) struct SchemaSettings {
    pub(crate) role: ConverterUse,
    pub(crate) strategy: SubjectStrategy,
    pub(crate) choice: Choice,
    pub(crate) normalize: bool,
    /// After how long the newest schema of a subject is asked for again.
    pub(crate) latest_ttl: Option<Duration>,
}

/// The settings resolved: stores read, credentials parsed.
///
/// # Errors
/// Everything that is wrong, by key, with what to do.
pub(crate) fn resolve(
    properties: &Properties,
    role: ConverterUse,
) -> Result<(ClientSettings, SchemaSettings), Vec<KeyError>> {
    let (config, values) = RegistryConfig::parse(properties);
    let mut errors = unsupported::find(properties, role);
    let Some(config) = config else {
        errors.extend(first_errors(values));
        return Err(errors);
    };
    let headers = request_headers(properties, &config, &mut errors);
    let urls: Vec<RegistryUrl> = config
        .urls
        .iter()
        .filter_map(|url| RegistryUrl::parse(url).ok())
        .collect();
    let authorization = auth::authorization(&config, &urls)
        .map_err(|found| errors.extend(found))
        .unwrap_or_default();
    let tls = match urls.iter().any(|url| url.is_tls) {
        true => tls(properties, &mut errors),
        false => None,
    };
    let proxy = proxy(&config, &mut errors);
    let choice = choice(&config, &mut errors);
    if !errors.is_empty() {
        return Err(errors);
    }
    let millis = |ms: i32| Duration::from_millis(ms.unsigned_abs().into());
    let client = ClientSettings {
        urls,
        tls,
        authorization,
        headers,
        connect_timeout: millis(config.connect_timeout_ms),
        read_timeout: millis(config.read_timeout_ms),
        proxy,
        max_schemas: usize::try_from(config.max_schemas).unwrap_or(1),
    };
    let strategy = match role {
        ConverterUse::Key => &config.key_strategy,
        ConverterUse::Value => &config.value_strategy,
    };
    let schemas = SchemaSettings {
        role,
        strategy: SubjectStrategy::named(strategy).unwrap_or(SubjectStrategy::Topic),
        choice,
        normalize: config.normalize,
        latest_ttl: u64::try_from(config.latest_ttl_seconds)
            .ok()
            .map(Duration::from_secs),
    };
    Ok((client, schemas))
}

/// The errors of single keys; their messages name the key already.
pub(crate) fn first_errors(values: Vec<ConfigValue>) -> impl Iterator<Item = KeyError> {
    values.into_iter().flat_map(|value| {
        let name = Cow::from(value.name);
        value
            .errors
            .into_iter()
            .map(move |error| (name.clone(), error))
    })
}

/// All settings of a converter: the registry's, its TLS's under Kafka's names, and the format's own.
pub(crate) fn definition(own: Vec<Key>) -> ConfigDef {
    let mut keys = RegistryConfig::keys();
    let tls = SecurityConfig::keys().into_iter();
    let tls = tls.filter(|key| key.name.starts_with("ssl."));
    keys.extend(tls.map(|key| Key {
        display_name: format!("{SSL}{}", key.name).into(),
        name: format!("{SSL}{}", key.name).into(),
        ..key
    }));
    keys.push(
        Key::null(format!("{REQUEST_HEADER}%s"), Kind::Password)
            .importance(Importance::Low)
            .doc("A header of that name which every request has, with this value."),
    );
    keys.extend(own);
    ConfigDef::new(keys)
}

fn tls(properties: &Properties, errors: &mut Vec<KeyError>) -> Option<Arc<Tls>> {
    match millstream_kafka::security::tls(&properties.with_prefix(SSL)) {
        Ok(tls) => Some(Arc::new(tls)),
        Err(found) => {
            let key = || Cow::from("schema.registry.ssl.truststore.location");
            errors.extend(found.into_iter().map(|why| (key(), format!("{SSL}{why}"))));
            None
        }
    }
}

fn choice(config: &RegistryConfig, errors: &mut Vec<KeyError>) -> Choice {
    if config.auto_register {
        return Choice::Register;
    }
    if config.use_schema_id >= 0 {
        return Choice::Id {
            id: config.use_schema_id,
            is_strict: config.id_compatibility_strict,
        };
    }
    let is_strict = config.latest_compatibility_strict;
    if let Some(text) = &config.latest_with_metadata {
        let pairs = text.split(',').map(|pair| pair.split_once('='));
        let pairs = pairs.map(|pair| pair.map(|(k, v)| (k.trim().to_owned(), v.trim().to_owned())));
        match pairs.collect() {
            Some(metadata) => {
                return Choice::LatestWith {
                    metadata,
                    is_strict,
                };
            }
            None => errors.push((
                "use.latest.with.metadata".into(),
                "write it as name=value, with a comma between pairs".to_owned(),
            )),
        }
    }
    match config.use_latest_version {
        true => Choice::Latest { is_strict },
        false => Choice::LookUp,
    }
}

fn proxy(config: &RegistryConfig, errors: &mut Vec<KeyError>) -> Option<(String, u16)> {
    let host = config.proxy_host.as_ref().filter(|host| !host.is_empty())?;
    match u16::try_from(config.proxy_port) {
        Ok(port) if port > 0 => Some((host.clone(), port)),
        _ => {
            errors.push((
                "proxy.port".into(),
                "proxy.host needs it, from 1 to 65535".to_owned(),
            ));
            None
        }
    }
}

fn request_headers(
    properties: &Properties,
    config: &RegistryConfig,
    errors: &mut Vec<KeyError>,
) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let own = properties.with_prefix(REQUEST_HEADER);
    let cloud = [
        ("target-sr-cluster", config.logical_cluster.as_deref()),
        (
            "Confluent-Identity-Pool-Id",
            config.identity_pool.as_deref(),
        ),
    ];
    let cloud = cloud
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    for (name, value) in own.iter().chain(cloud) {
        match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            (Ok(name), Ok(mut value)) => {
                // It may be a secret.
                value.set_sensitive(true);
                headers.insert(name, value);
            }
            _ => errors.push((
                format!("{REQUEST_HEADER}{name}").into(),
                "name or value cannot stand in a header of HTTP".to_owned(),
            )),
        }
    }
    headers
}

#[cfg(test)]
mod tests;
