//! RocksDB as this store uses it: every option with its reason.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rocksdb::compaction_filter::Decision;
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBCompressionType, DBRecoveryMode, LogLevel,
    MergeOperands, Options, WriteBufferManager,
};

use super::database::Database;
use crate::config::store::StoreMemory;

/// Rows and meta: in one family, so that one ingested file carries both.
pub(super) const ROWS: &str = "default";
/// cycle (big-endian u64), row key → the row's hash at the last checkpoint; empty = there was no row.
pub(super) const DIRTY: &str = "dirty";
/// SKU, 0x00, offset (big-endian u64) → history item.
pub(super) const HISTORY: &str = "history";
/// Outcomes of commands.
pub(super) const OUTCOMES: &str = "outcomes";
/// Topic tag, offset (big-endian u64) → a malformed record too large for its letter.
pub(super) const DEAD: &str = "dead";

pub(super) const FAMILIES: [&str; 5] = [ROWS, DIRTY, HISTORY, OUTCOMES, DEAD];

/// Bytes that RocksDB holds, over all stores of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryInUse {
    pub block_cache: usize,
    /// Of the block cache, what cannot be dropped now.
    pub pinned: usize,
    pub memtables: usize,
}

/// What all stores of a process share.
#[derive(Clone)]
pub(super) struct Shared {
    cache: Cache,
    write_buffers: WriteBufferManager,
    write_buffer_bytes: usize,
    /// When to look for the store that holds most, though it may be idle.
    relief_bytes: usize,
    open: Arc<Mutex<Vec<Weak<Database>>>>,
}

impl Shared {
    pub(super) fn new(memory: &StoreMemory) -> Self {
        let bytes = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        Self {
            cache: Cache::new_lru_cache(bytes(memory.block_cache)),
            // It never stalls writers: the memory may be held by stores that are idle, which a stalled
            // writer could not make flush.
            write_buffers: WriteBufferManager::new_write_buffer_manager(bytes(memory.write_buffers), false),
            // One store may take a quarter before it must flush on its own account.
            write_buffer_bytes: bytes(memory.write_buffers / 4).clamp(64 << 10, 64 << 20),
            relief_bytes: bytes(memory.write_buffers / 4 * 3),
            open: Arc::default(),
        }
    }

    /// From now on `database` is one of those that may be asked to flush.
    pub(super) fn share(&self, database: &Arc<Database>) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|database| database.strong_count() > 0);
        open.push(Arc::downgrade(database));
    }

    /// Keeps write buffers within their bound: RocksDB's manager flushes only the store that happens to
    /// write, so an idle one would hold its share for ever, and a busy one flush in ever smaller pieces.
    pub(super) fn relieve(&self) {
        if self.write_buffer_usage() < self.relief_bytes {
            return;
        }
        let open: Vec<Arc<Database>> = {
            let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.iter().filter_map(Weak::upgrade).collect()
        };
        let unflushed: Vec<u64> = open.iter().map(|database| database.unflushed_bytes()).collect();
        // What is being flushed already still counts as used; it needs no second flush.
        if unflushed.iter().sum::<u64>() < (self.relief_bytes / 3 * 2) as u64 {
            return;
        }
        if let Some((_, largest)) = unflushed.iter().zip(&open).max_by_key(|(bytes, _)| **bytes) {
            largest.flush_soon();
        }
    }

    /// Bytes in write buffers now, over all stores.
    pub(super) fn write_buffer_usage(&self) -> usize {
        self.write_buffers.get_usage()
    }

    /// What RocksDB holds now, over all stores.
    pub(super) fn memory_in_use(&self) -> MemoryInUse {
        MemoryInUse {
            block_cache: self.cache.get_usage(),
            pinned: self.cache.get_pinned_usage(),
            memtables: self.write_buffers.get_usage(),
        }
    }

    /// Options of a database; `create` = it must not be there yet.
    pub(super) fn database(&self, create: bool) -> Options {
        let mut options = Options::default();
        options.create_if_missing(create);
        options.set_error_if_exists(create);
        options.create_missing_column_families(true);
        options.set_write_buffer_manager(&self.write_buffers);
        // All families are flushed together, so that no family is ever ahead of another.
        options.set_atomic_flush(true);
        // The state is rebuilt from the log: after a torn or corrupt tail an earlier whole state is right.
        options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
        options.set_max_total_wal_size(4 * self.write_buffer_bytes as u64);
        // Table readers keep a little memory each outside the block cache.
        options.set_max_open_files(256);
        options.set_paranoid_checks(true);
        options.set_max_background_jobs(2);
        options.set_bytes_per_sync(1 << 20);
        // Its own log is for its developers; errors come back from its calls.
        options.set_log_level(LogLevel::Warn);
        options.set_keep_log_file_num(2);
        options.set_max_log_file_size(1 << 20);
        options.set_stats_dump_period_sec(0);
        options.set_stats_persist_period_sec(0);
        options
    }

    /// Options of the rows' family, and of the sorted files ingested into it.
    pub(super) fn rows(&self) -> Options {
        let mut options = self.family();
        options.set_block_based_table_factory(&self.table(true));
        options
    }

    /// Options of the marks' family, and of the sorted files ingested into it.
    pub(super) fn marks(&self) -> Options {
        let mut options = self.family();
        options.set_block_based_table_factory(&self.table(false));
        options.set_merge_operator_associative("keep-first", keep_first);
        options
    }

    /// `history_begins`: items below are dropped when compaction meets them.
    pub(super) fn families(&self, history_begins: &Arc<AtomicU64>) -> Vec<ColumnFamilyDescriptor> {
        let dirty = self.marks();

        let mut history = self.family();
        history.set_block_based_table_factory(&self.table(false));
        let begins = Arc::clone(history_begins);
        history.set_compaction_filter("history-begins", move |_, key: &[u8], _: &[u8]| {
            match key.last_chunk::<8>() {
                Some(offset) if u64::from_be_bytes(*offset) < begins.load(Ordering::Relaxed) => {
                    Decision::Remove
                }
                _ => Decision::Keep,
            }
        });

        let mut outcomes = self.family();
        outcomes.set_block_based_table_factory(&self.table(true));
        // Nearly every command is asked for twice and was never seen before.
        outcomes.set_memtable_whole_key_filtering(true);
        outcomes.set_memtable_prefix_bloom_ratio(0.005);

        let mut dead = self.family();
        dead.set_block_based_table_factory(&self.table(false));

        [(ROWS, self.rows()), (DIRTY, dirty), (HISTORY, history), (OUTCOMES, outcomes), (DEAD, dead)]
            .into_iter()
            .map(|(name, options)| ColumnFamilyDescriptor::new(name, options))
            .collect()
    }

    fn family(&self) -> Options {
        let mut options = Options::default();
        options.set_write_buffer_manager(&self.write_buffers);
        options.set_write_buffer_size(self.write_buffer_bytes);
        // Many families are nearly empty: a small arena keeps each from reserving a megabyte.
        options.set_arena_block_size(64 << 10);
        options.set_compression_type(DBCompressionType::Lz4);
        options
    }

    fn table(&self, point_reads: bool) -> BlockBasedOptions {
        let mut table = BlockBasedOptions::default();
        table.set_block_cache(&self.cache);
        // Indexes and filters too are inside the one bound.
        table.set_cache_index_and_filter_blocks(true);
        table.set_cache_index_and_filter_blocks_with_high_priority(true);
        if point_reads {
            // Most loads of a rebuilding are for rows not there yet: a filter answers without a read.
            table.set_bloom_filter(10.0, false);
            table.set_whole_key_filtering(true);
            table.set_optimize_filters_for_memory(true);
        }
        table
    }
}

/// The first mark of a row within a cycle says what the last checkpoint held; later ones must not.
fn keep_first(_key: &[u8], existing: Option<&[u8]>, operands: &MergeOperands) -> Option<Vec<u8>> {
    existing.or_else(|| operands.iter().next()).map(<[u8]>::to_vec)
}
