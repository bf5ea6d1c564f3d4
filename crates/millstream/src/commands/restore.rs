//! `millstream restore`: objects back into a topic, once each.

mod cell;
mod containers;
mod plan;
mod reading;
mod target;

use super::archive_input::{self, ArchiveInput};
use super::audit::{check_range, progress_line};
use super::kafka_tool::{ToolError, asking, print, print_line, properties, warn};
use super::{CommandResult, Exit};
use crate::cli::RestoreArgs;
use crate::shutdown;
use cell::ReadError;
use containers::Converted;
use millstream_audit::restore::{Encoding, Next};
use millstream_core::Properties;
use millstream_kafka::producer::{Written, partition_of};
use millstream_kafka::{KafkaError, KafkaProducer, ProducerRecord, ProducerSettings, Role};
use millstream_s3::Archive;
use millstream_tools::instant::parse_time;
use plan::{Source, Wanted, plan};
use reading::{Record, Records, Shape};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use target::{GoingOn, Target, look};
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

/// Calls without an answer; the producer's buffer bounds their bytes.
const UNANSWERED: usize = 64;
const PROGRESS: Duration = Duration::from_secs(5);
/// How long acknowledgements are waited for after a signal.
const FAREWELL: Duration = Duration::from_secs(10);
/// A record that is given up would leave a hole, so brokers are waited for: as long as Kafka's setting can say.
const WAITED_FOR: &str = "2147483647";

pub(crate) async fn run(args: RestoreArgs, data: Handle) -> CommandResult {
    check_range(args.from, args.to)?;
    let input = archive_input::read(&args.archive, std::slice::from_ref(&args.topic))?;
    let shape = shape(&args, &input)?;
    let mut client = properties(&args.connection).await?;
    warn(&client, Role::Producer);
    client.insert("allow.auto.create.topics", "false");
    if !client.contains("delivery.timeout.ms") {
        client.insert("delivery.timeout.ms", WAITED_FOR);
    }
    let archive = Archive::open(&input.properties)
        .await
        .map_err(Exit::unavailable)?;
    let wanted = Wanted {
        topic: args.topic.clone(),
        partitions: args.partition.clone(),
        from: args.from,
        to: args.to,
    };
    let sources = plan(&archive, &input, &wanted).await?;
    if sources.is_empty() {
        let place = input.place();
        let why = format!("{place} holds no objects of these partitions and offsets");
        return Err(Exit::found(why).into());
    }
    let to = args.to_topic.as_ref().unwrap_or(&args.topic);
    let target = target(&args, &client, to, &sources).await?;
    if args.dry_run {
        return Ok(print(told_plan(&args, &input, &shape, &sources, &target))?);
    }
    let settings = ProducerSettings::from_properties(&client).map_err(Exit::usage)?;
    let stop = shutdown::on_signal()?;
    let records = Records::new(Arc::new(archive), shape, sources, data.clone());
    let by_key = args.by_key;
    let work = async move {
        let producer = KafkaProducer::start(settings);
        let mut writer = Writer::new(&producer, target, by_key);
        let outcome = write(&mut writer, records, &stop).await;
        (outcome, writer.written, writer.skipped, writer.target.topic)
    };
    let (outcome, written, skipped, topic) = data.spawn(work).await?;
    match (&outcome, args.json) {
        (Ok(()), true) => {
            print_line(json!({"topic": topic, "written": written, "there": skipped}))?
        }
        (Ok(()), false) => print_line(format!(
            "{written} records written to topic {topic}, {skipped} were there"
        ))?,
        (Err(_), _) => {
            let further = match written {
                0 => "",
                _ if args.state.is_some() => "; the same command goes on",
                _ => "; --resume goes on",
            };
            eprintln!("{written} records written to topic {topic}, {skipped} were there{further}");
        }
    }
    outcome
}

/// How the objects' records are read, by the connector's settings and the flags.
fn shape(args: &RestoreArgs, input: &ArchiveInput) -> Result<Shape, ToolError> {
    let format = |key: &str| {
        input
            .properties
            .get(key)
            .is_none_or(|class| class.trim().ends_with("JsonFormat"))
    };
    let encoding = |flag: Option<Encoding>, name: &str, converter: &str, is_json: bool| {
        let set = input.properties.get(converter).unwrap_or_default();
        flag.or_else(|| Encoding::of(set, is_json)).ok_or_else(|| {
            Exit::usage(format!("how do {name} stand in the objects? {converter} does not say it here: give --{name} string, json, base64 or raw"))
        })
    };
    // By their names: what writes keys is Avro where the settings do not say.
    let is_typed = |extension: &str| extension == ".avro" || extension.ends_with(".parquet");
    let has_typed_values = is_typed(&input.layout.values);
    let has_typed_keys = input.layout.keys.as_deref().is_some_and(is_typed);
    let topic = args.to_topic.as_ref().unwrap_or(&args.topic);
    let converted = Converted::new(&input.properties, topic, has_typed_values, has_typed_keys)?;
    let raw = |is_typed: bool| is_typed.then_some(Encoding::Raw);
    let values = encoding(
        raw(has_typed_values).or(args.values),
        "values",
        "value.converter",
        format("format.class"),
    )?;
    let has_envelopes = input.layout.has_envelopes;
    let keys = match encoding(
        raw(has_typed_keys).or(args.keys),
        "keys",
        "key.converter",
        has_envelopes || format("keys.format.class"),
    ) {
        Ok(keys) => keys,
        Err(error) if has_envelopes || input.layout.keys.is_some() => return Err(error.into()),
        // There are none.
        Err(_) => Encoding::Raw,
    };
    let time = |flag: &str, text: &Option<String>| match text {
        Some(text) => parse_time(text)
            .map(Some)
            .map_err(|why| Exit::usage(format!("{flag}: {why}"))),
        None => Ok(None),
    };
    Ok(Shape {
        values,
        keys,
        has_envelopes,
        converted,
        separator: input.layout.separator.clone(),
        timestamp_field: args.timestamp_field.clone(),
        offset_field: args.offset_field.clone(),
        from: args.from,
        to: args.to,
        from_time: time("--from-time", &args.from_time)?,
        to_time: time("--to-time", &args.to_time)?,
    })
}

async fn target(
    args: &RestoreArgs,
    client: &Properties,
    topic: &str,
    sources: &[Source],
) -> Result<Target, ToolError> {
    let admin = asking(client)?;
    let going_on = match (&args.state, args.resume) {
        (Some(path), _) => GoingOn::File(path),
        (None, true) => GoingOn::FromEmpty,
        (None, false) => GoingOn::Begins,
    };
    let target = Box::pin(look(&admin, client, topic, going_on, args.dry_run)).await?;
    let most = sources
        .iter()
        .map(|source| source.partition)
        .max()
        .unwrap_or(-1);
    if !args.by_key && most >= target.partitions {
        return Err(Exit::usage(format!(
            "the objects are of partitions 0 to {most}, and topic {topic} has {}: give it more, or --by-key",
            target.partitions
        ))
        .into());
    }
    Ok(target)
}

fn told_plan(
    args: &RestoreArgs,
    input: &ArchiveInput,
    shape: &Shape,
    sources: &[Source],
    target: &Target,
) -> String {
    let mut each: BTreeMap<i32, (u64, u64)> = BTreeMap::new();
    for source in sources {
        let (objects, bytes) = each.entry(source.partition).or_default();
        *objects += 1;
        *bytes += source.size;
    }
    let name = |encoding: Encoding| {
        Encoding::ALL
            .iter()
            .find(|(_, it)| *it == encoding)
            .map_or("", |(name, _)| *name)
    };
    let has = |of: fn(&Source) -> bool| sources.iter().filter(|source| of(source)).count();
    if args.json {
        let each: Vec<_> = each.iter().map(|(partition, (objects, bytes))| json!({"partition": partition, "objects": objects, "bytes": bytes})).collect();
        let plan = json!({"from": input.place(), "topic": target.topic, "partitions": each, "there": target.position.there()});
        return format!("{plan}\n");
    }
    let mut told = format!(
        "{} to topic {} ({} partitions)\n",
        input.place(),
        target.topic,
        target.partitions
    );
    for (partition, (objects, bytes)) in &each {
        told.push_str(&format!(
            "partition {partition}: {objects} objects, {bytes} bytes\n"
        ));
    }
    told.push_str(&format!(
        "values as {}; keys beside {} of {} objects, as {}; headers beside {}\n",
        name(shape.values),
        has(|source| source.keys.is_some()),
        sources.len(),
        name(shape.keys),
        has(|source| source.headers.is_some())
    ));
    let time = shape.timestamp_field.as_ref().map_or_else(
        || "those of the writing: none were stored (--timestamp-field)".to_owned(),
        |field| format!("those of field {field}"),
    );
    told.push_str(&format!("times: {time}\n"));
    told.push_str(&format!(
        "there already: {} records\nNothing was written (--dry-run).\n",
        target.position.there()
    ));
    told
}

type Answer = Result<Vec<Written>, Arc<KafkaError>>;

/// Writes what is not there.
struct Writer<'a> {
    producer: &'a KafkaProducer,
    target: Target,
    topic: Arc<str>,
    by_key: bool,
    answers: JoinSet<Answer>,
    written: u64,
    skipped: u64,
}

impl<'a> Writer<'a> {
    fn new(producer: &'a KafkaProducer, target: Target, by_key: bool) -> Self {
        Writer {
            producer,
            topic: target.topic.as_str().into(),
            target,
            by_key,
            answers: JoinSet::new(),
            written: 0,
            skipped: 0,
        }
    }

    async fn write(&mut self, batch: Vec<Record>) -> Result<(), ToolError> {
        let mut records = Vec::with_capacity(batch.len());
        for record in batch {
            let partition = self.partition(&record);
            match self.target.position.next(partition) {
                Next::Write => records.push(self.outgoing(partition, record)),
                Next::Skip => self.skipped += 1,
                Next::Compare => {
                    self.compare(partition, &record)?;
                    self.skipped += 1;
                }
            }
        }
        if records.is_empty() {
            return Ok(());
        }
        while self.answers.len() >= UNANSWERED {
            let answer = self.answers.join_next().await;
            self.settle(answer)?;
        }
        let answer = self.producer.send(records).await?;
        self.answers.spawn(answer);
        Ok(())
    }

    /// A function of the record alone, so that a restore that goes on chooses as before.
    fn partition(&self, record: &Record) -> i32 {
        match (&record.key, self.by_key) {
            (_, false) => record.partition,
            (Some(key), true) => partition_of(key, self.target.partitions),
            (None, true) => record.partition % self.target.partitions.max(1),
        }
    }

    /// What the partition ends with has to be the record that was written last.
    fn compare(&self, partition: i32, record: &Record) -> Result<(), ToolError> {
        match self.target.last.get(&partition) {
            Some((key, value)) if (key, value) == (&record.key, &record.value) => Ok(()),
            Some(_) => Err(format!(
                "partition {partition} of topic {} does not end with the record that this restore wrote last: somebody else has written to it, \
                 or the flags were others",
                self.target.topic
            )
            .into()),
            None => {
                tracing::warn!("the last record of partition {partition} is gone, so that it was not compared");
                Ok(())
            }
        }
    }

    fn outgoing(&self, partition: i32, record: Record) -> ProducerRecord {
        let header = |(key, value): (String, Option<String>)| (key.into(), value.map(Into::into));
        ProducerRecord {
            topic: Arc::clone(&self.topic),
            partition: Some(partition),
            timestamp: record.timestamp,
            key: record.key.map(Into::into),
            value: record.value.map(Into::into),
            headers: record.headers.into_iter().map(header).collect(),
        }
    }

    fn settle(
        &mut self,
        answer: Option<Result<Answer, tokio::task::JoinError>>,
    ) -> Result<(), ToolError> {
        if let Some(answer) = answer {
            self.written += answer??.len() as u64;
        }
        Ok(())
    }

    /// Waits for what is under way.
    async fn finish(&mut self) -> Result<(), ToolError> {
        self.producer.flush().await;
        let mut outcome = Ok(());
        while let Some(answer) = self.answers.join_next().await {
            outcome = outcome.and(self.settle(Some(answer)));
        }
        outcome
    }
}

async fn write(
    writer: &mut Writer<'_>,
    mut records: Records,
    stop: &CancellationToken,
) -> Result<(), ToolError> {
    let begun = Instant::now();
    let mut progress = interval_at(begun + PROGRESS, PROGRESS);
    progress.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let outcome: Result<(), ToolError> = loop {
        let batch = tokio::select! {
            batch = records.next() => batch,
            () = stop.cancelled() => break Err("stopped".into()),
            _ = progress.tick() => {
                let seconds = begun.elapsed().as_secs();
                progress_line(&format!("{} records written, {} were there, {} objects to go, {seconds} s", writer.written, writer.skipped, records.left()));
                continue;
            }
        };
        let Some(batch) = batch else { break Ok(()) };
        let batch = match batch {
            Ok(batch) => batch,
            Err(error @ ReadError::Store { .. }) => break Err(Exit::unavailable(error).into()),
            Err(error) => break Err(error.into()),
        };
        if let Err(error) = writer.write(batch).await {
            break Err(error);
        }
    };
    let finished = match &outcome {
        // All of it has to be acknowledged, however long that takes.
        Ok(()) => tokio::select! {
            finished = writer.finish() => finished,
            () = stop.cancelled() => Err("stopped before the brokers had acknowledged everything".into()),
        },
        Err(_) => tokio::time::timeout(FAREWELL, writer.finish())
            .await
            .unwrap_or(Ok(())),
    };
    outcome.and(finished)?;
    let beyond = writer.target.position.beyond();
    if !beyond.is_empty() {
        return Err(format!(
            "partitions {beyond:?} of topic {} have more records than the objects: somebody else has written to them",
            writer.target.topic
        )
        .into());
    }
    Ok(())
}
