//! The kinds of queues there are.

use crate::activemq::ActiveMq;
use crate::rabbitmq::config::RabbitMq;
use crate::settings::{self, QueueSettings, Read};
use crate::sqs::Sqs;
use millstream_core::Properties;
use millstream_core::plugin::InputPlugin;

/// The key that says that a sink's records come from a queue, and from which kind.
pub use millstream_core::message::INPUT_TYPE;

fn kinds() -> Vec<(InputPlugin, Read)> {
    vec![
        (settings::plugin::<Sqs>(), settings::reader::<Sqs>()),
        (
            settings::plugin::<RabbitMq>(),
            settings::reader::<RabbitMq>(),
        ),
        (
            settings::plugin::<ActiveMq>(),
            settings::reader::<ActiveMq>(),
        ),
    ]
}

/// All kinds, for the registry of plugins.
pub fn inputs() -> Vec<InputPlugin> {
    kinds().into_iter().map(|(plugin, _)| plugin).collect()
}

/// The queue that a connector's configuration names.
///
/// # Errors
/// The first error of any setting.
pub fn queue_settings(properties: &Properties) -> Result<QueueSettings, String> {
    let name = properties.get(INPUT_TYPE).unwrap_or_default();
    let kind = kinds().into_iter().find(|(plugin, _)| plugin.name == name);
    let (_, read) = kind.ok_or_else(|| format!("{INPUT_TYPE}: there is no input {name}"))?;
    // Sinks see headers as texts.
    read(properties, false)
}
