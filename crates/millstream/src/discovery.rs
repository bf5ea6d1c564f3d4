//! Who finds out what no variable says: brokers, the document store, the host by which others reach this worker.

use crate::cli::StreamArgs;
use crate::commands::Exit;
use millstream_environment::{ConnectEnvironment, Finder};
use millstream_worker::config::parse_properties;

/// Finds out what a worker's variables leave open.
///
/// # Errors
/// If a value cannot be found, in words for whoever set the variables.
pub(crate) fn complete(environment: &mut ConnectEnvironment) -> Result<(), Exit> {
    let open: Vec<(String, Finder)> = environment
        .open()
        .map(|(missing, finder)| (missing.message(), finder))
        .collect();
    for (message, finder) in open {
        match finder {
            // The worker itself takes its listener's host, else that of the machine.
            Finder::AdvertisedHost => {}
            Finder::Brokers | Finder::Database => {
                tracing::error!(
                    "MSK_SERVICE is set, but nobody here can ask for it; set CONNECT_BOOTSTRAP_SERVERS to the brokers"
                );
                return Err(Exit::not_given(message));
            }
        }
    }
    Ok(())
}

/// What `stream` leaves open, and the names that it has suffice to find.
pub(crate) fn open_of_stream(args: &StreamArgs) -> Vec<Finder> {
    // What is wrong with the file is told when it is read for its settings.
    let file = args.kafka_properties.as_ref();
    let file = file.and_then(|path| std::fs::read(path).ok());
    let client = file.and_then(|text| parse_properties(&text).ok());
    let client = client.unwrap_or_default();
    let has_brokers = args.bootstrap_servers.is_some()
        || client
            .get("bootstrap.servers")
            .is_some_and(|brokers| !brokers.trim().is_empty());
    let is_named = |service: &Option<String>| service.is_some() && args.namespace.is_some();
    let brokers = (!has_brokers && is_named(&args.msk_service)).then_some(Finder::Brokers);
    let database = args.mongodb_uri.is_none() && is_named(&args.ddb_service);
    let database = database.then_some(Finder::Database);
    brokers.into_iter().chain(database).collect()
}

/// Finds out what `stream` leaves open.
///
/// # Errors
/// As `complete`.
pub(crate) fn complete_stream(args: &StreamArgs) -> Result<(), Exit> {
    let open = open_of_stream(args);
    let remedy = |finder: &Finder| match finder {
        Finder::Database => "DDB_SERVICE is set, but nobody here can ask for it; set MONGODB_URI",
        Finder::Brokers | Finder::AdvertisedHost => {
            "MSK_SERVICE is set, but nobody here can ask for it; set KAFKA_BOOTSTRAP_SERVERS"
        }
    };
    let remedies: Vec<&str> = open.iter().map(remedy).collect();
    match remedies.is_empty() {
        true => Ok(()),
        false => Err(Exit::misconfigured(remedies.join("\n"))),
    }
}
