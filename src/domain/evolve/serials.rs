//! `serial-number.received`, `.allocated`, `.shipped`: single units under a number of their own. A step that
//! does not follow from the state before is taken all the same, as an anomaly.

use super::super::aggregate::Aggregate;
use super::super::event::{SerialAllocated, SerialReceived, SerialShipped};
use super::super::rows::{Entry, Facet, SerialRow, SerialState, StockRow};
use super::{EvolveError, Fit, put, slot};

pub(super) fn received(aggregate: &mut Aggregate, fact: &SerialReceived<'_>) -> Result<Fit, EvolveError> {
    let before = state(aggregate, &fact.serial_number)?;
    let row = SerialRow {
        state: SerialState::Received,
        location_id: fact.location_id.as_deref().map(Into::into),
        lot_number: fact.lot_number.as_deref().map(Into::into),
        allocation_id: None,
    };
    put(aggregate, Facet::Serial, &fact.serial_number, Some(Entry::from(row)));
    count(&mut aggregate.stock, before, Some(SerialState::Received));
    Ok(Fit::anomaly_if(before.is_some()))
}

pub(super) fn allocated(aggregate: &mut Aggregate, fact: &SerialAllocated<'_>) -> Result<Fit, EvolveError> {
    let before = state(aggregate, &fact.serial_number)?;
    let allocation_id = fact.allocation_id.as_deref().map(Into::into);
    match aggregate.slot_mut(Facet::Serial, &fact.serial_number) {
        Some(Some(Entry::Serial(row))) => {
            row.state = SerialState::Allocated;
            row.allocation_id = allocation_id;
        }
        Some(slot) => {
            let state = SerialState::Allocated;
            *slot =
                Some(Entry::from(SerialRow { state, location_id: None, lot_number: None, allocation_id }));
        }
        // `state` found the slot.
        None => {}
    }
    count(&mut aggregate.stock, before, Some(SerialState::Allocated));
    Ok(Fit::anomaly_if(before != Some(SerialState::Received)))
}

pub(super) fn shipped(aggregate: &mut Aggregate, fact: &SerialShipped<'_>) -> Result<Fit, EvolveError> {
    let before = state(aggregate, &fact.serial_number)?;
    put(aggregate, Facet::Serial, &fact.serial_number, None);
    count(&mut aggregate.stock, before, None);
    Ok(Fit::anomaly_if(before.is_none()))
}

fn state(aggregate: &Aggregate, serial: &str) -> Result<Option<SerialState>, EvolveError> {
    Ok(match slot(aggregate, Facet::Serial, serial)? {
        Some(Entry::Serial(row)) => Some(row.state),
        _ => None,
    })
}

/// Counts rows, of which there are far fewer than a `u64` holds.
fn count(stock: &mut StockRow, before: Option<SerialState>, after: Option<SerialState>) {
    match before {
        Some(SerialState::Received) => stock.serials_received = stock.serials_received.saturating_sub(1),
        Some(SerialState::Allocated) => stock.serials_allocated = stock.serials_allocated.saturating_sub(1),
        None => {}
    }
    match after {
        Some(SerialState::Received) => stock.serials_received = stock.serials_received.saturating_add(1),
        Some(SerialState::Allocated) => stock.serials_allocated = stock.serials_allocated.saturating_add(1),
        None => {}
    }
}
