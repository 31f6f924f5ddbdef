use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use super::bring_up::{BringUpError, Brought, bring_up};
use super::settings::Shared;
use crate::config::lane::LaneConfig;
use crate::log::LogError;
use crate::types::{Partition, Timestamp};

/// Partitions on their way from assigned to a store, each on a worker thread.
pub(super) struct Openings {
    running: BTreeMap<Partition, Opening>,
    waiting: VecDeque<Partition>,
    /// Those that met an error which may pass: when they may begin again, and how long that pause is.
    paused: BTreeMap<Partition, (Timestamp, u64)>,
    finished: Receiver<Finished>,
    sender: Sender<Finished>,
}

struct Opening {
    cancelled: Arc<AtomicBool>,
    then: Then,
}

type Finished = (Partition, Result<Brought, BringUpError>);

/// What becomes of an opening once it has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    TakeUp,
    /// Revoked meanwhile: the group waits for its release.
    Release,
    /// Lost meanwhile: another owns it.
    LetGo,
}

/// Stores opened at a time by one lane, and more where more may be restored: each scans, and holds memory for
/// it. How many are restored at a time over all lanes is `snapshot.restores`.
const AT_A_TIME: usize = 4;

impl Openings {
    pub(super) fn new() -> Self {
        let (sender, finished) = channel();
        Self { running: BTreeMap::new(), waiting: VecDeque::new(), paused: BTreeMap::new(), finished, sender }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty() && self.waiting.is_empty()
    }

    /// Begins to bring a partition up, once there is room. One that is still being let go of begins anew when
    /// that has ended: what it asked the log was of an earlier assignment.
    pub(super) fn begin(&mut self, partition: Partition) {
        if !self.waiting.contains(&partition) {
            self.waiting.push_back(partition);
        }
    }

    /// Begins again after a pause, which is longer each time. Gives whether it is the first one: the others go on
    /// meanwhile.
    pub(super) fn begin_again(&mut self, partition: Partition, now: Timestamp, config: &LaneConfig) -> bool {
        let longest = config.retry_max_ms.max(config.retry_min_ms);
        let before = self.paused.get(&partition).map(|(_, pause)| *pause);
        let pause = before.map_or(config.retry_min_ms, |pause| pause.saturating_mul(2).min(longest));
        let at = now.0.saturating_add(i64::try_from(pause).unwrap_or(i64::MAX));
        self.paused.insert(partition, (Timestamp(at), pause));
        self.begin(partition);
        before.is_none()
    }

    /// Ends the opening of a partition as soon as may be. Gives whether there was none under way: then there is
    /// nothing to wait for.
    pub(super) fn cancel(&mut self, partition: Partition, then: Then) -> bool {
        self.waiting.retain(|waiting| *waiting != partition);
        self.paused.remove(&partition);
        let Some(opening) = self.running.get_mut(&partition) else { return true };
        opening.cancelled.store(true, Ordering::Relaxed);
        opening.then = then;
        false
    }

    /// Starts what there is room for, for this lane. A store that another lane has in its hands is waited for.
    pub(super) fn start(&mut self, shared: &Arc<Shared>, lane: u16, now: Timestamp) {
        // Asked at every step; how many may run at a time is for the operating system to say, and that is slow.
        if self.waiting.is_empty() {
            return;
        }
        let mut again = VecDeque::new();
        let at_a_time = AT_A_TIME.max(shared.settings.snapshots.restores());
        while self.running.len() < at_a_time
            && let Some(partition) = self.waiting.pop_front()
        {
            // A clock that went back does not prolong a pause.
            let pauses = self.paused.get(&partition).is_some_and(|(until, pause)| {
                let left = u64::try_from(until.0.saturating_sub(now.0)).unwrap_or(0);
                (1..=*pause).contains(&left)
            });
            if pauses || self.running.contains_key(&partition) || !shared.membership.hold(lane, partition) {
                again.push_back(partition);
                continue;
            }
            let cancelled = Arc::new(AtomicBool::new(false));
            let (sender, flag, shared) = (self.sender.clone(), Arc::clone(&cancelled), Arc::clone(shared));
            let spawned = std::thread::Builder::new().name(format!("open-{partition}")).spawn(move || {
                let brought = catch_unwind(AssertUnwindSafe(|| bring_up(&shared, partition, &flag)));
                let brought = brought.unwrap_or_else(|_| {
                    let reason = "a fault of the program; report what the log says".to_owned();
                    Err(BringUpError::Log(LogError::Refused { what: "opening the store", reason }))
                });
                // A lane that has ended needs no answer.
                drop(sender.send((partition, brought)));
            });
            match spawned {
                Ok(_) => {
                    self.running.insert(partition, Opening { cancelled, then: Then::TakeUp });
                }
                Err(error) => {
                    tracing::warn!(%partition, %error, "no thread to open a store on; trying again");
                    again.push_back(partition);
                    break;
                }
            }
        }
        self.waiting.append(&mut again);
    }

    /// One that has ended, and what was to become of it.
    pub(super) fn next(&mut self) -> Option<(Partition, Then, Result<Brought, BringUpError>)> {
        let (partition, brought) = self.finished.try_recv().ok()?;
        let opening = self.running.remove(&partition)?;
        if brought.is_ok() {
            self.paused.remove(&partition);
        }
        Some((partition, opening.then, brought))
    }

    /// Cancels all and waits for them. Gives what was brought up all the same.
    pub(super) fn end(&mut self) -> Vec<Brought> {
        self.waiting.clear();
        self.running.values().for_each(|opening| opening.cancelled.store(true, Ordering::Relaxed));
        let mut brought = Vec::new();
        while !self.running.is_empty() {
            let Ok((partition, result)) = self.finished.recv() else { break };
            self.running.remove(&partition);
            brought.extend(result.ok());
        }
        brought
    }
}
