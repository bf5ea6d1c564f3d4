//! Values as programs encode them and as bytes happen to be, and the library beside the standard.

use super::*;
use fe2o3_amqp::types::primitives::{Array, OrderedMap, Value};
use proptest::prelude::*;
use serde_amqp::{from_slice, to_vec};

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b' ').collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn list(values: impl IntoIterator<Item = Value>) -> Value {
    Value::List(values.into_iter().collect())
}

fn ints(values: &[i32]) -> Value {
    Value::Array(Array(values.iter().copied().map(Value::Int).collect()))
}

fn map(entries: Vec<(&str, Value)>) -> Value {
    let mut map = OrderedMap::new();
    for (name, value) in entries {
        map.insert(name.to_owned().into(), value);
    }
    Value::Map(map)
}

fn read(bytes: &[u8]) -> Value {
    from_slice(&mended(bytes).unwrap().bytes).unwrap()
}

#[test]
fn what_the_library_misreads_becomes_what_it_reads() {
    let one = || Value::Int(1);
    let cases = [
        // As Proton writes them: alone, before other values, in a map.
        ("f0 00000005 00000000 71", ints(&[])),
        (
            "d0 0000000f 00000002 f0 00000005 00000000 50 41",
            list([ints(&[]), Value::Bool(true)]),
        ),
        (
            "d0 00000010 00000002 f0 00000005 00000000 50 5007",
            list([ints(&[]), Value::Ubyte(7)]),
        ),
        (
            "d1 0000001a 00000004 a10161 f0 00000005 00000000 71 a10162 a10474657874",
            map(vec![
                ("a", ints(&[])),
                ("b", Value::String("text".to_owned())),
            ]),
        ),
        ("c0 08 03 e0 02 00 54 41 54 01", {
            list([ints(&[]), Value::Bool(true), one()])
        }),
        // An element that is described, and none of them.
        (
            "c0 0b 02 e0 06 00 00 a3 01 78 54 5401",
            list([ints(&[]), one()]),
        ),
        // Arrays of arrays, one of them empty.
        (
            "e0 0e 03 e0 04 02 54 01 02 02 00 54 03 01 54 03",
            list([ints(&[1, 2]), ints(&[]), ints(&[3])]),
        ),
        // Arrays of lists and of maps.
        (
            "e0 09 02 c0 03 01 54 01 02 01 41",
            list([list([one()]), list([Value::Bool(true)])]),
        ),
        (
            "e0 0b 02 c1 06 02 a1 01 61 54 01 01 00",
            list([map(vec![("a", one())]), map(vec![])]),
        ),
        // Of described values, whose descriptors nobody sees.
        ("e0 07 02 00 53 05 54 01 02", list([one(), Value::Int(2)])),
        // Of arrays of described lists.
        (
            "e0 0d 01 e0 0a 02 00 53 05 c0 02 01 41 01 00",
            list([list([list([Value::Bool(true)]), list([])])]),
        ),
    ];
    for (text, expected) in cases {
        // Alone, and with 7 behind it.
        let bytes = hex(text);
        assert_eq!(read(&bytes), expected, "{text}");
        let both = [&bytes[..], &[0x50, 7]].concat();
        let both = [&[LIST32][..], &compound(LIST32, 2, &both)].concat();
        let expected = list([expected, Value::Ubyte(7)]);
        assert_eq!(read(&both), expected, "{text}");
        assert!(matches!(mended(&both).unwrap().bytes, Cow::Owned(_)));
        assert_ne!(from_slice::<Value>(&both).ok(), Some(expected), "{text}");
    }
}

#[test]
fn arrays_that_the_library_reads_are_left_as_they_are() {
    // Without a constructor as the library itself writes it, of one number, of texts, of zeros without bytes, of empty lists.
    for text in [
        "e0 01 00",
        "e0 03 01 54 07",
        "e0 06 02 a1 01 61 01 62",
        "e0 02 02 43",
        "e0 02 02 45",
    ] {
        let bytes = hex(text);
        let mended = mended(&bytes).unwrap();
        assert!(matches!(mended.bytes, Cow::Borrowed(_)), "{text}");
        assert!(mended.has_array);
        assert!(from_slice::<Value>(&bytes).is_ok(), "{text}");
    }
    assert_eq!(read(&hex("e0 02 02 45")), {
        Value::Array(Array(vec![list([]), list([])]))
    });
}

#[test]
fn what_does_not_fit_together_is_refused() {
    for text in [
        "c0",
        "c0 00",
        "c0 02 01",
        "c0 02 02 41",
        "c0 03 01 41 41",
        "c1 02 01 41",
        "e0 03 00 54 01",
        "e0 01 01",
        "f0 00000006 ffffffff 71 00",
        "f0 00000005 00ffffff 40",
        "a1 05 61",
        "b0 ffffffff",
        "00 c0 01 00 41",
        "10",
    ] {
        assert_eq!(mended(&hex(text)), Err(Malformed::Sizes), "{text}");
    }
}

#[test]
fn what_is_nested_too_deep_is_refused() {
    let nested = |lists: usize| {
        (0..lists).fold(vec![0x41], |inner, _| {
            let size = u32::try_from(inner.len() + 4).unwrap().to_be_bytes();
            [&[LIST32][..], &size, &[0, 0, 0, 1], &inner].concat()
        })
    };
    let deepest = nested(DEEPEST);
    assert!(mended(&deepest).is_ok());
    assert!(from_slice::<Value>(&deepest).is_ok());
    assert_eq!(mended(&nested(DEEPEST + 1)), Err(Malformed::Depth));
    let described = [0x00, 0x44].repeat(100_000);
    assert_eq!(
        mended(&[&described[..], &[0x41]].concat()),
        Err(Malformed::Depth)
    );
}

/// A value and, by the standard, its encoding.
#[derive(Clone, Debug)]
struct Encoded {
    value: Value,
    /// Of its type, for arrays.
    code: u8,
    bytes: Vec<u8>,
}

fn compound(code: u8, count: usize, content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(content.len() + 4).unwrap();
    let count = u32::try_from(count).unwrap();
    assert_eq!(code & WIDE, WIDE);
    [&size.to_be_bytes()[..], &count.to_be_bytes(), content].concat()
}

fn with_codes(values: &[Encoded]) -> Vec<u8> {
    let each = values.iter().map(|it| [&[it.code][..], &it.bytes].concat());
    each.collect::<Vec<_>>().concat()
}

fn of_list(values: Vec<Encoded>) -> Encoded {
    Encoded {
        code: LIST32,
        bytes: compound(LIST32, values.len(), &with_codes(&values)),
        value: list(values.into_iter().map(|it| it.value)),
    }
}

/// Of those that have the type of the first; arrays of what is nested are lists to us.
fn of_array(values: Vec<Encoded>) -> Encoded {
    let code = values.first().map_or(0x71, |first| first.code);
    let same: Vec<Encoded> = values.into_iter().filter(|it| it.code == code).collect();
    let content = same.iter().flat_map(|it| it.bytes.iter().copied());
    let content: Vec<u8> = std::iter::once(code).chain(content).collect();
    let count = same.len();
    let values = same.into_iter().map(|it| it.value).collect();
    Encoded {
        code: ARRAY32,
        bytes: compound(ARRAY32, count, &content),
        value: if code >= LIST8 {
            Value::List(values)
        } else {
            Value::Array(Array(values))
        },
    }
}

fn of_map(values: Vec<Encoded>) -> Encoded {
    let mut entries = OrderedMap::new();
    let mut content = Vec::new();
    for (number, it) in (0u8..).zip(values) {
        content.extend([&[0x50, number, it.code][..], &it.bytes].concat());
        entries.insert(Value::Ubyte(number), it.value);
    }
    Encoded {
        code: MAP32,
        bytes: compound(MAP32, entries.len() * 2, &content),
        value: Value::Map(entries),
    }
}

fn anything() -> impl Strategy<Value = Encoded> {
    let int = any::<i32>().prop_map(|number| Encoded {
        value: Value::Int(number),
        code: 0x71,
        bytes: number.to_be_bytes().to_vec(),
    });
    let text = "[a-z]{0,5}".prop_map(|text| Encoded {
        code: 0xA1,
        bytes: [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat(),
        value: Value::String(text),
    });
    let leaf = prop_oneof![int, text];
    leaf.prop_recursive(5, 60, 5, |inner| {
        let values = proptest::collection::vec(inner, 0..5);
        prop_oneof![
            values.clone().prop_map(of_list),
            values.clone().prop_map(of_map),
            values.prop_map(of_array),
        ]
    })
}

proptest! {
    #[test]
    fn every_value_is_read_as_it_was_sent(sent in anything()) {
        let bytes = with_codes(std::slice::from_ref(&sent));
        let mended = mended(&bytes).unwrap();
        prop_assert!(mended.bytes.len() <= bytes.len() * 5);
        prop_assert_eq!(from_slice::<Value>(&mended.bytes).unwrap(), sent.value);
        if let Cow::Owned(made) = &mended.bytes {
            // Once is enough.
            let again = super::mended(made).unwrap();
            prop_assert_eq!(&*again.bytes, &**made);
        }
    }

    #[test]
    fn what_the_library_writes_is_left_as_it_is(sent in anything()) {
        let bytes = to_vec(&sent.value).unwrap();
        // It writes arrays within arrays wrongly, too; those are lists here, and what is left it writes as it reads it.
        let mended = mended(&bytes).unwrap();
        prop_assert_eq!(mended.bytes.as_ptr(), bytes.as_ptr());
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(mended) = mended(&bytes) {
            prop_assert!(mended.bytes.len() <= bytes.len() * 5);
        }
    }

    /// Bytes that are nearly values.
    #[test]
    fn no_damage_makes_the_library_panic(
        sent in anything(),
        damage in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = with_codes(std::slice::from_ref(&sent));
        for (at, byte) in damage {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        if let Ok(mended) = mended(&bytes) {
            let _ = from_slice::<Value>(&mended.bytes);
        }
    }
}
