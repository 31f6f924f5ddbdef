use super::mark::{RecordMark, StoredMark};
use super::sealed::{FORMAT_VERSION, ROW_VERSION, seal, unseal};
use super::{SnapshotError, damaged};
use crate::codec::rows::wire::{self, SchemaRead, SchemaWrite};

/// What a payload is. Never use a number twice.
pub(super) const ROW: u8 = 0;
pub(super) const CHECKPOINT: u8 = 1;

#[derive(SchemaRead, SchemaWrite)]
#[cfg_attr(test, derive(bincode::Encode, bincode::BorrowDecode))]
pub(super) struct StoredRow<'a> {
    kind: u8,
    mark: StoredMark,
    value: &'a [u8],
}

/// As version 1 wrote it: its mark stands in the header [`super::MARK_HEADER`].
#[derive(SchemaRead, SchemaWrite)]
#[cfg_attr(test, derive(bincode::Encode, bincode::BorrowDecode))]
struct StoredRowV1<'a> {
    kind: u8,
    value: &'a [u8],
}

/// The record value of a row, under its row key. Its mark is in it: whoever reads many rows unpacks no headers.
#[must_use]
pub fn encode_row(key: &[u8], mark: &RecordMark, value: &[u8]) -> Vec<u8> {
    let mut payload = Vec::with_capacity(value.len() + 40);
    wire::write(&StoredRow { kind: ROW, mark: mark.into(), value }, &mut payload);
    seal(ROW_VERSION, key, &payload)
}

/// The row's value out of a record's, and its mark; no mark where it stands in the record's header.
///
/// # Errors
/// [`SnapshotError`] where `bytes` are not what [`encode_row`] gave for this key, nor what version 1 wrote.
pub fn decode_row<'a>(key: &[u8], bytes: &'a [u8]) -> Result<(Option<RecordMark>, &'a [u8]), SnapshotError> {
    let (version, payload) = unseal(ROW_VERSION, key, bytes)?;
    let (kind, mark, value) = if version == FORMAT_VERSION {
        let StoredRowV1 { kind, value } = wire::read(payload)?;
        (kind, None, value)
    } else {
        let StoredRow { kind, mark, value } = wire::read(payload)?;
        (kind, Some(mark.into()), value)
    };
    if kind != ROW {
        return Err(damaged(format!("it is of kind {kind}, not a row")));
    }
    Ok((mark, value))
}

/// As version 1 wrote it.
#[cfg(test)]
pub fn encode_row_v1(key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    wire::write(&StoredRowV1 { kind: ROW, value }, &mut payload);
    seal(FORMAT_VERSION, key, &payload)
}
