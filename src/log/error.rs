use crate::types::{NextOffset, Partition, Topic};

/// Why the log did not do what was asked. Each kind says what to do next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    #[error("topic {name} does not exist; create it with `inventory-store topics create`")]
    UnknownTopic { topic: Topic, name: String },

    #[error("topic {name} exists already")]
    TopicExists { topic: Topic, name: String },

    #[error(
        "{topic} partition {partition}: offset {wanted} is not in the log, which holds {start} up to (not including) {end}"
    )]
    OutOfRange { topic: Topic, partition: Partition, wanted: NextOffset, start: NextOffset, end: NextOffset },

    #[error("{what} took longer than {seconds} s; is the log reachable? Try again")]
    TimedOut { what: &'static str, seconds: u64 },

    #[error("the record for {topic} partition {partition} has {bytes} bytes, the log takes {limit}")]
    TooLarge { topic: Topic, partition: Partition, bytes: usize, limit: usize },

    #[error("another writer has taken over the id {id}: this one may write no more; stop it")]
    Fenced { id: String },

    #[error("the log is not reachable: {reason}")]
    Unreachable { reason: String },

    #[error("the log directory {directory} is in use by {owner}; stop that process, or ask it instead")]
    Locked { directory: String, owner: String },

    #[error(
        "the log in {directory} is damaged: {reason}. Nothing was changed; restore the directory from a copy"
    )]
    Corrupt { directory: String, reason: String },

    #[error(
        "the log in {directory} has {have} partitions per topic, the setting says {want}; set `contract.partitions = {have}`"
    )]
    PartitionCount { directory: String, have: u16, want: u16 },

    #[error("{what}: {reason}")]
    Refused { what: &'static str, reason: String },
}

impl LogError {
    /// Whether the same call may succeed later without anything being changed.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        matches!(self, Self::TimedOut { .. } | Self::Unreachable { .. })
    }
}

/// How a commit failed.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Nothing of the transaction will be read; it may be tried again.
    #[error("the transaction was aborted: {reason}")]
    Aborted { reason: String },

    /// Another owner has taken over. Nothing of the transaction will be read; give up the partitions.
    #[error("a newer owner has taken over: {reason}")]
    Fenced { reason: String },

    /// It may or may not have happened: drop this writer, make a new one of the same id, and read back.
    #[error("the outcome of the commit is unknown: {reason}")]
    Unknown { reason: String },

    #[error("the writer cannot go on: {0}")]
    Fatal(#[from] LogError),
}
