//! SourceSettings: how a source task writes to Kafka, by its connector's configuration, read once for each start.

use crate::client_settings;
use crate::config::WorkerSettings;
use crate::connector_config::{SourceConfig, read};
use crate::topic_creation::TopicCreation;
use millstream_core::{Properties, TaskId};

/// The setting of Java's workers that every worker of a cluster has the same of.
const EXACTLY_ONCE: &str = "exactly.once.source.support";

/// Where the framework puts what a source brings.
#[derive(Clone, Debug)]
pub struct SourceSettings {
    /// How topics are made; `None` leaves that to the brokers.
    pub topic_creation: Option<TopicCreation>,
    /// Of the Kafka client that writes the records.
    pub producer: Properties,
    /// Of the Kafka client that makes topics.
    pub admin: Properties,
}

impl SourceSettings {
    /// Reads the settings of a task of this connector.
    ///
    /// # Errors
    /// The first error of any key, with Java's text; what is not supported, by its key.
    pub fn read(
        id: &TaskId,
        connector: &Properties,
        worker: &WorkerSettings,
    ) -> Result<Self, String> {
        Ok(SourceSettings {
            topic_creation: check(connector, worker)?,
            producer: client_settings::source_producer(worker, connector, id),
            admin: client_settings::source_admin(worker, connector, id),
        })
    }
}

/// What Java's worker finds when the connector starts, not before.
///
/// # Errors
/// As `SourceSettings::read`.
pub(crate) fn check(
    connector: &Properties,
    worker: &WorkerSettings,
) -> Result<Option<TopicCreation>, String> {
    let config = read(connector, SourceConfig::parse)?;
    if config.offsets_topic.is_some() {
        return Err(
            "offsets.storage.topic is not supported: the offsets of all sources are kept in the worker's own store; remove it"
                .to_owned(),
        );
    }
    let exactly_once = worker.properties.get(EXACTLY_ONCE).map(str::trim);
    if exactly_once.is_some_and(|mode| mode.eq_ignore_ascii_case("enabled")) {
        return Err(format!(
            "{EXACTLY_ONCE}=enabled: this worker does not write what sources bring exactly once; set it to disabled or \
             preparing to have it written at least once, or run the connector on a worker of Java's"
        ));
    }
    if !worker.config.topic_creation {
        return Ok(None);
    }
    let groups = config.topic_creation_groups.unwrap_or_default();
    TopicCreation::read(&groups, &connector.with_prefix("topic.creation."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_named_and_set_as_java_does_it() {
        let worker =
            WorkerSettings::minimal(&[("producer.linger.ms", "7"), ("producer.acks", "1")]);
        let worker = worker.expect("the settings are whole");
        let connector = Properties::from_iter([("producer.override.acks", "all")]);
        let settings = SourceSettings::read(&TaskId::new("f", 2), &connector, &worker);
        let settings = settings.expect("all is in order");
        let expected = [
            ("client.id", "connector-producer-f-2"),
            ("bootstrap.servers", "a:1"),
            ("acks", "all"),
            ("linger.ms", "7"),
            ("enable.idempotence", "false"),
            ("max.in.flight.requests.per.connection", "1"),
        ];
        for (key, value) in expected {
            assert_eq!(settings.producer.get(key), Some(value), "{key}");
        }
        let admin = settings.admin.get("client.id");
        assert_eq!(admin, Some("connector-adminclient-f-2"));
        assert!(settings.topic_creation.is_none());
    }

    #[test]
    fn exactly_once_is_refused_with_what_to_do() {
        let worker = |mode: &str| WorkerSettings::minimal(&[(EXACTLY_ONCE, mode)]);
        let refused = |mode: &str| {
            let worker = worker(mode).expect("the settings are whole");
            check(&Properties::new(), &worker).err()
        };
        assert_eq!(refused("preparing"), None);
        let why = refused(" Enabled ").expect("it is refused");
        assert!(why.contains("set it to disabled or preparing"), "{why}");
    }

    #[test]
    fn an_offsets_topic_of_its_own_is_refused_by_name() {
        let worker = WorkerSettings::minimal(&[]);
        let connector = Properties::from_iter([("offsets.storage.topic", "mine")]);
        let refused = check(&connector, &worker.expect("the settings are whole"));
        assert!(
            refused.is_err_and(|why| why.starts_with("offsets.storage.topic is not supported"))
        );
    }
}
