//! The snapshot part of a step: one chunk of one partition's cycle, in a transaction of its own, strictly
//! between the others.
//!
//! It carries the group's unchanged position of its partition, and with it the generation: a stale owner's is
//! refused. Where its end is not known it is read back like any other transaction's, from the position's note,
//! which names the checkpoint once that is in.

use std::time::{Duration, Instant};

use super::note::{NotedCheckpoint, OffsetNote};
use super::on_demand::Cycle;
use super::owned::Owned;
use super::registry::Registry;
use super::step::Lane;
use super::writer::Doubt;
use crate::codec::rows::meta::{CheckpointMark, Meta};
use crate::failpoint;
use crate::log::{CommitError, Consumed, LogError};
use crate::metrics::metrics;
use crate::snapshots::topic::Reading;
use crate::snapshots::{Chunk, Publication, Step};
use crate::types::{NextOffset, Partition, Timestamp};

/// After a cycle that failed, the next begins no sooner.
const AGAIN_MS: i64 = 30_000;

/// A partition's snapshots.
#[derive(Default)]
pub(super) struct Snapshots {
    publication: Option<Publication>,
    /// One that was cut off, and whose thread may still hold the store open.
    ending: Option<Publication>,
    /// Ready to be written once the rate allows.
    ready: Option<Chunk>,
    /// A checkpoint whose transaction's end was not known.
    in_doubt: Option<CheckpointMark>,
    /// When the last cycle ended, or the partition came.
    since: Option<Timestamp>,
    /// No cycle begins before.
    not_before: Option<Timestamp>,
    /// Somebody waits for the one under way.
    asked: bool,
    /// What of the one under way is written.
    written: Written,
    /// What the registry shows of it.
    shown: Option<u64>,
}

/// What of a cycle is written.
#[derive(Clone, Copy, Default)]
struct Written {
    rows: u64,
    tombstones: u64,
    bytes: u64,
}

impl Snapshots {
    fn count(&mut self, rows: u64, tombstones: u64, bytes: usize) {
        self.written.rows += rows;
        self.written.tombstones += tombstones;
        self.written.bytes += bytes as u64;
    }
}

impl Lane {
    /// Begins cycles that are due, and writes one chunk of one that is under way.
    pub(super) fn publish_snapshots(&mut self, now: Timestamp) {
        if !self.shared.settings.snapshots.enabled || self.writer.doubt.is_some() || self.member.is_none() {
            return;
        }
        let publishing: Vec<Partition> = self.publishing();
        for partition in &publishing {
            self.settle_doubt(*partition);
            self.begin_due(*partition, now);
        }
        if !self.pace.allows(now, self.shared.settings.snapshots.bytes_per_second) {
            return;
        }
        // The one after the last, so that each has its turn.
        let behind = publishing.iter().copied().filter(|p| Some(*p) > self.published_last);
        let turn: Vec<_> = behind.chain(publishing.iter().copied()).collect();
        for partition in turn {
            if self.write_chunk(partition, now) {
                self.published_last = Some(partition);
                return;
            }
        }
    }

    fn publishing(&self) -> Vec<Partition> {
        let can =
            |(partition, owned): &(&Partition, &Owned)| owned.decides() && !self.rewind.contains(partition);
        self.owned.iter().filter(can).map(|(partition, _)| *partition).collect()
    }

    /// What became of a checkpoint whose transaction's end was not known: the group's position says so.
    fn settle_doubt(&mut self, partition: Partition) {
        let Some(owned) = self.owned.get_mut(&partition) else { return };
        let Some(mark) = owned.snapshots.in_doubt else { return };
        let note = match self.shared.log.committed(&self.shared.config.group, &[partition]) {
            Ok(found) => found.into_iter().next().flatten().map(|found| found.metadata).unwrap_or_default(),
            Err(error) => {
                tracing::warn!(%partition, %error, "whether a snapshot is complete cannot be asked yet");
                return;
            }
        };
        let note: OffsetNote = note.parse().unwrap_or_default();
        owned.snapshots.in_doubt = None;
        if note.checkpoint.as_ref().is_some_and(|found| found.cycle == mark.cycle) {
            owned.commands.checkpoint = note.checkpoint;
            finish(&self.shared.registry, owned, mark);
        } else {
            cut(owned);
        }
    }

    fn begin_due(&mut self, partition: Partition, now: Timestamp) {
        let settings = &self.shared.settings.snapshots;
        let asked = self.shared.registry.take_snapshot_request(partition);
        let Some(owned) = self.owned.get_mut(&partition) else { return };
        let meta = owned.projector.store().meta();
        let last = meta.last_checkpoint.map_or(meta.identity.begins, |mark| mark.next);
        let events = meta.progress.next.0.saturating_sub(last.0);
        let snapshots = &mut owned.snapshots;
        let since = *snapshots.since.get_or_insert(now);
        let waited = u64::try_from(now.0.saturating_sub(since.0) / 1000).unwrap_or(0);
        if snapshots.ending.as_ref().is_some_and(Publication::has_ended) {
            snapshots.ending = None;
        }
        let idle =
            snapshots.publication.is_none() && snapshots.ending.is_none() && snapshots.in_doubt.is_none();
        // One that was asked for and cut off is still waited for.
        let wanted = asked || (idle && snapshots.asked);
        let due = wanted
            || owes_baseline(meta)
            || events >= settings.every_events
            || (events > 0 && waited >= settings.every_seconds);
        let may = snapshots.not_before.is_none_or(|at| now >= at);
        if due && idle && may {
            snapshots.asked = wanted;
            self.begin_cycle(partition, now);
        } else if asked {
            // The one under way shows an older position: the next one then.
            self.shared.registry.request_snapshot(partition);
        }
    }

    fn begin_cycle(&mut self, partition: Partition, now: Timestamp) {
        let settings = &self.shared.settings.snapshots;
        let reading = Reading {
            scratch: self.shared.stores.scratch(partition),
            memory: settings.read_memory.min(self.shared.fold_bytes().max(1 << 20)),
            patience: Duration::from_secs(settings.patience_seconds),
        };
        let chunk_bytes = settings.chunk_bytes;
        let Some(owned) = self.owned.get_mut(&partition) else { return };
        match Publication::start(&self.shared.log, owned.projector.store_mut(), &reading, chunk_bytes) {
            Ok(publication) => {
                owned.snapshots.publication = Some(publication);
                owned.snapshots.written = Written::default();
            }
            Err(error) => {
                again_later(&self.shared.registry, owned, now, &error.to_string());
                tracing::warn!(%partition, %error, "a snapshot cannot begin; trying again");
            }
        }
    }

    /// Writes the next chunk of the partition's cycle, where one is ready. Gives whether it did, or tried.
    fn write_chunk(&mut self, partition: Partition, now: Timestamp) -> bool {
        let Some(owned) = self.owned.get_mut(&partition) else { return false };
        if owned.snapshots.ready.is_none() {
            let Some(publication) = &mut owned.snapshots.publication else { return false };
            let stepped = publication.step(owned.projector.store_mut());
            let reached = publication.done().saturating_add(owned.snapshots.written.bytes);
            let shown = &mut owned.snapshots.shown;
            if *shown != Some(reached) {
                *shown = Some(reached);
                self.shared.registry.update(partition, |status| status.publishing = Some(reached));
            }
            match stepped {
                Ok(Step::Waiting) => return false,
                Ok(Step::Chunk(chunk)) => owned.snapshots.ready = Some(chunk),
                Err(error) => {
                    tracing::warn!(%partition, %error, "a snapshot was cut off; a later one carries its rows");
                    again_later(&self.shared.registry, owned, now, &error.to_string());
                    metrics().snapshot_cycles.with_label_values(&["failed"]).inc();
                    cut(owned);
                    return true;
                }
            }
        }
        let Some(chunk) = owned.snapshots.ready.take() else { return false };
        let next = owned.commands.next;
        let checkpoint = match chunk.checkpoint {
            Some(mark) => {
                Some(NotedCheckpoint { cycle: mark.cycle, instance: self.shared.config.instance.clone() })
            }
            None => owned.commands.checkpoint.clone(),
        };
        self.pace.owed += chunk.bytes as f64;
        let (rows, tombstones, bytes, mark) = (chunk.rows, chunk.tombstones, chunk.bytes, chunk.checkpoint);
        let sent = self.send_chunk(partition, chunk, next, checkpoint.clone());
        let Some(owned) = self.owned.get_mut(&partition) else { return true };
        match sent {
            Ok(()) => {
                metrics().snapshot_records.inc_by(rows + tombstones);
                metrics().snapshot_bytes.inc_by(bytes as u64);
                owned.snapshots.count(rows, tombstones, bytes);
                if let Some(mark) = mark {
                    owned.commands.checkpoint = checkpoint;
                    owned.snapshots.since = Some(now);
                    finish(&self.shared.registry, owned, mark);
                }
            }
            Err(error) => {
                tracing::warn!(%partition, %error, "a snapshot was cut off; a later one carries its rows");
                again_later(&self.shared.registry, owned, now, &error.to_string());
                metrics().snapshot_cycles.with_label_values(&["failed"]).inc();
                owned.snapshots.publication = None;
                match mark {
                    // Whether it is in is read back.
                    Some(mark) => {
                        owned.snapshots.count(rows, tombstones, bytes);
                        owned.snapshots.in_doubt = Some(mark);
                    }
                    None => cut(owned),
                }
            }
        }
        true
    }

    fn send_chunk(
        &mut self,
        partition: Partition,
        chunk: Chunk,
        next: NextOffset,
        checkpoint: Option<NotedCheckpoint>,
    ) -> Result<(), CommitError> {
        let is_last = chunk.checkpoint.is_some();
        let transaction = self.writer.begin();
        let note = OffsetNote { transaction: transaction.clone(), checkpoint };
        let consumed = vec![Consumed { partition, next, metadata: note.to_string() }];
        let log = self.shared.log.as_ref();
        if let Err(error) = self.writer.transactor(log).and_then(|it| it.stage(&chunk.records)) {
            let aborted = self.writer.transactor(log).and_then(|it| it.abort());
            if aborted.is_err() {
                self.writer.give_up();
            }
            return Err(CommitError::Aborted { reason: error.to_string() });
        }
        failpoint::hit(failpoint::SNAPSHOT_BEFORE_COMMIT);
        if is_last {
            failpoint::hit(failpoint::CHECKPOINT_BEFORE_COMMIT);
        }
        let generation = match &self.member {
            Some(member) => member.generation(),
            None => Err(LogError::Unreachable { reason: "the lane is in no group at the moment".into() }),
        };
        let answer = match generation {
            Ok(generation) => {
                let transactor = self.writer.transactor(log);
                transactor.map_err(CommitError::from).and_then(|it| it.commit(&consumed, &generation))
            }
            Err(error) => {
                let aborted = self.writer.transactor(log).and_then(|it| it.abort());
                if aborted.is_err() {
                    self.writer.give_up();
                }
                return Err(CommitError::Aborted { reason: error.to_string() });
            }
        };
        failpoint::hit(failpoint::SNAPSHOT_AFTER_COMMIT);
        if is_last {
            failpoint::hit(failpoint::CHECKPOINT_AFTER_COMMIT);
        }
        match answer {
            Ok(_) => {
                self.writer.next_turn();
                Ok(())
            }
            Err(error) => {
                if !matches!(error, CommitError::Aborted { .. }) {
                    self.writer.give_up();
                }
                self.writer.doubt = Some(Doubt { transaction, consumed });
                Err(error)
            }
        }
    }

    /// A last cycle of every partition that has moved since its checkpoint, while there is time for it.
    pub(super) fn publish_last(&mut self) {
        let settings = &self.shared.settings.snapshots;
        if !settings.enabled || !settings.at_shutdown || self.writer.doubt.is_some() || self.member.is_none()
        {
            return;
        }
        let deadline = Instant::now() + Duration::from_secs(settings.shutdown_seconds);
        let now = Timestamp(i64::MAX);
        for partition in self.publishing() {
            let Some(owned) = self.owned.get(&partition) else { continue };
            let meta = owned.projector.store().meta();
            let moved = owes_baseline(meta)
                || meta.last_checkpoint.is_none_or(|mark| mark.next != meta.progress.next);
            let idle = owned.snapshots.publication.is_none() && owned.snapshots.in_doubt.is_none();
            if moved && idle {
                self.begin_cycle(partition, now);
            }
            while self.owned.get(&partition).is_some_and(|owned| owned.snapshots.publication.is_some())
                && self.writer.doubt.is_none()
            {
                if Instant::now() >= deadline {
                    tracing::warn!(%partition, "the last snapshot was cut off: snapshot.shutdown_seconds are over");
                    return;
                }
                if !self.write_chunk(partition, now) {
                    std::thread::park_timeout(Duration::from_millis(1));
                }
            }
        }
    }
}

/// What the topic holds may not be what is here: another generation is served now than the one published last.
fn owes_baseline(meta: &Meta) -> bool {
    meta.baseline && meta.last_checkpoint.is_some()
}

impl Snapshots {
    /// What was cut off and has not ended, for whoever closes the store.
    pub(super) fn take_ending(&mut self) -> Option<Publication> {
        self.ending.take()
    }

    /// Whether a checkpoint may be in the topic that the store does not know of yet.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.in_doubt.is_some()
    }
}

/// Lets go of a cycle under way, before the store goes elsewhere: its thread holds the store open.
pub(super) fn cut(owned: &mut Owned) {
    cut_soon(owned);
    owned.snapshots.ending = None;
}

/// The same without waiting for the thread: for a store that stays.
pub(super) fn cut_soon(owned: &mut Owned) {
    if let Some(mut publication) = owned.snapshots.publication.take() {
        publication.end();
        owned.snapshots.ending = Some(publication);
    }
    owned.snapshots.ready = None;
    if owned.snapshots.in_doubt.is_some() {
        // The note tells whoever takes the store up next.
        return;
    }
    if let Err(error) = owned.projector.store_mut().cut_cycle() {
        tracing::warn!(partition = %owned.partition, %error, "the note of a cycle that was cut off stays; it is harmless");
    }
}

/// The cycle did not come to its end: the next begins a little later, for whoever waits for one too.
fn again_later(registry: &Registry, owned: &mut Owned, now: Timestamp, why: &str) {
    owned.snapshots.not_before = Some(Timestamp(now.0.saturating_add(AGAIN_MS)));
    registry.update(owned.partition, |status| {
        status.publishing = None;
        status.snapshot_trouble = Some(why.into());
    });
}

fn finish(registry: &Registry, owned: &mut Owned, mark: CheckpointMark) {
    owned.snapshots.publication = None;
    owned.snapshots.asked = false;
    owned.snapshots.shown = None;
    owned.show_again();
    let partition = owned.partition;
    let Written { rows, tombstones, bytes } = owned.snapshots.written;
    let done = Cycle { cycle: mark.cycle, next: mark.next, rows, tombstones, bytes };
    registry.update(partition, |status| {
        status.last_cycle = Some(done);
        status.publishing = None;
        status.snapshot_trouble = None;
    });
    match owned.projector.store_mut().finish_cycle(mark.cycle) {
        Ok(()) => {
            metrics().snapshot_cycles.with_label_values(&["complete"]).inc();
            tracing::info!(%partition, cycle = mark.cycle, next = %mark.next, "snapshot complete");
        }
        Err(error) => {
            // Met again at the next start, by the note.
            tracing::warn!(%partition, %error, "a snapshot is complete and its marks are still there");
        }
    }
}
