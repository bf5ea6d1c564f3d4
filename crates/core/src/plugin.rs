//! How a compiled-in plugin presents itself: its Java name, its settings and how to make one.

use crate::config::{ConfigDef, Properties};
use crate::converter::{Converter, HeaderConverter};
use crate::transform::{Predicate, Transform};

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
