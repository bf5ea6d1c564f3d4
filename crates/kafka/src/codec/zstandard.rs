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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// A frame that tells its size, and one that does not, as Java's producer writes them.
    fn frames(text: &[u8]) -> [Vec<u8>; 2] {
        let told = zstd::bulk::compress(text, 3).expect("memory takes all");
        let mut encoder = zstd::stream::Encoder::new(Vec::new(), 3).expect("3 is a level");
        encoder.write_all(text).expect("memory takes all");
        [told, encoder.finish().expect("memory takes all")]
    }

    fn check(input: &[u8], text: &[u8], is_at_once: bool) {
        assert_eq!(at_once(input, &mut Vec::new()).is_some(), is_at_once);
        let mut output = Vec::new();
        decompress(input, &mut output).expect("it is sound");
        assert!(output == text);
    }

    #[test]
    fn frames_of_both_kinds_are_read() {
        let long: Vec<u8> = (0..60_000u32).map(|n| n as u8).collect();
        for frame in frames(b"a short text").iter().chain(&frames(&long)) {
            let unfolded = zstd::stream::decode_all(&frame[..]).expect("it is sound");
            check(frame, &unfolded, true);
        }
        // Of more than the common ratio.
        let zeros = vec![0; 1 << 20];
        for frame in frames(&zeros) {
            check(&frame, &zeros, false);
        }
    }

    #[test]
    fn further_frames_are_read_too() {
        for first in frames(b"one") {
            for second in frames(b"two") {
                // Room for the first alone, where it tells its size, is none for both.
                let tells = matches!(get_frame_content_size(&first), Ok(Some(_)));
                check(&[first.clone(), second].concat(), b"onetwo", !tells);
            }
        }
    }

    #[test]
    fn what_is_damaged_is_an_error() {
        for mut frame in frames(b"some words, and some more words") {
            frame.truncate(frame.len() - 2);
            assert!(decompress(&frame, &mut Vec::new()).is_err());
        }
    }
}
