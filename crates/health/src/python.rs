//! JSON and its failures as Python has them: clients may look for a text, and see the same white space and escapes.

use serde_json::Value as Json;
use std::fmt::Write;

/// As `json.dumps` writes it: a blank behind each comma and colon, ASCII alone.
pub(crate) fn dumps(value: &Json) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

fn write(value: &Json, text: &mut String) {
    match value {
        Json::Null => text.push_str("null"),
        Json::Bool(true) => text.push_str("true"),
        Json::Bool(false) => text.push_str("false"),
        Json::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(float) => text.push_str(&repr(float)),
            None => text.push_str(&number.to_string()),
        },
        Json::String(string) => write_string(string, text),
        Json::Array(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                text.push_str(if at == 0 { "" } else { ", " });
                write(item, text);
            }
            text.push(']');
        }
        Json::Object(fields) => {
            text.push('{');
            for (at, (name, value)) in fields.iter().enumerate() {
                text.push_str(if at == 0 { "" } else { ", " });
                write_string(name, text);
                text.push_str(": ");
                write(value, text);
            }
            text.push('}');
        }
    }
}

/// The shortest digits that give the number again; Python writes a sign and two digits of the exponent at least.
fn repr(float: f64) -> String {
    let text = format!("{float:?}");
    let Some((digits, exponent)) = text.split_once('e') else {
        return text;
    };
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    format!("{digits}e{sign}{exponent:0>2}")
}

fn write_string(string: &str, text: &mut String) {
    text.push('"');
    for c in string.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            ' '..='~' => text.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a String cannot fail.
                    let _ = write!(text, "\\u{unit:04x}");
                }
            }
        }
    }
    text.push('"');
}

/// A body as JSON; what is none is told with the place where Python's reader gives up.
pub(crate) fn loads(body: &[u8]) -> Result<Json, String> {
    let text = String::from_utf8_lossy(body);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    serde_json::from_str(text).map_err(|error| {
        let nothing = text.trim_start();
        let (line, column) = match nothing.starts_with(['{', '[', '"']) {
            true => (error.line().max(1), error.column().max(1)),
            // What cannot begin a value ends the reading there.
            false => {
                let before = &text[..text.len() - nothing.len()];
                let column = before.rsplit('\n').next().unwrap_or_default();
                (before.matches('\n').count() + 1, column.chars().count() + 1)
            }
        };
        let lines = text.split_inclusive('\n').take(line - 1);
        let before: usize = lines.map(|line| line.chars().count()).sum();
        let char = before + column - 1;
        format!("Expecting value: line {line} column {column} (char {char})")
    })
}

/// `value[key]`.
pub(crate) fn index<'a>(value: &'a Json, key: &str) -> Result<&'a Json, String> {
    match value {
        Json::Object(fields) => fields.get(key).ok_or_else(|| format!("'{key}'")),
        Json::Array(_) => Err("list indices must be integers or slices, not str".to_owned()),
        Json::String(_) => Err("string indices must be integers, not 'str'".to_owned()),
        other => Err(format!("'{}' object is not subscriptable", kind(other))),
    }
}

/// `for item in value`: an object gives its keys, a text its letters.
pub(crate) fn items(value: &Json) -> Result<Vec<Json>, String> {
    match value {
        Json::Array(items) => Ok(items.clone()),
        Json::Object(fields) => Ok(fields.keys().map(|key| Json::from(key.as_str())).collect()),
        Json::String(text) => Ok(text.chars().map(|c| Json::from(c.to_string())).collect()),
        other => Err(format!("'{}' object is not iterable", kind(other))),
    }
}

/// The text, of which `method` was to be called.
pub(crate) fn text<'a>(value: &'a Json, method: &str) -> Result<&'a str, String> {
    let refused = || format!("'{}' object has no attribute '{method}'", kind(value));
    value.as_str().ok_or_else(refused)
}

/// `"{}".format(value)`.
pub(crate) fn shown(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Null => "None".to_owned(),
        Json::Bool(true) => "True".to_owned(),
        Json::Bool(false) => "False".to_owned(),
        other => dumps(other),
    }
}

fn kind(value: &Json) -> &'static str {
    match value {
        Json::Null => "NoneType",
        Json::Bool(_) => "bool",
        Json::Number(number) if number.is_f64() => "float",
        Json::Number(_) => "int",
        Json::String(_) => "str",
        Json::Array(_) => "list",
        Json::Object(_) => "dict",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn writes_as_python_does() {
        // Each was printed by Python 3.11.
        for (value, expected) in [
            (json!({"a": [], "b": {}}), r#"{"a": [], "b": {}}"#),
            (json!([1, -2, true, null]), "[1, -2, true, null]"),
            (json!(f64::from(35) * 0.01), "0.35000000000000003"),
            (
                json!([0.0, 1.0, 1.0 / 3.0]),
                "[0.0, 1.0, 0.3333333333333333]",
            ),
            (
                json!([1e16, 1e-5, 0.0001, 1.5e300]),
                "[1e+16, 1e-05, 0.0001, 1.5e+300]",
            ),
            (
                json!("h\u{e9}\u{1f600}\u{7f}"),
                "\"h\\u00e9\\ud83d\\ude00\\u007f\"",
            ),
            (
                json!("\"\\/\n\t\r\u{8}\u{c}\u{1}"),
                r#""\"\\/\n\t\r\b\f\u0001""#,
            ),
        ] {
            assert_eq!(dumps(&value), expected);
        }
    }

    #[test]
    fn tells_where_reading_ended() {
        for (body, at) in [
            ("<html>", "line 1 column 1 (char 0)"),
            ("", "line 1 column 1 (char 0)"),
            (" \n x", "line 2 column 2 (char 3)"),
        ] {
            let error = loads(body.as_bytes()).expect_err("no JSON");
            assert_eq!(error, format!("Expecting value: {at}"), "{body:?}");
        }
        assert_eq!(loads(b"\xef\xbb\xbf[1]"), Ok(json!([1])));
    }

    proptest! {
        #[test]
        fn no_body_is_too_odd(body in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = loads(&body);
        }

        #[test]
        fn a_text_is_read_again_as_it_was(text in any::<String>()) {
            prop_assert_eq!(loads(dumps(&json!(text)).as_bytes()), Ok(json!(text)));
        }
    }
}
