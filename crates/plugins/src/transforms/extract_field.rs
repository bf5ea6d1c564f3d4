//! ExtractField: the key or value becomes one of its fields.

mod path;

use super::{Part, key_and_value, require_map, require_struct, rewrite};
use crate::settings::{checked, replace_null_with_default};
use millstream_core::config::{Importance, Key, Kind, Validator};
use millstream_core::converter::RowErrors;
use millstream_core::{
    Needs, PluginError, Properties, RecordBatch, RecordError, RowMask, SchemaAndValue, Transform,
    Value, config_def,
};
use path::FieldPath;

key_and_value!(
    ExtractField,
    ExtractFieldConfig,
    "org.apache.kafka.connect.transforms.ExtractField"
);

const PURPOSE: &str = "field extraction";

config_def! {
    struct ExtractFieldConfig {
        field: String = Key::required("field", Kind::String).doc("Field name to extract."),
        replace_null_with_default: bool = replace_null_with_default(),
        syntax: String = Key::new("field.syntax.version", Kind::String, "V1")
            .importance(Importance::High)
            .doc(
                "Defines the version of the syntax to access fields. If set to <code>V1</code>, then the field paths \
                 are limited to access the elements at the root level of the struct or map. If set to \
                 <code>V2</code>, the syntax will support accessing nested elements. To access nested elements, \
                 dotted notation is used. If dots are already included in the field name, then backtick pairs can be \
                 used to wrap field names containing dots. E.g. to access the subfield <code>baz</code> from a field \
                 named \"foo.bar\" in a struct/map the following format can be used to access its elements: \
                 \"<code>foo.bar</code>.baz\".",
            )
            .validator(Validator::OneOfIgnoringCase(&["V1", "V2"])),
    }
}

struct ExtractField {
    part: Part,
    field: String,
    path: FieldPath,
    replace_null_with_default: bool,
}

impl ExtractField {
    fn new(properties: &Properties, part: Part) -> Result<Self, PluginError> {
        let config = checked(ExtractFieldConfig::parse(properties))?;
        let path = if config.syntax.eq_ignore_ascii_case("V2") {
            FieldPath::parse(&config.field).map_err(PluginError::config)?
        } else {
            FieldPath::single(&config.field)
        };
        Ok(ExtractField {
            part,
            field: config.field,
            path,
            replace_null_with_default: config.replace_null_with_default,
        })
    }

    fn extract(&self, taken: SchemaAndValue) -> Result<SchemaAndValue, RecordError> {
        let SchemaAndValue { schema, value } = taken;
        let Some(schema) = schema else {
            let value = match value {
                Value::Null => Value::Null,
                value => self.path.value_in_map(require_map(value, PURPOSE)?)?,
            };
            return Ok(SchemaAndValue {
                schema: None,
                value,
            });
        };
        let record = match value {
            Value::Null => None,
            value => Some(require_struct(value, PURPOSE)?),
        };
        let Some(field) = self.path.schema_in(&schema)? else {
            return Err(RecordError::new(
                "java.lang.IllegalArgumentException",
                format!("Unknown field: {}", self.field),
            ));
        };
        let value = record.map_or(Value::Null, |record| {
            self.path
                .value_in_struct(&record, self.replace_null_with_default)
        });
        Ok(SchemaAndValue {
            schema: Some(field),
            value,
        })
    }
}

impl Transform for ExtractField {
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
            self.extract(taken)
        });
    }
}
