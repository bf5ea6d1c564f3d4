//! `stream --explain`: what would be written of sample records, by the very stages and the very sink of the job, into a
//! document server in this process. Nothing else is asked, and keys are not shown.

use super::settings::{PROVIDER, StreamSettings};
use super::totals;
use crate::cli::StreamArgs;
use crate::clock::now_ms;
use crate::commands::CommandResult;
use crate::plugins;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use millstream_core::chain;
use millstream_core::{
    ByteBudget, ByteColumn, Converter, ConverterUse, Destination, Headers, Payload, Properties,
    RecordBatch, Rejected, SinkConnector, SinkTask, TaskContext, TimestampType, TopicPartition,
};
use millstream_embedded::documents::DocumentServer;
use millstream_mongodb::MongoSinkConnector;
use millstream_runtime::{Plan, PlanParts};
use millstream_worker::WorkerSettings;
use millstream_worker::registry::PluginRegistry;
use mongodb::bson::{Bson, Document, doc};
use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

type Failed = Box<dyn Error + Send + Sync>;

/// Samples are looked at by people.
const MOST_RECORDS: usize = 10_000;
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// For what the one batch and its writes need.
const MEMORY: usize = 512 * 1024 * 1024;

/// How long the server in this process may take.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn run(args: StreamArgs, samples: &Path) -> CommandResult {
    let values = read_samples(samples)?;
    let lines = explain(args, values).await?;
    let mut out = std::io::stdout().lock();
    for line in lines {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

fn read_samples(path: &Path) -> Result<Vec<Bytes>, Failed> {
    let from: Box<dyn Read> = if path == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        let file = File::open(path);
        Box::new(
            file.map_err(|error| format!("--explain: cannot read {}: {error}", path.display()))?,
        )
    };
    let lines = BufReader::new(from.take(MOST_BYTES)).split(b'\n');
    let mut values = Vec::new();
    for line in lines.take(MOST_RECORDS) {
        let mut line = line?;
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        values.push(Bytes::from(line));
    }
    Ok(values)
}

/// What is said of the job, and a line for each record.
async fn explain(mut args: StreamArgs, values: Vec<Bytes>) -> Result<Vec<String>, Failed> {
    if args.input.is_some() {
        return Err("--explain shows records of a topic; leave INPUT_URL (--input) out".into());
    }
    let server = DocumentServer::start((Ipv4Addr::LOCALHOST, 0).into(), None).await?;
    let uri = format!("mongodb://{}/", server.addr());
    // Neither is asked, and both have to be set.
    args.bootstrap_servers
        .get_or_insert_with(|| "none.invalid:9092".to_owned());
    args.mongodb_uri = Some(uri.clone());
    let settings = StreamSettings::read(&args)?;
    let worker = WorkerSettings::quiet(settings.worker.clone())
        .map_err(|errors| settings.explain(&errors.into()))?
        .with_values(PROVIDER, settings.secrets.clone());
    if args.hashing.hash_key_secret.is_some() {
        return Err("--explain asks nobody, Secrets Manager neither: give a key by HASH_KEY_FILE (--hash-key-file) for it".into());
    }
    let connector = worker
        .providers
        .resolve(&settings.connector)
        .await?
        .properties;
    let rows = values.len();
    let mut batch = batch_of(&args.topic, values);
    // What is wrong with a setting is told by what was typed for it.
    let typed = |error: Failed| Failed::from(settings.in_typed_words(&error.to_string()));
    let mut task = start_task(&connector).await.map_err(typed)?;
    let mut plan = Plan::new(parts(&connector).map_err(typed)?, task.as_mut());
    let mut rejected = Rejected::default();
    plan.convert(&mut batch, &mut rejected);
    plan.transform(&mut batch, &mut rejected);
    task.put(Arc::new(batch), now_ms()).await.map_err(told)?;
    task.finish(PATIENCE).await.map_err(told)?;
    let progress = task.poll(now_ms()).await.map_err(told)?;
    let mut errors: BTreeMap<i64, String> = BTreeMap::new();
    for row in rejected.rows.iter().chain(&progress.rejected) {
        errors.insert(row.offset, row.error.to_string());
    }
    let documents = documents(&uri, &args).await?;
    server.stop().await;
    let mut lines = head(&args, &plan.describe());
    if args.aggregate.aggregate {
        lines.extend(documents.iter().map(shown));
        let wrong = errors.iter();
        lines.extend(wrong.map(|(offset, error)| format!("{offset}: not counted: {error}")));
        return Ok(lines);
    }
    let documents = by_offset(documents);
    lines.extend((0..rows as i64).map(|offset| {
        let line = match (documents.get(&offset), errors.get(&offset)) {
            (Some(document), _) => shown(document),
            (None, Some(error)) => format!("not written: {error}"),
            (None, None) => "left out: it has no value".to_owned(),
        };
        format!("{offset}: {line}")
    }));
    Ok(lines)
}

fn told(error: millstream_core::SinkError) -> Failed {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    text.into()
}

/// The job in a few lines, without its key.
fn head(args: &StreamArgs, plan: &str) -> Vec<String> {
    let hashing = &args.hashing;
    let asked = totals::asked(args).ok().flatten();
    let reads_json = asked.as_ref().is_some_and(|asked| asked.reads_json);
    let fields = asked.map_or_else(|| hashing.fields(), |asked| asked.hashed);
    let what = match fields.as_slice() {
        [] if reads_json => "nothing".to_owned(),
        [] => "the whole value, as field value".to_owned(),
        fields => format!("the fields {}", fields.join(", ")),
    };
    let key = match (args.hash_algorithm.needs_key(), &hashing.hash_key_id) {
        (false, _) => "none: whoever can guess a value can find it by its digest".to_owned(),
        (true, Some(id)) => format!("set, not shown; its id is {id}"),
        (true, None) => "set, not shown; without HASH_KEY_ID nothing tells which one".to_owned(),
    };
    let (database, collection) = (&args.mongodb_database, &args.mongodb_collection);
    let lines = match args.aggregate.aggregate {
        true => "a document: totals, and how far a partition is in them",
        false => "an offset and its document",
    };
    vec![
        format!(
            "# {} of {what}, in {}",
            args.hash_algorithm.name(),
            hashing.hash_encoding.setting()
        ),
        format!("# key: {key}"),
        format!("# to {database}.{collection}, by {plan}; each line is {lines}"),
    ]
}

fn shown(document: &Document) -> String {
    serde_json::to_string(&readable(document)).unwrap_or_else(|error| error.to_string())
}

fn batch_of(topic: &str, values: Vec<Bytes>) -> RecordBatch {
    let rows = values.len();
    let mut column = ByteColumn::new();
    for value in values {
        // An empty line is a record without a value.
        column.push(Some(value).filter(|value| !value.is_empty()));
    }
    RecordBatch {
        origin: TopicPartition::new(topic, 0),
        destination: Destination::Uniform(topic.into()),
        first_offset: 0,
        next_offset: rows as i64,
        offsets: (0..rows as i64).collect(),
        timestamps: vec![now_ms(); rows],
        timestamp_type: TimestampType::CreateTime,
        keys: Payload::undecoded(ByteColumn::nulls(rows)),
        values: Payload::undecoded(column),
        headers: Headers::None,
        permit: None,
        fetched: Default::default(),
    }
}

async fn start_task(connector: &Properties) -> Result<Box<dyn SinkTask>, Failed> {
    let budget = || ByteBudget::new(MEMORY);
    let context = TaskContext {
        has_reporter: true,
        goes_on_after_rejected: true,
        ..TaskContext::new("explain", 0, budget(), budget())
    };
    let mut properties: Properties = connector.iter().collect();
    // A record that cannot be written is one line of many.
    properties.insert("errors.tolerance", "all");
    MongoSinkConnector
        .start_task(&properties, context)
        .await
        .map_err(told)
}

fn parts(connector: &Properties) -> Result<PlanParts, Failed> {
    let registry = plugins::registry();
    let chain = chain::build(connector, &registry.transforms, &registry.predicates)
        .map_err(|error| error.cause.message)?;
    let header = registry
        .header_converter("org.apache.kafka.connect.storage.SimpleHeaderConverter")
        .ok_or("the converter of headers is not there")?;
    Ok(PlanParts {
        key: converter(&registry, connector, "key.converter", ConverterUse::Key)?,
        value: converter(&registry, connector, "value.converter", ConverterUse::Value)?,
        header: (header.make)(&Properties::new()).map_err(|error| error.message)?,
        chain,
    })
}

fn converter(
    registry: &PluginRegistry,
    connector: &Properties,
    key: &str,
    used: ConverterUse,
) -> Result<Box<dyn Converter>, Failed> {
    let class = connector.get(key).unwrap_or_default();
    let plugin = registry
        .converter(class)
        .ok_or_else(|| format!("{key}={class} is not there"))?;
    let own = connector.with_prefix(&format!("{key}."));
    (plugin.make)(&own, used).map_err(|error| error.message.into())
}

async fn documents(uri: &str, args: &StreamArgs) -> Result<Vec<Document>, Failed> {
    let client = mongodb::Client::with_uri_str(uri).await?;
    let collection = client
        .database(&args.mongodb_database)
        .collection::<Document>(&args.mongodb_collection);
    let mut cursor = collection.find(doc! {}).await?;
    let mut documents = Vec::new();
    while cursor.advance().await? {
        documents.push(cursor.deserialize_current()?);
    }
    Ok(documents)
}

/// The documents by the offsets of their records, which their ids end with.
fn by_offset(documents: Vec<Document>) -> BTreeMap<i64, Document> {
    let offset = |document: &Document| match document.get("_id") {
        Some(Bson::String(id)) => id.rsplit('#').next().and_then(|end| end.parse().ok()),
        _ => None,
    };
    let documents = documents.into_iter();
    documents
        .map(|document| (offset(&document).unwrap_or(-1), document))
        .collect()
}

/// The document with digests in bytes as extended JSON has them, and not as lists of numbers.
fn readable(document: &Document) -> Document {
    let value = |value: &Bson| match value {
        Bson::Document(inner) => Bson::Document(readable(inner)),
        Bson::Binary(binary) => {
            let base64 = BASE64.encode(&binary.bytes);
            let kind = format!("{:02x}", u8::from(binary.subtype));
            Bson::Document(doc! {"$binary": {"base64": base64, "subType": kind}})
        }
        plain => plain.clone(),
    };
    let fields = document.iter();
    fields
        .map(|(name, field)| (name.clone(), value(field)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};

    async fn tried(flags: &[&str], values: &[&str]) -> Result<Vec<String>, Failed> {
        let flags: Vec<&str> = ["stream", "--topic", "T"]
            .iter()
            .chain(flags)
            .copied()
            .collect();
        let Command::Stream(args) = Cli::of(&flags, &[]).expect("the flags are right").command
        else {
            panic!("not stream");
        };
        let values = values
            .iter()
            .map(|value| Bytes::copy_from_slice(value.as_bytes()));
        explain(args, values.collect()).await
    }

    async fn explained(flags: &[&str], values: &[&str]) -> Vec<String> {
        tried(flags, values).await.expect("explained")
    }

    #[tokio::test]
    async fn a_wrong_setting_is_called_by_what_was_typed() {
        let totals = ["--aggregate", "--aggregate-key", "k"];
        for (more, name) in [
            (
                ["--aggregate-fields", "avg:n"],
                "AGGREGATE_FIELDS (--aggregate-fields): write sum, min",
            ),
            (
                ["--aggregate-key", "a..b"],
                "AGGREGATE_KEY (--aggregate-key): a field is names",
            ),
            (["--aggregate-linger-ms", "99999"], "AGGREGATE_LINGER_MS"),
        ] {
            let flags = match more[0] {
                "--aggregate-key" => [&totals[..1], &more].concat(),
                _ => [&totals[..], &more].concat(),
            };
            let error = tried(&flags, &["{}"]).await.expect_err(name).to_string();
            assert!(error.contains(name), "{error}");
            assert!(!error.contains("millstream.mongo."), "{error}");
        }
    }

    /// The digests are those of RFC 2104 by another implementation: `printf hi | openssl dgst -sha256 -hmac s3cret`.
    const HI: &str = "c12b1c71bb7471069ac81e29f270850182a5fac70d071c488c7fe3184a93d523";

    #[tokio::test]
    async fn a_whole_value_is_shown_as_it_would_be_written() {
        let flags = [
            "--hash-algorithm",
            "hmac_sha256",
            "--hash-key",
            "s3cret",
            "--hash-key-id",
            "v2",
            "--provenance",
        ];
        let lines = explained(&flags, &["hi", ""]).await;
        let text = lines.join("\n");
        assert!(!text.contains("s3cret"), "{text}");
        assert!(text.contains("its id is v2"), "{text}");
        let first = lines
            .iter()
            .find(|line| line.starts_with("0: "))
            .expect("a line");
        for part in [
            "\"_id\":\"T#0#0\"",
            HI,
            "\"keyId\":\"v2\"",
            "\"topic\":\"T\"",
            "\"partition\":0",
            "\"offset\":0",
            "\"timestamp\":{\"$date\"",
        ] {
            assert!(first.contains(part), "{part}: {first}");
        }
        assert_eq!(
            lines.last().map(String::as_str),
            Some("1: left out: it has no value")
        );
    }

    #[tokio::test]
    async fn fields_are_hashed_in_place_and_a_bad_record_is_one_line() {
        let flags = [
            "--hash-algorithm",
            "hmac_sha256",
            "--hash-key",
            "733363726574",
            "--hash-key-encoding",
            "hex",
            "--hash-fields",
            "email,address.street",
            "--provenance",
        ];
        let values = [
            r#"{"email":"hi","address":{"street":"hi","no":7},"_id":5,"other":"open"}"#,
            r#"{"other":1}"#,
            "no json",
            r#"{"email":5}"#,
        ];
        let lines = explained(&flags, &values).await;
        let found: Vec<&String> = lines.iter().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(found.len(), 4, "{lines:?}");
        assert_eq!(found[0].matches(HI).count(), 2, "{}", found[0]);
        for part in [
            "\"no\":7",
            "\"other\":\"open\"",
            "\"_id\":\"T#0#0\"",
            "\"timestamp\":{\"$date\"",
        ] {
            assert!(found[0].contains(part), "{part}: {}", found[0]);
        }
        assert!(found[1].contains("\"other\":1"), "{}", found[1]);
        assert!(found[2].starts_with("2: not written: "), "{}", found[2]);
        assert!(
            found[3].contains("not written: email schema type in value must be STRING"),
            "{}",
            found[3]
        );
    }

    #[tokio::test]
    async fn totals_are_shown_with_the_place_of_their_partition() {
        let flags = [
            "--hash-algorithm",
            "hmac_sha256",
            "--hash-key",
            "s3cret",
            "--aggregate",
            "--aggregate-key",
            "email",
            "--aggregate-fields",
            "sum:amount",
        ];
        let values = [
            r#"{"email":"hi","amount":19.99}"#,
            r#"{"email":"hi","amount":5}"#,
            r#"{"email":"hi","amount":"much"}"#,
            r#"{"amount":1}"#,
        ];
        let lines = explained(&flags, &values).await;
        let text = lines.join("\n");
        for part in [
            HI,
            "\"count\":2",
            "{\"amount\":{\"$numberDecimal\":\"24.99\"}}",
            "\"counted\":2",
            "\"leftOut\":2",
            "2: not counted: field amount",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[tokio::test]
    async fn binary_digests_are_packed() {
        let lines = explained(&["--hash-encoding", "binary"], &["hi"]).await;
        let line = lines.last().expect("a line");
        assert!(line.contains("\"$binary\""), "{line}");
    }
}
