//! Deflate streams by libdeflate, block by block, beside the loop where there is a core and memory for that.

use super::last_block::{LastBlock, last_block};
use super::pool::Pool;
use libdeflater::{CompressionLvl, Compressor};
use millstream_core::BytePermit;
use std::io;
use std::sync::{Arc, LazyLock};
use std::thread::available_parallelism;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::spawn_blocking;

/// Plain bytes of a block: with a quarter of it objects of JSON are five in a hundred larger, with four times it one smaller.
pub(super) const BLOCK: usize = 256 * 1024;

/// What a compressor holds: a window's chains and heads of hashes (256 KiB), the symbols of a block (391 KiB) and their codes.
pub(super) const COMPRESSOR: usize = 672 * 1024;

/// The level of libdeflate for each of zlib's: the cheapest one whose objects are not larger than Java's.
const LEVELS: [i32; 10] = [0, 1, 1, 2, 3, 5, 6, 7, 7, 8];

/// Zlib's default.
const DEFAULT_LEVEL: usize = 6;

/// The end of a block at a whole byte: behind the three bits of its header, an empty one of bytes as they are.
const EMPTY_BLOCK: [u8; 4] = [0, 0, 0xff, 0xff];

/// The cores that compress beside the loops of all tasks; none where there is one only.
static CORES: LazyLock<Arc<Semaphore>> = LazyLock::new(|| {
    let cores = machine();
    Arc::new(Semaphore::new(if cores > 1 { cores } else { 0 }))
});

fn machine() -> usize {
    available_parallelism().map_or(1, usize::from)
}

/// More of a task's blocks are never compressed at a time, which is what waiting for all of them counts on.
const MOST_AT_A_TIME: u32 = 1024;

/// Makes compressors of one level. Cloning shares those that are done with.
#[derive(Clone, Debug)]
pub(crate) struct GzipCompressors {
    level: CompressionLvl,
    pub(super) pool: Pool<Deflater>,
    cores: Arc<Semaphore>,
    /// What these compressors have beside the loop.
    at_work: Arc<Semaphore>,
}

impl GzipCompressors {
    pub(super) fn new(level: i32) -> Self {
        GzipCompressors::on(level, Arc::clone(&CORES))
    }

    pub(super) fn on(level: i32, cores: Arc<Semaphore>) -> Self {
        let level = usize::try_from(level).unwrap_or(DEFAULT_LEVEL);
        let level = LEVELS[level.min(LEVELS.len() - 1)];
        GzipCompressors {
            level: CompressionLvl::new(level).unwrap_or_default(),
            pool: Pool::new(machine()),
            cores,
            at_work: Arc::new(Semaphore::new(MOST_AT_A_TIME as usize)),
        }
    }

    /// Waits for what is being compressed, of objects that were dropped, too: some milliseconds.
    pub(super) async fn settled(&self) {
        // The semaphore is never closed.
        let _all = self.at_work.acquire_many(MOST_AT_A_TIME).await;
    }

    fn take(&self) -> Deflater {
        self.pool.take().unwrap_or_else(|| Deflater {
            compressor: Compressor::new(self.level),
            scratch: Vec::new(),
        })
    }

    /// Compresses a block and appends it to `out`; the last one, or one behind which others come.
    pub(super) fn compress(
        &self,
        plain: &[u8],
        is_last: bool,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        let mut deflater = self.take();
        let done = deflater.compress(plain, is_last, out);
        let memory = COMPRESSOR + deflater.scratch.capacity();
        self.pool.give_back(deflater, memory);
        done
    }

    /// A block, compressed.
    fn block(&self, plain: &[u8]) -> io::Result<Block> {
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(plain);
        let mut stream = Vec::new();
        self.compress(plain, false, &mut stream)?;
        Ok(Block {
            stream,
            checksum,
            len: plain.len(),
        })
    }

    /// A core that is free, and memory to compress so many bytes.
    pub(super) fn core(&self, len: usize) -> Option<Core> {
        let core = Arc::clone(&self.cores).try_acquire_owned().ok()?;
        self.with_memory(core, len)
    }

    /// The next core that is free; none if memory is short then.
    pub(super) async fn next_core(&self, len: usize) -> Option<Core> {
        // The semaphore is never closed.
        let core = Arc::clone(&self.cores).acquire_owned().await.ok()?;
        self.with_memory(core, len)
    }

    fn with_memory(&self, core: OwnedSemaphorePermit, len: usize) -> Option<Core> {
        let at_work = Arc::clone(&self.at_work).try_acquire_owned().ok()?;
        let scratch = len.min(2 * BLOCK);
        let memory = self.pool.reserve(COMPRESSOR + scratch + scratch / 8)?;
        Some(Core {
            _memory: memory,
            _core: core,
            _at_work: at_work,
        })
    }

    /// Begins to compress a block beside the loop.
    pub(super) fn begin(&self, core: Core, plain: Vec<u8>) -> Begun {
        let compressors = self.clone();
        let held = plain.capacity();
        let compressed = core.run(move || {
            let block = compressors.block(&plain);
            drop(plain);
            block
        });
        Begun { compressed, held }
    }
}

/// A core of those that compress beside the loop.
pub(super) struct Core {
    _memory: BytePermit,
    _core: OwnedSemaphorePermit,
    /// Given back last: who waits for it counts on the others.
    _at_work: OwnedSemaphorePermit,
}

impl Core {
    /// Does work on a thread for blocking work. Nobody need wait for it.
    pub(super) fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> oneshot::Receiver<T> {
        let (done, result) = oneshot::channel();
        spawn_blocking(move || {
            let worked = work();
            drop(self);
            // Nobody waits for it if the object has been dropped.
            let _ = done.send(worked);
        });
        result
    }
}

/// A block that is being compressed.
pub(super) struct Begun {
    pub(super) compressed: oneshot::Receiver<io::Result<Block>>,
    /// What its plain bytes take, and less those that they become.
    pub(super) held: usize,
}

pub(super) struct Block {
    pub(super) stream: Vec<u8>,
    pub(super) checksum: crc32fast::Hasher,
    /// Of the plain bytes.
    pub(super) len: usize,
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
