//! InsertField: adds fields with the record's topic, partition, offset and timestamp, and a fixed text.

use super::{
    Derived, Part, add_field, copy_basics, field_value, key_and_value, require_map, require_struct,
    rewrite,
};
use crate::settings::{checked, replace_null_with_default};
use millstream_core::batch::NO_TIMESTAMP;
use millstream_core::config::validator::invalid;
use millstream_core::config::{Key, Kind};
use millstream_core::converter::RowErrors;
use millstream_core::schema::TIMESTAMP;
use millstream_core::{
    Edit, Needs, Origin, PluginError, Properties, RecordBatch, RecordError, RowMask, Schema,
    SchemaAndValue, SchemaRef, SchemaType, Struct, Transform, Value, config_def,
};
use std::sync::Arc;

key_and_value!(
    InsertField,
    InsertFieldConfig,
    "org.apache.kafka.connect.transforms.InsertField"
);

const PURPOSE: &str = "field insertion";

const MARKS: &str = "Suffix with <code>!</code> to make this a required field, or <code>?</code> to keep it optional \
                     (the default).";

config_def! {
    struct InsertFieldConfig {
        topic_field: Option<String> = Key::null("topic.field", Kind::String)
            .doc(format!("Field name for Kafka topic. {MARKS}")),
        partition_field: Option<String> = Key::null("partition.field", Kind::String)
            .doc(format!("Field name for Kafka partition. {MARKS}")),
        offset_field: Option<String> = Key::null("offset.field", Kind::String)
            .doc(format!("Field name for Kafka offset - only applicable to sink connectors.<br/>{MARKS}")),
        timestamp_field: Option<String> = Key::null("timestamp.field", Kind::String)
            .doc(format!("Field name for record timestamp. {MARKS}")),
        static_field: Option<String> = Key::null("static.field", Kind::String)
            .doc(format!("Field name for static data field. {MARKS}")),
        static_value: Option<String> = Key::null("static.value", Kind::String)
            .doc("Static field value, if field name configured."),
        replace_null_with_default: bool = replace_null_with_default(),
    }
}

/// A field to insert, in Java's order.
struct Insertion {
    name: String,
    schema: SchemaRef,
    source: Source,
}

#[derive(Clone)]
enum Source {
    Topic,
    Partition,
    Offset,
    Timestamp,
    Static(Value),
}

impl Insertion {
    /// The name may end in `!` for a required field or `?` for an optional one.
    fn parse(marked: &str, source: Source) -> Self {
        let (name, optional) = match marked.strip_suffix('!') {
            Some(name) => (name, false),
            None => (marked.strip_suffix('?').unwrap_or(marked), true),
        };
        let kind = match source {
            Source::Topic | Source::Static(_) => SchemaType::String,
            Source::Partition => SchemaType::Int32,
            Source::Offset | Source::Timestamp => SchemaType::Int64,
        };
        let mut schema = Schema::of(kind);
        schema.optional = optional;
        if matches!(source, Source::Timestamp) {
            schema.name = Some(TIMESTAMP.to_owned());
            schema.version = Some(1);
        }
        Insertion {
            name: name.to_owned(),
            schema: Arc::new(schema),
            source,
        }
    }
}

impl Source {
    /// `None` where the record has no such thing.
    fn value(&self, origin: &Origin<'_>, with_schema: bool) -> Option<Value> {
        Some(match self {
            Source::Topic => Value::from(origin.topic),
            Source::Partition => Value::Int32(origin.partition),
            Source::Offset => Value::Int64(origin.offset),
            Source::Timestamp if origin.timestamp == NO_TIMESTAMP => return None,
            Source::Timestamp if with_schema => Value::Date(origin.timestamp),
            Source::Timestamp => Value::Int64(origin.timestamp),
            Source::Static(value) => value.clone(),
        })
    }
}

struct InsertField {
    part: Part,
    insertions: Vec<Insertion>,
    replace_null_with_default: bool,
    schemas: Derived,
}

impl InsertField {
    fn new(properties: &Properties, part: Part) -> Result<Self, PluginError> {
        let config = checked(InsertFieldConfig::parse(properties))?;
        let fields = [
            (config.topic_field, Source::Topic),
            (config.partition_field, Source::Partition),
            (config.offset_field, Source::Offset),
            (config.timestamp_field, Source::Timestamp),
        ];
        let mut insertions: Vec<Insertion> = fields
            .into_iter()
            .filter_map(|(name, source)| Some(Insertion::parse(&name?, source)))
            .collect();
        if let Some(name) = config.static_field {
            let Some(text) = config.static_value else {
                let why = "No value specified for static field: \
                           org.apache.kafka.connect.transforms.InsertField$InsertionSpec";
                return Err(PluginError::config(invalid("static.value", None, why)));
            };
            insertions.push(Insertion::parse(&name, Source::Static(Value::from(text))));
        }
        if insertions.is_empty() {
            return Err(PluginError::config("No field insertion configured"));
        }
        Ok(InsertField {
            part,
            insertions,
            replace_null_with_default: config.replace_null_with_default,
            schemas: Derived::default(),
        })
    }

    fn insert(
        &mut self,
        taken: SchemaAndValue,
        origin: &Origin<'_>,
    ) -> Result<SchemaAndValue, RecordError> {
        if taken.value.is_null() {
            return Ok(taken);
        }
        let Some(schema) = taken.schema else {
            let mut map = require_map(taken.value, PURPOSE)?.copied_from();
            for insertion in &self.insertions {
                if let Some(value) = insertion.source.value(origin, false) {
                    map.put_str(&insertion.name, value);
                }
            }
            return Ok(SchemaAndValue {
                schema: None,
                value: Value::Map(map),
            });
        };
        let old = require_struct(taken.value, PURPOSE)?;
        let updated = self.schemas.get(&schema, |schema| {
            let mut updated = copy_basics(schema);
            updated.fields = schema.fields.clone();
            for insertion in &self.insertions {
                add_field(&mut updated, &insertion.name, insertion.schema.clone())?;
            }
            Ok(updated)
        })?;
        let mut record = Struct::new(updated.clone());
        let old_fields = old.values.len();
        for index in 0..old_fields {
            let value = field_value(&old, index, self.replace_null_with_default);
            record.put(index, value)?;
        }
        for (index, insertion) in self.insertions.iter().enumerate() {
            if let Some(value) = insertion.source.value(origin, true) {
                record.values[old_fields + index] = value;
            }
        }
        Ok(SchemaAndValue {
            schema: Some(updated),
            value: Value::Struct(Box::new(record)),
        })
    }
}

impl Transform for InsertField {
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
        let payload = match self.part {
            Part::Key => &mut batch.keys,
            Part::Value => &mut batch.values,
        };
        let (destination, partition) = (&batch.destination, batch.origin.partition);
        let (offsets, timestamps) = (&batch.offsets, &batch.timestamps);
        rewrite(payload, mask, errors, |row, taken| {
            let origin = Origin {
                topic: destination.topic(row),
                partition,
                offset: offsets[row],
                timestamp: timestamps[row],
            };
            self.insert(taken, &origin)
        });
    }

    fn edits(&self) -> Option<Vec<Edit>> {
        let puts = self.insertions.iter().map(|insertion| Edit::Put {
            name: insertion.name.clone(),
        });
        Some(std::iter::once(Edit::Copy).chain(puts).collect())
    }

    fn edit(&mut self, edit: usize, _old: &Value, origin: &Origin<'_>) -> Option<Value> {
        // The copy is the first edit.
        let insertion = &self.insertions[edit - 1];
        insertion.source.value(origin, false)
    }
}
