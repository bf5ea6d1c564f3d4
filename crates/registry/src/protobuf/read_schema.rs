//! From a message's descriptor to Connect's schema.

use super::Options;
use super::names::{
    CONNECT_PRECISION, CONNECT_TYPE, DEEPEST, GENERALIZED_UNION, PRECISION, SCALE, TAG, TYPE,
    UNION_PREFIX, WRAPPER, enum_parameter,
};
use super::well_known;
use indexmap::IndexMap;
use millstream_core::schema as connect;
use millstream_core::{Field, RecordError, Schema, SchemaRef, SchemaType};
use prost_reflect::{
    Cardinality, EnumDescriptor, FieldDescriptor, Kind, MapKey, MessageDescriptor, OneofDescriptor,
    Syntax,
};
use std::collections::HashMap;
use std::sync::Arc;

/// The Connect schema of a message; the version is the registry's.
///
/// # Errors
/// Messages nested too deep.
pub(super) fn read(
    message: &MessageDescriptor,
    version: Option<i32>,
    options: &Options,
) -> Result<SchemaRef, RecordError> {
    let wrapped = wrapped(message).filter(|_| options.wrapper_for_raw_primitives);
    let mut schema = match wrapped {
        Some(kind) => Schema::of(kind),
        None => Walk {
            options,
            open: Vec::new(),
            messages: 0,
        }
        .message(message)?,
    };
    schema.version = version;
    Ok(Arc::new(schema))
}

/// The fields of a message in the order of its text.
pub(super) fn fields(message: &MessageDescriptor) -> impl Iterator<Item = FieldDescriptor> + '_ {
    let declared = message.descriptor_proto().field.iter();
    declared.filter_map(|field| message.get_field_by_name(field.name()))
}

/// The `oneof` that a field is in, unless it is there for `optional` alone.
pub(super) fn real_oneof(field: &FieldDescriptor) -> Option<OneofDescriptor> {
    field
        .containing_oneof()
        .filter(|oneof| !oneof.is_synthetic())
}

pub(super) fn real_oneofs(message: &MessageDescriptor) -> Vec<OneofDescriptor> {
    message
        .oneofs()
        .filter(|oneof| !oneof.is_synthetic())
        .collect()
}

/// Whether a field that is not there is null.
pub(super) fn has_optional_keyword(field: &FieldDescriptor) -> bool {
    let is_proto2 = field.parent_file().syntax() == Syntax::Proto2;
    field.field_descriptor_proto().proto3_optional()
        || (is_proto2
            && field.cardinality() == Cardinality::Optional
            && field.containing_oneof().is_none())
}

/// What a message of `google/protobuf/wrappers.proto` wraps.
pub(super) fn wrapped(message: &MessageDescriptor) -> Option<SchemaType> {
    Some(match message.full_name() {
        "google.protobuf.DoubleValue" => SchemaType::Float64,
        "google.protobuf.FloatValue" => SchemaType::Float32,
        "google.protobuf.Int64Value" | "google.protobuf.UInt64Value" => SchemaType::Int64,
        "google.protobuf.UInt32Value" => SchemaType::Int64,
        "google.protobuf.Int32Value" => SchemaType::Int32,
        "google.protobuf.BoolValue" => SchemaType::Boolean,
        "google.protobuf.StringValue" => SchemaType::String,
        "google.protobuf.BytesValue" => SchemaType::Bytes,
        _ => return None,
    })
}

/// The logical type that a message stands for.
pub(super) fn logical(message: &MessageDescriptor) -> Option<&'static str> {
    Some(match message.full_name() {
        well_known::DECIMAL => connect::DECIMAL,
        well_known::DATE => connect::DATE,
        well_known::TIME => connect::TIME,
        well_known::TIMESTAMP => connect::TIMESTAMP,
        _ => return None,
    })
}

struct Walk<'a> {
    options: &'a Options,
    /// Full names of the messages that enclose the place at hand.
    open: Vec<String>,
    /// Messages so far: one that several fields have is walked for each of them.
    messages: usize,
}

/// More than any schema with sense has.
const MOST_MESSAGES: usize = 20_000;

impl Walk<'_> {
    fn name(&self, message: &MessageDescriptor) -> String {
        match self.options.enhanced {
            true => message.full_name().to_owned(),
            false => message.name().to_owned(),
        }
    }

    fn message(&mut self, message: &MessageDescriptor) -> Result<Schema, RecordError> {
        let mut schema = Schema {
            name: Some(self.name(message)),
            ..Schema::of(SchemaType::Struct)
        };
        if self.open.iter().any(|open| open == message.full_name()) {
            schema.recursive = true;
            return Ok(schema);
        }
        self.messages += 1;
        if self.messages > MOST_MESSAGES {
            return Err(RecordError::data(format!(
                "the Protobuf schema has messages in more than {MOST_MESSAGES} places"
            )));
        }
        if self.open.len() >= DEEPEST {
            return Err(RecordError::data(format!(
                "the Protobuf schema is nested more than {DEEPEST} levels deep"
            )));
        }
        self.open.push(message.full_name().to_owned());
        let mut put = |name: String, field| {
            schema.fields.push(Field {
                name,
                schema: Arc::new(field),
            });
        };
        for (index, oneof) in real_oneofs(message).iter().enumerate() {
            if self.options.flatten_unions {
                for field in oneof.fields() {
                    put(field.name().to_owned(), self.field(&field, true)?);
                }
            } else {
                put(union_field(oneof, index, self.options), self.union(oneof)?);
            }
        }
        for field in fields(message).filter(|field| real_oneof(field).is_none()) {
            put(field.name().to_owned(), self.field(&field, false)?);
        }
        self.open.pop();
        Ok(schema)
    }

    fn union(&mut self, oneof: &OneofDescriptor) -> Result<Schema, RecordError> {
        let mut schema = Schema::optional(SchemaType::Struct);
        if self.options.generalized {
            let name = oneof.name().to_owned();
            schema.parameters = Some(IndexMap::from([(
                GENERALIZED_UNION.to_owned(),
                name.clone(),
            )]));
            schema.name = Some(name);
        } else {
            let name = match self.options.enhanced {
                true => oneof.full_name(),
                false => oneof.name(),
            };
            schema.name = Some(format!("{UNION_PREFIX}{name}"));
        }
        for field in oneof.fields() {
            schema.fields.push(Field {
                name: field.name().to_owned(),
                schema: Arc::new(self.field(&field, true)?),
            });
        }
        Ok(schema)
    }

    fn field(&mut self, field: &FieldDescriptor, is_in_oneof: bool) -> Result<Schema, RecordError> {
        let mut schema = match field.kind() {
            Kind::Message(entry) if field.is_map() => {
                let (key, value) = (entry.map_entry_key_field(), entry.map_entry_value_field());
                Schema {
                    key_schema: Some(Arc::new(self.field(&key, false)?)),
                    value_schema: Some(Arc::new(self.field(&value, false)?)),
                    ..Schema::optional(SchemaType::Map)
                }
            }
            kind => self.value(field, &kind)?,
        };
        if field.is_list() {
            schema.optional = true;
            schema = Schema {
                value_schema: Some(Arc::new(schema)),
                ..Schema::optional(SchemaType::Array)
            };
        }
        let options = self.options;
        schema.optional |= match (is_in_oneof, options.optional_for_nullables) {
            (true, _) => true,
            (false, true) => has_optional_keyword(field),
            (false, false) => !options.wrapper_for_nullables,
        };
        let parameters = schema.parameters.get_or_insert_default();
        let is_wrapper = |kind: &Kind| kind.as_message().and_then(wrapped).is_some();
        if is_in_oneof && options.wrapper_for_nullables && is_wrapper(&field.kind()) {
            parameters.insert(WRAPPER.to_owned(), "true".to_owned());
        }
        parameters.insert(TAG.to_owned(), field.number().to_string());
        Ok(schema)
    }

    /// One value of a field.
    fn value(&mut self, field: &FieldDescriptor, kind: &Kind) -> Result<Schema, RecordError> {
        let other_than_usual = |kind: SchemaType, name: &str| Schema {
            parameters: Some(IndexMap::from([(TYPE.to_owned(), name.to_owned())])),
            ..Schema::of(kind)
        };
        Ok(match kind {
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
                match meta(field).get(CONNECT_TYPE).map(String::as_str) {
                    Some("int8") => Schema::of(SchemaType::Int8),
                    Some("int16") => Schema::of(SchemaType::Int16),
                    _ => match kind {
                        Kind::Sint32 => other_than_usual(SchemaType::Int32, "sint32"),
                        Kind::Sfixed32 => other_than_usual(SchemaType::Int32, "sfixed32"),
                        _ => Schema::of(SchemaType::Int32),
                    },
                }
            }
            Kind::Int64 => Schema::of(SchemaType::Int64),
            Kind::Uint32 => other_than_usual(SchemaType::Int64, "uint32"),
            Kind::Fixed32 => other_than_usual(SchemaType::Int64, "fixed32"),
            Kind::Uint64 => other_than_usual(SchemaType::Int64, "uint64"),
            Kind::Sint64 => other_than_usual(SchemaType::Int64, "sint64"),
            Kind::Fixed64 => other_than_usual(SchemaType::Int64, "fixed64"),
            Kind::Sfixed64 => other_than_usual(SchemaType::Int64, "sfixed64"),
            Kind::Float => Schema::of(SchemaType::Float32),
            Kind::Double => Schema::of(SchemaType::Float64),
            Kind::Bool => Schema::of(SchemaType::Boolean),
            Kind::String => Schema::of(SchemaType::String),
            Kind::Bytes => Schema::of(SchemaType::Bytes),
            Kind::Enum(of) => self.symbols(of),
            Kind::Message(message) => {
                let wrapped = wrapped(message).filter(|_| self.options.wrapper_for_nullables);
                let mut schema = match (logical(message), wrapped) {
                    (Some(name), _) => self.logical(field, name),
                    (None, Some(kind)) => Schema::of(kind),
                    (None, None) => self.message(message)?,
                };
                schema.optional = true;
                schema
            }
        })
    }

    fn logical(&self, field: &FieldDescriptor, name: &'static str) -> Schema {
        let kind = match name {
            connect::DECIMAL => SchemaType::Bytes,
            connect::TIMESTAMP => SchemaType::Int64,
            _ => SchemaType::Int32,
        };
        let mut schema = Schema {
            name: Some(name.to_owned()),
            version: Some(1),
            ..Schema::of(kind)
        };
        if name == connect::DECIMAL {
            let meta = meta(field);
            let number = |key: &str| meta.get(key)?.parse::<i32>().ok();
            let scale = number(SCALE).unwrap_or(0).to_string();
            let mut parameters = IndexMap::from([("scale".to_owned(), scale)]);
            if let Some(precision) = number(PRECISION) {
                parameters.insert(CONNECT_PRECISION.to_owned(), precision.to_string());
            }
            schema.parameters = Some(parameters);
        }
        schema
    }

    fn symbols(&self, of: &EnumDescriptor) -> Schema {
        let parameter = enum_parameter(self.options);
        let mut parameters = IndexMap::from([(parameter.to_owned(), of.name().to_owned())]);
        let declared = of.enum_descriptor_proto().value.iter();
        for value in declared {
            parameters.insert(
                format!("{parameter}.{}", value.name()),
                value.number().to_string(),
            );
        }
        Schema {
            name: Some(match self.options.enhanced {
                true => of.full_name().to_owned(),
                false => of.name().to_owned(),
            }),
            parameters: Some(parameters),
            ..Schema::optional(match self.options.int_for_enums {
                true => SchemaType::Int32,
                false => SchemaType::String,
            })
        }
    }
}

/// The name of the field that a `oneof` becomes.
pub(super) fn union_field(oneof: &OneofDescriptor, index: usize, options: &Options) -> String {
    match options.index_for_unions {
        true => format!("{}_{index}", oneof.name()),
        false => oneof.name().to_owned(),
    }
}

/// What Connect has added to a field.
fn meta(field: &FieldDescriptor) -> HashMap<String, String> {
    let extension = field
        .parent_pool()
        .get_extension_by_name(well_known::FIELD_META);
    let Some(extension) = extension else {
        return HashMap::new();
    };
    let options = field.options();
    let meta = options.get_extension(&extension);
    let params = meta
        .as_message()
        .and_then(|meta| meta.get_field_by_name("params"));
    let params = params.as_ref().and_then(|params| params.as_map());
    let params = params
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| match key {
            MapKey::String(key) => Some((key.clone(), value.as_str()?.to_owned())),
            _ => None,
        });
    params.collect()
}
