//! Reads committed records of assigned partitions.
//!
//! Positions are kept here, not taken from librdkafka, whose batch calls move them wrongly at errors and ends.
//! A partition whose position fell out of the log is never read on by itself: it fails every poll until it is
//! assigned anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::Offset as KafkaOffset;

use super::context::Context;
use super::errors::{from_code, log_error};
use super::native::{Fetched, Message, RecordQueue};
use super::offsets::{next_offset, raw_offset};
use super::{Inner, admin};
use crate::log::{Assignment, Batch, Bounds, LogError, Purpose, Reader, Records};
use crate::types::{NextOffset, Offset, Partition, Record, Topic};

type Key = (Topic, Partition);

pub(super) struct KafkaReader {
    log: Arc<Inner>,
    queue: RecordQueue<Context>,
    positions: BTreeMap<Key, NextOffset>,
    /// Partitions that cannot be read on, until they are assigned anew.
    failed: BTreeMap<Key, Failure>,
    /// Names looked up already, by librdkafka's handle.
    topics: Vec<(usize, Option<Topic>)>,
    /// When something came last, or it was asked whether anything can.
    heard: Instant,
}

/// Records of one partition, one after another in a batch.
struct Run {
    handle: usize,
    partition: i32,
    key: Key,
    next: NextOffset,
}

impl Run {
    fn is_of(&self, message: &Message) -> bool {
        self.handle == message.topic_handle() && self.partition == message.partition()
    }

    /// Whether the record is to be delivered: it was not before.
    fn take(&mut self, message: &Message, kept: &mut Vec<(Topic, Partition, Offset)>) -> bool {
        let offset = Offset(next_offset(message.offset()).0);
        if self.next.is_past(offset) {
            return false;
        }
        self.next = offset.next();
        let (topic, partition) = self.key;
        kept.push((topic, partition, offset));
        true
    }
}

/// librdkafka may never tell that a topic was deleted: so a reader that hears nothing asks this often.
const SILENCE: Duration = Duration::from_secs(5);

#[derive(Debug, Clone)]
enum Failure {
    OutOfRange,
    Other { code: RDKafkaErrorCode, reason: String },
}

impl KafkaReader {
    pub(super) fn new(log: Arc<Inner>, purpose: Purpose, from: &[Assignment]) -> Result<Self, LogError> {
        let consumer: BaseConsumer<Context> =
            log.shared.create("reader", &log.shared.settings.reader(purpose))?;
        let queue = RecordQueue::new(Arc::new(consumer)).ok_or(LogError::Refused {
            what: "making a reader",
            reason: "librdkafka gave no queue".into(),
        })?;
        let mut reader = Self {
            log,
            queue,
            positions: BTreeMap::new(),
            failed: BTreeMap::new(),
            topics: Vec::new(),
            heard: Instant::now(),
        };
        reader.assign(from)?;
        Ok(reader)
    }

    fn list(
        &self,
        partitions: impl Iterator<Item = (Key, NextOffset)>,
    ) -> Result<TopicPartitionList, KafkaError> {
        let mut list = TopicPartitionList::new();
        for ((topic, partition), next) in partitions {
            let offset = KafkaOffset::Offset(raw_offset(next));
            list.add_partition_offset(self.log.shared.names.name(topic), i32::from(partition.0), offset)?;
        }
        Ok(list)
    }

    /// Fails the partitions of topics that are there no more.
    fn look_for_deleted_topics(&mut self) {
        let topics: BTreeSet<Topic> = self.positions.keys().map(|(topic, _)| *topic).collect();
        for topic in topics {
            if admin::is_missing(&self.log.shared, &self.log.offsets, topic) {
                let code = RDKafkaErrorCode::UnknownTopicOrPartition;
                let failure = Failure::Other { code, reason: code.to_string() };
                let gone = self.positions.keys().filter(|(of, _)| *of == topic);
                self.failed.extend(gone.map(|key| (*key, failure.clone())));
            }
        }
    }

    /// The error of the first partition that cannot be read on. One that may pass is told once.
    fn failure(&mut self) -> Result<(), LogError> {
        let Some((&key, failure)) = self.failed.iter().next() else { return Ok(()) };
        let error = self.error_of(key, failure);
        if matches!(failure, Failure::Other { .. }) && error.is_retriable() {
            self.failed.remove(&key);
        }
        Err(error)
    }

    fn error_of(&self, (topic, partition): Key, failure: &Failure) -> LogError {
        let shared = &self.log.shared;
        match failure {
            Failure::OutOfRange => {
                let wanted = self.positions.get(&(topic, partition)).copied().unwrap_or(NextOffset::ZERO);
                match self.log.offsets.bounds(shared, topic, partition) {
                    Ok(Bounds { start, high_watermark: end, .. }) => {
                        LogError::OutOfRange { topic, partition, wanted, start, end }
                    }
                    Err(error) => error,
                }
            }
            Failure::Other { code, reason } => {
                from_code("reading", Some((topic, &shared.names)), *code, reason, shared.timeout)
            }
        }
    }
}

impl Reader for KafkaReader {
    fn poll(&mut self, max: usize, wait: Duration) -> Result<Batch, LogError> {
        self.queue.serve_events();
        self.failure()?;
        let mut fetched = self.queue.take(max, wait);
        if fetched.len() > 0 {
            self.heard = Instant::now();
        } else if self.heard.elapsed() > SILENCE {
            self.heard = Instant::now();
            self.look_for_deleted_topics();
        }
        let mut kept = Vec::with_capacity(fetched.len());
        let mut ends: BTreeMap<Key, NextOffset> = BTreeMap::new();
        let Self { log, positions, failed, topics, .. } = self;
        // Records of one partition stand together: its position is looked up once for a run of them.
        let mut run: Option<Run> = None;
        fetched.retain(|message| {
            let handle = message.topic_handle();
            if let Some(run) = &mut run
                && run.is_of(message)
                && message.error().is_none()
                && ends.is_empty()
                && failed.is_empty()
            {
                return run.take(message, &mut kept);
            }
            if let Some(run) = run.take() {
                positions.insert(run.key, run.next);
            }
            let known = topics.iter().find(|(seen, _)| *seen == handle).map(|(_, topic)| *topic);
            let topic = known.unwrap_or_else(|| {
                let topic = log.shared.names.topic(&message.topic_name());
                topics.push((handle, topic));
                topic
            });
            let (Some(topic), Ok(partition)) = (topic, u16::try_from(message.partition())) else {
                tracing::warn!(
                    error = message.error_text(),
                    "kafka reader got something of no partition of ours"
                );
                return false;
            };
            let key = (topic, Partition(partition));
            // Left over from an assignment before this one.
            let Some(next) = positions.get_mut(&key) else { return false };
            match message.error() {
                None => {
                    let offset = next_offset(message.offset());
                    if offset < *next || failed.contains_key(&key) {
                        return false;
                    }
                    *next = Offset(offset.0).next();
                    // An end before this record is no end any more.
                    ends.remove(&key);
                    kept.push((topic, Partition(partition), Offset(offset.0)));
                    run = Some(Run { handle, partition: message.partition(), key, next: *next });
                    true
                }
                Some(RDKafkaErrorCode::PartitionEOF) => {
                    let end = next_offset(message.offset());
                    if end >= *next {
                        *next = end;
                        ends.insert(key, end);
                    }
                    false
                }
                Some(RDKafkaErrorCode::AutoOffsetReset) => {
                    failed.insert(key, Failure::OutOfRange);
                    false
                }
                Some(code) => {
                    failed.insert(key, Failure::Other { code, reason: message.error_text() });
                    false
                }
            }
        });
        if let Some(run) = run {
            positions.insert(run.key, run.next);
        }
        // What came before the failure is delivered first; the failure with the next poll.
        if kept.is_empty() && ends.is_empty() {
            self.failure()?;
        }
        let ends = ends
            .into_iter()
            .map(|((topic, partition), next)| Assignment { topic, partition, next })
            .collect();
        Ok(Batch { records: Box::new(FetchedRecords { kept, fetched }), ends })
    }

    fn assign(&mut self, from: &[Assignment]) -> Result<(), LogError> {
        let what = "assigning partitions to a reader";
        let refused = |error: KafkaError| log_error(what, None, &error, self.log.shared.timeout);
        let want: BTreeMap<Key, NextOffset> = from.iter().map(|a| ((a.topic, a.partition), a.next)).collect();
        let stays = |key: &Key, next: &NextOffset| {
            self.positions.get(key) == Some(next)
                && want.get(key) == Some(next)
                && !self.failed.contains_key(key)
        };
        let goes: Vec<_> =
            self.positions.iter().filter(|(k, n)| !stays(k, n)).map(|(k, n)| (*k, *n)).collect();
        let comes: Vec<_> = want.iter().filter(|(k, n)| !stays(k, n)).map(|(k, n)| (*k, *n)).collect();
        let consumer = self.queue.client();
        if !goes.is_empty() {
            let list = self.list(goes.iter().copied()).map_err(refused)?;
            consumer.incremental_unassign(&list).map_err(refused)?;
        }
        if !comes.is_empty() {
            let list = self.list(comes.iter().copied()).map_err(refused)?;
            consumer.incremental_assign(&list).map_err(refused)?;
        }
        for (key, _) in &goes {
            self.positions.remove(key);
            self.failed.remove(key);
        }
        self.positions.extend(comes);
        Ok(())
    }
}

/// Records in librdkafka's own memory.
struct FetchedRecords {
    /// Of each message of `fetched`, in its order.
    kept: Vec<(Topic, Partition, Offset)>,
    fetched: Fetched,
}

impl Records for FetchedRecords {
    fn len(&self) -> usize {
        self.kept.len()
    }

    fn get(&self, index: usize) -> Record<'_> {
        let (topic, partition, offset) = self.kept[index];
        let message = self.fetched.get(index);
        Record {
            topic,
            partition,
            offset,
            timestamp: message.timestamp(),
            key: message.key(),
            value: message.value(),
            headers: message,
        }
    }
}
