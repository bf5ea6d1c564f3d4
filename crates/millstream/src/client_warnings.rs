//! Warnings of settings that a Kafka client was given and will not act on; each connector's once, by its first task.

use millstream_core::Properties;
use millstream_kafka::{Role, warnings};
use millstream_worker::TaskStart;

pub(crate) fn warn(start: &TaskStart, settings: &Properties, role: Role) {
    if start.id.task != 0 {
        return;
    }
    for warning in warnings(settings, role) {
        tracing::warn!(
            connector = &*start.id.connector,
            client = ?role,
            "the client's setting {warning}"
        );
    }
}
