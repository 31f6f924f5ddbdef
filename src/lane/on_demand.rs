//! A snapshot now: asked of the lanes that own the partitions, and waited for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::registry::Registry;
use super::status::{PartitionStatus, State};
use crate::snapshots::Work;
use crate::types::{NextOffset, Partition};

/// What a snapshot cycle published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cycle {
    pub cycle: u64,
    /// The checkpoint's position: everything below is in the base.
    pub next: NextOffset,
    /// Rows that had changed.
    pub rows: u64,
    /// Ends of rows.
    pub tombstones: u64,
    /// Before compression, estimated.
    pub bytes: u64,
}

/// Why there is no snapshot of a partition. What was applied is safe all the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotRefused {
    #[error("snapshots are not published here: snapshot.enabled is false")]
    Disabled,
    #[error("there is no partition {partition}: the topic has {partitions}")]
    Unknown { partition: Partition, partitions: u16 },
    #[error("partition {partition} is not owned by this instance; ask the one that owns it")]
    NotOwned { partition: Partition },
    #[error("this instance owns no partition at the moment; see `GET /partitions`")]
    NoneOwned,
    #[error("partition {partition} is {state}, and published only once it is live; ask again then")]
    NotLive { partition: Partition, state: &'static str },
    #[error("partition {partition} stands still and cannot be published: {reason}")]
    Failed { partition: Partition, reason: Arc<str> },
    #[error("partition {partition} has no checkpoint after {seconds} s without progress: {cause}")]
    TimedOut { partition: Partition, seconds: u64, cause: Arc<str> },
    #[error("interrupted; a cycle that has begun goes on by itself")]
    Interrupted,
}

/// A snapshot that was asked for.
struct Asked {
    partition: Partition,
    /// The newest cycle then.
    before: u64,
    /// What was applied then: the checkpoint must hold it.
    at: NextOffset,
}

impl Registry {
    /// Has a snapshot cycle of each partition published and waits for the checkpoints: each holds everything
    /// that was applied when this was called. All are asked before any is waited for. Blocks.
    ///
    /// `patience` is how long a partition may make no progress.
    pub fn snapshot_now(
        &self,
        partitions: &[Partition],
        work: &Work,
        patience: Duration,
    ) -> Vec<(Partition, Result<Cycle, SnapshotRefused>)> {
        work.begin("publishing", 0, partitions.len() as u64);
        let asked: Vec<_> = partitions.iter().map(|partition| (*partition, self.ask(*partition))).collect();
        let answer = |(partition, asked): (Partition, Result<Asked, SnapshotRefused>)| {
            let cycle = asked.and_then(|asked| self.wait_for_cycle(&asked, work, patience));
            if let Ok(cycle) = &cycle {
                work.add(1, cycle.rows, cycle.bytes);
            }
            (partition, cycle)
        };
        asked.into_iter().map(answer).collect()
    }

    fn ask(&self, partition: Partition) -> Result<Asked, SnapshotRefused> {
        if !self.publishes() {
            return Err(SnapshotRefused::Disabled);
        }
        let Some(status) = self.status(partition) else {
            return Err(SnapshotRefused::Unknown { partition, partitions: self.count() });
        };
        must_be_live(&status)?;
        let asked =
            Asked { partition, before: status.last_checkpoint.map_or(0, |mark| mark.cycle), at: status.next };
        self.request_snapshot(partition);
        Ok(asked)
    }

    fn wait_for_cycle(
        &self,
        asked: &Asked,
        work: &Work,
        patience: Duration,
    ) -> Result<Cycle, SnapshotRefused> {
        const LOOK_EVERY: Duration = Duration::from_millis(10);
        let partition = asked.partition;
        let mut moved = Instant::now();
        let mut seen = (None, None);
        loop {
            let Some(status) = self.status(partition) else {
                return Err(SnapshotRefused::NotOwned { partition });
            };
            if let Some(done) = status.last_cycle
                && done.cycle > asked.before
                && done.next >= asked.at
            {
                return Ok(done);
            }
            let refused = must_be_live(&status).err();
            if let Some(refused) = refused.or(work.is_stopped().then_some(SnapshotRefused::Interrupted)) {
                self.withdraw_snapshot_request(partition);
                return Err(refused);
            }
            let now = (status.publishing, status.last_cycle);
            if now != seen {
                (seen, moved) = (now, Instant::now());
            }
            if moved.elapsed() >= patience {
                self.withdraw_snapshot_request(partition);
                let cause = status
                    .snapshot_trouble
                    .or(status.stalled)
                    .unwrap_or_else(|| "its lane is busy; the service's log says with what".into());
                return Err(SnapshotRefused::TimedOut { partition, seconds: patience.as_secs(), cause });
            }
            std::thread::park_timeout(LOOK_EVERY);
        }
    }
}

pub(super) fn must_be_live(status: &PartitionStatus) -> Result<(), SnapshotRefused> {
    let partition = status.partition;
    match &status.state {
        State::Live => Ok(()),
        State::Absent | State::Stopped => Err(SnapshotRefused::NotOwned { partition }),
        State::Failed { reason } => Err(SnapshotRefused::Failed { partition, reason: Arc::clone(reason) }),
        state => Err(SnapshotRefused::NotLive { partition, state: state.name() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const P: Partition = Partition(0);

    fn registry(state: State) -> Registry {
        let registry = Registry::new(1);
        registry.publish(PartitionStatus { state, next: NextOffset(7), ..PartitionStatus::new(P) });
        registry
    }

    fn now(registry: &Registry, partition: Partition) -> Result<Cycle, SnapshotRefused> {
        let (_, answer) = registry
            .snapshot_now(&[partition], &Work::default(), Duration::from_millis(30))
            .pop()
            .expect("an answer");
        answer
    }

    #[test]
    fn a_partition_that_cannot_be_published_is_refused_and_says_why() {
        let refused = |state| now(&registry(state), P).expect_err("refused");
        assert_eq!(refused(State::Absent), SnapshotRefused::NotOwned { partition: P });
        assert_eq!(refused(State::Restoring), SnapshotRefused::NotLive { partition: P, state: "restoring" });
        let reason: Arc<str> = "a reason".into();
        assert_eq!(
            refused(State::Failed { reason: Arc::clone(&reason) }),
            SnapshotRefused::Failed { partition: P, reason }
        );
        let unknown = SnapshotRefused::Unknown { partition: Partition(3), partitions: 1 };
        assert_eq!(now(&registry(State::Live), Partition(3)), Err(unknown));
        let off = registry(State::Live);
        off.set_publishes(false);
        assert_eq!(now(&off, P), Err(SnapshotRefused::Disabled));
    }

    #[test]
    fn a_wait_without_progress_ends_with_its_cause_and_leaves_no_request() {
        let registry = registry(State::Live);
        registry.update(P, |status| status.snapshot_trouble = Some("no room".into()));
        let refused = now(&registry, P).expect_err("nobody publishes");
        assert!(
            matches!(&refused, SnapshotRefused::TimedOut { cause, .. } if &**cause == "no room"),
            "{refused}"
        );
        assert!(!registry.take_snapshot_request(P));
    }

    #[test]
    fn only_a_checkpoint_of_everything_applied_by_then_is_the_answer() {
        let registry = registry(State::Live);
        let asked = registry.ask(P).expect("asked");
        let wait = || registry.wait_for_cycle(&asked, &Work::default(), Duration::from_millis(20));
        let cycle = |cycle, next| Cycle { cycle, next: NextOffset(next), rows: 1, tombstones: 0, bytes: 9 };
        let older = cycle(1, 6);
        registry.update(P, |status| status.last_cycle = Some(older));
        assert!(wait().is_err(), "it lacks an event");
        let answer = cycle(2, 7);
        registry.update(P, |status| status.last_cycle = Some(answer));
        assert_eq!(wait(), Ok(answer));
    }
}
