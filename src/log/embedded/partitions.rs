//! What is known of every partition without asking the database: its ends, and the largest timestamp of
//! every 1024 offsets. And the one place where readers and members wait.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::log::LogError;
use crate::types::{NextOffset, Partition, Timestamp, Topic};

/// Offsets in one block of the time index.
pub(super) const BLOCK: u64 = 1024;

/// One partition as it is now. What is below `end` is acknowledged or about to be, and committed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ends {
    pub(super) start: u64,
    pub(super) end: u64,
    /// The largest timestamp of each block, the one being filled included.
    pub(super) blocks: BTreeMap<u64, i64>,
}

/// The end of a partition while the next records are being laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tail {
    pub(super) end: u64,
    /// The largest timestamp of the block that `end` falls in; nothing where it would be the block's first.
    pub(super) newest: Option<i64>,
}

impl Tail {
    /// Gives out the next offset, and the block it completes with that block's largest timestamp.
    pub(super) fn push(&mut self, timestamp: Timestamp) -> (u64, Option<(u64, i64)>) {
        let offset = self.end;
        let newest = self.newest.map_or(timestamp.0, |newest| newest.max(timestamp.0));
        self.end += 1;
        if self.end.is_multiple_of(BLOCK) {
            self.newest = None;
            (offset, Some((offset / BLOCK, newest)))
        } else {
            self.newest = Some(newest);
            (offset, None)
        }
    }
}

/// What a write added to one partition.
#[derive(Debug)]
pub(super) struct Growth {
    pub(super) topic: Topic,
    pub(super) partition: Partition,
    pub(super) tail: Tail,
    pub(super) completed: Vec<(u64, i64)>,
}

/// Every partition of every topic.
pub(super) struct Partitions {
    count: u16,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    ends: Vec<Ends>,
    /// Rises with every change that someone may wait for.
    pulse: u64,
}

impl Partitions {
    /// `ends` stand by topic in the order of [`Topic::ALL`], then by partition.
    pub(super) fn new(count: u16, ends: Vec<Ends>) -> Self {
        Self { count, state: Mutex::new(State { ends, pulse: 0 }), changed: Condvar::new() }
    }

    pub(super) fn count(&self) -> u16 {
        self.count
    }

    /// Every topic and partition, in the order of the ends.
    pub(super) fn all(count: u16) -> impl Iterator<Item = (Topic, Partition)> {
        Topic::ALL.into_iter().flat_map(move |topic| (0..count).map(move |p| (topic, Partition(p))))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn index(&self, topic: Topic, partition: Partition) -> usize {
        let topic = Topic::ALL.iter().position(|t| *t == topic).unwrap_or_default();
        topic * usize::from(self.count) + usize::from(partition.0)
    }

    pub(super) fn check(&self, topic: Topic, partition: Partition) -> Result<(), LogError> {
        if partition.0 < self.count {
            return Ok(());
        }
        let reason = format!("{topic} has {} partitions, there is no partition {partition}", self.count);
        Err(LogError::Refused { what: "naming a partition", reason })
    }

    /// Looks at one partition.
    pub(super) fn with<T>(
        &self,
        topic: Topic,
        partition: Partition,
        look: impl FnOnce(&Ends) -> T,
    ) -> Result<T, LogError> {
        self.check(topic, partition)?;
        let index = self.index(topic, partition);
        let state = self.lock();
        let ends = state.ends.get(index).ok_or_else(|| LogError::Refused {
            what: "naming a partition",
            reason: format!("there is no {topic} partition {partition}"),
        })?;
        Ok(look(ends))
    }

    /// Start and end of one partition.
    pub(super) fn range(&self, topic: Topic, partition: Partition) -> Result<(u64, u64), LogError> {
        self.with(topic, partition, |ends| (ends.start, ends.end))
    }

    /// Checks that reading may go on at `next`, and gives the end.
    pub(super) fn readable(&self, topic: Topic, partition: Partition, next: u64) -> Result<u64, LogError> {
        let (start, end) = self.range(topic, partition)?;
        if (start..=end).contains(&next) {
            return Ok(end);
        }
        let (wanted, start, end) = (NextOffset(next), NextOffset(start), NextOffset(end));
        Err(LogError::OutOfRange { topic, partition, wanted, start, end })
    }

    pub(super) fn tail(&self, topic: Topic, partition: Partition) -> Result<Tail, LogError> {
        self.with(topic, partition, |ends| Tail {
            end: ends.end,
            newest: if ends.end.is_multiple_of(BLOCK) {
                None
            } else {
                ends.blocks.get(&(ends.end / BLOCK)).copied()
            },
        })
    }

    /// Lets everyone see what was written.
    pub(super) fn grow(&self, growths: Vec<Growth>) {
        let mut state = self.lock();
        for growth in growths {
            let index = self.index(growth.topic, growth.partition);
            let Some(ends) = state.ends.get_mut(index) else { continue };
            ends.end = growth.tail.end;
            ends.blocks.extend(growth.completed);
            if let Some(newest) = growth.tail.newest {
                ends.blocks.insert(growth.tail.end / BLOCK, newest);
            }
        }
        state.pulse += 1;
        drop(state);
        self.changed.notify_all();
    }

    /// Moves the start up, and forgets the blocks below it.
    pub(super) fn set_start(&self, topic: Topic, partition: Partition, start: u64) {
        let index = self.index(topic, partition);
        let mut state = self.lock();
        if let Some(ends) = state.ends.get_mut(index) {
            ends.start = start;
            ends.blocks = ends.blocks.split_off(&(start / BLOCK));
        }
        state.pulse += 1;
        drop(state);
        self.changed.notify_all();
    }

    /// The pulse now, to be handed to [`Self::wait`].
    pub(super) fn pulse(&self) -> u64 {
        self.lock().pulse
    }

    /// Wakes everyone who waits: something other than a partition has changed.
    pub(super) fn nudge(&self) {
        self.lock().pulse += 1;
        self.changed.notify_all();
    }

    /// Waits until the pulse is another than `seen`, or until `deadline` (nothing = for ever).
    pub(super) fn wait(&self, seen: u64, deadline: Option<Instant>) {
        let mut state = self.lock();
        while state.pulse == seen {
            state = match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) if left.is_zero() => return,
                Some(left) => {
                    self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_tells_which_block_is_complete() {
        let mut tail = Tail { end: BLOCK - 2, newest: Some(5) };
        assert_eq!(tail.push(Timestamp(3)), (BLOCK - 2, None));
        assert_eq!(tail.push(Timestamp(9)), (BLOCK - 1, Some((0, 9))));
        assert_eq!(tail, Tail { end: BLOCK, newest: None });
        assert_eq!(tail.push(Timestamp(-4)), (BLOCK, None));
        assert_eq!(tail.newest, Some(-4));
    }
}
