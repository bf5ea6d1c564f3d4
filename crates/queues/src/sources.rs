//! Queues as sources of topics, under the class names that others have for them: a message becomes a record, and is taken off
//! its queue once Kafka has acknowledged that record.

mod class;
mod connector;
mod log_task;
mod shape;
mod task;

use connector::QueueSource;
use millstream_core::Connector;
use std::sync::Arc;

/// A connector for each class.
pub fn source_connectors() -> Vec<Arc<dyn Connector>> {
    let classes = class::CLASSES.iter();
    classes
        .map(|class| Arc::new(QueueSource::new(class)) as Arc<dyn Connector>)
        .collect()
}

#[cfg(test)]
mod tests;
