use std::fmt;
use std::sync::Arc;

use rocksdb::{DBRawIterator, ReadOptions, Snapshot};

use super::StoreError;
use super::database::{Database, FIRST_ROW, META_KEY};
use super::options::{DEAD, ROWS};
use super::writer::dead_key;
use crate::codec::rows::meta::Meta;
use crate::codec::rows::{RowKey, SEPARATOR, decode_entry, decode_stock, facet_prefix, parse_key, stock_key};
use crate::domain::rows::{Entry, Facet, StockRow};
use crate::types::{Offset, Partition, Position, Sku, Topic};

/// Reads a store while it is being written; each call sees whole writes only. Cheap to clone.
#[derive(Clone)]
pub struct StoreReader {
    pub(super) database: Arc<Database>,
}

/// A SKU at one position: its row and the first entries of each facet, from one snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkuView {
    pub partition: Partition,
    pub stock: StockRow,
    /// One page per facet other than serials, in the order of [`Facet::ALL`]. Serials are counted in the
    /// stock row and have pages of their own.
    pub facets: Vec<FacetPage>,
}

/// Entries of one facet, in the order of their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FacetPage {
    pub facet: Facet,
    pub entries: Vec<(Box<str>, Entry)>,
    /// There are more behind the last.
    pub truncated: bool,
}

impl SkuView {
    /// The position of the last event that touched the SKU's row.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.stock.last.map(|last| Position { partition: self.partition, offset: last.offset })
    }

    #[must_use]
    pub fn facet(&self, facet: Facet) -> Option<&FacetPage> {
        self.facets.iter().find(|page| page.facet == facet)
    }
}

impl StoreReader {
    pub(super) fn new(database: Arc<Database>) -> Self {
        Self { database }
    }

    #[must_use]
    pub fn partition(&self) -> Partition {
        self.database.partition
    }

    /// The SKU's row and up to `facet_limit` entries of each facet, all at one position. Costs the same
    /// however many entries there are. Nothing where the SKU was never seen.
    ///
    /// # Errors
    /// Damaged or unreadable.
    pub fn view(&self, sku: &Sku, facet_limit: usize) -> Result<Option<SkuView>, StoreError> {
        let snapshot = self.database.db.snapshot();
        let Some(stock) = self.stock_in(&snapshot, sku)? else { return Ok(None) };
        let mut entries = None;
        let mut facets = Vec::with_capacity(Facet::ALL.len());
        for facet in Facet::ALL.into_iter().filter(|facet| *facet != Facet::Serial) {
            facets.push(if stock.rules_out(facet) {
                FacetPage { facet, entries: Vec::new(), truncated: false }
            } else {
                let entries = match &mut entries {
                    Some(entries) => entries,
                    none => none.insert(self.entries_of(&snapshot, sku)?),
                };
                self.page(entries, sku, facet, None, facet_limit)?
            });
        }
        Ok(Some(SkuView { partition: self.database.partition, stock, facets }))
    }

    /// The SKU's own row.
    ///
    /// # Errors
    /// Damaged or unreadable.
    pub fn stock(&self, sku: &Sku) -> Result<Option<StockRow>, StoreError> {
        self.stock_in(&self.database.db.snapshot(), sku)
    }

    /// Up to `limit` entries of a facet behind the id `after`; `truncated` = there are more. Nothing where the
    /// SKU was never seen.
    ///
    /// # Errors
    /// Damaged or unreadable.
    pub fn facet(
        &self,
        sku: &Sku,
        facet: Facet,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Option<FacetPage>, StoreError> {
        let snapshot = self.database.db.snapshot();
        if self.stock_in(&snapshot, sku)?.is_none() {
            return Ok(None);
        }
        self.page(&mut self.entries_of(&snapshot, sku)?, sku, facet, after, limit).map(Some)
    }

    /// Up to `limit` SKUs behind `after`, in SKU order, passing over their entries without reading them.
    ///
    /// # Errors
    /// Damaged or unreadable.
    pub fn scan(&self, after: Option<&Sku>, limit: usize) -> Result<Vec<(Sku, StockRow)>, StoreError> {
        let mut iterator = self.database.db.raw_iterator_cf(self.database.family(ROWS)?);
        match after {
            Some(sku) => iterator.seek(behind(sku.as_str())),
            None => iterator.seek(FIRST_ROW),
        }
        let mut found: Vec<(Sku, StockRow)> = Vec::new();
        while found.len() < limit {
            let Some((key, value)) = iterator.item() else { break };
            match self.key(key)? {
                RowKey::Stock { sku } => {
                    let row = self.decoded(key, decode_stock(value))?;
                    let sku = Sku::new(sku).map_err(|error| StoreError::Damaged {
                        directory: self.database.directory.clone(),
                        detail: error.to_string(),
                    })?;
                    found.push((sku, row));
                    iterator.next();
                }
                // The first entry of the SKU just taken: jump over all of them.
                RowKey::Entry { sku, .. } => {
                    let next = behind(sku);
                    iterator.seek(next);
                }
            }
        }
        iterator.status().map_err(|error| self.database.error(&error))?;
        Ok(found)
    }

    /// What the store knows of itself, as of the last whole write.
    ///
    /// # Errors
    /// Damaged or unreadable.
    pub fn meta(&self) -> Result<Meta, StoreError> {
        self.database.read_meta()
    }

    /// A malformed record that was too large for its letter, as it was kept.
    ///
    /// # Errors
    /// Damaged.
    pub fn dead(&self, topic: Topic, offset: Offset) -> Result<Option<Vec<u8>>, StoreError> {
        let found = self.database.db.get_cf(self.database.family(DEAD)?, dead_key(topic, offset));
        found.map_err(|error| self.database.error(&error))
    }

    pub(super) fn stock_in(
        &self,
        snapshot: &Snapshot<'_>,
        sku: &Sku,
    ) -> Result<Option<StockRow>, StoreError> {
        let mut key = Vec::with_capacity(Sku::MAX_BYTES);
        stock_key(sku.as_str(), &mut key);
        let found = snapshot
            .get_pinned_cf(self.database.family(ROWS)?, &key)
            .map_err(|error| self.database.error(&error))?;
        found.map(|value| self.decoded(&key, decode_stock(&value))).transpose()
    }

    pub(super) fn meta_in(&self, snapshot: &Snapshot<'_>) -> Result<Meta, StoreError> {
        let found = snapshot
            .get_pinned_cf(self.database.family(ROWS)?, META_KEY)
            .map_err(|error| self.database.error(&error))?;
        self.database.decode_meta(&found.ok_or_else(|| StoreError::Damaged {
            directory: self.database.directory.clone(),
            detail: "it has no meta value".into(),
        })?)
    }

    /// The SKU's entries, and nothing else.
    fn entries_of<'s>(&'s self, snapshot: &'s Snapshot<'s>, sku: &Sku) -> Result<Entries<'s>, StoreError> {
        let mut first = sku.as_str().as_bytes().to_vec();
        first.push(SEPARATOR);
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(first);
        options.set_iterate_upper_bound(behind(sku.as_str()));
        let iterator = snapshot.raw_iterator_cf_opt(self.database.family(ROWS)?, options);
        Ok(Entries { iterator, begun: false })
    }

    /// `entries` stands at or before the first one wanted.
    fn page(
        &self,
        entries: &mut Entries<'_>,
        sku: &Sku,
        facet: Facet,
        after: Option<&str>,
        limit: usize,
    ) -> Result<FacetPage, StoreError> {
        let mut from = Vec::with_capacity(Sku::MAX_BYTES + 2);
        facet_prefix(sku.as_str(), facet, &mut from);
        let prefix = from.len();
        if let Some(after) = after {
            // The least key above the one of `after`.
            from.extend_from_slice(after.as_bytes());
            from.push(0);
        }
        let iterator = entries.forward(&from);
        let prefix = from.get(..prefix).unwrap_or_default();

        let mut page = FacetPage { facet, entries: Vec::new(), truncated: false };
        while let Some((key, value)) = iterator.item() {
            if !key.starts_with(prefix) {
                break;
            }
            if page.entries.len() == limit {
                page.truncated = true;
                break;
            }
            let RowKey::Entry { id, .. } = self.key(key)? else { break };
            page.entries.push((id.into(), self.decoded(key, decode_entry(facet, value))?));
            iterator.next();
        }
        iterator.status().map_err(|error| self.database.error(&error))?;
        Ok(page)
    }

    fn key<'k>(&self, key: &'k [u8]) -> Result<RowKey<'k>, StoreError> {
        self.decoded(key, parse_key(key))
    }

    pub(super) fn decoded<T>(
        &self,
        key: &[u8],
        decoded: Result<T, crate::codec::rows::RowError>,
    ) -> Result<T, StoreError> {
        decoded.map_err(|error| StoreError::unreadable(&self.database.directory, key, error))
    }
}

/// Walks through the entries of one SKU, forward.
struct Entries<'s> {
    iterator: DBRawIterator<'s>,
    begun: bool,
}

impl<'s> Entries<'s> {
    /// Goes on to the first entry at or above `key`. A seek looks into every file: none is made where what
    /// was read last says that there is nothing between.
    fn forward(&mut self, key: &[u8]) -> &mut DBRawIterator<'s> {
        if !self.begun || self.iterator.key().is_some_and(|at| at < key) {
            self.iterator.seek(key);
            self.begun = true;
        }
        &mut self.iterator
    }
}

impl fmt::Debug for StoreReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreReader").field("directory", &self.database.directory).finish()
    }
}

/// The least key above every row of the SKU: what follows it in a longer SKU is no control character.
fn behind(sku: &str) -> Vec<u8> {
    let mut key = sku.as_bytes().to_vec();
    key.push(SEPARATOR + 1);
    key
}
