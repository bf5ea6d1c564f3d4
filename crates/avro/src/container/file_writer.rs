//! FileWriter: a container file, given out block by block.

use super::codec::Codec;
use super::{BLOCK_SIZE, CODEC, MAGIC, SCHEMA, SyncMarker};
use crate::wire::{put_bytes, put_long};

/// Writes one file. What is not given out yet is the block that is being filled.
#[derive(Debug)]
pub struct FileWriter {
    codec: Codec,
    sync: SyncMarker,
    /// What comes before the first block, until it is given out.
    header: Option<Vec<u8>>,
    block: Vec<u8>,
    data: u64,
}

impl FileWriter {
    /// Begins a file of a schema, by its text.
    pub fn new(schema: &str, codec: Codec, sync: SyncMarker) -> Self {
        let mut header = MAGIC.to_vec();
        let metadata = [(SCHEMA, schema), (CODEC, codec.name())];
        put_long(&mut header, metadata.len() as i64);
        for (key, value) in metadata {
            put_bytes(&mut header, key.as_bytes());
            put_bytes(&mut header, value.as_bytes());
        }
        put_long(&mut header, 0);
        header.extend_from_slice(&sync);
        FileWriter {
            codec,
            sync,
            header: Some(header),
            block: Vec::new(),
            data: 0,
        }
    }

    /// Writes a datum into the block; a block that is full is appended to `out`.
    ///
    /// # Errors
    /// Those of `write`. It has to leave nothing behind then.
    pub fn append<E>(
        &mut self,
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        write(&mut self.block)?;
        self.data += 1;
        if self.block.len() >= BLOCK_SIZE {
            self.close_block(out);
        }
        Ok(())
    }

    /// Memory that is held, in bytes.
    pub fn memory(&self) -> usize {
        self.block.capacity() + self.header.as_ref().map_or(0, Vec::capacity)
    }

    /// Appends what is held to `out`, as a block that is shorter than others, and holds no memory until the next datum.
    pub fn flush(&mut self, out: &mut Vec<u8>) {
        self.close_block(out);
        self.block = Vec::new();
    }

    fn close_block(&mut self, out: &mut Vec<u8>) {
        out.extend(self.header.take().unwrap_or_default());
        if self.data == 0 {
            return;
        }
        put_long(out, std::mem::take(&mut self.data) as i64);
        match self.codec {
            Codec::Null => put_bytes(out, &self.block),
            codec => put_bytes(out, &codec.compress(&self.block)),
        }
        out.extend_from_slice(&self.sync);
        // One large datum is no reason to keep so much for the next.
        self.block.clear();
        self.block.shrink_to(2 * BLOCK_SIZE);
    }
}
