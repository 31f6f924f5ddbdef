use std::cmp::Ordering;

use super::RowError;
use crate::domain::rows::Facet;
use crate::types::Sku;

/// Stands between the parts of a key; no SKU contains it.
pub const SEPARATOR: u8 = 0;

/// A row key, taken apart. Ordered as its bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowKey<'a> {
    Stock { sku: &'a str },
    Entry { sku: &'a str, facet: Facet, id: &'a str },
}

impl<'a> RowKey<'a> {
    #[must_use]
    pub fn sku(&self) -> &'a str {
        match self {
            Self::Stock { sku } | Self::Entry { sku, .. } => sku,
        }
    }

    /// Appends its bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Stock { sku } => stock_key(sku, out),
            Self::Entry { sku, facet, id } => entry_key(sku, *facet, id, out),
        }
    }

    fn order(&self) -> (&'a str, Option<(u8, &'a str)>) {
        match self {
            Self::Stock { sku } => (sku, None),
            Self::Entry { sku, facet, id } => (sku, Some((*facet as u8, id))),
        }
    }
}

impl Ord for RowKey<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        // 0x00 sorts below every byte of a SKU, so comparing part by part compares the bytes.
        self.order().cmp(&other.order())
    }
}

impl PartialOrd for RowKey<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Appends the key of the SKU's own row.
pub fn stock_key(sku: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(sku.as_bytes());
}

/// Appends the key of an entry.
pub fn entry_key(sku: &str, facet: Facet, id: &str, out: &mut Vec<u8>) {
    facet_prefix(sku, facet, out);
    out.extend_from_slice(id.as_bytes());
}

/// Appends what the keys of all entries of a facet begin with.
pub fn facet_prefix(sku: &str, facet: Facet, out: &mut Vec<u8>) {
    out.extend_from_slice(sku.as_bytes());
    out.push(SEPARATOR);
    out.push(facet as u8);
}

/// # Errors
/// [`RowError::Damaged`] where `bytes` are no row key.
pub fn parse_key(bytes: &[u8]) -> Result<RowKey<'_>, RowError> {
    let text = |bytes| {
        std::str::from_utf8(bytes).map_err(|_| RowError::Damaged { reason: "its key is not UTF-8".into() })
    };
    let mut parts = bytes.splitn(2, |byte| *byte == SEPARATOR);
    let sku = text(parts.next().unwrap_or_default())?;
    Sku::check(sku)
        .map_err(|error| RowError::Damaged { reason: format!("its key names no SKU: {error}") })?;
    let Some(rest) = parts.next() else { return Ok(RowKey::Stock { sku }) };
    let facet = rest.first().and_then(|tag| facet_of(*tag));
    let (Some(facet), Some(id)) = (facet, rest.get(1..)) else {
        return Err(RowError::Damaged { reason: "its key names no facet".into() });
    };
    Ok(RowKey::Entry { sku, facet, id: text(id)? })
}

fn facet_of(tag: u8) -> Option<Facet> {
    Facet::ALL.into_iter().find(|facet| *facet as u8 == tag)
}
