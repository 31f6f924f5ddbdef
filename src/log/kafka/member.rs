//! A member of the group on the commands topic.
//!
//! Reads by `poll` (a batch read on a subscribed consumer runs into a forced unassign). Being given a partition
//! and reading it are two things: the group is told at once that an assignment was taken, and nothing of a
//! partition is fetched until it is started, so that a long restore holds up nobody else's rebalance. A
//! revocation is answered only when all its partitions were released.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::Offset as KafkaOffset;
use rdkafka_sys::RDKafkaRespErr;

use super::Inner;
use super::context::{Context, delegate_to_context};
use super::errors::log_error;
use super::leaving::Leaving;
use super::native::GroupMetadata;
use super::offsets::raw_offset;
use super::taken::{Taken, TakenRecords};
use crate::log::{Generation, GenerationKind, LogError, Member, MemberEvent};
use crate::types::{NextOffset, Offset, Partition, Topic};

/// Most commands of one poll.
const BATCH: usize = 1000;

pub(super) struct KafkaMember {
    log: Arc<Inner>,
    instance: String,
    consumer: Arc<BaseConsumer<MemberContext>>,
    /// Dropped after `consumer`, and so the one that closes it.
    _leaving: Leaving<MemberContext>,
    /// What is read, and the next offset of each.
    started: BTreeMap<Partition, NextOffset>,
    /// Named in the revocation under way: still to be released.
    revoked: BTreeSet<Partition>,
    /// Of that revocation, and started: to be given up when the last is released.
    released: Vec<Partition>,
    /// The generation whose assignment was taken last.
    told: Option<u64>,
}

impl KafkaMember {
    pub(super) fn new(log: Arc<Inner>, group: &str, instance: &str) -> Result<Self, LogError> {
        let shared = &log.shared;
        let context = MemberContext {
            base: shared.context("member"),
            changes: Mutex::default(),
            closing: AtomicBool::new(false),
            answered: AtomicBool::new(false),
        };
        let consumer: BaseConsumer<MemberContext> =
            shared.create_with(context, &shared.settings.member(group, instance))?;
        let consumer = Arc::new(consumer);
        consumer
            .subscribe(&[shared.names.name(Topic::Commands)])
            .map_err(|error| LogError::Refused { what: "joining the group", reason: error.to_string() })?;
        Ok(Self {
            log,
            instance: instance.to_owned(),
            _leaving: Leaving::new(Arc::clone(&consumer), instance),
            consumer,
            started: BTreeMap::new(),
            revoked: BTreeSet::new(),
            released: Vec::new(),
            told: None,
        })
    }

    fn list(&self, partitions: impl IntoIterator<Item = Partition>) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition(self.log.shared.names.name(Topic::Commands), i32::from(partition.0));
        }
        list
    }

    fn failed(&self, what: &'static str, error: &KafkaError) -> LogError {
        log_error(what, Some((Topic::Commands, &self.log.shared.names)), error, self.log.shared.timeout)
    }

    /// Does what a change of the group asks for at once, and says it.
    fn serve(&mut self, change: Change) -> Result<Option<MemberEvent>, LogError> {
        match change {
            Change::Assigned(partitions) => {
                // A generation ends with an assignment, which may be empty, and the next does not begin before it
                // is taken.
                let membership = GroupMetadata::of(&self.consumer);
                self.told = membership.and_then(|of| u64::try_from(of.generation()).ok());
                self.consumer
                    .incremental_assign(&TopicPartitionList::new())
                    .map_err(|error| self.failed("taking an assignment", &error))?;
                Ok((!partitions.is_empty()).then_some(MemberEvent::Assigned(partitions)))
            }
            Change::Revoked(partitions) if partitions.is_empty() => {
                self.give_up(&[])?;
                Ok(None)
            }
            Change::Revoked(partitions) => {
                self.revoked.extend(&partitions);
                // What is under way is finished; nothing new of it is begun.
                let reading: Vec<_> =
                    partitions.iter().copied().filter(|p| self.started.contains_key(p)).collect();
                self.pause(&reading)?;
                Ok(Some(MemberEvent::Revoked(partitions)))
            }
            Change::Lost(partitions) => {
                let reading: Vec<_> =
                    partitions.iter().copied().filter(|p| self.started.contains_key(p)).collect();
                self.give_up(&reading)?;
                self.revoked.clear();
                self.released.clear();
                self.told = None;
                Ok(Some(MemberEvent::Lost(partitions)))
            }
        }
    }

    fn give_up(&mut self, partitions: &[Partition]) -> Result<(), LogError> {
        let list = self.list(partitions.iter().copied());
        self.consumer
            .incremental_unassign(&list)
            .map_err(|error| self.failed("giving up partitions", &error))?;
        for partition in partitions {
            self.started.remove(partition);
        }
        Ok(())
    }

    /// The record, where it is one to deliver.
    fn take(
        started: &mut BTreeMap<Partition, NextOffset>,
        revoked: &BTreeSet<Partition>,
        message: &BorrowedMessage<'_>,
    ) -> Option<Taken> {
        let partition = Partition(u16::try_from(message.partition()).ok()?);
        let offset = Offset(u64::try_from(message.offset()).ok()?);
        // Left over from before a rewind, a release or a revocation.
        let next =
            started.get_mut(&partition).filter(|next| offset.0 >= next.0 && !revoked.contains(&partition))?;
        *next = offset.next();
        Some(Taken::copied(partition, offset, message))
    }

    fn error(&self, error: &KafkaError) -> Result<(), LogError> {
        match error.rdkafka_error_code() {
            // Being out of the group follows as `Lost`; brokers come back by themselves.
            Some(
                Code::PollExceeded
                | Code::BrokerTransportFailure
                | Code::AllBrokersDown
                | Code::Resolve
                | Code::OperationTimedOut,
            ) => {
                tracing::warn!(%error, "member of the command group in trouble");
                Ok(())
            }
            Some(Code::FencedInstanceId | Code::Fatal) => Err(LogError::Fenced { id: self.instance.clone() }),
            // The wrapper does not say of which partition.
            Some(Code::AutoOffsetReset) => {
                for (partition, next) in &self.started {
                    let bounds = self.log.offsets.bounds(&self.log.shared, Topic::Commands, *partition)?;
                    if *next < bounds.start || *next > bounds.high_watermark {
                        return Err(LogError::OutOfRange {
                            topic: Topic::Commands,
                            partition: *partition,
                            wanted: *next,
                            start: bounds.start,
                            end: bounds.high_watermark,
                        });
                    }
                }
                Err(self.failed("reading commands", error))
            }
            _ => Err(self.failed("reading commands", error)),
        }
    }
}

impl Member for KafkaMember {
    fn poll(&mut self, wait: Duration) -> Result<MemberEvent, LogError> {
        let deadline = Instant::now() + wait;
        loop {
            while let Some(change) = self.consumer.context().next_change() {
                if let Some(event) = self.serve(change)? {
                    return Ok(event);
                }
            }
            let rest = deadline.saturating_duration_since(Instant::now());
            let mut taken = Vec::new();
            let mut wait = whole_millis(rest);
            while taken.len() < BATCH {
                match self.consumer.poll(wait) {
                    Some(Ok(message)) => taken.extend(Self::take(&mut self.started, &self.revoked, &message)),
                    // What was taken goes first; librdkafka repeats an error that stays.
                    Some(Err(error)) => {
                        self.error(&error)
                            .or_else(|error| if taken.is_empty() { Err(error) } else { Ok(()) })?;
                    }
                    None => break,
                }
                wait = Duration::ZERO;
            }
            if !taken.is_empty() {
                return Ok(MemberEvent::Records(Box::new(TakenRecords(taken))));
            }
            if Instant::now() >= deadline && !self.consumer.context().has_changes() {
                return Ok(MemberEvent::Nothing);
            }
        }
    }

    fn start(&mut self, from: &[(Partition, NextOffset)]) -> Result<(), LogError> {
        const WHAT: &str = "starting partitions";
        let name = self.log.shared.names.name(Topic::Commands);
        let (mut fresh, mut moved) = (TopicPartitionList::new(), TopicPartitionList::new());
        for (partition, next) in from {
            // Given up and taken again would answer a revocation under way; so a started one is moved instead.
            let list = if self.started.contains_key(partition) { &mut moved } else { &mut fresh };
            list.add_partition_offset(name, i32::from(partition.0), KafkaOffset::Offset(raw_offset(*next)))
                .map_err(|error| self.failed(WHAT, &error))?;
        }
        if moved.count() > 0 {
            let answer = self.consumer.seek_partitions(moved, self.log.shared.timeout);
            let moved = answer.map_err(|error| self.failed(WHAT, &error))?;
            for partition in moved.elements() {
                partition.error().map_err(|error| self.failed(WHAT, &error))?;
            }
        }
        if fresh.count() > 0 {
            self.consumer.incremental_assign(&fresh).map_err(|error| self.failed(WHAT, &error))?;
            // One that was revoked once was paused then, and librdkafka remembers that.
            self.consumer.resume(&fresh).map_err(|error| self.failed(WHAT, &error))?;
        }
        self.started.extend(from.iter().copied());
        Ok(())
    }

    fn pause(&mut self, partitions: &[Partition]) -> Result<(), LogError> {
        let list =
            self.list(partitions.iter().copied().filter(|partition| self.started.contains_key(partition)));
        if list.count() == 0 {
            return Ok(());
        }
        self.consumer.pause(&list).map_err(|error| self.failed("pausing partitions", &error))
    }

    fn resume(&mut self, partitions: &[Partition]) -> Result<(), LogError> {
        let readable =
            |partition: &Partition| self.started.contains_key(partition) && !self.revoked.contains(partition);
        let list = self.list(partitions.iter().copied().filter(readable));
        if list.count() == 0 {
            return Ok(());
        }
        self.consumer.resume(&list).map_err(|error| self.failed("resuming partitions", &error))
    }

    fn generation(&self) -> Result<Generation, LogError> {
        let joining = || LogError::Unreachable {
            reason: "the member is in no group at the moment; poll it and try again".into(),
        };
        let membership = GroupMetadata::of(&self.consumer).ok_or_else(joining)?;
        if membership.generation() < 0 {
            return Err(joining());
        }
        Ok(Generation(GenerationKind::Kafka(Arc::new(membership))))
    }

    fn told(&self) -> Option<u64> {
        self.told
    }

    fn release(&mut self, partitions: &[Partition]) -> Result<(), LogError> {
        let asked = !self.revoked.is_empty();
        for partition in partitions {
            if self.revoked.remove(partition) && self.started.contains_key(partition) {
                self.released.push(*partition);
            }
        }
        // Unassigning answers the whole revocation: so not before its last partition, and never unasked: that
        // would answer one that nobody has looked at yet.
        if asked && self.revoked.is_empty() {
            let released = std::mem::take(&mut self.released);
            self.give_up(&released)?;
        }
        Ok(())
    }
}

/// Rounded up: below a millisecond librdkafka does not wait, and the wrapper asks it again and again until the
/// time is over.
fn whole_millis(wait: Duration) -> Duration {
    Duration::from_millis(u64::try_from(wait.as_micros().div_ceil(1000)).unwrap_or(u64::MAX))
}

impl Drop for KafkaMember {
    /// Answers what the group has asked for and was not told, and gives up what is read.
    fn drop(&mut self) {
        while let Some(change) = self.consumer.context().next_change() {
            if matches!(change, Change::Assigned(_))
                && let Err(error) = self.consumer.incremental_assign(&TopicPartitionList::new())
            {
                tracing::warn!(%error, instance = self.instance, "an assignment could not be answered");
            }
        }
        let reading: Vec<_> = self.started.keys().copied().collect();
        if let Err(error) = self.give_up(&reading) {
            tracing::warn!(%error, instance = self.instance, "a member could not give up its partitions");
        }
        self.consumer.context().closing.store(true, Ordering::Relaxed);
    }
}

/// What the group changed, as librdkafka told it.
enum Change {
    Assigned(Vec<Partition>),
    Revoked(Vec<Partition>),
    Lost(Vec<Partition>),
}

struct MemberContext {
    base: Context,
    changes: Mutex<VecDeque<Change>>,
    /// Nobody polls any more: what the group asks for is granted at once.
    closing: AtomicBool,
    /// And was.
    answered: AtomicBool,
}

impl MemberContext {
    fn next_change(&self) -> Option<Change> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    fn has_changes(&self) -> bool {
        !self.changes.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

delegate_to_context!(MemberContext);

impl ConsumerContext for MemberContext {
    /// Called within `poll`. Only takes note: the assignment is changed by the member.
    fn rebalance(&self, consumer: &BaseConsumer<Self>, err: RDKafkaRespErr, list: &mut TopicPartitionList) {
        if self.closing.load(Ordering::Relaxed) {
            // One call answers everything that a consumer being closed waits for; it may have ended by the time
            // of a second change, and librdkafka never answers a call that comes after the end.
            if !self.answered.swap(true, Ordering::Relaxed)
                && let Err(error) = consumer.incremental_unassign(&TopicPartitionList::new())
            {
                tracing::warn!(%error, "member of the command group could not close its assignment");
            }
            return;
        }
        let partitions = list
            .elements()
            .iter()
            .filter_map(|element| u16::try_from(element.partition()).ok().map(Partition))
            .collect();
        let change = match err {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Change::Assigned(partitions),
            _ if consumer.assignment_lost() => Change::Lost(partitions),
            _ => Change::Revoked(partitions),
        };
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).push_back(change);
    }
}
