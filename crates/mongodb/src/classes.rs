//! The class names that settings take, by what is wanted there. There is no class path here: a name is known or it is not.

use crate::config::{MongoConfig, PACKAGE};
use millstream_core::plugin::{ClassKind, on_class_path};

/// The classes that one setting takes.
pub(crate) struct Family {
    package: &'static str,
    names: &'static [&'static str],
    /// As Java calls what they implement.
    interface: &'static str,
    /// Whether their constructor takes the topic's configuration.
    takes_config: bool,
}

pub(crate) const ID_STRATEGIES: Family = Family {
    package: "processor.id.strategy.",
    names: &IDS,
    interface: "IdStrategy",
    takes_config: false,
};

pub(crate) const PROCESSORS: Family = Family {
    package: "processor.",
    names: &STEPS,
    interface: "PostProcessor",
    takes_config: true,
};

pub(crate) const WRITE_STRATEGIES: Family = Family {
    package: "writemodel.strategy.",
    names: &WRITES,
    interface: "WriteModelStrategy",
    takes_config: false,
};

pub(crate) const MAPPERS: Family = Family {
    package: "namespace.mapping.",
    names: &["DefaultNamespaceMapper", "FieldPathNamespaceMapper"],
    interface: "NamespaceMapper",
    takes_config: false,
};

pub(crate) const CDC_HANDLERS: Family = Family {
    package: "cdc.",
    names: &HANDLERS,
    interface: "CdcHandler",
    takes_config: true,
};

const FAMILIES: [Family; 5] = [
    ID_STRATEGIES,
    PROCESSORS,
    WRITE_STRATEGIES,
    MAPPERS,
    CDC_HANDLERS,
];

const IDS: [&str; 10] = [
    "BsonOidStrategy",
    "KafkaMetaDataStrategy",
    "FullKeyStrategy",
    "ProvidedInKeyStrategy",
    "ProvidedInValueStrategy",
    "PartialKeyStrategy",
    "PartialValueStrategy",
    "UuidStrategy",
    "UuidProvidedInKeyStrategy",
    "UuidProvidedInValueStrategy",
];

const STEPS: [&str; 13] = [
    "DocumentIdAdder",
    "KafkaMetaAdder",
    "NullFieldValueRemover",
    "AllowListKeyProjector",
    "AllowListValueProjector",
    "BlockListKeyProjector",
    "BlockListValueProjector",
    "WhitelistKeyProjector",
    "WhitelistValueProjector",
    "BlacklistKeyProjector",
    "BlacklistValueProjector",
    "field.renaming.RenameByMapping",
    "field.renaming.RenameByRegExp",
];

const WRITES: [&str; 10] = [
    "DefaultWriteModelStrategy",
    "ReplaceOneDefaultStrategy",
    "InsertOneDefaultStrategy",
    "UpdateOneDefaultStrategy",
    "UpdateOneTimestampsStrategy",
    "ReplaceOneBusinessKeyStrategy",
    "UpdateOneBusinessKeyTimestampStrategy",
    "DeleteOneDefaultStrategy",
    "DeleteOneBusinessKeyStrategy",
    "DeleteOneTombstoneBusinessKeyStrategy",
];

const HANDLERS: [&str; 7] = [
    "debezium.mongodb.ChangeStreamHandler",
    "debezium.mongodb.MongoDbHandler",
    "debezium.rdbms.RdbmsHandler",
    "debezium.rdbms.mysql.MysqlHandler",
    "debezium.rdbms.postgres.PostgresHandler",
    "mongodb.ChangeStreamHandler",
    "qlik.rdbms.RdbmsHandler",
];

/// The default of `delete.writemodel.strategy`.
const DELETE_ONE: &str =
    "com.mongodb.kafka.connect.sink.writemodel.strategy.DeleteOneDefaultStrategy";

/// What the constructor of a processor or a handler takes.
const TOPIC_CONFIG: &str = "com.mongodb.kafka.connect.sink.MongoSinkTopicConfig";

impl Family {
    fn short<'a>(&self, class: &'a str) -> Option<&'a str> {
        let short = class.strip_prefix(PACKAGE)?.strip_prefix(self.package)?;
        self.names.contains(&short).then_some(short)
    }

    /// The class's short name, if it is one of these.
    ///
    /// # Errors
    /// Java's reason: the class is another kind's, or nobody's. It is empty where Java has none.
    pub(crate) fn short_name<'a>(&self, class: &'a str) -> Result<&'a str, String> {
        self.short(class).ok_or_else(|| {
            let own = FAMILIES.iter().find(|family| family.short(class).is_some());
            let is_interface = class == format!("{PACKAGE}{}{}", self.package, self.interface);
            let kind = on_class_path(class);
            let takes_same = match (own, kind) {
                (Some(own), _) => own.takes_config == self.takes_config,
                (None, Some(kind)) => kind == ClassKind::Plain && !self.takes_config,
                (None, None) => false,
            };
            if kind == Some(ClassKind::Abstract) && !self.takes_config {
                String::new()
            } else if takes_same {
                // What Java means to say; its cast comes too late for that, and the validation ends with 500.
                format!("Contract violation class doesn't implement: '{}'", self.interface)
            } else if own.is_some() || is_interface || kind.is_some() {
                let taken = if self.takes_config { TOPIC_CONFIG } else { "" };
                format!("Class could not be initialized, no public default constructor: {class}.<init>({taken})")
            } else {
                not_found(class)
            }
        })
    }
}

pub(crate) fn not_found(class: &str) -> String {
    format!("Class not found: {class}")
}

/// All classes that a setting may name.
pub(crate) fn all() -> impl Iterator<Item = String> {
    FAMILIES.into_iter().flat_map(|family| {
        let names = family.names.iter();
        names.map(move |name| format!("{PACKAGE}{}{name}", family.package))
    })
}

/// The chain of processors, where Java's validation names it in place of the strategy of ids that cannot be made: the step
/// that adds ids has asked for it, and deletes do not ask once more.
pub(crate) fn chain_that_asks_for_ids(config: &MongoConfig) -> Option<String> {
    let chain = &config.post_processor_chain;
    let mut made = chain
        .iter()
        .map_while(|class| PROCESSORS.short_name(class).ok());
    let deletes_ask =
        config.delete_on_null_values && config.delete_writemodel_strategy == DELETE_ONE;
    let asks = made.any(|step| step == "DocumentIdAdder") && !deletes_ask;
    asks.then(|| format!("[{}]", chain.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Java's connector says of them, but for those that end its validation with 500.
    #[test]
    fn a_class_of_another_kind_is_told_apart_from_none() {
        let reason = |family: &Family, class: &str| family.short_name(class).expect_err("a reason");
        let no_constructor = |class: &str, taken: &str| {
            format!(
                "Class could not be initialized, no public default constructor: {class}.<init>({taken})"
            )
        };
        const FILTER: &str = "org.apache.kafka.connect.transforms.Filter";
        const ADDER: &str = "com.mongodb.kafka.connect.sink.processor.KafkaMetaAdder";
        const NUMBER: &str = "java.lang.Integer";
        for family in [&ID_STRATEGIES, &WRITE_STRATEGIES, &MAPPERS] {
            assert_eq!(reason(family, NUMBER), no_constructor(NUMBER, ""));
            assert_eq!(reason(family, ADDER), no_constructor(ADDER, ""));
            assert_eq!(reason(family, "abc"), "Class not found: abc");
            assert_eq!(
                reason(family, "org.apache.kafka.connect.transforms.Cast"),
                ""
            );
            let violation = format!(
                "Contract violation class doesn't implement: '{}'",
                family.interface
            );
            assert_eq!(reason(family, FILTER), violation);
        }
        for family in [&PROCESSORS, &CDC_HANDLERS] {
            assert_eq!(reason(family, NUMBER), no_constructor(NUMBER, TOPIC_CONFIG));
            assert_eq!(reason(family, FILTER), no_constructor(FILTER, TOPIC_CONFIG));
        }
        assert_eq!(
            reason(&CDC_HANDLERS, ADDER),
            "Contract violation class doesn't implement: 'CdcHandler'"
        );
        assert_eq!(PROCESSORS.short_name(ADDER), Ok("KafkaMetaAdder"));
    }
}
