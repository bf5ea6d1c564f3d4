//! `millstream stream`: topic → hash → document store, an ordinary connector with its settings preset.

use super::CommandResult;
use crate::cli::StreamArgs;
use crate::logging::LogLevels;
use crate::preset::HashJob;
use crate::{launch, progress, shutdown};
use millstream_core::Properties;
use millstream_worker::config::parse_properties;
use millstream_worker::{Worker, WorkerConfig, WorkerStart};
use std::fs;
use std::path::Path;
use std::time::Duration;
use tokio::runtime::Handle;

/// The name of the one connector.
const CONNECTOR: &str = "stream";

/// How often a line of progress is written.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);

/// How often offsets are committed: a restart then has seconds to skip, not a minute.
const COMMIT_INTERVAL_MS: &str = "5000";

pub(crate) async fn run(args: StreamArgs, levels: LogLevels, data: Handle) -> CommandResult {
    let stop = shutdown::on_signal()?;
    let client = client_properties(&args)?;
    let config = WorkerConfig::quiet(worker_properties(&args, &client)?)?;
    let (start, board) = launch::worker(config, levels, data, stop.clone());
    let worker = Worker::start(WorkerStart {
        connectors: vec![(CONNECTOR.to_owned(), connector_properties(&args)?)],
        ..start
    })
    .await?;
    launch::announce(&worker);
    let progress = progress::log_every(PROGRESS_INTERVAL, board.clone(), stop.clone());
    let job = async { tokio::join!(worker.ended(), progress) };
    let mut job = std::pin::pin!(job);
    let reason = tokio::select! {
        _ = &mut job => return Ok(()),
        reason = board.failed() => reason,
    };
    // Without its one task the process is of no use; whoever runs it learns that from the exit code.
    if args.listeners.is_none() {
        stop.cancel();
        job.await;
        return Err(reason.into());
    }
    job.await;
    Ok(())
}

/// The settings that are missing, all in one message.
fn required(args: &StreamArgs) -> Result<(&str, &str), String> {
    match (
        args.bootstrap_servers.as_deref(),
        args.mongodb_uri.as_deref(),
    ) {
        (Some(brokers), Some(uri)) => Ok((brokers, uri)),
        (brokers, uri) => {
            let missing: Vec<&str> = [
                (brokers.is_none(), "KAFKA_BOOTSTRAP_SERVERS (or --bootstrap-servers): brokers as host:port, separated by commas"),
                (uri.is_none(), "MONGODB_URI (or --mongodb-uri): the document store as mongodb://…"),
            ]
            .into_iter()
            .filter_map(|(is_missing, text)| is_missing.then_some(text))
            .collect();
            Err(format!("missing settings:\n  {}", missing.join("\n  ")))
        }
    }
}

/// The Kafka client's settings from a client.properties file.
fn client_properties(args: &StreamArgs) -> Result<Properties, String> {
    let Some(path) = &args.kafka_properties else {
        return Ok(Properties::new());
    };
    let text = fs::read(path)
        .map_err(|error| format!("cannot read KAFKA_PROPERTIES {}: {error}", path.display()))?;
    parse_properties(&text).map_err(|error| format!("{}: {error}", path.display()))
}

fn worker_properties(args: &StreamArgs, client: &Properties) -> Result<Properties, String> {
    let (brokers, _) = required(args)?;
    let mut worker = Properties::from_iter([
        ("bootstrap.servers", brokers),
        (
            "key.converter",
            "org.apache.kafka.connect.converters.ByteArrayConverter",
        ),
        (
            "value.converter",
            "org.apache.kafka.connect.converters.ByteArrayConverter",
        ),
        ("offset.flush.interval.ms", COMMIT_INTERVAL_MS),
        // No port is opened unless one is asked for.
        ("listeners", args.listeners.as_deref().unwrap_or("")),
    ]);
    worker.insert("millstream.memory.bytes", args.memory_bytes.to_string());
    for (key, value) in client.iter() {
        worker.insert(format!("consumer.{key}"), value);
        // The worker's own questions to the brokers need the same way in.
        if ["security.", "sasl.", "ssl."]
            .iter()
            .any(|prefix| key.starts_with(prefix))
        {
            worker.insert(key, value);
        }
    }
    Ok(worker)
}

fn connector_properties(args: &StreamArgs) -> Result<Properties, String> {
    let (_, uri) = required(args)?;
    let key = args
        .hash_key_file
        .as_ref()
        .map(|path| read_key(path))
        .transpose()?;
    let job = HashJob {
        name: CONNECTOR,
        topic: &args.topic,
        group: &args.group(),
        auto_offset_reset: &args.auto_offset_reset,
        algorithm: &args.hash_algorithm,
        key: key.as_deref(),
        null_value: args.on_null_value.setting(),
        uri,
        database: &args.mongodb_database,
        collection: &args.mongodb_collection,
    };
    Ok(job.connector())
}

/// A key is the file's text without its last line break.
fn read_key(path: &Path) -> Result<String, String> {
    let text = fs::read_to_string(path)
        .map_err(|error| format!("cannot read HASH_KEY_FILE {}: {error}", path.display()))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn args(flags: &[&str]) -> StreamArgs {
        let line = ["millstream", "stream"].iter().chain(flags);
        match Cli::try_parse_from(line)
            .expect("the flags are right")
            .command
        {
            Command::Stream(args) => args,
            other => panic!("{other:?} is not stream"),
        }
    }

    #[test]
    fn one_message_names_all_missing_settings() {
        let error = required(&args(&[])).expect_err("two are missing");
        assert!(error.contains("KAFKA_BOOTSTRAP_SERVERS") && error.contains("MONGODB_URI"));
    }

    #[test]
    fn presets_the_hashing_connector() {
        let given = [
            "--bootstrap-servers",
            "b:1",
            "--mongodb-uri",
            "mongodb://d",
            "--topic",
            "T",
        ];
        let connector = connector_properties(&args(&given)).expect("the settings are whole");
        assert_eq!(connector.get("topics"), Some("T"));
        assert_eq!(connector.get("transforms.hash.function"), Some("md5"));
        let worker = worker_properties(&args(&given), &Properties::new()).expect("whole");
        assert_eq!(
            connector.get("consumer.override.group.id"),
            Some("millstream-T")
        );
        assert_eq!(worker.get("listeners"), Some(""));
        let config = WorkerConfig::quiet(worker).expect("a worker without a port");
        assert!(config.settings.listeners.is_empty());
    }
}
