//! Settings for Kafka clients that a connector brings along, and whether its group is its own.

use super::{Configs, ValidationError};
use crate::client_keys::{self, Client};
use crate::config::OverridePolicy;
use millstream_core::config::Parsed;
use millstream_core::{ConfigValue, Key, Properties};

/// The prefixes of the settings for each client.
pub(super) const PREFIXES: [(&str, Client); 3] = [
    ("producer.override.", Client::Producer),
    ("consumer.override.", Client::Consumer),
    ("admin.override.", Client::Admin),
];

const GROUP: &str = "consumer.override.group.id";

/// The clients of a sink connector.
pub(super) fn of_sink(has_dead_letters: bool) -> &'static [Client] {
    if has_dead_letters {
        &[Client::Producer, Client::Consumer, Client::Admin]
    } else {
        &[Client::Consumer]
    }
}

/// The clients of a source connector.
pub(super) fn of_source(config: &Properties) -> &'static [Client] {
    if config.with_prefix("topic.creation.").is_empty() {
        &[Client::Producer]
    } else {
        &[Client::Producer, Client::Admin]
    }
}

/// Checks the settings of the clients that the connector uses, those that are null, too. One that cannot be read ends
/// validation, as in Java.
pub(super) fn validate(
    policy: &str,
    config: &Properties,
    used: &[Client],
) -> Result<Configs, ValidationError> {
    let policy = OverridePolicy::find(policy).unwrap_or(OverridePolicy::None);
    let mut found = Vec::new();
    for (prefix, client) in PREFIXES {
        if !used.contains(&client) {
            continue;
        }
        for (setting, text) in config.with_prefix(prefix).entries() {
            let key = client_keys::find(client, setting);
            let value = match (&key, text) {
                (_, None) => None,
                (Some(key), Some(text)) => {
                    Some(key.parse(text, |_| true).map_err(ValidationError::Config)?)
                }
                (None, Some(text)) => Some(Parsed::String(text.to_owned())),
            };
            let name = format!("{prefix}{setting}");
            let value = ConfigValue {
                name: name.clone(),
                value,
                recommended: Vec::new(),
                errors: policy.refuse(setting).into_iter().collect(),
                visible: true,
            };
            let key = key.map(|key| Key {
                name: name.into(),
                ..key
            });
            found.push((key, value));
        }
    }
    Ok(found)
}

/// A sink's consumers must not sit in the group of the workers. A group that the connector names is listed for this
/// check, besides the setting of the client, which it is too.
pub(super) fn refuse_group(worker: &str, config: &Properties, configs: &mut Configs) {
    if let Some(group) = config.get(GROUP) {
        let error = format!("Consumer group {group} conflicts with Connect worker group {worker}");
        let value = ConfigValue {
            name: GROUP.to_owned(),
            value: Some(Parsed::String(group.to_owned())),
            recommended: Vec::new(),
            errors: Some(error)
                .filter(|_| group == worker)
                .into_iter()
                .collect(),
            visible: true,
        };
        configs.insert(0, (None, value));
        return;
    }
    let name = config.get("name").unwrap_or_default();
    if format!("connect-{name}") == worker
        && let Some((_, value)) = configs.iter_mut().find(|(_, value)| value.name == "name")
    {
        value.errors.push(format!(
            "Consumer group for sink connector named {name} conflicts with Connect worker group {worker}"
        ));
    }
}
