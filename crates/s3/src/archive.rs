//! Archive: what the sink has stored, as others read it: listings, unfinished uploads and contents, over the connector's own
//! connection; and what its settings say of the objects' names.

mod rows;

pub use crate::format::Part;
pub use rows::{Container, ObjectRows, RowsError, headers_of_row};

use crate::compress::Compressors;
use crate::config::{self, S3Config};
use crate::connector;
use crate::extensions::Extensions;
use crate::settings::{Settings, temp_folder};
use crate::store::{Checksums, Store, StoreError};
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use millstream_core::Properties;
use millstream_core::message::INPUT_TYPE;
use std::fs::File;
use std::path::PathBuf;
use tokio::io::{AsyncSeekExt, AsyncWriteExt};

pub use crate::store::{ListedObject, ListedPage, UnfinishedUpload};

/// Why the archive cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ArchiveError {
    message: String,
    status: Option<u16>,
    is_transient: bool,
}

impl ArchiveError {
    /// What S3 has answered, if it has.
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// Whether the same may succeed later.
    pub fn is_transient(&self) -> bool {
        self.is_transient
    }
}

impl From<StoreError> for ArchiveError {
    fn from(error: StoreError) -> Self {
        ArchiveError {
            message: error.to_string(),
            status: error.status(),
            is_transient: error.is_transient(),
        }
    }
}

/// What a connector's settings say of its objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveLayout {
    pub bucket: String,
    pub topics_dir: String,
    pub directory_delim: String,
    pub file_delim: String,
    pub offset_width: usize,
    /// What names end in, with compression: of values, keys and headers.
    pub values: String,
    pub keys: Option<String>,
    pub headers: Option<String>,
    /// The folder of records without a value.
    pub tombstones: String,
    /// What stands behind each record of bytes.
    pub separator: Vec<u8>,
    /// Records between two rotations of a partition.
    pub flush_size: i64,
    /// Records without a value are left out.
    pub leaves_nulls_out: bool,
    /// Whether records come from a queue, whose objects have no offsets.
    pub names_batches: bool,
    /// Whether each line is a whole record (`millstream.s3.envelope`).
    pub has_envelopes: bool,
    /// Whether a folder may have several objects open at a time (`millstream.s3.file.per.schema`).
    pub interleaves: bool,
}

impl ArchiveLayout {
    /// # Errors
    /// What is wrong with the settings.
    pub fn new(properties: &Properties) -> Result<Self, String> {
        let config = connector::parse(properties)?;
        let extensions = Extensions::new(properties);
        let compressors = extensions.compressors(&config);
        let suffix = compressors.as_ref().map_or("", Compressors::suffix);
        let of = |class: &str| extension(class, &config, suffix);
        let separator = properties.get("format.bytearray.separator").unwrap_or("\n");
        Ok(ArchiveLayout {
            bucket: config.bucket_name.clone(),
            topics_dir: config.topics_dir.clone(),
            directory_delim: config.directory_delim.clone(),
            file_delim: config.file_delim.clone(),
            offset_width: usize::try_from(config.offset_width).unwrap_or(0),
            values: of(&config.format_class),
            keys: config
                .store_kafka_keys
                .then(|| of(&config.keys_format_class)),
            headers: config
                .store_kafka_headers
                .then(|| of(&config.headers_format_class)),
            tombstones: config.tombstone_encoded_partition.clone(),
            separator: separator.as_bytes().to_vec(),
            flush_size: i64::from(config.flush_size).max(1),
            leaves_nulls_out: config
                .behavior_on_null_values
                .eq_ignore_ascii_case("ignore"),
            names_batches: properties.contains(INPUT_TYPE),
            has_envelopes: extensions.has_envelopes,
            interleaves: extensions.file_per_schema,
        })
    }
}

/// What the names of a format's objects end in, those included that this sink does not write and Java's does.
fn extension(class: &str, config: &S3Config, suffix: &str) -> String {
    match class {
        config::AVRO_FORMAT => ".avro".to_owned(),
        config::PARQUET_FORMAT => {
            let codec = match config.parquet_codec.as_str() {
                "none" => "",
                "gzip" => ".gz",
                "lz4" => ".lz4hadoop",
                "lz4_raw" => ".lz4raw",
                "brotli" => ".br",
                "zstd" => ".zstd",
                "lzo" => ".lzo",
                _ => ".snappy",
            };
            format!("{codec}.parquet")
        }
        config::BYTE_ARRAY_FORMAT => format!("{}{suffix}", config.format_bytearray_extension),
        _ => format!(".json{suffix}"),
    }
}

/// A bucket that is read.
pub struct Archive {
    store: Store,
    /// Where objects go that cannot be read as they come.
    temp_folder: PathBuf,
}

impl Archive {
    /// Connects as the connector's tasks do.
    ///
    /// # Errors
    /// What is wrong with the settings, or with the bucket.
    pub async fn open(properties: &Properties) -> Result<Self, ArchiveError> {
        let wrong = |message: String| ArchiveError {
            message,
            status: None,
            is_transient: false,
        };
        let config = connector::parse(properties).map_err(wrong)?;
        let signs_payload = Settings::signs_payload(properties);
        let store = Store::new(&config, properties, signs_payload, Checksums::Auto).await;
        let store = store.map_err(wrong)?;
        if !store.bucket_exists().await? {
            return Err(wrong(format!("there is no bucket {}", config.bucket_name)));
        }
        Ok(Archive {
            store,
            temp_folder: temp_folder(properties),
        })
    }

    /// A page of the keys that begin with `prefix`; with a delimiter, what stands behind it is told as folders.
    ///
    /// # Errors
    /// What S3 says.
    pub async fn list(
        &self,
        prefix: &str,
        delimiter: Option<&str>,
        next: Option<&str>,
    ) -> Result<ListedPage, ArchiveError> {
        Ok(Box::pin(self.store.list_page(prefix, delimiter, next)).await?)
    }

    /// A page of unfinished uploads, and the marker of the next.
    ///
    /// # Errors
    /// What S3 says: it may allow listings and not this.
    pub async fn uploads(
        &self,
        prefix: &str,
        next: Option<&(String, String)>,
    ) -> Result<(Vec<UnfinishedUpload>, Option<(String, String)>), ArchiveError> {
        Ok(Box::pin(self.store.upload_page(prefix, next)).await?)
    }

    /// An object's contents, or its last `end` bytes. With an ETag, status 412 says that it was replaced.
    ///
    /// # Errors
    /// What S3 says.
    pub async fn contents(
        &self,
        key: &str,
        etag: Option<&str>,
        end: Option<u64>,
    ) -> Result<Contents, ArchiveError> {
        let body = Box::pin(self.store.contents(key, etag, end)).await?;
        Ok(Contents { body })
    }

    /// An object's contents in an unnamed file of the temporary folder, to be read from its start.
    ///
    /// # Errors
    /// What S3 says, or that the folder takes nothing.
    pub async fn file(&self, key: &str) -> Result<File, ArchiveError> {
        let full = |error: std::io::Error| ArchiveError {
            message: format!(
                "the temporary folder {} takes nothing ({error}); set millstream.s3.temp.dir or TMPDIR to another",
                self.temp_folder.display()
            ),
            status: None,
            is_transient: false,
        };
        let file = tempfile::tempfile_in(&self.temp_folder).map_err(full)?;
        let mut file = tokio::fs::File::from_std(file);
        let mut contents = self.contents(key, None, None).await?;
        while let Some(piece) = contents.next().await? {
            file.write_all(&piece).await.map_err(full)?;
        }
        file.flush().await.map_err(full)?;
        file.rewind().await.map_err(full)?;
        Ok(file.into_std().await)
    }
}

/// Contents that come piece by piece.
pub struct Contents {
    body: ByteStream,
}

impl Contents {
    /// The next piece; nothing at the end.
    ///
    /// # Errors
    /// If the connection breaks off: the object has to be read again.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ArchiveError> {
        match self.body.next().await {
            None => Ok(None),
            Some(Ok(piece)) => Ok(Some(piece)),
            Some(Err(error)) => Err(ArchiveError {
                message: format!("the answer broke off: {error}"),
                status: None,
                is_transient: true,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_end_as_the_format_says() {
        let format =
            |name: &str, class: &str| format!("io.confluent.connect.s3.format.{name}.{class}");
        for (class, more, expected) in [
            (
                format("json", "JsonFormat"),
                [("s3.compression.type", "gzip")],
                ".json.gz",
            ),
            (
                format("json", "JsonFormat"),
                [("millstream.s3.zstd.level", "3")],
                ".json.zst",
            ),
            (
                format("json", "JsonFormat"),
                [("s3.compression.type", "none")],
                ".json",
            ),
            (
                format("bytearray", "ByteArrayFormat"),
                [("format.bytearray.extension", ".raw")],
                ".raw",
            ),
            (
                format("avro", "AvroFormat"),
                [("avro.codec", "snappy")],
                ".avro",
            ),
            (
                format("parquet", "ParquetFormat"),
                [("parquet.codec", "lz4")],
                ".lz4hadoop.parquet",
            ),
        ] {
            let mut properties = Properties::from_iter([
                ("s3.bucket.name", "b"),
                ("storage.class", config::S3_STORAGE),
                ("format.class", class.as_str()),
                ("flush.size", "0"),
            ]);
            properties.insert(more[0].0, more[0].1);
            let layout = ArchiveLayout::new(&properties).unwrap();
            assert_eq!(
                (layout.values.as_str(), layout.flush_size, layout.keys),
                (expected, 1, None)
            );
        }
    }
}
