//! Escapes that Java would not write: of characters that it writes as they are, or writes otherwise.

/// The character of an escape `\uXXXX`, or of a pair of them, and where that ends. `None` if it is malformed or the half of a
/// pair alone.
pub(super) fn escaped_char(text: &[u8], at: usize) -> Option<(char, usize)> {
    let first = unit(text, at)?;
    let (second, end) = match first {
        0xD800..=0xDBFF => (Some(unit(text, at + 6)?), at + 12),
        _ => (None, at + 6),
    };
    let units = [first].into_iter().chain(second);
    let decoded = char::decode_utf16(units).next()?.ok()?;
    Some((decoded, end))
}

fn unit(text: &[u8], at: usize) -> Option<u16> {
    let [b'\\', b'u', digits @ ..] = text.get(at..at + 6)? else {
        return None;
    };
    digits.iter().try_fold(0, |unit: u16, digit| {
        Some(unit << 4 | char::from(*digit).to_digit(16)? as u16)
    })
}

/// Appends a string's text without its escapes; `None` if one of them is malformed.
pub(super) fn unescape(text: &mut Vec<u8>, content: &[u8]) -> Option<()> {
    let mut at = 0;
    while let Some(plain) = content[at..].iter().position(|byte| *byte == b'\\') {
        let escape = at + plain;
        text.extend_from_slice(&content[at..escape]);
        at = escape + 2;
        text.push(match *content.get(escape + 1)? {
            b'b' => 0x08,
            b'f' => 0x0C,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let (escaped, end) = escaped_char(content, escape)?;
                text.extend_from_slice(escaped.encode_utf8(&mut [0; 4]).as_bytes());
                at = end;
                continue;
            }
            itself => itself,
        });
    }
    text.extend_from_slice(&content[at..]);
    Some(())
}
