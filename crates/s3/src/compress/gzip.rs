//! A gzip stream as Java writes it, one member with a bare header, put together of blocks that are compressed each by itself.
//!
//! No block knows what came before it, so that they may be compressed side by side and in no compressor's memory an object
//! waits for its next records. What that costs is less than what libdeflate finds more than zlib, at the levels below.

use super::last_block::{LastBlock, last_block};
use super::pool::Pool;
use libdeflater::{CompressionLvl, Compressor};
use std::io;

/// No name, no time, and "unknown" as operating system, which is Java 16's and later.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// Plain bytes of a block: with a quarter of it objects become two in a hundred larger, with four times it one smaller.
pub(super) const BLOCK: usize = 256 * 1024;

/// What a compressor holds: a window's chains and heads of hashes (256 KiB), the symbols of a block (391 KiB) and their codes.
const COMPRESSOR: usize = 672 * 1024;

/// The level of libdeflate for each of zlib's: the cheapest one whose objects are not larger than Java's.
const LEVELS: [i32; 10] = [0, 1, 1, 2, 3, 5, 6, 7, 7, 8];

/// Zlib's default.
const DEFAULT_LEVEL: usize = 6;

/// The end of a block at a whole byte: behind the three bits of its header, an empty one of bytes as they are.
const EMPTY_BLOCK: [u8; 4] = [0, 0, 0xff, 0xff];

/// A last block in which there is nothing.
const NOTHING: [u8; 2] = [3, 0];

/// Makes compressors of one level. Cloning shares those that are done with.
#[derive(Clone, Debug)]
pub(crate) struct GzipCompressors {
    level: CompressionLvl,
    pub(super) pool: Pool<Deflater>,
}

impl GzipCompressors {
    pub(super) fn new(level: i32) -> Self {
        let level = usize::try_from(level).unwrap_or(DEFAULT_LEVEL);
        let level = LEVELS[level.min(LEVELS.len() - 1)];
        GzipCompressors {
            level: CompressionLvl::new(level).unwrap_or_default(),
            pool: Pool::default(),
        }
    }

    fn take(&self) -> Deflater {
        self.pool.take().unwrap_or_else(|| Deflater {
            compressor: Compressor::new(self.level),
            scratch: Vec::new(),
        })
    }

    /// Compresses a block and appends it to `out`; the last one, or one behind which others come.
    fn compress(&self, plain: &[u8], is_last: bool, out: &mut Vec<u8>) -> io::Result<()> {
        let mut deflater = self.take();
        let done = deflater.compress(plain, is_last, out);
        let memory = COMPRESSOR + deflater.scratch.capacity();
        self.pool.give_back(deflater, memory);
        done
    }
}

/// Compresses one block after the other.
pub(super) struct Deflater {
    compressor: Compressor,
    /// Room for a block that cannot be compressed.
    scratch: Vec<u8>,
}

impl Deflater {
    fn compress(&mut self, plain: &[u8], is_last: bool, out: &mut Vec<u8>) -> io::Result<()> {
        let most = self.compressor.deflate_compress_bound(plain.len());
        if self.scratch.len() < most {
            self.scratch.resize(most, 0);
        }
        let len = self.compressor.deflate_compress(plain, &mut self.scratch);
        let stream = &mut self.scratch[..len.map_err(io::Error::other)?];
        if is_last {
            out.extend_from_slice(stream);
            return Ok(());
        }
        // What is compressed at once ends; so the bit that says so is cleared.
        let LastBlock { header, end } = last_block(stream)
            .ok_or_else(|| io::Error::other("libdeflate has made no deflate stream"))?;
        stream[header / 8] &= !(1 << (header % 8));
        out.extend_from_slice(stream);
        if !(1..=5).contains(&(end % 8)) {
            out.push(0);
        }
        out.extend_from_slice(&EMPTY_BLOCK);
        Ok(())
    }
}

pub(crate) struct Gzip {
    compressors: GzipCompressors,
    checksum: crc32fast::Hasher,
    /// Bytes compressed so far; the format counts them modulo 2^32.
    len: u32,
    has_begun: bool,
    /// Why the object is not to be stored.
    failure: Option<io::Error>,
}

impl Gzip {
    pub(super) fn new(compressors: &GzipCompressors) -> Self {
        Gzip {
            compressors: compressors.clone(),
            checksum: crc32fast::Hasher::new(),
            len: 0,
            has_begun: false,
            failure: None,
        }
    }

    pub(super) fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        for piece in pieces(plain) {
            self.compress(piece, false, out);
        }
    }

    /// Writes the last bytes and the trailer.
    pub(super) fn finish(mut self, plain: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        let mut pieces = pieces(plain).peekable();
        if plain.is_empty() {
            self.begin(out);
            out.extend_from_slice(&NOTHING);
        }
        while let Some(piece) = pieces.next() {
            let is_last = pieces.peek().is_none();
            self.compress(piece, is_last, out);
        }
        out.extend_from_slice(&self.checksum.finalize().to_le_bytes());
        out.extend_from_slice(&self.len.to_le_bytes());
        self.failure.map_or(Ok(()), Err)
    }

    fn compress(&mut self, piece: &[u8], is_last: bool, out: &mut Vec<u8>) {
        self.begin(out);
        self.checksum.update(piece);
        self.len = self.len.wrapping_add(piece.len() as u32);
        if self.failure.is_none() {
            let done = self.compressors.compress(piece, is_last, out);
            self.failure = done.err();
        }
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if !self.has_begun {
            out.extend_from_slice(&HEADER);
            self.has_begun = true;
        }
    }
}

/// Pieces of a block's size, none of which is much smaller than another.
fn pieces(plain: &[u8]) -> impl Iterator<Item = &[u8]> {
    let count = (plain.len() / BLOCK).max(1);
    plain.chunks(plain.len().div_ceil(count).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use millstream_core::ByteBudget;
    use proptest::prelude::*;
    use std::io::Read;

    /// What is in the one member, behind which nothing comes.
    fn gunzip(mut bytes: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        let mut decoder = GzDecoder::new(&mut bytes);
        decoder.read_to_end(&mut plain).expect("it is gzip");
        assert_eq!(bytes, b"");
        plain
    }

    fn gzip(level: i32, plain: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let gzip = Gzip::new(&GzipCompressors::new(level));
        gzip.finish(plain, &mut out).expect("it can be compressed");
        out
    }

    #[test]
    fn begins_and_ends_as_java_does() {
        let hex = |plain: &[u8]| -> String {
            let bytes = gzip(-1, plain);
            bytes.iter().map(|byte| format!("{byte:02x}")).collect()
        };
        assert_eq!(hex(b""), "1f8b08000000000000ff03000000000000000000");
        let words = hex(b"a line and a line and a line and a line\n");
        assert_eq!(&words[..20], "1f8b08000000000000ff");
        assert_eq!(&words[words.len() - 8..], "28000000");
    }

    /// Lines as they are stored: words, numbers, and what comes again.
    fn lines(len: usize) -> Vec<u8> {
        let (mut plain, mut state) = (Vec::new(), 1u64);
        while plain.len() < len {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let high = state >> 32;
            let line = format!(
                "{{\"id\":{high},\"city\":\"{}\",\"amount\":{},\"note\":\"{}\"}}\n",
                ["Berlin", "Oslo", "Lisbon", "Graz"][(high % 4) as usize],
                high % 10_007,
                "the order will arrive later ".repeat((high % 3) as usize),
            );
            plain.extend(line.into_bytes());
        }
        plain
    }

    /// Each level is as small as the one below it or smaller, and the highest much smaller than the lowest.
    #[test]
    fn levels_mean_what_they_say() {
        let plain = lines(3 * BLOCK);
        let sizes: Vec<usize> = (0..10).map(|level| gzip(level, &plain).len()).collect();
        assert!(sizes.is_sorted_by(|a, b| a >= b), "{sizes:?}");
        assert!(sizes[0] > plain.len() && sizes[1] < plain.len() / 2);
        assert!(
            sizes[9] < sizes[6] && sizes[6] < sizes[1] * 9 / 10,
            "{sizes:?}"
        );
        assert_eq!(gzip(-1, &plain), gzip(6, &plain));
    }

    #[test]
    fn report_c1_compressors_are_kept_within_a_budget_and_let_go() {
        let budget = ByteBudget::new(3 * COMPRESSOR);
        let compressors = GzipCompressors::new(-1);
        compressors.pool.keep_within(budget.clone());
        for _ in 0..3 {
            let mut out = Vec::new();
            Gzip::new(&compressors).write(b"abc", &mut out);
            let kept = budget.total() - budget.available();
            assert!((COMPRESSOR..2 * COMPRESSOR).contains(&kept), "{kept}");
        }
        compressors.pool.clear();
        assert_eq!(budget.available(), budget.total());
        let rest = budget.try_acquire(2 * COMPRESSOR + 1);
        Gzip::new(&compressors).write(b"abc", &mut Vec::new());
        assert_eq!(budget.available(), COMPRESSOR - 1);
        drop(rest);
    }

    proptest! {
        #[test]
        fn unpacks_to_what_went_in(
            pieces in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..9000), 0..80usize), 0..12),
            level in -1..10,
        ) {
            let (mut out, mut plain) = (Vec::new(), Vec::new());
            let mut gzip = Gzip::new(&GzipCompressors::new(level));
            for (piece, times) in &pieces {
                let piece = piece.repeat(*times);
                gzip.write(&piece, &mut out);
                plain.extend(piece);
            }
            let last = plain.get(..7).unwrap_or_default().to_vec();
            prop_assert!(gzip.finish(&last, &mut out).is_ok());
            plain.extend(last);
            prop_assert_eq!(gunzip(&out), plain);
        }
    }
}
