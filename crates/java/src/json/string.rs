//! Strings in quotes. This is the hot path of a text topic: a value is classified sixteen bytes at a time,
//! and one that needs no escapes is then copied at once.

use millstream_core::text::{Text, decode_utf8};
use wide::u8x16;

const LANES: usize = 16;

/// The value of the first byte of a four-byte character, which Java writes as two escaped surrogates.
const BEYOND_BMP: u8 = 0xF0;

/// The quotes around a text, and a byte for what comes behind it, such as a line's end: when it finds the buffer full, that
/// doubles, which matters where the text is large.
pub(super) const AROUND: usize = 3;

/// From this length on it pays to count what escapes add before they are written.
const LARGE: usize = 256 * 1024;

/// What is longer is looked at and copied in pieces of this length, each while it is in the processor's nearest memory.
const PIECE: usize = 16 * 1024;

/// Writes bytes as a JSON string; they are UTF-8, and what is malformed becomes U+FFFD by Java's rule.
#[inline]
pub fn write_string(out: &mut Vec<u8>, raw: &[u8]) {
    if raw.len() > PIECE && classify(&raw[..PIECE]).is_plain() {
        return write_long(out, raw);
    }
    let found = classify(raw);
    if found.non_ascii && simdutf8::basic::from_utf8(raw).is_err() {
        write_str(out, &decode_utf8(raw));
    } else {
        write_classified(out, raw, found);
    }
}

/// Writes a text that begins plainly: as long as it goes on so it is copied piece by piece.
fn write_long(out: &mut Vec<u8>, raw: &[u8]) {
    out.reserve(raw.len() + AROUND);
    out.push(b'"');
    let mut rest = raw;
    while !rest.is_empty() {
        let (piece, more) = rest.split_at(rest.len().min(PIECE));
        if !classify(piece).is_plain() {
            break;
        }
        out.extend_from_slice(piece);
        rest = more;
    }
    // No character is cut here, since what is before it is ASCII.
    let found = classify(rest);
    if found.non_ascii && simdutf8::basic::from_utf8(rest).is_err() {
        let text = decode_utf8(rest);
        push_rest(out, text.as_bytes(), classify(text.as_bytes()));
    } else {
        push_rest(out, rest, found);
    }
}

/// The end of a text for which there is room without its escapes.
fn push_rest(out: &mut Vec<u8>, utf8: &[u8], found: Found) {
    out.reserve_exact(written_len(utf8, found) + AROUND - 1);
    push_classified(out, utf8, found);
}

/// Writes a text that is known to be UTF-8.
#[inline]
pub fn write_str(out: &mut Vec<u8>, text: &str) {
    write_classified(out, text.as_bytes(), classify(text.as_bytes()));
}

/// Writes a Java string; a lone surrogate comes out as its escape.
pub fn write_text(out: &mut Vec<u8>, text: &Text) {
    if let Some(text) = text.as_str() {
        return write_str(out, text);
    }
    out.push(b'"');
    for decoded in char::decode_utf16(text.utf16()) {
        match decoded {
            Ok(c) => {
                let mut utf8 = [0; 4];
                push_escaped(out, c.encode_utf8(&mut utf8).as_bytes());
            }
            Err(lone) => push_unit(out, lone.unpaired_surrogate()),
        }
    }
    out.push(b'"');
}

#[derive(Clone, Copy)]
struct Found {
    /// Some byte is not plain ASCII or BMP text.
    escapes: bool,
    non_ascii: bool,
}

impl Found {
    fn is_plain(self) -> bool {
        !self.escapes && !self.non_ascii
    }
}

#[inline]
fn classify(bytes: &[u8]) -> Found {
    let mut special = u8x16::ZERO;
    let mut highest = u8x16::ZERO;
    let mut look = |chunk: [u8; LANES]| {
        let lanes = u8x16::new(chunk);
        special |= specials(lanes);
        highest = highest.max(lanes);
    };
    let (chunks, rest) = bytes.as_chunks::<LANES>();
    for chunk in chunks {
        look(*chunk);
    }
    if !rest.is_empty() {
        // The last sixteen bytes again, where there are that many.
        look(bytes.last_chunk().copied().unwrap_or_else(|| padded(rest)));
    }
    Found {
        escapes: special.to_bitmask() != 0,
        non_ascii: highest.to_bitmask() != 0,
    }
}

/// All bits of the lanes that hold a control character, a quote, a backslash or a four-byte character's start.
#[inline]
fn specials(lanes: u8x16) -> u8x16 {
    let control = lanes.min(u8x16::splat(0x1F)).simd_eq(lanes);
    let beyond = lanes.max(u8x16::splat(BEYOND_BMP)).simd_eq(lanes);
    control | beyond | lanes.simd_eq(u8x16::splat(b'"')) | lanes.simd_eq(u8x16::splat(b'\\'))
}

/// Up to sixteen bytes, filled up with blanks.
#[inline]
fn padded(bytes: &[u8]) -> [u8; LANES] {
    let mut chunk = [b' '; LANES];
    chunk[..bytes.len()].copy_from_slice(bytes);
    chunk
}

#[inline]
fn write_classified(out: &mut Vec<u8>, utf8: &[u8], found: Found) {
    out.reserve(written_len(utf8, found) + AROUND);
    out.push(b'"');
    push_classified(out, utf8, found);
}

/// With the quote behind it.
#[inline]
fn push_classified(out: &mut Vec<u8>, utf8: &[u8], found: Found) {
    if found.escapes {
        push_escaped(out, utf8);
    } else {
        out.extend_from_slice(utf8);
    }
    out.push(b'"');
}

/// How long it is going to be, as far as it pays to know.
#[inline]
fn written_len(utf8: &[u8], found: Found) -> usize {
    if found.escapes && utf8.len() >= LARGE {
        escaped_len(utf8)
    } else {
        utf8.len()
    }
}

/// How long well-formed UTF-8 is with its escapes.
fn escaped_len(utf8: &[u8]) -> usize {
    let more = |&byte: &u8| match byte {
        b'"' | b'\\' | 0x08 | b'\t' | b'\n' | 0x0C | b'\r' => 1,
        0..0x20 => 5,
        BEYOND_BMP.. => 8,
        _ => 0,
    };
    utf8.len() + utf8.iter().map(more).sum::<usize>()
}

/// Writes well-formed UTF-8 with its escapes, run by run.
fn push_escaped(out: &mut Vec<u8>, utf8: &[u8]) {
    let mut copied = 0;
    for base in (0..utf8.len()).step_by(LANES) {
        let chunk = utf8[base..].first_chunk().copied();
        let lanes = u8x16::new(chunk.unwrap_or_else(|| padded(&utf8[base..])));
        let mut mask = specials(lanes).to_bitmask();
        while mask != 0 {
            let at = base + mask.trailing_zeros() as usize;
            mask &= mask - 1;
            push_run::<LANES>(out, utf8, copied, at);
            copied = at + push_escape(out, &utf8[at..]);
        }
    }
    push_run::<LANES>(out, utf8, copied, utf8.len());
}

/// Copies `from..to`. A short run is copied as a block of which the surplus is dropped again:
/// a copy of fixed length is a move or two, one of variable length a call.
///
/// # Panics
/// If the bytes have no such part.
#[inline]
pub fn push_run<const BLOCK: usize>(out: &mut Vec<u8>, bytes: &[u8], from: usize, to: usize) {
    let len = to - from;
    match bytes[from..].first_chunk::<BLOCK>() {
        Some(block) if len <= BLOCK => {
            let end = out.len() + len;
            out.extend_from_slice(block);
            out.truncate(end);
        }
        _ => out.extend_from_slice(&bytes[from..to]),
    }
}

/// Writes the escape of the character at the start, and returns how many bytes it takes.
#[inline]
fn push_escape(out: &mut Vec<u8>, from: &[u8]) -> usize {
    let short = match from[0] {
        b'"' => b'"',
        b'\\' => b'\\',
        0x08 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0x0C => b'f',
        b'\r' => b'r',
        lead if lead >= BEYOND_BMP => {
            let bits = |at: usize| u32::from(from[at] & 0x3F);
            let code = u32::from(lead & 7) << 18 | bits(1) << 12 | bits(2) << 6 | bits(3);
            let offset = code - 0x1_0000;
            push_unit(out, 0xD800 | (offset >> 10) as u16);
            push_unit(out, 0xDC00 | (offset & 0x3FF) as u16);
            return 4;
        }
        control => {
            push_unit(out, control.into());
            return 1;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
    1
}

/// Writes a UTF-16 unit as `\uXXXX`.
fn push_unit(out: &mut Vec<u8>, unit: u16) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |shift: u32| HEX[usize::from(unit >> shift & 0xF)];
    out.extend_from_slice(&[b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What the fast writer must do, one character at a time.
    fn slow(raw: &[u8]) -> String {
        let mut text = String::from("\"");
        for c in decode_utf8(raw).chars() {
            match c {
                '"' => text.push_str("\\\""),
                '\\' => text.push_str("\\\\"),
                '\u{8}' => text.push_str("\\b"),
                '\t' => text.push_str("\\t"),
                '\n' => text.push_str("\\n"),
                '\u{c}' => text.push_str("\\f"),
                '\r' => text.push_str("\\r"),
                c if !(' '..='\u{ffff}').contains(&c) => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        text.push_str(&format!("\\u{unit:04X}"));
                    }
                }
                c => text.push(c),
            }
        }
        text.push('"');
        text
    }

    fn check(raw: &[u8]) {
        let mut out = b"before".to_vec();
        write_string(&mut out, raw);
        assert_eq!(String::from_utf8(out), Ok(format!("before{}", slow(raw))));
    }

    #[test]
    fn escapes_as_jackson_does() {
        let mut out = Vec::new();
        write_string(&mut out, "é\u{1}/<\u{7f}\u{2028}😀\n".as_bytes());
        assert_eq!(
            String::from_utf8(out),
            Ok("\"é\\u0001/<\u{7f}\u{2028}\\uD83D\\uDE00\\n\"".to_owned())
        );
        let mut out = Vec::new();
        write_text(&mut out, &Text::from_utf16(&[0x61, 0xD800, 0xD83D, 0xDE00]));
        assert_eq!(out, b"\"a\\uD800\\uD83D\\uDE00\"");
    }

    #[test]
    fn report_a9_a_large_text_fits_into_what_is_reserved_for_it() {
        let (plain, other) = ("plain text", "\"\\\n\u{1}\u{1f}é中😀\u{7f}<");
        let large = |unit: &str| unit.repeat(LARGE / unit.len() + 1);
        for text in [large(plain), large(other), large(plain) + &large(other)] {
            let mut out = Vec::new();
            write_string(&mut out, text.as_bytes());
            out.push(b'\n');
            assert_eq!(out.capacity(), out.len());
            assert_eq!(String::from_utf8(out), Ok(slow(text.as_bytes()) + "\n"));
        }
    }

    #[test]
    fn long_texts_come_out_as_short_ones_wherever_they_cease_to_be_plain() {
        let plain = b"plain text, ".repeat(3 * PIECE / 12);
        check(&plain);
        for other in ["\"", "é", "😀", "\u{1}\"é中😀"] {
            for at in [
                0,
                1,
                PIECE - 1,
                PIECE,
                PIECE + 1,
                2 * PIECE - 2,
                plain.len(),
            ] {
                let (before, after) = plain.split_at(at);
                check(&[before, other.as_bytes(), after].concat());
                // The first byte alone: it is malformed where it is no character by itself.
                check(&[before, &other.as_bytes()[..1], after].concat());
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5000))]

        #[test]
        fn writes_any_bytes_as_the_slow_writer_does(raw in proptest::collection::vec(any::<u8>(), 0..80)) {
            check(&raw);
        }

        #[test]
        fn writes_any_text_as_the_slow_writer_does(text in "[a-z\"\\\\\u{0}-\u{1f}é中😀]{0,60}") {
            check(text.as_bytes());
        }

        #[test]
        fn writes_plain_text_as_the_slow_writer_does(text in "[ -~]{0,120}") {
            check(text.as_bytes());
        }
    }
}
