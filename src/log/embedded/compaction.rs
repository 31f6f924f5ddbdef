//! Compaction of the snapshots topic: of each key only the last record stays, and a tombstone for
//! `retention.tombstones_hours` after compaction first met it.
//!
//! As Kafka's cleaner: the last offset of every key in the part that is not compacted yet (so many keys at a
//! time as `compaction_keys` allows), then one pass from the start that deletes what is older than its key's
//! last. Appends go on meanwhile; a reader sees gaps.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use rocksdb::{ReadOptions, WriteBatch};
use xxhash_rust::xxh3::xxh3_128;

use crate::log::LogError;
use crate::types::{Partition, Timestamp, Topic};

use super::embedded_log::Shared;
use super::record::Stored;
use super::{keys, sealed, topics};

/// Deletions in one database write.
const DELETIONS: usize = 1000;
/// Below so many new records a partition is left alone.
const FEW: u64 = 1000;

/// How far a partition is compacted, and how many records that part holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Compacted {
    to: u64,
    live: u64,
}

/// Compacts partitions of which at least half is new, or all of them if `now_all`.
pub(super) fn compact(shared: &Shared, topic: Topic, now: Timestamp, now_all: bool) -> Result<(), LogError> {
    if !topics::is_compacted(topic) {
        return Ok(());
    }
    for partition in (0..shared.config.partitions).map(Partition) {
        shared.committer.check()?;
        let mut compacted = load(shared, topic, partition)?;
        let (_, end) = shared.partitions.range(topic, partition)?;
        let new = end.saturating_sub(compacted.to);
        if !now_all && new < compacted.live.max(FEW) {
            continue;
        }
        loop {
            compacted = pass(shared, topic, partition, compacted.to, end, now)?;
            if compacted.to >= end {
                break;
            }
        }
    }
    Ok(())
}

fn load(shared: &Shared, topic: Topic, partition: Partition) -> Result<Compacted, LogError> {
    let key = keys::compacted(topic, partition);
    let Some(bytes) = shared.db.get(key).map_err(|e| shared.failed("reading the log", &e))? else {
        return Ok(Compacted::default());
    };
    let payload = sealed::unseal(&key, &bytes).map_err(|reason| shared.corrupt(reason))?;
    let numbers =
        payload.split_first_chunk::<8>().and_then(|(to, live)| Some((to, live.first_chunk::<8>()?)));
    let (to, live) = numbers.ok_or_else(|| shared.corrupt(format!("key {key:02x?} holds no two numbers")))?;
    Ok(Compacted { to: u64::from_le_bytes(*to), live: u64::from_le_bytes(*live) })
}

/// One pass: compacts from `from` as far as the map of keys reaches, `end` at most.
fn pass(
    shared: &Shared,
    topic: Topic,
    partition: Partition,
    from: u64,
    end: u64,
    now: Timestamp,
) -> Result<Compacted, LogError> {
    let mut last: HashMap<u128, u64> = HashMap::new();
    let mut to = end;
    scan(shared, topic, partition, from, end, |record, offset| {
        let Some(key) = record.key().filter(|_| !record.is_control()) else { return Ok(true) };
        let full = last.len() >= shared.config.compaction_keys;
        match last.entry(xxh3_128(key)) {
            Entry::Occupied(mut entry) => {
                entry.insert(offset);
            }
            Entry::Vacant(_) if full => {
                to = offset;
                return Ok(false);
            }
            Entry::Vacant(entry) => {
                entry.insert(offset);
            }
        }
        Ok(true)
    })?;

    let keep_ms = i64::try_from(topics::tombstones_ms(&shared.config)).unwrap_or(i64::MAX);
    let mut live = 0;
    let mut changes = Changes { shared, batch: WriteBatch::default() };
    scan(shared, topic, partition, 0, to, |record, offset| {
        let is_last =
            record.key().is_some_and(|key| last.get(&xxh3_128(key)).is_none_or(|last| *last <= offset));
        let mut goes = record.is_control() || !is_last;
        if !record.is_control() && record.value().is_none() {
            let key = keys::tombstone(topic, partition, offset);
            match shared.db.get(key).map_err(|e| shared.failed("reading the log", &e))? {
                Some(met) => {
                    let met = sealed::unseal_i64(&key, &met).map_err(|reason| shared.corrupt(reason))?;
                    goes |= met.saturating_add(keep_ms) <= now.0;
                    if goes {
                        changes.batch.delete(key);
                    }
                }
                None if goes => {}
                None => changes.batch.put(key, sealed::seal_i64(&key, now.0)),
            }
        }
        if goes {
            changes.batch.delete(keys::record(topic, partition, offset));
        } else {
            live += 1;
        }
        changes.write_from(DELETIONS)?;
        Ok(true)
    })?;
    let key = keys::compacted(topic, partition);
    let mut payload = to.to_le_bytes().to_vec();
    payload.extend_from_slice(&u64::to_le_bytes(live));
    changes.batch.put(key, sealed::seal(&key, &payload));
    changes.write_from(0)?;
    Ok(Compacted { to, live })
}

struct Changes<'a> {
    shared: &'a Shared,
    batch: WriteBatch,
}

impl Changes<'_> {
    /// Writes what is there if it is at least so much. Not synced: what a crash takes back is done again.
    fn write_from(&mut self, least: usize) -> Result<(), LogError> {
        if self.batch.len() < least {
            return Ok(());
        }
        let batch = std::mem::take(&mut self.batch);
        self.shared.db.write(batch).map_err(|e| {
            self.shared.committer.stop(e.as_ref());
            self.shared.failed("compacting the log", &e)
        })
    }
}

/// Visits the records of `[from, to)` until `visit` says no.
fn scan(
    shared: &Shared,
    topic: Topic,
    partition: Partition,
    from: u64,
    to: u64,
    mut visit: impl FnMut(&Stored, u64) -> Result<bool, LogError>,
) -> Result<(), LogError> {
    let mut options = ReadOptions::default();
    options.set_iterate_upper_bound(keys::record(topic, partition, to));
    options.fill_cache(false);
    let mut iterator = shared.db.raw_iterator_opt(options);
    iterator.seek(keys::record(topic, partition, from));
    while let Some((key, value)) = iterator.item() {
        let offset = keys::offset_of(key, topic, partition)
            .ok_or_else(|| shared.corrupt(format!("key {key:02x?} stands among the records")))?;
        let stored =
            Stored::decode(topic, partition, offset, value).map_err(|reason| shared.corrupt(reason))?;
        if !visit(&stored, offset)? {
            return Ok(());
        }
        iterator.next();
    }
    iterator.status().map_err(|e| shared.failed("reading the log", &e))
}
