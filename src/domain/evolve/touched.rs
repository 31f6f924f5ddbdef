use smallvec::{SmallVec, smallvec};

use super::super::event::{Event, Fact, LevelChanged};
use super::super::rows::Facet;
use super::{expiry, levels};

/// The entries that applying `event` reads or writes: load these before [`evolve`](super::evolve). The SKU's
/// own row is always one more.
///
/// Exactly these: an entry named here without need would cost a read of the store. Whether a level change of
/// an expiry's form is one is for its source to say, which is not looked at here: its allocation is named.
#[must_use]
pub fn touched<'e>(event: &'e Event<'_>) -> SmallVec<[(Facet, &'e str); 4]> {
    match &event.fact {
        Fact::LevelChanged(fact) => level_changed(fact),
        Fact::HoldPlaced(fact) => smallvec![(Facet::Hold, &*fact.hold_id)],
        Fact::HoldReleased(fact) => smallvec![(Facet::Hold, &*fact.hold_id)],
        Fact::TransferInitiated(fact) => {
            smallvec![(Facet::Transfer, &*fact.transfer_id), (Facet::Location, &*fact.source_location)]
        }
        Fact::TransferCompleted(fact) => {
            smallvec![(Facet::Transfer, &*fact.transfer_id), (Facet::Location, &*fact.to_location)]
        }
        Fact::SerialReceived(fact) => smallvec![(Facet::Serial, &*fact.serial_number)],
        Fact::SerialAllocated(fact) => smallvec![(Facet::Serial, &*fact.serial_number)],
        Fact::SerialShipped(fact) => smallvec![(Facet::Serial, &*fact.serial_number)],
        Fact::StatusChanged(_)
        | Fact::ValuationChanged(_)
        | Fact::ClassificationChanged(_)
        | Fact::KitCreated(_)
        | Fact::KitAssembled(_)
        | Fact::KitDisassembled(_)
        | Fact::SnapshotCreated(_) => SmallVec::new(),
    }
}

fn level_changed<'e>(fact: &'e LevelChanged<'_>) -> SmallVec<[(Facet, &'e str); 4]> {
    let mut entries = SmallVec::new();
    if let Some(lot) = levels::lot(fact) {
        entries.push((Facet::Lot, lot));
    }
    if let Some(location) = levels::location(fact) {
        entries.push((Facet::Location, location));
    }
    match (levels::allocation(fact), &fact.allocation_id) {
        (Some(id), _) => entries.push((Facet::Allocation, id)),
        (None, Some(id)) if expiry::looks_like_expiry(fact) => entries.push((Facet::Allocation, &**id)),
        _ => {}
    }
    entries
}
