//! HeaderFrom: copies or moves fields to headers.

use super::{
    Derived, Part, copy_basics, field_value, headers_of, key_and_value, require_map,
    require_struct, undecoded_headers,
};
use crate::settings::{checked, non_empty_list, replace_null_with_default};
use millstream_core::config::{Importance, Key, Kind, Validator};
use millstream_core::converter::RowErrors;
use millstream_core::{
    Header, Needs, PluginError, Properties, RecordBatch, RecordError, RowMask, SchemaAndValue,
    Struct, Transform, Value, config_def,
};

key_and_value!(
    HeaderFrom,
    HeaderFromConfig,
    "org.apache.kafka.connect.transforms.HeaderFrom"
);

config_def! {
    struct HeaderFromConfig {
        fields: Vec<String> = Key::required("fields", Kind::List)
            .importance(Importance::High)
            .doc("Field names in the record whose values are to be copied or moved to headers.")
            .validator(Validator::Check(non_empty_list)),
        headers: Vec<String> = Key::required("headers", Kind::List)
            .importance(Importance::High)
            .doc("Header names, in the same order as the field names listed in the fields configuration property.")
            .validator(Validator::Check(non_empty_list)),
        operation: String = Key::required("operation", Kind::String)
            .importance(Importance::High)
            .doc(
                "Either <code>move</code> if the fields are to be moved to the headers (removed from the key/value), \
                 or <code>copy</code> if the fields are to be copied to the headers (retained in the key/value).",
            )
            .validator(Validator::OneOf(&["move", "copy"])),
        replace_null_with_default: bool = replace_null_with_default(),
    }
}

struct HeaderFrom {
    part: Part,
    /// Field and header.
    pairs: Vec<(String, String)>,
    moves: bool,
    replace_null_with_default: bool,
    schemas: Derived,
}

impl HeaderFrom {
    fn new(properties: &Properties, part: Part) -> Result<Self, PluginError> {
        let config = checked(HeaderFromConfig::parse(properties))?;
        if config.fields.len() != config.headers.len() {
            return Err(PluginError::config(
                "'fields' config must have the same number of elements as 'headers' config.",
            ));
        }
        Ok(HeaderFrom {
            part,
            pairs: config.fields.into_iter().zip(config.headers).collect(),
            moves: config.operation == "move",
            replace_null_with_default: config.replace_null_with_default,
            schemas: Derived::default(),
        })
    }

    fn purpose(&self) -> &'static str {
        if self.moves {
            "header move"
        } else {
            "header copy"
        }
    }

    fn take(
        &mut self,
        taken: SchemaAndValue,
        headers: &mut Vec<Header>,
    ) -> Result<SchemaAndValue, RecordError> {
        let Some(schema) = taken.schema else {
            let map = require_map(taken.value, self.purpose())?;
            // Java copies the map in both cases, which may change the order of its entries.
            let mut rest = map.clone().copied_from();
            for (field, header) in &self.pairs {
                let value = map.get_str(field).cloned().unwrap_or(Value::Null);
                headers.push(Header {
                    key: header.clone(),
                    schema: None,
                    value,
                });
                if self.moves {
                    rest.remove(&Value::from(field.as_str()));
                }
            }
            return Ok(SchemaAndValue {
                schema: None,
                value: Value::Map(rest),
            });
        };
        let record = require_struct(taken.value, self.purpose())?;
        let mut added = Vec::with_capacity(self.pairs.len());
        for (field, header) in &self.pairs {
            let Some(index) = schema.field_index(field) else {
                return Err(RecordError::new(
                    "java.lang.NullPointerException",
                    format!("the value has no field {field}"),
                ));
            };
            added.push(Header {
                key: header.clone(),
                schema: Some(schema.fields[index].schema.clone()),
                value: field_value(&record, index, self.replace_null_with_default),
            });
        }
        let rest = if self.moves {
            let pairs = &self.pairs;
            let moved = |name: &str| pairs.iter().any(|(field, _)| field == name);
            let remaining = self.schemas.get(&schema, |schema| {
                let mut remaining = copy_basics(schema);
                remaining.fields = schema.fields.clone();
                remaining.fields.retain(|field| !moved(&field.name));
                Ok(remaining)
            })?;
            let mut rest = Struct::new(remaining.clone());
            let mut place = 0;
            for (index, field) in schema.fields.iter().enumerate() {
                if !moved(&field.name) {
                    let value = field_value(&record, index, self.replace_null_with_default);
                    rest.put(place, value)?;
                    place += 1;
                }
            }
            SchemaAndValue {
                schema: Some(remaining),
                value: Value::Struct(Box::new(rest)),
            }
        } else {
            SchemaAndValue {
                schema: Some(schema),
                value: Value::Struct(record),
            }
        };
        headers.append(&mut added);
        Ok(rest)
    }
}

impl Transform for HeaderFrom {
    fn class_name(&self) -> &str {
        self.part.pick(KEY.class, VALUE.class)
    }

    fn needs(&self) -> Needs {
        Needs {
            headers: true,
            ..self.part.needs()
        }
    }

    fn apply(
        &mut self,
        batch: &mut RecordBatch,
        mask: &RowMask,
        _keep: &mut RowMask,
        errors: &mut RowErrors,
    ) {
        let Some(headers) = headers_of(batch) else {
            undecoded_headers(mask, errors);
            return;
        };
        let mut headers = std::mem::take(headers);
        super::rewrite(self.part.of(batch), mask, errors, |row, taken| {
            self.take(taken, &mut headers[row])
        });
        if let Some(place) = headers_of(batch) {
            *place = headers;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_core::Map;
    use millstream_java::json as java_json;

    /// Found by scenario differential: the copy has a smaller table, so its order is another.
    #[test]
    fn a_copy_reorders_a_map_as_java_does() {
        let settings = [("fields", "id"), ("headers", "h"), ("operation", "copy")];
        let mut copy = HeaderFrom::new(&Properties::from_iter(settings), Part::Value).unwrap();
        let names = ["é", "t", "n", "b"];
        let map = Map::hashed(names.map(|name| (Value::from(name), Value::Int64(1))));
        let order = |value: &Value| {
            let mut text = Vec::new();
            java_json::write_value(&mut text, value).unwrap();
            String::from_utf8(text).unwrap()
        };
        let value = Value::Map(map);
        assert_eq!(order(&value), r#"{"b":1,"t":1,"é":1,"n":1}"#);
        let taken = SchemaAndValue {
            schema: None,
            value,
        };
        let taken = copy.take(taken, &mut Vec::new()).unwrap();
        assert_eq!(order(&taken.value), r#"{"é":1,"b":1,"t":1,"n":1}"#);
    }
}
