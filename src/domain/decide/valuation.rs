//! `inventory-valuation.change`, `abc-classification.change`, and what a receipt with a cost does to the
//! valuation. Exact: nothing is rounded but a unit cost, to 6 decimals.

use super::super::command::{Refusal, RefusalCode};
use super::super::event::{ClassificationChanged, Fact, ValuationChanged};
use super::super::rows::Valuation;
use super::case::{Case, overflow};
use super::levels::owned;
use crate::types::{Money, Quantity};

const MOVING_AVERAGE: &str = "MOVING_AVERAGE";
const WEIGHTED_AVERAGE: &str = "WEIGHTED_AVERAGE";
/// Decimals of a unit cost that was worked out.
const DECIMALS: u32 = 6;

/// The average moves: what was there at its value, what came at its cost.
pub(super) fn receive(case: &mut Case<'_>, quantity: Quantity, unit_cost: Money, reason: &str) {
    let none = none();
    let previous = case.stock.valuation.as_deref().unwrap_or(&none);
    if ![MOVING_AVERAGE, WEIGHTED_AVERAGE].contains(&&*previous.method) {
        let message =
            format!("a receipt with a unit cost needs an average, the method is {}", previous.method);
        case.refuse(
            Refusal::new(RefusalCode::InvalidState, message).with_text("valuation_method", &*previous.method),
        );
    }
    let Some(valued) = previous.valued_quantity.checked_add(quantity) else {
        case.refuse(overflow("quantity", "the quantity valued"));
        return;
    };
    let total = unit_cost.checked_mul(quantity).and_then(|cost| previous.total_value.checked_add(cost));
    let stated = total.and_then(|total| Some((total, total.checked_div(valued, DECIMALS)?)));
    let Some((total, average)) = stated else {
        case.refuse(too_many_digits());
        return;
    };
    state(case, &previous.method.clone(), average, total, valued, reason);
}

pub(super) fn change(
    case: &mut Case<'_>,
    method: &str,
    unit_cost: Money,
    quantity: Option<Quantity>,
    reason: &str,
) {
    let quantity = quantity.unwrap_or(case.stock.on_hand);
    match unit_cost.checked_mul(quantity) {
        Some(total) => state(case, method, unit_cost, total, quantity, reason),
        None => case.refuse(too_many_digits()),
    }
}

fn state(
    case: &mut Case<'_>,
    method: &str,
    unit_cost: Money,
    total: Money,
    quantity: Quantity,
    reason: &str,
) {
    let (previous_unit_cost, previous_total_value) = match &case.stock.valuation {
        Some(valuation) => (valuation.unit_cost, valuation.total_value),
        None => (Money::ZERO, Money::ZERO),
    };
    case.becomes(Fact::ValuationChanged(ValuationChanged {
        valuation_method: owned(method),
        previous_unit_cost,
        new_unit_cost: unit_cost,
        previous_total_value,
        new_total_value: total,
        quantity,
        reason: owned(reason),
    }));
}

fn none() -> Valuation {
    Valuation {
        method: MOVING_AVERAGE.into(),
        unit_cost: Money::ZERO,
        total_value: Money::ZERO,
        valued_quantity: Quantity::ZERO,
    }
}

fn too_many_digits() -> Refusal {
    Refusal::invalid("unit_cost", "the value would have more than 28 digits")
}

pub(super) fn classify(case: &mut Case<'_>, new_class: &str, criteria: &str, reason: &str) {
    case.becomes(Fact::ClassificationChanged(ClassificationChanged {
        previous_class: case.stock.abc_class.as_deref().map(owned),
        new_class: owned(new_class),
        criteria: owned(criteria),
        reason: owned(reason),
    }));
}
