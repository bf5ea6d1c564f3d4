//! How a compiled-in plugin presents itself: its Java name, its settings and how to make one.

use crate::config::{ConfigDef, ConfigValue, Properties};
use crate::converter::{Converter, HeaderConverter};
use crate::transform::{Predicate, Transform};
use std::borrow::Cow;

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

/// A class on the class path of every Java worker, for whoever names it where another kind is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassKind {
    /// It can be made without arguments.
    Plain,
    NoDefaultConstructor,
    Abstract,
}

const CONVERTERS: [&str; 10] = [
    "org.apache.kafka.connect.converters.BooleanConverter",
    "org.apache.kafka.connect.converters.ByteArrayConverter",
    "org.apache.kafka.connect.converters.DoubleConverter",
    "org.apache.kafka.connect.converters.FloatConverter",
    "org.apache.kafka.connect.converters.IntegerConverter",
    "org.apache.kafka.connect.converters.LongConverter",
    "org.apache.kafka.connect.converters.ShortConverter",
    "org.apache.kafka.connect.json.JsonConverter",
    "org.apache.kafka.connect.storage.SimpleHeaderConverter",
    "org.apache.kafka.connect.storage.StringConverter",
];

const TRANSFORMS: &str = "org.apache.kafka.connect.transforms.";

/// Transforms and predicates of one class each, without the package.
const STAGES: [&str; 9] = [
    "DropHeaders",
    "Filter",
    "InsertHeader",
    "RegexRouter",
    "TimestampRouter",
    "ValueToKey",
    "predicates.HasHeaderKey",
    "predicates.RecordIsTombstone",
    "predicates.TopicNameMatches",
];

/// Transforms with two nested classes, `$Key` and `$Value`.
const NESTING: [&str; 10] = [
    "Cast",
    "ExtractField",
    "Flatten",
    "HeaderFrom",
    "HoistField",
    "InsertField",
    "MaskField",
    "ReplaceField",
    "SetSchemaMetadata",
    "TimestampConverter",
];

/// What a class is that every Java worker has: one of Java's own that stand in a configuration by mistake, or of Kafka
/// Connect's plugins. `None` for any other name.
pub fn on_class_path(class: &str) -> Option<ClassKind> {
    match class {
        "java.lang.Object" | "java.lang.String" | "java.util.ArrayList" | "java.util.HashMap" => {
            return Some(ClassKind::Plain);
        }
        "java.lang.Boolean" | "java.lang.Double" | "java.lang.Integer" | "java.lang.Long" => {
            return Some(ClassKind::NoDefaultConstructor);
        }
        _ if CONVERTERS.contains(&class) => return Some(ClassKind::Plain),
        _ => {}
    }
    let stage = class.strip_prefix(TRANSFORMS)?;
    if NESTING.contains(&stage) {
        return Some(ClassKind::Abstract);
    }
    let nested = stage
        .strip_suffix("$Key")
        .or_else(|| stage.strip_suffix("$Value"));
    let is_known = STAGES.contains(&stage) || nested.is_some_and(|outer| NESTING.contains(&outer));
    is_known.then_some(ClassKind::Plain)
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
    /// What is wrong with settings that are each in order, by their keys.
    pub check: fn(&Properties, ConverterUse) -> Vec<KeyError>,
    pub make: fn(&Properties, ConverterUse) -> Result<Box<dyn Converter>, PluginError>,
}

/// A key, and what is wrong with it beside the others.
pub type KeyError = (Cow<'static, str>, String);

/// The check of a plugin whose keys have nothing to do with each other.
pub fn no_check(_: &Properties, _: ConverterUse) -> Vec<KeyError> {
    Vec::new()
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

/// Another source of a sink's records than Kafka, which `input.type` of a connector's configuration names. All of its
/// functions take that configuration.
#[derive(Clone, Copy)]
pub struct InputPlugin {
    /// The value of `input.type`.
    pub name: &'static str,
    pub config_def: fn() -> ConfigDef,
    /// The values of its keys with every error, and values of keys of others that do not go with them.
    pub validate: fn(&Properties) -> Vec<ConfigValue>,
    /// The topic that its records have, if the settings say so much.
    pub topic: fn(&Properties) -> Option<String>,
    /// Whether it is a log, whose offsets mean something to it.
    pub is_log: fn(&Properties) -> bool,
    /// What is no error and should be known, by the keys that it is about.
    pub remarks: fn(&Properties) -> Vec<(&'static str, String)>,
}

/// A predicate; settings come without `predicates.<alias>.`.
#[derive(Clone, Copy)]
pub struct PredicatePlugin {
    pub class: &'static str,
    pub config_def: fn() -> ConfigDef,
    pub make: fn(&Properties) -> Result<Box<dyn Predicate>, PluginError>,
}
