//! Default values in the JSON of Avro's schemas as values of Connect's.

use super::shape::only_branch;
use super::{AvroDataSettings, DEEPEST, defaults::from_latin1};
use crate::model::{Kind, TypeId};
use crate::schema::AvroSchema;
use millstream_core::logical::DAY_MILLIS;
use millstream_core::schema::{DATE, DECIMAL, TIME, TIMESTAMP};
use millstream_core::{Decimal, Map, Schema, SchemaRef, SchemaType, Struct, Value};
use serde_json::Value as Json;

/// The default of a type; `None` if the JSON does not fit it.
pub(super) fn value(
    avro: &AvroSchema,
    id: TypeId,
    default: &Json,
    schema: &Schema,
    settings: &AvroDataSettings,
) -> Option<Value> {
    let reader = DefaultReader { avro, settings };
    let schema = SchemaRef::new(schema.clone());
    reader.read(id, default, &schema, DEEPEST)
}

struct DefaultReader<'a> {
    avro: &'a AvroSchema,
    settings: &'a AvroDataSettings,
}

impl DefaultReader<'_> {
    fn read(&self, id: TypeId, json: &Json, schema: &SchemaRef, depth: usize) -> Option<Value> {
        let depth = depth.checked_sub(1)?;
        if json.is_null() {
            return schema.optional.then_some(Value::Null);
        }
        let int = || json.as_i64().and_then(|v| i32::try_from(v).ok());
        let bytes = || json.as_str().map(from_latin1);
        Some(match (schema.name.as_deref(), &self.avro[id].kind) {
            (Some(DATE), Kind::Int) => Value::Date(i64::from(int()?) * DAY_MILLIS),
            (Some(TIME), Kind::Int) => Value::Date(int()?.into()),
            (Some(TIMESTAMP), Kind::Long) => Value::Date(json.as_i64()?),
            (Some(DECIMAL), Kind::Bytes | Kind::Fixed(_)) => {
                let scale = schema.parameters.as_ref()?.get("scale")?.parse().ok()?;
                Value::Decimal(Decimal::from_unscaled_bytes(&bytes()?, scale))
            }
            (_, Kind::Int) => match schema.kind {
                SchemaType::Int8 => Value::Int8(int()? as i8),
                SchemaType::Int16 => Value::Int16(int()? as i16),
                _ => Value::Int32(int()?),
            },
            (_, Kind::Long) => Value::Int64(json.as_i64()?),
            (_, Kind::Float) => Value::Float32(json.as_f64()? as f32),
            (_, Kind::Double) => Value::Float64(json.as_f64()?),
            (_, Kind::Boolean) => Value::Boolean(json.as_bool()?),
            (_, Kind::String | Kind::Enum(_)) => Value::from(json.as_str()?),
            (_, Kind::Bytes | Kind::Fixed(_)) => Value::Bytes(bytes()?.into()),
            (_, Kind::Array(items)) if schema.kind == SchemaType::Array => {
                let element = schema.value_schema.as_ref()?;
                let items = json
                    .as_array()?
                    .iter()
                    .map(|item| self.read(*items, item, element, depth));
                Value::Array(items.collect::<Option<_>>()?)
            }
            (_, Kind::Map(values)) => {
                let element = schema.value_schema.as_ref()?;
                let pairs = json.as_object()?.iter().map(|(key, value)| {
                    let value = self.read(*values, value, element, depth)?;
                    Some((Value::from(key.as_str()), value))
                });
                Value::Map(Map::hashed(pairs.collect::<Option<Vec<_>>>()?))
            }
            (_, Kind::Record(record)) => {
                let object = json.as_object()?;
                let mut filled = Struct::new(SchemaRef::clone(schema));
                for (index, field) in record.fields.iter().enumerate() {
                    let of = &schema.fields.get(index)?.schema;
                    let json = object.get(&field.name).or(field.default.as_ref());
                    let value = self.read(field.schema, json.unwrap_or(&Json::Null), of, depth)?;
                    filled.put(index, value).ok()?;
                }
                Value::Struct(Box::new(filled))
            }
            (_, Kind::Union(branches)) => match only_branch(self.avro, branches, self.settings) {
                Some((only, _)) => self.read(only, json, schema, depth)?,
                None => {
                    // A default is one of the first branch.
                    let first = *branches.first()?;
                    let of = &schema.fields.first()?.schema;
                    let mut filled = Struct::new(SchemaRef::clone(schema));
                    filled.values[0] = self.read(first, json, of, depth)?;
                    Value::Struct(Box::new(filled))
                }
            },
            (_, Kind::Null | Kind::Array(_)) => return None,
        })
    }
}
