//! `inventory-valuation.changed`, `abc-classification.changed`: the last one stated is the one in force.

use super::super::event::{ClassificationChanged, ValuationChanged};
use super::super::rows::{StockRow, Valuation};
use super::Fit;

pub(super) fn changed(stock: &mut StockRow, fact: &ValuationChanged<'_>) -> Fit {
    stock.valuation = Some(Box::new(Valuation {
        method: (&*fact.valuation_method).into(),
        unit_cost: fact.new_unit_cost,
        total_value: fact.new_total_value,
        valued_quantity: fact.quantity,
    }));
    Fit::Whole
}

pub(super) fn classified(stock: &mut StockRow, fact: &ClassificationChanged<'_>) -> Fit {
    if stock.abc_class.as_deref() != Some(&*fact.new_class) {
        stock.abc_class = Some((&*fact.new_class).into());
    }
    Fit::Whole
}
