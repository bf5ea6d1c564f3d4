//! Avro's binary encoding: zig-zag numbers of variable length, and what has a length before it.

use crate::error::{end_of_datum, number_encoding, runtime};
use millstream_core::RecordError;

/// Items of no bytes, such as nulls, that one array may have: their count is all there is of them.
const MOST_EMPTY_ITEMS: u64 = 65_536;

/// Appends an int or a long.
pub fn put_long(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// The bytes that `put_long` appends.
pub(crate) fn long_len(value: i64) -> usize {
    let raw = ((value << 1) ^ (value >> 63)) as u64;
    let bits = (u64::BITS - (raw | 1).leading_zeros()) as usize;
    bits.div_ceil(7)
}

/// Appends bytes or a text with its length.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_long(out, bytes.len() as i64);
    out.extend_from_slice(bytes);
}

/// Takes a long off the front.
///
/// # Errors
/// If there is none.
pub fn take_long(bytes: &mut &[u8]) -> Result<i64, RecordError> {
    // Most numbers have one byte.
    if let Some((&first, rest)) = bytes.split_first()
        && first < 0x80
    {
        *bytes = rest;
        return Ok(unzigzag(first.into()));
    }
    varint(bytes, 10)
        .transpose()
        .unwrap_or_else(|| Err(number_encoding("long")))
        .map(unzigzag)
}

/// Takes an int off the front.
///
/// # Errors
/// If there is none.
pub fn take_int(bytes: &mut &[u8]) -> Result<i32, RecordError> {
    if let Some((&first, rest)) = bytes.split_first()
        && first < 0x80
    {
        *bytes = rest;
        return Ok(unzigzag(first.into()) as i32);
    }
    let raw = varint(bytes, 5)?.ok_or_else(|| number_encoding("int"))? as u32;
    Ok((raw >> 1) as i32 ^ -((raw & 1) as i32))
}

fn unzigzag(raw: u64) -> i64 {
    (raw >> 1) as i64 ^ -((raw & 1) as i64)
}

/// A number of at most so many bytes; `None` if it is longer.
fn varint(bytes: &mut &[u8], longest: usize) -> Result<Option<u64>, RecordError> {
    let mut value = 0u64;
    for index in 0..longest {
        let byte = *bytes.get(index).ok_or_else(end_of_datum)?;
        value |= u64::from(byte & 0x7f) << (7 * index as u32);
        if byte < 0x80 {
            *bytes = &bytes[index + 1..];
            return Ok(Some(value));
        }
    }
    Ok(None)
}

/// Takes so many bytes off the front.
///
/// # Errors
/// If there are fewer.
pub fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8], RecordError> {
    let (taken, rest) = bytes.split_at_checked(length).ok_or_else(end_of_datum)?;
    *bytes = rest;
    Ok(taken)
}

/// As `take`.
///
/// # Errors
/// If there are fewer.
pub fn take_array<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], RecordError> {
    let (taken, rest) = bytes.split_first_chunk().ok_or_else(end_of_datum)?;
    *bytes = rest;
    Ok(*taken)
}

/// Takes what has its length before it off the front.
///
/// # Errors
/// If there is none.
pub fn take_bytes<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], RecordError> {
    let length = take_long(bytes)?;
    if length < 0 {
        return Err(runtime(format!(
            "Malformed data. Length is negative: {length}"
        )));
    }
    take(bytes, usize::try_from(length).unwrap_or(usize::MAX))
}

/// The number of items in a block of an array or a map; none at its end. A block may tell its size.
fn take_count(bytes: &mut &[u8]) -> Result<u64, RecordError> {
    let count = take_long(bytes)?;
    if count < 0 {
        take_long(bytes)?;
    }
    Ok(count.unsigned_abs())
}

/// Takes the items of an array or a map, whose blocks tell their counts, off the front, each by `take`.
///
/// # Errors
/// If there is none, or if it has too many items of no bytes; those of `take`.
pub fn take_items(
    bytes: &mut &[u8],
    mut take: impl FnMut(&mut &[u8]) -> Result<(), RecordError>,
) -> Result<(), RecordError> {
    let mut empty = 0;
    loop {
        let count = take_count(bytes)?;
        if count == 0 {
            return Ok(());
        }
        for _ in 0..count {
            let before = bytes.len();
            take(bytes)?;
            empty += u64::from(bytes.len() == before);
            if empty > MOST_EMPTY_ITEMS {
                return Err(runtime(format!(
                    "an array has more than {MOST_EMPTY_ITEMS} items of no bytes"
                )));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_come_back(value in any::<i64>()) {
            let mut out = Vec::new();
            put_long(&mut out, value);
            prop_assert_eq!(out.len(), long_len(value));
            prop_assert_eq!(take_long(&mut out.as_slice()).unwrap(), value);
            if let Ok(int) = i32::try_from(value) {
                prop_assert_eq!(take_int(&mut out.as_slice()).unwrap(), int);
            }
        }
    }

    #[test]
    fn what_is_cut_short_or_too_long_is_told() {
        let message = |bytes: &[u8]| take_int(&mut &*bytes).unwrap_err().message;
        assert_eq!(message(&[0x80, 0x80]), "the datum ends within a value");
        assert_eq!(message(&[0xff; 5]), "Invalid int encoding");
        let error = take_long(&mut [0xff; 10].as_slice()).unwrap_err();
        assert_eq!(error.message, "Invalid long encoding");
        let error = take_bytes(&mut [0xfe, 0xff, 0xff, 0x0f, 1].as_slice()).unwrap_err();
        assert_eq!(error.message, "the datum ends within a value");
        let error = take_bytes(&mut [0x01].as_slice()).unwrap_err();
        assert_eq!(error.message, "Malformed data. Length is negative: -1");
    }
}
