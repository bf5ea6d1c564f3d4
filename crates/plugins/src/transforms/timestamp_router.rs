//! TimestampRouter: a topic made from the record's topic and timestamp.

use crate::settings::checked;
use millstream_core::batch::NO_TIMESTAMP;
use millstream_core::config::{Importance, Key, Kind};
use millstream_core::converter::RowErrors;
use millstream_core::logical::DAY_MILLIS;
use millstream_core::{
    Needs, PluginError, Properties, RecordBatch, RecordError, RowMask, Transform, TransformPlugin,
    config_def,
};
use millstream_java::date::SimpleDateFormat;
use std::sync::Arc;

pub(crate) const PLUGIN: TransformPlugin = TransformPlugin {
    class: "org.apache.kafka.connect.transforms.TimestampRouter",
    config_def: TimestampRouterConfig::definition,
    make: |properties| Ok(Box::new(TimestampRouter::new(properties)?)),
};

config_def! {
    struct TimestampRouterConfig {
        topic_format: String = Key::new("topic.format", Kind::String, "${topic}-${timestamp}")
            .importance(Importance::High)
            .doc(
                "Format string which can contain <code>${topic}</code> and <code>${timestamp}</code> as placeholders \
                 for the topic and timestamp, respectively.",
            ),
        timestamp_format: String = Key::new("timestamp.format", Kind::String, "yyyyMMdd")
            .importance(Importance::High)
            .doc("Format string for the timestamp that is compatible with <code>java.text.SimpleDateFormat</code>."),
    }
}

struct TimestampRouter {
    topic_format: String,
    /// A bad pattern fails record by record, as in Java.
    timestamp_format: Result<SimpleDateFormat, String>,
    /// Milliseconds that all have the same text.
    span: i64,
    last: Option<Last>,
}

/// The row routed last.
struct Last {
    from: Arc<str>,
    /// Its timestamp in spans.
    at: i64,
    to: Arc<str>,
}

/// How many milliseconds, counted from the epoch in UTC, a pattern gives the same text at least.
fn span_of(pattern: &str) -> i64 {
    let mut is_quoted = false;
    let is_daily = pattern.chars().all(|letter| {
        is_quoted ^= letter == '\'';
        is_quoted || !letter.is_ascii_alphabetic() || "GyYMLwWDdFEu".contains(letter)
    });
    if is_daily { DAY_MILLIS } else { 1 }
}

impl TimestampRouter {
    fn new(properties: &Properties) -> Result<Self, PluginError> {
        let config = checked(TimestampRouterConfig::parse(properties))?;
        Ok(TimestampRouter {
            topic_format: config.topic_format,
            timestamp_format: SimpleDateFormat::compile(&config.timestamp_format),
            span: span_of(&config.timestamp_format),
            last: None,
        })
    }

    /// Where rows of the same topic and span go, one of which has this timestamp.
    fn route(
        &mut self,
        topic: &Arc<str>,
        timestamp: i64,
        offset: i64,
    ) -> Result<Arc<str>, RecordError> {
        let at = timestamp.div_euclid(self.span);
        if let Some(last) = &self.last
            && timestamp != NO_TIMESTAMP
            && last.at == at
            && last.from == *topic
        {
            return Ok(last.to.clone());
        }
        let to = self.formatted(topic, timestamp, offset)?;
        self.last = Some(Last {
            from: topic.clone(),
            at,
            to: to.clone(),
        });
        Ok(to)
    }

    /// Whether all rows have timestamps of the same span.
    fn is_one_span(&self, timestamps: &[i64]) -> bool {
        let begin = timestamps
            .first()
            .and_then(|first| first.div_euclid(self.span).checked_mul(self.span));
        let span = begin.and_then(|begin| Some(begin..=begin.checked_add(self.span - 1)?));
        span.is_some_and(|span| {
            !span.contains(&NO_TIMESTAMP) && timestamps.iter().all(|time| span.contains(time))
        })
    }

    fn formatted(&self, topic: &str, timestamp: i64, offset: i64) -> Result<Arc<str>, RecordError> {
        if timestamp == NO_TIMESTAMP {
            // Java goes on with the whole record, which may be secret.
            return Err(RecordError::data(format!(
                "Timestamp missing on record: SinkRecord{{kafkaOffset={offset}}}"
            )));
        }
        let format = self
            .timestamp_format
            .as_ref()
            .map_err(|why| RecordError::new("java.lang.IllegalArgumentException", why.clone()))?;
        let with_topic = self.topic_format.replace("${topic}", topic);
        Ok(with_topic
            .replace("${timestamp}", &format.format(timestamp))
            .into())
    }
}

impl Transform for TimestampRouter {
    fn class_name(&self) -> &str {
        PLUGIN.class
    }

    fn renames_topics(&self) -> bool {
        true
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn apply(
        &mut self,
        batch: &mut RecordBatch,
        mask: &RowMask,
        _keep: &mut RowMask,
        errors: &mut RowErrors,
    ) {
        let is_routed = super::route_all(batch, mask, |batch, topic| {
            if !self.is_one_span(&batch.timestamps) {
                return None;
            }
            self.route(topic, batch.timestamps[0], batch.offsets[0])
                .ok()
        });
        if !is_routed {
            super::route(batch, mask, errors, |batch, row, topic| {
                self.route(topic, batch.timestamps[row], batch.offsets[row])
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_core::{ByteColumn, Destination, Headers, Payload, TopicPartition};

    fn batch(timestamps: &[i64]) -> RecordBatch {
        let rows = timestamps.len();
        RecordBatch {
            origin: TopicPartition::new("t", 0),
            destination: Destination::Uniform("t".into()),
            first_offset: 0,
            next_offset: rows as i64,
            offsets: (0..rows as i64).collect(),
            timestamps: timestamps.to_vec(),
            timestamp_type: Default::default(),
            keys: Payload::undecoded(ByteColumn::nulls(rows)),
            values: Payload::undecoded(ByteColumn::nulls(rows)),
            headers: Headers::None,
            fetched: Default::default(),
            permit: None,
        }
    }

    /// The topics of a batch are those that each row has alone.
    #[test]
    fn a_batch_goes_where_its_rows_go_one_by_one() {
        let day = 1_700_006_400_000;
        for format in [
            "yyyyMMdd",
            "yyyyMMdd'HH'",
            "yyyyMMddHH",
            "yyyy'",
            "D 'o''clock' SSS",
        ] {
            for times in [
                &[day, day + 1, day + DAY_MILLIS - 1][..],
                &[day, day + DAY_MILLIS, day],
                &[day - 1, day],
                &[NO_TIMESTAMP, day],
                &[-2, NO_TIMESTAMP, -2],
                &[i64::MIN, i64::MAX],
                &[i64::MIN, i64::MIN],
            ] {
                let properties = Properties::from_iter([("timestamp.format", format)]);
                let routed = |router: &mut TimestampRouter, times: &[i64]| {
                    let mut batch = batch(times);
                    let mask = RowMask::all(times.len());
                    let mut errors = Vec::new();
                    router.apply(&mut batch, &mask, &mut mask.clone(), &mut errors);
                    let failed: Vec<usize> = errors.iter().map(|(row, _)| *row).collect();
                    let topics: Vec<String> = (0..times.len())
                        .map(|row| batch.destination.topic(row).to_string())
                        .collect();
                    (topics, failed)
                };
                let mut router = TimestampRouter::new(&properties).unwrap();
                let (topics, failed) = routed(&mut router, times);
                for (row, time) in times.iter().enumerate() {
                    let mut alone = TimestampRouter::new(&properties).unwrap();
                    let (topic, error) = routed(&mut alone, &[*time]);
                    assert_eq!(topics[row], topic[0], "{format} {times:?}");
                    assert_eq!(
                        failed.contains(&row),
                        !error.is_empty(),
                        "{format} {times:?}"
                    );
                }
            }
        }
    }
}
