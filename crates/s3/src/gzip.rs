//! A gzip stream as Java writes it: one member, a bare header, and the compressed bytes as they come.

use flate2::{Compress, Compression, FlushCompress, Status};

/// No name, no time, and "unknown" as operating system, which is Java 16's and later.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// Room made for each step of the compressor: small enough not to matter, large enough to matter seldom.
const STEP: usize = 32 * 1024;

pub(crate) struct Gzip {
    compress: Compress,
    checksum: crc32fast::Hasher,
    /// Bytes compressed so far; the format counts them modulo 2^32.
    len: u32,
    has_begun: bool,
}

impl Gzip {
    /// Levels as zlib counts them; a negative one is its default.
    pub(crate) fn new(level: i32) -> Self {
        let level = u32::try_from(level).map_or_else(|_| Compression::default(), Compression::new);
        Gzip {
            compress: Compress::new(level, false),
            checksum: crc32fast::Hasher::new(),
            len: 0,
            has_begun: false,
        }
    }

    pub(crate) fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        self.begin(out);
        self.checksum.update(plain);
        self.len = self.len.wrapping_add(plain.len() as u32);
        let mut rest = plain;
        while !rest.is_empty() {
            let taken = self.step(rest, out, FlushCompress::None);
            rest = &rest[taken..];
        }
    }

    /// Writes what the compressor holds back, and the trailer.
    pub(crate) fn finish(mut self, out: &mut Vec<u8>) {
        self.begin(out);
        loop {
            let before = out.len();
            out.reserve(STEP);
            let status = self.compress.compress_vec(&[], out, FlushCompress::Finish);
            // An error would come of a wrong sequence of calls, and this is the only one there is.
            if !matches!(status, Ok(Status::Ok | Status::BufError)) || out.len() == before {
                break;
            }
        }
        out.extend_from_slice(&self.checksum.finalize().to_le_bytes());
        out.extend_from_slice(&self.len.to_le_bytes());
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if !self.has_begun {
            out.extend_from_slice(&HEADER);
            self.has_begun = true;
        }
    }

    /// Compresses some of `plain` and says how much.
    fn step(&mut self, plain: &[u8], out: &mut Vec<u8>, flush: FlushCompress) -> usize {
        let before = self.compress.total_in();
        out.reserve(STEP);
        let status = self.compress.compress_vec(plain, out, flush);
        debug_assert!(status.is_ok());
        (self.compress.total_in() - before) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
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
        let mut gzip = Gzip::new(-1);
        gzip.write(b"a\n", &mut out);
        gzip.finish(&mut out);
        let hex: String = out.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "1f8b08000000000000ff4be4020007a1eadd02000000");
    }

    proptest! {
        #[test]
        fn unpacks_to_what_went_in(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..9000), 0..12), level in -1..10) {
            let mut out = Vec::new();
            let mut gzip = Gzip::new(level);
            for piece in &pieces {
                gzip.write(piece, &mut out);
            }
            gzip.finish(&mut out);
            prop_assert_eq!(gunzip(&out), pieces.concat());
        }
    }
}
