//! Where a string ends and whether its text may be copied, sixteen bytes looked at together.

use super::escapes::escaped_char;
use std::num::NonZero;
use wide::u8x16;

const LANES: usize = 16;

/// Bytes of a long string that are looked at together.
const STRETCH: usize = 4 * LANES;

/// The byte from which on characters lie beyond U+FFFF, which Java writes as escapes.
const BEYOND_BMP: u8 = 0xF0;

/// A string that may be copied but for what its fields say.
#[derive(Clone, Copy)]
pub(super) struct StringSpan {
    /// Behind the closing quote.
    pub(super) end: usize,
    /// It holds escapes.
    pub(super) escapes: bool,
    /// Some of them are not such as Java writes.
    pub(super) odd: bool,
    /// It holds bytes that are not ASCII; whether they are UTF-8 has not been looked at.
    pub(super) non_ascii: bool,
}

impl StringSpan {
    /// Reads the string whose quote opens at `open`. `None` where something asks for the slow way: a control character,
    /// a malformed escape or the half of a pair, no end.
    #[inline]
    pub(super) fn scan(record: &[u8], open: usize) -> Option<StringSpan> {
        // Most strings are short and plain.
        if let Some(chunk) = record.get(open + 1..)?.first_chunk() {
            let lanes = u8x16::new(*chunk);
            let stops = stops(lanes).to_bitmask();
            let stop = open + 1 + stops.trailing_zeros() as usize;
            let is_ascii = lanes.to_bitmask() & (stops ^ stops.wrapping_sub(1)) == 0;
            if stops != 0 && is_ascii && record.get(stop) == Some(&b'"') {
                return Some(StringSpan {
                    end: stop + 1,
                    escapes: false,
                    odd: false,
                    non_ascii: false,
                });
            }
        }
        StringSpan::scan_any(record, open).map(Packed::unpack)
    }

    #[inline(never)]
    fn scan_any(record: &[u8], open: usize) -> Option<Packed> {
        let mut at = open + 1;
        let mut high = 0;
        let (mut escapes, mut odd) = (false, false);
        loop {
            let (stops, not_ascii) = look(record, at)?;
            // Up to the first stop.
            high |= not_ascii & (stops ^ stops.wrapping_sub(1));
            if stops == 0 {
                at = skip_plain(record, at + LANES, &mut high);
                continue;
            }
            let stop = at + stops.trailing_zeros() as usize;
            match record.get(stop)? {
                b'"' => {
                    return StringSpan {
                        end: stop + 1,
                        escapes,
                        odd,
                        non_ascii: high != 0,
                    }
                    .packed();
                }
                b'\\' => {
                    escapes = true;
                    at = match record.get(stop + 1)? {
                        b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't' => stop + 2,
                        b'/' => {
                            odd = true;
                            stop + 2
                        }
                        b'u' => {
                            odd = true;
                            escaped_char(record, stop)?.1
                        }
                        _ => return None,
                    };
                }
                _ => return None,
            }
        }
    }

    #[inline]
    fn packed(self) -> Option<Packed> {
        let marks = [self.escapes, self.odd, self.non_ascii].map(usize::from);
        NonZero::new((self.end << 3) | (marks[0] << 2) | (marks[1] << 1) | marks[2]).map(Packed)
    }

    /// Whether Java would write it otherwise.
    #[inline]
    pub(super) fn must_rewrite(&self, record: &[u8], open: usize) -> bool {
        self.odd || (self.non_ascii && holds_beyond_bmp(&record[open..self.end]))
    }
}

/// A span in one word, which goes from function to function in a register: read from memory as a whole right after it was
/// written there in parts, it would have to wait for them.
struct Packed(NonZero<usize>);

impl Packed {
    #[inline]
    fn unpack(self) -> StringSpan {
        let word = self.0.get();
        StringSpan {
            end: word >> 3,
            escapes: word & 4 != 0,
            odd: word & 2 != 0,
            non_ascii: word & 1 != 0,
        }
    }
}

/// Whether characters lie beyond U+FFFF.
pub(super) fn holds_beyond_bmp(utf8: &[u8]) -> bool {
    // All bytes are looked at: so they are many at once.
    utf8.iter().fold(0, |highest: u8, byte| highest.max(*byte)) >= BEYOND_BMP
}

/// Goes through a long string until it ends or asks for care within the next bytes.
#[inline]
fn skip_plain(record: &[u8], mut at: usize, high: &mut u32) -> usize {
    while let Some(stretch) = record.get(at..).and_then(<[u8]>::first_chunk::<STRETCH>) {
        let mut stop = u8x16::ZERO;
        let mut lowest = u8x16::splat(u8::MAX);
        let mut all = u8x16::ZERO;
        for chunk in stretch.as_chunks::<LANES>().0 {
            let lanes = u8x16::new(*chunk);
            stop |= lanes.simd_eq(u8x16::splat(b'"')) | lanes.simd_eq(u8x16::splat(b'\\'));
            lowest = lowest.min(lanes);
            all |= lanes;
        }
        if (stop | is_control(lowest)).to_bitmask() != 0 {
            break;
        }
        *high |= all.to_bitmask();
        at += STRETCH;
    }
    at
}

/// Where stops and where bytes beyond ASCII are among the next sixteen bytes; the record's end is a stop. `None` behind it.
#[inline]
fn look(record: &[u8], at: usize) -> Option<(u32, u32)> {
    let ahead = record.get(at..)?;
    let (chunk, before) = match (ahead.first_chunk(), record.last_chunk()) {
        (Some(chunk), _) => (*chunk, 0),
        (None, Some(last)) => (*last, LANES - ahead.len()),
        (None, None) => {
            let mut padded = [0; LANES];
            padded[..ahead.len()].copy_from_slice(ahead);
            (padded, 0)
        }
    };
    let lanes = u8x16::new(chunk);
    let end = (1 << LANES) >> before;
    let stops = stops(lanes).to_bitmask() >> before;
    Some(match before {
        0 => (stops, lanes.to_bitmask()),
        _ => (stops | end, lanes.to_bitmask() >> before),
    })
}

/// All bits of the lanes that hold a quote, a backslash or a control character.
#[inline]
fn stops(lanes: u8x16) -> u8x16 {
    lanes.simd_eq(u8x16::splat(b'"')) | lanes.simd_eq(u8x16::splat(b'\\')) | is_control(lanes)
}

#[inline]
fn is_control(lanes: u8x16) -> u8x16 {
    lanes.min(u8x16::splat(0x1F)).simd_eq(lanes)
}
