//! Rows as bytes: keys in order, values with a version byte in bincode's wire format.
//!
//! | key | bytes |
//! |---|---|
//! | the SKU's own row | SKU |
//! | an entry | SKU, 0x00, facet tag, id (UTF-8) |
//!
//! No SKU contains 0x00, so a SKU's rows stand together, its own first. A value is one version byte and the
//! row in bincode 2's `standard()` format, written in exactly one way. What cannot be read is a typed error,
//! never a default. The layouts stand in `docs/formats.md`, and as golden bytes under `tests/golden/rows`.

mod entry;
mod history;
mod key;
pub mod meta;
mod outcome;
mod stock;
pub(in crate::codec) mod wire;
mod words;

#[cfg(test)]
mod tests;

use crate::types::UtcTime;

pub use entry::{decode_entry, encode_entry};
pub use history::{HistoryItem, decode_history, encode_history};
pub use key::{RowKey, SEPARATOR, entry_key, facet_prefix, parse_key, stock_key};
pub use outcome::{decode_outcome, encode_outcome, outcome_key};
pub use stock::{decode_stock, encode_stock};

/// The version of the formats of keys, rows, meta and history together, as a store's meta names it.
pub const FORMAT_VERSION: u32 = 1;

/// A row that cannot be read: the store or snapshot holding it is damaged or newer than this program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    #[error("a row of version {found} cannot be read by this program, which knows versions up to {known}")]
    UnknownVersion { found: u8, known: u8 },
    #[error("a row cannot be read: {reason}")]
    Damaged { reason: String },
}

/// An instant as read: seconds since 1970 and nanoseconds.
fn optional_instant(parts: Option<(i64, u32)>) -> Result<Option<UtcTime>, RowError> {
    parts
        .map(|(seconds, nanos)| {
            UtcTime::new(seconds, nanos)
                .ok_or_else(|| RowError::Damaged { reason: "a time lies outside the years 1 to 9999".into() })
        })
        .transpose()
}
