//! gzip: members one after another; as in Java, bytes behind them that begin no further one are passed over.

use super::{CodecError, check_room, read_bounded};
use flate2::bufread::GzDecoder;
use libdeflater::Decompressor;
use memchr::memmem;

/// What a member begins with: the magic number, and the only method there is.
const MEMBER: [u8; 3] = [0x1F, 0x8B, 8];

/// A member that claims to unfold to more is not believed, but read piece by piece.
const COMMON_RATIO: usize = 64;

pub(super) fn decompress(mut input: &[u8], output: &mut Vec<u8>) -> Result<(), CodecError> {
    if at_once(input, output).is_some() {
        return Ok(());
    }
    loop {
        let mut member = GzDecoder::new(input);
        read_bounded(&mut member, output)?;
        input = member.into_inner();
        if !input.starts_with(&MEMBER[..2]) {
            return Ok(());
        }
    }
}

/// A single member that is whole and sound, which takes half the time of reading it piece by piece. Otherwise `None`, and
/// nothing is appended.
fn at_once(input: &[u8], output: &mut Vec<u8>) -> Option<()> {
    // Where the bytes of a beginning stand nowhere else, no further member is left out.
    if memmem::find(input.get(MEMBER.len()..)?, &MEMBER).is_some() {
        return None;
    }
    let length = u32::from_le_bytes(*input.last_chunk()?) as usize;
    if length > input.len().saturating_mul(COMMON_RATIO) || check_room(output, length).is_err() {
        return None;
    }
    let start = output.len();
    output.resize(start + length, 0);
    let done = Decompressor::new().gzip_decompress(input, &mut output[start..]);
    output.truncate(start + done.as_ref().copied().unwrap_or(0));
    done.ok().map(drop)
}

#[cfg(test)]
mod tests {
    use super::super::{Codec, compress};
    use super::*;

    fn members(texts: &[&str]) -> Vec<u8> {
        let packed = texts
            .iter()
            .map(|text| compress(Codec::Gzip, text.as_bytes()));
        packed
            .flat_map(|member| member.expect("memory takes all"))
            .collect()
    }

    fn check(input: &[u8], text: &str, is_at_once: bool) {
        let mut output = b"before".to_vec();
        assert_eq!(at_once(input, &mut output).is_some(), is_at_once);
        output.truncate(b"before".len());
        decompress(input, &mut output).expect("it is sound");
        assert_eq!(output, format!("before{text}").as_bytes());
    }

    #[test]
    fn all_members_are_read() {
        check(&members(&["one"]), "one", true);
        check(&members(&["one", "two"]), "onetwo", false);
        // The trailers of both are the same.
        check(&members(&["one", "one"]), "oneone", false);
        check(&members(&["", "one"]), "one", false);
        check(
            &[members(&["one"]), b"behind".to_vec()].concat(),
            "one",
            false,
        );
        check(&[members(&["one"]), vec![9, 0, 0, 0]].concat(), "one", true);
    }

    #[test]
    fn what_is_damaged_is_read_as_far_as_it_goes() {
        let text = "some words, and some more words ".repeat(99);
        let mut input = members(&[&text]);
        input.truncate(input.len() - 3);
        let mut output = Vec::new();
        assert!(decompress(&input, &mut output).is_err());
        assert_eq!(output, text.as_bytes());
    }

    #[test]
    fn a_claim_is_not_believed() {
        let mut input = members(&["one"]);
        let end = input.len() - 4;
        input[end..].copy_from_slice(&u32::MAX.to_le_bytes());
        let mut output = Vec::new();
        assert!(at_once(&input, &mut output).is_none());
        assert_eq!(output.capacity(), 0);
        assert!(decompress(&input, &mut output).is_err());
    }
}
