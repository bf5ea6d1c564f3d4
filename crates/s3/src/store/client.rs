//! Makes the SDK's client from the settings: endpoint, credentials, attempts.

use crate::config::{self, S3Config};
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use millstream_core::Properties;
use std::time::Duration;

/// The original's ceiling for the pause between attempts.
const MAX_REQUEST_BACKOFF: Duration = Duration::from_secs(24 * 60 * 60);

/// How long S3 may take for an answer, besides the time that a part needs on a slow line. The SDK itself waits for ever.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
const SLOW_LINE: u64 = 512 * 1024;

/// A client for the settings. It connects with its first request.
pub(super) async fn connect(config: &S3Config, properties: &Properties) -> Result<Client, String> {
    let attempts = u32::try_from(config.part_retries).unwrap_or(0);
    if attempts == 0 {
        return Err("maxAttempts must be positive".to_owned());
    }
    let backoff = Duration::from_millis(u64::try_from(config.request_backoff).unwrap_or(0));
    let retries = RetryConfig::standard()
        .with_max_attempts(attempts)
        .with_initial_backoff(backoff)
        .with_max_backoff(MAX_REQUEST_BACKOFF);
    let mut shared = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(config.region.clone()))
        .retry_config(retries)
        .timeout_config(timeouts(config));
    if let Some(credentials) = static_credentials(config) {
        shared = shared.credentials_provider(credentials);
    }
    let mut shared = shared.load().await;
    if config.credentials_provider_class == config::ASSUME_ROLE_PROVIDER {
        let role = assume_role(properties, &shared).await?;
        shared = shared
            .into_builder()
            .credentials_provider(SharedCredentialsProvider::new(role))
            .build();
    }
    let mut builder = aws_sdk_s3::config::Builder::from(&shared)
        .force_path_style(config.path_style_access_enabled)
        .accelerate(config.wan_mode);
    if let Some(url) = endpoint(config) {
        builder = builder.endpoint_url(url);
    }
    Ok(Client::from_conf(builder.build()))
}

fn timeouts(config: &S3Config) -> TimeoutConfig {
    let part = u64::try_from(config.part_size).unwrap_or(0);
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(10))
        .read_timeout(ANSWER_TIMEOUT + Duration::from_secs(part / SLOW_LINE))
        .build()
}

/// What the assume-role provider of the original is configured with.
#[derive(Debug, PartialEq, Eq)]
struct Role<'a> {
    arn: &'a str,
    session_name: &'a str,
    external_id: &'a str,
    /// Of the token service; the chain's own otherwise.
    region: Option<&'a str>,
}

impl<'a> Role<'a> {
    fn parse(properties: &'a Properties) -> Result<Self, String> {
        let setting = |name: &str| {
            let text = properties.get(&format!("s3.credentials.provider.sts.{name}"));
            text.map(str::trim).filter(|text| !text.is_empty())
        };
        let required = |name: &str| {
            setting(name).ok_or_else(|| {
                format!(
                    "Invalid value {} for configuration s3.credentials.provider.class: \
                     s3.credentials.provider.sts.{name} is missing",
                    config::ASSUME_ROLE_PROVIDER
                )
            })
        };
        Ok(Role {
            arn: required("role.arn")?,
            session_name: required("role.session.name")?,
            external_id: required("role.external.id")?,
            region: setting("region"),
        })
    }
}

/// A role to be taken on with what the default chain or the static keys give.
async fn assume_role(
    properties: &Properties,
    base: &SdkConfig,
) -> Result<AssumeRoleProvider, String> {
    let role = Role::parse(properties)?;
    let mut builder = AssumeRoleProvider::builder(role.arn)
        .session_name(role.session_name)
        .external_id(role.external_id)
        .configure(base);
    if let Some(region) = role.region {
        builder = builder.region(Region::new(region.to_owned()));
    }
    Ok(match base.credentials_provider() {
        Some(provider) => builder.build_from_provider(provider).await,
        None => builder.build().await,
    })
}

fn static_credentials(config: &S3Config) -> Option<Credentials> {
    let id = config.aws_access_key_id.trim();
    let secret = config.aws_secret_access_key.as_ref()?.reveal();
    (!id.is_empty() && !secret.trim().is_empty())
        .then(|| Credentials::new(id, secret, None, None, "connector configuration"))
}

/// The endpoint that the settings name; text without a scheme is a host, spoken to over TLS.
fn endpoint(config: &S3Config) -> Option<String> {
    let url = config.store_url.as_deref()?.trim();
    if url.is_empty() {
        return None;
    }
    Some(if url.contains("://") {
        url.to_owned()
    } else {
        format!("https://{url}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_role_and_its_region() {
        let text = |name: &str| format!("s3.credentials.provider.sts.{name}");
        let mut properties = Properties::from_iter([
            (text("role.arn"), "arn:aws:iam::1:role/r".to_owned()),
            (text("role.session.name"), "s".to_owned()),
            (text("region"), " eu-west-1 ".to_owned()),
        ]);
        let error = Role::parse(&properties).expect_err("a setting is missing");
        assert!(
            error.ends_with("s3.credentials.provider.sts.role.external.id is missing"),
            "{error}"
        );
        properties.insert(text("role.external.id"), "e");
        let role = Role::parse(&properties).expect("nothing is missing");
        assert_eq!(role.region, Some("eu-west-1"));
    }
}
