//! The flags of `millstream audit` and `millstream restore`, and what both share: where the objects are.

use super::parse_duration;
use clap::Args;
use millstream_audit::restore::Encoding;
use millstream_tools::connection::ConnectionArgs;
use std::path::PathBuf;
use std::time::Duration;

/// Which objects.
#[derive(Debug, Args)]
pub(crate) struct ArchiveArgs {
    /// The connector's settings: a .json or .properties file, as connect-standalone takes them. They say where the objects are,
    /// how they are named, and how S3 is reached.
    pub(crate) connector: Option<PathBuf>,
    /// The bucket (s3.bucket.name).
    #[arg(long)]
    pub(crate) bucket: Option<String>,
    /// The folder of all topics (topics.dir); topics unless set.
    #[arg(long)]
    pub(crate) topics_dir: Option<String>,
    /// The bucket's region (s3.region).
    #[arg(long, env = "AWS_REGION")]
    pub(crate) region: Option<String>,
    /// Another S3 than AWS', as http://host:port (store.url).
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint: Option<String>,
    /// Any other setting of the connector, such as file.delim=-; may be repeated.
    #[arg(long = "setting", value_name = "KEY=VALUE", hide_env_values = true)]
    pub(crate) settings: Vec<String>,
}

/// Prove that a bucket, or a collection, holds every record of a topic once: gaps, overlaps, wrong counts, unreadable and
/// foreign objects, orphaned uploads. Names and sizes are read, and with --deep the contents.
///
/// Ends with 0 if nothing is wrong, 1 if something was found, 2 if flags are wrong, 69 if S3, Kafka or the database cannot be
/// asked, 78 if the connector's settings cannot be used.
#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    #[command(flatten)]
    pub(crate) archive: ArchiveArgs,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    /// Only this topic; may be repeated.
    #[arg(long)]
    pub(crate) topic: Vec<String>,
    /// The first offset that has to be there, of every partition. Unless set: the topic's first one, if brokers are asked, else
    /// that of the first object.
    #[arg(long, value_name = "OFFSET", value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) from: Option<i64>,
    /// The offset behind the last one that has to be there. Unless set: what the connector's group has committed, if brokers are
    /// asked.
    #[arg(long, value_name = "OFFSET", value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) to: Option<i64>,
    /// The group whose commits say what has to be there; that of the connector unless set.
    #[arg(long)]
    pub(crate) group: Option<String>,
    /// Read the topic's offsets, too: those that compaction, transactions and records without a value leave out are no gaps then.
    #[arg(long)]
    pub(crate) read_topic: bool,
    /// Read the contents, and count the records.
    #[arg(long)]
    pub(crate) deep: bool,
    /// Take gaps for explained: by filters, by records that were rejected, by compaction.
    #[arg(long)]
    pub(crate) allow_gaps: bool,
    /// From what age on an unfinished upload counts as orphaned, such as 2h; a day unless set.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "24h")]
    pub(crate) uploads_older_than: Duration,
    /// Objects that are read at a time.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=60))]
    pub(crate) parallel: u16,
    /// Where to note what was counted: an audit that was interrupted, or that comes again, does not read those objects anew.
    #[arg(long, value_name = "FILE", requires = "deep")]
    pub(crate) resume: Option<PathBuf>,
    /// Look at the documents of this MongoDB or DocumentDB, and not at a bucket: those of `stream`, whose _id is
    /// topic#partition#offset.
    #[arg(long, value_name = "URI", conflicts_with_all = ["connector", "bucket", "deep"])]
    pub(crate) mongodb: Option<String>,
    /// The database.
    #[arg(
        long,
        env = "MONGODB_DATABASE",
        default_value = "kafka",
        value_name = "NAME"
    )]
    pub(crate) database: String,
    /// The collection.
    #[arg(
        long,
        env = "MONGODB_COLLECTION",
        default_value = "hashed",
        value_name = "NAME"
    )]
    pub(crate) collection: String,
    /// The report as one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    /// Write the report into this file, too, as one page of HTML.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
}

/// Write the records that objects hold back to a topic, of the same or another cluster: keys, headers and times where they
/// were stored, in their partitions or by their keys.
///
/// Ends with 0 if all is written, 1 if something is wrong with the objects or the topic, 2 if flags are wrong, 69 if S3 or Kafka
/// cannot be asked, 78 if the connector's settings cannot be used. What was interrupted goes on with --resume or --state.
#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    #[command(flatten)]
    pub(crate) archive: ArchiveArgs,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    /// The topic whose objects are read.
    #[arg(long)]
    pub(crate) topic: String,
    /// The topic that is written; the same name unless set. It has to be there.
    #[arg(long)]
    pub(crate) to_topic: Option<String>,
    /// Only this partition of the objects; may be repeated.
    #[arg(long, value_parser = clap::value_parser!(i32).range(0..))]
    pub(crate) partition: Vec<i32>,
    /// Choose partitions by the keys, as producers do, and not those that the records had.
    #[arg(long)]
    pub(crate) by_key: bool,
    /// The first offset.
    #[arg(long, value_name = "OFFSET", value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) from: Option<i64>,
    /// The offset behind the last.
    #[arg(long, value_name = "OFFSET", value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) to: Option<i64>,
    /// Only records of this time or later, as 2026-12-01T10:00:00.000 (UTC, unless Z or +01:00 is behind it).
    #[arg(long, value_name = "TIME", requires = "timestamp_field")]
    pub(crate) from_time: Option<String>,
    /// Only records before this time.
    #[arg(long, value_name = "TIME", requires = "timestamp_field")]
    pub(crate) to_time: Option<String>,
    /// The field of the values in which a transform (InsertField) has put the record's time, in milliseconds.
    #[arg(long, value_name = "FIELD")]
    pub(crate) timestamp_field: Option<String>,
    /// The field in which a transform has put the record's offset; without one, records are counted from an object's start.
    #[arg(long, value_name = "FIELD")]
    pub(crate) offset_field: Option<String>,
    /// How values stand in objects of JSON: string (StringConverter), json (JsonConverter), base64 (ByteArrayConverter) or raw (as it is); by the
    /// connector's value.converter unless set.
    #[arg(long, value_parser = parse_encoding)]
    pub(crate) values: Option<Encoding>,
    /// The same of keys; by key.converter unless set.
    #[arg(long, value_parser = parse_encoding)]
    pub(crate) keys: Option<Encoding>,
    /// Tell what would be written, and write nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Go on with a restore into a topic that had no record when it began: what the topic has is not written again.
    #[arg(long, conflicts_with = "state")]
    pub(crate) resume: bool,
    /// Where to note where the topic's partitions ended when the restore began. With it a restore goes on, and into a topic that has
    /// records already.
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    /// One JSON object at the end.
    #[arg(long)]
    pub(crate) json: bool,
}

fn parse_encoding(text: &str) -> Result<Encoding, String> {
    let known = Encoding::ALL.iter().find(|(name, _)| *name == text);
    known.map(|(_, encoding)| *encoding).ok_or_else(|| {
        let names: Vec<&str> = Encoding::ALL.iter().map(|(name, _)| *name).collect();
        format!("there are {}", names.join(", "))
    })
}
