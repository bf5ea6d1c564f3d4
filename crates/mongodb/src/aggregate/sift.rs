//! Sift: what a record is, decided from the records before it in its partition alone: counted in which document, late, left
//! out, or bad. So whoever reads the partition from a place on decides the same.

use super::fold::{Contribution, Part, Totals};
use super::id::{MAX_KEY, TotalsId, TotalsKey};
use super::number::Number;
use super::place::Place;
use super::settings::{AggregateSettings, Measure, is_nothing};
use crate::namespace::lookup;
use crate::record::SinkRecord;
use bson::Document;
use millstream_core::batch::NO_TIMESTAMP;
use millstream_core::{RecordBatch, RecordError};

/// What a contribution takes in memory beside its key and values.
const OVERHEAD: usize = 160;

/// What became of the rows of a batch.
#[derive(Debug, Default)]
pub(crate) struct Sifted {
    pub(crate) counted: Vec<(TotalsId, Contribution)>,
    /// Rows that are bad, those included whose offsets are counted already: nobody may have been told of them.
    pub(crate) bad: Vec<(usize, RecordError)>,
    pub(crate) late: usize,
    /// Rows without a key that are left out.
    pub(crate) skipped: usize,
    /// The memory of `counted`.
    pub(crate) bytes: usize,
}

/// The partition is another one than that of the place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OtherTopic;

impl AggregateSettings {
    /// Where the window of a timestamp begins.
    fn window_of(&self, timestamp: i64) -> i64 {
        timestamp.saturating_sub(timestamp.rem_euclid(self.window))
    }

    fn is_late(&self, window: i64, watermark: Option<i64>) -> bool {
        let closes = window
            .saturating_add(self.window)
            .saturating_add(self.lateness);
        watermark.is_some_and(|watermark| closes <= watermark)
    }
}

/// Decides about the rows of a batch and moves the place behind it.
///
/// # Errors
/// The batch holds another record than that which was the partition's first.
pub(crate) fn sift(
    settings: &AggregateSettings,
    batch: &RecordBatch,
    place: &mut Place,
) -> Result<Sifted, OtherTopic> {
    let mut sifted = Sifted::default();
    let known_to = place.next;
    for row in 0..batch.len() {
        let (offset, timestamp) = (batch.offsets[row], batch.timestamps[row]);
        if place
            .first
            .is_some_and(|(first, stamp)| first == offset && stamp != timestamp)
        {
            return Err(OtherTopic);
        }
        let read = read(settings, batch, row);
        if offset < known_to {
            sifted.bad.extend(read.err().map(|error| (row, error)));
            continue;
        }
        place.first.get_or_insert((offset, timestamp));
        let watermark = place.watermark;
        if timestamp != NO_TIMESTAMP {
            place.watermark = Some(watermark.map_or(timestamp, |latest| latest.max(timestamp)));
        }
        match read {
            Err(error) => {
                place.left_out += 1;
                sifted.bad.push((row, error));
            }
            Ok(None) => {
                place.left_out += 1;
                sifted.skipped += 1;
            }
            Ok(Some((key, parts))) => {
                let window = settings.window_of(timestamp);
                if settings.is_late(window, watermark) {
                    place.late += 1;
                    sifted.late += 1;
                    continue;
                }
                place.counted += 1;
                let values: usize = parts.iter().flatten().map(Part::size).sum();
                sifted.bytes += OVERHEAD + key.len() + values;
                let contribution = Contribution {
                    offset,
                    timestamp,
                    parts,
                };
                sifted
                    .counted
                    .push((TotalsId { key, window }, contribution));
            }
        }
    }
    place.next = place.next.max(batch.next_offset);
    Ok(sifted)
}

/// The key and what is measured of a row; `None` where it has no key and is left out.
fn read(
    settings: &AggregateSettings,
    batch: &RecordBatch,
    row: usize,
) -> Result<Option<(TotalsKey, Totals<Part>)>, RecordError> {
    let mut record = SinkRecord::new(batch, row);
    let value = record.value()?;
    let Some(value) = value else {
        return keyless(settings, "a record without a value has no totals");
    };
    let path = &settings.key;
    let key = lookup(value, path);
    if is_nothing(key) {
        return keyless(
            settings,
            &format!("field {path}, the key of totals, is missing or null"),
        );
    }
    let Some(key) = key.and_then(TotalsKey::read) else {
        return Err(RecordError::data(format!(
            "field {path}, the key of totals, is no text, whole number, boolean, date or bytes, or is longer than \
             {MAX_KEY} bytes; a hash of it is short"
        )));
    };
    if batch.timestamps[row] == NO_TIMESTAMP {
        return Err(RecordError::data(
            "a record without a timestamp belongs to no window",
        ));
    }
    let parts = measure(settings, value)?;
    Ok(Some((key, parts)))
}

fn keyless<T>(settings: &AggregateSettings, why: &str) -> Result<Option<T>, RecordError> {
    match settings.skips_keyless {
        true => Ok(None),
        false => Err(RecordError::data(why)),
    }
}

fn measure(settings: &AggregateSettings, value: &Document) -> Result<Totals<Part>, RecordError> {
    let parts = settings.measured.iter().map(|one| {
        let found = lookup(value, &one.path);
        let Some(found) = found.filter(|found| !is_nothing(Some(found))) else {
            return Ok(None);
        };
        let part = match one.measure {
            Measure::Sum => Number::read(found).map(Part::Number),
            Measure::Least | Measure::Most => Part::extreme(found),
            Measure::Last => Some(Part::Value(found.clone())),
        };
        let Some(part) = part else {
            let what = match one.measure {
                Measure::Sum => "no number",
                _ => "no number, text or date",
            };
            let (name, path) = (one.measure.name(), &one.path);
            return Err(RecordError::data(format!(
                "field {path}, of which totals hold {name}, is {what}, or one of more than 18 digits before the point"
            )));
        };
        Ok(Some(part))
    });
    parts.collect()
}
