use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::log::{Generation, GenerationKind, LogError, Member, MemberEvent, Purpose};
use crate::types::{NextOffset, Partition, Topic};

use super::embedded_log::Shared;
use super::fetch::{self, fetch};
use super::group::Turn;
use super::reader::StoredRecords;

/// Commands that one poll delivers at most.
const MAX_RECORDS: usize = 1000;

/// A seat in a group, and where it reads. Dropping it leaves the group.
pub(super) struct EmbeddedMember {
    shared: Arc<Shared>,
    group: String,
    instance: String,
    id: u64,
    owned: BTreeSet<Partition>,
    reading: BTreeMap<Partition, u64>,
    paused: BTreeSet<Partition>,
    turn: usize,
}

impl EmbeddedMember {
    pub(super) fn join(shared: Arc<Shared>, group: &str, instance: &str) -> Self {
        let id = shared.groups.join(group, instance);
        shared.partitions.nudge();
        Self {
            shared,
            group: group.to_owned(),
            instance: instance.to_owned(),
            id,
            owned: BTreeSet::new(),
            reading: BTreeMap::new(),
            paused: BTreeSet::new(),
            turn: 0,
        }
    }

    fn fenced(&self) -> LogError {
        LogError::Fenced { id: self.instance.clone() }
    }

    fn give_up(&mut self, partition: Partition) {
        self.reading.remove(&partition);
        self.paused.remove(&partition);
    }

    fn records(&mut self) -> Result<StoredRecords, LogError> {
        let mut records = Vec::new();
        let mut bytes = 0;
        let active: Vec<Partition> =
            self.reading.keys().filter(|p| !self.paused.contains(p)).copied().collect();
        self.turn = self.turn.wrapping_add(1);
        for i in 0..active.len() {
            let Some(partition) = active.get(self.turn.wrapping_add(i) % active.len()).copied() else {
                continue;
            };
            let Some(next) = self.reading.get_mut(&partition) else { continue };
            let room = self.shared.config.fetch_bytes.saturating_sub(bytes);
            if room == 0 || records.len() >= MAX_RECORDS {
                break;
            }
            let request = fetch::Request {
                topic: Topic::Commands,
                partition,
                next: *next,
                max_records: MAX_RECORDS - records.len(),
                max_bytes: room,
                purpose: Purpose::Live,
            };
            let fetched = match fetch(&self.shared, request) {
                Ok(fetched) => fetched,
                Err(_) if !records.is_empty() => break,
                Err(e) => return Err(e),
            };
            *next = fetched.next;
            bytes += fetched.bytes;
            records.extend(fetched.records);
        }
        Ok(StoredRecords(records))
    }
}

impl Member for EmbeddedMember {
    fn poll(&mut self, wait: Duration) -> Result<MemberEvent, LogError> {
        let deadline = Instant::now().checked_add(wait);
        loop {
            let pulse = self.shared.partitions.pulse();
            let generation = self.shared.groups.generation(&self.group, self.id);
            let turn = self.shared.groups.turn(&self.group, self.id);
            if self.shared.groups.generation(&self.group, self.id) != generation {
                // Our poll completed a rebalance: it concerns the others too.
                self.shared.partitions.nudge();
            }
            let until = match turn {
                Turn::Out if self.owned.is_empty() => return Err(self.fenced()),
                Turn::Out => {
                    let lost = std::mem::take(&mut self.owned).into_iter().collect::<Vec<_>>();
                    lost.iter().for_each(|partition| self.give_up(*partition));
                    return Ok(MemberEvent::Lost(lost));
                }
                Turn::Assigned(partitions) => {
                    self.owned.extend(&partitions);
                    return Ok(MemberEvent::Assigned(partitions));
                }
                Turn::Revoked(partitions) => {
                    partitions.iter().for_each(|partition| self.give_up(*partition));
                    return Ok(MemberEvent::Revoked(partitions));
                }
                Turn::Quiet(until) => until,
            };
            let records = self.records()?;
            if !records.0.is_empty() {
                return Ok(MemberEvent::Records(Box::new(records)));
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(MemberEvent::Nothing);
            }
            let next = match (deadline, until) {
                (Some(deadline), Some(until)) => Some(deadline.min(until)),
                (deadline, until) => deadline.or(until),
            };
            self.shared.partitions.wait(pulse, next);
        }
    }

    fn start(&mut self, from: &[(Partition, NextOffset)]) -> Result<(), LogError> {
        for (partition, next) in from {
            if !self.owned.contains(partition) {
                let reason = format!("commands partition {partition} is not assigned to {}", self.instance);
                return Err(LogError::Refused { what: "starting a partition", reason });
            }
            self.shared.partitions.readable(Topic::Commands, *partition, next.0)?;
        }
        self.reading.extend(from.iter().map(|(partition, next)| (*partition, next.0)));
        Ok(())
    }

    fn pause(&mut self, partitions: &[Partition]) -> Result<(), LogError> {
        self.paused.extend(partitions);
        Ok(())
    }

    fn resume(&mut self, partitions: &[Partition]) -> Result<(), LogError> {
        partitions.iter().for_each(|partition| {
            self.paused.remove(partition);
        });
        Ok(())
    }

    fn generation(&self) -> Result<Generation, LogError> {
        let number = self.shared.groups.generation(&self.group, self.id).ok_or_else(|| self.fenced())?;
        let (group, instance) = (self.group.clone(), self.instance.clone());
        Ok(Generation(GenerationKind::Embedded { group, instance, number }))
    }

    fn told(&self) -> Option<u64> {
        self.shared.groups.told(&self.group, self.id)
    }

    fn release(&mut self, partitions: &[Partition]) -> Result<(), LogError> {
        for partition in self.shared.groups.release(&self.group, self.id, partitions) {
            self.give_up(partition);
            self.owned.remove(&partition);
        }
        self.shared.partitions.nudge();
        Ok(())
    }
}

impl Drop for EmbeddedMember {
    fn drop(&mut self) {
        self.shared.groups.leave(&self.group, self.id);
        self.shared.partitions.nudge();
    }
}
