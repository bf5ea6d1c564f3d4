//! Where a tool finds the brokers if neither a flag nor the client's file says it: in the variables of a worker, else from AWS.

use super::{Exit, SERVERS};
use crate::aws::SharedAws;
use crate::{discovery, environment};
use millstream_core::Properties;
use millstream_environment::security::is_security;
use millstream_environment::{ConnectEnvironment, Services, Variables};
use millstream_worker::spelling::closest;

/// The variables that lead to brokers, for whoever looks for a slip of the pen.
const VARIABLES: [&str; 4] = [
    "KAFKA_BOOTSTRAP_SERVERS",
    "CONNECT_BOOTSTRAP_SERVERS",
    "MSK_SERVICE",
    "NAMESPACE",
];

/// Puts the brokers into the client's settings, as far as they are not there. With brokers come the settings that say how to
/// sign in at them: of a worker's variables all or none, and none where the client has a file.
///
/// # Errors
/// If nothing leads to brokers, or AWS does not tell them.
pub(super) async fn complete(client: &mut Properties, has_file: bool) -> Result<(), Exit> {
    if is_set(client) {
        return Ok(());
    }
    let variables = environment::variables();
    let worker = ConnectEnvironment::read(&variables);
    if !has_file {
        inherit(client, &worker)?;
    }
    if let Some(brokers) = worker.settings().get(SERVERS) {
        client.insert(SERVERS, brokers.value.as_str());
        return Ok(());
    }
    let services = Services::read(&variables);
    if services.kafka.is_none() {
        return Err(Exit::usage(missing(&variables)));
    }
    let mut notes = Vec::new();
    services.with_workshop_namespace(&mut notes);
    notes.iter().for_each(environment::log);
    let aws = SharedAws::of_process();
    let (protocol, mechanism) = ("security.protocol", "sasl.mechanism");
    let found = aws
        .get()
        .await?
        .brokers(client.get(protocol), client.get(mechanism));
    let kafka = found.await?.current();
    client.insert(SERVERS, kafka.brokers.as_str());
    discovery::sign_in(client, "", &kafka);
    Ok(())
}

fn is_set(client: &Properties) -> bool {
    client
        .get(SERVERS)
        .is_some_and(|servers| !servers.trim().is_empty())
}

/// How a worker with these variables signs in.
fn inherit(client: &mut Properties, worker: &ConnectEnvironment) -> Result<(), Exit> {
    for (key, set) in worker.settings() {
        if !is_security(key) || client.get(key).is_some() {
            continue;
        }
        if set.value.contains("${") {
            return Err(Exit::usage(format!(
                "the worker's setting {key} is a reference, and those are resolved by a worker alone: say how to sign in with --command-config"
            )));
        }
        client.insert(key.as_str(), set.value.as_str());
    }
    Ok(())
}

fn missing(variables: &Variables) -> String {
    let names = variables.iter().map(|(name, _)| name);
    let slip = names
        .filter(|name| !VARIABLES.contains(name))
        .find_map(|name| Some((name, closest(name, VARIABLES.into_iter())?)));
    let slip = slip.map_or_else(String::new, |(name, meant)| {
        format!("; {name} is not read, did you mean {meant}?")
    });
    format!(
        "--bootstrap-server (KAFKA_BOOTSTRAP_SERVERS) is missing: brokers as host:port, separated by commas. They may also stand in \
         the client's file (bootstrap.servers) or in CONNECT_BOOTSTRAP_SERVERS, or be found by NAMESPACE and MSK_SERVICE in AWS{slip}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(pairs: &[(&str, &str)]) -> ConnectEnvironment {
        ConnectEnvironment::read(&pairs.iter().copied().collect())
    }

    #[test]
    fn a_workers_variables_say_how_to_sign_in() {
        let worker = worker(&[
            ("CONNECT_SECURITY_PROTOCOL", "SSL"),
            ("CONNECT_SSL_TRUSTSTORE_LOCATION", "/ca.pem"),
            ("CONNECT_CONSUMER_SECURITY_PROTOCOL", "PLAINTEXT"),
            ("CONNECT_GROUP_ID", "g"),
        ]);
        let mut client = Properties::from_iter([("ssl.truststore.location", "/mine.pem")]);
        assert!(inherit(&mut client, &worker).is_ok());
        let told: Vec<(&str, &str)> = client.iter().collect();
        assert_eq!(
            told,
            [
                ("ssl.truststore.location", "/mine.pem"),
                ("security.protocol", "SSL")
            ]
        );
    }

    #[test]
    fn a_reference_is_not_taken_for_a_password() {
        let worker = worker(&[("CONNECT_SASL_JAAS_CONFIG", "${file:/secret:jaas}")]);
        let refused = inherit(&mut Properties::new(), &worker);
        let told = refused.expect_err("a reference").to_string();
        assert!(
            told.contains("sasl.jaas.config") && !told.contains("/secret"),
            "{told}"
        );
    }

    #[test]
    fn a_slip_of_the_pen_is_told() {
        let told = missing(&[("MSK_SERVCE", "s"), ("PATH", "/")].into_iter().collect());
        assert!(
            told.ends_with("MSK_SERVCE is not read, did you mean MSK_SERVICE?"),
            "{told}"
        );
        assert!(!missing(&Variables::default()).contains("did you mean"));
    }
}
