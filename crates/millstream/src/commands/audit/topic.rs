//! What the brokers say of the topics: partitions, where they begin and end, what the connector's group has committed, and on
//! demand which offsets hold records.

use super::{Firsts, progress_line};
use crate::cli::AuditArgs;
use crate::commands::Exit;
use crate::commands::consume::column;
use crate::commands::kafka_tool::{ToolError, asking, properties};
use millstream_audit::existing::Existing;
use millstream_audit::judge::{EndBy, Expected, TopicExpected};
use millstream_audit::report::Looked;
use millstream_core::{ByteBudget, Properties, TopicPartition};
use millstream_kafka::admin::{EARLIEST, LATEST};
use millstream_kafka::{
    Admin, KafkaReader, Read, ReadRange, ReadUpTo, ReaderSettings, StartAt, WhenLost,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

/// Memory for what is fetched and not looked at yet.
const FETCHED: usize = 64 * 1024 * 1024;
const CLOSE: Duration = Duration::from_secs(10);
const PROGRESS: Duration = Duration::from_secs(5);

/// What is asked for.
pub(super) struct Ask<'a> {
    /// Those that were named; of others, those that were found.
    pub(super) topics: &'a [String],
    pub(super) group: Option<String>,
    pub(super) isolation: Option<&'a str>,
    pub(super) leaves_nulls_out: bool,
}

/// Asks for everything.
pub(super) async fn ask(
    args: &AuditArgs,
    ask: &Ask<'_>,
    firsts: &Firsts,
    looked: &mut Looked,
) -> Result<BTreeMap<String, TopicExpected>, ToolError> {
    let mut client = properties(&args.connection).await?;
    client.insert("allow.auto.create.topics", "false");
    // As the connector's consumer sees the topic.
    client.insert(
        "isolation.level",
        ask.isolation.unwrap_or("read_uncommitted"),
    );
    let admin = asking(&client)?;
    let mut names: BTreeSet<String> = ask.topics.iter().cloned().collect();
    if names.is_empty() {
        names.extend(firsts.keys().map(|(topic, _)| topic.clone()));
    }
    let names: Vec<String> = names.into_iter().collect();
    let found = admin
        .topic_details(Some(&names))
        .await
        .map_err(Exit::unavailable)?;
    let mut places = Vec::new();
    let mut expected = BTreeMap::new();
    for topic in &found {
        let count = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
        let due = TopicExpected {
            partitions: Some(count),
            each: BTreeMap::new(),
        };
        expected.insert(topic.name.clone(), due);
        let of = topic
            .partitions
            .iter()
            .map(|it| TopicPartition::new(topic.name.as_str(), it.index));
        places.extend(of);
    }
    for name in names.iter().filter(|name| !expected.contains_key(*name)) {
        looked.limits.push(format!(
            "Topic {name} is not in the cluster: what was found of it is judged by itself."
        ));
    }
    let begins = admin
        .list_offsets(&places, EARLIEST)
        .await
        .map_err(Exit::unavailable)?;
    let ends = admin
        .list_offsets(&places, LATEST)
        .await
        .map_err(Exit::unavailable)?;
    let group = ask.group.as_deref();
    let committed = committed(&admin, group).await?;
    looked.range = said(args, group, &committed);
    for place in &places {
        let end = ends.get(place).copied();
        let to = match (args.to, committed.get(place), end) {
            (Some(to), _, _) => Some((to, EndBy::Flag)),
            (None, Some(to), _) => Some((*to, EndBy::Group)),
            (None, None, Some(end)) => Some((end, EndBy::Topic)),
            (None, None, None) => None,
        };
        let due = Expected {
            from: args.from.or_else(|| begins.get(place).copied()),
            to,
            topic_end: end,
            existing: Existing::default(),
        };
        if let Some(topic) = expected.get_mut(&*place.topic) {
            topic.each.insert(place.partition, due);
        }
    }
    if args.read_topic {
        read(&client, ask.leaves_nulls_out, &mut expected).await?;
        looked.limits.extend(unread(firsts, &begins));
    }
    Ok(expected)
}

async fn committed(
    admin: &Admin,
    group: Option<&str>,
) -> Result<HashMap<TopicPartition, i64>, ToolError> {
    let Some(group) = group else {
        return Ok(HashMap::new());
    };
    let offsets = admin
        .group_offsets(group)
        .await
        .map_err(Exit::unavailable)?;
    Ok(offsets
        .into_iter()
        .filter(|(_, offset)| *offset >= 0)
        .collect())
}

fn said(args: &AuditArgs, group: Option<&str>, committed: &HashMap<TopicPartition, i64>) -> String {
    let from = args.from.map_or_else(
        || "from the topic's first offset".to_owned(),
        |from| format!("from offset {from}"),
    );
    match (args.to, group) {
        (Some(to), _) => format!("{from} up to {to}, exclusive"),
        (None, Some(group)) if !committed.is_empty() => {
            format!("{from} to what group {group} has committed")
        }
        (None, _) => {
            format!("{from} to the topic's end, of which the last records may still be open")
        }
    }
}

/// Objects that are older than the topic's first record: what compaction had left out of them is not known any more.
fn unread(firsts: &Firsts, begins: &HashMap<TopicPartition, i64>) -> Option<String> {
    let is_older = |place: &&TopicPartition| {
        let first = firsts
            .get(&(place.topic.to_string(), place.partition))
            .copied();
        first
            .zip(begins.get(*place))
            .is_some_and(|(first, begin)| first < *begin)
    };
    let older = begins.keys().filter(is_older).count();
    (older > 0).then(|| format!("Of {older} partitions the topic no longer has the first records that are stored: gaps there are not explained."))
}

/// Notes which offsets hold records.
async fn read(
    client: &Properties,
    leaves_nulls_out: bool,
    expected: &mut BTreeMap<String, TopicExpected>,
) -> Result<(), ToolError> {
    let settings = ReaderSettings::from_properties(client).map_err(Exit::usage)?;
    let mut ranges = Vec::new();
    for (topic, due) in &*expected {
        for (partition, due) in &due.each {
            let from = due.from.unwrap_or(0);
            if due.topic_end.is_some_and(|end| end > from) {
                ranges.push(ReadRange {
                    partition: TopicPartition::new(topic.as_str(), *partition),
                    from: StartAt::Offset(from),
                    up_to: ReadUpTo::EndAsOfNow,
                });
            }
        }
    }
    let mut left = ranges.len();
    let mut reader = KafkaReader::start(settings, ranges, WhenLost::Fail, ByteBudget::new(FETCHED));
    let (mut records, mut told) = (0u64, Instant::now());
    while left > 0 {
        match reader.next().await {
            Read::Batch(batch) => {
                let place = &batch.origin;
                let topic = expected.get_mut(&*place.topic);
                let Some(due) = topic.and_then(|topic| topic.each.get_mut(&place.partition)) else {
                    continue;
                };
                let first = due.from.unwrap_or(0);
                due.existing.reach(first)?;
                let values = column(&batch.values);
                for (row, offset) in batch.offsets.iter().enumerate() {
                    let is_left_out = leaves_nulls_out && values.get(row).is_none();
                    if *offset >= first && !is_left_out {
                        due.existing.record(*offset)?;
                    }
                }
                due.existing.reach(batch.next_offset)?;
                records += batch.offsets.len() as u64;
                if told.elapsed() >= PROGRESS {
                    told = Instant::now();
                    progress_line(&format!("{records} records of the topic read"));
                }
            }
            Read::Reached { partition, offset } => {
                let topic = expected.get_mut(&*partition.topic);
                if let Some(due) = topic.and_then(|topic| topic.each.get_mut(&partition.partition))
                {
                    due.existing.reach(offset)?;
                }
                left -= 1;
            }
            Read::Degraded(degraded) => tracing::warn!("{}", degraded.reason),
            Read::Failed(error) => return Err(Exit::unavailable(error).into()),
            Read::StartedOver(_) | Read::Begun(_) | Read::Recovered => {}
        }
    }
    reader.close(CLOSE).await;
    Ok(())
}
