//! Looking at a log from outside: owned records, reading to the end, owning the group.

use std::time::{Duration, Instant};

use inventory_store::log::{Assignment, Generation, Log, Member, MemberEvent, Purpose};
use inventory_store::types::{
    Header, Headers, NewRecord, NextOffset, Partition, Position, Record, Timestamp, Topic,
};

/// No wait in these tests is longer; a log that needs more does not work.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A record, taken out of its batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub position: Position,
    pub timestamp: Timestamp,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<Header>,
}

impl Seen {
    pub fn of(record: Record<'_>) -> Self {
        Self {
            position: record.position(),
            timestamp: record.timestamp,
            key: record.key.map(Into::into),
            value: record.value.map(Into::into),
            headers: headers(record.headers),
        }
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.value.clone().expect("a value")).expect("text")
    }
}

fn headers(headers: &dyn Headers) -> Vec<Header> {
    let mut all = Vec::new();
    headers.visit(&mut |name, value| all.push(Header { name: name.into(), value: value.map(Into::into) }));
    all
}

pub fn record(topic: Topic, partition: u16, value: &str) -> NewRecord {
    NewRecord {
        topic,
        partition: Partition(partition),
        timestamp: Some(Timestamp(1_700_000_000_000)),
        key: Some(b"key".to_vec()),
        value: Some(value.as_bytes().to_vec()),
        headers: Vec::new(),
    }
}

/// Appends; every record must be taken.
pub fn append(log: &dyn Log, records: Vec<NewRecord>) -> Vec<Position> {
    let appender = log.appender().expect("an appender");
    appender.append(records).into_iter().map(|answer| answer.expect("acknowledged")).collect()
}

pub fn assignment(topic: Topic, partition: u16, next: u64) -> Assignment {
    Assignment { topic, partition: Partition(partition), next: NextOffset(next) }
}

/// Every committed record from `from` up to the stable end as it is now.
pub fn read_from(log: &dyn Log, topic: Topic, partition: u16, from: NextOffset) -> Vec<Seen> {
    let end = log.bounds(topic, Partition(partition)).expect("bounds").last_stable;
    let mut reader = log.reader(Purpose::Bulk, &[assignment(topic, partition, from.0)]).expect("a reader");
    let mut seen: Vec<Seen> = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let batch = reader.poll(1000, Duration::from_millis(100)).expect("a batch");
        seen.extend((0..batch.records.len()).map(|i| Seen::of(batch.records.get(i))));
        if batch.ends.iter().any(|at| at.next >= end) {
            return seen;
        }
        assert!(
            Instant::now() < deadline,
            "{topic} {partition}: the end {end} was not reached; {} records",
            seen.len()
        );
    }
}

/// Every committed record of a partition.
pub fn read(log: &dyn Log, topic: Topic, partition: u16) -> Vec<Seen> {
    let start = log.bounds(topic, Partition(partition)).expect("bounds").start;
    read_from(log, topic, partition, start)
}

pub fn texts(seen: &[Seen]) -> Vec<String> {
    seen.iter().map(Seen::text).collect()
}

/// Waits until `done` says so.
pub fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::yield_now();
    }
}

/// A member with what it owns.
pub struct Owner {
    pub member: Box<dyn Member>,
    pub owned: Vec<Partition>,
    /// Whether it releases at once what is revoked.
    pub obliging: bool,
    /// What it was asked to release and has not.
    pub revoked: Vec<Partition>,
}

impl Owner {
    pub fn join(log: &dyn Log, group: &str, instance: &str) -> Self {
        Self {
            member: log.join(group, instance).expect("joins"),
            owned: Vec::new(),
            obliging: true,
            revoked: Vec::new(),
        }
    }

    /// A member that owns all `count` partitions.
    pub fn of_all(log: &dyn Log, group: &str, count: u16) -> Self {
        let mut owner = Self::join(log, group, "only");
        eventually("one member owns everything", || {
            owner.serve();
            owner.owned.len() == usize::from(count)
        });
        owner
    }

    /// Polls once and does what it is told; gives the records.
    pub fn serve(&mut self) -> Vec<Seen> {
        match self.member.poll(Duration::from_millis(10)).expect("a poll") {
            MemberEvent::Nothing => {}
            MemberEvent::Records(records) => {
                return (0..records.len()).map(|i| Seen::of(records.get(i))).collect();
            }
            MemberEvent::Assigned(partitions) => self.owned.extend(partitions),
            MemberEvent::Revoked(partitions) => {
                self.revoked.extend(partitions);
                if self.obliging {
                    self.release_revoked();
                }
            }
            MemberEvent::Lost(partitions) => self.owned.retain(|p| !partitions.contains(p)),
        }
        Vec::new()
    }

    pub fn release_revoked(&mut self) {
        let revoked = std::mem::take(&mut self.revoked);
        self.owned.retain(|p| !revoked.contains(p));
        self.member.release(&revoked).expect("releases");
    }

    pub fn generation(&self) -> Generation {
        self.member.generation().expect("a generation")
    }
}
