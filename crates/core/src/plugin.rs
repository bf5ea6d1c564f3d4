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
