use super::row::CHECKPOINT;
use super::sealed::{FORMAT_VERSION, seal, unseal};
use super::{CHECKPOINT_KEY, SnapshotError, damaged};
use crate::codec::rows::meta::{Counters, Fingerprint, Identity, Progress, Versions};
use crate::codec::rows::wire::{self, SchemaRead, SchemaWrite};
use crate::types::{NextOffset, Offset, Partition, Timestamp};

/// The end of a cycle: what all rows together are at one position. Without it a cycle is nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    pub cycle: u64,
    /// What made the rows, of which log.
    pub identity: Identity,
    /// The position: every event below `progress.next` is in the rows, no other.
    pub progress: Progress,
    pub rows: u64,
    /// Σ of the rows' hashes modulo 2^128.
    pub digest: u128,
}

/// [`Checkpoint`] as it is written. The order of fields is the format.
#[derive(SchemaRead, SchemaWrite)]
#[cfg_attr(test, derive(bincode::Encode, bincode::BorrowDecode))]
pub(super) struct StoredCheckpoint<'a> {
    kind: u8,
    cycle: u64,
    next: u64,
    next_results: u64,
    next_commands: u64,
    rows: u64,
    /// Little-endian.
    digest: [u8; 16],
    cluster_id: &'a str,
    partition: u16,
    partition_count: u16,
    begins: u64,
    fingerprint: Option<(u64, i64, u32)>,
    dead_letter_mark: u64,
    format: u32,
    decoder: u32,
    evolve: u32,
    log_time: Option<i64>,
    skus: u64,
    applied: u64,
    duplicates: u64,
    conflicts: u64,
    anomalies: u64,
    gaps: u64,
    unknown_types: u64,
    stale_expiries: u64,
    malformed: Vec<(&'a str, u64)>,
}

/// The record value of a checkpoint, under [`CHECKPOINT_KEY`].
#[must_use]
pub fn encode_checkpoint(checkpoint: &Checkpoint) -> Vec<u8> {
    let Checkpoint { cycle, identity, progress, rows, digest } = checkpoint;
    let counters = &progress.counters;
    let stored = StoredCheckpoint {
        kind: CHECKPOINT,
        cycle: *cycle,
        next: progress.next.0,
        next_results: progress.next_results.0,
        next_commands: progress.next_commands.0,
        rows: *rows,
        digest: digest.to_le_bytes(),
        cluster_id: &identity.cluster_id,
        partition: identity.partition.0,
        partition_count: identity.partition_count,
        begins: identity.begins.0,
        fingerprint: progress.fingerprint.map(|f| (f.offset.0, f.timestamp.0, f.crc32c)),
        dead_letter_mark: progress.dead_letter_mark.0,
        format: identity.versions.format,
        decoder: identity.versions.decoder,
        evolve: identity.versions.evolve,
        log_time: progress.log_time.map(|time| time.0),
        skus: counters.skus,
        applied: counters.applied,
        duplicates: counters.duplicates,
        conflicts: counters.conflicts,
        anomalies: counters.anomalies,
        gaps: counters.gaps,
        unknown_types: counters.unknown_types,
        stale_expiries: counters.stale_expiries,
        malformed: counters.malformed.iter().map(|(reason, count)| (reason.as_str(), *count)).collect(),
    };
    let mut payload = Vec::new();
    wire::write(&stored, &mut payload);
    seal(FORMAT_VERSION, CHECKPOINT_KEY, &payload)
}

/// # Errors
/// [`SnapshotError`] where `bytes` are not what [`encode_checkpoint`] gave.
pub fn decode_checkpoint(bytes: &[u8]) -> Result<Checkpoint, SnapshotError> {
    let (_, payload) = unseal(FORMAT_VERSION, CHECKPOINT_KEY, bytes)?;
    let stored: StoredCheckpoint<'_> = wire::read(payload)?;
    if stored.kind != CHECKPOINT {
        return Err(damaged(format!("it is of kind {}, not a checkpoint", stored.kind)));
    }
    Ok(Checkpoint {
        cycle: stored.cycle,
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
                malformed: stored.malformed.into_iter().map(|(reason, n)| (reason.to_owned(), n)).collect(),
            },
        },
        rows: stored.rows,
        digest: u128::from_le_bytes(stored.digest),
    })
}
