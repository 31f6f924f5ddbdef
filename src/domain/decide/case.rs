use super::super::aggregate::Aggregate;
use super::super::command::{Refusal, RefusalCode};
use super::super::event::Fact;
use super::super::rows::{Entry, Facet, StockRow};
use super::standing::Standing;
use crate::types::Quantity;

/// One command being decided: the rows, the facts so far, the numbers after them, and the refusal of the
/// highest precedence so far.
pub(super) struct Case<'a> {
    pub stock: &'a StockRow,
    aggregate: &'a Aggregate,
    before: Standing,
    pub now: Standing,
    facts: Vec<Fact<'static>>,
    refusal: Option<Refusal>,
}

impl<'a> Case<'a> {
    pub(super) fn new(aggregate: &'a Aggregate) -> Self {
        let before = Standing::of(&aggregate.stock);
        Self {
            stock: &aggregate.stock,
            aggregate,
            before,
            now: before,
            facts: Vec::with_capacity(2),
            refusal: None,
        }
    }

    pub(super) fn close(self) -> Result<Vec<Fact<'static>>, Refusal> {
        match self.refusal {
            Some(refusal) => Err(refusal),
            None => Ok(self.facts),
        }
    }

    /// Of several, the first in the order of codes is given; of one code, the first said.
    pub(super) fn refuse(&mut self, refusal: Refusal) {
        if self.refusal.as_ref().is_none_or(|first| refusal.code < first.code) {
            self.refusal = Some(refusal);
        }
    }

    pub(super) fn require(&mut self, holds: bool, refusal: impl FnOnce() -> Refusal) {
        if !holds {
            self.refuse(refusal());
        }
    }

    pub(super) fn becomes(&mut self, fact: Fact<'static>) {
        self.facts.push(fact);
    }

    /// The entry, which [`needed`](super::needed()) named.
    pub(super) fn entry(&self, facet: Facet, id: &str) -> Option<&'a Entry> {
        debug_assert!(self.aggregate.is_loaded(facet, id), "{facet:?} {id:?} is not loaded");
        self.aggregate.entry(facet, id)
    }

    /// The units an entry accounts for; 0 where there is none.
    pub(super) fn units(&self, facet: Facet, id: &str) -> i128 {
        self.entry(facet, id).map_or(0, |entry| i128::from(entry.quantity().units()))
    }

    /// `units` more on top of `sum` must still be a quantity.
    pub(super) fn require_room(&mut self, sum: Quantity, units: i128, field: &str, of: &str) {
        let total = i128::from(sum.units()) + units;
        self.require(total <= MOST, || overflow(field, of));
    }

    /// Observations may leave no fewer than 0 free, unless they leave no fewer than before.
    pub(super) fn require_no_oversell(&mut self, accept_shortfall: bool) {
        let now = self.now;
        let (before, after) = (self.before.free(), now.free());
        self.require(accept_shortfall || after >= 0 || after >= before, || {
            Refusal::new(
                RefusalCode::WouldOversell,
                format!("it would leave {} units too few for what is promised and blocked", -after),
            )
            .with_number("free_before", before)
            .with_number("free_after", after)
            .with_number("quantity_on_hand", now.on_hand)
            .with_number("quantity_allocated", now.allocated)
            .with_number("quantity_unavailable", now.unavailable)
            .with_number("quantity_held", now.held)
        });
    }
}

/// The most a quantity can be.
pub(super) const MOST: i128 = i64::MAX as i128;

pub(super) fn overflow(field: &str, of: &str) -> Refusal {
    Refusal::invalid(field, format!("{of} would pass 9223372036854775807"))
}

/// `INSUFFICIENT_STOCK`: what was asked, what there was, and of what.
pub(super) fn insufficient(requested: i128, available: i128, of: &str) -> Refusal {
    Refusal::new(
        RefusalCode::InsufficientStock,
        format!("{requested} units were asked for, {available} are there: {of}"),
    )
    .with_number("requested", requested)
    .with_number("available", available)
    .with_text("of", of)
}
