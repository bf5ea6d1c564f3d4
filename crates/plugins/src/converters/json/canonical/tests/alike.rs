//! Records that are alike, as those of a topic are, so that names are expected and texts copied in one run.
use super::*;

/// What the records of a topic have in common.
#[derive(Clone, Debug)]
pub(in super::super) enum Template {
    Scalar,
    List(Vec<Template>),
    Object(Vec<(&'static str, Template)>),
}

const NAMES: [&str; 12] = [
    "a",
    "b",
    "c",
    "id",
    "name",
    "sku",
    "a_name_of_14b",
    "a_name_of_15_b",
    "a_name_of_more_than_16",
    "a name of more than thirty-two bytes",
    "a name of more than thirty-two bytez",
    "größe",
];

pub(in super::super) const SCALARS: [&str; 64] = [
    "0",
    "-0",
    "-1",
    "7",
    "007",
    "-012",
    "123456789012345",
    "1234567890123456",
    "-12345678901234567",
    "123456789012345678",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
    "1234567890123456789012345678901234567890",
    "0.0",
    "-0.0",
    "0.00",
    "00.0",
    "0.5",
    "-0.25",
    "0.05",
    "0.001",
    "0.0009",
    "01.5",
    "1.0",
    "1.50",
    "1.500",
    "19.99",
    "9999999.99",
    "12345678.5",
    "1234567.1234567",
    "1234567.12345678",
    "1234567.123456789",
    "0.12345678901234",
    "0.123456789012345",
    "0.1234567890123456",
    "1e5",
    "1E-5",
    "-1.5e+3",
    "1e400",
    "-1e-400",
    "0e0",
    "1.",
    "1.e5",
    "-",
    "true",
    "false",
    "null",
    "nul",
    "\"\"",
    "\"plain\"",
    "\"fifteen bytes..\"",
    "\"sixteen bytes...\"",
    "\"a text of more than sixteen bytes and then some, so that it has more than sixty-four\"",
    "\"größer als das\"",
    "\"a text with a dot ・ and so on, for more than sixty-four bytes ・・・・・・・・\"",
    "\"😀\"",
    "\"a \\\"quoted\\\" word and \\\\ more of it\\n\"",
    "\"\\u00e9 \\/ \\ud83d\\ude00 \\u0000 \\u007f 😀\"",
    "\"half \\ud83d\"",
    "\"\u{7f}\"",
    "[]",
    "{}",
    "[ ]",
];

pub(in super::super) fn template() -> impl Strategy<Value = Template> {
    let names = proptest::sample::select(&NAMES[..]);
    Just(Template::Scalar).prop_recursive(5, 40, 6, move |inner| {
        let member = (names.clone(), inner.clone());
        prop_oneof![
            1 => proptest::collection::vec(inner, 0..5).prop_map(Template::List),
            4 => proptest::collection::vec(member, 0..6).prop_map(Template::Object),
        ]
    })
}

/// Chooses what a record has of its own.
struct Choices(u64);

impl Choices {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

/// How a record is written.
struct Writer {
    choices: Choices,
    blanks: bool,
    /// Once in so many places a member is left out, or stands twice.
    changes: usize,
    /// Only what is taken by the fast way and is short.
    plain: bool,
}

impl Writer {
    fn punctuation(&mut self, out: &mut String, mark: char) {
        let blank = |choices: &mut Choices| match choices.below(12) {
            0..4 => " ",
            4 => "\n\t",
            5 => "\r\n",
            _ => "",
        };
        if self.blanks {
            out.push_str(blank(&mut self.choices));
        }
        out.push(mark);
        if self.blanks {
            out.push_str(blank(&mut self.choices));
        }
    }

    fn write(&mut self, out: &mut String, template: &Template) {
        match template {
            Template::Scalar if self.plain => {
                const PLAIN: [&str; 6] = ["7", "19.99", "\"plain\"", "true", "null", "\"größe\""];
                out.push_str(PLAIN[self.choices.below(PLAIN.len())]);
            }
            Template::Scalar => {
                out.push_str(SCALARS[self.choices.below(SCALARS.len())]);
            }
            Template::List(items) => {
                self.punctuation(out, '[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        self.punctuation(out, ',');
                    }
                    self.write(out, item);
                }
                self.punctuation(out, ']');
            }
            Template::Object(members) => {
                self.punctuation(out, '{');
                let mut first = true;
                for (name, value) in members {
                    if self.choices.once_in(self.changes) {
                        continue;
                    }
                    for _ in 0..1 + usize::from(self.choices.once_in(4 * self.changes)) {
                        if !std::mem::take(&mut first) {
                            self.punctuation(out, ',');
                        }
                        out.push_str(&format!("\"{name}\""));
                        self.punctuation(out, ':');
                        self.write(out, value);
                    }
                }
                self.punctuation(out, '}');
            }
        }
    }
}

pub(in super::super) fn record(template: &Template, seed: u64) -> String {
    let mut choices = Choices(seed.wrapping_mul(2).wrapping_add(1));
    let mut writer = Writer {
        blanks: choices.once_in(3),
        changes: [3, 30, 1000][choices.below(3)],
        plain: choices.once_in(2),
        choices,
    };
    let mut text = String::new();
    writer.write(&mut text, template);
    text
}

/// Either way the record is taken or refused alike; what Java would write.
fn check_both(canonical: &mut Canonical, record: &[u8]) -> Result<Vec<u8>, TestCaseError> {
    let (mut fast, mut slow) = (b"before".to_vec(), b"before".to_vec());
    let written = canonical.write(&mut fast, record);
    let written = written.map(|written| appended(written, &mut fast, record));
    prop_assert_eq!(&written, &write_slowly(&mut slow, record));
    if written.is_ok() {
        prop_assert_eq!(
            String::from_utf8_lossy(&fast),
            String::from_utf8_lossy(&slow)
        );
    }
    Ok(slow.split_off(b"before".len()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    /// Each record, then what Java wrote for it, then that with a byte changed or its end cut off.
    #[test]
    fn records_alike_are_written_as_the_slow_way_does(
        templates in proptest::collection::vec(template(), 1..3),
        records in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u64>(), any::<u8>()), 1..12),
    ) {
        let mut canonical = Canonical::default();
        for (template, seed, byte) in records {
            let template = &templates[template.index(templates.len())];
            let text = record(template, seed);
            let java = check_both(&mut canonical, text.as_bytes())?;
            check_both(&mut canonical, &java)?;
            for mut text in [text.into_bytes(), java] {
                if !text.is_empty() {
                    let place = (seed >> 8) as usize % text.len();
                    if byte % 4 == 0 {
                        text.truncate(place);
                    } else {
                        text[place] = if byte < 128 { b" \n,:\"\\]}0."[usize::from(byte) % 10] } else { byte };
                    }
                }
                check_both(&mut canonical, &text)?;
            }
        }
    }
}

#[test]
fn the_scalars_are_written_as_the_slow_way_does() {
    let mut canonical = Canonical::default();
    for scalar in SCALARS {
        for record in [
            format!("{{\"a\":{scalar}}}"),
            format!("{{\"a\":{scalar},\"b\":\"behind it there is more\"}}"),
            format!("[{scalar}]"),
            format!("[1.50,{scalar} ,\"behind it there is more\"]"),
        ] {
            let java = check_both(&mut canonical, record.as_bytes()).unwrap();
            check_both(&mut canonical, &java).unwrap();
            check_both(&mut canonical, &java).unwrap();
        }
    }
}

/// The way is told apart here, for both would write the same.
#[test]
fn a_record_in_java_s_order_is_only_looked_through() {
    let text = br#"{"id":1,"note":"a text of more than sixteen bytes, gr\u00f6\u00dfer","list":[{"b":2.25,"c":0.0},{"b":null,"c":{}}]}"#;
    let mut canonical = Canonical::default();
    let java = check_both(&mut canonical, text).unwrap();
    assert!(!canonical.kept);
    check_both(&mut canonical, &java).unwrap();
    assert!(canonical.kept);
    let end = kept::scan(&canonical.names, &java, 0);
    assert_eq!(end, Some(java.len()));
    // What stands in another order, or is not what Java writes, is not.
    let java = String::from_utf8(java).unwrap();
    for (from, to) in [
        ("2.25", "2.250"),
        ("2.25", "-0"),
        (":", ": "),
        ("ö", "😀"),
        ("ö", "\\/"),
        ("\"b\"", "\"d\""),
        ("{}", "{ }"),
    ] {
        let changed = java.replace(from, to);
        assert_ne!(changed, java);
        assert_eq!(
            kept::scan(&canonical.names, changed.as_bytes(), 0),
            None,
            "{changed}"
        );
    }
}

#[test]
fn names_that_never_come_again_are_forgotten() {
    let mut canonical = Canonical::default();
    for round in 0..500 {
        let members: Vec<String> = (0..20)
            .map(|i| format!("\"{:x}\":{{\"x\":{i}}}", (round * 20 + i) * 7919))
            .collect();
        let text = format!("{{{}}}", members.join(","));
        let java = check_both(&mut canonical, text.as_bytes()).unwrap();
        check_both(&mut canonical, &java).unwrap();
        // Where there was no room left for a name, the next record begins anew.
        let next = br#"{"b":1,"a":{"d":1,"c":2}}"#;
        let written = fast(&mut canonical, next).or_else(|| fast(&mut canonical, next));
        assert_eq!(written.as_deref(), Some(r#"{"a":{"c":2,"d":1},"b":1}"#));
    }
}
