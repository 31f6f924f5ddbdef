use std::fs;
use std::path::{Path, PathBuf};

use rocksdb::{IngestExternalFileOptions, SstFileWriter, WriteBatch, WriteOptions};

use super::changes::RowChange;
use super::database::META_KEY;
use super::options::ROWS;
use super::{Changes, StoreError, StoreWriter, retention};
use crate::codec::rows::meta::{Meta, encode_meta};
use crate::failpoint;

impl StoreWriter {
    /// Writes all of `changes` or nothing through one sorted file, durably: for bulk. No history and no
    /// dirty marks: history begins at the new position, and the next snapshot is a baseline.
    ///
    /// Rows and meta stand in one file and enter with one step of RocksDB's manifest, so a process killed
    /// anywhere leaves the store before or after, and goes on from there.
    ///
    /// # Errors
    /// Nothing was written then, but dead rows and outcomes, which may be written again.
    pub fn ingest(&mut self, changes: &Changes) -> Result<(), StoreError> {
        let rows = changes.sorted();
        let mut meta = self.meta_after(changes, &rows)?;
        meta.baseline = true;
        retention::begin_at(&mut meta);

        if !changes.dead().is_empty() || !changes.outcomes.is_empty() {
            let mut batch = WriteBatch::default();
            self.stage_dead(changes, &mut batch)?;
            self.stage_outcomes(changes, &mut batch)?;
            // Known by their offsets and names, so writing them twice changes nothing.
            self.database
                .db
                .write_opt(batch, &WriteOptions::default())
                .map_err(|error| self.database.error(&error))?;
        }

        let path = sorted_file(&self.database.directory);
        let written = self.write_sorted(&path, &meta, &rows).and_then(|()| {
            failpoint::hit(failpoint::INGEST_BEFORE);
            let mut options = IngestExternalFileOptions::default();
            options.set_move_files(true);
            let family = self.database.family(ROWS)?;
            self.database
                .db
                .ingest_external_file_cf_opts(family, &options, vec![&path])
                .map_err(|error| self.database.error(&error))
        });
        // Moved, or of no use any more.
        let _ = fs::remove_file(&path);
        written?;
        failpoint::hit(failpoint::INGEST_AFTER);
        self.database.hide_history_below(meta.history_begins);
        self.meta = meta;
        Ok(())
    }

    fn write_sorted(&self, path: &Path, meta: &Meta, rows: &[RowChange<'_>]) -> Result<(), StoreError> {
        let error = |error: rocksdb::Error| StoreError::rocksdb(&self.database.directory, &error);
        let options = self.shared.rows();
        let mut file = SstFileWriter::create(&options);
        file.open(path).map_err(error)?;
        let mut bytes = Vec::new();
        encode_meta(meta, &mut bytes);
        // Sorts before every row.
        file.put(META_KEY, &bytes).map_err(error)?;
        for row in rows {
            match row.value {
                Some(value) => file.put(row.key, value),
                None => file.delete(row.key),
            }
            .map_err(error)?;
        }
        // Synced before it is ingested.
        file.finish().map_err(error)
    }
}

/// Where a store's next sorted file is written: beside its directory, on the same device, so that it can be
/// moved in. What a killed process left there is overwritten.
fn sorted_file(directory: &Path) -> PathBuf {
    directory.with_extension("ingest")
}
