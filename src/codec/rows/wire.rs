//! The wire format of everything persisted: bincode 2's `standard()`, written by `wincode`.
//!
//! The only module that names the crate; a test holds it and `bincode` itself to the same bytes. Integers are
//! variable-length and little-endian, signed ones in zigzag; texts and lists carry their length; an option is
//! a byte 0 or 1; a variant is its number.

use wincode::config::{Configuration, DEFAULT_PREALLOCATION_SIZE_LIMIT};
use wincode::int_encoding::{LittleEndian, VarInt};
use wincode::len::BincodeLen;

use super::RowError;

pub(in crate::codec) use wincode::{SchemaRead, SchemaWrite};

/// What is written is never limited; `Limited` is what is read.
type Standard<const LIMIT: usize> = Configuration<true, LIMIT, BincodeLen, LittleEndian, VarInt>;
pub(in crate::codec) type Writing = Standard<{ wincode::config::PREALLOCATION_SIZE_LIMIT_DISABLED }>;
/// A length read may claim this much memory at most before its content is there.
pub(in crate::codec) type Reading = Standard<{ 16 * DEFAULT_PREALLOCATION_SIZE_LIMIT }>;

const WRITING: Writing = Configuration::default().with_varint_encoding().disable_preallocation_size_limit();
const READING: Reading = Configuration::default()
    .with_varint_encoding()
    .with_preallocation_size_limit::<{ 16 * DEFAULT_PREALLOCATION_SIZE_LIMIT }>();

/// Appends `value`.
pub(in crate::codec) fn write<T: SchemaWrite<Writing, Src = T>>(value: &T, out: &mut Vec<u8>) {
    #[expect(clippy::expect_used, reason = "a Vec takes every write, and no limit is set on lengths")]
    wincode::config::serialize_into(&mut *out, value, WRITING).expect("a Vec takes every write");
}

/// Reads a value that fills `bytes`.
pub(in crate::codec) fn read<'de, T: SchemaRead<'de, Reading, Dst = T>>(
    bytes: &'de [u8],
) -> Result<T, RowError> {
    wincode::config::deserialize_exact(bytes, READING)
        .map_err(|error| RowError::Damaged { reason: error.to_string() })
}

/// Splits off the version byte, which must be `known`.
pub(in crate::codec) fn versioned(bytes: &[u8], known: u8) -> Result<&[u8], RowError> {
    match bytes.split_first() {
        Some((found, rest)) if *found == known => Ok(rest),
        Some((found, _)) => Err(RowError::UnknownVersion { found: *found, known }),
        None => Err(RowError::Damaged { reason: "there are no bytes".into() }),
    }
}

/// Holds that writing again what was read gives the same bytes: there is one way to write a value.
pub(in crate::codec) fn canonical(bytes: &[u8], again: impl FnOnce(&mut Vec<u8>)) -> Result<(), RowError> {
    let mut written = Vec::with_capacity(bytes.len());
    again(&mut written);
    if written == bytes {
        Ok(())
    } else {
        Err(RowError::Damaged { reason: "it is not written the one way this program writes it".into() })
    }
}
