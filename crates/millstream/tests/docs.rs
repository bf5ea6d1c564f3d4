//! The tables in `docs/configuration` come from the code; a stale one fails. To write them anew:
//! `MILLSTREAM_WRITE_DOCS=1 cargo test --release -p millstream --test docs`.
#![allow(clippy::unwrap_used)]

use millstream_connectors::{FileStreamSinkConnector, FileStreamSourceConnector};
use millstream_core::config::markdown_table;
use millstream_core::{ConfigDef, Connector, ConnectorKind, Key};
use millstream_kafka::config::{ClientConfig, ConsumerConfig, FetchConfig};
use millstream_kafka::producer::ProducerConfig;
use millstream_kafka::security::{OAuthConfig, SecurityConfig};
use millstream_mongodb::MongoSinkConnector;
use millstream_plugins::{CONVERTERS, HEADER_CONVERTERS, PREDICATES, TRANSFORMS};
use millstream_s3::S3SinkConnector;
use millstream_worker::config::{DistributedConfig, WorkerConfig};
use millstream_worker::health::HealthConfig;
use millstream_worker::validation::Validator;
use millstream_worker::{InterWorkerConfig, ListenerTlsConfig};
use std::fmt::Write;
use std::path::Path;

/// A page: its file, what it is about, and its sections.
fn page(file: &str, about: &str, sections: &[(String, ConfigDef)]) {
    let mut text =
        format!("{about}\n\nThis page is written by a test from the definitions in the code.\n");
    for (title, definition) in sections {
        if !title.is_empty() {
            write!(text, "\n## {title}\n").unwrap();
        }
        write!(text, "\n{}", markdown_table(definition)).unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs/configuration")
        .join(file);
    // The one way to write what is otherwise compared.
    if std::env::var_os("MILLSTREAM_WRITE_DOCS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let current = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        current == text,
        "docs/configuration/{file} is stale; see the first lines of this test"
    );
}

fn one(definition: ConfigDef) -> Vec<(String, ConfigDef)> {
    vec![(String::new(), definition)]
}

/// The original's keys, and those that it does not have.
fn connector(connector: &dyn Connector) -> Vec<(String, ConfigDef)> {
    let own = connector.extensions().clone();
    let mut sections = one(connector.config_def().clone());
    sections.push(("Settings that the original does not have".to_owned(), own));
    sections
}

#[test]
fn worker() {
    let mut sections = one(WorkerConfig::definition());
    let of_cluster = "Workers of a cluster (`millstream worker`)".to_owned();
    sections.push((of_cluster, DistributedConfig::definition()));
    let signed = "Requests between the workers of a cluster".to_owned();
    sections.push((signed, InterWorkerConfig::definition()));
    let https = "HTTPS: for listeners as `listeners.https.…`, for admin listeners as `admin.listeners.https.…`, or without a prefix".to_owned();
    sections.push((https, ListenerTlsConfig::definition()));
    let health = "The health port: see [health.md](../health.md)".to_owned();
    sections.push((health, HealthConfig::definition()));
    page("worker.md", "# The worker", &sections);
}

#[test]
fn queues() {
    let about =
        "# Queues as inputs of sinks\n\nWhat they are for is told in [queues.md](../queues.md).";
    let inputs = millstream_queues::inputs().into_iter();
    let sections: Vec<(String, ConfigDef)> = inputs
        .map(|input| {
            let title = format!("`input.type={}`", input.name);
            (title, (input.config_def)())
        })
        .collect();
    page("queues.md", about, &sections);
}

#[test]
fn queue_sources() {
    let about = "# Queues as sources of topics

What they do is told in [queues.md](../queues.md#sources-of-topics).";
    let sections: Vec<(String, ConfigDef)> = millstream_queues::source_connectors()
        .iter()
        .flat_map(|connector| {
            let class = connector.class_name();
            let own = connector.extensions().clone();
            [
                (format!("`{class}`"), connector.config_def().clone()),
                (
                    format!("`{class}`: settings that the original does not have"),
                    own,
                ),
            ]
        })
        .collect();
    page("queue-sources.md", about, &sections);
}

#[test]
fn connectors() {
    let about =
        "# Every connector\n\nWhere no default is shown for a converter, the worker's is used.";
    let sinks = Validator::framework_keys(ConnectorKind::Sink);
    let sources = Validator::framework_keys(ConnectorKind::Source);
    let missing = |keys: &[Key], others: &[Key]| {
        let is_known = |key: &&Key| others.iter().any(|other| other.name == key.name);
        let keys = keys.iter().filter(|key| !is_known(key));
        ConfigDef::new(keys.cloned().collect())
    };
    let of_sinks = missing(&sinks, &sources);
    let all = missing(&sinks, of_sinks.keys());
    page(
        "connectors.md",
        about,
        &[
            (String::new(), all),
            ("Sink connectors".to_owned(), of_sinks),
            ("Source connectors".to_owned(), missing(&sources, &sinks)),
        ],
    );
}

#[test]
fn s3_sink() {
    let about = "# S3 sink\n\n`io.confluent.connect.s3.S3SinkConnector`";
    page("s3-sink.md", about, &connector(&S3SinkConnector));
}

#[test]
fn mongodb_sink() {
    let about = "# MongoDB and DocumentDB sink\n\n`com.mongodb.kafka.connect.MongoSinkConnector`";
    page("mongodb-sink.md", about, &connector(&MongoSinkConnector));
}

#[test]
fn file_connectors() {
    let about = "# File connectors

`FileStreamSink` appends the values of records to a file, a line each, as Java's `println` writes them; without a file to the
standard output. A commit follows what the operating system has taken; nothing is forced onto the disk, as in the original. A
task that ends in the middle of a write repeats lines after its next start.

`FileStreamSource` brings the lines of a file and follows it as it grows; without a file those of the standard input, of which no
position is kept. Records are written at least once: after a stop in the middle the lines behind the stored position come again.

Whoever may create connectors may read and write with these whatever files the worker may. `millstream.plugins.include` of the
[worker](worker.md) leaves them out.";
    let section = |connector: &dyn Connector| {
        let class = format!("`{}`", connector.class_name());
        (class, connector.config_def().clone())
    };
    let sections = [
        section(&FileStreamSinkConnector),
        section(&FileStreamSourceConnector),
    ];
    page("file-connectors.md", about, &sections);
}

#[test]
fn transforms() {
    let transforms = TRANSFORMS
        .iter()
        .map(|p| (format!("`{}`", p.class), (p.config_def)()));
    let predicates = PREDICATES
        .iter()
        .map(|p| (format!("Predicate `{}`", p.class), (p.config_def)()));
    let sections: Vec<_> = transforms.chain(predicates).collect();
    page("transforms.md", "# Transforms and predicates", &sections);
}

#[test]
fn converters() {
    let converters = CONVERTERS
        .iter()
        .map(|p| (format!("`{}`", p.class), (p.config_def)()));
    let known = |class: &str| CONVERTERS.iter().any(|p| p.class == class);
    let headers = HEADER_CONVERTERS.iter().filter(|p| !known(p.class));
    let headers = headers.map(|p| (format!("Headers: `{}`", p.class), (p.config_def)()));
    let of_registry = millstream_registry::CONVERTERS.iter();
    let of_registry = of_registry.map(|p| (format!("`{}`", p.class), (p.config_def)()));
    let sections: Vec<_> = converters.chain(headers).chain(of_registry).collect();
    page("converters.md", "# Converters", &sections);
}

#[test]
fn kafka_clients() {
    let about = "# Kafka clients\n\nFor the worker's clients as `consumer.…`, `producer.…` and `admin.…`, for a connector's as `consumer.override.…` and so on.";
    let sections = [
        ("Every client", ClientConfig::definition()),
        ("Security", SecurityConfig::definition()),
        ("Security: OAUTHBEARER", OAuthConfig::definition()),
        ("Consumers: fetching", FetchConfig::definition()),
        ("Consumers: groups", ConsumerConfig::definition()),
        ("Producers", ProducerConfig::definition()),
    ];
    let sections: Vec<_> = sections
        .into_iter()
        .map(|(title, d)| (title.to_owned(), d))
        .collect();
    page("kafka-clients.md", about, &sections);
}
