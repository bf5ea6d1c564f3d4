//! Object keys: of Kafka's records from the settings and the records alone, so that a replay writes the same names again; of a
//! queue's messages, which have no offsets, from an id that is made when the object is opened.

use crate::config::S3Config;
use millstream_core::TopicPartition;
use std::fmt::Write;

#[derive(Clone, Debug)]
pub(crate) struct Names {
    topics_dir: String,
    directory_delim: String,
    file_delim: String,
    /// Least number of digits of an offset; wider offsets are never cut.
    offset_width: usize,
}

impl Names {
    pub(crate) fn new(config: &S3Config) -> Self {
        Names {
            topics_dir: config.topics_dir.clone(),
            directory_delim: config.directory_delim.clone(),
            file_delim: config.file_delim.clone(),
            offset_width: usize::try_from(config.offset_width).unwrap_or(0),
        }
    }

    /// Whether offsets are to have no digits at all, which passes validation and cannot be done.
    pub(crate) fn refuse_width(&self) -> bool {
        self.offset_width == 0
    }

    /// The key of the object with the values of an encoded partition from `start` on.
    pub(crate) fn object(
        &self,
        topic: &str,
        encoded: &str,
        partition: i32,
        start: i64,
        extension: &str,
    ) -> String {
        let file = &self.file_delim;
        let mut key = self.folder(topic, encoded);
        // Writing to a String cannot fail.
        let _ = write!(
            key,
            "{topic}{file}{partition}{file}{start:0width$}{extension}",
            width = self.offset_width
        );
        key
    }

    /// The key of the object with the values of a batch of a queue's messages; `records` is how many, if that is known. A task's
    /// number is the partition.
    pub(crate) fn batch(
        &self,
        origin: &TopicPartition,
        encoded: &str,
        batch: &str,
        records: Option<usize>,
        extension: &str,
    ) -> String {
        let file = &self.file_delim;
        let (topic, task) = (&origin.topic, origin.partition);
        let mut key = self.folder(topic, encoded);
        let _ = write!(key, "{topic}{file}{task}{file}{batch}");
        if let Some(records) = records {
            let _ = write!(key, "{file}{records}");
        }
        key.push_str(extension);
        key
    }

    /// What the keys of an encoded partition begin with.
    fn folder(&self, topic: &str, encoded: &str) -> String {
        let dir = &self.directory_delim;
        let mut key = String::with_capacity(self.topics_dir.len() + 2 * topic.len() + 64);
        if !self.topics_dir.is_empty() {
            key.push_str(&self.topics_dir);
            key.push_str(dir);
        }
        let _ = write!(key, "{topic}{dir}{encoded}{dir}");
        key
    }
}

/// The key of the object beside `key` that holds `what` (`keys` or `headers`).
pub(crate) fn sibling(key: &str, value_extension: &str, what: &str, extension: &str) -> String {
    let stem = key.strip_suffix(value_extension).unwrap_or(key);
    format!("{stem}.{what}{extension}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(topics_dir: &str, width: usize, offset: i64, expected: &str) {
        let names = Names {
            topics_dir: topics_dir.to_owned(),
            directory_delim: "/".to_owned(),
            file_delim: "+".to_owned(),
            offset_width: width,
        };
        assert_eq!(
            names.object("t", "partition=3", 3, offset, ".json"),
            expected
        );
    }

    #[test]
    fn a_batch_is_named_by_its_id_and_its_records() {
        let names = Names {
            topics_dir: "topics".to_owned(),
            directory_delim: "/".to_owned(),
            file_delim: "+".to_owned(),
            offset_width: 10,
        };
        let origin = TopicPartition::new("orders", 2);
        let name = |records| names.batch(&origin, "partition=2", "01ID", records, ".json");
        assert_eq!(
            name(Some(70)),
            "topics/orders/partition=2/orders+2+01ID+70.json"
        );
        assert_eq!(name(None), "topics/orders/partition=2/orders+2+01ID.json");
    }

    #[test]
    fn names_as_the_original() {
        check("topics", 10, 42, "topics/t/partition=3/t+3+0000000042.json");
        check("topics", 2, 42, "topics/t/partition=3/t+3+42.json");
        check("topics", 2, 12345, "topics/t/partition=3/t+3+12345.json");
        check("", 10, 42, "t/partition=3/t+3+0000000042.json");
        assert_eq!(
            sibling("sample.avro.RawEvent.avro", ".avro", "keys", ".avro"),
            "sample.avro.RawEvent.keys.avro"
        );
    }
}
