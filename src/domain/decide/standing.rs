use super::super::event::Level;
use super::super::rows::{ALLOCATED, AVAILABLE, StockRow};

/// A SKU's sums while the facts of a command are put together: wide enough that nothing wraps before it is
/// looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    pub on_hand: i128,
    pub allocated: i128,
    pub held: i128,
    /// Units whose status is neither AVAILABLE nor ALLOCATED.
    pub unavailable: i128,
    /// Units whose status is not AVAILABLE: on hand never falls below these.
    pub set_apart: i128,
}

impl Standing {
    pub(super) fn of(stock: &StockRow) -> Self {
        let numbers = stock.numbers();
        let wide = |quantity: crate::types::Quantity| i128::from(quantity.units());
        Self {
            on_hand: wide(numbers.on_hand),
            allocated: wide(numbers.allocated),
            held: wide(numbers.held),
            unavailable: wide(numbers.unavailable),
            set_apart: stock.statuses.iter().map(|(_, units)| wide(*units)).sum(),
        }
    }

    /// on hand − allocated − unavailable − held.
    pub(super) fn free(&self) -> i128 {
        self.on_hand - self.allocated - self.unavailable - self.held
    }

    /// Units of status AVAILABLE.
    pub(super) fn available(&self) -> i128 {
        (self.on_hand - self.set_apart).max(0)
    }

    pub(super) fn available_to_promise(&self) -> i128 {
        self.free().max(0)
    }

    /// `units` go from one status to another.
    pub(super) fn change_status(&mut self, from: &str, to: &str, units: i128) {
        for (status, by) in [(from, -units), (to, units)] {
            if status != AVAILABLE {
                self.set_apart += by;
                if status != ALLOCATED {
                    self.unavailable += by;
                }
            }
        }
    }

    /// As an event states it. What lies outside a level's range was refused.
    pub(super) fn level(&self) -> Level {
        let stated = |units: i128| i64::try_from(units.max(0)).unwrap_or(i64::MAX);
        Level {
            on_hand: stated(self.on_hand),
            allocated: Some(stated(self.allocated)),
            available_to_promise: Some(stated(self.available_to_promise())),
        }
    }
}
