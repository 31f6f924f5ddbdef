use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::checks::CheckError;
use super::status::{PartitionStatus, State};
use super::switching::{Held, Hold, NotHeld};
use crate::snapshots::{Done, Work};
use crate::store::StoreReader;
use crate::types::{NextOffset, Partition, Position, partition_of};

/// What everyone but the lanes sees of the partitions: one slot each, written by the lane that owns it.
///
/// Reading never waits for a lane. A slot's store can be swapped while it is being read: whoever holds a
/// [`StoreReader`] finishes on the store it began on.
pub struct Registry {
    slots: Vec<Slot>,
    /// Lanes that are in the group, and those that are not and so own nothing yet.
    inside: AtomicUsize,
    outside: AtomicUsize,
    halted: OnceLock<CheckError>,
    /// Whether the lanes publish snapshots.
    publishes: AtomicBool,
}

struct Slot {
    store: RwLock<Option<StoreReader>>,
    status: RwLock<PartitionStatus>,
    progress: watch::Sender<Progress>,
    /// What makes its store just now.
    work: RwLock<Option<Arc<Work>>>,
    /// Somebody wants a snapshot of it now.
    snapshot_wanted: AtomicBool,
    /// Somebody wants its lane to stand still for it.
    hold_wanted: AtomicBool,
    hold: Mutex<Option<Hold>>,
}

/// What a piece of work that has no other name for it is called while events are read.
const REPLAYING: &str = "replaying events";

/// What a waiting reader is woken by.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Progress {
    applied: NextOffset,
    state: State,
}

/// How a wait ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waited {
    /// The record at the position is applied and readable.
    Reached,
    /// Not in time. `applied` is how far it came.
    TimedOut { applied: NextOffset },
    /// The partition stands still; waiting on would not help.
    Failed { reason: std::sync::Arc<str> },
    /// No lane of this process owns the partition, or there is no such partition.
    NotOwned,
}

impl Registry {
    /// Slots for `partitions` partitions, all absent.
    #[must_use]
    pub fn new(partitions: u16) -> Self {
        let slot = |number| Slot {
            store: RwLock::new(None),
            status: RwLock::new(PartitionStatus::new(Partition(number))),
            progress: watch::Sender::new(Progress { applied: NextOffset::ZERO, state: State::Absent }),
            work: RwLock::new(None),
            snapshot_wanted: AtomicBool::new(false),
            hold_wanted: AtomicBool::new(false),
            hold: Mutex::new(None),
        };
        Self {
            slots: (0..partitions).map(slot).collect(),
            inside: AtomicUsize::new(0),
            outside: AtomicUsize::new(0),
            halted: OnceLock::new(),
            publishes: AtomicBool::new(true),
        }
    }

    /// How many partitions the events topic has.
    #[must_use]
    pub fn count(&self) -> u16 {
        // `new` takes a u16.
        self.slots.len() as u16
    }

    /// The partition of a SKU.
    #[must_use]
    pub fn partition_of(&self, sku: &str) -> Partition {
        partition_of(sku, self.count())
    }

    /// Where the partition stands; [`State::Absent`] too for one that does not exist.
    #[must_use]
    pub fn state(&self, partition: Partition) -> State {
        self.slot(partition).map(|slot| slot.progress.borrow().state.clone()).unwrap_or_default()
    }

    /// The store being served, where there is one. Whether it is level is for [`Self::state`] to say.
    #[must_use]
    pub fn store(&self, partition: Partition) -> Option<StoreReader> {
        self.slot(partition)
            .and_then(|slot| slot.store.read().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Everything below is applied and readable.
    #[must_use]
    pub fn applied(&self, partition: Partition) -> Option<NextOffset> {
        self.slot(partition).map(|slot| slot.progress.borrow().applied)
    }

    /// The numbers of one partition.
    #[must_use]
    pub fn status(&self, partition: Partition) -> Option<PartitionStatus> {
        self.slot(partition).map(|slot| slot.status.read().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// The numbers of every partition, in order.
    #[must_use]
    pub fn statuses(&self) -> Vec<PartitionStatus> {
        self.slots
            .iter()
            .map(|slot| slot.status.read().unwrap_or_else(PoisonError::into_inner).clone())
            .collect()
    }

    /// Whether every lane is in the group and every partition owned here is live.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let live = |slot: &Slot| match slot.progress.borrow().state {
            State::Absent | State::Unassigned | State::Live => true,
            State::Restoring | State::Replaying | State::Level | State::Failed { .. } | State::Stopped => {
                false
            }
        };
        let joined = self.inside.load(Ordering::SeqCst) > 0 && self.outside.load(Ordering::SeqCst) == 0;
        joined && self.slots.iter().all(live)
    }

    /// For a lane that begins: it is not in the group yet.
    pub(super) fn begins(&self) {
        self.outside.fetch_add(1, Ordering::SeqCst);
    }

    /// For a lane that was in the group: it is out of it.
    pub(super) fn left(&self) {
        self.inside.fetch_sub(1, Ordering::SeqCst);
        self.outside.fetch_add(1, Ordering::SeqCst);
    }

    /// For a lane: it is in the group, and what it was given shows.
    pub(super) fn joined(&self) {
        self.inside.fetch_add(1, Ordering::SeqCst);
        self.outside.fetch_sub(1, Ordering::SeqCst);
    }

    /// Waits until the record at `position` is applied, at most until `deadline`. Needs a tokio runtime with
    /// time.
    pub async fn wait_for(&self, position: Position, deadline: Instant) -> Waited {
        let Some(slot) = self.slot(position.partition) else { return Waited::NotOwned };
        let has_it = |state: &State| !matches!(state, State::Absent | State::Unassigned);
        let mut progress = slot.progress.subscribe();
        let ended = tokio::time::timeout_at(deadline.into(), async {
            loop {
                let seen = progress.borrow_and_update().clone();
                if seen.applied.is_past(position.offset) && has_it(&seen.state) {
                    return Waited::Reached;
                }
                match seen.state {
                    State::Absent | State::Stopped => return Waited::NotOwned,
                    State::Failed { reason } => return Waited::Failed { reason },
                    State::Unassigned | State::Restoring | State::Replaying | State::Level | State::Live => {}
                }
                // The sender lives as long as the slot, which `self` holds.
                if progress.changed().await.is_err() {
                    return Waited::NotOwned;
                }
            }
        })
        .await;
        ended.unwrap_or_else(|_| Waited::TimedOut { applied: slot.progress.borrow().applied })
    }

    /// How far the making of the partition's store is, while it is being made.
    #[must_use]
    pub fn work(&self, partition: Partition) -> Option<Done> {
        let slot = self.slot(partition)?;
        slot.work.read().unwrap_or_else(PoisonError::into_inner).as_ref().map(|work| work.done())
    }

    /// How far the partition is on its way to live, and how long that may still take: its store that is being
    /// made, or the events that are being read into it. Nothing where it is under way to nowhere.
    #[must_use]
    pub fn progress(&self, partition: Partition) -> Option<Done> {
        if let Some(done) = self.work(partition) {
            return Some(done);
        }
        let status = self.status(partition)?;
        if !matches!(status.state, State::Replaying | State::Level) || status.generation.is_none() {
            return None;
        }
        let rate = (status.events_per_second > 0.0).then_some(status.events_per_second);
        Some(Done {
            phase: REPLAYING,
            done: status.next.0.saturating_sub(status.replay_from.0),
            total: status.high_watermark.0.saturating_sub(status.replay_from.0),
            rows: status.rows,
            bytes: 0,
            per_second: rate,
            seconds_left: rate.map(|rate| status.lag_events() as f64 / rate),
        })
    }

    /// For whoever makes the partition's store.
    pub(super) fn working(&self, partition: Partition, work: Option<Arc<Work>>) {
        if let Some(slot) = self.slot(partition) {
            *slot.work.write().unwrap_or_else(PoisonError::into_inner) = work;
        }
    }

    /// Asks the partition's lane for a snapshot now; its checkpoint shows in the status.
    pub fn request_snapshot(&self, partition: Partition) {
        if let Some(slot) = self.slot(partition) {
            slot.snapshot_wanted.store(true, Ordering::Relaxed);
        }
    }

    /// Nobody waits for it any more.
    pub(super) fn withdraw_snapshot_request(&self, partition: Partition) {
        let _ = self.take_snapshot_request(partition);
    }

    /// Whether the lanes publish snapshots at all.
    #[must_use]
    pub fn publishes(&self) -> bool {
        self.publishes.load(Ordering::Relaxed)
    }

    /// For whoever starts the lanes.
    pub(super) fn set_publishes(&self, publishes: bool) {
        self.publishes.store(publishes, Ordering::Relaxed);
    }

    /// For the partition's lane: whether one was asked for since.
    pub(super) fn take_snapshot_request(&self, partition: Partition) -> bool {
        self.slot(partition).is_some_and(|slot| slot.snapshot_wanted.swap(false, Ordering::Relaxed))
    }

    /// Asks the partition's lane to stand still for it, between two of its writes and `at_most` that long, so
    /// that another generation can be brought to its very position. A request made before is forgotten.
    #[must_use]
    pub fn hold(&self, partition: Partition, at_most: Duration) -> Receiver<Result<Held, NotHeld>> {
        let (hold, held) = Hold::new(at_most);
        if let Some(slot) = self.slot(partition) {
            *slot.hold.lock().unwrap_or_else(PoisonError::into_inner) = Some(hold);
            slot.hold_wanted.store(true, Ordering::Release);
        }
        held
    }

    /// For the partition's lane: a request to stand still, where there is one.
    pub(super) fn take_hold(&self, partition: Partition) -> Option<Hold> {
        let slot = self.slot(partition)?;
        if !slot.hold_wanted.swap(false, Ordering::Acquire) {
            return None;
        }
        slot.hold.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// What stopped every partition, where something did that concerns them all.
    #[must_use]
    pub fn halted(&self) -> Option<&CheckError> {
        self.halted.get()
    }

    /// For the observer: no lane writes anything from here on. The first reason stays.
    pub(super) fn halt(&self, error: CheckError) {
        // A second one says nothing new.
        drop(self.halted.set(error));
    }

    /// For the partition's lane: puts its numbers in place, all of them.
    pub fn publish(&self, status: PartitionStatus) {
        self.update(status.partition, |seen| *seen = status);
    }

    /// For the partition's lane and the observer, each of which moves its own numbers. Whoever waits for the
    /// partition's position or state is woken.
    pub fn update(&self, partition: Partition, change: impl FnOnce(&mut PartitionStatus)) {
        let Some(slot) = self.slot(partition) else { return };
        let mut status = slot.status.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut status);
        slot.progress.send_if_modified(|seen| {
            let changed = seen.applied != status.next || seen.state != status.state;
            if changed {
                *seen = Progress { applied: status.next, state: status.state.clone() };
            }
            changed
        });
    }

    /// For the partition's lane: serves `store` for the partition from here on; nothing with `None`.
    pub fn serve(&self, partition: Partition, store: Option<StoreReader>) {
        if let Some(slot) = self.slot(partition) {
            *slot.store.write().unwrap_or_else(PoisonError::into_inner) = store;
        }
    }

    fn slot(&self, partition: Partition) -> Option<&Slot> {
        self.slots.get(usize::from(partition.0))
    }
}
