use serde::Serialize;

use crate::domain::rows::{
    AllocationRow, Entry, Facet, HoldRow, LocationRow, LotRow, SerialRow, SerialState, TransferRow,
};
use crate::types::{Quantity, UtcTime};

/// The name of a facet in paths and bodies.
#[must_use]
pub const fn facet_name(facet: Facet) -> &'static str {
    match facet {
        Facet::Hold => "holds",
        Facet::Allocation => "allocations",
        Facet::Lot => "lots",
        Facet::Location => "locations",
        Facet::Transfer => "transfers",
        Facet::Serial => "serials",
    }
}

/// One entry of a facet as it is shown, its id first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum EntryView<'a> {
    Hold(HoldView<'a>),
    Allocation(AllocationView<'a>),
    Lot(LotView<'a>),
    Location(LocationView<'a>),
    Transfer(TransferView<'a>),
    Serial(SerialView<'a>),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HoldView<'a> {
    hold_id: &'a str,
    hold_type: &'a str,
    quantity: Quantity,
    reason: &'a str,
    lot_number: Option<&'a str>,
    expires_at: Option<UtcTime>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AllocationView<'a> {
    allocation_id: &'a str,
    quantity: Quantity,
    expires_at: Option<UtcTime>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LotView<'a> {
    lot_number: &'a str,
    quantity: Quantity,
    expiry_date: Option<&'a str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LocationView<'a> {
    location_id: &'a str,
    quantity: Quantity,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TransferView<'a> {
    transfer_id: &'a str,
    source_location: &'a str,
    destination_location: &'a str,
    quantity: Quantity,
}

/// Only on the serials' own page; the stock level shows their counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SerialView<'a> {
    serial_number: &'a str,
    state: &'static str,
    location_id: Option<&'a str>,
    lot_number: Option<&'a str>,
    allocation_id: Option<&'a str>,
}

impl<'a> EntryView<'a> {
    #[must_use]
    pub fn new(id: &'a str, entry: &'a Entry) -> Self {
        match entry {
            Entry::Hold(row) => {
                let HoldRow { hold_type, quantity, reason, lot_number, expires_at } = &**row;
                Self::Hold(HoldView {
                    hold_id: id,
                    hold_type,
                    quantity: *quantity,
                    reason,
                    lot_number: lot_number.as_deref(),
                    expires_at: *expires_at,
                })
            }
            Entry::Allocation(AllocationRow { quantity, expires_at }) => Self::Allocation(AllocationView {
                allocation_id: id,
                quantity: *quantity,
                expires_at: *expires_at,
            }),
            Entry::Lot(LotRow { quantity, expiry_date }) => Self::Lot(LotView {
                lot_number: id,
                quantity: *quantity,
                expiry_date: expiry_date.as_deref(),
            }),
            Entry::Location(LocationRow { quantity }) => {
                Self::Location(LocationView { location_id: id, quantity: *quantity })
            }
            Entry::Transfer(row) => {
                let TransferRow { source_location, destination_location, quantity } = &**row;
                Self::Transfer(TransferView {
                    transfer_id: id,
                    source_location,
                    destination_location,
                    quantity: *quantity,
                })
            }
            Entry::Serial(row) => {
                let SerialRow { state, location_id, lot_number, allocation_id } = &**row;
                Self::Serial(SerialView {
                    serial_number: id,
                    state: match state {
                        SerialState::Received => "received",
                        SerialState::Allocated => "allocated",
                    },
                    location_id: location_id.as_deref(),
                    lot_number: lot_number.as_deref(),
                    allocation_id: allocation_id.as_deref(),
                })
            }
        }
    }
}

/// The facet of that name.
#[must_use]
pub fn facet_named(name: &str) -> Option<Facet> {
    Facet::ALL.into_iter().find(|facet| facet_name(*facet) == name)
}
