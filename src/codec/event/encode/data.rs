use std::borrow::Cow;
use std::collections::BTreeMap;

use super::json::ObjectWriter;
use crate::domain::event::{Event, Fact, KitAssembled, KitCreated, KitDisassembled, Level, LevelChanged};
use crate::types::{Quantity, UtcTime};

/// Writes the members of `data`, in the order of the contract's table.
pub(super) fn write(event: &Event<'_>, out: &mut ObjectWriter<'_>) {
    let sku = &event.envelope.sku;
    match &event.fact {
        Fact::KitCreated(_) | Fact::KitAssembled(_) | Fact::KitDisassembled(_) => {}
        _ => out.text("sku", sku),
    }
    match &event.fact {
        Fact::LevelChanged(fact) => level_changed(fact, out),
        Fact::StatusChanged(fact) => {
            out.text("previous_status", &fact.previous_status);
            out.text("new_status", &fact.new_status);
            out.plain("quantity", fact.quantity);
            out.text("reason", &fact.reason);
            out.optional_text("lot_number", fact.lot_number.as_deref());
        }
        Fact::HoldPlaced(fact) => {
            out.text("hold_id", &fact.hold_id);
            out.text("hold_type", &fact.hold_type);
            out.plain("quantity_on_hold", fact.quantity);
            out.text("reason", &fact.reason);
            out.optional_text("lot_number", fact.lot_number.as_deref());
            optional_time(out, "expires_at", fact.expires_at);
        }
        Fact::HoldReleased(fact) => {
            out.text("hold_id", &fact.hold_id);
            out.plain("quantity_released", fact.quantity);
            out.text("released_by", &fact.released_by);
            optional_time(out, "expires_at", fact.expires_at);
        }
        Fact::ValuationChanged(fact) => {
            out.text("valuation_method", &fact.valuation_method);
            out.plain("previous_unit_cost", fact.previous_unit_cost);
            out.plain("new_unit_cost", fact.new_unit_cost);
            out.plain("previous_total_value", fact.previous_total_value);
            out.plain("new_total_value", fact.new_total_value);
            out.plain("quantity", fact.quantity);
            out.text("reason", &fact.reason);
        }
        Fact::ClassificationChanged(fact) => {
            match &fact.previous_class {
                Some(class) => out.text("previous_class", class),
                None => out.null("previous_class"),
            }
            out.text("new_class", &fact.new_class);
            out.text("criteria", &fact.criteria);
            out.text("reason", &fact.reason);
        }
        Fact::TransferInitiated(fact) => {
            out.text("transfer_id", &fact.transfer_id);
            out.text("source_location", &fact.source_location);
            out.text("destination_location", &fact.destination_location);
            out.plain("quantity", fact.quantity);
            out.text("initiated_by", &fact.initiated_by);
            out.text("reason", &fact.reason);
        }
        Fact::TransferCompleted(fact) => {
            out.text("transfer_id", &fact.transfer_id);
            out.text("from_location", &fact.from_location);
            out.text("to_location", &fact.to_location);
            out.plain("quantity_transferred", fact.quantity);
            out.text("completed_by", &fact.completed_by);
            out.optional_text("lot_number", fact.lot_number.as_deref());
        }
        Fact::SerialReceived(fact) => {
            out.text("serial_number", &fact.serial_number);
            out.optional_text("location_id", fact.location_id.as_deref());
            out.optional_text("lot_number", fact.lot_number.as_deref());
            out.optional_text("received_by", fact.received_by.as_deref());
        }
        Fact::SerialAllocated(fact) => {
            out.text("serial_number", &fact.serial_number);
            out.optional_text("allocation_id", fact.allocation_id.as_deref());
        }
        Fact::SerialShipped(fact) => {
            out.text("serial_number", &fact.serial_number);
            out.optional_text("shipment_id", fact.shipment_id.as_deref());
        }
        Fact::KitCreated(fact) => kit_created(sku, fact, out),
        Fact::KitAssembled(fact) => kit_assembled(sku, fact, out),
        Fact::KitDisassembled(fact) => kit_disassembled(sku, fact, out),
        Fact::SnapshotCreated(fact) => {
            out.text("snapshot_id", &fact.snapshot_id);
            out.text("snapshot_type", &fact.snapshot_type);
            out.text("snapshot_reason", &fact.snapshot_reason);
            out.text("created_by", &fact.created_by);
        }
    }
}

fn optional_time(out: &mut ObjectWriter<'_>, name: &str, time: Option<UtcTime>) {
    if let Some(time) = time {
        out.text(name, &time.to_string());
    }
}

fn level_changed(fact: &LevelChanged<'_>, out: &mut ObjectWriter<'_>) {
    match (whole(fact.previous), whole(fact.new)) {
        (Some(previous), Some(new)) => {
            level(out, "previous_stock_level", previous);
            level(out, "new_stock_level", new);
        }
        // One that leaves something open can be said only flat. We write none; a foreign one may come by.
        _ => {
            flat_level(out, "previous", fact.previous);
            flat_level(out, "new", fact.new);
        }
    }
    out.text("change_reason", &fact.change_reason);
    out.optional_text("location_id", fact.location_id.as_deref());
    out.optional_text("allocation_id", fact.allocation_id.as_deref());
    out.optional_text("lot_number", fact.lot_number.as_deref());
    out.optional_text("expiry_date", fact.expiry_date.as_deref());
    optional_time(out, "expires_at", fact.expires_at);
    out.optional_text("comment", fact.comment.as_deref());
}

/// On hand, allocated and available, where all are said.
fn whole(level: Level) -> Option<[i64; 3]> {
    Some([level.on_hand, level.allocated?, level.available_to_promise?])
}

fn level(out: &mut ObjectWriter<'_>, name: &str, [on_hand, allocated, available]: [i64; 3]) {
    out.object(name, |out| {
        out.plain("quantity_on_hand", on_hand);
        out.plain("quantity_allocated", allocated);
        out.plain("available_to_promise", available);
    });
}

fn flat_level(out: &mut ObjectWriter<'_>, which: &str, level: Level) {
    out.plain(&format!("{which}_quantity_on_hand"), level.on_hand);
    if let Some(allocated) = level.allocated {
        out.plain(&format!("{which}_quantity_allocated"), allocated);
    }
    if let Some(available) = level.available_to_promise {
        out.plain(&format!("{which}_available_to_promise"), available);
    }
}

fn kit_created(sku: &str, fact: &KitCreated<'_>, out: &mut ObjectWriter<'_>) {
    out.text("kit_sku", sku);
    out.text("kit_name", &fact.kit_name);
    out.text("kit_type", &fact.kit_type);
    out.objects("components", &fact.components, |component, out| {
        out.text("component_sku", &component.component_sku);
        out.plain("quantity", component.quantity);
        out.plain("is_optional", component.is_optional);
    });
    out.text("created_by", &fact.created_by);
}

fn kit_assembled(sku: &str, fact: &KitAssembled<'_>, out: &mut ObjectWriter<'_>) {
    out.text("assembly_order_id", &fact.assembly_order_id);
    out.text("kit_sku", sku);
    out.plain("kit_quantity_planned", fact.planned);
    out.plain("kit_quantity_produced", fact.produced);
    units(out, "components_consumed", &fact.components_consumed);
    out.text("assembly_location", &fact.assembly_location);
    out.text("completed_by", &fact.completed_by);
}

fn kit_disassembled(sku: &str, fact: &KitDisassembled<'_>, out: &mut ObjectWriter<'_>) {
    out.text("disassembly_order_id", &fact.disassembly_order_id);
    out.text("kit_sku", sku);
    out.plain("kit_quantity", fact.quantity);
    units(out, "components_recovered", &fact.components_recovered);
    out.text("disassembly_location", &fact.disassembly_location);
    out.text("completed_by", &fact.completed_by);
}

fn units(out: &mut ObjectWriter<'_>, name: &str, units: &BTreeMap<Cow<'_, str>, Quantity>) {
    out.object(name, |out| {
        for (sku, quantity) in units {
            out.plain(sku, quantity);
        }
    });
}
