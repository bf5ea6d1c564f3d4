//! The command line.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// Kafka Connect sinks in one small program.
#[derive(Debug, Parser)]
#[command(version, about, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

// Read once at the start, so its size does not matter.
#[allow(clippy::large_enum_variant)]
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a worker on one node, with the files that connect-standalone takes.
    Standalone(StandaloneArgs),
    /// Watch records flow from a topic into S3 and a document store, all of it inside this process.
    Demo(DemoArgs),
    /// Hash each record of a topic and store it in MongoDB or Amazon DocumentDB.
    Stream(StreamArgs),
}

#[derive(Debug, Args)]
pub(crate) struct StandaloneArgs {
    /// The worker's settings, a Java properties file.
    pub(crate) worker: PathBuf,
    /// Connectors to start with: .json or .properties files.
    pub(crate) connectors: Vec<PathBuf>,
}

/// Every setting is an environment variable and a flag; the flag wins.
#[derive(Debug, Args)]
pub(crate) struct StreamArgs {
    /// The topic to read.
    #[arg(long, env = "TOPIC_NAME", default_value = "MyTopic")]
    pub(crate) topic: String,
    /// Brokers to ask first, as host:port, separated by commas.
    #[arg(long, env = "KAFKA_BOOTSTRAP_SERVERS")]
    pub(crate) bootstrap_servers: Option<String>,
    /// A client.properties file with further settings of the Kafka client (TLS, SASL).
    #[arg(long, env = "KAFKA_PROPERTIES")]
    pub(crate) kafka_properties: Option<PathBuf>,
    /// The consumer group; millstream-<topic> unless set.
    #[arg(long, env = "GROUP_ID")]
    pub(crate) group_id: Option<String>,
    /// Where to begin without a committed offset: earliest, latest or none.
    #[arg(long, env = "AUTO_OFFSET_RESET", default_value = "earliest")]
    pub(crate) auto_offset_reset: String,
    /// The hash: md5, sha1, sha224, sha256, sha384, sha512, hmac-sha256 and others.
    #[arg(long, env = "HASH_ALGORITHM", default_value = "md5")]
    pub(crate) hash_algorithm: String,
    /// The file that holds the key of a keyed hash.
    #[arg(long, env = "HASH_KEY_FILE")]
    pub(crate) hash_key_file: Option<PathBuf>,
    /// The document store, as mongodb://…
    #[arg(long, env = "MONGODB_URI", hide_env_values = true)]
    pub(crate) mongodb_uri: Option<String>,
    /// The database.
    #[arg(long, env = "MONGODB_DATABASE", default_value = "kafka")]
    pub(crate) mongodb_database: String,
    /// The collection.
    #[arg(long, env = "MONGODB_COLLECTION", default_value = "hashed")]
    pub(crate) mongodb_collection: String,
    /// What to do with a record without a value.
    #[arg(long, env = "ON_NULL_VALUE", value_enum, default_value = "skip")]
    pub(crate) on_null_value: OnNullValue,
    /// Memory in bytes that the process is to stay below; 0 takes half of the cgroup's limit, 256 MiB at most.
    #[arg(long, env = "MEMORY_BYTES", default_value_t = 0)]
    pub(crate) memory_bytes: i64,
    /// Where to serve the REST API, as http://host:port; no port is opened unless set.
    #[arg(long, env = "LISTENERS")]
    pub(crate) listeners: Option<String>,
}

impl StreamArgs {
    /// The consumer group.
    pub(crate) fn group(&self) -> String {
        self.group_id
            .clone()
            .unwrap_or_else(|| format!("millstream-{}", self.topic))
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum OnNullValue {
    /// Leave it out and count it.
    Skip,
    /// Fail the task.
    Fail,
}

impl OnNullValue {
    /// As the hash transform's setting has it.
    pub(crate) fn setting(self) -> &'static str {
        match self {
            OnNullValue::Skip => "skip",
            OnNullValue::Fail => "fail",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// How long to produce, such as 10s or 2m; then everything is drained and the demo ends. Until Ctrl-C unless set.
    #[arg(long = "for", value_parser = parse_duration)]
    pub(crate) duration: Option<Duration>,
    /// End with one line of JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// The folder that keeps everything, so that the next start goes on where this one ends.
    #[arg(long, default_value = "millstream-demo")]
    pub(crate) dir: PathBuf,
}

/// A number with a unit: ms, s, m or h.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let split = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err("write a number and a unit, such as 10s, 500ms or 2m".to_owned()),
    };
    let number: u64 = number
        .parse()
        .map_err(|_| "the number is missing or too large")?;
    number
        .checked_mul(millis)
        .map(Duration::from_millis)
        .ok_or_else(|| "too long".to_owned())
}
