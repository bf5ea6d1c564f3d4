//! The sections of a message, decoded by the library once it reads them rightly.

use super::encoding::{Malformed, mended};
use fe2o3_amqp::types::messaging::message::DecodeIntoMessage;
use fe2o3_amqp::types::messaging::{AmqpValue, Body, Message};
use fe2o3_amqp::types::primitives::{Array, Value};
use serde_amqp::read::SliceReader;
use std::mem::take;
use thiserror::Error;

#[derive(Debug, Error)]
pub(super) enum Undecodable {
    #[error(transparent)]
    Encoding(#[from] Malformed),
    #[error(transparent)]
    Sections(#[from] serde_amqp::Error),
}

pub(super) fn decoded(sections: &[u8]) -> Result<Message<Body<Value>>, Undecodable> {
    let mended = mended(sections)?;
    let reader = SliceReader::new(&mended.bytes);
    let mut message = Body::<Value>::decode_message_from_reader(reader)?;
    if mended.has_array
        && let Body::Value(AmqpValue(value)) = &mut message.body
        && let Value::List(values) = value
    {
        // Of all sections a value alone can be an array.
        *value = Value::Array(Array(take(values)));
    }
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::super::value::{body, text};
    use super::*;
    use fe2o3_amqp::types::messaging::annotations::OwnedKey;
    use fe2o3_amqp::types::primitives::Symbol;
    use proptest::prelude::*;

    const VALUE: [u8; 3] = [0x00, 0x53, 0x77];

    fn shown(sections: &[u8]) -> (String, Option<&'static str>) {
        let (bytes, kind) = body(decoded(sections).unwrap().body);
        (String::from_utf8(bytes.unwrap().to_vec()).unwrap(), kind)
    }

    #[test]
    fn bodies_with_empty_arrays_are_read_and_keep_their_types() {
        let cases: [(&[u8], &str, &str); 6] = [
            (&[0xE0, 2, 0, 0x54], "[]", "array"),
            // An array of arrays, and a list of an array and a number.
            (
                &[0xE0, 9, 2, 0xE0, 2, 0, 0x54, 3, 1, 0x54, 7],
                "[[],[7]]",
                "array",
            ),
            (&[0xC0, 7, 2, 0xE0, 2, 0, 0x50, 0x50, 7], "[[],7]", "list"),
            (
                &[0xC1, 8, 2, 0xA1, 1, b'a', 0xE0, 2, 0, 0x54],
                r#"{"a":[]}"#,
                "map",
            ),
            (&[0x00, 0x53, 5, 0xE0, 2, 0, 0x54], "[]", "described"),
            (&[0x45], "[]", "list"),
        ];
        for (value, json, kind) in cases {
            let sections = [&VALUE[..], value].concat();
            assert_eq!(shown(&sections), (json.to_owned(), Some(kind)), "{json}");
        }
        let sequence = [0x00, 0x53, 0x76, 0xC0, 6, 2, 0xE0, 2, 0, 0x54, 0x41];
        let expected = ("[[],true]".to_owned(), Some("sequence"));
        assert_eq!(shown(&sequence), expected);
    }

    #[test]
    fn an_annotation_that_is_an_empty_array_leaves_what_follows() {
        let annotations = [
            &[0x00, 0x53, 0x72, 0xC1, 13, 4][..],
            &[0xA3, 1, b'x', 0xE0, 2, 0, 0x54],
            &[0xA3, 1, b'y', 0x54, 7],
        ]
        .concat();
        let sections = [&annotations[..], &VALUE, &[0xA1, 2, b'h', b'i']].concat();
        assert_eq!(shown(&sections), ("hi".to_owned(), None));
        let annotations = decoded(&sections).unwrap().message_annotations.unwrap();
        let of = |name: &str| {
            let key = OwnedKey::Symbol(Symbol::from(name));
            text(annotations.0.get(&key).unwrap())
        };
        assert_eq!((of("x"), of("y")), ("[]".into(), "7".into()));
    }

    #[test]
    fn what_is_no_message_is_told() {
        let told = |sections: &[u8]| decoded(sections).unwrap_err().to_string();
        assert_eq!(
            told(b"plain text"),
            "the sizes and counts of its encoding do not fit together"
        );
        assert!(matches!(decoded(&[0x41]), Err(Undecodable::Sections(_))));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            section in 0x70u8..0x7A,
            bytes in proptest::collection::vec(any::<u8>(), 0..100),
        ) {
            let _ = decoded(&bytes);
            let _ = decoded(&[&[0x00, 0x53, section], &bytes[..]].concat());
        }
    }
}
