//! A record as kafka-console-consumer prints it, or as a line of JSON.

use crate::UsageError;
use crate::pairs::is_true;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// A record to be shown.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    pub topic: &'a str,
    pub partition: i32,
    pub offset: i64,
    /// `CreateTime`, `LogAppendTime`; `None` where the record has none.
    pub timestamp_type: Option<&'a str>,
    pub timestamp: i64,
    pub headers: &'a [(&'a [u8], Option<&'a [u8]>)],
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Formatter {
    Text(TextFormat),
    Json,
}

/// What is printed, in the order in which it comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextFormat {
    timestamp: bool,
    partition: bool,
    offset: bool,
    headers: bool,
    key: bool,
    value: bool,
    key_separator: String,
    line_separator: String,
    headers_separator: String,
    null_literal: String,
}

impl Formatter {
    /// # Errors
    /// If a property is unknown.
    pub fn text(properties: &[(String, String)]) -> Result<Self, UsageError> {
        let mut format = TextFormat {
            timestamp: false,
            partition: false,
            offset: false,
            headers: false,
            key: false,
            value: true,
            key_separator: "\t".to_owned(),
            line_separator: "\n".to_owned(),
            headers_separator: ",".to_owned(),
            null_literal: "null".to_owned(),
        };
        for (key, value) in properties {
            let (switch, text) = (is_true(value), value.clone());
            match key.as_str() {
                "print.timestamp" => format.timestamp = switch,
                "print.partition" => format.partition = switch,
                "print.offset" => format.offset = switch,
                "print.headers" => format.headers = switch,
                "print.key" => format.key = switch,
                "print.value" => format.value = switch,
                "key.separator" => format.key_separator = text,
                "line.separator" => format.line_separator = text,
                "headers.separator" => format.headers_separator = text,
                "null.literal" => format.null_literal = text,
                _ => {
                    return Err(UsageError::new(format!(
                        "--formatter-property {key}: there are print.key, print.value, print.headers, print.timestamp, print.partition, print.offset, key.separator, line.separator, headers.separator and null.literal"
                    )));
                }
            }
        }
        Ok(Formatter::Text(format))
    }

    /// Puts the record behind what is in `out`.
    pub fn write(&self, row: &Row<'_>, out: &mut Vec<u8>) {
        match self {
            Formatter::Text(format) => format.write(row, out),
            Formatter::Json => {
                out.extend_from_slice(json_line(row).to_string().as_bytes());
                out.push(b'\n');
            }
        }
    }
}

impl TextFormat {
    fn write(&self, row: &Row<'_>, out: &mut Vec<u8>) {
        let null = self.null_literal.as_bytes();
        let mut fields: Vec<Vec<u8>> = Vec::new();
        if self.timestamp {
            let text = row.timestamp_type.map_or_else(
                || "NO_TIMESTAMP".to_owned(),
                |kind| format!("{kind}:{}", row.timestamp),
            );
            fields.push(text.into_bytes());
        }
        if self.partition {
            fields.push(format!("Partition:{}", row.partition).into_bytes());
        }
        if self.offset {
            fields.push(format!("Offset:{}", row.offset).into_bytes());
        }
        if self.headers {
            fields.push(self.headers(row));
        }
        if self.key {
            fields.push(row.key.unwrap_or(null).to_vec());
        }
        if self.value {
            fields.push(row.value.unwrap_or(null).to_vec());
        }
        let is_nothing = fields.is_empty();
        for (i, field) in fields.into_iter().enumerate() {
            if i > 0 {
                out.extend_from_slice(self.key_separator.as_bytes());
            }
            out.extend(field);
        }
        if !is_nothing {
            out.extend_from_slice(self.line_separator.as_bytes());
        }
    }

    fn headers(&self, row: &Row<'_>) -> Vec<u8> {
        if row.headers.is_empty() {
            return b"NO_HEADERS".to_vec();
        }
        let mut text = Vec::new();
        for (i, (key, value)) in row.headers.iter().enumerate() {
            if i > 0 {
                text.extend_from_slice(self.headers_separator.as_bytes());
            }
            text.extend_from_slice(key);
            text.push(b':');
            text.extend_from_slice(value.unwrap_or(self.null_literal.as_bytes()));
        }
        text
    }
}

fn json_line(row: &Row<'_>) -> Value {
    let bytes = |bytes: Option<&[u8]>| match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes)))
    {
        None => Value::Null,
        Some((_, Ok(text))) => Value::from(text),
        Some((bytes, Err(_))) => json!({"base64": STANDARD.encode(bytes)}),
    };
    let header = |(key, value): &(&[u8], Option<&[u8]>)| json!({"key": String::from_utf8_lossy(key), "value": bytes(*value)});
    json!({
        "topic": row.topic,
        "partition": row.partition,
        "offset": row.offset,
        "timestamp": row.timestamp_type.map(|_| row.timestamp),
        "timestampType": row.timestamp_type,
        "key": bytes(row.key),
        "value": bytes(row.value),
        "headers": row.headers.iter().map(header).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn shown(properties: &[&str], row: &Row<'_>) -> String {
        let pair = |text: &&str| {
            text.split_once('=')
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
        };
        let properties: Option<Vec<_>> = properties.iter().map(pair).collect();
        let mut out = Vec::new();
        Formatter::text(&properties.unwrap())
            .unwrap()
            .write(row, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    const ROW: Row<'static> = Row {
        topic: "t",
        partition: 2,
        offset: 5,
        timestamp_type: Some("CreateTime"),
        timestamp: 1_700_000_000_000,
        headers: &[(b"h", Some(b"1")), (b"n", None)],
        key: None,
        value: Some(b"v"),
    };

    #[test]
    fn a_record_reads_as_kafka_prints_it() {
        assert_eq!(shown(&[], &ROW), "v\n");
        assert_eq!(shown(&["print.key=true"], &ROW), "null\tv\n");
        let all = [
            "print.timestamp",
            "print.partition",
            "print.offset",
            "print.headers",
            "print.key",
        ];
        let all: Vec<String> = all.iter().map(|name| format!("{name}=true")).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        assert_eq!(
            shown(&all, &ROW),
            "CreateTime:1700000000000\tPartition:2\tOffset:5\th:1,n:null\tnull\tv\n"
        );
        let bare = Row {
            headers: &[],
            timestamp_type: None,
            ..ROW
        };
        assert_eq!(
            shown(
                &[
                    "print.headers=true",
                    "print.timestamp=true",
                    "key.separator=|"
                ],
                &bare
            ),
            "NO_TIMESTAMP|NO_HEADERS|v\n"
        );
        assert_eq!(shown(&["print.value=false"], &ROW), "");
        assert_eq!(
            shown(
                &["print.value=false", "print.key=true", "null.literal=∅"],
                &ROW
            ),
            "∅\n"
        );
    }

    proptest! {
        #[test]
        fn json_keeps_every_byte(key in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..20))) {
            let mut out = Vec::new();
            Formatter::Json.write(&Row { key: key.as_deref(), ..ROW }, &mut out);
            let line: Value = serde_json::from_slice(&out).unwrap();
            let read = match &line["key"] {
                Value::Null => None,
                Value::String(text) => Some(text.clone().into_bytes()),
                other => Some(STANDARD.decode(other["base64"].as_str().unwrap()).unwrap()),
            };
            prop_assert_eq!(read, key);
        }
    }
}
