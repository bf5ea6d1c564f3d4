//! Subjects: the names under which a registry keeps the versions of a schema.

use millstream_core::config::Parsed;
use millstream_core::rejected::SERIALIZATION_EXCEPTION;
use millstream_core::{ConverterUse, RecordError};

const PACKAGE: &str = "io.confluent.kafka.serializers.subject.";

/// How a schema's subject is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SubjectStrategy {
    Topic,
    Record,
    TopicRecord,
}

const ALL: [SubjectStrategy; 3] = [
    SubjectStrategy::Topic,
    SubjectStrategy::Record,
    SubjectStrategy::TopicRecord,
];

impl SubjectStrategy {
    pub(crate) fn class(self) -> &'static str {
        match self {
            SubjectStrategy::Topic => "io.confluent.kafka.serializers.subject.TopicNameStrategy",
            SubjectStrategy::Record => "io.confluent.kafka.serializers.subject.RecordNameStrategy",
            SubjectStrategy::TopicRecord => {
                "io.confluent.kafka.serializers.subject.TopicRecordNameStrategy"
            }
        }
    }

    /// By the full name of its class, or that without the package.
    pub(crate) fn named(class: &str) -> Option<Self> {
        ALL.into_iter().find(|strategy| {
            strategy.class() == class || strategy.class().strip_prefix(PACKAGE) == Some(class)
        })
    }

    /// Whether the schema has to be known before its subject is.
    pub(crate) fn uses_schema(self) -> bool {
        self != SubjectStrategy::Topic
    }

    /// The subject of a schema; `record` is its full name, if it has one.
    ///
    /// # Errors
    /// A schema without a name, where names count.
    pub(crate) fn subject(
        self,
        topic: &str,
        role: ConverterUse,
        record: Option<&str>,
    ) -> Result<String, RecordError> {
        let role = match role {
            ConverterUse::Key => "key",
            ConverterUse::Value => "value",
        };
        match (self, record) {
            (SubjectStrategy::Topic, _) => Ok(format!("{topic}-{role}")),
            (SubjectStrategy::Record, Some(record)) => Ok(record.to_owned()),
            (SubjectStrategy::TopicRecord, Some(record)) => Ok(format!("{topic}-{record}")),
            (SubjectStrategy::Record | SubjectStrategy::TopicRecord, None) => {
                Err(RecordError::new(
                    SERIALIZATION_EXCEPTION,
                    format!(
                        "In configuration {role}.subject.name.strategy = {}, the message {role} must only be a record schema",
                        self.class()
                    ),
                ))
            }
        }
    }
}

/// The validator of the two keys.
pub(crate) fn check_strategy(name: &str, value: Option<&Parsed>) -> Result<(), String> {
    match value {
        Some(Parsed::Class(class)) if SubjectStrategy::named(class).is_none() => Err(format!(
            "Invalid value {class} for configuration {name}: classes of Java's cannot be loaded; there are {}",
            ALL.map(SubjectStrategy::class).join(", ")
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_subjects_as_the_original() {
        let named = |class: &str, record| {
            let strategy = SubjectStrategy::named(class).unwrap();
            strategy
                .subject("t", ConverterUse::Value, record)
                .map_err(|e| e.message)
        };
        assert_eq!(named("TopicNameStrategy", None).as_deref(), Ok("t-value"));
        let record = SubjectStrategy::Record.class();
        assert_eq!(named(record, Some("a.B")).as_deref(), Ok("a.B"));
        assert_eq!(
            named("TopicRecordNameStrategy", Some("a.B")).as_deref(),
            Ok("t-a.B")
        );
        assert!(
            named(record, None).is_err_and(|why| why.ends_with("must only be a record schema"))
        );
        assert_eq!(SubjectStrategy::named("my.Strategy"), None);
    }
}
