//! The command line, and the environment as far as it stands for flags.

mod advise;
mod aggregate;
mod audit;
mod called;
mod hash;
mod health;

pub(crate) use advise::AdviseArgs;
pub(crate) use aggregate::{AggregateArgs, KeyForm};
pub(crate) use audit::{ArchiveArgs, AuditArgs, RestoreArgs};
pub(crate) use hash::HashArgs;
pub(crate) use health::{HealthArgs, HealthcheckArgs};

use crate::logging::LogArgs;
use clap::builder::Resettable;
use clap::{Arg, ArgAction, Args, Command as ClapCommand, CommandFactory, FromArgMatches};
use clap::{Parser, Subcommand, ValueEnum};
use jiff::fmt::friendly::SpanParser;
use millstream_core::digest::HashFunction;
use millstream_environment::BOOTSTRAP_CONNECTORS;
use millstream_environment::discovery::NAMES;
use millstream_tools::consume::ConsumeArgs;
use millstream_tools::groups::GroupsArgs;
use millstream_tools::produce::ProduceArgs;
use millstream_tools::topics::TopicsArgs;
use millstream_worker::spelling::closest;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Kafka Connect sinks in one small program.
#[derive(Debug, Parser)]
#[command(version, about, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

impl Cli {
    /// Reads the command line; what is wrong with it is told, and the process ends.
    pub(crate) fn read() -> Self {
        let words = called::words().unwrap_or_else(|error| error.exit());
        let command = with_env(Cli::command(), &|name| std::env::var_os(name));
        let read = Cli::from_arg_matches(&command.get_matches_from(words));
        let mut cli = read.unwrap_or_else(|error| error.exit());
        if let Command::Healthcheck(args) = &cli.command {
            cli.log.log_level = cli.log.log_level.or(args.level.clone());
        }
        cli
    }

    /// What `stream` would be told by the variables alone.
    pub(crate) fn stream_by_variables() -> Result<StreamArgs, clap::Error> {
        let command = with_env(Cli::command(), &|name| std::env::var_os(name));
        let matches = command.try_get_matches_from(["millstream", "stream"])?;
        let matches = matches.subcommand_matches("stream");
        matches.map_or_else(
            || Err(clap::Error::new(clap::error::ErrorKind::InvalidSubcommand)),
            StreamArgs::from_arg_matches,
        )
    }

    /// The variables of `stream` and of every command, each with its default.
    pub(crate) fn stream_defaults() -> Vec<(String, Option<String>)> {
        let cli = Cli::command();
        let of_stream = cli.find_subcommand("stream");
        let args = of_stream
            .into_iter()
            .flat_map(ClapCommand::get_arguments)
            .chain(cli.get_arguments());
        args.filter_map(|arg| {
            let name = arg.get_env()?.to_str()?.to_owned();
            let default = arg.get_default_values().first();
            Some((name, default.map(|it| it.to_string_lossy().into_owned())))
        })
        .collect()
    }

    #[cfg(test)]
    pub(crate) fn of(flags: &[&str], env: &[(&str, &str)]) -> Result<Self, clap::Error> {
        let value = |name: &str| {
            let found = env.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        };
        let line = ["millstream"].iter().chain(flags);
        let matches = with_env(Cli::command(), &value).try_get_matches_from(line)?;
        Cli::from_arg_matches(&matches)
    }
}

/// A variable that is empty counts as one that is not set: files for containers have no other way to leave one out.
fn with_env(command: ClapCommand, value: &dyn Fn(&str) -> Option<OsString>) -> ClapCommand {
    let unset = |arg: Arg| {
        let name = arg.get_env().and_then(|name| name.to_str());
        match name.and_then(value) {
            Some(text) if text.is_empty() => arg.env(Resettable::Reset),
            _ => arg,
        }
    };
    let command = command.mut_args(unset);
    command.mut_subcommands(|sub| sub.mut_args(unset))
}

/// The variables that stand for the flags of a command.
pub(crate) fn variables_of(command: &str) -> Vec<String> {
    let cli = Cli::command();
    let args = cli.get_arguments().chain(
        cli.find_subcommand(command)
            .into_iter()
            .flat_map(ClapCommand::get_arguments),
    );
    args.filter_map(|arg| Some(arg.get_env()?.to_str()?.to_owned()))
        .collect()
}

/// Variables that look like one of a command's with a slip of the pen: each with the one that may be meant.
pub(crate) fn misspelt_variables(
    command: &str,
    set: impl Iterator<Item = String>,
) -> Vec<(String, String)> {
    let known = variables_of(command);
    set.filter(|name| !known.contains(name) && !NAMES.contains(&name.as_str()))
        .filter_map(|name| {
            let meant = closest(&name, known.iter().map(String::as_str))?;
            Some((name, meant.to_owned()))
        })
        .collect()
}

// Read once at the start, so its size does not matter.
#[allow(clippy::large_enum_variant)]
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a worker on one node, with the files that connect-standalone takes.
    Standalone(StandaloneArgs),
    /// Run a worker of a Connect cluster, with the file that connect-distributed takes; Java's workers may be in it, too.
    Worker(WorkerArgs),
    /// Watch records flow from a topic into S3 and a document store, all of it inside this process.
    Demo(DemoArgs),
    /// Hash each record of a topic or a queue and store it in MongoDB or Amazon DocumentDB.
    Stream(StreamArgs),
    /// Tell load balancers and containers how a worker is, as kafka-connect-healthcheck does; or ask once and end.
    Healthcheck(HealthcheckArgs),
    /// Show what the environment variables come to, without starting anything: each setting, where it is from, what would be
    /// asked for, and what is wrong. Ends with 78 if something is.
    Env(EnvArgs),
    /// List, describe, create, change and delete topics, as kafka-topics does; or make those of a Connect cluster.
    Topics(TopicsArgs),
    /// List, describe, reset and delete groups, as kafka-consumer-groups does.
    Groups(GroupsArgs),
    /// Write records: lines, a message every so often, or a load.
    Produce(ProduceArgs),
    /// Print the records of a topic.
    Consume(ConsumeArgs),
    /// Prove that a bucket, or a collection, holds every record of a topic once.
    Audit(AuditArgs),
    /// Write the records of a bucket's objects back to a topic.
    Restore(RestoreArgs),
    /// Say what a load needs and costs: always-on tasks or Lambda, how many, and which objects and requests S3 sees.
    Advise(AdviseArgs),
    /// Print what a shell is to complete after millstream.
    Completions(CompletionsArgs),
    /// Print the manual page, or write those of all commands into a folder.
    Man(ManArgs),
}

/// Print what a shell is to complete after millstream.
///
/// For bash: millstream completions bash > /etc/bash_completion.d/millstream
///
/// For zsh: millstream completions zsh > "${fpath[1]}/_millstream"
///
/// For fish: millstream completions fish > ~/.config/fish/completions/millstream.fish
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    pub(crate) shell: CompletionShell,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum CompletionShell {
    Bash,
    Fish,
    Zsh,
}

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// The folder for the pages, such as /usr/local/share/man/man1; it is made if it is not there. The program's own page goes
    /// to standard output unless set.
    pub(crate) folder: Option<PathBuf>,
}

/// Connectors that are to be there.
#[derive(Debug, Args)]
pub(crate) struct BootstrapArgs {
    /// Connectors that are created where they are not there yet: the path of a JSON file, ssm:NAME of a parameter or
    /// s3://bucket/key of an object that holds it.
    #[arg(long, env = BOOTSTRAP_CONNECTORS, value_name = "PLACE")]
    pub(crate) bootstrap_connectors: Option<String>,
}

/// What a JVM would be told.
#[derive(Debug, Args)]
pub(crate) struct JvmArgs {
    /// Options of a JVM, of which one counts: -Djava.security.auth.login.config names the JAAS file of the REST API's users.
    #[arg(
        long,
        env = "KAFKA_OPTS",
        hide_env_values = true,
        allow_hyphen_values = true
    )]
    pub(crate) kafka_opts: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct EnvArgs {
    /// The command whose start is looked at; unless set, worker where a variable begins with CONNECT_, else stream.
    #[arg(long = "for", value_enum)]
    pub(crate) command: Option<EnvFor>,
    /// One JSON object for machines.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EnvFor {
    Worker,
    Stream,
}

#[derive(Debug, Args)]
pub(crate) struct StandaloneArgs {
    /// The worker's settings, a Java properties file.
    pub(crate) worker: PathBuf,
    /// Connectors to start with: .json or .properties files.
    pub(crate) connectors: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) bootstrap: BootstrapArgs,
    #[command(flatten)]
    pub(crate) jvm: JvmArgs,
    #[command(flatten)]
    pub(crate) health: HealthArgs,
}

#[derive(Debug, Args)]
pub(crate) struct WorkerArgs {
    /// The worker's settings, a Java properties file; without one the environment is read as the images for Java's worker read
    /// it, CONNECT_BOOTSTRAP_SERVERS and so on.
    pub(crate) worker: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) bootstrap: BootstrapArgs,
    #[command(flatten)]
    pub(crate) jvm: JvmArgs,
    #[command(flatten)]
    pub(crate) health: HealthArgs,
}

/// The topic that `stream` reads unless another is named.
pub(crate) const USUAL_TOPIC: &str = "MyTopic";

/// Hash each record of a topic or a queue and store it in MongoDB or Amazon DocumentDB.
///
/// Every setting is an environment variable and a flag. The flag wins, then the variable, then the file that
/// KAFKA_PROPERTIES names, then the default; an empty variable counts as not set.
#[derive(Debug, Args)]
pub(crate) struct StreamArgs {
    /// The topic to read.
    #[arg(long, env = "TOPIC_NAME", default_value = USUAL_TOPIC)]
    pub(crate) topic: String,
    /// Brokers to ask first, as host:port, separated by commas; where they are not set, NAMESPACE and MSK_SERVICE tell by which
    /// names they are found.
    #[arg(long, env = "KAFKA_BOOTSTRAP_SERVERS")]
    pub(crate) bootstrap_servers: Option<String>,
    /// A client.properties file with further settings of the Kafka client (TLS, SASL).
    #[arg(long, env = "KAFKA_PROPERTIES")]
    pub(crate) kafka_properties: Option<PathBuf>,
    /// The consumer group; millstream-<topic> unless set.
    #[arg(long, env = "GROUP_ID")]
    pub(crate) group_id: Option<String>,
    /// Where to begin without a committed offset: earliest, latest or none; earliest unless set.
    #[arg(long, env = "AUTO_OFFSET_RESET")]
    pub(crate) auto_offset_reset: Option<String>,
    /// The queue to read in place of a topic: sqs://REGION/ACCOUNT/NAME or its own URL for SQS,
    /// amqps://USER:PASSWORD@HOST/VHOST?queue=NAME for RabbitMQ, activemq+ssl://HOST?queue=NAME, stomp+ssl://HOST?queue=NAME or
    /// failover:(…)?queue=NAME for ActiveMQ.
    #[arg(long, env = "INPUT_URL", hide_env_values = true, value_name = "URL")]
    pub(crate) input: Option<String>,
    /// A file with further settings of the queue, such as rabbitmq.prefetch.count=100 or input.idle.flush.ms=1000.
    #[arg(long, env = "INPUT_PROPERTIES", value_name = "FILE")]
    pub(crate) input_properties: Option<PathBuf>,
    /// The hash: md5, sha1, sha256, sha512, sha3_256, blake3, with a key hmac_sha256 and others; - and _ are the same.
    #[arg(long, env = "HASH_ALGORITHM", default_value = "md5", alias = "hash", value_parser = parse_hash)]
    pub(crate) hash_algorithm: HashFunction,
    /// The file that holds the key of a keyed hash.
    #[arg(long, env = "HASH_KEY_FILE")]
    pub(crate) hash_key_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) hashing: HashArgs,
    #[command(flatten)]
    pub(crate) aggregate: AggregateArgs,
    /// The document store, as mongodb://…
    #[arg(long, env = "MONGODB_URI", hide_env_values = true)]
    pub(crate) mongodb_uri: Option<String>,
    /// The Cloud Map namespace of the two services.
    #[arg(long, env = "NAMESPACE")]
    pub(crate) namespace: Option<String>,
    /// The Cloud Map service of the Kafka cluster.
    #[arg(long, env = "MSK_SERVICE")]
    pub(crate) msk_service: Option<String>,
    /// The Cloud Map service of the document store.
    #[arg(long, env = "DDB_SERVICE")]
    pub(crate) ddb_service: Option<String>,
    /// The AWS region of both; else that of AWS_REGION, AWS_DEFAULT_REGION or the task.
    #[arg(long, env = "REGION")]
    pub(crate) region: Option<String>,
    /// The database.
    #[arg(long, env = "MONGODB_DATABASE", default_value = "kafka")]
    pub(crate) mongodb_database: String,
    /// The collection.
    #[arg(long, env = "MONGODB_COLLECTION", default_value = "hashed")]
    pub(crate) mongodb_collection: String,
    /// What to do with a record without a value.
    #[arg(long, env = "ON_NULL_VALUE", value_enum, default_value = "skip")]
    pub(crate) on_null_value: OnNullValue,
    /// What to do where the collection holds another document under a record's id: the topic was made anew, or its
    /// records were hashed in another way before.
    #[arg(long, env = "ON_OTHER_DOCUMENT", value_enum, default_value = "fail")]
    pub(crate) on_other_document: OnOtherDocument,
    /// Memory in bytes that the process is to stay below; 0 takes half of the cgroup's limit, 256 MiB at most.
    #[arg(long, env = "MEMORY_BYTES", default_value_t = 0)]
    pub(crate) memory_bytes: i64,
    /// Where to serve the REST API, as http://host:port; no port is opened unless set.
    #[arg(long, env = "LISTENERS")]
    pub(crate) listeners: Option<String>,
    /// Let the REST API change things, too: pause, restart, delete, add. A task that has failed then waits for a restart;
    /// otherwise it ends the process with exit code 1.
    #[arg(long, env = "REST_ALLOW_CHANGES", action = ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_value = "false", default_missing_value = "true")]
    pub(crate) rest_allow_changes: bool,
    /// Write a line in CloudWatch's embedded metric format to the standard output once a minute.
    #[arg(long, env = "METRICS_EMF", action = ArgAction::Set, num_args = 0..=1, require_equals = true,
          default_value = "false", default_missing_value = "true")]
    pub(crate) metrics_emf: bool,
    #[command(flatten)]
    pub(crate) health: HealthArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum OnOtherDocument {
    /// Fail the task and leave the document.
    Fail,
    /// Put the record in its place.
    Replace,
}

impl OnOtherDocument {
    /// As the document sink's setting has it.
    pub(crate) fn setting(self) -> &'static str {
        match self {
            OnOtherDocument::Fail => "auto",
            OnOtherDocument::Replace => "replace",
        }
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

/// The names are those of the transform; a wrong one is told with all of them.
fn parse_hash(text: &str) -> Result<HashFunction, String> {
    HashFunction::by_name(text).ok_or_else(|| {
        let names = HashFunction::ALL.map(HashFunction::name).join(", ");
        format!("there are {names}")
    })
}

/// Numbers with units, as jiff reads them: `500ms`, `10s`, `1h 30m`. Its errors speak of formats, so they are not shown.
fn parse_duration(text: &str) -> Result<Duration, &'static str> {
    let parsed = SpanParser::new().parse_unsigned_duration(text);
    parsed.map_err(|_| "write a number and a unit, such as 10s, 500ms or 2m")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(flags: &[&str], env: &[(&str, &str)]) -> StreamArgs {
        let flags: Vec<&str> = ["stream"].iter().chain(flags).copied().collect();
        match Cli::of(&flags, env).expect("the flags are right").command {
            Command::Stream(args) => args,
            other => panic!("{other:?} is not stream"),
        }
    }

    #[test]
    fn report_c21_an_empty_variable_is_not_set() {
        // The test's own environment is what clap reads; `env` says which of it is empty.
        let command = with_env(Cli::command(), &|_| Some(OsString::new()));
        let all = command.find_subcommand("stream").expect("a command");
        assert!(all.get_arguments().all(|arg| arg.get_env().is_none()));
        let command = with_env(Cli::command(), &|_| Some(OsString::from("x")));
        let all = command.find_subcommand("stream").expect("a command");
        assert!(
            all.get_arguments()
                .filter(|arg| arg.get_env().is_some())
                .count()
                >= 14
        );
        assert_eq!(stream(&[], &[]).group_id, None);
    }

    #[test]
    fn report_c21_a_hash_is_spelt_in_one_way_and_found_by_its_short_flag() {
        let function = |flags: &[&str]| stream(flags, &[]).hash_algorithm;
        assert_eq!(function(&[]), HashFunction::Md5);
        for name in ["hmac-sha256", "hmac_sha256", "HmacSHA256"] {
            assert_eq!(function(&["--hash", name]), HashFunction::HmacSha256);
            assert_eq!(
                function(&["--hash-algorithm", name]),
                HashFunction::HmacSha256
            );
        }
    }

    #[test]
    fn a_duration_is_numbers_with_units() {
        let millis = |text| parse_duration(text).map(|duration| duration.as_millis());
        for (text, expected) in [
            ("0s", 0),
            ("500ms", 500),
            ("10s", 10_000),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("1h 30m", 5_400_000),
            ("1.5h", 5_400_000),
        ] {
            assert_eq!(millis(text), Ok(expected), "{text}");
        }
        for wrong in [
            "",
            "10",
            "s",
            "10x",
            "-5s",
            "5s ago",
            "1d",
            "99999999999999999999s",
        ] {
            assert!(millis(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn report_message_15_a_wrong_hash_names_the_flag_and_the_choice() {
        let error = Cli::of(&["stream", "--hash-algorithm", "md6"], &[]).expect_err("no such hash");
        let text = error.to_string();
        assert!(
            text.contains("--hash-algorithm") && text.contains("md5, sha1"),
            "{text}"
        );
    }

    #[test]
    fn report_c12_a_misspelt_variable_is_told() {
        let names = [
            "TOPICNAME",
            "MONGODB_URL",
            "PATH",
            "HOME",
            "TOPIC_NAME",
            "LOGNAME",
            "GROUPS",
        ];
        let found = misspelt_variables("stream", names.map(str::to_owned).into_iter());
        let found: Vec<(&str, &str)> = found
            .iter()
            .map(|(a, b)| (a.as_str(), b.as_str()))
            .collect();
        assert_eq!(
            found,
            [("TOPICNAME", "TOPIC_NAME"), ("MONGODB_URL", "MONGODB_URI")]
        );
    }
}
