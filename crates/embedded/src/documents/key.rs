//! Keys: any BSON value as bytes whose order is MongoDB's order of values. Numbers that are equal have the
//! same key whatever their type, so that `_id: 1` and `_id: 1.0` are one document.

use bson::spec::BinarySubtype;
use bson::{Bson, Decimal128, RawBson, RawBsonRef, RawDocument};
use std::cmp::Ordering;

const NULL: u8 = 5;
const NUMBER: u8 = 10;
const STRING: u8 = 15;
const DOCUMENT: u8 = 20;
const ARRAY: u8 = 25;

/// The key of a value.
pub(super) fn key_of(value: RawBsonRef<'_>) -> Vec<u8> {
    let mut key = Vec::with_capacity(24);
    push_value(&mut key, value);
    key
}

pub(super) fn key(value: &Bson) -> Vec<u8> {
    // Only a name with a NUL inside cannot be written raw, and such a value never came over the wire.
    RawBson::try_from(value.clone()).map_or_else(|_| vec![0], |raw| key_of(raw.as_raw_bson_ref()))
}

pub(super) fn compare(a: &Bson, b: &Bson) -> Ordering {
    match (a, b) {
        (Bson::Int32(a), Bson::Int32(b)) => a.cmp(b),
        (Bson::String(a), Bson::String(b)) => a.cmp(b),
        _ => key(a).cmp(&key(b)),
    }
}

pub(super) fn equal(a: &Bson, b: &Bson) -> bool {
    compare(a, b) == Ordering::Equal
}

/// Whether `$lt` and its like compare the two at all: values of unlike types never match.
pub(super) fn comparable(a: &Bson, b: &Bson) -> bool {
    key(a).first() == key(b).first()
}

fn push_value(key: &mut Vec<u8>, value: RawBsonRef<'_>) {
    match value {
        RawBsonRef::MinKey => key.push(1),
        RawBsonRef::Undefined => key.push(2),
        RawBsonRef::Null => key.push(NULL),
        RawBsonRef::Int32(v) => push_number(key, f64::from(v), 0),
        RawBsonRef::Int64(v) => push_i64(key, v),
        RawBsonRef::Double(v) => push_number(key, v, 0),
        RawBsonRef::Decimal128(v) => push_decimal(key, v),
        RawBsonRef::String(v) | RawBsonRef::Symbol(v) => push_text(key, STRING, v),
        RawBsonRef::Document(v) => push_document(key, DOCUMENT, v, true),
        RawBsonRef::Array(v) => match RawDocument::from_bytes(v.as_bytes()) {
            Ok(items) => push_document(key, ARRAY, items, false),
            Err(_) => key.push(ARRAY),
        },
        RawBsonRef::Binary(v) => {
            key.push(30);
            key.extend_from_slice(&(v.bytes.len() as u32).to_be_bytes());
            key.push(subtype(v.subtype));
            key.extend_from_slice(v.bytes);
        }
        RawBsonRef::ObjectId(v) => {
            key.push(35);
            key.extend_from_slice(&v.bytes());
        }
        RawBsonRef::Boolean(v) => key.extend_from_slice(&[40, u8::from(v)]),
        RawBsonRef::DateTime(v) => {
            key.push(45);
            key.extend_from_slice(&ordered_i64(v.timestamp_millis()));
        }
        RawBsonRef::Timestamp(v) => {
            key.push(47);
            key.extend_from_slice(&v.time.to_be_bytes());
            key.extend_from_slice(&v.increment.to_be_bytes());
        }
        RawBsonRef::RegularExpression(v) => {
            push_text(key, 50, v.pattern.as_str());
            push_text(key, 50, v.options.as_str());
        }
        RawBsonRef::DbPointer(_) => key.push(55),
        RawBsonRef::JavaScriptCode(v) => push_text(key, 60, v),
        RawBsonRef::JavaScriptCodeWithScope(v) => push_text(key, 65, v.code),
        RawBsonRef::MaxKey => key.push(127),
    }
}

fn push_i64(key: &mut Vec<u8>, value: i64) {
    let near = value as f64;
    // i64::MAX rounds up to 2^63, which does not fit; saturating keeps the difference small and right.
    let rest = value.wrapping_sub(near as i64).clamp(-1024, 1024) as i16;
    push_number(key, near, rest);
}

/// The double's bits so that they sort, then what the double could not hold.
fn push_number(key: &mut Vec<u8>, value: f64, rest: i16) {
    key.push(NUMBER);
    let bits = if value == 0.0 { 0 } else { value.to_bits() };
    let ordered = if value.is_nan() {
        0 // below all numbers
    } else if bits >> 63 == 1 {
        !bits
    } else {
        bits | 1 << 63
    };
    key.extend_from_slice(&ordered.to_be_bytes());
    key.extend_from_slice(&(rest as u16 ^ 0x8000).to_be_bytes());
}

/// Decimals sort by their double; two that share one are told apart by their bytes unless they are plain.
fn push_decimal(key: &mut Vec<u8>, value: Decimal128) {
    let text = value.to_string();
    let near: f64 = text.parse().unwrap_or(f64::NAN);
    push_number(key, near, 0);
    if near.to_string() != text && near.fract() != 0.0 {
        key.extend_from_slice(&value.bytes());
    }
}

fn push_text(key: &mut Vec<u8>, kind: u8, text: &str) {
    key.push(kind);
    for part in text.as_bytes().split_inclusive(|&byte| byte == 0) {
        key.extend_from_slice(part);
        if part.last() == Some(&0) {
            key.push(0xFF);
        }
    }
    key.extend_from_slice(&[0, 0]);
}

fn push_document(key: &mut Vec<u8>, kind: u8, document: &RawDocument, with_names: bool) {
    key.push(kind);
    for (name, value) in document.iter().flatten() {
        let start = key.len();
        push_value(key, value);
        if with_names {
            let mut field = Vec::new();
            push_text(&mut field, STRING, name.as_str());
            // A document compares by type, then name, then value.
            key.splice(start + 1..start + 1, field);
        }
    }
    key.push(0);
}

fn subtype(subtype: BinarySubtype) -> u8 {
    subtype.into()
}

fn ordered_i64(value: i64) -> [u8; 8] {
    (value as u64 ^ (1 << 63)).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::{bson, oid::ObjectId};
    use proptest::prelude::*;

    #[test]
    fn keys_sort_as_mongodb_sorts_values() {
        let ascending = [
            Bson::MinKey,
            Bson::Null,
            bson!(f64::NEG_INFINITY),
            bson!(i64::MIN),
            bson!(-1.5),
            bson!(-1),
            bson!(0),
            bson!(0.5),
            bson!(7),
            bson!((1i64 << 53) + 1),
            bson!((1i64 << 53) + 2),
            bson!(i64::MAX - 1),
            bson!(i64::MAX),
            bson!(""),
            bson!("a"),
            bson!("a\0b"),
            bson!("ab"),
            bson!({"a": 1}),
            bson!({"a": 1, "b": 1}),
            bson!({"b": 0}),
            bson!([]),
            bson!([1]),
            bson!([1, 2]),
            Bson::ObjectId(ObjectId::from_bytes([1; 12])),
            bson!(false),
            bson!(true),
            Bson::MaxKey,
        ];
        for pair in ascending.windows(2) {
            assert_eq!(compare(&pair[0], &pair[1]), Ordering::Less, "{pair:?}");
        }
        assert!(equal(&bson!(1), &bson!(1.0)));
        assert!(equal(&bson!(0.0), &bson!(-0.0)));
        assert!(equal(&bson!({"a": 1i64}), &bson!({"a": 1.0})));
    }

    proptest! {
        #[test]
        fn integers_sort_as_integers(a: i64, b: i64) {
            prop_assert_eq!(compare(&Bson::Int64(a), &Bson::Int64(b)), a.cmp(&b));
        }

        #[test]
        fn doubles_sort_as_doubles(a in -1e300f64..1e300, b in -1e300f64..1e300) {
            prop_assert_eq!(compare(&Bson::Double(a), &Bson::Double(b)), a.total_cmp(&b));
        }
    }
}
