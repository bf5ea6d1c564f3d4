//! What the environment says about discovery.

use super::selection::Wish;
use crate::environment::Environment;
use crate::services::msk::{Network, SignIn};
use crate::services::secrets::Login;
use millstream_core::Password;
use std::time::Duration;

/// The workshop's namespace: one of its services is started without a word of it.
const WORKSHOP: &str = "FargateWorkshopNamespace";

const TIMEOUT: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_secs(15 * 60);

/// How the brokers of a process are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterSettings {
    pub namespace: String,
    pub service: String,
    pub instance: Option<String>,
    pub wish: Wish,
    /// Of a user for SCRAM.
    pub scram_secret: Option<String>,
    pub timeout: Duration,
    /// Nothing where nobody polls.
    pub poll: Option<Duration>,
}

/// How the database of a process is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseSettings {
    pub namespace: String,
    pub service: String,
    /// A login that the process was given.
    pub login: Option<Login>,
    pub timeout: Duration,
    pub poll: Option<Duration>,
}

impl ClusterSettings {
    /// Nothing if no service is named. `protocol` and `mechanism` are what the settings say about signing in.
    ///
    /// # Errors
    /// One sentence for each variable that cannot be read.
    pub fn read(
        environment: &Environment,
        protocol: Option<&str>,
        mechanism: Option<&str>,
    ) -> Result<Option<Self>, Vec<String>> {
        let Some(service) = environment.get("MSK_SERVICE") else {
            return Ok(None);
        };
        let mut errors = Vec::new();
        let sign_in = sign_in(protocol, mechanism).unwrap_or_else(|error| {
            errors.push(error);
            None
        });
        let network = network(environment).unwrap_or_else(|error| {
            errors.push(error);
            Network::Private
        });
        let (timeout, poll) = times(environment, &mut errors);
        let namespace = namespace(environment);
        let scram_secret = environment.get("MSK_SCRAM_SECRET").map(str::to_owned);
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Some(ClusterSettings {
            namespace,
            service: service.to_owned(),
            instance: environment.get("MSK_INSTANCE_ID").map(str::to_owned),
            wish: Wish {
                network,
                sign_in,
                has_scram_secret: scram_secret.is_some(),
                allows_plaintext: environment.is_on("ALLOW_PLAINTEXT"),
            },
            scram_secret,
            timeout,
            poll,
        }))
    }
}

impl DatabaseSettings {
    /// Nothing if no service is named.
    ///
    /// # Errors
    /// One sentence for each variable that cannot be read.
    pub fn read(environment: &Environment) -> Result<Option<Self>, Vec<String>> {
        let Some(service) = environment.get("DDB_SERVICE") else {
            return Ok(None);
        };
        let mut errors = Vec::new();
        let (timeout, poll) = times(environment, &mut errors);
        let namespace = namespace(environment);
        let (user, password) = (
            environment.get("DOCDB_USER"),
            environment.get("DOCDB_PASSWORD"),
        );
        let login = match (user, password) {
            (Some(user), Some(password)) => Some(Login {
                user: user.to_owned(),
                password: Password::new(password),
            }),
            (None, None) => None,
            (Some(_), None) => {
                errors.push("DOCDB_USER is set and DOCDB_PASSWORD is not".to_owned());
                None
            }
            (None, Some(_)) => {
                errors.push("DOCDB_PASSWORD is set and DOCDB_USER is not".to_owned());
                None
            }
        };
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Some(DatabaseSettings {
            namespace,
            service: service.to_owned(),
            login,
            timeout,
            poll,
        }))
    }
}

fn namespace(environment: &Environment) -> String {
    environment.get("NAMESPACE").unwrap_or(WORKSHOP).to_owned()
}

/// The way of signing in that the settings ask for; nothing if they leave it to the cluster.
fn sign_in(protocol: Option<&str>, mechanism: Option<&str>) -> Result<Option<SignIn>, String> {
    let mechanism = mechanism.map(str::trim).filter(|text| !text.is_empty());
    let by_mechanism = || match mechanism.map(str::to_ascii_uppercase).as_deref() {
        None | Some("AWS_MSK_IAM" | "OAUTHBEARER") => Ok(SignIn::Iam),
        Some("SCRAM-SHA-512") => Ok(SignIn::Scram),
        Some(other) => Err(format!(
            "sasl.mechanism: MSK has no {other}; it has AWS_MSK_IAM and SCRAM-SHA-512"
        )),
    };
    let protocol = protocol.map(str::trim).filter(|text| !text.is_empty());
    Ok(Some(
        match protocol.map(str::to_ascii_uppercase).as_deref() {
            None if mechanism.is_some() => by_mechanism()?,
            None => return Ok(None),
            Some("SSL") => SignIn::Tls,
            Some("PLAINTEXT") => SignIn::Plaintext,
            Some("SASL_SSL") => by_mechanism()?,
            Some(other) => {
                return Err(format!(
                    "security.protocol: MSK has no {other}; it has SASL_SSL, SSL and PLAINTEXT"
                ));
            }
        },
    ))
}

fn network(environment: &Environment) -> Result<Network, String> {
    const NETWORK: &str = "MSK_NETWORK";
    match environment.get(NETWORK) {
        None | Some("private") => Ok(Network::Private),
        Some("public") => Ok(Network::Public),
        Some("vpc") => Ok(Network::Vpc),
        Some("ipv6") => Ok(Network::Ipv6),
        Some(other) => Err(format!(
            "{NETWORK}: {other} is none of private, public, vpc and ipv6"
        )),
    }
}

/// How long a start looks, and how often a running process does.
fn times(environment: &Environment, errors: &mut Vec<String>) -> (Duration, Option<Duration>) {
    let mut seconds = |name: &str, default: Duration| match environment.get(name) {
        None => default,
        Some(text) => match text.parse() {
            Ok(seconds) => Duration::from_secs(seconds),
            Err(_) => {
                errors.push(format!("{name}: {text:?} is no number of seconds"));
                default
            }
        },
    };
    let timeout = seconds("DISCOVERY_TIMEOUT", TIMEOUT);
    let poll = seconds("DISCOVERY_INTERVAL", POLL);
    (timeout, (!poll.is_zero()).then_some(poll))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        let variables = variables.iter();
        variables
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn reads_the_workshops_environment() {
        let lab = environment(&[("MSK_SERVICE", "KafkaSvc"), ("REGION", "eu-west-1")]);
        let read = ClusterSettings::read(&lab, Some("SSL"), None).unwrap();
        let read = read.unwrap();
        assert_eq!(read.namespace, "FargateWorkshopNamespace");
        assert_eq!(read.wish.sign_in, Some(SignIn::Tls));
        assert_eq!(read.timeout, TIMEOUT);
        assert_eq!(read.poll, Some(POLL));
        assert_eq!(DatabaseSettings::read(&lab), Ok(None));
        let none = ClusterSettings::read(&Environment::default(), None, None);
        assert_eq!(none, Ok(None));
    }

    #[test]
    fn tells_everything_that_is_wrong() {
        let wrong = environment(&[
            ("MSK_SERVICE", "s"),
            ("MSK_NETWORK", "moon"),
            ("DISCOVERY_TIMEOUT", "soon"),
        ]);
        let errors = ClusterSettings::read(&wrong, Some("SASL_PLAINTEXT"), None).unwrap_err();
        assert_eq!(errors.len(), 3, "{errors:?}");
        let half = environment(&[("DDB_SERVICE", "s"), ("DOCDB_PASSWORD", "hush")]);
        let errors = DatabaseSettings::read(&half).unwrap_err();
        assert_eq!(errors, ["DOCDB_PASSWORD is set and DOCDB_USER is not"]);
    }

    #[test]
    fn reads_the_way_of_signing_in() {
        for (protocol, mechanism, expected) in [
            (None, None, None),
            (Some("SSL"), None, Some(SignIn::Tls)),
            (Some("ssl"), Some("GSSAPI"), Some(SignIn::Tls)),
            (Some("SASL_SSL"), None, Some(SignIn::Iam)),
            (Some("SASL_SSL"), Some("AWS_MSK_IAM"), Some(SignIn::Iam)),
            (Some("SASL_SSL"), Some("OAUTHBEARER"), Some(SignIn::Iam)),
            (Some("SASL_SSL"), Some("SCRAM-SHA-512"), Some(SignIn::Scram)),
            (None, Some("AWS_MSK_IAM"), Some(SignIn::Iam)),
            (Some("PLAINTEXT"), None, Some(SignIn::Plaintext)),
        ] {
            assert_eq!(sign_in(protocol, mechanism), Ok(expected), "{protocol:?}");
        }
        assert!(sign_in(Some("SASL_SSL"), Some("PLAIN")).is_err());
    }

    #[test]
    fn polling_can_be_switched_off() {
        let off = environment(&[("DDB_SERVICE", "s"), ("DISCOVERY_INTERVAL", "0")]);
        let read = DatabaseSettings::read(&off).unwrap().unwrap();
        assert_eq!(read.poll, None);
    }
}
