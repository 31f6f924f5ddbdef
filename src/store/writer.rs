use std::fmt;
use std::sync::Arc;

use rocksdb::{WriteBatch, WriteOptions};

use super::changes::RowChange;
use super::database::{Database, META_KEY};
use super::options::{DEAD, DIRTY, HISTORY, ROWS, Shared};
use super::{Changes, Digest, Generation, LoadedRow, RowHash, StoreError, StoreReader, retention};
use crate::codec::rows::meta::{Identity, Meta, Progress, encode_meta};
use crate::codec::rows::{RowError, RowKey, decode_entry, decode_stock};
use crate::config::store::StoreConfig;
use crate::domain::rows::{Entry, Facet, StockRow};
use crate::types::{Offset, Topic};

/// A row and the hash of its bytes, which a later change of it must name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded<T> {
    pub row: T,
    pub hash: RowHash,
}

/// What a scan of all rows finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recount {
    pub rows: u64,
    pub digest: Digest,
}

/// The single owner of a partition's store.
pub struct StoreWriter {
    pub(super) database: Arc<Database>,
    pub(super) shared: Shared,
    history_hours: u32,
    pub(super) meta: Meta,
}

impl StoreWriter {
    pub(super) fn open(database: Database, shared: Shared, config: &StoreConfig) -> Result<Self, StoreError> {
        let meta = database.read_meta()?;
        database.hide_history_below(meta.history_begins);
        let database = Arc::new(database);
        shared.share(&database);
        Ok(Self { database, shared, history_hours: config.history_hours, meta })
    }

    pub(super) fn create(
        database: Database,
        shared: Shared,
        config: &StoreConfig,
        identity: Identity,
    ) -> Result<Self, StoreError> {
        let meta = Meta::new(identity);
        let mut bytes = Vec::new();
        encode_meta(&meta, &mut bytes);
        database.db.put_cf(database.family(ROWS)?, META_KEY, &bytes).map_err(|e| database.error(&e))?;
        // A store that is served must be one after a power cut too.
        database.flush()?;
        database.hide_history_below(meta.history_begins);
        let database = Arc::new(database);
        shared.share(&database);
        Ok(Self { database, shared, history_hours: config.history_hours, meta })
    }

    /// What the store knows of itself, as of the last write.
    #[must_use]
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// How far it is: clone it, move it, and give it to [`Changes::new`].
    #[must_use]
    pub fn progress(&self) -> &Progress {
        &self.meta.progress
    }

    #[must_use]
    pub fn generation(&self) -> Generation {
        self.database.generation
    }

    /// A reader of this store. It keeps the files open, beyond this writer if need be.
    #[must_use]
    pub fn reader(&self) -> StoreReader {
        StoreReader::new(Arc::clone(&self.database))
    }

    /// # Errors
    /// Damaged or unreadable.
    pub fn load_stock(&self, sku: &str) -> Result<Option<Loaded<StockRow>>, StoreError> {
        self.load(RowKey::Stock { sku }, decode_stock)
    }

    /// # Errors
    /// Damaged or unreadable.
    pub fn load_entry(&self, sku: &str, facet: Facet, id: &str) -> Result<Option<Loaded<Entry>>, StoreError> {
        self.load(RowKey::Entry { sku, facet, id }, |bytes| decode_entry(facet, bytes))
    }

    /// Loads many rows at once, one answer per key in their order. Cheapest when the keys are sorted as
    /// [`RowKey`]s are: by their bytes.
    ///
    /// # Errors
    /// Damaged or unreadable.
    pub fn load_many(&self, keys: &[RowKey<'_>]) -> Result<Vec<Option<Loaded<LoadedRow>>>, StoreError> {
        let bytes: Vec<Vec<u8>> = keys.iter().map(key_bytes).collect();
        let family = self.database.family(ROWS)?;
        let found = self.database.db.batched_multi_get_cf(family, &bytes, bytes.is_sorted());
        let mut loaded = Vec::with_capacity(keys.len());
        for ((key, bytes), found) in keys.iter().zip(&bytes).zip(found) {
            let Some(value) = found.map_err(|error| self.database.error(&error))? else {
                loaded.push(None);
                continue;
            };
            let row = match key {
                RowKey::Stock { .. } => decode_stock(&value).map(|row| LoadedRow::Stock(Box::new(row))),
                RowKey::Entry { facet, .. } => decode_entry(*facet, &value).map(LoadedRow::Entry),
            };
            let row = row.map_err(|e| StoreError::unreadable(&self.database.directory, bytes, e))?;
            loaded.push(Some(Loaded { row, hash: RowHash::of(bytes, &value) }));
        }
        Ok(loaded)
    }

    /// Writes all of `changes` or nothing: rows, digest, row count, dirty marks, history, dead rows and
    /// position. Survives a killed process at once, a power cut after the next flush; what a power cut takes
    /// is read again from the log.
    ///
    /// # Errors
    /// Nothing was written then. After [`StoreError::DiskFull`] open the store again.
    pub fn commit(&mut self, changes: &Changes) -> Result<(), StoreError> {
        let rows = changes.sorted();
        let mut meta = self.meta_after(changes, &rows)?;
        retention::advance(&mut meta, &changes.history_marks, self.history_hours);

        let mut batch = WriteBatch::default();
        self.stage_rows(&rows, &mut batch)?;
        if self.history_hours > 0 {
            let family = self.database.family(HISTORY)?;
            for (key, value) in changes.history() {
                batch.put_cf(family, key, value);
            }
        }
        self.stage_dead(changes, &mut batch)?;
        self.stage_outcomes(changes, &mut batch)?;
        let mut bytes = Vec::new();
        encode_meta(&meta, &mut bytes);
        batch.put_cf(self.database.family(ROWS)?, META_KEY, &bytes);

        // No fsync: what a power cut takes from the end is read again from the log.
        self.database
            .db
            .write_opt(batch, &WriteOptions::default())
            .map_err(|error| self.database.error(&error))?;
        self.database.hide_history_below(meta.history_begins);
        self.meta = meta;
        self.shared.relieve();
        Ok(())
    }

    /// Makes everything committed so far durable.
    ///
    /// # Errors
    /// [`StoreError::DiskFull`], [`StoreError::Failed`].
    pub fn flush(&self) -> Result<(), StoreError> {
        self.database.flush()
    }

    /// Reads every row and sums it up again: must equal what meta says.
    ///
    /// # Errors
    /// Damaged or unreadable.
    pub fn recount(&self) -> Result<Recount, StoreError> {
        let mut recount = Recount { rows: 0, digest: Digest::EMPTY };
        self.database.each_row(|key, value| {
            recount.rows += 1;
            recount.digest = recount.digest.replace(None, Some(RowHash::of(key, value)));
            Ok(())
        })?;
        Ok(recount)
    }

    /// Flushes and closes. Readers keep the files open until they are gone.
    ///
    /// # Errors
    /// As [`Self::flush`].
    pub fn close(self) -> Result<(), StoreError> {
        self.flush()
    }

    fn load<T>(
        &self,
        key: RowKey<'_>,
        decode: impl FnOnce(&[u8]) -> Result<T, RowError>,
    ) -> Result<Option<Loaded<T>>, StoreError> {
        let key = key_bytes(&key);
        let Some(value) = self.database.get(&key)? else { return Ok(None) };
        let row = decode(&value).map_err(|e| StoreError::unreadable(&self.database.directory, &key, e))?;
        Ok(Some(Loaded { row, hash: RowHash::of(&key, &value) }))
    }

    /// Meta once `changes`, whose rows are `rows`, are in. Refuses what cannot be right.
    pub(super) fn meta_after(&self, changes: &Changes, rows: &[RowChange<'_>]) -> Result<Meta, StoreError> {
        let refuse = |detail: String| {
            Err(StoreError::Inconsistent { directory: self.database.directory.clone(), detail })
        };
        if changes.progress.next < self.meta.progress.next {
            return refuse(format!(
                "its next event is {}, the write's is {}",
                self.meta.progress.next, changes.progress.next
            ));
        }
        for (what, have, next) in [
            ("result", self.meta.progress.next_results, changes.progress.next_results),
            ("command", self.meta.progress.next_commands, changes.progress.next_commands),
        ] {
            if next < have {
                return refuse(format!("its next {what} is {have}, the write's is {next}"));
            }
        }
        let mut digest = Digest(self.meta.digest);
        let mut count = self.meta.rows;
        let mut last = None;
        for row in rows {
            if last == Some(row.key) {
                return Err(StoreError::RepeatedRow { key: row.key.escape_ascii().to_string() });
            }
            last = Some(row.key);
            digest = digest.replace(row.before.hash, row.after);
            match (row.before.hash, row.after) {
                (None, Some(_)) => count += 1,
                (Some(_), None) if count == 0 => {
                    return refuse("more rows are deleted than there are".into());
                }
                (Some(_), None) => count -= 1,
                _ => {}
            }
        }
        let mut meta = self.meta.clone();
        meta.progress = changes.progress.clone();
        meta.digest = digest.0;
        meta.rows = count;
        Ok(meta)
    }

    fn stage_rows(&self, rows: &[RowChange<'_>], batch: &mut WriteBatch) -> Result<(), StoreError> {
        let family = self.database.family(ROWS)?;
        let dirty = self.database.family(DIRTY)?;
        let mut mark = self.meta.cycle.to_be_bytes().to_vec();
        for row in rows {
            match row.value {
                Some(value) => batch.put_cf(family, row.key, value),
                None => batch.delete_cf(family, row.key),
            }
            if row.before.marked == Some(self.meta.cycle) {
                continue;
            }
            mark.truncate(8);
            mark.extend_from_slice(row.key);
            match row.before.hash {
                Some(hash) => batch.merge_cf(dirty, &mark, hash.0.to_le_bytes()),
                None => batch.merge_cf(dirty, &mark, []),
            }
        }
        Ok(())
    }

    pub(super) fn stage_dead(&self, changes: &Changes, batch: &mut WriteBatch) -> Result<(), StoreError> {
        let family = self.database.family(DEAD)?;
        for row in changes.dead() {
            batch.put_cf(family, dead_key(row.topic, row.offset), &row.bytes);
        }
        Ok(())
    }
}

impl fmt::Debug for StoreWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreWriter")
            .field("directory", &self.database.directory)
            .field("next", &self.meta.progress.next)
            .finish_non_exhaustive()
    }
}

pub(super) fn dead_key(topic: Topic, offset: Offset) -> Vec<u8> {
    let mut key = vec![topic_tag(topic)];
    key.extend_from_slice(&offset.0.to_be_bytes());
    key
}

fn key_bytes(key: &RowKey<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    key.write(&mut bytes);
    bytes
}

/// The tag of a topic in a key: never use one twice.
fn topic_tag(topic: Topic) -> u8 {
    match topic {
        Topic::Events => 1,
        Topic::Commands => 2,
        Topic::Snapshots => 3,
        Topic::Results => 4,
        Topic::DeadLetters => 5,
    }
}
