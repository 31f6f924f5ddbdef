use super::sealed::{seal, unseal};
use super::{SnapshotError, damaged};
use crate::codec::rows::wire::{self, SchemaRead, SchemaWrite};

/// What a payload is. Never use a number twice.
pub(super) const ROW: u8 = 0;
pub(super) const CHECKPOINT: u8 = 1;

#[derive(SchemaRead, SchemaWrite)]
#[cfg_attr(test, derive(bincode::Encode, bincode::BorrowDecode))]
pub(super) struct StoredRow<'a> {
    kind: u8,
    value: &'a [u8],
}

/// The record value of a row, under its row key.
#[must_use]
pub fn encode_row(key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut payload = Vec::with_capacity(value.len() + 8);
    wire::write(&StoredRow { kind: ROW, value }, &mut payload);
    seal(key, &payload)
}

/// The row's value out of a record's.
///
/// # Errors
/// [`SnapshotError`] where `bytes` are not what [`encode_row`] gave for this key.
pub fn decode_row<'a>(key: &[u8], bytes: &'a [u8]) -> Result<&'a [u8], SnapshotError> {
    let stored: StoredRow<'a> = wire::read(unseal(key, bytes)?)?;
    if stored.kind != ROW {
        return Err(damaged(format!("it is of kind {}, not a row", stored.kind)));
    }
    Ok(stored.value)
}
