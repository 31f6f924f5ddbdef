//! Makes a generation from the newest checkpoint of the snapshots topic, or from a base of the archive.
//!
//! The topic holds the last record of each key, so where a cycle after the checkpoint was cut off, some rows
//! are already that cycle's. Each record says what hash its row had at the checkpoint before, so the
//! checkpoint can be checked all the same. Such rows are ahead of the position: whoever folds on from it
//! passes over the events that a SKU's row has seen. And they are marked, so that the next cycle carries them.

use super::archive::{Archive, ArchiveError, Base, Given};
use super::base::{BaseError, Wanted, check};
use super::sort::Said;
use super::topic::{self, Reading};
use super::work::Work;
use crate::codec::rows::SEPARATOR;
use crate::codec::rows::meta::{CheckpointMark, Identity, Meta, Progress};
use crate::codec::snapshot::Checkpoint;
use crate::log::Log;
use crate::store::{Digest, PartitionStores, RowHash, StoreWriter};
use crate::types::NextOffset;

/// A row so long that writing it takes longer than to ask whether it is still wanted.
const LONG: usize = 4096;

/// A generation made from a base, not yet served.
pub struct Restored {
    pub store: StoreWriter,
    /// The checkpoint; cycle 0 where it was a base of the archive.
    pub base: CheckpointMark,
    pub rows: u64,
    /// Of keys and values.
    pub bytes: u64,
    /// Records of the topic read for it.
    pub records: u64,
}

/// Restores a partition from the snapshots topic.
///
/// # Errors
/// See [`BaseError`]; no generation is left then.
pub fn from_topic(
    log: &dyn Log,
    stores: &PartitionStores,
    wanted: &Wanted,
    reading: &Reading,
    work: &Work,
) -> Result<Restored, BaseError> {
    let partition = wanted.partition;
    let mut latest = topic::read(log, partition, reading, work)?;
    let checkpoint = latest.take_checkpoint(partition)?;
    check(&checkpoint.identity, checkpoint.progress.next, wanted)?;
    if latest.foreign > 0 {
        tracing::warn!(%partition, records = latest.foreign, "records in the snapshots topic are nothing of ours; passed over");
    }
    work.begin("writing rows", 0, checkpoint.rows);
    let (mut rows, mut bytes) = (0, 0);
    let store = stores.build(partition, |filling| {
        let mut at_checkpoint = Summed::default();
        let mut skus = 0;
        while let Some(entry) = latest.advance()? {
            let later = entry.mark.cycle > checkpoint.cycle;
            let before = entry.mark.before.map(RowHash);
            let now = match entry.said {
                Said::Row(value) => {
                    let hash = filling.put(entry.key, value)?;
                    skus += u64::from(is_stock(entry.key));
                    work.add(1, 1, (entry.key.len() + value.len()) as u64);
                    Some(hash)
                }
                Said::Gone => None,
                Said::Unreadable(why) => {
                    let reason = format!("the row {}: {why}", entry.key.escape_ascii());
                    return Err(BaseError::Unreadable { partition, offset: entry.offset, reason });
                }
            };
            at_checkpoint.add(if later { before } else { now });
            if later {
                filling.mark(checkpoint.cycle.saturating_add(1), entry.key, before)?;
            }
            if filling.rows().is_multiple_of(4096) && work.is_stopped() {
                return Err(BaseError::Interrupted);
            }
        }
        at_checkpoint.must_be(&checkpoint)?;
        (rows, bytes) = (filling.rows(), filling.bytes());
        let mut meta = meta_of(&checkpoint, skus);
        meta.baseline = false;
        // Above every cycle of the topic, and so above the marks.
        meta.cycle = latest.cycle.max(checkpoint.cycle).saturating_add(1);
        meta.last_checkpoint =
            Some(CheckpointMark { cycle: checkpoint.cycle, next: checkpoint.progress.next });
        Ok(meta)
    })?;
    let records = latest.records;
    latest.discard();
    let base = CheckpointMark { cycle: checkpoint.cycle, next: checkpoint.progress.next };
    Ok(Restored { store, base, rows, bytes, records })
}

/// Restores a partition from a base of the archive. Its next snapshot is a baseline: the topic may hold what
/// another store wrote.
///
/// # Errors
/// See [`BaseError`]; no generation is left then.
pub fn from_archive(
    archive: &Archive,
    base: &Base,
    stores: &PartitionStores,
    wanted: &Wanted,
    work: &Work,
) -> Result<Restored, BaseError> {
    let meta = base.manifest.meta();
    check(&meta.identity, meta.progress.next, wanted)?;
    let (mut rows, mut bytes) = (0, 0);
    let next = meta.progress.next;
    // What ended for a reason that is not the base's goes on with the same base.
    let is_passing = |error: &BaseError| {
        matches!(error, BaseError::Interrupted | BaseError::Archive(ArchiveError::Unreachable { .. }))
    };
    let store = stores.build_resumable::<BaseError>(wanted.partition, &base.key(), is_passing, |filling| {
        let mut skus = 0;
        let mut given = Given::default();
        if let Some(kept) = filling.resumed() {
            skus = kept.own;
            given = Given {
                files: usize::try_from(kept.parts).unwrap_or(usize::MAX),
                rows: kept.rows,
                digest: kept.digest,
                last: kept.last.clone(),
            };
            tracing::info!(partition = %wanted.partition, base = %base.id, files = given.files, rows = given.rows, "a restore goes on where it was");
        }
        work.begin("writing rows", given.rows, base.manifest.rows);
        let mut reader = archive.read_behind(base, given)?;
        // The reader ends well only where count and digest are the manifest's.
        loop {
            if let Some(files) = reader.whole_files()? {
                filling.keep(files as u64, skus)?;
            }
            let Some((key, value, hash)) = reader.next_hashed()? else { break };
            filling.put_hashed(key, value, hash)?;
            skus += u64::from(is_stock(key));
            work.add(1, 1, (key.len() + value.len()) as u64);
            if (filling.rows().is_multiple_of(4096) || value.len() > LONG) && work.is_stopped() {
                return Err(BaseError::Interrupted);
            }
        }
        (rows, bytes) = (filling.rows(), filling.bytes());
        Ok(meta_at(meta.identity, meta.progress, skus))
    })?;
    Ok(Restored { store, base: CheckpointMark { cycle: 0, next }, rows, bytes, records: 0 })
}

/// Whether it is the key of a SKU's own row.
fn is_stock(key: &[u8]) -> bool {
    !key.contains(&SEPARATOR)
}

/// The meta of a store at a base's position, whose next snapshot is a baseline.
fn meta_of(checkpoint: &Checkpoint, skus: u64) -> Meta {
    meta_at(checkpoint.identity.clone(), checkpoint.progress.clone(), skus)
}

fn meta_at(identity: Identity, mut progress: Progress, skus: u64) -> Meta {
    // Rows ahead of the position may be of SKUs that were not there at the base.
    progress.counters.skus = skus;
    // A base holds no outcomes: they are folded from the results anew.
    progress.next_results = NextOffset::ZERO;
    let mut meta = Meta::new(identity);
    meta.history_begins = progress.next;
    meta.history_from = progress.log_time;
    meta.progress = progress;
    meta
}

/// Count and digest, gathered.
#[derive(Default)]
struct Summed {
    rows: u64,
    digest: Digest,
}

impl Summed {
    fn add(&mut self, hash: Option<RowHash>) {
        self.rows += u64::from(hash.is_some());
        self.digest = self.digest.replace(None, hash);
    }

    fn must_be(&self, checkpoint: &Checkpoint) -> Result<(), BaseError> {
        if (self.rows, self.digest.0) == (checkpoint.rows, checkpoint.digest) {
            return Ok(());
        }
        Err(BaseError::Mismatch {
            partition: checkpoint.identity.partition,
            cycle: checkpoint.cycle,
            rows: self.rows,
            digest: self.digest,
            expected_rows: checkpoint.rows,
            expected_digest: Digest(checkpoint.digest),
        })
    }
}
