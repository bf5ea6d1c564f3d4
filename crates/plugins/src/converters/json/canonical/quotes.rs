//! The places of a record's quotes, sixteen bytes looked at together, and what else asks for care.

use wide::u8x16;

const LANES: usize = 16;

/// Enough for 64 members that are all strings.
const MAX_QUOTES: usize = 256;

/// The byte from which on characters lie beyond U+FFFF.
pub(super) const BEYOND_BMP: u8 = 0xF0;

/// Where quotes stand that are not escaped, and what strings may hold.
pub(super) struct Quotes {
    places: [u32; MAX_QUOTES],
    count: usize,
    /// Any of the following is so.
    pub(super) careful: bool,
    /// Line breaks or tabs stand somewhere: between tokens they are blanks, in strings they are wrong.
    pub(super) breaks: bool,
    /// Characters beyond U+FFFF, which Java writes as escapes.
    pub(super) beyond: bool,
    /// Escapes, all of them such as Java writes itself.
    pub(super) escapes: bool,
}

impl Default for Quotes {
    fn default() -> Self {
        Quotes {
            places: [0; MAX_QUOTES],
            count: 0,
            careful: false,
            breaks: false,
            beyond: false,
            escapes: false,
        }
    }
}

impl Quotes {
    /// The quotes that open and close the record's strings.
    #[inline]
    pub(super) fn pairs(&self) -> &[[u32; 2]] {
        self.places[..self.count].as_chunks::<2>().0
    }

    /// `None` where something asks for the slow way: a control character other than a break, an escape that Java would
    /// write otherwise, malformed UTF-8, too many quotes.
    #[inline]
    pub(super) fn find(&mut self, record: &[u8]) -> Option<()> {
        let mut count = 0;
        let mut backslash = u8x16::ZERO;
        let mut control = u8x16::ZERO;
        let mut highest = u8x16::ZERO;
        let mut base = 0;
        let (chunks, rest) = record.as_chunks::<LANES>();
        let mut look = |chunk: &[u8; LANES]| {
            let lanes = u8x16::new(*chunk);
            control |= lanes.min(u8x16::splat(0x1F)).simd_eq(lanes);
            backslash |= lanes.simd_eq(u8x16::splat(b'\\'));
            highest = highest.max(lanes);
            let mut mask = lanes.simd_eq(u8x16::splat(b'"')).to_bitmask();
            while mask != 0 {
                *self.places.get_mut(count)? = base + mask.trailing_zeros();
                count += 1;
                mask &= mask - 1;
            }
            base += LANES as u32;
            Some(())
        };
        for chunk in chunks {
            look(chunk)?;
        }
        if !rest.is_empty() {
            let mut padded = [b' '; LANES];
            padded[..rest.len()].copy_from_slice(rest);
            look(&padded)?;
        }
        self.count = count;
        self.breaks = control.to_bitmask() != 0;
        self.escapes = backslash.to_bitmask() != 0;
        let ascii = highest.to_bitmask() == 0;
        self.beyond = false;
        if !ascii {
            simdutf8::basic::from_utf8(record).ok()?;
            let beyond = highest.max(u8x16::splat(BEYOND_BMP)).simd_eq(highest);
            self.beyond = beyond.to_bitmask() != 0;
        }
        self.careful = self.breaks || self.escapes || self.beyond;
        if self.breaks {
            let is_wrong = |byte: &u8| *byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r');
            if record.iter().any(is_wrong) {
                return None;
            }
        }
        if self.escapes {
            self.drop_escaped(record)?;
        }
        Some(())
    }

    /// Takes away the quotes that a backslash precedes; `None` at an escape that Java would not write like that.
    fn drop_escaped(&mut self, record: &[u8]) -> Option<()> {
        let mut kept = 0;
        let mut next = 0;
        let mut at = 0;
        while let Some(offset) = record[at..].iter().position(|&byte| byte == b'\\') {
            let backslash = at + offset;
            while next < self.count && (self.places[next] as usize) < backslash {
                self.places[kept] = self.places[next];
                kept += 1;
                next += 1;
            }
            match record.get(backslash + 1)? {
                b'"' => next += 1,
                b'\\' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                _ => return None,
            }
            at = backslash + 2;
        }
        while next < self.count {
            self.places[kept] = self.places[next];
            kept += 1;
            next += 1;
        }
        self.count = kept;
        Some(())
    }
}
