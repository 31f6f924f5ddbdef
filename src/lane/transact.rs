//! The deciding half of a step: one transaction, and what is known of its end.
//!
//! A transaction holds what the commands delivered came to, what has expired, the letters of what nobody can
//! read, and the group's position on every partition it touches. Its end is learned before anything else is
//! begun: committed goes into the overlays and to whoever waits; aborted is undone, and the member starts
//! again at the first command of it; anything else is undone and read back from the group's positions, whose
//! metadata names the transaction that moved them last.

use std::collections::BTreeMap;
use std::slice;
use std::time::Instant;

use super::bring_up::Targets;
use super::note::OffsetNote;
use super::owned::Owned;
use super::step::{Lane, Passing};
use super::store_rows::StoreRows;
use super::writer::Doubt;
use crate::commands::{Decided, Deciding, Due};
use crate::failpoint;
use crate::log::{CommitError, Consumed, LogError, Records};
use crate::metrics::metrics;
use crate::projector::Letter;
use crate::store::Expiring;
use crate::types::{NextOffset, Partition, Position, Timestamp, Topic};

/// Expiries of one partition in one transaction.
const MOST_EXPIRIES: usize = 500;

/// What one partition has in a transaction.
struct Part {
    decided: Decided,
    letters: Vec<Letter>,
    /// Entries that were due, to be looked at again if it does not happen.
    due: Vec<Expiring>,
    /// The position on the commands after it.
    next: NextOffset,
}

type Parts = BTreeMap<Partition, Part>;

impl Lane {
    /// Decides what was delivered and what is due, and writes it as one transaction.
    pub(super) fn transact(&mut self, now: Timestamp, commands: Option<&dyn Records>) -> Result<(), Passing> {
        let mut delivered: BTreeMap<Partition, Vec<usize>> = BTreeMap::new();
        for index in 0..commands.map_or(0, Records::len) {
            let Some(record) = commands.map(|commands| commands.get(index)) else { break };
            delivered.entry(record.partition).or_default().push(index);
        }
        // Not to be decided now: a start again will bring them back.
        let too_early: Vec<_> =
            delivered.keys().copied().filter(|partition| !self.decides(*partition)).collect();
        self.rewind.extend(too_early.into_iter().filter(|partition| self.owned.contains_key(partition)));
        let deciding: Vec<_> =
            self.owned.keys().copied().filter(|partition| self.decides(*partition)).collect();
        let mut parts = Parts::new();
        for partition in deciding {
            let indices = delivered.remove(&partition).unwrap_or_default();
            match self.decide(now, partition, commands, &indices) {
                Ok(Some(part)) => drop(parts.insert(partition, part)),
                Ok(None) => {}
                Err(reason) => self.fail(partition, &reason),
            }
        }
        if parts.is_empty() { Ok(()) } else { self.write(parts) }
    }

    /// Has commands delivered once more: none of them is decided now.
    pub(super) fn put_back(&mut self, commands: Option<&dyn Records>) {
        let records = (0..commands.map_or(0, Records::len)).filter_map(|index| Some(commands?.get(index)));
        let partitions = records.map(|record| record.partition);
        self.rewind.extend(partitions.filter(|partition| self.owned.contains_key(partition)));
    }

    fn decides(&self, partition: Partition) -> bool {
        self.owned.get(&partition).is_some_and(Owned::decides) && !self.rewind.contains(&partition)
    }

    /// What a partition's commands and due entries come to; nothing where there are none.
    fn decide(
        &mut self,
        now: Timestamp,
        partition: Partition,
        commands: Option<&dyn Records>,
        indices: &[usize],
    ) -> Result<Option<Part>, String> {
        let Some(owned) = self.owned.get_mut(&partition) else { return Ok(None) };
        let now = now.to_nearest_utc();
        if owned.commands.expiries.is_exhausted() {
            let mut all = super::expiries::Expiries::default();
            let scanned = owned.projector.store().each_expiring(|expiring| all.push(expiring));
            scanned.map_err(|error| error.to_string())?;
            owned.commands.expiries = all;
        }
        let state = &mut owned.commands;
        let mut due = Vec::new();
        while due.len() < MOST_EXPIRIES
            && let Some(expiring) = state.expiries.pop_due(now)
        {
            due.push(expiring);
        }
        if indices.is_empty() && due.is_empty() {
            return Ok(None);
        }
        let rows = StoreRows(&owned.projector);
        let (mut next, mut letters) = (state.next, Vec::new());
        let mut deciding = Deciding::new(&mut state.overlay, &rows, &self.shared.settings.commands, now);
        let mut failed = None;
        for record in indices.iter().filter_map(|index| Some(commands?.get(*index))) {
            // Left over from before the member started again.
            if next.is_past(record.offset) {
                continue;
            }
            match deciding.command(&record) {
                Ok(None) => {}
                Ok(Some(malformed)) => {
                    tracing::warn!(
                        topic = %record.topic, position = %record.position(), reason = malformed.reason.name(),
                        detail = malformed.detail, "malformed command put aside in the dead letters"
                    );
                    metrics().dead_letters.with_label_values(&["commands", malformed.reason.name()]).inc();
                    letters.push(Letter::new(&record, &malformed, self.shared.dead_partitions));
                }
                Err(error) => failed = Some(error),
            }
            next = record.offset.next();
        }
        // After the commands: one may have prolonged what is due.
        for Expiring { at, sku, facet, id } in &due {
            if let Err(error) = deciding.expire(Due { sku, facet: *facet, id, at: *at }) {
                failed = Some(error);
            }
        }
        let decided = deciding.end();
        if let Some(error) = failed {
            decided.undo(&mut state.overlay);
            return Err(error.to_string());
        }
        if decided.records().is_empty() && letters.is_empty() && next == state.next {
            decided.undo(&mut state.overlay);
            return Ok(None);
        }
        Ok(Some(Part { decided, letters, due, next }))
    }

    /// Writes a transaction and learns how it ended, or that this is not known yet.
    fn write(&mut self, mut parts: Parts) -> Result<(), Passing> {
        let began = Instant::now();
        let transaction = self.writer.begin();
        let consumed: Vec<Consumed> = parts
            .iter()
            .map(|(partition, part)| {
                let checkpoint =
                    self.owned.get(partition).and_then(|owned| owned.commands.checkpoint.clone());
                let note = OffsetNote { transaction: transaction.clone(), checkpoint };
                Consumed { partition: *partition, next: part.next, metadata: note.to_string() }
            })
            .collect();
        if let Err(error) = self.send(&mut parts) {
            self.undo(parts);
            metrics().transactions.with_label_values(&["not_sent"]).inc();
            return Err(error.into());
        }
        // Fetched anew, and nothing is polled from here to the commit: every partition in it is owned and live
        // at this moment, or there would be no generation.
        let generation = match &self.member {
            Some(member) => member.generation(),
            None => Err(LogError::Unreachable { reason: "the lane is in no group at the moment".into() }),
        };
        let answer = match generation {
            Ok(generation) => {
                let transactor = self.writer.transactor(self.shared.log.as_ref());
                transactor.map_err(CommitError::from).and_then(|it| it.commit(&consumed, &generation))
            }
            Err(error) => {
                let aborted = self.writer.transactor(self.shared.log.as_ref()).and_then(|it| it.abort());
                if aborted.is_err() {
                    self.writer.give_up();
                }
                self.undo(parts);
                metrics().transactions.with_label_values(&["not_sent"]).inc();
                return Err(error.into());
            }
        };
        failpoint::hit(failpoint::AFTER_COMMIT);
        match answer {
            Ok(positions) => {
                metrics().transaction_seconds.observe(began.elapsed().as_secs_f64());
                metrics().transactions.with_label_values(&["committed"]).inc();
                self.writer.next_turn();
                self.committed(parts, &positions);
                Ok(())
            }
            Err(error) => {
                let ended = match &error {
                    CommitError::Aborted { .. } => "aborted",
                    CommitError::Fenced { .. } => "fenced",
                    CommitError::Unknown { .. } => "unknown",
                    CommitError::Fatal(_) => "failed",
                };
                metrics().transactions.with_label_values(&[ended]).inc();
                if !matches!(error, CommitError::Aborted { .. }) {
                    self.writer.give_up();
                }
                // Read back whatever was said: it costs one question, and rests on nobody's word.
                self.writer.doubt = Some(Doubt { transaction, consumed });
                self.undo(parts);
                Err(Passing { reason: error.to_string() })
            }
        }
    }

    /// Adds everything to the open transaction. A letter that does not fit is cut, and what was cut from it
    /// kept in the store first.
    fn send(&mut self, parts: &mut Parts) -> Result<(), LogError> {
        loop {
            failpoint::hit(failpoint::BEFORE_SEND);
            let log = self.shared.log.as_ref();
            let transactor = self.writer.transactor(log)?;
            let staged = parts.values().try_for_each(|part| {
                transactor.stage(part.decided.records())?;
                part.letters.iter().try_for_each(|letter| transactor.stage(slice::from_ref(letter.record())))
            });
            let error = match staged {
                Ok(()) => {
                    failpoint::hit(failpoint::AFTER_SEND);
                    return Ok(());
                }
                Err(error) => error,
            };
            if matches!(error, LogError::Fenced { .. }) || self.writer.transactor(log)?.abort().is_err() {
                self.writer.give_up();
            }
            let too_large = matches!(error, LogError::TooLarge { topic: Topic::DeadLetters, .. });
            if !too_large || !self.shorten(parts) {
                return Err(error);
            }
        }
    }

    /// Cuts every letter that can be cut. Gives whether any could.
    fn shorten(&mut self, parts: &mut Parts) -> bool {
        let mut any = false;
        for (partition, part) in parts {
            let Some(owned) = self.owned.get_mut(partition) else { continue };
            for letter in std::mem::take(&mut part.letters) {
                let letter = if letter.can_shorten() {
                    any = true;
                    letter.shorten(&mut |row| owned.projector.keep_dead(row))
                } else {
                    letter
                };
                part.letters.push(letter);
            }
            if let Err(error) = owned.projector.commit() {
                tracing::warn!(%partition, %error, "a malformed command that no letter can hold is not kept yet");
            }
        }
        any
    }

    fn committed(&mut self, parts: Parts, positions: &[Position]) {
        let mut from = 0;
        for (partition, part) in parts {
            let Part { decided, letters, next, due: _ } = part;
            let records = decided.records().len();
            let mine = positions.get(from..from + records).unwrap_or_default();
            from += records + letters.len();
            let Some(owned) = self.owned.get_mut(&partition) else { continue };
            let of_events = decided.records().iter().zip(mine).filter(|(r, _)| r.topic == Topic::Events);
            let newest = of_events.map(|(_, position)| position.offset).max();
            let state = &mut owned.commands;
            // What a read must have seen to see an outcome without events of its own: all it was decided on.
            let applied = owned.projector.next().0.checked_sub(1).map(crate::types::Offset);
            let mut seen = state.last_event.max(applied);
            decided.commit(&mut state.overlay, mine, |outcome, event_positions| {
                seen = seen.max(event_positions.last().map(|position| position.offset));
                let at_least = seen.map(|offset| Position { partition, offset });
                self.shared.callers.answer(outcome, event_positions, at_least);
                metrics().commands.with_label_values(&[code(&outcome.verdict)]).inc();
            });
            state.last_event = state.last_event.max(newest);
            state.next = next;
        }
    }

    /// As if nothing had been decided: the member brings it again.
    fn undo(&mut self, parts: Parts) {
        for (partition, part) in parts {
            let Some(owned) = self.owned.get_mut(&partition) else { continue };
            part.decided.undo(&mut owned.commands.overlay);
            part.due.into_iter().for_each(|due| owned.commands.expiries.push(due));
            self.rewind.insert(partition);
        }
    }

    /// Learns how the transaction in doubt has ended. Until that is known nothing is decided.
    pub(super) fn resolve(&mut self) -> Result<(), Passing> {
        let Some(doubt) = &self.writer.doubt else { return Ok(()) };
        let mine: Vec<Partition> = doubt
            .consumed
            .iter()
            .map(|consumed| consumed.partition)
            .filter(|partition| self.owned.contains_key(partition))
            .collect();
        let (transaction, consumed) = (doubt.transaction.clone(), doubt.consumed.clone());
        // The successor of a writer that was given up ends what that one had under way.
        self.writer.transactor(self.shared.log.as_ref())?;
        let found = match mine.is_empty() {
            true => Vec::new(),
            false => self.shared.log.committed(&self.shared.config.group, &mine)?,
        };
        let happened = found.iter().flatten().any(|found| {
            let note: OffsetNote = found.metadata.parse().unwrap_or_default();
            note.transaction == transaction
        });
        for partition in mine {
            let Some(owned) = self.owned.get_mut(&partition) else { continue };
            if happened {
                // Its events and outcomes are in the log and not in the overlay: they are read before anything
                // more is decided.
                owned.commands.behind = Some(Targets::now(&self.shared, partition)?);
                if let Some(consumed) = consumed.iter().find(|consumed| consumed.partition == partition) {
                    owned.commands.next = consumed.next;
                }
            }
            self.rewind.insert(partition);
        }
        tracing::info!(transaction, happened, "the outcome of a transaction in doubt is known");
        self.writer.doubt = None;
        Ok(())
    }

    /// Starts the member again where commands are to be delivered once more.
    pub(super) fn rewind(&mut self) -> Result<(), Passing> {
        let from: Vec<_> = self
            .rewind
            .iter()
            .filter_map(|partition| self.owned.get(partition))
            .filter(|owned| owned.decides())
            .map(|owned| (owned.partition, owned.commands.next))
            .collect();
        if let (Some(member), false) = (&mut self.member, from.is_empty()) {
            member.start(&from)?;
            for (partition, _) in &from {
                self.rewind.remove(partition);
            }
        }
        Ok(())
    }

    /// Stops the flow of commands while the overlays are full, and lets it go on at half of that.
    pub(super) fn heed_backpressure(&mut self) -> Result<(), Passing> {
        let bytes: usize = self.owned.values().map(|owned| owned.commands.overlay.bytes()).sum();
        metrics()
            .overlay_bytes
            .with_label_values(&[&self.identity.instance])
            .set(i64::try_from(bytes).unwrap_or(i64::MAX));
        let limit = self.shared.overlay_bytes();
        let all: Vec<_> = self.owned.keys().copied().collect();
        let Some(member) = &mut self.member else { return Ok(()) };
        if !self.full && bytes > limit {
            member.pause(&all)?;
            self.full = true;
            tracing::warn!(
                bytes,
                limit,
                "commands wait: what was committed is not delivered back fast enough"
            );
        } else if self.full && bytes < limit / 2 {
            member.resume(&all)?;
            self.full = false;
        }
        if self.full {
            let reason = "commands wait until the reader delivers what was committed: its share of memory.budget is taken";
            for owned in self.owned.values_mut() {
                owned.stall(&self.shared.registry, &reason.into());
            }
        }
        Ok(())
    }
}

/// The label of an outcome.
fn code(verdict: &crate::codec::result::Verdict) -> &str {
    match verdict {
        crate::codec::result::Verdict::Accepted { .. } => "ACCEPTED",
        crate::codec::result::Verdict::Rejected { code, .. } => code,
    }
}
