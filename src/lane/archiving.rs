//! Bases for the archive, made of live stores: by themselves, and when asked for.
//!
//! One at a time, on a thread of its own: a base is read from the store as it was at one moment, while its lane
//! writes on. Afterwards what is no longer kept of the partition's bases is removed, as `archive prune` does.

use std::time::Duration;

use super::on_demand::{SnapshotRefused, must_be_live};
use super::registry::Registry;
use super::status::{PartitionStatus, State};
use crate::config::ArchiveConfig;
use crate::metrics::metrics;
use crate::snapshots::archive::{Archive, ArchiveError, Base, Keeping, Origin, Published};
use crate::snapshots::{BaseError, Work};
use crate::store::Generation;
use crate::types::{NextOffset, Partition, Timestamp, UtcTime};

/// After a failure the next try is no sooner, in milliseconds.
const AGAIN_MS: i64 = 60_000;
/// What lies about of a base that is being written is younger than this.
const AT_WORK: Duration = Duration::from_secs(24 * 3600);

/// Why there is no base of a partition.
#[derive(Debug, thiserror::Error)]
pub enum NotArchived {
    #[error(transparent)]
    Refused(#[from] SnapshotRefused),
    #[error(transparent)]
    Base(#[from] BaseError),
}

/// Makes a base of a live partition as it is now. `instance` is for people: who made it.
///
/// # Errors
/// A partition that is not live here; those of [`Archive::create`].
pub fn archive_now(
    registry: &Registry,
    archive: &Archive,
    instance: &str,
    partition: Partition,
    now: UtcTime,
    work: &Work,
) -> Result<Published, NotArchived> {
    let Some(status) = registry.status(partition) else {
        return Err(SnapshotRefused::Unknown { partition, partitions: registry.count() }.into());
    };
    must_be_live(&status)?;
    let store = registry.store(partition).ok_or(SnapshotRefused::NotOwned { partition })?;
    let generation = status.generation.map(|generation| generation.to_string()).unwrap_or_default();
    let origin = Origin { created_at: now, created_from: format!("live store {generation} of {instance}") };
    let published = archive.create(&store, origin, work)?;
    let next = published.base().id.next;
    registry.update(partition, |status| status.archived = Some(next));
    Ok(published)
}

pub(super) struct Archivist {
    archive: Archive,
    config: ArchiveConfig,
    instance: String,
    seen: Vec<Seen>,
}

#[derive(Default, Clone)]
struct Seen {
    /// The newest base's position, or where the log began, and since when there is no newer one; nothing while
    /// the archive was not asked.
    newest: Option<(NextOffset, Timestamp)>,
    not_before: Option<Timestamp>,
    /// Whose bases these are: those of another may be superseded since.
    generation: Option<Generation>,
    /// Logged once until it works again.
    failing: bool,
}

impl Archivist {
    /// One for the settings; nothing where none is to be made by itself.
    pub(super) fn new(config: &ArchiveConfig, instance: &str, partitions: u16) -> Option<Self> {
        if config.every_events == 0 && config.every_seconds == 0 {
            return None;
        }
        match Archive::open(config) {
            Ok(archive) => Some(Self {
                archive,
                config: config.clone(),
                instance: instance.to_owned(),
                seen: vec![Seen::default(); usize::from(partitions)],
            }),
            Err(error) => {
                tracing::warn!(%error, "no bases are made for the archive");
                None
            }
        }
    }

    /// Makes the bases that are due.
    pub(super) fn step(&mut self, registry: &Registry, clock: impl Fn() -> Timestamp, work: &Work) {
        for status in registry.statuses() {
            if work.is_stopped() {
                return;
            }
            let Some(seen) = self.seen.get_mut(usize::from(status.partition.0)) else { continue };
            if status.state != State::Live {
                *seen = Seen::default();
                continue;
            }
            if seen.generation != status.generation {
                *seen = Seen { generation: status.generation, failing: seen.failing, ..Seen::default() };
            }
            let now = clock();
            if seen.not_before.is_some_and(|at| now < at) {
                continue;
            }
            let done = match self.step_of(registry, &status, now, work) {
                Ok(()) | Err(NotArchived::Base(BaseError::Interrupted)) => Ok(()),
                // It has moved on since.
                Err(NotArchived::Refused(_)) => Ok(()),
                Err(NotArchived::Base(error)) => Err(error),
            };
            let Some(seen) = self.seen.get_mut(usize::from(status.partition.0)) else { continue };
            if let Err(error) = done {
                metrics().archive_bases.with_label_values(&["failed"]).inc();
                seen.not_before = Some(Timestamp(clock().0.saturating_add(AGAIN_MS)));
                if !std::mem::replace(&mut seen.failing, true) {
                    tracing::warn!(partition = %status.partition, %error, "no base was made for the archive; tried again every minute");
                }
            }
        }
    }

    fn step_of(
        &mut self,
        registry: &Registry,
        status: &PartitionStatus,
        now: Timestamp,
        work: &Work,
    ) -> Result<(), NotArchived> {
        let partition = status.partition;
        let Some(seen) = self.seen.get_mut(usize::from(partition.0)) else { return Ok(()) };
        let (next, since) = match seen.newest {
            Some(newest) => newest,
            None => {
                let base = newest_base(&self.archive, registry, status).map_err(BaseError::from)?;
                // A clock that went back makes none due for ever.
                let since = |base: Base| (base.id.next, base.manifest.created_at.to_timestamp().min(now));
                *seen.newest.insert(base.map_or((status.begins, now), since))
            }
        };
        if !is_due(&self.config, status.next.0.saturating_sub(next.0), since, now) {
            return Ok(());
        }
        let made =
            archive_now(registry, &self.archive, &self.instance, partition, now.to_nearest_utc(), work)?;
        let base = made.base();
        metrics().archive_bases.with_label_values(&["made"]).inc();
        tracing::info!(%partition, base = %base.id, rows = base.manifest.rows, bytes = base.manifest.bytes(), "archived");
        seen.newest = Some((base.id.next, now));
        seen.failing = false;
        self.tidy(partition, now.to_nearest_utc(), work);
        Ok(())
    }

    /// Removes what is no longer kept. What goes wrong here is met again after the next base.
    fn tidy(&self, partition: Partition, now: UtcTime, work: &Work) {
        match self.archive.prune_partition(partition, Keeping::new(&self.config), now, work) {
            Ok(pruned) => {
                for unsound in &pruned.unsound {
                    tracing::warn!(%partition, base = %unsound.id, error = %unsound.error, "a base of the archive is unsound and was left");
                }
                if !pruned.held_back.is_empty() {
                    tracing::warn!(%partition, "no old base was removed: none of those that would stay is sound");
                }
                for base in &pruned.removed {
                    tracing::info!(%partition, base = %base.id, "a base is no longer kept and was removed");
                }
            }
            Err(BaseError::Interrupted) => {}
            Err(error) => tracing::warn!(%partition, %error, "old bases of the archive were not removed"),
        }
        if let Err(error) = self.archive.sweep_partition(partition, AT_WORK, now) {
            tracing::debug!(%partition, %error, "strays in the archive were not swept");
        }
    }
}

/// The newest base that the served store could come back from: of this log, and not ahead of the store. Shown from
/// then on as the partition's.
pub(super) fn newest_base(
    archive: &Archive,
    registry: &Registry,
    status: &PartitionStatus,
) -> Result<Option<Base>, ArchiveError> {
    let Some(meta) = registry.store(status.partition).and_then(|store| store.meta().ok()) else {
        return Ok(None);
    };
    let mut below = status.next;
    loop {
        let (Some(base), _) = archive.newest(status.partition, None, Some(below))? else { return Ok(None) };
        if base.manifest.cluster_id == meta.identity.cluster_id {
            registry.update(status.partition, |status| status.archived = Some(base.id.next));
            return Ok(Some(base));
        }
        // Another cluster's; ours may lie behind it.
        let Some(older) = base.id.next.0.checked_sub(1) else { return Ok(None) };
        below = NextOffset(older);
    }
}

fn is_due(config: &ArchiveConfig, events: u64, since: Timestamp, now: Timestamp) -> bool {
    let waited = u64::try_from(now.0.saturating_sub(since.0) / 1000).unwrap_or(0);
    let by_events = config.every_events > 0 && events >= config.every_events;
    let by_time = config.every_seconds > 0 && events > 0 && waited >= config.every_seconds;
    by_events || by_time
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_due_by_events_or_by_time_and_never_of_nothing_new() {
        let config = |every_events, every_seconds| ArchiveConfig {
            every_events,
            every_seconds,
            ..ArchiveConfig::default()
        };
        let due = |config: &ArchiveConfig, events, seconds: i64| {
            is_due(config, events, Timestamp(0), Timestamp(seconds * 1000))
        };
        assert!(due(&config(10, 0), 10, 0) && !due(&config(10, 0), 9, 1_000_000));
        assert!(due(&config(0, 60), 1, 60) && !due(&config(0, 60), 1, 59) && !due(&config(0, 60), 0, 60));
        assert!(Archivist::new(&config(0, 0), "me", 1).is_none(), "off");
    }
}
