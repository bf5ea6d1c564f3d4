//! Kafka's connectors for system tests: they fail on demand, count, and print what they do as lines of JSON.

mod mock;
mod printer;
mod schema_source;
mod throttle;
mod verifiable_sink;
mod verifiable_source;

pub use mock::{MockSinkConnector, MockSourceConnector};
pub use schema_source::SchemaSourceConnector;
pub use verifiable_sink::VerifiableSinkConnector;
pub use verifiable_source::VerifiableSourceConnector;

use millstream_core::rejected::CONNECT_EXCEPTION;
use millstream_core::{ConfigDef, Properties, RecordError, SinkError};
use std::str::FromStr;
use std::sync::LazyLock;

/// These connectors define no keys, so that validation checks none.
fn no_keys() -> &'static ConfigDef {
    static NONE: LazyLock<ConfigDef> = LazyLock::new(|| ConfigDef::new(Vec::new()));
    &NONE
}

/// A task's settings, numbered.
fn numbered(properties: &Properties, tasks: usize) -> Vec<Properties> {
    let number = |task: usize| {
        let mut own = properties.clone();
        own.insert("id", task.to_string());
        own
    };
    (0..tasks).map(number).collect()
}

/// A number among a task's settings, which nobody has checked before.
fn number<N: FromStr>(properties: &Properties, key: &str, task: &str) -> Result<N, SinkError> {
    let text = properties.get(key);
    let parsed = text.and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| {
        let why = match text {
            Some(text) => format!("For input string: \"{text}\""),
            None => "Cannot parse null string: null".to_owned(),
        };
        let cause = RecordError::new("java.lang.NumberFormatException", why);
        SinkError {
            class: CONNECT_EXCEPTION,
            ..SinkError::fatal(format!("Invalid {task} configuration")).with_source(cause)
        }
    })
}
