//! `millstream produce`: lines, the workshop's message on a schedule, or a load.

use super::kafka_tool::{ToolError, asking, meant_topic, print, print_line, properties, warn};
use super::{CommandResult, Exit};
use crate::clock::now_ms;
use crate::shutdown;
use millstream_kafka::producer::Written;
use millstream_kafka::{KafkaError, KafkaProducer, ProducerRecord, ProducerSettings, Role};
use millstream_tools::produce::latency::Latencies;
use millstream_tools::produce::lines::{LineFormat, ParsedLine};
use millstream_tools::produce::load::{Load, Span};
use millstream_tools::produce::{ProduceAction, ProduceArgs, workshop_message};
use serde_json::json;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

/// Records of one call: enough that calls cost little, few enough that batches of several partitions fill.
const AT_A_TIME: u64 = 100;
/// Calls without an answer; the producer's own buffer bounds their bytes.
const UNANSWERED: usize = 2000;
/// Lines that wait between the reader's thread and the producer.
const WAITING_LINES: usize = 10_000;
/// How often a load says how far it is, as Kafka's tool does.
const PROGRESS: Duration = Duration::from_secs(5);
/// How long acknowledgements are waited for after a signal.
const FAREWELL: Duration = Duration::from_secs(10);
/// How long a load with a rate waits for its next record.
const TICK: Duration = Duration::from_millis(2);

pub(crate) async fn run(args: ProduceArgs, data: Handle) -> CommandResult {
    let action = args.action().map_err(Exit::usage)?;
    let mut properties = properties(&args.connection).await?;
    for (key, value) in args.settings() {
        properties.insert(key, value);
    }
    warn(&properties, Role::Producer);
    let settings = ProducerSettings::from_properties(&properties).map_err(Exit::usage)?;
    let stop = shutdown::on_signal()?;
    let admin = asking(&properties)?;
    let named = [args.topic.clone()];
    let found = admin.topic_details(Some(&named));
    let Some(found) = stop.run_until_cancelled(found).await else {
        return Ok(());
    };
    if found?.is_empty() {
        tracing::warn!(
            "there is no topic {}{}; it comes about only where the brokers make topics by themselves (auto.create.topics.enable)",
            args.topic,
            meant_topic(&admin, &args.topic).await?
        );
    }
    // The producer's task works on the data runtime, too: the control runtime has one thread.
    let work = async move {
        let producer = KafkaProducer::start(settings);
        let sent = async {
            match action {
                ProduceAction::Lines(format) => {
                    let lines = open(args.file.as_deref())?;
                    send_lines(&producer, &args.topic, &format, lines, &stop).await
                }
                ProduceAction::Every { pause, times } => {
                    send_every(&producer, &args, pause, times, &stop).await
                }
                ProduceAction::Load(load) => send_load(&producer, &args, load, &stop).await,
            }
        };
        let given_up = async {
            stop.cancelled().await;
            tokio::time::sleep(FAREWELL).await;
        };
        tokio::select! {
            outcome = sent => outcome,
            () = given_up => Err("stopped before the brokers had acknowledged everything".into()),
        }
    };
    data.spawn(work).await?
}

/// Lines of a file or of standard input, from a thread that may wait for ever for the next one; it ends with the process.
fn open(file: Option<&Path>) -> Result<mpsc::Receiver<io::Result<String>>, ToolError> {
    let input: Box<dyn Read + Send> = match file {
        Some(path) => Box::new(
            File::open(path)
                .map_err(|error| Exit::usage(format!("cannot read {}: {error}", path.display())))?,
        ),
        None => Box::new(io::stdin()),
    };
    let (sender, lines) = mpsc::channel(WAITING_LINES);
    let read = move || {
        for line in BufReader::new(input).split(b'\n') {
            let line = line.map(|mut line| {
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                String::from_utf8_lossy(&line).into_owned()
            });
            let is_end = line.is_err();
            if sender.blocking_send(line).is_err() || is_end {
                break;
            }
        }
    };
    std::thread::Builder::new()
        .name("lines".to_owned())
        .spawn(read)?;
    Ok(lines)
}

/// What a call came to: when it was made, how many records and bytes it had.
type Answer = (Duration, u64, u64, Result<Vec<Written>, Arc<KafkaError>>);

/// Calls under way.
#[derive(Default)]
struct Calls(JoinSet<Answer>);

impl Calls {
    /// Sends records; waits where too many calls have no answer.
    async fn send(
        &mut self,
        producer: &KafkaProducer,
        records: Vec<ProducerRecord>,
    ) -> Result<(), ToolError> {
        let size = |record: &ProducerRecord| {
            let field = |field: &Option<bytes::Bytes>| field.as_ref().map_or(0, |f| f.len());
            (field(&record.key) + field(&record.value)) as u64
        };
        let (count, bytes) = (records.len() as u64, records.iter().map(size).sum());
        let begun = Instant::now();
        let outcome = producer.send(records).await?;
        self.0.spawn(async move {
            let outcome = outcome.await;
            (begun.elapsed(), count, bytes, outcome)
        });
        Ok(())
    }

    /// The next answer that is there, or that has to be waited for where there are too many calls.
    async fn settled(&mut self) -> Result<Option<(Duration, u64, u64)>, ToolError> {
        let answer = match self.0.len() >= UNANSWERED {
            true => self.0.join_next().await,
            false => self.0.try_join_next(),
        };
        answer.map(judge).transpose()
    }

    async fn last(&mut self) -> Result<Option<(Duration, u64, u64)>, ToolError> {
        self.0.join_next().await.map(judge).transpose()
    }
}

fn judge(
    answer: Result<Answer, tokio::task::JoinError>,
) -> Result<(Duration, u64, u64), ToolError> {
    let (took, count, bytes, outcome) = answer?;
    outcome?;
    Ok((took, count, bytes))
}

async fn send_lines(
    producer: &KafkaProducer,
    topic: &str,
    format: &LineFormat,
    mut lines: mpsc::Receiver<io::Result<String>>,
    stop: &CancellationToken,
) -> CommandResult {
    let topic: Arc<str> = Arc::from(topic);
    let mut calls = Calls::default();
    let mut number = 0;
    let mut waiting = Vec::new();
    let mut wrong = None;
    loop {
        let more = lines.recv_many(&mut waiting, AT_A_TIME as usize);
        // None at all: a signal came, or the end.
        if stop.run_until_cancelled(more).await.unwrap_or(0) == 0 {
            break;
        }
        let mut records = Vec::with_capacity(waiting.len());
        for line in waiting.drain(..) {
            number += 1;
            match format.parse(&line?, number) {
                Ok(line) => records.push(record(&topic, line)),
                Err(why) => {
                    wrong = Some(why);
                    break;
                }
            }
        }
        if !records.is_empty() {
            calls.send(producer, records).await?;
        }
        while calls.settled().await?.is_some() {}
        if wrong.is_some() {
            break;
        }
    }
    // What was taken before a line that cannot be read is written all the same.
    while calls.last().await?.is_some() {}
    match wrong {
        Some(why) => Err(format!("{why}: the lines before it are written").into()),
        None => Ok(()),
    }
}

fn record(topic: &Arc<str>, line: ParsedLine) -> ProducerRecord {
    let header = |(key, value): (String, Option<String>)| (key.into(), value.map(Into::into));
    ProducerRecord {
        topic: Arc::clone(topic),
        key: line.key.map(Into::into),
        value: line.value.map(Into::into),
        headers: line.headers.into_iter().map(header).collect(),
        ..ProducerRecord::default()
    }
}

async fn send_every(
    producer: &KafkaProducer,
    args: &ProduceArgs,
    pause: Duration,
    times: Option<u64>,
    stop: &CancellationToken,
) -> CommandResult {
    let mut ticks = tokio::time::interval(pause);
    // What an outage has kept from being sent is not made up for.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut sent = 0;
    while times.is_none_or(|times| sent < times) {
        if stop.run_until_cancelled(ticks.tick()).await.is_none() {
            break;
        }
        let message = workshop_message(now_ms());
        let record = ProducerRecord {
            topic: Arc::from(args.topic.as_str()),
            value: Some(message.into()),
            ..ProducerRecord::default()
        };
        let written = match producer.send(vec![record]).await {
            Ok(written) => written.await,
            Err(error) => Err(error),
        };
        sent += 1;
        let outcome = match written {
            Ok(outcome) => outcome,
            // The next one may get through.
            Err(error) if error.is_transient() && times.is_none() => {
                tracing::error!("one message is lost: {error}");
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        for Written { partition, offset } in outcome {
            match args.json {
                true => print_line(
                    json!({"topic": args.topic, "partition": partition, "offset": offset}),
                )?,
                false => print_line(format!(
                    "written to {}-{partition} at offset {offset}",
                    args.topic
                ))?,
            }
        }
    }
    Ok(())
}

async fn send_load(
    producer: &KafkaProducer,
    args: &ProduceArgs,
    load: Load,
    stop: &CancellationToken,
) -> CommandResult {
    let topic: Arc<str> = Arc::from(args.topic.as_str());
    let mut calls = Calls::default();
    let mut tally = Tally::new(args.json);
    let mut sent = 0;
    while sent < load.records && !stop.is_cancelled() {
        let due = load.due(tally.begun.elapsed(), sent).min(AT_A_TIME);
        if due == 0 {
            tokio::time::sleep(TICK).await;
        } else {
            let records = (sent..sent + due).map(|number| ProducerRecord {
                topic: Arc::clone(&topic),
                key: load.key(number).map(Into::into),
                value: Some(load.value(number).into()),
                ..ProducerRecord::default()
            });
            calls.send(producer, records.collect()).await?;
            sent += due;
        }
        while let Some(answer) = calls.settled().await? {
            tally.note(answer)?;
        }
    }
    while let Some(answer) = calls.last().await? {
        tally.note(answer)?;
    }
    let all = Span {
        took: tally.begun.elapsed(),
        bytes: tally.bytes,
        latencies: &tally.all,
    };
    match args.json {
        true => print_line(all.json())?,
        false => print(all.report())?,
    }
    Ok(())
}

/// What has been acknowledged, in all and since the last line of progress.
struct Tally {
    quiet: bool,
    begun: Instant,
    all: Latencies,
    bytes: u64,
    lately_begun: Instant,
    lately: Latencies,
    lately_bytes: u64,
}

impl Tally {
    fn new(quiet: bool) -> Self {
        let now = Instant::now();
        Tally {
            quiet,
            begun: now,
            all: Latencies::default(),
            bytes: 0,
            lately_begun: now,
            lately: Latencies::default(),
            lately_bytes: 0,
        }
    }

    fn note(&mut self, (took, records, bytes): (Duration, u64, u64)) -> io::Result<()> {
        self.all.note(took, records);
        self.lately.note(took, records);
        self.bytes += bytes;
        self.lately_bytes += bytes;
        let since = self.lately_begun.elapsed();
        if since < PROGRESS {
            return Ok(());
        }
        let span = Span {
            took: since,
            bytes: self.lately_bytes,
            latencies: &self.lately,
        };
        if !self.quiet {
            print(span.progress())?;
        }
        self.lately_begun = Instant::now();
        self.lately = Latencies::default();
        self.lately_bytes = 0;
        Ok(())
    }
}
