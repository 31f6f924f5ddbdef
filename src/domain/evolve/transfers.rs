//! `stock-transfer.initiated`, `.completed`: units on their way from one location to another. They stay on
//! hand; no location accounts for them until they arrive.

use super::super::aggregate::Aggregate;
use super::super::event::{TransferCompleted, TransferInitiated};
use super::super::rows::{Entry, Facet, TransferRow};
use super::arithmetic::moved;
use super::levels::keep_location;
use super::{EvolveError, Fit, put, slot, units};
use crate::types::Quantity;

const LOCATION: &str = "a location";

/// The source location gives what it has, the rest comes out of `unassigned`; the transfer holds its full
/// quantity all the same. One initiated again while open replaces the former: an anomaly.
pub(super) fn initiated(aggregate: &mut Aggregate, fact: &TransferInitiated<'_>) -> Result<Fit, EvolveError> {
    let open = slot(aggregate, Facet::Transfer, &fact.transfer_id)?.is_some();
    let there = units(aggregate, Facet::Location, &fact.source_location)?;
    let source = moved(there, aggregate.stock.in_locations, -i128::from(fact.quantity.units()), LOCATION)?;

    // Nothing fails from here on.
    aggregate.stock.in_locations = source.sum;
    keep_location(aggregate, &fact.source_location, source.part);
    let entry = (!fact.quantity.is_zero()).then(|| {
        Entry::from(TransferRow {
            source_location: (&*fact.source_location).into(),
            destination_location: (&*fact.destination_location).into(),
            quantity: fact.quantity,
        })
    });
    put(aggregate, Facet::Transfer, &fact.transfer_id, entry);
    Ok(Fit::anomaly_if(open))
}

/// Ends the transfer. The location where it arrived gains what arrived: no more than was sent, but all of it
/// where the transfer is unknown; both are anomalies. What did not arrive stays in `unassigned`.
pub(super) fn completed(aggregate: &mut Aggregate, fact: &TransferCompleted<'_>) -> Result<Fit, EvolveError> {
    let sent = slot(aggregate, Facet::Transfer, &fact.transfer_id)?.map(Entry::quantity);
    let arrived = sent.map_or(fact.quantity, |sent: Quantity| sent.min(fact.quantity));
    let there = units(aggregate, Facet::Location, &fact.to_location)?;
    let destination = moved(there, aggregate.stock.in_locations, i128::from(arrived.units()), LOCATION)?;

    // Nothing fails from here on.
    aggregate.stock.in_locations = destination.sum;
    keep_location(aggregate, &fact.to_location, destination.part);
    put(aggregate, Facet::Transfer, &fact.transfer_id, None);
    Ok(Fit::anomaly_if(sent.is_none() || arrived < fact.quantity))
}
