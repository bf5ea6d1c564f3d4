//! Log lines on standard error. LOG_LEVEL or RUST_LOG chooses the level, info by default, and the REST API may change it.

use crate::json_lines::JsonLines;
use crate::log_context::LogContext;
use crate::text_lines::TextLines;
use clap::{Args, ValueEnum};
use millstream_environment::logging::{LOGGERS, ROOT_LEVEL};
use millstream_environment::{LogEnvironment, Note};
use millstream_worker::LogControl;
use millstream_worker::config::ConfigProviders;
use millstream_worker::loggers::{parse_level as log4j_level, targets};
use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tracing::Metadata;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// Which log lines are written: error, warn, info, debug or trace; RUST_LOG is read where this is not set.
    #[arg(long, env = "LOG_LEVEL", global = true, value_parser = parse_level)]
    pub(crate) log_level: Option<String>,
    /// How they are written, to standard error.
    #[arg(
        long,
        env = "LOG_FORMAT",
        global = true,
        value_enum,
        default_value = "text"
    )]
    pub(crate) log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Changes the level while the process runs.
pub(crate) struct LogLevels {
    filter: reload::Handle<EnvFilter, Registry>,
    /// By module, in the words of the filter; the root's name is empty.
    set: Mutex<BTreeMap<String, &'static str>>,
    /// The filter of the start, without modules that were set.
    first: String,
    /// Loggers of the start, by the names they were given.
    shown: Vec<(String, &'static str)>,
    providers: Arc<OnceLock<ConfigProviders>>,
}

/// Lines on their way out, without what references of settings stand for.
struct Lines {
    writer: BoxMakeWriter,
    providers: Arc<OnceLock<ConfigProviders>>,
}

struct Line<'a> {
    writer: Box<dyn Write + 'a>,
    providers: &'a OnceLock<ConfigProviders>,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line {
            writer: Box::new(self.writer.make_writer()),
            providers: &self.providers,
        }
    }
}

impl Write for Line<'_> {
    /// A line comes whole.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let hidden = self.providers.get().and_then(|providers| {
            let text = std::str::from_utf8(line).ok()?;
            providers.hide(text)
        });
        match hidden {
            Some(text) => self.writer.write_all(text.as_bytes()),
            None => self.writer.write_all(line),
        }?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// The demo's S3 service tells each refused request as its own failure; the client's side is told anyway.
const QUIET: &str = "s3s=off,s3s_fs=off";

/// Log lines go to `writer` from here on.
pub(crate) fn start(
    args: &LogArgs,
    environment: &LogEnvironment,
    default: &str,
    writer: BoxMakeWriter,
) -> LogLevels {
    let first = filter(args, environment, default).to_string();
    let (shown, set) = first_loggers(&first, environment);
    let (filter, handle) = reload::Layer::new(EnvFilter::new(directives(&first, &set)));
    let providers = Arc::default();
    let writer = Lines {
        writer,
        providers: Arc::clone(&providers),
    };
    let lines = fmt::layer().with_writer(writer);
    let lines = match args.log_format {
        LogFormat::Text => lines
            .with_ansi(std::io::stderr().is_terminal())
            .event_format(TextLines)
            .boxed(),
        LogFormat::Json => lines.event_format(JsonLines).boxed(),
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(filter_fn(is_ours_to_say))
        .with(LogContext)
        .with(lines)
        .init();
    LogLevels {
        filter: handle,
        set: Mutex::new(set),
        first,
        shown,
        providers,
    }
}

/// Libraries that write requests as they are, with keys and credentials in their headers, below this level, and whose
/// failures our own messages tell of.
const FOREIGN: [(&str, LevelFilter); 8] = [
    ("aws_config::profile", LevelFilter::WARN),
    ("aws_config", LevelFilter::ERROR),
    ("aws_smithy_", LevelFilter::ERROR),
    ("aws_", LevelFilter::WARN),
    ("hyper", LevelFilter::WARN),
    ("h2", LevelFilter::WARN),
    // Each refusal of the broker is one of its errors.
    ("lapin", LevelFilter::OFF),
    ("rustls", LevelFilter::WARN),
];

/// Whatever level is asked for, no library writes secrets.
fn is_ours_to_say(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    let foreign = FOREIGN.iter().find(|(name, _)| target.starts_with(name));
    foreign.is_none_or(|(_, most)| metadata.level() <= most)
}

/// Our own flag and variable go first, then those of Java's images, then the directives of RUST_LOG.
fn filter(args: &LogArgs, environment: &LogEnvironment, default: &str) -> EnvFilter {
    let of_image = environment.root.as_ref();
    let of_image = of_image.and_then(|root| log4j_level(&root.value).ok());
    match (&args.log_level, of_image) {
        (Some(level), _) => of_level(level),
        (None, Some(level)) => of_level(filter_word(level)),
        (None, None) => EnvFilter::try_from_default_env().unwrap_or_else(|_| of_level(default)),
    }
}

/// The root's level and those of loggers, as they are shown, and what they come to for our modules.
fn first_loggers(
    first: &str,
    environment: &LogEnvironment,
) -> (Vec<(String, &'static str)>, BTreeMap<String, &'static str>) {
    let root = first.split(',').map(str::trim).find_map(|directive| {
        let level = LEVELS
            .iter()
            .find(|level| directive.eq_ignore_ascii_case(level))?;
        log4j_level(level).ok()
    });
    // What no directive is about is filtered to errors.
    let mut shown = vec![("root".to_owned(), root.unwrap_or("ERROR"))];
    let mut set = BTreeMap::new();
    for (logger, level) in &environment.loggers {
        let Ok(level) = log4j_level(level) else {
            continue;
        };
        // The root has a variable of its own.
        if logger == "root" {
            continue;
        }
        for target in targets(logger) {
            set.insert(target.to_owned(), filter_word(level));
        }
        shown.push((logger.clone(), level));
    }
    (shown, set)
}

/// What of the levels in the environment has no effect.
pub(crate) fn notes(environment: &LogEnvironment) -> Vec<Note> {
    let levels = "OFF, FATAL, ERROR, WARN, INFO, DEBUG, TRACE, ALL";
    let wrong = |variable: &str, level: &str| {
        let note = Note::warning(variable, format!("has no effect: {level:?} is no level"));
        note.with_remedy(format!("there are {levels}"))
    };
    let mut notes = Vec::new();
    if let Some(root) = &environment.root
        && log4j_level(&root.value).is_err()
    {
        notes.push(wrong(ROOT_LEVEL, &root.value));
    }
    let (good, bad): (Vec<_>, Vec<_>) = environment
        .loggers
        .iter()
        .partition(|(_, level)| log4j_level(level).is_ok());
    notes.extend(bad.iter().map(|(_, level)| wrong(LOGGERS, level)));
    let foreign: Vec<&str> = good
        .iter()
        .map(|(logger, _)| logger.as_str())
        .filter(|logger| targets(logger).is_empty())
        .collect();
    if !foreign.is_empty() {
        let text = format!(
            "has no effect on {}: nothing here logs by these names",
            foreign.join(", ")
        );
        notes.push(Note::info(LOGGERS, text));
    }
    notes
}

fn of_level(level: &str) -> EnvFilter {
    EnvFilter::new(format!("{level},{QUIET}"))
}

/// A level's name in any case. A misspelt one would else be taken for the name of a module, and every line be dropped.
pub(crate) fn parse_level(text: &str) -> Result<String, String> {
    let level = text.trim().to_ascii_lowercase();
    let level = match level.as_str() {
        // Python's words, which HEALTHCHECK_LOG_LEVEL has.
        "warning" => "warn".to_owned(),
        "critical" | "fatal" => "error".to_owned(),
        "notset" => "trace".to_owned(),
        _ => level,
    };
    if LEVELS.contains(&level.as_str()) {
        return Ok(level);
    }
    Err(format!("there are {}", LEVELS.join(", ")))
}

impl LogControl for LogLevels {
    fn set(&self, logger: &str, level: &'static str) {
        let level = filter_word(level);
        let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        if logger == "root" {
            // As in Java, where the root's level is that of every logger.
            set.clear();
            set.insert(String::new(), level);
        } else {
            set.insert(logger.to_owned(), level);
        }
        let filter = EnvFilter::try_new(directives(&self.first, &set));
        let done = filter.map(|filter| self.filter.reload(filter));
        if !matches!(done, Ok(Ok(()))) {
            tracing::warn!(logger, "the log level could not be changed");
        }
    }

    fn first(&self) -> Vec<(String, &'static str)> {
        self.shown.clone()
    }

    fn redact(&self, providers: ConfigProviders) {
        // There is one worker in a process; a second would be a test's.
        let _ = self.providers.set(providers);
    }
}

/// Log4j's level in the filter's words.
fn filter_word(level: &str) -> &'static str {
    match level {
        "OFF" => "off",
        "FATAL" | "ERROR" => "error",
        "WARN" => "warn",
        "DEBUG" => "debug",
        "TRACE" | "ALL" => "trace",
        _ => "info",
    }
}

/// What the filter reads: the root's level, or the filter of the start, then the levels of modules.
fn directives(first: &str, set: &BTreeMap<String, &'static str>) -> String {
    let root = set.get("").map(|level| format!("{level},{QUIET}"));
    let mut text = root.unwrap_or_else(|| first.to_owned());
    for (module, level) in set.iter().filter(|(module, _)| !module.is_empty()) {
        text.push_str(&format!(",{module}={level}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_c20_a_level_is_one_of_six() {
        assert_eq!(parse_level("WARN").as_deref(), Ok("warn"));
        assert!(parse_level("verbose").is_err_and(|why| why.contains("debug")));
    }

    #[test]
    fn levels_of_an_image_s_variables_are_those_of_our_modules() {
        let pairs = [
            (ROOT_LEVEL, "WARN"),
            (
                LOGGERS,
                "org.apache.kafka.clients=DEBUG,org.apache.zookeeper=ERROR,x=LOUD,millstream_s3::store=TRACE",
            ),
        ];
        let mut told = Vec::new();
        let environment = LogEnvironment::read(&pairs.into_iter().collect(), &mut told);
        let args = |level: Option<&str>| LogArgs {
            log_level: level.map(str::to_owned),
            log_format: LogFormat::Text,
        };
        let first = filter(&args(None), &environment, "info").to_string();
        assert!(first.contains("warn"), "{first}");
        let (shown, set) = first_loggers(&first, &environment);
        let expected = [
            ("root", "WARN"),
            ("org.apache.kafka.clients", "DEBUG"),
            ("org.apache.zookeeper", "ERROR"),
            ("millstream_s3::store", "TRACE"),
        ];
        assert_eq!(
            shown,
            expected.map(|(name, level)| (name.to_owned(), level))
        );
        let expected = [
            ("millstream_kafka", "debug"),
            ("millstream_s3::store", "trace"),
        ];
        assert_eq!(
            set,
            expected
                .map(|(name, level)| (name.to_owned(), level))
                .into()
        );
        let own = filter(&args(Some("error")), &environment, "info").to_string();
        assert!(own.contains("error") && !own.contains("warn"), "{own}");
        let texts: Vec<String> = notes(&environment)
            .into_iter()
            .map(|note| note.text)
            .collect();
        assert_eq!(texts.len(), 2, "{texts:?}");
        assert!(texts[0].contains("LOUD") && texts[1].contains("org.apache.zookeeper"));
    }

    #[test]
    fn report_a21_a_level_of_a_module_is_one_of_the_filter() {
        let mut set = BTreeMap::new();
        assert_eq!(directives("warn,s3s=off", &set), "warn,s3s=off");
        set.insert("millstream_s3".to_owned(), "debug");
        set.insert(String::new(), "error");
        let text = directives("warn", &set);
        assert_eq!(text, format!("error,{QUIET},millstream_s3=debug"));
        assert!(EnvFilter::try_new(text).is_ok());
    }
}
