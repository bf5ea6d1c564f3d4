//! A gzip stream as Java writes it, one member with a bare header, put together of blocks that are compressed each by itself.
//!
//! No block knows what came before it, so that they may be compressed side by side and in no compressor's memory an object
//! waits for its next records. What that costs is less than what libdeflate finds more than zlib, at the levels below.

use super::Making;
use super::deflate::{BLOCK, Begun, Block, GzipCompressors};
use std::collections::VecDeque;
use std::io;
use tokio::sync::oneshot;

/// No name, no time, and "unknown" as operating system, which is Java 16's and later.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// A last block in which there is nothing.
const NOTHING: [u8; 2] = [3, 0];

/// Blocks of an object that wait for one before them.
const WAITING: usize = 32;

/// Fewer plain bytes are compressed before another core has them.
const WORTH_A_CORE: usize = 32 * 1024;

pub(crate) struct Gzip {
    compressors: GzipCompressors,
    checksum: crc32fast::Hasher,
    /// Bytes compressed so far; the format counts them modulo 2^32.
    len: u32,
    has_begun: bool,
    /// What comes next, in this order.
    beside: VecDeque<Begun>,
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
            beside: VecDeque::new(),
            failure: None,
        }
    }

    /// Takes a block over, to be compressed beside the loop. Where other objects have all cores, or memory is short, it is
    /// compressed here and now.
    pub(super) async fn take(&mut self, plain: &mut Vec<u8>, out: &mut Vec<u8>) {
        self.collect(out);
        // A large record is several blocks, of which no copies are made.
        while plain.len() < 2 * BLOCK {
            let core = match self.beside.len() {
                0 => self.compressors.core(plain.len()),
                // Whichever is done first: blocks differ in what they take.
                1..WAITING => self.compressors.next_core(plain.len()).await,
                _ => None,
            };
            if let Some(core) = core {
                let plain = std::mem::take(plain);
                self.beside.push_back(self.compressors.begin(core, plain));
                return;
            }
            if !self.append_next(out).await {
                break;
            }
        }
        while self.append_next(out).await {}
        self.write(plain, out);
        plain.clear();
    }

    /// Appends the blocks that are done; whether that are all.
    pub(super) fn collect(&mut self, out: &mut Vec<u8>) -> bool {
        while let Some(next) = self.beside.front_mut() {
            let compressed = match next.compressed.try_recv() {
                Ok(compressed) => compressed,
                Err(oneshot::error::TryRecvError::Empty) => return false,
                Err(oneshot::error::TryRecvError::Closed) => Err(not_compressed()),
            };
            self.beside.pop_front();
            self.append(compressed, out);
        }
        true
    }

    /// Waits for the next block; false if there is none.
    async fn append_next(&mut self, out: &mut Vec<u8>) -> bool {
        let Some(next) = self.beside.pop_front() else {
            return false;
        };
        let compressed = next.compressed.await;
        self.append(compressed.unwrap_or_else(|_| Err(not_compressed())), out);
        true
    }

    fn append(&mut self, compressed: io::Result<Block>, out: &mut Vec<u8>) {
        self.begin(out);
        match compressed {
            Ok(block) => {
                out.extend_from_slice(&block.stream);
                self.checksum.combine(&block.checksum);
                self.len = self.len.wrapping_add(block.len as u32);
            }
            Err(error) => {
                self.failure.get_or_insert(error);
            }
        }
    }

    /// Memory of blocks that are not in the object yet.
    pub(super) fn memory(&self) -> usize {
        self.beside.iter().map(|block| block.held).sum()
    }

    /// Compresses here and now. Nothing may be on its way.
    pub(super) fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        for piece in pieces(plain) {
            self.compress(piece, false, out);
        }
    }

    /// Writes what is on its way, the last bytes and the trailer.
    pub(super) async fn finish(mut self, plain: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        while self.append_next(out).await {}
        self.end(plain, out)
    }

    /// Does what `finish` does beside the loop and takes all that it needs for that, if there is a core and memory.
    pub(super) fn finish_beside(
        &mut self,
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Option<Making> {
        if plain.len() + self.memory() < WORTH_A_CORE {
            return None;
        }
        let core = self.compressors.core(plain.len())?;
        let fresh = Gzip::new(&self.compressors);
        let mut gzip = std::mem::replace(self, fresh);
        let (plain, mut out) = (std::mem::take(plain), std::mem::take(out));
        Some(core.run(move || {
            while let Some(next) = gzip.beside.pop_front() {
                let compressed = next.compressed.blocking_recv();
                let compressed = compressed.unwrap_or_else(|_| Err(not_compressed()));
                gzip.append(compressed, &mut out);
            }
            gzip.end(&plain, &mut out)?;
            Ok(out)
        }))
    }

    /// How many bytes so many plain ones will add to the object, with those that are on their way, its end included.
    pub(super) fn at_most(&self, plain: usize) -> usize {
        let all = plain + self.memory();
        HEADER.len() + all + all / 64 + 64
    }

    /// The last bytes and the trailer.
    fn end(mut self, plain: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
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

/// Who compresses has panicked, or the process ends.
fn not_compressed() -> io::Error {
    io::Error::other("a block of the object has not been compressed")
}

/// Pieces of a block's size, none of which is much smaller than another.
fn pieces(plain: &[u8]) -> impl Iterator<Item = &[u8]> {
    let count = (plain.len() / BLOCK).max(1);
    plain.chunks(plain.len().div_ceil(count).max(1))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::deflate::COMPRESSOR;
    use super::*;
    use flate2::read::GzDecoder;
    use millstream_core::ByteBudget;
    use proptest::prelude::*;
    use std::io::Read;
    use std::sync::Arc;
    use tokio::sync::Semaphore;

    /// What is in the one member, behind which nothing comes.
    fn gunzip(mut bytes: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        let mut decoder = GzDecoder::new(&mut bytes);
        decoder.read_to_end(&mut plain).expect("it is gzip");
        assert_eq!(bytes, b"");
        plain
    }

    fn block_on<F: Future>(future: F) -> F::Output {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.build().expect("a runtime");
        runtime.block_on(future)
    }

    fn gzip(level: i32, plain: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let gzip = Gzip::new(&GzipCompressors::new(level));
        block_on(gzip.finish(plain, &mut out)).expect("it can be compressed");
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

    /// What a sink does with an object.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        /// Enough bytes for a block, or what memory is short for.
        Write,
        /// Hand over, with room for so many compressors in the budget.
        Take(usize),
        Collect,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            Just(Step::Write),
            (0..4usize).prop_map(Step::Take),
            Just(Step::Collect)
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Whatever is compressed beside the loop or on it, in large pieces or small, is one member in the order in which
        /// it came.
        #[test]
        fn unpacks_to_what_went_in(
            steps in proptest::collection::vec((step(), any::<u64>(), 0..2 * BLOCK + 9), 0..12),
            last in 0..2 * BLOCK,
            ends_beside: bool,
            level in -1..10,
        ) {
            let text = lines(3 * BLOCK);
            let compressors = GzipCompressors::on(level, Arc::new(Semaphore::new(2)));
            let budget = ByteBudget::new(8 * COMPRESSOR);
            compressors.pool.keep_within(budget.clone());
            let mut gzip = Gzip::new(&compressors);
            let (mut out, mut whole) = (Vec::new(), Vec::new());
            block_on(async {
                for (step, from, len) in steps {
                    let from = from as usize % BLOCK;
                    let mut plain = text[from..from + len].to_vec();
                    match step {
                        Step::Write if gzip.beside.is_empty() => gzip.write(&plain, &mut out),
                        Step::Write | Step::Collect => {
                            gzip.collect(&mut out);
                            continue;
                        }
                        Step::Take(room) => {
                            compressors.pool.clear();
                            let most = budget.available().saturating_sub(room * 2 * COMPRESSOR);
                            let taken = budget.try_acquire(most);
                            gzip.take(&mut plain, &mut out).await;
                            assert!(plain.is_empty());
                            drop(taken);
                        }
                    }
                    whole.extend_from_slice(&text[from..from + len]);
                }
                let mut last = text[..last].to_vec();
                whole.extend_from_slice(&last);
                let most = out.len() + gzip.at_most(last.len());
                let made = ends_beside.then(|| gzip.finish_beside(&mut last, &mut out));
                match made.flatten() {
                    Some(made) => out = made.await.unwrap().unwrap(),
                    None => gzip.finish(&last, &mut out).await.unwrap(),
                }
                assert!(out.len() <= most);
                compressors.settled().await;
            });
            prop_assert_eq!(gunzip(&out), whole);
            compressors.pool.clear();
            prop_assert_eq!(budget.available(), budget.total());
        }
    }

    /// Blocks go on side by side, as many as there are cores, and count as memory until they are in the object.
    #[tokio::test]
    async fn blocks_are_compressed_beside_the_loop() {
        let compressors = GzipCompressors::on(9, Arc::new(Semaphore::new(2)));
        compressors
            .pool
            .keep_within(ByteBudget::new(8 * COMPRESSOR));
        let mut gzip = Gzip::new(&compressors);
        let (text, mut out) = (lines(BLOCK), Vec::new());
        gzip.take(&mut text.clone(), &mut out).await;
        assert_eq!((gzip.beside.len(), out.len()), (1, 0));
        assert!(gzip.memory() >= text.len());
        gzip.take(&mut text.clone(), &mut out).await;
        while gzip.append_next(&mut out).await {}
        assert_eq!((gzip.memory(), gzip.collect(&mut out)), (0, true));
        compressors.settled().await;
        // Without a core that is free it is done here.
        let _all = [(); 2].map(|()| compressors.core(0).expect("it is free"));
        let before = out.len();
        gzip.take(&mut text.clone(), &mut out).await;
        assert!(gzip.beside.is_empty() && out.len() > before);
        gzip.finish(b"", &mut out)
            .await
            .expect("it can be compressed");
        assert_eq!(gunzip(&out), text.repeat(3));
    }
}
