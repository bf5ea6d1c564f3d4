//! Decompression of a record batch into one buffer. Nothing that the data declares about its own size is believed:
//! output grows only as decoded bytes arrive, up to one bound.

mod compress;
mod gzip;
mod lz4;
mod snappy;
mod zstandard;

pub use compress::compress;

use std::io::{self, Read};

/// A batch that unfolds to more than this is taken for damage or an attack; a broker's default for a whole batch is 1 MiB compressed.
pub(crate) const MAX_DECOMPRESSED: usize = 256 * 1024 * 1024;

/// What a batch's records are compressed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

impl Codec {
    /// By the name that `compression.type` has for it.
    pub fn named(name: &str) -> Option<Codec> {
        Some(match name {
            "none" => Codec::None,
            "gzip" => Codec::Gzip,
            "snappy" => Codec::Snappy,
            "lz4" => Codec::Lz4,
            "zstd" => Codec::Zstd,
            _ => return None,
        })
    }

    /// Its number in the attributes of a batch.
    pub fn id(self) -> u8 {
        match self {
            Codec::None => 0,
            Codec::Gzip => 1,
            Codec::Snappy => 2,
            Codec::Lz4 => 3,
            Codec::Zstd => 4,
        }
    }

    /// The codec that the three low attribute bits of a batch name.
    pub(crate) fn of(attributes: u8) -> Option<Codec> {
        match attributes & 7 {
            0 => Some(Codec::None),
            1 => Some(Codec::Gzip),
            2 => Some(Codec::Snappy),
            3 => Some(Codec::Lz4),
            4 => Some(Codec::Zstd),
            _ => None,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum CodecError {
    #[error("{0}")]
    Malformed(&'static str),
    #[error("decompressed data exceeds {MAX_DECOMPRESSED} bytes")]
    TooLarge,
    #[error("{0}")]
    Stream(#[from] io::Error),
    #[error("{0}")]
    Snappy(#[from] snap::Error),
    #[error("{0}")]
    Lz4(#[from] lz4_flex::block::DecompressError),
}

/// Decompressed bytes, and what went wrong after them: records before the damage can still be read.
pub(crate) struct Decompressed {
    pub(crate) bytes: Vec<u8>,
    pub(crate) error: Option<CodecError>,
}

/// `check_header` is false for message format 0, whose writers computed the LZ4 header checksum over the wrong bytes.
pub(crate) fn decompress(codec: Codec, input: &[u8], check_header: bool) -> Decompressed {
    // Typical batches shrink to a third or less; growing twice costs more than the spare room.
    let mut bytes = Vec::with_capacity((input.len() * 4).min(1 << 22));
    let result = match codec {
        Codec::None => {
            bytes.extend_from_slice(input);
            Ok(())
        }
        Codec::Gzip => gzip::decompress(input, &mut bytes),
        Codec::Snappy => snappy::decompress(input, &mut bytes),
        Codec::Lz4 => lz4::decompress(input, check_header, &mut bytes),
        Codec::Zstd => zstandard::decompress(input, &mut bytes),
    };
    // Memory is counted by what a batch holds: of much spare room most is given back.
    if bytes.capacity() / 2 > bytes.len() {
        bytes.shrink_to_fit();
    }
    Decompressed {
        bytes,
        error: result.err(),
    }
}

fn read_bounded(reader: impl Read, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
    let room = (MAX_DECOMPRESSED + 1).saturating_sub(bytes.len());
    reader.take(room as u64).read_to_end(bytes)?;
    if bytes.len() > MAX_DECOMPRESSED {
        return Err(CodecError::TooLarge);
    }
    Ok(())
}

/// Fails if `more` further bytes would pass the bound.
fn check_room(bytes: &[u8], more: usize) -> Result<(), CodecError> {
    if bytes.len().saturating_add(more) > MAX_DECOMPRESSED {
        return Err(CodecError::TooLarge);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn reads_what_it_writes(input in proptest::collection::vec(0u8..8, 0..100_000)) {
            for id in 0..5 {
                let codec = Codec::of(id).expect("0 to 4 are codecs");
                prop_assert_eq!(codec.id(), id);
                let packed = compress(codec, &input).expect("memory takes all");
                let unpacked = decompress(codec, &packed, true);
                prop_assert!(unpacked.error.is_none());
                prop_assert!(unpacked.bytes == input);
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(input in proptest::collection::vec(any::<u8>(), 0..300), attributes in 0u8..5) {
            let codec = Codec::of(attributes).expect("0 to 4 are codecs");
            decompress(codec, &input, true);
            // With a header that passes, so that the blocks are reached.
            let mut framed = vec![0x04, 0x22, 0x4D, 0x18, 0x60, 0x40, 0x82];
            framed.extend_from_slice(&input);
            decompress(Codec::Lz4, &framed, false);
            let mut framed = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01".to_vec();
            framed.extend_from_slice(&input);
            decompress(Codec::Snappy, &framed, true);
        }
    }

    fn packed_and_unpacked(codec: Codec, input: &[u8]) -> Decompressed {
        let packed = compress(codec, input).expect("memory takes all");
        decompress(codec, &packed, true)
    }

    #[test]
    fn no_codec_unfolds_more_than_the_bound() {
        let most = vec![0; MAX_DECOMPRESSED + 1];
        for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
            let unpacked = packed_and_unpacked(codec, &most);
            assert!(
                matches!(unpacked.error, Some(CodecError::TooLarge)),
                "{codec:?}"
            );
            assert!(unpacked.bytes.len() <= most.len(), "{codec:?}");
        }
    }

    #[test]
    fn a_short_batch_takes_little_memory() {
        for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
            let unpacked = packed_and_unpacked(codec, b"a short text");
            assert_eq!(unpacked.bytes, b"a short text", "{codec:?}");
            assert!(unpacked.bytes.capacity() < 1024, "{codec:?}");
        }
    }

    /// As xerial's stream in Java, which takes a size that is cut off for the end.
    #[test]
    fn report_f5_a_size_that_is_cut_off_ends_the_data() {
        let whole = compress(Codec::Snappy, b"some text").expect("memory takes all");
        for slack in 0..4 {
            let mut input = whole.clone();
            input.extend_from_slice(&vec![0; slack]);
            let unpacked = decompress(Codec::Snappy, &input, true);
            assert!(unpacked.error.is_none(), "{slack} bytes behind");
            assert_eq!(unpacked.bytes, b"some text");
        }
        let mut input = whole;
        input.extend_from_slice(&[0, 0, 0, 9, 1]);
        assert!(decompress(Codec::Snappy, &input, true).error.is_some());
    }
}
