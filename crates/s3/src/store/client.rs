//! Makes the SDK's clients from the settings: endpoint, attempts, time for an answer.

use super::connections::Connections;
use super::credentials;
use super::error::{Endpoint, EndpointBy};
use super::integrity::{Checksums, Integrity};
use crate::config::{self, CredentialsSource, S3Config};
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::RequestChecksumCalculation;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction};
use millstream_core::Properties;
use std::time::Duration;

/// The original's ceiling for the pause between attempts.
const MAX_REQUEST_BACKOFF: Duration = Duration::from_secs(24 * 60 * 60);

/// How long S3 may take for an answer, besides the time that a part needs on a slow line. The SDK itself waits for ever.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
const SLOW_LINE: u64 = 512 * 1024;

/// How long a start waits for S3's first answer before it says so; then it is tried again.
const FIRST_ANSWER_TIMEOUT: Duration = Duration::from_secs(8);

/// What a store speaks through.
pub(super) struct Connected {
    /// Sends what the original sends: no checksums. One client is some 25 KiB, which each connector pays.
    pub(super) client: Client,
    pub(super) endpoint: Endpoint,
    pub(super) integrity: Integrity,
}

/// A client for the settings. It connects with its first request.
pub(super) async fn connect(
    connections: &Connections,
    config: &S3Config,
    properties: &Properties,
    checksums: Checksums,
) -> Result<Connected, String> {
    let attempts = u32::try_from(config.part_retries).unwrap_or(0);
    if attempts == 0 {
        return Err("maxAttempts must be positive".to_owned());
    }
    let backoff = Duration::from_millis(u64::try_from(config.request_backoff).unwrap_or(0));
    let retries = RetryConfig::standard()
        .with_max_attempts(attempts)
        .with_initial_backoff(backoff)
        .with_max_backoff(MAX_REQUEST_BACKOFF);
    let source = source(config)?;
    let (endpoint, by) = endpoint(config.store_url.as_deref().unwrap_or_default())?;
    let loader = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(config.region.clone()))
        .retry_config(retries)
        .timeout_config(timeouts(config));
    let http = connections.for_credentials();
    let loader = credentials::provide(loader, config, source, http);
    let mut shared = loader.load().await;
    if source == CredentialsSource::Role {
        shared = credentials::assume_role(properties, shared).await?;
    }
    // Connectors of one endpoint share its limit of requests, whatever their buckets.
    let (http, address) = connections.to(endpoint.as_deref().unwrap_or(&config.region));
    let mut builder = aws_sdk_s3::config::Builder::from(&shared)
        .http_client(http)
        .force_path_style(config.path_style_access_enabled)
        .accelerate(config.wan_mode)
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired);
    if source == CredentialsSource::Anonymous && shared.credentials_provider().is_none() {
        builder = builder.allow_no_auth();
    }
    if let Some(url) = endpoint {
        builder = builder.endpoint_url(url);
    }
    let is_switched_off = matches!(
        shared.request_checksum_calculation(),
        Some(RequestChecksumCalculation::WhenRequired)
    );
    Ok(Connected {
        client: Client::from_conf(builder.build()),
        endpoint: Endpoint {
            bucket: config.bucket_name.clone(),
            region: config.region.clone(),
            by,
            credentials: source,
            address,
        },
        integrity: Integrity::new(checksums, is_switched_off),
    })
}

/// The same client for another place.
pub(super) fn redirect(client: &Client, endpoint: &str) -> Client {
    let config = client.config().to_builder().endpoint_url(endpoint);
    Client::from_conf(config.build())
}

/// What is different for a request that carries a checksum: a CRC-32.
pub(super) fn with_checksum() -> aws_sdk_s3::config::Builder {
    aws_sdk_s3::config::Config::builder()
        .request_checksum_calculation(RequestChecksumCalculation::WhenSupported)
}

/// What is different for the first request of a start: a server that does not answer is told of soon.
pub(super) fn first_request() -> aws_sdk_s3::config::Builder {
    let answer_timeout = TimeoutConfig::builder().read_timeout(FIRST_ANSWER_TIMEOUT);
    aws_sdk_s3::config::Config::builder()
        .timeout_config(answer_timeout.build())
        .retry_classifier(OnceIfLate)
}

/// Who does not answer in time is not asked again at once.
#[derive(Debug)]
struct OnceIfLate;

impl ClassifyRetry for OnceIfLate {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let is_late = matches!(
            context.output_or_error(),
            Some(Err(error)) if error.as_connector_error().is_some_and(|error| error.is_timeout())
        );
        if is_late {
            RetryAction::RetryForbidden
        } else {
            RetryAction::NoActionIndicated
        }
    }

    fn name(&self) -> &'static str {
        "OnceIfLate"
    }
}

fn timeouts(config: &S3Config) -> TimeoutConfig {
    let part = u64::try_from(config.part_size).unwrap_or(0);
    TimeoutConfig::builder()
        .read_timeout(ANSWER_TIMEOUT + Duration::from_secs(part / SLOW_LINE))
        .build()
}

fn source(config: &S3Config) -> Result<CredentialsSource, String> {
    let class = &config.credentials_provider_class;
    config::credentials_source(class).ok_or_else(|| {
        let advice = config::credentials_advice(class).unwrap_or("use the default");
        format!("Invalid value {class} for configuration s3.credentials.provider.class: {advice}")
    })
}

/// The endpoint that the settings name; text without a scheme is a host, spoken to over TLS.
fn endpoint(store_url: &str) -> Result<(Option<String>, EndpointBy), String> {
    let url = store_url.trim();
    match url.split_once("://") {
        _ if url.is_empty() => Ok((None, EndpointBy::Sdk)),
        None => Ok((
            Some(format!("https://{url}")),
            EndpointBy::SettingWithoutScheme,
        )),
        Some((scheme, _))
            if ["http", "https"]
                .iter()
                .any(|s| scheme.eq_ignore_ascii_case(s)) =>
        {
            Ok((Some(url.to_owned()), EndpointBy::Setting))
        }
        Some((scheme, _)) => Err(format!(
            "Invalid value {url} for configuration store.url: {scheme} is no way to reach S3; write http:// or https://, \
             or leave it out for AWS"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_a11_takes_a_host_for_https_and_no_other_scheme() {
        assert_eq!(endpoint(""), Ok((None, EndpointBy::Sdk)));
        let host = Some("https://minio:9000".to_owned());
        let by = EndpointBy::SettingWithoutScheme;
        assert_eq!(endpoint("minio:9000"), Ok((host, by)));
        let url = Some("HTTP://minio:9000".to_owned());
        assert_eq!(
            endpoint("HTTP://minio:9000"),
            Ok((url, EndpointBy::Setting))
        );
        let refused = endpoint("s3://archive").expect_err("no endpoint");
        assert!(
            refused.contains("store.url") && refused.contains("http://"),
            "{refused}"
        );
    }
}
