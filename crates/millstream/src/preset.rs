//! The hashing job as an ordinary connector: topic or queue → hash → HoistField → MongoDB sink. Ids of a topic's records are their
//! places.

mod shape;
mod totals;

use millstream_core::Properties;
pub(crate) use shape::Shape;
pub(crate) use totals::Totals;

/// What the job needs to know; everything else is the recipe.
pub(crate) struct HashJob<'a> {
    pub(crate) name: &'a str,
    pub(crate) records: Records<'a>,
    pub(crate) shape: Shape<'a>,
    /// Totals in place of the records.
    pub(crate) totals: Option<Totals<'a>>,
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
            // A store that is not there yet is waited for, as it is later.
            ("millstream.mongo.validate.connect", "false"),
        ]);
        self.shape.put(&mut connector);
        match &self.totals {
            Some(totals) => totals.put(&mut connector),
            None => self.put_writes(&mut connector),
        }
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
            }
            Records::Queue(input) => {
                for (key, value) in input.iter() {
                    connector.insert(key, value);
                }
            }
        }
        connector
    }

    /// A document for each record.
    fn put_writes(&self, connector: &mut Properties) {
        const PACKAGE: &str = "com.mongodb.kafka.connect.sink.";
        let inserts = format!("{PACKAGE}writemodel.strategy.InsertOneDefaultStrategy");
        connector.insert("writemodel.strategy", inserts);
        connector.insert("bulk.write.ordered", "false");
        connector.insert("millstream.mongo.duplicate.policy", self.duplicates);
        // Offsets of a queue are of one run, so ids are the sink's own choice there.
        if matches!(self.records, Records::Topic { .. }) {
            let of_place = format!("{PACKAGE}processor.id.strategy.KafkaMetaDataStrategy");
            connector.insert("document.id.strategy", of_place);
        }
    }
}
