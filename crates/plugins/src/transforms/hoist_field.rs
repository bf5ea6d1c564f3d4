//! HoistField: wraps the whole key or value in a struct or map of one field.

use super::{Derived, Part, add_field, key_and_value, rewrite};
use crate::settings::checked;
use millstream_core::config::{Key, Kind};
use millstream_core::converter::RowErrors;
use millstream_core::{
    Fusable, Map, Needs, PluginError, Properties, RecordBatch, RecordError, RowMask, Schema,
    SchemaAndValue, SchemaType, Struct, Transform, Value, config_def,
};

key_and_value!(
    HoistField,
    HoistFieldConfig,
    "org.apache.kafka.connect.transforms.HoistField"
);

config_def! {
    struct HoistFieldConfig {
        field: String = Key::required("field", Kind::String)
            .doc("Field name for the single field that will be created in the resulting Struct or Map."),
    }
}

struct HoistField {
    part: Part,
    field: String,
    schemas: Derived,
}

impl HoistField {
    fn new(properties: &Properties, part: Part) -> Result<Self, PluginError> {
        let config = checked(HoistFieldConfig::parse(properties))?;
        Ok(HoistField {
            part,
            field: config.field,
            schemas: Derived::default(),
        })
    }

    fn hoist(&mut self, taken: SchemaAndValue) -> Result<SchemaAndValue, RecordError> {
        let Some(schema) = taken.schema else {
            let pair = (Value::from(self.field.as_str()), taken.value);
            return Ok(SchemaAndValue {
                schema: None,
                value: Value::Map(Map::hashed([pair])),
            });
        };
        let hoisted = self.schemas.get(&schema, |_| {
            let mut hoisted = Schema::of(SchemaType::Struct);
            add_field(&mut hoisted, &self.field, schema.clone())?;
            Ok(hoisted)
        })?;
        let mut record = Struct::new(hoisted.clone());
        record.put(0, taken.value)?;
        Ok(SchemaAndValue {
            schema: Some(hoisted),
            value: Value::Struct(Box::new(record)),
        })
    }
}

impl Transform for HoistField {
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
            self.hoist(taken)
        });
    }

    fn fusable(&self) -> Option<Fusable> {
        (self.part == Part::Value).then(|| Fusable::HoistValue {
            field: self.field.clone(),
        })
    }
}
