//! How a compiled-in plugin presents itself: its Java name, its settings and how to make one.

use crate::config::{ConfigDef, Properties};
use crate::converter::{Converter, HeaderConverter};
use crate::transform::{Predicate, Transform};

/// The version of Kafka Connect whose plugins these are.
pub const KAFKA_VERSION: &str = "4.3.1";

/// The plugin whose class is `name`, or else the only one with this alias: the class's simple name, whole or cut at the
/// last occurrence of its kind's word (`Converter`). A nested class's simple name is what follows the `$`.
pub fn find<'a, P>(
    plugins: &'a [P],
    class: impl Fn(&P) -> &'static str,
    word: &str,
    name: &str,
) -> Option<&'a P> {
    if let Some(exact) = plugins.iter().find(|plugin| class(plugin) == name) {
        return Some(exact);
    }
    let mut matching = plugins.iter().filter(|plugin| {
        let class = class(plugin);
        let simple = class.rsplit(['.', '$']).next().unwrap_or(class);
        let pruned = match simple.rfind(word) {
            Some(at) if at > 0 => &simple[..at],
            _ => simple,
        };
        name == simple || name == pruned
    });
    let first = matching.next();
    matching.next().is_none().then_some(first).flatten()
}

/// A plugin that refuses its settings: Java's exception class and message.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct PluginError {
    pub class: &'static str,
    pub message: String,
}

impl PluginError {
    /// A `ConfigException`.
    pub fn config(message: impl Into<String>) -> Self {
        PluginError {
            class: "org.apache.kafka.common.config.ConfigException",
            message: message.into(),
        }
    }
}

/// A converter; settings come without prefix (`schemas.enable`, not `value.converter.schemas.enable`).
#[derive(Clone, Copy)]
pub struct ConverterPlugin {
    pub class: &'static str,
    pub config_def: fn() -> ConfigDef,
    pub make: fn(&Properties, ConverterUse) -> Result<Box<dyn Converter>, PluginError>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConverterUse {
    Key,
    Value,
}

#[derive(Clone, Copy)]
pub struct HeaderConverterPlugin {
    pub class: &'static str,
    pub config_def: fn() -> ConfigDef,
    pub make: fn(&Properties) -> Result<Box<dyn HeaderConverter>, PluginError>,
}

/// A transform; settings come without `transforms.<alias>.`.
#[derive(Clone, Copy)]
pub struct TransformPlugin {
    pub class: &'static str,
    pub config_def: fn() -> ConfigDef,
    pub make: fn(&Properties) -> Result<Box<dyn Transform>, PluginError>,
}

/// A predicate; settings come without `predicates.<alias>.`.
#[derive(Clone, Copy)]
pub struct PredicatePlugin {
    pub class: &'static str,
    pub config_def: fn() -> ConfigDef,
    pub make: fn(&Properties) -> Result<Box<dyn Predicate>, PluginError>,
}
