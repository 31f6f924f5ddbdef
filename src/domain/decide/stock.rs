//! `product-stock.receive`, `.adjust`, `.set` and `stock-status.change`: what came, what was counted, and in
//! which state it is.

use std::borrow::Cow;

use super::super::command::{Adjust, ChangeStatus, Receive, Set};
use super::super::rows::{AVAILABLE, Facet};
use super::case::Case;
use super::levels::{Movement, wide};
use super::valuation;

pub(super) fn receive(case: &mut Case<'_>, request: &Receive) {
    let lot = request.lot_number.as_deref();
    case.change_level(&Movement {
        on_hand: wide(request.quantity),
        reason: Cow::Borrowed(&request.reason),
        field: "quantity",
        location: request.location_id.as_deref(),
        lot,
        expiry_date: request.expiry_date.as_deref(),
        ..Movement::default()
    });
    if let Some(status) = set_apart(request.status.as_deref()) {
        case.move_status(AVAILABLE, status, request.quantity, &request.reason, lot);
    }
    if let Some(unit_cost) = request.unit_cost {
        valuation::receive(case, request.quantity, unit_cost, &request.reason);
    }
}

/// A status that units are set apart by.
fn set_apart(status: Option<&str>) -> Option<&str> {
    status.filter(|status| *status != AVAILABLE)
}

pub(super) fn adjust(case: &mut Case<'_>, request: &Adjust) {
    let by = i128::from(request.quantity_change.0);
    let lot = request.lot_number.as_deref();
    // A quantity change of −2^63 has no magnitude; on hand never has as many.
    let quantity = request.quantity_change.magnitude().unwrap_or(crate::types::Quantity::MAX);
    let status = set_apart(request.status.as_deref());
    if let Some(status) = status.filter(|_| by < 0) {
        case.require_status(status, -by);
        case.move_status(status, AVAILABLE, quantity, &request.reason, lot);
    }
    case.change_level(&Movement {
        on_hand: by,
        reason: Cow::Borrowed(&request.reason),
        field: "quantity_change",
        location: request.location_id.as_deref(),
        lot,
        comment: request.comment.as_deref(),
        ..Movement::default()
    });
    if let Some(status) = status.filter(|_| by > 0) {
        case.move_status(AVAILABLE, status, quantity, &request.reason, lot);
    }
    case.require_no_oversell(request.accept_shortfall);
}

/// With a location, on hand moves by what was counted there too many or too few.
pub(super) fn set(case: &mut Case<'_>, request: &Set) {
    let counted = wide(request.quantity);
    let location = request.location_id.as_deref();
    let before = location.map_or(case.now.on_hand, |id| case.units(Facet::Location, id));
    case.change_level(&Movement {
        on_hand: counted - before,
        reason: Cow::Borrowed(&request.reason),
        field: "quantity",
        location,
        comment: request.comment.as_deref(),
        ..Movement::default()
    });
    case.require_no_oversell(request.accept_shortfall);
}

pub(super) fn change_status(case: &mut Case<'_>, request: &ChangeStatus) {
    case.require_status(&request.from, wide(request.quantity));
    case.move_status(
        &request.from,
        &request.to,
        request.quantity,
        &request.reason,
        request.lot_number.as_deref(),
    );
    case.require_no_oversell(request.accept_shortfall);
}
