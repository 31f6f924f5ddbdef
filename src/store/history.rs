use rocksdb::{DBRawIterator, ReadOptions, Snapshot};

use super::changes::history_key;
use super::options::HISTORY;
use super::retention::hour_of;
use super::{StoreError, StoreReader};
use crate::codec::rows::meta::Meta;
use crate::codec::rows::{HistoryItem, decode_history};
use crate::domain::rows::StockRow;
use crate::types::{NextOffset, Offset, Sku, Timestamp, Version};

/// What history knows of a SKU at a past position or time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HistoryAt {
    /// The numbers after the last event up to there.
    Item(HistoryItem),
    /// No item is kept, but no event has touched the SKU since: its row says what it was then too.
    Unchanged(StockRow),
    /// No event of this SKU up to there.
    NeverSeen,
    /// It has changed since, and what it was then is not kept.
    BeforeHistory { begins: NextOffset },
}

impl StoreReader {
    /// Up to `limit` history items of a SKU below `before`, newest first.
    ///
    /// # Errors
    /// Damaged or unreadable.
    pub fn history(
        &self,
        sku: &Sku,
        before: Option<Offset>,
        limit: usize,
    ) -> Result<Vec<HistoryItem>, StoreError> {
        let snapshot = self.database.db.snapshot();
        let meta = self.meta_in(&snapshot)?;
        let mut past = self.past(&snapshot, sku, &meta)?;
        let mut items = Vec::new();
        let mut bound = before.map_or(u64::MAX, |offset| offset.0);
        while items.len() < limit {
            // After the first, the iterator stands right before the one wanted.
            let Some(item) = (if items.is_empty() { past.below(bound)? } else { past.previous()? }) else {
                break;
            };
            bound = item.offset.0;
            items.push(item);
        }
        Ok(items)
    }

    /// The SKU's numbers after the record at `offset`, this one included.
    ///
    /// # Errors
    /// Damaged or unreadable.
    pub fn history_at(&self, sku: &Sku, offset: Offset) -> Result<HistoryAt, StoreError> {
        let snapshot = self.database.db.snapshot();
        let meta = self.meta_in(&snapshot)?;
        let mut past = self.past(&snapshot, sku, &meta)?;
        if let Some(item) = past.below(offset.0.saturating_add(1))? {
            return Ok(HistoryAt::Item(item));
        }
        let stock = self.stock_in(&snapshot, sku)?;
        let untouched = |stock: &StockRow| stock.last.is_none_or(|last| last.offset <= offset);
        without_item(past.first()?, stock, untouched, &meta)
    }

    /// The SKU's numbers when log time stood at `time`.
    ///
    /// # Errors
    /// Damaged or unreadable.
    pub fn history_at_time(&self, sku: &Sku, time: Timestamp) -> Result<HistoryAt, StoreError> {
        let snapshot = self.database.db.snapshot();
        let meta = self.meta_in(&snapshot)?;
        let mut past = self.past(&snapshot, sku, &meta)?;

        // Log time never falls along the offsets, so the last item not above `time` is found by halving.
        // The hours narrow it down first.
        let later = meta.history_hours.iter().find(|(hour, _)| *hour > hour_of(time.0));
        let mut high = later.map_or(meta.progress.next.0, |(_, offset)| offset.0);
        let mut low = meta.history_begins.0;
        let mut found = None;
        while low < high {
            let middle = low + (high - low) / 2;
            match past.below(middle.saturating_add(1))? {
                Some(item) if item.log_time > time => high = item.offset.0,
                Some(item) => {
                    found = Some(item);
                    low = middle + 1;
                }
                None => low = middle + 1,
            }
        }
        if let Some(item) = found {
            return Ok(HistoryAt::Item(item));
        }
        let stock = self.stock_in(&snapshot, sku)?;
        let first = past.first()?;
        let begun = meta.history_from.is_none_or(|from| time >= from);
        let untouched = |_: &StockRow| begun && first.is_none();
        without_item(first.clone(), stock, untouched, &meta)
    }

    fn past<'s>(
        &'s self,
        snapshot: &'s Snapshot<'s>,
        sku: &Sku,
        meta: &Meta,
    ) -> Result<Past<'s>, StoreError> {
        let key = |offset| {
            let mut key = Vec::with_capacity(Sku::MAX_BYTES + 9);
            history_key(sku.as_str(), Offset(offset), &mut key);
            key
        };
        let first = key(meta.history_begins.0);
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(first.clone());
        options.set_iterate_upper_bound(key(u64::MAX));
        let iterator = snapshot.raw_iterator_cf_opt(self.database.family(HISTORY)?, options);
        Ok(Past { reader: self, iterator, first })
    }
}

/// What is known where no item lies at or before the instant asked for; `first` is the first item after it.
fn without_item(
    first: Option<HistoryItem>,
    stock: Option<StockRow>,
    untouched: impl FnOnce(&StockRow) -> bool,
    meta: &Meta,
) -> Result<HistoryAt, StoreError> {
    Ok(match (first, stock) {
        (_, None) => HistoryAt::NeverSeen,
        (Some(first), _) if first.version == Version(1) => HistoryAt::NeverSeen,
        (_, Some(stock)) if untouched(&stock) => HistoryAt::Unchanged(stock),
        _ => HistoryAt::BeforeHistory { begins: meta.history_begins },
    })
}

/// The history items of one SKU that are kept.
struct Past<'s> {
    reader: &'s StoreReader,
    iterator: DBRawIterator<'s>,
    /// The least key an item kept may have.
    first: Vec<u8>,
}

impl Past<'_> {
    /// The newest item below `offset`.
    fn below(&mut self, offset: u64) -> Result<Option<HistoryItem>, StoreError> {
        let Some(below) = offset.checked_sub(1) else { return Ok(None) };
        let mut key = self.first.clone();
        key.truncate(key.len().saturating_sub(8));
        key.extend_from_slice(&below.to_be_bytes());
        if key < self.first {
            return Ok(None);
        }
        self.iterator.seek_for_prev(&key);
        self.item()
    }

    /// The item before the one just read.
    fn previous(&mut self) -> Result<Option<HistoryItem>, StoreError> {
        self.iterator.prev();
        self.item()
    }

    /// The oldest item.
    fn first(&mut self) -> Result<Option<HistoryItem>, StoreError> {
        self.iterator.seek(&self.first);
        self.item()
    }

    fn item(&self) -> Result<Option<HistoryItem>, StoreError> {
        let database = &self.reader.database;
        let Some((key, value)) = self.iterator.item() else {
            self.iterator.status().map_err(|error| database.error(&error))?;
            return Ok(None);
        };
        let offset = key.last_chunk::<8>().map(|bytes| Offset(u64::from_be_bytes(*bytes)));
        let offset = offset.ok_or_else(|| StoreError::Damaged {
            directory: database.directory.clone(),
            detail: "a history key is too short".into(),
        })?;
        self.reader.decoded(key, decode_history(offset, value)).map(Some)
    }
}
