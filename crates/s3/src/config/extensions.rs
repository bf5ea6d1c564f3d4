//! Settings beside the original's definition: those that it lacks, and one that it neither shows nor checks.

use super::S3;
use millstream_core::config::{ConfigDef, Importance, Key, Kind, Validator, Width};
use millstream_core::rejected::show_content_key;
use std::sync::LazyLock;

/// Not a key of the original: whether parts are signed by their content.
pub(crate) const SIGN_PAYLOAD: &str = "millstream.s3.sign.payload";

/// Not a key of the original: which checksum goes with each part.
pub(crate) const CHECKSUM: &str = "millstream.s3.checksum";
const CHECKSUMS: [&str; 3] = ["auto", "crc32", "none"];

/// Not a key of the original: the folder of temporary files.
pub(crate) const TEMP_FOLDER: &str = "millstream.s3.temp.dir";

/// Not a key of the original: the precision of decimals whose schema does not tell it.
pub(crate) const PARQUET_DECIMAL_PRECISION: &str = "millstream.s3.parquet.decimal.precision";

/// Not a key of the original: whether all lists have three levels.
pub(crate) const PARQUET_THREE_LEVEL_LISTS: &str = "millstream.s3.parquet.three.level.lists";

/// Not a key of the original: how large an object's records become before it is closed.
pub(crate) const ROTATE_BYTES: &str = "millstream.s3.rotate.bytes";

/// Not a key of the original: how long an open object waits for a further record.
pub(crate) const ROTATE_IDLE: &str = "millstream.s3.rotate.idle.ms";

/// Not a key of the original: the fields whose values come before the time in a folder's name.
pub(crate) const PARTITION_FIELDS: &str = "millstream.s3.partition.fields";

/// Not a key of the original: whether fields are looked for in values without a schema.
pub(crate) const PARTITION_SCHEMALESS: &str = "millstream.s3.partition.schemaless";

/// Not a key of the original: whether offsets behind the last stored record are committed.
pub(crate) const COMMIT_FRONTIER: &str = "millstream.s3.commit.frontier";

/// Not a key of the original: the level at which objects of lines are compressed by Zstandard.
pub(crate) const ZSTD_LEVEL: &str = "millstream.s3.zstd.level";

/// Not a key of the original: whether each record is written whole, with key, headers and timestamp.
pub(crate) const ENVELOPE: &str = "millstream.s3.envelope";

/// Not a key of the original: whether each schema has files of its own.
pub(crate) const FILE_PER_SCHEMA: &str = "millstream.s3.file.per.schema";

/// Not a key of the original: how long files wait for late records.
pub(crate) const ROTATE_GRACE: &str = "millstream.s3.rotate.grace.ms";

/// Settings that the original does not have. They show in an answer only if they are given.
pub(crate) fn extensions() -> &'static ConfigDef {
    static EXTENSIONS: LazyLock<ConfigDef> = LazyLock::new(|| {
        ConfigDef::new(vec![
            Key::new(SIGN_PAYLOAD, Kind::Boolean, "false")
                .importance(Importance::Low)
                .group(S3, 34, Width::Short, "S3 Sign Payload")
                .doc(
                    "Whether each part is signed by a SHA-256 of its content, which is three quarters of an upload's \
                     cost. It is anyway where a part goes over http without a checksum (``millstream.s3.checksum``). Set \
                     it for a store that refuses unsigned payloads over http.",
                ),
            Key::new(CHECKSUM, Kind::String, "auto")
                .importance(Importance::Low)
                .group(S3, 35, Width::Short, "S3 Checksum")
                .validator(Validator::OneOf(&CHECKSUMS))
                .recommended(&CHECKSUMS)
                .doc(
                    "The checksum that goes with each part, in the header x-amz-checksum-crc32. With auto it is a CRC-32 \
                     unless the store refuses the first part for it, or AWS_REQUEST_CHECKSUM_CALCULATION is when_required; \
                     crc32 insists on it; none leaves it out, as Java's sink does. Without it parts are signed by their \
                     content over http, and protected by the connection over https.",
                ),
            Key::new(TEMP_FOLDER, Kind::String, "")
                .importance(Importance::Low)
                .group(S3, 36, Width::Long, "S3 Temporary Folder")
                .doc(
                    "The folder of an unnamed file that takes what open objects have no memory for. By default it is the \
                     one that TMPDIR names, else /tmp. While it takes nothing and memory is full, no records are taken.",
                ),
            Key::new(PARQUET_DECIMAL_PRECISION, Kind::Int, "64")
                .importance(Importance::Low)
                .group(S3, 37, Width::Short, "S3 Parquet Decimal Precision")
                .validator(Validator::Between(1, 64))
                .doc(
                    "With ParquetFormat, the precision of decimals whose schema has no ``connect.decimal.precision``. Java's \
                     sink writes 64, which Spark, polars and pyiceberg refuse and DuckDB reads as floating-point numbers; \
                     38 suits them all. With another than 64, values of more digits are refused, as is a scale beyond it.",
                ),
            Key::new(PARQUET_THREE_LEVEL_LISTS, Kind::Boolean, "false")
                .importance(Importance::Low)
                .group(S3, 38, Width::Short, "S3 Parquet Three Level Lists")
                .doc(
                    "With ParquetFormat, whether lists always have the three levels that Parquet asks for today. Java's \
                     sink writes two unless some array of the schema may hold nulls. pyiceberg takes no files with lists of \
                     two, and DuckDB and ClickHouse read lists of structs with one field wrongly.",
                ),
            Key::new(ROTATE_BYTES, Kind::Long, "0")
                .importance(Importance::Low)
                .group(S3, 39, Width::Medium, "S3 Rotate Bytes")
                .validator(Validator::AtLeast(0))
                .doc(
                    "Closes the objects of a topic partition once one of them holds records of this many bytes, counted as \
                     its format writes them and before they are compressed, without keys and headers. So what an object \
                     holds follows from the records alone and is the same when they are read again. 0 is no bound; \
                     ``flush.size`` stays one.",
                ),
            Key::new(ROTATE_IDLE, Kind::Long, "0")
                .importance(Importance::Low)
                .group(S3, 40, Width::Medium, "S3 Rotate Idle (ms)")
                .validator(Validator::AtLeast(0))
                .doc(
                    "Closes the objects of a topic partition that has had no further record for so long by the wall clock. \
                     After a crash a record may come to stand in another object than before, as with \
                     ``rotate.schedule.interval.ms``, but none twice. 0 lets them wait.",
                ),
            Key::new(PARTITION_FIELDS, Kind::List, "")
                .importance(Importance::Low)
                .group(S3, 41, Width::Long, "S3 Partition Fields")
                .validator(Validator::List {
                    may_be_empty: true,
                    may_repeat: false,
                })
                .doc(
                    "With a time-based partitioner, fields of the value whose values come before the time in a folder's \
                     name, as FieldPartitioner writes them: ``region=eu/year=2026/…``. A dot leads into a struct.",
                ),
            Key::new(PARTITION_SCHEMALESS, Kind::Boolean, "false")
                .importance(Importance::Low)
                .group(S3, 42, Width::Short, "S3 Partition Schemaless")
                .doc(
                    "Whether FieldPartitioner and ``millstream.s3.partition.fields`` take values without a schema, too, as \
                     JsonConverter gives them with ``schemas.enable=false``. A field that is not there counts as null. Java's \
                     sink refuses such records.",
                ),
            Key::new(COMMIT_FRONTIER, Kind::Boolean, "false")
                .importance(Importance::Low)
                .group(S3, 43, Width::Short, "S3 Commit Frontier")
                .doc(
                    "Whether offsets behind the last stored record are committed where nothing is left to be stored: those \
                     of records that are skipped or reported, and of the markers of transactions. So the lag of a topic \
                     that rests becomes 0. Java's sink commits what it has stored and nothing more.",
                ),
            Key::new(ZSTD_LEVEL, Kind::Int, "0")
                .importance(Importance::Low)
                .group(S3, 44, Width::Short, "S3 Zstandard Level")
                .validator(Validator::Between(0, 19))
                .doc(
                    "With JsonFormat and ByteArrayFormat, compresses objects by Zstandard at this level, from 1 to 19, and ends \
                     their names in ``.zst``. Where memory is short an object has several frames behind one another. 0 leaves it \
                     to ``s3.compression.type``.",
                ),
            Key::new(ENVELOPE, Kind::Boolean, "false")
                .importance(Importance::Low)
                .group(S3, 45, Width::Short, "S3 Envelope")
                .doc(
                    "With JsonFormat and ``schema.compatibility=NONE``, writes each record whole: an object with ``key``, ``value``, ``headers`` (a list of \
                     objects with ``key`` and ``value``) and ``timestamp`` (milliseconds since 1970). What a record lacks is \
                     null. ``millstream restore`` brings all of it back.",
                ),
            Key::new(FILE_PER_SCHEMA, Kind::Boolean, "false")
                .importance(Importance::Low)
                .group(S3, 46, Width::Short, "S3 File Per Schema")
                .doc(
                    "With ``schema.compatibility=NONE``, writes the records of each schema to files of their own, open side by \
                     side, instead of closing all files at each change of the schema. So records of two versions that take \
                     turns do not make an object each.",
                ),
            Key::new(ROTATE_GRACE, Kind::Long, "0")
                .importance(Importance::Low)
                .group(S3, 47, Width::Medium, "S3 Rotate Grace (ms)")
                .validator(Validator::AtLeast(0))
                .doc(
                    "With ``rotate.interval.ms``, keeps files open for so much longer by the time of the records, and a change \
                     of the folder closes files only when records are so far behind it. So records that are late by no more \
                     join the file of their time, instead of making objects to and fro. All files close then, so that the \
                     records of the grace have an object of their own. What an object holds still follows from the records \
                     alone.",
                ),
            show_content_key(),
        ])
    });
    &EXTENSIONS
}

/// Settings that the original reads when it starts, and neither shows nor checks before.
pub(crate) fn start_only() -> &'static ConfigDef {
    static START_ONLY: LazyLock<ConfigDef> =
        LazyLock::new(|| ConfigDef::new(vec![Key::new("shutdown.timeout.ms", Kind::Long, "3000")]));
    &START_ONLY
}
