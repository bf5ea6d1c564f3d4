//! Partitioners: which folder a record belongs to, from the record and the settings alone.

mod failure;
mod field;
mod locale;
mod pattern;
mod time;
mod timestamp;

use crate::config::{self, DEFAULT_PARTITIONER, FIELD_PARTITIONER, PARTITION_FIELDS, S3Config};
use crate::extensions::Extensions;
use crate::schemas::schema_of;
use crate::start_error::{StartError, no_such_constructor};
use field::FieldPartitioner;
use millstream_core::plugin::{ClassKind, on_class_path};
use millstream_core::{RecordBatch, RecordError};
use std::sync::Arc;
use time::TimePartitioner;

/// How records are spread over folders: the configured way, and around it the schema's name and the folder of tombstones.
#[derive(Clone, Debug)]
pub(crate) struct Partitioner {
    inner: Inner,
    affix: Affix,
    /// The folder of records without a value, where those are stored.
    tombstones: Option<Arc<str>>,
    delim: String,
}

#[derive(Clone, Debug)]
enum Inner {
    /// By their Kafka partition.
    Default,
    Field(FieldPartitioner),
    /// By fields first, if there are some.
    Time(Box<TimePartitioner>, Option<FieldPartitioner>),
}

/// Where the name of the value's schema stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Affix {
    None,
    Prefix,
    Suffix,
}

pub(crate) use failure::PARTITION_EXCEPTION;
pub(crate) use time::{ZONE_NAMES, names_zones_abroad};

impl Partitioner {
    /// The partitioner that the settings name.
    pub(crate) fn new(config: &S3Config, extensions: &Extensions) -> Result<Self, StartError> {
        let by_fields = |key, names: &[String]| {
            let delim = &config.directory_delim;
            FieldPartitioner::new(key, names, delim, extensions.partition_schemaless)
        };
        let inner = match config.partitioner_class.as_str() {
            DEFAULT_PARTITIONER => Inner::Default,
            FIELD_PARTITIONER => Inner::Field(by_fields(
                "partition.field.name",
                &config.partition_field_names,
            )),
            class if config::is_time_based(class) => {
                let names = &extensions.partition_fields;
                let fields = (!names.is_empty()).then(|| by_fields(PARTITION_FIELDS, names));
                Inner::Time(Box::new(TimePartitioner::new(config)?), fields)
            }
            other => return Err(no_partitioner(other)),
        };
        let writes_tombstones = config.behavior_on_null_values.eq_ignore_ascii_case("write");
        Ok(Partitioner {
            inner,
            affix: match config.schema_partition_affix_type.as_str() {
                "PREFIX" => Affix::Prefix,
                "SUFFIX" => Affix::Suffix,
                _ => Affix::None,
            },
            tombstones: writes_tombstones
                .then(|| config.tombstone_encoded_partition.as_str().into()),
            delim: config.directory_delim.clone(),
        })
    }

    /// Whether all records of a Kafka partition go to one folder.
    pub(crate) fn is_constant(&self) -> bool {
        matches!(self.inner, Inner::Default)
            && self.affix == Affix::None
            && self.tombstones.is_none()
    }

    pub(crate) fn is_time_based(&self) -> bool {
        matches!(self.inner, Inner::Time(..))
    }

    /// Whether the values must be decoded for the folder to be found.
    pub(crate) fn needs_values(&self) -> bool {
        match &self.inner {
            Inner::Default => false,
            Inner::Field(_) => true,
            Inner::Time(time, fields) => fields.is_some() || time.needs_values(),
        }
    }

    pub(crate) fn is_tombstones(&self, folder: &Arc<str>) -> bool {
        self.tombstones.as_ref() == Some(folder)
    }

    /// The time by which a time-based partitioner files a row; `None` where it has none.
    pub(crate) fn timestamp(
        &self,
        batch: &RecordBatch,
        row: usize,
        now: i64,
    ) -> Result<Option<i64>, RecordError> {
        match &self.inner {
            Inner::Time(..) if self.tombstones.is_some() && batch.values.is_null(row) => {
                Ok(timestamp::of_record(batch, row))
            }
            Inner::Time(time, _) => time.timestamp(batch, row, now),
            Inner::Default | Inner::Field(_) => Ok(None),
        }
    }

    /// The folder of a row whose time is `timestamp`; `last` is the folder found before, which is often the same.
    pub(crate) fn encode(
        &self,
        batch: &RecordBatch,
        row: usize,
        timestamp: Option<i64>,
        last: Option<&Arc<str>>,
    ) -> Result<Arc<str>, RecordError> {
        if let Some(tombstones) = &self.tombstones
            && batch.values.is_null(row)
        {
            return Ok(Arc::clone(tombstones));
        }
        let mut folder = String::new();
        if self.affix == Affix::Prefix {
            self.push_schema_name(&mut folder, batch, row);
            folder.push_str(&self.delim);
        }
        match &self.inner {
            Inner::Default => {
                folder.push_str("partition=");
                folder.push_str(&batch.origin.partition.to_string());
            }
            Inner::Field(field) => field.push(&mut folder, batch, row)?,
            Inner::Time(time, fields) => {
                if let Some(fields) = fields {
                    fields.push(&mut folder, batch, row)?;
                    folder.push_str(&self.delim);
                }
                time.push(&mut folder, batch, timestamp)?;
            }
        }
        if self.affix == Affix::Suffix {
            folder.push_str(&self.delim);
            self.push_schema_name(&mut folder, batch, row);
        }
        Ok(match last {
            Some(last) if **last == *folder => Arc::clone(last),
            _ => folder.into(),
        })
    }

    fn push_schema_name(&self, folder: &mut String, batch: &RecordBatch, row: usize) {
        let schema = schema_of(&batch.values, row);
        folder.push_str("schema_name=");
        folder.push_str(
            schema
                .and_then(|schema| schema.name.as_deref())
                .unwrap_or("null"),
        );
    }
}

/// What the original says of a class that it cannot make a partitioner of.
fn no_partitioner(class: &str) -> StartError {
    const INSTANTIATION: &str = "java.lang.InstantiationException";
    match on_class_path(class) {
        Some(ClassKind::Plain) => StartError::new(
            "java.lang.ClassCastException",
            format!(
                "class {class} cannot be cast to class io.confluent.connect.storage.partitioner.Partitioner"
            ),
        ),
        Some(ClassKind::Abstract) => StartError::reflection(RecordError::new(INSTANTIATION, "")),
        Some(ClassKind::NoDefaultConstructor) | None => StartError::reflection(
            RecordError::new(INSTANTIATION, class).caused_by(no_such_constructor(class, "")),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the original's task says, but for the class loaders that its cast names.
    #[test]
    fn a_class_that_is_no_partitioner_is_told_in_the_original_s_words() {
        let told = |class: &str| {
            let refused = no_partitioner(class);
            let mut lines = vec![format!("{}: {}", refused.class, refused.message)];
            let mut cause = refused.cause.as_deref();
            while let Some(error) = cause {
                lines.push(format!("{}: {}", error.class, error.message));
                cause = error.cause.as_deref();
            }
            lines
        };
        let reflection = "org.apache.kafka.connect.errors.ConnectException: Reflection exception: ";
        assert_eq!(
            told("org.apache.kafka.connect.transforms.Filter"),
            [
                "java.lang.ClassCastException: class org.apache.kafka.connect.transforms.Filter cannot be cast to class \
                 io.confluent.connect.storage.partitioner.Partitioner"
            ]
        );
        assert_eq!(
            told("java.lang.Integer"),
            [
                reflection,
                "java.lang.InstantiationException: java.lang.Integer",
                "java.lang.NoSuchMethodException: java.lang.Integer.<init>()"
            ]
        );
        assert_eq!(
            told("org.apache.kafka.connect.transforms.Cast"),
            [reflection, "java.lang.InstantiationException: "]
        );
    }
}
