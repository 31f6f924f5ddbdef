//! The reader's half of a step: events and results into the stores.

use std::time::{Duration, Instant};

use super::owned::Owned;
use super::start_commands::first_command;
use super::status::State;
use super::step::{Lane, Passing};
use crate::codec::result::Outcome;
use crate::failpoint;
use crate::log::{Assignment, Batch, LogError, Purpose};
use crate::metrics::metrics;
use crate::projector::{Mode, ProjectError, Projector};
use crate::types::{Offset, Partition, Position, Topic};

impl Lane {
    /// Reads once, folds, writes, and brings forward what has come to its target.
    pub(super) fn follow(&mut self) -> Result<(), Passing> {
        if self.owned.is_empty() {
            self.reader = None;
            self.more = false;
            return Ok(());
        }
        let (batch, took) = match self.read() {
            Ok(read) => read,
            Err(LogError::OutOfRange { topic: Topic::Events, partition, wanted, start, end }) => {
                let reason = format!(
                    "partition {partition}: offset {wanted} is not in the log any more, which holds {start} up to (not including) {end}; bring the partition back from a base with `inventory-store restore --from latest --cutover`"
                );
                self.fail(partition, &reason);
                return Ok(());
            }
            // Results are outcomes only: what retention has taken is missed by repeats, not by stock.
            Err(LogError::OutOfRange { partition, wanted, start, .. }) => {
                tracing::warn!(%partition, %wanted, %start, "results were deleted before they were read: outcomes among them are not remembered");
                match self.owned.get_mut(&partition) {
                    Some(owned) if wanted < start => owned.projector.pass_results(start),
                    _ => self.fail(partition, "the results topic ends before what was read of it: it was made anew; start with an empty store for the partition"),
                }
                self.reassign = true;
                return Ok(());
            }
            Err(error) if error.is_retriable() => return Err(error.into()),
            Err(error) => {
                // The reader serves all partitions of this lane.
                self.fail_all(&error.to_string());
                return Ok(());
            }
        };
        if !batch.records.is_empty() {
            let purpose = if self.reader_purpose() == Purpose::Bulk { "bulk" } else { "live" };
            metrics().fetch_seconds.with_label_values(&[purpose]).observe(took.as_secs_f64());
            metrics().batch_records.observe(batch.records.len() as f64);
        }
        let heard = self.fold(&batch);
        self.settle_all()?;
        self.advance()?;
        self.tell(heard)
    }

    fn reader_purpose(&self) -> Purpose {
        if self.owned.values().any(|owned| owned.projector.mode() == Mode::Bulk) {
            Purpose::Bulk
        } else {
            Purpose::Live
        }
    }

    /// Whether a partition is still on its way: then reading goes before everything.
    pub(super) fn is_catching_up(&self) -> bool {
        self.owned.values().any(|owned| !owned.decides())
    }

    /// Reads from a reader that fits: made anew for another purpose, reassigned where partitions came or left.
    fn read(&mut self) -> Result<(Batch, Duration), LogError> {
        let purpose = self.reader_purpose();
        let assignments = || -> Vec<Assignment> {
            let of = |owned: &Owned| {
                let (partition, projector) = (owned.partition, &owned.projector);
                [
                    Assignment { topic: Topic::Events, partition, next: projector.next() },
                    Assignment { topic: Topic::Results, partition, next: projector.next_result() },
                ]
            };
            self.owned.values().flat_map(of).collect()
        };
        let mut reader = match self.reader.take() {
            Some((was, mut reader)) if was == purpose => {
                if self.reassign {
                    reader.assign(&assignments())?;
                }
                reader
            }
            // The old one goes first: two would fetch the same records twice.
            other => {
                drop(other);
                self.shared.log.reader(purpose, &assignments())?
            }
        };
        self.reassign = false;
        let catching_up = self.is_catching_up();
        let config = &self.shared.config;
        let max = if catching_up { config.bulk_batch_records } else { config.live_batch_records };
        // A lane that decides waits at its member, not here.
        let wait = if catching_up { config.poll_wait_ms } else { 0 };
        let began = Instant::now();
        let polled = reader.poll(max, Duration::from_millis(wait));
        // After an error the reader is made anew, at the positions that are folded.
        let batch = polled?;
        self.more = batch.records.len() >= max;
        self.reader = Some((purpose, reader));
        Ok((batch, began.elapsed()))
    }

    /// Folds a batch, run by run: records of one partition and topic mostly stand together. Gives the outcomes
    /// that someone waits for.
    fn fold(&mut self, batch: &Batch) -> Vec<Outcome> {
        let began = Instant::now();
        let records = &batch.records;
        let mut heard = Vec::new();
        let mut from = 0;
        while from < records.len() {
            let first = records.get(from);
            let (topic, partition) = (first.topic, first.partition);
            let mut to = from + 1;
            while to < records.len() {
                let next = records.get(to);
                if next.partition != partition || next.topic != topic {
                    break;
                }
                to += 1;
            }
            let callers = &self.shared.callers;
            if let Some(owned) = self.owned.get_mut(&partition) {
                let run = (from..to).map(|index| records.get(index));
                let folded = if topic == Topic::Results {
                    let awaited = callers.wait_for(partition);
                    let overlay = &owned.commands.overlay;
                    owned.projector.fold_results(run, |record| overlay.outcome(record), &mut |outcome| {
                        if awaited && callers.awaits(outcome) {
                            heard.push(outcome.clone());
                        }
                    })
                } else {
                    // A run is no longer than a batch.
                    owned.add_consumed((to - from) as u64);
                    let overlay = &owned.commands.overlay;
                    owned.projector.fold_known(run, |record| overlay.event(record))
                };
                if let Err(error) = folded {
                    self.fail(partition, &error.to_string());
                }
            }
            from = to;
        }
        for end in &batch.ends {
            if let Some(owned) = self.owned.get_mut(&end.partition) {
                match end.topic {
                    Topic::Results => owned.projector.pass_results(end.next),
                    _ => owned.projector.pass(end.next),
                }
            }
        }
        if !records.is_empty() {
            metrics().batch_seconds.with_label_values(&["fold"]).observe(began.elapsed().as_secs_f64());
        }
        heard
    }

    /// Answers who waits for outcomes that were read and not committed here: an earlier owner's, or of a commit
    /// whose own answer was lost.
    fn tell(&mut self, heard: Vec<Outcome>) -> Result<(), Passing> {
        for outcome in heard {
            let partition = outcome.command_position.partition;
            let end = self.shared.log.bounds(Topic::Events, partition)?.high_watermark;
            let at_least = end.0.checked_sub(1).map(|last| Position { partition, offset: Offset(last) });
            self.shared.callers.answer(&outcome, &[], at_least);
        }
        Ok(())
    }

    /// Lets every partition write what is due, letters first. An error that may pass is given after all had
    /// their turn; any other stops its partition.
    pub(super) fn settle_all(&mut self) -> Result<(), Passing> {
        let config = &self.shared.config;
        let due: Vec<_> =
            self.owned.values().filter(|owned| owned.is_due(config)).map(|o| o.partition).collect();
        let (sent, letters) = self.in_turn("dead_letters", due, Projector::send_letters);
        let (_, rows) = self.in_turn("commit", sent, |projector| {
            if projector.unwritten() > 0 {
                failpoint::hit(failpoint::BEFORE_APPLY);
            }
            projector.commit()
        });
        self.owned.values_mut().for_each(Owned::written);
        letters.and(rows)
    }

    /// Lets each partition do one stage of its batch, and times it where any had something to do. Gives those
    /// that did not fail.
    fn in_turn(
        &mut self,
        stage: &str,
        partitions: Vec<Partition>,
        act: impl Fn(&mut Projector) -> Result<bool, ProjectError>,
    ) -> (Vec<Partition>, Result<(), Passing>) {
        let began = Instant::now();
        let (mut did, mut passing) = (false, Ok(()));
        let mut well = Vec::with_capacity(partitions.len());
        for partition in partitions {
            let Some(owned) = self.owned.get_mut(&partition) else { continue };
            let outcome = act(&mut owned.projector);
            match self.judge(partition, outcome) {
                Ok(acted) => {
                    did |= acted;
                    well.push(partition);
                }
                Err(error) => passing = Err(error),
            }
        }
        if did {
            metrics().batch_seconds.with_label_values(&[stage]).observe(began.elapsed().as_secs_f64());
        }
        (well, passing)
    }

    /// Brings partitions that reached their target to level, and level ones to live.
    fn advance(&mut self) -> Result<(), Passing> {
        let outcomes: Vec<_> =
            self.owned.values_mut().map(|owned| (owned.partition, owned.advance())).collect();
        for (partition, outcome) in outcomes {
            // What may pass is tried again with the next write.
            if let Err(error) = self.judge(partition, outcome) {
                tracing::debug!(%partition, reason = error.reason, "not level yet");
            }
        }
        let level: Vec<_> =
            self.owned.values().filter(|owned| owned.state == State::Level).map(|o| o.partition).collect();
        for partition in level {
            self.go_live(partition)?;
        }
        self.catch_up();
        Ok(())
    }

    /// Takes up the commands of a level partition.
    fn go_live(&mut self, partition: Partition) -> Result<(), Passing> {
        let Some(owned) = self.owned.get(&partition) else { return Ok(()) };
        let next = match first_command(&self.shared, owned) {
            Ok(Ok(next)) => next,
            Ok(Err(reason)) => {
                self.fail(partition, &reason);
                return Ok(());
            }
            Err(error) if error.is_retriable() => return Err(error.into()),
            Err(error) => {
                self.fail(partition, &error.to_string());
                return Ok(());
            }
        };
        let Some(member) = &mut self.member else { return Ok(()) };
        member.start(&[(partition, next)])?;
        if self.full {
            // As those that were paused when the overlays became full; they go on together.
            member.pause(&[partition])?;
        }
        if let Some(owned) = self.owned.get_mut(&partition) {
            owned.commands.next = next;
            owned.state = State::Live;
            owned.publish(&self.shared.registry);
            let events = owned.projector.next();
            tracing::info!(%partition, next = %events, next_command = %next, "partition is live");
        }
        Ok(())
    }

    /// Lets partitions decide again that have read what they lacked.
    fn catch_up(&mut self) {
        for owned in self.owned.values_mut() {
            if owned.commands.behind.is_some_and(|targets| owned.has_reached(targets)) {
                owned.commands.behind = None;
                self.rewind.insert(owned.partition);
            }
        }
    }

    fn judge(&mut self, partition: Partition, outcome: Result<bool, ProjectError>) -> Result<bool, Passing> {
        match outcome {
            Ok(done) => Ok(done),
            Err(error) if error.is_retriable() => Err(Passing { reason: error.to_string() }),
            Err(error) => {
                self.fail(partition, &error.to_string());
                Ok(false)
            }
        }
    }
}
