//! A store for a partition that has none here, or whose store another owner has left behind: from the newest
//! sound base, else from the log's start.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::bring_up::{BringUpError, Found};
use super::checks::{CheckError, check_beginning, check_store, rewritten};
use super::note::OffsetNote;
use super::opening::Refused;
use super::settings::Shared;
use super::status::State;
use crate::codec::rows::meta::{Identity, Versions};
use crate::log::{Bounds, Consumed, Log, LogError};
use crate::snapshots::archive::{Archive, ArchiveError};
use crate::snapshots::bring_back::{BroughtBack, newest, newest_archived};
use crate::snapshots::topic::Reading;
use crate::snapshots::{BaseError, Wanted, Work};
use crate::store::StoreWriter;
use crate::types::{Partition, Topic};

impl From<BaseError> for BringUpError {
    fn from(error: BaseError) -> Self {
        match error {
            BaseError::Interrupted => Self::Cancelled,
            BaseError::Log(error) => Self::Log(error),
            // It ends with what holds it up, so it is tried again; the stall names the cause.
            BaseError::Stalled { .. } => Self::Log(LogError::Unreachable { reason: error.to_string() }),
            error => Self::Refused(Refused { error: CheckError::Base(error), store: None }),
        }
    }
}

/// Makes a partition's store: from a base, or empty at the log's start.
pub(super) fn make(
    shared: &Shared,
    partition: Partition,
    events: &Bounds,
    cancelled: &Arc<AtomicBool>,
) -> Result<Found, BringUpError> {
    let refused = |error: CheckError| BringUpError::Refused(Refused { error, store: None });
    let passed = match restore(shared, partition, events, cancelled)? {
        Ok(store) => return Ok(Found { store, resumed: false }),
        Err(passed) => passed,
    };
    if let Err(error) = check_beginning(partition, events, shared.config.accept_truncated_history) {
        // An archive that could not be asked may hold what the log has forgotten: that is what to mend.
        let unasked = |base: &BaseError| matches!(base, BaseError::Archive(error) if !error.is_damage());
        let error = passed.into_iter().find(unasked).map_or(error, CheckError::Base);
        return Err(refused(error));
    }
    let identity = Identity {
        partition,
        partition_count: shared.shape.partitions,
        cluster_id: shared.shape.cluster_id.clone(),
        versions: Versions::CURRENT,
        begins: events.start,
    };
    let made = shared.stores.create(identity).and_then(|store| {
        shared.stores.activate(partition, store.generation())?;
        Ok(store)
    });
    Ok(Found { store: made.map_err(|error| refused(error.into()))?, resumed: false })
}

/// Goes on with a store that stands here, unless another owner has published since: then what the topic holds
/// is no longer what its marks say, and it is set aside for the newest base, or goes on with a baseline.
pub(super) fn resume(
    shared: &Shared,
    mut store: StoreWriter,
    committed: Option<&Consumed>,
    events: &Bounds,
    cancelled: &Arc<AtomicBool>,
) -> Result<Found, BringUpError> {
    let partition = store.meta().identity.partition;
    let note = committed.map(|committed| committed.metadata.as_str()).unwrap_or_default();
    let note: OffsetNote = note.parse().unwrap_or_default();
    let (last, under_way) = (store.meta().last_checkpoint, store.meta().under_way);
    let failed =
        |error: crate::store::StoreError| BringUpError::Refused(Refused { error: error.into(), store: None });
    match note.checkpoint {
        Some(newest) if last.is_none_or(|last| last.cycle != newest.cycle) => {
            let mine = newest.instance == shared.config.instance;
            if mine && under_way.is_some_and(|cycle| cycle.cycle == newest.cycle) {
                tracing::info!(%partition, cycle = newest.cycle, "the snapshot under way when this stopped was complete");
                store.finish_cycle(newest.cycle).map_err(failed)?;
                return Ok(Found { store, resumed: true });
            }
            tracing::info!(%partition, cycle = newest.cycle, instance = newest.instance, "another owner has moved on; the store here is set aside");
            match restore(shared, partition, events, cancelled) {
                Ok(Ok(fresh)) if fresh.meta().progress.next >= store.meta().progress.next => {
                    return Ok(Found { store: fresh, resumed: false });
                }
                Ok(_) => {}
                Err(BringUpError::Refused(refused)) => {
                    tracing::warn!(%partition, error = %refused.error, "the newest base cannot be used; the store here goes on");
                }
                Err(error) => return Err(error),
            }
            // Its rows are right: they are a function of the log below its position. Its marks are not.
            shared.stores.activate(partition, store.generation()).map_err(failed)?;
            store.require_baseline().map_err(failed)?;
        }
        // What was under way was cut off, or nothing ever was complete.
        _ => store.cut_cycle().map_err(failed)?,
    }
    Ok(Found { store, resumed: true })
}

/// The newest sound base, served from now on; where there is none, why not, one by one.
pub(super) fn restore(
    shared: &Shared,
    partition: Partition,
    events: &Bounds,
    cancelled: &Arc<AtomicBool>,
) -> Result<Result<StoreWriter, Vec<BaseError>>, BringUpError> {
    let settings = &shared.settings.snapshots;
    let wanted = Wanted {
        partition,
        partition_count: shared.shape.partitions,
        cluster_id: shared.shape.cluster_id.clone(),
        bounds: *events,
        at_most: None,
    };
    let reading = Reading {
        scratch: shared.stores.scratch(partition),
        // Nothing of it is folded meanwhile.
        memory: settings.read_memory.min(shared.fold_bytes().max(1 << 20)),
        patience: Duration::from_secs(settings.patience_seconds),
    };
    let work = Arc::new(Work::stopped_by(Arc::clone(cancelled)));
    let archive = Archive::open(&shared.settings.archive);
    work.begin("waiting for its turn", 0, 0);
    shared.registry.working(partition, Some(Arc::clone(&work)));
    shared.registry.update(partition, |status| status.state = State::Restoring);
    let Some(turn) = shared.restores.take(cancelled) else {
        shared.registry.working(partition, None);
        return Err(BringUpError::Cancelled);
    };
    let began = Instant::now();
    let archive = archive.as_ref().map_err(|error| ArchiveError::Misconfigured {
        url: shared.settings.archive.url.clone(),
        detail: error.to_string(),
    });
    let found = if settings.enabled {
        newest(shared.log.as_ref(), archive, &shared.stores, &wanted, &reading, &work)
    } else {
        newest_archived(archive, &shared.stores, &wanted, Vec::new(), &work)
    };
    drop(turn);
    shared.registry.working(partition, None);
    shared.registry.update(partition, |status| status.state = State::Replaying);
    let (restored, source, passed) = match found? {
        BroughtBack::Restored { restored, source, passed } => (*restored, source.to_string(), passed),
        BroughtBack::Nothing(passed) => {
            tell(partition, &passed);
            return Ok(Err(passed));
        }
    };
    tell(partition, &passed);
    let store = restored.store;
    let refused = |error: CheckError| BringUpError::Refused(Refused { error, store: None });
    check_store(store.meta(), &shared.shape, events).map_err(refused)?;
    let last = store.progress().fingerprint.filter(|last| events.start.0 <= last.offset.0);
    let last: BTreeMap<_, _> = last.into_iter().map(|last| (partition, last)).collect();
    if let Some(error) = rewritten(shared.log.as_ref(), &last)?.into_iter().next() {
        let generation = store.generation();
        drop(store);
        tracing::error!(%partition, %error, "the base is not of this log; it is not used");
        shared.stores.remove(partition, generation).map_err(|error| refused(error.into()))?;
        return Ok(Err(passed));
    }
    shared.stores.activate(partition, store.generation()).map_err(|error| refused(error.into()))?;
    tracing::info!(
        %partition, base = source, rows = restored.rows, bytes = restored.bytes, next = %store.progress().next,
        seconds = began.elapsed().as_secs_f64(), "partition restored"
    );
    Ok(Ok(store))
}

/// Says which bases were passed over; that there is none is no fault.
fn tell(partition: Partition, passed: &[BaseError]) {
    for reason in passed {
        match reason {
            BaseError::NoCheckpoint { .. } | BaseError::NoArchive { .. } => {
                tracing::debug!(%partition, %reason, "no base there");
            }
            reason => tracing::warn!(%partition, %reason, "a base is passed over"),
        }
    }
}

/// Partitions of which the archive lists a base; nothing where it cannot be asked, and so may hold any.
pub(super) fn listed(archive: &Archive) -> Option<BTreeSet<Partition>> {
    match archive.list(None) {
        Ok(listing) => Some(listing.bases.iter().map(|base| base.id.partition).collect()),
        Err(error) => {
            tracing::warn!(%error, "whether the archive holds bases cannot be asked");
            None
        }
    }
}

/// Whether there may be a base for a partition whose log no longer begins at 0: cheaply, so not whether it is
/// sound. `listed`: of the archive.
pub(super) fn may_have_base(
    log: &dyn Log,
    listed: Option<&BTreeSet<Partition>>,
    partition: Partition,
) -> bool {
    let published =
        log.bounds(Topic::Snapshots, partition).is_ok_and(|bounds| bounds.high_watermark > bounds.start);
    published || listed.is_none_or(|listed| listed.contains(&partition))
}
