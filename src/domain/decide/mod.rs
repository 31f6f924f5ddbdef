//! What a command becomes: facts, or a refusal. Pure: the time it is decided at comes from the caller.
//! Source: the domain contract, "Commands" and its rules; `docs/commands.md`.
//!
//! [`needed()`] and [`needed_besides`] name the entries to load, [`decide`] decides. One file per family of
//! requests. Each puts its facts together step by step on a [`Case`], which keeps the numbers as they are
//! after each fact and the refusal of the highest precedence; so no rule has to know the order of refusals.

mod case;
mod holds;
mod kits;
mod levels;
mod needed;
mod promises;
mod serials;
mod standing;
mod stock;
mod transfers;
mod valuation;

#[cfg(test)]
mod tests;

use super::aggregate::Aggregate;
use super::command::{Command, Refusal, RefusalCode, Request};
use super::event::Fact;
use crate::types::{UtcTime, Version};

use case::Case;

pub use needed::{needed, needed_besides};

/// The facts that `command` becomes on these rows, in order, all or none. `now` is the time of deciding, for
/// `expirytime` alone.
///
/// Sees to every refusal but `COMMAND_ID_REUSED` and what of `INVALID_COMMAND` the record itself shows: the
/// caller did. What shows only here is a result past 2^63−1 or 28 digits.
///
/// # Errors
/// The refusal, the first that applies.
pub fn decide(aggregate: &Aggregate, command: &Command, now: UtcTime) -> Result<Vec<Fact<'static>>, Refusal> {
    let mut case = Case::new(aggregate);
    envelope(&mut case, command, now);
    request(&mut case, &command.request);
    case.close()
}

/// What the envelope asks of the time and of the SKU.
fn envelope(case: &mut Case<'_>, command: &Command, now: UtcTime) {
    let version = case.stock.version;
    let envelope = &command.envelope;
    if let Some(expiry) = envelope.expiry_time.filter(|expiry| now > *expiry) {
        case.refuse(
            Refusal::new(RefusalCode::Expired, format!("it expired at {expiry} and was decided at {now}"))
                .with_text("expiry_time", expiry.to_string())
                .with_text("decided_at", now.to_string()),
        );
    }
    if let Some(expected) = envelope.expected_version.filter(|expected| Version(*expected) != version) {
        case.refuse(
            Refusal::new(
                RefusalCode::VersionConflict,
                format!("it expects version {expected}, the SKU has version {version}"),
            )
            .with_number("expected_version", expected)
            .with_number("version", version.0),
        );
    }
    if version == Version::NEVER_SEEN && !command.request.may_create() {
        let message = format!("nothing has happened to {} yet", envelope.sku);
        case.refuse(Refusal::new(RefusalCode::UnknownSku, message).with_text("sku", envelope.sku.as_str()));
    }
}

fn request(case: &mut Case<'_>, request: &Request) {
    match request {
        Request::Receive(request) => stock::receive(case, request),
        Request::Adjust(request) => stock::adjust(case, request),
        Request::Set(request) => stock::set(case, request),
        Request::ChangeStatus(request) => stock::change_status(case, request),
        Request::Allocate { quantity, allocation_id, expires_at } => {
            promises::allocate(case, *quantity, allocation_id.as_deref(), *expires_at);
        }
        Request::Deallocate { allocation_id, quantity } => {
            promises::deallocate(case, allocation_id.as_deref(), *quantity);
        }
        Request::Pick { quantity, allocation_id, location_id, lot_number } => promises::pick(
            case,
            *quantity,
            allocation_id.as_deref(),
            location_id.as_deref(),
            lot_number.as_deref(),
        ),
        Request::PlaceHold(request) => holds::place(case, request),
        Request::ReleaseHold { hold_id, quantity, released_by } => {
            holds::release(case, hold_id, *quantity, released_by);
        }
        Request::InitiateTransfer(request) => transfers::initiate(case, request),
        Request::CompleteTransfer { transfer_id, quantity, completed_by, lot_number } => {
            transfers::complete(case, transfer_id, *quantity, completed_by, lot_number.as_deref());
        }
        Request::ReceiveSerial { serial_number, location_id, lot_number, received_by } => serials::receive(
            case,
            serial_number,
            location_id.as_deref(),
            lot_number.as_deref(),
            received_by.as_deref(),
        ),
        Request::AllocateSerial { serial_number, allocation_id } => {
            serials::allocate(case, serial_number, allocation_id.as_deref());
        }
        Request::ShipSerial { serial_number, shipment_id } => {
            serials::ship(case, serial_number, shipment_id.as_deref());
        }
        Request::ChangeValuation { valuation_method, unit_cost, quantity, reason } => {
            valuation::change(case, valuation_method, *unit_cost, *quantity, reason);
        }
        Request::ChangeClassification { new_class, criteria, reason } => {
            valuation::classify(case, new_class, criteria, reason);
        }
        Request::CreateKit(kit) => kits::create(case, kit),
        Request::AssembleKit(assembly) => kits::assemble(case, assembly),
        Request::DisassembleKit(disassembly) => kits::disassemble(case, disassembly),
    }
}
