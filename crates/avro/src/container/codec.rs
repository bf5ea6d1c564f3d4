//! How blocks are compressed.

use super::error::ContainerError;
use bzip2::Compression;
use bzip2::read::{BzDecoder, BzEncoder};
use libdeflater::{CompressionLvl, Compressor, DecompressionError, Decompressor};
use std::io::Read;

/// The codecs that the S3 sink may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    Null,
    /// Without a header, at zlib's default level.
    Deflate,
    /// With the checksum of the block behind it.
    Snappy,
    Bzip2,
}

/// zlib's default.
const DEFLATE_LEVEL: i32 = 6;

impl Codec {
    /// The codec of a file's or a setting's name for it.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "null" => Codec::Null,
            "deflate" => Codec::Deflate,
            "snappy" => Codec::Snappy,
            "bzip2" => Codec::Bzip2,
            _ => return None,
        })
    }

    pub fn name(self) -> &'static str {
        match self {
            Codec::Null => "null",
            Codec::Deflate => "deflate",
            Codec::Snappy => "snappy",
            Codec::Bzip2 => "bzip2",
        }
    }

    /// A block as it stands in the file.
    pub(super) fn compress(self, block: &[u8]) -> Vec<u8> {
        match self {
            Codec::Null => block.to_vec(),
            Codec::Deflate => {
                let level = CompressionLvl::new(DEFLATE_LEVEL).unwrap_or_default();
                let mut compressor = Compressor::new(level);
                let mut out = vec![0; compressor.deflate_compress_bound(block.len())];
                let written = compressor.deflate_compress(block, &mut out);
                out.truncate(written.expect("there is room for the worst case"));
                out
            }
            Codec::Snappy => {
                let mut encoder = snap::raw::Encoder::new();
                let compressed = encoder.compress_vec(block);
                // It refuses nothing but blocks of 4 GiB, which a part of an object is not.
                let mut out = compressed.expect("a block is far smaller than snappy's bound");
                out.extend_from_slice(&crc32fast::hash(block).to_be_bytes());
                out
            }
            Codec::Bzip2 => {
                let mut out = Vec::new();
                let read = BzEncoder::new(block, Compression::best()).read_to_end(&mut out);
                read.expect("a slice can be read");
                out
            }
        }
    }

    /// A block as it was before compression, if it is no longer than that.
    pub(super) fn decompress(self, block: Vec<u8>, most: usize) -> Result<Vec<u8>, ContainerError> {
        let too_large = || ContainerError::TooLarge {
            what: "a block",
            most,
        };
        let damaged = || ContainerError::Damaged("a block cannot be decompressed");
        match self {
            Codec::Null => Ok(block),
            Codec::Deflate => {
                let mut decompressor = Decompressor::new();
                let mut room = block
                    .len()
                    .saturating_mul(4)
                    .max(super::BLOCK_SIZE)
                    .min(most);
                loop {
                    let mut out = vec![0; room];
                    match decompressor.deflate_decompress(&block, &mut out) {
                        Ok(len) => {
                            out.truncate(len);
                            return Ok(out);
                        }
                        Err(DecompressionError::InsufficientSpace) if room < most => {
                            room = room.saturating_mul(2).min(most);
                        }
                        Err(DecompressionError::InsufficientSpace) => return Err(too_large()),
                        Err(DecompressionError::BadData) => return Err(damaged()),
                    }
                }
            }
            Codec::Snappy => {
                let (data, checksum) = block.split_last_chunk::<4>().ok_or_else(damaged)?;
                let claimed = snap::raw::decompress_len(data).map_err(|_| damaged())?;
                if claimed > most {
                    return Err(too_large());
                }
                let plain = snap::raw::Decoder::new()
                    .decompress_vec(data)
                    .map_err(|_| damaged())?;
                match crc32fast::hash(&plain) == u32::from_be_bytes(*checksum) {
                    true => Ok(plain),
                    false => Err(ContainerError::Damaged("a block's checksum is wrong")),
                }
            }
            Codec::Bzip2 => {
                let mut out = Vec::new();
                let mut bounded = BzDecoder::new(block.as_slice()).take(most as u64 + 1);
                bounded.read_to_end(&mut out).map_err(|_| damaged())?;
                if out.len() > most {
                    Err(too_large())
                } else {
                    Ok(out)
                }
            }
        }
    }
}
