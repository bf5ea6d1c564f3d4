//! Spill: what open objects hold beyond their share of memory, in one unnamed temporary file.
//!
//! S3 takes no part below 5 MiB but the last, so an object that fills slowly must wait somewhere; with thousands of
//! partitions that is more than memory should hold.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The file is used in blocks of this size, so that space is found again without gaps. An object fills its last one
/// bit by bit; what is never written takes no space on a disk.
const BLOCK: usize = 64 * 1024;

#[derive(Debug)]
pub(crate) struct Spill {
    folder: PathBuf,
    /// Made with the first block.
    file: Option<File>,
    free: Vec<u32>,
    /// Blocks that the file has.
    blocks: u32,
    /// Why it takes nothing now.
    trouble: Option<String>,
}

/// Bytes in the file. They must be read or forgotten, or their blocks stay taken.
#[derive(Debug, Default)]
pub(crate) struct Spilled {
    /// All but the last are full.
    blocks: Vec<u32>,
    len: usize,
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
            file: None,
            free: Vec::new(),
            blocks: 0,
            trouble: None,
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether a file can be made there and written to.
    pub(crate) fn check(&self) -> io::Result<()> {
        tempfile::tempfile_in(&self.folder)?.write_all_at(b"?", 0)
    }

    /// Why the file takes nothing, if so.
    pub(crate) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Forgets the trouble: the next write shows whether it has passed.
    pub(crate) fn try_again(&mut self) {
        self.trouble = None;
    }

    /// Moves bytes into the file; false, and nothing moved, if that cannot be done.
    pub(crate) fn write(&mut self, bytes: &[u8], spilled: &mut Spilled) -> bool {
        if self.trouble.is_some() {
            return false;
        }
        let (mut rest, mut len, before) = (bytes, spilled.len, spilled.blocks.len());
        while !rest.is_empty() {
            let within = len % BLOCK;
            if within == 0 {
                spilled.blocks.push(self.take_block());
            }
            let (now, later) = rest.split_at(rest.len().min(BLOCK - within));
            let last = spilled.blocks[len / BLOCK];
            if let Err(error) = self.write_at(position(last) + within as u64, now) {
                // Memory has to do until the next look: trying again for each batch would only cost time.
                self.trouble = Some(error.to_string());
                self.free.extend(spilled.blocks.drain(before..));
                return false;
            }
            len += now.len();
            rest = later;
        }
        spilled.len = len;
        true
    }

    /// Appends all that was moved, in order, to `out`.
    pub(crate) fn read(&mut self, spilled: &mut Spilled, out: &mut Vec<u8>) -> io::Result<()> {
        let start = out.len();
        out.resize(start + spilled.len, 0);
        for (chunk, &block) in out[start..].chunks_mut(BLOCK).zip(&spilled.blocks) {
            let file = self.file.as_ref().ok_or(io::ErrorKind::NotFound)?;
            file.read_exact_at(chunk, position(block))?;
        }
        self.forget(spilled);
        Ok(())
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

    fn write_at(&mut self, position: u64, bytes: &[u8]) -> io::Result<()> {
        let file = match &self.file {
            Some(file) => file,
            None => self.file.insert(tempfile::tempfile_in(&self.folder)?),
        };
        file.write_all_at(bytes, position)
    }
}

fn position(block: u32) -> u64 {
    u64::from(block) * BLOCK as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn report_c4_a_folder_that_is_not_there_is_told_and_looked_for_again() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = parent.path().join("later");
        let mut spill = Spill::new(folder.clone());
        assert!(spill.check().is_err());
        let mut spilled = Spilled::default();
        assert!(!spill.write(b"abc", &mut spilled));
        assert_eq!(spilled.len(), 0);
        let trouble = spill.trouble().expect("a reason").to_owned();
        assert!(
            trouble.starts_with("No such file or directory"),
            "{trouble}"
        );
        std::fs::create_dir(&folder).expect("a folder");
        assert!(!spill.write(b"abc", &mut spilled));
        spill.try_again();
        assert!(spill.write(b"abc", &mut spilled) && spill.trouble().is_none());
        let mut back = Vec::new();
        spill.read(&mut spilled, &mut back).expect("it can be read");
        assert_eq!(back, b"abc");
    }

    proptest! {
        #[test]
        fn gives_back_what_it_took(pieces in proptest::collection::vec((0..3usize, 0..40_000usize, any::<u8>()), 0..30)) {
            let mut spill = Spill::new(std::env::temp_dir());
            let mut held: [(Spilled, Vec<u8>); 3] = Default::default();
            for (object, len, byte) in pieces {
                let (spilled, expected) = &mut held[object];
                let bytes = vec![byte; len];
                prop_assert!(spill.write(&bytes, spilled));
                expected.extend(&bytes);
                if byte % 5 == 0 {
                    let mut back = Vec::new();
                    spill.read(spilled, &mut back).expect("the file can be read");
                    prop_assert_eq!(&back, &*expected);
                    expected.clear();
                }
            }
            for (mut spilled, expected) in held {
                let mut back = b"x".to_vec();
                spill.read(&mut spilled, &mut back).expect("the file can be read");
                prop_assert_eq!(&back[1..], &expected[..]);
            }
            prop_assert_eq!(spill.free.len(), spill.blocks as usize);
        }
    }
}
