//! PartBuffers: the memory of parts, used again. A fresh buffer costs the kernel's zeroing of its pages, which is more
//! than everything else that is done to the bytes of a part.

use super::shared::lock;
use bytes::Bytes;
use millstream_core::{ByteBudget, BytePermit};
use std::sync::{Arc, Mutex};

/// Buffers kept for the next parts.
const SPARE_BUFFERS: usize = 3;

/// One that a record of a common size has doubled is kept.
const MOST_PART_SIZES: usize = 4;

/// One that takes more than such a part of all memory for what is open is not.
const SHARE_OF_MEMORY: usize = 2;

/// Cloning shares it.
#[derive(Clone, Debug)]
pub(crate) struct PartBuffers {
    /// With the memory that each is counted as.
    spare: Arc<Mutex<Vec<(Vec<u8>, BytePermit)>>>,
    /// Without room in it a buffer is not kept.
    budget: ByteBudget,
    /// Smaller ones are not kept, nor those that a large record has made several times as large.
    part_size: usize,
}

impl PartBuffers {
    pub(crate) fn new(budget: ByteBudget, part_size: usize) -> Self {
        PartBuffers {
            spare: Arc::default(),
            budget,
            part_size,
        }
    }

    /// An empty buffer that a part has left behind, or none.
    pub(crate) fn take(&self) -> Option<Vec<u8>> {
        lock(&self.spare).pop().map(|(buffer, _)| buffer)
    }

    /// Gives the memory back.
    pub(crate) fn clear(&self) {
        lock(&self.spare).clear();
    }

    /// A part's bytes. Their memory comes back once the last who reads them lets go: that is the HTTP client, some
    /// time after the answer.
    pub(crate) fn lend(&self, part: Vec<u8>) -> Bytes {
        let most = MOST_PART_SIZES * self.part_size;
        let most = most.min(self.budget.total() / SHARE_OF_MEMORY);
        if !(self.part_size..=most).contains(&part.capacity()) {
            return part.into();
        }
        let owner = self.clone();
        Bytes::from_owner(PartInFlight { part, owner })
    }
}

/// A part on its way.
struct PartInFlight {
    part: Vec<u8>,
    owner: PartBuffers,
}

impl AsRef<[u8]> for PartInFlight {
    fn as_ref(&self) -> &[u8] {
        &self.part
    }
}

impl Drop for PartInFlight {
    fn drop(&mut self) {
        let mut spare = lock(&self.owner.spare);
        if spare.len() < SPARE_BUFFERS
            && let Some(permit) = self.owner.budget.try_acquire(self.part.capacity())
        {
            self.part.clear();
            spare.push((std::mem::take(&mut self.part), permit));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_comes_back_when_its_last_reader_has_let_go() {
        let buffers = PartBuffers::new(ByteBudget::new(99), 4);
        let part = buffers.lend(b"12345".to_vec());
        let reader = part.slice(1..);
        drop(part);
        assert_eq!((&reader[..], buffers.take()), (&b"2345"[..], None));
        drop(reader);
        assert_eq!(buffers.take(), Some(Vec::new()));
    }

    #[test]
    fn keeps_a_few_of_a_parts_size_as_long_as_there_is_memory() {
        let budget = ByteBudget::new(99);
        let buffers = PartBuffers::new(budget.clone(), 4);
        let lend_many = || {
            (0..9)
                .map(|len| buffers.lend(vec![0; len]))
                .collect::<Vec<_>>()
        };
        drop(lend_many());
        assert_eq!(budget.available(), 99 - 4 - 5 - 6);
        let kept: Vec<Vec<u8>> = std::iter::from_fn(|| buffers.take()).collect();
        assert_eq!(kept.len(), SPARE_BUFFERS);
        assert!(
            kept.iter()
                .all(|buffer| buffer.is_empty() && buffer.capacity() >= 4)
        );
        assert_eq!(budget.available(), 99);
        drop(lend_many());
        buffers.clear();
        let rest = budget.try_acquire(95);
        drop(lend_many());
        assert_eq!(budget.available(), 0);
        drop(rest);
        assert_eq!(budget.available(), 95);
    }
}
