//! `serial-number.receive`, `.allocate`, `.ship`: single units under a number of their own. They move no
//! level. A number that was shipped is free again.

use super::super::command::{Refusal, RefusalCode};
use super::super::event::{Fact, SerialAllocated, SerialReceived, SerialShipped};
use super::super::rows::{Entry, Facet, SerialState};
use super::case::Case;
use super::levels::owned;

pub(super) fn receive(
    case: &mut Case<'_>,
    serial: &str,
    location: Option<&str>,
    lot: Option<&str>,
    received_by: Option<&str>,
) {
    if let Some(state) = state(case, serial) {
        let message = format!("the serial number {serial} is there already, {}", name(state));
        case.refuse(refusal(RefusalCode::SerialExists, message, serial).with_text("state", name(state)));
    }
    case.becomes(Fact::SerialReceived(SerialReceived {
        serial_number: owned(serial),
        location_id: location.map(owned),
        lot_number: lot.map(owned),
        received_by: received_by.map(owned),
    }));
}

pub(super) fn allocate(case: &mut Case<'_>, serial: &str, allocation_id: Option<&str>) {
    match state(case, serial) {
        None => unknown(case, serial),
        Some(SerialState::Received) => {}
        Some(SerialState::Allocated) => {
            let message = format!("the serial number {serial} is allocated already");
            let found = name(SerialState::Allocated);
            case.refuse(refusal(RefusalCode::InvalidState, message, serial).with_text("state", found));
        }
    }
    case.becomes(Fact::SerialAllocated(SerialAllocated {
        serial_number: owned(serial),
        allocation_id: allocation_id.map(owned),
    }));
}

pub(super) fn ship(case: &mut Case<'_>, serial: &str, shipment_id: Option<&str>) {
    if state(case, serial).is_none() {
        unknown(case, serial);
    }
    case.becomes(Fact::SerialShipped(SerialShipped {
        serial_number: owned(serial),
        shipment_id: shipment_id.map(owned),
    }));
}

fn state(case: &Case<'_>, serial: &str) -> Option<SerialState> {
    match case.entry(Facet::Serial, serial) {
        Some(Entry::Serial(row)) => Some(row.state),
        _ => None,
    }
}

fn name(state: SerialState) -> &'static str {
    match state {
        SerialState::Received => "received",
        SerialState::Allocated => "allocated",
    }
}

fn refusal(code: RefusalCode, message: String, serial: &str) -> Refusal {
    Refusal::new(code, message).with_text("serial_number", serial)
}

fn unknown(case: &mut Case<'_>, serial: &str) {
    let message = format!("there is no serial number {serial}");
    case.refuse(refusal(RefusalCode::UnknownSerial, message, serial));
}
