use std::ops::Range;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::Name;
use super::overlay::{Mark, Overlay, Place, Sum};
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
    firsts: FxHashMap<Arc<Name>, usize>,
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
    /// The command's name, where it is the one that repeats of the command get.
    pub first: Option<Arc<Name>>,
    /// The place of its result among the records.
    pub record: usize,
    /// Its events, by their place among the events.
    pub events: Range<usize>,
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

    /// The transaction is committed: `positions` are those of [`Self::records`], in that order. `answer` is
    /// told each outcome and where its events stand.
    pub fn commit(
        self,
        overlay: &mut Overlay,
        positions: &[Position],
        mut answer: impl FnMut(&Outcome, &[Position]),
    ) {
        let at = |record: usize| positions.get(record).copied();
        let mut of_events = Vec::new();
        for found in &self.outcomes {
            of_events.clear();
            let events = self.events.get(found.events.clone()).unwrap_or_default();
            of_events.extend(events.iter().filter_map(|made| at(made.record)));
            answer(&found.outcome, &of_events);
        }
        let place = |record: usize| {
            let sum = Sum::of(self.records.get(record)?);
            Some(Place { offset: at(record)?.offset, sum })
        };
        for made in self.events {
            if let Some(place) = place(made.record) {
                overlay.add_event(made.event, made.before, place);
            }
        }
        for found in self.outcomes {
            // What was only looked at has nothing to remember.
            overlay.drop_idle(found.outcome.sku.as_str());
            if let Some(name) = found.first
                && let Some(place) = place(found.record)
            {
                overlay.add_outcome(name, found.outcome, place);
            }
        }
    }

    /// The transaction did not happen: as if nothing had been decided.
    pub fn undo(self, overlay: &mut Overlay) {
        for made in &self.events {
            overlay.forget(&made.event.envelope.sku);
        }
        for found in &self.outcomes {
            overlay.forget(found.outcome.sku.as_str());
        }
    }

    /// The first outcome under a name, where it was found in this batch.
    pub(super) fn first(&self, name: &Name) -> Option<&Outcome> {
        self.outcomes.get(*self.firsts.get(name)?).map(|found| &found.outcome)
    }

    pub(super) fn add(&mut self, found: Found) {
        if let Some(name) = &found.first {
            self.firsts.insert(Arc::clone(name), self.outcomes.len());
        }
        self.outcomes.push(found);
    }
}
