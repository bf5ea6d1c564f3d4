//! MD5 of eight messages at once. One message leaves the processor waiting for itself; eight side by side, each in a
//! lane, cost hardly more than one.

use md5::{Digest, Md5};
use wide::u32x8;

const LANES: usize = 8;
const BLOCK: usize = 64;

/// Messages of more blocks are rare and gain little; they go one by one.
const MOST_BLOCKS: usize = 64;

/// Appends the first `keep` bytes of each input's digest, in order.
pub(super) fn digest_all(inputs: &[&[u8]], keep: usize, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + inputs.len() * keep, 0);
    let digests = &mut out[start..];
    let mut put = |index: usize, digest: &[u8]| {
        digests[index * keep..(index + 1) * keep].copy_from_slice(&digest[..keep]);
    };
    // Lanes must have equally many blocks: the messages wait by that number until there are eight.
    let mut waiting = [([0usize; LANES], 0usize); MOST_BLOCKS];
    for (index, input) in inputs.iter().enumerate() {
        let blocks = (input.len() + 9).div_ceil(BLOCK);
        let Some((lanes, count)) = waiting.get_mut(blocks - 1) else {
            put(index, &Md5::digest(input));
            continue;
        };
        lanes[*count] = index;
        *count += 1;
        if *count == LANES {
            *count = 0;
            let digests = digest_eight(lanes.map(|lane| inputs[lane]), blocks);
            for (lane, digest) in lanes.iter().zip(&digests) {
                put(*lane, digest);
            }
        }
    }
    for (blocks, (lanes, count)) in waiting.iter().enumerate() {
        if *count > 0 {
            // Idle lanes do the first one's work again.
            let messages =
                std::array::from_fn(|lane| inputs[lanes[if lane < *count { lane } else { 0 }]]);
            let digests = digest_eight(messages, blocks + 1);
            for (lane, digest) in lanes[..*count].iter().zip(&digests) {
                put(*lane, digest);
            }
        }
    }
}

/// The digests of eight messages that fill equally many blocks.
fn digest_eight(messages: [&[u8]; LANES], blocks: usize) -> [[u8; 16]; LANES] {
    let mut tails = [[0u8; 2 * BLOCK]; LANES];
    let mut whole = [0; LANES];
    for (lane, message) in messages.iter().enumerate() {
        whole[lane] = message.len() / BLOCK;
        let rest = &message[whole[lane] * BLOCK..];
        let tail = &mut tails[lane];
        tail[..rest.len()].copy_from_slice(rest);
        tail[rest.len()] = 0x80;
        let end = (blocks - whole[lane]) * BLOCK;
        let bits = (message.len() as u64).wrapping_mul(8);
        tail[end - 8..end].copy_from_slice(&bits.to_le_bytes());
    }
    let mut state = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476].map(u32x8::splat);
    for block in 0..blocks {
        let parts: [&[u8; BLOCK]; LANES] = std::array::from_fn(|lane| {
            let (source, from) = if block < whole[lane] {
                (messages[lane], block * BLOCK)
            } else {
                (&tails[lane][..], (block - whole[lane]) * BLOCK)
            };
            source[from..].first_chunk().expect("a block is whole")
        });
        let words: [u32x8; 16] = std::array::from_fn(|word| {
            u32x8::new(parts.map(|part| {
                u32::from_le_bytes(*part[4 * word..].first_chunk().expect("four bytes are left"))
            }))
        });
        compress(&mut state, &words);
    }
    let words = state.map(u32x8::to_array);
    std::array::from_fn(|lane| {
        let mut digest = [0; 16];
        for (part, word) in digest.chunks_exact_mut(4).zip(&words) {
            part.copy_from_slice(&word[lane].to_le_bytes());
        }
        digest
    })
}

/// One operation of RFC 1321: `b + rotate(a + f + word + sine, SHIFT)`.
#[inline(always)]
fn step<const SHIFT: u32>(a: u32x8, b: u32x8, f: u32x8, word: u32x8, sine: u32) -> u32x8 {
    let sum = a + f + word + u32x8::splat(sine);
    b + ((sum << SHIFT) | (sum >> (32 - SHIFT)))
}

#[inline(always)]
fn compress(state: &mut [u32x8; 4], words: &[u32x8; 16]) {
    let [mut a, mut b, mut c, mut d] = *state;
    // Four operations, after which the variables are back in their places.
    macro_rules! round {
        ($f:expr, $word:expr, $first:expr, $s1:literal, $s2:literal, $s3:literal, $s4:literal) => {
            for quad in 0..4 {
                let i = 4 * quad;
                a = step::<$s1>(a, b, $f(b, c, d), words[$word(i)], SINES[$first + i]);
                d = step::<$s2>(
                    d,
                    a,
                    $f(a, b, c),
                    words[$word(i + 1)],
                    SINES[$first + i + 1],
                );
                c = step::<$s3>(
                    c,
                    d,
                    $f(d, a, b),
                    words[$word(i + 2)],
                    SINES[$first + i + 2],
                );
                b = step::<$s4>(
                    b,
                    c,
                    $f(c, d, a),
                    words[$word(i + 3)],
                    SINES[$first + i + 3],
                );
            }
        };
    }
    let choose = |x: u32x8, y: u32x8, z: u32x8| z ^ (x & (y ^ z));
    round!(choose, |i: usize| i, 0, 7, 12, 17, 22);
    let choose_by_last = |x: u32x8, y: u32x8, z: u32x8| y ^ (z & (x ^ y));
    round!(
        choose_by_last,
        |i: usize| (5 * i + 1) % 16,
        16,
        5,
        9,
        14,
        20
    );
    let parity = |x: u32x8, y: u32x8, z: u32x8| x ^ y ^ z;
    round!(parity, |i: usize| (3 * i + 5) % 16, 32, 4, 11, 16, 23);
    let ones = u32x8::splat(u32::MAX);
    let last = |x: u32x8, y: u32x8, z: u32x8| y ^ (x | (z ^ ones));
    round!(last, |i: usize| (7 * i) % 16, 48, 6, 10, 15, 21);
    for (word, add) in state.iter_mut().zip([a, b, c, d]) {
        *word += add;
    }
}

/// The table T of RFC 1321: the integer parts of 2^32 |sin(i)|.
const SINES: [u32; 64] = [
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_the_crate(
            messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..40)
        ) {
            let inputs: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
            let mut digests = b"before".to_vec();
            digest_all(&inputs, 16, &mut digests);
            for (input, digest) in inputs.iter().zip(digests[6..].chunks(16)) {
                prop_assert_eq!(digest, &Md5::digest(input)[..]);
            }
        }
    }

    #[test]
    fn takes_long_messages_too() {
        let long = vec![7u8; 10_000];
        let mut digests = Vec::new();
        digest_all(&[&long, b"x"], 16, &mut digests);
        assert_eq!(digests[..16], Md5::digest(&long)[..]);
    }
}
