//! A partition that is served changes over to another generation of its store.
//!
//! Whoever has made one asks the lane to stand still ([`super::Registry::hold`]). The lane writes what it has
//! folded, lets go of a snapshot under way, says where the served store stands, and waits: for the generation,
//! brought to that very position, or to be let go, and never longer than was asked for. Nothing is read or
//! decided meanwhile, so nothing moves; queries go on from the served store. The change is one step, `LIVE`
//! named anew: killed before it the old generation is served, killed behind it the new one, and both stand at
//! the same position.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use super::bring_up::Targets;
use super::expiries::Expiries;
use super::publishing::cut_soon;
use super::step::Lane;
use crate::commands::Overlay;
use crate::failpoint;
use crate::metrics::metrics;
use crate::snapshots::Publication;
use crate::store::{StoreReader, StoreWriter};
use crate::types::{NextOffset, Offset, Partition};

/// A request to stand still.
pub(super) struct Hold {
    at_most: Duration,
    answer: SyncSender<Result<Held, NotHeld>>,
}

/// A lane that stands still for a partition, until this is used up or dropped.
pub struct Held {
    /// Where the served store stands: nothing of it moves meanwhile.
    pub next: NextOffset,
    pub next_results: NextOffset,
    /// The last event below `next`, and the last result below `next_results` where this lane has read one.
    pub last_event: Option<Offset>,
    pub last_result: Option<Offset>,
    pub served: StoreReader,
    verdict: SyncSender<Successor>,
    switched: Receiver<Result<Switched, NotSwitched>>,
}

/// Why a lane cannot stand still just now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct NotHeld {
    pub why: String,
}

/// A generation that is to be served.
struct Successor {
    store: StoreWriter,
    expiries: Expiries,
}

/// A partition has changed over.
pub struct Switched {
    /// The snapshot of it that was cut off, where one was: dropped, it is waited for.
    pub ending: Option<Publication>,
    /// The generation served before; closing it is for whoever asked, the lane goes on.
    pub before: StoreWriter,
    /// How long the lane stood still.
    pub pause: Duration,
}

/// Why a partition did not change over. The old generation is served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotSwitched {
    #[error("the lane no longer waited: the generation came too late")]
    TooLate,
    #[error("{0}")]
    Failed(String),
}

impl Hold {
    pub(super) fn new(at_most: Duration) -> (Self, Receiver<Result<Held, NotHeld>>) {
        let (answer, held) = sync_channel(1);
        (Self { at_most, answer }, held)
    }
}

impl Held {
    /// Serves `store` from now on. It stands where the served one does and was prepared to be served
    /// ([`crate::store::PartitionStores::prepare`]); `expiries` is what ends by itself, as of there. Settle it
    /// afterwards.
    ///
    /// # Errors
    /// The old generation is served on.
    pub fn switch(self, store: StoreWriter, expiries: Expiries) -> Result<Switched, NotSwitched> {
        self.verdict.send(Successor { store, expiries }).map_err(|_| NotSwitched::TooLate)?;
        // Given up between the two, the lane has dropped what was sent.
        self.switched.recv().unwrap_or(Err(NotSwitched::TooLate))
    }

    /// Lets the lane go on as it was.
    pub fn release(self) {
        drop(self);
    }
}

impl Lane {
    /// Serves requests to stand still, one partition after another.
    pub(super) fn stand_still(&mut self) {
        let all: Vec<Partition> = self.owned.keys().copied().collect();
        for partition in all {
            if let Some(hold) = self.shared.registry.take_hold(partition) {
                self.hold(partition, &hold);
            }
        }
    }

    fn hold(&mut self, partition: Partition, hold: &Hold) {
        let began = Instant::now();
        // Whoever asked may have gone; then nothing was lost but this step.
        let refuse = |why: String| drop(hold.answer.send(Err(NotHeld { why })));
        let settled = self.writer.doubt.is_none() && !self.rewind.contains(&partition);
        let Some(owned) = self.owned.get_mut(&partition) else { return };
        if !owned.decides() || !settled {
            return refuse(format!("partition {partition} is not live and at rest"));
        }
        if owned.snapshots.is_in_doubt() {
            return refuse(format!("whether a snapshot of partition {partition} is complete is being asked"));
        }
        cut_soon(owned);
        if let Err(error) = owned.projector.commit() {
            return refuse(format!("partition {partition} cannot be written: {error}"));
        }
        owned.written();
        let progress = owned.projector.store().progress();
        let (verdict, given) = sync_channel(1);
        let (answer, switched) = sync_channel(1);
        let held = Held {
            next: progress.next,
            next_results: progress.next_results,
            last_event: progress.fingerprint.map(|last| last.offset),
            last_result: owned.projector.last_result(),
            served: owned.projector.store().reader(),
            verdict,
            switched,
        };
        if hold.answer.send(Ok(held)).is_err() {
            return;
        }
        match given.recv_timeout(hold.at_most) {
            Ok(successor) => {
                let changed = self.switch(partition, successor, began);
                let outcome = if changed.is_ok() { "switched" } else { "failed" };
                metrics().cutovers.with_label_values(&[outcome]).inc();
                drop(answer.send(changed));
            }
            Err(_) => metrics().cutovers.with_label_values(&["released"]).inc(),
        }
        metrics().cutover_pause_seconds.observe(began.elapsed().as_secs_f64());
    }

    fn switch(
        &mut self,
        partition: Partition,
        successor: Successor,
        began: Instant,
    ) -> Result<Switched, NotSwitched> {
        let failed = |why: String| NotSwitched::Failed(format!("partition {partition}: {why}"));
        let Some(owned) = self.owned.get_mut(&partition) else { return Err(NotSwitched::TooLate) };
        let Successor { store, expiries } = successor;
        let (here, there) = (owned.projector.store().meta(), store.meta());
        let at = |meta: &crate::codec::rows::meta::Meta| (meta.progress.next, meta.progress.next_results);
        if at(here) != at(there) || there.identity.partition != partition || there.partial {
            return Err(failed(format!(
                "the new generation does not stand where the served one does: {:?}, {:?}",
                at(there),
                at(here)
            )));
        }
        // What was committed and not delivered was made on the served rows. On other rows it is read before
        // anything is decided; the same rows go on under it.
        let same = (here.rows, here.digest) == (there.rows, there.digest);
        let behind = if same || owned.commands.overlay.is_empty() {
            None
        } else {
            Some(Targets::now(&self.shared, partition).map_err(|error| failed(error.to_string()))?)
        };
        let (from, to) = (owned.projector.store().generation(), store.generation());
        failpoint::hit(failpoint::CUTOVER_BEFORE_SWITCH);
        self.shared.stores.change_over(partition).map_err(|error| failed(error.to_string()))?;
        failpoint::hit(failpoint::CUTOVER_AFTER_SWITCH);
        let ending = owned.snapshots.take_ending();
        let before = owned.succeeded_by(store, expiries, &self.shared);
        if !same {
            owned.commands.overlay = Overlay::default();
            owned.commands.behind = behind;
        }
        self.shared.registry.serve(partition, Some(owned.projector.store().reader()));
        owned.publish(&self.shared.registry);
        let pause = began.elapsed();
        tracing::info!(
            %partition, %from, %to, next = %owned.projector.next(), pause_ms = pause.as_secs_f64() * 1000.0,
            "another generation is served"
        );
        Ok(Switched { ending, before, pause })
    }
}
