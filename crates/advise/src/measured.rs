//! A load as a running topic or connector shows it.

use crate::question::{Files, Job, Load, SECONDS_PER_DAY};
use serde_json::{Map, Value};

/// Offsets are asked for at these times before now, in seconds: the hours of a day, then shorter and shorter.
pub const LOOKED_AT: [f64; 31] = [
    86_400.0, 82_800.0, 79_200.0, 75_600.0, 72_000.0, 68_400.0, 64_800.0, 61_200.0, 57_600.0,
    54_000.0, 50_400.0, 46_800.0, 43_200.0, 39_600.0, 36_000.0, 32_400.0, 28_800.0, 25_200.0,
    21_600.0, 18_000.0, 14_400.0, 10_800.0, 7200.0, 3600.0, 1800.0, 900.0, 600.0, 300.0, 120.0,
    60.0, 10.0,
];

/// How many records were there at a time: seconds before now, and records since the log's beginning.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub seconds_ago: f64,
    pub records: f64,
}

/// What the points come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flow {
    pub messages_per_day: f64,
    pub burst: f64,
    /// Seconds that were looked at.
    pub over: f64,
    pub records: f64,
}

/// The flow between the oldest point that has records before it and now. Points are in the order of time; the last is now.
///
/// # Errors
/// If the points tell nothing: no records, or all of them since the last point.
pub fn flow(points: &[Point]) -> Result<Flow, String> {
    let remedy = "give --messages-per-day and --size instead";
    let Some(now) = points.last().filter(|now| now.records > 0.0) else {
        return Err(format!("the topic has no records: {remedy}"));
    };
    let since = points.iter().position(|point| point.records > 0.0);
    let seen = &points[since.unwrap_or(0)..];
    let begin = seen[0];
    let over = begin.seconds_ago - now.seconds_ago;
    let records = now.records - begin.records;
    if over <= 0.0 || records <= 0.0 {
        return Err(format!(
            "the topic's records do not show how fast they come, since none came for a day or all came within seconds: {remedy}"
        ));
    }
    let mean = records / over;
    let fastest = seen.windows(2).map(|pair| {
        let long = pair[0].seconds_ago - pair[1].seconds_ago;
        (pair[1].records - pair[0].records) / long
    });
    let fastest = fastest.fold(mean, f64::max);
    Ok(Flow {
        messages_per_day: mean * SECONDS_PER_DAY,
        burst: fastest / mean,
        over,
        records,
    })
}

/// What a connector's configuration says about the job.
#[derive(Clone, Debug, PartialEq)]
pub struct Configured {
    pub job: Job,
    pub files: Files,
}

const S3_SINK: &str = "S3SinkConnector";
const MONGODB_SINK: &str = "MongoSinkConnector";
/// As Confluent's sink has it.
const PART_SIZE: f64 = 26_214_400.0;

/// Reads `GET /connectors/NAME`; `buckets` stays as it is given, since no setting tells it.
///
/// # Errors
/// If it is no sink that is known here, or a number in it is none.
pub fn configured(answer: &Value, buckets: f64) -> Result<Configured, String> {
    let empty = Map::new();
    let config = answer["config"].as_object().unwrap_or(&empty);
    let text = |key: &str| config.get(key).and_then(Value::as_str).map(str::trim);
    let number = |key: &str| match text(key) {
        None | Some("") => Ok(None),
        Some(text) => text
            .parse::<f64>()
            .ok()
            .filter(|number| number.is_finite())
            .map(Some)
            .ok_or_else(|| format!("its {key} is no number")),
    };
    if config.contains_key("input.type") {
        let told = "its records come from a queue, whose bytes are not counted: give --queue with --messages-per-day and --size instead";
        return Err(told.to_owned());
    }
    let class = text("connector.class").unwrap_or_default();
    let of_class = |known: &str| class.rsplit('.').next() == Some(known);
    let job = match (of_class(S3_SINK), of_class(MONGODB_SINK)) {
        (true, _) => match text("value.converter") {
            Some(converter) if converter.ends_with("JsonConverter") => Job::ArchiveJson,
            _ => Job::Archive,
        },
        (_, true) if config.values().any(is_hash) => Job::Hash,
        (_, true) => Job::Documents,
        _ => {
            return Err(format!(
                "{class} is neither the S3 sink nor the MongoDB sink, whose figures are known"
            ));
        }
    };
    let seconds = |millis: Option<f64>| millis.filter(|ms| *ms > 0.0).map(|ms| ms / 1000.0);
    Ok(Configured {
        job,
        files: Files {
            flush_size: number("flush.size")?.unwrap_or(f64::INFINITY).max(1.0),
            rotate_interval: seconds(number("rotate.interval.ms")?),
            rotate_schedule: seconds(number("rotate.schedule.interval.ms")?),
            part_size: number("s3.part.size")?.unwrap_or(PART_SIZE),
            buckets,
        },
    })
}

fn is_hash(value: &Value) -> bool {
    value
        .as_str()
        .is_some_and(|text| text.ends_with("HashField") || text.ends_with("Hash$Value"))
}

/// What the workers have counted of a connector, together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counted {
    pub records: f64,
    /// Bytes from the brokers.
    pub bytes: f64,
    /// Records that wait.
    pub backlog: f64,
}

const RECORDS: [&str; 2] = [
    "kafka_connect_sink_task_metrics_sink_record_read_total",
    "kafka_connect_sink_task_sink_record_read_total",
];
const BYTES: &str = "millstream_kafka_bytes_in_total";
const BACKLOG: &str = "millstream_task_position_lag_records";

/// Adds what one worker's `/metrics` has of the connector.
pub fn add(counted: &mut Counted, text: &str, connector: &str) {
    // By both rules of naming a record is there twice.
    let name = RECORDS.iter().find(|name| text.contains(*name));
    let of = |name: &str| -> f64 {
        let lines = text.lines().filter_map(|line| line.strip_prefix(name));
        let label = format!("connector=\"{connector}\"");
        let lines = lines.filter(|rest| rest.starts_with('{') && rest.contains(&label));
        lines
            .filter_map(|rest| rest.rsplit(' ').next()?.parse::<f64>().ok())
            .filter(|value| value.is_finite())
            .sum()
    };
    counted.records += name.map_or(0.0, |name| of(name));
    counted.bytes += of(BYTES);
    counted.backlog += of(BACKLOG);
}

/// The load between two looks, `seconds` apart.
///
/// # Errors
/// If nothing came in between.
pub fn between(first: &Counted, second: &Counted, seconds: f64) -> Result<Load, String> {
    let records = second.records - first.records;
    let bytes = second.bytes - first.bytes;
    if records <= 0.0 || bytes <= 0.0 {
        return Err("the connector read nothing meanwhile: look for longer (--over 10m), or give --messages-per-day and --size instead".to_owned());
    }
    Ok(Load {
        messages_per_day: records / seconds * SECONDS_PER_DAY,
        size: bytes / records,
        burst: 1.0,
        backlog: second.backlog,
    })
}

#[cfg(test)]
mod tests;
