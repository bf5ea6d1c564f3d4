//! Raw statements against those that values are made into.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::connect_json;
use crate::json::parse_document;
use bson::{Bson, Document};
use proptest::prelude::*;

/// The document that the fast way makes, if it takes the text.
fn fast(text: &str) -> Option<Vec<u8>> {
    let mut elements = Vec::new();
    write_elements(text, true, &mut elements)?;
    let mut bytes = Vec::new();
    push_document(&mut bytes, |bytes| bytes.extend_from_slice(&elements));
    Some(bytes)
}

fn slow(text: &str) -> Option<Vec<u8>> {
    parse_document(text).ok()?.to_vec().ok()
}

#[test]
fn takes_what_is_plain() {
    for text in [
        r#"{}"#,
        r#" { "_id" : 7 , "a" : [ 1 , -2.5e3 , null , true , { "b" : "c\u00e9\ud83d\ude00\n" } ] } tail"#,
        r#"{"a":2147483648,"b":-9223372036854775808,"c":-0,"d":007,"e":1E400,"f":""}"#,
        r#"{"a.b":[[],{}],"é":"ü"}"#,
    ] {
        assert_eq!(fast(text).unwrap(), slow(text).unwrap(), "{text}");
    }
}

#[test]
fn leaves_the_rest() {
    for text in [
        "{a:1}",
        "{'a':1}",
        r#"{"a":1,}"#,
        r#"{"$a":1}"#,
        r#"{"a":1,"a":2}"#,
        r#"{"a":9223372036854775808}"#,
        r#"{"a":"\ud83d"}"#,
        r#"{"a":NaN}"#,
        r#"{"a":truex}"#,
        r#"{"a\n":1}"#,
        "[1]",
        "",
        r#"{"a":1"#,
    ] {
        assert!(fast(text).is_none(), "{text}");
    }
}

#[test]
fn statements_are_those_of_the_long_way() {
    let mut elements = Vec::new();
    let id = write_elements(r#"{"n":1,"_id":7,"z":2}"#, true, &mut elements)
        .unwrap()
        .unwrap();
    let decode = |bytes: Vec<u8>| Document::from_reader(bytes.as_slice()).unwrap();
    assert_eq!(
        decode(insert(&elements, id.clone())),
        bson::doc! {"_id": 7, "n": 1, "z": 2}
    );
    assert_eq!(
        decode(replace(&elements, id)),
        bson::doc! {"q": {"_id": 7}, "u": {"n": 1, "_id": 7, "z": 2}, "upsert": true}
    );
}

/// What the fast way makes of a converter's text.
fn fast_connect(text: &str) -> Option<Vec<u8>> {
    let mut elements = Vec::new();
    write_elements(text, false, &mut elements)?;
    let mut bytes = Vec::new();
    push_document(&mut bytes, |bytes| bytes.extend_from_slice(&elements));
    Some(bytes)
}

fn slow_connect(text: &str) -> Option<Vec<u8>> {
    match connect_json::read(text.as_bytes(), || None).ok()? {
        Bson::Document(document) => document.to_vec().ok(),
        _ => None,
    }
}

/// Texts of whole documents, as producers write them.
fn json_document() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        "-?(0|[1-9][0-9]{0,19})(\\.[0-9]{1,17})?([eE][+-]?[0-9]{1,3})?",
        r#""([a-zé😀 {}\[\],:]|\\\\|\\"|\\n|\\u00e9|\\ud83d\\ude00|\\ud83d|\\ude00){0,8}""#,
        Just("\"Infinity\"".to_owned()),
        Just("true".to_owned()),
        Just("false".to_owned()),
        Just("null".to_owned()),
    ];
    let value = scalar.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5)
                .prop_map(|items| format!("[{}]", items.join(", "))),
            members(inner),
        ]
    });
    members(value)
}

fn members(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    prop::collection::vec(("[a-d_é.$]{0,3}|_id", value), 0..6).prop_map(|members| {
        let members: Vec<String> = members
            .iter()
            .map(|(name, value)| format!("\"{name}\":{value}"))
            .collect();
        format!("{{{}}}", members.join(","))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5000))]
    #[test]
    fn documents_are_read_alike_on_both_ways(text in json_document()) {
        if let Some(bytes) = fast(&text) {
            prop_assert_eq!(bytes, slow(&text).unwrap());
        }
        if let Some(bytes) = fast_connect(&text) {
            prop_assert_eq!(bytes, slow_connect(&text).unwrap());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn any_text_it_takes_is_read_alike(text in r#"\{("[ab_é]{0,2}":("[a\\\\nu0e9"]{0,6}"|-?[0-9]{1,20}|[0-9.eE+-]{1,6}|\[[1, ]{0,4}\]|\{"x":1\}|true|null|x),?){0,4}\}? ?"#) {
        if let Some(bytes) = fast(&text) {
            prop_assert_eq!(bytes, slow(&text).unwrap());
        }
    }
}
