//! Time-based partitioners: folders by the hour, the day or any span, in a zone and a language.

use super::PARTITION_EXCEPTION;
use super::pattern::Pattern;
use super::timestamp::Extractor;
use super::zone::Zone;
use crate::config::{DAILY_PARTITIONER, HOURLY_PARTITIONER, S3Config};
use millstream_core::{RecordBatch, RecordError};

#[derive(Clone, Debug)]
pub(super) struct TimePartitioner {
    /// Milliseconds that share a folder.
    duration: i64,
    pattern: Pattern,
    zone: Zone,
    extractor: Extractor,
}

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

impl TimePartitioner {
    pub(super) fn new(config: &S3Config) -> Result<Self, String> {
        let delim = &config.directory_delim;
        let daily = format!("'year'=YYYY{delim}'month'=MM{delim}'day'=dd");
        let (duration, path) = match config.partitioner_class.as_str() {
            DAILY_PARTITIONER => (DAY, daily),
            HOURLY_PARTITIONER => (HOUR, format!("{daily}{delim}'hour'=HH")),
            _ => (config.partition_duration, config.path_format.clone()),
        };
        let refuse = |key: &str, value: &str, why: &str| {
            format!("Invalid value {value} for configuration {key}: {why}")
        };
        if duration < 0 {
            let why = "Partition duration needs to be a positive.";
            return Err(refuse("partition.duration.ms", &duration.to_string(), why));
        }
        if path.trim().is_empty() || path == *delim {
            return Err(refuse("path.format", &path, "Path format cannot be empty."));
        }
        if config.locale.trim().is_empty() {
            return Err(refuse("locale", &config.locale, "Locale cannot be empty."));
        }
        if config.timezone.trim().is_empty() {
            return Err(refuse(
                "timezone",
                &config.timezone,
                "Timezone cannot be empty.",
            ));
        }
        let zone = Zone::parse(&config.timezone)?;
        let cut = path.strip_suffix(delim.as_str()).unwrap_or(&path);
        let pattern = Pattern::new(cut, &config.locale, &config.timezone)
            .map_err(|why| refuse("path.format", &path, &why))?;
        Ok(TimePartitioner {
            duration,
            pattern,
            zone,
            extractor: Extractor::new(config)?,
        })
    }

    pub(super) fn needs_values(&self) -> bool {
        matches!(self.extractor, Extractor::RecordField { .. })
    }

    pub(super) fn timestamp(
        &self,
        batch: &RecordBatch,
        row: usize,
        now: i64,
    ) -> Result<Option<i64>, RecordError> {
        self.extractor.extract(batch, row, now)
    }

    pub(super) fn push(
        &self,
        folder: &mut String,
        batch: &RecordBatch,
        timestamp: Option<i64>,
    ) -> Result<(), RecordError> {
        let Some(timestamp) = timestamp else {
            let class = self.extractor.java_class();
            let topic = &batch.origin.topic;
            let partition = batch.origin.partition;
            return Err(RecordError::new(
                PARTITION_EXCEPTION,
                format!(
                    "Unable to determine timestamp using timestamp.extractor {class} for record: \
                     SinkRecord{{topic='{topic}', kafkaPartition={partition}}}"
                ),
            ));
        };
        let instant = self
            .bucket(timestamp)
            .ok_or_else(|| RecordError::new("java.lang.ArithmeticException", "/ by zero"))?;
        self.pattern.push(folder, instant, &self.zone);
        Ok(())
    }

    /// The beginning of the span that an instant lies in, counted in local time from the epoch, toward zero.
    fn bucket(&self, timestamp: i64) -> Option<i64> {
        let local = timestamp.saturating_add(self.zone.offset_at(timestamp));
        let begin = local.checked_div(self.duration)? * self.duration;
        Some(self.zone.local_to_utc(begin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(zone: &str, duration: i64, format: &str, timestamp: i64, expected: &str) {
        let partitioner = TimePartitioner {
            duration,
            pattern: Pattern::new(format, "en", zone).expect("a pattern"),
            zone: Zone::parse(zone).expect("a zone"),
            extractor: Extractor::Wallclock,
        };
        let mut folder = String::new();
        let instant = partitioner.bucket(timestamp).expect("a duration");
        partitioner
            .pattern
            .push(&mut folder, instant, &partitioner.zone);
        assert_eq!(folder, expected);
    }

    #[test]
    fn files_as_the_specification_tells() {
        let hourly = "'year'=YYYY/'month'=MM/'day'=dd/'hour'=HH";
        let la = "America/Los_Angeles";
        check(
            "America/Santiago",
            HOUR,
            hourly,
            1_715_224_653_000,
            "year=2024/month=05/day=08/hour=23",
        );
        check("Asia/Kolkata", 900_000, "HH:mm", 1_488_477_600_000, "23:30");
        check("Asia/Kolkata", HOUR, "HH:mm", 1_488_477_600_000, "23:00");
        check("UTC", 7 * HOUR, "HH", 1_488_477_600_000, "14");
        check(
            la,
            DAY,
            hourly,
            3_599_000,
            "year=1970/month=01/day=01/hour=00",
        );
        check(
            la,
            HOUR,
            hourly,
            3_599_000,
            "year=1969/month=12/day=31/hour=17",
        );
        check("UTC", DAY, "YYYY", 1_609_459_200_000, "2021");
        check("America/Sao_Paulo", DAY, "HH", 1_541_340_000_000, "01");
    }
}
