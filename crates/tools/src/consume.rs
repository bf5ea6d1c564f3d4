//! `millstream consume`: flags of kafka-console-consumer, to look at records.

mod format;

pub use format::{Formatter, Row};

use crate::UsageError;
use crate::connection::ConnectionArgs;
use crate::instant::parse_time;
use crate::pairs::exact_pairs;
use clap::Args;
use std::time::Duration;

/// Print the records of a topic, by default those that come from now on. No group takes part unless one is named.
#[derive(Debug, Args)]
pub struct ConsumeArgs {
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// The topic.
    #[arg(long, env = "TOPIC_NAME")]
    pub topic: String,
    /// Begin with the first record there is.
    #[arg(long, conflicts_with_all = ["offset", "from_time"])]
    pub from_beginning: bool,
    /// Only this partition.
    #[arg(long, conflicts_with = "group", value_parser = clap::value_parser!(i32).range(0..))]
    pub partition: Option<i32>,
    /// Where to begin: earliest, latest, or with --partition an offset.
    #[arg(long, conflicts_with_all = ["group", "from_time"])]
    pub offset: Option<String>,
    /// Begin with records of this time, as 2026-12-01T10:00:00.000 (UTC, unless Z or +01:00 is behind it).
    #[arg(long, conflicts_with = "group", value_name = "TIME")]
    pub from_time: Option<String>,
    /// End before records of this time, or where the topic ends now.
    #[arg(long, conflicts_with = "group", value_name = "TIME")]
    pub to_time: Option<String>,
    /// End where the topic ends now.
    #[arg(long, conflicts_with_all = ["group", "to_time"])]
    pub to_end: bool,
    /// End after so many records.
    #[arg(long)]
    pub max_messages: Option<u64>,
    /// End when no record has come for so many milliseconds.
    #[arg(long, value_name = "MILLISECONDS")]
    pub timeout_ms: Option<u64>,
    /// Read as a member of this group, and commit what was printed.
    #[arg(long)]
    pub group: Option<String>,
    /// Whether records of open and aborted transactions are read: read_committed or read_uncommitted.
    #[arg(long, default_value = "read_uncommitted")]
    pub isolation_level: String,
    /// What is printed, as key=value: print.key, print.value, print.headers, print.timestamp, print.partition,
    /// print.offset, key.separator, line.separator, headers.separator, null.literal; may be repeated.
    #[arg(
        long,
        visible_alias = "property",
        value_name = "KEY=VALUE",
        conflicts_with = "json"
    )]
    pub formatter_property: Vec<String>,
    /// A line of JSON for each record; bytes that are no UTF-8 as {"base64": …}.
    #[arg(long)]
    pub json: bool,
}

/// Where reading begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    Earliest,
    Latest,
    Offset(i64),
    /// Milliseconds since 1970.
    Time(i64),
}

/// Where it ends besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    Never,
    EndAsOfNow,
    Time(i64),
}

/// What the flags come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumePlan {
    pub from: From,
    pub to: To,
    pub timeout: Option<Duration>,
    pub formatter: Formatter,
}

impl ConsumeArgs {
    /// # Errors
    /// If a value cannot be read.
    pub fn plan(&self) -> Result<ConsumePlan, UsageError> {
        let time = |flag: &str, text: &Option<String>| match text {
            Some(text) => parse_time(text)
                .map(Some)
                .map_err(|why| UsageError::new(format!("{flag}: {why}"))),
            None => Ok(None),
        };
        let from = match (self.from_beginning, time("--from-time", &self.from_time)?) {
            (true, _) => From::Earliest,
            (false, Some(time)) => From::Time(time),
            (false, None) => self.offset()?,
        };
        let to = match (self.to_end, time("--to-time", &self.to_time)?) {
            (true, _) => To::EndAsOfNow,
            (false, Some(time)) => To::Time(time),
            (false, None) => To::Never,
        };
        let properties = exact_pairs("--formatter-property", &self.formatter_property)?;
        Ok(ConsumePlan {
            from,
            to,
            timeout: self.timeout_ms.map(Duration::from_millis),
            formatter: match self.json {
                true => Formatter::Json,
                false => Formatter::text(&properties)?,
            },
        })
    }

    fn offset(&self) -> Result<From, UsageError> {
        let Some(text) = &self.offset else {
            return Ok(From::Latest);
        };
        match (text.to_lowercase().as_str(), text.parse::<i64>()) {
            ("earliest", _) => Ok(From::Earliest),
            ("latest", _) => Ok(From::Latest),
            (_, Ok(offset)) if offset >= 0 && self.partition.is_some() => Ok(From::Offset(offset)),
            (_, Ok(offset)) if offset >= 0 => {
                Err(UsageError::new("--offset with a number needs --partition"))
            }
            _ => Err(UsageError::new(format!(
                "--offset {text}: write earliest, latest, or an offset"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        consume: ConsumeArgs,
    }

    fn plan(line: &str) -> Result<ConsumePlan, String> {
        let words = ["consume", "--topic", "t"].into_iter();
        let line = Line::try_parse_from(words.chain(line.split_whitespace()));
        let line = line.map_err(|error| error.to_string())?;
        line.consume.plan().map_err(|error| error.to_string())
    }

    #[test]
    fn flags_say_where_reading_begins_and_ends() {
        let ends = |line| plan(line).map(|plan| (plan.from, plan.to)).unwrap();
        assert_eq!(ends(""), (From::Latest, To::Never));
        assert_eq!(
            ends("--from-beginning --to-end"),
            (From::Earliest, To::EndAsOfNow)
        );
        assert_eq!(
            ends("--partition 1 --offset 7"),
            (From::Offset(7), To::Never)
        );
        assert_eq!(ends("--offset Earliest"), (From::Earliest, To::Never));
        let times = "--from-time 1970-01-01T00:00:01 --to-time 2000";
        assert_eq!(ends(times), (From::Time(1000), To::Time(2000)));
        for (wrong, told) in [
            ("--offset 7", "--partition"),
            ("--offset soon", "earliest"),
            ("--from-time soon", "--from-time"),
            ("--from-beginning --offset earliest", "cannot be used"),
            ("--group g --partition 1", "cannot be used"),
            ("--property print.keys=true", "print.key"),
        ] {
            let error = plan(wrong).unwrap_err();
            assert!(error.contains(told), "{wrong}: {error}");
        }
    }
}
