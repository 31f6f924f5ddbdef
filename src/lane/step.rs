use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::identity::LaneIdentity;
use super::openings::Openings;
use super::owned::Owned;
use super::pace::Pace;
use super::publishing::cut;
use super::registry::Registry;
use super::settings::Shared;
use super::status::State;
use super::writer::Writer;
use crate::config::lane::LaneConfig;
use crate::log::{LogError, Member, Purpose, Reader, Records};
use crate::types::{Partition, Timestamp};

/// Owns the partitions that the command group gives it, a [`Lane::step`] at a time: brings their stores up,
/// folds what the log delivers, decides what the group's member delivers. Knows no thread and no clock but
/// what it is given; only stores are opened on threads of their own.
///
/// A step runs in this order, and nothing of it overlaps: what was left undone; the member, whose revocations
/// are served here and so between transactions; one transaction; the reader.
pub struct Lane {
    pub(super) shared: Arc<Shared>,
    pub(super) identity: LaneIdentity,
    /// Nothing = out of the group, to join again.
    pub(super) member: Option<Box<dyn Member>>,
    /// Since when the member is in the group.
    pub(super) member_since: Option<Timestamp>,
    /// Whether it shows that it is.
    pub(super) joined: bool,
    pub(super) fenced_at: Option<Timestamp>,
    pub(super) openings: Openings,
    pub(super) owned: BTreeMap<Partition, Owned>,
    pub(super) reader: Option<(Purpose, Box<dyn Reader>)>,
    /// Partitions came, left or changed since the reader was assigned.
    pub(super) reassign: bool,
    /// The last batch was full: there is more to read.
    pub(super) more: bool,
    pub(super) writer: Writer,
    /// Partitions whose member is to start again at the next command to decide.
    pub(super) rewind: BTreeSet<Partition>,
    /// The overlays take what they may: commands wait for the reader.
    pub(super) full: bool,
    /// It works no more: every partition stopped for a reason that concerns all.
    pub(super) ended: bool,
    pub(super) pace: Pace,
    /// The partition whose snapshot was written to last.
    pub(super) published_last: Option<Partition>,
    pause: Pause,
}

/// What to do after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Step again: the step itself waits for something to happen.
    GoOn,
    /// Nothing will work before this long. Until then a step serves the group: it waits for none.
    Pause(Duration),
    /// No partition is left that could be brought forward, and none will come.
    Done,
}

/// The pause after errors that may pass: longer each time, over once a step succeeds.
#[derive(Default)]
struct Pause {
    until: Option<Timestamp>,
    length_ms: u64,
}

/// An error that may pass by itself.
pub(super) struct Passing {
    pub reason: String,
}

impl From<LogError> for Passing {
    fn from(error: LogError) -> Self {
        Self { reason: error.to_string() }
    }
}

impl Lane {
    /// Joins the group and takes over the lane's transactional ids, whose earlier holders are fenced and what
    /// they had open is aborted. `now` tells this run's transactions from those of earlier ones.
    pub(super) fn new(shared: Arc<Shared>, identity: LaneIdentity, now: Timestamp) -> Result<Self, LogError> {
        // Before the group: a committed position is asked for only once nothing of an earlier run is open.
        let writer = Writer::new(shared.log.as_ref(), &identity, now)?;
        let member = shared.log.join(&shared.config.group, &identity.instance)?;
        shared.registry.begins();
        Ok(Self {
            shared,
            identity,
            member: Some(member),
            member_since: None,
            joined: false,
            fenced_at: None,
            openings: Openings::new(),
            owned: BTreeMap::new(),
            reader: None,
            reassign: false,
            more: false,
            writer,
            rewind: BTreeSet::new(),
            full: false,
            ended: false,
            pace: Pace::default(),
            published_last: None,
            pause: Pause::default(),
        })
    }

    /// Serves the group, decides, reads, folds, commits and shows what came of it, once.
    pub fn step(&mut self, now: Timestamp) -> Next {
        self.heed_halt();
        if self.ended {
            return Next::Done;
        }
        if let Some(left) = self.pause.left(now) {
            // What fails here is tried again at the next step: it makes the pause no longer.
            if let Err(error) = self.stay(now) {
                tracing::debug!(
                    lane = self.identity.instance,
                    reason = error.reason,
                    "the group is not served"
                );
            }
            return Next::Pause(left);
        }
        let next = match self.try_step(now) {
            Ok(()) => {
                self.pause.end();
                Next::GoOn
            }
            Err(error) => self.stall(now, &error),
        };
        for owned in self.owned.values_mut() {
            owned.projector.tell(now);
        }
        next
    }

    /// An error here may pass; what cannot pass has stopped its partition already.
    fn try_step(&mut self, now: Timestamp) -> Result<(), Passing> {
        // What a failed write left behind goes first.
        self.settle_all()?;
        self.resolve()?;
        self.rewind()?;
        self.heed_backpressure()?;
        let commands = self.serve_group(now)?;
        self.transact(now, commands.as_deref())?;
        self.publish_snapshots(now);
        self.stand_still();
        self.follow()?;
        for owned in self.owned.values_mut() {
            owned.publish(&self.shared.registry);
        }
        Ok(())
    }

    /// Serves the group alone, which waits for nobody: partitions come and go while an error passes.
    fn stay(&mut self, now: Timestamp) -> Result<(), Passing> {
        let commands = self.serve_group(now)?;
        self.put_back(commands.as_deref());
        Ok(())
    }

    /// Serves the member and takes up what was brought up. Gives commands, where they came.
    fn serve_group(&mut self, now: Timestamp) -> Result<Option<Box<dyn Records>>, Passing> {
        let commands = self.serve_member(now)?;
        let taken = self.take_up(now);
        if taken.is_err() {
            self.put_back(commands.as_deref());
        }
        taken.map(|()| commands)
    }

    pub(super) fn registry(&self) -> &Registry {
        &self.shared.registry
    }

    pub(super) fn config(&self) -> &LaneConfig {
        &self.shared.config
    }

    /// Stops a partition for good: named, logged once, the others go on. What is written stays readable. The
    /// group's member keeps it: elsewhere it would do no better, and nobody would be told.
    pub(super) fn fail(&mut self, partition: Partition, reason: &str) {
        if self.owned.remove(&partition).is_some() {
            self.reassign = true;
        }
        self.rewind.remove(&partition);
        if let Some(member) = &mut self.member
            && let Err(error) = member.pause(&[partition])
        {
            tracing::debug!(%partition, %error, "the commands of a stopped partition still come");
        }
        fail(&self.shared.registry, partition, reason);
    }

    /// Stops every partition for good, and the lane with them.
    pub(super) fn fail_all(&mut self, reason: &str) {
        let all: Vec<_> = self.owned.keys().copied().collect();
        for partition in all {
            self.fail(partition, reason);
        }
        self.leave();
    }

    /// Lets go of every partition, nothing more written, where something was found that concerns them all.
    fn heed_halt(&mut self) {
        let Some(error) = self.shared.registry.halted() else { return };
        let reason: Arc<str> = error.to_string().into();
        // Whoever found it has logged it, once for all.
        for partition in std::mem::take(&mut self.owned).into_keys() {
            show_failed(&self.shared.registry, partition, Arc::clone(&reason));
        }
        self.leave();
    }

    /// Leaves the group for good.
    fn leave(&mut self) {
        self.ended = true;
        self.show_left();
        self.reader = None;
        drop(self.openings.end());
        self.member = None;
        self.shared.membership.ended(self.identity.lane);
    }

    fn stall(&mut self, now: Timestamp, error: &Passing) -> Next {
        let pause = self.pause.begin(now, &self.shared.config);
        if self.pause.is_first(&self.shared.config) {
            tracing::warn!(
                lane = self.identity.instance,
                reason = error.reason,
                "the lane waits for an error to pass"
            );
        }
        let reason: Arc<str> = error.reason.as_str().into();
        for owned in self.owned.values_mut() {
            owned.stall(&self.shared.registry, &reason);
        }
        Next::Pause(pause)
    }

    /// Writes what is folded, flushes and closes every store, then leaves the group.
    pub fn finish(mut self) {
        self.heed_halt();
        self.publish_last();
        drop(self.reader.take());
        for (partition, mut owned) in std::mem::take(&mut self.owned) {
            cut(&mut owned);
            match owned.projector.close() {
                Ok(()) => self.registry().update(partition, |status| status.state = State::Stopped),
                Err(error) => fail(&self.shared.registry, partition, &error.to_string()),
            }
        }
        for brought in self.openings.end() {
            if let Err(error) = brought.store.close() {
                tracing::error!(%error, "a store could not be closed cleanly");
            }
        }
        // Only now: another may own them from here on.
        drop(self.member.take());
    }
}

/// Shows and logs that a partition stands still until someone acts.
pub(super) fn fail(registry: &Registry, partition: Partition, reason: &str) {
    tracing::error!(%partition, reason, "partition stopped");
    show_failed(registry, partition, reason.into());
}

fn show_failed(registry: &Registry, partition: Partition, reason: Arc<str>) {
    registry.update(partition, |status| {
        status.stalled = None;
        status.state = State::Failed { reason };
    });
}

impl Pause {
    /// How much of it is left; a clock that went back does not prolong it.
    fn left(&self, now: Timestamp) -> Option<Duration> {
        let left = u64::try_from(self.until?.0.saturating_sub(now.0)).ok()?.min(self.length_ms);
        (left > 0).then(|| Duration::from_millis(left))
    }

    fn begin(&mut self, now: Timestamp, config: &LaneConfig) -> Duration {
        self.length_ms = self
            .length_ms
            .saturating_mul(2)
            .clamp(config.retry_min_ms, config.retry_max_ms.max(config.retry_min_ms));
        let until = now.0.saturating_add(i64::try_from(self.length_ms).unwrap_or(i64::MAX));
        self.until = Some(Timestamp(until));
        Duration::from_millis(self.length_ms)
    }

    fn is_first(&self, config: &LaneConfig) -> bool {
        self.length_ms == config.retry_min_ms
    }

    fn end(&mut self) {
        *self = Self::default();
    }
}
