//! The hashing job as an ordinary connector: topic or queue → hash → HoistField → MongoDB sink. Ids of a topic's records are their
//! places.

mod shape;

use millstream_core::Properties;
pub(crate) use shape::Shape;

/// What the job needs to know; everything else is the recipe.
pub(crate) struct HashJob<'a> {
    pub(crate) name: &'a str,
    pub(crate) records: Records<'a>,
    pub(crate) shape: Shape<'a>,
    /// `auto` or `replace`.
    pub(crate) duplicates: &'a str,
    pub(crate) uri: &'a str,
    pub(crate) database: &'a str,
    pub(crate) collection: &'a str,
}

/// Where the records come from.
pub(crate) enum Records<'a> {
    Topic {
        topic: &'a str,
        group: &'a str,
        auto_offset_reset: &'a str,
    },
    /// A queue, by the settings of its input.
    Queue(&'a Properties),
}

impl HashJob<'_> {
    /// The connector's settings.
    pub(crate) fn connector(&self) -> Properties {
        let mut connector = Properties::from_iter([
            ("name", self.name),
            (
                "connector.class",
                "com.mongodb.kafka.connect.MongoSinkConnector",
            ),
            ("tasks.max", "1"),
            ("connection.uri", self.uri),
            ("database", self.database),
            ("collection", self.collection),
            (
                "writemodel.strategy",
                "com.mongodb.kafka.connect.sink.writemodel.strategy.InsertOneDefaultStrategy",
            ),
            ("bulk.write.ordered", "false"),
            ("millstream.mongo.duplicate.policy", self.duplicates),
            // A store that is not there yet is waited for, as it is later.
            ("millstream.mongo.validate.connect", "false"),
        ]);
        self.shape.put(&mut connector);
        match self.records {
            Records::Topic {
                topic,
                group,
                auto_offset_reset,
            } => {
                connector.insert("topics", topic);
                connector.insert("consumer.override.group.id", group);
                let reset = "consumer.override.auto.offset.reset";
                connector.insert(reset, auto_offset_reset);
                let of_place =
                    "com.mongodb.kafka.connect.sink.processor.id.strategy.KafkaMetaDataStrategy";
                connector.insert("document.id.strategy", of_place);
            }
            // Offsets of a queue are of one run, so ids are the sink's own choice there.
            Records::Queue(input) => {
                for (key, value) in input.iter() {
                    connector.insert(key, value);
                }
            }
        }
        connector
    }
}
