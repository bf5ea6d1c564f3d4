//! Kafka's security properties for clients of something else than Kafka: TLS, name and password, tokens.

use super::jaas::Jaas;
use super::{OAuthConfig, SecurityConfig, Tls, TokenSource, oidc};
use crate::config::collect;
use millstream_core::{Password, Properties};
use std::sync::Arc;

/// TLS by Kafka's `ssl.…` properties, for a client of something else than Kafka.
///
/// # Errors
/// Everything that is wrong with them.
pub fn tls(properties: &Properties) -> Result<Tls, Vec<String>> {
    let mut errors = Vec::new();
    let config = collect(SecurityConfig::parse(properties), &mut errors);
    match config.map(|config| Tls::new(&config)) {
        Some(Ok(tls)) => Ok(tls),
        Some(Err(error)) => Err(vec![error]),
        None => Err(errors),
    }
}

/// Name and password that a line of `sasl.jaas.config` holds.
///
/// # Errors
/// What is wrong with it; the line itself is not shown.
pub fn jaas_user(line: &Password) -> Result<(String, Password), String> {
    let jaas = Jaas::parse(line.reveal())?;
    let option = |key: &str| {
        let value = jaas.option(key);
        value.ok_or_else(|| format!("sasl.jaas.config names no {key}"))
    };
    let name = option("username")?.to_owned();
    Ok((name, Password::new(option("password")?)))
}

/// Tokens from a token endpoint by Kafka's `sasl.oauthbearer.…` properties, for a client of something else than Kafka.
///
/// # Errors
/// Everything that is wrong with them.
pub fn token_source(properties: &Properties) -> Result<Arc<dyn TokenSource>, Vec<String>> {
    let mut errors = Vec::new();
    let config = collect(SecurityConfig::parse(properties), &mut errors);
    let oauth = collect(OAuthConfig::parse(properties), &mut errors);
    let (Some(config), Some(oauth)) = (config, oauth) else {
        return Err(errors);
    };
    let jaas = config.sasl_jaas_config.as_ref();
    let jaas = jaas.map(|line| Jaas::parse(line.reveal())).transpose();
    let jaas = jaas.map_err(|error| vec![error])?;
    oidc::source(&config, &oauth, jaas.as_ref())
}
