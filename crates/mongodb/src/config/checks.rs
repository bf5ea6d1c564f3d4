//! The validators of single settings, with the original's texts.

use crate::json;
use crate::uri::ConnectionString;
use millstream_core::Properties;
use millstream_core::config::validator::{invalid, invalid_null};
use millstream_core::config::{ConfigValue, Parsed};
use millstream_java::date_time::{DateTimePattern, PatternError};

type Checked = Result<(), String>;

/// Where the original has a check, it fails on a null, as a request of its own; here that is an error of the key.
fn text<'a>(name: &str, value: Option<&'a Parsed>) -> Result<&'a str, String> {
    match value {
        Some(Parsed::String(text)) => Ok(text),
        _ => Err(invalid_null(name)),
    }
}

fn refuse(name: &str, value: Option<&Parsed>, why: &str) -> Checked {
    Err(invalid(name, value, why))
}

/// The text does not show the string: it may hold a password.
pub(crate) fn connection_string(name: &str, value: Option<&Parsed>) -> Checked {
    let Some(Parsed::Password(Some(uri))) = value else {
        return Err(invalid_null(name));
    };
    ConnectionString::parse(uri.reveal())
        .map(|_| ())
        .or_else(|error| refuse(name, value, &error.message))
}

pub(crate) fn server_api_version(name: &str, value: Option<&Parsed>) -> Checked {
    match text(name, value)? {
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
    if text(name, value)?.is_empty() {
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
    if looks_like_a_class(text(name, value)?) {
        Ok(())
    } else {
        refuse(name, value, "Does not match expected class pattern.")
    }
}

pub(crate) fn class_or_empty(name: &str, value: Option<&Parsed>) -> Checked {
    if text(name, value)?.is_empty() {
        Ok(())
    } else {
        class(name, value)
    }
}

pub(crate) fn class_list(name: &str, value: Option<&Parsed>) -> Checked {
    match value {
        Some(Parsed::List(classes)) if classes.iter().all(|class| looks_like_a_class(class)) => {
            Ok(())
        }
        Some(_) => refuse(
            name,
            value,
            "Contains a class name that does not match the expected class pattern.",
        ),
        None => Err(invalid_null(name)),
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

/// An empty text is an empty array.
pub(crate) fn json_array(name: &str, value: Option<&Parsed>) -> Checked {
    let Ok(text) = text(name, value) else {
        const NULL: &str = "Cannot invoke \"String.isEmpty()\" because \"jsonArray\" is null";
        return refuse(name, value, NULL);
    };
    if text.is_empty() {
        return Ok(());
    }
    match json::parse_array(text).or_else(|error| {
        // The original tries once more with backslashes doubled.
        json::parse_array(&text.replace('\\', "\\\\")).map_err(|_| error)
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
    let text = text(name, value)?;
    if allowed.iter().any(|one| one.eq_ignore_ascii_case(text)) {
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
    if text(name, value)?.is_empty() {
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

/// What only this reader lacks is told where the pattern has an effect.
pub(crate) fn date_format(name: &str, value: Option<&Parsed>) -> Checked {
    let Some(Parsed::String(pattern)) = value else {
        return refuse(name, value, "pattern");
    };
    match DateTimePattern::compile(pattern, "") {
        Err(PatternError::Invalid(why)) => refuse(name, value, &why),
        Ok(_) | Err(PatternError::Unsupported(_)) => Ok(()),
    }
}

pub(crate) fn any_text(name: &str, value: Option<&Parsed>) -> Checked {
    text(name, value).map(|_| ())
}

/// Keys whose definitions take a null, which the original then fails on.
const NEEDED: [&str; 6] = [
    "topics",
    "database",
    "collection",
    "delete.on.null.values",
    "document.id.strategy.overwrite.existing",
    "timeseries.timefield",
];

/// Adds an error for each null that the original fails on.
pub(crate) fn refuse_nulls(properties: &Properties, values: &mut [ConfigValue]) {
    for value in values {
        if NEEDED.contains(&value.name.as_str()) && properties.entry(&value.name) == Some(None) {
            value.errors.push(invalid_null(&value.name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MongoConfig;
    use crate::topics::{self, Topics};

    fn with(key: &str, text: Option<&str>) -> Properties {
        let mut properties = Properties::from_iter([("topics", "t"), ("database", "d")]);
        match text {
            Some(text) => properties.insert(key, text),
            None => properties.insert_null(key),
        }
        properties
    }

    fn errors(key: &str, text: Option<&str>) -> Vec<(String, String)> {
        let values = topics::values(&with(key, text)).into_iter();
        let errors = values.flat_map(|value| {
            let name = value.name;
            value
                .errors
                .into_iter()
                .map(move |error| (name.clone(), error))
        });
        errors.collect()
    }

    fn said(key: &str, text: &str) -> Vec<String> {
        errors(key, Some(text))
            .into_iter()
            .map(|(_, error)| error)
            .collect()
    }

    /// The keys that take a null are those for which the original's validation has no error; its task goes on then.
    #[test]
    fn a_null_is_an_error_of_its_key_where_the_original_fails_on_it() {
        let mut taken = Vec::new();
        for key in MongoConfig::keys() {
            let errors = errors(&key.name, None);
            if errors.is_empty() {
                let properties = with(&key.name, None);
                let (config, _) = MongoConfig::parse(&properties.iter().collect());
                let config = config.expect("the others are right");
                assert!(Topics::new(&properties, &config).is_ok(), "{}", key.name);
                taken.push(key.name);
                continue;
            }
            assert_eq!(errors.len(), 1, "{errors:?}");
            assert_eq!(errors[0].0, key.name);
        }
        assert_eq!(
            taken,
            [
                "server.api.deprecation.errors",
                "server.api.strict",
                "connection.ssl.truststore",
                "connection.ssl.truststorePassword",
                "connection.ssl.keystore",
                "connection.ssl.keystorePassword",
                "csfle.enabled",
                "csfle.key.vault.namespace",
                "csfle.local.master.key",
                "csfle.schema.map",
                "csfle.bypass.query.analysis",
                "provider",
                "namespace.mapper.key.database.field",
                "namespace.mapper.key.collection.field",
                "namespace.mapper.value.database.field",
                "namespace.mapper.value.collection.field",
                "namespace.mapper.error.if.invalid",
                "bulk.write.ordered",
                "key.projection.list",
                "value.projection.list",
                "field.value.transformer.fields",
                "document.id.strategy.partial.key.projection.list",
                "document.id.strategy.partial.value.projection.list",
                "errors.log.enable",
                "mongo.errors.log.enable",
                "change.data.capture.handler.remove.null.values",
                "timeseries.metafield",
                "timeseries.timefield.auto.convert",
            ]
        );
    }

    #[test]
    fn a_list_of_names_may_be_empty_and_is_a_list() {
        let key = "field.renamer.mapping";
        assert_eq!(said(key, " "), [""; 0]);
        for (text, class) in [
            ("0", "java.lang.Integer"),
            ("99999999999", "java.lang.Long"),
            ("1.5", "java.lang.Double"),
            ("true", "java.lang.Boolean"),
            ("\"x\"", "java.lang.String"),
            ("{}", "org.bson.Document"),
        ] {
            let why =
                format!("java.lang.ClassCastException: Cannot cast {class} to java.util.List");
            assert_eq!(
                said(key, text),
                [format!(
                    "Invalid value {text} for configuration {key}: Invalid value {why} for configuration Not a valid JSON array"
                )]
            );
        }
    }

    #[test]
    fn a_pattern_of_topics_is_one_of_javas() {
        let refused = Properties::from_iter([("topics.regex", "("), ("database", "d")]);
        let mut values = topics::values(&refused);
        values.retain(|value| !value.errors.is_empty());
        assert_eq!(values.len(), 1);
        assert_eq!(
            values[0].errors,
            [
                "Invalid value ( for configuration topics.regex: Invalid regex: Unclosed group near index 1\n("
            ]
        );
        // Rust's own engine has no such thing as looking ahead.
        let ahead = Properties::from_iter([("topics.regex", "(?!x)t.*"), ("database", "d")]);
        let (config, _) = MongoConfig::parse(&ahead);
        let topics = Topics::new(&ahead, &config.expect("right")).map_err(|error| error.message);
        let mut topics = topics.expect("a pattern");
        assert!(topics.get("t1").is_ok());
        let error = topics.get("xt").expect_err("no match");
        assert!(
            error
                .to_string()
                .contains("Unknown topic: xt, does not match: (?!x)t.*"),
            "{error}"
        );
    }

    #[test]
    fn a_pattern_of_dates_is_one_of_javas() {
        let key = "timeseries.timefield.auto.convert.date.format";
        let refused = |why: &str, text: &str| {
            vec![format!(
                "Invalid value {text} for configuration {key}: {why}"
            )]
        };
        assert_eq!(said(key, "b"), refused("Unknown pattern letter: b", "b"));
        assert_eq!(said(key, "yyyy-MM-dd z"), [""; 0]);
    }
}
