//! Which partition a keyed record belongs to: Kafka's murmur2, so that all clients agree.

/// The partition of a key.
pub fn partition_of(key: &[u8], partitions: i32) -> i32 {
    (murmur2(key) & 0x7FFF_FFFF) % partitions.max(1)
}

fn murmur2(data: &[u8]) -> i32 {
    const M: u32 = 0x5BD1_E995;
    let mut hash = 0x9747_B28C ^ data.len() as u32;
    let (words, tail) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !tail.is_empty() {
        for (i, &byte) in tail.iter().enumerate() {
            hash ^= u32::from(byte) << (8 * i);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    (hash ^ (hash >> 15)) as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_golden::{Outcome, bytes_of};

    #[test]
    fn golden_partitioner() {
        millstream_golden::run("partitioner", |_, case| {
            let key = bytes_of(&case["key"]);
            if Some(i64::from(murmur2(&key))) != case["murmur2"].as_i64() {
                return Outcome::Failed(format!("murmur2 {}", murmur2(&key)));
            }
            for (count, expected) in case["partitions"].as_object().into_iter().flatten() {
                let partition = partition_of(&key, count.parse().expect("a count"));
                if Some(i64::from(partition)) != expected.as_i64() {
                    return Outcome::Failed(format!("{partition} of {count}, expected {expected}"));
                }
            }
            Outcome::Passed
        });
    }
}
