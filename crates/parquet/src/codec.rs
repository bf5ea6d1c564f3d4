//! Codec: how pages are compressed, by the values of `parquet.codec`.

use millstream_core::RecordError;
use parquet::basic::{Compression, GzipLevel, ZstdLevel};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    None,
    Snappy,
    Gzip,
    /// Blocks with Hadoop's header.
    Lz4,
    Lz4Raw,
    Zstd,
    /// Known by name; the original has no class for it either.
    Brotli,
    /// As `Brotli`.
    Lzo,
}

const BAD_CONFIGURATION: &str = "org.apache.parquet.hadoop.BadConfigurationException";
const CLASS_NOT_FOUND: &str = "java.lang.ClassNotFoundException";

impl Codec {
    /// The codec that a setting names.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "none" => Codec::None,
            "snappy" => Codec::Snappy,
            "gzip" => Codec::Gzip,
            "lz4" => Codec::Lz4,
            "lz4_raw" => Codec::Lz4Raw,
            "zstd" => Codec::Zstd,
            "brotli" => Codec::Brotli,
            "lzo" => Codec::Lzo,
            _ => return None,
        })
    }

    /// How the names of files end, which is Hadoop's suffix for the codec and Parquet's own.
    pub fn extension(self) -> &'static str {
        match self {
            Codec::None => ".parquet",
            Codec::Snappy => ".snappy.parquet",
            Codec::Gzip => ".gz.parquet",
            Codec::Lz4 => ".lz4hadoop.parquet",
            Codec::Lz4Raw => ".lz4raw.parquet",
            Codec::Zstd => ".zstd.parquet",
            Codec::Brotli => ".br.parquet",
            Codec::Lzo => ".lzo.parquet",
        }
    }

    /// The crate's name for it, at the levels of parquet-mr: 6 for gzip, 3 for zstd.
    ///
    /// # Errors
    /// For what cannot be written, in the original's words and with what can.
    pub(crate) fn compression(self) -> Result<Compression, RecordError> {
        Ok(match self {
            Codec::None => Compression::UNCOMPRESSED,
            Codec::Snappy => Compression::SNAPPY,
            Codec::Gzip => Compression::GZIP(GzipLevel::default()),
            Codec::Lz4 => Compression::LZ4,
            Codec::Lz4Raw => Compression::LZ4_RAW,
            Codec::Zstd => Compression::ZSTD(ZstdLevel::try_new(3).unwrap_or_default()),
            Codec::Brotli => {
                return Err(no_such_class("org.apache.hadoop.io.compress.BrotliCodec"));
            }
            Codec::Lzo => return Err(no_such_class("com.hadoop.compression.lzo.LzoCodec")),
        })
    }
}

fn no_such_class(class: &str) -> RecordError {
    let remedy = format!("{class}; set parquet.codec to none, snappy, gzip, lz4, lz4_raw or zstd");
    RecordError::new(BAD_CONFIGURATION, format!("Class {class} was not found"))
        .caused_by(RecordError::new(CLASS_NOT_FOUND, remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_codec_has_its_name_suffix_and_compression() {
        for (text, extension, compression) in [
            ("none", ".parquet", Some("UNCOMPRESSED")),
            ("snappy", ".snappy.parquet", Some("SNAPPY")),
            ("gzip", ".gz.parquet", Some("GZIP(GzipLevel(6))")),
            ("lz4", ".lz4hadoop.parquet", Some("LZ4")),
            ("lz4_raw", ".lz4raw.parquet", Some("LZ4_RAW")),
            ("zstd", ".zstd.parquet", Some("ZSTD(ZstdLevel(3))")),
            ("brotli", ".br.parquet", None),
            ("lzo", ".lzo.parquet", None),
        ] {
            let codec = Codec::parse(text).unwrap();
            assert_eq!(codec.extension(), extension);
            let actual = codec.compression().ok().map(|of| format!("{of:?}"));
            assert_eq!(actual.as_deref(), compression, "{text}");
        }
        assert_eq!(Codec::parse("SNAPPY"), None);
        let error = Codec::Brotli.compression().unwrap_err().to_string();
        assert!(
            error.contains("BrotliCodec was not found")
                && error.contains("set parquet.codec to none"),
            "{error}"
        );
    }
}
