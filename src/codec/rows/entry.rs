use super::wire::{self, SchemaRead, SchemaWrite};
use super::words::{Word, quantity};
use super::{RowError, optional_instant};
use crate::domain::rows::{
    AllocationRow, Entry, Facet, HoldRow, LocationRow, LotRow, SerialRow, SerialState, TransferRow,
};

/// The version byte of entries.
pub(super) const ENTRY_VERSION: u8 = 1;

/// The rows of the facets as they are written. The order of fields is the format; which of them a value is
/// stands in its key.
#[derive(SchemaRead, SchemaWrite)]
#[cfg_attr(test, derive(bincode::Encode, bincode::BorrowDecode))]
pub(super) struct StoredHold<'a> {
    hold_type: Word<'a>,
    quantity: u64,
    reason: &'a str,
    lot_number: Option<&'a str>,
    expires_at: Option<(i64, u32)>,
}

#[derive(SchemaRead, SchemaWrite)]
#[cfg_attr(test, derive(bincode::Encode, bincode::BorrowDecode))]
pub(super) struct StoredAllocation {
    quantity: u64,
    expires_at: Option<(i64, u32)>,
}

#[derive(SchemaRead, SchemaWrite)]
#[cfg_attr(test, derive(bincode::Encode, bincode::BorrowDecode))]
pub(super) struct StoredLot<'a> {
    quantity: u64,
    expiry_date: Option<&'a str>,
}

#[derive(SchemaRead, SchemaWrite)]
#[cfg_attr(test, derive(bincode::Encode, bincode::BorrowDecode))]
pub(super) struct StoredLocation {
    quantity: u64,
}

#[derive(SchemaRead, SchemaWrite)]
#[cfg_attr(test, derive(bincode::Encode, bincode::BorrowDecode))]
pub(super) struct StoredTransfer<'a> {
    source_location: &'a str,
    destination_location: &'a str,
    quantity: u64,
}

#[derive(SchemaRead, SchemaWrite)]
#[cfg_attr(test, derive(bincode::Encode, bincode::BorrowDecode))]
pub(super) struct StoredSerial<'a> {
    state: StoredSerialState,
    location_id: Option<&'a str>,
    lot_number: Option<&'a str>,
    allocation_id: Option<&'a str>,
}

#[derive(SchemaRead, SchemaWrite)]
#[cfg_attr(test, derive(bincode::Encode, bincode::BorrowDecode))]
pub(super) enum StoredSerialState {
    Received,
    Allocated,
}

/// Appends the value of an entry.
pub fn encode_entry(entry: &Entry, out: &mut Vec<u8>) {
    out.push(ENTRY_VERSION);
    match entry {
        Entry::Hold(row) => wire::write(
            &StoredHold {
                hold_type: Word::of(&row.hold_type),
                quantity: row.quantity.units(),
                reason: &row.reason,
                lot_number: row.lot_number.as_deref(),
                expires_at: row.expires_at.map(|at| (at.seconds(), at.nanos())),
            },
            out,
        ),
        Entry::Allocation(row) => wire::write(
            &StoredAllocation {
                quantity: row.quantity.units(),
                expires_at: row.expires_at.map(|at| (at.seconds(), at.nanos())),
            },
            out,
        ),
        Entry::Lot(row) => wire::write(
            &StoredLot { quantity: row.quantity.units(), expiry_date: row.expiry_date.as_deref() },
            out,
        ),
        Entry::Location(row) => wire::write(&StoredLocation { quantity: row.quantity.units() }, out),
        Entry::Transfer(row) => wire::write(
            &StoredTransfer {
                source_location: &row.source_location,
                destination_location: &row.destination_location,
                quantity: row.quantity.units(),
            },
            out,
        ),
        Entry::Serial(row) => wire::write(
            &StoredSerial {
                state: match row.state {
                    SerialState::Received => StoredSerialState::Received,
                    SerialState::Allocated => StoredSerialState::Allocated,
                },
                location_id: row.location_id.as_deref(),
                lot_number: row.lot_number.as_deref(),
                allocation_id: row.allocation_id.as_deref(),
            },
            out,
        ),
    }
}

/// # Errors
/// [`RowError`] where the bytes are not exactly what [`encode_entry`] writes for an entry of this facet.
pub fn decode_entry(facet: Facet, bytes: &[u8]) -> Result<Entry, RowError> {
    let entry = sound(facet, wire::versioned(bytes, ENTRY_VERSION)?)?;
    wire::canonical(bytes, |out| encode_entry(&entry, out))?;
    Ok(entry)
}

fn sound(facet: Facet, bytes: &[u8]) -> Result<Entry, RowError> {
    let text = |text: Option<&str>| text.map(Into::into);
    Ok(match facet {
        Facet::Hold => {
            let row: StoredHold<'_> = wire::read(bytes)?;
            Entry::from(HoldRow {
                hold_type: row.hold_type.text().into(),
                quantity: quantity(row.quantity)?,
                reason: row.reason.into(),
                lot_number: text(row.lot_number),
                expires_at: optional_instant(row.expires_at)?,
            })
        }
        Facet::Allocation => {
            let row: StoredAllocation = wire::read(bytes)?;
            Entry::Allocation(AllocationRow {
                quantity: quantity(row.quantity)?,
                expires_at: optional_instant(row.expires_at)?,
            })
        }
        Facet::Lot => {
            let row: StoredLot<'_> = wire::read(bytes)?;
            Entry::Lot(LotRow { quantity: quantity(row.quantity)?, expiry_date: text(row.expiry_date) })
        }
        Facet::Location => {
            let row: StoredLocation = wire::read(bytes)?;
            Entry::Location(LocationRow { quantity: quantity(row.quantity)? })
        }
        Facet::Transfer => {
            let row: StoredTransfer<'_> = wire::read(bytes)?;
            Entry::from(TransferRow {
                source_location: row.source_location.into(),
                destination_location: row.destination_location.into(),
                quantity: quantity(row.quantity)?,
            })
        }
        Facet::Serial => {
            let row: StoredSerial<'_> = wire::read(bytes)?;
            Entry::from(SerialRow {
                state: match row.state {
                    StoredSerialState::Received => SerialState::Received,
                    StoredSerialState::Allocated => SerialState::Allocated,
                },
                location_id: text(row.location_id),
                lot_number: text(row.lot_number),
                allocation_id: text(row.allocation_id),
            })
        }
    })
}
