//! `millstream consume`: the records of a topic on standard output, read without a group, or as a member of one.

use super::kafka_tool::{ToolError, asking, meant_topic, print, properties, warn};
use super::{CommandResult, Exit};
use crate::shutdown;
use millstream_core::{
    ByteBudget, ByteColumn, Consumer, Fetched, Headers, Payload, Properties, RecordBatch,
    TimestampType, TopicPartition,
};
use millstream_kafka::admin::LATEST;
use millstream_kafka::{
    Admin, ConsumerSettings, KafkaConsumer, KafkaReader, Read, ReadRange, ReadUpTo, ReaderSettings,
    Role, StartAt, Subscription, WhenLost,
};
use millstream_tools::consume::{ConsumeArgs, ConsumePlan, Formatter, From, Row, To};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// Memory for what is fetched and not printed yet.
const FETCHED: usize = 64 * 1024 * 1024;
/// How often a group's progress is committed, as Java's consumer does by itself.
const COMMIT: Duration = Duration::from_secs(5);
const CLOSE: Duration = Duration::from_secs(10);
/// Stands for no timeout: longer than anybody waits.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

pub(crate) async fn run(args: ConsumeArgs) -> CommandResult {
    let plan = args.plan().map_err(Exit::usage)?;
    let mut properties = properties(&args.connection).await?;
    properties.insert("isolation.level", args.isolation_level.as_str());
    properties.insert("allow.auto.create.topics", "false");
    warn(&properties, Role::Consumer);
    let stop = shutdown::on_signal()?;
    let mut screen = Screen {
        formatter: plan.formatter.clone(),
        left: args.max_messages.unwrap_or(u64::MAX),
        printed: 0,
    };
    let outcome = match &args.group {
        Some(group) => {
            properties.insert("group.id", group.as_str());
            as_member(&args, &plan, properties, &mut screen, &stop).await
        }
        None => alone(&args, &plan, &properties, &mut screen, &stop).await,
    };
    if outcome.is_ok() || screen.printed > 0 {
        eprintln!("Processed a total of {} messages", screen.printed);
    }
    outcome
}

/// What is still to be printed, and how.
struct Screen {
    formatter: Formatter,
    left: u64,
    printed: u64,
}

impl Screen {
    /// Prints a batch; gives the offset behind the last record that was printed, or the batch's end.
    fn show(&mut self, batch: &RecordBatch) -> io::Result<i64> {
        let mut out = Vec::new();
        let mut next = batch.next_offset;
        for row in 0..batch.offsets.len() {
            if self.left == 0 {
                next = batch.offsets[row];
                break;
            }
            self.left -= 1;
            self.printed += 1;
            let kind = match batch.timestamp_type {
                TimestampType::NoTimestampType => None,
                known => Some(known.name()),
            };
            let headers: Vec<(&[u8], Option<&[u8]>)> = match &batch.headers {
                Headers::None => Vec::new(),
                Headers::Raw(raw) => raw.row(row).collect(),
                Headers::Decoded { raw, .. } => raw
                    .as_ref()
                    .map(|raw| raw.row(row).collect())
                    .unwrap_or_default(),
            };
            let shown = Row {
                topic: &batch.origin.topic,
                partition: batch.origin.partition,
                offset: batch.offsets[row],
                timestamp_type: kind.filter(|_| batch.timestamps[row] >= 0),
                timestamp: batch.timestamps[row],
                headers: &headers,
                key: column(&batch.keys).get(row),
                value: column(&batch.values).get(row),
            };
            self.formatter.write(&shown, &mut out);
        }
        print(&out)?;
        Ok(next)
    }

    fn is_full(&self) -> bool {
        self.left == 0
    }
}

pub(super) fn column(payload: &Payload) -> &ByteColumn {
    match payload {
        Payload::Raw { column, .. } => column,
        Payload::Encoded(encoded) => &encoded.raw,
        Payload::Decoded(decoded) => &decoded.raw,
    }
}

async fn alone(
    args: &ConsumeArgs,
    plan: &ConsumePlan,
    properties: &Properties,
    screen: &mut Screen,
    stop: &CancellationToken,
) -> CommandResult {
    let settings = ReaderSettings::from_properties(properties).map_err(Exit::usage)?;
    let admin = asking(properties)?;
    let Some(ranges) = stop.run_until_cancelled(ranges(&admin, args, plan)).await else {
        return Ok(());
    };
    let ranges = ranges?;
    let mut left = ranges.len();
    let budget = ByteBudget::new(FETCHED);
    let mut reader = KafkaReader::start(settings, ranges, WhenLost::StartOver, budget);
    let mut quiet = Quiet::new(plan.timeout);
    while left > 0 && !screen.is_full() {
        let read = tokio::select! {
            read = reader.next() => read,
            () = stop.cancelled() => break,
            () = sleep_until(quiet.end) => break,
        };
        match read {
            Read::Batch(batch) => {
                screen.show(&batch)?;
                if !batch.offsets.is_empty() {
                    quiet = Quiet::new(plan.timeout);
                }
            }
            Read::Reached { .. } => left -= 1,
            Read::StartedOver(partitions) => {
                let names: Vec<String> = partitions.iter().map(ToString::to_string).collect();
                tracing::warn!("read anew from the first record: {}", names.join(", "));
            }
            Read::Degraded(degraded) => tracing::warn!("{}", degraded.reason),
            Read::Begun(_) | Read::Recovered => {}
            Read::Failed(error) => return Err(error.into()),
        }
    }
    reader.close(CLOSE).await;
    Ok(())
}

/// When to give up waiting.
struct Quiet {
    end: Instant,
}

impl Quiet {
    fn new(timeout: Option<Duration>) -> Self {
        let end = Instant::now() + timeout.unwrap_or(FOR_EVER).min(FOR_EVER);
        Quiet { end }
    }
}

async fn ranges(
    admin: &Admin,
    args: &ConsumeArgs,
    plan: &ConsumePlan,
) -> Result<Vec<ReadRange>, ToolError> {
    let named = [args.topic.clone()];
    let found = admin.topic_details(Some(&named)).await?;
    let Some(topic) = found.first() else {
        let meant = meant_topic(admin, &args.topic).await?;
        return Err(format!("there is no topic {}{meant}", args.topic).into());
    };
    let all = topic.partitions.iter().map(|partition| partition.index);
    let wanted = all.filter(|index| args.partition.is_none_or(|only| only == *index));
    let places: Vec<TopicPartition> = wanted
        .map(|index| TopicPartition::new(args.topic.as_str(), index))
        .collect();
    if places.is_empty() {
        let partition = args.partition.unwrap_or_default();
        return Err(format!("there is no partition {partition} of topic {}", args.topic).into());
    }
    // Taken before reading begins, so that a range cannot end before it starts.
    let from = match plan.from {
        From::Time(time) => admin.list_offsets(&places, time).await?,
        From::Latest => admin.list_offsets(&places, LATEST).await?,
        From::Earliest | From::Offset(_) => HashMap::new(),
    };
    let to = match plan.to {
        To::Time(time) => admin.list_offsets(&places, time).await?,
        To::Never | To::EndAsOfNow => HashMap::new(),
    };
    let offset = |offsets: &HashMap<TopicPartition, i64>, place: &TopicPartition| {
        offsets.get(place).copied().filter(|offset| *offset >= 0)
    };
    let range = |place: &TopicPartition| {
        let from = match plan.from {
            From::Earliest => StartAt::Earliest,
            From::Offset(offset) => StartAt::Offset(offset),
            // Of a time later than all records: what is to come.
            From::Latest | From::Time(_) => {
                offset(&from, place).map_or(StartAt::Latest, StartAt::Offset)
            }
        };
        let up_to = match plan.to {
            To::Never => ReadUpTo::Follow,
            To::EndAsOfNow => ReadUpTo::EndAsOfNow,
            To::Time(_) => offset(&to, place).map_or(ReadUpTo::EndAsOfNow, ReadUpTo::Offset),
        };
        ReadRange {
            partition: place.clone(),
            from,
            up_to,
        }
    };
    let has_something = |range: &ReadRange| match (range.from, range.up_to) {
        (StartAt::Offset(from), ReadUpTo::Offset(to)) => from < to,
        _ => true,
    };
    Ok(places.iter().map(range).filter(has_something).collect())
}

async fn as_member(
    args: &ConsumeArgs,
    plan: &ConsumePlan,
    mut properties: Properties,
    screen: &mut Screen,
    stop: &CancellationToken,
) -> CommandResult {
    if args.from_beginning {
        properties.insert("auto.offset.reset", "earliest");
    }
    let settings = ConsumerSettings::from_properties(&properties).map_err(Exit::usage)?;
    let subscription = Subscription::Topics(vec![args.topic.clone()]);
    let mut consumer = KafkaConsumer::start(settings, subscription, ByteBudget::new(FETCHED))?;
    let mut printed: BTreeMap<TopicPartition, i64> = BTreeMap::new();
    let mut quiet = Quiet::new(plan.timeout);
    let mut commits = tokio::time::interval(COMMIT);
    while !screen.is_full() {
        let fetched = tokio::select! {
            fetched = consumer.next() => fetched,
            _ = commits.tick() => {
                commit(&mut consumer, &mut printed).await?;
                continue;
            }
            () = stop.cancelled() => break,
            () = sleep_until(quiet.end) => break,
        };
        match fetched {
            Fetched::Batch(batch) => {
                printed.insert(batch.origin.clone(), screen.show(&batch)?);
                if !batch.offsets.is_empty() {
                    quiet = Quiet::new(plan.timeout);
                }
            }
            Fetched::Revoked { partitions, done } => {
                commit(&mut consumer, &mut printed).await?;
                printed.retain(|place, _| !partitions.contains(place));
                // Whoever waited for it may be gone.
                let _ = done.send(());
            }
            Fetched::Lost(partitions) => printed.retain(|place, _| !partitions.contains(place)),
            Fetched::Degraded(degraded) => tracing::warn!("{}", degraded.reason),
            Fetched::Assigned(_)
            | Fetched::Positioned(_)
            | Fetched::Flush(_)
            | Fetched::Recovered => {}
            Fetched::Failed(error) => return Err(error.into()),
        }
    }
    let outcome = commit(&mut consumer, &mut printed).await;
    Box::new(consumer).close(CLOSE).await;
    outcome
}

/// Commits what was printed since the last time.
async fn commit(
    consumer: &mut KafkaConsumer,
    printed: &mut BTreeMap<TopicPartition, i64>,
) -> CommandResult {
    let offsets: Vec<(TopicPartition, i64, String)> = printed
        .iter()
        .map(|(place, offset)| (place.clone(), *offset, String::new()))
        .collect();
    consumer.commit(&offsets).await?;
    printed.clear();
    Ok(())
}
