//! The fast way must write what the slow way writes.
use super::*;
use proptest::prelude::*;

fn fast(canonical: &mut Canonical, record: &[u8]) -> Option<String> {
    let mut out = Vec::new();
    canonical.write_spans(&mut out, record)?;
    Some(String::from_utf8(out).unwrap())
}

/// Whatever the fast way writes must be what the slow way writes.
fn check(canonical: &mut Canonical, record: &[u8]) {
    if let Some(text) = fast(canonical, record) {
        let mut slow = Vec::new();
        assert_eq!(write_slowly(&mut slow, record), Ok(Written::Text));
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
}

#[test]
fn leaves_the_rest_to_the_slow_way() {
    let deep = format!("{}1{}", "{\"a\":".repeat(9), "}".repeat(9));
    for record in [
        r#"{"a":"\u0041"}"#,
        r#"{"a":"\/"}"#,
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
        r#"{"a":"😀\n"}"#,
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
        "\"([ !#-\\[\\]-~é中]|😀|\\\\[\"\\\\bnt/]){0,12}\"",
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

proptest! {
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
