//! The data of each command, in the order of the contract's table, which is the order its fields are asked
//! for.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::MAX_COMPONENTS;
use super::allowed::{CLASSES, CRITERIA, HOLD_TYPES, KIT_TYPES, REASONS, STATUSES, VALUATION_METHODS};
use super::fields::{Fields, at_least_one};
use super::tree::Json;
use crate::domain::command::{
    Adjust, ChangeStatus, InitiateTransfer, PlaceHold, Receive, Refusal, Request, Set,
};
use crate::domain::event::{KitAssembled, KitComponent, KitCreated, KitDisassembled};
use crate::types::{Quantity, Sku};

type Read<T> = Result<T, Refusal>;

const DEFAULT_RECEIPT: &str = "RECEIPT";

/// Reads `data`, an object, as the command of this name, which is a known one.
pub(super) fn read(name: &str, sku: &Sku, data: &Json<'_>, extended_values: bool) -> Read<Request> {
    let data = Fields::new(data, extended_values);
    same_sku(data, "sku", sku)?;
    Ok(match name {
        "product-stock.receive" => Request::Receive(receive(data)?),
        "product-stock.adjust" => Request::Adjust(adjust(data)?),
        "product-stock.set" => Request::Set(set(data)?),
        "product-stock.allocate" => allocate(data)?,
        "product-stock.deallocate" => deallocate(data)?,
        "product-stock.pick" => Request::Pick {
            quantity: data.units("quantity")?,
            allocation_id: data.optional_label("allocation_id")?,
            location_id: data.optional_label("location_id")?,
            lot_number: data.optional_label("lot_number")?,
        },
        "stock-status.change" => Request::ChangeStatus(change_status(data)?),
        "inventory-hold.place" => Request::PlaceHold(place_hold(data)?),
        "inventory-hold.release" => Request::ReleaseHold {
            hold_id: data.label("hold_id")?,
            quantity: data.optional_units("quantity")?,
            released_by: data.text("released_by")?,
        },
        "stock-transfer.initiate" => Request::InitiateTransfer(InitiateTransfer {
            transfer_id: data.label("transfer_id")?,
            source_location: data.label("source_location")?,
            destination_location: data.label("destination_location")?,
            quantity: data.units("quantity")?,
            initiated_by: data.text("initiated_by")?,
            reason: data.text("reason")?,
        }),
        "stock-transfer.complete" => Request::CompleteTransfer {
            transfer_id: data.label("transfer_id")?,
            quantity: data.units("quantity_transferred")?,
            completed_by: data.text("completed_by")?,
            lot_number: data.optional_label("lot_number")?,
        },
        "serial-number.receive" => Request::ReceiveSerial {
            serial_number: data.label("serial_number")?,
            location_id: data.optional_label("location_id")?,
            lot_number: data.optional_label("lot_number")?,
            received_by: data.optional_text("received_by")?,
        },
        "serial-number.allocate" => Request::AllocateSerial {
            serial_number: data.label("serial_number")?,
            allocation_id: data.optional_label("allocation_id")?,
        },
        "serial-number.ship" => Request::ShipSerial {
            serial_number: data.label("serial_number")?,
            shipment_id: data.optional_label("shipment_id")?,
        },
        "inventory-valuation.change" => Request::ChangeValuation {
            valuation_method: data.listed("valuation_method", VALUATION_METHODS)?,
            unit_cost: data.cost("unit_cost")?,
            quantity: data.optional_quantity("quantity")?,
            reason: data.text("reason")?,
        },
        "abc-classification.change" => Request::ChangeClassification {
            new_class: data.listed("new_class", CLASSES)?,
            criteria: data.listed("criteria", CRITERIA)?,
            reason: data.text("reason")?,
        },
        _ => kit(name, sku, data)?,
    })
}

/// Where the data names the SKU, it names the subject.
fn same_sku(data: Fields<'_, '_>, field: &str, sku: &Sku) -> Read<()> {
    match data.optional_label(field)? {
        Some(named) if *named != *sku.as_str() => {
            Err(Refusal::invalid(field, format!("{named:?} is not the subject, {:?}", sku.as_str())))
        }
        _ => Ok(()),
    }
}

fn receive(data: Fields<'_, '_>) -> Read<Receive> {
    let quantity = data.units("quantity")?;
    let reason = data.optional_listed("reason", REASONS)?;
    let status = data.optional_listed("status", STATUSES)?;
    let location_id = data.optional_label("location_id")?;
    let lot = data.optional("lot", |value| match value {
        Json::Object(_) => Ok(data.within(value)),
        _ => Err(Refusal::invalid("lot", "expected an object with lot_number")),
    })?;
    Ok(Receive {
        quantity,
        reason: reason.unwrap_or_else(|| DEFAULT_RECEIPT.into()),
        status,
        location_id,
        lot_number: lot.map(|lot| lot.label("lot_number")).transpose()?,
        expiry_date: lot.map_or(Ok(None), |lot| lot.optional_date("expiry_date"))?,
        unit_cost: data.optional_cost("unit_cost")?,
    })
}

fn adjust(data: Fields<'_, '_>) -> Read<Adjust> {
    Ok(Adjust {
        quantity_change: data.difference("quantity_change")?,
        reason: data.listed("reason", REASONS)?,
        status: data.optional_listed("status", STATUSES)?,
        location_id: data.optional_label("location_id")?,
        lot_number: data.optional_label("lot_number")?,
        comment: data.optional_text("comment")?,
        accept_shortfall: data.flag("accept_shortfall")?,
    })
}

fn set(data: Fields<'_, '_>) -> Read<Set> {
    Ok(Set {
        quantity: data.quantity("quantity")?,
        reason: data.listed("reason", REASONS)?,
        location_id: data.optional_label("location_id")?,
        comment: data.optional_text("comment")?,
        accept_shortfall: data.flag("accept_shortfall")?,
    })
}

fn allocate(data: Fields<'_, '_>) -> Read<Request> {
    let quantity = data.units("quantity")?;
    let allocation_id = data.optional_label("allocation_id")?;
    let expires_at = data.optional_time("expires_at")?;
    if expires_at.is_some() && allocation_id.is_none() {
        return Err(Refusal::invalid("expires_at", "only an allocation with an allocation_id can expire"));
    }
    Ok(Request::Allocate { quantity, allocation_id, expires_at })
}

fn deallocate(data: Fields<'_, '_>) -> Read<Request> {
    let allocation_id = data.optional_label("allocation_id")?;
    let quantity = data.optional_units("quantity")?;
    if allocation_id.is_none() && quantity.is_none() {
        return Err(Refusal::invalid("allocation_id", "is missing; say allocation_id, quantity, or both"));
    }
    Ok(Request::Deallocate { allocation_id, quantity })
}

fn change_status(data: Fields<'_, '_>) -> Read<ChangeStatus> {
    let change = ChangeStatus {
        quantity: data.units("quantity")?,
        from: data.listed("from", STATUSES)?,
        to: data.listed("to", STATUSES)?,
        reason: data.text("reason")?,
        lot_number: data.optional_label("lot_number")?,
        accept_shortfall: data.flag("accept_shortfall")?,
    };
    if change.from == change.to {
        return Err(Refusal::invalid("to", "expected another status than from"));
    }
    Ok(change)
}

fn place_hold(data: Fields<'_, '_>) -> Read<PlaceHold> {
    Ok(PlaceHold {
        hold_id: data.label("hold_id")?,
        hold_type: data.listed("hold_type", HOLD_TYPES)?,
        quantity: data.units("quantity")?,
        reason: data.text("reason")?,
        lot_number: data.optional_label("lot_number")?,
        expires_at: data.optional_time("expires_at")?,
        accept_shortfall: data.flag("accept_shortfall")?,
    })
}

fn kit(name: &str, sku: &Sku, data: Fields<'_, '_>) -> Read<Request> {
    same_sku(data, "kit_sku", sku)?;
    let text = |text: Box<str>| Cow::Owned(text.into_string());
    Ok(match name {
        "kit.create" => Request::CreateKit(KitCreated {
            kit_name: text(data.text("kit_name")?),
            kit_type: text(data.listed("kit_type", KIT_TYPES)?),
            components: components(data, sku)?,
            created_by: text(data.text("created_by")?),
        }),
        "kit.assemble" => Request::AssembleKit(KitAssembled {
            assembly_order_id: text(data.text("assembly_order_id")?),
            planned: data.units("kit_quantity_planned")?,
            produced: data.quantity("kit_quantity_produced")?,
            components_consumed: units(data, "components_consumed")?,
            assembly_location: text(data.label("assembly_location")?),
            completed_by: text(data.text("completed_by")?),
        }),
        _ => Request::DisassembleKit(KitDisassembled {
            disassembly_order_id: text(data.text("disassembly_order_id")?),
            quantity: data.units("kit_quantity")?,
            components_recovered: units(data, "components_recovered")?,
            disassembly_location: text(data.label("disassembly_location")?),
            completed_by: text(data.text("completed_by")?),
        }),
    })
}

fn components(data: Fields<'_, '_>, sku: &Sku) -> Read<Vec<KitComponent<'static>>> {
    let field = "components";
    let items = data.required(field, |value| match value {
        Json::Array(items) => Ok(items),
        _ => Err(Refusal::invalid(field, "expected an array")),
    })?;
    if items.len() > MAX_COMPONENTS {
        return Err(too_many(field, items.len()));
    }
    let mut components: Vec<KitComponent<'static>> = Vec::with_capacity(items.len());
    for (i, item) in items.iter().enumerate() {
        let at = |refusal: Refusal| Refusal::invalid(&format!("{field}[{i}]"), refusal.message);
        let Json::Object(_) = item else {
            return Err(Refusal::invalid(&format!("{field}[{i}]"), "expected an object"));
        };
        let item = data.within(item);
        let component_sku = item.label("component_sku").map_err(at)?;
        if *component_sku == *sku.as_str() {
            return Err(Refusal::invalid(&format!("{field}[{i}]"), "a kit is no component of itself"));
        }
        if components.iter().any(|other| other.component_sku == *component_sku) {
            return Err(Refusal::invalid(&format!("{field}[{i}]"), format!("{component_sku} stands twice")));
        }
        components.push(KitComponent {
            component_sku: Cow::Owned(component_sku.into_string()),
            quantity: item.units("quantity").map_err(at)?,
            is_optional: item.flag("is_optional").map_err(at)?,
        });
    }
    Ok(components)
}

/// Units by component SKU.
fn units(data: Fields<'_, '_>, field: &str) -> Read<BTreeMap<Cow<'static, str>, Quantity>> {
    let members = data.required(field, |value| match value {
        Json::Object(members) => Ok(members),
        _ => Err(Refusal::invalid(field, "expected an object of units by component SKU")),
    })?;
    if members.len() > MAX_COMPONENTS {
        return Err(too_many(field, members.len()));
    }
    let mut units = BTreeMap::new();
    for (sku, value) in members {
        Sku::check(sku).map_err(|error| Refusal::invalid(field, error.to_string()))?;
        units.insert(Cow::Owned(sku.to_string()), at_least_one(&format!("{field}.{sku}"), value)?);
    }
    Ok(units)
}

fn too_many(field: &str, found: usize) -> Refusal {
    Refusal::invalid(field, format!("expected at most {MAX_COMPONENTS} components, these are {found}"))
}
