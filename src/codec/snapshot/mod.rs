//! Snapshots as bytes: records of the snapshots topic.
//!
//! A value is sealed: `magic | format version | codec | payload | crc32c`, and the checksum covers the key it
//! stands under too, so that no value passes for another's. The payload is in bincode's format. Every record
//! carries a mark: its cycle, the position that cycle shows, and the row's hash at the checkpoint before. A row
//! has it in its value, a tombstone and a checkpoint in a header. The layouts stand in `docs/formats.md`, and as
//! golden bytes under `tests/golden/snapshot`.

mod checkpoint;
mod mark;
mod row;
mod sealed;

#[cfg(test)]
mod tests;

use super::rows::RowError;

pub use checkpoint::{Checkpoint, decode_checkpoint, encode_checkpoint};
pub use mark::{MARK_HEADER, RecordMark, decode_mark, encode_mark};
#[cfg(test)]
pub use row::encode_row_v1;
pub use row::{decode_row, encode_row};

/// The key of a partition's checkpoint. No SKU begins with 0x00, so it is no row's.
pub const CHECKPOINT_KEY: &[u8] = b"\0checkpoint";

/// Bytes of a snapshot that cannot be read. Never replaced by a default: whoever reads falls back to another
/// base, and says so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    #[error("it is no snapshot record of this store: it does not begin with the magic bytes")]
    Foreign,
    #[error("it has format version {found}, this program knows up to {known}; run the newer program")]
    Newer { found: u8, known: u8 },
    #[error("its checksum is wrong: it was changed or cut short, or stands under a key that is not its own")]
    Checksum,
    #[error("it is damaged: {reason}")]
    Damaged { reason: String },
}

impl From<RowError> for SnapshotError {
    fn from(error: RowError) -> Self {
        match error {
            RowError::UnknownVersion { found, known } => Self::Newer { found, known },
            RowError::Damaged { reason } => Self::Damaged { reason },
        }
    }
}

fn damaged(reason: impl Into<String>) -> SnapshotError {
    SnapshotError::Damaged { reason: reason.into() }
}
