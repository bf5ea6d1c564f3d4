//! ReplaceField: leaves out and renames fields.

use super::{
    Derived, Part, add_field, copy_basics, field_value, key_and_value, require_map, require_struct,
    rewrite,
};
use crate::settings::{checked, replace_null_with_default};
use millstream_core::config::validator::invalid;
use millstream_core::config::{Key, Kind, Parsed, Validator};
use millstream_core::converter::RowErrors;
use millstream_core::{
    Edit, Map, Needs, PluginError, Properties, RecordBatch, RecordError, RowMask, SchemaAndValue,
    Struct, Transform, Value, config_def,
};
use std::borrow::Cow;
use std::sync::Arc;

key_and_value!(
    ReplaceField,
    ReplaceFieldConfig,
    "org.apache.kafka.connect.transforms.ReplaceField"
);

const PURPOSE: &str = "field replacement";

const DISTINCT: Validator = Validator::List {
    may_be_empty: true,
    may_repeat: false,
};

config_def! {
    struct ReplaceFieldConfig {
        exclude: Vec<String> = Key::new("exclude", Kind::List, "")
            .doc("Fields to exclude. This takes precedence over the fields to include.")
            .validator(DISTINCT),
        include: Vec<String> = Key::new("include", Kind::List, "")
            .doc("Fields to include. If specified, only these fields will be used.")
            .validator(DISTINCT),
        renames: Vec<String> = Key::new("renames", Kind::List, "")
            .doc("Field rename mappings.")
            .validator(Validator::Check(check_renames)),
        replace_null_with_default: bool = replace_null_with_default(),
    }
}

/// Old name and new name of a mapping, split as Java's `split` does.
fn parse_rename(mapping: &str) -> Option<(&str, &str)> {
    let (old, new) = mapping.split_once(':')?;
    (!new.is_empty() && !new.contains(':')).then_some((old, new))
}

fn check_renames(name: &str, value: Option<&Parsed>) -> Result<(), String> {
    let Some(Parsed::List(mappings)) = value else {
        return Ok(());
    };
    match mappings
        .iter()
        .find(|mapping| parse_rename(mapping).is_none())
    {
        Some(mapping) => Err(invalid(
            name,
            value,
            &format!("Invalid rename mapping: {mapping}"),
        )),
        None => Ok(()),
    }
}

struct ReplaceField {
    part: Part,
    names: Arc<Names>,
    replace_null_with_default: bool,
    schemas: Derived,
}

impl ReplaceField {
    fn new(properties: &Properties, part: Part) -> Result<Self, PluginError> {
        let config = checked(ReplaceFieldConfig::parse(properties))?;
        let renames = config.renames.iter().filter_map(|mapping| {
            parse_rename(mapping).map(|(old, new)| (old.to_owned(), new.to_owned()))
        });
        Ok(ReplaceField {
            part,
            names: Arc::new(Names {
                renames: renames.collect(),
                include: config.include,
                exclude: config.exclude,
            }),
            replace_null_with_default: config.replace_null_with_default,
            schemas: Derived::default(),
        })
    }

    fn replace(&mut self, taken: SchemaAndValue) -> Result<SchemaAndValue, RecordError> {
        if taken.value.is_null() {
            return Ok(taken);
        }
        let names = &self.names;
        let Some(schema) = taken.schema else {
            let old = require_map(taken.value, PURPOSE)?;
            let size = old.len();
            let kept = old.into_entries().into_iter().filter_map(|(key, value)| {
                let name = match &key {
                    Value::String(text) => text.to_java_utf8(),
                    other => Cow::Owned(other.to_string()),
                };
                let is_kept = names.keeps(&name);
                let renamed = names.renamed(&name).map(Value::from);
                is_kept.then(|| (renamed.unwrap_or(key), value))
            });
            return Ok(SchemaAndValue {
                schema: None,
                value: Value::Map(Map::hashed_with_capacity(size, kept)),
            });
        };
        let old = require_struct(taken.value, PURPOSE)?;
        let updated = self.schemas.get(&schema, |schema| {
            let mut updated = copy_basics(schema);
            for field in &schema.fields {
                if names.keeps(&field.name) {
                    let name = names.renamed(&field.name).unwrap_or(&field.name);
                    add_field(&mut updated, name, field.schema.clone())?;
                }
            }
            Ok(updated)
        })?;
        let mut record = Struct::new(updated.clone());
        let mut place = 0;
        for (index, field) in old.schema.fields.iter().enumerate() {
            if names.keeps(&field.name) {
                let value = field_value(&old, index, self.replace_null_with_default);
                record.put(place, value)?;
                place += 1;
            }
        }
        Ok(SchemaAndValue {
            schema: Some(updated),
            value: Value::Struct(Box::new(record)),
        })
    }
}

/// What becomes of a name; the names are those before renaming.
struct Names {
    include: Vec<String>,
    exclude: Vec<String>,
    renames: Vec<(String, String)>,
}

impl Names {
    fn keeps(&self, name: &str) -> bool {
        let listed = |list: &[String]| list.iter().any(|known| known == name);
        !listed(&self.exclude) && (self.include.is_empty() || listed(&self.include))
    }

    fn renamed(&self, name: &str) -> Option<&str> {
        let mut found = self.renames.iter().rev().filter(|(old, _)| old == name);
        found.next().map(|(_, new)| new.as_str())
    }
}

impl Transform for ReplaceField {
    fn class_name(&self) -> &str {
        self.part.pick(KEY.class, VALUE.class)
    }

    fn needs(&self) -> Needs {
        self.part.needs()
    }

    fn apply(
        &mut self,
        batch: &mut RecordBatch,
        mask: &RowMask,
        _keep: &mut RowMask,
        errors: &mut RowErrors,
    ) {
        rewrite(self.part.of(batch), mask, errors, |_, taken| {
            self.replace(taken)
        });
    }

    fn edits(&self) -> Option<Vec<Edit>> {
        let names = self.names.clone();
        Some(vec![Edit::Select(Arc::new(move |name| {
            let kept = names.keeps(name).then_some(name)?;
            Some(names.renamed(kept).unwrap_or(kept).to_owned())
        }))])
    }
}
