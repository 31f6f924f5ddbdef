//! The writer that is killed: appends and transactions without end, each acknowledgement told at once.

use inventory_store::log::{Consumed, Log};
use inventory_store::types::{NextOffset, Partition, Position, Topic};

use super::observe::{Owner, record};

pub const GROUP: &str = "killed";

/// One acknowledged record: what stands where. The value of a transaction's record is `t NUMBER PART`, that
/// of a single one `a NUMBER`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    pub position: Position,
    pub value: String,
}

impl Ack {
    pub fn to_line(&self) -> String {
        format!("ack {} {}", self.position, self.value)
    }

    pub fn parse(line: &str) -> Option<Self> {
        let (position, value) = line.strip_prefix("ack ")?.split_once(' ')?;
        Some(Self { position: position.parse().ok()?, value: value.to_owned() })
    }
}

/// Parts of one transaction, one per partition from 0.
pub const PARTS: u16 = 3;

/// Writes to the events topic until `told` or the log says no. Every fourth write is a transaction over
/// three partitions that carries its number as the commands position of partition 0 and as its metadata.
/// The size of the values follows from the seed.
pub fn write(log: &dyn Log, seed: u64, partitions: u16, mut told: impl FnMut(Vec<Ack>) -> bool) {
    let owner = Owner::of_all(log, GROUP, partitions);
    let appender = log.appender().expect("an appender");
    let mut transactor = log.transactor("killed").expect("a transactor");
    for number in 0_u64.. {
        let padding =
            "x".repeat(usize::try_from((number.wrapping_mul(31).wrapping_add(seed)) % 3000).expect("small"));
        let (positions, values) = if number % 4 == 3 {
            let values: Vec<String> = (0..PARTS).map(|part| format!("t {number} {part} {padding}")).collect();
            let records: Vec<_> =
                (0..PARTS).zip(&values).map(|(part, value)| record(Topic::Events, part, value)).collect();
            if transactor.stage(&records).is_err() {
                return;
            }
            let (partition, next, metadata) = (Partition(0), NextOffset(number), number.to_string());
            match transactor.commit(&[Consumed { partition, next, metadata }], &owner.generation()) {
                Ok(positions) => (positions, values),
                Err(_) => return,
            }
        } else {
            let value = format!("a {number} {padding}");
            let partition = u16::try_from((number ^ seed) % u64::from(partitions)).expect("small");
            let answers = appender.append(vec![record(Topic::Events, partition, &value)]);
            match answers.into_iter().collect::<Result<Vec<_>, _>>() {
                Ok(positions) => (positions, vec![value]),
                Err(_) => return,
            }
        };
        let acks =
            positions.into_iter().zip(values).map(|(position, value)| Ack { position, value }).collect();
        if !told(acks) {
            return;
        }
    }
}
