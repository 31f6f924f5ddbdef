use super::archive::{Archive, ArchiveError, BaseId};
use super::base::{BaseError, Wanted};
use super::restore::{Restored, from_archive, from_topic};
use super::topic::Reading;
use super::work::Work;
use crate::log::{Log, LogError};
use crate::store::PartitionStores;

/// Where a partition was brought back from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The newest checkpoint of the snapshots topic.
    Checkpoint { cycle: u64 },
    /// A base of the archive.
    Base(BaseId),
}

/// What came of looking for a base.
pub enum BroughtBack {
    /// A generation, not yet served, and the bases that were passed over, each with its reason.
    Restored { restored: Box<Restored>, source: Source, passed: Vec<BaseError> },
    /// There is no sound base; why, one by one.
    Nothing(Vec<BaseError>),
}

/// Makes a generation from the newest sound base: the snapshots topic's checkpoint, else the archive's newest,
/// else its next older. `archive` may itself be what cannot be used: then that is a reason too.
///
/// # Errors
/// What is no base's fault: no room, no log, interrupted, a newer program's work, a stalled topic.
pub fn newest(
    log: &dyn Log,
    archive: Result<&Archive, ArchiveError>,
    stores: &PartitionStores,
    wanted: &Wanted,
    reading: &Reading,
    work: &Work,
) -> Result<BroughtBack, BaseError> {
    let mut passed = Vec::new();
    match from_topic(log, stores, wanted, reading, work) {
        Ok(restored) => {
            let source = Source::Checkpoint { cycle: restored.base.cycle };
            return Ok(BroughtBack::Restored { restored: Box::new(restored), source, passed });
        }
        Err(error) if error.is_of_the_base() => passed.push(error),
        // A log without that topic has no checkpoint.
        Err(BaseError::Log(LogError::UnknownTopic { .. })) => {
            passed.push(BaseError::NoCheckpoint { partition: wanted.partition });
        }
        Err(error) => return Err(error),
    }
    newest_archived(archive, stores, wanted, passed, work)
}

/// The same from the archive alone. `passed` are the bases that were passed over before.
///
/// # Errors
/// As [`newest`].
pub fn newest_archived(
    archive: Result<&Archive, ArchiveError>,
    stores: &PartitionStores,
    wanted: &Wanted,
    mut passed: Vec<BaseError>,
    work: &Work,
) -> Result<BroughtBack, BaseError> {
    let archive = match archive {
        Ok(archive) => archive,
        Err(error) => {
            passed.push(error.into());
            return Ok(BroughtBack::Nothing(passed));
        }
    };
    let mut below = wanted.at_most;
    loop {
        let (base, unsound) = match archive.newest(wanted.partition, None, below) {
            Ok(found) => found,
            // It cannot be asked, so it offers nothing; whether that will do is for the caller to say.
            Err(error) => {
                passed.push(error.into());
                return Ok(BroughtBack::Nothing(passed));
            }
        };
        passed.extend(unsound.into_iter().map(|unsound| unsound.error.into()));
        let Some(base) = base else {
            passed.push(BaseError::NoArchive { partition: wanted.partition });
            return Ok(BroughtBack::Nothing(passed));
        };
        match from_archive(archive, &base, stores, wanted, work) {
            Ok(restored) => {
                let source = Source::Base(base.id);
                return Ok(BroughtBack::Restored { restored: Box::new(restored), source, passed });
            }
            Err(error) if error.is_of_the_base() => passed.push(error),
            Err(error) => return Err(error),
        }
        let Some(older) = base.id.next.0.checked_sub(1) else { return Ok(BroughtBack::Nothing(passed)) };
        below = Some(crate::types::NextOffset(older));
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Checkpoint { cycle } => write!(f, "checkpoint of cycle {cycle}"),
            Self::Base(id) => write!(f, "base {id} of the archive"),
        }
    }
}
