//! MSK's IAM: sign-in with AWS credentials, by the names that Java users give to aws-msk-iam-auth. As `AWS_MSK_IAM` it sends the
//! document of that library, and as OAUTHBEARER the token of the other signers; both are signed anew for each sign-in, so that
//! each session lasts as long as it can.

use super::config::SecurityConfig;
use super::jaas::Jaas;
use super::token::{Token, TokenError, TokenSource};
use async_trait::async_trait;
use millstream_aws::client::endpoint;
use millstream_aws::credentials::{Keys, Role};
use millstream_aws::msk_iam::{make_payload, make_token, region_of_broker};
use millstream_aws::{
    Credentials, CredentialsChain, CredentialsError, CredentialsSettings, Environment,
};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::OnceCell;

pub(super) const CLIENT_HANDLER: &str = "software.amazon.msk.auth.iam.IAMClientCallbackHandler";
pub(super) const LOGIN_HANDLER: &str =
    "software.amazon.msk.auth.iam.IAMOAuthBearerLoginCallbackHandler";
const MODULE: &str = "software.amazon.msk.auth.iam.IAMLoginModule";
const BEARER_MODULE: &str = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule";

const USER_AGENT: &str = concat!("millstream/", env!("CARGO_PKG_VERSION"));

/// What Java's library calls the session of a role that nobody has named.
const SESSION_NAME: &str = "aws-msk-iam-auth";

/// The region of the cluster, where the names of its brokers do not tell it. Java's library has no such option.
const REGION: &str = "awsRegion";

const OPTIONS: [&str; 12] = [
    "awsDebugCreds",
    "awsMaxBackOffTimeMs",
    "awsMaxRetries",
    "awsProfileName",
    REGION,
    "awsRoleAccessKeyId",
    "awsRoleArn",
    "awsRoleExternalId",
    "awsRoleSecretAccessKey",
    "awsRoleSessionName",
    "awsRoleSessionToken",
    "awsStsRegion",
];

/// Whether OAUTHBEARER is to be fed with tokens of IAM.
pub(super) fn is_asked_for(config: &SecurityConfig) -> bool {
    config.login_handler.as_deref() == Some(LOGIN_HANDLER)
}

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Token,
    Document,
}

/// For OAUTHBEARER.
pub(super) fn bearer(
    jaas: Option<&Jaas>,
    is_private: bool,
) -> Result<Arc<dyn TokenSource>, Vec<String>> {
    source(jaas, is_private, Form::Token, Environment::of_process())
}

/// For `AWS_MSK_IAM`.
pub(super) fn native(
    jaas: Option<&Jaas>,
    is_private: bool,
) -> Result<Arc<dyn TokenSource>, Vec<String>> {
    source(jaas, is_private, Form::Document, Environment::of_process())
}

fn source(
    jaas: Option<&Jaas>,
    is_private: bool,
    form: Form,
    environment: Environment,
) -> Result<Arc<dyn TokenSource>, Vec<String>> {
    let mut errors = Vec::new();
    let (mechanism, module) = match form {
        Form::Token => ("OAUTHBEARER with tokens of IAM", BEARER_MODULE),
        Form::Document => ("AWS_MSK_IAM", MODULE),
    };
    if !is_private {
        errors.push(format!(
            "sasl.mechanism {mechanism} needs security.protocol=SASL_SSL: what it signs is good for whoever reads it"
        ));
    }
    if let Some(jaas) = jaas
        && jaas.module() != module
    {
        errors.push(format!(
            "sasl.jaas.config: sasl.mechanism {mechanism} needs the login module {module}, not {}; write it as: {module} required;",
            jaas.module()
        ));
    }
    let settings = settings(jaas, &mut errors);
    if !errors.is_empty() {
        return Err(errors);
    }
    let option = |key| jaas.and_then(|jaas| jaas.option(key));
    let is_shown = option("awsDebugCreds") == Some("true");
    let region = option(REGION).filter(|region| !region.is_empty());
    Ok(Arc::new(Iam {
        settings,
        region: region.map(str::to_owned),
        environment,
        form,
        is_shown,
        chain: OnceCell::new(),
    }))
}

fn settings(jaas: Option<&Jaas>, errors: &mut Vec<String>) -> CredentialsSettings {
    let Some(jaas) = jaas else {
        return CredentialsSettings::default();
    };
    for (key, value) in jaas.options() {
        if !OPTIONS.contains(&key) {
            errors.push(jaas.unknown(key, &OPTIONS.join(", ")));
        }
        // Their work is done by the retries of whoever connects.
        let is_number = matches!(key, "awsMaxRetries" | "awsMaxBackOffTimeMs");
        if is_number && value.parse::<u32>().is_err() {
            errors.push(format!("sasl.jaas.config: {key} is to be a whole number"));
        }
        if key == "awsDebugCreds" && !matches!(value, "true" | "false") {
            errors.push(format!("sasl.jaas.config: {key} is to be true or false"));
        }
    }
    let option = |key| {
        let value = jaas.option(key).filter(|value| !value.is_empty());
        value.map(str::to_owned)
    };
    let keys = match (
        option("awsRoleAccessKeyId"),
        option("awsRoleSecretAccessKey"),
    ) {
        (Some(id), Some(secret)) => Some(Keys {
            id,
            secret,
            session_token: option("awsRoleSessionToken"),
        }),
        (None, None) => None,
        _ => {
            errors.push(
                "sasl.jaas.config: awsRoleAccessKeyId and awsRoleSecretAccessKey need each other"
                    .to_owned(),
            );
            None
        }
    };
    let role = option("awsRoleArn").map(|arn| Role {
        arn,
        session_name: option("awsRoleSessionName").unwrap_or_else(|| SESSION_NAME.to_owned()),
        external_id: option("awsRoleExternalId"),
        sts_region: option("awsStsRegion"),
    });
    if keys.is_some() && role.is_none() {
        errors.push(
            "sasl.jaas.config: awsRoleAccessKeyId takes on a role; set awsRoleArn to it".to_owned(),
        );
    }
    CredentialsSettings {
        profile: option("awsProfileName"),
        keys,
        role,
    }
}

/// Credentials with what is to be made of them.
struct Iam {
    settings: CredentialsSettings,
    /// The cluster's, if it is set.
    region: Option<String>,
    environment: Environment,
    form: Form,
    is_shown: bool,
    /// Looked for when it is first needed: the broker's name tells the region.
    chain: OnceCell<Arc<CredentialsChain>>,
}

impl Iam {
    fn region(&self, broker: &str) -> Result<String, TokenError> {
        let told = region_of_broker(broker).or(self.region.as_deref());
        let of_environment = || Some(endpoint::region(&self.environment, None)?.0);
        let region = told.map(str::to_owned).or_else(of_environment);
        region.ok_or_else(|| {
            TokenError::fatal(format!(
                "no AWS region: the broker's name {broker} does not tell it as b-1.….kafka.eu-west-1.amazonaws.com does; set AWS_REGION"
            ))
        })
    }

    async fn credentials(&self, region: &str) -> Result<Credentials, TokenError> {
        let made = self.chain.get_or_try_init(|| async {
            CredentialsChain::shared(&self.settings, &self.environment, region, None)
                .map_err(TokenError::fatal)
        });
        let credentials = made.await?.get().await;
        credentials.map_err(|error| TokenError {
            is_transient: matches!(
                error,
                CredentialsError::Refused {
                    is_transient: true,
                    ..
                }
            ),
            why: format!(
                "{error}; check the role of this process, or the options of sasl.jaas.config (awsProfileName, awsRoleArn)"
            ),
        })
    }
}

#[async_trait]
impl TokenSource for Iam {
    async fn token(&self, broker: &str) -> Result<Token, TokenError> {
        let region = self.region(broker)?;
        let credentials = self.credentials(&region).await?;
        if self.is_shown {
            // The id is no secret, yet enough of one to be cut.
            let id = credentials.access_key_id();
            let end = id.get(id.len().saturating_sub(4)..).unwrap_or_default();
            tracing::info!(broker, region, key = %format!("…{end}"), role = self.settings.role.as_ref().map(|role| role.arn.as_str()), "signs in with AWS credentials");
        }
        let now = SystemTime::now();
        let made = match self.form {
            Form::Token => make_token(&credentials, &region, USER_AGENT, now),
            Form::Document => make_payload(&credentials, &region, broker, USER_AGENT, now),
        };
        let made = made.map_err(TokenError::fatal)?;
        let expires_at = made.expires_at.duration_since(UNIX_EPOCH);
        Ok(Token {
            value: made.value,
            extensions: Vec::new(),
            expires_at: expires_at.ok().map(|since| since.as_millis() as i64),
        })
    }

    fn remedy(&self) -> &'static str {
        "check that the role may kafka-cluster:Connect to this cluster, its region, and this host's clock"
    }
}

#[cfg(test)]
mod tests;
