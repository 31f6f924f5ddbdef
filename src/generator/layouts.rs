//! The same event as other services have written it over the years: other field names, other layouts.

use serde_json::{Map, Value, json};

use crate::domain::event::{Event, Fact, LevelChanged};

/// A way in which an event's data has been seen on the topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// What we write: snake_case, levels nested.
    Canonical,
    /// The same with camelCase names.
    CamelCase,
    /// `level-changed` with `previousQuantityOnHand` and so on at the top; others as camelCase.
    Flat,
    /// `level-changed` that says nothing of allocation; others as camelCase. Loses the allocated change, so
    /// it fits only events that leave allocated as it was.
    Minimal,
}

/// `data`, the canonical data of `event`, in another layout.
#[must_use]
pub fn written_as(layout: Layout, event: &Event<'_>, data: Value) -> Value {
    match (layout, &event.fact) {
        (Layout::Canonical, _) => data,
        (Layout::Flat, Fact::LevelChanged(changed)) => flat(event, changed),
        (Layout::Minimal, Fact::LevelChanged(changed)) => minimal(event, changed),
        _ => camel_case(data),
    }
}

fn flat(event: &Event<'_>, changed: &LevelChanged<'_>) -> Value {
    let mut data = json!({
        "sku": event.envelope.sku,
        "previousQuantityOnHand": changed.previous.on_hand,
        "previousQuantityAllocated": changed.previous.allocated,
        "previousAvailableToPromise": changed.previous.available_to_promise,
        "newQuantityOnHand": changed.new.on_hand,
        "newQuantityAllocated": changed.new.allocated,
        "newAvailableToPromise": changed.new.available_to_promise,
        "changeReason": changed.change_reason,
    });
    add_names(&mut data, changed);
    data
}

fn minimal(event: &Event<'_>, changed: &LevelChanged<'_>) -> Value {
    let mut data = json!({
        "sku": event.envelope.sku,
        "previousQuantityOnHand": changed.previous.on_hand,
        "newQuantityOnHand": changed.new.on_hand,
        "changeType": "ADJUSTMENT",
        "reasonCode": changed.change_reason,
    });
    add_names(&mut data, changed);
    data
}

fn add_names(data: &mut Value, changed: &LevelChanged<'_>) {
    let names = [
        ("locationId", &changed.location_id),
        ("allocationId", &changed.allocation_id),
        ("lotNumber", &changed.lot_number),
        ("comment", &changed.comment),
    ];
    if let Value::Object(object) = data {
        for (name, text) in names {
            if let Some(text) = text {
                object.insert(name.to_owned(), json!(text));
            }
        }
    }
}

/// Every member's name in camelCase, except the names in maps of SKUs, which are data.
fn camel_case(value: Value) -> Value {
    match value {
        Value::Object(object) => Value::Object(
            object
                .into_iter()
                .map(|(name, value)| {
                    let is_map_of_skus = name.starts_with("components_") && value.is_object();
                    (camel(&name), if is_map_of_skus { value } else { camel_case(value) })
                })
                .collect::<Map<_, _>>(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(camel_case).collect()),
        other => other,
    }
}

fn camel(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut raise = false;
    for c in name.chars() {
        if c == '_' {
            raise = true;
        } else if std::mem::take(&mut raise) {
            out.extend(c.to_uppercase());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_camel_case_and_skus_stay() {
        let data = json!({"kit_sku": "a_b", "components_consumed": {"x_y": 2}, "components": [{"is_optional": true}]});
        let expected =
            json!({"kitSku": "a_b", "componentsConsumed": {"x_y": 2}, "components": [{"isOptional": true}]});
        assert_eq!(camel_case(data), expected);
    }
}
