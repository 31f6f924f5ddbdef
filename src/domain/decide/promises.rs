//! `product-stock.allocate`, `.deallocate`, `.pick`: units promised to orders, under a name or not, given
//! back or taken.

use std::borrow::Cow;

use super::super::command::{Refusal, RefusalCode};
use super::super::rows::Facet;
use super::case::{Case, insufficient};
use super::levels::{Movement, wide};
use crate::types::{Quantity, UtcTime};

const ALLOCATION: &str = "ALLOCATION";
const DEALLOCATION: &str = "DEALLOCATION";
const ITEM_PICKED: &str = "ITEM_PICKED";

/// Needs available to promise, always.
pub(super) fn allocate(
    case: &mut Case<'_>,
    quantity: Quantity,
    allocation_id: Option<&str>,
    expires_at: Option<UtcTime>,
) {
    if let Some(id) = allocation_id
        && let Some(existing) = case.entry(Facet::Allocation, id)
    {
        case.refuse(
            Refusal::new(
                RefusalCode::AllocationExists,
                format!("there is an allocation {id} of {} units", existing.quantity()),
            )
            .with_text("allocation_id", id)
            .with_number("quantity_allocated", wide(existing.quantity())),
        );
    }
    require_promise(case, wide(quantity));
    case.change_level(&Movement {
        allocated: wide(quantity),
        reason: Cow::Borrowed(ALLOCATION),
        field: "quantity",
        allocation: allocation_id,
        expires_at,
        ..Movement::default()
    });
}

/// A promise of `units` needs as many available to promise.
pub(super) fn require_promise(case: &mut Case<'_>, units: i128) {
    let available = case.now.available_to_promise();
    case.require(units <= available, || insufficient(units, available, "units available to promise"));
}

pub(super) fn deallocate(case: &mut Case<'_>, allocation_id: Option<&str>, quantity: Option<Quantity>) {
    let units = promised(case, allocation_id, quantity.map(wide));
    case.change_level(&Movement {
        allocated: -units,
        reason: Cow::Borrowed(DEALLOCATION),
        field: "quantity",
        allocation: allocation_id,
        ..Movement::default()
    });
}

pub(super) fn pick(
    case: &mut Case<'_>,
    quantity: Quantity,
    allocation_id: Option<&str>,
    location: Option<&str>,
    lot: Option<&str>,
) {
    let units = promised(case, allocation_id, Some(wide(quantity)));
    case.change_level(&Movement {
        on_hand: -units,
        allocated: -units,
        reason: Cow::Borrowed(ITEM_PICKED),
        field: "quantity",
        location,
        lot,
        allocation: allocation_id,
        ..Movement::default()
    });
}

/// The units to take from the named allocation, or from those without a name; nothing said = all of it.
fn promised(case: &mut Case<'_>, allocation_id: Option<&str>, units: Option<i128>) -> i128 {
    let stock = case.stock;
    let there = match allocation_id {
        Some(id) => match case.entry(Facet::Allocation, id) {
            // Facts may have lowered allocated below what its names say; it never goes below zero.
            Some(entry) => wide(entry.quantity().min(stock.allocated)),
            None => {
                let message = format!("there is no allocation {id}");
                case.refuse(
                    Refusal::new(RefusalCode::UnknownAllocation, message).with_text("allocation_id", id),
                );
                return units.unwrap_or_default();
            }
        },
        None => wide(stock.allocated.saturating_sub(stock.named_allocations)),
    };
    let units = units.unwrap_or(there);
    case.require((1..=there).contains(&units), || {
        let of = allocation_id.map_or_else(|| "without a name".to_owned(), |id| format!("under {id}"));
        let message = format!("{units} units were asked for, {there} are allocated {of}");
        let refusal = Refusal::new(RefusalCode::InsufficientAllocation, message)
            .with_number("requested", units)
            .with_number("allocated", there);
        match allocation_id {
            Some(id) => refusal.with_text("allocation_id", id),
            None => refusal,
        }
    });
    units
}
