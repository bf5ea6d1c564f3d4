//! Rows of a Parquet file, from its footer: the metadata in Thrift's compact protocol, their length, and `PAR1` (parquet-format
//! 2.11, `FileMetaData`: field 3 is the number of rows). Of the metadata nothing else is looked at.

use super::Unreadable;

const MAGIC: &[u8] = b"PAR1";
/// Length and magic behind the metadata.
const TAIL: usize = 8;
/// Metadata that are read at most.
const MOST: usize = 64 * 1024 * 1024;
const DEEPEST: u32 = 32;

/// What the end of a file tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParquetEnd {
    Rows(u64),
    /// So many bytes of the end are needed.
    Needs(usize),
}

/// Reads the end of a file.
///
/// # Errors
/// If it is the end of something else.
pub fn parquet_rows(end: &[u8], size: u64) -> Result<ParquetEnd, Unreadable> {
    let at = end
        .len()
        .checked_sub(TAIL)
        .ok_or(Unreadable::NoParquet("it is too short"))?;
    let (metadata, tail) = end.split_at(at);
    if &tail[4..] != MAGIC {
        return Err(Unreadable::NoParquet("its footer is missing"));
    }
    let length = u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]) as usize;
    if length > MOST || (length + TAIL + MAGIC.len()) as u64 > size {
        return Err(Unreadable::NoParquet(
            "its footer claims more than there is",
        ));
    }
    let Some(from) = metadata.len().checked_sub(length) else {
        return Ok(ParquetEnd::Needs(length + TAIL));
    };
    let mut thrift = Thrift(&metadata[from..]);
    let rows = thrift
        .rows()
        .ok_or(Unreadable::NoParquet("its footer is broken"))?;
    Ok(ParquetEnd::Rows(rows))
}

/// Thrift's compact protocol, as far as fields have to be passed over.
struct Thrift<'a>(&'a [u8]);

impl Thrift<'_> {
    fn rows(&mut self) -> Option<u64> {
        let mut id = 0i64;
        loop {
            let head = self.byte()?;
            let kind = head & 0x0f;
            if kind == 0 {
                return None;
            }
            id = match head >> 4 {
                0 => self.zigzag()?,
                delta => id + i64::from(delta),
            };
            if id == 3 {
                return u64::try_from(self.zigzag()?).ok();
            }
            self.skip(kind, 0)?;
        }
    }

    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn zigzag(&mut self) -> Option<i64> {
        let number = self.varint()?;
        Some((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    fn take(&mut self, length: u64) -> Option<()> {
        self.0 = self.0.get(usize::try_from(length).ok()?..)?;
        Some(())
    }

    fn skip(&mut self, kind: u8, depth: u32) -> Option<()> {
        if depth > DEEPEST {
            return None;
        }
        match kind {
            // Booleans stand in the head of their field.
            1 | 2 => Some(()),
            3 => self.take(1),
            4..=6 => self.varint().map(|_| ()),
            7 => self.take(8),
            8 => {
                let length = self.varint()?;
                self.take(length)
            }
            9 | 10 => self.list(depth),
            12 => loop {
                let head = self.byte()?;
                if head & 0x0f == 0 {
                    return Some(());
                }
                if head >> 4 == 0 {
                    self.zigzag()?;
                }
                self.skip(head & 0x0f, depth + 1)?;
            },
            // Maps do not occur.
            _ => None,
        }
    }

    fn list(&mut self, depth: u32) -> Option<()> {
        let head = self.byte()?;
        let count = match head >> 4 {
            15 => self.varint()?,
            short => u64::from(short),
        };
        for _ in 0..count {
            match head & 0x0f {
                // In a list a boolean has a byte.
                1 | 2 => self.take(1)?,
                kind => self.skip(kind, depth + 1)?,
            }
        }
        Some(())
    }
}
