//! The fast way must write what the slow way writes.
use super::*;
use proptest::prelude::*;

fn fast(canonical: &mut Canonical, record: &[u8]) -> Option<String> {
    let mut out = Vec::new();
    let written = canonical.write_spans(&mut out, record)?;
    assert_eq!(appended(written, &mut out, record), Written::Anew);
    Some(String::from_utf8(out).unwrap())
}

/// Appends what stands in the record.
fn appended(written: Written, out: &mut Vec<u8>, record: &[u8]) -> Written {
    match written {
        Written::Part { start, end } => {
            out.extend_from_slice(&record[start..end]);
            Written::Anew
        }
        other => other,
    }
}

/// Whatever the fast way writes must be what the slow way writes.
fn check(canonical: &mut Canonical, record: &[u8]) {
    if let Some(text) = fast(canonical, record) {
        let mut slow = Vec::new();
        assert_eq!(write_slowly(&mut slow, record), Ok(Written::Anew));
        assert_eq!(text, String::from_utf8(slow).unwrap());
    }
}

#[test]
fn reorders_and_prints_as_java_does() {
    let check = |record: &str, text: &str| {
        assert_eq!(
            fast(&mut Canonical::default(), record.as_bytes()).as_deref(),
            Some(text)
        );
    };
    check(r#"{"id":1,"name":"é"}"#, r#"{"name":"é","id":1}"#);
    check(r#" { "a" : 1.50 , "b" : true } x"#, r#"{"a":1.5,"b":true}"#);
    check(
        r#"{"a":-0,"b":007,"c":1e2,"d":-0.0}"#,
        r#"{"a":0,"b":7,"c":100.0,"d":0.0}"#,
    );
    check(
        r#"{"a":0.0001,"b":12345678.5,"c":null}"#,
        r#"{"a":1.0E-4,"b":1.23456785E7,"c":null}"#,
    );
    check("{}", "{}");
}

#[test]
fn writes_nested_values_and_escapes() {
    let check = |record: &str, text: &str| {
        let written = fast(&mut Canonical::default(), record.as_bytes());
        assert_eq!(written.as_deref(), Some(text));
    };
    check(
        r#"{"id":{"id":[1.50,{"z":1,"name":-0}],"name":{}},"name":[]}"#,
        r#"{"name":[],"id":{"name":{},"id":[1.5,{"name":0,"z":1}]}}"#,
    );
    check("[1, {\"b\" : 2},\n\ttrue]", r#"[1,{"b":2},true]"#);
    check(r#"{"a":"q\"u\\","b":"\n"}"#, r#"{"a":"q\"u\\","b":"\n"}"#);
    check(
        r#"{"a":"😀","b":["x😀"]}"#,
        r#"{"a":"\uD83D\uDE00","b":["x\uD83D\uDE00"]}"#,
    );
    check(
        r#"{"a":"\u00e9\/😀\n","b":["\ud83d\ude00","\u001f\u0022\u005C\u0008"]}"#,
        r#"{"a":"é/\uD83D\uDE00\n","b":["\uD83D\uDE00","\u001F\"\\\b"]}"#,
    );
}

#[test]
fn leaves_the_rest_to_the_slow_way() {
    let deep = format!("{}1{}", "{\"a\":".repeat(9), "}".repeat(9));
    for record in [
        r#"{"a":"\ud83d"}"#,
        r#"{"a":"\ud83d\ud83d"}"#,
        r#"{"a":"\ude00"}"#,
        r#"{"a":"\u00g0"}"#,
        r#"{"a":"\u004"}"#,
        r#"{"a":"\x"}"#,
        r#"{"\u0041":1}"#,
        "{\"a\":\"\n\"}",
        r#"{"\n":1}"#,
        r#"{"a":1,"a":2}"#,
        "1",
        "",
        r#"{"a":1"#,
        r#"{"a":1,}"#,
        r#"{"a":[1,]}"#,
        r#"{"a":12345678901234567890}"#,
        r#"{"😀":1}"#,
        r#"{"a" 1}"#,
        r#"{"a":1.}"#,
        r#"{"a":tru}"#,
        r#"{\"a":1}"#,
        &deep,
    ] {
        let written = fast(&mut Canonical::default(), record.as_bytes());
        assert_eq!(written, None, "{record}");
    }
}

#[test]
fn keeps_shapes_apart() {
    let mut canonical = Canonical::default();
    for round in 0..3 {
        for width in 1..20 {
            let members: Vec<String> = (0..width).map(|i| format!("\"k{i}\":{round}")).collect();
            check(
                &mut canonical,
                format!("{{{}}}", members.join(",")).as_bytes(),
            );
        }
    }
}

pub(super) mod alike;

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        "-?[0-9]{1,20}",
        "-?[0-9]{1,9}\\.[0-9]{1,17}",
        "-?[0-9]{1,3}(\\.[0-9]{1,5})?[eE][+-]?[0-9]{1,3}",
        any::<f64>()
            .prop_filter("finite", |v| v.is_finite())
            .prop_map(|v| format!("{v:?}")),
    ]
}

fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        number(),
        "\"([ !#-\\[\\]-~é中]|😀|\\\\[\"\\\\bnt/]|\\\\u(00[0-7]|d83|DE0)[0-9a-f]){0,12}\"",
        Just("true".to_owned()),
        Just("null".to_owned()),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[{}]", items.join(", "))),
            proptest::collection::vec(("[a-c]{1,2}", inner), 0..4).prop_map(|pairs| {
                let pairs: Vec<String> =
                    pairs.iter().map(|(k, v)| format!("\"{k}\":{v}")).collect();
                format!("{{{}}}", pairs.join(",\n"))
            }),
        ]
    })
}

fn member() -> impl Strategy<Value = String> {
    ("[a-c]{1,3}|[a-zé]{1,20}", "[ \n]?:[ \t]?", value())
        .prop_map(|(name, colon, value)| format!("\"{name}\"{colon}{value}"))
}

/// A text that is JSON but for what has been cut out, repeated or overwritten.
pub(super) fn nearly_json() -> impl Strategy<Value = Vec<u8>> {
    let text = proptest::collection::vec(member(), 0..8)
        .prop_map(|members| format!("{{{}}}", members.join(",")).into_bytes());
    let place = any::<proptest::sample::Index>();
    let change = (place.clone(), place, 0..4usize, any::<u8>());
    (text, proptest::collection::vec(change, 0..4)).prop_map(|(mut text, changes)| {
        for (from, to, kind, byte) in changes {
            if text.is_empty() {
                break;
            }
            let (from, to) = (from.index(text.len()), to.index(text.len()));
            match kind {
                0 => drop(text.drain(from.min(to)..from.max(to))),
                1 => text.insert(from, byte),
                2 => text[from] = byte,
                _ => text.extend_from_within(from.min(to)..),
            }
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5000))]

    /// Both ways also refuse the same records for the same reasons, whatever the records before them were.
    #[test]
    fn writes_and_refuses_what_the_slow_way_does(
        records in proptest::collection::vec(nearly_json(), 1..5)
    ) {
        let mut canonical = Canonical::default();
        for record in records {
            let (mut fast, mut slow) = (b"before".to_vec(), b"before".to_vec());
            let written = canonical.write(&mut fast, &record);
            let written = written.map(|written| appended(written, &mut fast, &record));
            prop_assert_eq!(&written, &write_slowly(&mut slow, &record));
            if written.is_ok() {
                prop_assert_eq!(fast, slow);
            }
        }
    }

    #[test]
    fn writes_objects_as_the_slow_way_does(
        records in proptest::collection::vec(proptest::collection::vec(member(), 0..8), 1..6)
    ) {
        let mut canonical = Canonical::default();
        for members in records {
            check(&mut canonical, format!("{{{}}}", members.join(",")).as_bytes());
        }
    }

    #[test]
    fn takes_any_bytes(record in proptest::collection::vec(any::<u8>(), 0..60)) {
        check(&mut Canonical::default(), &record);
    }

    #[test]
    fn takes_near_json(record in "\\{?[\\[\\]{}\",:0-9eE.+\\-tfn\\\\ é]{0,40}") {
        check(&mut Canonical::default(), record.as_bytes());
    }
}

/// The raw text of a column must be that of the values it stands for, and the same rows must fail for the same reasons:
/// what a sink gets must not depend on whether a transform asked for values.
mod plan {
    use super::*;
    use crate::converters::json::PLUGIN;
    use bytes::Bytes;
    use millstream_core::{ByteColumn, Converter, ConverterUse, Properties, RawKind};

    fn converter() -> Box<dyn Converter> {
        let properties = Properties::from_iter([("schemas.enable", "false")]);
        (PLUGIN.make)(&properties, ConverterUse::Value).unwrap()
    }

    fn check(records: &[Vec<u8>]) -> Result<(), TestCaseError> {
        let mut column = ByteColumn::new();
        for record in records {
            let buffer = column.add_buffer(Bytes::copy_from_slice(record));
            column.push_span(buffer, 0, record.len());
        }
        let (mut raw_errors, mut value_errors) = (Vec::new(), Vec::new());
        let raw = converter().to_raw("t", &column, RawKind::Json, &mut raw_errors);
        let decoded = converter().decode_column("t", &column, None, &mut value_errors);
        prop_assert_eq!(raw_errors, value_errors);
        for (row, value) in decoded.values.iter().enumerate() {
            let mut text = Vec::new();
            java_json::write_value(&mut text, value).unwrap();
            let expected = (!value.is_null()).then_some(&text[..]);
            prop_assert_eq!(raw.get(row), expected);
        }
        Ok(())
    }

    #[test]
    fn report_b5_raw_text_is_that_of_the_values() {
        let nested = |depth| [vec![b'['; depth], vec![b']'; depth]].concat();
        let records = [
            br#"{"comment":"nice \ud83d"}"#.to_vec(),
            br#"{"a":1e400,"b":-1e400}"#.to_vec(),
            nested(900),
            nested(1000),
            nested(1001),
            b"\"\xED\xB0\x80\"".to_vec(),
        ];
        check(&records).unwrap();
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5000))]

        #[test]
        fn report_b5_any_raw_text_is_that_of_the_values(records in proptest::collection::vec(nearly_json(), 1..4)) {
            check(&records)?;
        }
    }
}
