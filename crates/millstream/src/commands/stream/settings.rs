//! What `stream` was told, by flags, variables and files, as settings of a worker and of its one connector. Messages about
//! those settings are put into the words of whoever typed them.

use super::input::Input;
use super::key::{self, HashKey, SECRETS, SECRETS_CLASS};
use super::totals;
use super::words::{TYPED, in_words};
use crate::cause;
use crate::cli::StreamArgs;
use crate::preset::{HashJob, Records, Shape};
use millstream_core::Properties;
use millstream_worker::StartError;
use millstream_worker::config::parse_properties;
use millstream_worker::{CreateError, WorkerConfigError};
use std::fs;
use std::path::Path;

/// The name of the one connector.
pub(super) const CONNECTOR: &str = "stream";

/// Who knows what the references in the connector's settings stand for: REST answers show settings, and nobody who can
/// reach the port is to learn a password that came by a variable or a file.
pub(in crate::commands) const PROVIDER: &str = "stream";

/// How often offsets are committed: a restart then has seconds to skip, not a minute.
const COMMIT_INTERVAL_MS: &str = "5000";

/// Brokers have to be named, also where nobody asks them because records come from a queue. This name is nobody's (RFC 6761).
const NO_BROKERS: &str = "none.invalid:9092";

const BYTES: &str = "org.apache.kafka.connect.converters.ByteArrayConverter";

/// Keys of a client's file that a flag or a variable may stand for, too; these go first.
const SHARED_KEYS: [&str; 3] = ["bootstrap.servers", "group.id", "auto.offset.reset"];

#[derive(Debug)]
pub(in crate::commands) struct StreamSettings {
    pub(in crate::commands) worker: Properties,
    pub(in crate::commands) connector: Properties,
    /// What references in `connector` stand for.
    pub(in crate::commands) secrets: Properties,
    /// What has no effect, and why.
    pub(in crate::commands) warnings: Vec<String>,
    /// Keys and what people call them here.
    names: Vec<(String, String)>,
}

impl StreamSettings {
    /// Reads everything.
    ///
    /// # Errors
    /// All that is wrong, in one message.
    pub(super) fn read(args: &StreamArgs) -> Result<Self, String> {
        StreamSettings::read_all(args)
            .map_err(|problems| wrong(problems.iter().map(String::as_str)))
    }

    /// The same, with each problem by itself.
    pub(in crate::commands) fn read_all(args: &StreamArgs) -> Result<Self, Vec<String>> {
        let mut problems = Problems::default();
        let input = match Input::read(args, PROVIDER) {
            Ok(input) => input,
            Err(wrong) => {
                problems.0.extend(wrong);
                None
            }
        };
        let is_of_topic = args.input.is_none();
        let client = match is_of_topic {
            true => problems.note(client_properties(args)).unwrap_or_default(),
            false => Properties::new(),
        };
        let mut shared = Shared::new(args, &client);
        let brokers = shared.value("bootstrap.servers", args.bootstrap_servers.as_deref());
        let group = shared.value("group.id", args.group_id.as_deref());
        let reset = shared.value("auto.offset.reset", args.auto_offset_reset.as_deref());
        if brokers.is_none() && is_of_topic {
            problems.add(&missing(
                "KAFKA_BOOTSTRAP_SERVERS (--bootstrap-servers) is missing: brokers as host:port, separated by commas",
                ("MSK_SERVICE (--msk-service)", args.msk_service.as_deref()),
                args.namespace.as_deref(),
            ));
        }
        if args.mongodb_uri.is_none() {
            problems.add(&missing(
                "MONGODB_URI (--mongodb-uri) is missing: the document store as mongodb://host:port",
                ("DDB_SERVICE (--ddb-service)", args.ddb_service.as_deref()),
                args.namespace.as_deref(),
            ));
        }
        let mut secrets = Properties::new();
        if let Some(uri) = &args.mongodb_uri {
            secrets.insert("MONGODB_URI", uri.as_str());
        }
        let key = match problems.note(key::of(args)).flatten() {
            Some(HashKey::Text(key)) => {
                let name = match &args.hash_key_file {
                    Some(_) => "HASH_KEY_FILE",
                    None => "HASH_KEY",
                };
                secrets.insert(name, key.as_str());
                Some(format!("${{{PROVIDER}:{name}}}"))
            }
            Some(HashKey::Secret(reference)) => Some(reference),
            None => None,
        };
        let totals = totals::asked(args).unwrap_or_else(|wrong| {
            problems.0.extend(wrong);
            None
        });
        problems.end()?;

        let Shared {
            mut warnings,
            mut names,
            ..
        } = shared;
        if let Some(input) = &input {
            warnings.extend(input.warnings.iter().cloned());
            names.extend(input.names.iter().cloned());
            for (name, value) in input.secrets.iter() {
                secrets.insert(name, value);
            }
        } else if args.input_properties.is_some() {
            warnings.push("INPUT_PROPERTIES (--input-properties) has no effect without INPUT_URL (--input): records come from a topic".to_owned());
        }
        warnings.extend(totals::unused(args));
        let (totals, fields, keeps_json) = match totals {
            Some(asked) => {
                warnings.extend(asked.warnings);
                (Some(asked.totals), asked.hashed, asked.reads_json)
            }
            None => (None, args.hashing.fields(), false),
        };
        // Both jobs may run over one topic, and each reads all of it.
        let kind = if totals.is_some() { "totals-" } else { "" };
        let default_group = format!("millstream-{kind}{}", args.topic);
        let job = HashJob {
            name: CONNECTOR,
            records: match &input {
                Some(input) => Records::Queue(&input.properties),
                None => Records::Topic {
                    topic: &args.topic,
                    group: group.as_deref().unwrap_or(&default_group),
                    auto_offset_reset: reset.as_deref().unwrap_or("earliest"),
                },
            },
            shape: Shape {
                key: key.as_deref(),
                key_encoding: args.hashing.hash_key_encoding.setting(),
                key_id: args
                    .hashing
                    .hash_key_id
                    .as_deref()
                    .filter(|_| totals.is_none()),
                fields: &fields,
                keeps_json,
                encoding: args.hashing.hash_encoding.setting(),
                has_provenance: args.hashing.provenance && totals.is_none(),
                ..Shape::plain(args.hash_algorithm.name(), args.on_null_value.setting())
            },
            totals,
            duplicates: args.on_other_document.setting(),
            uri: "${stream:MONGODB_URI}",
            database: &args.mongodb_database,
            collection: &args.mongodb_collection,
        };
        let brokers = brokers.filter(|_| is_of_topic);
        Ok(StreamSettings {
            worker: worker_properties(args, brokers.as_deref().unwrap_or(NO_BROKERS), &client),
            connector: job.connector(),
            secrets,
            warnings,
            names,
        })
    }

    /// A message with each key called by what was typed for it.
    pub(in crate::commands) fn in_typed_words(&self, message: &str) -> String {
        in_words(&self.names, message)
    }

    /// Why the worker did not start, without what only a worker with an API of its own has.
    pub(super) fn explain(&self, error: &StartError) -> String {
        let text = match error {
            StartError::Config(WorkerConfigError(errors)) => {
                wrong(errors.iter().map(String::as_str))
            }
            StartError::Connector {
                source: CreateError::Invalid(invalid),
                ..
            } => wrong(invalid.messages().lines()),
            StartError::Connector { source, .. } => source.to_string(),
            StartError::Listen { .. } | StartError::File(_) => cause::of_start(error),
        };
        self.in_typed_words(&text)
    }
}

/// Everything that is wrong with the settings.
#[derive(Default)]
struct Problems(Vec<String>);

impl Problems {
    fn add(&mut self, problem: &str) {
        self.0.push(problem.to_owned());
    }

    fn note<T>(&mut self, outcome: Result<T, String>) -> Option<T> {
        outcome.map_err(|problem| self.0.push(problem)).ok()
    }

    fn end(self) -> Result<(), Vec<String>> {
        match self.0.is_empty() {
            true => Ok(()),
            false => Err(self.0),
        }
    }
}

/// What is missing, or else one of the two names by which it would be found.
fn missing(what: &str, service: (&str, Option<&str>), namespace: Option<&str>) -> String {
    let (variable, service) = service;
    match (service, namespace) {
        (Some(_), None) => format!(
            "NAMESPACE (--namespace) is missing, the Cloud Map namespace of {variable}; without it, {what}"
        ),
        _ => format!("{what}; or NAMESPACE (--namespace) and {variable}, by which it is found"),
    }
}

fn wrong<'a>(errors: impl Iterator<Item = &'a str>) -> String {
    let errors: Vec<&str> = errors.collect();
    format!(
        "the settings have {} error(s):\n  {}",
        errors.len(),
        errors.join("\n  ")
    )
}

/// Settings that may come by flag and variable, or by the client's file.
struct Shared<'a> {
    client: &'a Properties,
    file: String,
    warnings: Vec<String>,
    names: Vec<(String, String)>,
}

impl<'a> Shared<'a> {
    fn new(args: &StreamArgs, client: &'a Properties) -> Self {
        let file = args.kafka_properties.as_deref().map(Path::display);
        Shared {
            client,
            file: file.map_or_else(String::new, |file| file.to_string()),
            warnings: Vec::new(),
            names: TYPED
                .map(|(key, name)| (key.to_owned(), name.to_owned()))
                .to_vec(),
        }
    }

    /// The value of a key, of the flag or variable first.
    fn value(&mut self, key: &'static str, typed: Option<&str>) -> Option<String> {
        let in_file = self
            .client
            .get(key)
            .map(str::trim)
            .filter(|value| !value.is_empty());
        let typed_name = TYPED
            .iter()
            .find(|(known, _)| known.ends_with(key))
            .map_or(key, |(_, name)| name);
        let name = match (typed, in_file) {
            (None, Some(_)) => format!("{key} in {}", self.file),
            _ => typed_name.to_owned(),
        };
        if let Some((known, shown)) = self
            .names
            .iter_mut()
            .find(|(known, _)| known.ends_with(key))
        {
            *shown = name.clone();
            if *known != key {
                self.names.push((key.to_owned(), name));
            }
        }
        if let (Some(typed), Some(in_file)) = (typed, in_file)
            && typed != in_file
        {
            let file = &self.file;
            self.warnings.push(format!("{key}={in_file} in {file} has no effect: {typed_name} is set to {typed}, and goes first"));
        }
        typed.or(in_file).map(str::to_owned)
    }
}

/// The Kafka client's settings from a client.properties file.
fn client_properties(args: &StreamArgs) -> Result<Properties, String> {
    let Some(path) = &args.kafka_properties else {
        return Ok(Properties::new());
    };
    let wrong = |why: String| format!("KAFKA_PROPERTIES (--kafka-properties): {why}");
    let text = fs::read(path)
        .map_err(|error| wrong(format!("cannot read {}: {error}", path.display())))?;
    parse_properties(&text).map_err(|error| wrong(format!("{}: {error}", path.display())))
}

fn worker_properties(args: &StreamArgs, brokers: &str, client: &Properties) -> Properties {
    let mut worker = Properties::from_iter([
        ("bootstrap.servers", brokers),
        ("key.converter", BYTES),
        ("value.converter", BYTES),
        ("offset.flush.interval.ms", COMMIT_INTERVAL_MS),
        // No port is opened unless one is asked for.
        ("listeners", args.listeners.as_deref().unwrap_or("")),
    ]);
    worker.insert("millstream.memory.bytes", args.memory_bytes.to_string());
    worker.insert(
        "millstream.rest.read.only",
        (!args.rest_allow_changes).to_string(),
    );
    if args.hashing.hash_key_secret.is_some() {
        worker.insert("config.providers", SECRETS);
        worker.insert(format!("config.providers.{SECRETS}.class"), SECRETS_CLASS);
    }
    worker.insert("millstream.metrics.emf", args.metrics_emf.to_string());
    for (key, value) in client.iter().filter(|(key, _)| !SHARED_KEYS.contains(key)) {
        worker.insert(format!("consumer.{key}"), value);
        // The worker's own questions to the brokers need the same way in.
        if ["security.", "sasl.", "ssl."]
            .iter()
            .any(|prefix| key.starts_with(prefix))
        {
            worker.insert(key, value);
        }
    }
    worker
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use millstream_worker::WorkerSettings;

    const WHOLE: [&str; 4] = [
        "--bootstrap-servers",
        "b:1",
        "--mongodb-uri",
        "mongodb://u:pw@d",
    ];

    fn read(flags: &[&str]) -> Result<StreamSettings, String> {
        let flags: Vec<&str> = ["stream"].iter().chain(flags).copied().collect();
        match Cli::of(&flags, &[]).expect("the flags are right").command {
            Command::Stream(args) => StreamSettings::read(&args),
            other => panic!("{other:?} is not stream"),
        }
    }

    fn whole(more: &[&str]) -> StreamSettings {
        read(&[&WHOLE, more].concat()).expect("the settings are whole")
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), text).expect("written");
        file
    }

    fn path(file: &tempfile::NamedTempFile) -> &str {
        file.path().to_str().expect("a plain path")
    }

    #[test]
    fn presets_the_hashing_connector() {
        let settings = whole(&["--topic", "T"]);
        let connector = &settings.connector;
        assert_eq!(connector.get("topics"), Some("T"));
        assert_eq!(connector.get("transforms.hash.function"), Some("md5"));
        assert_eq!(
            connector.get("consumer.override.group.id"),
            Some("millstream-T")
        );
        assert_eq!(settings.worker.get("listeners"), Some(""));
        let worker = WorkerSettings::quiet(settings.worker).expect("a worker without a port");
        assert!(worker.config.listeners.is_empty() && worker.config.read_only);
    }

    #[test]
    fn report_message_16_everything_missing_is_told_at_once() {
        let error = read(&["--hash-algorithm", "hmac-sha256"]).expect_err("three are missing");
        for part in [
            "3 error(s)",
            "KAFKA_BOOTSTRAP_SERVERS",
            "MONGODB_URI",
            "HASH_ALGORITHM=hmac_sha256 needs a key: set HASH_KEY_FILE",
        ] {
            assert!(error.contains(part), "{error}");
        }
        let key = file("secret\n");
        let error = read(&[&WHOLE[..], &["--hash-key-file", path(&key)]].concat())
            .expect_err("md5 has no key");
        assert!(error.contains("md5 takes no key; use hmac_md5"), "{error}");
        let empty = file("\n");
        let flags = ["--hash", "hmac_md5", "--hash-key-file", path(&empty)];
        let error = read(&[&WHOLE[..], &flags].concat()).expect_err("no key");
        assert!(error.contains("is empty"), "{error}");
    }

    #[test]
    fn report_c3_secrets_are_references_in_what_rest_shows() {
        let key = file("TOPSECRET\n");
        let settings = whole(&["--hash", "hmac_md5", "--hash-key-file", path(&key)]);
        let shown: Vec<&str> = settings.connector.iter().map(|(_, value)| value).collect();
        assert!(
            !shown
                .iter()
                .any(|value| value.contains("pw") || value.contains("SECRET")),
            "{shown:?}"
        );
        let worker = WorkerSettings::quiet(settings.worker)
            .expect("whole")
            .with_values(PROVIDER, settings.secrets);
        let resolved = worker
            .providers
            .resolve_now(&settings.connector)
            .expect("known");
        let resolved = resolved.properties;
        assert_eq!(resolved.get("connection.uri"), Some("mongodb://u:pw@d"));
        assert_eq!(resolved.get("transforms.hash.key"), Some("TOPSECRET"));
    }

    #[test]
    fn report_b12_the_client_s_file_stands_behind_flags() {
        let client = file(
            "bootstrap.servers=f:1\ngroup.id=of-file\nauto.offset.reset=latest\nfetch.min.bytes=7\nssl.x=1\n",
        );
        let of_file = [
            "--mongodb-uri",
            "mongodb://d",
            "--kafka-properties",
            path(&client),
        ];
        let settings = read(&of_file).expect("the brokers stand in the file");
        assert_eq!(settings.worker.get("bootstrap.servers"), Some("f:1"));
        assert_eq!(settings.worker.get("consumer.fetch.min.bytes"), Some("7"));
        assert_eq!(settings.worker.get("ssl.x"), Some("1"));
        assert_eq!(
            settings.connector.get("consumer.override.group.id"),
            Some("of-file")
        );
        assert_eq!(
            settings
                .connector
                .get("consumer.override.auto.offset.reset"),
            Some("latest")
        );
        assert!(settings.warnings.is_empty());
        let settings = whole(&["--kafka-properties", path(&client), "--group-id", "g"]);
        assert_eq!(settings.worker.get("bootstrap.servers"), Some("b:1"));
        assert_eq!(
            settings.connector.get("consumer.override.group.id"),
            Some("g")
        );
        let warnings = settings.warnings.join("\n");
        assert!(
            warnings.contains("group.id=of-file")
                && warnings.contains("GROUP_ID (--group-id) is set to g"),
            "{warnings}"
        );
        assert!(!warnings.contains("auto.offset.reset"), "{warnings}");
    }

    #[test]
    fn report_message_15_a_setting_is_called_by_what_was_typed() {
        let client = file("auto.offset.reset=smallest\n");
        let settings = whole(&["--kafka-properties", path(&client)]);
        let check =
            |message: &str, expected: &str| assert_eq!(settings.in_typed_words(message), expected);
        check(
            "Invalid value 1 for configuration millstream.memory.bytes: too small",
            "Invalid value 1 for MEMORY_BYTES (--memory-bytes): too small",
        );
        check(
            "Invalid url in bootstrap.servers: x",
            "Invalid url in KAFKA_BOOTSTRAP_SERVERS (--bootstrap-servers): x",
        );
        check(
            "group.id must not be empty",
            "GROUP_ID (--group-id) must not be empty",
        );
        check(
            "Invalid value smallest for configuration auto.offset.reset: no",
            &format!(
                "Invalid value smallest for auto.offset.reset in {}: no",
                path(&client)
            ),
        );
        check(
            "Invalid value  for configuration database: no",
            "Invalid value  for MONGODB_DATABASE (--mongodb-database): no",
        );
        check(
            "the topics of a database, my.connection.uris",
            "the topics of a database, my.connection.uris",
        );
    }
}
