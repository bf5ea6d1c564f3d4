//! Place: how far the records of a partition are counted, and what decides about those to come. All its numbers only grow as
//! records are read, so that writing it again, or an older one after it, changes nothing.

use crate::namespace::Namespace;
use bson::{Bson, DateTime, Document, doc};
use millstream_core::TopicPartition;

/// The place of a partition. The default is that of one of which nothing has been counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// The offset up to which everything has been decided, and what counts is in the totals.
    pub(crate) next: i64,
    /// The latest timestamp before it.
    pub(crate) watermark: Option<i64>,
    /// Records in the totals.
    pub(crate) counted: i64,
    /// Records that came too late.
    pub(crate) late: i64,
    /// Bad records, and those without a key that are skipped.
    pub(crate) left_out: i64,
    /// The first record of all, by offset and timestamp. Another one in its place is of another topic.
    pub(crate) first: Option<(i64, i64)>,
}

/// A partition as documents name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartitionName {
    /// `topic#partition`.
    pub(crate) text: String,
    /// The same as the name of a field.
    field: String,
}

impl PartitionName {
    pub(crate) fn of(partition: &TopicPartition) -> Self {
        let text = format!("{}#{}", partition.topic, partition.partition);
        let mut field = String::with_capacity(text.len());
        for letter in text.chars() {
            match letter {
                '.' => field.push_str("%2E"),
                '$' => field.push_str("%24"),
                '%' => field.push_str("%25"),
                other => field.push(other),
            }
        }
        PartitionName { text, field }
    }

    /// Where a document of totals says how far this partition is counted.
    pub(crate) fn next_field(&self) -> String {
        format!("partitions.{}.next", self.field)
    }

    /// What a document of totals says of it.
    pub(crate) fn next_in(&self, totals: &Document) -> Option<i64> {
        let partitions = totals.get_document("partitions").ok()?;
        integer(partitions.get_document(&self.field).ok()?, "next")
    }

    /// The `_id` of its place.
    pub(crate) fn id(&self) -> Bson {
        Bson::Document(doc! {"partition": self.text.as_str()})
    }
}

impl Place {
    pub(crate) fn read(document: &Document) -> Self {
        let first = document.get_document("first").ok();
        Place {
            next: integer(document, "next").unwrap_or(0),
            watermark: millis(document, "watermark"),
            counted: integer(document, "counted").unwrap_or(0),
            late: integer(document, "late").unwrap_or(0),
            left_out: integer(document, "leftOut").unwrap_or(0),
            first: first
                .and_then(|first| Some((integer(first, "offset")?, millis(first, "timestamp")?))),
        }
    }

    /// The update that brings it into the collection; `of` says by what records are told apart.
    pub(crate) fn statement(&self, partition: &PartitionName, of: &str) -> Document {
        let mut most = doc! {"next": self.next, "counted": self.counted, "late": self.late, "leftOut": self.left_out};
        if let Some(watermark) = self.watermark {
            most.insert("watermark", DateTime::from_millis(watermark));
        }
        let mut update = doc! {"$max": most, "$set": {"of": of}};
        if let Some((offset, timestamp)) = self.first {
            let first = doc! {"offset": offset, "timestamp": DateTime::from_millis(timestamp)};
            update.insert("$min", doc! {"first": first});
        }
        doc! {"q": {"_id": partition.id()}, "u": update, "upsert": true}
    }

    /// By what else the totals of a stored place tell records apart, if by something else.
    pub(crate) fn other_settings<'a>(document: &'a Document, of: &str) -> Option<&'a str> {
        document.get_str("of").ok().filter(|other| *other != of)
    }

    /// Why a partition cannot be that of which this is the place.
    pub(crate) fn other_topic(&self, partition: &PartitionName, namespace: &Namespace) -> String {
        let (next, partition) = (self.next, &partition.text);
        format!(
            "{namespace} holds totals of another {partition}, up to offset {next}: was the topic made anew? Empty the \
             collection, or write to another one"
        )
    }
}

/// A whole number, of whatever type a server keeps it.
fn integer(document: &Document, name: &str) -> Option<i64> {
    match document.get(name)? {
        Bson::Int32(v) => Some(i64::from(*v)),
        Bson::Int64(v) => Some(*v),
        Bson::Double(v) => Some(*v as i64),
        _ => None,
    }
}

fn millis(document: &Document, name: &str) -> Option<i64> {
    let date = document.get_datetime(name).ok()?;
    Some(date.timestamp_millis())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_of_partitions_are_names_of_fields() {
        let field = |topic: &str| PartitionName::of(&TopicPartition::new(topic, 3)).next_field();
        assert_eq!(field("orders"), "partitions.orders#3.next");
        assert_eq!(field("$a.b%2E"), "partitions.%24a%2Eb%252E#3.next");
        let name = PartitionName::of(&TopicPartition::new("a.b", 3));
        let totals = doc! {"partitions": {"a%2Eb#3": {"next": 7i64}}};
        assert_eq!(name.next_in(&totals), Some(7));
        assert_eq!(name.next_in(&doc! {}), None);
    }

    #[test]
    fn a_place_is_read_as_it_was_written() {
        let place = Place {
            next: 9,
            watermark: Some(-5),
            counted: 4,
            late: 3,
            left_out: 2,
            first: Some((1, 77)),
        };
        let name = PartitionName::of(&TopicPartition::new("a", 0));
        let statement = place.statement(&name, "k by 5 ms");
        let update = statement.get_document("u").unwrap().clone();
        let mut stored = update.get_document("$max").unwrap().clone();
        stored.extend(update.get_document("$min").unwrap().clone());
        assert_eq!(Place::read(&stored), place);
        assert_eq!(Place::read(&doc! {}), Place::default());
    }
}
