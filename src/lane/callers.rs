//! Callers that wait for the outcome of a command.
//!
//! Whoever brings a command registers first, then appends it to the commands topic, then waits: so no answer
//! is missed. The lane that commits the command answers with the events' positions; for a partition that is
//! not owned here the outcome is read from the results topic, from an end captured before the registration
//! is answered. A caller who goes away is forgotten; nothing is ever kept for one who does not wait.

use std::collections::HashMap;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::registry::Registry;
use crate::codec::command::CommandHash;
use crate::codec::result::Outcome;
use crate::types::{Partition, Position, Sku};

/// The outcome of a command, told to whoever waited for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub outcome: Outcome,
    /// Of the command's events, where this process committed them just now; else none.
    pub event_positions: Vec<Position>,
    /// A read that waits for this position sees the outcome; nothing where any read does, since the
    /// partition has no event yet.
    pub at_least: Option<Position>,
}

/// Why a caller cannot wait. The command was not taken in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// 429: try again later.
    #[error("{limit} callers wait for outcomes already")]
    TooMany { limit: usize },
    /// 503: the results of a partition that another process owns cannot be read.
    #[error(
        "partition {partition} is owned by another process, and its results cannot be followed: {reason}"
    )]
    NotFollowed { partition: Partition, reason: Arc<str> },
}

/// Everyone who waits, by the command's name.
pub struct Callers {
    registry: Arc<Registry>,
    limit: usize,
    waiting: Mutex<Waiters>,
    /// Where partitions that other processes own are asked to be followed.
    follower: Mutex<Option<Sender<Follow>>>,
}

/// A request to follow a partition's results from where they end now.
pub(super) struct Follow {
    pub partition: Partition,
    /// Told once the end is captured.
    pub captured: oneshot::Sender<Result<(), Arc<str>>>,
}

#[derive(Default)]
struct Waiters {
    next: u64,
    count: usize,
    by_command: HashMap<Name, Vec<Waiter>>,
    /// How many wait for each partition.
    by_partition: HashMap<Partition, usize>,
}

/// SKU, source, id.
type Name = (Sku, Box<str>, Box<str>);

struct Waiter {
    number: u64,
    hash: Option<CommandHash>,
    answer: oneshot::Sender<Answer>,
}

impl Callers {
    /// At most `limit` wait at a time.
    #[must_use]
    pub fn new(registry: Arc<Registry>, limit: usize) -> Arc<Self> {
        Arc::new(Self { registry, limit, waiting: Mutex::default(), follower: Mutex::new(None) })
    }

    /// Registers a caller for the command (SKU, source, id). Append the command only once this has returned:
    /// from then on its outcome is not missed. With `hash`, only the outcome of a command with that content
    /// is an answer, so that of two commands under one name each gets its own.
    ///
    /// # Errors
    /// [`RegisterError`]; nothing is registered.
    pub async fn register(
        self: &Arc<Self>,
        sku: &Sku,
        source: &str,
        id: &str,
        hash: Option<CommandHash>,
    ) -> Result<Waiting, RegisterError> {
        let partition = self.registry.partition_of(sku.as_str());
        let waiting = self.add(partition, (sku.clone(), source.into(), id.into()), hash)?;
        if !self.registry.state(partition).is_owned() {
            self.follow(partition).await?;
        }
        Ok(waiting)
    }

    fn add(
        self: &Arc<Self>,
        partition: Partition,
        name: Name,
        hash: Option<CommandHash>,
    ) -> Result<Waiting, RegisterError> {
        let mut waiting = self.lock();
        if waiting.count >= self.limit {
            return Err(RegisterError::TooMany { limit: self.limit });
        }
        let (answer, answered) = oneshot::channel();
        let number = waiting.next;
        waiting.next += 1;
        waiting.count += 1;
        *waiting.by_partition.entry(partition).or_default() += 1;
        waiting.by_command.entry(name.clone()).or_default().push(Waiter { number, hash, answer });
        Ok(Waiting { callers: Arc::clone(self), partition, name, number, answered })
    }

    async fn follow(&self, partition: Partition) -> Result<(), RegisterError> {
        let failed = |reason: &str| RegisterError::NotFollowed { partition, reason: reason.into() };
        let (captured, wait) = oneshot::channel();
        let sent = {
            let follower = self.follower.lock().unwrap_or_else(PoisonError::into_inner);
            follower.as_ref().is_some_and(|follower| follower.send(Follow { partition, captured }).is_ok())
        };
        if !sent {
            return Err(failed("this process is stopping"));
        }
        match wait.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(reason)) => Err(RegisterError::NotFollowed { partition, reason }),
            Err(_) => Err(failed("this process is stopping")),
        }
    }

    /// Answers everyone who waits for this outcome. Costs next to nothing where nobody does.
    pub fn answer(&self, outcome: &Outcome, event_positions: &[Position], at_least: Option<Position>) {
        let mut waiting = self.lock();
        if waiting.count == 0 {
            return;
        }
        let name = (outcome.sku.clone(), outcome.command_source.clone(), outcome.command_id.clone());
        let Some(waiters) = waiting.by_command.get_mut(&name) else { return };
        let all = std::mem::take(waiters);
        let (answered, rest): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|waiter| waiter.hash.is_none_or(|hash| hash == outcome.command_hash));
        *waiters = rest;
        if waiters.is_empty() {
            waiting.by_command.remove(&name);
        }
        drop(waiting);
        for waiter in answered {
            // Whoever has gone in between needs no answer. The count goes down when the caller lets go.
            drop(waiter.answer.send(Answer {
                outcome: outcome.clone(),
                event_positions: event_positions.to_vec(),
                at_least,
            }));
        }
    }

    /// Whether anyone waits for this outcome.
    pub(super) fn awaits(&self, outcome: &Outcome) -> bool {
        let waiting = self.lock();
        let name = (outcome.sku.clone(), outcome.command_source.clone(), outcome.command_id.clone());
        waiting.count > 0 && waiting.by_command.contains_key(&name)
    }

    /// How many wait now.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().count
    }

    /// Whether anyone waits for an outcome of this partition.
    pub(super) fn wait_for(&self, partition: Partition) -> bool {
        self.lock().by_partition.contains_key(&partition)
    }

    /// From now on `follower` is asked to follow partitions that are not owned here; nothing = nobody is.
    pub(super) fn followed_by(&self, follower: Option<Sender<Follow>>) {
        *self.follower.lock().unwrap_or_else(PoisonError::into_inner) = follower;
    }

    fn lock(&self) -> MutexGuard<'_, Waiters> {
        // Every change is complete before anything that could panic.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among those who wait. Dropping it gives it up.
pub struct Waiting {
    callers: Arc<Callers>,
    partition: Partition,
    name: Name,
    number: u64,
    answered: oneshot::Receiver<Answer>,
}

impl Waiting {
    /// The answer, once there is one; nothing where this process will not learn it. Bound the wait: the
    /// partition may move to another process meanwhile.
    pub async fn answer(mut self) -> Option<Answer> {
        (&mut self.answered).await.ok()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut waiting = self.callers.lock();
        waiting.count = waiting.count.saturating_sub(1);
        if let Some(count) = waiting.by_partition.get_mut(&self.partition) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                waiting.by_partition.remove(&self.partition);
            }
        }
        if let Some(waiters) = waiting.by_command.get_mut(&self.name) {
            waiters.retain(|waiter| waiter.number != self.number);
            if waiters.is_empty() {
                waiting.by_command.remove(&self.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::status::{PartitionStatus, State};
    use super::*;
    use crate::codec::result::Verdict;
    use crate::types::{Offset, Version};

    fn outcome(id: &str, hash: u8) -> Outcome {
        Outcome {
            sku: Sku::new("S").expect("a SKU"),
            command_source: "/wms".into(),
            command_id: id.into(),
            command_type: "t".into(),
            command_hash: CommandHash([hash; 32]),
            command_position: Position { partition: Partition(0), offset: Offset(0) },
            version: Version(1),
            verdict: Verdict::Accepted { event_ids: Vec::new() },
        }
    }

    fn callers(limit: usize) -> Arc<Callers> {
        let registry = Arc::new(Registry::new(1));
        registry.publish(PartitionStatus { state: State::Live, ..PartitionStatus::new(Partition(0)) });
        Callers::new(registry, limit)
    }

    async fn register(callers: &Arc<Callers>, id: &str, hash: Option<u8>) -> Result<Waiting, RegisterError> {
        let hash = hash.map(|hash| CommandHash([hash; 32]));
        callers.register(&Sku::new("S").expect("a SKU"), "/wms", id, hash).await
    }

    fn block<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
    }

    #[test]
    fn each_gets_the_outcome_of_its_own_content() {
        block(async {
            let callers = callers(10);
            let first = register(&callers, "1", Some(1)).await.expect("registered");
            let second = register(&callers, "1", Some(2)).await.expect("registered");
            let any = register(&callers, "1", None).await.expect("registered");
            let at = Position { partition: Partition(0), offset: Offset(7) };
            callers.answer(&outcome("1", 1), &[at], Some(at));
            callers.answer(&outcome("1", 2), &[], None);
            let answer = first.answer().await.expect("answered");
            assert_eq!((answer.outcome.command_hash.0[0], answer.event_positions.len()), (1, 1));
            assert_eq!(second.answer().await.expect("answered").outcome.command_hash.0[0], 2);
            assert_eq!(any.answer().await.expect("answered").outcome.command_hash.0[0], 1);
            assert_eq!(callers.count(), 0);
        });
    }

    #[test]
    fn whoever_goes_away_makes_room() {
        block(async {
            let callers = callers(1);
            let first = register(&callers, "1", None).await.expect("registered");
            let refused = register(&callers, "2", None).await.err();
            assert_eq!(refused, Some(RegisterError::TooMany { limit: 1 }));
            drop(first);
            assert!(!callers.wait_for(Partition(0)));
            register(&callers, "2", None).await.expect("registered");
            assert_eq!(callers.count(), 0);
        });
    }

    #[test]
    fn a_partition_of_another_process_needs_someone_to_follow_it() {
        block(async {
            let callers = callers(10);
            callers.registry.update(Partition(0), |status| status.state = State::Absent);
            assert!(matches!(register(&callers, "1", None).await, Err(RegisterError::NotFollowed { .. })));
            assert_eq!(callers.count(), 0);
            let (sender, requests) = std::sync::mpsc::channel::<Follow>();
            callers.followed_by(Some(sender));
            let follower = std::thread::spawn(move || {
                let request = requests.recv().expect("asked");
                request.captured.send(Ok(())).expect("waited for");
            });
            let waiting = register(&callers, "1", None).await.expect("registered");
            follower.join().expect("the follower");
            assert!(callers.wait_for(Partition(0)));
            callers.answer(&outcome("1", 1), &[], None);
            assert!(waiting.answer().await.is_some());
        });
    }
}
