use std::io;

use super::archive::ArchiveError;
use crate::codec::rows::meta::{Identity, Versions};
use crate::codec::snapshot::SnapshotError;
use crate::log::{Bounds, LogError};
use crate::store::{Digest, StoreError};
use crate::types::{NextOffset, Offset, Partition, Topic};

/// What a base must be of.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub partition: Partition,
    pub partition_count: u16,
    pub cluster_id: String,
    /// Of the partition's events.
    pub bounds: Bounds,
    /// The base must end at or below this position, where one is given.
    pub at_most: Option<NextOffset>,
}

/// Why a partition cannot be brought back from a base. Nothing of it was used.
#[derive(Debug, thiserror::Error)]
pub enum BaseError {
    #[error("partition {partition}: there is no checkpoint in {topic}", topic = Topic::Snapshots)]
    NoCheckpoint { partition: Partition },

    #[error("partition {partition}: there is no base in the archive at or below the position asked for")]
    NoArchive { partition: Partition },

    #[error(
        "partition {partition}: the snapshot record at offset {offset} of {topic} cannot be read: {reason}",
        topic = Topic::Snapshots
    )]
    Unreadable { partition: Partition, offset: Offset, reason: String },

    #[error(
        "partition {partition}: cycle {cycle} of {topic} is not what its checkpoint says: {rows} rows with digest {digest}, the checkpoint has {expected_rows} with {expected_digest}; records are missing, or foreign ones among them",
        topic = Topic::Snapshots
    )]
    Mismatch {
        partition: Partition,
        cycle: u64,
        rows: u64,
        digest: Digest,
        expected_rows: u64,
        expected_digest: Digest,
    },

    #[error("partition {partition}: the base is of {what} {found}, wanted {wanted}")]
    Foreign { partition: Partition, what: &'static str, found: String, wanted: String },

    #[error(
        "partition {partition}: the base was made by {what} {found}, this program knows up to {known}; run the newer program"
    )]
    Newer { partition: Partition, what: &'static str, found: u32, known: u32 },

    #[error(
        "partition {partition}: the base ends at offset {next}, the log begins at {start}: what lies between is gone"
    )]
    BelowLog { partition: Partition, next: NextOffset, start: NextOffset },

    #[error(
        "partition {partition}: the base ends at offset {next}, the log at {end}: the log lost records, or the topic was deleted and made anew"
    )]
    BeyondLog { partition: Partition, next: NextOffset, end: NextOffset },

    #[error("partition {partition}: the base ends at offset {next}, beyond {at_most}, from where to begin")]
    TooNew { partition: Partition, next: NextOffset, at_most: NextOffset },

    #[error(
        "partition {partition}: reading {topic} made no progress for {seconds} s at offset {at} of {end}: {cause}"
    )]
    Stalled {
        topic: Topic,
        partition: Partition,
        at: NextOffset,
        end: NextOffset,
        seconds: u64,
        cause: String,
    },

    #[error("interrupted; the same again goes on where it was")]
    Interrupted,

    #[error("what was read of {topic} cannot be kept beside the store: {source}", topic = Topic::Snapshots)]
    Scratch { source: io::Error },

    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Log(#[from] LogError),
}

impl BaseError {
    /// Whether it is the base that is not sound or not fit: then another one may do. Everything else (no
    /// room, no log, interrupted) would meet the next base too.
    #[must_use]
    pub fn is_of_the_base(&self) -> bool {
        match self {
            Self::NoCheckpoint { .. }
            | Self::NoArchive { .. }
            | Self::Unreadable { .. }
            | Self::Mismatch { .. }
            | Self::Foreign { .. }
            | Self::BelowLog { .. }
            | Self::TooNew { .. }
            | Self::BeyondLog { .. } => true,
            Self::Archive(error) => error.is_damage(),
            Self::Newer { .. }
            | Self::Stalled { .. }
            | Self::Interrupted
            | Self::Scratch { .. }
            | Self::Store(_)
            | Self::Log(_) => false,
        }
    }

    pub(super) fn scratch(source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::StorageFull {
            return Self::Store(StoreError::DiskFull { directory: "the data directory".into() });
        }
        Self::Scratch { source }
    }

    pub(super) fn unreadable(partition: Partition, offset: Offset, error: &SnapshotError) -> Self {
        Self::Unreadable { partition, offset, reason: error.to_string() }
    }
}

/// Holds what a base says of itself against what is wanted.
pub(super) fn check(identity: &Identity, next: NextOffset, wanted: &Wanted) -> Result<(), BaseError> {
    let partition = wanted.partition;
    let Versions { format, decoder, evolve } = identity.versions;
    let current = Versions::CURRENT;
    for (what, found, known) in [
        ("format", format, current.format),
        ("decoder version", decoder, current.decoder),
        ("evolve version", evolve, current.evolve),
    ] {
        if found > known {
            return Err(BaseError::Newer { partition, what, found, known });
        }
        if found < known {
            tracing::warn!(
                %partition, what, found, known,
                "the base was made by an older version and is used as it is; `inventory-store replay --from beginning --cutover` repairs it"
            );
        }
    }
    for (what, found, wanted) in [
        ("cluster", identity.cluster_id.clone(), wanted.cluster_id.clone()),
        ("partition", identity.partition.to_string(), partition.to_string()),
        ("partition count", identity.partition_count.to_string(), wanted.partition_count.to_string()),
    ] {
        if found != wanted {
            return Err(BaseError::Foreign { partition, what, found, wanted });
        }
    }
    if next < wanted.bounds.start {
        return Err(BaseError::BelowLog { partition, next, start: wanted.bounds.start });
    }
    if let Some(at_most) = wanted.at_most.filter(|at_most| next > *at_most) {
        return Err(BaseError::TooNew { partition, next, at_most });
    }
    if next > wanted.bounds.high_watermark {
        return Err(BaseError::BeyondLog { partition, next, end: wanted.bounds.high_watermark });
    }
    Ok(())
}
