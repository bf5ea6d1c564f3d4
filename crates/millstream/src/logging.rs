//! Log lines on standard error; `RUST_LOG` chooses the level, info by default, and the REST API may change it.

use millstream_worker::LogControl;
use std::io::IsTerminal;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

/// Changes the level while the process runs.
pub(crate) struct LogLevels(reload::Handle<EnvFilter, Registry>);

pub(crate) fn start() -> LogLevels {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let (filter, handle) = reload::Layer::new(filter);
    let lines = fmt::layer()
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    tracing_subscriber::registry()
        .with(filter)
        .with(filter_fn(is_ours_to_say))
        .with(lines)
        .init();
    LogLevels(handle)
}

/// Libraries that write requests as they are, with keys and credentials in their headers, below this level, and whose
/// failures our own messages tell of.
const FOREIGN: [(&str, Level); 6] = [
    ("aws_smithy_", Level::ERROR),
    ("aws_config::imds", Level::ERROR),
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
        if let Err(error) = self.0.reload(EnvFilter::new(level)) {
            tracing::warn!(%error, "the log level could not be changed");
        }
    }
}
