//! A line as a record, with the properties of kafka-console-producer.

use crate::UsageError;
use crate::pairs::is_true;

/// How a line is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineFormat {
    parse_key: bool,
    key_separator: String,
    parse_headers: bool,
    headers_delimiter: String,
    headers_separator: String,
    headers_key_separator: String,
    null_marker: Option<String>,
    ignore_error: bool,
}

/// A header's name and value.
pub type Header = (String, Option<String>);

/// What a line says; `None` is null.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParsedLine {
    pub key: Option<String>,
    pub value: Option<String>,
    pub headers: Vec<Header>,
}

impl LineFormat {
    /// # Errors
    /// If a property is unknown, or separators cannot be told apart.
    pub fn new(properties: &[(String, String)]) -> Result<Self, UsageError> {
        let mut format = LineFormat {
            parse_key: false,
            key_separator: "\t".to_owned(),
            parse_headers: false,
            headers_delimiter: "\t".to_owned(),
            headers_separator: ",".to_owned(),
            headers_key_separator: ":".to_owned(),
            null_marker: None,
            ignore_error: false,
        };
        for (key, value) in properties {
            let text = value.clone();
            match key.as_str() {
                "parse.key" => format.parse_key = is_true(value),
                "key.separator" => format.key_separator = text,
                "parse.headers" => format.parse_headers = is_true(value),
                "headers.delimiter" => format.headers_delimiter = text,
                "headers.separator" => format.headers_separator = text,
                "headers.key.separator" => format.headers_key_separator = text,
                "null.marker" => format.null_marker = Some(text),
                "ignore.error" => format.ignore_error = is_true(value),
                _ => {
                    return Err(UsageError::new(format!(
                        "--reader-property {key}: there are parse.key, key.separator, parse.headers, headers.delimiter, headers.separator, headers.key.separator, null.marker and ignore.error"
                    )));
                }
            }
        }
        format.check()?;
        Ok(format)
    }

    fn check(&self) -> Result<(), UsageError> {
        let delimiter = ("headers.delimiter", Some(&self.headers_delimiter));
        let separator = ("headers.separator", Some(&self.headers_separator));
        let key_separator = ("headers.key.separator", Some(&self.headers_key_separator));
        let key = ("key.separator", Some(&self.key_separator));
        let null = ("null.marker", self.null_marker.as_ref());
        let pairs = [
            (delimiter, separator),
            (delimiter, key_separator),
            (separator, key_separator),
            (null, key),
            (null, separator),
            (null, delimiter),
            (null, key_separator),
        ];
        for ((first, one), (second, other)) in pairs {
            if one.is_some() && one == other {
                return Err(UsageError::new(format!(
                    "{first} and {second} may not be equal"
                )));
            }
        }
        match [delimiter, separator, key_separator, key]
            .iter()
            .find(|(_, text)| text.is_some_and(String::is_empty))
        {
            Some((name, _)) => Err(UsageError::new(format!("{name} may not be empty"))),
            None => Ok(()),
        }
    }

    /// # Errors
    /// What the line lacks; its number is told, not its content.
    pub fn parse(&self, line: &str, number: u64) -> Result<ParsedLine, String> {
        let lacks = |what: &str, property: &str| {
            format!("no {what} ({property}) found on line number {number}")
        };
        let mut rest = line;
        let mut headers = Vec::new();
        if self.parse_headers {
            match rest.split_once(&self.headers_delimiter) {
                Some((text, behind)) => {
                    rest = behind;
                    if !self.is_null(text) {
                        headers = self.headers(text, number)?;
                    }
                }
                None if self.ignore_error => {}
                None => return Err(lacks("headers delimiter", "headers.delimiter")),
            }
        }
        let mut key = None;
        if self.parse_key {
            match rest.split_once(&self.key_separator) {
                Some((text, behind)) => {
                    rest = behind;
                    key = self.text(text);
                }
                None if self.ignore_error => {}
                None => return Err(lacks("key separator", "key.separator")),
            }
        }
        let value = self.text(rest);
        Ok(ParsedLine {
            key,
            value,
            headers,
        })
    }

    fn headers(&self, text: &str, number: u64) -> Result<Vec<Header>, String> {
        let mut pairs: Vec<&str> = text.split(&self.headers_separator).collect();
        // As Java splits: what is empty at the end is nothing.
        while pairs.len() > 1 && pairs.last().is_some_and(|pair| pair.is_empty()) {
            pairs.pop();
        }
        let header = |pair: &str| match pair.split_once(&self.headers_key_separator) {
            Some((key, _)) if self.is_null(key) => Err(format!(
                "a header's key is the null.marker on line number {number}, and keys cannot be null"
            )),
            Some((key, value)) => Ok((key.to_owned(), self.text(value))),
            None if self.ignore_error => Ok((pair.to_owned(), None)),
            None => Err(format!(
                "no header key separator (headers.key.separator) found on line number {number}"
            )),
        };
        pairs.into_iter().map(header).collect()
    }

    fn is_null(&self, text: &str) -> bool {
        self.null_marker.as_deref() == Some(text)
    }

    fn text(&self, text: &str) -> Option<String> {
        (!self.is_null(text)).then(|| text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn format(properties: &[(&str, &str)]) -> Result<LineFormat, UsageError> {
        let owned = properties
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        LineFormat::new(&owned.collect::<Vec<_>>())
    }

    #[test]
    fn lines_are_read_as_javas_producer_does() {
        let plain = format(&[]).unwrap().parse("a\tb", 1).unwrap();
        assert_eq!((plain.key, plain.value), (None, Some("a\tb".to_owned())));
        let keyed = format(&[
            ("parse.key", "true"),
            ("key.separator", ":"),
            ("null.marker", "NULL"),
        ])
        .unwrap();
        let line = keyed.parse("k:v:w", 1).unwrap();
        assert_eq!(
            (line.key.as_deref(), line.value.as_deref()),
            (Some("k"), Some("v:w"))
        );
        assert_eq!(keyed.parse("k:NULL", 1).unwrap().value, None);
        let error = keyed.parse("secret", 7).unwrap_err();
        assert!(
            error.contains("line number 7") && !error.contains("secret"),
            "{error}"
        );
        let all = format(&[("parse.key", "true"), ("parse.headers", "TRUE")]).unwrap();
        let line = all.parse("h1:v1,h2:v2\tk\tv", 1).unwrap();
        let header = |key: &str, value: &str| (key.to_owned(), Some(value.to_owned()));
        assert_eq!(line.headers, [header("h1", "v1"), header("h2", "v2")]);
        assert_eq!(
            (line.key.as_deref(), line.value.as_deref()),
            (Some("k"), Some("v"))
        );
        for wrong in [
            ("headers.separator", ":"),
            ("key.separator", ""),
            ("parse.keys", "true"),
        ] {
            assert!(format(&[wrong]).is_err(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_read_or_refused(line in ".*", ignore in any::<bool>()) {
            let ignore_text = ignore.to_string();
            let format = format(&[("parse.key", "true"), ("parse.headers", "true"), ("ignore.error", &ignore_text)]).unwrap();
            let read = format.parse(&line, 1);
            prop_assert!(read.is_ok() || !ignore);
        }

        #[test]
        fn what_is_joined_comes_apart(key in "[a-z]{0,9}", value in "[a-z\t]{0,9}") {
            let format = format(&[("parse.key", "true")]).unwrap();
            let line = format.parse(&format!("{key}\t{value}"), 1).unwrap();
            prop_assert_eq!((line.key, line.value), (Some(key), Some(value)));
        }
    }
}
