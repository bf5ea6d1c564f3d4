//! LZ4 frames as Kafka's Java client reads them: one frame, independent blocks; the content checksum is passed over,
//! because the batch has its own.

use super::{CodecError, check_room};
use twox_hash::XxHash32;

const MAGIC: [u8; 4] = 0x184D_2204u32.to_le_bytes();
const STORED: u32 = 1 << 31;
/// Of the frame's checksums.
const SEED: u32 = 0;

pub(super) fn decompress(
    input: &[u8],
    check_header: bool,
    output: &mut Vec<u8>,
) -> Result<(), CodecError> {
    let (frame, mut rest) = Frame::parse(input, check_header)?;
    loop {
        let (size, after) = take_u32(rest)?;
        rest = after;
        if size == 0 {
            break;
        }
        let length = (size & !STORED) as usize;
        if length > frame.max_block {
            return Err(CodecError::Malformed(
                "an lz4 block is longer than its frame allows",
            ));
        }
        let (block, after) = rest
            .split_at_checked(length)
            .ok_or(CodecError::Malformed("truncated lz4 block"))?;
        rest = after;
        if frame.block_checksums {
            let (expected, after) = take_u32(rest)?;
            rest = after;
            if XxHash32::oneshot(SEED, block) != expected {
                return Err(CodecError::Malformed("lz4 block checksum mismatch"));
            }
        }
        if size & STORED != 0 {
            check_room(output, length)?;
            output.extend_from_slice(block);
        } else {
            // A block unfolds to at most 255 times its size, so that a short one never asks for megabytes.
            let room = frame.max_block.min(length.saturating_mul(255) + 16);
            check_room(output, room)?;
            let start = output.len();
            output.resize(start + room, 0);
            let result = lz4_flex::block::decompress_into(block, &mut output[start..]);
            output.truncate(start + result.as_ref().copied().unwrap_or(0));
            result?;
        }
    }
    if frame.content_checksum {
        take_u32(rest)?;
    }
    Ok(())
}

struct Frame {
    max_block: usize,
    block_checksums: bool,
    content_checksum: bool,
}

impl Frame {
    fn parse(input: &[u8], check_header: bool) -> Result<(Frame, &[u8]), CodecError> {
        let cut_off = CodecError::Malformed("truncated lz4 frame header");
        let Some(descriptor) = input.strip_prefix(&MAGIC) else {
            return Err(CodecError::Malformed(
                "not an lz4 frame (magic number mismatch)",
            ));
        };
        let &[flags, block, ..] = descriptor else {
            return Err(cut_off);
        };
        if flags >> 6 != 1 || flags & 0b11 != 0 {
            return Err(CodecError::Malformed(
                "the lz4 frame has flags of another version",
            ));
        }
        if flags & 0x20 == 0 {
            return Err(CodecError::Malformed(
                "lz4 blocks that depend on each other are not supported",
            ));
        }
        if block & 0x8F != 0 || block >> 4 < 4 {
            return Err(CodecError::Malformed(
                "the lz4 frame has an unknown block size",
            ));
        }
        let length = if flags & 0x08 != 0 { 10 } else { 2 };
        let Some((described, [checksum, rest @ ..])) = descriptor.split_at_checked(length) else {
            return Err(cut_off);
        };
        if check_header && (XxHash32::oneshot(SEED, described) >> 8) as u8 != *checksum {
            return Err(CodecError::Malformed("lz4 frame header checksum mismatch"));
        }
        let frame = Frame {
            max_block: 1 << (8 + 2 * (block >> 4)),
            block_checksums: flags & 0x10 != 0,
            content_checksum: flags & 0x04 != 0,
        };
        Ok((frame, rest))
    }
}

fn take_u32(bytes: &[u8]) -> Result<(u32, &[u8]), CodecError> {
    let (word, rest) = bytes
        .split_first_chunk::<4>()
        .ok_or(CodecError::Malformed("truncated lz4 frame"))?;
    Ok((u32::from_le_bytes(*word), rest))
}
