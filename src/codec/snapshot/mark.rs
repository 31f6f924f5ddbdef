use super::SnapshotError;
use super::sealed::{FORMAT_VERSION, checksum};
use crate::codec::rows::wire::{self, SchemaRead, SchemaWrite};
use crate::types::NextOffset;

/// The header with the mark of a tombstone or a checkpoint; a row has its mark in its value.
pub const MARK_HEADER: &str = "inventory-snapshot";

/// What a record, or a tombstone, belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordMark {
    pub cycle: u64,
    /// The position that the cycle shows.
    pub next: NextOffset,
    /// The hash that the row had at the checkpoint before the cycle; nothing where it was not there.
    pub before: Option<u128>,
}

#[derive(SchemaRead, SchemaWrite)]
#[cfg_attr(test, derive(bincode::Encode, bincode::BorrowDecode))]
pub(super) struct StoredMark {
    cycle: u64,
    next: u64,
    /// Little-endian.
    before: Option<[u8; 16]>,
}

/// The header's value: format version, the mark, and a crc32c over key and these.
#[must_use]
pub fn encode_mark(key: &[u8], mark: &RecordMark) -> Vec<u8> {
    let mut out = vec![FORMAT_VERSION];
    wire::write(&StoredMark::from(mark), &mut out);
    let crc = checksum(key, &out);
    out.extend_from_slice(&crc.to_le_bytes());
    out
}

/// # Errors
/// [`SnapshotError`] where `bytes` are not what [`encode_mark`] gave for this key.
pub fn decode_mark(key: &[u8], bytes: &[u8]) -> Result<RecordMark, SnapshotError> {
    let (covered, crc) = bytes.split_last_chunk::<4>().ok_or(SnapshotError::Checksum)?;
    if u32::from_le_bytes(*crc) != checksum(key, covered) {
        return Err(SnapshotError::Checksum);
    }
    let stored: StoredMark = wire::read(wire::versioned(covered, FORMAT_VERSION)?)?;
    Ok(stored.into())
}

impl From<&RecordMark> for StoredMark {
    fn from(mark: &RecordMark) -> Self {
        Self { cycle: mark.cycle, next: mark.next.0, before: mark.before.map(u128::to_le_bytes) }
    }
}

impl From<StoredMark> for RecordMark {
    fn from(stored: StoredMark) -> Self {
        Self {
            cycle: stored.cycle,
            next: NextOffset(stored.next),
            before: stored.before.map(u128::from_le_bytes),
        }
    }
}
