//! The rules of applying, one test or more for each: given events, when one more, then rows and effect.

mod expiries;
mod facts;
mod history;
mod levels;
mod model;
mod numbers;
mod others;
mod properties;
mod transfers;

use super::*;
use crate::domain::event::*;
use crate::domain::rows::*;
use crate::types::{Difference, UtcTime, Version};

const OURS: &str = "/inventory-store";
const THEIRS: &str = "/wms";

const CLEAN: Effect = Effect::Applied { gap: false, conflict: false, anomaly: false };
const ANOMALY: Effect = Effect::Applied { gap: false, conflict: false, anomaly: true };
const CONFLICT: Effect = Effect::Applied { gap: false, conflict: true, anomaly: false };
const GAP: Effect = Effect::Applied { gap: true, conflict: false, anomaly: false };

const STALE: Effect = Effect::StaleExpiry { gap: false };

fn quantity(units: u64) -> Quantity {
    Quantity::new(units).expect("a quantity")
}

fn time(text: &str) -> UtcTime {
    text.parse().expect("a time")
}

fn rules() -> Rules {
    Rules { own_source: OURS.into() }
}

/// Loads what the event touches as a store that has none of it would, and nothing else.
fn load_touched(aggregate: &mut Aggregate, event: &Event<'_>) {
    for (facet, id) in touched(event) {
        if !aggregate.is_loaded(facet, id) {
            aggregate.load(facet, id, None);
        }
    }
}

/// One SKU and what has happened to it so far.
struct Story {
    aggregate: Aggregate,
    offset: u64,
}

impl Story {
    fn new() -> Self {
        Self { aggregate: Aggregate::default(), offset: 0 }
    }

    /// Facts that happened without anything odd.
    fn given(facts: impl IntoIterator<Item = Fact<'static>>) -> Self {
        let mut story = Self::new();
        for fact in facts {
            assert_eq!(story.when(fact.clone()), CLEAN, "{fact:?}");
        }
        story
    }

    /// One more fact, of our own, in order and based on what there is.
    fn when(&mut self, fact: Fact<'static>) -> Effect {
        let event = self.ours(fact);
        self.event(&event)
    }

    fn event(&mut self, event: &Event<'_>) -> Effect {
        self.try_event(event).expect("an event that can be applied")
    }

    fn try_event(&mut self, event: &Event<'_>) -> Result<Effect, EvolveError> {
        load_touched(&mut self.aggregate, event);
        self.offset += 10;
        evolve(&rules(), &mut self.aggregate, event, Offset(self.offset), Timestamp(1_000))
    }

    fn ours(&self, fact: Fact<'static>) -> Event<'static> {
        let mut event = event(OURS, "ignored", fact);
        event.envelope.sequence = Some(self.stock().own_sequence + 1);
        event.envelope.based_on = Some(self.stock().version.0);
        event
    }

    fn stock(&self) -> &StockRow {
        &self.aggregate.stock
    }

    fn levels(&self) -> (u64, u64) {
        (self.stock().on_hand.units(), self.stock().allocated.units())
    }

    fn units(&self, facet: Facet, id: &str) -> Option<u64> {
        self.aggregate.entry(facet, id).map(|entry| entry.quantity().units())
    }

    fn statuses(&self) -> Vec<(&str, u64)> {
        self.stock().statuses.iter().map(|(name, units)| (&**name, units.units())).collect()
    }
}

fn event(source: &'static str, id: impl Into<String>, fact: Fact<'static>) -> Event<'static> {
    let envelope = Envelope {
        id: id.into().into(),
        source: source.into(),
        sku: "SKU-1".into(),
        time: None,
        sequence: None,
        based_on: None,
        causation_id: None,
        causation_source: None,
        correlation_id: None,
        trace_parent: None,
    };
    Event { envelope, fact }
}
