//! Variables that a task definition for Java's image holds and that are no settings of a worker: of the image's own scripts,
//! of the JVM, and of converters that Connect no longer has.

use crate::logging::{LOGGERS, ROOT_LEVEL};
use crate::note::Note;
use crate::preflight::{MIN_BROKERS, TIMEOUT};
use crate::variables::Variables;

/// Keys that the image's scripts leave among the settings, each with its variable and what reads it here.
pub const HELPERS: [(&str, &str, Option<&str>); 6] = [
    (
        "cub.kafka.min.brokers",
        MIN_BROKERS,
        Some("the wait for brokers before the start"),
    ),
    (
        "cub.kafka.timeout",
        TIMEOUT,
        Some("the wait for brokers before the start"),
    ),
    (
        "log4j.appender.stdout.layout.conversionpattern",
        "CONNECT_LOG4J_APPENDER_STDOUT_LAYOUT_CONVERSIONPATTERN",
        None,
    ),
    ("log4j.loggers", LOGGERS, Some("the log")),
    ("log4j.root.loglevel", ROOT_LEVEL, Some("the log")),
    ("zookeeper.connect", "CONNECT_ZOOKEEPER_CONNECT", None),
];

/// What a setting of the converters begins with that older workers stored their own data by.
pub const INTERNAL: [&str; 2] = ["internal.key.converter", "internal.value.converter"];

/// Variables of a JVM and of the image's start script, with what becomes of them.
const JVM: [(&str, &str); 8] = [
    ("CLASSPATH", "has no effect: plugins are compiled in"),
    ("KAFKA_GC_LOG_OPTS", "has no effect: there is no JVM"),
    (
        "KAFKA_HEAP_OPTS",
        "has no effect: there is no JVM; CONNECT_MILLSTREAM_MEMORY_BYTES bounds the memory",
    ),
    ("KAFKA_JMX_HOSTNAME", JMX),
    ("KAFKA_JMX_OPTS", JMX),
    ("KAFKA_JMX_PORT", JMX),
    (
        "KAFKA_LOG4J_OPTS",
        "has no effect: there is no JVM; LOG_LEVEL, LOG_FORMAT and CONNECT_LOG4J_LOGGERS steer the log",
    ),
    (
        "TRACE",
        "has no effect: no script runs whose commands could be shown",
    ),
];

const JMX: &str = "has no effect: there is no JVM; GET /metrics tells what JMX would";

/// What is said about them. A helper is no setting of a worker, as Java's worker says, too.
pub(crate) fn notes(variables: &Variables, keys: &[String]) -> Vec<Note> {
    let mut notes = Vec::new();
    for (key, variable, reader) in HELPERS {
        if !keys.iter().any(|known| known == key) {
            continue;
        }
        let text = match reader {
            Some(reader) => {
                format!("is no setting of a worker and ignored as such; {reader} reads it")
            }
            None => "is no setting of a worker and ignored".to_owned(),
        };
        notes.push(Note::warning(variable, text));
    }
    for role in INTERNAL {
        if let Some(key) = keys.iter().find(|key| key.starts_with(role)) {
            let about = crate::names::variable_of(key).unwrap_or_else(|| key.clone());
            let text =
                "is deprecated and ignored: no worker since Connect 3.0 has internal converters";
            notes.push(Note::warning(about, text).with_remedy("leave it out"));
        }
    }
    if keys.iter().any(|key| key == "plugin.path") {
        let text = "has no effect: plugins are compiled in";
        notes.push(Note::info("CONNECT_PLUGIN_PATH", text));
    }
    for (variable, text) in JVM {
        if variables.get(variable).is_some() {
            notes.push(Note::warning(variable, text));
        }
    }
    if variables.get("KAFKA_OPTS").is_some() {
        let text = "is read for -Djava.security.auth.login.config alone: there is no JVM";
        notes.push(Note::info("KAFKA_OPTS", text));
    }
    notes
}

/// Names that are understood beside those of settings, for whoever looks for a slip of the pen.
pub fn names() -> impl Iterator<Item = &'static str> + Clone {
    let helpers = HELPERS.iter().map(|(_, variable, _)| *variable);
    helpers
        .chain(JVM.iter().map(|(variable, _)| *variable))
        .chain(["KAFKA_OPTS"])
}
