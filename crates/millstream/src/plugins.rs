//! The list of everything compiled in.

use millstream_core::Connector;
use millstream_mongodb::MongoSinkConnector;
use millstream_plugins::{CONVERTERS, HEADER_CONVERTERS, PREDICATES, TRANSFORMS};
use millstream_s3::S3SinkConnector;
use millstream_worker::PluginRegistry;
use std::sync::Arc;

/// Every plugin, by its Java class name.
pub(crate) fn registry() -> PluginRegistry {
    let mut connectors: Vec<Arc<dyn Connector>> =
        vec![Arc::new(S3SinkConnector), Arc::new(MongoSinkConnector)];
    connectors.extend(millstream_connectors::connectors());
    connectors.extend(millstream_queues::source_connectors());
    PluginRegistry {
        connectors,
        converters: [CONVERTERS, millstream_registry::CONVERTERS].concat(),
        header_converters: HEADER_CONVERTERS.to_vec(),
        transforms: TRANSFORMS.to_vec(),
        predicates: PREDICATES.to_vec(),
        inputs: millstream_queues::inputs(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_core::plugin::{ClassKind, on_class_path};

    /// What connectors are told is on Java's class path is what stands here, but for our own transforms.
    #[test]
    fn every_stock_plugin_is_on_the_class_path() {
        let registry = registry();
        let converters = registry.converters.iter().map(|p| p.class);
        let headers = registry.header_converters.iter().map(|p| p.class);
        let transforms = registry.transforms.iter().map(|p| p.class);
        let predicates = registry.predicates.iter().map(|p| p.class);
        let all = converters
            .chain(headers)
            .chain(transforms)
            .chain(predicates);
        for class in all.filter(|class| class.starts_with("org.apache.kafka.")) {
            assert_eq!(on_class_path(class), Some(ClassKind::Plain), "{class}");
            if let Some((outer, _)) = class.split_once('$') {
                assert_eq!(on_class_path(outer), Some(ClassKind::Abstract), "{outer}");
            }
        }
        assert_eq!(
            on_class_path("org.apache.kafka.connect.transforms.Filter$Key"),
            None
        );
        assert_eq!(
            on_class_path("org.apache.kafka.connect.transforms.Hash"),
            None
        );
    }
}
