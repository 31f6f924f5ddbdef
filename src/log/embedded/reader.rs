use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::log::{Assignment, Batch, LogError, Purpose, Reader, Records};
use crate::types::{NextOffset, Record};

use super::embedded_log::Shared;
use super::fetch::{self, fetch};
use super::record::Stored;

/// Records of a poll.
pub(super) struct StoredRecords(pub(super) Vec<Stored>);

impl Records for StoredRecords {
    fn len(&self) -> usize {
        self.0.len()
    }

    #[expect(clippy::indexing_slicing, reason = "the contract lets `get` panic beyond the end")]
    fn get(&self, index: usize) -> Record<'_> {
        self.0[index].as_record()
    }
}

/// Reads assigned partitions, each in turn the first.
pub(super) struct EmbeddedReader {
    shared: Arc<Shared>,
    purpose: Purpose,
    slots: Vec<Slot>,
    turn: usize,
}

struct Slot {
    at: Assignment,
    /// The end that was last reported as reached.
    reported: Option<NextOffset>,
}

impl EmbeddedReader {
    pub(super) fn new(shared: Arc<Shared>, purpose: Purpose, from: &[Assignment]) -> Result<Self, LogError> {
        let mut reader = Self { shared, purpose, slots: Vec::new(), turn: 0 };
        reader.assign(from)?;
        Ok(reader)
    }

    fn take(&mut self, max: usize) -> Result<Batch, LogError> {
        let mut records = Vec::new();
        let mut bytes = 0;
        let mut ends = Vec::new();
        let count = self.slots.len();
        self.turn = self.turn.wrapping_add(1);
        for i in 0..count {
            let Some(slot) = self.slots.get_mut(self.turn.wrapping_add(i) % count) else { continue };
            let room = self.shared.config.fetch_bytes.saturating_sub(bytes);
            let fetched = fetch(
                &self.shared,
                fetch::Request {
                    topic: slot.at.topic,
                    partition: slot.at.partition,
                    next: slot.at.next.0,
                    // Once there is something, a full poll only looks at the ends.
                    max_records: if room == 0 { 0 } else { max.saturating_sub(records.len()) },
                    max_bytes: room,
                    purpose: self.purpose,
                },
            );
            let fetched = match fetched {
                Ok(fetched) => fetched,
                // What was read before is delivered first; the next poll meets the error again.
                Err(_) if !records.is_empty() || !ends.is_empty() => break,
                Err(e) => return Err(e),
            };
            bytes += fetched.bytes;
            records.extend(fetched.records);
            slot.at.next = NextOffset(fetched.next);
            if fetched.next == fetched.end && slot.reported != Some(slot.at.next) {
                slot.reported = Some(slot.at.next);
                ends.push(slot.at);
            }
        }
        Ok(Batch { records: Box::new(StoredRecords(records)), ends })
    }
}

impl Reader for EmbeddedReader {
    fn poll(&mut self, max: usize, wait: Duration) -> Result<Batch, LogError> {
        let deadline = Instant::now().checked_add(wait);
        loop {
            let pulse = self.shared.partitions.pulse();
            let batch = self.take(max)?;
            let is_over = deadline.is_some_and(|deadline| Instant::now() >= deadline);
            if !batch.records.is_empty() || !batch.ends.is_empty() || is_over {
                return Ok(batch);
            }
            self.shared.partitions.wait(pulse, deadline);
        }
    }

    fn assign(&mut self, from: &[Assignment]) -> Result<(), LogError> {
        for at in from {
            self.shared.partitions.check(at.topic, at.partition)?;
        }
        self.slots = from.iter().map(|at| Slot { at: *at, reported: None }).collect();
        Ok(())
    }
}
