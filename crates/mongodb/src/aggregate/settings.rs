//! What is totalled, as the settings say it.

use crate::topics;
use bson::Bson;
use millstream_core::config::{Importance, Key, Kind, Validator};
use millstream_core::{Properties, config_def};

const WINDOW: &str = "millstream.mongo.aggregate.window.ms";
const KEY: &str = "millstream.mongo.aggregate.key";
const FIELDS: &str = "millstream.mongo.aggregate.fields";

config_def! {
    /// The settings of totals, which the original does not have.
    pub(crate) struct AggregateConfig {
        window: i64 = Key::new(WINDOW, Kind::Long, "0").importance(Importance::Low)
            .validator(Validator::AtLeast(0))
            .doc("Writes totals of the records in place of the records: one document for each key and each window of so many milliseconds of the records' timestamps. 0: the records are written."),
        key: String = Key::new(KEY, Kind::String, "").importance(Importance::Low)
            .doc("The field of a value by which records belong to a document of totals, with dots between the names of nested ones; a text, a whole number, a boolean, a date or bytes. Needed with millstream.mongo.aggregate.window.ms."),
        fields: Vec<String> = Key::new(FIELDS, Kind::List, "").importance(Importance::Low)
            .doc("What is kept beside the number of records, as sum:amount,min:amount,max:amount,last:plan: sums and extremes of fields, and the value of the record with the latest timestamp. A field that is missing or null adds nothing; a sum takes numbers, an extreme numbers, texts and dates, and a record with another value there is a bad one."),
        lateness: i64 = Key::new("millstream.mongo.aggregate.lateness.ms", Kind::Long, "3600000").importance(Importance::Low)
            .validator(Validator::AtLeast(0))
            .doc("How long after the end of its window a record may still come, by the latest timestamp of its partition before it. One that is later is counted as late beside the totals, and not in them."),
        linger: i64 = Key::new("millstream.mongo.aggregate.linger.ms", Kind::Long, "500").importance(Importance::Low)
            .validator(Validator::Between(0, 60_000))
            .doc("How long the records of a partition are gathered before their totals are written. More of them come together in one update then, and are in the collection later."),
        without_key: String = Key::new("millstream.mongo.aggregate.without.key", Kind::String, "fail").importance(Importance::Low)
            .validator(Validator::OneOf(&["fail", "skip"]))
            .doc("What a record without the key's field is, or without a value. fail: a bad record, as errors.tolerance decides. skip: left out."),
    }
}

/// What is kept of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    Sum,
    Least,
    Most,
    Last,
}

impl Measure {
    const ALL: [Measure; 4] = [Measure::Sum, Measure::Least, Measure::Most, Measure::Last];

    /// As settings and documents call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Measure::Sum => "sum",
            Measure::Least => "min",
            Measure::Most => "max",
            Measure::Last => "last",
        }
    }
}

/// A measure of one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Measured {
    pub(crate) measure: Measure,
    pub(crate) path: String,
}

/// What a task of totals works with.
#[derive(Clone, Debug)]
pub(crate) struct AggregateSettings {
    /// Milliseconds; more than zero.
    pub(crate) window: i64,
    pub(crate) lateness: i64,
    pub(crate) linger: i64,
    pub(crate) key: String,
    pub(crate) measured: Vec<Measured>,
    /// Whether records without a key are left out.
    pub(crate) skips_keyless: bool,
}

/// A setting and what is wrong with it.
pub(crate) type Problem = (&'static str, String);

impl AggregateSettings {
    /// `None` where no totals are asked for. What single settings are refused for is told by their validation.
    ///
    /// # Errors
    /// All that is wrong with settings that are right by themselves.
    pub(crate) fn parse(properties: &Properties) -> Result<Option<Self>, Vec<Problem>> {
        let (config, values) = AggregateConfig::parse(properties);
        let Some(config) = config else {
            return Err(vec![(WINDOW, topics::first_error(&values))]);
        };
        if config.window == 0 {
            return Ok(None);
        }
        let mut problems = Vec::new();
        if config.key.is_empty() {
            problems.push((KEY, format!("{KEY} is missing: the field of a value by which records belong together, such as customer.id")));
        } else if let Err(why) = check_path(&config.key) {
            problems.push((KEY, invalid(KEY, &config.key, &why)));
        }
        let mut measured: Vec<Measured> = Vec::new();
        for text in &config.fields {
            match read(text).and_then(|one| apart(&measured, one)) {
                Ok(one) => measured.push(one),
                Err(why) => problems.push((FIELDS, invalid(FIELDS, text, &why))),
            }
        }
        for (topic, settings) in topics::of_all(properties) {
            if settings.cdc.is_some() || settings.time_series.is_some() {
                problems.push((WINDOW, format!("{WINDOW}: totals of {topic} are neither change events nor a time series; take change.data.capture.handler and timeseries.timefield out")));
            }
            if settings.namespace().is_none() {
                problems.push((WINDOW, format!("{WINDOW}: totals of {topic} stand in one collection; take the namespace.mapper settings out")));
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Some(AggregateSettings {
            window: config.window,
            lateness: config.lateness,
            linger: config.linger,
            key: config.key,
            measured,
            skips_keyless: config.without_key == "skip",
        }))
    }
}

impl AggregateSettings {
    /// By what records are told apart. Totals by something else are others.
    pub(crate) fn of(&self) -> String {
        format!("{} by {} ms", self.key, self.window)
    }
}

fn invalid(key: &str, value: &str, why: &str) -> String {
    format!("Invalid value {value} for configuration {key}: {why}")
}

fn read(text: &str) -> Result<Measured, String> {
    let (name, path) = text.split_once(':').unwrap_or((text, ""));
    let known = Measure::ALL.iter().find(|one| one.name() == name.trim());
    let (Some(&measure), path) = (known, path.trim()) else {
        return Err(
            "write sum, min, max or last, a colon and a field, such as sum:amount".to_owned(),
        );
    };
    check_path(path)?;
    Ok(Measured {
        measure,
        path: path.to_owned(),
    })
}

/// Two totals of a document need places of their own.
fn apart(others: &[Measured], one: Measured) -> Result<Measured, String> {
    let is_within = |outer: &str, inner: &str| {
        inner
            .strip_prefix(outer)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let other = others.iter().find(|other| {
        other.measure == one.measure
            && (is_within(&other.path, &one.path) || is_within(&one.path, &other.path))
    });
    match other {
        None => Ok(one),
        Some(other) if other.path == one.path => Err("it is there twice".to_owned()),
        Some(other) => Err(format!(
            "one document cannot hold it beside {}:{}, of which one is within the other",
            other.measure.name(),
            other.path
        )),
    }
}

/// The names of a path become names in a document.
fn check_path(path: &str) -> Result<(), String> {
    let is_name = |name: &str| !name.is_empty() && !name.starts_with('$') && !name.contains('\0');
    if path.split('.').all(is_name) {
        return Ok(());
    }
    Err(
        "a field is names with dots between them, none of which is empty or begins with $"
            .to_owned(),
    )
}

/// Whether a value is as good as none.
pub(crate) fn is_nothing(value: Option<&Bson>) -> bool {
    matches!(value, None | Some(Bson::Null | Bson::Undefined))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(more: &[(&str, &str)]) -> Result<Option<AggregateSettings>, Vec<Problem>> {
        let mut properties = Properties::from_iter([("topics", "t"), ("database", "d")]);
        for (key, value) in more {
            properties.insert(*key, *value);
        }
        AggregateSettings::parse(&properties)
    }

    #[test]
    fn totals_are_off_until_a_window_is_set() {
        assert!(parse(&[]).expect("right").is_none());
        let settings = parse(&[
            (WINDOW, "60000"),
            (KEY, "customer.id"),
            (FIELDS, "sum:amount, last:amount,min:a.b"),
        ]);
        let settings = settings.expect("right").expect("on");
        let shown: Vec<String> = settings
            .measured
            .iter()
            .map(|one| format!("{}:{}", one.measure.name(), one.path))
            .collect();
        assert_eq!(shown, ["sum:amount", "last:amount", "min:a.b"]);
        assert!(!settings.skips_keyless);
    }

    #[test]
    fn all_that_is_wrong_is_told_with_its_key() {
        let told = |more: &[(&str, &str)]| parse(more).expect_err("wrong");
        let problems = told(&[
            (WINDOW, "60000"),
            (
                FIELDS,
                "amount,sum:,sum:$a,sum:a,sum:a.b,max:a.b,sum:a,avg:a",
            ),
            (
                "change.data.capture.handler",
                "com.mongodb.kafka.connect.sink.cdc.qlik.rdbms.RdbmsHandler",
            ),
        ]);
        let keys: Vec<&str> = problems.iter().map(|(key, _)| *key).collect();
        assert_eq!(
            keys,
            [KEY, FIELDS, FIELDS, FIELDS, FIELDS, FIELDS, FIELDS, WINDOW],
            "{problems:?}"
        );
        let of_pair = &problems[4].1;
        assert!(
            of_pair.contains("sum:a.b") && of_pair.contains("beside sum:a"),
            "{of_pair}"
        );
        let problems = told(&[(WINDOW, "1"), (KEY, "a..b")]);
        assert!(problems[0].1.contains("names with dots"), "{problems:?}");
    }
}
