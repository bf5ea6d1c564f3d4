//! Extensions: what the sink does that its original does not, as the settings ask for it. Nothing of it is on by default.

use crate::compress::Compressors;
use crate::config::{
    COMMIT_FRONTIER, ENVELOPE, FILE_PER_SCHEMA, PARTITION_FIELDS, PARTITION_SCHEMALESS,
    ROTATE_BYTES, ROTATE_GRACE, ROTATE_IDLE, S3Config, ZSTD_LEVEL, extensions,
};
use millstream_core::Properties;
use millstream_core::config::{ConfigValue, Parsed};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extensions {
    /// How many bytes of records close an object.
    pub(crate) rotate_bytes: Option<u64>,
    /// How long an object waits for a further record, in milliseconds.
    pub(crate) rotate_idle: Option<i64>,
    /// Fields whose values come before the time in a folder's name.
    pub(crate) partition_fields: Vec<String>,
    /// Whether fields are looked for in values without a schema.
    pub(crate) partition_schemaless: bool,
    /// Whether offsets behind the last stored record are committed.
    pub(crate) commits_frontier: bool,
    /// The level at which objects of lines are compressed by Zstandard.
    pub(crate) zstd_level: Option<i32>,
    /// Whether records are written whole.
    pub(crate) has_envelopes: bool,
    /// Whether each schema has files of its own.
    pub(crate) file_per_schema: bool,
    /// How long files wait for late records, in milliseconds of record time.
    pub(crate) rotate_grace: Option<i64>,
}

impl Extensions {
    pub(crate) fn new(properties: &Properties) -> Self {
        let values = extensions().validate(properties);
        let of = |name: &str| find(&values, name);
        let number = |name: &str| match of(name) {
            Some(Parsed::Int(number)) => Some(number).filter(|number| *number > 0),
            _ => None,
        };
        let is_on = |name: &str| of(name) == Some(Parsed::Boolean(true));
        Extensions {
            rotate_bytes: number(ROTATE_BYTES).map(i64::unsigned_abs),
            rotate_idle: number(ROTATE_IDLE),
            partition_fields: match of(PARTITION_FIELDS) {
                Some(Parsed::List(fields)) => fields,
                _ => Vec::new(),
            },
            partition_schemaless: is_on(PARTITION_SCHEMALESS),
            commits_frontier: is_on(COMMIT_FRONTIER),
            has_envelopes: is_on(ENVELOPE),
            file_per_schema: is_on(FILE_PER_SCHEMA),
            rotate_grace: number(ROTATE_GRACE),
            zstd_level: number(ZSTD_LEVEL).and_then(|level| i32::try_from(level).ok()),
        }
    }

    /// What compresses objects as a whole.
    pub(crate) fn compressors(&self, config: &S3Config) -> Option<Compressors> {
        if config.compression_type == "gzip" {
            return Some(Compressors::gzip(config.compression_level));
        }
        self.zstd_level.map(Compressors::zstd)
    }
}

/// What one of the settings beside the original's is, or its default.
pub(crate) fn extension(properties: &Properties, name: &str) -> Option<Parsed> {
    find(&extensions().validate(properties), name)
}

fn find(values: &[ConfigValue], name: &str) -> Option<Parsed> {
    let value = values.iter().find(|value| value.name == name);
    value.and_then(|value| value.value.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_on_by_default() {
        assert_eq!(Extensions::new(&Properties::new()), Extensions::default());
    }
}
