//! Settings that would change what is read or written and that are not there: they are refused by name, never passed over.

use millstream_core::{ConverterUse, KeyError, Properties};

/// What is wrong, one sentence each.
pub(super) fn find(properties: &Properties, role: ConverterUse) -> Vec<KeyError> {
    let role = match role {
        ConverterUse::Key => "key",
        ConverterUse::Value => "value",
    };
    let mut errors = Vec::new();
    let mut refuse = |key: &str, is_harmless: fn(&str) -> bool, remedy: &str| {
        if let Some(value) = properties.get(key)
            && !is_harmless(value.trim())
        {
            errors.push((
                key.to_owned().into(),
                format!("this is not supported; {remedy}"),
            ));
        }
    };
    refuse(
        &format!("{role}.schema.id.serializer"),
        |class| class.ends_with(".PrefixSchemaIdSerializer"),
        "ids are written in front of the record, so leave it out",
    );
    refuse(
        &format!("{role}.schema.id.deserializer"),
        |class| class.ends_with(".DualSchemaIdDeserializer"),
        "ids are read from header and record, so leave it out",
    );
    refuse(
        "context.name.strategy",
        |class| class.ends_with(".NullContextNameStrategy"),
        "write the context into schema.registry.url, as https://host/contexts/.name",
    );
    let is_false = |value: &str| value.eq_ignore_ascii_case("false");
    refuse("schema.backup.enabled", is_false, "leave it out");
    refuse(
        "use.schema.guid",
        |value| value.is_empty(),
        "set use.schema.id",
    );
    refuse(
        "rule.executors",
        |value| value.is_empty(),
        "rules of schemas (encryption, migrations) need classes of Java's: leave it out",
    );
    errors
}
