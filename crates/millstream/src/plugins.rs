//! The list of everything compiled in.

use millstream_mongodb::MongoSinkConnector;
use millstream_plugins::{CONVERTERS, HEADER_CONVERTERS, PREDICATES, TRANSFORMS};
use millstream_s3::S3SinkConnector;
use millstream_worker::PluginRegistry;
use std::sync::Arc;

/// Every plugin, by its Java class name.
pub(crate) fn registry() -> PluginRegistry {
    PluginRegistry {
        connectors: vec![Arc::new(S3SinkConnector), Arc::new(MongoSinkConnector)],
        converters: CONVERTERS.to_vec(),
        header_converters: HEADER_CONVERTERS.to_vec(),
        transforms: TRANSFORMS.to_vec(),
        predicates: PREDICATES.to_vec(),
    }
}
