use std::sync::Arc;

use super::bring_up::{Brought, Targets};
use super::expiries::Expiries;
use super::note::{NotedCheckpoint, OffsetNote};
use super::publishing::Snapshots;
use super::registry::Registry;
use super::settings::Shared;
use super::status::State;
use crate::codec::rows::meta::Counters;
use crate::commands::Overlay;
use crate::config::lane::LaneConfig;
use crate::log::Consumed;
use crate::metrics::{PartitionMetrics, metrics};
use crate::projector::{Mode, ProjectError, Projector};
use crate::store::StoreWriter;
use crate::types::{NextOffset, Offset, Partition};

/// A partition that a lane works on: its projector, how far it is on its way to live, and its commands.
pub(super) struct Owned {
    pub partition: Partition,
    pub projector: Projector,
    /// The ends of events and results when it was taken up: level once reached.
    targets: Targets,
    pub state: State,
    pub commands: Commands,
    pub snapshots: Snapshots,
    metrics: PartitionMetrics,
    /// What the metrics show already.
    counted: Counters,
    consumed: u64,
    /// Where it began to read events.
    replay_from: NextOffset,
    /// What the registry shows of it; nothing where that is not known.
    shown: Option<(State, NextOffset, NextOffset)>,
}

/// Where a partition's commands stand.
pub(super) struct Commands {
    /// The group's position when the partition was taken up.
    pub committed: Option<Consumed>,
    /// The next to decide; only once live.
    pub next: NextOffset,
    /// The partition's newest checkpoint, carried from commit to commit.
    pub checkpoint: Option<NotedCheckpoint>,
    /// Events and outcomes of ours that are not delivered yet.
    pub overlay: Overlay,
    pub expiries: Expiries,
    /// The last event of ours that this lane knows to be committed.
    pub last_event: Option<Offset>,
    /// Nothing is decided before this is reached: something was committed that the overlay does not have.
    pub behind: Option<Targets>,
}

impl Owned {
    /// Takes up a partition that was brought up. It catches up in bulk where it is far behind.
    pub(super) fn new(brought: Brought, shared: &Shared) -> Result<Self, ProjectError> {
        let Brought { store, next_result, committed, targets, expiries } = brought;
        let (settings, letters) = (shared.settings.projector.clone(), shared.letters.clone());
        let mut projector = Projector::new(store, settings, letters, shared.fold_bytes());
        projector.pass_results(next_result);
        projector.watch_expiring();
        let partition = projector.store().meta().identity.partition;
        let replay_from = projector.next();
        let behind = targets.events.0.saturating_sub(projector.next().0);
        if behind > shared.config.bulk_from_records {
            projector.set_mode(Mode::Bulk)?;
        }
        let note = committed.as_ref().map(|committed| committed.metadata.as_str()).unwrap_or_default();
        let note: OffsetNote = note.parse().unwrap_or_default();
        Ok(Self {
            partition,
            targets,
            state: State::Replaying,
            commands: Commands {
                committed,
                next: NextOffset::ZERO,
                checkpoint: note.checkpoint,
                overlay: Overlay::default(),
                expiries,
                last_event: None,
                behind: None,
            },
            snapshots: Snapshots::default(),
            metrics: metrics().of_partition(partition.0),
            counted: projector.store().progress().counters.clone(),
            consumed: 0,
            replay_from,
            shown: None,
            projector,
        })
    }

    /// Whether what was folded is to be written: at once in live mode, when memory is full in bulk.
    pub(super) fn is_due(&self, config: &LaneConfig) -> bool {
        match self.projector.mode() {
            Mode::Live => true,
            Mode::Bulk => self.projector.is_full() || self.projector.unwritten() >= config.bulk_spill_records,
        }
    }

    /// Goes on to level once events and results have reached the target. Gives whether it did.
    pub(super) fn advance(&mut self) -> Result<bool, ProjectError> {
        if self.state != State::Replaying || !self.has_reached(self.targets) {
            return Ok(false);
        }
        self.projector.set_mode(Mode::Live)?;
        self.projector.commit()?;
        self.written();
        self.state = State::Level;
        Ok(true)
    }

    pub(super) fn has_reached(&self, targets: Targets) -> bool {
        self.projector.next() >= targets.events && self.projector.next_result() >= targets.results
    }

    /// Whether commands of it may be decided.
    pub(super) fn decides(&self) -> bool {
        self.state == State::Live && self.commands.behind.is_none()
    }

    /// Takes account of what the projector has written since the last time.
    pub(super) fn written(&mut self) {
        for expiring in self.projector.take_expiring() {
            self.commands.expiries.push(expiring);
        }
        let progress = self.projector.store().progress();
        self.commands.overlay.trim(progress.next, progress.next_results);
    }

    /// Serves another generation of the partition, which stands where this one does. Gives the one before.
    pub(super) fn succeeded_by(
        &mut self,
        store: StoreWriter,
        expiries: Expiries,
        shared: &Shared,
    ) -> StoreWriter {
        let (settings, letters) = (shared.settings.projector.clone(), shared.letters.clone());
        let mut projector = Projector::new(store, settings, letters, shared.fold_bytes());
        projector.watch_expiring();
        // Its counters begin with what was folded anew: the metrics go on from there.
        self.counted = projector.store().progress().counters.clone();
        self.commands.expiries = expiries;
        self.shown = None;
        std::mem::replace(&mut self.projector, projector).into_store()
    }

    pub(super) fn add_consumed(&mut self, records: u64) {
        self.consumed += records;
        self.metrics.consumed.inc_by(records);
    }

    /// Shows the numbers as of the last write.
    pub(super) fn publish(&mut self, registry: &Registry) {
        let progress = self.projector.store().progress();
        let now = Some((self.state.clone(), progress.next, progress.next_results));
        // An idle lane steps hundreds of times a second.
        if self.shown == now {
            return;
        }
        self.shown = now;
        registry.update(self.partition, |status| {
            status.state = self.state.clone();
            status.stalled = None;
            status.consumed = self.consumed;
            status.replay_from = self.replay_from;
            status.take_from(self.projector.store());
        });
        self.count();
    }

    /// Something beside state and position has changed.
    pub(super) fn show_again(&mut self) {
        self.shown = None;
    }

    /// Adds to the metrics what was written since they were last added to.
    fn count(&mut self) {
        let now = &self.projector.store().progress().counters;
        let then = &self.counted;
        if now == then {
            return;
        }
        let shown = &self.metrics;
        shown.applied.inc_by(now.applied.saturating_sub(then.applied));
        shown.duplicates.inc_by(now.duplicates.saturating_sub(then.duplicates));
        shown.unknown_types.inc_by(now.unknown_types.saturating_sub(then.unknown_types));
        shown.stale_expiries.inc_by(now.stale_expiries.saturating_sub(then.stale_expiries));
        shown.conflicts.inc_by(now.conflicts.saturating_sub(then.conflicts));
        shown.gaps.inc_by(now.gaps.saturating_sub(then.gaps));
        shown.anomalies.inc_by(now.anomalies.saturating_sub(then.anomalies));
        for (reason, count) in &now.malformed {
            let before = then.malformed.get(reason).copied().unwrap_or(0);
            metrics()
                .dead_letters
                .with_label_values(&["events", reason])
                .inc_by(count.saturating_sub(before));
        }
        self.counted = now.clone();
    }

    /// Shows that the partition waits for an error to pass.
    pub(super) fn stall(&mut self, registry: &Registry, error: &Arc<str>) {
        self.shown = None;
        registry.update(self.partition, |status| status.stalled = Some(Arc::clone(error)));
    }
}
