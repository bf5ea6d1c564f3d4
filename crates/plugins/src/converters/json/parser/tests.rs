//! What Jackson reads, and what it refuses.

use super::*;
use proptest::prelude::*;

fn check(text: &str, expected: Result<Option<Node>, ()>) {
    assert_eq!(parse(text.as_bytes()).map_err(|_| ()), expected, "{text}");
}

#[test]
fn reads_the_first_value_only() {
    check("", Ok(None));
    check(" \n", Ok(None));
    check("1 2", Ok(Some(Node::Integer(1))));
    check("007", Ok(Some(Node::Integer(7))));
    check("1}", Err(()));
    check("true}", Ok(Some(Node::Boolean(true))));
    check("truex", Err(()));
    check("[1,]", Err(()));
    check(
        "{\"a\":1} x",
        Ok(Some(Node::Object(vec![(
            Text::from("a"),
            Node::Integer(1),
        )]))),
    );
    check(
        "\"\\ud83d\\ude00\"",
        Ok(Some(Node::String(Text::from("😀")))),
    );
    check("{\"\\ud83d\":1}", Err(()));
    assert_eq!(parse(&[0xFE, 0xFF, 0, b'1']), Ok(Some(Node::Integer(1))));
}

#[test]
fn report_f14_refuses_encoded_surrogates_and_reads_what_jackson_reads() {
    let value = |bytes: &[u8]| {
        let read = parse(&[b"\"", bytes, b"\""].concat()).ok()??;
        match read {
            Node::String(text) => Some(text.utf16().collect::<Vec<_>>()),
            _ => None,
        }
    };
    let name = |bytes: &[u8]| {
        let read = parse(&[b"{\"", bytes, b"\":1}"].concat()).ok()??;
        match read {
            Node::Object(members) => Some(members[0].0.utf16().collect::<Vec<_>>()),
            _ => None,
        }
    };
    for refused in [
        &b"\xED\xA0\x80"[..],
        b"\xED\xB0\x80",
        b"\xED\xA0\xBD\xED\xB8\x80",
        b"\\n\xED\xBF\xBF",
        b"\xC3",
        b"\xE2\x82",
        b"\x80",
        b"\xFF",
    ] {
        assert_eq!(value(refused), None, "{refused:?}");
        assert_eq!(name(refused), None, "{refused:?}");
    }
    // Overlong forms and codes beyond Unicode come out as Jackson reads them.
    for (bytes, in_value, in_name) in [
        (&b"\xC0\x80"[..], &[0][..], &[0][..]),
        (b"\xE0\x9F\xBF", &[0x7FF], &[0x7FF]),
        (b"\xF0\x80\x80\x80", &[0xFFC0, 0xDC00], &[0xD7C0, 0xDC00]),
        (b"\xF4\x90\x80\x80", &[0xDC00, 0xDC00], &[0xDC00, 0xDC00]),
        (b"\xF0\x9F\x98\x80", &[0xD83D, 0xDE00], &[0xD83D, 0xDE00]),
        (b"\\ud83d\\ude00", &[0xD83D, 0xDE00], &[0xD83D, 0xDE00]),
    ] {
        assert_eq!(value(bytes).as_deref(), Some(in_value), "{bytes:?}");
        assert_eq!(name(bytes).as_deref(), Some(in_name), "{bytes:?}");
    }
    assert_eq!(value(b"nice \\ud83d").map(|units| units.len()), Some(6));
    for half in [
        &b"\\ud83d"[..],
        b"\\ude00",
        b"\\ude00\\ud83d",
        b"\\ud83dx",
        b"\\ud83d\\n",
    ] {
        assert_eq!(name(half), None, "{half:?}");
    }
}

#[test]
fn report_b5_reads_numbers_beyond_doubles() {
    let double = |text: &str| match parse(text.as_bytes()) {
        Ok(Some(Node::Fraction(fraction))) => Some(fraction.to_f64()),
        _ => None,
    };
    assert_eq!(double("1e400"), Some(f64::INFINITY));
    assert_eq!(double("-1e400"), Some(f64::NEG_INFINITY));
    assert_eq!(double("1E2147483647"), Some(f64::INFINITY));
    assert_eq!(double("1E-2147483647"), Some(0.0));
    assert_eq!(double("1E2147483648"), None);
    let Ok(Some(node)) = parse(b"1E2147483647") else {
        panic!("it is a number");
    };
    assert_eq!(node.to_i64(), 0);
}

#[test]
fn bounds_nesting() {
    let nested = |depth| [vec![b'['; depth], vec![b']'; depth]].concat();
    assert!(parse(&nested(MAX_DEPTH)).is_ok());
    assert!(parse(&nested(MAX_DEPTH + 1)).is_err());
}

proptest! {
    #[test]
    fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn never_panics_on_near_json(text in "[\\[\\]{}\",:0-9eE.+\\-tfn\\\\u \u{0}é]{0,40}") {
        let _ = parse(text.as_bytes());
    }
}
