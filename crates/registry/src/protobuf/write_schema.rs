//! From Connect's schema to the text of a `.proto` file (proto3): one message, and in it what it is made of.

use super::Options;
use super::names::{
    CONNECT_PRECISION, CONNECT_TYPE, DEEPEST, DEFAULT_NAME, ENUM, GENERALIZED_ENUM,
    GENERALIZED_UNION, PRECISION, SCALE, TYPE, UNION_PREFIX, WRAPPER, enum_parameter, is_union,
    parameter, scrub,
};
use super::taken::{Tags, Written};
use super::well_known;
use millstream_core::schema as connect;
use millstream_core::{RecordError, Schema, SchemaRef, SchemaType};
use std::collections::BTreeSet;
use std::fmt::Write;

/// The text.
///
/// # Errors
/// A `DataException` for what Protobuf cannot say.
pub(super) fn write(schema: &SchemaRef, options: &Options) -> Result<String, RecordError> {
    if schema.kind != SchemaType::Struct {
        return Err(RecordError::data(format!(
            "Unsupported root schema of type {}",
            schema.kind.java_name()
        )));
    }
    let mut file = Proto {
        options,
        imports: BTreeSet::new(),
        unnamed: 0,
        enclosing: Vec::new(),
    };
    let full = file.name_or_default(schema.name.as_deref());
    let parts: Vec<String> = full.split('.').map(|part| scrub(part, options)).collect();
    let (name, package) = match parts.split_last() {
        Some((name, package)) => (name.clone(), package.join(".")),
        None => (full, String::new()),
    };
    let mut body = String::new();
    file.message(&mut body, &name, schema, 0)?;
    let mut text = "syntax = \"proto3\";\n".to_owned();
    if !package.is_empty() {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "package {package};");
    }
    text.push('\n');
    for import in &file.imports {
        let _ = writeln!(text, "import \"{import}\";");
    }
    if !file.imports.is_empty() {
        text.push('\n');
    }
    Ok(text + &body)
}

struct Proto<'a> {
    options: &'a Options,
    imports: BTreeSet<&'static str>,
    /// Schemas without a name so far.
    unnamed: usize,
    /// The messages around the place at hand: Connect's name and Protobuf's.
    enclosing: Vec<(Option<String>, String)>,
}

impl Proto<'_> {
    fn name_or_default(&mut self, name: Option<&str>) -> String {
        match name {
            Some(name) if !name.is_empty() => name.to_owned(),
            _ => {
                self.unnamed += 1;
                format!("{DEFAULT_NAME}{}", self.unnamed)
            }
        }
    }

    /// The last part of a name.
    fn simple_name(&mut self, name: Option<&str>) -> String {
        let full = self.name_or_default(name);
        scrub(full.rsplit('.').next().unwrap_or(&full), self.options)
    }

    fn message(
        &mut self,
        out: &mut String,
        name: &str,
        schema: &Schema,
        depth: usize,
    ) -> Result<(), RecordError> {
        if depth > DEEPEST {
            return Err(RecordError::data(format!(
                "the schema is nested more than {DEEPEST} levels deep"
            )));
        }
        let indent = "  ".repeat(depth);
        let _ = writeln!(out, "{indent}message {name} {{");
        self.enclosing.push((schema.name.clone(), name.to_owned()));
        let mut inner = String::new();
        let mut written = Written::default();
        let mut tags = Tags::of(schema);
        for field in &schema.fields {
            if is_union(&field.schema) {
                let union = self.union_name(&field.schema);
                let _ = writeln!(out, "{indent}  oneof {union} {{");
                for branch in &field.schema.fields {
                    let tag = tags.next(&branch.schema);
                    let place = Place {
                        name: &branch.name,
                        tag,
                        is_in_oneof: true,
                    };
                    let line =
                        self.field(&mut inner, &branch.schema, place, &mut written, depth)?;
                    let _ = writeln!(out, "{indent}    {line}");
                }
                let _ = writeln!(out, "{indent}  }}");
            } else {
                let place = Place {
                    name: &field.name,
                    tag: tags.next(&field.schema),
                    is_in_oneof: false,
                };
                let line = self.field(&mut inner, &field.schema, place, &mut written, depth)?;
                let _ = writeln!(out, "{indent}  {line}");
            }
        }
        self.enclosing.pop();
        out.push_str(&inner);
        let _ = writeln!(out, "{indent}}}");
        Ok(())
    }

    fn union_name(&mut self, schema: &Schema) -> String {
        let generalized = parameter(schema, GENERALIZED_UNION).map(str::to_owned);
        let name = schema.name.as_deref().unwrap_or_default();
        let name = generalized
            .unwrap_or_else(|| name.strip_prefix(UNION_PREFIX).unwrap_or(name).to_owned());
        self.simple_name(Some(&name))
    }

    /// A field's line; messages and enums that it needs are appended to `inner`.
    fn field(
        &mut self,
        inner: &mut String,
        schema: &Schema,
        place: Place<'_>,
        written: &mut Written,
        depth: usize,
    ) -> Result<String, RecordError> {
        let name = scrub(place.name, self.options);
        let mut element = schema;
        let label = match schema.kind {
            SchemaType::Array => {
                let items = schema.value_schema.as_deref();
                element = items
                    .ok_or_else(|| RecordError::data("a list has no schema of what is in it"))?;
                if element.kind == SchemaType::Array {
                    return Err(RecordError::data("Array cannot be nested"));
                }
                "repeated "
            }
            SchemaType::Map => "",
            _ if self.options.optional_for_nullables && schema.optional && !place.is_in_oneof => {
                "optional "
            }
            _ => "",
        };
        if element.kind == SchemaType::Map && label == "repeated " {
            return Err(RecordError::data(
                "a list of maps cannot be written as Protobuf",
            ));
        }
        let mut params = Vec::new();
        let kind = self.kind(
            inner,
            element,
            &name,
            place.is_in_oneof,
            written,
            depth,
            &mut params,
        )?;
        let params = match params.is_empty() {
            true => String::new(),
            false => {
                self.imports.insert(well_known::META_FILE);
                let params = params
                    .iter()
                    .map(|(key, value)| format!("{{ key: \"{key}\", value: \"{value}\" }}"));
                let params: Vec<String> = params.collect();
                format!(
                    " [(confluent.field_meta) = {{ params: [{}] }}]",
                    params.join(", ")
                )
            }
        };
        Ok(format!("{label}{kind} {name} = {}{params};", place.tag))
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "a field's type depends on all of its place"
    )]
    fn kind(
        &mut self,
        inner: &mut String,
        schema: &Schema,
        field: &str,
        is_in_oneof: bool,
        written: &mut Written,
        depth: usize,
        params: &mut Vec<(&'static str, String)>,
    ) -> Result<String, RecordError> {
        if let Some(kind) = self.logical(schema, params) {
            return Ok(kind.to_owned());
        }
        let is_wrapper = self.options.wrapper_for_nullables
            && schema.optional
            && (!is_in_oneof || parameter(schema, WRAPPER).is_some());
        let scalar = |this: &mut Self, plain: &str, wrapper: &str| match is_wrapper {
            true => {
                this.imports.insert(well_known::WRAPPERS_FILE);
                format!("google.protobuf.{wrapper}")
            }
            false => parameter(schema, TYPE).unwrap_or(plain).to_owned(),
        };
        Ok(match schema.kind {
            SchemaType::Int8 | SchemaType::Int16 => {
                let name = if schema.kind == SchemaType::Int8 {
                    "int8"
                } else {
                    "int16"
                };
                params.push((CONNECT_TYPE, name.to_owned()));
                scalar(self, "int32", "Int32Value")
            }
            SchemaType::Int32 => match is_enum(schema) {
                true => self.symbols(inner, schema, written, depth),
                false => scalar(self, "int32", "Int32Value"),
            },
            SchemaType::Int64 => {
                let wrapper = match parameter(schema, TYPE) {
                    Some("uint32") => "UInt32Value",
                    Some("uint64") => "UInt64Value",
                    _ => "Int64Value",
                };
                scalar(self, "int64", wrapper)
            }
            SchemaType::Float32 => scalar(self, "float", "FloatValue"),
            SchemaType::Float64 => scalar(self, "double", "DoubleValue"),
            SchemaType::Boolean => scalar(self, "bool", "BoolValue"),
            SchemaType::String if is_enum(schema) => self.symbols(inner, schema, written, depth),
            SchemaType::String => scalar(self, "string", "StringValue"),
            SchemaType::Bytes => scalar(self, "bytes", "BytesValue"),
            SchemaType::Array => return Err(RecordError::data("Array cannot be nested")),
            SchemaType::Map => {
                let (keys, values) = match (&schema.key_schema, &schema.value_schema) {
                    (Some(keys), Some(values)) => (keys, values),
                    _ => return Err(RecordError::data("a map has no schema of what is in it")),
                };
                let is_key = matches!(
                    keys.kind,
                    SchemaType::Int8
                        | SchemaType::Int16
                        | SchemaType::Int32
                        | SchemaType::Int64
                        | SchemaType::Boolean
                        | SchemaType::String
                ) && keys.name.is_none();
                if !is_key || matches!(values.kind, SchemaType::Array | SchemaType::Map) {
                    return Err(RecordError::data(format!(
                        "a map of {} to {} cannot be written as Protobuf",
                        keys.kind.java_name(),
                        values.kind.java_name()
                    )));
                }
                // Entries have no place for what Connect adds, and keys are never wrapped.
                let mut dropped = Vec::new();
                let required = Schema {
                    optional: false,
                    ..(**keys).clone()
                };
                let key =
                    self.kind(inner, &required, field, false, written, depth, &mut dropped)?;
                let value = self.kind(inner, values, field, false, written, depth, &mut dropped)?;
                format!("map<{key}, {value}>")
            }
            SchemaType::Struct if schema.recursive => {
                let open = self
                    .enclosing
                    .iter()
                    .rev()
                    .find(|(name, _)| *name == schema.name);
                let open = open.map(|(_, name)| name.clone());
                open.ok_or_else(|| RecordError::data("the schema refers to nothing"))?
            }
            SchemaType::Struct => {
                let mut name = self.simple_name(schema.name.as_deref());
                if name == field {
                    // A field and a message of one name would hide each other.
                    name.push_str("Message");
                }
                if written.insert(&name, schema)? {
                    self.message(inner, &name, schema, depth + 1)?;
                }
                name
            }
        })
    }

    fn logical(
        &mut self,
        schema: &Schema,
        params: &mut Vec<(&'static str, String)>,
    ) -> Option<&'static str> {
        let (kind, file) = match schema.name.as_deref()? {
            connect::DECIMAL => {
                let precision = parameter(schema, CONNECT_PRECISION);
                params.extend(precision.map(|precision| (PRECISION, precision.to_owned())));
                let scale = parameter(schema, "scale");
                params.extend(scale.map(|scale| (SCALE, scale.to_owned())));
                (well_known::DECIMAL, well_known::DECIMAL_FILE)
            }
            connect::DATE => (well_known::DATE, well_known::DATE_FILE),
            connect::TIME => (well_known::TIME, well_known::TIME_FILE),
            connect::TIMESTAMP => (well_known::TIMESTAMP, well_known::TIMESTAMP_FILE),
            _ => return None,
        };
        self.imports.insert(file);
        Some(kind)
    }

    fn symbols(
        &mut self,
        inner: &mut String,
        schema: &Schema,
        written: &mut Written,
        depth: usize,
    ) -> String {
        let named = parameter(schema, enum_parameter(self.options)).map(str::to_owned);
        let name = self.simple_name(named.as_deref().or(schema.name.as_deref()));
        if written.names.insert(name.clone()) {
            let indent = "  ".repeat(depth + 1);
            let _ = writeln!(inner, "{indent}enum {name} {{");
            let prefix = format!("{}.", enum_parameter(self.options));
            for (key, number) in schema.parameters.iter().flatten() {
                if let Some(symbol) = key.strip_prefix(&prefix) {
                    let _ = writeln!(inner, "{indent}  {symbol} = {number};");
                }
            }
            let _ = writeln!(inner, "{indent}}}");
        }
        name
    }
}

pub(super) fn is_enum(schema: &Schema) -> bool {
    [ENUM, GENERALIZED_ENUM]
        .iter()
        .any(|key| parameter(schema, key).is_some())
}

/// Where a field stands.
#[derive(Clone, Copy)]
struct Place<'a> {
    name: &'a str,
    tag: u32,
    is_in_oneof: bool,
}
