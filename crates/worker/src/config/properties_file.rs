//! Java's .properties format: comments, escapes, continued lines, `=`, `:` or blanks between key and value.

use millstream_core::Properties;

/// The pairs of a text, in order; a later pair replaces an earlier one of the same key.
pub fn parse_properties(text: &str) -> Properties {
    let mut properties = Properties::new();
    for line in logical_lines(text) {
        let (key, value) = split(&line);
        properties.insert(unescape(key), unescape(value));
    }
    properties
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

fn unescape(text: &str) -> String {
    if !text.contains('\\') {
        return text.to_owned();
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
                    if let Ok(unit) = u16::from_str_radix(hex, 16) {
                        units.push(unit);
                        rest.nth(3);
                        continue;
                    }
                    'u'
                }
                Some(other) => other,
                None => break,
            },
            other => other,
        };
        units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
    }
    String::from_utf16_lossy(&units)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, &str)]) {
        let parsed = parse_properties(text);
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
        check("k=\\u00e9\\uD83D\\uDE00\\t\\q\\uZZ", &[("k", "é😀\tquZZ")]);
        check("url=http://h:1/?a=b", &[("url", "http://h:1/?a=b")]);
    }
}
