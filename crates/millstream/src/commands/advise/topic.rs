//! A running topic: how many records came when, by the offsets at times of its last day, and how large the newest are.

use super::super::Exit;
use super::super::consume::column;
use super::super::kafka_tool::{ToolError, asking, meant_topic, properties, warn};
use crate::clock::now_ms;
use millstream_advise::flags::Known;
use millstream_advise::measured::{Flow, LOOKED_AT, Point, flow};
use millstream_advise::question::Load;
use millstream_advise::units::{bytes, shown, time};
use millstream_core::{ByteBudget, RecordBatch, TopicPartition};
use millstream_kafka::admin::{EARLIEST, LATEST};
use millstream_kafka::{
    Admin, KafkaReader, Read, ReadRange, ReadUpTo, ReaderSettings, Role, StartAt, WhenLost,
};
use millstream_tools::connection::ConnectionArgs;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Records whose size is looked at, of all partitions together: enough for a mean, and read within a moment.
const SAMPLE: i64 = 10_000;
/// Memory for them.
const FETCHED: usize = 64 * 1024 * 1024;
/// A partition whose brokers are away is not waited for: the others tell enough.
const PATIENCE: Duration = Duration::from_secs(30);
const CLOSE: Duration = Duration::from_secs(5);

pub(super) async fn measure(connection: &ConnectionArgs, name: &str) -> Result<Known, ToolError> {
    let mut properties = properties(connection).await?;
    properties.insert("allow.auto.create.topics", "false");
    warn(&properties, Role::Consumer);
    let admin = asking(&properties)?;
    let reader = ReaderSettings::from_properties(&properties).map_err(Exit::usage)?;
    let found = admin.topic_details(Some(&[name.to_owned()])).await?;
    let Some(topic) = found.first() else {
        let meant = meant_topic(&admin, name).await?;
        return Err(format!("there is no topic {name}{meant}").into());
    };
    let places: Vec<TopicPartition> = topic
        .partitions
        .iter()
        .map(|partition| TopicPartition::new(name, partition.index))
        .collect();
    let starts = admin.list_offsets(&places, EARLIEST).await?;
    let (points, ends) = points(&admin, &places, &starts).await?;
    let flow = flow(&points).map_err(|why| format!("topic {name}: {why}"))?;
    let ranges = sample(&places, &starts, &ends);
    let size = mean_size(reader, ranges).await?;
    Ok(Known {
        load: Some(Load {
            messages_per_day: flow.messages_per_day,
            size,
            burst: flow.burst,
            backlog: 0.0,
        }),
        partitions: Some(places.len() as f64),
        how: vec![told(name, &flow, size)],
        ..Known::default()
    })
}

fn told(name: &str, flow: &Flow, size: f64) -> String {
    format!(
        "Topic {name}: {} records in the last {} by their own times, {} a record in the newest; bursts shorter than the times that were asked for are not seen.",
        shown(flow.records),
        time(flow.over),
        bytes(size)
    )
}

/// Records below each time that is asked for, and the ends.
async fn points(
    admin: &Admin,
    places: &[TopicPartition],
    starts: &HashMap<TopicPartition, i64>,
) -> Result<(Vec<Point>, HashMap<TopicPartition, i64>), ToolError> {
    let ends = admin.list_offsets(places, LATEST).await?;
    let now = now_ms();
    let records = |at: &HashMap<TopicPartition, i64>| -> f64 {
        let of = |place: &TopicPartition| {
            let end = ends.get(place).copied().unwrap_or(0);
            // None at that time or later: all records are older. What came after the ends were asked for is left out.
            let offset = at.get(place).copied().filter(|offset| *offset >= 0);
            let offset = offset.unwrap_or(end).min(end);
            (offset - starts.get(place).copied().unwrap_or(0)).max(0)
        };
        places.iter().map(of).sum::<i64>() as f64
    };
    let mut points = Vec::new();
    for seconds_ago in LOOKED_AT {
        let time = now - (seconds_ago * 1000.0) as i64;
        points.push(Point {
            seconds_ago,
            records: records(&admin.list_offsets(places, time).await?),
        });
    }
    points.push(Point {
        seconds_ago: 0.0,
        records: records(&ends),
    });
    Ok((points, ends))
}

/// The newest records of each partition, as many of each.
fn sample(
    places: &[TopicPartition],
    starts: &HashMap<TopicPartition, i64>,
    ends: &HashMap<TopicPartition, i64>,
) -> Vec<ReadRange> {
    let each = (SAMPLE / places.len().max(1) as i64).max(1);
    let offset = |of: &HashMap<TopicPartition, i64>, place| of.get(place).copied().unwrap_or(0);
    let ranges = places.iter().filter_map(|place| {
        let (start, end) = (offset(starts, place), offset(ends, place));
        let range = ReadRange {
            partition: place.clone(),
            from: StartAt::Offset(start.max(end - each)),
            up_to: ReadUpTo::Offset(end),
        };
        (start < end).then_some(range)
    });
    ranges.collect()
}

/// Bytes of keys and values for each record.
async fn mean_size(settings: ReaderSettings, ranges: Vec<ReadRange>) -> Result<f64, ToolError> {
    let mut left = ranges.len();
    let budget = ByteBudget::new(FETCHED);
    let mut reader = KafkaReader::start(settings, ranges, WhenLost::Fail, budget);
    let end = Instant::now() + PATIENCE;
    let (mut records, mut size) = (0usize, 0usize);
    while left > 0 {
        let read = tokio::select! {
            read = reader.next() => read,
            () = sleep_until(end) => break,
        };
        match read {
            Read::Batch(batch) => {
                records += batch.offsets.len();
                size += bytes_of(&batch);
            }
            Read::Reached { .. } => left -= 1,
            Read::Degraded(degraded) => tracing::warn!("{}", degraded.reason),
            Read::Begun(_) | Read::StartedOver(_) | Read::Recovered => {}
            Read::Failed(error) => return Err(error.into()),
        }
    }
    reader.close(CLOSE).await;
    match records {
        0 => Err("none of the topic's records could be read: give --size".into()),
        // A record of no bytes takes room, too.
        records => Ok((size as f64 / records as f64).max(1.0)),
    }
}

fn bytes_of(batch: &RecordBatch) -> usize {
    let columns = [column(&batch.keys), column(&batch.values)];
    let rows = columns
        .into_iter()
        .flat_map(|column| column.iter().flatten());
    rows.map(<[u8]>::len).sum()
}
