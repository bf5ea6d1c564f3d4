//! Hash: replaces texts by their digests. Class and keys are those of Aiven's transform; values and further keys are more.

mod settings;

use super::{Derived, Part, key_and_value, rewrite};
use crate::settings::checked;
use bytes::Bytes;
use millstream_core::converter::RowErrors;
use millstream_core::digest::{Digester, HashInput, HashSettings, NullHashing};
use millstream_core::{
    ByteColumn, Fusable, Needs, Payload, PluginError, Properties, RecordBatch, RecordError,
    RowMask, Schema, SchemaAndValue, SchemaRef, SchemaType, Transform, Value,
};
use settings::{HashConfig, settings_of};
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
    schemas: Derived,
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
        Ok(Hash {
            part,
            fields,
            skip_missing_or_null: config.skip_missing_or_null,
            settings,
            digester,
            scratch: Scratch::default(),
            schemas: Derived::default(),
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

    /// The digest of a leaf; `None` if it is left as it is.
    fn leaf(&mut self, value: &Value, name: &str) -> Result<Option<Value>, RecordError> {
        match value {
            Value::String(text) => {
                let text = text.to_java_utf8().into_owned();
                Ok(Some(self.digest(text.as_bytes())))
            }
            Value::Bytes(bytes) => {
                let bytes = bytes.clone();
                Ok(Some(self.digest(&bytes)))
            }
            Value::Null if self.skip_missing_or_null => Ok(None),
            Value::Null => Err(RecordError::data(format!(
                "{name} in {} can't be null",
                self.place()
            ))),
            _ => Err(RecordError::data(format!(
                "{name} schema type in {} must be STRING",
                self.place()
            ))),
        }
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
        self.schemas.get(schema, |schema| {
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
        if taken.value.is_null() {
            return match self.settings.null {
                _ if self.skip_missing_or_null => Ok(Some(taken)),
                NullHashing::Pass => Ok(Some(taken)),
                NullHashing::Skip => Ok(None),
                NullHashing::Fail => Err(RecordError::data(format!("{place} can't be null"))),
            };
        }
        let schema = schema.clone();
        let digest = match (self.settings.input, raw) {
            (HashInput::Raw, Some(raw)) => Some(self.digest(raw)),
            _ => self.leaf(&taken.value, place)?,
        };
        let Some(value) = digest else {
            return Ok(Some(taken));
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
        path: &[String],
    ) -> Result<SchemaAndValue, RecordError> {
        let Some((name, rest)) = path.split_first() else {
            return Ok(taken);
        };
        let missing = || {
            RecordError::data(format!(
                "{name} in {} schema can't be missing",
                self.place()
            ))
        };
        match taken.value {
            Value::Struct(mut record) => {
                let Some(index) = record.schema.field_index(name) else {
                    if self.skip_missing_or_null {
                        return Ok(SchemaAndValue {
                            schema: taken.schema,
                            value: Value::Struct(record),
                        });
                    }
                    return Err(missing());
                };
                let field_schema = record.schema.fields[index].schema.clone();
                let inner = SchemaAndValue {
                    schema: Some(field_schema.clone()),
                    value: std::mem::replace(&mut record.values[index], Value::Null),
                };
                let changed = self.inner(inner, name, rest)?;
                record.values[index] = changed.value;
                let Some(new_schema) = changed.schema.filter(|s| !Arc::ptr_eq(s, &field_schema))
                else {
                    return Ok(SchemaAndValue {
                        schema: taken.schema,
                        value: Value::Struct(record),
                    });
                };
                let mut updated = (*record.schema).clone();
                updated.fields[index].schema = new_schema;
                record.schema = self.schemas.get(&record.schema, |_| Ok(updated))?;
                Ok(SchemaAndValue {
                    schema: Some(record.schema.clone()),
                    value: Value::Struct(record),
                })
            }
            Value::Map(mut map) => {
                let key = Value::from(name.as_str());
                let Some(value) = map.get(&key).cloned() else {
                    if self.skip_missing_or_null {
                        return Ok(SchemaAndValue {
                            schema: taken.schema,
                            value: Value::Map(map),
                        });
                    }
                    return Err(missing());
                };
                let inner = SchemaAndValue {
                    schema: None,
                    value,
                };
                map.insert(key, self.inner(inner, name, rest)?.value);
                Ok(SchemaAndValue {
                    schema: taken.schema,
                    value: Value::Map(map),
                })
            }
            Value::Null if self.skip_missing_or_null => Ok(SchemaAndValue {
                schema: taken.schema,
                value: Value::Null,
            }),
            Value::Null => Err(RecordError::data(format!(
                "{} can't be null if field name is specified",
                self.place()
            ))),
            _ => Err(RecordError::data(format!(
                "{} schema type must be STRUCT if field name is specified",
                self.place()
            ))),
        }
    }

    /// A field on the way, or the one to hash.
    fn inner(
        &mut self,
        taken: SchemaAndValue,
        name: &str,
        rest: &[String],
    ) -> Result<SchemaAndValue, RecordError> {
        if !rest.is_empty() {
            return self.field(taken, rest);
        }
        let Some(value) = self.leaf(&taken.value, name)? else {
            return Ok(taken);
        };
        let schema = match &taken.schema {
            Some(schema) => Some(self.digest_schema(schema)?),
            None => None,
        };
        Ok(SchemaAndValue { schema, value })
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
            Payload::Raw { .. } => None,
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
            for path in &fields {
                taken = self.field(taken, path)?;
            }
            Ok(taken)
        });
        self.fields = fields;
    }

    fn fusable(&self) -> Option<Fusable> {
        (self.part == Part::Value && self.fields.is_empty())
            .then(|| Fusable::HashValue(self.settings.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_core::{Map, Struct, Text};

    fn hash(settings: &[(&str, &str)]) -> Hash {
        let properties: Properties = settings.iter().copied().collect();
        Hash::new(&properties, Part::Value).unwrap()
    }

    fn text(value: &str) -> SchemaAndValue {
        SchemaAndValue {
            schema: Some(Arc::new(Schema::of(SchemaType::String))),
            value: Value::from(value),
        }
    }

    #[test]
    fn hashes_the_whole_value() {
        let mut md5 = hash(&[("function", "md5")]);
        let hashed = md5
            .whole(text("jerry@big-corp.com"), None)
            .unwrap()
            .unwrap();
        assert_eq!(hashed, text("10e5756d5d4c9c1cadd5e1b952071378"));
        let schemaless = SchemaAndValue {
            schema: None,
            value: Value::from("x"),
        };
        assert!(md5.whole(schemaless, None).is_err());
        let mut null = text("");
        null.value = Value::Null;
        assert!(md5.whole(null.clone(), None).is_err());
        let mut skip = hash(&[("function", "md5"), ("null.value", "skip")]);
        assert_eq!(skip.whole(null.clone(), None), Ok(None));
        let mut pass = hash(&[("function", "md5"), ("skip.missing.or.null", "true")]);
        assert_eq!(pass.whole(null.clone(), None), Ok(Some(null)));
        let mut raw = hash(&[("function", "sha224"), ("input", "raw")]);
        let hashed = raw.whole(text("\u{fffd}"), Some(&[0xFF])).unwrap().unwrap();
        let expected = Text::from("e33f9d75e6ae1369dbabf81b96b4591ae46bba30b591a6b6c62542b5");
        assert_eq!(hashed.value, Value::String(expected));
    }

    #[test]
    fn hashes_fields_in_place() {
        let mut md5 = hash(&[
            ("function", "MD5"),
            ("field.names", "a.b"),
            ("encoding", "binary"),
        ]);
        let inner = Map::hashed([(Value::from("b"), Value::from("x"))]);
        let outer = Map::hashed([(Value::from("a"), Value::Map(inner))]);
        let taken = SchemaAndValue {
            schema: None,
            value: Value::Map(outer),
        };
        let path = md5.fields[0].clone();
        let changed = md5.field(taken, &path).unwrap();
        let Value::Map(outer) = changed.value else {
            panic!("a map stays a map");
        };
        let Some(Value::Map(inner)) = outer.get_str("a") else {
            panic!("a map stays a map");
        };
        assert!(matches!(inner.get_str("b"), Some(Value::Bytes(digest)) if digest.len() == 16));

        let mut schema = Schema::of(SchemaType::Struct);
        let field = Arc::new(Schema::optional(SchemaType::String));
        super::super::add_field(&mut schema, "f", field).unwrap();
        let mut record = Struct::new(Arc::new(schema));
        record.values[0] = Value::from("x");
        let taken = SchemaAndValue {
            schema: Some(record.schema.clone()),
            value: Value::Struct(Box::new(record)),
        };
        let changed = md5.field(taken.clone(), &["f".to_owned()]).unwrap();
        assert_eq!(
            changed.schema.unwrap().fields[0].schema.kind,
            SchemaType::Bytes
        );
        assert!(md5.field(taken, &["g".to_owned()]).is_err());
    }

    #[test]
    fn refuses_keys_that_do_not_fit() {
        let refused = |settings: &[(&str, &str)]| {
            let properties: Properties = settings.iter().copied().collect();
            Hash::new(&properties, Part::Value).is_err()
        };
        assert!(refused(&[("function", "hmac-sha256")]));
        assert!(refused(&[("function", "md5"), ("key", "x")]));
        assert!(refused(&[("function", "blake3_keyed"), ("key", "short")]));
        assert!(refused(&[("function", "crc32")]));
        assert!(!refused(&[
            ("function", "hmac_md5"),
            ("key", "00ff"),
            ("key.encoding", "hex")
        ]));
    }
}
