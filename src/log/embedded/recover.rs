//! Opening the log: looks first, changes something only when all is well.
//!
//! The database is opened for reading only, which replays its own log into memory and leaves every file as
//! it is. Replaying stops at the first record that is torn or damaged; the number of the last write found is
//! then compared with the mark. At least the mark: all that was acknowledged is there, and the rest was a
//! torn tail, which opening for writing cuts off. Less: acknowledged records are gone, and the log is
//! [`LogError::Corrupt`]. The recovery mode is the same both times, so both see the same.
//!
//! (`PointInTime` and not `TolerateCorruptedTailRecords`: that one refuses a tail whose pages reached the
//! disk out of order, which a power failure may leave beyond the last sync, and reads on behind a cut-off
//! file as if nothing were missing.)

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use rocksdb::{
    BlockBasedOptions, Cache, DB, DBCompressionType, DBRecoveryMode, ErrorKind, Options, ReadOptions,
};
use uuid::Uuid;

use crate::config::log::LogConfig;
use crate::log::{Consumed, LogError};
use crate::types::{NextOffset, Partition, Topic};

use super::mark::{self, Mark, MarkFile};
use super::partitions::{BLOCK, Ends, Partitions};
use super::record::Stored;
use super::{keys, sealed, topics, wal};

/// What was found, or made.
pub(super) struct Recovered {
    pub(super) db: DB,
    pub(super) cluster: Uuid,
    pub(super) mark: MarkFile,
    pub(super) state: State,
}

/// The state that the database holds beside the records.
#[derive(Default)]
pub(super) struct State {
    pub(super) number: u64,
    pub(super) ends: Vec<Ends>,
    pub(super) consumed: HashMap<(String, Partition), Consumed>,
}

/// Opens the log in this directory, or makes it where there is none. The caller holds the lock.
pub(super) fn open(directory: &Path, config: &LogConfig) -> Result<Recovered, LogError> {
    let corrupt = |reason: String| LogError::Corrupt { directory: directory.display().to_string(), reason };
    let io = |what: &'static str| move |e: std::io::Error| LogError::Refused { what, reason: e.to_string() };
    let path = directory.join("db");
    let exists = path.exists();
    let mark = match mark::read(directory).map_err(corrupt)? {
        Some(mark) => mark,
        None if exists => {
            return Err(corrupt("MARK is missing, and so is what was last acknowledged".to_owned()));
        }
        None => {
            let cluster = fresh_id();
            MarkFile::create(directory, cluster).map_err(io("making the log"))?;
            Mark { number: 0, cluster, untouched: true }
        }
    };
    let options = options(config);
    let found = if exists { look(&path, &options, mark, config, directory) } else { Ok(None) };
    let state = match found {
        Ok(Some(state)) => state,
        // Made, but not to its end: nothing was ever written to it.
        Ok(None) | Err(LogError::Corrupt { .. }) if mark.untouched => {
            if exists {
                fs::remove_dir_all(&path).map_err(io("making the log"))?;
            }
            make(&path, &options, mark.cluster, config)?
        }
        Ok(None) => return Err(corrupt("the database is gone".to_owned())),
        Err(e) => return Err(e),
    };
    let db = DB::open(&options, &path).map_err(|e| failed(directory, "opening the log", &e))?;
    let number = commit_number(&db).map_err(corrupt)?;
    if number != state.number {
        return Err(corrupt(format!(
            "write {} was there and is not any more; now the last is {number}",
            state.number
        )));
    }
    let mark = MarkFile::open(directory, mark.cluster, number).map_err(io("writing the mark"))?;
    let cluster = mark.cluster();
    Ok(Recovered { db, cluster, mark, state })
}

#[expect(clippy::disallowed_methods, reason = "a fresh log is told from every other by a random id")]
fn fresh_id() -> Uuid {
    Uuid::new_v4()
}

/// A database error as the log's: damage, or something the machine refused.
pub(super) fn failed(directory: &Path, what: &'static str, e: &rocksdb::Error) -> LogError {
    let reason = e.to_string();
    match e.kind() {
        ErrorKind::IOError | ErrorKind::Busy | ErrorKind::TimedOut | ErrorKind::TryAgain => {
            LogError::Refused { what, reason }
        }
        _ => LogError::Corrupt { directory: directory.display().to_string(), reason },
    }
}

fn options(config: &LogConfig) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(&Cache::new_lru_cache(config.block_cache_bytes));
    table.set_block_size(16 << 10);
    table.set_format_version(5);
    let mut options = Options::default();
    options.set_block_based_table_factory(&table);
    options.create_if_missing(false);
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    options.set_paranoid_checks(true);
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_write_buffer_size(config.write_buffer_bytes);
    options.set_max_write_buffer_number(3);
    options.set_max_background_jobs(2);
    options.set_max_open_files(256);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_keep_log_file_num(2);
    options.set_max_log_file_size(1 << 20);
    options.set_stats_dump_period_sec(0);
    options
}

/// Reads the state without changing anything; nothing where the database was not made to its end.
fn look(
    path: &Path,
    options: &Options,
    mark: Mark,
    config: &LogConfig,
    directory: &Path,
) -> Result<Option<State>, LogError> {
    let corrupt = |reason: String| LogError::Corrupt { directory: directory.display().to_string(), reason };
    wal::check(path).map_err(corrupt)?;
    let db = DB::open_for_read_only(options, path, false).map_err(|e| {
        match failed(directory, "opening the log", &e) {
            // A file that is not there is damage, not a machine's mood.
            LogError::Refused { reason, .. } if reason.contains("No such file") => corrupt(reason),
            e => e,
        }
    })?;
    let Some(identity) = db.get(keys::IDENTITY).map_err(|e| failed(directory, "reading the log", &e))? else {
        return Ok(None);
    };
    let (cluster, partitions) = identity_of(&identity).map_err(corrupt)?;
    if cluster != mark.cluster {
        return Err(corrupt(format!("the database is that of log {cluster}, MARK that of {}", mark.cluster)));
    }
    if partitions != config.partitions {
        let directory = directory.display().to_string();
        return Err(LogError::PartitionCount { directory, have: partitions, want: config.partitions });
    }
    let number = commit_number(&db).map_err(corrupt)?;
    if number < mark.number {
        return Err(corrupt(format!(
            "write {} was acknowledged, but the log ends after write {number}",
            mark.number
        )));
    }
    let ends = Partitions::all(partitions)
        .map(|(topic, partition)| ends_of(&db, topic, partition))
        .collect::<Result<_, _>>()
        .map_err(corrupt)?;
    Ok(Some(State { number, ends, consumed: consumed(&db).map_err(corrupt)? }))
}

/// Makes an empty database with its identity.
fn make(path: &Path, options: &Options, cluster: Uuid, config: &LogConfig) -> Result<State, LogError> {
    let mut options = options.clone();
    options.create_if_missing(true);
    let made = DB::open(&options, path).and_then(|db| {
        let mut batch = rocksdb::WriteBatch::default();
        let mut payload = cluster.as_bytes().to_vec();
        payload.extend_from_slice(&config.partitions.to_le_bytes());
        batch.put(keys::IDENTITY, sealed::seal(&keys::IDENTITY, &payload));
        batch.put(keys::COMMIT_NUMBER, sealed::seal_u64(&keys::COMMIT_NUMBER, 0));
        let mut synced = rocksdb::WriteOptions::default();
        synced.set_sync(true);
        db.write_opt(batch, &synced)
    });
    made.map_err(|e| LogError::Refused { what: "making the log", reason: e.to_string() })?;
    let ends = Partitions::all(config.partitions).map(|_| Ends::default()).collect();
    Ok(State { number: 0, ends, consumed: HashMap::new() })
}

fn identity_of(bytes: &[u8]) -> Result<(Uuid, u16), String> {
    let payload = sealed::unseal(&keys::IDENTITY, bytes)?;
    let parts =
        payload.split_first_chunk::<16>().and_then(|(id, count)| Some((id, count.first_chunk::<2>()?)));
    let (id, count) = parts.ok_or("the identity is cut off")?;
    Ok((Uuid::from_bytes(*id), u16::from_le_bytes(*count)))
}

fn commit_number(db: &DB) -> Result<u64, String> {
    number(db, &keys::COMMIT_NUMBER)?.ok_or_else(|| "the number of the last write is missing".to_owned())
}

fn number(db: &DB, key: &[u8]) -> Result<Option<u64>, String> {
    let bytes = db.get(key).map_err(|e| e.to_string())?;
    bytes.map(|bytes| sealed::unseal_u64(key, &bytes)).transpose()
}

fn ends_of(db: &DB, topic: Topic, partition: Partition) -> Result<Ends, String> {
    let end = number(db, &keys::end(topic, partition))?.unwrap_or_default();
    let start = number(db, &keys::start(topic, partition))?.unwrap_or_default();
    let last = last_offset(db, topic, partition)?;
    let is_whole = match last {
        Some(last) => last < end && (topics::is_compacted(topic) || last + 1 == end),
        None => start == end || topics::is_compacted(topic),
    };
    if start > end || !is_whole {
        let last = last.map_or_else(|| "there is none".to_owned(), |last| format!("the last is {last}"));
        return Err(format!(
            "{topic} partition {partition} should hold offsets {start} up to {end}, but {last}"
        ));
    }
    let mut ends = Ends { start, end, blocks: blocks(db, topic, partition)? };
    ends.blocks = ends.blocks.split_off(&(start / BLOCK));
    fill_last_block(db, topic, partition, &mut ends)?;
    Ok(ends)
}

fn last_offset(db: &DB, topic: Topic, partition: Partition) -> Result<Option<u64>, String> {
    let mut iterator = db.raw_iterator();
    iterator.seek_for_prev(keys::record(topic, partition, u64::MAX));
    let last = iterator.key().and_then(|key| keys::offset_of(key, topic, partition));
    iterator.status().map_err(|e| e.to_string())?;
    Ok(last)
}

fn blocks(
    db: &DB,
    topic: Topic,
    partition: Partition,
) -> Result<std::collections::BTreeMap<u64, i64>, String> {
    let mut blocks = std::collections::BTreeMap::new();
    let mut iterator = db.raw_iterator();
    let (first, last) = (keys::block(topic, partition, 0), keys::block(topic, partition, u64::MAX));
    iterator.seek(first);
    while let Some((key, value)) = iterator.item().filter(|(key, _)| *key <= &last[..]) {
        let block = keys::block_of(key).ok_or_else(|| format!("key {key:02x?} names no block"))?;
        blocks.insert(block, sealed::unseal_i64(key, value)?);
        iterator.next();
    }
    iterator.status().map_err(|e| e.to_string())?;
    Ok(blocks)
}

/// The block that is not complete has no entry of its own: its records tell.
fn fill_last_block(db: &DB, topic: Topic, partition: Partition, ends: &mut Ends) -> Result<(), String> {
    let from = (ends.end / BLOCK * BLOCK).max(ends.start);
    let mut options = ReadOptions::default();
    options.set_iterate_upper_bound(keys::record(topic, partition, ends.end));
    let mut iterator = db.raw_iterator_opt(options);
    iterator.seek(keys::record(topic, partition, from));
    while let Some((key, value)) = iterator.item() {
        let offset = keys::offset_of(key, topic, partition)
            .ok_or_else(|| format!("key {key:02x?} is out of place"))?;
        let stored = Stored::decode(topic, partition, offset, value)?;
        let newest = ends.blocks.entry(offset / BLOCK).or_insert(i64::MIN);
        *newest = stored.timestamp().0.max(*newest);
        iterator.next();
    }
    iterator.status().map_err(|e| e.to_string())
}

fn consumed(db: &DB) -> Result<HashMap<(String, Partition), Consumed>, String> {
    let mut all = HashMap::new();
    let mut iterator = db.raw_iterator();
    iterator.seek([keys::CONSUMED]);
    while let Some((key, value)) = iterator.item() {
        let Some((partition, group)) = keys::consumed_of(key) else { break };
        let payload = sealed::unseal(key, value)?;
        let (next, metadata) = payload.split_first_chunk::<8>().ok_or("a consumed position is cut off")?;
        let next = NextOffset(u64::from_le_bytes(*next));
        let metadata =
            String::from_utf8(metadata.to_vec()).map_err(|e| format!("a position's metadata: {e}"))?;
        all.insert((group.to_owned(), partition), Consumed { partition, next, metadata });
        iterator.next();
    }
    iterator.status().map_err(|e| e.to_string())?;
    Ok(all)
}
