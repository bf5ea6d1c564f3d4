//! FileReader: a container file block by block, of which no more than one block is in memory.

use super::codec::Codec;
use super::error::ContainerError;
use super::{CODEC, MAGIC, SCHEMA, SyncMarker};
use std::io::{self, Read};

/// The most that a header may hold: schemas are texts that a registry takes.
const LARGEST_HEADER: usize = 16 * 1024 * 1024;

/// What is read at a time of what claims to be long: claims are believed when the bytes are there.
const STEP: usize = 64 * 1024;

/// Data of a file, decompressed.
#[derive(Debug)]
pub struct Block {
    /// Data in the block.
    pub count: u64,
    pub bytes: Vec<u8>,
}

/// Reads one file.
#[derive(Debug)]
pub struct FileReader<R> {
    input: R,
    schema: String,
    codec: Codec,
    metadata: Vec<(String, Vec<u8>)>,
    sync: SyncMarker,
    largest_block: usize,
}

impl<R: Read> FileReader<R> {
    /// Reads the header. `largest_block` bounds the memory of a block, in bytes, compressed and not.
    ///
    /// # Errors
    /// If the file is none, or has a codec that is not known.
    pub fn open(mut input: R, largest_block: usize) -> Result<Self, ContainerError> {
        let mut magic = [0; 4];
        input
            .read_exact(&mut magic)
            .map_err(|error| ended(error, "its header"))?;
        if magic != MAGIC {
            return Err(ContainerError::NotAvro);
        }
        let mut header = Header {
            input: &mut input,
            left: LARGEST_HEADER,
        };
        let metadata = header.metadata()?;
        let mut sync = [0; 16];
        input
            .read_exact(&mut sync)
            .map_err(|error| ended(error, "its header"))?;
        let text = |key: &'static str| {
            let found = metadata.iter().find(|(known, _)| known == key);
            found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
        };
        let codec = text(CODEC).unwrap_or_else(|| Codec::Null.name().to_owned());
        Ok(FileReader {
            schema: text(SCHEMA).ok_or(ContainerError::Missing(SCHEMA))?,
            codec: Codec::from_name(&codec).ok_or(ContainerError::UnknownCodec(codec))?,
            metadata,
            input,
            sync,
            largest_block,
        })
    }

    /// The text of the schema.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// All of the header's entries, in order.
    pub fn metadata(&self) -> &[(String, Vec<u8>)] {
        &self.metadata
    }

    /// The next block; none at the end of the file.
    ///
    /// # Errors
    /// If the block is damaged, incomplete, or larger than was allowed for.
    pub fn next_block(&mut self) -> Result<Option<Block>, ContainerError> {
        let Some(count) = read_first_long(&mut self.input)? else {
            return Ok(None);
        };
        let size = read_long(&mut self.input, "a block")?;
        let (Ok(count), Ok(size)) = (u64::try_from(count), usize::try_from(size)) else {
            return Err(ContainerError::Damaged("a block has a negative size"));
        };
        if size > self.largest_block {
            return Err(ContainerError::TooLarge {
                what: "a block",
                most: self.largest_block,
            });
        }
        let block = read_exactly(&mut self.input, size, "a block")?;
        let mut sync = [0; 16];
        self.input
            .read_exact(&mut sync)
            .map_err(|error| ended(error, "a block"))?;
        if sync != self.sync {
            return Err(ContainerError::Damaged(
                "a block does not end with the file's marker",
            ));
        }
        let bytes = self.codec.decompress(block, self.largest_block)?;
        Ok(Some(Block { count, bytes }))
    }
}

/// What may be read of a header.
struct Header<'a, R> {
    input: &'a mut R,
    left: usize,
}

impl<R: Read> Header<'_, R> {
    fn metadata(&mut self) -> Result<Vec<(String, Vec<u8>)>, ContainerError> {
        let mut entries = Vec::new();
        loop {
            let count = read_long(self.input, "its header")?;
            if count == 0 {
                return Ok(entries);
            }
            if count < 0 {
                read_long(self.input, "its header")?;
            }
            for _ in 0..count.unsigned_abs() {
                let key = self.bytes()?;
                let key = String::from_utf8(key).map_err(|_| ContainerError::NotAvro)?;
                entries.push((key, self.bytes()?));
            }
        }
    }

    fn bytes(&mut self) -> Result<Vec<u8>, ContainerError> {
        let length = read_long(self.input, "its header")?;
        let length = usize::try_from(length).map_err(|_| ContainerError::NotAvro)?;
        // Entries of no bytes are counted too.
        let left = self.left.checked_sub(length.saturating_add(1));
        self.left = left.ok_or(ContainerError::TooLarge {
            what: "the header",
            most: LARGEST_HEADER,
        })?;
        read_exactly(self.input, length, "its header")
    }
}

fn read_exactly(
    input: &mut impl Read,
    length: usize,
    what: &'static str,
) -> Result<Vec<u8>, ContainerError> {
    let mut bytes = Vec::new();
    while bytes.len() < length {
        let start = bytes.len();
        bytes.resize(length.min(start + STEP.max(start)), 0);
        input
            .read_exact(&mut bytes[start..])
            .map_err(|error| ended(error, what))?;
    }
    Ok(bytes)
}

fn read_long(input: &mut impl Read, what: &'static str) -> Result<i64, ContainerError> {
    read_first_long(input)?.ok_or(ContainerError::Truncated(what))
}

/// A number, unless there is nothing more.
fn read_first_long(input: &mut impl Read) -> Result<Option<i64>, ContainerError> {
    let mut bytes = Vec::with_capacity(10);
    while bytes.len() < 10 {
        let mut next = [0];
        match input.read(&mut next) {
            Ok(0) if bytes.is_empty() => return Ok(None),
            Ok(0) => return Err(ContainerError::Truncated("a number")),
            Ok(_) => bytes.push(next[0]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        }
        if next[0] < 0x80 {
            break;
        }
    }
    let number = crate::wire::take_long(&mut bytes.as_slice());
    number
        .map(Some)
        .map_err(|_| ContainerError::Damaged("a number is too long"))
}

fn ended(error: io::Error, what: &'static str) -> ContainerError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => ContainerError::Truncated(what),
        _ => error.into(),
    }
}
