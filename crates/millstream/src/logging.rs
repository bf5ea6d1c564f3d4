//! Log lines on standard error. LOG_LEVEL or RUST_LOG chooses the level, info by default, and the REST API may change it.

use crate::cli::{LogArgs, LogFormat};
use crate::json_lines::JsonLines;
use millstream_worker::LogControl;
use std::io::IsTerminal;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Changes the level while the process runs.
pub(crate) struct LogLevels(reload::Handle<EnvFilter, Registry>);

/// The demo's S3 service tells each refused request as its own failure; the client's side is told anyway.
const QUIET: &str = "s3s=off,s3s_fs=off";

/// Log lines go to `writer` from here on.
pub(crate) fn start(args: &LogArgs, default: &str, writer: BoxMakeWriter) -> LogLevels {
    let (filter, handle) = reload::Layer::new(filter(args, default));
    let lines = fmt::layer().with_target(false).with_writer(writer);
    let lines = match args.log_format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.event_format(JsonLines).boxed(),
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(filter_fn(is_ours_to_say))
        .with(lines)
        .init();
    LogLevels(handle)
}

/// Libraries that write requests as they are, with keys and credentials in their headers, below this level, and whose
/// failures our own messages tell of.
const FOREIGN: [(&str, Level); 7] = [
    ("aws_config::profile", Level::WARN),
    ("aws_config", Level::ERROR),
    ("aws_smithy_", Level::ERROR),
    ("aws_", Level::WARN),
    ("hyper", Level::WARN),
    ("h2", Level::WARN),
    ("rustls", Level::WARN),
];

/// Whatever level is asked for, no library writes secrets.
fn is_ours_to_say(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    let foreign = FOREIGN.iter().find(|(name, _)| target.starts_with(name));
    foreign.is_none_or(|(_, most)| metadata.level() <= most)
}

fn filter(args: &LogArgs, default: &str) -> EnvFilter {
    match &args.log_level {
        Some(level) => of_level(level),
        None => EnvFilter::try_from_default_env().unwrap_or_else(|_| of_level(default)),
    }
}

fn of_level(level: &str) -> EnvFilter {
    EnvFilter::new(format!("{level},{QUIET}"))
}

/// A level's name in any case. A misspelt one would else be taken for the name of a module, and every line be dropped.
pub(crate) fn parse_level(text: &str) -> Result<String, String> {
    let level = text.trim().to_ascii_lowercase();
    if LEVELS.contains(&level.as_str()) {
        return Ok(level);
    }
    Err(format!("there are {}", LEVELS.join(", ")))
}

impl LogControl for LogLevels {
    /// Only the root has a meaning here: other names are those of Java's classes.
    fn set(&self, logger: &str, level: &'static str) {
        if logger != "root" {
            return;
        }
        let level = match level {
            "OFF" => "off",
            "FATAL" | "ERROR" => "error",
            "WARN" => "warn",
            "DEBUG" => "debug",
            "TRACE" | "ALL" => "trace",
            _ => "info",
        };
        if let Err(error) = self.0.reload(of_level(level)) {
            tracing::warn!(%error, "the log level could not be changed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_c20_a_level_is_one_of_six() {
        assert_eq!(parse_level("WARN").as_deref(), Ok("warn"));
        assert!(parse_level("verbose").is_err_and(|why| why.contains("debug")));
    }
}
