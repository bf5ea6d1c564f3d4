//! Unreadable: why the contents of an object are not what they are to be.

/// Why an object cannot be read. Nothing of its contents is in the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("the gzip stream is broken, or ends too early")]
    Gzip,
    #[error(
        "the zstd stream is broken, ends too early, or needs a window of more than 8 MiB to be read"
    )]
    Zstd,
    /// For a reason that whoever takes what was unpacked has kept.
    #[error("what was unpacked is refused")]
    Refused,
    #[error("line {0} is no JSON")]
    NoJson(u64),
    #[error("it does not end behind a record: {0} bytes are left")]
    Tail(u64),
    #[error("it is no Avro container file")]
    NoAvro,
    #[error("the Avro container is broken at byte {0}")]
    AvroBlock(u64),
    #[error("it is no Parquet file: {0}")]
    NoParquet(&'static str),
    #[error(
        "records have no separator (format.bytearray.separator is empty), so they cannot be counted"
    )]
    NoSeparator,
}
