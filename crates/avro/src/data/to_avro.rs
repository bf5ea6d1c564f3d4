//! Connect schema to Avro schema.

use super::annotations::{annotate, number, precision};
use super::anything::ANYTHING;
use super::{
    AvroDataSettings, CONNECT_ENUM_DOC, CONNECT_RECORD_DOC, DEEPEST, DEFAULT_NAME, ENUM,
    ENUM_DEFAULT, ENUM_DOC, FIELD_DOC, GENERALIZED_ENUM, INTERNAL_TYPE, KEY_FIELD, MAP_ENTRY,
    NAMESPACE, RECORD_DOC, VALUE_FIELD, defaults, fixed_size, is_named, is_union, parameter,
};
use crate::error::{runtime, schema_parse};
use crate::model::{AvroField, AvroType, Enum, Fixed, Kind, Order, Properties, Record, TypeId};
use crate::names::{self, Name};
use crate::parse::{check_enum, check_union};
use crate::same::same;
use crate::schema::AvroSchema;
use millstream_core::logical::decimal_scale;
use millstream_core::schema::DECIMAL;
use millstream_core::{RecordError, Schema, SchemaRef, SchemaType};
use serde_json::Value as Json;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The Avro schema of a Connect schema; of none, the record that holds anything.
///
/// # Errors
/// A `SchemaParseException` where Avro has no such schema (names, two types of one name), else a `DataException`.
pub fn avro_schema(
    schema: Option<&SchemaRef>,
    settings: &AvroDataSettings,
) -> Result<Arc<AvroSchema>, RecordError> {
    let Some(schema) = schema else {
        return Ok(Arc::clone(&ANYTHING));
    };
    let mut builder = Builder {
        settings,
        types: Vec::new(),
        known: Vec::new(),
        by_name: HashMap::new(),
        unnamed: 0,
        decimals: Vec::new(),
        depth: 0,
    };
    let root = builder.of(schema, false)?;
    AvroSchema::new(builder.types, root)
}

struct Builder<'a> {
    settings: &'a AvroDataSettings,
    types: Vec<AvroType>,
    /// Required schemas that were met, so that equal ones are one type.
    known: Vec<(SchemaRef, TypeId)>,
    /// Records by the struct's name: what a schema refers to within itself, and what elements, values and optional structs of
    /// a name are taken to be.
    by_name: HashMap<String, TypeId>,
    /// Of types that got the default name.
    unnamed: usize,
    /// Decimals on fixed.
    decimals: Vec<TypeId>,
    depth: usize,
}

impl Builder<'_> {
    fn add(&mut self, kind: Kind) -> TypeId {
        self.types.push(AvroType::of(kind));
        TypeId(self.types.len() - 1)
    }

    /// As `of`, unless a struct of that name was met.
    fn of_element(&mut self, schema: &SchemaRef, is_branch: bool) -> Result<TypeId, RecordError> {
        let known = schema.name.as_ref().and_then(|name| self.by_name.get(name));
        match known.copied() {
            Some(known) if is_branch => Ok(known),
            Some(known) => Ok(self.optional(schema, known)),
            None => self.of(schema, is_branch),
        }
    }

    /// The type of a schema, without its null if it is a union's branch.
    fn of(&mut self, schema: &SchemaRef, is_branch: bool) -> Result<TypeId, RecordError> {
        if schema.recursive {
            let name = schema.name.as_deref().unwrap_or_default();
            let known = self.by_name.get(name).copied();
            let known = known.ok_or_else(|| schema_parse(format!("Undefined name: \"{name}\"")))?;
            return Ok(if is_branch {
                known
            } else {
                self.optional(schema, known)
            });
        }
        let is_shared = !schema.optional && !is_union(schema) && is_worth_sharing(schema);
        if is_shared && let Some((_, known)) = self.known.iter().find(|(of, _)| of == schema) {
            return Ok(*known);
        }
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(schema_parse(format!(
                "the schema is nested more than {DEEPEST} levels deep"
            )));
        }
        let base = self.base(schema)?;
        self.depth -= 1;
        let mut built = base;
        if !matches!(self.types[base.0].kind, Kind::Union(_)) {
            annotate(&mut self.types[base.0], schema, self.settings)?;
            built = self.as_known_decimal(base);
            if !is_branch {
                built = self.optional(schema, built);
            }
        }
        if is_shared {
            self.known.push((SchemaRef::clone(schema), built));
        }
        Ok(built)
    }

    fn base(&mut self, schema: &SchemaRef) -> Result<TypeId, RecordError> {
        Ok(match schema.kind {
            SchemaType::Int8 | SchemaType::Int16 | SchemaType::Int32 => self.add(Kind::Int),
            SchemaType::Int64 => self.add(Kind::Long),
            SchemaType::Float32 => self.add(Kind::Float),
            SchemaType::Float64 => self.add(Kind::Double),
            SchemaType::Boolean => self.add(Kind::Boolean),
            SchemaType::String => self.string(schema)?,
            SchemaType::Bytes => self.bytes(schema)?,
            SchemaType::Array => {
                let items = self.of_element(inner(&schema.value_schema)?, false)?;
                self.add(Kind::Array(items))
            }
            SchemaType::Map if self.settings.has_text_keys(schema) => {
                let values = self.of_element(inner(&schema.value_schema)?, false)?;
                self.add(Kind::Map(values))
            }
            SchemaType::Map => self.entries(schema)?,
            SchemaType::Struct if is_union(schema) => self.union(schema)?,
            SchemaType::Struct if schema.optional => {
                let required = SchemaRef::new(Schema {
                    optional: false,
                    ..Schema::clone(schema)
                });
                let null = self.add(Kind::Null);
                let record = self.of_element(&required, false)?;
                self.add(Kind::Union(vec![null, record]))
            }
            SchemaType::Struct => self.record(schema)?,
        })
    }

    fn string(&mut self, schema: &Schema) -> Result<TypeId, RecordError> {
        let settings = self.settings;
        let is_enum = [ENUM, GENERALIZED_ENUM]
            .iter()
            .any(|key| parameter(schema, key).is_some());
        if !is_enum || !(settings.enhanced_schema_support || settings.generalized_sum_type_support)
        {
            return Ok(self.add(Kind::String));
        }
        let key = settings.enum_parameter();
        let own = self.name_or_default(schema)?.name;
        let symbols = schema.parameters.iter().flatten();
        let symbols = symbols.filter_map(|(name, _)| name.strip_prefix(key)?.strip_prefix('.'));
        let full = parameter(schema, key)
            .ok_or_else(|| schema_parse(format!("an enum lacks its parameter {key}")))?;
        let of = Enum {
            name: Name::new(full, None)?,
            doc: match settings.discard_type_doc_default {
                true => parameter(schema, CONNECT_ENUM_DOC).map(str::to_owned),
                false => parameter(schema, &format!("{ENUM_DOC}{own}")).map(str::to_owned),
            },
            aliases: Vec::new(),
            symbols: symbols.map(str::to_owned).collect(),
            default: match settings.discard_type_doc_default {
                true => None,
                false => parameter(schema, &format!("{ENUM_DEFAULT}{own}")).map(str::to_owned),
            },
        };
        check_enum(&of)?;
        Ok(self.add(Kind::Enum(of)))
    }

    fn bytes(&mut self, schema: &Schema) -> Result<TypeId, RecordError> {
        let base = match fixed_size(schema) {
            Some(size) => {
                let fixed = Fixed {
                    name: self.name_or_default(schema)?,
                    doc: None,
                    aliases: Vec::new(),
                    size: number(size)?,
                };
                self.add(Kind::Fixed(fixed))
            }
            None => self.add(Kind::Bytes),
        };
        if is_named(schema, DECIMAL) {
            let scale = decimal_scale(schema)?;
            let precision = precision(schema)?;
            let properties = &mut self.types[base.0].properties;
            properties.insert("scale".to_owned(), scale.into());
            properties.insert("precision".to_owned(), precision.into());
        }
        Ok(base)
    }

    /// A map whose keys are no texts: an array of records.
    fn entries(&mut self, schema: &SchemaRef) -> Result<TypeId, RecordError> {
        let (name, properties) = match &schema.name {
            None => (Name::new(MAP_ENTRY, Some(NAMESPACE))?, Properties::new()),
            Some(_) => {
                let is_entry = (INTERNAL_TYPE.to_owned(), MAP_ENTRY.into());
                (
                    self.name_or_default(schema)?,
                    Properties::from_iter([is_entry]),
                )
            }
        };
        let mut fields = Vec::with_capacity(2);
        for (name, of) in [
            (KEY_FIELD, &schema.key_schema),
            (VALUE_FIELD, &schema.value_schema),
        ] {
            fields.push(self.field(name.to_owned(), inner(of)?, None)?);
        }
        let entry = self.add(Kind::Record(Record {
            name,
            doc: None,
            aliases: Vec::new(),
            is_error: false,
            fields,
        }));
        self.types[entry.0].properties = properties;
        Ok(self.add(Kind::Array(entry)))
    }

    fn union(&mut self, schema: &Schema) -> Result<TypeId, RecordError> {
        let mut branches = Vec::with_capacity(schema.fields.len() + 1);
        if schema.optional {
            branches.push(self.add(Kind::Null));
        }
        for field in &schema.fields {
            let required = SchemaRef::new(Schema {
                optional: false,
                ..Schema::clone(&field.schema)
            });
            branches.push(self.of_element(&required, true)?);
        }
        check_union(&self.types, &branches)?;
        Ok(self.add(Kind::Union(branches)))
    }

    fn record(&mut self, schema: &Schema) -> Result<TypeId, RecordError> {
        let discards = self.settings.discard_type_doc_default;
        let name = self.name_or_default(schema)?;
        let doc = parameter(
            schema,
            if discards {
                CONNECT_RECORD_DOC
            } else {
                RECORD_DOC
            },
        );
        let id = self.add(Kind::Record(Record {
            name,
            doc: doc.map(str::to_owned),
            aliases: Vec::new(),
            is_error: false,
            fields: Vec::new(),
        }));
        if let Some(name) = &schema.name {
            self.by_name.insert(name.clone(), id);
        }
        let mut fields: Vec<AvroField> = Vec::with_capacity(schema.fields.len());
        let mut names = HashSet::with_capacity(schema.fields.len());
        for field in &schema.fields {
            let name = self.settings.name(&field.name);
            let doc = match discards {
                true => None,
                false => parameter(schema, &format!("{FIELD_DOC}{}", field.name)),
            };
            if !names.insert(name.clone()) {
                return Err(runtime(format!(
                    "Duplicate field {name} in record {}",
                    self.types[id.0].full_name()
                )));
            }
            fields.push(self.field(name, &field.schema, doc)?);
        }
        if let Kind::Record(record) = &mut self.types[id.0].kind {
            record.fields = fields;
        }
        Ok(id)
    }

    fn field(
        &mut self,
        name: String,
        schema: &SchemaRef,
        doc: Option<&str>,
    ) -> Result<AvroField, RecordError> {
        let default = match &schema.default {
            Some(default) => Some(defaults::to_json(schema, default, self.settings)?),
            None => schema.optional.then_some(Json::Null),
        };
        let id = self.of(schema, false)?;
        names::check(&name)?;
        let doc = match self.settings.discard_type_doc_default {
            true => schema.doc.as_deref(),
            false => doc,
        };
        Ok(AvroField {
            name,
            schema: id,
            doc: doc.map(str::to_owned),
            // Java leaves out a default that does not fit, and says so in its log.
            default: default.filter(|default| defaults::is_valid(&self.types, id, default)),
            order: Order::Ascending,
            aliases: Vec::new(),
            properties: Properties::new(),
        })
    }

    /// A decimal on fixed is named after Connect's type, so a second one that differs needs a number behind its name. The
    /// original has none and refuses the schema.
    fn as_known_decimal(&mut self, id: TypeId) -> TypeId {
        let Kind::Fixed(fixed) = &self.types[id.0].kind else {
            return id;
        };
        if fixed.name.full() != DECIMAL {
            return id;
        }
        let mut of = self.types[id.0].clone();
        for (index, known) in self.decimals.clone().into_iter().enumerate() {
            if index > 0
                && let Kind::Fixed(fixed) = &mut of.kind
            {
                fixed.name.name = format!("Decimal{}", index + 1);
                self.types[id.0] = of.clone();
            }
            if same((&self.types, known), (&self.types, id)) {
                return known;
            }
        }
        self.decimals.push(id);
        if self.decimals.len() > 1
            && let Kind::Fixed(fixed) = &mut self.types[id.0].kind
        {
            fixed.name.name = format!("Decimal{}", self.decimals.len());
        }
        id
    }

    /// The null comes first, or behind what has a default.
    fn optional(&mut self, schema: &Schema, id: TypeId) -> TypeId {
        if !schema.optional {
            return id;
        }
        let null = self.add(Kind::Null);
        self.add(Kind::Union(match schema.default {
            Some(_) => vec![id, null],
            None => vec![null, id],
        }))
    }

    fn name_or_default(&mut self, schema: &Schema) -> Result<Name, RecordError> {
        if let Some(full) = &schema.name {
            let (namespace, name) = self.settings.split_name(full);
            return Name::new(&name, namespace.as_deref());
        }
        self.unnamed += 1;
        match self.unnamed {
            1 => Name::new(DEFAULT_NAME, Some(NAMESPACE)),
            number => Name::new(&format!("{DEFAULT_NAME}{number}"), Some(NAMESPACE)),
        }
    }
}

fn inner(schema: &Option<SchemaRef>) -> Result<&SchemaRef, RecordError> {
    let missing = || RecordError::data("a list's or map's schema does not say of what it is");
    schema.as_ref().ok_or_else(missing)
}

/// Whether an equal schema would be another type if it were built again.
fn is_worth_sharing(schema: &Schema) -> bool {
    matches!(
        schema.kind,
        SchemaType::Struct | SchemaType::Map | SchemaType::Array
    ) || (schema.parameters.is_some()
        && matches!(schema.kind, SchemaType::String | SchemaType::Bytes))
}
