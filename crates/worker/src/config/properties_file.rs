//! Java's .properties format: comments, escapes, continued lines, `=`, `:` or blanks between key and value.

use millstream_core::Properties;

/// A `\\u` without four hexadecimal digits; the text is Java's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Malformed \\uxxxx encoding.")]
pub struct MalformedEscape;

/// The pairs of a file, in order; a later pair replaces an earlier one of the same key.
/// Java reads such files as Latin-1; bytes that are UTF-8 are read as that here, since nobody means anything else by them.
pub fn parse_properties(file: &[u8]) -> Result<Properties, MalformedEscape> {
    // Editors of some systems begin a file with a mark; Java takes it for a part of the first key.
    let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    let text = match std::str::from_utf8(file) {
        Ok(text) => text.to_owned(),
        Err(_) => file.iter().map(|byte| char::from(*byte)).collect(),
    };
    let mut properties = Properties::new();
    for line in logical_lines(&text) {
        let (key, value) = split(&line);
        properties.insert(unescape(key)?, unescape(value)?);
    }
    Ok(properties)
}

/// Lines without comments and blank ones, continued lines joined.
fn logical_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open: Option<String> = None;
    for natural in text.split(['\n', '\r']) {
        let part = natural.trim_start_matches(is_blank);
        if open.is_none() && (part.is_empty() || part.starts_with(['#', '!'])) {
            continue;
        }
        let mut line = open.take().unwrap_or_default();
        let backslashes = part.chars().rev().take_while(|c| *c == '\\').count();
        if backslashes % 2 == 1 {
            line.push_str(&part[..part.len() - 1]);
            open = Some(line);
        } else {
            line.push_str(part);
            lines.push(line);
        }
    }
    lines.extend(open);
    lines
}

/// The key ends at the first `=`, `:` or blank that is not escaped.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line.char_indices().find(|(_, c)| {
        let ends = !escaped && (matches!(c, '=' | ':') || is_blank(*c));
        escaped = *c == '\\' && !escaped;
        ends
    });
    let Some((end, _)) = end else {
        return (line, "");
    };
    let rest = line[end..].trim_start_matches(is_blank);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (&line[..end], rest.trim_start_matches(is_blank))
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{c}')
}

fn unescape(text: &str) -> Result<String, MalformedEscape> {
    if !text.contains('\\') {
        return Ok(text.to_owned());
    }
    // `\uXXXX` names a UTF-16 unit, so two of them may be one character.
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let c = match c {
            '\\' => match rest.next() {
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\u{c}',
                Some('u') => {
                    let hex = rest.as_str().get(..4).unwrap_or_default();
                    units.push(u16::from_str_radix(hex, 16).map_err(|_| MalformedEscape)?);
                    rest.nth(3);
                    continue;
                }
                Some(other) => other,
                None => break,
            },
            other => other,
        };
        units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
    }
    Ok(String::from_utf16_lossy(&units))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, expected: &[(&str, &str)]) {
        let parsed = parse_properties(text.as_bytes()).expect("the text is well formed");
        assert_eq!(parsed.iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn reads_what_java_reads() {
        check(
            "a=1\nb = 2 \n c:3\nd 4\ne",
            &[("a", "1"), ("b", "2 "), ("c", "3"), ("d", "4"), ("e", "")],
        );
        check("# no\n! no\n\n  # no\r\nk=v\r\n", &[("k", "v")]);
        check("k=a,\\\n   b,\\\n   c", &[("k", "a,b,c")]);
        check("k=a\\\\\nl=b", &[("k", "a\\"), ("l", "b")]);
        check("a\\=b\\:c\\ d=e", &[("a=b:c d", "e")]);
        check("k=\\u00e9\\uD83D\\uDE00\\t\\q", &[("k", "é😀\tq")]);
        assert_eq!(parse_properties(b"k=\\u00ZZ"), Err(MalformedEscape));
        let latin = parse_properties(b"k=\xe9").expect("the text is well formed");
        assert_eq!(latin.get("k"), Some("é"));
        check("url=http://h:1/?a=b", &[("url", "http://h:1/?a=b")]);
    }

    /// Each UTF-16 unit by its number, so that nothing in a text means anything.
    fn escaped(text: &str) -> String {
        let units = text.encode_utf16();
        units.map(|unit| format!("\\u{unit:04x}")).collect()
    }

    proptest! {
        #[test]
        fn takes_any_file(bytes: Vec<u8>, text in "[a=: \\\\\\r\\n\\tu0é#!]{0,40}") {
            let _ = parse_properties(&bytes);
            let _ = parse_properties(text.as_bytes());
        }

        #[test]
        fn reads_any_pair_that_is_escaped(
            key in ".{1,12}",
            value in ".{0,12}",
            between in "[ \t\u{c}]{0,3}[=:][ \t\u{c}]{0,3}",
        ) {
            let line = format!("  {}{between}{}\r\n! no\n", escaped(&key), escaped(&value));
            let parsed = parse_properties(line.as_bytes()).expect("the text is well formed");
            prop_assert_eq!(parsed.iter().collect::<Vec<_>>(), [(&*key, &*value)]);
        }
    }
}
