use std::ops::Range;

use rustc_hash::FxHashMap;

use super::Name;
use super::overlay::{Mark, Overlay};
use crate::codec::result::Outcome;
use crate::domain::event::Event;
use crate::types::{NewRecord, Position};

/// What a batch of one partition's commands came to: records for one transaction, and what follows from it
/// once it is known how that ended. Must be given to [`Self::commit`] or [`Self::undo`].
#[must_use = "the overlay holds rows with these events until they are committed or undone"]
#[derive(Default)]
pub struct Decided {
    /// Events and results, in order.
    pub(super) records: Vec<NewRecord>,
    pub(super) events: Vec<Made>,
    pub(super) outcomes: Vec<Found>,
    /// The first outcome under each name, by its place among the outcomes.
    firsts: FxHashMap<Name, usize>,
}

/// An event that was made.
pub(super) struct Made {
    pub event: Event<'static>,
    pub before: Mark,
    /// Its place among the records.
    pub record: usize,
}

/// An outcome that was found.
pub(super) struct Found {
    pub outcome: Outcome,
    /// It is the one that repeats of the command get.
    pub is_first: bool,
    /// The place of its result among the records.
    pub record: usize,
    /// Its events, by their place among the events.
    pub events: Range<usize>,
}

/// An outcome whose transaction is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    pub outcome: Outcome,
    pub event_positions: Vec<Position>,
}

impl Decided {
    /// The records to write, in this order. Empty where there is nothing to write.
    #[must_use]
    pub fn records(&self) -> &[NewRecord] {
        &self.records
    }

    /// The outcomes found, repeats and refusals included.
    pub fn outcomes(&self) -> impl Iterator<Item = &Outcome> {
        self.outcomes.iter().map(|found| &found.outcome)
    }

    /// The transaction is committed: `positions` are those of [`Self::records`], in that order. Gives each
    /// outcome and where its events stand.
    pub fn commit(self, overlay: &mut Overlay, positions: &[Position]) -> Vec<Answered> {
        let at = |record: usize| positions.get(record).copied();
        let answered = self
            .outcomes
            .iter()
            .map(|found| Answered {
                outcome: found.outcome.clone(),
                event_positions: self
                    .events
                    .get(found.events.clone())
                    .unwrap_or_default()
                    .iter()
                    .filter_map(|made| at(made.record))
                    .collect(),
            })
            .collect();
        let touched: Vec<Box<str>> = self.skus();
        for made in self.events {
            if let Some(position) = at(made.record) {
                overlay.add_event(made.event, made.before, position.offset);
            }
        }
        for found in self.outcomes.into_iter().filter(|found| found.is_first) {
            if let Some(position) = at(found.record) {
                overlay.add_outcome(found.outcome, position.offset);
            }
        }
        // What was only looked at has nothing to remember.
        for sku in touched {
            overlay.drop_idle(&sku);
        }
        answered
    }

    /// The transaction did not happen: as if nothing had been decided.
    pub fn undo(self, overlay: &mut Overlay) {
        for sku in self.skus() {
            overlay.forget(&sku);
        }
    }

    /// The first outcome under a name, where it was found in this batch.
    pub(super) fn first(&self, name: &Name) -> Option<&Outcome> {
        self.outcomes.get(*self.firsts.get(name)?).map(|found| &found.outcome)
    }

    pub(super) fn add(&mut self, found: Found) {
        if found.is_first {
            self.firsts.insert(Name::of(&found.outcome), self.outcomes.len());
        }
        self.outcomes.push(found);
    }

    fn skus(&self) -> Vec<Box<str>> {
        let events = self.events.iter().map(|made| made.event.envelope.sku.as_ref());
        let outcomes = self.outcomes.iter().map(|found| found.outcome.sku.as_str());
        events.chain(outcomes).map(Into::into).collect()
    }
}
