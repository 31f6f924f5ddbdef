//! The log: ordered, partitioned, durable. The one way by which state changes.
//!
//! [`Log`] is small, speaks in batches and shows Kafka's real shape: gaps in offsets, a last stable offset
//! below the high watermark, commits whose outcome is unknown. [`kafka`] is the real thing; [`embedded`] is
//! the same promises in one process without a broker. One conformance suite (`tests/it/conformance`) holds
//! both to this page.
//!
//! Every call blocks; the core runs on plain threads. Every wait is bounded by the caller or by the
//! configured request timeout, and a wait that runs out is [`LogError::TimedOut`], naming what was waited for.

pub mod embedded;
pub mod kafka;

mod error;
mod span;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::types::{NewRecord, NextOffset, Partition, Position, Record, Timestamp, Topic};

pub use error::{CommitError, LogError};
pub use span::{Span, all_of, read_spans};

/// An ordered, partitioned, durable log.
pub trait Log: Send + Sync {
    /// What tells this log from every other: Kafka's cluster id, or the embedded log's own.
    fn cluster_id(&self) -> Result<String, LogError>;

    /// How many partitions the topic has; [`LogError::UnknownTopic`] where it does not exist.
    fn partitions(&self, topic: Topic) -> Result<u16, LogError>;

    /// Start, last stable offset and high watermark of a partition, asked of the log now.
    fn bounds(&self, topic: Topic, partition: Partition) -> Result<Bounds, LogError>;

    /// The first offset whose record has this timestamp or a later one; the last stable offset where there
    /// is none. Kafka counts control records and aborted ones, which have times too: so the answer may lie
    /// before the first record that is read, and not behind it. Not behind it but for one case: where records were
    /// deleted up to the middle of a segment and one of those has a later time than all that is left of the segment,
    /// Kafka looks at that segment alone and finds none.
    fn offset_at(&self, topic: Topic, partition: Partition, time: Timestamp) -> Result<NextOffset, LogError>;

    /// The stable committed positions of a consumer group on the commands topic, one per partition asked for,
    /// in that order. Pending transactional commits are waited for.
    fn committed(&self, group: &str, partitions: &[Partition]) -> Result<Vec<Option<Consumed>>, LogError>;

    /// A reader of committed records, assigned explicitly. It never resets a position by itself.
    fn reader(&self, purpose: Purpose, from: &[Assignment]) -> Result<Box<dyn Reader>, LogError>;

    /// Appends outside any transaction: idempotent, acknowledged when durable.
    fn appender(&self) -> Result<Box<dyn Appender>, LogError>;

    /// The transactional writer of this id. Every earlier one of the same id is fenced from here on, and
    /// what it had open is aborted.
    fn transactor(&self, id: &str) -> Result<Box<dyn Transactor>, LogError>;

    /// Joins a consumer group on the commands topic. `instance` is the member's lasting name.
    fn join(&self, group: &str, instance: &str) -> Result<Box<dyn Member>, LogError>;

    /// Partitions of the commands topic that no member of the group was given although the group is at rest. The
    /// group itself will not see to them: ask it to [`Self::share_again`]. Never any where a log's groups cannot
    /// come to that.
    fn unshared(&self, group: &str) -> Result<Vec<Partition>, LogError> {
        let _ = group;
        Ok(Vec::new())
    }

    /// Makes the group share out its partitions again; returns once it has begun to. Members keep what they have
    /// as far as that goes.
    fn share_again(&self, group: &str) -> Result<(), LogError> {
        let _ = group;
        Ok(())
    }

    /// A topic as it is; nothing where it does not exist.
    fn describe(&self, topic: Topic) -> Result<Option<TopicDescription>, LogError>;

    /// Creates a topic; [`LogError::TopicExists`] where there is one.
    fn create(&self, topic: Topic, want: &TopicDescription) -> Result<(), LogError>;
}

/// A partition's ends. `start` ≤ `last_stable` ≤ `high_watermark`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The first offset still there.
    pub start: NextOffset,
    /// The end for a reader of committed records: nothing below it is undecided.
    pub last_stable: NextOffset,
    /// The end including what is undecided.
    pub high_watermark: NextOffset,
}

/// What a reader is for: a log may fetch differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Few records, soon.
    Live,
    /// Many records, cheaply.
    Bulk,
}

/// Where a reader begins on one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assignment {
    pub topic: Topic,
    pub partition: Partition,
    pub next: NextOffset,
}

/// Reads committed records of assigned partitions, each partition in order.
pub trait Reader: Send {
    /// Waits up to `wait` for the first records, then takes what is there, `max` at most. Empty after
    /// `wait` without any.
    ///
    /// # Errors
    /// [`LogError::OutOfRange`] where an assigned position is not in the log (any more).
    fn poll(&mut self, max: usize, wait: Duration) -> Result<Batch, LogError>;

    /// Replaces what is read. A partition that stays keeps its position where `next` is the same.
    fn assign(&mut self, from: &[Assignment]) -> Result<(), LogError>;
}

/// What one poll delivered. Within a partition offsets rise, with gaps.
pub struct Batch {
    /// The records, in the order of delivery.
    pub records: Box<dyn Records>,
    /// Partitions whose stable end the reader reached, after these records: everything below `next` is
    /// delivered, control records passed over included.
    pub ends: Vec<Assignment>,
}

/// The records of a batch, borrowed from whatever holds them.
pub trait Records: Send {
    fn len(&self) -> usize;

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// # Panics
    /// At `len` and beyond.
    fn get(&self, index: usize) -> Record<'_>;
}

/// Appends records, each by itself.
pub trait Appender: Send + Sync {
    /// Appends all and returns when each is durable or has failed: one answer per record, in order. Records
    /// of one partition keep their order.
    fn append(&self, records: Vec<NewRecord>) -> Vec<Result<Position, LogError>>;
}

/// Writes transactions, one after another.
pub trait Transactor: Send {
    /// Adds records to the open transaction, opening one first where none is.
    fn stage(&mut self, records: &[NewRecord]) -> Result<(), LogError>;

    /// Commits the staged records together with the consumed positions, fenced by the member's current
    /// generation. Gives the records' positions, in the order staged.
    ///
    /// # Errors
    /// See [`CommitError`]: aborted (nothing happened), fenced (give up), unknown (read back what happened
    /// before doing anything else).
    fn commit(
        &mut self,
        consumed: &[Consumed],
        generation: &Generation,
    ) -> Result<Vec<Position>, CommitError>;

    /// Drops what was staged. Nothing of it will ever be read.
    fn abort(&mut self) -> Result<(), LogError>;
}

/// A group's position on one partition of the commands topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumed {
    pub partition: Partition,
    pub next: NextOffset,
    /// Free text carried with the position; 4 KiB at most.
    pub metadata: String,
}

/// A member of the group that owns partitions.
pub trait Member: Send {
    /// Serves the group and waits up to `wait` for something to happen.
    fn poll(&mut self, wait: Duration) -> Result<MemberEvent, LogError>;

    /// Where to read each newly assigned partition from. Until called for a partition, nothing of it is
    /// delivered.
    fn start(&mut self, from: &[(Partition, NextOffset)]) -> Result<(), LogError>;

    /// Stops or resumes delivery of a partition without giving it up.
    fn pause(&mut self, partitions: &[Partition]) -> Result<(), LogError>;
    fn resume(&mut self, partitions: &[Partition]) -> Result<(), LogError>;

    /// The membership as it is now, for the next commit. Fetch it anew for each.
    fn generation(&self) -> Result<Generation, LogError>;

    /// The generation that this member was told of last: what that one gave to it and took from it, `poll` has
    /// brought. Nothing while it is in no group.
    fn told(&self) -> Option<u64>;

    /// Gives up what [`MemberEvent::Revoked`] named; the group waits for it. Any other partition stays.
    fn release(&mut self, partitions: &[Partition]) -> Result<(), LogError>;
}

/// What a member's poll brought.
pub enum MemberEvent {
    Nothing,
    /// Commands, of started partitions.
    Records(Box<dyn Records>),
    /// Partitions given to this member.
    Assigned(Vec<Partition>),
    /// Partitions to finish with; then [`Member::release`].
    Revoked(Vec<Partition>),
    /// Partitions lost without a chance to finish: another may own them already.
    Lost(Vec<Partition>),
}

/// A membership at one moment: what fences a stale owner's commit.
pub struct Generation(GenerationKind);

enum GenerationKind {
    Embedded { group: String, instance: String, number: u64 },
    Kafka(std::sync::Arc<kafka::native::GroupMetadata>),
}

impl Generation {
    /// Generations are numbered: each rebalance has a higher one.
    #[must_use]
    pub fn number(&self) -> u64 {
        match &self.0 {
            GenerationKind::Embedded { number, .. } => *number,
            // A member's is never negative.
            GenerationKind::Kafka(membership) => u64::try_from(membership.generation()).unwrap_or(0),
        }
    }
}

/// A topic's shape: what it should have, or has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicDescription {
    pub partitions: u16,
    pub replication: u16,
    /// Topic settings by their Kafka names, for example `cleanup.policy` → `compact`.
    pub settings: BTreeMap<String, String>,
}
