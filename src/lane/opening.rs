use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};

use super::checks::{CheckError, LogShape, check_beginning, check_store, rewritten};
use super::depot::{Depot, Kept};
use super::lanes::StartError;
use super::restoring::{listed, may_have_base};
use crate::config::ArchiveConfig;
use crate::config::lane::LaneConfig;
use crate::log::{Bounds, Log};
use crate::snapshots::archive::Archive;
use crate::store::{PartitionStores, StoreWriter};
use crate::types::{Partition, Topic};

/// Why a partition is not taken up.
#[derive(Debug)]
pub(super) struct Refused {
    pub error: CheckError,
    /// Its store, where that is sound and only the log is not what it was filled from.
    pub store: Option<Box<StoreWriter>>,
}

impl<E: Into<CheckError>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self { error: error.into(), store: None }
    }
}

/// Opens and checks every store there is, before any is written to, and leaves them in the depot for the lanes
/// that will be given their partitions.
pub(super) fn open(
    log: &dyn Log,
    stores: &PartitionStores,
    config: &LaneConfig,
    archive: &ArchiveConfig,
) -> Result<(LogShape, Depot), StartError> {
    let shape = LogShape::of(log)??;
    // What is wrong with one partition's directory stops that partition alone, below.
    for partition in stores.homes().map_err(CheckError::from)? {
        if partition.0 >= shape.partitions {
            let store = match stores.open_live(partition) {
                Ok(None) => continue,
                Ok(Some(store)) => store.meta().identity.partition_count,
                // It cannot say how many there were; its number can.
                Err(_) => partition.0.saturating_add(1),
            };
            let (topic, log) = (Topic::Events, shape.partitions);
            return Err(CheckError::PartitionCount { topic, store, log }.into());
        }
    }

    let mut found: BTreeMap<Partition, Result<(StoreWriter, Bounds), Refused>> = BTreeMap::new();
    let mut missing = Vec::new();
    for partition in (0..shape.partitions).map(Partition) {
        let bounds = log.bounds(Topic::Events, partition)?;
        let checked = match stores.open_live(partition) {
            Ok(Some(store)) => match check_store(store.meta(), &shape, &bounds) {
                Ok(()) => Ok((store, bounds)),
                Err(error) if error.concerns_all() => return Err(error.into()),
                Err(error) => Err(Refused { error, store: Some(Box::new(store)) }),
            },
            Ok(None) => {
                missing.push((partition, bounds));
                continue;
            }
            Err(error) => Err(error.into()),
        };
        found.insert(partition, checked);
    }

    let last_read = found
        .iter()
        .filter_map(|(partition, found)| {
            let (store, bounds) = found.as_ref().ok()?;
            let last = store.progress().fingerprint?;
            (bounds.start.0 <= last.offset.0).then_some((*partition, last))
        })
        .collect();
    for error in rewritten(log, &last_read)? {
        if let CheckError::Rewritten { partition, .. } = error {
            let store = found.remove(&partition).and_then(Result::ok).map(|(store, _)| Box::new(store));
            found.insert(partition, Err(Refused { error, store }));
        }
    }

    // Asked once, and only where it matters: it may take long to say that it does not answer.
    let listed = LazyCell::new(|| match Archive::open(archive) {
        Ok(archive) => listed(&archive),
        Err(_) => Some(BTreeSet::new()),
    });
    // What is missing is made once it is given to this process; whether that will do shows here already.
    let mut hopeless = Vec::new();
    for (partition, bounds) in &missing {
        if let Err(error) = check_beginning(*partition, bounds, config.accept_truncated_history)
            && !may_have_base(log, listed.as_ref(), *partition)
        {
            hopeless.push(error);
        }
    }
    let stands_still = |partition: Partition, found: &Result<_, Refused>| match found {
        Ok(_) => false,
        Err(refused) => !(refused.error.is_of_the_store() && may_have_base(log, listed.as_ref(), partition)),
    };
    // A store that stands nowhere is no start at all.
    if found.iter().all(|(partition, found)| stands_still(*partition, found))
        && hopeless.len() == missing.len()
    {
        if let Some((_, Err(refused))) = found.pop_first() {
            return Err(refused.error.into());
        }
        if let Some(error) = hopeless.into_iter().next() {
            return Err(error.into());
        }
    }
    let depot = Depot::default();
    for (partition, found) in found {
        depot.put(
            partition,
            match found {
                Ok((store, _)) => Kept::Store(store),
                Err(refused) => Kept::Refused(refused),
            },
        );
    }
    Ok((shape, depot))
}
