//! TopicCreation: by which rules the topics of a source connector are made (`topic.creation.*`).

use millstream_core::config::{Importance, Key, Kind, Parsed, Validator, validator};
use millstream_core::{ConfigDef, ConfigValue, Properties};
use millstream_java::regex::JavaRegex;
use std::sync::Arc;

/// The group that every topic falls into that no other takes.
const DEFAULT: &str = "default";

/// The groups in the order in which they are asked; the last takes every topic.
#[derive(Clone, Debug)]
pub struct TopicCreation(Arc<Vec<Group>>);

#[derive(Debug)]
struct Group {
    include: Vec<JavaRegex>,
    exclude: Vec<JavaRegex>,
    topic: TopicShape,
}

/// What a topic is made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicShape {
    /// −1: as many as the brokers make by default.
    pub partitions: i32,
    /// −1: as the brokers' default.
    pub replication: i16,
    pub configs: Vec<(String, String)>,
}

impl TopicCreation {
    /// Reads the groups; `keys` are those below `topic.creation.`. Without any there are no rules.
    ///
    /// # Errors
    /// The first error of any key, with Java's text.
    pub(crate) fn read(groups: &[String], keys: &Properties) -> Result<Option<Self>, String> {
        if keys.is_empty() {
            return Ok(None);
        }
        let default = Group::read(DEFAULT, keys, None)?;
        let named = groups.iter().filter(|name| *name != DEFAULT);
        let named = named.map(|name| Group::read(name, keys, Some(&default.topic)));
        let mut groups = named.collect::<Result<Vec<_>, _>>()?;
        groups.push(default);
        Ok(Some(TopicCreation(Arc::new(groups))))
    }

    /// What a topic of this name is made with.
    ///
    /// # Errors
    /// A pattern that cannot be decided on the name.
    pub fn shape(&self, topic: &str) -> Result<&TopicShape, String> {
        for group in self.0.iter() {
            if group.takes(topic)? {
                return Ok(&group.topic);
            }
        }
        Err(format!(
            "no group of topic.creation.groups takes topic {topic}"
        ))
    }
}

impl Group {
    /// Reads the keys of one group; without an `other` it is the one that has to say everything.
    fn read(name: &str, keys: &Properties, other: Option<&TopicShape>) -> Result<Self, String> {
        let own = keys.with_prefix(&format!("{name}."));
        let definition = definition(name, other);
        let prefixed = keys
            .iter()
            .map(|(key, value)| (format!("topic.creation.{key}"), value));
        let values = definition.validate(&Properties::from_iter(prefixed));
        if let Some(error) = values.iter().flat_map(|value| &value.errors).next() {
            return Err(error.clone());
        }
        let number = |place: usize| match values.get(place).and_then(|value| value.value.as_ref()) {
            Some(Parsed::Int(number)) => *number,
            _ => -1,
        };
        let patterns = |place: usize| patterns(values.get(place));
        let defined = ["partitions", "replication.factor", "include", "exclude"];
        let others = own.iter().filter(|(key, _)| !defined.contains(key));
        Ok(Group {
            include: match other {
                Some(_) => patterns(2)?,
                None => vec![JavaRegex::compile(".*")?],
            },
            exclude: match other {
                Some(_) => patterns(3)?,
                None => Vec::new(),
            },
            topic: TopicShape {
                partitions: i32::try_from(number(0)).unwrap_or(-1),
                replication: i16::try_from(number(1)).unwrap_or(-1),
                configs: others
                    .map(|(key, value)| (key.to_owned(), value.to_owned()))
                    .collect(),
            },
        })
    }

    fn takes(&self, topic: &str) -> Result<bool, String> {
        let any = |patterns: &[JavaRegex]| -> Result<bool, String> {
            for pattern in patterns {
                if pattern
                    .is_full_match(topic)
                    .map_err(|error| error.message)?
                {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        Ok(any(&self.include)? && !any(&self.exclude)?)
    }
}

fn patterns(value: Option<&ConfigValue>) -> Result<Vec<JavaRegex>, String> {
    let Some(Parsed::List(patterns)) = value.and_then(|value| value.value.as_ref()) else {
        return Ok(Vec::new());
    };
    patterns
        .iter()
        .map(|pattern| JavaRegex::compile(pattern))
        .collect()
}

/// The keys of a group: what `other` says is the default.
fn definition(name: &str, other: Option<&TopicShape>) -> ConfigDef {
    let key = |key: &str| format!("topic.creation.{name}.{key}");
    let number = |name: String, kind: Kind, default: Option<i64>| {
        let key = match default {
            Some(default) => Key::new(name, kind, default.to_string()),
            None => Key::required(name, kind),
        };
        key.importance(Importance::Low)
            .validator(Validator::Check(positive_or_default))
    };
    let partitions = other.map(|other| i64::from(other.partitions));
    let replication = other.map(|other| i64::from(other.replication));
    let mut keys = vec![
        number(key("partitions"), Kind::Int, partitions),
        number(key("replication.factor"), Kind::Short, replication),
    ];
    if other.is_some() {
        keys.push(Key::required(key("include"), Kind::List).importance(Importance::Low));
        keys.push(Key::new(key("exclude"), Kind::List, "").importance(Importance::Low));
    }
    ConfigDef::new(keys)
}

/// At least one, or −1 for what the brokers do by default.
fn positive_or_default(key: &str, value: Option<&Parsed>) -> Result<(), String> {
    match value {
        Some(Parsed::Int(number)) if *number > 0 || *number == -1 => Ok(()),
        value => {
            let what = if key.ends_with(".partitions") {
                "Number of partitions must be a positive number or -1 to use the broker's default"
            } else {
                "Replication factor must be a positive number or -1 to use the broker's default"
            };
            Err(validator::invalid(key, value, what))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_core::config::list_items;

    fn read(groups: &str, keys: &[(&str, &str)]) -> Result<Option<TopicCreation>, String> {
        let groups: Vec<String> = list_items(groups).map(str::to_owned).collect();
        TopicCreation::read(&groups, &Properties::from_iter(keys.iter().copied()))
    }

    const TWO: [(&str, &str); 2] = [
        ("default.partitions", "3"),
        ("default.replication.factor", "-1"),
    ];

    #[test]
    fn the_first_group_that_takes_a_name_makes_the_topic() {
        let mut keys = TWO.to_vec();
        keys.extend([
            ("groups", "a, b, default"),
            ("a.include", "x.*, y"),
            ("a.exclude", "x9"),
            ("a.cleanup.policy", "compact"),
            ("b.include", "x.*"),
            ("b.partitions", "7"),
            ("default.retention.ms", "1"),
        ]);
        let creation = read("a, b, default", &keys).expect("all is in order");
        let creation = creation.expect("there are keys");
        let shape = |topic: &str| {
            creation
                .shape(topic)
                .expect("the default takes all")
                .clone()
        };
        let config = |key: &str, value: &str| vec![(key.to_owned(), value.to_owned())];
        assert_eq!(
            shape("x1"),
            TopicShape {
                partitions: 3,
                replication: -1,
                configs: config("cleanup.policy", "compact")
            }
        );
        assert_eq!(shape("x9").partitions, 7);
        // A name has to match as a whole.
        assert_eq!(shape("yy").configs, config("retention.ms", "1"));
    }

    #[test]
    fn without_a_key_nothing_is_made_and_with_one_the_default_is_needed() {
        assert!(read("", &[]).expect("no error").is_none());
        let check = |groups: &str, keys: &[(&str, &str)], expected: &str| {
            let refused = read(groups, keys).map(|_| ()).expect_err(expected);
            assert_eq!(refused, expected);
        };
        check(
            "",
            &[("default.partitions", "1")],
            "Missing required configuration \"topic.creation.default.replication.factor\" which has no default value.",
        );
        check(
            "a",
            &TWO,
            "Missing required configuration \"topic.creation.a.include\" which has no default value.",
        );
        check(
            "",
            &[
                ("default.partitions", "0"),
                ("default.replication.factor", "1"),
            ],
            "Invalid value 0 for configuration topic.creation.default.partitions: Number of partitions must be a positive number or -1 to use the broker's default",
        );
    }
}
