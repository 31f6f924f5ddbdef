//! The generations of partitions, as they stand on disk: listed, and removed where nobody serves or makes them.

use std::path::Path;

use super::JobError;
use crate::codec::rows::meta::Meta;
use crate::lane::Registry;
use crate::store::{Generation, PartitionStores, StoreError};
use crate::types::Partition;

/// A generation as it stands on disk.
#[derive(Debug)]
pub struct Found {
    pub partition: Partition,
    pub generation: Generation,
    /// Served, now or from the next start on.
    pub live: bool,
    pub bytes: u64,
    pub meta: Result<Meta, StoreError>,
}

/// A generation that was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removed {
    pub partition: Partition,
    pub generation: Generation,
    pub bytes: u64,
}

/// Every generation of a partition. What `serving` serves is asked there: nobody else can open it.
///
/// # Errors
/// The directory cannot be read.
pub fn list(
    stores: &PartitionStores,
    serving: Option<&Registry>,
    partition: Partition,
) -> Result<Vec<Found>, JobError> {
    let served = serving.and_then(|registry| {
        let generation = registry.status(partition)?.generation?;
        Some((generation, registry.store(partition)?))
    });
    // A LIVE file that cannot be read is what somebody looks here for: it must not hide the generations.
    let live = stores.live(partition).ok().flatten();
    let of = |generation| {
        let meta = match &served {
            Some((serving, store)) if *serving == generation => store.meta(),
            _ => stores.open_generation(partition, generation).map(|store| store.meta().clone()),
        };
        let bytes = size(&stores.directory_of(partition, generation));
        Found { partition, generation, live: live == Some(generation), bytes, meta }
    };
    Ok(stores.generations(partition)?.into_iter().map(of).collect())
}

/// Removes the generations of a partition that are not served. One that serves none keeps its newest. While a
/// service runs, what it serves stays whatever `LIVE` names; nothing is being made meanwhile, as jobs run one
/// at a time.
///
/// # Errors
/// `LIVE` cannot be read: which one is needed is not known. The directory cannot be changed.
pub fn prune(
    stores: &PartitionStores,
    serving: Option<&Registry>,
    partition: Partition,
    removed: &mut dyn FnMut(Removed),
) -> Result<(), JobError> {
    let generations = stores.generations(partition)?;
    let live = stores.live(partition)?.or_else(|| generations.last().copied());
    let served = serving.and_then(|registry| {
        registry.store(partition)?;
        registry.status(partition)?.generation
    });
    let kept = |generation: &Generation| Some(*generation) == live || Some(*generation) == served;
    if serving.is_some_and(|registry| registry.state(partition).is_owned() && served.is_none()) {
        // Its store is being opened or made: which one it will be shows in a moment.
        return Err(JobError::NotOpen { partition });
    }
    for generation in generations.into_iter().filter(|generation| !kept(generation)) {
        let bytes = size(&stores.directory_of(partition, generation));
        stores.remove(partition, generation)?;
        removed(Removed { partition, generation, bytes });
    }
    Ok(())
}

/// Bytes of the files in a directory.
fn size(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|found| found.len()).sum()
}
