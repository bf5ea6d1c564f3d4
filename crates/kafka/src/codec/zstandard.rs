//! Zstandard: frames one after another.

use super::{CodecError, MAX_DECOMPRESSED, read_bounded};
use zstd::stream::read::Decoder;
use zstd::zstd_safe::{DCtx, get_frame_content_size};

/// What unfolds to more is read piece by piece.
const COMMON_RATIO: usize = 8;

/// Room for frames that are short.
const LEAST_ROOM: usize = 256 * 1024;

/// Into an output that is empty.
pub(super) fn decompress(input: &[u8], output: &mut Vec<u8>) -> Result<(), CodecError> {
    if at_once(input, output).is_some() {
        return Ok(());
    }
    read_bounded(Decoder::with_buffer(input)?, output)
}

/// Frames that fit into the room, without the window that a stream copies everything through. Otherwise `None`, and the output
/// is empty. What is left of the room has not been touched.
fn at_once(input: &[u8], output: &mut Vec<u8>) -> Option<()> {
    let most = input.len().saturating_mul(COMMON_RATIO).max(LEAST_ROOM);
    let most = most.min(MAX_DECOMPRESSED);
    let room = match get_frame_content_size(input).ok()? {
        Some(size) => usize::try_from(size).ok().filter(|size| *size <= most)?,
        None => most,
    };
    output.clear();
    output.reserve_exact(room);
    let done = DCtx::try_create()?.decompress(output, input);
    if done.is_err() {
        output.clear();
    }
    done.ok().map(drop)
}
