//! Lets go of the oldest records: moves a partition's start up and deletes what lies below it in one range.

use rocksdb::{WriteBatch, WriteOptions};

use crate::log::LogError;
use crate::types::{NextOffset, Partition, Timestamp, Topic};

use super::embedded_log::Shared;
use super::partitions::{BLOCK, Ends, Partitions};
use super::{keys, sealed, topics};

/// Drops what is older than its topic keeps, in blocks of 1024 offsets; the last block counts as one too.
pub(super) fn expire(shared: &Shared, now: Timestamp) -> Result<(), LogError> {
    for (topic, partition) in Partitions::all(shared.config.partitions) {
        let Some(keep) = topics::retention_ms(topic, &shared.config) else { continue };
        let oldest = now.0.saturating_sub(i64::try_from(keep).unwrap_or(i64::MAX));
        let (start, new) =
            shared.partitions.with(topic, partition, |ends| (ends.start, first_kept(ends, oldest)))?;
        if new > start {
            truncate(shared, topic, partition, NextOffset(new))?;
        }
    }
    Ok(())
}

fn first_kept(ends: &Ends, oldest: i64) -> u64 {
    let mut first = ends.start;
    for (block, newest) in &ends.blocks {
        if *newest >= oldest {
            break;
        }
        first = first.max(((block + 1) * BLOCK).min(ends.end));
    }
    first
}

/// Drops every record below `before`.
pub(super) fn truncate(
    shared: &Shared,
    topic: Topic,
    partition: Partition,
    before: NextOffset,
) -> Result<(), LogError> {
    let (start, end) = shared.partitions.range(topic, partition)?;
    if before.0 > end {
        let (start, end) = (NextOffset(start), NextOffset(end));
        return Err(LogError::OutOfRange { topic, partition, wanted: before, start, end });
    }
    if before.0 <= start {
        return Ok(());
    }
    shared.committer.check()?;
    // Readers must not meet the hole before they know of it.
    shared.partitions.set_start(topic, partition, before.0);
    let key = keys::start(topic, partition);
    let mut batch = WriteBatch::default();
    batch.put(key, sealed::seal_u64(&key, before.0));
    batch.delete_range(keys::record(topic, partition, 0), keys::record(topic, partition, before.0));
    batch.delete_range(keys::block(topic, partition, 0), keys::block(topic, partition, before.0 / BLOCK));
    // On the disk before whole files go: a start that a power failure takes back must find its records.
    let mut options = WriteOptions::default();
    options.set_sync(true);
    shared.db.write_opt(batch, &options).map_err(|e| {
        shared.committer.stop(e.as_ref());
        shared.failed("dropping old records", &e)
    })?;
    shared
        .db
        .delete_file_in_range(keys::record(topic, partition, 0), keys::record(topic, partition, before.0 - 1))
        .map_err(|e| shared.failed("dropping old files", &e))
}
