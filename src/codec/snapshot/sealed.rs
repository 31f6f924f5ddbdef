//! `magic | format version | codec | payload | crc32c`: the outside of every value.

use super::{SnapshotError, damaged};

const MAGIC: [u8; 4] = *b"INVS";
/// The version of a checkpoint and of a mark in a header. A new layout is a new number; old ones stay readable.
pub(super) const FORMAT_VERSION: u8 = 1;
/// The version of a row, whose mark is in it since 2.
pub(super) const ROW_VERSION: u8 = 2;

const HEAD: usize = MAGIC.len() + 2;
const PLAIN: u8 = 0;

/// Seals a payload of this version, for the value under `key`.
pub(super) fn seal(version: u8, key: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEAD + payload.len() + 4);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[version, PLAIN]);
    out.extend_from_slice(payload);
    let crc = checksum(key, &out);
    out.extend_from_slice(&crc.to_le_bytes());
    out
}

/// Opens what stands under `key`, of version 1 up to `known`: gives which, and the payload.
pub(super) fn unseal<'a>(known: u8, key: &[u8], bytes: &'a [u8]) -> Result<(u8, &'a [u8]), SnapshotError> {
    if !bytes.starts_with(&MAGIC) {
        return Err(SnapshotError::Foreign);
    }
    let (covered, crc) = bytes.split_last_chunk::<4>().ok_or(SnapshotError::Checksum)?;
    if u32::from_le_bytes(*crc) != checksum(key, covered) {
        return Err(SnapshotError::Checksum);
    }
    let (Some([version, codec]), Some(payload)) = (covered.get(MAGIC.len()..HEAD), covered.get(HEAD..))
    else {
        return Err(damaged("it is too short"));
    };
    if !(FORMAT_VERSION..=known).contains(version) {
        return Err(SnapshotError::Newer { found: *version, known });
    }
    match *codec {
        // Records are packed by the topic, many together.
        PLAIN => Ok((*version, payload)),
        other => Err(damaged(format!("its codec {other} is not known"))),
    }
}

/// crc32c over the key's length (u32, little-endian), the key, and the bytes.
pub(super) fn checksum(key: &[u8], bytes: &[u8]) -> u32 {
    // A key is that of a record or the name of a file: far below 2^32 bytes.
    let crc = crc32c::crc32c(&(key.len() as u32).to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c_append(crc, key), bytes)
}
