//! `stock-status.changed`: units move from one status to another. AVAILABLE is never stored: as a source it
//! has no limit, as a target it takes everything.

use super::super::event::StatusChanged;
use super::super::rows::{AVAILABLE, StockRow};
use super::{EvolveError, Fit};
use crate::types::Quantity;

pub(super) fn changed(stock: &mut StockRow, fact: &StatusChanged<'_>) -> Result<Fit, EvolveError> {
    let (from, to) = (&*fact.previous_status, &*fact.new_status);
    if from == AVAILABLE {
        if to != AVAILABLE {
            grow(stock, to, fact.quantity)?;
        }
        return Ok(Fit::Whole);
    }
    let there = units(stock, from);
    let taken = there.min(fact.quantity);
    if from != to {
        // Moving leaves the sum as it is, so the target has room for what the source lost.
        if to != AVAILABLE {
            let room = units(stock, to).checked_add(taken);
            set(stock, to, room.unwrap_or(Quantity::MAX));
        }
        set(stock, from, there.saturating_sub(taken));
    }
    Ok(Fit::anomaly_if(taken < fact.quantity))
}

/// Units in a status other than AVAILABLE.
fn units(stock: &StockRow, status: &str) -> Quantity {
    match stock.statuses.binary_search_by(|(name, _)| (**name).cmp(status)) {
        Ok(at) => stock.statuses.get(at).map_or(Quantity::ZERO, |(_, units)| *units),
        Err(_) => Quantity::ZERO,
    }
}

/// Adds units that come from AVAILABLE; the sum of all statuses stays a quantity.
fn grow(stock: &mut StockRow, status: &str, by: Quantity) -> Result<(), EvolveError> {
    let overflow = EvolveError::Overflow { what: "the units in statuses other than AVAILABLE" };
    let sum = stock.statuses.iter().try_fold(by, |sum, (_, units)| sum.checked_add(*units));
    sum.ok_or(overflow)?;
    let grown = units(stock, status).checked_add(by).ok_or(overflow)?;
    set(stock, status, grown);
    Ok(())
}

/// Keeps the list sorted by name and free of zeros.
fn set(stock: &mut StockRow, status: &str, units: Quantity) {
    match stock.statuses.binary_search_by(|(name, _)| (**name).cmp(status)) {
        Ok(at) if units.is_zero() => {
            stock.statuses.remove(at);
        }
        Ok(at) => {
            if let Some((_, kept)) = stock.statuses.get_mut(at) {
                *kept = units;
            }
        }
        Err(_) if units.is_zero() => {}
        Err(at) => stock.statuses.insert(at, (status.into(), units)),
    }
}
