//! Hash: replaces texts by their digests. Class and keys are those of Aiven's transform; values and further keys are more.

mod settings;

use super::{Derived, Part, key_and_value, rewrite};
use crate::settings::checked;
use bytes::Bytes;
use millstream_core::converter::RowErrors;
use millstream_core::digest::{Digester, HashInput, HashSettings, NullHashing};
use millstream_core::{
    ByteColumn, Edit, Fusable, Missing, Needs, Origin, Payload, PluginError, Properties,
    RecordBatch, RecordError, RowMask, Schema, SchemaAndValue, SchemaRef, SchemaType, Transform,
    Value,
};
use settings::{HashConfig, settings_of};
use std::fmt::{self, Display};
use std::sync::Arc;

key_and_value!(Hash, HashConfig, "io.aiven.kafka.connect.transforms.Hash");

struct Hash {
    part: Part,
    /// Paths to fields; none for the whole value.
    fields: Vec<Vec<String>>,
    skip_missing_or_null: bool,
    settings: HashSettings,
    digester: Digester,
    scratch: Scratch,
    /// Of texts and bytes that become digests.
    leaves: Derived,
    /// Of structs in which a field has changed its schema.
    structs: Derived<Replaced>,
}

/// A field of a struct, and the schema it has now.
struct Replaced {
    index: usize,
    by: SchemaRef,
}

impl PartialEq for Replaced {
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index && Arc::ptr_eq(&self.by, &other.by)
    }
}

#[derive(Default)]
struct Scratch {
    digest: Vec<u8>,
    text: Vec<u8>,
}

impl Hash {
    fn new(properties: &Properties, part: Part) -> Result<Self, PluginError> {
        let config = checked(HashConfig::parse(properties))?;
        let settings = settings_of(&config)?;
        let digester = Digester::new(&settings).map_err(PluginError::config)?;
        let name = config.field_name.filter(|name| !name.is_empty());
        let mut fields: Vec<Vec<String>> = name.map(|name| vec![name]).into_iter().collect();
        let paths = config.field_names.iter();
        fields.extend(paths.map(|path| path.split('.').map(str::to_owned).collect()));
        let steps = fields.iter().map(Vec::len).sum();
        Ok(Hash {
            part,
            fields,
            skip_missing_or_null: config.skip_missing_or_null,
            settings,
            digester,
            scratch: Scratch::default(),
            leaves: Derived::for_steps(steps),
            structs: Derived::for_steps(steps),
        })
    }

    fn place(&self) -> &'static str {
        self.part.pick("key", "value")
    }

    /// The digest of a text or bytes, as it is to be written.
    fn digest(&mut self, input: &[u8]) -> Value {
        let Scratch { digest, text } = &mut self.scratch;
        digest.clear();
        text.clear();
        self.digester.digest(input, digest);
        self.digester.encode(digest, text);
        if self.digester.is_binary() {
            Value::Bytes(Bytes::copy_from_slice(text))
        } else {
            Value::from(String::from_utf8_lossy(text).into_owned())
        }
    }

    /// The digest of a text or bytes; `None` for a value of another type.
    fn digest_of(&mut self, value: &Value) -> Option<Value> {
        match value {
            Value::String(text) => Some(self.digest(text.to_java_utf8().as_bytes())),
            Value::Bytes(bytes) => Some(self.digest(bytes)),
            _ => None,
        }
    }

    fn refused<T>(&self, what: impl Display, why: &str) -> Result<T, RecordError> {
        let place = self.place();
        Err(RecordError::data(format!("{what} in {place} {why}")))
    }

    /// The schema of a digest in place of a value.
    fn digest_schema(&mut self, schema: &SchemaRef) -> Result<SchemaRef, RecordError> {
        let kind = if self.digester.is_binary() {
            SchemaType::Bytes
        } else {
            SchemaType::String
        };
        if schema.kind == kind && schema.default.is_none() {
            return Ok(schema.clone());
        }
        self.leaves.get(schema, |schema| {
            Ok(Schema {
                optional: schema.optional,
                ..Schema::of(kind)
            })
        })
    }

    /// `None`: the record is to be dropped.
    fn whole(
        &mut self,
        taken: SchemaAndValue,
        raw: Option<&[u8]>,
    ) -> Result<Option<SchemaAndValue>, RecordError> {
        let place = self.place();
        let Some(schema) = &taken.schema else {
            return Err(RecordError::data(format!("{place} schema can't be null")));
        };
        if !matches!(schema.kind, SchemaType::String | SchemaType::Bytes) {
            return Err(RecordError::data(format!(
                "{place} schema type must be STRING if field name is not specified"
            )));
        }
        let schema = schema.clone();
        let value = match (&taken.value, self.settings.null) {
            // Its schema is that of the digests all the same: it must not depend on the row.
            (Value::Null, _) if self.skip_missing_or_null => Value::Null,
            (Value::Null, NullHashing::Pass) => Value::Null,
            (Value::Null, NullHashing::Skip) => return Ok(None),
            (Value::Null, NullHashing::Fail) => {
                return Err(RecordError::data(format!("{place} can't be null")));
            }
            (value, _) => {
                let digest = match (self.settings.input, raw) {
                    (HashInput::Raw, Some(raw)) => Some(self.digest(raw)),
                    _ => self.digest_of(value),
                };
                match digest {
                    Some(digest) => digest,
                    None => return self.refused(format!("{place} schema type"), "must be STRING"),
                }
            }
        };
        Ok(Some(SchemaAndValue {
            schema: Some(self.digest_schema(&schema)?),
            value,
        }))
    }

    /// Replaces the field at a path, within a struct or a map.
    fn field(
        &mut self,
        taken: SchemaAndValue,
        path: Path<'_>,
    ) -> Result<SchemaAndValue, RecordError> {
        match taken.value {
            Value::Struct(mut record) => {
                let Some(index) = record.schema.field_index(path.name()) else {
                    if self.skip_missing_or_null {
                        return Ok(SchemaAndValue {
                            schema: taken.schema,
                            value: Value::Struct(record),
                        });
                    }
                    return self.refused(path, "schema can't be missing");
                };
                let field_schema = record.schema.fields[index].schema.clone();
                let inner = SchemaAndValue {
                    schema: Some(field_schema.clone()),
                    value: std::mem::replace(&mut record.values[index], Value::Null),
                };
                let changed = self.inner(inner, path)?;
                record.values[index] = changed.value;
                let Some(by) = changed.schema.filter(|s| !Arc::ptr_eq(s, &field_schema)) else {
                    return Ok(SchemaAndValue {
                        schema: taken.schema,
                        value: Value::Struct(record),
                    });
                };
                let replaced = Replaced { index, by };
                record.schema =
                    self.structs
                        .get_by(&record.schema, replaced, |old, replaced| {
                            let mut updated = old.clone();
                            updated.fields[replaced.index].schema = replaced.by.clone();
                            Ok(updated)
                        })?;
                Ok(SchemaAndValue {
                    schema: Some(record.schema.clone()),
                    value: Value::Struct(record),
                })
            }
            Value::Map(mut map) => {
                let key = Value::from(path.name());
                let Some(value) = map.get(&key).cloned() else {
                    if self.skip_missing_or_null {
                        return Ok(SchemaAndValue {
                            schema: taken.schema,
                            value: Value::Map(map),
                        });
                    }
                    return self.refused(path, "schema can't be missing");
                };
                let inner = SchemaAndValue {
                    schema: None,
                    value,
                };
                map.insert(key, self.inner(inner, path)?.value);
                Ok(SchemaAndValue {
                    schema: taken.schema,
                    value: Value::Map(map),
                })
            }
            Value::Null if self.skip_missing_or_null => Ok(SchemaAndValue {
                schema: taken.schema,
                value: Value::Null,
            }),
            other => {
                let is_null = other.is_null();
                match path.outer() {
                    Some(outer) if is_null => {
                        self.refused(outer, &format!("can't be null if {path} is to be hashed"))
                    }
                    Some(outer) => self.refused(
                        outer,
                        &format!("must be a struct or a map if {path} is to be hashed"),
                    ),
                    None => Err(RecordError::data(format!(
                        "{} {} if field name is specified",
                        self.place(),
                        if is_null {
                            "can't be null"
                        } else {
                            "schema type must be STRUCT"
                        }
                    ))),
                }
            }
        }
    }

    /// A field on the way, or the one to hash.
    fn inner(
        &mut self,
        taken: SchemaAndValue,
        path: Path<'_>,
    ) -> Result<SchemaAndValue, RecordError> {
        if let Some(further) = path.further() {
            return self.field(taken, further);
        }
        let value = match (&taken.value, &taken.schema) {
            (Value::Null, _) if !self.skip_missing_or_null => {
                return self.refused(path, "can't be null");
            }
            // Its schema is that of the digests all the same: it must not depend on the row.
            (Value::Null, Some(schema))
                if matches!(schema.kind, SchemaType::String | SchemaType::Bytes) =>
            {
                Value::Null
            }
            (Value::Null, _) => return Ok(taken),
            (value, _) => match self.digest_of(value) {
                Some(digest) => digest,
                None => return self.refused(format!("{path} schema type"), "must be STRING"),
            },
        };
        let schema = match &taken.schema {
            Some(schema) => Some(self.digest_schema(schema)?),
            None => None,
        };
        Ok(SchemaAndValue { schema, value })
    }
}

/// A path to a field, and how far one has come on it.
#[derive(Clone, Copy)]
struct Path<'a> {
    steps: &'a [String],
    at: usize,
}

impl<'a> Path<'a> {
    fn name(self) -> &'a str {
        &self.steps[self.at]
    }

    fn further(self) -> Option<Self> {
        let at = self.at + 1;
        (at < self.steps.len()).then_some(Path { at, ..self })
    }

    /// What holds the field, unless that is the key or value itself.
    fn outer(self) -> Option<Self> {
        let at = self.at.checked_sub(1)?;
        Some(Path { at, ..self })
    }
}

impl Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.steps[..=self.at].join("."))
    }
}

impl Transform for Hash {
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
        keep: &mut RowMask,
        errors: &mut RowErrors,
    ) {
        let payload = self.part.of(batch);
        let raw: Option<ByteColumn> = match payload {
            Payload::Decoded(decoded) => Some(decoded.raw.clone()),
            Payload::Raw { .. } | Payload::Encoded(_) => None,
        };
        let fields = std::mem::take(&mut self.fields);
        rewrite(payload, mask, errors, |row, mut taken| {
            if fields.is_empty() {
                let bytes = raw.as_ref().and_then(|raw| raw.get(row));
                return Ok(self.whole(taken, bytes)?.unwrap_or_else(|| {
                    keep.clear(row);
                    SchemaAndValue::NULL
                }));
            }
            for steps in &fields {
                taken = self.field(taken, Path { steps, at: 0 })?;
            }
            Ok(taken)
        });
        self.fields = fields;
    }

    fn edits(&self) -> Option<Vec<Edit>> {
        if self.fields.is_empty() {
            return None;
        }
        let missing = match self.skip_missing_or_null {
            true => Missing::Left,
            false => Missing::Refused,
        };
        let changes = self.fields.iter().map(|steps| match &steps[..] {
            [name] => Some(Edit::Change {
                name: name.clone(),
                missing,
            }),
            // A field within another.
            _ => None,
        });
        let refusal = (!self.skip_missing_or_null).then_some(Some(Edit::RefuseNull));
        changes.chain(refusal).collect()
    }

    fn edit(&mut self, _edit: usize, old: &Value, _origin: &Origin<'_>) -> Option<Value> {
        match old {
            Value::Null => self.skip_missing_or_null.then_some(Value::Null),
            value => self.digest_of(value),
        }
    }

    fn fusable(&self) -> Option<Fusable> {
        (self.part == Part::Value && self.fields.is_empty())
            .then(|| Fusable::HashValue(self.settings.clone()))
    }
}

#[cfg(test)]
mod tests;
