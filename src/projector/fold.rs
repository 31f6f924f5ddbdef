use rustc_hash::FxHashSet;

use super::at_hand::WorkingSku;
use super::fingerprint::fingerprint;
use super::letters::{DeadLetters, Outbox};
use super::notices::{Notices, correlation_id, log_oddity};
use super::working::Working;
use super::{ProjectError, ProjectorSettings};
use crate::codec::event::{Decoded, Malformed, Reason, decode};
use crate::codec::rows::HistoryItem;
use crate::codec::rows::meta::Progress;
use crate::domain::event::Event;
use crate::domain::rows::{Entry, Facet, StockRow};
use crate::domain::{Effect, EvolveError};
use crate::store::{Changes, StoreError, StoreWriter};
use crate::types::{NextOffset, Offset, Partition, Record, Timestamp, partition_of};

/// Letters waiting in memory beyond this many bytes ask for a commit.
const MAX_OUTBOX: usize = 4 << 20;

/// How a projector writes. Rows, digest and position are the same either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Each batch at once, with history.
    Live,
    /// As much as memory holds in one sorted file, without history.
    Bulk,
}

/// Folds one partition's records into its store. The store's single writer.
pub struct Projector {
    pub(super) store: StoreWriter,
    pub(super) partition: Partition,
    pub(super) settings: ProjectorSettings,
    letters: DeadLetters,
    mode: Mode,
    /// Bytes that rows and staged changes may take.
    memory: usize,
    pub(super) working: Working,
    pub(super) changes: Changes,
    outbox: Outbox,
    notices: Notices,
    /// How far the fold is; at or ahead of what is written.
    pub(super) progress: Progress,
    /// Records folded since the last write.
    pub(super) unwritten: u64,
    /// Hashed names of the outcomes staged since the last write.
    pub(super) unwritten_outcomes: FxHashSet<[u8; 16]>,
    /// The last result folded since the store was opened.
    pub(super) last_result: Option<Offset>,
    /// Everything is staged in `changes`, and the write has not succeeded yet.
    pub(super) staged: bool,
}

impl Projector {
    /// Goes on where `store` is, in live mode. `memory` bounds what is folded and not yet written, in bytes.
    #[must_use]
    pub fn new(store: StoreWriter, settings: ProjectorSettings, letters: DeadLetters, memory: usize) -> Self {
        let progress = store.progress().clone();
        Self {
            partition: store.meta().identity.partition,
            settings,
            letters,
            mode: Mode::Live,
            memory,
            working: Working::default(),
            changes: Changes::new(progress.clone()),
            outbox: Outbox::default(),
            notices: Notices::default(),
            progress,
            unwritten: 0,
            unwritten_outcomes: FxHashSet::default(),
            last_result: None,
            staged: false,
            store,
        }
    }

    /// The store as of the last write.
    #[must_use]
    pub fn store(&self) -> &StoreWriter {
        &self.store
    }

    /// For snapshot cycles, which touch nothing that is folded.
    pub fn store_mut(&mut self) -> &mut StoreWriter {
        &mut self.store
    }

    /// The SKU's own row as of the last write, from memory where it is at hand.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn stock(&self, sku: &str) -> Result<Option<StockRow>, StoreError> {
        match self.written(sku) {
            Some(at_hand) => Ok(at_hand.stored_stock().cloned()),
            None => Ok(self.store.load_stock(sku)?.map(|loaded| loaded.row)),
        }
    }

    /// An entry, as [`Self::stock`].
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn entry(&self, sku: &str, facet: Facet, id: &str) -> Result<Option<Entry>, StoreError> {
        match self.written(sku).filter(|at_hand| at_hand.knows(facet, id)) {
            Some(at_hand) => Ok(at_hand.aggregate.entry(facet, id).cloned()),
            None => Ok(self.store.load_entry(sku, facet, id)?.map(|loaded| loaded.row)),
        }
    }

    /// What is at hand of a SKU, where it is what the store has.
    fn written(&self, sku: &str) -> Option<&WorkingSku> {
        if self.unwritten == 0 { self.working.at_hand(sku) } else { None }
    }

    /// The next record to fold; at or ahead of what is written.
    #[must_use]
    pub fn next(&self) -> NextOffset {
        self.progress.next
    }

    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Records folded since the last write.
    #[must_use]
    pub fn unwritten(&self) -> u64 {
        self.unwritten
    }

    /// Changes how later records are written. What was folded before is written first.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub fn set_mode(&mut self, mode: Mode) -> Result<(), ProjectError> {
        if mode != self.mode {
            self.commit()?;
            self.mode = mode;
        }
        Ok(())
    }

    /// Whether what is held takes all the memory it may: commit before folding on.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.staged
            || self.outbox.bytes() > MAX_OUTBOX
            || self.working.bytes() + self.changes.bytes() > self.memory
    }

    /// Folds records of the events topic, all of this partition, offsets rising. Records below
    /// [`Self::next`] were folded before and are passed over.
    ///
    /// # Errors
    /// The store cannot be read. This projector is of no more use then; what is written stays sound.
    pub fn fold<'a>(&mut self, records: impl Iterator<Item = Record<'a>>) -> Result<(), ProjectError> {
        self.fold_known(records, |_| None)
    }

    /// The same where some records need not be decoded: `known` gives the event that one is, just as decoding it
    /// would.
    ///
    /// # Errors
    /// As [`Self::fold`].
    pub fn fold_known<'a, 'k>(
        &mut self,
        records: impl Iterator<Item = Record<'a>>,
        known: impl Fn(&Record<'a>) -> Option<&'k Event<'static>>,
    ) -> Result<(), ProjectError> {
        debug_assert!(!self.staged, "a failed write is repeated before anything else is folded");
        let mut last = None;
        for record in records {
            debug_assert_eq!(record.partition, self.partition);
            if self.progress.next.is_past(record.offset) {
                continue;
            }
            let known = if self.is_read(&record) { known(&record) } else { None };
            self.fold_one(&record, known)?;
            last = Some(record);
        }
        // One checksum for the batch: only the last record read is ever recognised again.
        if let Some(record) = last {
            self.progress.fingerprint = Some(fingerprint(&record));
        }
        Ok(())
    }

    /// Moves the position to `next` over offsets that hold no record: control records, or what was aborted.
    pub fn pass(&mut self, next: NextOffset) {
        if next > self.progress.next {
            self.progress.next = next;
        }
    }

    /// Whether a record is small enough for the decoder: one that is not, is malformed though it is known.
    pub(super) fn is_read(&self, record: &Record<'_>) -> bool {
        record.value.is_some_and(|value| value.len() <= self.settings.max_record_bytes)
    }

    fn fold_one(&mut self, record: &Record<'_>, known: Option<&Event<'static>>) -> Result<(), ProjectError> {
        self.unwritten += 1;
        let log_time = self.progress.log_time.map_or(record.timestamp, |time| time.max(record.timestamp));
        self.progress.log_time = Some(log_time);
        let decoded = || decode(record.key, record.value, record.headers, self.settings.max_record_bytes);
        if let Some(event) = known {
            debug_assert_eq!(decoded(), Ok(Decoded::Event(event.clone())), "at {}", record.position());
            self.take(event, record, log_time)?;
        } else {
            match decoded() {
                Ok(Decoded::Event(event)) => self.take(&event, record, log_time)?,
                Ok(Decoded::Unknown { event_type }) => {
                    self.progress.counters.unknown_types += 1;
                    tracing::debug!(position = %record.position(), %event_type, correlation_id = correlation_id(record), "event of an unknown type passed over");
                }
                Err(malformed) => self.put_aside(record, &malformed),
            }
        }
        self.progress.next = record.offset.next();
        Ok(())
    }

    fn take(
        &mut self,
        event: &Event<'_>,
        record: &Record<'_>,
        log_time: Timestamp,
    ) -> Result<(), ProjectError> {
        if crate::failpoint::is_set(crate::failpoint::LOSE_EVENT) {
            return Ok(());
        }
        self.apply(event, record, log_time)
    }

    fn apply(
        &mut self,
        event: &Event<'_>,
        record: &Record<'_>,
        log_time: Timestamp,
    ) -> Result<(), ProjectError> {
        let sku = event.envelope.sku.as_ref();
        let at = match self.working.find(sku) {
            Some(at) => at,
            None => {
                // Whatever is at hand was found to belong here when it was loaded.
                let belongs = partition_of(sku, self.store.meta().identity.partition_count);
                if belongs != self.partition {
                    let detail = format!(
                        "SKU {sku:?} belongs to partition {belongs}, the record is on {}",
                        self.partition
                    );
                    self.put_aside(record, &Malformed::new(Reason::WrongPartition, detail));
                    return Ok(());
                }
                self.working.load(sku, &self.store)?
            }
        };
        if self.working.has_seen(at, record.offset) {
            // Restored rows may be of a later cycle than the position: they hold this event already.
            return Ok(());
        }
        match self.working.apply(at, &self.settings.rules, event, record, &self.store)? {
            Ok((effect, working)) => {
                let counters = &mut self.progress.counters;
                if let Effect::Applied { gap: true, .. } | Effect::StaleExpiry { gap: true } = effect {
                    counters.gaps += 1;
                    self.notices.gap(record, event);
                }
                log_oddity(record, event, effect);
                match effect {
                    Effect::Applied { gap: _, conflict, anomaly } => {
                        counters.applied += 1;
                        counters.skus += u64::from(working.aggregate.stock.version.0 == 1);
                        counters.conflicts += u64::from(conflict);
                        counters.anomalies += u64::from(anomaly);
                        if self.mode == Mode::Live {
                            let item = history_item(event, record, log_time, &working.aggregate.stock);
                            if let Some(item) = item {
                                self.changes.add_history(sku, &item);
                            }
                        }
                    }
                    Effect::Duplicate => counters.duplicates += 1,
                    Effect::StaleExpiry { gap: _ } => counters.stale_expiries += 1,
                }
            }
            Err(error @ EvolveError::Overflow { .. }) => {
                self.put_aside(record, &Malformed::new(Reason::Overflow, error.to_string()));
            }
            Err(error @ EvolveError::NotLoaded { .. }) => {
                return Err(ProjectError::Evolve { position: record.position(), source: error });
            }
        }
        Ok(())
    }

    fn put_aside(&mut self, record: &Record<'_>, malformed: &Malformed) {
        *self.progress.counters.malformed.entry(malformed.reason.name().to_owned()).or_default() += 1;
        if self.progress.dead_letter_mark.is_past(record.offset) {
            return;
        }
        if let DeadLetters::Publish { partitions, .. } = &self.letters {
            self.notices.malformed(record, malformed);
            self.outbox.add(record, malformed, *partitions);
        }
    }

    /// Puts the malformed records folded so far into the dead letters, acknowledged. Gives whether there were
    /// any. [`Self::commit`] does it too.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub fn send_letters(&mut self) -> Result<bool, ProjectError> {
        let DeadLetters::Publish { appender, .. } = &self.letters else { return Ok(false) };
        let any = !self.outbox.is_empty();
        let changes = &mut self.changes;
        self.outbox
            .send(appender.as_ref(), &mut |row| changes.add_dead(row))
            .map_err(|source| ProjectError::DeadLetters { partition: self.partition, source })?;
        self.progress.dead_letter_mark = self.progress.dead_letter_mark.max(self.progress.next);
        Ok(any)
    }

    /// Logs what there is to tell of malformed and missing records, at most once a second.
    pub fn tell(&mut self, now: Timestamp) {
        self.notices.tell(self.partition, now);
    }

    /// Writes everything folded so far. Gives whether there was anything.
    ///
    /// The order holds invariant 7: letters are acknowledged first; then rows, digest, counters and position
    /// go in at once. A crash between the two writes a letter twice, never none.
    ///
    /// # Errors
    /// Nothing was written. Where [`ProjectError::is_retriable`], calling it again goes on where it failed.
    pub fn commit(&mut self) -> Result<bool, ProjectError> {
        self.send_letters()?;
        if !self.staged {
            if self.progress == *self.store.progress() && self.changes.is_empty() {
                return Ok(false);
            }
            let cycle = (self.mode == Mode::Live).then(|| self.store.meta().cycle);
            self.working.stage(&mut self.changes, cycle);
            self.changes.progress = self.progress.clone();
            self.staged = true;
        }
        match self.mode {
            Mode::Live => self.store.commit(&self.changes)?,
            Mode::Bulk => self.store.ingest(&self.changes)?,
        }
        self.changes.clear(self.progress.clone());
        self.staged = false;
        self.unwritten = 0;
        self.unwritten_outcomes.clear();
        self.working.make_room(self.memory);
        Ok(true)
    }

    /// Writes what is folded, flushes and closes the store.
    ///
    /// # Errors
    /// As [`Self::commit`]; what was written before stays.
    pub fn close(mut self) -> Result<(), ProjectError> {
        self.commit()?;
        self.notices.tell_rest(self.partition);
        Ok(self.store.close()?)
    }

    /// The store as of the last write, for another projector; what was folded since is let go of, and folded
    /// again there.
    #[must_use]
    pub fn into_store(mut self) -> StoreWriter {
        self.notices.tell_rest(self.partition);
        self.store
    }
}

fn history_item(
    event: &Event<'_>,
    record: &Record<'_>,
    log_time: Timestamp,
    stock: &StockRow,
) -> Option<HistoryItem> {
    // The event that was just applied is the row's last one.
    let time = stock.last?.time;
    Some(HistoryItem {
        offset: record.offset,
        log_time,
        time,
        event_type: event.fact.type_name().into(),
        event_id: event.envelope.id.as_ref().into(),
        correlation_id: event.envelope.correlation_id.as_deref().map(Into::into),
        version: stock.version,
        numbers: stock.numbers(),
    })
}
