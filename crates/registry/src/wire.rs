//! The wire forms: how a record says which schema it was written with (Confluent's `SchemaId`). In front of it, or in a header.

use millstream_avro::put_long;
use millstream_core::rejected::SERIALIZATION_EXCEPTION;
use millstream_core::{ConverterUse, RawHeaders, RecordError};
use std::fmt;

const ID_FORM: u8 = 0;
const GUID_FORM: u8 = 1;
/// The first byte of AWS Glue's frame: version 3, then a compression and a UUID.
const GLUE_FORM: u8 = 3;

/// More than any file of Protobuf nests messages.
const MOST_INDEXES: i64 = 128;

/// What a registry knows a schema by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum SchemaKey {
    Id(i32),
    Guid(Guid),
}

/// Printed as a UUID.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Guid(pub(crate) [u8; 16]);

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A record's bytes, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Framed<'a> {
    pub(crate) key: SchemaKey,
    /// The path to the message in its file, from the top; only of Protobuf.
    pub(crate) indexes: Vec<i32>,
    pub(crate) payload: &'a [u8],
    /// Whether the id stands in a header.
    pub(crate) is_in_header: bool,
}

/// The header's name.
pub(crate) fn header_name(role: ConverterUse) -> &'static [u8] {
    match role {
        ConverterUse::Key => b"__key_schema_id",
        ConverterUse::Value => b"__value_schema_id",
    }
}

/// The last value of a header of a row, if it has one that is not null.
pub(crate) fn header<'a>(
    headers: Option<&'a RawHeaders>,
    row: usize,
    name: &[u8],
) -> Option<&'a [u8]> {
    let found = headers?.row(row).filter(|(key, _)| *key == name).last();
    found.and_then(|(_, value)| value)
}

/// Takes a record apart; a header goes before what the record begins with.
///
/// # Errors
/// Confluent's, with what may have written such a record.
pub(crate) fn read<'a>(
    bytes: &'a [u8],
    header: Option<&[u8]>,
    has_indexes: bool,
) -> Result<Framed<'a>, RecordError> {
    let mut rest = header.unwrap_or(bytes);
    let key = key(&mut rest)?;
    let indexes = match has_indexes {
        true => read_indexes(&mut rest).ok_or_else(too_short)?,
        false => Vec::new(),
    };
    Ok(match header {
        Some(_) => Framed {
            key,
            indexes,
            payload: bytes,
            is_in_header: true,
        },
        None => {
            let payload = &bytes[bytes.len() - rest.len()..];
            Framed {
                key,
                indexes,
                payload,
                is_in_header: false,
            }
        }
    })
}

/// A record that begins with an id, as nearly all do; `None` is for `read`.
pub(crate) fn read_plain(bytes: &[u8]) -> Option<Framed<'_>> {
    match bytes {
        [ID_FORM, a, b, c, d, payload @ ..] => Some(Framed {
            key: SchemaKey::Id(i32::from_be_bytes([*a, *b, *c, *d])),
            indexes: Vec::new(),
            payload,
            is_in_header: false,
        }),
        _ => None,
    }
}

/// What the registry knows a record's schema by, if the record says it.
pub(crate) fn key_of(bytes: &[u8], header: Option<&[u8]>) -> Option<SchemaKey> {
    key(&mut header.unwrap_or(bytes)).ok()
}

fn key(rest: &mut &[u8]) -> Result<SchemaKey, RecordError> {
    let (form, after) = rest.split_first().ok_or_else(too_short)?;
    *rest = after;
    match *form {
        ID_FORM => {
            let (id, after) = rest.split_first_chunk().ok_or_else(too_short)?;
            *rest = after;
            Ok(SchemaKey::Id(i32::from_be_bytes(*id)))
        }
        GUID_FORM => {
            let (guid, after) = rest.split_first_chunk().ok_or_else(too_short)?;
            *rest = after;
            Ok(SchemaKey::Guid(Guid(*guid)))
        }
        GLUE_FORM => Err(unknown_magic_byte(
            "; the record begins with 3, as those of AWS Glue's serializer do, whose schemas are in no registry of Confluent's",
        )),
        _ => Err(unknown_magic_byte("")),
    }
}

fn too_short() -> RecordError {
    wrapped(RecordError::new(
        "java.nio.BufferUnderflowException",
        "the record is too short for a schema's id",
    ))
}

/// `hint`: what may have written such a record.
fn unknown_magic_byte(hint: &str) -> RecordError {
    wrapped(RecordError::new(
        "java.lang.IllegalArgumentException",
        format!("Unknown magic byte!{hint}"),
    ))
}

fn wrapped(cause: RecordError) -> RecordError {
    RecordError::new(SERIALIZATION_EXCEPTION, "Error deserializing schema ID").caused_by(cause)
}

/// What headers tell of a record that does not begin with an id: Apicurio's serializers put it there by default.
pub(crate) fn explain(error: RecordError, headers: Option<&RawHeaders>, row: usize) -> RecordError {
    let is_apicurio = headers.is_some_and(|headers| {
        headers
            .row(row)
            .any(|(key, _)| key.starts_with(b"apicurio."))
    });
    match is_apicurio {
        true => unknown_magic_byte(
            "; the record has headers of Apicurio's serializer (apicurio.value.globalId), which holds the schema's id there: have it write Confluent's form (apicurio.registry.headers.enabled=false, apicurio.registry.as-confluent=true)",
        ),
        false => error,
    }
}

/// Zig-zag varints: how many, then each. The single byte 0 stands for the first message.
fn read_indexes(rest: &mut &[u8]) -> Option<Vec<i32>> {
    let count = varint(rest)?;
    if count == 0 {
        return Some(vec![0]);
    }
    if !(0..=MOST_INDEXES).contains(&count) {
        return None;
    }
    (0..count)
        .map(|_| i32::try_from(varint(rest)?).ok())
        .collect()
}

fn varint(rest: &mut &[u8]) -> Option<i64> {
    let mut raw = 0u64;
    for shift in (0..35).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        raw |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Some((raw >> 1) as i64 ^ -((raw & 1) as i64));
        }
    }
    None
}

/// What stands in front of a datum of this schema.
pub(crate) fn prefix(id: i32, indexes: &[i32]) -> Vec<u8> {
    let mut prefix = vec![ID_FORM];
    prefix.extend(id.to_be_bytes());
    match indexes {
        [] => {}
        [0] => prefix.push(0),
        indexes => {
            put_long(&mut prefix, indexes.len() as i64);
            for index in indexes {
                put_long(&mut prefix, (*index).into());
            }
        }
    }
    prefix
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_both_forms() {
        let framed = |bytes: &'static [u8], header: Option<&[u8]>, has_indexes| {
            read(bytes, header, has_indexes).map_err(|error| error.to_string())
        };
        let prefixed = framed(&[0, 0, 0, 0, 7, 9], None, false).unwrap();
        assert_eq!(
            (prefixed.key, prefixed.payload),
            (SchemaKey::Id(7), &[9][..])
        );
        let nested = framed(&[0, 0, 0, 0, 7, 4, 2, 0, 9], None, true).unwrap();
        assert_eq!((nested.indexes, nested.payload), (vec![1, 0], &[9][..]));
        let first = framed(&[0, 0, 0, 0, 7, 0], None, true).unwrap();
        assert_eq!((first.indexes, first.payload), (vec![0], &[][..]));
        // In a header the value has no prefix and may be empty.
        let header: Vec<u8> = [1].into_iter().chain(0..16).chain([0]).collect();
        let by_guid = framed(&[], Some(&header), true).unwrap();
        let SchemaKey::Guid(guid) = by_guid.key else {
            panic!("it is an id")
        };
        assert_eq!(guid.to_string(), "00010203-0405-0607-0809-0a0b0c0d0e0f");
        assert!(by_guid.is_in_header && by_guid.payload.is_empty());
        for (bytes, words) in [
            (
                &[5, 0, 0, 0, 7][..],
                "Error deserializing schema ID: Unknown magic byte!",
            ),
            (&[3, 0, 1], "AWS Glue"),
            (&[0, 0, 0], "too short"),
            (&[], "too short"),
        ] {
            assert!(
                framed(bytes, None, false).unwrap_err().contains(words),
                "{bytes:?}"
            );
        }
        assert!(framed(&[0, 0, 0, 0, 7, 1], None, true).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_have_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = read(&bytes, None, true);
            let _ = read(&[], Some(&bytes), true);
        }

        #[test]
        fn prefixes_come_back(id: i32, indexes in proptest::collection::vec(0..100_000i32, 1..6)) {
            let mut bytes = prefix(id, &indexes);
            bytes.push(42);
            let framed = read(&bytes, None, true).unwrap();
            prop_assert_eq!(framed.key, SchemaKey::Id(id));
            prop_assert_eq!(framed.indexes, indexes);
            prop_assert_eq!(framed.payload, &[42][..]);
        }
    }
}
