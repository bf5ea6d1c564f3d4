//! The hashing job as an ordinary connector: topic → hash → HoistField → MongoDB sink, with deterministic ids.

use millstream_core::Properties;

/// What the job needs to know; everything else is the recipe.
pub(crate) struct HashJob<'a> {
    pub(crate) name: &'a str,
    pub(crate) topic: &'a str,
    pub(crate) group: &'a str,
    pub(crate) auto_offset_reset: &'a str,
    pub(crate) algorithm: &'a str,
    pub(crate) key: Option<&'a str>,
    /// `skip` or `fail`.
    pub(crate) null_value: &'a str,
    /// `auto` or `replace`.
    pub(crate) duplicates: &'a str,
    pub(crate) uri: &'a str,
    pub(crate) database: &'a str,
    pub(crate) collection: &'a str,
}

impl HashJob<'_> {
    /// The connector's settings. The hash is over the raw bytes of the value.
    pub(crate) fn connector(&self) -> Properties {
        let mut connector = Properties::from_iter([
            ("name", self.name),
            (
                "connector.class",
                "com.mongodb.kafka.connect.MongoSinkConnector",
            ),
            ("tasks.max", "1"),
            ("topics", self.topic),
            ("consumer.override.group.id", self.group),
            (
                "consumer.override.auto.offset.reset",
                self.auto_offset_reset,
            ),
            ("connection.uri", self.uri),
            ("database", self.database),
            ("collection", self.collection),
            (
                "key.converter",
                "org.apache.kafka.connect.converters.ByteArrayConverter",
            ),
            (
                "value.converter",
                "org.apache.kafka.connect.converters.ByteArrayConverter",
            ),
            ("transforms", "hash,wrap"),
            (
                "transforms.hash.type",
                "io.aiven.kafka.connect.transforms.Hash$Value",
            ),
            ("transforms.hash.function", self.algorithm),
            ("transforms.hash.input", "raw"),
            ("transforms.hash.null.value", self.null_value),
            (
                "transforms.wrap.type",
                "org.apache.kafka.connect.transforms.HoistField$Value",
            ),
            ("transforms.wrap.field", "value"),
            (
                "document.id.strategy",
                "com.mongodb.kafka.connect.sink.processor.id.strategy.KafkaMetaDataStrategy",
            ),
            (
                "writemodel.strategy",
                "com.mongodb.kafka.connect.sink.writemodel.strategy.InsertOneDefaultStrategy",
            ),
            ("bulk.write.ordered", "false"),
            ("millstream.mongo.duplicate.policy", self.duplicates),
            // A store that is not there yet is waited for, as it is later.
            ("millstream.mongo.validate.connect", "false"),
        ]);
        if let Some(key) = self.key {
            connector.insert("transforms.hash.key", key);
        }
        connector
    }
}
