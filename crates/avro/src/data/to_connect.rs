//! Avro schema to Connect schema.

use super::anything::ANYTHING;
use super::attributes::{
    set_default, set_doc, set_name, set_parameter, set_parameters, set_version,
};
use super::shape::{entry_of, only_branch};
use super::{
    AvroDataSettings, CONNECT_ENUM_DOC, CONNECT_TYPE, DECIMAL_PRECISION, DEEPEST, ENUM_DEFAULT,
    ENUM_DOC, FIELD_DOC, FIXED_SIZE, GENERALIZED_UNION, GENERALIZED_UNION_PREFIX, KEY_FIELD,
    LOGICAL_TYPE, RECORD_DOC, UNION, UNKNOWN_PRECISION, VALUE_FIELD,
};
use crate::model::{AvroType, Kind, Record, TypeId};
use crate::schema::AvroSchema;
use millstream_core::schema::{DATE, DECIMAL, TIME, TIMESTAMP};
use millstream_core::{Field, RecordError, Schema, SchemaRef, SchemaType};
use serde_json::Value as Json;

/// The Connect schema of an Avro schema; `None` for the record that holds anything, whose values are schemaless.
///
/// # Errors
/// A `DataException` where Connect has no such schema.
pub fn connect_schema(
    schema: &AvroSchema,
    settings: &AvroDataSettings,
) -> Result<Option<SchemaRef>, RecordError> {
    connect_schema_of_version(schema, None, settings)
}

/// As `connect_schema`; the version is the registry's, for a schema that does not say its own.
///
/// # Errors
/// As `connect_schema`.
pub fn connect_schema_of_version(
    schema: &AvroSchema,
    version: Option<i32>,
    settings: &AvroDataSettings,
) -> Result<Option<SchemaRef>, RecordError> {
    if *schema == **ANYTHING {
        return Ok(None);
    }
    let mut mapper = Mapper {
        avro: schema,
        settings,
        root_version: version,
        open: Vec::new(),
        unions: 0,
        depth: 0,
        made: 0,
    };
    let place = Place {
        version,
        ..Place::default()
    };
    mapper.of(schema.root(), place).map(Some)
}

struct Mapper<'a> {
    avro: &'a AvroSchema,
    settings: &'a AvroDataSettings,
    root_version: Option<i32>,
    /// The records that enclose the place.
    open: Vec<TypeId>,
    /// Of the generalized form, which numbers them.
    unions: usize,
    depth: usize,
    made: usize,
}

/// Schemas that one may be made of. Avro names a type once and uses it again, Connect repeats it: a text of a few lines could
/// come to more than any memory holds.
const MOST_SCHEMAS: usize = 100_000;

/// What a type's place says about it.
#[derive(Clone, Copy, Default)]
struct Place<'a> {
    is_optional: bool,
    default: Option<&'a Json>,
    doc: Option<&'a str>,
    version: Option<i32>,
}

impl<'a> Mapper<'a> {
    fn of(&mut self, id: TypeId, place: Place<'a>) -> Result<SchemaRef, RecordError> {
        let avro = &self.avro[id];
        if self.open.contains(&id) {
            return Ok(SchemaRef::new(self.again(id, avro, place)?));
        }
        if let Kind::Union(branches) = &avro.kind
            && let Some((only, is_optional)) = only_branch(self.avro, branches, self.settings)
        {
            let place = Place {
                is_optional,
                doc: place.doc,
                ..Place::default()
            };
            return self.of(only, place);
        }
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(RecordError::data(format!(
                "the schema is nested more than {DEEPEST} levels deep"
            )));
        }
        self.made += 1;
        if self.made > MOST_SCHEMAS {
            return Err(RecordError::data(format!(
                "the schema comes to more than {MOST_SCHEMAS} types"
            )));
        }
        let mut schema = self.base(id, avro)?;
        self.depth -= 1;
        set_doc(&mut schema, avro, place.doc, self.settings);
        set_version(&mut schema, avro, place.version)?;
        set_parameters(&mut schema, avro, self.settings)?;
        set_name(&mut schema, avro)?;
        schema.optional |= place.is_optional;
        set_default(&mut schema, (self.avro, id), place.default, self.settings);
        Ok(SchemaRef::new(schema))
    }

    /// A struct within itself.
    fn again(&self, id: TypeId, avro: &AvroType, place: Place<'_>) -> Result<Schema, RecordError> {
        let mut schema = Schema::of(SchemaType::Struct);
        let registered = self.root_version.filter(|_| id == self.avro.root());
        set_version(&mut schema, avro, registered)?;
        set_name(&mut schema, avro)?;
        schema.optional = place.is_optional;
        schema.recursive = true;
        Ok(schema)
    }

    fn base(&mut self, id: TypeId, avro: &'a AvroType) -> Result<Schema, RecordError> {
        let logical = avro.text(LOGICAL_TYPE);
        let is_logical = |name: &str| logical.is_some_and(|of| of.eq_ignore_ascii_case(name));
        Ok(match &avro.kind {
            Kind::Boolean => Schema::of(SchemaType::Boolean),
            Kind::Float => Schema::of(SchemaType::Float32),
            Kind::Double => Schema::of(SchemaType::Float64),
            Kind::String => Schema::of(SchemaType::String),
            Kind::Int if is_logical("date") => logical_schema(SchemaType::Int32, DATE),
            Kind::Int if is_logical("time-millis") => logical_schema(SchemaType::Int32, TIME),
            Kind::Int => Schema::of(
                match avro.text(CONNECT_TYPE).filter(|_| logical.is_none()) {
                    None => SchemaType::Int32,
                    Some("int8") => SchemaType::Int8,
                    Some("int16") => SchemaType::Int16,
                    Some(_) => {
                        let message = "Connect type annotation for Avro int field is null";
                        return Err(RecordError::data(message));
                    }
                },
            ),
            Kind::Long if is_logical("timestamp-millis") => {
                logical_schema(SchemaType::Int64, TIMESTAMP)
            }
            Kind::Long => Schema::of(SchemaType::Int64),
            Kind::Bytes | Kind::Fixed(_) => {
                let mut schema = match is_logical("decimal") {
                    true => decimal_schema(avro)?,
                    false => Schema::of(SchemaType::Bytes),
                };
                if let Kind::Fixed(fixed) = &avro.kind {
                    set_parameter(&mut schema, FIXED_SIZE, fixed.size.to_string());
                }
                schema
            }
            Kind::Array(items) => match entry_of(self.avro, *items) {
                Some(entry) => self.entries(entry)?,
                None => {
                    let mut schema = Schema::of(SchemaType::Array);
                    schema.value_schema = Some(self.of(*items, Place::default())?);
                    schema
                }
            },
            Kind::Map(values) => {
                let mut schema = Schema::of(SchemaType::Map);
                schema.key_schema = Some(SchemaRef::new(Schema::of(SchemaType::String)));
                schema.value_schema = Some(self.of(*values, Place::default())?);
                schema
            }
            Kind::Record(record) => self.record(id, record)?,
            Kind::Enum(of) => {
                let mut schema = Schema::of(SchemaType::String);
                let keeps = !self.settings.discard_type_doc_default;
                if self.settings.connect_meta_data {
                    if let Some(doc) = &of.doc {
                        let key = match keeps {
                            true => format!("{ENUM_DOC}{}", of.name.name),
                            false => CONNECT_ENUM_DOC.to_owned(),
                        };
                        set_parameter(&mut schema, &key, doc);
                    }
                    if let Some(default) = of.default.as_ref().filter(|_| keeps) {
                        let key = format!("{ENUM_DEFAULT}{}", of.name.name);
                        set_parameter(&mut schema, &key, default);
                    }
                }
                let key = self.settings.enum_parameter();
                set_parameter(&mut schema, key, of.name.full());
                for (index, symbol) in of.symbols.iter().enumerate() {
                    let value = match self.settings.generalized_sum_type_support {
                        true => index.to_string(),
                        false => symbol.clone(),
                    };
                    set_parameter(&mut schema, &format!("{key}.{symbol}"), value);
                }
                schema
            }
            Kind::Union(branches) => self.union(branches)?,
            Kind::Null => {
                let message = "Standalone null schemas are not supported by this converter";
                return Err(RecordError::data(message));
            }
        })
    }

    fn entries(&mut self, entry: &'a Record) -> Result<Schema, RecordError> {
        let (Some(key), Some(value), 2) = (
            entry.field(KEY_FIELD),
            entry.field(VALUE_FIELD),
            entry.fields.len(),
        ) else {
            return Err(RecordError::data(
                "Found map encoded as array of key-value pairs, but array elements do not match the expected format.",
            ));
        };
        let mut schema = Schema::of(SchemaType::Map);
        schema.key_schema = Some(self.of(key.schema, Place::default())?);
        schema.value_schema = Some(self.of(value.schema, Place::default())?);
        Ok(schema)
    }

    fn record(&mut self, id: TypeId, record: &'a Record) -> Result<Schema, RecordError> {
        let mut schema = Schema::of(SchemaType::Struct);
        let keeps_docs = !self.settings.discard_type_doc_default && self.settings.connect_meta_data;
        self.open.push(id);
        if let Some(doc) = record.doc.as_ref().filter(|_| keeps_docs) {
            set_parameter(&mut schema, RECORD_DOC, doc);
        }
        for field in &record.fields {
            if let Some(doc) = field.doc.as_ref().filter(|_| keeps_docs) {
                set_parameter(&mut schema, &format!("{FIELD_DOC}{}", field.name), doc);
            }
            let place = Place {
                default: field.default.as_ref(),
                doc: field.doc.as_deref(),
                ..Place::default()
            };
            let of = self.of(field.schema, place)?;
            schema.fields.push(Field {
                name: field.name.clone(),
                schema: of,
            });
        }
        self.open.pop();
        Ok(schema)
    }

    fn union(&mut self, branches: &[TypeId]) -> Result<Schema, RecordError> {
        let mut schema = Schema::of(SchemaType::Struct);
        if self.settings.generalized_sum_type_support {
            let name = format!("{GENERALIZED_UNION_PREFIX}{}", self.unions);
            self.unions += 1;
            set_parameter(&mut schema, GENERALIZED_UNION, name.clone());
            schema.name = Some(name);
        } else {
            schema.name = Some(UNION.to_owned());
        }
        for (position, branch) in branches.iter().enumerate() {
            let avro = &self.avro[*branch];
            if matches!(avro.kind, Kind::Null) {
                schema.optional = true;
                continue;
            }
            let name = self
                .settings
                .branch_field(avro.name(), avro.word(), position);
            if schema.field_index(&name).is_some() {
                return Err(RecordError::data(
                    "Multiple union schemas map to the Connect union field name",
                ));
            }
            let place = Place {
                is_optional: true,
                ..Place::default()
            };
            let of = self.of(*branch, place)?;
            schema.fields.push(Field { name, schema: of });
        }
        Ok(schema)
    }
}

fn logical_schema(kind: SchemaType, name: &str) -> Schema {
    Schema {
        name: Some(name.to_owned()),
        version: Some(1),
        ..Schema::of(kind)
    }
}

fn decimal_schema(avro: &AvroType) -> Result<Schema, RecordError> {
    let mut schema = logical_schema(SchemaType::Bytes, DECIMAL);
    let number = |key| avro.properties.get(key).and_then(Json::as_f64);
    let scale = number("scale").unwrap_or_default() as i32;
    set_parameter(&mut schema, "scale", scale.to_string());
    if avro.properties.contains_key("precision") {
        let Some(precision) = number("precision") else {
            return Err(RecordError::data(
                "precision property must be a JSON Integer. https://avro.apache.org/docs/1.9.1/spec.html#Decimal",
            ));
        };
        if precision as i64 != UNKNOWN_PRECISION {
            set_parameter(
                &mut schema,
                DECIMAL_PRECISION,
                (precision as i64).to_string(),
            );
        }
    }
    Ok(schema)
}
