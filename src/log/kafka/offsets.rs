//! Where partitions begin and end, which offset a time has, and where a group stands.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::Offset;

use super::context::Context;
use super::errors::log_error;
use super::{Shared, admin};
use crate::log::{Bounds, Consumed, LogError};
use crate::types::{NextOffset, Partition, Timestamp, Topic};

type Asker = BaseConsumer<Context>;

/// The clients that ask. They read nothing and join nothing.
pub(super) struct Offsets {
    /// Its "end" is the last stable offset.
    committed: Asker,
    /// Its "end" is the high watermark.
    uncommitted: Asker,
    /// By group. One each: a client asks for the offsets of the group it is configured with.
    groups: Mutex<HashMap<String, Arc<Asker>>>,
}

impl Offsets {
    pub(super) fn new(shared: &Shared) -> Result<Self, LogError> {
        Ok(Self {
            committed: shared.create("offsets", &shared.settings.asking("read_committed"))?,
            uncommitted: shared.create("offsets", &shared.settings.asking("read_uncommitted"))?,
            groups: Mutex::default(),
        })
    }

    /// The client for questions about topics.
    pub(super) fn asker(&self) -> &Asker {
        &self.committed
    }

    pub(super) fn bounds(
        &self,
        shared: &Shared,
        topic: Topic,
        partition: Partition,
    ) -> Result<Bounds, LogError> {
        let ends = |asker: &Asker| {
            let answer =
                asker.fetch_watermarks(shared.names.name(topic), i32::from(partition.0), shared.timeout);
            serve_events(asker);
            answer.map_err(|error| {
                partition_error(shared, self, "asking for a partition's ends", topic, partition, &error)
            })
        };
        // The watermark after the stable end: both only grow, so the order start ≤ stable ≤ high holds.
        let (start, last_stable) = ends(&self.committed)?;
        let (_, high) = ends(&self.uncommitted)?;
        let start = next_offset(start);
        let last_stable = next_offset(last_stable).max(start);
        Ok(Bounds { start, last_stable, high_watermark: next_offset(high).max(last_stable) })
    }

    pub(super) fn at(
        &self,
        shared: &Shared,
        topic: Topic,
        partition: Partition,
        time: Timestamp,
    ) -> Result<NextOffset, LogError> {
        const WHAT: &str = "asking for the offset of a time";
        let failed = |error: KafkaError| partition_error(shared, self, WHAT, topic, partition, &error);
        let mut asked = TopicPartitionList::new();
        // Before the time is asked for: what is committed meanwhile lies behind it, and an end asked for
        // afterwards might lie behind that.
        let end = self.bounds(shared, topic, partition)?.last_stable;
        // A negative time would be taken for a name of an offset; nothing is older than 1970 in the log.
        asked
            .add_partition_offset(
                shared.names.name(topic),
                i32::from(partition.0),
                Offset::Offset(time.0.max(0)),
            )
            .map_err(failed)?;
        let answer = self.committed.offsets_for_times(asked, shared.timeout).map_err(failed)?;
        serve_events(&self.committed);
        let Some(found) = answer.elements().into_iter().next() else {
            return Err(LogError::Refused { what: WHAT, reason: "no answer for the partition".into() });
        };
        found.error().map_err(failed)?;
        match found.offset() {
            Offset::Offset(offset) => Ok(next_offset(offset)),
            _ => Ok(end),
        }
    }

    pub(super) fn of_group(
        &self,
        shared: &Shared,
        group: &str,
        partitions: &[Partition],
    ) -> Result<Vec<Option<Consumed>>, LogError> {
        const WHAT: &str = "asking for the committed positions of the group";
        let failed = |error: KafkaError| {
            log_error(WHAT, Some((Topic::Commands, &shared.names)), &error, shared.timeout)
        };
        let asker = {
            let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
            match groups.get(group) {
                Some(asker) => Arc::clone(asker),
                None => {
                    let asker = Arc::new(shared.create("offsets", &shared.settings.asking_group(group))?);
                    groups.insert(group.to_owned(), Arc::clone(&asker));
                    asker
                }
            }
        };
        let name = shared.names.name(Topic::Commands);
        let mut asked = TopicPartitionList::new();
        for partition in partitions {
            asked.add_partition(name, i32::from(partition.0));
        }
        let answer = asker.committed_offsets(asked, shared.timeout).map_err(failed)?;
        serve_events(&asker);
        let mut positions = Vec::with_capacity(partitions.len());
        for partition in partitions {
            let Some(found) = answer.find_partition(name, i32::from(partition.0)) else {
                positions.push(None);
                continue;
            };
            found.error().map_err(failed)?;
            positions.push(match found.offset() {
                Offset::Offset(offset) => Some(Consumed {
                    partition: *partition,
                    next: next_offset(offset),
                    metadata: found.metadata().to_owned(),
                }),
                _ => None,
            });
        }
        Ok(positions)
    }
}

/// Serves the logs and errors of a client that asks: one by each poll of no time.
pub(super) fn serve_events(asker: &Asker) {
    for _ in 0..16 {
        asker.poll(Duration::ZERO);
    }
}

/// A topic that is missing looks to librdkafka like a partition that is.
fn partition_error(
    shared: &Shared,
    offsets: &Offsets,
    what: &'static str,
    topic: Topic,
    partition: Partition,
    error: &KafkaError,
) -> LogError {
    if error.rdkafka_error_code() != Some(RDKafkaErrorCode::UnknownPartition) {
        return log_error(what, Some((topic, &shared.names)), error, shared.timeout);
    }
    match admin::partitions(shared, offsets, topic) {
        Ok(count) => LogError::Refused {
            what,
            reason: format!("topic {} has {count} partitions, and no {partition}", shared.names.name(topic)),
        },
        Err(error) => error,
    }
}

/// Offsets that Kafka gives are never negative but where they mean "none".
pub(super) fn next_offset(raw: i64) -> NextOffset {
    NextOffset(u64::try_from(raw).unwrap_or(0))
}

/// The offset as Kafka writes it. Above 2^63 nothing is ever found, and so at its largest.
pub(super) fn raw_offset(offset: NextOffset) -> i64 {
    i64::try_from(offset.0).unwrap_or(i64::MAX)
}
