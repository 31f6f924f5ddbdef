use smallvec::{SmallVec, smallvec};

use super::super::aggregate::Aggregate;
use super::super::command::Request;
use super::super::rows::{Entry, Facet};

type Entries<'r> = SmallVec<[(Facet, &'r str); 4]>;

/// The entries that deciding `request` reads, and that evolving what it becomes touches: load these first,
/// then what [`needed_besides`] names.
#[must_use]
pub fn needed(request: &Request) -> Entries<'_> {
    match request {
        Request::Receive(receive) => parts(receive.location_id.as_deref(), receive.lot_number.as_deref()),
        Request::Adjust(adjust) => parts(adjust.location_id.as_deref(), adjust.lot_number.as_deref()),
        Request::Set(set) => parts(set.location_id.as_deref(), None),
        Request::Allocate { allocation_id, .. } | Request::Deallocate { allocation_id, .. } => {
            allocation_id.iter().map(|id| (Facet::Allocation, &**id)).collect()
        }
        Request::Pick { allocation_id, location_id, lot_number, .. } => {
            let mut entries = parts(location_id.as_deref(), lot_number.as_deref());
            entries.extend(allocation_id.iter().map(|id| (Facet::Allocation, &**id)));
            entries
        }
        Request::PlaceHold(hold) => smallvec![(Facet::Hold, &*hold.hold_id)],
        Request::ReleaseHold { hold_id, .. } => smallvec![(Facet::Hold, &**hold_id)],
        Request::InitiateTransfer(transfer) => smallvec![
            (Facet::Transfer, &*transfer.transfer_id),
            (Facet::Location, &*transfer.source_location)
        ],
        Request::CompleteTransfer { transfer_id, lot_number, .. } => {
            let mut entries = parts(None, lot_number.as_deref());
            entries.push((Facet::Transfer, &**transfer_id));
            entries
        }
        Request::ReceiveSerial { serial_number, .. }
        | Request::AllocateSerial { serial_number, .. }
        | Request::ShipSerial { serial_number, .. } => smallvec![(Facet::Serial, &**serial_number)],
        Request::ChangeStatus(_)
        | Request::ChangeValuation { .. }
        | Request::ChangeClassification { .. }
        | Request::CreateKit(_)
        | Request::AssembleKit(_)
        | Request::DisassembleKit(_) => SmallVec::new(),
    }
}

fn parts<'r>(location: Option<&'r str>, lot: Option<&'r str>) -> Entries<'r> {
    let location = location.map(|id| (Facet::Location, id));
    location.into_iter().chain(lot.map(|id| (Facet::Lot, id))).collect()
}

/// What evolving needs besides, known only once the entries of [`needed`] are loaded: the location where the
/// transfer it completes arrives. Deciding does not read it.
#[must_use]
pub fn needed_besides(aggregate: &Aggregate, request: &Request) -> Option<(Facet, Box<str>)> {
    let Request::CompleteTransfer { transfer_id, .. } = request else { return None };
    match aggregate.entry(Facet::Transfer, transfer_id) {
        Some(Entry::Transfer(open)) => Some((Facet::Location, open.destination_location.clone())),
        _ => None,
    }
}
