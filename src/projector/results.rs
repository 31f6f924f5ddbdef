//! Folding results: outcomes go into the store, the first under a name stays.

use std::borrow::Cow;

use super::ProjectError;
use super::fold::Projector;
use crate::codec::event::{Malformed, Reason};
use crate::codec::result::{self, Outcome, Verdict};
use crate::codec::rows::outcome_key;
use crate::domain::command::RefusalCode;
use crate::store::{DeadRow, Expiring};
use crate::types::{NextOffset, Offset, Record, Timestamp, partition_of};

impl Projector {
    /// The next result to fold; at or ahead of what is written.
    #[must_use]
    pub fn next_result(&self) -> NextOffset {
        self.progress.next_results
    }

    /// The last result folded, where one was since the store was opened.
    #[must_use]
    pub fn last_result(&self) -> Option<Offset> {
        self.last_result
    }

    /// Folds records of the results topic, all of this partition, offsets rising. Records below
    /// [`Self::next_result`] were folded before and are passed over. `known` gives the outcome that a record is,
    /// just as decoding it would, where it need not be decoded; `heard` is told each outcome.
    ///
    /// # Errors
    /// The store cannot be read. This projector is of no more use then; what is written stays sound.
    pub fn fold_results<'a, 'k>(
        &mut self,
        records: impl Iterator<Item = Record<'a>>,
        known: impl Fn(&Record<'a>) -> Option<&'k Outcome>,
        heard: &mut dyn FnMut(&Outcome),
    ) -> Result<(), ProjectError> {
        debug_assert!(!self.staged, "a failed write is repeated before anything else is folded");
        for record in records {
            if self.progress.next_results.is_past(record.offset) {
                continue;
            }
            self.unwritten += 1;
            let known = if self.is_read(&record) { known(&record) } else { None };
            let read = match known {
                Some(outcome) => {
                    debug_assert_eq!(self.read_result(&record).as_ref(), Ok(outcome));
                    Ok(Cow::Borrowed(outcome))
                }
                None => self.read_result(&record).map(Cow::Owned),
            };
            match read {
                Ok(outcome) => {
                    self.keep(&outcome, record.timestamp)?;
                    let next = outcome.command_position.offset.next();
                    self.progress.next_commands = self.progress.next_commands.max(next);
                    heard(&outcome);
                }
                // Only this store writes results, so nobody can put it right by sending it again; the record
                // stays where it is, and is told.
                Err(malformed) => {
                    let reason = malformed.reason.name();
                    *self.progress.counters.malformed.entry(format!("result_{reason}")).or_default() += 1;
                    tracing::warn!(
                        topic = %record.topic, position = %record.position(), reason,
                        detail = malformed.detail,
                        "a record of the results topic is no result, and is passed over"
                    );
                }
            }
            self.progress.next_results = record.offset.next();
            self.last_result = Some(record.offset);
        }
        Ok(())
    }

    /// Moves the position on results to `next`, as [`Projector::pass`] does on events.
    pub fn pass_results(&mut self, next: NextOffset) {
        self.progress.next_results = self.progress.next_results.max(next);
    }

    /// Entries that end by themselves, as the writes since the last call left them. Kept only once
    /// [`Self::watch_expiring`] was called.
    pub fn take_expiring(&mut self) -> Vec<Expiring> {
        self.working.expiring.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// From now on [`Self::take_expiring`] is told what changes, and must be called after each commit.
    pub fn watch_expiring(&mut self) {
        self.working.expiring.get_or_insert_default();
    }

    /// Keeps a malformed command that no letter can hold, with the next commit.
    pub fn keep_dead(&mut self, row: DeadRow) {
        self.changes.add_dead(row);
    }

    fn read_result(&self, record: &Record<'_>) -> Result<Outcome, Malformed> {
        let outcome =
            result::decode(record.key, record.value, record.headers, self.settings.max_record_bytes)?;
        let belongs = partition_of(outcome.sku.as_str(), self.store.meta().identity.partition_count);
        if belongs != self.partition || outcome.command_position.partition != self.partition {
            let detail = format!("SKU {:?} belongs to partition {belongs}", outcome.sku.as_str());
            return Err(Malformed::new(Reason::WrongPartition, detail));
        }
        Ok(outcome)
    }

    /// Stages the outcome, where there is none in the window under its name.
    fn keep(&mut self, outcome: &Outcome, time: Timestamp) -> Result<(), ProjectError> {
        let oldest = Timestamp(time.0.saturating_sub(self.settings.dedupe_window_ms));
        self.changes.drop_outcomes_before(oldest);
        // What is refused for its name is not the outcome of that name.
        if matches!(&outcome.verdict, Verdict::Rejected { code, .. } if **code == *RefusalCode::CommandIdReused.name())
        {
            return Ok(());
        }
        let (sku, source, id) = (&outcome.sku, &*outcome.command_source, &*outcome.command_id);
        let key = outcome_key(sku, source, id);
        if !self.unwritten_outcomes.contains(&key)
            && self.store.outcome(sku, source, id)?.is_none_or(|kept| kept.time < oldest)
        {
            self.changes.put_outcome(outcome, time);
            self.unwritten_outcomes.insert(key);
        }
        Ok(())
    }
}
