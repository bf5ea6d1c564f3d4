//! Fold: what the records of a partition add to one document of totals, and the update that says so.

use super::id::TotalsId;
use super::number::{MOST_ADDENDS, Number};
use super::place::PartitionName;
use super::settings::{Measure, Measured};
use bson::{Bson, DateTime, Document, doc};
use millstream_core::TopicPartition;
use std::sync::Arc;

/// One entry for each measure of the settings, in their order.
pub(crate) type Totals<T> = Box<[Option<T>]>;

/// What of a field counts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Part {
    Number(Number),
    Extreme(Extreme),
    Value(Bson),
}

/// A value that has a least and a most, in the order of BSON.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Extreme {
    Number(Number),
    Text(String),
    Date(i64),
}

impl Part {
    /// A value of which there may be a least and a most.
    pub(crate) fn extreme(value: &Bson) -> Option<Part> {
        let extreme = match value {
            Bson::String(text) => Extreme::Text(text.clone()),
            Bson::DateTime(date) => Extreme::Date(date.timestamp_millis()),
            other => Extreme::Number(Number::read(other)?),
        };
        Some(Part::Extreme(extreme))
    }

    /// About the memory that it takes beside its place.
    pub(crate) fn size(&self) -> usize {
        const PLACE: usize = 96;
        let more = match self {
            Part::Extreme(Extreme::Text(text)) => text.len(),
            Part::Value(Bson::String(text)) => text.len(),
            Part::Value(Bson::Binary(binary)) => binary.bytes.len(),
            // What a tree of values takes is a few times its text.
            Part::Value(Bson::Document(inner)) => 4 * inner.to_vec().map_or(0, |bytes| bytes.len()),
            Part::Value(Bson::Array(items)) => {
                let inner = doc! {"": items.clone()};
                4 * inner.to_vec().map_or(0, |bytes| bytes.len())
            }
            _ => 0,
        };
        PLACE + more
    }
}

impl Extreme {
    fn to_bson(&self) -> Bson {
        match self {
            Extreme::Number(number) => number.to_bson(),
            Extreme::Text(text) => Bson::String(text.clone()),
            Extreme::Date(millis) => Bson::DateTime(DateTime::from_millis(*millis)),
        }
    }
}

/// What one record adds to its document.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Contribution {
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
    pub(crate) parts: Totals<Part>,
}

/// When a value was the last, in the order in which later ones take its place. It is the same whatever order partitions are
/// read in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment {
    pub(crate) timestamp: i64,
    pub(crate) topic: Arc<str>,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
}

/// What one measure of a document has come to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Total {
    Sum(Number),
    Least(Extreme),
    Most(Extreme),
    Last(Moment, Bson),
}

impl Total {
    fn of(measure: Measure, part: &Part, moment: impl FnOnce() -> Moment) -> Option<Total> {
        Some(match (measure, part) {
            (Measure::Sum, Part::Number(number)) => Total::Sum(*number),
            (Measure::Least, Part::Extreme(value)) => Total::Least(value.clone()),
            (Measure::Most, Part::Extreme(value)) => Total::Most(value.clone()),
            (Measure::Last, Part::Value(value)) => Total::Last(moment(), value.clone()),
            _ => return None,
        })
    }

    /// Both together, in whatever order.
    pub(crate) fn and(self, other: Total) -> Total {
        match (self, other) {
            (Total::Sum(a), Total::Sum(b)) => Total::Sum(a.add(b)),
            (Total::Least(a), Total::Least(b)) => Total::Least(a.min(b)),
            (Total::Most(a), Total::Most(b)) => Total::Most(a.max(b)),
            (Total::Last(a, _), Total::Last(b, value)) if b > a => Total::Last(b, value),
            (this, _) => this,
        }
    }
}

/// What a range of a partition's records adds to one document.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Delta {
    /// The offset of the first of them.
    pub(crate) first: i64,
    /// The offset behind the last.
    pub(crate) next: i64,
    pub(crate) count: i64,
    pub(crate) totals: Totals<Total>,
}

impl Delta {
    /// What these records add, in the order of their offsets; as many of them as may be added at once.
    pub(crate) fn of(
        contributions: &[Contribution],
        measured: &[Measured],
        partition: &TopicPartition,
    ) -> Delta {
        let contributions = &contributions[..contributions.len().min(MOST_ADDENDS)];
        let mut totals: Totals<Total> = measured.iter().map(|_| None).collect();
        for contribution in contributions {
            let moment = || Moment {
                timestamp: contribution.timestamp,
                topic: Arc::clone(&partition.topic),
                partition: partition.partition,
                offset: contribution.offset,
            };
            for ((total, part), one) in totals
                .iter_mut()
                .zip(contribution.parts.iter())
                .zip(measured)
            {
                let added = part
                    .as_ref()
                    .and_then(|part| Total::of(one.measure, part, moment));
                *total = match (total.take(), added) {
                    (Some(total), Some(added)) => Some(total.and(added)),
                    (total, added) => total.or(added),
                };
            }
        }
        Delta {
            first: contributions.first().map_or(0, |first| first.offset),
            next: contributions.last().map_or(0, |last| last.offset + 1),
            count: i64::try_from(contributions.len()).unwrap_or(0),
            totals,
        }
    }

    /// The update of a document, which does nothing where one of the records is in it. A document with one of them is not
    /// found, and not made either: its `_id` is taken, and the server says so.
    pub(crate) fn statement(
        &self,
        id: &TotalsId,
        measured: &[Measured],
        partition: &PartitionName,
        sums: Sums,
    ) -> Document {
        let next = partition.next_field();
        let mut filter = doc! {"_id": id.to_bson()};
        filter.insert(next.as_str(), doc! {"$not": {"$gt": self.first}});
        let mut added = doc! {"count": self.count};
        let (mut least, mut most) = (Document::new(), Document::new());
        for (total, one) in self.totals.iter().zip(measured) {
            let field = format!("{}.{}", one.measure.name(), one.path);
            match total {
                None => {}
                Some(Total::Sum(number)) if sums == Sums::Decimal => {
                    added.insert(field, number.to_decimal());
                }
                Some(Total::Sum(number)) => {
                    added.insert(field, number.to_addend());
                }
                Some(Total::Least(value)) => {
                    least.insert(field, value.to_bson());
                }
                Some(Total::Most(value)) => {
                    most.insert(field, value.to_bson());
                }
                // Documents compare field by field, so that the moment decides.
                Some(Total::Last(moment, value)) => {
                    most.insert(field, last(moment, value));
                }
            }
        }
        let mut update = doc! {"$inc": added, "$set": {next: self.next}};
        for (operator, fields) in [("$min", least), ("$max", most)] {
            if !fields.is_empty() {
                update.insert(operator, fields);
            }
        }
        doc! {"q": filter, "u": update, "upsert": true}
    }
}

/// How sums are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sums {
    /// As Int64 where they are whole.
    Plain,
    /// As Decimal128: the sum in the document is beyond an Int64 otherwise.
    Decimal,
}

fn last(moment: &Moment, value: &Bson) -> Document {
    doc! {
        "timestamp": DateTime::from_millis(moment.timestamp),
        "topic": &*moment.topic,
        "partition": moment.partition,
        "offset": moment.offset,
        "value": value.clone(),
    }
}

/// Of these records, in the order of their offsets, those that a document which is counted up to `next` still lacks.
pub(crate) fn lacking(contributions: &[Contribution], next: Option<i64>) -> &[Contribution] {
    let known = contributions.partition_point(|one| next.is_some_and(|next| one.offset < next));
    &contributions[known..]
}
