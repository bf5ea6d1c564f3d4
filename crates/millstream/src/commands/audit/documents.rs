//! Documents against offsets: the ids of a collection, streamed in their order, without the documents.

use super::{
    Firsts, asks_brokers, by_flags, check_range, flagged, known, progress_line, tell, topic,
};
use crate::cli::AuditArgs;
use crate::commands::kafka_tool::ToolError;
use crate::commands::{CommandResult, Exit};
use millstream_audit::ids::IdLedger;
use millstream_audit::report::{Looked, Report};
use mongodb::bson::{Document, RawDocumentBuf, doc};
use mongodb::options::FindOptions;
use mongodb::{Client, Collection};
use std::time::{Duration, Instant};

/// Ids of one answer.
const BATCH: u32 = 10_000;
const PROGRESS: Duration = Duration::from_secs(5);

pub(super) async fn run(args: &AuditArgs, uri: &str) -> CommandResult {
    check_range(args.from, args.to)?;
    let client = Client::with_uri_str(uri).await;
    let client = client.map_err(|error| Exit::usage(format!("--mongodb: {error}")))?;
    let collection: Collection<RawDocumentBuf> =
        client.database(&args.database).collection(&args.collection);
    let mut ledger = IdLedger::default();
    if args.topic.is_empty() {
        read(&collection, doc! {}, &mut ledger).await?;
    }
    for topic in &args.topic {
        // All that begins with the topic and a number sign: behind that sign comes the dollar.
        let of_topic = doc! {"_id": {"$gte": format!("{topic}#"), "$lt": format!("{topic}$")}};
        read(&collection, of_topic, &mut ledger).await?;
    }
    let mut looked = Looked {
        place: format!("{}.{}", args.database, args.collection),
        is_documents: true,
        is_deep: true,
        read_objects: ledger.documents(),
        ..Looked::default()
    };
    let firsts: Firsts = ledger
        .partitions()
        .into_iter()
        .map(|place| (place, 0))
        .collect();
    let expected = match asks_brokers(args) {
        true => {
            let topic = args
                .topic
                .first()
                .cloned()
                .or_else(|| firsts.keys().next().map(|(topic, _)| topic.clone()));
            let ask = topic::Ask {
                topics: &args.topic,
                // That of `stream`.
                group: args
                    .group
                    .clone()
                    .or_else(|| topic.map(|topic| format!("millstream-{topic}"))),
                isolation: None,
                leaves_nulls_out: true,
            };
            Box::pin(topic::ask(args, &ask, &firsts, &mut looked)).await?
        }
        false => {
            looked.range = by_flags(args);
            flagged(args, &firsts)
        }
    };
    known(args, &expected, &looked.place, |topic| {
        ledger.has_topic(topic)
    })?;
    let explained = args.allow_gaps.then_some("--allow-gaps");
    tell(
        args,
        &Report::new(ledger.judge(&expected, explained), looked),
    )
}

async fn read(
    collection: &Collection<RawDocumentBuf>,
    filter: Document,
    ledger: &mut IdLedger,
) -> Result<(), ToolError> {
    let options = FindOptions::builder()
        .sort(doc! {"_id": 1})
        .projection(doc! {"_id": 1})
        .batch_size(BATCH)
        .build();
    let found = collection.find(filter).with_options(options).await;
    let mut cursor = found.map_err(Exit::unavailable)?;
    let mut told = Instant::now();
    while cursor.advance().await.map_err(Exit::unavailable)? {
        let id = cursor.current().get_str("_id").ok();
        ledger.take(id);
        if told.elapsed() >= PROGRESS {
            told = Instant::now();
            progress_line(&format!("{} ids read", ledger.documents()));
        }
    }
    Ok(())
}
