//! What a store knows of itself.

use std::collections::BTreeMap;

use super::RowError;
use super::wire::{self, SchemaRead, SchemaWrite};
use crate::types::{NextOffset, Offset, Partition, Timestamp};

/// The meta value of a store. Written with every change of rows, in the same atomic write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    pub identity: Identity,
    pub progress: Progress,
    /// Σ of the rows' hashes modulo 2^128.
    pub digest: u128,
    pub rows: u64,
    /// Filled by sorted files: no dirty marks, so the next snapshot must be a baseline.
    pub baseline: bool,
    /// The cycle that dirty marks are written under.
    pub cycle: u64,
    /// The newest checkpoint this store was part of.
    pub last_checkpoint: Option<CheckpointMark>,
    /// Events from here on have history items, as far as retention keeps them; below there is none.
    pub history_begins: NextOffset,
    /// No event below `history_begins` has a log time above this.
    pub history_from: Option<Timestamp>,
    /// For each hour of log time (hours since 1970), the first offset with a history item; in order.
    pub history_hours: Vec<(i64, Offset)>,
    /// The snapshot cycle begun last, until its outcome is known.
    pub under_way: Option<CycleUnderWay>,
    /// Rebuilt from an arbitrary point: earlier events are missing from it, so it is never served.
    pub partial: bool,
}

/// A snapshot cycle that was begun: noted before its first record is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CycleUnderWay {
    pub cycle: u64,
    /// The position it shows.
    pub next: NextOffset,
    /// It carries every row, not only the marked ones.
    pub baseline: bool,
}

impl Meta {
    /// An empty store's. Its first snapshot is a baseline: the topic may hold what another store wrote.
    #[must_use]
    pub fn new(identity: Identity) -> Self {
        let begins = identity.begins;
        Self {
            identity,
            progress: Progress::at_start(begins),
            digest: 0,
            rows: 0,
            baseline: true,
            cycle: 1,
            last_checkpoint: None,
            history_begins: begins,
            history_from: None,
            history_hours: Vec::new(),
            under_way: None,
            partial: false,
        }
    }
}

/// What a store is of. Fixed when it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub partition: Partition,
    pub partition_count: u16,
    /// The log's cluster id.
    pub cluster_id: String,
    pub versions: Versions,
    /// Where the log began for this store; above 0, earlier events are missing from it, knowingly.
    pub begins: NextOffset,
}

/// The versions of what made the rows. Ordered: an older one is used and warned of, a newer one is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versions {
    pub format: u32,
    pub decoder: u32,
    pub evolve: u32,
}

impl Versions {
    /// Those of this program.
    pub const CURRENT: Self = Self {
        format: super::FORMAT_VERSION,
        decoder: crate::codec::event::DECODER_VERSION,
        evolve: crate::domain::EVOLVE_VERSION,
    };
}

/// How far a store has come: moved by whoever folds, in the same write as the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The next event to read.
    pub next: NextOffset,
    /// The next command result to read.
    pub next_results: NextOffset,
    /// The next command to decide, as folded from results.
    pub next_commands: NextOffset,
    /// The last event record read.
    pub fingerprint: Option<Fingerprint>,
    /// Log time: the greatest timestamp of the event records read.
    pub log_time: Option<Timestamp>,
    /// Every malformed record below is in dead letters.
    pub dead_letter_mark: NextOffset,
    pub counters: Counters,
}

impl Progress {
    /// Before the first record of a log that begins at `begins`.
    #[must_use]
    pub fn at_start(begins: NextOffset) -> Self {
        Self {
            next: begins,
            next_results: NextOffset::ZERO,
            next_commands: NextOffset::ZERO,
            fingerprint: None,
            log_time: None,
            dead_letter_mark: begins,
            counters: Counters::default(),
        }
    }
}

/// A record of the log, recognisable: if it is still there, it must read the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint {
    pub offset: Offset,
    pub timestamp: Timestamp,
    /// crc32c of the record; what it covers is the projector's.
    pub crc32c: u32,
}

/// A checkpoint by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckpointMark {
    pub cycle: u64,
    pub next: NextOffset,
}

/// What happened to the records read, since the store was made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counters {
    /// SKUs that have a row.
    pub skus: u64,
    pub applied: u64,
    pub duplicates: u64,
    pub conflicts: u64,
    pub anomalies: u64,
    pub gaps: u64,
    /// Types of newer services, passed over.
    pub unknown_types: u64,
    /// Expiries whose entry's instant was another by then, passed over.
    pub stale_expiries: u64,
    /// By the reason's stable name.
    pub malformed: BTreeMap<String, u64>,
}

/// The version byte of the meta value. Version 1 ends before the cycle under way; it is read, never written.
pub(super) const META_VERSION: u8 = 2;
const WITHOUT_CYCLE: u8 = 1;

/// [`Meta`] as it is written. The order of fields is the format.
#[derive(SchemaRead, SchemaWrite)]
#[cfg_attr(test, derive(bincode::Encode, bincode::BorrowDecode))]
pub(super) struct StoredMeta<'a> {
    first: StoredMetaV1<'a>,
    /// Cycle, next, baseline.
    under_way: Option<(u64, u64, bool)>,
    partial: bool,
}

#[derive(SchemaRead, SchemaWrite)]
#[cfg_attr(test, derive(bincode::Encode, bincode::BorrowDecode))]
pub(super) struct StoredMetaV1<'a> {
    format: u32,
    decoder: u32,
    evolve: u32,
    partition: u16,
    partition_count: u16,
    cluster_id: &'a str,
    begins: u64,
    next: u64,
    next_results: u64,
    next_commands: u64,
    fingerprint: Option<(u64, i64, u32)>,
    log_time: Option<i64>,
    dead_letter_mark: u64,
    skus: u64,
    applied: u64,
    duplicates: u64,
    conflicts: u64,
    anomalies: u64,
    gaps: u64,
    unknown_types: u64,
    stale_expiries: u64,
    malformed: Vec<(&'a str, u64)>,
    /// Little-endian: a hash does not shrink.
    digest: [u8; 16],
    rows: u64,
    baseline: bool,
    cycle: u64,
    last_checkpoint: Option<(u64, u64)>,
    history_begins: u64,
    history_from: Option<i64>,
    history_hours: Vec<(i64, u64)>,
}

/// Appends the meta value.
pub fn encode_meta(meta: &Meta, out: &mut Vec<u8>) {
    out.push(META_VERSION);
    let stored = StoredMeta {
        first: stored_v1(meta),
        under_way: meta.under_way.map(|cycle| (cycle.cycle, cycle.next.0, cycle.baseline)),
        partial: meta.partial,
    };
    wire::write(&stored, out);
}

fn stored_v1(meta: &Meta) -> StoredMetaV1<'_> {
    let Progress { counters, .. } = &meta.progress;
    StoredMetaV1 {
        format: meta.identity.versions.format,
        decoder: meta.identity.versions.decoder,
        evolve: meta.identity.versions.evolve,
        partition: meta.identity.partition.0,
        partition_count: meta.identity.partition_count,
        cluster_id: &meta.identity.cluster_id,
        begins: meta.identity.begins.0,
        next: meta.progress.next.0,
        next_results: meta.progress.next_results.0,
        next_commands: meta.progress.next_commands.0,
        fingerprint: meta.progress.fingerprint.map(|f| (f.offset.0, f.timestamp.0, f.crc32c)),
        log_time: meta.progress.log_time.map(|time| time.0),
        dead_letter_mark: meta.progress.dead_letter_mark.0,
        skus: counters.skus,
        applied: counters.applied,
        duplicates: counters.duplicates,
        conflicts: counters.conflicts,
        anomalies: counters.anomalies,
        gaps: counters.gaps,
        unknown_types: counters.unknown_types,
        stale_expiries: counters.stale_expiries,
        malformed: counters.malformed.iter().map(|(reason, count)| (reason.as_str(), *count)).collect(),
        digest: meta.digest.to_le_bytes(),
        rows: meta.rows,
        baseline: meta.baseline,
        cycle: meta.cycle,
        last_checkpoint: meta.last_checkpoint.map(|mark| (mark.cycle, mark.next.0)),
        history_begins: meta.history_begins.0,
        history_from: meta.history_from.map(|time| time.0),
        history_hours: meta.history_hours.iter().map(|(hour, offset)| (*hour, offset.0)).collect(),
    }
}

/// # Errors
/// [`RowError`] where the bytes are not those of a meta value.
pub fn decode_meta(bytes: &[u8]) -> Result<Meta, RowError> {
    if let Some((&WITHOUT_CYCLE, rest)) = bytes.split_first() {
        let meta = meta_of(StoredMeta { first: wire::read(rest)?, under_way: None, partial: false });
        wire::canonical(bytes, |out| {
            out.push(WITHOUT_CYCLE);
            wire::write(&stored_v1(&meta), out);
        })?;
        return Ok(meta);
    }
    let meta = meta_of(wire::read(wire::versioned(bytes, META_VERSION)?)?);
    wire::canonical(bytes, |out| encode_meta(&meta, out))?;
    Ok(meta)
}

fn meta_of(stored: StoredMeta<'_>) -> Meta {
    let StoredMeta { first: stored, under_way, partial } = stored;
    Meta {
        identity: Identity {
            partition: Partition(stored.partition),
            partition_count: stored.partition_count,
            cluster_id: stored.cluster_id.into(),
            versions: Versions { format: stored.format, decoder: stored.decoder, evolve: stored.evolve },
            begins: NextOffset(stored.begins),
        },
        progress: Progress {
            next: NextOffset(stored.next),
            next_results: NextOffset(stored.next_results),
            next_commands: NextOffset(stored.next_commands),
            fingerprint: stored.fingerprint.map(|(offset, timestamp, crc32c)| Fingerprint {
                offset: Offset(offset),
                timestamp: Timestamp(timestamp),
                crc32c,
            }),
            log_time: stored.log_time.map(Timestamp),
            dead_letter_mark: NextOffset(stored.dead_letter_mark),
            counters: Counters {
                skus: stored.skus,
                applied: stored.applied,
                duplicates: stored.duplicates,
                conflicts: stored.conflicts,
                anomalies: stored.anomalies,
                gaps: stored.gaps,
                unknown_types: stored.unknown_types,
                stale_expiries: stored.stale_expiries,
                malformed: stored
                    .malformed
                    .into_iter()
                    .map(|(reason, count)| (reason.to_owned(), count))
                    .collect(),
            },
        },
        digest: u128::from_le_bytes(stored.digest),
        rows: stored.rows,
        baseline: stored.baseline,
        cycle: stored.cycle,
        last_checkpoint: stored
            .last_checkpoint
            .map(|(cycle, next)| CheckpointMark { cycle, next: NextOffset(next) }),
        history_begins: NextOffset(stored.history_begins),
        history_from: stored.history_from.map(Timestamp),
        history_hours: stored
            .history_hours
            .into_iter()
            .map(|(hour, offset)| (hour, Offset(offset)))
            .collect(),
        under_way: under_way.map(|(cycle, next, baseline)| CycleUnderWay {
            cycle,
            next: NextOffset(next),
            baseline,
        }),
        partial,
    }
}
