//! Keeps a generation that nobody serves close behind the one that is served.
//!
//! It reads as the lane does, and may well be ahead of it; what is folded is bounded by the position of the
//! served store all the same, since a store never goes back and the two must meet at one position.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::JobError;
use crate::codec::rows::meta::Progress;
use crate::log::{Assignment, Batch, Log, Purpose, Reader};
use crate::projector::Projector;
use crate::snapshots::Work;
use crate::types::{NextOffset, Offset, Partition, Topic};

const BATCH: usize = 2000;

/// Positions of events and of results, exclusive, that a served store has reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UpTo {
    pub events: NextOffset,
    pub results: NextOffset,
    /// The last record of each below: behind it there are none, whatever the log takes to say so.
    pub last_event: Option<Offset>,
    pub last_result: Option<Offset>,
}

impl From<&Progress> for UpTo {
    fn from(progress: &Progress) -> Self {
        Self {
            events: progress.next,
            results: progress.next_results,
            last_event: progress.fingerprint.map(|last| last.offset),
            last_result: None,
        }
    }
}

/// Events and results of one partition, behind a generation's position.
pub(super) struct Tail {
    reader: Box<dyn Reader>,
    partition: Partition,
    /// Read and not all folded yet.
    held: VecDeque<Batch>,
    /// Everything below was delivered: of events, and of results.
    delivered: (NextOffset, NextOffset),
}

impl Tail {
    pub(super) fn open(log: &dyn Log, partition: Partition, projector: &Projector) -> Result<Self, JobError> {
        let at = (projector.next(), projector.next_result());
        let from = [
            Assignment { topic: Topic::Events, partition, next: at.0 },
            Assignment { topic: Topic::Results, partition, next: at.1 },
        ];
        Ok(Self {
            reader: log.reader(Purpose::Live, &from)?,
            partition,
            held: VecDeque::new(),
            delivered: at,
        })
    }

    /// Folds and writes up to `up_to`, which the served store has reached, waiting for the log where need be.
    /// A log that delivers nothing for `patience` is an error.
    pub(super) fn fold(
        &mut self,
        projector: &mut Projector,
        up_to: UpTo,
        patience: Duration,
        work: &Work,
    ) -> Result<(), JobError> {
        const WAIT: Duration = Duration::from_millis(2);
        let mut moved = Instant::now();
        loop {
            self.fold_held(projector, up_to)?;
            let at = (projector.next(), projector.next_result());
            if at.0 >= up_to.events && at.1 >= up_to.results {
                projector.commit()?;
                return Ok(());
            }
            if work.is_stopped() {
                projector.commit()?;
                return Err(JobError::Interrupted);
            }
            if self.read(WAIT)? {
                moved = Instant::now();
            } else if moved.elapsed() >= patience {
                let (partition, seconds) = (self.partition, moved.elapsed().as_secs());
                return Err(JobError::Stalled { partition, at: at.0, end: up_to.events, seconds });
            }
        }
    }

    /// Folds and writes what the log has up to there, waiting for no more than a moment.
    pub(super) fn advance(&mut self, projector: &mut Projector, up_to: UpTo) -> Result<(), JobError> {
        self.read(Duration::from_millis(1))?;
        self.fold_held(projector, up_to)?;
        projector.commit()?;
        Ok(())
    }

    /// Takes what the log has. Gives whether there was anything.
    fn read(&mut self, wait: Duration) -> Result<bool, JobError> {
        let batch = self.reader.poll(BATCH, wait)?;
        let before = self.delivered;
        let (events, results) = &mut self.delivered;
        let mut deliver = |topic: Topic, next: NextOffset| {
            let at = if topic == Topic::Results { &mut *results } else { &mut *events };
            *at = (*at).max(next);
        };
        for index in 0..batch.records.len() {
            let record = batch.records.get(index);
            deliver(record.topic, record.offset.next());
        }
        for end in &batch.ends {
            deliver(end.topic, end.next);
        }
        if !batch.records.is_empty() {
            self.held.push_back(batch);
        }
        Ok(self.delivered != before)
    }

    fn fold_held(&mut self, projector: &mut Projector, up_to: UpTo) -> Result<(), JobError> {
        let mut whole = 0;
        for (number, batch) in self.held.iter().enumerate() {
            let records = || (0..batch.records.len()).map(|index| batch.records.get(index));
            let inside = |topic: Topic, limit: NextOffset| {
                records().filter(move |record| record.topic == topic && limit.is_past(record.offset))
            };
            // What was folded before is passed over.
            projector.fold(inside(Topic::Events, up_to.events))?;
            projector.fold_results(inside(Topic::Results, up_to.results), |_| None, &mut |_| {})?;
            let all = records().all(|record| match record.topic {
                Topic::Results => up_to.results.is_past(record.offset),
                _ => up_to.events.is_past(record.offset),
            });
            if all && whole == number {
                whole += 1;
            }
            if projector.is_full() || projector.unwritten() >= BATCH as u64 {
                projector.commit()?;
            }
        }
        self.held.drain(..whole);
        // Offsets without a record: control records, or what was aborted.
        let (events, results) = self.delivered;
        let has = |next: NextOffset, last: Option<Offset>| last.is_some_and(|last| next.is_past(last));
        if events >= up_to.events || has(events, up_to.last_event) {
            projector.pass(up_to.events);
        }
        if results >= up_to.results || has(results, up_to.last_result) {
            projector.pass_results(up_to.results);
        }
        Ok(())
    }
}
