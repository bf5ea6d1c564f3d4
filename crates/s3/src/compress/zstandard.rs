//! Zstandard (RFC 8878): one frame with its checksum, or several behind one another where memory was short meanwhile.

use super::pool::Pool;
use std::io;
use zstd::zstd_safe::{CCtx, CParameter, InBuffer, OutBuffer, SafeResult, get_error_name};

/// The window's size as a power of two: 512 KiB, for which every reader has room.
const WINDOW_LOG: u32 = 19;

/// Those of the tables of the higher levels, which would have up to 80 MiB.
const TABLE_LOG: u32 = 18;
const BOUND_FROM: i32 = 6;

/// Compressors that are kept for the next objects.
const SPARE: usize = 2;

/// Plain bytes handed to the compressor at a time.
pub(super) const PLAIN: usize = 64 * 1024;

/// Compressed bytes are given out in pieces of this size.
const PIECE: usize = 16 * 1024;

/// Makes compressors of one level. Cloning shares those that are done with.
#[derive(Clone, Debug)]
pub(crate) struct ZstdCompressors {
    level: i32,
    pub(super) pool: Pool<CCtx<'static>>,
}

impl ZstdCompressors {
    pub(super) fn new(level: i32) -> Self {
        ZstdCompressors {
            level,
            pool: Pool::new(SPARE),
        }
    }

    fn take(&self) -> io::Result<CCtx<'static>> {
        if let Some(context) = self.pool.take() {
            return Ok(context);
        }
        let mut context = CCtx::try_create().ok_or(io::ErrorKind::OutOfMemory)?;
        let mut parameters = vec![
            CParameter::CompressionLevel(self.level),
            CParameter::WindowLog(WINDOW_LOG),
            CParameter::ChecksumFlag(true),
        ];
        if self.level >= BOUND_FROM {
            let tables = [
                CParameter::HashLog(TABLE_LOG),
                CParameter::ChainLog(TABLE_LOG),
            ];
            parameters.extend(tables);
        }
        for parameter in parameters {
            done(context.set_parameter(parameter))?;
        }
        Ok(context)
    }
}

pub(crate) struct Zstd {
    compressors: ZstdCompressors,
    /// Taken with the first bytes of a frame.
    context: Option<CCtx<'static>>,
    has_frame: bool,
    /// Why the object is not to be stored.
    failure: Option<io::Error>,
}

impl Zstd {
    pub(super) fn new(compressors: &ZstdCompressors) -> Self {
        Zstd {
            compressors: compressors.clone(),
            context: None,
            has_frame: false,
            failure: None,
        }
    }

    pub(super) fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        if plain.is_empty() {
            return;
        }
        self.run(|context| {
            let mut piece = [0; PIECE];
            let mut input = InBuffer::around(plain);
            while input.pos() < plain.len() {
                let mut output = OutBuffer::around(&mut piece[..]);
                done(context.compress_stream(&mut output, &mut input))?;
                out.extend_from_slice(output.as_slice());
            }
            Ok(())
        });
    }

    /// Ends the frame, if there is one.
    pub(super) fn rest(&mut self, out: &mut Vec<u8>) {
        if self.context.is_some() {
            self.end_frame(out);
        }
    }

    pub(super) fn finish(mut self, out: &mut Vec<u8>) -> io::Result<()> {
        if self.context.is_some() || !self.has_frame {
            self.end_frame(out);
        }
        self.failure.map_or(Ok(()), Err)
    }

    pub(super) fn memory(&self) -> usize {
        self.context.as_ref().map_or(0, CCtx::sizeof)
    }

    fn end_frame(&mut self, out: &mut Vec<u8>) {
        self.run(|context| {
            let mut piece = [0; PIECE];
            loop {
                let mut output = OutBuffer::around(&mut piece[..]);
                let left = done(context.end_stream(&mut output))?;
                out.extend_from_slice(output.as_slice());
                if left == 0 {
                    return Ok(());
                }
            }
        });
        if let Some(context) = self.context.take().filter(|_| self.failure.is_none()) {
            let memory = context.sizeof();
            self.compressors.pool.give_back(context, memory);
        }
    }

    /// Does something with the compressor. After a failure nothing more is done: that there is no memory for one is the only one.
    fn run(&mut self, work: impl FnOnce(&mut CCtx<'static>) -> io::Result<()>) {
        if self.failure.is_some() {
            return;
        }
        self.has_frame = true;
        let context = match self.context.take() {
            Some(context) => Ok(context),
            None => self.compressors.take(),
        };
        let worked = context.and_then(|context| work(self.context.insert(context)));
        self.failure = worked.err();
    }
}

fn done(result: SafeResult) -> io::Result<usize> {
    result.map_err(|code| io::Error::other(format!("zstd: {}", get_error_name(code))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_core::ByteBudget;
    use proptest::prelude::*;

    fn unpacked(bytes: &[u8]) -> Vec<u8> {
        zstd::decode_all(bytes).expect("it is zstd")
    }

    #[test]
    fn nothing_is_a_frame_too() {
        let mut out = Vec::new();
        Zstd::new(&ZstdCompressors::new(3))
            .finish(&mut out)
            .expect("there is memory");
        assert!(!out.is_empty());
        assert_eq!(unpacked(&out), b"");
    }

    #[test]
    fn compressors_of_all_levels_have_some_megabytes() {
        let mut sizes = Vec::new();
        for level in 1..=19 {
            let mut out = Vec::new();
            let mut zstd = Zstd::new(&ZstdCompressors::new(level));
            zstd.write(&vec![7; 3 << 20], &mut out);
            let memory = zstd.memory();
            sizes.push((level, memory));
        }
        let is_some = |size: &(i32, usize)| (1 << 19..12 << 20).contains(&size.1);
        assert!(sizes.iter().all(is_some), "{sizes:?}");
    }

    #[test]
    fn compressors_are_kept_within_a_budget_and_let_go() {
        let compressors = ZstdCompressors::new(3);
        let budget = ByteBudget::new(16 << 20);
        compressors.pool.keep_within(budget.clone());
        for _ in 0..3 {
            let mut streams = [(); 3].map(|()| Zstd::new(&compressors));
            for stream in &mut streams {
                let mut out = Vec::new();
                stream.write(b"abc", &mut out);
                stream.rest(&mut out);
                assert_eq!(stream.memory(), 0);
            }
            assert!(budget.available() < 16 << 20);
        }
        compressors.pool.clear();
        assert_eq!(budget.available(), 16 << 20);
    }

    proptest! {
        #[test]
        fn unpacks_to_what_went_in(
            pieces in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..9000), any::<bool>()), 0..12),
            level in 1..20,
        ) {
            let (mut out, mut plain) = (Vec::new(), Vec::<u8>::new());
            let mut zstd = Zstd::new(&ZstdCompressors::new(level));
            for (piece, rests) in &pieces {
                zstd.write(piece, &mut out);
                plain.extend(piece);
                if *rests {
                    zstd.rest(&mut out);
                }
            }
            prop_assert!(zstd.finish(&mut out).is_ok());
            prop_assert_eq!(unpacked(&out), plain);
        }
    }
}
