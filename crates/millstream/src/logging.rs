//! Log lines on standard error; `RUST_LOG` chooses the level, info by default, and the REST API may change it.

use millstream_worker::LogControl;
use std::io::IsTerminal;
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
        .with(lines)
        .init();
    LogLevels(handle)
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
