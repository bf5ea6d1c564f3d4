//! The exceptions of Avro's own library, by their Java names.

use millstream_core::RecordError;

/// A schema that is none: the S3 sink makes a dead letter of such a record.
pub const SCHEMA_PARSE_EXCEPTION: &str = "org.apache.avro.SchemaParseException";
/// A datum that does not fit its schema, found when it is written.
pub const AVRO_TYPE_EXCEPTION: &str = "org.apache.avro.AvroTypeException";
pub const AVRO_RUNTIME_EXCEPTION: &str = "org.apache.avro.AvroRuntimeException";
const EOF_EXCEPTION: &str = "java.io.EOFException";
const NUMBER_ENCODING_EXCEPTION: &str = "org.apache.avro.InvalidNumberEncodingException";
const INDEX_EXCEPTION: &str = "java.lang.IndexOutOfBoundsException";

pub(crate) fn schema_parse(message: impl Into<String>) -> RecordError {
    RecordError::new(SCHEMA_PARSE_EXCEPTION, message)
}

pub(crate) fn runtime(message: impl Into<String>) -> RecordError {
    RecordError::new(AVRO_RUNTIME_EXCEPTION, message)
}

pub(crate) fn end_of_datum() -> RecordError {
    RecordError::new(EOF_EXCEPTION, "the datum ends within a value")
}

/// `kind` is `int` or `long`.
pub(crate) fn number_encoding(kind: &str) -> RecordError {
    RecordError::new(
        NUMBER_ENCODING_EXCEPTION,
        format!("Invalid {kind} encoding"),
    )
}

pub(crate) fn index(index: i64, length: usize) -> RecordError {
    RecordError::new(
        INDEX_EXCEPTION,
        format!("Index {index} out of bounds for length {length}"),
    )
}
