//! Names of members, brought into one form: known ones in snake_case, sorted, without nulls.

use std::borrow::Cow;

use super::tree::{Json, Member};
use crate::domain::command::Refusal;

const LOT: &[&str] = &["lot_number", "expiry_date"];
const COMPONENT: &[&str] = &["component_sku", "quantity", "is_optional"];

/// The fields of a command's data, as the contract's table has them; none of a command that is not known.
fn known(command: &str) -> &'static [&'static str] {
    match command {
        "product-stock.receive" => {
            &["sku", "quantity", "reason", "status", "location_id", "lot", "unit_cost"]
        }
        "product-stock.adjust" => &[
            "sku",
            "quantity_change",
            "reason",
            "status",
            "location_id",
            "lot_number",
            "comment",
            "accept_shortfall",
        ],
        "product-stock.set" => &["sku", "quantity", "reason", "location_id", "comment", "accept_shortfall"],
        "product-stock.allocate" => &["sku", "quantity", "allocation_id", "expires_at"],
        "product-stock.deallocate" => &["sku", "quantity", "allocation_id"],
        "product-stock.pick" => &["sku", "quantity", "allocation_id", "location_id", "lot_number"],
        "stock-status.change" => {
            &["sku", "quantity", "from", "to", "reason", "lot_number", "accept_shortfall"]
        }
        "inventory-hold.place" => &[
            "sku",
            "hold_id",
            "hold_type",
            "quantity",
            "reason",
            "lot_number",
            "expires_at",
            "accept_shortfall",
        ],
        "inventory-hold.release" => &["sku", "hold_id", "quantity", "released_by"],
        "stock-transfer.initiate" => &[
            "sku",
            "transfer_id",
            "source_location",
            "destination_location",
            "quantity",
            "initiated_by",
            "reason",
        ],
        "stock-transfer.complete" => {
            &["sku", "transfer_id", "quantity_transferred", "completed_by", "lot_number"]
        }
        "serial-number.receive" => &["sku", "serial_number", "location_id", "lot_number", "received_by"],
        "serial-number.allocate" => &["sku", "serial_number", "allocation_id"],
        "serial-number.ship" => &["sku", "serial_number", "shipment_id"],
        "inventory-valuation.change" => &["sku", "valuation_method", "unit_cost", "quantity", "reason"],
        "abc-classification.change" => &["sku", "new_class", "criteria", "reason"],
        "kit.create" => &["sku", "kit_sku", "kit_name", "kit_type", "components", "created_by"],
        "kit.assemble" => &[
            "sku",
            "kit_sku",
            "assembly_order_id",
            "kit_quantity_planned",
            "kit_quantity_produced",
            "components_consumed",
            "assembly_location",
            "completed_by",
        ],
        "kit.disassemble" => &[
            "sku",
            "kit_sku",
            "disassembly_order_id",
            "kit_quantity",
            "components_recovered",
            "disassembly_location",
            "completed_by",
        ],
        _ => &[],
    }
}

/// Brings the data of `command` into the form that is read and hashed.
///
/// # Errors
/// `INVALID_COMMAND` where a name stands twice, or in both spellings with different values. The form is whole
/// all the same, with every such member kept: the camelCase spelling before the other, repeated ones in the
/// order they came.
pub(super) fn normalise(command: &str, data: &mut Json<'_>) -> Result<(), Refusal> {
    object(data, known(command), "")
}

fn object(value: &mut Json<'_>, names: &[&'static str], path: &str) -> Result<(), Refusal> {
    match value {
        Json::Array(items) => {
            let names = if path == "components" { COMPONENT } else { &[] };
            let mut sound = Ok(());
            for item in items {
                // Every item is brought into form, whatever is wrong with one before it.
                sound = sound.and(object(item, names, path));
            }
            sound
        }
        Json::Object(members) => {
            let mut sound = Ok(());
            for (name, value) in &mut *members {
                let inner = if name == "lot" && names.contains(&"lot") { LOT } else { &[] };
                let path: &str = if names.contains(&&**name) { name } else { "" };
                sound = sound.and(object(value, inner, path));
            }
            sound.and(in_order(members, names))
        }
        _ => Ok(()),
    }
}

fn in_order(members: &mut Vec<Member<'_>>, names: &[&'static str]) -> Result<(), Refusal> {
    let mut sound = Ok(());
    members.sort_by(|(a, _), (b, _)| a.cmp(b));
    if let Some(name) = members.windows(2).find_map(|pair| match pair {
        [(a, _), (b, _)] if a == b => Some(a.clone()),
        _ => None,
    }) {
        sound = Err(Refusal::invalid(&shortened(&name), "stands twice"));
    }
    members.retain(|(_, value)| *value != Json::Null);
    let mut renamed = false;
    for (name, _) in &mut *members {
        if let Some(snake) = snake_case(name, names) {
            *name = Cow::Borrowed(snake);
            renamed = true;
        }
    }
    if renamed {
        members.sort_by(|(a, _), (b, _)| a.cmp(b));
        // The same value under both spellings is said once.
        if sound.is_ok() {
            members.dedup();
            if let Some(name) = members.windows(2).find_map(|pair| match pair {
                [(a, _), (b, _)] if a == b => Some(a.clone()),
                _ => None,
            }) {
                sound = Err(Refusal::invalid(&name, "stands in both spellings with different values"));
            }
        }
    }
    sound
}

/// The known name that `name` is the camelCase of.
fn snake_case(name: &str, names: &[&'static str]) -> Option<&'static str> {
    let is_camel_of = |snake: &str| {
        let mut camel = name.bytes();
        let mut snake = snake.bytes();
        loop {
            match snake.next() {
                None => return camel.next().is_none(),
                Some(b'_') => {
                    let capital = snake.next().map(|byte| byte.to_ascii_uppercase());
                    if capital != camel.next() {
                        return false;
                    }
                }
                other => {
                    if other != camel.next() {
                        return false;
                    }
                }
            }
        }
    };
    names.iter().copied().find(|snake| snake.contains('_') && is_camel_of(snake))
}

fn shortened(name: &str) -> String {
    name.chars().take(64).collect()
}
