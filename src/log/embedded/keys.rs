//! The keys of the database. Numbers are big-endian, so that keys sort as they read.
//!
//! | key | value |
//! |---|---|
//! | topic u8, partition u16, offset u64 | a record, see `record` |
//! | `f0` | number of the last write |
//! | `f1` | identity: cluster id, partitions per topic |
//! | `f2`, topic, partition | end: the next offset to give out |
//! | `f3`, topic, partition | start: the first offset still there |
//! | `f4`, topic, partition | compacted up to this offset |
//! | `f5`, topic, partition, block u64 | the largest timestamp of 1024 offsets |
//! | `f6`, partition, group | a group's consumed position and its metadata |
//! | `f7`, topic, partition, offset u64 | when compaction first met this tombstone |

use crate::types::{Partition, Topic};

/// The number of a topic in keys. Never used twice.
pub(super) const fn tag(topic: Topic) -> u8 {
    match topic {
        Topic::Events => 1,
        Topic::Commands => 2,
        Topic::Snapshots => 3,
        Topic::Results => 4,
        Topic::DeadLetters => 5,
    }
}

pub(super) const COMMIT_NUMBER: [u8; 1] = [0xf0];
pub(super) const IDENTITY: [u8; 1] = [0xf1];
const END: u8 = 0xf2;
const START: u8 = 0xf3;
const COMPACTED: u8 = 0xf4;
const BLOCK: u8 = 0xf5;
pub(super) const CONSUMED: u8 = 0xf6;
const TOMBSTONE: u8 = 0xf7;

pub(super) fn record(topic: Topic, partition: Partition, offset: u64) -> [u8; 11] {
    let [p0, p1] = partition.0.to_be_bytes();
    let [a, b, c, d, e, f, g, h] = offset.to_be_bytes();
    [tag(topic), p0, p1, a, b, c, d, e, f, g, h]
}

/// The offset of a record key of this partition; nothing for any other key.
pub(super) fn offset_of(key: &[u8], topic: Topic, partition: Partition) -> Option<u64> {
    let key: &[u8; 11] = key.try_into().ok()?;
    let [t, p0, p1, rest @ ..] = key;
    (*t == tag(topic) && u16::from_be_bytes([*p0, *p1]) == partition.0).then(|| u64::from_be_bytes(*rest))
}

fn of_partition(kind: u8, topic: Topic, partition: Partition) -> [u8; 4] {
    let [p0, p1] = partition.0.to_be_bytes();
    [kind, tag(topic), p0, p1]
}

pub(super) fn end(topic: Topic, partition: Partition) -> [u8; 4] {
    of_partition(END, topic, partition)
}

pub(super) fn start(topic: Topic, partition: Partition) -> [u8; 4] {
    of_partition(START, topic, partition)
}

pub(super) fn compacted(topic: Topic, partition: Partition) -> [u8; 4] {
    of_partition(COMPACTED, topic, partition)
}

fn of_number(kind: u8, topic: Topic, partition: Partition, number: u64) -> [u8; 12] {
    let [p0, p1] = partition.0.to_be_bytes();
    let [a, b, c, d, e, f, g, h] = number.to_be_bytes();
    [kind, tag(topic), p0, p1, a, b, c, d, e, f, g, h]
}

pub(super) fn block(topic: Topic, partition: Partition, block: u64) -> [u8; 12] {
    of_number(BLOCK, topic, partition, block)
}

pub(super) fn block_of(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(*key.last_chunk::<8>()?))
}

pub(super) fn tombstone(topic: Topic, partition: Partition, offset: u64) -> [u8; 12] {
    of_number(TOMBSTONE, topic, partition, offset)
}

pub(super) fn consumed(group: &str, partition: Partition) -> Vec<u8> {
    let mut key = vec![CONSUMED];
    key.extend_from_slice(&partition.0.to_be_bytes());
    key.extend_from_slice(group.as_bytes());
    key
}

/// Partition and group of a key that [`consumed`] made.
pub(super) fn consumed_of(key: &[u8]) -> Option<(Partition, &str)> {
    let (&[kind, p0, p1], group) = key.split_first_chunk::<3>()?;
    (kind == CONSUMED).then_some(())?;
    Some((Partition(u16::from_be_bytes([p0, p1])), std::str::from_utf8(group).ok()?))
}
