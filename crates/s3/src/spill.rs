//! Spill: what open objects hold beyond their share of memory, in one unnamed temporary file.
//!
//! S3 takes no part below 5 MiB but the last, so an object that fills slowly must wait somewhere; with thousands of
//! partitions that is more than memory should hold.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::{JoinError, spawn_blocking};

/// The file is used in blocks of this size, so that space is found again without gaps. An object fills its last one
/// bit by bit; what is never written takes no space on a disk.
const BLOCK: usize = 64 * 1024;

/// Less than this stays in memory: writing it away would cost more than it gives back.
pub(crate) const WORTH_IT: usize = 1024;

/// A write that takes longer than this would hold others up, so what is left of it and the next one are done beside the loop.
const PATIENCE: Duration = Duration::from_millis(5);

/// Reading is done beside the loop, and so is writing until the file has shown that it takes bytes as fast as memory does, and
/// again as soon as it does not. Then writing stays where the bytes are in the processor's cache: brought to another core they
/// cost a sixth of all that the sink does. One call at a time, which its caller waits for.
#[derive(Debug)]
pub(crate) struct Spill {
    folder: PathBuf,
    /// Whether the last write was quick.
    is_quick: bool,
    /// Beyond this a write is not quick.
    patience: Duration,
    /// Made with the first block.
    file: Option<Arc<File>>,
    free: Vec<u32>,
    /// Blocks that the file has.
    blocks: u32,
    /// Why it takes nothing now.
    failure: Option<String>,
}

/// Bytes in the file. They must be read or forgotten, or their blocks stay taken.
#[derive(Debug, Default)]
pub(crate) struct Spilled {
    /// All but the last are full.
    blocks: Vec<u32>,
    len: usize,
}

/// What an object moves to the file: the bytes that follow those which it has there.
pub(crate) struct Move<'a> {
    pub(crate) bytes: &'a mut Vec<u8>,
    pub(crate) spilled: &'a mut Spilled,
}

/// Bytes and where in the file they belong, piece by piece.
struct Write {
    bytes: Vec<u8>,
    pieces: Vec<(u64, usize)>,
}

/// Writes, the first of which are done.
struct Writing {
    file: Option<Arc<File>>,
    writes: Vec<Write>,
    done: usize,
    failure: Option<io::Error>,
    is_quick: bool,
}

impl Spilled {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Memory that it holds itself.
    pub(crate) fn memory(&self) -> usize {
        self.blocks.capacity() * size_of::<u32>()
    }
}

impl Spill {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Spill {
            folder,
            is_quick: false,
            patience: PATIENCE,
            file: None,
            free: Vec::new(),
            blocks: 0,
            failure: None,
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether a file can be made there and written to.
    pub(crate) async fn check(&self) -> io::Result<()> {
        let folder = self.folder.clone();
        beside(move || tempfile::tempfile_in(folder)?.write_all_at(b"?", 0)).await
    }

    /// Why the file takes nothing, if so.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// Forgets the failure: the next write shows whether it has passed.
    pub(crate) fn try_again(&mut self) {
        self.failure = None;
    }

    /// Moves bytes into the file, object by object until that cannot be done: the bytes of those that come then stay where
    /// they are, and there is failure.
    pub(crate) async fn write(&mut self, mut moves: Vec<Move<'_>>) {
        if self.failure.is_some() || moves.is_empty() {
            return;
        }
        let before: Vec<usize> = moves.iter().map(|one| one.spilled.blocks.len()).collect();
        let writes = moves.iter_mut().map(|one| Write {
            pieces: self.places(one.bytes.len(), one.spilled),
            bytes: std::mem::take(one.bytes),
        });
        let writes = writes.collect();
        let mut writing = Writing {
            file: self.file.clone(),
            writes,
            done: 0,
            failure: None,
            is_quick: true,
        };
        let patience = self.patience;
        if self.is_quick {
            writing.go_on_within(patience);
        }
        if !writing.is_over() {
            let folder = self.folder.clone();
            let finished = beside(move || {
                writing.finish(&folder, patience);
                writing
            });
            writing = finished.await;
        }
        self.is_quick = writing.is_quick;
        self.file = writing.file;
        // Memory has to do until the next look: trying again for each batch would only cost time.
        self.failure = writing.failure.map(|error| error.to_string());
        let done = writing.done;
        for (at, (one, write)) in moves.into_iter().zip(writing.writes).enumerate() {
            if at < done {
                one.spilled.len += write.bytes.len();
            } else {
                *one.bytes = write.bytes;
                self.free.extend(one.spilled.blocks.drain(before[at]..));
            }
        }
    }

    /// Where the next so many bytes of an object belong; it gets the blocks for them.
    fn places(&mut self, len: usize, spilled: &mut Spilled) -> Vec<(u64, usize)> {
        let (mut at, end, mut pieces) = (spilled.len, spilled.len + len, Vec::new());
        while at < end {
            let within = at % BLOCK;
            if within == 0 {
                let block = self.take_block();
                spilled.blocks.push(block);
            }
            let piece = (end - at).min(BLOCK - within);
            let block = spilled.blocks[at / BLOCK];
            pieces.push((position(block) + within as u64, piece));
            at += piece;
        }
        pieces
    }

    /// Brings back all that was moved, in order, with room for `more` bytes behind it.
    pub(crate) async fn read(&mut self, spilled: &mut Spilled, more: usize) -> io::Result<Vec<u8>> {
        let (len, blocks) = (spilled.len, spilled.blocks.clone());
        let file = self.file.clone().ok_or(io::ErrorKind::NotFound)?;
        let whole = beside(move || {
            let mut whole = Vec::with_capacity(len + more);
            whole.resize(len, 0);
            for (chunk, block) in whole.chunks_mut(BLOCK).zip(blocks) {
                file.read_exact_at(chunk, position(block))?;
            }
            io::Result::Ok(whole)
        });
        let whole = whole.await?;
        self.forget(spilled);
        Ok(whole)
    }

    pub(crate) fn forget(&mut self, spilled: &mut Spilled) {
        self.free.append(&mut spilled.blocks);
        spilled.len = 0;
    }

    fn take_block(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.blocks += 1;
            self.blocks - 1
        })
    }
}

impl Writing {
    fn is_over(&self) -> bool {
        self.failure.is_some() || self.done == self.writes.len()
    }

    /// Writes until that takes too long, which ends it, too, or something fails.
    fn go_on_within(&mut self, patience: Duration) {
        let Some(file) = self.file.clone() else {
            return;
        };
        let started = Instant::now();
        while self.is_quick && !self.is_over() {
            self.next(&file);
            self.is_quick = started.elapsed() <= patience;
        }
    }

    /// Writes until something fails; the file is made if there is none.
    fn finish(&mut self, folder: &Path, patience: Duration) {
        let file = match self.file.take() {
            Some(file) => Ok(file),
            None => tempfile::tempfile_in(folder).map(Arc::new),
        };
        match file {
            Ok(file) => {
                let started = Instant::now();
                while !self.is_over() {
                    self.next(&file);
                }
                self.is_quick = started.elapsed() <= patience;
                self.file = Some(file);
            }
            Err(error) => self.failure = Some(error),
        }
    }

    fn next(&mut self, file: &File) {
        match self.writes[self.done].to(file) {
            Ok(()) => self.done += 1,
            Err(error) => self.failure = Some(error),
        }
    }
}

impl Write {
    fn to(&self, file: &File) -> io::Result<()> {
        let mut rest = &self.bytes[..];
        for (position, len) in &self.pieces {
            let (now, later) = rest.split_at(*len);
            file.write_all_at(now, *position)?;
            rest = later;
        }
        Ok(())
    }
}

/// Does what may block, beside the loop.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(work)
        .await
        .map_err(JoinError::try_into_panic)
    {
        Ok(done) => done,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        // The runtime ends, and with it whoever waits here.
        Err(Err(_)) => std::future::pending().await,
    }
}

fn position(block: u32) -> u64 {
    u64::from(block) * BLOCK as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    async fn moved(spill: &mut Spill, bytes: &[u8], spilled: &mut Spilled) -> bool {
        let mut bytes = bytes.to_vec();
        let expected = bytes.clone();
        let one = Move {
            bytes: &mut bytes,
            spilled,
        };
        spill.write(vec![one]).await;
        assert!(bytes.is_empty() || bytes == expected);
        bytes.is_empty()
    }

    #[tokio::test]
    async fn report_c4_a_folder_that_is_not_there_is_told_and_looked_for_again() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = parent.path().join("later");
        let mut spill = Spill::new(folder.clone());
        assert!(spill.check().await.is_err());
        let mut spilled = Spilled::default();
        assert!(!moved(&mut spill, b"abc", &mut spilled).await);
        assert_eq!((spilled.len(), spilled.blocks.len()), (0, 0));
        let failure = spill.failure().expect("a reason").to_owned();
        assert!(
            failure.starts_with("No such file or directory"),
            "{failure}"
        );
        std::fs::create_dir(&folder).expect("a folder");
        assert!(!moved(&mut spill, b"abc", &mut spilled).await);
        spill.try_again();
        assert!(moved(&mut spill, b"abc", &mut spilled).await && spill.failure().is_none());
        let back = spill.read(&mut spilled, 0).await.expect("it can be read");
        assert_eq!(back, b"abc");
    }

    /// A file that takes no more keeps what it took; the rest stays with its owners, in order, and blocks are not lost.
    #[tokio::test]
    async fn what_a_full_disk_does_not_take_stays_where_it_is() {
        let mut spill = Spill::new(std::env::temp_dir());
        let mut spilled = [(); 2].map(|()| Spilled::default());
        assert!(moved(&mut spill, b"first", &mut spilled[0]).await);
        // A file that can be read alone, of which there is one with the same content.
        let unwritable = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(unwritable.path(), b"first").expect("it is written");
        let full = File::open(unwritable.path()).expect("it is there");
        let disk = spill.file.replace(Arc::new(full));
        let mut bytes = [b"second".to_vec(), b"third".to_vec()];
        let moves = bytes.iter_mut().zip(&mut spilled);
        let moves = moves.map(|(bytes, spilled)| Move { bytes, spilled });
        spill.write(moves.collect()).await;
        assert!(spill.failure().is_some());
        assert_eq!(bytes, [b"second".to_vec(), b"third".to_vec()]);
        spill.file = disk;
        spill.try_again();
        let [first, second] = &mut spilled;
        assert!(moved(&mut spill, b" and more", first).await);
        assert!(moved(&mut spill, b"third", second).await);
        assert_eq!(
            spill.read(first, 0).await.expect("it can be read"),
            b"first and more"
        );
        assert_eq!(
            spill.read(second, 0).await.expect("it can be read"),
            b"third"
        );
        assert_eq!(spill.free.len(), spill.blocks as usize);
    }

    /// What takes too long is handed over after one write, with the rest of it in order.
    #[test]
    fn a_slow_file_holds_the_loop_up_for_one_write() {
        let write = |at: u64| Write {
            bytes: vec![b'a' + at as u8; 4],
            pieces: vec![(4 * at, 4)],
        };
        let mut writing = Writing {
            file: None,
            writes: (0..3).map(write).collect(),
            done: 0,
            failure: None,
            is_quick: true,
        };
        writing.go_on_within(Duration::MAX);
        assert_eq!(writing.done, 0, "a file is not made on the loop");
        let file = Arc::new(tempfile::tempfile().expect("a file"));
        writing.file = Some(Arc::clone(&file));
        writing.go_on_within(Duration::ZERO);
        assert_eq!((writing.done, writing.is_quick), (1, false));
        writing.finish(Path::new("nowhere"), Duration::MAX);
        assert!(writing.is_over() && writing.is_quick);
        let mut whole = [0; 12];
        file.read_exact_at(&mut whole, 0).expect("it can be read");
        assert_eq!(&whole, b"aaaabbbbcccc");
    }

    proptest! {
        #[test]
        fn gives_back_what_it_took(pieces in proptest::collection::vec((0..3usize, 0..40_000usize, any::<u8>()), 0..30), patience in 0..3u64) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            runtime.block_on(async {
                let mut spill = Spill::new(std::env::temp_dir());
                // On the loop, beside it, or handed over on the way.
                spill.patience = Duration::from_micros(patience * patience * 1000);
                let mut held: [(Spilled, Vec<u8>); 3] = Default::default();
                for (object, len, byte) in pieces {
                    let mut now: Vec<Vec<u8>> = vec![Vec::new(); 3];
                    now[object] = vec![byte; len];
                    now[(object + 1) % 3] = vec![!byte; len / 2];
                    for ((_, expected), bytes) in held.iter_mut().zip(&now) {
                        expected.extend(bytes);
                    }
                    let moves = now.iter_mut().zip(&mut held);
                    let moves = moves.map(|(bytes, (spilled, _))| Move { bytes, spilled });
                    spill.write(moves.collect()).await;
                    assert!(now.concat().is_empty());
                    if byte % 5 == 0 {
                        let (spilled, expected) = &mut held[object];
                        let back = spill.read(spilled, 0).await.expect("the file can be read");
                        assert_eq!(back, *expected);
                        expected.clear();
                    }
                }
                for (mut spilled, expected) in held {
                    if spilled.len() > 0 {
                        let back = spill.read(&mut spilled, 9).await.expect("the file can be read");
                        assert_eq!(back, expected);
                    }
                }
                assert_eq!(spill.free.len(), spill.blocks as usize);
            });
        }
    }
}
