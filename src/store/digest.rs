use std::fmt;

use xxhash_rust::xxh3::xxh3_128;

/// The hash of one row, key and value: xxh3_128 over the key's length (u32, little-endian), key, value.
///
/// A fixed function of the format: it stands in dirty marks, snapshot records and checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RowHash(pub u128);

/// The content of a store in 128 bits: the sum of its rows' hashes modulo 2^128. Free of order, so it is
/// kept incrementally.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Digest(pub u128);

impl RowHash {
    #[must_use]
    pub fn of(key: &[u8], value: &[u8]) -> Self {
        let mut framed = Vec::with_capacity(4 + key.len() + value.len());
        // A row key has at most a SKU and an id of a record: far below 2^32 bytes.
        framed.extend_from_slice(&(key.len() as u32).to_le_bytes());
        framed.extend_from_slice(key);
        framed.extend_from_slice(value);
        Self::of_framed(&framed)
    }

    /// The hash of a row that lies framed already: the key's length (u32, little-endian), key, value.
    #[must_use]
    pub fn of_framed(framed: &[u8]) -> Self {
        Self(xxh3_128(framed))
    }
}

impl Digest {
    pub const EMPTY: Self = Self(0);

    /// With one row replaced: `None` = there was, or is, no such row.
    #[must_use]
    pub fn replace(self, before: Option<RowHash>, after: Option<RowHash>) -> Self {
        let without = self.0.wrapping_sub(before.map_or(0, |hash| hash.0));
        Self(without.wrapping_add(after.map_or(0, |hash| hash.0)))
    }
}

impl fmt::Display for Digest {
    /// 32 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}
