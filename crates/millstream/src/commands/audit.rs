//! `millstream audit`: it lists, reads and asks; `millstream_audit` decides what that proves.

mod counting;
mod documents;
mod journal;
mod listing;
mod topic;

use super::archive_input::{self, ArchiveInput};
use super::kafka_tool::{ToolError, print, print_line};
use super::{CommandResult, Exit};
use crate::cli::AuditArgs;
use crate::clock;
use counting::Counting;
use journal::Journal;
use millstream_audit::finding::{Finding, Kind};
use millstream_audit::judge::{EndBy, Expected, Rules, TopicExpected, judge};
use millstream_audit::ledger::{Ledger, Listed, Noted};
use millstream_audit::report::{Looked, Outcome, Report, html, text};
use millstream_s3::Archive;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

/// The first offset of each topic's partitions.
type Firsts = BTreeMap<(String, i32), i64>;

/// How often a line of progress is written.
const PROGRESS: Duration = Duration::from_secs(5);

pub(crate) async fn run(args: AuditArgs, data: Handle) -> CommandResult {
    if let Some(uri) = &args.mongodb {
        return Box::pin(documents::run(&args, uri)).await;
    }
    check_range(args.from, args.to)?;
    let input = archive_input::read(&args.archive, &args.topic)?;
    let journal = match &args.resume {
        Some(path) => Some(Journal::open(path, &input.layout).map_err(Exit::usage)?),
        None => None,
    };
    let archive = Archive::open(&input.properties)
        .await
        .map_err(Exit::unavailable)?;
    let archive = Arc::new(archive);
    let mut looked = Looked {
        place: input.place(),
        is_deep: args.deep,
        ..Looked::default()
    };
    let mut ledger = Ledger::new(input.names());
    list(
        &args,
        &input,
        &archive,
        journal,
        &data,
        &mut ledger,
        &mut looked,
    )
    .await?;
    uploads(&args, &input, &archive, &mut ledger, &mut looked).await;
    let expected = expected(&args, &input, &ledger, &mut looked).await?;
    known(&args, &expected, &looked.place, |topic| {
        ledger.has_topic(topic)
    })?;
    let rules = Rules {
        flush_size: input.is_known.then_some(input.layout.flush_size),
        interleaves: input.layout.interleaves,
        has_keys: input.is_known.then_some(input.layout.keys.is_some()),
        has_headers: input.is_known.then_some(input.layout.headers.is_some()),
        gaps_explained: args.allow_gaps.then(|| "--allow-gaps".to_owned()),
        is_deep: args.deep,
    };
    looked.limits.extend(input.may_leave_out(args.allow_gaps));
    if args.deep && input.layout.separator.is_empty() {
        let told =
            "Records of bytes without a separator (format.bytearray.separator) cannot be counted.";
        looked.limits.push(told.to_owned());
    }
    tell(
        &args,
        &Report::new(judge(ledger, &rules, &expected), looked),
    )
}

/// Prints the report; the exit code goes by it.
fn tell(args: &AuditArgs, report: &Report) -> CommandResult {
    if let Some(path) = &args.html {
        let written = fs::write(path, html(report));
        written.map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    match args.json {
        true => print_line(report.json())?,
        false => print(text(report))?,
    }
    match report.outcome {
        Outcome::Findings => Err(Exit::found(report.sentence()).into()),
        Outcome::Proven | Outcome::NothingFound => Ok(()),
    }
}

/// Lists everything, and counts while the listing comes.
async fn list(
    args: &AuditArgs,
    input: &ArchiveInput,
    archive: &Arc<Archive>,
    journal: Option<Journal>,
    data: &Handle,
    ledger: &mut Ledger,
    looked: &mut Looked,
) -> Result<(), ToolError> {
    let mut pages = listing::start(
        archive,
        &input.prefixes(),
        &input.layout.directory_delim,
        data,
    );
    let mut counting = Counting::new(
        Arc::clone(archive),
        &input.layout,
        usize::from(args.parallel),
        journal,
        data.clone(),
    );
    let mut progress = interval_at(Instant::now() + PROGRESS, PROGRESS);
    progress.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        let page = tokio::select! {
            page = pages.recv() => page,
            _ = progress.tick() => {
                counting.show(ledger);
                continue;
            }
        };
        let Some(page) = page else { break };
        for object in page.map_err(Exit::unavailable)? {
            let listed = Listed {
                key: &object.key,
                size: object.size,
                is_archived: object.is_archived,
            };
            let noted = ledger.list(listed)?;
            if let (Noted::Object(id), true) = (noted, args.deep) {
                counting.begin(id, object, ledger).await?;
            }
        }
    }
    while counting.is_busy() {
        tokio::select! {
            settled = counting.next() => counting.settle(settled, ledger)?,
            _ = progress.tick() => counting.show(ledger),
        }
    }
    counting.finish(looked);
    Ok(())
}

async fn uploads(
    args: &AuditArgs,
    input: &ArchiveInput,
    archive: &Archive,
    ledger: &mut Ledger,
    looked: &mut Looked,
) {
    let now = clock::now_ms();
    let old = i64::try_from(args.uploads_older_than.as_millis()).unwrap_or(i64::MAX);
    for prefix in input.prefixes() {
        let mut next = None;
        loop {
            let page = archive.uploads(&prefix, next.as_ref()).await;
            let (uploads, more) = match page {
                Ok(page) => page,
                Err(error) => {
                    looked.limits.push(format!(
                        "Unfinished uploads are not known (s3:ListBucketMultipartUploads): {error}."
                    ));
                    looked.uploads_unknown = Some(error.to_string());
                    return;
                }
            };
            for upload in uploads {
                let age = upload.initiated.map(|at| now.saturating_sub(at));
                let kind = match age {
                    Some(age) if age < old => Kind::OpenUpload,
                    _ => Kind::OrphanedUpload,
                };
                let since =
                    age.map_or_else(String::new, |age| format!(", begun {} s ago", age / 1000));
                let told = format!(
                    "an upload that was not completed{since}; its id is {}",
                    upload.id
                );
                ledger.tell(Finding::new(kind, "", told).object(upload.key));
            }
            next = more;
            if next.is_none() {
                break;
            }
        }
    }
}

/// What has to be there: by flags, and by brokers if they are asked.
async fn expected(
    args: &AuditArgs,
    input: &ArchiveInput,
    ledger: &Ledger,
    looked: &mut Looked,
) -> Result<BTreeMap<String, TopicExpected>, ToolError> {
    if input.layout.names_batches {
        looked.range =
            "messages of a queue have no offsets: ids and numbers are compared".to_owned();
        return Ok(BTreeMap::new());
    }
    let firsts = ledger.firsts();
    if asks_brokers(args) {
        let ask = topic::Ask {
            topics: &input.topics,
            group: args.group.clone().or_else(|| input.group()),
            isolation: input.properties.get("consumer.override.isolation.level"),
            leaves_nulls_out: input.layout.leaves_nulls_out,
        };
        return Box::pin(topic::ask(args, &ask, &firsts, looked)).await;
    }
    looked.range = by_flags(args);
    Ok(flagged(args, &firsts))
}

/// Nothing has to be there in an empty range, so that it would be proven.
pub(super) fn check_range(from: Option<i64>, to: Option<i64>) -> Result<(), Exit> {
    match (from, to) {
        (Some(from), Some(to)) if from >= to => Err(Exit::usage(format!(
            "--from {from} is not below --to {to}, the offset behind the last"
        ))),
        _ => Ok(()),
    }
}

/// A topic that nobody knows is a name with a slip, and not proven.
fn known(
    args: &AuditArgs,
    expected: &BTreeMap<String, TopicExpected>,
    place: &str,
    is_found: impl Fn(&str) -> bool,
) -> Result<(), Exit> {
    let is_unknown = |topic: &&String| !expected.contains_key(*topic) && !is_found(topic);
    match args.topic.iter().find(is_unknown) {
        Some(topic) => Err(Exit::usage(format!(
            "--topic {topic}: {place} has nothing of it, and no brokers that were asked know it"
        ))),
        None => Ok(()),
    }
}

/// Whether something says that there are brokers to be asked.
fn asks_brokers(args: &AuditArgs) -> bool {
    let connection = &args.connection;
    connection.bootstrap_server.is_some()
        || connection.command_config.is_some()
        || args.group.is_some()
        || args.read_topic
}

fn by_flags(args: &AuditArgs) -> String {
    match (args.from, args.to) {
        (None, None) => "from the first to the last, as far as they tell themselves".to_owned(),
        (Some(from), None) => format!("from offset {from}"),
        (from, Some(to)) => format!("from offset {} up to {to}, exclusive", from.unwrap_or(0)),
    }
}

/// The range of the flags, for the partitions that were found.
fn flagged(args: &AuditArgs, firsts: &Firsts) -> BTreeMap<String, TopicExpected> {
    let mut expected: BTreeMap<String, TopicExpected> = BTreeMap::new();
    for (topic, partition) in firsts.keys() {
        let due = Expected {
            from: args.from,
            to: args.to.map(|to| (to, EndBy::Flag)),
            ..Expected::default()
        };
        expected
            .entry(topic.clone())
            .or_default()
            .each
            .insert(*partition, due);
    }
    expected
}

/// A line for somebody at a terminal, written over by the next one; elsewhere a line of its own.
pub(super) fn progress_line(text: &str) {
    if io::stderr().is_terminal() {
        eprint!("\r\x1b[2K{text}");
    } else {
        eprintln!("{text}");
    }
}
