//! The plan: where the values of a Connect schema go, decided before the first of them comes.

use crate::message::Lists;
use crate::precision::has_precision;
use arrow_schema::{DataType, Field, FieldRef, Fields};
use millstream_avro::{AvroSchema, Kind as Avro, TypeId, is_union};
use millstream_core::logical::decimal_scale;
use millstream_core::schema::{DATE, DECIMAL, TIME, TIMESTAMP};
use millstream_core::{RecordError, Schema, SchemaRef, SchemaType};
use num_bigint::BigUint;
use std::sync::Arc;

/// A field of the file, and what is within it.
#[derive(Debug)]
pub(crate) struct Node {
    /// In Arrow's words, physical types alone; nullable where the field is optional.
    pub(crate) field: FieldRef,
    /// What a value there has to be.
    pub(crate) schema: SchemaRef,
    pub(crate) kind: Kind,
    /// Which branch is the null, in data of a union of null and one type.
    pub(crate) null_branch: Option<i32>,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Boolean,
    Int8,
    Int16,
    Int32,
    Date,
    Time,
    Int64,
    Timestamp,
    Float32,
    Float64,
    Text,
    /// A text in columns, and a number in data.
    Enum(Vec<String>),
    Bytes,
    /// Of this many bytes.
    Fixed(usize),
    Decimal(Decimal),
    Struct(Vec<Node>),
    /// A member for each field of a union's struct.
    Union(Vec<Node>),
    /// A union of null and one type, whose column is that type's.
    Single(Box<Node>),
    List(Box<Node>),
    Map(Box<Node>, Box<Node>),
    /// A map whose keys are no texts: a list of its entries.
    Entries(Box<Node>, Box<Node>),
}

#[derive(Debug)]
pub(crate) struct Decimal {
    /// Bytes that each value has; `None` for as many as it needs.
    pub(crate) width: Option<usize>,
    /// The precision that the file says, where values are checked against it.
    pub(crate) precision: Option<Precision>,
}

#[derive(Debug)]
pub(crate) struct Precision {
    pub(crate) digits: u32,
    /// The first number with a digit more.
    pub(crate) end: BigUint,
}

/// Compiles the fields of a record.
pub(crate) struct Planner<'a> {
    pub(crate) avro: &'a AvroSchema,
    pub(crate) lists: Lists,
    /// Digits of decimals whose schema does not tell, where their values are held to them.
    pub(crate) precision: Option<u32>,
}

impl Planner<'_> {
    /// The fields of the root, or of a record within it.
    pub(crate) fn fields(&self, schema: &Schema, record: TypeId) -> Result<Vec<Node>, RecordError> {
        let Avro::Record(record) = &self.avro[record].kind else {
            return Err(mismatch(schema));
        };
        if record.fields.len() != schema.fields.len() {
            return Err(mismatch(schema));
        }
        let fields = schema.fields.iter().zip(&record.fields);
        fields
            .map(|(own, field)| self.node(&field.name, &own.schema, field.schema, false))
            .collect()
    }

    fn node(
        &self,
        name: &str,
        schema: &SchemaRef,
        id: TypeId,
        is_optional: bool,
    ) -> Result<Node, RecordError> {
        let avro = self.avro;
        let Avro::Union(branches) = &avro[id].kind else {
            let (kind, data_type) = self.kind(schema, id)?;
            return Ok(node(name, schema, kind, data_type, is_optional));
        };
        let is_null = |id: &TypeId| avro[*id].kind == Avro::Null;
        let null = branches.iter().position(is_null);
        let has_null = null.is_some();
        let others: Vec<TypeId> = branches.iter().copied().filter(|id| !is_null(id)).collect();
        let is_nullable = is_optional || has_null;
        if !is_union(schema) {
            return match (&others[..], has_null) {
                ([one], true) => Ok(Node {
                    null_branch: null.map(|at| at as i32),
                    ..self.node(name, schema, *one, true)?
                }),
                _ => Err(mismatch(schema)),
            };
        }
        if others.len() != schema.fields.len() {
            return Err(mismatch(schema));
        }
        if let ([one], true) = (&others[..], has_null) {
            let inner = self.node(name, &schema.fields[0].schema, *one, true)?;
            let data_type = inner.field.data_type().clone();
            return Ok(node(
                name,
                schema,
                Kind::Single(Box::new(inner)),
                data_type,
                true,
            ));
        }
        let members = schema.fields.iter().zip(others).enumerate();
        let members = members.map(|(index, (field, branch))| {
            self.node(&format!("member{index}"), &field.schema, branch, true)
        });
        let members = members.collect::<Result<Vec<_>, _>>()?;
        let data_type = struct_of(&members);
        Ok(node(
            name,
            schema,
            Kind::Union(members),
            data_type,
            is_nullable,
        ))
    }

    fn kind(&self, schema: &SchemaRef, id: TypeId) -> Result<(Kind, DataType), RecordError> {
        let of = &self.avro[id];
        let name = schema.name.as_deref();
        Ok(match (schema.kind, &of.kind) {
            (SchemaType::Boolean, Avro::Boolean) => (Kind::Boolean, DataType::Boolean),
            (SchemaType::Int8, Avro::Int) => (Kind::Int8, DataType::Int32),
            (SchemaType::Int16, Avro::Int) => (Kind::Int16, DataType::Int32),
            (SchemaType::Int32, Avro::Int) => match name {
                Some(DATE) => (Kind::Date, DataType::Int32),
                Some(TIME) => (Kind::Time, DataType::Int32),
                _ => (Kind::Int32, DataType::Int32),
            },
            (SchemaType::Int64, Avro::Long) => match name {
                Some(TIMESTAMP) => (Kind::Timestamp, DataType::Int64),
                _ => (Kind::Int64, DataType::Int64),
            },
            (SchemaType::Float32, Avro::Float) => (Kind::Float32, DataType::Float32),
            (SchemaType::Float64, Avro::Double) => (Kind::Float64, DataType::Float64),
            // Both are bytes to Arrow: there they would be looked at once more for being UTF-8.
            (SchemaType::String, Avro::String) => (Kind::Text, DataType::Binary),
            (SchemaType::String, Avro::Enum(of)) => {
                (Kind::Enum(of.symbols.clone()), DataType::Binary)
            }
            (SchemaType::Bytes, Avro::Bytes | Avro::Fixed(_)) => {
                let width = match &of.kind {
                    Avro::Fixed(fixed) => Some(fixed.size),
                    _ => None,
                };
                let data_type = match width {
                    Some(width) => {
                        let width = i32::try_from(width).map_err(|_| mismatch(schema))?;
                        DataType::FixedSizeBinary(width)
                    }
                    None => DataType::Binary,
                };
                let kind = match (name, width) {
                    (Some(DECIMAL), width) => Kind::Decimal(Decimal {
                        width,
                        precision: self.precision(schema)?,
                    }),
                    (_, Some(width)) => Kind::Fixed(width),
                    (_, None) => Kind::Bytes,
                };
                (kind, data_type)
            }
            (SchemaType::Struct, Avro::Record(_)) => {
                let fields = self.fields(schema, id)?;
                let data_type = struct_of(&fields);
                (Kind::Struct(fields), data_type)
            }
            (SchemaType::Array, Avro::Array(element)) => {
                let own = inner(schema, &schema.value_schema)?;
                let element = self.node(self.element(), own, *element, false)?;
                let data_type = DataType::List(Arc::clone(&element.field));
                (Kind::List(Box::new(element)), data_type)
            }
            (SchemaType::Map, Avro::Map(values)) => {
                let keys = inner(schema, &schema.key_schema)?;
                let key = node("key", keys, Kind::Text, DataType::Binary, false);
                let own = inner(schema, &schema.value_schema)?;
                let value = self.node("value", own, *values, false)?;
                let entries = Fields::from(vec![Arc::clone(&key.field), Arc::clone(&value.field)]);
                let entries = Field::new("key_value", DataType::Struct(entries), false);
                let data_type = DataType::Map(Arc::new(entries), false);
                (Kind::Map(Box::new(key), Box::new(value)), data_type)
            }
            (SchemaType::Map, Avro::Array(entry)) => {
                let Avro::Record(record) = &self.avro[*entry].kind else {
                    return Err(mismatch(schema));
                };
                let [keys, values] = &record.fields[..] else {
                    return Err(mismatch(schema));
                };
                let own = inner(schema, &schema.key_schema)?;
                let key = self.node(&keys.name, own, keys.schema, false)?;
                let own = inner(schema, &schema.value_schema)?;
                let value = self.node(&values.name, own, values.schema, false)?;
                let entry = Fields::from(vec![Arc::clone(&key.field), Arc::clone(&value.field)]);
                let entry = Field::new(self.element(), DataType::Struct(entry), false);
                let data_type = DataType::List(Arc::new(entry));
                (Kind::Entries(Box::new(key), Box::new(value)), data_type)
            }
            _ => return Err(mismatch(schema)),
        })
    }

    /// What a decimal's values are held to.
    fn precision(&self, schema: &Schema) -> Result<Option<Precision>, RecordError> {
        let Some(digits) = self.precision.filter(|_| !has_precision(schema)) else {
            return Ok(None);
        };
        let scale = decimal_scale(schema)?;
        if u32::try_from(scale).is_ok_and(|scale| scale > digits) {
            return Err(RecordError::data(format!(
                "a Decimal of scale {scale} does not go into the {digits} digits that Parquet files are to have"
            )));
        }
        let end = BigUint::from(10u8).pow(digits);
        Ok(Some(Precision { digits, end }))
    }

    fn element(&self) -> &'static str {
        match self.lists {
            Lists::TwoLevel => "array",
            Lists::ThreeLevel => "element",
        }
    }
}

fn node(name: &str, schema: &SchemaRef, kind: Kind, data_type: DataType, nullable: bool) -> Node {
    Node {
        field: Arc::new(Field::new(name, data_type, nullable)),
        schema: Arc::clone(schema),
        kind,
        null_branch: None,
    }
}

fn struct_of(fields: &[Node]) -> DataType {
    DataType::Struct(
        fields
            .iter()
            .map(|field| Arc::clone(&field.field))
            .collect(),
    )
}

fn inner<'a>(schema: &Schema, inner: &'a Option<SchemaRef>) -> Result<&'a SchemaRef, RecordError> {
    inner.as_ref().ok_or_else(|| {
        let kind = schema.kind.java_name();
        RecordError::data(format!(
            "Parquet files need a schema for what a field of type {kind} holds"
        ))
    })
}

/// Whether an array somewhere may hold nulls, for which lists need a level more. Keys of maps are not looked into, as the
/// original does not.
pub(crate) fn has_optional_elements(schema: &Schema) -> bool {
    let values = schema.value_schema.as_deref();
    match schema.kind {
        SchemaType::Struct => {
            let mut fields = schema.fields.iter();
            fields.any(|field| has_optional_elements(&field.schema))
        }
        SchemaType::Map => values.is_some_and(has_optional_elements),
        SchemaType::Array => {
            values.is_none_or(|values| values.optional || has_optional_elements(values))
        }
        _ => false,
    }
}

/// Avro's schema is not one of this Connect schema.
fn mismatch(schema: &Schema) -> RecordError {
    let kind = schema.kind.java_name();
    RecordError::data(format!(
        "a field of type {kind} has no place in its Avro schema"
    ))
}
