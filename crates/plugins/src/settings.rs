//! What the settings of several plugins share: the step from parsed keys to a plugin or its refusal, and validators.

use millstream_core::config::validator::invalid;
use millstream_core::config::{Key, Kind, Parsed, Validator};
use millstream_core::{ConfigValue, PluginError};

/// The settings, or the first error as Java's constructor throws it.
pub(crate) fn checked<T>(
    (config, values): (Option<T>, Vec<ConfigValue>),
) -> Result<T, PluginError> {
    config.ok_or_else(|| {
        let error = values.into_iter().flat_map(|value| value.errors).next();
        PluginError::config(error.unwrap_or_else(|| "the settings are incomplete".to_owned()))
    })
}

/// The key that many transforms share.
pub(crate) fn replace_null_with_default() -> Key {
    Key::new("replace.null.with.default", Kind::Boolean, "true").doc(
        "Whether to replace fields that have a default value and that are null to the default value. When set to \
         true, the default value is used, otherwise null is used.",
    )
}

/// Kafka's check of a list whose items must be distinct, not blank, and there.
pub(crate) fn distinct_non_empty(name: &str, value: Option<&Parsed>) -> Result<(), String> {
    const DISTINCT: Validator = Validator::List {
        may_be_empty: false,
        may_repeat: false,
    };
    match value {
        Some(_) => DISTINCT.check(name, value),
        None => Err(format!("Configuration '{name}' values must not be null.")),
    }
}

/// Kafka's older check of a list.
pub(crate) fn non_empty_list(name: &str, value: Option<&Parsed>) -> Result<(), String> {
    match value {
        Some(Parsed::List(items)) if !items.is_empty() => Ok(()),
        _ => Err(invalid(name, value, "Empty list")),
    }
}

/// Kafka's check of a string that may be empty.
pub(crate) fn non_null(name: &str, value: Option<&Parsed>) -> Result<(), String> {
    match value {
        Some(_) => Ok(()),
        None => Err(invalid(name, value, "entry must be non null")),
    }
}
