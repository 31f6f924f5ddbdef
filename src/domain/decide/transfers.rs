//! `stock-transfer.initiate`, `.complete`: units on their way from one location to another. Never refused for
//! shortfall: they stay on hand while under way, and what does not arrive is gone whatever was promised.

use std::borrow::Cow;

use super::super::command::{InitiateTransfer, Refusal, RefusalCode};
use super::super::event::{Fact, TransferCompleted, TransferInitiated};
use super::super::rows::{Entry, Facet};
use super::case::{Case, insufficient};
use super::levels::{Movement, owned, wide};
use crate::types::Quantity;

const TRANSFER: &str = "TRANSFER";

pub(super) fn initiate(case: &mut Case<'_>, request: &InitiateTransfer) {
    let id = &*request.transfer_id;
    if let Some(Entry::Transfer(open)) = case.entry(Facet::Transfer, id) {
        let message = format!("the transfer {id} of {} units is under way", open.quantity);
        case.refuse(
            Refusal::new(RefusalCode::TransferExists, message)
                .with_text("transfer_id", id)
                .with_number("quantity", wide(open.quantity)),
        );
    }
    let outside = case.stock.outside_locations();
    let source = &*request.source_location;
    case.require_part(Facet::Location, source, outside, wide(request.quantity), "the location");
    case.becomes(Fact::TransferInitiated(TransferInitiated {
        transfer_id: owned(id),
        source_location: owned(source),
        destination_location: owned(&request.destination_location),
        quantity: request.quantity,
        initiated_by: owned(&request.initiated_by),
        reason: owned(&request.reason),
    }));
}

/// What did not arrive leaves on hand, and the lot where one is named.
pub(super) fn complete(
    case: &mut Case<'_>,
    id: &str,
    arrived: Quantity,
    completed_by: &str,
    lot: Option<&str>,
) {
    let Some(Entry::Transfer(open)) = case.entry(Facet::Transfer, id) else {
        let message = format!("no transfer {id} is under way");
        case.refuse(Refusal::new(RefusalCode::UnknownTransfer, message).with_text("transfer_id", id));
        return;
    };
    let (sent, came) = (wide(open.quantity), wide(arrived));
    case.require_room(
        case.stock.in_locations,
        came.min(sent),
        "quantity_transferred",
        "the sum of all units under the locations",
    );
    case.require(came <= sent, || {
        insufficient(came, sent, &format!("units sent with the transfer {id}")).with_text("transfer_id", id)
    });
    case.becomes(Fact::TransferCompleted(TransferCompleted {
        transfer_id: owned(id),
        from_location: owned(&open.source_location),
        to_location: owned(&open.destination_location),
        quantity: arrived,
        completed_by: owned(completed_by),
        lot_number: lot.map(owned),
    }));
    if came < sent {
        case.change_level(&Movement {
            on_hand: came - sent,
            reason: Cow::Borrowed(TRANSFER),
            field: "quantity_transferred",
            lot,
            ..Movement::default()
        });
    }
}
