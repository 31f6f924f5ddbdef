//! What is there, held row by row against what the oldest sound base and the log give.

use super::JobError;
use super::candidate::Candidate;
use super::compare::{Compared, Difference, Sample, compare_at};
use super::plan::{Begin, Plan, Stop};
use super::rebuild::Rebuild;
use super::request::Against;
use crate::lane::Registry;
use crate::snapshots::restore::{from_archive, from_topic};
use crate::snapshots::topic::Reading;
use crate::snapshots::{BaseError, Wanted, Work};
use crate::store::{StoreReader, StoreWriter};
use crate::types::{NextOffset, Partition, Topic};

/// What a partition's check came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    pub partition: Partition,
    /// The one position at which both were compared.
    pub next: NextOffset,
    /// What lies below is the base's, and was not folded anew.
    pub covers_from: NextOffset,
    pub base: String,
    pub compared: Compared,
}

/// The plan of a check: all there is, up to a position or the end.
#[must_use]
pub fn plan(stop: Stop) -> Plan {
    Plan { begin: Begin::Beginning, stop, partial: false }
}

/// A store that is served while it is checked: compared as it is at one moment, while its lane goes on.
/// `rebuild` makes the other side, in stores of its own, up to the end.
///
/// # Errors
/// See [`JobError`].
pub fn against_live(
    rebuild: &Rebuild<'_>,
    registry: &Registry,
    partition: Partition,
    sample: Sample,
    work: &Work,
    differs: &mut dyn FnMut(Difference),
) -> Result<Verified, JobError> {
    let (store, made) = rebuild.run(partition, work)?;
    drop(store);
    let mut candidate = Candidate::open(rebuild, registry, partition, made.generation)?;
    let compared = candidate.check(sample, true, work, differs)?;
    let next = candidate.next();
    Ok(Verified { partition, next, covers_from: made.covers_from, base: made.base, compared })
}

/// A store that stands still: that of a stopped service, or one made of a base.
///
/// # Errors
/// See [`JobError`].
pub fn against_store(
    rebuild: &Rebuild<'_>,
    held: &StoreReader,
    partition: Partition,
    sample: Sample,
    work: &Work,
    differs: &mut dyn FnMut(Difference),
) -> Result<Verified, JobError> {
    let next = held.meta()?.progress.next;
    let job = rebuild.with(plan(Stop::At([(partition, next)].into())));
    let (rebuilt, made) = job.run(partition, work)?;
    let compared = held
        .freeze(|held| rebuilt.reader().freeze(|rebuilt| compare_at(held, rebuilt, sample, work, differs)))?;
    Ok(Verified { partition, next, covers_from: made.covers_from, base: made.base, compared })
}

/// The newest base of the topic or of the archive, as a store among those of `rebuild`.
///
/// # Errors
/// There is none, or it is not sound.
pub fn base_of(
    rebuild: &Rebuild<'_>,
    against: Against,
    partition: Partition,
    work: &Work,
) -> Result<StoreWriter, JobError> {
    let wanted = Wanted {
        partition,
        partition_count: rebuild.log.partitions(Topic::Events)?,
        cluster_id: rebuild.log.cluster_id()?,
        bounds: rebuild.log.bounds(Topic::Events, partition)?,
        at_most: None,
    };
    if against == Against::Archive {
        let (base, _) = rebuild.archive.newest(partition, None, None).map_err(BaseError::from)?;
        let base = base.ok_or(BaseError::NoArchive { partition })?;
        return Ok(from_archive(rebuild.archive, &base, rebuild.stores, &wanted, work)?.store);
    }
    let reading = Reading {
        scratch: rebuild.stores.scratch(partition),
        memory: rebuild.read_memory,
        patience: rebuild.patience,
    };
    Ok(from_topic(rebuild.log, rebuild.stores, &wanted, &reading, work)?.store)
}
