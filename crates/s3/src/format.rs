//! Formats: what objects are made of, and which one a setting names.

mod bytes;
#[cfg(test)]
pub(crate) mod container;
mod encoder;
mod headers;
mod json;

pub(crate) use encoder::{Column, Encoded, Encoder, Format, Part, headers_of};

use crate::config::{BYTE_ARRAY_FORMAT, JSON_FORMAT, S3Config};
use crate::gzip::Compressors;
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
    pub(crate) gzip: Option<Compressors>,
}

impl Output {
    /// With the format of a class; `None` if it is none that is supported.
    pub(crate) fn new(
        class: &str,
        part: Part,
        config: &S3Config,
        separator: &Bytes,
        gzip: Option<&Compressors>,
    ) -> Option<Self> {
        let (format, extension): (Arc<dyn Format>, _) = match class {
            JSON_FORMAT => (Arc::new(json::JsonFormat::new(config)), ".json"),
            BYTE_ARRAY_FORMAT => (
                Arc::new(bytes::BytesFormat::new(separator)),
                config.format_bytearray_extension.as_str(),
            ),
            _ => return None,
        };
        let suffix = if gzip.is_some() { ".gz" } else { "" };
        Some(Output {
            format,
            part,
            extension: format!("{extension}{suffix}"),
            gzip: gzip.cloned(),
        })
    }
}
