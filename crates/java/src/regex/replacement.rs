//! Java's replacement syntax: `$1`, `${name}` and backslashes.

use super::RegexFailure;
use fancy_regex::{Captures, Regex};

/// The text with what was found replaced.
pub(super) fn replace(
    regex: &Regex,
    found: &Captures<'_, str>,
    text: &str,
    replacement: &str,
) -> Result<String, RegexFailure> {
    let whole = found.get(0).expect("a match has a group 0");
    let mut result = text[..whole.start()].to_owned();
    let mut rest = replacement;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '\\' => {
                let Some(escaped) = rest.chars().next() else {
                    return illegal("character to be escaped is missing");
                };
                result.push(escaped);
                rest = &rest[escaped.len_utf8()..];
            }
            '$' => {
                let (group, after) = group_reference(regex, found, rest)?;
                if let Some(group) = found.get(group) {
                    result.push_str(group.as_str());
                }
                rest = after;
            }
            plain => result.push(plain),
        }
    }
    result.push_str(&text[whole.end()..]);
    Ok(result)
}

/// The number of the group that stands behind a `$`, and what follows it.
fn group_reference<'a>(
    regex: &Regex,
    found: &Captures<'_, str>,
    text: &'a str,
) -> Result<(usize, &'a str), RegexFailure> {
    let Some(first) = text.chars().next() else {
        return illegal("Illegal group reference: group index is missing");
    };
    if first == '{' {
        return named_reference(regex, &text[1..]);
    }
    let Some(mut group) = first.to_digit(10).map(|digit| digit as usize) else {
        return illegal("Illegal group reference");
    };
    let mut used = 1;
    // Digits belong to the number as long as there is such a group.
    for digit in text[1..].chars().map_while(|c| c.to_digit(10)) {
        let longer = group * 10 + digit as usize;
        if longer >= found.len() {
            break;
        }
        group = longer;
        used += 1;
    }
    if group >= found.len() {
        return Err(RegexFailure {
            class: "java.lang.IndexOutOfBoundsException",
            message: format!("No group {group}"),
        });
    }
    Ok((group, &text[used..]))
}

fn named_reference<'a>(regex: &Regex, text: &'a str) -> Result<(usize, &'a str), RegexFailure> {
    let end = text
        .find(|c: char| !c.is_ascii_alphanumeric())
        .unwrap_or(text.len());
    let name = &text[..end];
    if name.is_empty() || !text[end..].starts_with('}') {
        return illegal("named capturing group is missing trailing '}'");
    }
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        return illegal(&format!(
            "capturing group name {{{name}}} starts with digit character"
        ));
    }
    match regex.capture_names().position(|known| known == Some(name)) {
        Some(group) => Ok((group, &text[end + 1..])),
        None => illegal(&format!("No group with name {{{name}}}")),
    }
}

fn illegal<T>(message: &str) -> Result<T, RegexFailure> {
    Err(RegexFailure {
        class: "java.lang.IllegalArgumentException",
        message: message.to_owned(),
    })
}
