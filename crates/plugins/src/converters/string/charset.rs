//! The character sets that text is written in besides UTF-8. What cannot be encoded becomes `?`, what is malformed U+FFFD.

use millstream_core::text::decode_utf8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charset {
    Utf8,
    Ascii,
    Latin1,
    Windows1252,
    /// Big-endian with a mark when written, by its mark when read.
    Utf16,
    Utf16Be,
    Utf16Le,
    Utf32Be,
    Utf32Le,
    /// Big-endian when written, by its mark when read.
    Utf32,
}

impl Charset {
    /// By Java's names and the aliases people write.
    pub(super) fn by_name(name: &str) -> Option<Self> {
        Some(match name.to_ascii_uppercase().as_str() {
            "UTF-8" | "UTF8" | "UNICODE-1-1-UTF-8" => Charset::Utf8,
            "US-ASCII" | "ASCII" | "ISO646-US" | "ANSI_X3.4-1968" | "CP367" => Charset::Ascii,
            "ISO-8859-1" | "ISO8859_1" | "ISO8859-1" | "ISO_8859-1" | "LATIN1" | "L1" | "CP819"
            | "IBM819" => Charset::Latin1,
            "WINDOWS-1252" | "CP1252" | "IBM-1252" => Charset::Windows1252,
            "UTF-16" | "UTF16" | "UTF_16" | "UNICODE" | "UNICODEBIG" => Charset::Utf16,
            "UTF-16BE" | "UTF_16BE" | "UNICODEBIGUNMARKED" => Charset::Utf16Be,
            "UTF-16LE" | "UTF_16LE" | "UNICODELITTLEUNMARKED" => Charset::Utf16Le,
            "UTF-32" | "UTF32" | "UTF_32" => Charset::Utf32,
            "UTF-32BE" | "UTF_32BE" => Charset::Utf32Be,
            "UTF-32LE" | "UTF_32LE" => Charset::Utf32Le,
            _ => return None,
        })
    }

    pub(super) fn encode(self, text: &str) -> Vec<u8> {
        let single = |encode: fn(char) -> Option<u8>| {
            text.chars()
                .map(|c| encode(c).unwrap_or(b'?'))
                .collect::<Vec<u8>>()
        };
        let below = |limit: u32| {
            move |c: char| {
                let code = c as u32;
                (code < limit).then_some(code as u8)
            }
        };
        match self {
            Charset::Utf8 => text.as_bytes().to_vec(),
            Charset::Ascii => text
                .chars()
                .map(|c| below(0x80)(c).unwrap_or(b'?'))
                .collect(),
            Charset::Latin1 => text
                .chars()
                .map(|c| below(0x100)(c).unwrap_or(b'?'))
                .collect(),
            Charset::Windows1252 => single(windows_1252),
            Charset::Utf16 if text.is_empty() => Vec::new(),
            Charset::Utf16 => [
                vec![0xFE, 0xFF],
                text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            ]
            .concat(),
            Charset::Utf16Be => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            Charset::Utf16Le => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            Charset::Utf32 | Charset::Utf32Be => text
                .chars()
                .flat_map(|c| (c as u32).to_be_bytes())
                .collect(),
            Charset::Utf32Le => text
                .chars()
                .flat_map(|c| (c as u32).to_le_bytes())
                .collect(),
        }
    }

    pub(super) fn decode(self, bytes: &[u8]) -> String {
        match self {
            Charset::Utf8 => decode_utf8(bytes).into_owned(),
            Charset::Ascii => bytes
                .iter()
                .map(|&byte| if byte < 0x80 { byte.into() } else { '\u{fffd}' })
                .collect(),
            Charset::Latin1 => bytes.iter().map(|&byte| char::from(byte)).collect(),
            Charset::Windows1252 => bytes.iter().map(|&byte| from_windows_1252(byte)).collect(),
            Charset::Utf16 => match bytes {
                [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes),
                [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes),
                unmarked => utf16(unmarked, u16::from_be_bytes),
            },
            Charset::Utf16Be => utf16(bytes, u16::from_be_bytes),
            Charset::Utf16Le => utf16(bytes, u16::from_le_bytes),
            Charset::Utf32 => match bytes {
                [0, 0, 0xFE, 0xFF, rest @ ..] => utf32(rest, u32::from_be_bytes),
                [0xFF, 0xFE, 0, 0, rest @ ..] => utf32(rest, u32::from_le_bytes),
                unmarked => utf32(unmarked, u32::from_be_bytes),
            },
            Charset::Utf32Be => utf32(bytes, u32::from_be_bytes),
            Charset::Utf32Le => utf32(bytes, u32::from_le_bytes),
        }
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let decoded = char::decode_utf16(pairs.iter().map(|&pair| unit(pair)));
    let mut text: String = decoded.map(|c| c.unwrap_or('\u{fffd}')).collect();
    if !rest.is_empty() {
        text.push('\u{fffd}');
    }
    text
}

fn utf32(bytes: &[u8], code: fn([u8; 4]) -> u32) -> String {
    let (quads, rest) = bytes.as_chunks::<4>();
    let decoded = quads.iter().map(|&quad| char::from_u32(code(quad)));
    let mut text: String = decoded.map(|c| c.unwrap_or('\u{fffd}')).collect();
    if !rest.is_empty() {
        text.push('\u{fffd}');
    }
    text
}

/// The characters of 0x80 to 0x9F; the others are Latin-1.
const WINDOWS_1252: [char; 32] = [
    '€', '\u{fffd}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{fffd}', 'Ž',
    '\u{fffd}', '\u{fffd}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{fffd}',
    'ž', 'Ÿ',
];

fn windows_1252(c: char) -> Option<u8> {
    match c as u32 {
        code @ (0..0x80 | 0xA0..0x100) => Some(code as u8),
        _ if c == '\u{fffd}' => None,
        _ => {
            let place = WINDOWS_1252.iter().position(|&known| known == c)?;
            Some(0x80 + place as u8)
        }
    }
}

fn from_windows_1252(byte: u8) -> char {
    match byte {
        0x80..=0x9F => WINDOWS_1252[usize::from(byte - 0x80)],
        other => other.into(),
    }
}
