use super::{StoreError, StoreWriter};
use crate::codec::rows::{RowKey, decode_entry, decode_stock, parse_key};
use crate::domain::rows::{Entry, Facet};
use crate::types::UtcTime;

/// An entry that ends by itself, as it stood when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Expiring {
    pub at: UtcTime,
    pub sku: Box<str>,
    pub facet: Facet,
    pub id: Box<str>,
}

/// When the entry ends by itself.
#[must_use]
pub fn expires_at(entry: &Entry) -> Option<UtcTime> {
    match entry {
        Entry::Hold(hold) => hold.expires_at,
        Entry::Allocation(allocation) => allocation.expires_at,
        Entry::Lot(_) | Entry::Location(_) | Entry::Transfer(_) | Entry::Serial(_) => None,
    }
}

impl StoreWriter {
    /// Every entry that ends by itself, in the order of rows. Reads every row.
    ///
    /// # Errors
    /// Damaged or unreadable; whatever `visit` gives ends the scan.
    pub fn each_expiring(&self, mut visit: impl FnMut(Expiring)) -> Result<(), StoreError> {
        self.database.each_row(|key, value| {
            let unreadable = |error| StoreError::unreadable(&self.database.directory, key, error);
            let RowKey::Entry { sku, facet, id } = parse_key(key).map_err(unreadable)? else { return Ok(()) };
            if matches!(facet, Facet::Hold | Facet::Allocation) {
                let entry = decode_entry(facet, value).map_err(unreadable)?;
                if let Some(at) = expires_at(&entry) {
                    visit(Expiring { at, sku: sku.into(), facet, id: id.into() });
                }
            }
            Ok(())
        })
    }

    /// Whether an event of our own was ever folded: some row has a `sequence` of ours. Reads every row: one after
    /// the other they cost less than looking for the few that say it.
    ///
    /// # Errors
    /// Damaged or unreadable.
    pub fn has_own_events(&self) -> Result<bool, StoreError> {
        let mut found = false;
        self.database.each_row(|key, value| {
            let unreadable = |error| StoreError::unreadable(&self.database.directory, key, error);
            if !found && let RowKey::Stock { .. } = parse_key(key).map_err(unreadable)? {
                found = decode_stock(value).map_err(unreadable)?.own_sequence > 0;
            }
            Ok(())
        })?;
        Ok(found)
    }
}
