//! The sequences of calls: to the brokers of a cluster, and to a database with its login.

use super::selection::{
    ClusterPlace, DatabasePlace, LoginPlace, choose_cluster, choose_database, choose_listener,
    database_port,
};
use super::settings::{ClusterSettings, DatabaseSettings};
use super::trouble::{Ending, Trouble};
use super::watched::{Found, Resolve};
use crate::client::Client;
use crate::client::endpoint::region_of_arn;
use crate::services::ask;
use crate::services::cloud_map::{
    Instances, discover, discover_revision, parse_instances, parse_revision,
};
use crate::services::msk::{SignIn, get_bootstrap_brokers, parse_brokers};
use crate::services::secrets::{
    DatabaseSecret, Login, get_secret_value, parse_database_secret, parse_secret,
};
use std::sync::Arc;

/// Where the brokers are, and how to sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kafka {
    /// `host:port,host:port`.
    pub brokers: String,
    /// Nothing where the brokers themselves were registered: then the settings alone say how.
    pub sign_in: Option<SignIn>,
    /// Of the cluster, for what is signed.
    pub region: Option<String>,
    pub scram: Option<Login>,
}

/// Where the database is, and as whom to sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    pub host: String,
    pub port: u16,
    pub login: Login,
}

/// Finds the brokers.
#[derive(Debug)]
pub struct KafkaResolver {
    client: Arc<Client>,
    settings: ClusterSettings,
}

/// Finds the database.
#[derive(Debug)]
pub struct DatabaseResolver {
    client: Arc<Client>,
    settings: DatabaseSettings,
}

/// What is registered under a name.
struct Registered<'a> {
    namespace: &'a str,
    service: &'a str,
}

impl Registered<'_> {
    /// For messages.
    fn named(&self) -> String {
        format!("namespace {}, service {}", self.namespace, self.service)
    }

    fn last_trouble(&self, client: &Client) -> Option<Trouble> {
        let error = client.last_failure()?;
        Some(Trouble::of_call(error, &self.named()))
    }

    async fn instances(&self, client: &Client) -> Result<Instances, Trouble> {
        let call = discover(self.namespace, self.service);
        let instances = ask(client, call, parse_instances).await;
        instances.map_err(|error| Trouble::of_call(error, &self.named()))
    }

    async fn revision(&self, client: &Client) -> Result<Option<i64>, Trouble> {
        let call = discover_revision(self.namespace, self.service);
        let revision = ask(client, call, parse_revision).await;
        let revision = revision.map_err(|error| Trouble::of_call(error, &self.named()));
        revision.map(Some)
    }
}

impl KafkaResolver {
    pub fn new(client: Arc<Client>, settings: ClusterSettings) -> Self {
        KafkaResolver { client, settings }
    }

    fn registered(&self) -> Registered<'_> {
        Registered {
            namespace: &self.settings.namespace,
            service: &self.settings.service,
        }
    }

    async fn scram_login(&self) -> Result<Login, Trouble> {
        let secret = self.settings.scram_secret.as_deref().ok_or_else(|| {
            Trouble::wrong(
                "SCRAM needs a user: set MSK_SCRAM_SECRET to a secret with username and password"
                    .to_owned(),
            )
        })?;
        Ok(read_secret(&self.client, secret).await?.login)
    }
}

impl Resolve for KafkaResolver {
    type Place = Kafka;

    async fn resolve(&self) -> Result<Found<Kafka>, Trouble> {
        let registered = self.registered();
        let named = registered.named();
        let read = registered.instances(&self.client).await?;
        let wanted = self.settings.instance.as_deref();
        let chosen = choose_cluster(&read.instances, wanted);
        let chosen = chosen.map_err(|why| Trouble::unfit(why, Ending::Configuration, &named))?;
        let instance = &chosen.instance;
        let arn = match chosen.value {
            ClusterPlace::Arn(arn) => arn,
            ClusterPlace::Static(brokers) => {
                return Ok(Found {
                    explanation: format!(
                        "brokers: {brokers}, as instance {instance} of {named} has them"
                    ),
                    place: Kafka {
                        brokers,
                        sign_in: None,
                        region: None,
                        scram: None,
                    },
                    revision: read.revision,
                    warnings: chosen.warnings,
                });
            }
        };
        let answer = ask(&self.client, get_bootstrap_brokers(&arn), parse_brokers).await;
        let about = format!("cluster {arn} (instance {instance} of {named})");
        let brokers = answer.map_err(|error| Trouble::of_call(error, &about))?;
        let listener = choose_listener(&brokers, &self.settings.wish);
        let listener = listener.map_err(|why| Trouble::unfit(why, Ending::Unavailable, &about))?;
        let scram = match listener.listener.sign_in {
            SignIn::Scram => Some(self.scram_login().await?),
            SignIn::Iam | SignIn::Tls | SignIn::Plaintext => None,
        };
        Ok(Found {
            explanation: format!("brokers: {} of {about}: {}", listener.brokers, listener.why),
            place: Kafka {
                brokers: listener.brokers,
                sign_in: Some(listener.listener.sign_in),
                region: region_of_arn(&arn).map(str::to_owned),
                scram,
            },
            revision: read.revision,
            warnings: chosen.warnings,
        })
    }

    fn last_trouble(&self) -> Option<Trouble> {
        self.registered().last_trouble(&self.client)
    }

    async fn revision(&self) -> Result<Option<i64>, Trouble> {
        self.registered().revision(&self.client).await
    }
}

impl DatabaseResolver {
    pub fn new(client: Arc<Client>, settings: DatabaseSettings) -> Self {
        DatabaseResolver { client, settings }
    }

    fn registered(&self) -> Registered<'_> {
        Registered {
            namespace: &self.settings.namespace,
            service: &self.settings.service,
        }
    }
}

impl Resolve for DatabaseResolver {
    type Place = Database;

    async fn resolve(&self) -> Result<Found<Database>, Trouble> {
        let registered = self.registered();
        let named = registered.named();
        let read = registered.instances(&self.client).await?;
        let chosen = choose_database(&read.instances, self.settings.login.as_ref());
        let chosen = chosen.map_err(|why| Trouble::unfit(why, Ending::Configuration, &named))?;
        let instance = &chosen.instance;
        let DatabasePlace { host, port, login } = chosen.value;
        let (login, secret, by) = match login {
            LoginPlace::Given(login) => (login, None, "a password that was given".to_owned()),
            LoginPlace::Secret(id) => {
                let secret = read_secret(&self.client, &id).await?;
                let by = format!("the password in secret {id}");
                (secret.login, Some((secret.host, secret.port)), by)
            }
        };
        let (secret_host, secret_port) = secret.unwrap_or_default();
        let host = host.or(secret_host).ok_or_else(|| {
            Trouble::wrong(format!(
                "{named}: instance {instance} lacks the attribute endpoint, and its secret has no host"
            ))
        })?;
        let port = database_port(port, secret_port);
        Ok(Found {
            explanation: format!(
                "database: {host}:{port} as instance {instance} of {named} has it, user {} with {by}",
                login.user
            ),
            place: Database { host, port, login },
            revision: read.revision,
            warnings: chosen.warnings,
        })
    }

    fn last_trouble(&self) -> Option<Trouble> {
        self.registered().last_trouble(&self.client)
    }

    async fn revision(&self) -> Result<Option<i64>, Trouble> {
        self.registered().revision(&self.client).await
    }
}

async fn read_secret(client: &Client, id: &str) -> Result<DatabaseSecret, Trouble> {
    let about = format!("secret {id}");
    let secret = ask(client, get_secret_value(id), parse_secret).await;
    let secret = secret.map_err(|error| Trouble::of_call(error, &about))?;
    parse_database_secret(&secret).map_err(|why| Trouble::wrong(format!("{about} {why}")))
}
