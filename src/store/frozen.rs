//! A store at one moment, while it is being written on.

use rocksdb::{DBRawIterator, ReadOptions, Snapshot};

use super::database::{Database, FIRST_ROW};
use super::options::{DIRTY, ROWS};
use super::{RowHash, StoreError, StoreReader};
use crate::codec::rows::meta::Meta;

/// Everything in a store as of one whole write. Holds back what compaction may drop: not for ever.
pub struct Frozen<'a> {
    reader: &'a StoreReader,
    snapshot: &'a Snapshot<'a>,
}

impl StoreReader {
    /// Gives the store as it is now, whole, for as long as `read` takes. Writes go on meanwhile.
    pub fn freeze<T>(&self, read: impl FnOnce(&Frozen<'_>) -> T) -> T {
        let snapshot = self.database.db.snapshot();
        read(&Frozen { reader: self, snapshot: &snapshot })
    }
}

impl Frozen<'_> {
    /// What the store knew of itself at that moment.
    ///
    /// # Errors
    /// Damaged or unreadable.
    pub fn meta(&self) -> Result<Meta, StoreError> {
        self.reader.meta_in(self.snapshot)
    }

    /// Where the store stands.
    #[must_use]
    pub fn directory(&self) -> &std::path::Path {
        &self.reader.database.directory
    }

    /// The value of a row.
    ///
    /// # Errors
    /// Damaged.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let database = &self.reader.database;
        let found = self.snapshot.get_cf(database.family(ROWS)?, key);
        found.map_err(|error| database.error(&error))
    }

    /// All rows, in the order of their keys.
    ///
    /// # Errors
    /// Damaged.
    pub fn rows(&self) -> Result<RowCursor<'_>, StoreError> {
        let database: &Database = &self.reader.database;
        let mut options = ReadOptions::default();
        // A scan of everything must not push out what is being served.
        options.fill_cache(false);
        options.set_readahead_size(1 << 20);
        let mut iterator = self.snapshot.raw_iterator_cf_opt(database.family(ROWS)?, options);
        iterator.seek(FIRST_ROW);
        Ok(RowCursor { database, iterator, begun: false })
    }

    /// The rows marked in cycles up to `through`, in the order of their keys, each once, with the hash that
    /// the last checkpoint had of it: of several marks the oldest says so.
    ///
    /// # Errors
    /// Damaged.
    pub fn marks(&self, through: u64) -> Result<MarkCursor<'_>, StoreError> {
        let database: &Database = &self.reader.database;
        let family = database.family(DIRTY)?;
        let mut cycles = Vec::new();
        let mut finder = self.snapshot.raw_iterator_cf(family);
        finder.seek_to_first();
        while let Some(cycle) = finder.key().and_then(|key| key.first_chunk::<8>()) {
            let cycle = u64::from_be_bytes(*cycle);
            if cycle > through {
                break;
            }
            cycles.push(cycle);
            let Some(behind) = cycle.checked_add(1) else { break };
            finder.seek(behind.to_be_bytes());
        }
        finder.status().map_err(|error| database.error(&error))?;

        let mut iterators = Vec::with_capacity(cycles.len());
        for cycle in cycles {
            let mut options = ReadOptions::default();
            options.fill_cache(false);
            options.set_iterate_lower_bound(cycle.to_be_bytes());
            if let Some(behind) = cycle.checked_add(1) {
                options.set_iterate_upper_bound(behind.to_be_bytes());
            }
            let mut iterator = self.snapshot.raw_iterator_cf_opt(family, options);
            iterator.seek_to_first();
            iterators.push(iterator);
        }
        Ok(MarkCursor { database, iterators })
    }
}

/// A row.
pub type KeyAndValue<'a> = (&'a [u8], &'a [u8]);

/// A row marked as changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    pub key: Vec<u8>,
    /// Its hash at the last checkpoint; nothing where it was not there.
    pub before: Option<RowHash>,
}

/// Rows, one after another.
pub struct RowCursor<'a> {
    database: &'a Database,
    iterator: DBRawIterator<'a>,
    begun: bool,
}

impl RowCursor<'_> {
    /// Goes on to the next row and gives its key and value; nothing at the end.
    ///
    /// # Errors
    /// Damaged.
    pub fn advance(&mut self) -> Result<Option<KeyAndValue<'_>>, StoreError> {
        if std::mem::replace(&mut self.begun, true) {
            self.iterator.next();
        }
        if !self.iterator.valid() {
            self.iterator.status().map_err(|error| self.database.error(&error))?;
        }
        Ok(self.iterator.item())
    }
}

/// Marked rows, one after another.
pub struct MarkCursor<'a> {
    database: &'a Database,
    /// One per cycle, the oldest first; each inside its cycle.
    iterators: Vec<DBRawIterator<'a>>,
}

impl MarkCursor<'_> {
    fn advance(&mut self) -> Result<Option<Mark>, StoreError> {
        // The first of equal keys is the oldest cycle's.
        let mut least: Option<KeyAndValue<'_>> = None;
        for iterator in &self.iterators {
            let Some((key, value)) = iterator.item() else {
                iterator.status().map_err(|error| self.database.error(&error))?;
                continue;
            };
            let key = key.get(8..).unwrap_or_default();
            if least.is_none_or(|(found, _): KeyAndValue<'_>| key < found) {
                least = Some((key, value));
            }
        }
        let Some((key, value)) = least else { return Ok(None) };
        let key = key.to_vec();
        let before = self.hash(value)?;
        for iterator in &mut self.iterators {
            if iterator.key().is_some_and(|found| found.get(8..) == Some(key.as_slice())) {
                iterator.next();
            }
        }
        Ok(Some(Mark { key, before }))
    }

    fn hash(&self, value: &[u8]) -> Result<Option<RowHash>, StoreError> {
        match (value, value.try_into()) {
            ([], _) => Ok(None),
            (_, Ok(bytes)) => Ok(Some(RowHash(u128::from_le_bytes(bytes)))),
            _ => Err(StoreError::Damaged {
                directory: self.database.directory.clone(),
                detail: "a dirty mark is no hash".into(),
            }),
        }
    }
}

impl Iterator for MarkCursor<'_> {
    type Item = Result<Mark, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose()
    }
}
