//! Time-based partitioners: folders by the hour, the day or any span, in a zone and a language.

use super::failure::PARTITION_EXCEPTION;
use super::pattern::Pattern;
use super::timestamp::Extractor;
use crate::config::{self, DAILY_PARTITIONER, HOURLY_PARTITIONER, S3Config};
use crate::start_error::StartError;
use crate::zone::Zone;
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

/// What to do where the names of zones are asked for in another language.
pub(crate) const ZONE_NAMES: &str =
    "names of time zones (z) are known in English alone; write Z, ZZ or ZZZ, or set locale=en";

/// Whether a time-based partitioner would print the names of zones in a language that they are not known in.
pub(crate) fn names_zones_abroad(config: &S3Config) -> bool {
    let path = span_and_path(config).1;
    config::is_time_based(&config.partitioner_class)
        && Pattern::new(&path, &config.locale).is_ok_and(|pattern| pattern.names_zones_abroad())
}

/// Milliseconds that share a folder, and the pattern of its name.
fn span_and_path(config: &S3Config) -> (i64, String) {
    let delim = &config.directory_delim;
    let daily = format!("'year'=YYYY{delim}'month'=MM{delim}'day'=dd");
    match config.partitioner_class.as_str() {
        DAILY_PARTITIONER => (DAY, daily),
        HOURLY_PARTITIONER => (HOUR, format!("{daily}{delim}'hour'=HH")),
        _ => (config.partition_duration, config.path_format.clone()),
    }
}

/// The original's complaint about a setting, and all that such a partitioner needs.
fn refuse(config: &S3Config, key: &str, value: &str, why: &str) -> StartError {
    let (class, needed): (_, &[(&str, bool)]) = match config.partitioner_class.as_str() {
        DAILY_PARTITIONER => ("DailyPartitioner", &[]),
        HOURLY_PARTITIONER => ("HourlyPartitioner", &[]),
        _ => (
            "TimeBasedPartitioner",
            &[
                ("partition.duration.ms", config.partition_duration < 0),
                ("path.format", config.path_format.is_empty()),
            ],
        ),
    };
    let needed: Vec<(&str, bool)> = needed
        .iter()
        .copied()
        .chain([
            ("locale", config.locale.is_empty()),
            ("timezone", config.timezone.is_empty()),
        ])
        .collect();
    let missing: Vec<&str> = needed
        .iter()
        .filter(|(_, is_missing)| *is_missing)
        .map(|(key, _)| *key)
        .collect();
    let needed: Vec<&str> = needed.iter().map(|(key, _)| *key).collect();
    StartError {
        remedy: (!missing.is_empty()).then(|| {
            format!(
                "{class} needs {}; not set: {}",
                needed.join(", "),
                missing.join(", ")
            )
        }),
        ..format!("Invalid value {value} for configuration {key}: {why}").into()
    }
}

impl TimePartitioner {
    pub(super) fn new(config: &S3Config) -> Result<Self, StartError> {
        let (duration, path) = span_and_path(config);
        let refuse = |key: &str, value: &str, why: &str| refuse(config, key, value, why);
        if duration < 0 {
            let why = "Partition duration needs to be a positive.";
            return Err(refuse("partition.duration.ms", &duration.to_string(), why));
        }
        let delim = config.directory_delim.as_str();
        if path.trim().is_empty() || path == delim {
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
        let cut = path.strip_suffix(delim).unwrap_or(&path);
        let pattern =
            Pattern::new(cut, &config.locale).map_err(|why| refuse("path.format", &path, &why))?;
        if pattern.names_zones_abroad() {
            return Err(refuse("locale", &config.locale, ZONE_NAMES));
        }
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
        let instant = self.bucket(timestamp)?;
        self.pattern.push(folder, instant, &self.zone);
        Ok(())
    }

    /// The beginning of the span that an instant lies in, counted in local time from the epoch, toward zero.
    fn bucket(&self, timestamp: i64) -> Result<i64, RecordError> {
        let overflow = |what: &str| {
            let cause = format!("{what} time zone offset caused overflow");
            RecordError::new(PARTITION_EXCEPTION, cause.clone())
                .caused_by(RecordError::new("java.lang.ArithmeticException", cause))
        };
        let local = self
            .zone
            .utc_to_local(timestamp)
            .ok_or_else(|| overflow("Adding"))?;
        let begin = local
            .checked_div(self.duration)
            .ok_or_else(|| RecordError::new("java.lang.ArithmeticException", "/ by zero"))?
            * self.duration;
        self.zone
            .local_to_utc(begin)
            .ok_or_else(|| overflow("Subtracting"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(zone: &str, duration: i64, format: &str, timestamp: i64, expected: &str) {
        let partitioner = TimePartitioner {
            duration,
            pattern: Pattern::new(format, "en").expect("a pattern"),
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

    /// What the original said to 1,177 random questions: every zone of Joda's, fixed offsets, instants from the first that
    /// can be told to the last, spans and patterns.
    #[test]
    fn report_a3_files_as_the_original_does_at_every_instant() {
        let recorded = include_str!("../../tests/data/folders.tsv");
        let mut wrong = Vec::new();
        for line in recorded.lines() {
            let [zone, duration, format, timestamp, expected] =
                line.split('\t').collect::<Vec<_>>()[..]
            else {
                panic!("five columns: {line}");
            };
            let partitioner = TimePartitioner {
                duration: duration.parse().expect("a number"),
                pattern: Pattern::new(format, "en").expect("a pattern"),
                zone: Zone::parse(zone).expect("a zone"),
                extractor: Extractor::Wallclock,
            };
            let mut folder = String::new();
            match partitioner.bucket(timestamp.parse().expect("a number")) {
                Ok(instant) => partitioner
                    .pattern
                    .push(&mut folder, instant, &partitioner.zone),
                Err(error) => folder = format!("!java.lang.ArithmeticException: {}", error.message),
            }
            if folder != expected {
                wrong.push(format!("{line}, but {folder}"));
            }
        }
        assert!(
            wrong.is_empty(),
            "{} differ:\n{}",
            wrong.len(),
            wrong.join("\n")
        );
    }

    fn refused(more: &[(&str, &str)]) -> StartError {
        let mut properties = millstream_core::Properties::from_iter([
            ("s3.bucket.name", "b"),
            ("flush.size", "3"),
            ("storage.class", config::S3_STORAGE),
            ("format.class", config::JSON_FORMAT),
        ]);
        for (key, value) in more {
            properties.insert(*key, *value);
        }
        let values = config::definition().validate(&properties);
        let config = S3Config::from_values(&values).expect("settings that parse");
        TimePartitioner::new(&config).expect_err("settings that do not fit")
    }

    #[test]
    fn report_message_11_a_partitioner_says_all_that_it_needs() {
        let time_based = ("partitioner.class", config::TIME_BASED_PARTITIONER);
        let error = refused(&[time_based]);
        assert_eq!(
            error.message,
            "Invalid value -1 for configuration partition.duration.ms: Partition duration needs to be a positive."
        );
        assert_eq!(
            error.remedy.as_deref(),
            Some(
                "TimeBasedPartitioner needs partition.duration.ms, path.format, locale, timezone; \
                 not set: partition.duration.ms, path.format, locale, timezone"
            )
        );
        let error = refused(&[("partitioner.class", DAILY_PARTITIONER), ("locale", "en")]);
        assert_eq!(
            error.remedy.as_deref(),
            Some("DailyPartitioner needs locale, timezone; not set: timezone")
        );
    }

    #[test]
    fn report_f18_an_unknown_extractor_is_told_in_the_original_s_words() {
        let error = refused(&[
            ("partitioner.class", DAILY_PARTITIONER),
            ("locale", "en"),
            ("timezone", "UTC"),
            ("timestamp.extractor", "Nope"),
        ]);
        assert_eq!(error.message, "Invalid timestamp extractor: Nope");
        let cause = error.cause.expect("Java's cause");
        assert_eq!(
            (cause.class, cause.message.as_str()),
            ("java.lang.ClassNotFoundException", "Nope")
        );
        let error = refused(&[
            ("partitioner.class", DAILY_PARTITIONER),
            ("locale", "en"),
            ("timezone", "UTC"),
            ("timestamp.extractor", "java.lang.Integer"),
        ]);
        assert_eq!(
            (error.class, error.message.as_str()),
            (
                millstream_core::rejected::CONNECT_EXCEPTION,
                "Class java.lang.Integer does not implement TimestampExtractor"
            )
        );
    }
}
