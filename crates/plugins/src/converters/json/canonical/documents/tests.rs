//! Elements of BSON stand for the same members, in the same order, as the text that Java writes.
use super::super::tests::alike::{SCALARS, record, template};
use super::super::tests::nearly_json;
use super::super::{Written, write_slowly};
use super::*;
use millstream_java::json as java_json;
use proptest::prelude::*;

/// A reader of BSON, to the text of the same values in JSON as Java writes it.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        self.bytes(N).try_into().unwrap()
    }

    fn text(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap();
        &self.bytes(end + 1)[..end]
    }

    /// The elements up to the end of what there is, each behind its name or, in a list, its number.
    fn elements(mut self, out: &mut Vec<u8>, is_list: bool) {
        out.push(if is_list { b'[' } else { b'{' });
        let mut number = 0;
        while !self.0.is_empty() {
            if number > 0 {
                out.push(b',');
            }
            let kind = self.bytes(1)[0];
            let name = self.text();
            if is_list {
                assert_eq!(name, number.to_string().as_bytes());
            } else {
                java_json::write_string(out, name);
                out.push(b':');
            }
            self.value(out, kind);
            number += 1;
        }
        out.push(if is_list { b']' } else { b'}' });
    }

    fn value(&mut self, out: &mut Vec<u8>, kind: u8) {
        match kind {
            0x01 => java_json::write_f64(out, f64::from_le_bytes(self.array())),
            0x02 => {
                let size = i32::from_le_bytes(self.array()) as usize;
                let [text @ .., 0] = self.bytes(size) else {
                    panic!("a string without its end");
                };
                java_json::write_string(out, std::str::from_utf8(text).unwrap().as_bytes());
            }
            0x03 | 0x04 => {
                let size = i32::from_le_bytes(self.array()) as usize;
                let [elements @ .., 0] = self.bytes(size - 4) else {
                    panic!("a document without its end");
                };
                Reader(elements).elements(out, kind == 0x04);
            }
            0x08 => out.extend_from_slice([&b"false"[..], b"true"][usize::from(self.bytes(1)[0])]),
            0x0A => out.extend_from_slice(b"null"),
            0x12 => java_json::write_i64(out, i64::from_le_bytes(self.array())),
            other => panic!("an element of type {other}"),
        }
    }
}

/// The text of a row's elements.
fn text_of(row: &[u8]) -> String {
    let [DOCUMENT, elements @ ..] = row else {
        panic!("{row:?}");
    };
    let mut text = Vec::new();
    Reader(elements).elements(&mut text, false);
    String::from_utf8(text).unwrap()
}

/// What is written has to be what the slow way says; whether it was.
fn check(documents: &mut Documents, record: &[u8]) -> bool {
    let mut row = Vec::new();
    if documents.write(&mut row, record).is_none() {
        assert!(row.is_empty());
        return false;
    }
    let mut slow = Vec::new();
    assert_eq!(write_slowly(&mut slow, record), Ok(Written::Anew));
    assert_eq!(text_of(&row), String::from_utf8(slow).unwrap());
    true
}

#[test]
fn objects_become_elements_in_java_s_order() {
    for record in [
        "{}",
        r#" { "id" : 1 , "name" : "é" } x"#,
        r#"{"id":{"id":[1.50,{"z":1,"name":-0}],"name":{}},"name":[]}"#,
        r#"{"a":-0,"b":007,"c":1e2,"d":-0.0,"e":-0.05,"f":1E-400,"g":123456789012345678}"#,
        r#"{"a":"q\"u\\","b":"\n","c":"\u00e9\/😀\n","d":["\ud83d\ude00","\u0000"]}"#,
        r#"{"a":["Infinity",null,true,false],"b":{"_id":1,"a.b":{"":"","_":2}}}"#,
        r#"{"list":[0,1,2,3,4,5,6,7,8,9,{"ten":10},[11]],"größe":1234567.25}"#,
    ] {
        assert!(
            check(&mut Documents::default(), record.as_bytes()),
            "{record}"
        );
    }
    let mut row = Vec::new();
    let written = Documents::default().write(&mut row, br#"{"id":7,"a":1.5}"#);
    assert_eq!(written, Some(()));
    let elements = b"\x01a\0\0\0\0\0\0\0\xF8\x3F\x12id\0\x07\0\0\0\0\0\0\0";
    assert_eq!(row, [&[DOCUMENT], &elements[..]].concat());
}

#[test]
fn what_asks_for_care_is_left_to_text() {
    let deep = format!("{}1{}", "{\"a\":".repeat(10), "}".repeat(10));
    let deep_list = format!("{{\"a\":{}{}}}", "[".repeat(10), "]".repeat(10));
    let wide: Vec<String> = (0..=MAX_FIELDS).map(|i| format!("\"{i}\":1")).collect();
    let wide = format!("{{{}}}", wide.join(","));
    for record in [
        "[]",
        "1",
        "",
        "{",
        r#"{"a":1"#,
        r#"{"a":1,}"#,
        r#"{"a":[1,]}"#,
        r#"{"a" 1}"#,
        r#"{"a":1,"a":2}"#,
        r#"{"_id":1}"#,
        r#"{"$a":1}"#,
        r#"{"a":{"$date":1}}"#,
        r#"{"\u0041":1}"#,
        r#"{"a":"\ud83d"}"#,
        r#"{"a":9223372036854775807}"#,
        r#"{"a":tru}"#,
        &deep,
        &deep_list,
        &wide,
    ] {
        assert!(
            !check(&mut Documents::default(), record.as_bytes()),
            "{record}"
        );
    }
    assert!(!check(&mut Documents::default(), b"{\"a\":\"\xFF\"}"));
    assert!(!check(&mut Documents::default(), b"{\"\xFF\":1}"));
}

/// One in so many records is tried where none can be written, and each again after one that could.
#[test]
fn a_topic_that_is_never_plain_is_tried_seldom() {
    let mut documents = Documents::default();
    let tries = (0..1000)
        .filter(|_| {
            let was_resting = documents.tries.rests();
            assert!(!check(&mut documents, br#"{"_id":1}"#));
            !was_resting
        })
        .count();
    assert!((15..=25).contains(&tries), "{tries}");
    let left = (0..).take_while(|_| !check(&mut documents, br#"{"a":1}"#));
    assert!(left.count() <= 64);
    assert!(check(&mut documents, br#"{"a":2}"#));
}

#[test]
fn the_scalars_are_those_of_the_slow_way() {
    for scalar in SCALARS {
        for record in [
            format!("{{\"a\":{scalar}}}"),
            format!("{{\"a\":{scalar},\"b\":\"behind it there is more\"}}"),
            format!("{{\"a\":[1.50,{scalar} ,\"behind it there is more\"]}}"),
        ] {
            check(&mut Documents::default(), record.as_bytes());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn records_alike_are_those_of_the_slow_way(
        templates in proptest::collection::vec(template(), 1..3),
        records in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u64>()), 1..12),
    ) {
        let mut documents = Documents::default();
        for (template, seed) in records {
            let text = record(&templates[template.index(templates.len())], seed);
            documents.tries.begin_anew();
            check(&mut documents, text.as_bytes());
        }
    }

    #[test]
    fn nearly_json_is_read_as_by_the_slow_way(records in proptest::collection::vec(nearly_json(), 1..5)) {
        let mut documents = Documents::default();
        for record in records {
            documents.tries.begin_anew();
            check(&mut documents, &record);
        }
    }
}
