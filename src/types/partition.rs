use std::fmt;

use serde::{Deserialize, Serialize};

/// The number of a partition, 0-based. One number means the same SKUs on events, commands, snapshots and
/// results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Partition(pub u16);

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The partition of `key` among `count`, as Kafka's Java clients choose it: the positive part of murmur2,
/// modulo `count`. A `count` of 0 is taken as 1.
#[must_use]
pub fn partition_of(key: &str, count: u16) -> Partition {
    let positive = murmur2(key.as_bytes()) & 0x7fff_ffff;
    // The remainder is below a u16, so the narrowing loses nothing.
    Partition((positive % u32::from(count.max(1))) as u16)
}

/// MurmurHash2, 32 bit, with the seed of `org.apache.kafka.common.utils.Utils.murmur2`.
#[must_use]
pub fn murmur2(bytes: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;

    // Java hashes an int length; a key longer than that cannot exist on a topic.
    let mut hash = SEED ^ (bytes.len() as u32);
    let mut words = bytes.chunks_exact(4);
    for word in words.by_ref() {
        let mut k = u32::from_le_bytes([word[0], word[1], word[2], word[3]]).wrapping_mul(M);
        k = (k ^ (k >> R)).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ k;
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        for (i, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * i);
        }
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of Kafka's own `UtilsTest.testMurmur2`.
    #[test]
    fn murmur2_equals_the_java_client() {
        let known: [(&str, i32); 7] = [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
            ("", 275_646_681),
        ];
        for (key, expected) in known {
            assert_eq!(murmur2(key.as_bytes()), expected as u32, "{key:?}");
        }
    }

    #[test]
    fn a_partition_is_below_the_count() {
        for i in 0..1000 {
            assert!(partition_of(&format!("SKU-{i}"), 12).0 < 12);
        }
    }
}
