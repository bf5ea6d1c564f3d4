//! What this process finds out from AWS, as settings: brokers and how to sign in, the document store, the host by which
//! others reach it. Nothing is asked, and no key is needed, for what is set.

mod values;

pub(crate) use values::AwsValues;

use crate::commands::Exit;
use millstream_aws::client::endpoint;
use millstream_aws::credentials::{CredentialsChain, CredentialsSettings};
use millstream_aws::discovery::{
    ClusterSettings, Database, DatabaseResolver, DatabaseSettings, DiscoveryError, Kafka,
    KafkaResolver, Watched,
};
use millstream_aws::ecs::{Advertised, Metadata, Source};
use millstream_aws::services::msk::SignIn;
use millstream_aws::{Client, Endpoints, Environment, Http};
use millstream_kafka::Bootstrap;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;

/// What need not be escaped in a user or a password.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// How Amazon DocumentDB is spoken to. It knows no retryable writes, which drivers ask for unless told otherwise.
const DOCUMENTDB: &str =
    "tls=true&replicaSet=rs0&readPreference=secondaryPreferred&retryWrites=false";

const OPTIONS: &str = "DOCDB_OPTIONS";
const CA_FILE: &str = "DOCDB_CA_FILE";

/// What AWS is asked with.
pub(crate) struct Aws {
    environment: Environment,
    http: Http,
    /// Of the task, if this is one of ECS; asked once.
    metadata: Option<Metadata>,
}

/// The same for the whole process: made by the first who asks, for whoever asks nothing of AWS waits for none of it. Cloning
/// shares it.
#[derive(Clone)]
pub(crate) struct SharedAws(Arc<(Environment, OnceCell<Aws>)>);

impl SharedAws {
    /// With these variables.
    pub(crate) fn new(environment: Environment) -> Self {
        SharedAws(Arc::new((environment, OnceCell::new())))
    }

    pub(crate) fn of_process() -> Self {
        Self::new(Environment::of_process())
    }

    pub(crate) async fn get(&self) -> Result<&Aws, Exit> {
        let (environment, made) = &*self.0;
        let make = || Box::pin(Aws::new(environment.clone()));
        made.get_or_try_init(make).await
    }
}

impl Aws {
    /// With these variables. A task of ECS asks for its own metadata.
    async fn new(environment: Environment) -> Result<Self, Exit> {
        let http = Http::new(&environment).map_err(Exit::misconfigured)?;
        let metadata = match Metadata::is_there(&environment) {
            true => Some(Metadata::fetch(&environment, &http).await),
            false => None,
        };
        if metadata
            .as_ref()
            .is_some_and(|metadata| metadata.task.clock_is_wrong)
        {
            tracing::warn!(
                "ECS says that the clock of this task's host is not synchronized; AWS refuses signatures with a wrong time"
            );
        }
        Ok(Aws {
            environment,
            http,
            metadata,
        })
    }

    /// The client for everything that is signed.
    pub(crate) fn client(&self) -> Result<Arc<Client>, Exit> {
        let task = self
            .metadata
            .as_ref()
            .and_then(|metadata| metadata.task.arn.as_deref());
        let Some((region, by)) = endpoint::region(&self.environment, task) else {
            return Err(Exit::misconfigured(
                "REGION is not set: the AWS region of NAMESPACE, for example eu-west-1",
            ));
        };
        tracing::debug!(region, by, "the region to ask in");
        let endpoints = Endpoints::new(&region, self.environment.clone());
        let endpoints = endpoints.map_err(Exit::misconfigured)?;
        let settings = CredentialsSettings::default();
        let http = self.http.clone();
        let credentials =
            CredentialsChain::shared(&settings, &self.environment, &region, Some(&http));
        let credentials = credentials.map_err(Exit::misconfigured)?;
        Ok(Arc::new(Client::new(endpoints, credentials, http)))
    }

    /// The brokers of the cluster that `MSK_SERVICE` names. `protocol` and `mechanism` are what is set about signing in.
    pub(crate) async fn brokers(
        &self,
        protocol: Option<&str>,
        mechanism: Option<&str>,
    ) -> Result<Brokers, Exit> {
        let settings = ClusterSettings::read(&self.environment, protocol, mechanism);
        let settings = settings.map_err(|errors| Exit::misconfigured(errors.join("\n")))?;
        let settings = settings.ok_or_else(|| Exit::misconfigured("MSK_SERVICE is not set"))?;
        let (timeout, poll) = (settings.timeout, settings.poll);
        let resolver = KafkaResolver::new(self.client()?, settings);
        let watched = Watched::start(resolver, timeout).await;
        let watched = watched.map_err(undiscovered)?;
        let bootstrap = Bootstrap::new(&watched.current().brokers);
        Ok(Brokers {
            watched,
            poll,
            bootstrap,
        })
    }

    /// The database that `DDB_SERVICE` names, and who reads its login again.
    pub(crate) async fn database(&self) -> Result<Store, Exit> {
        let settings = DatabaseSettings::read(&self.environment);
        let settings = settings.map_err(|errors| Exit::misconfigured(errors.join("\n")))?;
        let settings = settings.ok_or_else(|| Exit::misconfigured("DDB_SERVICE is not set"))?;
        let (timeout, poll) = (settings.timeout, settings.poll);
        let resolver = DatabaseResolver::new(self.client()?, settings);
        let watched = Watched::start(resolver, timeout).await;
        let options = self.environment.get(OPTIONS).unwrap_or(DOCUMENTDB);
        let authority = self.environment.get(CA_FILE);
        if authority.is_none() && options.contains("tls=true") && !options.contains("tlsCAFile") {
            tracing::warn!(
                "{CA_FILE} is not set; certificates of Amazon DocumentDB are signed by an authority of its own, whose file is \
                 global-bundle.pem"
            );
        }
        Ok(Store {
            watched: watched.map_err(undiscovered)?,
            poll,
            options: options.to_owned(),
            authority: authority.map(str::to_owned),
        })
    }

    /// The host by which others reach this process; nothing if its own name has to do.
    pub(crate) fn advertised_host(&self) -> Option<String> {
        let metadata = self.metadata.clone().unwrap_or_default();
        let Advertised { address, warning } = metadata.advertised();
        if let Some(warning) = warning {
            tracing::warn!("{warning}");
        }
        let (address, source) = address?;
        let by = match source {
            Source::Ecs => "the metadata of this ECS task",
            Source::DefaultRoute => "the interface of the default route",
        };
        tracing::info!(host = %address, by, "other workers are told this host");
        Some(address.to_string())
    }
}

fn undiscovered(error: DiscoveryError) -> Exit {
    Exit::undiscovered(error.ending.exit_code(), error.message)
}

/// Brokers that were found.
pub(crate) struct Brokers {
    watched: Watched<KafkaResolver>,
    poll: Option<Duration>,
    /// For the clients.
    bootstrap: Bootstrap,
}

impl Brokers {
    pub(crate) fn current(&self) -> Arc<Kafka> {
        self.watched.current()
    }

    /// What clients follow.
    pub(crate) fn bootstrap(&self) -> &Bootstrap {
        &self.bootstrap
    }

    /// Looks again when a client gets to no broker, and now and then, for as long as the process runs. Clients that know one
    /// broker of a cluster learn of the rest by themselves.
    pub(crate) async fn watch(&self) -> Infallible {
        let answer = async {
            loop {
                let lost = self.bootstrap.lost().await;
                let kafka = self.watched.refresh(&lost.evidence).await;
                self.bootstrap.answer(&lost, &kafka.brokers);
            }
        };
        let tell = async {
            let mut changes = self.watched.changes();
            let mut known = self.current();
            while changes.changed().await.is_ok() {
                let now = Arc::clone(&changes.borrow_and_update());
                self.bootstrap.replace(&now.brokers);
                tell_change(&known, &now);
                known = now;
            }
            // What is watched lives as long as this.
            std::future::pending().await
        };
        tokio::select! {
            never = self.watched.poll(self.poll) => never,
            never = answer => never,
            never = tell => never,
        }
    }
}

fn tell_change(before: &Kafka, now: &Kafka) {
    if before.brokers != now.brokers {
        tracing::info!(
            brokers = now.brokers,
            "AWS names other brokers; clients that get to none of those they know begin with these"
        );
    }
    if (before.sign_in, &before.scram) != (now.sign_in, &now.scram) {
        tracing::warn!(
            "AWS names another listener or another login than this process started with; it takes those when it is started again"
        );
    }
}

/// A document store that was found.
pub(crate) struct Store {
    watched: Watched<DatabaseResolver>,
    poll: Option<Duration>,
    options: String,
    authority: Option<String>,
}

impl Store {
    /// The connection string, as it is known now.
    pub(crate) fn uri(&self) -> String {
        self.uri_of(&self.watched.current())
    }

    /// Looks again, since something speaks for another place or login.
    pub(crate) async fn look(&self, evidence: &str) {
        self.watched.refresh(evidence).await;
    }

    /// The connection string, once it is another one.
    pub(crate) async fn other_than(&self, known: &str) -> String {
        let mut changes = self.watched.changes();
        let changed = changes.wait_for(|place| self.uri_of(place) != known).await;
        let uri = changed.map(|place| self.uri_of(&place));
        match uri {
            Ok(uri) => uri,
            // What is watched lives as long as this.
            Err(_) => std::future::pending().await,
        }
    }

    /// Looks now and then, for as long as the process runs.
    pub(crate) async fn watch(&self) -> Infallible {
        self.watched.poll(self.poll).await
    }

    fn uri_of(&self, database: &Database) -> String {
        uri(database, &self.options, self.authority.as_deref())
    }
}

/// The connection string of a database. Generated passwords have signs that mean something in it.
fn uri(database: &Database, options: &str, authority: Option<&str>) -> String {
    let escaped = |text: &str| utf8_percent_encode(text, ESCAPED).to_string();
    let Database { host, port, login } = database;
    let host = match host.contains(':') && !host.starts_with('[') {
        true => format!("[{host}]"),
        false => host.clone(),
    };
    let authority = authority.filter(|_| leaves_authority_open(options));
    let authority =
        authority.map_or_else(String::new, |file| format!("&tlsCAFile={}", escaped(file)));
    format!(
        "mongodb://{}:{}@{host}:{port}/?{options}{authority}",
        escaped(&login.user),
        escaped(login.password.reveal())
    )
}

/// Whether options name no file of authorities and do not do without TLS: the image sets `DOCDB_CA_FILE`, and somebody else may
/// have set the options. Their names have no case.
fn leaves_authority_open(options: &str) -> bool {
    let options = options.to_ascii_lowercase();
    !options
        .split('&')
        .any(|it| it.starts_with("tlscafile=") || it == "tls=false" || it == "ssl=false")
}

/// The settings of Kafka clients for brokers that were found: those that say how to sign in, where a cluster decided that.
pub(crate) fn client_settings(kafka: &Kafka) -> Vec<(&'static str, String)> {
    const PROTOCOL: &str = "security.protocol";
    const MECHANISM: &str = "sasl.mechanism";
    const JAAS: &str = "sasl.jaas.config";
    let text = str::to_owned;
    match kafka.sign_in {
        None => Vec::new(),
        Some(SignIn::Plaintext) => vec![(PROTOCOL, text("PLAINTEXT"))],
        Some(SignIn::Tls) => vec![(PROTOCOL, text("SSL"))],
        Some(SignIn::Iam) => vec![
            (PROTOCOL, text("SASL_SSL")),
            (MECHANISM, text("AWS_MSK_IAM")),
            (JAAS, iam_line(kafka.region.as_deref())),
            (
                "sasl.client.callback.handler.class",
                text("software.amazon.msk.auth.iam.IAMClientCallbackHandler"),
            ),
        ],
        Some(SignIn::Scram) => {
            let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
            let login = kafka.scram.as_ref();
            let user = login.map_or_else(String::new, |login| quoted(&login.user));
            let password = login.map_or_else(String::new, |login| quoted(login.password.reveal()));
            vec![
                (PROTOCOL, text("SASL_SSL")),
                (MECHANISM, text("SCRAM-SHA-512")),
                (
                    JAAS,
                    format!(
                        "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"{user}\" password=\"{password}\";"
                    ),
                ),
            ]
        }
    }
}

/// Who signs in at a cluster of this region: the names of its brokers may not tell it.
fn iam_line(region: Option<&str>) -> String {
    let region = region.map_or_else(String::new, |region| format!(" awsRegion=\"{region}\""));
    format!("software.amazon.msk.auth.iam.IAMLoginModule required{region};")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use millstream_aws::services::secrets::Login;
    use millstream_core::Password;

    fn login(password: &str) -> Login {
        Login {
            user: "u@x".to_owned(),
            password: Password::new(password),
        }
    }

    #[test]
    fn escapes_what_means_something_in_a_connection_string() {
        let database = Database {
            host: "db.example".to_owned(),
            port: 27017,
            login: login("p:%/#?[@"),
        };
        assert_eq!(
            uri(&database, DOCUMENTDB, Some("/ca/global bundle.pem")),
            "mongodb://u%40x:p%3A%25%2F%23%3F%5B%40@db.example:27017/?tls=true&replicaSet=rs0&readPreference=secondaryPreferred&retryWrites=false&tlsCAFile=%2Fca%2Fglobal%20bundle.pem"
        );
        let database = Database {
            host: "::1".to_owned(),
            ..database
        };
        assert!(uri(&database, "", None).ends_with("@[::1]:27017/?"));
        for own in ["tls=true&tlsCAFile=/own.pem", "retryWrites=false&ssl=false"] {
            assert!(uri(&database, own, Some("/ca.pem")).ends_with(own), "{own}");
        }
    }

    #[test]
    fn says_how_to_sign_in() {
        let with = |sign_in, scram| Kafka {
            brokers: "b:1".to_owned(),
            sign_in,
            region: None,
            scram,
        };
        let of = |kafka: &Kafka, key: &str| {
            let settings = client_settings(kafka);
            let found = settings.iter().find(|(known, _)| *known == key);
            found.map(|(_, value)| value.clone())
        };
        assert!(client_settings(&with(None, None)).is_empty());
        let iam = Kafka {
            region: Some("eu-west-1".to_owned()),
            ..with(Some(SignIn::Iam), None)
        };
        assert_eq!(of(&iam, "sasl.mechanism").as_deref(), Some("AWS_MSK_IAM"));
        let jaas = of(&iam, "sasl.jaas.config").unwrap();
        assert!(jaas.ends_with(r#" awsRegion="eu-west-1";"#), "{jaas}");
        let scram = with(Some(SignIn::Scram), Some(login(r#"a"b\c"#)));
        let jaas = of(&scram, "sasl.jaas.config").unwrap();
        assert!(
            jaas.ends_with(r#"username="u@x" password="a\"b\\c";"#),
            "{jaas}"
        );
    }
}
