//! Formats: what objects are made of, and which one a setting names.

mod avro;
mod bytes;
#[cfg(test)]
pub(crate) mod container;
mod copies;
mod encoder;
mod envelope;
mod headers;
mod json;
mod kept;
mod parquet;

pub use encoder::Part;
pub(crate) use encoder::{Column, Encoded, Encoder, Format, headers_of};
pub(crate) use envelope::{Envelope, Enveloped};
pub(crate) use parquet::ParquetExtensions;

use crate::compress::Compressors;
use crate::config::{AVRO_FORMAT, BYTE_ARRAY_FORMAT, JSON_FORMAT, PARQUET_FORMAT, S3Config};
use ::bytes::Bytes;
use std::sync::Arc;

/// How the objects of one part of the records are written.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    pub(crate) format: Arc<dyn Format>,
    pub(crate) part: Part,
    /// Of the objects' names, with the suffix of their compression.
    pub(crate) extension: String,
    /// Where an object is compressed as a whole.
    pub(crate) compressors: Option<Compressors>,
}

/// What formats are made of.
pub(crate) struct Formats<'a> {
    pub(crate) config: &'a S3Config,
    /// Between the records of ByteArrayFormat.
    pub(crate) separator: &'a Bytes,
    pub(crate) compressors: Option<&'a Compressors>,
    pub(crate) parquet: ParquetExtensions,
}

impl Formats<'_> {
    /// Output in the format of a class; `None` if it is none that is supported.
    pub(crate) fn output(&self, class: &str, part: Part) -> Option<Output> {
        let (format, extension): (Arc<dyn Format>, _) = match class {
            AVRO_FORMAT => (Arc::new(avro::AvroFormat::new(self.config)), ".avro"),
            JSON_FORMAT => (Arc::new(json::JsonFormat::new(self.config)), ".json"),
            BYTE_ARRAY_FORMAT => (
                Arc::new(bytes::BytesFormat::new(self.separator)),
                self.config.format_bytearray_extension.as_str(),
            ),
            PARQUET_FORMAT => {
                let format = parquet::ParquetFormat::new(self.config, self.parquet);
                let extension = format.extension();
                (Arc::new(format), extension)
            }
            _ => return None,
        };
        let suffix = self.compressors.map_or("", Compressors::suffix);
        Some(Output {
            format,
            part,
            extension: format!("{extension}{suffix}"),
            compressors: self.compressors.cloned(),
        })
    }
}
