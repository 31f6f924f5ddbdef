use std::collections::BTreeMap;
use std::time::Duration;

use crate::codec::rows::meta::{Fingerprint, Meta, Versions};
use crate::log::{Assignment, Bounds, Log, LogError, Purpose};
use crate::projector::fingerprint;
use crate::snapshots::BaseError;
use crate::store::StoreError;
use crate::types::{NextOffset, Offset, Partition, Topic};

/// Why a store and the log do not belong together, or not any more. Nothing was written. Each says what
/// happened and which command repairs it.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    #[error(
        "partition {partition}: the store has read up to offset {next}, the log now begins at {start}: what lies between was deleted before it was read; bring the partition back from a base with `inventory-store restore --from latest --cutover`"
    )]
    Truncated { partition: Partition, next: NextOffset, start: NextOffset },

    #[error(
        "partition {partition}: the store has read up to offset {next}, the log ends at {end}: it lost records, or the topic was deleted and made anew; if this log is the truth now, rebuild with `inventory-store replay --from beginning --cutover`"
    )]
    AfterEnd { partition: Partition, next: NextOffset, end: NextOffset },

    #[error(
        "partition {partition}: the record at offset {offset} is not the one that the store has read: the log was rewritten, or the topic was deleted and made anew; if this log is the truth now, rebuild with `inventory-store replay --from beginning --cutover`"
    )]
    Rewritten { partition: Partition, offset: Offset },

    #[error(
        "partition {partition}: there is no store, and the log begins at offset {start}, not at 0; bring the partition back from a base with `inventory-store restore --from latest --cutover`, or start without what is missing with `--accept-truncated-history`"
    )]
    TruncatedHistory { partition: Partition, start: NextOffset },

    #[error(
        "partition {partition}: the store was filled from cluster {store}, this log is {log}; connect to the cluster it belongs to, use another data directory, or, if the log was moved here, rebuild with `inventory-store replay --from beginning --cutover`"
    )]
    OtherCluster { partition: Partition, store: String, log: String },

    #[error(
        "the stores were filled from {store} partitions, {topic} has {log} now: SKUs have moved between partitions; use the topic with {store} partitions, or rebuild all into a fresh data directory with `inventory-store replay --from beginning --into DIR`"
    )]
    PartitionCount { topic: Topic, store: u16, log: u16 },

    #[error(
        "{events_topic} has {events} partitions, {topic} has {found}; they must be alike, compare them with `inventory-store topics check`",
        events_topic = Topic::Events
    )]
    UnlikeTopics { topic: Topic, events: u16, found: u16 },

    #[error(
        "partition {partition}: the store was made with --partial: earlier events are missing from it, and it is never served; make it anew with `inventory-store replay --from beginning --cutover`"
    )]
    Partial { partition: Partition },

    #[error(transparent)]
    Base(#[from] BaseError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl CheckError {
    /// Whether it is the store here that cannot go on, while the log is what it was: then the newest sound base
    /// may stand in for it.
    #[must_use]
    pub fn is_of_the_store(&self) -> bool {
        matches!(
            self,
            Self::Truncated { .. } | Self::Store(StoreError::Damaged { .. } | StoreError::Unreadable { .. })
        )
    }

    /// Whether it concerns every partition: then nothing at all is started.
    #[must_use]
    pub fn concerns_all(&self) -> bool {
        matches!(self, Self::OtherCluster { .. } | Self::PartitionCount { .. } | Self::UnlikeTopics { .. })
    }
}

/// What the log is, as a store must find it.
#[derive(Debug, Clone)]
pub(super) struct LogShape {
    pub cluster_id: String,
    pub partitions: u16,
}

impl LogShape {
    /// Asks the log. The topics that share partition numbers with the events must have as many, where they
    /// exist.
    pub(super) fn of(log: &dyn Log) -> Result<Result<Self, CheckError>, LogError> {
        let partitions = log.partitions(Topic::Events)?;
        if let Err(unlike) = check_alike(log, partitions)? {
            return Ok(Err(unlike));
        }
        Ok(Ok(Self { cluster_id: log.cluster_id()?, partitions }))
    }
}

/// Whether the topics still have the `partitions` that the stores are filled from.
pub(super) fn check_counts(log: &dyn Log, partitions: u16) -> Result<Result<(), CheckError>, LogError> {
    let now = log.partitions(Topic::Events)?;
    if now != partitions {
        return Ok(Err(CheckError::PartitionCount { topic: Topic::Events, store: partitions, log: now }));
    }
    check_alike(log, partitions)
}

fn check_alike(log: &dyn Log, events: u16) -> Result<Result<(), CheckError>, LogError> {
    for topic in Topic::CO_PARTITIONED.into_iter().filter(|topic| *topic != Topic::Events) {
        match log.partitions(topic) {
            Ok(found) if found != events => {
                return Ok(Err(CheckError::UnlikeTopics { topic, events, found }));
            }
            Ok(_) | Err(LogError::UnknownTopic { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Ok(()))
}

/// Holds a store's own account of itself against the log.
pub(super) fn check_store(meta: &Meta, log: &LogShape, bounds: &Bounds) -> Result<(), CheckError> {
    let identity = &meta.identity;
    let partition = identity.partition;
    if identity.cluster_id != log.cluster_id {
        let store = identity.cluster_id.clone();
        return Err(CheckError::OtherCluster { partition, store, log: log.cluster_id.clone() });
    }
    if identity.partition_count != log.partitions {
        let (store, log) = (identity.partition_count, log.partitions);
        return Err(CheckError::PartitionCount { topic: Topic::Events, store, log });
    }
    if meta.partial {
        return Err(CheckError::Partial { partition });
    }
    let (made, known) = (identity.versions, Versions::CURRENT);
    for (what, found, known) in [
        ("format", made.format, known.format),
        ("decoder", made.decoder, known.decoder),
        ("evolve", made.evolve, known.evolve),
    ] {
        // A newer one was refused when the store was opened.
        if found < known {
            tracing::warn!(
                %partition, what, found, known,
                "the store was made by an older version and is used as it is; `inventory-store replay --from beginning --cutover` repairs it"
            );
        }
    }
    let next = meta.progress.next;
    if next < bounds.start {
        return Err(CheckError::Truncated { partition, next, start: bounds.start });
    }
    if next > bounds.high_watermark {
        return Err(CheckError::AfterEnd { partition, next, end: bounds.high_watermark });
    }
    Ok(())
}

/// Whether a partition without a store may begin at the log's start.
pub(super) fn check_beginning(partition: Partition, bounds: &Bounds, accept: bool) -> Result<(), CheckError> {
    if bounds.start == NextOffset::ZERO {
        return Ok(());
    }
    if !accept {
        return Err(CheckError::TruncatedHistory { partition, start: bounds.start });
    }
    tracing::warn!(
        %partition, start = bounds.start.0,
        "starting without the events before the log's start: every number of this partition lacks them"
    );
    Ok(())
}

/// Reads again the last record that each store has read, where it is still in the log. Gives the partitions
/// whose log was rewritten.
///
/// # Errors
/// [`LogError::TimedOut`] where a record that should be there does not come.
pub(super) fn rewritten(
    log: &dyn Log,
    last_read: &BTreeMap<Partition, Fingerprint>,
) -> Result<Vec<CheckError>, LogError> {
    const WAIT: Duration = Duration::from_millis(100);
    const MOST_EMPTY_POLLS: u32 = 150;

    let mut pending = last_read.clone();
    let mut found = Vec::new();
    let mut empty_polls = 0;
    if pending.is_empty() {
        return Ok(found);
    }
    let mut reader = log.reader(Purpose::Live, &assignments(&pending))?;
    while !pending.is_empty() {
        let batch = match reader.poll(64, WAIT) {
            Ok(batch) => batch,
            // It has aged out since the start of the log was asked for: nothing to compare.
            Err(LogError::OutOfRange { partition, .. }) if pending.remove(&partition).is_some() => {
                reader.assign(&assignments(&pending))?;
                continue;
            }
            Err(error) => return Err(error),
        };
        let before = pending.len();
        for index in 0..batch.records.len() {
            let record = batch.records.get(index);
            let Some(expected) = pending.remove(&record.partition) else { continue };
            if fingerprint(&record) != expected {
                found.push(CheckError::Rewritten { partition: record.partition, offset: expected.offset });
            }
        }
        for end in &batch.ends {
            // The end came, the record did not.
            if let Some(expected) = pending.remove(&end.partition) {
                found.push(CheckError::Rewritten { partition: end.partition, offset: expected.offset });
            }
        }
        if pending.len() < before {
            empty_polls = 0;
            reader.assign(&assignments(&pending))?;
        } else {
            empty_polls += 1;
            if empty_polls > MOST_EMPTY_POLLS {
                let seconds = WAIT.saturating_mul(MOST_EMPTY_POLLS).as_secs();
                return Err(LogError::TimedOut { what: "reading the last applied record again", seconds });
            }
        }
    }
    Ok(found)
}

fn assignments(pending: &BTreeMap<Partition, Fingerprint>) -> Vec<Assignment> {
    pending
        .iter()
        .map(|(partition, last)| Assignment {
            topic: Topic::Events,
            partition: *partition,
            next: NextOffset(last.offset.0),
        })
        .collect()
}
