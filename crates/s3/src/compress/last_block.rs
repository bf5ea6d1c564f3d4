//! Where the last block of a raw deflate stream (RFC 1951) begins and ends.
//!
//! A block does not tell its length, so the symbols are walked over, without the bytes that they stand for: a thirtieth of
//! the time in which they were found.

/// Positions in a stream, in bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LastBlock {
    /// Of the bit that says so.
    pub(super) header: usize,
    pub(super) end: usize,
}

/// The last block, or `None` if the stream breaks off or is none.
pub(super) fn last_block(stream: &[u8]) -> Option<LastBlock> {
    let mut codes = Codes::default();
    let mut bits = Bits::at(stream, 0);
    loop {
        let header = bits.position();
        let is_last = bits.take(1)? == 1;
        match bits.take(2)? {
            0 => bits = skip_stored(stream, &bits)?,
            1 => {
                codes.fix()?;
                skip_symbols(&mut bits, &codes)?;
            }
            2 => {
                codes.read(&mut bits)?;
                skip_symbols(&mut bits, &codes)?;
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
const LENGTH: u16 = 64;
const END_OF_BLOCK: u16 = 128;

impl Entry {
    fn literal(code: usize) -> Self {
        Entry(code as u16)
    }

    fn of_literals(symbol: usize, code: usize) -> Self {
        match symbol {
            0..END => Entry::literal(code),
            END => Entry(code as u16 | END_OF_BLOCK),
            265..285 => Entry((code + (symbol - 261) / 4) as u16 | LENGTH),
            _ => Entry(code as u16 | LENGTH),
        }
    }

    fn of_distances(symbol: usize, code: usize) -> Self {
        let more = (symbol / 2).saturating_sub(1);
        Entry((code + more) as u16)
    }

    /// As many as a symbol of a code of lengths has, which says what it is itself.
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

/// Entries by the bits that come next.
#[derive(Default)]
struct Table {
    entries: Vec<Entry>,
    mask: u64,
}

impl Table {
    /// `lengths` are those of the codes of each symbol. Of symbols that have none, and bits that are none's, there is nothing.
    fn fill(&mut self, lengths: &[u8], of: impl Fn(usize, usize) -> Entry) -> Option<()> {
        let longest = usize::from(lengths.iter().copied().max()?);
        self.entries.clear();
        self.entries.resize(2, Entry::default());
        // The codes of a length are consecutive; they are read from their first bit on, so counting is done backwards. What a
        // table of shorter bits holds is there again behind it, for the next bit.
        let (mut code, mut is_full) = (0, false);
        for length in 1..=longest {
            if length > 1 {
                self.entries.extend_from_within(..);
            }
            let ones = (1 << length) - 1;
            for symbol in 0..lengths.len() {
                if usize::from(lengths[symbol]) != length {
                    continue;
                }
                if is_full {
                    return None;
                }
                self.entries[code] = of(symbol, length);
                is_full = code == ones;
                if !is_full {
                    let bit = 1 << (code ^ ones).ilog2();
                    code = (code & (bit - 1)) | bit;
                }
            }
        }
        self.mask = self.entries.len() as u64 - 1;
        Some(())
    }

    #[inline]
    fn next(&self, bits: &Bits<'_>) -> Entry {
        self.entries[(bits.held & self.mask) as usize]
    }
}

/// Those of a block.
#[derive(Default)]
struct Codes {
    lengths: Table,
    literals: Table,
    distances: Table,
}

impl Codes {
    fn fix(&mut self) -> Option<()> {
        let mut lengths = [8; LITERALS];
        lengths[144..256].fill(9);
        lengths[256..280].fill(7);
        self.literals.fill(&lengths, Entry::of_literals)?;
        self.distances.fill(&[5; DISTANCES], Entry::of_distances)
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
        self.lengths.fill(&own, Entry::of_lengths)?;
        let mut lengths = [0; LITERALS + DISTANCES];
        let (all, mut at) = (literals + distances, 0);
        while at < all {
            bits.refill();
            let entry = self.lengths.next(bits);
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
        if at > all {
            return None;
        }
        self.literals
            .fill(&lengths[..literals], Entry::of_literals)?;
        self.distances
            .fill(&lengths[literals..all], Entry::of_distances)
    }
}

/// Goes behind the end of a block.
fn skip_symbols(bits: &mut Bits<'_>, codes: &Codes) -> Option<()> {
    loop {
        // Enough for a length and a distance, with what follows each of them.
        if bits.count < 48 {
            bits.refill();
        }
        let entry = codes.literals.next(bits);
        if entry.is_nothing() {
            return None;
        }
        bits.drop(entry.bits())?;
        if entry.0 & LENGTH != 0 {
            let distance = codes.distances.next(bits);
            if distance.is_nothing() {
                return None;
            }
            bits.drop(distance.bits())?;
        } else if entry.0 & END_OF_BLOCK != 0 {
            return Some(());
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
