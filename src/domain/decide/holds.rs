//! `inventory-hold.place`, `.release`: named blocks on units.

use super::super::command::{PlaceHold, Refusal, RefusalCode};
use super::super::event::{Fact, HoldPlaced, HoldReleased};
use super::super::rows::Facet;
use super::case::{Case, insufficient};
use super::levels::{owned, wide};
use super::promises::require_promise;
use crate::types::Quantity;

pub(super) fn place(case: &mut Case<'_>, request: &PlaceHold) {
    if let Some(existing) = case.entry(Facet::Hold, &request.hold_id) {
        let message = format!("there is a hold {} on {} units", request.hold_id, existing.quantity());
        case.refuse(
            Refusal::new(RefusalCode::HoldExists, message)
                .with_text("hold_id", &*request.hold_id)
                .with_number("quantity_on_hold", wide(existing.quantity())),
        );
    }
    let units = wide(request.quantity);
    let on_hand = case.now.on_hand;
    case.require_room(case.stock.held, units, "quantity", "the units held");
    case.require(units <= on_hand, || insufficient(units, on_hand, "units on hand"));
    if !request.accept_shortfall {
        require_promise(case, units);
    }
    case.becomes(Fact::HoldPlaced(HoldPlaced {
        hold_id: owned(&request.hold_id),
        hold_type: owned(&request.hold_type),
        quantity: request.quantity,
        reason: owned(&request.reason),
        lot_number: request.lot_number.as_deref().map(owned),
        expires_at: request.expires_at,
    }));
}

pub(super) fn release(case: &mut Case<'_>, hold_id: &str, quantity: Option<Quantity>, released_by: &str) {
    let Some(hold) = case.entry(Facet::Hold, hold_id) else {
        let message = format!("there is no hold {hold_id}");
        case.refuse(Refusal::new(RefusalCode::UnknownHold, message).with_text("hold_id", hold_id));
        return;
    };
    let there = hold.quantity();
    let quantity = quantity.unwrap_or(there);
    case.require(quantity <= there, || {
        let message = format!("{quantity} units were asked for, the hold {hold_id} has {there}");
        Refusal::new(RefusalCode::InsufficientHold, message)
            .with_text("hold_id", hold_id)
            .with_number("requested", wide(quantity))
            .with_number("held", wide(there))
    });
    case.becomes(Fact::HoldReleased(HoldReleased {
        hold_id: owned(hold_id),
        quantity,
        released_by: owned(released_by),
        expires_at: None,
    }));
}
