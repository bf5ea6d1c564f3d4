//! The sources of credentials, one after the other.

use super::{Credentials, CredentialsError, CredentialsSettings, Role, Tried, container};
use crate::causes::refusal;
use crate::environment::Environment;
use crate::http::{Http, Way};
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::web_identity_token::{StaticConfiguration, WebIdentityTokenCredentialsProvider};
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError as SdkError;
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use std::path::{Path, PathBuf};

const KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET_KEY: &str = "AWS_SECRET_ACCESS_KEY";
const SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";
const ROLE_ARN: &str = "AWS_ROLE_ARN";
const TOKEN_FILE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";

const ENVIRONMENT: &str = "environment";
const PROFILE: &str = "profile";
const WEB_IDENTITY: &str = "web identity";
const CONTAINER: &str = "container";
const INSTANCE: &str = "instance";
const ROLE: &str = "role";

/// What the session of a web identity is called, unless the environment says so.
const SESSION_NAME: &str = "millstream";

pub(super) struct Sources {
    pub(super) settings: CredentialsSettings,
    pub(super) environment: Environment,
    pub(super) region: String,
    pub(super) http: Http,
}

/// What a source says: it is not there, it refuses, or it gives.
enum Told {
    NotThere(String),
    Refused { why: String, is_transient: bool },
    Gave(Box<Credentials>),
}

impl Sources {
    /// Credentials, by the role that is wanted.
    pub(super) async fn load(&self) -> Result<Credentials, CredentialsError> {
        let base = self.base().await?;
        match &self.settings.role {
            Some(role) => self.take_on(role, base).await,
            None => Ok(base),
        }
    }

    async fn base(&self) -> Result<Credentials, CredentialsError> {
        if let Some(keys) = &self.settings.keys {
            let token = keys.session_token.clone();
            let (id, secret) = (&*keys.id, &*keys.secret);
            return Ok(Credentials::new(id, secret, token, None, "settings"));
        }
        if self.settings.profile.is_some() {
            return match self.profile().await {
                Told::NotThere(why) => Err(CredentialsError::NoneFound(vec![Tried {
                    source: PROFILE,
                    why,
                }])),
                told => told.settled(PROFILE, &mut Vec::new()).unwrap_or_else(none),
            };
        }
        let mut tried = Vec::new();
        if let Some(settled) = self.keys_of_environment().settled(ENVIRONMENT, &mut tried) {
            return settled;
        }
        if let Some(settled) = self.profile().await.settled(PROFILE, &mut tried) {
            return settled;
        }
        let told = self.web_identity().await;
        if let Some(settled) = told.settled(WEB_IDENTITY, &mut tried) {
            return settled;
        }
        if let Some(settled) = self.container().await.settled(CONTAINER, &mut tried) {
            return settled;
        }
        if let Some(settled) = self.instance().await.settled(INSTANCE, &mut tried) {
            return settled;
        }
        Err(CredentialsError::NoneFound(tried))
    }

    fn keys_of_environment(&self) -> Told {
        let id = self.environment.get(KEY_ID);
        let secret = self.environment.get(SECRET_KEY);
        match (id, secret) {
            (Some(id), Some(secret)) => {
                let token = self.environment.get(SESSION_TOKEN).map(str::to_owned);
                let credentials = Credentials::new(id, secret, token, None, ENVIRONMENT);
                Told::Gave(Box::new(credentials))
            }
            (None, _) => Told::NotThere(format!("{KEY_ID} is not set")),
            (Some(_), None) => Told::NotThere(format!("{KEY_ID} is set and {SECRET_KEY} is not")),
        }
    }

    async fn profile(&self) -> Told {
        let (config, credentials) = self.profile_files();
        let mut files = EnvConfigFiles::builder();
        let mut missing = Vec::new();
        for (kind, file) in [
            (EnvConfigFileKind::Config, config),
            (EnvConfigFileKind::Credentials, credentials),
        ] {
            match file {
                Some(file) if file.is_file() => files = files.with_file(kind, file),
                Some(file) => missing.push(format!("no file {}", file.display())),
                None => missing.push("HOME is not set".to_owned()),
            }
        }
        if missing.len() == 2 {
            missing.dedup();
            return Told::NotThere(missing.join(" and "));
        }
        let mut builder = ProfileFileCredentialsProvider::builder()
            .configure(&self.provider_config(&self.region))
            .profile_files(files.build());
        let name = self.settings.profile.as_deref();
        if let Some(name) = name.or_else(|| self.environment.get("AWS_PROFILE")) {
            builder = builder.profile_name(name);
        }
        told(builder.build().provide_credentials().await)
    }

    /// The files of profiles: the configuration and the credentials.
    fn profile_files(&self) -> (Option<PathBuf>, Option<PathBuf>) {
        let file = |variable: &str, default: &str| {
            let named = self.environment.get(variable).map(PathBuf::from);
            named.or_else(|| {
                let home = self.environment.get("HOME");
                home.map(|home| Path::new(home).join(".aws").join(default))
            })
        };
        (
            file("AWS_CONFIG_FILE", "config"),
            file("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
        )
    }

    async fn web_identity(&self) -> Told {
        let file = self.environment.get(TOKEN_FILE);
        let (Some(file), Some(role)) = (file, self.environment.get(ROLE_ARN)) else {
            let missing = if file.is_none() { TOKEN_FILE } else { ROLE_ARN };
            return Told::NotThere(format!("{missing} is not set"));
        };
        let session = self.environment.get("AWS_ROLE_SESSION_NAME");
        let provider = WebIdentityTokenCredentialsProvider::builder()
            .configure(&self.provider_config(&self.region))
            .static_configuration(StaticConfiguration {
                web_identity_token_file: file.into(),
                role_arn: role.to_owned(),
                session_name: session.unwrap_or(SESSION_NAME).to_owned(),
            })
            .build();
        told(provider.provide_credentials().await)
    }

    async fn container(&self) -> Told {
        let url = match container::place(&self.environment) {
            None => return Told::NotThere(container::missing()),
            Some(Err(why)) => {
                return Told::Refused {
                    why,
                    is_transient: false,
                };
            }
            Some(Ok(url)) => url,
        };
        match container::load(&url, &self.environment, &self.http).await {
            Ok(credentials) => Told::Gave(Box::new(credentials)),
            Err(refusal) => Told::Refused {
                why: refusal.why,
                is_transient: refusal.is_transient,
            },
        }
    }

    /// The role of an EC2 instance. It is asked once: elsewhere nobody answers at its address, and a laptop would wait.
    async fn instance(&self) -> Told {
        if self.environment.is_on("AWS_EC2_METADATA_DISABLED") {
            return Told::NotThere("AWS_EC2_METADATA_DISABLED is true".to_owned());
        }
        if self
            .environment
            .get("ECS_CONTAINER_METADATA_URI_V4")
            .is_some()
        {
            return Told::NotThere("in an ECS task the task's role counts".to_owned());
        }
        let config = self.provider_config(&self.region);
        let config = config.with_http_client(self.http.for_sdk(Way::Neighbour));
        let client = aws_config::imds::Client::builder()
            .configure(&config)
            .max_attempts(1)
            .build();
        let provider = ImdsCredentialsProvider::builder()
            .configure(&config)
            .imds_client(client)
            .build();
        match told(provider.provide_credentials().await) {
            // Nobody is there, or there is no role.
            Told::Refused { why, .. } => Told::NotThere(why),
            told => told,
        }
    }

    async fn take_on(
        &self,
        role: &Role,
        base: Credentials,
    ) -> Result<Credentials, CredentialsError> {
        let region = role.sts_region.as_deref().unwrap_or(&self.region);
        let config = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(region.to_owned()))
            .http_client(self.http.for_sdk(Way::Service))
            .credentials_provider(base)
            .load()
            .await;
        let mut builder = AssumeRoleProvider::builder(&*role.arn)
            .session_name(&*role.session_name)
            .configure(&config);
        if let Some(id) = &role.external_id {
            builder = builder.external_id(id);
        }
        let told = told(builder.build().await.provide_credentials().await);
        told.settled(ROLE, &mut Vec::new()).unwrap_or_else(none)
    }

    fn provider_config(&self, region: &str) -> ProviderConfig {
        ProviderConfig::without_region()
            .with_region(Some(Region::new(region.to_owned())))
            .with_http_client(self.http.for_sdk(Way::Service))
    }
}

fn none() -> Result<Credentials, CredentialsError> {
    Err(CredentialsError::NoneFound(Vec::new()))
}

impl Told {
    /// What is settled by it; nothing, if the next source is to be asked.
    fn settled(
        self,
        source: &'static str,
        tried: &mut Vec<Tried>,
    ) -> Option<Result<Credentials, CredentialsError>> {
        match self {
            Told::NotThere(why) => {
                tried.push(Tried { source, why });
                None
            }
            Told::Refused { why, is_transient } => Some(Err(CredentialsError::Refused {
                source_name: source,
                why,
                is_transient,
            })),
            Told::Gave(credentials) => Some(Ok(*credentials)),
        }
    }
}

/// What a provider of the SDK says.
fn told(answer: Result<Credentials, SdkError>) -> Told {
    match answer {
        Ok(credentials) => Told::Gave(Box::new(credentials)),
        Err(error) => match &error {
            SdkError::CredentialsNotLoaded(_) => Told::NotThere(refusal(&error)),
            SdkError::InvalidConfiguration(_) => Told::Refused {
                why: refusal(&error),
                is_transient: false,
            },
            _ => Told::Refused {
                why: refusal(&error),
                is_transient: true,
            },
        },
    }
}
