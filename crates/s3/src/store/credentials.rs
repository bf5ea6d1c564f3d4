//! Credentials: the providers that the setting names, and in words why none of them gave any.

use crate::config::{self, CredentialsSource, S3Config};
use aws_config::ecs::EcsCredentialsProvider;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
use aws_config::{ConfigLoader, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use millstream_aws::causes::{innermost, refusal};
use millstream_core::Properties;

/// The provider that the setting names, for requests that go through `http`. Static keys win over all but a role,
/// which is taken on with them.
pub(super) fn provide(
    loader: ConfigLoader,
    config: &S3Config,
    source: CredentialsSource,
    http: SharedHttpClient,
) -> ConfigLoader {
    let loader = loader.http_client(http.clone());
    if let Some(credentials) = static_credentials(config) {
        return loader.credentials_provider(credentials);
    }
    let provider = ProviderConfig::without_region()
        .with_region(Some(Region::new(config.region.clone())))
        .with_http_client(http);
    match source {
        CredentialsSource::Chain | CredentialsSource::Role => loader,
        CredentialsSource::Anonymous => loader.no_credentials(),
        CredentialsSource::Environment => {
            loader.credentials_provider(EnvironmentVariableCredentialsProvider::new())
        }
        CredentialsSource::Profile => loader.credentials_provider(
            ProfileFileCredentialsProvider::builder()
                .configure(&provider)
                .build(),
        ),
        CredentialsSource::WebIdentity => loader.credentials_provider(
            WebIdentityTokenCredentialsProvider::builder()
                .configure(&provider)
                .build(),
        ),
        CredentialsSource::Container => loader.credentials_provider(
            EcsCredentialsProvider::builder()
                .configure(&provider)
                .build(),
        ),
        CredentialsSource::Instance => loader.credentials_provider(
            ImdsCredentialsProvider::builder()
                .configure(&provider)
                .build(),
        ),
    }
}

fn static_credentials(config: &S3Config) -> Option<Credentials> {
    let id = config.aws_access_key_id.trim();
    let secret = config.aws_secret_access_key.as_ref()?.reveal();
    (!id.is_empty() && !secret.trim().is_empty())
        .then(|| Credentials::new(id, secret, None, None, "connector configuration"))
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
pub(super) async fn assume_role(
    properties: &Properties,
    base: SdkConfig,
) -> Result<SdkConfig, String> {
    let role = Role::parse(properties)?;
    let mut builder = AssumeRoleProvider::builder(role.arn)
        .session_name(role.session_name)
        .external_id(role.external_id)
        .configure(&base);
    if let Some(region) = role.region {
        builder = builder.region(Region::new(region.to_owned()));
    }
    let provider = match base.credentials_provider() {
        Some(provider) => builder.build_from_provider(provider).await,
        None => builder.build().await,
    };
    let provider = SharedCredentialsProvider::new(provider);
    Ok(base.into_builder().credentials_provider(provider).build())
}

/// Why there are no credentials, and whether there may be some later: a provider that does not answer may do so, one that
/// has none or is told nonsense will not.
pub(super) fn explain(error: &CredentialsError, source: CredentialsSource) -> (String, bool) {
    match error {
        CredentialsError::CredentialsNotLoaded(_) => (source.missing().to_owned(), false),
        CredentialsError::InvalidConfiguration(_) => {
            (format!("no AWS credentials: {}", innermost(error)), false)
        }
        CredentialsError::ProviderTimedOut(late) => {
            let seconds = late.timeout_duration().as_secs();
            let why = format!("no AWS credentials: the provider timed out after {seconds} s");
            (why, true)
        }
        _ => (format!("no AWS credentials: {}", refusal(error)), true),
    }
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
