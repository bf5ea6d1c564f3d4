//! Compression of a batch that is about to be sent, in the frames that Kafka's clients write.

use super::Codec;
use flate2::Compression;
use flate2::write::GzEncoder;
use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
use std::io::{self, Write};

/// xerial's block size; Java's reader allocates by it.
const SNAPPY_BLOCK: usize = 32 * 1024;
const SNAPPY_HEADER: &[u8] = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";

/// The input in the codec's frame.
pub fn compress(codec: Codec, input: &[u8]) -> io::Result<Vec<u8>> {
    match codec {
        Codec::None => Ok(input.to_vec()),
        Codec::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(input)?;
            encoder.finish()
        }
        Codec::Snappy => {
            let mut output = SNAPPY_HEADER.to_vec();
            let mut encoder = snap::raw::Encoder::new();
            for block in input.chunks(SNAPPY_BLOCK) {
                let compressed = encoder.compress_vec(block)?;
                output.extend_from_slice(&(compressed.len() as u32).to_be_bytes());
                output.extend_from_slice(&compressed);
            }
            Ok(output)
        }
        Codec::Lz4 => {
            let frame = FrameInfo::new()
                .block_mode(BlockMode::Independent)
                .block_size(BlockSize::Max64KB);
            let mut encoder = FrameEncoder::with_frame_info(frame, Vec::new());
            encoder.write_all(input)?;
            Ok(encoder.finish()?)
        }
        // The level that Kafka's clients use by default.
        Codec::Zstd => zstd::stream::encode_all(input, 3),
    }
}
