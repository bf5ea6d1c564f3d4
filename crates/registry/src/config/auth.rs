//! How the registry knows who asks: user and password, or a token.

use super::{RegistryConfig, RegistryUrl};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use millstream_core::config::Parsed;
use millstream_core::{KeyError, Password, Properties};
use millstream_kafka::security::{TokenSource, jaas_user, token_source};
use std::borrow::Cow;
use std::sync::Arc;

/// What the settings of tokens, of which Kafka's messages speak by Kafka's names, are called here.
const TOKEN_SETTINGS: &str = "here these are bearer.auth.issuer.endpoint.url, bearer.auth.client.id, bearer.auth.client.secret and bearer.auth.scope";

/// What goes into the header `Authorization`.
#[derive(Clone, Default)]
pub(crate) enum Authorization {
    #[default]
    None,
    /// The same for every request.
    Fixed(HeaderValue),
    /// The user that stands in the address that is asked.
    FromUrl,
    Token(Arc<dyn TokenSource>),
}

impl std::fmt::Debug for Authorization {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authorization([hidden])")
    }
}

/// The value for a user and a password, `user:password`.
pub(crate) fn basic(user_info: &Password) -> Option<HeaderValue> {
    sensitive(format!("Basic {}", STANDARD.encode(user_info.reveal())))
}

/// The value for a token; `None` if it cannot stand in a header.
pub(crate) fn bearer(token: &str) -> Option<HeaderValue> {
    sensitive(format!("Bearer {token}"))
}

fn sensitive(text: String) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The validator of `bearer.auth.credentials.source`.
pub(super) fn check_bearer_source(name: &str, value: Option<&Parsed>) -> Result<(), String> {
    let known = ["STATIC_TOKEN", "OAUTHBEARER"];
    match value {
        Some(Parsed::String(source)) if !known.contains(&source.as_str()) => Err(format!(
            "Invalid value {source} for configuration {name}: there are {}; other ways to a token need classes of Java's",
            known.join(" and ")
        )),
        _ => Ok(()),
    }
}

/// What the settings ask for, or everything that is wrong with them.
pub(super) fn authorization(
    config: &RegistryConfig,
    urls: &[RegistryUrl],
) -> Result<Authorization, Vec<KeyError>> {
    if let Some(source) = &config.bearer_source {
        return token(config, source);
    }
    let wrong = |key: &'static str, why: &str| vec![(key.into(), why.to_owned())];
    match config.basic_source.as_str() {
        "USER_INFO" => {
            let user_info = config
                .basic_user_info
                .as_ref()
                .or(config.former_user_info.as_ref());
            let user_info = user_info.filter(|text| text.reveal().contains(':'));
            let user_info = user_info.ok_or_else(|| {
                wrong(
                    "basic.auth.user.info",
                    "basic.auth.credentials.source=USER_INFO needs it, as user:password",
                )
            })?;
            fixed(basic(user_info))
        }
        "SASL_INHERIT" => {
            let line = config.sasl_jaas_config.as_ref().ok_or_else(|| {
                wrong("sasl.jaas.config", "basic.auth.credentials.source=SASL_INHERIT needs it beside the converter's settings, with username and password")
            })?;
            let (user, password) =
                jaas_user(line).map_err(|why| wrong("sasl.jaas.config", &why))?;
            fixed(basic(&Password::new(format!(
                "{user}:{}",
                password.reveal()
            ))))
        }
        _ if urls.iter().any(|url| url.user_info.is_some()) => Ok(Authorization::FromUrl),
        _ => Ok(Authorization::None),
    }
}

fn token(config: &RegistryConfig, source: &str) -> Result<Authorization, Vec<KeyError>> {
    let needs = |key: &'static str| {
        (
            Cow::from(key),
            format!("bearer.auth.credentials.source={source} needs it"),
        )
    };
    if source == "STATIC_TOKEN" {
        let token = config.bearer_token.as_ref();
        let token = token.ok_or_else(|| vec![needs("bearer.auth.token")])?;
        return fixed(bearer(token.reveal().trim()));
    }
    let asked = [
        (
            "bearer.auth.issuer.endpoint.url",
            "sasl.oauthbearer.token.endpoint.url",
            config.issuer.as_deref(),
        ),
        (
            "bearer.auth.client.id",
            "sasl.oauthbearer.client.credentials.client.id",
            config.client_id.as_deref(),
        ),
        (
            "bearer.auth.client.secret",
            "sasl.oauthbearer.client.credentials.client.secret",
            config.client_secret.as_ref().map(Password::reveal),
        ),
    ];
    let missing = asked.iter().filter(|(_, _, value)| value.is_none());
    let missing: Vec<KeyError> = missing.map(|(key, _, _)| needs(key)).collect();
    if !missing.is_empty() {
        return Err(missing);
    }
    let scope = (
        "bearer.auth.scope",
        "sasl.oauthbearer.scope",
        config.scope.as_deref(),
    );
    let given = asked.into_iter().chain([scope]);
    let properties =
        Properties::from_iter(given.filter_map(|(_, kafka, value)| Some((kafka, value?))));
    let source = token_source(&properties).map_err(|found| {
        let key = || Cow::from("bearer.auth.issuer.endpoint.url");
        found
            .into_iter()
            .map(|why| (key(), why))
            .collect::<Vec<_>>()
    })?;
    Ok(Authorization::Token(source))
}

fn fixed(value: Option<HeaderValue>) -> Result<Authorization, Vec<KeyError>> {
    value.map(Authorization::Fixed).ok_or_else(|| {
        let why = "the credentials cannot stand in a header of HTTP".to_owned();
        vec![("basic.auth.credentials.source".into(), why)]
    })
}

/// Puts into a request who asks.
///
/// # Errors
/// Why there is no token.
pub(crate) async fn auth_headers(
    authorization: &Authorization,
    url: &RegistryUrl,
    headers: &mut HeaderMap,
) -> Result<(), String> {
    let value = match authorization {
        Authorization::None => None,
        Authorization::Fixed(value) => Some(value.clone()),
        Authorization::FromUrl => url.user_info.as_ref().and_then(basic),
        Authorization::Token(source) => {
            let token = source.token(&url.host).await;
            let token = token
                .map_err(|error| format!("no token for it: {} ({TOKEN_SETTINGS})", error.why))?;
            bearer(&token.value)
        }
    };
    if let Some(value) = value {
        headers.insert(AUTHORIZATION, value);
    }
    Ok(())
}
