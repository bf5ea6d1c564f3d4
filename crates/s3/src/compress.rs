//! Compress: the bytes of an object that is compressed as a whole, on their way.
//!
//! A compressor is from half a megabyte to several, which thousands of open objects cannot each have. One of gzip is taken
//! for a block of an object at a time. One of Zstandard stays with its object, and is let go where memory is short; the next
//! one begins without knowing what came before, at the cost of a few bytes.

mod deflate;
mod gzip;
mod last_block;
mod pool;
mod zstandard;

use deflate::GzipCompressors;
use gzip::Gzip;
use millstream_core::ByteBudget;
use std::io;
use tokio::sync::oneshot;
use zstandard::{Zstd, ZstdCompressors};

/// How objects are compressed, and the memory of compressors that are done with. Cloning shares it.
#[derive(Clone, Debug)]
pub(crate) enum Compressors {
    Gzip(GzipCompressors),
    Zstd(ZstdCompressors),
}

impl Compressors {
    /// Levels as zlib counts them; a negative one is its default.
    pub(crate) fn gzip(level: i32) -> Self {
        Compressors::Gzip(GzipCompressors::new(level))
    }

    /// Levels from 1 to 19.
    pub(crate) fn zstd(level: i32) -> Self {
        Compressors::Zstd(ZstdCompressors::new(level))
    }

    /// What the names of objects end in.
    pub(crate) fn suffix(&self) -> &'static str {
        match self {
            Compressors::Gzip(_) => ".gz",
            Compressors::Zstd(_) => ".zst",
        }
    }

    /// Counts those that are kept as memory of this budget.
    pub(crate) fn keep_within(&self, budget: ByteBudget) {
        match self {
            Compressors::Gzip(all) => all.pool.keep_within(budget),
            Compressors::Zstd(all) => all.pool.keep_within(budget),
        }
    }

    /// Gives the memory of those that are kept back.
    pub(crate) fn clear(&self) {
        match self {
            Compressors::Gzip(all) => all.pool.clear(),
            Compressors::Zstd(all) => all.pool.clear(),
        }
    }

    /// Waits until nothing is being compressed beside the loop.
    pub(crate) async fn settled(&self) {
        if let Compressors::Gzip(all) = self {
            all.settled().await;
        }
    }

    /// Begins an object.
    pub(crate) fn begin(&self) -> Compressed {
        match self {
            Compressors::Gzip(all) => Compressed::Gzip(Gzip::new(all)),
            Compressors::Zstd(all) => Compressed::Zstd(Zstd::new(all)),
        }
    }
}

/// The end of an object, being compressed.
pub(crate) type Making = oneshot::Receiver<io::Result<Vec<u8>>>;

/// One object's bytes.
pub(crate) enum Compressed {
    Gzip(Gzip),
    Zstd(Zstd),
}

impl Compressed {
    /// As many plain bytes are worth a `take`.
    pub(crate) fn worth_it(&self) -> usize {
        match self {
            Compressed::Gzip(_) => deflate::BLOCK,
            Compressed::Zstd(_) => zstandard::PLAIN,
        }
    }

    /// Takes plain bytes over. What becomes of them, or of those before, is appended to `out` as far as it is there.
    pub(crate) async fn take(&mut self, plain: &mut Vec<u8>, out: &mut Vec<u8>) {
        match self {
            Compressed::Gzip(gzip) => gzip.take(plain, out).await,
            Compressed::Zstd(zstd) => {
                zstd.write(plain, out);
                plain.clear();
            }
        }
    }

    /// Ends at a whole byte what there is, and lets the compressor go; the object goes on with another one. Plain bytes stay
    /// if those before them are still being compressed.
    pub(crate) fn rest(&mut self, plain: &mut Vec<u8>, out: &mut Vec<u8>) {
        match self {
            Compressed::Gzip(gzip) => {
                if !gzip.collect(out) {
                    return;
                }
                gzip.write(plain, out);
            }
            Compressed::Zstd(zstd) => {
                zstd.write(plain, out);
                zstd.rest(out);
            }
        }
        *plain = Vec::new();
    }

    /// Writes the last bytes, what the compressor holds back, and the end.
    ///
    /// # Errors
    /// If something could not be compressed: the object is not to be stored.
    pub(crate) async fn finish(self, plain: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Compressed::Gzip(gzip) => gzip.finish(plain, out).await,
            Compressed::Zstd(mut zstd) => {
                zstd.write(plain, out);
                zstd.finish(out)
            }
        }
    }

    /// Does what `finish` does beside the loop, where that is worth it and there is a core and memory: then it has taken
    /// everything, and what it appends is at most `at_most` says.
    pub(crate) fn finish_beside(
        &mut self,
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Option<Making> {
        match self {
            Compressed::Gzip(gzip) => gzip.finish_beside(plain, out),
            Compressed::Zstd(_) => None,
        }
    }

    /// How many bytes will be appended at most, if so many plain ones are the last.
    pub(crate) fn at_most(&self, plain: usize) -> Option<usize> {
        match self {
            Compressed::Gzip(gzip) => Some(gzip.at_most(plain)),
            Compressed::Zstd(_) => None,
        }
    }

    /// Memory of the compressor, and of what is being compressed.
    pub(crate) fn memory(&self) -> usize {
        match self {
            Compressed::Gzip(gzip) => gzip.memory(),
            Compressed::Zstd(zstd) => zstd.memory(),
        }
    }
}
