//! `millstream demo`: both jobs on embedded services, over real sockets and the real REST API.

use super::CommandResult;
use crate::aws::SharedAws;
use crate::cli::DemoArgs;
use crate::clock::now_ms;
use crate::demo::folder::Folder;
use crate::demo::screen::Screen;
use crate::demo::services::{
    ACCESS_KEY, BUCKET, COLLECTION, DATABASE, PARTITIONS, SECRET_KEY, Services, TOPIC,
};
use crate::demo::stores::{Documents, Objects};
use crate::demo::view::{Snapshot, View, grouped};
use crate::demo::{post, producer};
use crate::launch::Surroundings;
use crate::logging::LogLevels;
use crate::preset::{HashJob, Records, Shape};
use crate::progress::Board;
use crate::{cause, launch, shutdown};
use millstream_core::{Properties, RecordWriter};
use millstream_kafka::{KafkaProducer, ProducerSettings};
use millstream_worker::{Worker, WorkerSettings, WorkerStart};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const ARCHIVE: &str = "s3-sink";
const HASH: &str = "hash";
const HASH_GROUP: &str = "millstream-MyTopic";
const FLUSH_SIZE: u64 = 50;

/// How often the view is drawn; a plain one less often.
const DRAW: Duration = Duration::from_millis(500);
const DRAW_PLAIN: Duration = Duration::from_secs(2);

/// How long the drain may take at the end: a second's work, with room for a busy machine.
const DRAIN: Duration = Duration::from_secs(60);

pub(crate) async fn run(
    args: DemoArgs,
    levels: LogLevels,
    data: Handle,
    screen: Option<Screen>,
) -> CommandResult {
    let stop = shutdown::on_signal()?;
    let folder = Folder::open(&args.dir)?;
    let to_stderr = args.json;
    let view = screen.map_or(View::Lines { to_stderr }, View::Terminal);
    // The services work on the data runtime: the control runtime has one thread, and REST is on it.
    let services = data.spawn({
        let folder = folder.path.clone();
        async move { Services::start(&folder).await }
    });
    let services = services.await??;
    introduce(&view, &services, &args)?;
    let worker_stop = CancellationToken::new();
    let settings = WorkerSettings::new(worker_properties(&services))?;
    let board = Board::default();
    let around = Surroundings::of(SharedAws::of_process());
    let (start, _) = launch::worker(settings, levels, data, worker_stop.clone(), board, around);
    let worker = Worker::start(WorkerStart {
        connectors: vec![(HASH.to_owned(), hash_job(&services))],
        ..start
    })
    .await
    .map_err(|error| cause::of_start(&error))?;
    post_connector(&services).await?;

    let writer = producer(&services)?;
    let outcome = watch(&args, &view, &services, writer.as_ref(), stop).await;
    worker_stop.cancel();
    worker.ended().await;
    let last = outcome?;
    services.stop().await;
    finish(&args, &last, &folder)
}

fn worker_properties(services: &Services) -> Properties {
    Properties::from_iter([
        ("bootstrap.servers", services.broker.bootstrap()),
        (
            "key.converter",
            "org.apache.kafka.connect.storage.StringConverter".to_owned(),
        ),
        (
            "value.converter",
            "org.apache.kafka.connect.storage.StringConverter".to_owned(),
        ),
        ("offset.flush.interval.ms", "1000".to_owned()),
        ("listeners", format!("http://{}", services.rest)),
    ])
}

fn hash_job(services: &Services) -> Properties {
    let job = HashJob {
        name: HASH,
        records: Records::Topic {
            topic: TOPIC,
            group: HASH_GROUP,
            auto_offset_reset: "earliest",
        },
        shape: Shape::plain("md5", "skip"),
        totals: None,
        duplicates: "auto",
        uri: &services.documents_uri(),
        database: DATABASE,
        collection: COLLECTION,
    };
    job.connector()
}

/// Posts the archive's connector as a user would, with the embedded service for S3.
async fn post_connector(services: &Services) -> CommandResult {
    let body = json!({"name": ARCHIVE, "config": {
        "connector.class": "io.confluent.connect.s3.S3SinkConnector",
        "tasks.max": 1,
        "topics": TOPIC,
        "s3.region": "us-east-1",
        "s3.bucket.name": BUCKET,
        "s3.part.size": 5_242_880,
        "flush.size": FLUSH_SIZE,
        "storage.class": "io.confluent.connect.s3.storage.S3Storage",
        "format.class": "io.confluent.connect.s3.format.json.JsonFormat",
        "schema.generator.class": "io.confluent.connect.storage.hive.schema.DefaultSchemaGenerator",
        "partitioner.class": "io.confluent.connect.storage.partitioner.DefaultPartitioner",
        "schema.compatibility": "NONE",
        "store.url": services.s3.endpoint(),
        "aws.access.key.id": ACCESS_KEY,
        "aws.secret.access.key": SECRET_KEY,
    }});
    let (status, text) = post::send("POST", services.rest, "/connectors", body.to_string()).await?;
    if !status.is_success() {
        return Err(format!("the worker refused the connector with {status}: {text}").into());
    }
    Ok(())
}

fn producer(
    services: &Services,
) -> Result<Arc<dyn RecordWriter>, Box<dyn std::error::Error + Send + Sync>> {
    let settings = Properties::from_iter([
        ("bootstrap.servers", services.broker.bootstrap()),
        ("client.id", "demo-producer".to_owned()),
        ("linger.ms", "0".to_owned()),
    ]);
    Ok(Arc::new(KafkaProducer::start(
        ProducerSettings::from_properties(&settings)?,
    )))
}

fn introduce(view: &View, services: &Services, args: &DemoArgs) -> CommandResult {
    let Services {
        rest,
        broker,
        s3,
        documents,
        ..
    } = services;
    let folder = args.dir.display();
    let broker = broker.bootstrap();
    let (s3, documents) = (s3.endpoint(), documents.addr());
    view.say(&format!(
        "millstream demo: topic {TOPIC} → S3 bucket {BUCKET}
                 topic {TOPIC} → md5 → collection {DATABASE}.{COLLECTION}
everything is kept in {folder}; try, in another terminal in this place:
  curl http://{rest}/connectors/{ARCHIVE}/status
  curl http://{rest}/metrics
  ls {folder}/s3/{BUCKET}/topics/{TOPIC}/partition=0
  mongosh mongodb://{documents}/{DATABASE} --eval 'db.{COLLECTION}.findOne()'
  kcat -b {broker} -t {TOPIC} -C -o -5 -e
  export AWS_ACCESS_KEY_ID={ACCESS_KEY} AWS_SECRET_ACCESS_KEY={SECRET_KEY}
  aws --endpoint-url {s3} s3 ls --recursive s3://{BUCKET}
Ctrl-C stops; the next start goes on from here"
    ))?;
    Ok(())
}

/// Produces and draws until the time is over or a signal comes, then drains.
async fn watch(
    args: &DemoArgs,
    view: &View,
    services: &Services,
    writer: &dyn RecordWriter,
    stop: CancellationToken,
) -> Result<Snapshot, Box<dyn std::error::Error + Send + Sync>> {
    let started = Instant::now();
    let documents = Documents::connect(&services.documents_uri()).await?;
    let mut objects = Objects::new(&services.objects);
    let mut ticks = tokio::time::interval(if view.is_plain() { DRAW_PLAIN } else { DRAW });
    let mut last = Snapshot {
        records_in: services.records_in(),
        ..Snapshot::default()
    };
    let producing = producer::produce(writer, args.duration, now_ms, stop.clone());
    let mut producing = std::pin::pin!(producing);
    loop {
        tokio::select! {
            produced = &mut producing => {
                produced?;
                break;
            }
            _ = ticks.tick() => {
                last = look(services, &mut objects, &documents, started, &last).await?;
                view.draw(&last)?;
            }
        }
    }
    let deadline = Instant::now() + DRAIN;
    loop {
        last = look(services, &mut objects, &documents, started, &last).await?;
        if is_drained(&last) {
            break;
        }
        if Instant::now() > deadline {
            return Err(undrained(&last).into());
        }
        ticks.tick().await;
    }
    view.draw(&last)?;
    Ok(last)
}

/// Records that may wait in open files: each partition has one, which is never full.
const OPEN: u64 = PARTITIONS as u64 * (FLUSH_SIZE - 1);

/// Every record is a document, and no more are outside S3 than open files may hold.
fn is_drained(now: &Snapshot) -> bool {
    now.documents == now.records_in && now.waiting() <= OPEN
}

fn undrained(last: &Snapshot) -> String {
    let seconds = DRAIN.as_secs();
    let objects = last.waiting().saturating_sub(OPEN);
    let documents = last.records_in.saturating_sub(last.documents);
    format!(
        "after {seconds} s {objects} records or more were still not in S3, and {documents} not in the document store; see the warnings above"
    )
}

async fn look(
    services: &Services,
    objects: &mut Objects,
    documents: &Documents,
    started: Instant,
    before: &Snapshot,
) -> Result<Snapshot, Box<dyn std::error::Error + Send + Sync>> {
    objects.refresh()?;
    let elapsed = started.elapsed();
    let records_in = services.records_in();
    let passed = elapsed
        .saturating_sub(before.elapsed)
        .as_secs_f64()
        .max(0.1);
    let per_second = (records_in.saturating_sub(before.records_in) as f64 / passed) as u64;
    Ok(Snapshot {
        elapsed,
        records_in,
        per_second,
        peak: before.peak.max(per_second),
        objects: objects.count(),
        object_records: objects.records(),
        newest_objects: objects.newest(),
        archive_lag: services.lag(&format!("connect-{ARCHIVE}")),
        documents: documents.count().await?,
        newest_documents: documents.newest(&services.newest_ids()).await?,
        hash_lag: services.lag(HASH_GROUP),
    })
}

fn finish(args: &DemoArgs, last: &Snapshot, folder: &Folder) -> CommandResult {
    let kept = folder.path.display();
    let text = if args.json {
        let summary = json!({
            "records_in": last.records_in,
            "s3_objects": last.objects,
            "s3_records": last.object_records,
            "documents": last.documents,
            "data_dir": kept.to_string(),
        });
        summary.to_string()
    } else {
        format!(
            "{} records in
{} of them in S3, in {} objects; {} wait until {FLUSH_SIZE} of their partition are there
{} documents
all of it is kept in {kept}",
            grouped(last.records_in),
            grouped(last.object_records),
            grouped(last.objects),
            grouped(last.waiting()),
            grouped(last.documents)
        )
    };
    View::Lines { to_stderr: false }.say(&text)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_message_21_what_is_missing_at_the_end_is_told_in_words() {
        let last = Snapshot {
            records_in: 300,
            object_records: 100,
            documents: 290,
            ..Snapshot::default()
        };
        let text = undrained(&last);
        assert!(
            text.contains("53 records or more were still not in S3"),
            "{text}"
        );
        assert!(
            text.contains("10 not in the document store") && !text.contains('{'),
            "{text}"
        );
        assert!(!is_drained(&last));
    }
}
