//! Which of the registered instances, and which of a cluster's listeners: plain functions of what the services answered.

use crate::services::cloud_map::Instance;
use crate::services::msk::{Brokers, Listener, Network, SignIn, is_cluster};
use crate::services::secrets::Login;
use millstream_core::Password;

/// The attribute of a cluster.
const BROKER_ARN: &str = "broker_arn";

/// What is in the id of an instance that stands for a database's readers.
const READER: &str = "ReadEndpoint";

const MONGODB_PORT: u16 = 27017;

/// What was chosen, of which instance, and what somebody should know about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice<T> {
    pub value: T,
    pub instance: String,
    pub warnings: Vec<String>,
}

/// Why nothing was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It may come.
    NotYet(String),
    /// Somebody has to change something.
    Wrong(String),
}

/// Where the brokers are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClusterPlace {
    /// By MSK, for the cluster of this ARN.
    Arn(String),
    /// Here: `host:port,host:port`.
    Static(String),
}

/// Where a database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabasePlace {
    /// Nothing if the secret tells it.
    pub host: Option<String>,
    pub port: Option<u16>,
    pub login: LoginPlace,
}

/// Where the user and the password of a database are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginPlace {
    Secret(String),
    Given(Login),
}

/// The cluster among the instances of a service. `wanted` is the id of one, where somebody has said which.
pub fn choose_cluster(
    instances: &[Instance],
    wanted: Option<&str>,
) -> Result<Choice<ClusterPlace>, Unfit> {
    not_empty(instances)?;
    if let Some(wanted) = wanted {
        let found = instances.iter().find(|instance| instance.id == wanted);
        let found = found.ok_or_else(|| {
            Unfit::NotYet(format!(
                "MSK_INSTANCE_ID: there is no instance {wanted}; there are {}",
                ids(instances.iter())
            ))
        })?;
        let place = found
            .attribute(BROKER_ARN)
            .ok_or_else(|| lacks_arn(instances));
        return Ok(Choice {
            value: cluster_place(found, place?)?,
            instance: found.id.clone(),
            warnings: Vec::new(),
        });
    }
    let mut having: Vec<(&Instance, &str)> = instances
        .iter()
        .filter_map(|instance| Some((instance, instance.attribute(BROKER_ARN)?)))
        .collect();
    // The service tells them in any order; tasks that start side by side must choose alike.
    having.sort_by(|(one, _), (other, _)| one.id.cmp(&other.id));
    let Some((first, place)) = having.first() else {
        return Err(lacks_arn(instances));
    };
    let mut warnings = Vec::new();
    if having.iter().any(|(_, other)| other != place) {
        warnings.push(format!(
            "{} instances name different clusters: {}; {} is taken, MSK_INSTANCE_ID selects another",
            having.len(),
            ids(having.iter().map(|(instance, _)| *instance)),
            first.id
        ));
    }
    Ok(Choice {
        value: cluster_place(first, place)?,
        instance: first.id.clone(),
        warnings,
    })
}

fn cluster_place(instance: &Instance, text: &str) -> Result<ClusterPlace, Unfit> {
    if is_cluster(text) {
        return Ok(ClusterPlace::Arn(text.to_owned()));
    }
    let is_broker = |broker: &str| {
        broker.trim().rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty()
                && !host.contains('/')
                && port.parse::<u16>().is_ok_and(|port| port > 0)
        })
    };
    if !text.starts_with("arn:") && text.split(',').all(is_broker) {
        return Ok(ClusterPlace::Static(text.to_owned()));
    }
    Err(Unfit::Wrong(format!(
        "instance {}: {BROKER_ARN} is {text:?}, which is neither the ARN of an MSK cluster nor host:port[,host:port]",
        instance.id
    )))
}

fn lacks_arn(instances: &[Instance]) -> Unfit {
    Unfit::Wrong(format!(
        "no instance has the attribute {BROKER_ARN}; {}",
        attributes(instances.iter())
    ))
}

/// The database among the instances of a service. `given` is a login that the process was given.
pub fn choose_database(
    instances: &[Instance],
    given: Option<&Login>,
) -> Result<Choice<DatabasePlace>, Unfit> {
    not_empty(instances)?;
    let mut writers: Vec<&Instance> = instances
        .iter()
        .filter(|instance| !instance.id.contains(READER))
        .collect();
    if writers.is_empty() {
        return Err(Unfit::Wrong(format!(
            "there are read endpoints alone ({}), and nothing may be written to a reader",
            ids(instances.iter())
        )));
    }
    let is_place = |instance: &&Instance| {
        instance.attribute("endpoint").is_some() || instance.attribute("secret_arn").is_some()
    };
    let known = attributes(writers.iter().copied());
    writers.retain(|instance| is_place(instance));
    writers.sort_by(|one, other| one.id.cmp(&other.id));
    let Some(first) = writers.first() else {
        return Err(Unfit::Wrong(format!(
            "no instance has the attribute endpoint; {known}"
        )));
    };
    let mut warnings = Vec::new();
    if writers.len() > 1 {
        warnings.push(format!(
            "{} instances name a database: {}; {} is taken",
            writers.len(),
            ids(writers.iter().copied()),
            first.id
        ));
    }
    let login = choose_login(first, given, &mut warnings)?;
    let (host, own_port) = match first.attribute("endpoint").map(host_and_port) {
        Some((host, port)) => (Some(host.to_owned()), port),
        None => (None, None),
    };
    let port = match first.attribute("port") {
        Some(text) => Some(text.parse().map_err(|_| {
            Unfit::Wrong(format!("instance {}: port {text:?} is no port", first.id))
        })?),
        None => own_port,
    };
    if host.is_none() && !matches!(login, LoginPlace::Secret(_)) {
        return Err(Unfit::Wrong(format!(
            "instance {} lacks the attribute endpoint; {known}",
            first.id
        )));
    }
    Ok(Choice {
        value: DatabasePlace { host, port, login },
        instance: first.id.clone(),
        warnings,
    })
}

fn choose_login(
    instance: &Instance,
    given: Option<&Login>,
    warnings: &mut Vec<String>,
) -> Result<LoginPlace, Unfit> {
    if let Some(secret) = instance.attribute("secret_arn") {
        return Ok(LoginPlace::Secret(secret.to_owned()));
    }
    // Passwords may begin or end with blanks.
    let password = instance.attributes.get("password");
    let password = password.filter(|password| !password.is_empty());
    if let (Some(user), Some(password)) = (instance.attribute("user"), password) {
        warnings.push(format!(
            "instance {} has the database's password in clear text, which everybody with servicediscovery:DiscoverInstances \
             can read; keep it in Secrets Manager and register secret_arn",
            instance.id
        ));
        return Ok(LoginPlace::Given(Login {
            user: user.to_owned(),
            password: Password::new(password.as_str()),
        }));
    }
    given.cloned().map(LoginPlace::Given).ok_or_else(|| {
        Unfit::Wrong(format!(
            "instance {} has neither the attribute secret_arn nor user and password, and DOCDB_USER and DOCDB_PASSWORD are \
             not set; {}",
            instance.id,
            attributes(std::iter::once(instance))
        ))
    })
}

fn host_and_port(endpoint: &str) -> (&str, Option<u16>) {
    // An address of IPv6 without brackets has colons, too.
    match endpoint.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (endpoint, None),
        },
        _ => (endpoint, None),
    }
}

/// The port of a database: as registered, as its secret says, or MongoDB's.
pub fn database_port(registered: Option<u16>, secret: Option<u16>) -> u16 {
    registered.or(secret).unwrap_or(MONGODB_PORT)
}

fn not_empty(instances: &[Instance]) -> Result<(), Unfit> {
    match instances.is_empty() {
        true => Err(Unfit::NotYet("nothing is registered".to_owned())),
        false => Ok(()),
    }
}

fn ids<'a>(instances: impl Iterator<Item = &'a Instance>) -> String {
    let mut ids: Vec<&str> = instances.map(|instance| &*instance.id).collect();
    ids.sort_unstable();
    ids.join(", ")
}

/// Which attributes there are: names, never values.
fn attributes<'a>(instances: impl Iterator<Item = &'a Instance>) -> String {
    let names = instances.flat_map(|instance| instance.attributes.keys().map(String::as_str));
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names.dedup();
    match names.is_empty() {
        true => "there are no attributes".to_owned(),
        false => format!("there are {}", names.join(", ")),
    }
}

/// How a process wants to reach a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    pub network: Network,
    /// What was set; nothing if the cluster decides.
    pub sign_in: Option<SignIn>,
    /// Whether there is a secret for SCRAM.
    pub has_scram_secret: bool,
    pub allows_plaintext: bool,
}

/// A listener, its brokers, and why it was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerChoice {
    pub listener: Listener,
    pub brokers: String,
    pub why: String,
}

/// The listener of a cluster.
pub fn choose_listener(brokers: &Brokers, wish: &Wish) -> Result<ListenerChoice, Unfit> {
    if brokers.is_empty() {
        return Err(Unfit::NotYet("the cluster has no listeners yet".to_owned()));
    }
    let at = |sign_in| Listener {
        network: wish.network,
        sign_in,
    };
    let offered = brokers.keys().map(|listener| listener.member());
    let offered: Vec<String> = offered.collect();
    let offered = offered.join(", ");
    if let Some(sign_in) = wish.sign_in {
        let member = at(sign_in).member();
        let found = brokers.get(&at(sign_in)).ok_or_else(|| {
            Unfit::Wrong(format!(
                "the cluster has no {member}, which the settings ask for; it offers {offered}: {}",
                remedy(brokers, wish.network)
            ))
        })?;
        return Ok(ListenerChoice {
            listener: at(sign_in),
            brokers: found.clone(),
            why: format!("{member}, as the settings ask for; offered: {offered}"),
        });
    }
    let may = |sign_in: SignIn| match sign_in {
        SignIn::Iam | SignIn::Tls => true,
        SignIn::Scram => wish.has_scram_secret,
        SignIn::Plaintext => wish.allows_plaintext,
    };
    let order = [SignIn::Iam, SignIn::Scram, SignIn::Tls, SignIn::Plaintext];
    let chosen = order
        .into_iter()
        .filter(|sign_in| may(*sign_in))
        .find_map(|sign_in| Some((at(sign_in), brokers.get(&at(sign_in))?)));
    let Some((listener, found)) = chosen else {
        return Err(Unfit::Wrong(format!(
            "the cluster offers {offered}, none of which can be used: {}",
            remedy(brokers, wish.network)
        )));
    };
    Ok(ListenerChoice {
        listener,
        brokers: found.clone(),
        why: format!(
            "{}, the first of IAM, SCRAM with a secret, TLS and allowed plaintext; offered: {offered}",
            listener.member()
        ),
    })
}

/// What to set for what a cluster offers.
fn remedy(brokers: &Brokers, network: Network) -> String {
    let mut remedies = Vec::new();
    let here = |sign_in| brokers.contains_key(&Listener { network, sign_in });
    if here(SignIn::Iam) {
        remedies.push(
            "set CONNECT_SECURITY_PROTOCOL to SASL_SSL and CONNECT_SASL_MECHANISM to AWS_MSK_IAM"
                .to_owned(),
        );
    }
    if here(SignIn::Scram) {
        remedies.push("set MSK_SCRAM_SECRET to the secret of a user".to_owned());
    }
    if here(SignIn::Tls) {
        remedies.push("set CONNECT_SECURITY_PROTOCOL to SSL".to_owned());
    }
    if here(SignIn::Plaintext) {
        remedies.push("set ALLOW_PLAINTEXT to true".to_owned());
    }
    for (other, name) in [
        (Network::Private, "private"),
        (Network::Public, "public"),
        (Network::Vpc, "vpc"),
        (Network::Ipv6, "ipv6"),
    ] {
        if other != network && brokers.keys().any(|listener| listener.network == other) {
            remedies.push(format!("set MSK_NETWORK to {name}"));
        }
    }
    remedies.join(", or ")
}

#[cfg(test)]
mod tests;
