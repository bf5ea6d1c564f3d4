//! Format: what a schema language does, apart from where its schemas are kept. Everything here is pure.

use crate::client::{SchemaText, SchemaType};
use crate::registry::Fetched;
use bytes::Bytes;
use millstream_core::{Decoded, Encoding, RecordError, SchemaRef, Value};
use std::sync::Arc;

/// Why a record was not converted, and how Confluent's converters tell it.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// The serializer's: it becomes the cause of the converter's own message.
    Serializer(RecordError),
    /// The mapping's: it is told as it is.
    Mapping(RecordError),
}

/// The converter's own messages.
pub(crate) struct Messages {
    /// The class.
    pub(crate) class: &'static str,
    /// What the messages of serializers call the language.
    pub(crate) name: &'static str,
    /// Whether the path to the message follows a schema's id.
    pub(crate) has_indexes: bool,
    pub(crate) not_read: fn(topic: &str) -> String,
    pub(crate) not_written: fn(topic: &str) -> String,
}

/// What is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Datum<'a> {
    pub(crate) payload: &'a [u8],
    /// The path to the message; only of Protobuf.
    pub(crate) indexes: &'a [i32],
}

/// What was seen of a datum that stays as it is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scanned {
    /// Its bytes, from the payload's start; others may be left over.
    pub(crate) len: usize,
    /// Whether its value has no other bytes that a serializer would write.
    pub(crate) is_canonical: bool,
}

pub(crate) trait Format: Send + Sync + 'static {
    /// Made from a schema once.
    type Reader: Send + Sync;
    /// Made from a Connect schema once.
    type Writer: Send + Sync;

    const TYPE: SchemaType;
    const MESSAGES: Messages;

    /// A reader for a schema, which gets the version of its subject.
    fn reader(&self, schema: &Fetched, version: Option<i32>) -> Result<Self::Reader, Failure>;

    /// The full name of a schema, for subjects that are named by it.
    fn record_name(&self, schema: &Fetched) -> Option<String>;

    /// Appends what a datum says as a row; with an error nothing. Returns whether bytes were left over.
    fn read(
        &self,
        reader: &Self::Reader,
        datum: Datum<'_>,
        out: &mut Decoded,
    ) -> Result<bool, Failure>;

    /// The reader as an encoding, if its data can be looked at without making values of them. All of them are records.
    fn encoding(_reader: &Arc<Self::Reader>) -> Option<Arc<dyn Encoding>> {
        None
    }

    /// Looks at a datum, with the errors of `read`. To be called only where there is an encoding.
    fn scan(&self, _reader: &Self::Reader, _datum: Datum<'_>) -> Result<Scanned, Failure> {
        Ok(Scanned::default())
    }

    /// A writer for values of a schema; `None` is schemaless.
    fn writer(&self, schema: Option<&SchemaRef>) -> Result<Self::Writer, Failure>;

    /// A writer that writes by a schema of the registry; with `is_strict` one that can read what the other one writes.
    fn writer_by(
        &self,
        writer: &Self::Writer,
        target: &Fetched,
        is_strict: bool,
    ) -> Result<Self::Writer, Failure>;

    /// What is registered.
    fn text<'a>(&self, writer: &'a Self::Writer) -> &'a SchemaText;

    /// The full name of what is registered.
    fn written_name(&self, writer: &Self::Writer) -> Option<String>;

    /// What stands between a schema's id and the datum: the path to the message, of Protobuf.
    fn indexes<'a>(&self, writer: &'a Self::Writer) -> &'a [i32];

    /// Appends the datum; `false` if the value is a null that has none.
    fn write(
        &self,
        writer: &Self::Writer,
        value: &Value,
        out: &mut Vec<u8>,
    ) -> Result<bool, Failure>;
}

/// A record's bytes.
pub(crate) fn record(prefix: &[u8], datum: &[u8]) -> Bytes {
    [prefix, datum].concat().into()
}

/// A schema of the registry that cannot read what is to be written.
pub(crate) fn incompatible(kind: SchemaType) -> Failure {
    Failure::Serializer(RecordError::new(
        "java.io.IOException",
        format!(
            "Incompatible schema of type '{}'. Set latest.compatibility.strict=false or id.compatibility.strict=false to disable this check",
            kind.name()
        ),
    ))
}
