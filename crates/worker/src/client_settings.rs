//! Settings of the Kafka clients that work for a task: the base, then the worker's, then the connector's own.

use crate::config::WorkerSettings;
use millstream_core::config::java_trim;
use millstream_core::{Properties, TaskId};

/// Settings of a sink task's consumer.
pub fn consumer(worker: &WorkerSettings, connector: &Properties, task: &TaskId) -> Properties {
    let mut settings = Properties::from_iter([
        ("group.id", format!("connect-{}", task.connector)),
        ("client.id", format!("connector-consumer-{task}")),
        (
            "bootstrap.servers",
            worker.config.bootstrap_servers.join(","),
        ),
        ("enable.auto.commit", "false".to_owned()),
        ("auto.offset.reset", "earliest".to_owned()),
    ]);
    overlay(&mut settings, worker, connector, "consumer.");
    settings
}

/// Settings of the producer that writes a task's dead letters.
pub fn dead_letter_producer(
    worker: &WorkerSettings,
    connector: &Properties,
    task: &TaskId,
) -> Properties {
    let client_id = format!("connector-dlq-producer-{task}");
    producer(worker, connector, client_id)
}

/// Settings of the producer that writes what a source task brings.
pub fn source_producer(
    worker: &WorkerSettings,
    connector: &Properties,
    task: &TaskId,
) -> Properties {
    producer(worker, connector, format!("connector-producer-{task}"))
}

fn producer(worker: &WorkerSettings, connector: &Properties, client_id: String) -> Properties {
    let mut settings = Properties::from_iter([
        ("client.id", client_id),
        (
            "bootstrap.servers",
            worker.config.bootstrap_servers.join(","),
        ),
        ("acks", "all".to_owned()),
        ("max.in.flight.requests.per.connection", "1".to_owned()),
        ("enable.idempotence", "false".to_owned()),
        ("delivery.timeout.ms", i32::MAX.to_string()),
        ("max.block.ms", i64::MAX.to_string()),
    ]);
    overlay(&mut settings, worker, connector, "producer.");
    settings
}

/// Settings of the admin client that makes a task's dead-letter topic.
pub fn dead_letter_admin(
    worker: &WorkerSettings,
    connector: &Properties,
    task: &TaskId,
) -> Properties {
    admin(
        worker,
        connector,
        &format!("connector-dlq-adminclient-{task}"),
    )
}

/// Settings of the admin client that makes the topics of a source task.
pub fn source_admin(worker: &WorkerSettings, connector: &Properties, task: &TaskId) -> Properties {
    admin(worker, connector, &format!("connector-adminclient-{task}"))
}

/// Settings of an admin client: the worker's own properties, except those of other clients, come first.
pub fn admin(worker: &WorkerSettings, connector: &Properties, client_id: &str) -> Properties {
    let mut settings = Properties::new();
    for (key, value) in worker.properties.iter() {
        let is_other = ["admin.", "producer.", "consumer."]
            .iter()
            .any(|prefix| key.starts_with(prefix));
        if !is_other {
            settings.insert(key, value);
        }
    }
    settings.insert("client.id", client_id);
    settings.insert(
        "bootstrap.servers",
        worker.config.bootstrap_servers.join(","),
    );
    overlay(&mut settings, worker, connector, "admin.");
    settings
}

/// The consumer group of a sink connector.
pub fn group_id(connector: &Properties, name: &str) -> String {
    let given = connector.get("consumer.override.group.id").map(java_trim);
    given.map_or_else(|| format!("connect-{name}"), str::to_owned)
}

fn overlay(settings: &mut Properties, worker: &WorkerSettings, connector: &Properties, kind: &str) {
    let overrides = [
        worker.properties.with_prefix(kind),
        connector.with_prefix(&format!("{kind}override.")),
    ];
    for (key, value) in overrides.iter().flat_map(Properties::iter) {
        settings.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_settings_win() {
        let worker = WorkerSettings::new(Properties::from_iter([
            ("bootstrap.servers", "a:1,b:2"),
            ("key.converter", "k"),
            ("value.converter", "v"),
            ("consumer.max.poll.records", "7"),
            ("consumer.fetch.min.bytes", "9"),
        ]))
        .expect("the settings are whole");
        let connector = Properties::from_iter([("consumer.override.fetch.min.bytes", "5")]);
        let settings = consumer(&worker, &connector, &TaskId::new("s", 0));
        assert_eq!(settings.get("group.id"), Some("connect-s"));
        assert_eq!(settings.get("client.id"), Some("connector-consumer-s-0"));
        assert_eq!(settings.get("bootstrap.servers"), Some("a:1,b:2"));
        assert_eq!(settings.get("max.poll.records"), Some("7"));
        assert_eq!(settings.get("fetch.min.bytes"), Some("5"));
        assert_eq!(settings.get("key.converter"), None);
    }
}
