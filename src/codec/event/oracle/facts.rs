use std::borrow::Cow;
use std::collections::BTreeMap;

use super::fields::{Fields, label, quantity, whole};
use super::tree::{self, Json};
use super::{Malformed, Reason, no};
use crate::domain::event::*;
use crate::types::Quantity;

type Read<T> = Result<T, Malformed>;
type Text = Cow<'static, str>;

const KNOWN: [&str; 16] = [
    "product-stock.level-changed",
    "product-stock.status-changed",
    "stock-status.changed",
    "inventory-hold.placed",
    "inventory-hold.released",
    "inventory-valuation.changed",
    "abc-classification.changed",
    "stock-transfer.initiated",
    "stock-transfer.completed",
    "serial-number.received",
    "serial-number.allocated",
    "serial-number.shipped",
    "kit.created",
    "kit.assembled",
    "kit.disassembled",
    "inventory-snapshot.created",
];

pub(super) fn is_known(name: &str) -> bool {
    KNOWN.contains(&name)
}

/// Reads the data of a known type, its fields in the order of the contract's table.
pub(super) fn read(name: &str, data: &Fields<'_>) -> Read<Fact<'static>> {
    let text = |name: &str| data.text(name).map(Text::Owned);
    let optional_text = |name: &str| Ok::<_, Malformed>(data.optional_text(name)?.map(Text::Owned));
    let label = |name: &str| data.label(name).map(Text::Owned);
    let optional_label = |name: &str| Ok::<_, Malformed>(data.optional_label(name)?.map(Text::Owned));
    Ok(match name {
        "product-stock.level-changed" => Fact::LevelChanged(level_changed(data)?),
        "stock-status.changed" | "product-stock.status-changed" => Fact::StatusChanged(StatusChanged {
            previous_status: label("previous_status")?,
            new_status: label("new_status")?,
            quantity: data.quantity("quantity")?,
            reason: text("reason")?,
            lot_number: optional_label("lot_number")?,
        }),
        "inventory-hold.placed" => Fact::HoldPlaced(HoldPlaced {
            hold_id: label("hold_id")?,
            hold_type: label("hold_type")?,
            quantity: data.quantity("quantity_on_hold")?,
            reason: text("reason")?,
            lot_number: optional_label("lot_number")?,
            expires_at: data.optional_time("expires_at")?,
        }),
        "inventory-hold.released" => Fact::HoldReleased(HoldReleased {
            hold_id: label("hold_id")?,
            quantity: data.quantity("quantity_released")?,
            released_by: text("released_by")?,
            expires_at: data.optional_time("expires_at")?,
        }),
        "inventory-valuation.changed" => Fact::ValuationChanged(ValuationChanged {
            valuation_method: label("valuation_method")?,
            previous_unit_cost: data.money("previous_unit_cost")?,
            new_unit_cost: data.money("new_unit_cost")?,
            previous_total_value: data.money("previous_total_value")?,
            new_total_value: data.money("new_total_value")?,
            quantity: data.quantity("quantity")?,
            reason: text("reason")?,
        }),
        "abc-classification.changed" => Fact::ClassificationChanged(ClassificationChanged {
            previous_class: optional_label("previous_class")?,
            new_class: label("new_class")?,
            criteria: text("criteria")?,
            reason: text("reason")?,
        }),
        "stock-transfer.initiated" => Fact::TransferInitiated(TransferInitiated {
            transfer_id: label("transfer_id")?,
            source_location: label("source_location")?,
            destination_location: label("destination_location")?,
            quantity: data.quantity("quantity")?,
            initiated_by: text("initiated_by")?,
            reason: text("reason")?,
        }),
        "stock-transfer.completed" => Fact::TransferCompleted(TransferCompleted {
            transfer_id: label("transfer_id")?,
            from_location: label("from_location")?,
            to_location: label("to_location")?,
            quantity: data.quantity("quantity_transferred")?,
            completed_by: text("completed_by")?,
            lot_number: optional_label("lot_number")?,
        }),
        "serial-number.received" => Fact::SerialReceived(SerialReceived {
            serial_number: label("serial_number")?,
            location_id: optional_label("location_id")?,
            lot_number: optional_label("lot_number")?,
            received_by: optional_text("received_by")?,
        }),
        "serial-number.allocated" => Fact::SerialAllocated(SerialAllocated {
            serial_number: label("serial_number")?,
            allocation_id: optional_label("allocation_id")?,
        }),
        "serial-number.shipped" => Fact::SerialShipped(SerialShipped {
            serial_number: label("serial_number")?,
            shipment_id: optional_label("shipment_id")?,
        }),
        "kit.created" => Fact::KitCreated(KitCreated {
            kit_name: text("kit_name")?,
            kit_type: label("kit_type")?,
            components: data.required("components", components)?,
            created_by: text("created_by")?,
        }),
        "kit.assembled" => Fact::KitAssembled(KitAssembled {
            assembly_order_id: text("assembly_order_id")?,
            planned: data.quantity("kit_quantity_planned")?,
            produced: data.quantity("kit_quantity_produced")?,
            components_consumed: data.required("components_consumed", units)?,
            assembly_location: label("assembly_location")?,
            completed_by: text("completed_by")?,
        }),
        "kit.disassembled" => Fact::KitDisassembled(KitDisassembled {
            disassembly_order_id: text("disassembly_order_id")?,
            quantity: data.quantity("kit_quantity")?,
            components_recovered: data.required("components_recovered", units)?,
            disassembly_location: label("disassembly_location")?,
            completed_by: text("completed_by")?,
        }),
        "inventory-snapshot.created" => Fact::SnapshotCreated(SnapshotCreated {
            snapshot_id: text("snapshot_id")?,
            snapshot_type: text("snapshot_type")?,
            snapshot_reason: text("snapshot_reason")?,
            created_by: text("created_by")?,
        }),
        other => return Err(no(Reason::Overflow, other)),
    })
}

fn level_changed(data: &Fields<'_>) -> Read<LevelChanged<'static>> {
    let previous = data.optional("previous_stock_level", level)?;
    let new = data.optional("new_stock_level", level)?;
    let (previous, new) = match (previous, new) {
        (None, None) => (flat_level(data, "previous")?, flat_level(data, "new")?),
        (Some(previous), Some(new)) => {
            agrees(data, "previous", &previous)?;
            agrees(data, "new", &new)?;
            (previous, new)
        }
        _ => return Err(no(Reason::MissingField, "one of two levels")),
    };
    let mut change_reason = None;
    for name in ["change_reason", "reason_code", "change_type"] {
        if change_reason.is_none() {
            change_reason = data.optional_text(name)?;
        }
    }
    let label = |name: &str| Ok::<_, Malformed>(data.optional_label(name)?.map(Text::Owned));
    Ok(LevelChanged {
        previous,
        new,
        change_reason: Text::Owned(change_reason.ok_or_else(|| no(Reason::MissingField, "change_reason"))?),
        location_id: label("location_id")?,
        allocation_id: label("allocation_id")?,
        lot_number: label("lot_number")?,
        expiry_date: label("expiry_date")?,
        expires_at: data.optional_time("expires_at")?,
        comment: data.optional_text("comment")?.map(Text::Owned),
    })
}

fn level(value: &Json) -> Read<Level> {
    let Json::Object(members) = value else { return Err(no(Reason::InvalidField, "not an object")) };
    tree::check_repeated(members)?;
    let level = Fields(members);
    Ok(Level {
        on_hand: level.required("quantity_on_hand", whole)?,
        allocated: Some(level.required("quantity_allocated", whole)?),
        available_to_promise: Some(level.required("available_to_promise", whole)?),
    })
}

fn flat_level(data: &Fields<'_>, which: &str) -> Read<Level> {
    Ok(Level {
        on_hand: data.required(&format!("{which}_quantity_on_hand"), whole)?,
        allocated: data.optional(&format!("{which}_quantity_allocated"), whole)?,
        available_to_promise: data.optional(&format!("{which}_available_to_promise"), whole)?,
    })
}

/// What stands flat beside a nested level says the same.
fn agrees(data: &Fields<'_>, which: &str, level: &Level) -> Read<()> {
    for (name, value) in [
        ("quantity_on_hand", Some(level.on_hand)),
        ("quantity_allocated", level.allocated),
        ("available_to_promise", level.available_to_promise),
    ] {
        let flat = data.optional(&format!("{which}_{name}"), whole)?;
        if flat.is_some() && flat != value {
            return Err(no(Reason::RepeatedKey, name));
        }
    }
    Ok(())
}

fn components(value: &Json) -> Read<Vec<KitComponent<'static>>> {
    let Json::Array(items) = value else { return Err(no(Reason::InvalidField, "not an array")) };
    let mut components = Vec::new();
    for item in items {
        let Json::Object(members) = item else { return Err(no(Reason::InvalidField, "not an object")) };
        tree::check_repeated(members)?;
        let component = Fields(members);
        components.push(KitComponent {
            component_sku: Text::Owned(component.label("component_sku")?),
            quantity: component.quantity("quantity")?,
            is_optional: component
                .optional("is_optional", |value| match value {
                    Json::Bool(flag) => Ok(*flag),
                    _ => Err(no(Reason::InvalidField, "not a truth value")),
                })?
                .unwrap_or(false),
        });
    }
    Ok(components)
}

fn units(value: &Json) -> Read<BTreeMap<Text, Quantity>> {
    let Json::Object(members) = value else { return Err(no(Reason::InvalidField, "not an object")) };
    tree::check_repeated(members)?;
    let mut units = BTreeMap::new();
    for (sku, value) in members {
        units.insert(Text::Owned(label(sku)?), quantity(value)?);
    }
    Ok(units)
}
