//! Where the last block of a raw deflate stream (RFC 1951) begins and ends.
//!
//! A block does not tell its length, so the symbols are walked over, without the bytes that they stand for: a tenth of the
//! time in which they were found.

/// Positions in a stream, in bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LastBlock {
    /// Of the bit that says so.
    pub(super) header: usize,
    pub(super) end: usize,
}

/// The last block, or `None` if the stream breaks off or is none.
pub(super) fn last_block(stream: &[u8]) -> Option<LastBlock> {
    let mut codes = Codes::new();
    let mut bits = Bits::at(stream, 0);
    loop {
        let header = bits.position();
        let is_last = bits.take(1)? == 1;
        match bits.take(2)? {
            0 => bits = skip_stored(stream, &bits)?,
            1 => {
                codes.fix()?;
                codes.skip_symbols(&mut bits)?;
            }
            2 => {
                codes.read(&mut bits)?;
                codes.skip_symbols(&mut bits)?;
            }
            _ => return None,
        }
        if is_last {
            let end = bits.position();
            return Some(LastBlock { header, end });
        }
    }
}

/// Literals, the end and lengths; distances.
const LITERALS: usize = 288;
const DISTANCES: usize = 32;

const END: usize = 256;

/// In which order the lengths of the codes of lengths stand.
const ORDER: [usize; 19] = [
    16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
];

/// What is known of a symbol: the bits of its code and of what follows it, and what it is. Nothing is zero.
#[derive(Clone, Copy, Default)]
struct Entry(u16);

const BITS: u16 = 63;

/// The place of one bit: a distance comes next.
const LENGTH: u16 = 6;
const END_OF_BLOCK: u16 = 1 << 7;

impl Entry {
    fn of_literals(symbol: usize, code: usize) -> Self {
        match symbol {
            0..END => Entry(code as u16),
            END => Entry(code as u16 | END_OF_BLOCK),
            265..285 => Entry((code + (symbol - 261) / 4) as u16 | 1 << LENGTH),
            _ => Entry(code as u16 | 1 << LENGTH),
        }
    }

    fn of_distances(symbol: usize, code: usize) -> Self {
        let more = (symbol / 2).saturating_sub(1);
        Entry((code + more) as u16)
    }

    /// Of a code of lengths, whose symbols say themselves what they are.
    fn of_lengths(symbol: usize, code: usize) -> Self {
        Entry((symbol << 6 | code) as u16)
    }

    fn is_nothing(self) -> bool {
        self.0 == 0
    }

    fn bits(self) -> u32 {
        u32::from(self.0 & BITS)
    }
}

/// Fills a table of entries by the bits that come next; returns how many bits these are. `lengths` are those of the codes of
/// each symbol. Of symbols that have none, and bits that are none's, there is nothing.
fn fill(table: &mut [Entry], lengths: &[u8], of: impl Fn(usize, usize) -> Entry) -> Option<usize> {
    let longest = usize::from(lengths.iter().copied().max()?).max(1);
    table[..2].fill(Entry::default());
    // The codes of a length are consecutive; they are read from their first bit on, so counting is done backwards. What a
    // table of shorter bits holds is there again behind it, for the next bit.
    let (mut code, mut is_full) = (0, false);
    for length in 1..=longest {
        let half = 1 << (length - 1);
        if length > 1 {
            table.copy_within(..half, half);
        }
        let ones = 2 * half - 1;
        for (symbol, own) in lengths.iter().enumerate() {
            if usize::from(*own) != length {
                continue;
            }
            if is_full {
                return None;
            }
            table[code] = of(symbol, length);
            is_full = code == ones;
            if !is_full {
                let bit = 1 << (code ^ ones).ilog2();
                code = (code & (bit - 1)) | bit;
            }
        }
    }
    Some(longest)
}

/// Fills a table for more bits, which tell nothing.
fn widen(table: &mut [Entry], from: usize, to: usize) {
    for bits in from..to {
        table.copy_within(..1 << bits, 1 << bits);
    }
}

/// Room for the entries of codes of 15 bits.
const TABLE: usize = 1 << 15;

/// The codes of a block.
struct Codes {
    /// Those of literals, and behind them those of distances.
    entries: Vec<Entry>,
    /// Of the bits by which both are found.
    mask: usize,
}

impl Codes {
    fn new() -> Self {
        Codes {
            entries: vec![Entry::default(); 2 * TABLE],
            mask: 0,
        }
    }

    fn fix(&mut self) -> Option<()> {
        let mut lengths = [8; LITERALS];
        lengths[144..256].fill(9);
        lengths[256..280].fill(7);
        self.set(&lengths, &[5; DISTANCES])
    }

    fn set(&mut self, literals: &[u8], distances: &[u8]) -> Option<()> {
        let (first, second) = self.entries.split_at_mut(TABLE);
        let of_literals = fill(first, literals, Entry::of_literals)?;
        let of_distances = fill(second, distances, Entry::of_distances)?;
        let all = of_literals.max(of_distances);
        widen(first, of_literals, all);
        widen(second, of_distances, all);
        self.mask = (1 << all) - 1;
        Some(())
    }

    /// Reads them from the beginning of a block.
    fn read(&mut self, bits: &mut Bits<'_>) -> Option<()> {
        let literals = bits.take(5)? + 257;
        let distances = bits.take(5)? + 1;
        let given = bits.take(4)? + 4;
        let mut own = [0; ORDER.len()];
        for symbol in &ORDER[..given] {
            own[*symbol] = bits.take(3)? as u8;
        }
        let mask = (1 << fill(&mut self.entries, &own, Entry::of_lengths)?) - 1;
        let mut lengths = [0; LITERALS + DISTANCES];
        let (all, mut at) = (literals + distances, 0);
        while at < all {
            bits.refill();
            let entry = self.entries[bits.held as usize & mask];
            if entry.is_nothing() {
                return None;
            }
            bits.drop(entry.bits())?;
            let (value, times) = match entry.0 >> 6 {
                16 => (*lengths.get(at.checked_sub(1)?)?, 3 + bits.take(2)?),
                17 => (0, 3 + bits.take(3)?),
                18 => (0, 11 + bits.take(7)?),
                length => (length as u8, 1),
            };
            lengths.get_mut(at..at + times)?.fill(value);
            at += times;
        }
        let (literals, distances) = lengths.get(..all)?.split_at(literals);
        if at > all {
            return None;
        }
        self.set(literals, distances)
    }

    /// Goes behind the end of a block. Whether a literal or a length comes cannot be foreseen, by a processor neither, so that
    /// nothing branches there.
    fn skip_symbols(&self, bits: &mut Bits<'_>) -> Option<()> {
        let (entries, mask) = (self.entries.as_slice(), self.mask);
        let mut table = 0;
        loop {
            bits.refill();
            // A symbol has 28 bits at most, with what follows its code, and two of them what is held at least.
            for _ in 0..2 {
                let entry = entries[table | bits.held as usize & mask];
                if entry.0 & END_OF_BLOCK != 0 || entry.is_nothing() {
                    bits.drop(entry.bits())?;
                    return (!entry.is_nothing()).then_some(());
                }
                table = (entry.0 as usize >> LENGTH) * TABLE;
                bits.drop(entry.bits())?;
            }
        }
    }
}

/// The bits behind a block of bytes as they are.
fn skip_stored<'a>(stream: &'a [u8], bits: &Bits<'a>) -> Option<Bits<'a>> {
    let at = bits.position().div_ceil(8);
    let &[a, b, not_a, not_b] = stream.get(at..at + 4)?.first_chunk()?;
    let end = at + 4 + usize::from(u16::from_le_bytes([a, b]));
    let is_whole = (a, b) == (!not_a, !not_b) && end <= stream.len();
    is_whole.then(|| Bits::at(stream, end))
}

/// The bits of a stream, the lowest of a byte first.
struct Bits<'a> {
    stream: &'a [u8],
    /// The next byte of which no bits are held.
    next: usize,
    /// Above those that are counted may be some that come again.
    held: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    fn at(stream: &'a [u8], next: usize) -> Self {
        Bits {
            stream,
            next,
            held: 0,
            count: 0,
        }
    }

    fn position(&self) -> usize {
        self.next * 8 - self.count as usize
    }

    /// Holds 56 bits at least, or all that there are.
    #[inline]
    fn refill(&mut self) {
        let rest = self.stream.get(self.next..).unwrap_or_default();
        if let Some(word) = rest.first_chunk() {
            self.held |= u64::from_le_bytes(*word) << self.count;
            self.next += ((63 - self.count) / 8) as usize;
            self.count |= 56;
        } else {
            for &byte in rest {
                if self.count > 55 {
                    break;
                }
                self.held |= u64::from(byte) << self.count;
                self.next += 1;
                self.count += 8;
            }
        }
    }

    #[inline]
    fn drop(&mut self, count: u32) -> Option<()> {
        self.count = self.count.checked_sub(count)?;
        self.held >>= count;
        Some(())
    }

    fn take(&mut self, count: u32) -> Option<usize> {
        self.refill();
        let taken = self.held & ((1 << count) - 1);
        self.drop(count)?;
        Some(taken as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
    use libdeflater::{CompressionLvl, Compressor};
    use proptest::prelude::*;

    fn deflate(plain: &[u8], level: i32) -> Vec<u8> {
        let level = CompressionLvl::new(level).expect("there is such a level");
        let mut compressor = Compressor::new(level);
        let mut out = vec![0; compressor.deflate_compress_bound(plain.len())];
        let len = compressor.deflate_compress(plain, &mut out);
        out.truncate(len.expect("there is room"));
        out
    }

    /// Bytes of some variety, so that there are blocks of all kinds.
    fn bytes(seed: u64, len: usize) -> Vec<u8> {
        let mut state = seed | 1;
        let mut next = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let mut plain = Vec::with_capacity(len + 300);
        while plain.len() < len {
            let (what, much) = (next() % 4, (next() % 300) as usize);
            match what {
                0 => plain.extend((0..much).map(|_| next() as u8)),
                1 => plain.extend((0..much).map(|_| b'a' + (next() % 7) as u8)),
                _ => {
                    let from = plain.len().saturating_sub(1 + (next() % 40_000) as usize);
                    let again = plain.len().min(from + much);
                    plain.extend_from_within(from..again);
                }
            }
        }
        plain
    }

    proptest! {
        /// With its bit cleared and an end appended the stream goes on: another inflater finds all of it, and where it ends.
        #[test]
        fn the_last_block_is_found(seed in any::<u64>(), len in 0..200_000usize, level in 0..13) {
            let plain = bytes(seed, len);
            let mut stream = deflate(&plain, level);
            let LastBlock { header, end } = last_block(&stream).expect("it has one");
            prop_assert_eq!(end.div_ceil(8), stream.len());
            stream[header / 8] ^= 1 << (header % 8);
            // An empty block of fixed codes, at whatever bit the last one ends.
            stream.resize(end / 8 + 3, 0);
            let [low, high] = (3u16 << (end % 8)).to_le_bytes();
            stream[end / 8] |= low;
            stream[end / 8 + 1] |= high;
            let mut back = Vec::with_capacity(plain.len() + 1);
            let mut inflater = Decompress::new(false);
            let status = inflater.decompress_vec(&stream, &mut back, FlushDecompress::Finish);
            prop_assert_eq!(status.expect("it is one"), Status::StreamEnd);
            prop_assert_eq!(back, plain);
        }

        #[test]
        fn what_breaks_off_or_is_none_is_no_stream(stream in proptest::collection::vec(any::<u8>(), 0..400), cut in 0..400usize) {
            // Whatever comes, it ends.
            let _ = last_block(&stream);
            let whole = deflate(&bytes(cut as u64, 5000), 6);
            let cut = cut.min(whole.len() - 1);
            prop_assert_eq!(last_block(&whole[..cut]), None);
        }
    }

    #[test]
    fn streams_of_another_compressor_are_walked_as_well() {
        let plain = bytes(7, 300_000);
        for level in 0..10 {
            let mut compress = Compress::new(Compression::new(level), false);
            let mut stream = Vec::with_capacity(400_000);
            let status = compress.compress_vec(&plain, &mut stream, FlushCompress::Finish);
            assert_eq!(status.expect("it is done"), Status::StreamEnd);
            let last = last_block(&stream).expect("it has one");
            assert_eq!(last.end.div_ceil(8), stream.len(), "level {level}");
        }
    }
}
