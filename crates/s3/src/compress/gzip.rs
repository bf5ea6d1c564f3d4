//! A gzip stream as Java writes it: one member, a bare header, and the compressed bytes as they come.

use super::pool::Pool;
use flate2::{Compress, Compression, FlushCompress, Status};

/// No name, no time, and "unknown" as operating system, which is Java 16's and later.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// Room made for each step of the compressor: small enough not to matter, large enough to matter seldom.
const STEP: usize = 32 * 1024;

/// What a compressor holds: a window of 32 KiB twice over, chains and heads of hashes, pending bytes and symbols.
const COMPRESSOR: usize = 336 * 1024;

/// Makes compressors of one level. Cloning shares those that are done with.
#[derive(Clone, Debug)]
pub(crate) struct GzipCompressors {
    level: Compression,
    pub(super) pool: Pool<Compress>,
}

impl GzipCompressors {
    pub(super) fn new(level: i32) -> Self {
        let level = u32::try_from(level).map_or_else(|_| Compression::default(), Compression::new);
        GzipCompressors {
            level,
            pool: Pool::default(),
        }
    }

    fn take(&self) -> Compress {
        match self.pool.take() {
            Some(mut compress) => {
                compress.reset();
                compress
            }
            None => Compress::new(self.level, false),
        }
    }
}

pub(crate) struct Gzip {
    compressors: GzipCompressors,
    /// Taken with the first bytes to compress.
    compress: Option<Compress>,
    checksum: crc32fast::Hasher,
    /// Bytes compressed so far; the format counts them modulo 2^32.
    len: u32,
    has_begun: bool,
}

impl Gzip {
    pub(super) fn new(compressors: &GzipCompressors) -> Self {
        Gzip {
            compressors: compressors.clone(),
            compress: None,
            checksum: crc32fast::Hasher::new(),
            len: 0,
            has_begun: false,
        }
    }

    pub(super) fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        self.begin(out);
        self.checksum.update(plain);
        self.len = self.len.wrapping_add(plain.len() as u32);
        let mut rest = plain;
        while !rest.is_empty() {
            let taken = self.step(rest, out);
            rest = &rest[taken..];
        }
    }

    /// Writes what the compressor holds back, and the trailer.
    pub(super) fn finish(mut self, out: &mut Vec<u8>) {
        self.begin(out);
        self.flush(out, FlushCompress::Finish);
        self.release_compressor();
        out.extend_from_slice(&self.checksum.finalize().to_le_bytes());
        out.extend_from_slice(&self.len.to_le_bytes());
    }

    /// Ends what has been compressed at a whole byte and lets the compressor go; the stream goes on with another one.
    pub(super) fn rest(&mut self, out: &mut Vec<u8>) {
        if self.compress.is_some() {
            self.flush(out, FlushCompress::Full);
            self.release_compressor();
        }
    }

    fn release_compressor(&mut self) {
        if let Some(compress) = self.compress.take() {
            self.compressors.pool.give_back(compress, COMPRESSOR);
        }
    }

    /// Memory that the compressor holds.
    pub(super) fn memory(&self) -> usize {
        self.compress.as_ref().map_or(0, |_| COMPRESSOR)
    }

    /// Writes what the compressor holds back.
    fn flush(&mut self, out: &mut Vec<u8>, how: FlushCompress) {
        let compress = compressor(&mut self.compress, &self.compressors);
        loop {
            let before = out.len();
            out.reserve(STEP);
            let room = out.capacity() - before;
            let status = compress.compress_vec(&[], out, how);
            // An error would come of a wrong sequence of calls, and this is the only one there is.
            let goes_on = matches!(status, Ok(Status::Ok | Status::BufError));
            if !goes_on || out.len() - before < room {
                break;
            }
        }
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if !self.has_begun {
            out.extend_from_slice(&HEADER);
            self.has_begun = true;
        }
    }

    /// Compresses some of `plain` and says how much.
    fn step(&mut self, plain: &[u8], out: &mut Vec<u8>) -> usize {
        let compress = compressor(&mut self.compress, &self.compressors);
        let before = compress.total_in();
        out.reserve(STEP);
        let status = compress.compress_vec(plain, out, FlushCompress::None);
        debug_assert!(status.is_ok());
        (compress.total_in() - before) as usize
    }
}

fn compressor<'a>(slot: &'a mut Option<Compress>, all: &GzipCompressors) -> &'a mut Compress {
    slot.get_or_insert_with(|| all.take())
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use millstream_core::ByteBudget;
    use proptest::prelude::*;
    use std::io::Read;

    fn gunzip(bytes: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        GzDecoder::new(bytes)
            .read_to_end(&mut plain)
            .expect("it is gzip");
        plain
    }

    #[test]
    fn begins_and_ends_as_java_does() {
        let mut out = Vec::new();
        let mut gzip = Gzip::new(&GzipCompressors::new(-1));
        gzip.write(b"a\n", &mut out);
        gzip.finish(&mut out);
        let hex: String = out.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "1f8b08000000000000ff4be4020007a1eadd02000000");
    }

    #[test]
    fn report_c1_compressors_are_kept_within_a_budget_and_let_go() {
        let budget = ByteBudget::new(COMPRESSOR + 1);
        let compressors = GzipCompressors::new(-1);
        compressors.pool.keep_within(budget.clone());
        for _ in 0..3 {
            let mut streams = [(); 3].map(|()| Gzip::new(&compressors));
            for stream in &mut streams {
                let mut out = Vec::new();
                stream.write(b"abc", &mut out);
                stream.rest(&mut out);
            }
            assert_eq!(budget.available(), 1);
        }
        compressors.pool.clear();
        assert_eq!(budget.available(), COMPRESSOR + 1);
    }

    proptest! {
        #[test]
        fn unpacks_to_what_went_in(
            pieces in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..9000), any::<bool>()), 0..12),
            level in -1..10,
        ) {
            let mut out = Vec::new();
            let mut gzip = Gzip::new(&GzipCompressors::new(level));
            let mut plain: Vec<u8> = Vec::new();
            for (piece, rests) in &pieces {
                gzip.write(piece, &mut out);
                plain.extend(piece);
                if *rests {
                    gzip.rest(&mut out);
                    prop_assert_eq!(gzip.memory(), 0);
                }
            }
            gzip.finish(&mut out);
            prop_assert_eq!(gunzip(&out), plain);
        }
    }
}
