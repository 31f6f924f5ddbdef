//! Partitions that a group at rest has given to nobody, and a way out.
//!
//! A cooperative group takes a partition from one member in one generation and gives it to another in the next.
//! Where its members die between the two and come back under their lasting names, the coordinator hands each what
//! it had and begins no new generation: the partition stays with nobody until something makes the group share out
//! again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};

use super::context::Context;
use super::leaving::Leaving;
use super::native::GroupMetadata;
use super::{Shared, offsets};
use crate::log::LogError;
use crate::types::{Partition, Topic};

const WHAT: &str = "making the group share out again";

/// Partitions of the commands topic, of `count`, that no member has although the group is at rest. None while it
/// is not, or has no members.
pub(super) fn unshared(
    shared: &Shared,
    asker: &BaseConsumer<Context>,
    group: &str,
    count: u16,
) -> Result<Vec<Partition>, LogError> {
    let failed =
        |error| super::errors::log_error("asking for the group's members", None, &error, shared.timeout);
    let list = asker.fetch_group_list(Some(group), shared.timeout).map_err(failed)?;
    offsets::serve_events(asker);
    let topic = shared.names.name(Topic::Commands);
    let mut missing: BTreeSet<u16> = (0..count).collect();
    let Some(group) = list.groups().first().filter(|group| group.state() == "Stable") else {
        return Ok(Vec::new());
    };
    for member in group.members() {
        // One that cannot be read may have anything: nothing is said to be missing then.
        let Some(given) = assigned(member.assignment().unwrap_or_default(), topic) else {
            return Ok(Vec::new());
        };
        missing.retain(|partition| !given.contains(&i32::from(*partition)));
    }
    Ok(missing.into_iter().map(Partition).collect())
}

/// Joins the group without a lasting name and leaves it again: both begin a new generation.
pub(super) fn share_again(shared: &Shared, group: &str) -> Result<(), LogError> {
    let settings = shared.settings.passing_member(group);
    let consumer: Arc<BaseConsumer<Context>> = Arc::new(shared.create("sharing", &settings)?);
    let leaving = Leaving::new(Arc::clone(&consumer), "sharing");
    let joined = pass_through(shared, &consumer);
    drop(consumer);
    // The one that closes it, and waits for that no longer than it has to.
    drop(leaving);
    joined
}

fn pass_through(shared: &Shared, consumer: &BaseConsumer<Context>) -> Result<(), LogError> {
    consumer
        .subscribe(&[shared.names.name(Topic::Commands)])
        .map_err(|error| LogError::Refused { what: WHAT, reason: error.to_string() })?;
    let deadline = Instant::now() + shared.timeout;
    let joined = || GroupMetadata::of(consumer).is_some_and(|membership| membership.generation() >= 0);
    while !joined() {
        if Instant::now() > deadline {
            return Err(LogError::TimedOut { what: WHAT, seconds: shared.timeout.as_secs() });
        }
        // It reads nothing: whatever it is given it gives back by leaving.
        drop(consumer.poll(Duration::from_millis(50)));
    }
    Ok(())
}

/// The partitions of `topic` in a member's assignment, in the consumer protocol's form: version (i16), then per topic
/// its name (i16 length) and partitions (i32 count, i32 each). Nothing where the bytes are not that.
fn assigned(bytes: &[u8], topic: &str) -> Option<BTreeSet<i32>> {
    let mut given = BTreeSet::new();
    // A member that has just joined was given nothing yet.
    let Some((_version, mut rest)) = bytes.split_first_chunk::<2>() else { return Some(given) };
    for _ in 0..int(&mut rest)? {
        let (length, tail) = rest.split_first_chunk::<2>()?;
        let (name, tail) = tail.split_at_checked(usize::try_from(i16::from_be_bytes(*length)).ok()?)?;
        rest = tail;
        for _ in 0..int(&mut rest)? {
            let partition = int(&mut rest)?;
            if name == topic.as_bytes() {
                given.insert(partition);
            }
        }
    }
    Some(given)
}

fn int(bytes: &mut &[u8]) -> Option<i32> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    *bytes = rest;
    Some(i32::from_be_bytes(*number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_is_read_and_a_cut_one_is_not() {
        let mut bytes = vec![0, 1, 0, 0, 0, 2];
        for (name, partitions) in [("other", vec![7]), ("commands", vec![0, 5])] {
            bytes.extend_from_slice(&i16::try_from(name.len()).expect("short").to_be_bytes());
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(&i32::try_from(partitions.len()).expect("few").to_be_bytes());
            partitions.iter().for_each(|partition: &i32| bytes.extend_from_slice(&partition.to_be_bytes()));
        }
        let whole = bytes.len();
        bytes.extend_from_slice(&(-1_i32).to_be_bytes());
        assert_eq!(assigned(&bytes, "commands"), Some(BTreeSet::from([0, 5])));
        assert_eq!(assigned(&bytes, "other"), Some(BTreeSet::from([7])));
        assert_eq!(assigned(&[], "commands"), Some(BTreeSet::new()));
        for cut in 2..whole {
            assert_eq!(assigned(&bytes[..cut], "commands"), None, "{cut} bytes");
        }
    }
}
