//! Snappy, bare or in the chunks of xerial's Java stream.

use super::{CodecError, check_room};

const XERIAL: &[u8] = b"\x82SNAPPY\0";
/// Magic, version, lowest compatible version.
const XERIAL_HEADER: usize = 16;

pub(super) fn decompress(input: &[u8], output: &mut Vec<u8>) -> Result<(), CodecError> {
    if !input.starts_with(XERIAL) {
        return block(input, output);
    }
    let mut rest = input
        .get(XERIAL_HEADER..)
        .ok_or(CodecError::Malformed("truncated snappy header"))?;
    while !rest.is_empty() {
        // Streams put one after another repeat the header.
        if let Some(after) = rest
            .starts_with(XERIAL)
            .then(|| rest.get(XERIAL_HEADER..))
            .flatten()
        {
            rest = after;
            continue;
        }
        // As in Java, a size that is cut off is none, and the data ends before it.
        let Some((size, after)) = rest.split_first_chunk::<4>() else {
            break;
        };
        let chunk = after
            .get(..u32::from_be_bytes(*size) as usize)
            .ok_or(CodecError::Malformed("truncated snappy chunk"))?;
        block(chunk, output)?;
        rest = &after[chunk.len()..];
    }
    Ok(())
}

fn block(input: &[u8], output: &mut Vec<u8>) -> Result<(), CodecError> {
    if input.is_empty() {
        return Err(CodecError::Malformed("empty snappy chunk"));
    }
    let length = snap::raw::decompress_len(input)?;
    // Three bytes of snappy stand for 64 at most.
    if length > input.len().saturating_mul(22) {
        return Err(CodecError::Malformed("invalid length of a snappy block"));
    }
    check_room(output, length)?;
    let start = output.len();
    output.resize(start + length, 0);
    let result = snap::raw::Decoder::new().decompress(input, &mut output[start..]);
    if result.is_err() {
        output.truncate(start);
    }
    result?;
    Ok(())
}
