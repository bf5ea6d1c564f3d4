//! Workers of a cluster: processes that share internal topics on a broker of this one's.

mod ends;
mod records;
mod series;
mod sources;
mod together;

use crate::worker::Worker;
use millstream_embedded::broker::{Broker, BrokerSettings};
use std::fmt::Write;
use std::path::Path;

/// A worker that is gone is noticed soon, and nobody waits for its return.
pub(crate) const HASTY: [(&str, &str); 3] = [
    ("session.timeout.ms", "6000"),
    ("heartbeat.interval.ms", "300"),
    ("scheduled.rebalance.max.delay.ms", "0"),
];

/// A broker that makes no topic unasked.
pub(crate) async fn broker() -> Broker {
    let config = BrokerSettings {
        auto_create_topics: false,
        ..BrokerSettings::of_nodes(1)
    };
    Broker::start(config).await.unwrap()
}

/// The settings of the recorded workers, with further ones.
pub(crate) fn file(folder: &Path, name: &str, broker: &Broker, more: &[(&str, &str)]) -> String {
    let json = "org.apache.kafka.connect.json.JsonConverter";
    let bootstrap = broker.bootstrap();
    let settings = [
        ("bootstrap.servers", bootstrap.as_str()),
        ("group.id", "kc"),
        ("config.storage.topic", "kc_config"),
        ("offset.storage.topic", "kc_offset"),
        ("status.storage.topic", "kc_status"),
        ("config.storage.replication.factor", "1"),
        ("offset.storage.replication.factor", "1"),
        ("status.storage.replication.factor", "1"),
        ("key.converter", json),
        ("value.converter", json),
        ("key.converter.schemas.enable", "false"),
        ("value.converter.schemas.enable", "false"),
        ("offset.flush.interval.ms", "1000"),
        ("listeners", "http://127.0.0.1:0"),
    ];
    let mut text = String::new();
    for (key, value) in settings.iter().chain(more) {
        writeln!(text, "{key}={value}").unwrap();
    }
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

async fn start(folder: &Path, name: &str, broker: &Broker, more: &[(&str, &str)]) -> Worker {
    let file = file(folder, name, broker, more);
    let log = folder.join(format!("{name}.log"));
    Worker::start(&["worker", &file], &[], log).await
}
