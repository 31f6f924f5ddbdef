//! `kit.created`, `.assembled`, `.disassembled`: the definition and how many were made. The kit SKU's own
//! levels, and its components', change by level changes of their own.

use super::super::event::{KitAssembled, KitCreated, KitDisassembled};
use super::super::rows::{Component, Kit, StockRow};
use super::{EvolveError, Fit};
use crate::types::Quantity;

/// A kit created again has a new definition and keeps its total.
pub(super) fn created(stock: &mut StockRow, fact: &KitCreated<'_>) -> Fit {
    let assembled = stock.kit.as_ref().map_or(Quantity::ZERO, |kit| kit.assembled);
    let component = |component: &super::super::event::KitComponent<'_>| Component {
        sku: (&*component.component_sku).into(),
        quantity: component.quantity,
        is_optional: component.is_optional,
    };
    stock.kit = Some(Box::new(Kit {
        name: (&*fact.kit_name).into(),
        kit_type: (&*fact.kit_type).into(),
        components: fact.components.iter().map(component).collect(),
        assembled,
    }));
    Fit::Whole
}

/// Without a definition there is no total to add to: an anomaly.
pub(super) fn assembled(stock: &mut StockRow, fact: &KitAssembled<'_>) -> Result<Fit, EvolveError> {
    let Some(kit) = &mut stock.kit else { return Ok(Fit::Anomaly) };
    let overflow = EvolveError::Overflow { what: "the kits assembled" };
    kit.assembled = kit.assembled.checked_add(fact.produced).ok_or(overflow)?;
    Ok(Fit::Whole)
}

/// Takes what there is of the total; the rest is an anomaly.
pub(super) fn disassembled(stock: &mut StockRow, fact: &KitDisassembled<'_>) -> Fit {
    let Some(kit) = &mut stock.kit else { return Fit::Anomaly };
    let short = fact.quantity > kit.assembled;
    kit.assembled = kit.assembled.saturating_sub(fact.quantity);
    Fit::anomaly_if(short)
}
