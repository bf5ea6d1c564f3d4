//! `millstream produce`: lines as kafka-console-producer reads them, the workshop's message on a schedule, and a load
//! that reports as kafka-producer-perf-test does.

pub mod latency;
pub mod lines;
pub mod load;

use crate::UsageError;
use crate::connection::ConnectionArgs;
use crate::instant::parse_duration;
use crate::pairs::exact_pairs;
use clap::Args;
use lines::LineFormat;
use load::Load;
use std::path::PathBuf;
use std::time::Duration;

/// Write records: lines of standard input or a file, a message every so often, or a load.
#[derive(Debug, Args)]
pub struct ProduceArgs {
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// The topic.
    #[arg(long, env = "TOPIC_NAME")]
    pub topic: String,
    /// Read lines from this file instead of standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["every", "records"])]
    pub file: Option<PathBuf>,
    /// How a line is read, as key=value: parse.key, key.separator, parse.headers, headers.delimiter, headers.separator,
    /// headers.key.separator, null.marker, ignore.error; may be repeated.
    #[arg(long, visible_alias = "property", value_name = "KEY=VALUE", conflicts_with_all = ["every", "records"])]
    pub reader_property: Vec<String>,
    /// Send "Kafka message sent at …" every so often, such as 5m or PT5M, until a signal comes or --records are sent.
    #[arg(long, value_name = "DURATION")]
    pub every: Option<String>,
    /// Send so many records as fast as may be, and report how long they took.
    #[arg(long)]
    pub records: Option<u64>,
    /// With --records: so many a second at most.
    #[arg(
        long,
        requires = "records",
        conflicts_with = "every",
        allow_negative_numbers = true
    )]
    pub rate: Option<f64>,
    /// With --records: bytes of a value.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub size: u32,
    /// With --records: so many different keys, one after the other; no keys unless set.
    #[arg(long, requires = "records", conflicts_with = "every", value_parser = clap::value_parser!(u64).range(1..))]
    pub keys: Option<u64>,
    /// The codec of the batches: none, gzip, snappy, lz4 or zstd; gzip where none is named.
    #[arg(long, alias = "compression-codec", num_args = 0..=1, default_missing_value = "gzip", value_name = "CODEC")]
    pub compression: Option<String>,
    /// Who must have a record: all, 1 (the leader) or 0 (nobody).
    #[arg(long, alias = "request-required-acks", allow_negative_numbers = true)]
    pub acks: Option<String>,
    /// Report with JSON.
    #[arg(long)]
    pub json: bool,
}

/// What the flags come to.
#[derive(Clone, Debug, PartialEq)]
pub enum ProduceAction {
    Lines(LineFormat),
    Every { pause: Duration, times: Option<u64> },
    Load(Load),
}

impl ProduceArgs {
    /// # Errors
    /// If a value cannot be read.
    pub fn action(&self) -> Result<ProduceAction, UsageError> {
        if let Some(every) = &self.every {
            let millis =
                parse_duration(every).map_err(|why| UsageError::new(format!("--every: {why}")))?;
            let millis = u64::try_from(millis).ok().filter(|millis| *millis > 0);
            let millis =
                millis.ok_or_else(|| UsageError::new("--every must be longer than nothing"))?;
            let pause = Duration::from_millis(millis);
            let times = self.records;
            return Ok(ProduceAction::Every { pause, times });
        }
        if let Some(records) = self.records {
            if self
                .rate
                .is_some_and(|rate| !(rate.is_finite() && rate > 0.0))
            {
                return Err(UsageError::new(
                    "--rate must be more than 0 records a second",
                ));
            }
            return Ok(ProduceAction::Load(Load {
                records,
                rate: self.rate,
                size: self.size as usize,
                keys: self.keys,
            }));
        }
        let properties = exact_pairs("--reader-property", &self.reader_property)?;
        Ok(ProduceAction::Lines(LineFormat::new(&properties)?))
    }

    /// Settings of the producer that flags stand for.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let compression = self.compression.clone();
        let compression = compression.map(|codec| ("compression.type", codec));
        let acks = self.acks.clone().map(|acks| ("acks", acks));
        compression.into_iter().chain(acks).collect()
    }
}

/// The workshop's message, its time as Python writes the seconds since 1970; `now` in milliseconds.
pub fn workshop_message(now: i64) -> String {
    format!("Kafka message sent at {:?}", now as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        produce: ProduceArgs,
    }

    fn read(line: &str) -> Result<ProduceAction, String> {
        let words = ["produce", "--topic", "t"].into_iter();
        let line = Line::try_parse_from(words.chain(line.split_whitespace()));
        let line = line.map_err(|error| error.to_string())?;
        line.produce.action().map_err(|error| error.to_string())
    }

    #[test]
    fn flags_choose_what_is_sent() {
        assert!(matches!(read("").unwrap(), ProduceAction::Lines(_)));
        let five = Duration::from_secs(300);
        let times = None;
        assert_eq!(
            read("--every 5m").unwrap(),
            ProduceAction::Every { pause: five, times }
        );
        let load = read("--records 10 --rate 5 --size 20 --keys 3 --compression-codec").unwrap();
        assert!(
            matches!(load, ProduceAction::Load(load) if load.size == 20 && load.keys == Some(3))
        );
        for (wrong, told) in [
            ("--every soon", "--every"),
            ("--every 0s", "--every"),
            ("--rate 5", "--records"),
            ("--records 5 --rate -1", "--rate"),
            ("--property parse.key", "key=value"),
            ("--every 5m --file x", "cannot be used"),
        ] {
            let error = read(wrong).unwrap_err();
            assert!(error.contains(told), "{wrong}: {error}");
        }
    }

    #[test]
    fn the_workshops_message_has_its_time() {
        for (now, expected) in [
            (1_700_000_000_012, "Kafka message sent at 1700000000.012"),
            (1_700_000_000_500, "Kafka message sent at 1700000000.5"),
            (1_700_000_000_000, "Kafka message sent at 1700000000.0"),
        ] {
            assert_eq!(workshop_message(now), expected);
        }
    }
}
