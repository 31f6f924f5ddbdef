use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rocksdb::{ColumnFamily, DB, DBPinnableSlice, FlushOptions, ReadOptions};

use super::options::{FAMILIES, ROWS, Shared};
use super::{Generation, StoreError};
use crate::codec::rows::meta::{Meta, Versions, decode_meta};
use crate::types::{NextOffset, Partition};

/// Where meta stands: no SKU begins with 0x00, so it sorts before every row.
pub(super) const META_KEY: &[u8] = b"\0meta";
/// Rows begin here.
pub(super) const FIRST_ROW: &[u8] = b"\x01";

/// One open RocksDB: what a writer and its readers share.
pub(super) struct Database {
    pub db: DB,
    pub directory: PathBuf,
    pub partition: Partition,
    pub generation: Generation,
    history_begins: Arc<AtomicU64>,
}

impl Database {
    /// Opens the store in `directory`; `create` = it must not be there yet.
    pub(super) fn open(
        shared: &Shared,
        directory: &Path,
        partition: Partition,
        generation: Generation,
        create: bool,
    ) -> Result<Self, StoreError> {
        let history_begins = Arc::new(AtomicU64::new(0));
        let db =
            DB::open_cf_descriptors(&shared.database(create), directory, shared.families(&history_begins))
                .map_err(|error| match StoreError::rocksdb(directory, &error) {
                    // A file that must be there and is not is damage, though RocksDB calls it something else. Any
                    // other failure to open (no permission, no file handles) is not the store's fault.
                    StoreError::Failed { directory, detail }
                        if !create
                            && (detail.contains("No such file") || detail.contains("does not exist")) =>
                    {
                        StoreError::Damaged { directory, detail }
                    }
                    other => other,
                })?;
        Ok(Self { db, directory: directory.to_path_buf(), partition, generation, history_begins })
    }

    pub(super) fn family(&self, name: &'static str) -> Result<&ColumnFamily, StoreError> {
        self.db.cf_handle(name).ok_or_else(|| StoreError::Damaged {
            directory: self.directory.clone(),
            detail: format!("it has no column family {name}"),
        })
    }

    /// The value of a row, without copying it.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<DBPinnableSlice<'_>>, StoreError> {
        self.db.get_pinned_cf(self.family(ROWS)?, key).map_err(|error| self.error(&error))
    }

    /// Calls `visit` with the key and value of each row, in order, all from one whole state.
    pub(super) fn each_row(
        &self,
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut options = ReadOptions::default();
        // A scan of everything must not push out what is being served.
        options.fill_cache(false);
        let mut iterator = self.db.raw_iterator_cf_opt(self.family(ROWS)?, options);
        iterator.seek(FIRST_ROW);
        while let Some((key, value)) = iterator.item() {
            visit(key, value)?;
            iterator.next();
        }
        iterator.status().map_err(|error| self.error(&error))
    }

    /// Writes the write buffers of every family to files, all at one position.
    pub(super) fn flush(&self) -> Result<(), StoreError> {
        self.flush_with(&FlushOptions::default())
    }

    /// Begins to, without waiting. A failure stays with RocksDB, whose next write reports it.
    pub(super) fn flush_soon(&self) {
        let mut options = FlushOptions::default();
        options.set_wait(false);
        let _ = self.flush_with(&options);
    }

    fn flush_with(&self, options: &FlushOptions) -> Result<(), StoreError> {
        let mut families = Vec::with_capacity(FAMILIES.len());
        for name in FAMILIES {
            families.push(self.family(name)?);
        }
        let families: Vec<_> = families.iter().collect();
        self.db.flush_cfs_opt(&families, options).map_err(|error| self.error(&error))
    }

    /// Bytes in write buffers that no flush has begun to write yet.
    pub(super) fn unflushed_bytes(&self) -> u64 {
        FAMILIES
            .into_iter()
            .filter_map(|name| self.db.cf_handle(name))
            .filter_map(|family| {
                self.db.property_int_value_cf(family, rocksdb::properties::CUR_SIZE_ACTIVE_MEM_TABLE).ok()?
            })
            .sum()
    }

    pub(super) fn error(&self, error: &rocksdb::Error) -> StoreError {
        StoreError::rocksdb(&self.directory, error)
    }

    /// Meta as it stands on disk, checked: of this partition, and not of a newer program.
    pub(super) fn read_meta(&self) -> Result<Meta, StoreError> {
        let bytes = self
            .db
            .get_pinned_cf(self.family(ROWS)?, META_KEY)
            .map_err(|error| self.error(&error))?
            .ok_or_else(|| StoreError::Damaged {
                directory: self.directory.clone(),
                detail: "it has no meta value".into(),
            })?;
        self.decode_meta(&bytes)
    }

    pub(super) fn decode_meta(&self, bytes: &[u8]) -> Result<Meta, StoreError> {
        let meta = decode_meta(bytes).map_err(|e| StoreError::unreadable(&self.directory, META_KEY, e))?;
        let Versions { format, decoder, evolve } = meta.identity.versions;
        let known = Versions::CURRENT;
        for (what, found, known) in [
            ("format", format, known.format),
            ("decoder version", decoder, known.decoder),
            ("evolve version", evolve, known.evolve),
        ] {
            if found > known {
                return Err(StoreError::Newer { directory: self.directory.clone(), what, found, known });
            }
        }
        if meta.identity.partition != self.partition {
            return Err(StoreError::OtherPartition {
                directory: self.directory.clone(),
                found: meta.identity.partition,
                expected: self.partition,
            });
        }
        Ok(meta)
    }

    /// History items below are hidden from now on, and dropped by compaction.
    pub(super) fn hide_history_below(&self, begins: NextOffset) {
        self.history_begins.store(begins.0, Ordering::Relaxed);
    }
}
