//! Settings: one definition per key yields parsing, defaults, validation with all errors at once, and documentation.
//! The rules and texts are those of Kafka's `ConfigDef`.

mod properties;
mod table;
pub mod validator;

pub use properties::{Password, Properties, java_trim, list_items};
pub use table::markdown_table;
pub use validator::Validator;

use std::borrow::Cow;
use std::collections::HashMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Boolean,
    String,
    Int,
    Short,
    Long,
    Double,
    List,
    Class,
    Password,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Boolean => "BOOLEAN",
            Kind::String => "STRING",
            Kind::Int => "INT",
            Kind::Short => "SHORT",
            Kind::Long => "LONG",
            Kind::Double => "DOUBLE",
            Kind::List => "LIST",
            Kind::Class => "CLASS",
            Kind::Password => "PASSWORD",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Importance {
    High,
    Medium,
    Low,
}

impl Importance {
    pub fn name(self) -> &'static str {
        match self {
            Importance::High => "HIGH",
            Importance::Medium => "MEDIUM",
            Importance::Low => "LOW",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    None,
    Short,
    Medium,
    Long,
}

impl Width {
    pub fn name(self) -> &'static str {
        match self {
            Width::None => "NONE",
            Width::Short => "SHORT",
            Width::Medium => "MEDIUM",
            Width::Long => "LONG",
        }
    }
}

/// What a key is when nobody sets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Default {
    Required,
    Null,
    /// As a user would write it.
    Text(Cow<'static, str>),
}

/// One setting.
#[derive(Clone, Debug)]
pub struct Key {
    pub name: Cow<'static, str>,
    pub kind: Kind,
    pub default: Default,
    pub importance: Importance,
    pub doc: Cow<'static, str>,
    pub group: Option<Cow<'static, str>>,
    /// Position in the group; −1 without a group.
    pub order: i32,
    pub width: Width,
    pub display_name: Cow<'static, str>,
    pub dependents: Vec<Cow<'static, str>>,
    pub validator: Option<Validator>,
    pub recommended: Vec<Cow<'static, str>>,
}

impl Key {
    pub fn required(name: impl Into<Cow<'static, str>>, kind: Kind) -> Self {
        Key::with(name.into(), kind, Default::Required)
    }

    pub fn null(name: impl Into<Cow<'static, str>>, kind: Kind) -> Self {
        Key::with(name.into(), kind, Default::Null)
    }

    pub fn new(
        name: impl Into<Cow<'static, str>>,
        kind: Kind,
        default: impl Into<Cow<'static, str>>,
    ) -> Self {
        Key::with(name.into(), kind, Default::Text(default.into()))
    }

    fn with(name: Cow<'static, str>, kind: Kind, default: Default) -> Self {
        Key {
            display_name: name.clone(),
            name,
            kind,
            default,
            importance: Importance::Medium,
            doc: Cow::Borrowed(""),
            group: None,
            order: -1,
            width: Width::None,
            dependents: Vec::new(),
            validator: None,
            recommended: Vec::new(),
        }
    }

    pub fn importance(mut self, importance: Importance) -> Self {
        self.importance = importance;
        self
    }

    pub fn doc(mut self, doc: impl Into<Cow<'static, str>>) -> Self {
        self.doc = doc.into();
        self
    }

    pub fn group(
        mut self,
        group: impl Into<Cow<'static, str>>,
        order: i32,
        width: Width,
        display_name: impl Into<Cow<'static, str>>,
    ) -> Self {
        self.group = Some(group.into());
        self.order = order;
        self.width = width;
        self.display_name = display_name.into();
        self
    }

    pub fn validator(mut self, validator: Validator) -> Self {
        self.validator = Some(validator);
        self
    }

    pub fn recommended(mut self, values: &[&'static str]) -> Self {
        self.recommended = values.iter().map(|v| Cow::Borrowed(*v)).collect();
        self
    }

    pub fn dependents(mut self, keys: &[&'static str]) -> Self {
        self.dependents = keys.iter().map(|k| Cow::Borrowed(*k)).collect();
        self
    }

    /// Parses a text that somebody wrote for this key, by Java's rules for its type.
    pub fn parse(&self, text: &str, class_exists: fn(&str) -> bool) -> Result<Parsed, String> {
        let trimmed = java_trim(text);
        // Java's messages show what was written, blanks and all.
        let invalid = |why: &str| {
            let shown = if self.kind == Kind::Password {
                "[hidden]"
            } else {
                text
            };
            format!(
                "Invalid value {shown} for configuration {}: {why}",
                self.name
            )
        };
        let not_a_number = || invalid(&format!("Not a number of type {}", self.kind.name()));
        match self.kind {
            Kind::Boolean if trimmed.eq_ignore_ascii_case("true") => Ok(Parsed::Boolean(true)),
            Kind::Boolean if trimmed.eq_ignore_ascii_case("false") => Ok(Parsed::Boolean(false)),
            Kind::Boolean => Err(invalid("Expected value to be either true or false")),
            Kind::String => Ok(Parsed::String(trimmed.to_owned())),
            Kind::Int => trimmed
                .parse::<i32>()
                .map(|v| Parsed::Int(v.into()))
                .map_err(|_| not_a_number()),
            Kind::Short => trimmed
                .parse::<i16>()
                .map(|v| Parsed::Int(v.into()))
                .map_err(|_| not_a_number()),
            Kind::Long => trimmed
                .parse::<i64>()
                .map(Parsed::Int)
                .map_err(|_| not_a_number()),
            Kind::Double => trimmed
                .parse::<f64>()
                .map(Parsed::Double)
                .map_err(|_| not_a_number()),
            Kind::List => Ok(Parsed::List(
                list_items(trimmed).map(ToOwned::to_owned).collect(),
            )),
            Kind::Class if class_exists(trimmed) => Ok(Parsed::Class(trimmed.to_owned())),
            Kind::Class => Err(invalid(&format!("Class {text} could not be found."))),
            Kind::Password => Ok(Parsed::Password(Some(Password::new(trimmed)))),
        }
    }

    /// The default as a value; a password without one is a password that holds nothing.
    fn default_value(&self, class_exists: fn(&str) -> bool) -> Option<Parsed> {
        match &self.default {
            Default::Required => None,
            Default::Null if self.kind == Kind::Password => Some(Parsed::Password(None)),
            Default::Null => None,
            Default::Text(text) => self.parse(text, class_exists).ok(),
        }
    }

    /// The default as REST shows it.
    pub fn default_text(&self) -> Option<String> {
        self.default_value(|_| true).map(|value| value.to_text())
    }
}

/// A value of a setting, parsed.
#[derive(Clone, Debug, PartialEq)]
pub enum Parsed {
    Boolean(bool),
    /// INT, SHORT and LONG, within the bounds of the key's type.
    Int(i64),
    Double(f64),
    String(String),
    List(Vec<String>),
    Class(String),
    Password(Option<Password>),
}

impl Parsed {
    /// As REST answers show it.
    pub fn to_text(&self) -> String {
        match self {
            Parsed::Boolean(v) => v.to_string(),
            Parsed::Int(v) => v.to_string(),
            Parsed::Double(v) if v.fract() == 0.0 && v.abs() < 1e7 => format!("{v:.1}"),
            Parsed::Double(v) => v.to_string(),
            Parsed::String(v) | Parsed::Class(v) => v.clone(),
            Parsed::List(items) => items.join(","),
            Parsed::Password(_) => "[hidden]".to_owned(),
        }
    }

    /// As messages show it, which is Java's `toString` of the value: a list in brackets, a class with its kind.
    pub fn to_message(&self) -> String {
        match self {
            Parsed::List(items) => format!("[{}]", items.join(", ")),
            Parsed::Class(name) => format!("class {name}"),
            other => other.to_text(),
        }
    }
}

/// What validation found for one key.
#[derive(Clone, Debug)]
pub struct ConfigValue {
    pub name: String,
    /// `None` when unset without default, or unparsable.
    pub value: Option<Parsed>,
    pub recommended: Vec<String>,
    pub errors: Vec<String>,
    pub visible: bool,
}

/// The settings of one component, in order of definition.
#[derive(Clone, Debug)]
pub struct ConfigDef {
    keys: Vec<Key>,
    by_name: HashMap<Cow<'static, str>, usize>,
    class_exists: fn(&str) -> bool,
}

impl ConfigDef {
    pub fn new(keys: Vec<Key>) -> Self {
        let by_name = keys
            .iter()
            .enumerate()
            .map(|(i, key)| (key.name.clone(), i))
            .collect();
        ConfigDef {
            keys,
            by_name,
            class_exists: |_| true,
        }
    }

    /// Says which class names a CLASS key takes; all, unless told.
    pub fn with_classes(mut self, class_exists: fn(&str) -> bool) -> Self {
        self.class_exists = class_exists;
        self
    }

    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    pub fn key(&self, name: &str) -> Option<&Key> {
        self.by_name.get(name).map(|&index| &self.keys[index])
    }

    /// One result for each key, in order, with every error of it. Keys nobody defines are ignored, as in Connect.
    pub fn validate(&self, properties: &Properties) -> Vec<ConfigValue> {
        self.keys
            .iter()
            .map(|key| self.validate_key(key, properties))
            .collect()
    }

    fn validate_key(&self, key: &Key, properties: &Properties) -> ConfigValue {
        let mut errors = Vec::new();
        let value = match properties.entry(&key.name) {
            Some(Some(text)) => key
                .parse(text, self.class_exists)
                .map_err(|error| errors.push(error))
                .ok(),
            Some(None) => None,
            None => {
                if key.default == Default::Required {
                    errors.push(format!(
                        "Missing required configuration \"{}\" which has no default value.",
                        key.name
                    ));
                }
                key.default_value(self.class_exists)
            }
        };
        if let Some(validator) = &key.validator
            && let Err(error) = validator.check(&key.name, value.as_ref())
        {
            errors.push(error);
        }
        ConfigValue {
            name: key.name.to_string(),
            value,
            recommended: key.recommended.iter().map(ToString::to_string).collect(),
            errors,
            visible: true,
        }
    }
}

/// Reads a parsed value as a field's type; `config_def!` uses it.
pub trait FromParsed: Sized {
    fn from_parsed(value: Option<&Parsed>) -> Option<Self>;
}

macro_rules! from_parsed {
    ($type:ty, $pattern:pat => $value:expr) => {
        impl FromParsed for $type {
            fn from_parsed(value: Option<&Parsed>) -> Option<Self> {
                match value? {
                    $pattern => $value,
                    _ => None,
                }
            }
        }
    };
}

from_parsed!(bool, Parsed::Boolean(v) => Some(*v));
from_parsed!(i16, Parsed::Int(v) => i16::try_from(*v).ok());
from_parsed!(i32, Parsed::Int(v) => i32::try_from(*v).ok());
from_parsed!(i64, Parsed::Int(v) => Some(*v));
from_parsed!(f64, Parsed::Double(v) => Some(*v));
from_parsed!(String, Parsed::String(v) | Parsed::Class(v) => Some(v.clone()));
from_parsed!(Vec<String>, Parsed::List(v) => Some(v.clone()));
from_parsed!(Password, Parsed::Password(v) => v.clone());

impl<T: FromParsed> FromParsed for Option<T> {
    fn from_parsed(value: Option<&Parsed>) -> Option<Self> {
        Some(T::from_parsed(value))
    }
}

/// Defines a settings struct from one line per key.
///
/// ```
/// use millstream_core::config::{Importance, Key, Kind, Properties};
/// millstream_core::config_def! {
///     /// Settings of the example.
///     pub struct ExampleConfig {
///         /// Records in one object.
///         pub flush_size: i32 = Key::required("flush.size", Kind::Int).importance(Importance::High),
///         pub region: Option<String> = Key::null("region", Kind::String),
///     }
/// }
/// let properties = Properties::from_iter([("flush.size", "3")]);
/// let (config, values) = ExampleConfig::parse(&properties);
/// assert_eq!(config.unwrap().flush_size, 3);
/// assert!(values.iter().all(|v| v.errors.is_empty()));
/// ```
#[macro_export]
macro_rules! config_def {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident {
            $( $(#[$field_meta:meta])* $field_vis:vis $field:ident : $type:ty = $key:expr ),* $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug)]
        $vis struct $name { $( $(#[$field_meta])* $field_vis $field: $type, )* }

        impl $name {
            /// The keys, in order of definition.
            $vis fn keys() -> Vec<$crate::config::Key> {
                vec![ $( $key ),* ]
            }

            /// The definition of all keys.
            $vis fn definition() -> $crate::config::ConfigDef {
                $crate::config::ConfigDef::new(Self::keys())
            }

            /// The settings, unless any key has an error; and what validation found for every key.
            $vis fn parse(
                properties: &$crate::config::Properties,
            ) -> (Option<Self>, Vec<$crate::config::ConfigValue>) {
                let values = Self::definition().validate(properties);
                (Self::from_values(&values), values)
            }

            /// The settings from the results of `definition().validate(…)`, unless any key has an error.
            $vis fn from_values(values: &[$crate::config::ConfigValue]) -> Option<Self> {
                if values.iter().any(|value| !value.errors.is_empty()) {
                    return None;
                }
                let mut values = values.iter();
                Some($name {
                    $( $field: $crate::config::FromParsed::from_parsed(values.next()?.value.as_ref())?, )*
                })
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors_of(key: Key, text: &str) -> Vec<String> {
        let name = key.name.to_string();
        let properties = Properties::from_iter([(name.as_str(), text)]);
        ConfigDef::new(vec![key])
            .validate(&properties)
            .remove(0)
            .errors
    }

    #[test]
    fn says_what_kafka_says() {
        let tasks = Key::new("tasks.max", Kind::Int, "1").validator(Validator::AtLeast(1));
        assert_eq!(
            errors_of(tasks.clone(), "abc"),
            [
                "Invalid value abc for configuration tasks.max: Not a number of type INT",
                "Invalid value null for configuration tasks.max: Value must be non-null"
            ]
        );
        assert_eq!(
            errors_of(tasks, "0"),
            ["Invalid value 0 for configuration tasks.max: Value must be at least 1"]
        );
        assert_eq!(
            errors_of(Key::new("b", Kind::Boolean, "true"), "x"),
            ["Invalid value x for configuration b: Expected value to be either true or false"]
        );
        let missing =
            ConfigDef::new(vec![Key::required("k", Kind::String)]).validate(&Properties::default());
        assert_eq!(
            missing[0].errors,
            ["Missing required configuration \"k\" which has no default value."]
        );
    }
}
