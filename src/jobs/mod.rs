//! Jobs: long work beside what is being served, for the one on call.
//!
//! [`Rebuild`] makes a partition's store anew from a base and the log, up to one position, in a generation that
//! nobody serves; it goes on where it was when it is run again. [`compare()`] holds two stores against each
//! other, row by row. Cutover is a choice made after that, never a side effect.

mod bases;
mod candidate;
mod compare;
mod cutover;
pub mod generations;
mod plan;
mod rebuild;
mod record;
mod request;
mod resume;
mod service;
pub mod shown;
mod tail;
pub mod verify;
mod workshop;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::lane::{NotArchived, SnapshotRefused};
use crate::log::LogError;
use crate::projector::ProjectError;
use crate::snapshots::BaseError;
use crate::snapshots::archive::ArchiveError;
use crate::store::{Generation, StoreError};
use crate::types::{NextOffset, Partition, Sku, Topic};

pub use compare::{Compared, Difference, Sample, compare};
pub use cutover::{ChangedOver, Cutover, is_whole, supersede};
pub use plan::{Begin, FromBase, Plan, Stop};
pub use rebuild::{Rebuild, Rebuilt, Started};
pub use record::{JobState, Record, Trouble};
pub use request::{Activate, Against, Only, Replay, Request, Restore, Verify};
pub use service::{Jobs, NotStarted, View};
pub use workshop::{ShowSku, Workshop};

/// Why a job could not do what was asked. What is served was not touched.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    #[error(
        "partition {partition}: there is no base at or before offset {wanted}, and the log begins at {start}{passed}; begin at one there is (`inventory-store archive list`), or with --partial at that offset, without what came before"
    )]
    NoBase { partition: Partition, wanted: NextOffset, start: NextOffset, passed: String },

    #[error("partition {partition}: the position to stop at, {stop}, is not in the log, which ends at {end}")]
    BeyondEnd { partition: Partition, stop: NextOffset, end: NextOffset },

    #[error(
        "partition {partition}: the base ends at offset {next}, behind the position to stop at, {stop}; begin earlier"
    )]
    BehindStop { partition: Partition, next: NextOffset, stop: NextOffset },

    #[error(
        "partition {partition}: reading {topic} made no progress for {seconds} s at offset {at} of {end}; is a transaction open there? Run the same again, it goes on where it was",
        topic = Topic::Events
    )]
    Stalled { partition: Partition, at: NextOffset, end: NextOffset, seconds: u64 },

    #[error(
        "partition {partition}: {differences} rows that the base and the log give are not those being served, so nothing was changed. Look with `inventory-store verify`; `inventory-store replay --cutover --accept-changes N` repairs what is served"
    )]
    NotTheSame { partition: Partition, differences: u64 },

    #[error("partition {partition} is {state}: a cutover needs it live here")]
    NotServed { partition: Partition, state: String },

    #[error(
        "{differences} rows differ, {}; nothing was changed. Look at them, then accept exactly so many with --accept-changes {differences}",
        match accepted {
            Some(accepted) => format!("accepted are {accepted}"),
            None => "a plain cutover takes none".into(),
        }
    )]
    Differs { differences: u64, accepted: Option<u64> },

    #[error("{skus} SKUs that are served are missing from the new stores; nothing was changed")]
    Missing { skus: u64 },

    #[error("partition {partition}: other rows differ now than the {accepted} that were found")]
    Moved { partition: Partition, accepted: u64 },

    #[error(
        "partition {partition} did not change over in {tries} tries: {why}; the same again goes on where it was"
    )]
    NeverStill { partition: Partition, tries: u32, why: String },

    #[error("{reason}; the generation before is served on")]
    NotSwitched { reason: String },

    #[error(
        "partition {partition} serves the repaired rows, and the baseline that replaces what the snapshots topic holds is not published yet: a partition that comes back from there before has the old rows. It is published as soon as can be; `verify --against snapshot` tells"
    )]
    NoBaseline { partition: Partition },

    #[error(
        "partition {partition}: there is no sound base: {}",
        reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    )]
    NothingSound { partition: Partition, reasons: Vec<BaseError> },

    #[error("{} cannot take the stores: {why}; name a directory that is not there yet, or is empty", into.display())]
    Into { into: std::path::PathBuf, why: &'static str },

    #[error("{sku} had never been seen by then")]
    NeverSeen { sku: Sku },

    #[error("the SKU cannot be shown: {reason}")]
    NotShown { reason: String },

    #[error(
        "partition {partition} has no {generation}; `inventory-store generations list` shows what there is"
    )]
    NoGeneration { partition: Partition, generation: Generation },

    #[error("partition {partition} serves {generation} already")]
    Serves { partition: Partition, generation: Generation },

    #[error(
        "partition {partition} has no store open yet, so which of its generations is needed is not known; try again once it is live"
    )]
    NotOpen { partition: Partition },

    #[error("interrupted; the same again goes on where it was")]
    Interrupted,

    #[error(transparent)]
    Refused(#[from] SnapshotRefused),

    #[error(transparent)]
    Base(#[from] BaseError),
    #[error(transparent)]
    Fold(#[from] ProjectError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the state of the job in {path} cannot be kept: {source}")]
    State { path: std::path::PathBuf, source: std::io::Error },
}

/// What kind of trouble a job met: what its caller can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Refused, not found, or differences found.
    Refused,
    /// Out of reach or timed out: the same again may succeed.
    Unreachable,
    /// Corrupt, truncated, rewritten.
    Data,
    /// Interrupted: the same again goes on.
    Interrupted,
}

impl JobError {
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Interrupted => Class::Interrupted,
            Self::NoBase { .. }
            | Self::BeyondEnd { .. }
            | Self::BehindStop { .. }
            | Self::NotTheSame { .. }
            | Self::Differs { .. }
            | Self::Missing { .. }
            | Self::Moved { .. }
            | Self::NotSwitched { .. }
            | Self::NotServed { .. }
            | Self::Into { .. }
            | Self::NeverSeen { .. }
            | Self::NoGeneration { .. }
            | Self::Serves { .. }
            | Self::State { .. } => Class::Refused,
            Self::NotOpen { .. } => Class::Unreachable,
            Self::Refused(refused) => of_refused(refused),
            Self::Stalled { .. } | Self::NeverStill { .. } | Self::NoBaseline { .. } => Class::Unreachable,
            Self::Base(error) => of_base(error),
            // The worst of them is what to look into.
            Self::NothingSound { reasons, .. } => {
                let classes: Vec<Class> = reasons.iter().map(of_base).collect();
                let found = |class| classes.contains(&class).then_some(class);
                found(Class::Data).or_else(|| found(Class::Unreachable)).unwrap_or(Class::Refused)
            }
            Self::Log(error) if error.is_retriable() => Class::Unreachable,
            Self::Store(StoreError::Locked { .. } | StoreError::Io { .. } | StoreError::DiskFull { .. }) => {
                Class::Refused
            }
            Self::Fold(_) | Self::Store(_) | Self::Log(_) | Self::NotShown { .. } => Class::Data,
        }
    }
}

impl From<NotArchived> for JobError {
    fn from(error: NotArchived) -> Self {
        match error {
            NotArchived::Refused(refused) => Self::Refused(refused),
            NotArchived::Base(error) => Self::Base(error),
        }
    }
}

fn of_refused(refused: &SnapshotRefused) -> Class {
    match refused {
        SnapshotRefused::NotLive { .. } | SnapshotRefused::TimedOut { .. } => Class::Unreachable,
        SnapshotRefused::Interrupted => Class::Interrupted,
        SnapshotRefused::Disabled
        | SnapshotRefused::Unknown { .. }
        | SnapshotRefused::NotOwned { .. }
        | SnapshotRefused::NoneOwned
        | SnapshotRefused::Failed { .. } => Class::Refused,
    }
}

fn of_base(error: &BaseError) -> Class {
    match error {
        BaseError::Interrupted => Class::Interrupted,
        BaseError::Archive(ArchiveError::Unreachable { .. }) | BaseError::Stalled { .. } => {
            Class::Unreachable
        }
        BaseError::Archive(error) if error.is_damage() => Class::Data,
        BaseError::Log(error) if error.is_retriable() => Class::Unreachable,
        BaseError::Archive(_)
        | BaseError::NoCheckpoint { .. }
        | BaseError::NoArchive { .. }
        | BaseError::TooNew { .. } => Class::Refused,
        _ => Class::Data,
    }
}
