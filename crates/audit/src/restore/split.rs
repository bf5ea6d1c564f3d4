//! Splitter: the records of an object as its bytes come.

use crate::compression::{Compression, Unpacker};
use crate::contents::{ContentKind, Unreadable};

/// Why an object cannot be cut into records.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    #[error("a record is longer than {0} bytes")]
    TooLong(usize),
    #[error("objects of this format have no lines")]
    Format,
}

/// Cuts what comes behind each separator. Holds the record that is open, and what a piece held besides.
pub struct Splitter {
    separator: Vec<u8>,
    longest: usize,
    compression: Compression,
    unpacker: Unpacker<Vec<u8>>,
    /// What was not taken yet.
    open: Vec<u8>,
    /// Where the next record begins in it.
    at: usize,
    /// From where on no separator was looked for.
    searched: usize,
}

impl Splitter {
    /// For objects of this kind, whose records have `longest` bytes at most.
    ///
    /// # Errors
    /// If the format has no records behind each other.
    pub fn new(kind: &ContentKind, longest: usize) -> Result<Self, SplitError> {
        let (separator, compression) = match kind {
            ContentKind::Json { compression } => (b"\n".to_vec(), *compression),
            ContentKind::Bytes { separator, .. } if separator.is_empty() => {
                return Err(Unreadable::NoSeparator.into());
            }
            ContentKind::Bytes {
                separator,
                compression,
            } => (separator.clone(), *compression),
            ContentKind::Avro | ContentKind::Parquet => return Err(SplitError::Format),
        };
        Ok(Splitter {
            separator,
            longest,
            compression,
            unpacker: Unpacker::new(compression, Vec::new())?,
            open: Vec::new(),
            at: 0,
            searched: 0,
        })
    }

    /// Takes bytes of the object, and gives the records that are whole. Returns how many it took: the others are for the next
    /// call, since much may come of few.
    ///
    /// # Errors
    /// If they are not what they are to be, or a record is too long.
    pub fn push(&mut self, bytes: &[u8], records: &mut Vec<Vec<u8>>) -> Result<usize, SplitError> {
        let taken = bytes.len().min(self.compression.piece());
        self.unpacker.push(&bytes[..taken])?;
        self.cut(records)?;
        Ok(taken)
    }

    /// The records that were left, now that all bytes were taken.
    ///
    /// # Errors
    /// If the object ends within a record.
    pub fn finish(&mut self, records: &mut Vec<Vec<u8>>) -> Result<(), SplitError> {
        self.unpacker.finish()?;
        self.cut(records)?;
        match self.open.len() - self.at {
            0 => Ok(()),
            left => Err(Unreadable::Tail(left as u64).into()),
        }
    }

    fn cut(&mut self, records: &mut Vec<Vec<u8>>) -> Result<(), SplitError> {
        self.open.append(self.unpacker.inner());
        let from = self.searched.max(self.at);
        let mut search = from;
        while let Some(found) = memchr::memmem::find(&self.open[search..], &self.separator) {
            let end = search + found;
            if end - self.at > self.longest {
                return Err(SplitError::TooLong(self.longest));
            }
            records.push(self.open[self.at..end].to_vec());
            self.at = end + self.separator.len();
            search = self.at;
        }
        if self.open.len() - self.at > self.longest + self.separator.len() {
            return Err(SplitError::TooLong(self.longest));
        }
        self.open.drain(..self.at);
        self.at = 0;
        // A separator may have begun.
        self.searched = (self.open.len() + 1).saturating_sub(self.separator.len());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;
    use std::io::Write;

    fn split(
        kind: &ContentKind,
        bytes: &[u8],
        piece: usize,
        longest: usize,
    ) -> Result<Vec<Vec<u8>>, SplitError> {
        let mut splitter = Splitter::new(kind, longest)?;
        let mut records = Vec::new();
        for mut piece in bytes.chunks(piece) {
            while !piece.is_empty() {
                piece = &piece[splitter.push(piece, &mut records)?..];
            }
        }
        splitter.finish(&mut records)?;
        Ok(records)
    }

    #[test]
    fn a_record_has_a_bound() {
        let kind = ContentKind::Json {
            compression: Compression::None,
        };
        assert_eq!(split(&kind, b"12345\n", 2, 5).unwrap(), [b"12345"]);
        assert_eq!(split(&kind, b"123456\n", 2, 5), Err(SplitError::TooLong(5)));
        assert_eq!(
            split(&kind, b"1\n2", 2, 5),
            Err(SplitError::Unreadable(Unreadable::Tail(1)))
        );
        assert_eq!(
            split(&ContentKind::Avro, b"", 2, 5),
            Err(SplitError::Format)
        );
    }

    proptest! {
        #[test]
        fn records_come_back(records in proptest::collection::vec("[ab]{0,9}", 0..20), piece in 1usize..9, which in 0usize..6) {
            use Compression::{Gzip, None, Zstd};
            let (separator, compression) = [("\n", None), ("##", None), ("\n", Gzip), ("x#x", Gzip), ("\n", Zstd), ("x#x", Zstd)][which];
            let text: String = records.iter().map(|record| format!("{record}{separator}")).collect();
            let mut bytes = text.into_bytes();
            match compression {
                None => {}
                Gzip => {
                    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
                    encoder.write_all(&bytes).unwrap();
                    bytes = encoder.finish().unwrap();
                }
                Zstd => {
                    let (first, rest) = bytes.split_at(bytes.len() / 2);
                    let frame = |bytes: &[u8]| zstd::encode_all(bytes, 3).unwrap();
                    bytes = [frame(first), frame(rest)].concat();
                }
            }
            let kind = ContentKind::Bytes { separator: separator.as_bytes().to_vec(), compression };
            let found = split(&kind, &bytes, piece, 9).unwrap();
            let expected: Vec<Vec<u8>> = records.into_iter().map(String::into_bytes).collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn anything_is_cut_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200), piece in 1usize..50) {
            for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
                let _ = split(&ContentKind::Json { compression }, &bytes, piece, 50);
            }
        }
    }
}
