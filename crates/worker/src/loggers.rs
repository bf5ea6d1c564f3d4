//! Log levels by name, as `/admin/loggers` shows and sets them.

use crate::config::ConfigProviders;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Sets levels where the program logs. The binary gives one; without it levels are only remembered.
pub trait LogControl: Send + Sync {
    /// `logger`: one of our modules or a part of one, or `root` for all. `level`: one of `LEVELS`.
    fn set(&self, logger: &str, level: &'static str);

    /// The levels at the start, `root` among them, by the names that they were given.
    fn first(&self) -> Vec<(String, &'static str)> {
        Vec::new()
    }

    /// Hands over who hides what references stand for, in every line from here on.
    fn redact(&self, _providers: ConfigProviders) {}
}

/// Log4j's levels.
pub const LEVELS: [&str; 8] = [
    "OFF", "FATAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE", "ALL",
];

const ROOT: &str = "root";

/// Our own modules: what they log is what a level changes.
const MODULES: [&str; 10] = [
    "millstream",
    "millstream_connectors",
    "millstream_core",
    "millstream_distributed",
    "millstream_kafka",
    "millstream_mongodb",
    "millstream_plugins",
    "millstream_runtime",
    "millstream_s3",
    "millstream_worker",
];

/// Java's classes whose levels people set, with the modules that do their work here. Clients read the list before they
/// set a level, and refuse a name that is not in it.
const WELL_KNOWN: [(&str, &[&str]); 40] = [
    ("com.mongodb.kafka.connect.sink", &["millstream_mongodb"]),
    ("io.confluent.connect.s3.S3SinkTask", &["millstream_s3"]),
    (
        "io.confluent.connect.s3.TopicPartitionWriter",
        &["millstream_s3"],
    ),
    (
        "io.confluent.connect.s3.storage.S3OutputStream",
        &["millstream_s3"],
    ),
    (
        "io.confluent.connect.s3.storage.S3Storage",
        &["millstream_s3"],
    ),
    ("org.apache.kafka.clients.ClientUtils", KAFKA),
    ("org.apache.kafka.clients.Metadata", KAFKA),
    ("org.apache.kafka.clients.NetworkClient", KAFKA),
    ("org.apache.kafka.clients.admin.KafkaAdminClient", KAFKA),
    (
        "org.apache.kafka.clients.consumer.internals.AbstractFetch",
        KAFKA,
    ),
    (
        "org.apache.kafka.clients.consumer.internals.ClassicKafkaConsumer",
        KAFKA,
    ),
    (
        "org.apache.kafka.clients.consumer.internals.ConsumerCoordinator",
        KAFKA,
    ),
    ("org.apache.kafka.clients.consumer.internals.Fetcher", KAFKA),
    (
        "org.apache.kafka.clients.consumer.internals.SubscriptionState",
        KAFKA,
    ),
    ("org.apache.kafka.clients.producer.KafkaProducer", KAFKA),
    ("org.apache.kafka.clients.producer.internals.Sender", KAFKA),
    ("org.apache.kafka.common.config.AbstractConfig", WORKER),
    ("org.apache.kafka.common.network.Selector", KAFKA),
    ("org.apache.kafka.connect.runtime", DATA_AND_WORKER),
    ("org.apache.kafka.connect.runtime.AbstractHerder", WORKER),
    ("org.apache.kafka.connect.runtime.Connect", WORKER),
    ("org.apache.kafka.connect.runtime.ConnectorConfig", WORKER),
    ("org.apache.kafka.connect.runtime.TransformationChain", DATA),
    ("org.apache.kafka.connect.runtime.Worker", WORKER),
    ("org.apache.kafka.connect.runtime.WorkerConfig", WORKER),
    (
        "org.apache.kafka.connect.runtime.WorkerConfigTransformer",
        WORKER,
    ),
    ("org.apache.kafka.connect.runtime.WorkerConnector", WORKER),
    ("org.apache.kafka.connect.runtime.WorkerSinkTask", DATA),
    ("org.apache.kafka.connect.runtime.WorkerTask", DATA),
    (
        "org.apache.kafka.connect.runtime.distributed.DistributedHerder",
        CLUSTER,
    ),
    (
        "org.apache.kafka.connect.runtime.distributed.WorkerCoordinator",
        CLUSTER,
    ),
    ("org.apache.kafka.connect.runtime.errors.LogReporter", DATA),
    (
        "org.apache.kafka.connect.runtime.errors.RetryWithToleranceOperator",
        DATA,
    ),
    ("org.apache.kafka.connect.runtime.isolation.Plugins", WORKER),
    ("org.apache.kafka.connect.runtime.rest.RestClient", WORKER),
    ("org.apache.kafka.connect.runtime.rest.RestServer", WORKER),
    (
        "org.apache.kafka.connect.runtime.rest.resources.ConnectorsResource",
        WORKER,
    ),
    (
        "org.apache.kafka.connect.runtime.standalone.StandaloneHerder",
        WORKER,
    ),
    (
        "org.apache.kafka.connect.storage.KafkaConfigBackingStore",
        CLUSTER,
    ),
    ("org.apache.kafka.connect.util.KafkaBasedLog", CLUSTER),
];

const KAFKA: &[&str] = &["millstream_kafka"];
const WORKER: &[&str] = &["millstream_worker"];
const CLUSTER: &[&str] = &["millstream_distributed", "millstream_worker"];
const DATA: &[&str] = &["millstream_runtime", "millstream_plugins"];
const DATA_AND_WORKER: &[&str] = &[
    "millstream_distributed",
    "millstream_runtime",
    "millstream_worker",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoggerLevel {
    pub level: &'static str,
    /// When it was set through the API, epoch milliseconds.
    pub last_modified: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid log level '{0}'.")]
pub struct UnknownLevel(pub String);

/// The loggers that have a level of their own, and `root`.
pub struct Loggers {
    levels: Mutex<BTreeMap<String, LoggerLevel>>,
    control: Option<Box<dyn LogControl>>,
}

impl Loggers {
    /// `plugins`: the classes that are here, which Java lists too.
    pub fn new(
        control: Option<Box<dyn LogControl>>,
        plugins: impl Iterator<Item = String>,
    ) -> Self {
        let first = LoggerLevel {
            level: "INFO",
            last_modified: None,
        };
        let known = WELL_KNOWN.iter().map(|(name, _)| *name);
        let names = known.chain(MODULES).chain([ROOT]).map(str::to_owned);
        let names = names.chain(plugins.map(|class| outer(&class).to_owned()));
        let mut levels: BTreeMap<String, LoggerLevel> = names.map(|name| (name, first)).collect();
        let given = control.as_ref().map(|control| control.first());
        let (root, loggers): (Vec<_>, Vec<_>) = given
            .into_iter()
            .flatten()
            .partition(|(logger, _)| logger == ROOT);
        for (logger, level) in root.iter().chain(&loggers) {
            let given = LoggerLevel { level, ..first };
            levels.entry(logger.clone()).or_insert(given);
            let meant = levels.iter_mut().filter(|(name, _)| is_meant(logger, name));
            meant.for_each(|(_, own)| *own = given);
        }
        Loggers {
            levels: Mutex::new(levels),
            control,
        }
    }

    pub fn all(&self) -> BTreeMap<String, LoggerLevel> {
        self.lock().clone()
    }

    /// The level of a logger that exists; `root` in any case.
    pub fn get(&self, logger: &str) -> Option<LoggerLevel> {
        self.lock().get(canonical(logger)).copied()
    }

    /// Sets the level of a logger, which is made if need be, and of all whose names begin with its name.
    /// Returns the names of those whose level changed.
    pub fn set(&self, logger: &str, level: &str, now: i64) -> Result<Vec<String>, UnknownLevel> {
        let level = parse_level(level)?;
        let logger = canonical(logger);
        let mut levels = self.lock();
        if !levels.contains_key(logger) {
            let inherited = effective(&levels, logger);
            let made = LoggerLevel {
                level: inherited,
                last_modified: None,
            };
            levels.insert(logger.to_owned(), made);
        }
        let mut changed = Vec::new();
        for (name, own) in levels.iter_mut() {
            if is_meant(logger, name) && own.level != level {
                *own = LoggerLevel {
                    level,
                    last_modified: Some(now),
                };
                changed.push(name.clone());
            }
        }
        drop(levels);
        if let Some(control) = &self.control {
            for target in targets(logger) {
                control.set(target, level);
            }
        }
        Ok(changed)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, LoggerLevel>> {
        // Nothing between lock and unlock leaves the map half changed.
        self.levels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the level of a logger is that of another, too.
fn is_meant(logger: &str, name: &str) -> bool {
    logger == ROOT || name == logger || (name != ROOT && name.starts_with(logger))
}

pub fn parse_level(level: &str) -> Result<&'static str, UnknownLevel> {
    let known = LEVELS
        .iter()
        .find(|known| known.eq_ignore_ascii_case(level.trim()));
    known.copied().ok_or_else(|| UnknownLevel(level.to_owned()))
}

/// Java logs what nested classes do under the class around them.
fn outer(class: &str) -> &str {
    class.split('$').next().unwrap_or(class)
}

/// Where the lines come from that a logger's level is about; nowhere for a name that only Java knows.
pub fn targets(logger: &str) -> Vec<&str> {
    if logger == ROOT || logger.starts_with("millstream") {
        return vec![logger];
    }
    // A name stands for all that begin with it.
    let meant = WELL_KNOWN
        .iter()
        .filter(|(name, _)| name.starts_with(logger));
    let mut targets: Vec<&str> = meant.flat_map(|(_, modules)| *modules).copied().collect();
    targets.sort_unstable();
    targets.dedup();
    targets
}

fn canonical(logger: &str) -> &str {
    if logger.eq_ignore_ascii_case(ROOT) {
        ROOT
    } else {
        logger
    }
}

/// The level of the nearest parent.
fn effective(levels: &BTreeMap<String, LoggerLevel>, logger: &str) -> &'static str {
    let mut parent = logger;
    while let Some((shorter, _)) = parent.rsplit_once('.') {
        if let Some(found) = levels.get(shorter) {
            return found.level;
        }
        parent = shorter;
    }
    levels.get(ROOT).map_or("INFO", |root| root.level)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn sets_a_logger_and_those_whose_names_begin_with_it() {
        let loggers = Loggers::new(None, std::iter::empty());
        let set = |name, level| loggers.set(name, level, 7).unwrap();
        assert_eq!(set("x.y", "error"), ["x.y"]);
        assert_eq!(set("x.y.z", "WARN"), ["x.y.z"]);
        assert_eq!(set("x.y", "DEBUG"), ["x.y", "x.y.z"]);
        assert_eq!(set("x.", "TRACE"), ["x.", "x.y", "x.y.z"]);
        assert_eq!(set("x.", "trace"), Vec::<String>::new());
        assert_eq!(loggers.get("ROOT").unwrap().level, "INFO");
        assert_eq!(loggers.get("x.y").unwrap().last_modified, Some(7));
        assert!(loggers.set("x", "bogus", 7).is_err());
    }

    #[test]
    fn report_a21_lists_what_clients_look_for_before_they_set_a_level() {
        let class = "org.apache.kafka.connect.transforms.Cast$Value".to_owned();
        let loggers = Loggers::new(None, std::iter::once(class));
        let all = loggers.all();
        for name in [
            "root",
            "millstream_s3",
            "org.apache.kafka.connect.runtime.WorkerSinkTask",
            "org.apache.kafka.connect.transforms.Cast",
        ] {
            assert_eq!(all[name].level, "INFO", "{name}");
        }
        let changed = loggers.set("org.apache.kafka.connect.runtime.W", "WARN", 7);
        assert!(changed.unwrap().iter().all(|name| name.contains(".W")));
        assert!(loggers.get("no.such.logger").is_none());
    }

    struct Given(Vec<(String, &'static str)>);

    impl LogControl for Given {
        fn set(&self, _: &str, _: &'static str) {}

        fn first(&self) -> Vec<(String, &'static str)> {
            self.0.clone()
        }
    }

    #[test]
    fn levels_of_the_start_are_shown() {
        let given = [
            ("a.b", "TRACE"),
            ("root", "WARN"),
            ("org.apache.kafka.clients", "DEBUG"),
        ];
        let given = given.map(|(name, level)| (name.to_owned(), level)).to_vec();
        let loggers = Loggers::new(Some(Box::new(Given(given))), std::iter::empty());
        for (name, level) in [
            ("root", "WARN"),
            ("a.b", "TRACE"),
            ("org.apache.kafka.clients.NetworkClient", "DEBUG"),
            ("org.apache.kafka.connect.runtime.Worker", "WARN"),
            ("millstream_kafka", "WARN"),
        ] {
            let shown = loggers.get(name).unwrap();
            assert_eq!((shown.level, shown.last_modified), (level, None), "{name}");
        }
    }

    #[test]
    fn report_a21_a_class_of_java_stands_for_the_module_that_does_its_work() {
        assert_eq!(targets("root"), ["root"]);
        assert_eq!(targets("millstream_s3::store"), ["millstream_s3::store"]);
        assert_eq!(targets("io.confluent.connect.s3"), ["millstream_s3"]);
        assert_eq!(targets("org.apache.kafka.clients"), ["millstream_kafka"]);
        assert_eq!(targets("x.y"), Vec::<&str>::new());
    }
}
