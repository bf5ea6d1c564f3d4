//! The connectors that Apache Kafka ships beside its Connect worker: from and to files, and those of its system tests.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod file_error;
mod file_sink;
mod file_source;
mod output;
mod tools;

pub use file_sink::FileStreamSinkConnector;
pub use file_source::FileStreamSourceConnector;
pub use tools::{
    MockSinkConnector, MockSourceConnector, SchemaSourceConnector, VerifiableSinkConnector,
    VerifiableSourceConnector,
};

use millstream_core::Connector;
use std::sync::Arc;

/// All of them.
pub fn connectors() -> Vec<Arc<dyn Connector>> {
    vec![
        Arc::new(FileStreamSinkConnector),
        Arc::new(FileStreamSourceConnector),
        Arc::new(MockSinkConnector),
        Arc::new(MockSourceConnector),
        Arc::new(SchemaSourceConnector),
        Arc::new(VerifiableSinkConnector),
        Arc::new(VerifiableSourceConnector),
    ]
}
