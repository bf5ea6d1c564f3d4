//! Who finds out what no variable says: brokers, the document store, the host by which others reach this worker.

use crate::aws::{Brokers, SharedAws, Store, client_settings};
use crate::cli::StreamArgs;
use crate::commands::Exit;
use millstream_aws::Environment;
use millstream_aws::discovery::Kafka;
use millstream_core::Properties;
use millstream_environment::{ConnectEnvironment, Finder};
use millstream_kafka::Bootstrap;
use millstream_worker::config::parse_properties;
use std::convert::Infallible;

/// Whose settings say how to sign in: the worker's own clients, and those of its tasks.
const CLIENTS: [&str; 4] = ["", "consumer.", "producer.", "admin."];

/// What a worker starts with.
pub(crate) struct Completed {
    pub(crate) properties: Properties,
    /// Brokers that were asked for, which may change.
    pub(crate) brokers: Option<Brokers>,
}

/// Finds out what a worker's variables leave open.
///
/// # Errors
/// If a value cannot be found, in words for whoever set the variables.
pub(crate) async fn complete(
    environment: &mut ConnectEnvironment,
    aws: &SharedAws,
) -> Result<Completed, Exit> {
    let open: Vec<Finder> = environment.open().map(|(_, finder)| finder).collect();
    let mut completed = Completed {
        properties: Properties::new(),
        brokers: None,
    };
    if !open.is_empty() {
        let aws = aws.get().await?;
        for finder in open {
            match finder {
                // Without one the worker takes its listener's host, else that of the machine.
                Finder::AdvertisedHost => {
                    if let Some(host) = aws.advertised_host() {
                        environment.found(finder, host, "metadata of the task, or its interface");
                    }
                }
                Finder::Brokers => {
                    let set = |key: &str| environment.settings().get(key).map(|it| &*it.value);
                    let found = aws.brokers(set("security.protocol"), set("sasl.mechanism"));
                    let found = found.await?;
                    let brokers = found.current().brokers.clone();
                    environment.found(finder, brokers, "Cloud Map, then Amazon MSK");
                    completed.brokers = Some(found);
                }
                Finder::Database => {}
            }
        }
    }
    completed.properties = environment.properties();
    if let Some(brokers) = &completed.brokers {
        let kafka = brokers.current();
        for prefix in CLIENTS {
            sign_in(&mut completed.properties, prefix, &kafka);
        }
    }
    Ok(completed)
}

/// Sets how to sign in, as far as nothing else is set.
pub(crate) fn sign_in(properties: &mut Properties, prefix: &str, kafka: &Kafka) {
    let decided = ["sasl.mechanism", "sasl.jaas.config"];
    let mut decided = decided.iter().map(|key| format!("{prefix}{key}"));
    let is_decided = decided.any(|key| properties.get(&key).is_some());
    for (key, value) in client_settings(kafka) {
        let name = format!("{prefix}{key}");
        let is_protocol = key == "security.protocol";
        if properties.get(&name).is_none() && (is_protocol || !is_decided) {
            properties.insert(name, value);
        }
    }
}

/// What `stream` leaves open, and the names that it has suffice to find.
pub(crate) fn open_of_stream(args: &StreamArgs) -> Vec<Finder> {
    let client = client_file(args);
    // Who reads a queue needs no brokers.
    let has_brokers = args.input.is_some()
        || args.bootstrap_servers.is_some()
        || client
            .get("bootstrap.servers")
            .is_some_and(|brokers| !brokers.trim().is_empty());
    let is_named = |service: &Option<String>| service.is_some() && args.namespace.is_some();
    let brokers = (!has_brokers && is_named(&args.msk_service)).then_some(Finder::Brokers);
    let database = args.mongodb_uri.is_none() && is_named(&args.ddb_service);
    let database = database.then_some(Finder::Database);
    brokers.into_iter().chain(database).collect()
}

/// The client's file. What is wrong with it is told when it is read for its settings.
fn client_file(args: &StreamArgs) -> Properties {
    let file = args.kafka_properties.as_ref();
    let file = file.and_then(|path| std::fs::read(path).ok());
    let client = file.and_then(|text| parse_properties(&text).ok());
    client.unwrap_or_default()
}

/// What `stream` finds out, beside what it was told.
pub(crate) struct StreamFinds {
    pub(crate) brokers: Option<Brokers>,
    pub(crate) store: Option<Store>,
    /// Who was asked.
    pub(crate) aws: SharedAws,
}

/// Finds out what `stream` leaves open, and puts it into its arguments.
///
/// # Errors
/// As `complete`.
pub(crate) async fn complete_stream(args: &mut StreamArgs) -> Result<StreamFinds, Exit> {
    let told = [
        ("NAMESPACE", &args.namespace),
        ("MSK_SERVICE", &args.msk_service),
        ("DDB_SERVICE", &args.ddb_service),
        ("REGION", &args.region),
    ];
    let told = told
        .iter()
        .filter_map(|(name, value)| Some((*name, value.as_deref()?)));
    let shared = SharedAws::new(Environment::of_process().with(told));
    let mut finds = StreamFinds {
        brokers: None,
        store: None,
        aws: shared.clone(),
    };
    let open = open_of_stream(args);
    if open.is_empty() {
        return Ok(finds);
    }
    let aws = shared.get().await?;
    for finder in open {
        match finder {
            Finder::Brokers => {
                let client = client_file(args);
                let set = |key| client.get(key);
                let brokers = aws.brokers(set("security.protocol"), set("sasl.mechanism"));
                let brokers = brokers.await?;
                args.bootstrap_servers = Some(brokers.current().brokers.clone());
                finds.brokers = Some(brokers);
            }
            Finder::Database => {
                let store = aws.database().await?;
                args.mongodb_uri = Some(store.uri());
                finds.store = Some(store);
            }
            Finder::AdvertisedHost => {}
        }
    }
    Ok(finds)
}

impl StreamFinds {
    /// Adds how to sign in at brokers that were found to the settings of the worker of `stream`.
    pub(crate) fn sign_in(&self, worker: &mut Properties) {
        if let Some(brokers) = &self.brokers {
            let kafka = brokers.current();
            for prefix in ["", "consumer."] {
                sign_in(worker, prefix, &kafka);
            }
        }
    }

    /// Brokers that may become others.
    pub(crate) fn bootstrap(&self) -> Option<Bootstrap> {
        let brokers = self.brokers.as_ref()?;
        Some(brokers.bootstrap().clone())
    }

    /// As `Brokers::watch` and `Store::watch`.
    pub(crate) async fn watch(&self) -> Infallible {
        let brokers = async {
            match &self.brokers {
                Some(brokers) => Box::pin(brokers.watch()).await,
                None => std::future::pending().await,
            }
        };
        let store = async {
            match &self.store {
                Some(store) => store.watch().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            never = brokers => never,
            never = store => never,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_aws::services::msk::SignIn;

    #[test]
    fn what_is_set_about_signing_in_stays() {
        let kafka = Kafka {
            brokers: "b:9098".to_owned(),
            sign_in: Some(SignIn::Iam),
            region: None,
            scram: None,
        };
        let check = |set: &[(&str, &str)], expected: &[(&str, Option<&str>)]| {
            let mut properties: Properties = set.iter().copied().collect();
            for prefix in CLIENTS {
                sign_in(&mut properties, prefix, &kafka);
            }
            for (key, value) in expected {
                assert_eq!(properties.get(key), *value, "{key} after {set:?}");
            }
        };
        check(
            &[],
            &[
                ("security.protocol", Some("SASL_SSL")),
                ("consumer.sasl.mechanism", Some("AWS_MSK_IAM")),
            ],
        );
        check(
            &[("consumer.sasl.mechanism", "OAUTHBEARER")],
            &[
                ("sasl.mechanism", Some("AWS_MSK_IAM")),
                ("consumer.security.protocol", Some("SASL_SSL")),
                ("consumer.sasl.mechanism", Some("OAUTHBEARER")),
                ("consumer.sasl.jaas.config", None),
            ],
        );
    }
}
