//! The topic that is written: where its partitions ended when the restore began, and where they end now.

use crate::commands::Exit;
use crate::commands::kafka_tool::{ToolError, meant_topic};
use millstream_audit::restore::Position;
use millstream_core::{ByteBudget, Properties, RecordBatch, TopicPartition};
use millstream_kafka::admin::LATEST;
use millstream_kafka::{
    Admin, KafkaReader, Read, ReadRange, ReadUpTo, ReaderSettings, StartAt, WhenLost,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;
use tokio::time::sleep;

/// Between two looks at where partitions end: what a process that was killed has sent may still be on its way.
const SETTLES: Duration = Duration::from_millis(500);
const FETCHED: usize = 16 * 1024 * 1024;
const CLOSE: Duration = Duration::from_secs(10);

/// What a partition ends with: key and value.
pub(super) type Last = (Option<Vec<u8>>, Option<Vec<u8>>);

pub(super) struct Target {
    pub(super) topic: String,
    pub(super) partitions: i32,
    pub(super) position: Position,
    /// The last record of each partition that the restore has written to, where it is still there.
    pub(super) last: BTreeMap<i32, Last>,
}

/// How a restore goes on.
#[derive(Clone, Copy, Debug)]
pub(super) enum GoingOn<'a> {
    /// It begins: the topic has to have no records.
    Begins,
    /// The topic had no records when it began.
    FromEmpty,
    /// A file says where partitions ended; it is made if it is not there.
    File(&'a Path),
}

/// Looks at the topic.
///
/// # Errors
/// If it is not there, or has other records than the restore's.
pub(super) async fn look(
    admin: &Admin,
    client: &Properties,
    topic: &str,
    going_on: GoingOn<'_>,
    is_dry: bool,
) -> Result<Target, ToolError> {
    let named = [topic.to_owned()];
    let found = admin
        .topic_details(Some(&named))
        .await
        .map_err(Exit::unavailable)?;
    let Some(detail) = found.first() else {
        let meant = meant_topic(admin, topic).await?;
        return Err(Exit::usage(format!("there is no topic {topic}{meant}: create it (millstream topics --create), or name another (--to-topic)")).into());
    };
    let places: Vec<TopicPartition> = detail
        .partitions
        .iter()
        .map(|it| TopicPartition::new(topic, it.index))
        .collect();
    let ends = settled_ends(admin, &places).await?;
    let begun = match going_on {
        GoingOn::Begins => {
            let records: i64 = ends.values().sum();
            if records > 0 && !is_dry {
                return Err(Exit::usage(format!(
                    "topic {topic} has records: --resume goes on with a restore that was interrupted, --state FILE writes behind what is there"
                ))
                .into());
            }
            ends.clone()
        }
        GoingOn::FromEmpty => BTreeMap::new(),
        GoingOn::File(path) => state(path, topic, &ends, is_dry)?,
    };
    let position = Position::new(&ends, &begun).map_err(|partition| {
        Exit::usage(format!(
            "partition {partition} of topic {topic} ends before the restore began: it was made anew"
        ))
    })?;
    let written: BTreeMap<i32, i64> = ends
        .iter()
        .filter(|(partition, end)| **end > begun.get(*partition).copied().unwrap_or(0))
        .map(|(partition, end)| (*partition, *end))
        .collect();
    let last = last_records(client, topic, &written).await?;
    let partitions = i32::try_from(places.len()).unwrap_or(i32::MAX);
    Ok(Target {
        topic: topic.to_owned(),
        partitions,
        position,
        last,
    })
}

/// Where partitions end, once two looks agree.
async fn settled_ends(
    admin: &Admin,
    places: &[TopicPartition],
) -> Result<BTreeMap<i32, i64>, ToolError> {
    let look = async || {
        let ends = admin
            .list_offsets(places, LATEST)
            .await
            .map_err(Exit::unavailable)?;
        let ends = ends.into_iter().map(|(place, end)| (place.partition, end));
        Ok::<BTreeMap<i32, i64>, ToolError>(ends.collect())
    };
    let mut before = look().await?;
    // An empty topic has no writer to be waited for.
    while before.values().any(|end| *end > 0) {
        sleep(SETTLES).await;
        let now = look().await?;
        if now == before {
            break;
        }
        before = now;
    }
    Ok(before)
}

/// The ends in the file; without one, those of now are written into it.
fn state(
    path: &Path,
    topic: &str,
    ends: &BTreeMap<i32, i64>,
    is_dry: bool,
) -> Result<BTreeMap<i32, i64>, ToolError> {
    let shown = path.display();
    match fs::read_to_string(path) {
        Ok(text) => {
            let wrong = || {
                Exit::usage(format!(
                    "--state {shown}: it is no state of a restore into topic {topic}"
                ))
            };
            let state: Value = serde_json::from_str(&text).map_err(|_| wrong())?;
            if state["topic"] != topic {
                return Err(wrong().into());
            }
            let begun = state["ends"].as_object().ok_or_else(wrong)?;
            let begun = begun
                .iter()
                .map(|(partition, end)| Some((partition.parse().ok()?, end.as_i64()?)));
            Ok(begun
                .collect::<Option<BTreeMap<i32, i64>>>()
                .ok_or_else(wrong)?)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            if !is_dry {
                let by_partition: BTreeMap<String, i64> = ends
                    .iter()
                    .map(|(partition, end)| (partition.to_string(), *end))
                    .collect();
                let state = json!({"topic": topic, "ends": by_partition});
                // Whole, or not there: a restore that is killed here has written nothing yet.
                let draft = path.with_extension("new");
                let written =
                    fs::write(&draft, format!("{state}\n")).and_then(|()| fs::rename(&draft, path));
                written.map_err(|error| format!("--state {shown}: {error}"))?;
            }
            Ok(ends.clone())
        }
        Err(error) => Err(format!("--state {shown}: {error}").into()),
    }
}

/// The records before these ends, where they are still there.
async fn last_records(
    client: &Properties,
    topic: &str,
    ends: &BTreeMap<i32, i64>,
) -> Result<BTreeMap<i32, Last>, ToolError> {
    let settings = ReaderSettings::from_properties(client).map_err(Exit::usage)?;
    let ranges: Vec<ReadRange> = ends
        .iter()
        .map(|(partition, end)| ReadRange {
            partition: TopicPartition::new(topic, *partition),
            from: StartAt::Offset(end - 1),
            up_to: ReadUpTo::Offset(*end),
        })
        .collect();
    let mut left = ranges.len();
    let mut last = BTreeMap::new();
    let mut reader = KafkaReader::start(
        settings,
        ranges,
        WhenLost::StartOver,
        ByteBudget::new(FETCHED),
    );
    while left > 0 {
        match reader.next().await {
            Read::Batch(batch) => {
                let end = ends
                    .get(&batch.origin.partition)
                    .copied()
                    .unwrap_or_default();
                let row = batch.offsets.iter().position(|offset| *offset == end - 1);
                if let Some(row) = row {
                    last.insert(batch.origin.partition, of_row(&batch, row));
                }
            }
            Read::Reached { .. } => left -= 1,
            Read::Degraded(degraded) => tracing::warn!("{}", degraded.reason),
            Read::Failed(error) => return Err(Exit::unavailable(error).into()),
            Read::StartedOver(_) | Read::Begun(_) | Read::Recovered => {}
        }
    }
    reader.close(CLOSE).await;
    Ok(last)
}

fn of_row(batch: &RecordBatch, row: usize) -> Last {
    let field = |payload| {
        crate::commands::consume::column(payload)
            .get(row)
            .map(<[u8]>::to_vec)
    };
    (field(&batch.keys), field(&batch.values))
}
