//! Snapshot cycles, as a store sees them: which rows the next one must carry.
//!
//! Every change of a row leaves a mark under the current cycle's number with the row's hash before it. A cycle
//! that begins takes all marks up to its own number; what changes from then on is marked for the one after.
//! Once its checkpoint is committed, its marks go in one range. A cycle that was cut off leaves them: the next
//! carries the union, and of two marks of a row the older one says what the last checkpoint held.

use rocksdb::{WriteBatch, WriteOptions};

use super::database::META_KEY;
use super::options::{DIRTY, ROWS};
use super::{StoreError, StoreWriter};
use crate::codec::rows::meta::{CheckpointMark, CycleUnderWay, Meta, encode_meta};

impl StoreWriter {
    /// Notes a cycle as begun, durably, before anything of it is written: numbered above `above` and above
    /// every earlier one of this store. Freeze the store ([`super::StoreReader::freeze`]) before the next
    /// commit: that is what the cycle shows.
    ///
    /// # Errors
    /// Nothing was noted then.
    pub fn begin_cycle(&mut self, above: u64) -> Result<CycleUnderWay, StoreError> {
        let cycle = self.meta.cycle.max(above.saturating_add(1));
        let begun = CycleUnderWay { cycle, next: self.meta.progress.next, baseline: self.meta.baseline };
        let mut meta = self.meta.clone();
        meta.under_way = Some(begun);
        meta.cycle = cycle.saturating_add(1);
        // After a power cut the note must not be missing while the cycle's checkpoint is in the topic.
        self.write_meta(WriteBatch::default(), meta, true)?;
        Ok(begun)
    }

    /// The cycle's checkpoint is committed: its marks go. Nothing happens where it is not the one under way.
    ///
    /// # Errors
    /// The marks are all still there then; call it again.
    pub fn finish_cycle(&mut self, cycle: u64) -> Result<(), StoreError> {
        let Some(done) = self.meta.under_way.filter(|begun| begun.cycle == cycle) else { return Ok(()) };
        let mut batch = WriteBatch::default();
        batch.delete_range_cf(
            self.database.family(DIRTY)?,
            0_u64.to_be_bytes(),
            cycle.saturating_add(1).to_be_bytes(),
        );
        let mut meta = self.meta.clone();
        meta.under_way = None;
        meta.last_checkpoint = Some(CheckpointMark { cycle, next: done.next });
        // Sorted files ingested since would have set it anew; they never are while a cycle is under way.
        meta.baseline &= !done.baseline;
        self.write_meta(batch, meta, false)
    }

    /// The cycle under way will never have a checkpoint: its marks stay for the next.
    ///
    /// # Errors
    /// The note is still there then, and harmless.
    pub fn cut_cycle(&mut self) -> Result<(), StoreError> {
        if self.meta.under_way.is_none() {
            return Ok(());
        }
        let mut meta = self.meta.clone();
        meta.under_way = None;
        self.write_meta(WriteBatch::default(), meta, false)
    }

    /// The next cycle carries every row: what the topic holds is not what this store's marks say.
    ///
    /// # Errors
    /// Nothing was noted then.
    pub fn require_baseline(&mut self) -> Result<(), StoreError> {
        let mut meta = self.meta.clone();
        meta.baseline = true;
        meta.under_way = None;
        self.write_meta(WriteBatch::default(), meta, true)
    }

    /// Earlier events are missing from it: it is never served.
    ///
    /// # Errors
    /// Nothing was noted then.
    pub fn mark_partial(&mut self) -> Result<(), StoreError> {
        let mut meta = self.meta.clone();
        meta.partial = true;
        self.write_meta(WriteBatch::default(), meta, true)
    }

    pub(super) fn write_meta(
        &mut self,
        mut batch: WriteBatch,
        meta: Meta,
        durably: bool,
    ) -> Result<(), StoreError> {
        let mut bytes = Vec::new();
        encode_meta(&meta, &mut bytes);
        batch.put_cf(self.database.family(ROWS)?, META_KEY, &bytes);
        let mut options = WriteOptions::default();
        options.set_sync(durably);
        self.database.db.write_opt(batch, &options).map_err(|error| self.database.error(&error))?;
        self.meta = meta;
        Ok(())
    }
}
