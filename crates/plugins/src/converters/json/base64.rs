//! Base64 as Jackson reads it: padded groups of four, with white space between groups, and more groups after a padded one.

pub(super) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len() / 4 * 3);
    let mut rest = text.as_bytes();
    loop {
        while let Some((&first, after)) = rest.split_first()
            && first <= b' '
        {
            rest = after;
        }
        if rest.is_empty() {
            return Some(decoded);
        }
        let (group, after) = rest.split_first_chunk::<4>()?;
        rest = after;
        let padding = match group {
            [.., b'=', b'='] => 2,
            [.., b'='] => 1,
            _ => 0,
        };
        let mut bits = 0u32;
        for &byte in &group[..4 - padding] {
            bits = bits << 6 | value_of(byte)?;
        }
        bits <<= 6 * padding;
        let bytes = bits.to_be_bytes();
        decoded.extend_from_slice(&bytes[1..4 - padding]);
    }
}

fn value_of(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_jackson_reads() {
        let check = |text: &str, bytes: Option<&[u8]>| {
            assert_eq!(decode_base64(text).as_deref(), bytes, "{text}");
        };
        check("", Some(b""));
        check("AQL/", Some(&[1, 2, 255]));
        check("AQ==AQ==", Some(&[1, 1]));
        check("AQL/\n AQ==", Some(&[1, 2, 255, 1]));
        check("AQ", None);
        check("AQ\nL/", None);
        check("AQL_", None);
        check("A===", None);
    }
}
