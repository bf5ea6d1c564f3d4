//! Settings: the configuration as the task uses it; nothing below reads a property again.

use crate::compress::Compressors;
use crate::config::{self, S3Config};
use crate::extensions::{Extensions, extension};
use crate::format::{Envelope, Formats, Output, ParquetExtensions, Part};
use crate::name::Names;
use crate::partitioner::Partitioner;
use crate::rotation::Rotation;
use crate::start_error::{StartError, no_such_constructor};
use crate::store::{Checksums, Existing};
use crate::upload::UploadSettings;
use bytes::Bytes;
use millstream_core::config::Parsed;
use millstream_core::message::{INPUT_IS_LOG, INPUT_TYPE};
use millstream_core::{Properties, TopicPartition};
use std::path::PathBuf;
use std::sync::Arc;

/// What becomes of records without a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnNull {
    Fail,
    Ignore {
        reported: bool,
    },
    /// Only their keys and headers are stored.
    Write,
}

pub(crate) struct Settings {
    pub(crate) names: Names,
    /// Whether records come from a queue, whose offsets say nothing: objects are named by batches.
    pub(crate) names_batches: bool,
    pub(crate) topics_dir: String,
    pub(crate) partitioner: Partitioner,
    pub(crate) rotation: Rotation,
    /// Whether offsets behind the last stored record are committed where nothing is open.
    pub(crate) commits_frontier: bool,
    /// Where records are written whole.
    pub(crate) envelope: Option<Envelope>,
    pub(crate) values: Arc<Output>,
    pub(crate) keys: Option<Arc<Output>>,
    pub(crate) headers: Option<Arc<Output>>,
    pub(crate) on_null: OnNull,
    /// Those of the outputs that compress.
    pub(crate) compressors: Option<Compressors>,
    /// Names of a cycle that are kept, to find the next free one; none where objects may be replaced.
    pub(crate) names_remembered: usize,
    pub(crate) part_size: usize,
    pub(crate) uploads: Arc<UploadSettings>,
    pub(crate) signs_payload: bool,
    pub(crate) checksums: Checksums,
    /// Where what open objects have no memory for goes.
    pub(crate) temp_folder: PathBuf,
}

impl Settings {
    pub(crate) fn new(config: &S3Config, properties: &Properties) -> Result<Self, StartError> {
        // The one setting that is taken as it was written: blanks may separate records.
        let separator = properties.get("format.bytearray.separator");
        let separator = Bytes::from(separator.unwrap_or("\n").to_owned());
        let extensions = Extensions::new(properties);
        let compressors = extensions.compressors(config);
        let formats = Formats {
            config,
            separator: &separator,
            compressors: compressors.as_ref(),
            parquet: parquet(properties),
        };
        let output = |class: &str, part: Part| {
            let output = formats.output(class, part);
            output.map(Arc::new).ok_or_else(|| {
                StartError::reflection(no_such_constructor(class, config::S3_STORAGE))
            })
        };
        let on_null = match config.behavior_on_null_values.to_ascii_lowercase().as_str() {
            "ignore" => OnNull::Ignore {
                reported: config.report_null_values_to_dlq,
            },
            "write" => OnNull::Write,
            _ => OnNull::Fail,
        };
        let names_batches = properties.contains(INPUT_TYPE) && !properties.contains(INPUT_IS_LOG);
        let uploads = Arc::new(UploadSettings::new(config, names_batches)?);
        let names_remembered = if uploads.existing == Existing::Keep {
            usize::try_from(config.max_files_scan_limit).unwrap_or(0)
        } else {
            0
        };
        Ok(Settings {
            names_batches,
            topics_dir: config.topics_dir.clone(),
            names_remembered,
            names: Names::new(config),
            partitioner: Partitioner::new(config, &extensions)?,
            uploads,
            rotation: Rotation::new(config, &extensions)?,
            commits_frontier: extensions.commits_frontier,
            envelope: extensions.has_envelopes.then(|| Envelope::new(config)),
            values: output(&config.format_class, Part::Values)?,
            keys: config
                .store_kafka_keys
                .then(|| output(&config.keys_format_class, Part::Keys))
                .transpose()?,
            headers: config
                .store_kafka_headers
                .then(|| output(&config.headers_format_class, Part::Headers))
                .transpose()?,
            on_null,
            compressors,
            part_size: usize::try_from(config.part_size).unwrap_or(usize::MAX),
            signs_payload: Settings::signs_payload(properties),
            checksums: checksums(properties),
            temp_folder: temp_folder(properties),
        })
    }

    /// Whether requests are signed by their content in any case.
    pub(crate) fn signs_payload(properties: &Properties) -> bool {
        extension(properties, config::SIGN_PAYLOAD) == Some(Parsed::Boolean(true))
    }

    /// The key of the object with the values of a folder from `start` on.
    pub(crate) fn object_name(&self, origin: &TopicPartition, folder: &str, start: i64) -> String {
        let extension = &self.values.extension;
        self.names
            .object(&origin.topic, folder, origin.partition, start, extension)
    }

    /// The key of the object with the values of a folder that is a batch of a queue's messages.
    pub(crate) fn batch_name(
        &self,
        origin: &TopicPartition,
        folder: &str,
        batch: &str,
        records: Option<usize>,
    ) -> String {
        let extension = &self.values.extension;
        self.names.batch(origin, folder, batch, records, extension)
    }
}

pub(crate) fn temp_folder(properties: &Properties) -> PathBuf {
    match extension(properties, config::TEMP_FOLDER) {
        Some(Parsed::String(folder)) if !folder.is_empty() => folder.into(),
        _ => std::env::temp_dir(),
    }
}

fn parquet(properties: &Properties) -> ParquetExtensions {
    let precision = match extension(properties, config::PARQUET_DECIMAL_PRECISION) {
        Some(Parsed::Int(digits)) => u32::try_from(digits).ok(),
        _ => None,
    };
    let three_levels = extension(properties, config::PARQUET_THREE_LEVEL_LISTS);
    ParquetExtensions {
        decimal_precision: precision.unwrap_or(millstream_parquet::DEFAULT_PRECISION),
        three_level_lists: three_levels == Some(Parsed::Boolean(true)),
    }
}

fn checksums(properties: &Properties) -> Checksums {
    match extension(properties, config::CHECKSUM) {
        Some(Parsed::String(text)) => Checksums::parse(&text),
        _ => Checksums::Auto,
    }
}
