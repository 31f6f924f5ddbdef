//! `product-stock.level-changed`: the levels become what the event says they are now; the lot and location
//! it names move by its own difference on hand, the allocation it names by its own difference allocated.

use super::super::aggregate::Aggregate;
use super::super::event::LevelChanged;
use super::super::rows::{AllocationRow, Entry, Facet, LocationRow, LotRow, StockRow};
use super::arithmetic::{Moved, moved};
use super::{EvolveError, Fit, put, units};
use crate::types::Quantity;

pub(super) fn changed(aggregate: &mut Aggregate, fact: &LevelChanged<'_>) -> Result<Fit, EvolveError> {
    let stock = &aggregate.stock;
    let on_hand = at_least_zero(fact.new.on_hand);
    let allocated = fact.new.allocated.map_or(stock.allocated, at_least_zero);
    let negative = fact.new.on_hand < 0 || fact.new.allocated.is_some_and(|units| units < 0);

    let (by_on_hand, by_allocated) = (on_hand_difference(fact), allocated_difference(fact));
    let plan = |facet, id: Option<&str>, sum, by, what| -> Result<Option<Moved>, EvolveError> {
        id.map(|id| moved(units(aggregate, facet, id)?, sum, by, what)).transpose()
    };
    let lot = plan(Facet::Lot, lot(fact), stock.in_lots, by_on_hand, "a lot")?;
    let location = plan(Facet::Location, location(fact), stock.in_locations, by_on_hand, "a location")?;
    let named = plan(
        Facet::Allocation,
        allocation(fact),
        stock.named_allocations,
        by_allocated,
        "the named allocations",
    )?;

    // A lot or location that is short gives what it has and the rest comes out of `unassigned`: no anomaly.
    // An allocation has nothing behind it.
    let more_than_promised = named.is_some_and(|named| named.short);
    let names = named.map_or(stock.named_allocations, |named| named.sum);
    let uncovered = names.saturating_sub(allocated) > stock.named_allocations.saturating_sub(stock.allocated);

    // Nothing fails from here on.
    if let (Some(id), Some(lot)) = (self::lot(fact), lot) {
        aggregate.stock.in_lots = lot.sum;
        keep_lot(aggregate, id, lot.part, fact.expiry_date.as_deref());
    }
    if let (Some(id), Some(location)) = (self::location(fact), location) {
        aggregate.stock.in_locations = location.sum;
        keep_location(aggregate, id, location.part);
    }
    if let (Some(id), Some(named)) = (allocation(fact), named) {
        aggregate.stock.named_allocations = named.sum;
        keep_allocation(aggregate, id, named.part, fact);
    }
    let stock: &mut StockRow = &mut aggregate.stock;
    stock.on_hand = on_hand;
    stock.allocated = allocated;
    Ok(Fit::anomaly_if(negative || more_than_promised || uncovered))
}

/// The lot to move or to date.
pub(super) fn lot<'f>(fact: &'f LevelChanged<'_>) -> Option<&'f str> {
    let concerned = on_hand_difference(fact) != 0 || fact.expiry_date.is_some();
    fact.lot_number.as_deref().filter(|_| concerned)
}

/// The location to move.
pub(super) fn location<'f>(fact: &'f LevelChanged<'_>) -> Option<&'f str> {
    fact.location_id.as_deref().filter(|_| on_hand_difference(fact) != 0)
}

/// The named allocation to move.
pub(super) fn allocation<'f>(fact: &'f LevelChanged<'_>) -> Option<&'f str> {
    fact.allocation_id.as_deref().filter(|_| allocated_difference(fact) != 0)
}

/// Wide enough for any two 64-bit levels.
fn on_hand_difference(fact: &LevelChanged<'_>) -> i128 {
    i128::from(fact.new.on_hand) - i128::from(fact.previous.on_hand)
}

/// 0 where the event does not say both levels.
fn allocated_difference(fact: &LevelChanged<'_>) -> i128 {
    match (fact.previous.allocated, fact.new.allocated) {
        (Some(previous), Some(new)) => i128::from(new) - i128::from(previous),
        _ => 0,
    }
}

fn at_least_zero(level: i64) -> Quantity {
    // What is not negative is below 2^63.
    u64::try_from(level).ok().and_then(|units| Quantity::new(units).ok()).unwrap_or(Quantity::ZERO)
}

fn keep_lot(aggregate: &mut Aggregate, id: &str, quantity: Quantity, expiry_date: Option<&str>) {
    let Some(slot) = aggregate.slot_mut(Facet::Lot, id) else { return };
    match slot {
        _ if quantity.is_zero() => *slot = None,
        Some(Entry::Lot(lot)) => {
            lot.quantity = quantity;
            if let Some(date) = expiry_date.filter(|date| lot.expiry_date.as_deref() != Some(date)) {
                lot.expiry_date = Some(date.into());
            }
        }
        slot => *slot = Some(Entry::Lot(LotRow { quantity, expiry_date: expiry_date.map(Into::into) })),
    }
}

/// Also what a transfer takes from and brings to a location.
pub(super) fn keep_location(aggregate: &mut Aggregate, id: &str, quantity: Quantity) {
    let entry = (!quantity.is_zero()).then_some(Entry::Location(LocationRow { quantity }));
    put(aggregate, Facet::Location, id, entry);
}

/// `expires_at` counts where allocated rises, and is ignored otherwise.
fn keep_allocation(aggregate: &mut Aggregate, id: &str, quantity: Quantity, fact: &LevelChanged<'_>) {
    let stated = fact.expires_at.filter(|_| allocated_difference(fact) > 0);
    let Some(slot) = aggregate.slot_mut(Facet::Allocation, id) else { return };
    match slot {
        _ if quantity.is_zero() => *slot = None,
        Some(Entry::Allocation(allocation)) => {
            allocation.quantity = quantity;
            allocation.expires_at = stated.or(allocation.expires_at);
        }
        slot => *slot = Some(Entry::Allocation(AllocationRow { quantity, expires_at: stated })),
    }
}
