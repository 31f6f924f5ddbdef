//! `inventory-hold.placed`, `.released`: named blocks on units.

use super::super::aggregate::Aggregate;
use super::super::event::{HoldPlaced, HoldReleased};
use super::super::rows::{Entry, Facet, HoldRow};
use super::arithmetic::{moved, replaced};
use super::{EvolveError, Fit, put, units};

const HELD: &str = "the units held";

/// A hold placed again under the same id replaces the former.
pub(super) fn placed(aggregate: &mut Aggregate, fact: &HoldPlaced<'_>) -> Result<Fit, EvolveError> {
    let former = units(aggregate, Facet::Hold, &fact.hold_id)?;
    let held = replaced(aggregate.stock.held, former, fact.quantity, HELD)?;

    // Nothing fails from here on.
    let entry = (!fact.quantity.is_zero()).then(|| {
        Entry::from(HoldRow {
            hold_type: (&*fact.hold_type).into(),
            quantity: fact.quantity,
            reason: (&*fact.reason).into(),
            lot_number: fact.lot_number.as_deref().map(Into::into),
            expires_at: fact.expires_at,
        })
    });
    put(aggregate, Facet::Hold, &fact.hold_id, entry);
    aggregate.stock.held = held;
    Ok(Fit::Whole)
}

/// Releases what there is of it; the rest is an anomaly.
pub(super) fn released(aggregate: &mut Aggregate, fact: &HoldReleased<'_>) -> Result<Fit, EvolveError> {
    let there = units(aggregate, Facet::Hold, &fact.hold_id)?;
    let rest = moved(there, aggregate.stock.held, -i128::from(fact.quantity.units()), HELD)?;

    // Nothing fails from here on.
    aggregate.stock.held = rest.sum;
    match aggregate.slot_mut(Facet::Hold, &fact.hold_id) {
        Some(slot) if rest.part.is_zero() => *slot = None,
        Some(Some(Entry::Hold(hold))) => hold.quantity = rest.part,
        _ => {}
    }
    Ok(Fit::anomaly_if(rest.short))
}
