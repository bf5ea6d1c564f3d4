//! The validators of single settings, with the original's texts.

use crate::json;
use crate::uri::ConnectionString;
use millstream_core::config::Parsed;
use millstream_core::config::validator::invalid;

type Checked = Result<(), String>;

fn text(value: Option<&Parsed>) -> &str {
    match value {
        Some(Parsed::String(text)) => text,
        _ => "",
    }
}

fn refuse(name: &str, value: Option<&Parsed>, why: &str) -> Checked {
    Err(invalid(name, value, why))
}

/// The Java syntax is checked as far as Rust's engine shares it.
pub(crate) fn regex(name: &str, value: Option<&Parsed>) -> Checked {
    match regex::Regex::new(text(value)) {
        Ok(_) => Ok(()),
        Err(error) => refuse(name, value, &format!("Invalid regex: {error}")),
    }
}

/// The text does not show the string: it may hold a password.
pub(crate) fn connection_string(name: &str, value: Option<&Parsed>) -> Checked {
    let Some(Parsed::Password(Some(uri))) = value else {
        return Ok(());
    };
    ConnectionString::parse(uri.reveal())
        .map(|_| ())
        .or_else(|error| refuse(name, value, &error.message))
}

pub(crate) fn server_api_version(name: &str, value: Option<&Parsed>) -> Checked {
    match text(value) {
        "" | "1" => Ok(()),
        other => refuse(
            name,
            value,
            &format!("Unsupported server API version: {other}"),
        ),
    }
}

/// The key that stands for all overrides of topics in the documentation; answers list it as not visible.
pub(crate) const OVERRIDE_PLACEHOLDER: &str = "topic.override.%s.%s";

pub(crate) fn override_placeholder(name: &str, value: Option<&Parsed>) -> Checked {
    if text(value).is_empty() {
        return Ok(());
    }
    refuse(
        name,
        value,
        "This configuration shouldn't be set directly. See the documentation about how to configure topic based overrides.\n\
         The overrides configuration allows for per topic customization of configuration. The customized overrides are \
         merged with the default configuration, to create the specific configuration for a topic.\n\
         For example, ``topic.override.foo.collection=bar`` will store data from the ``foo`` topic into the ``bar`` \
         collection.\nNote: All configuration options apart from 'connection.uri' and 'topics' are overridable.",
    )
}

pub(crate) fn class(name: &str, value: Option<&Parsed>) -> Checked {
    if looks_like_a_class(text(value)) {
        Ok(())
    } else {
        refuse(name, value, "Does not match expected class pattern.")
    }
}

pub(crate) fn class_or_empty(name: &str, value: Option<&Parsed>) -> Checked {
    if text(value).is_empty() {
        Ok(())
    } else {
        class(name, value)
    }
}

pub(crate) fn class_list(name: &str, value: Option<&Parsed>) -> Checked {
    match value {
        Some(Parsed::List(classes)) if !classes.iter().all(|class| looks_like_a_class(class)) => {
            refuse(
                name,
                value,
                "Contains a class name that does not match the expected class pattern.",
            )
        }
        _ => Ok(()),
    }
}

fn looks_like_a_class(name: &str) -> bool {
    name.split('.').all(|part| {
        let mut letters = part.chars();
        letters
            .next()
            .is_some_and(|c| c.is_alphabetic() || c == '_' || c == '$')
            && letters.all(|c| c.is_alphanumeric() || c == '_' || c == '$')
    })
}

pub(crate) fn json_array(name: &str, value: Option<&Parsed>) -> Checked {
    match json::parse_array(text(value)).or_else(|error| {
        // The original tries once more with backslashes doubled.
        json::parse_array(&text(value).replace('\\', "\\\\")).map_err(|_| error)
    }) {
        Ok(_) => Ok(()),
        Err(error) => refuse(
            name,
            value,
            &format!(
                "Invalid value {}: {} for configuration Not a valid JSON array",
                error.class, error.message
            ),
        ),
    }
}

fn one_of(name: &str, value: Option<&Parsed>, allowed: &[&str]) -> Checked {
    if allowed
        .iter()
        .any(|one| one.eq_ignore_ascii_case(text(value)))
    {
        return Ok(());
    }
    let list = allowed.join(", ");
    refuse(
        name,
        value,
        &format!("Invalid enumerator value. Should be one of: [{list}]"),
    )
}

fn empty_or(name: &str, value: Option<&Parsed>, allowed: &[&str]) -> Checked {
    if text(value).is_empty() {
        Ok(())
    } else {
        one_of(name, value, allowed)
    }
}

const PROJECTIONS: [&str; 5] = ["none", "blacklist", "whitelist", "allowlist", "blocklist"];

pub(crate) fn projection(name: &str, value: Option<&Parsed>) -> Checked {
    one_of(name, value, &PROJECTIONS)
}

pub(crate) fn projection_or_empty(name: &str, value: Option<&Parsed>) -> Checked {
    empty_or(name, value, &PROJECTIONS)
}

pub(crate) fn uuid_format(name: &str, value: Option<&Parsed>) -> Checked {
    one_of(name, value, &["string", "binary"])
}

pub(crate) fn tolerance(name: &str, value: Option<&Parsed>) -> Checked {
    one_of(name, value, &["none", "data", "all"])
}

pub(crate) fn granularity(name: &str, value: Option<&Parsed>) -> Checked {
    empty_or(name, value, &["seconds", "minutes", "hours"])
}
