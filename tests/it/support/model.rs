//! An independent model of the contract: what a store fed with these records must answer.
//!
//! It shares nothing with the code under test: JSON by `serde_json::Value`, state in plain maps, the rules
//! written down a second time from the contract, slowly and plainly. It knows foreign events only (no
//! `sequence` of ours) and well-formed records only.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde_json::{Map, Value, json};

const PREFIX: &str = "com.paklog.inventory.fulfillment.v1.";

/// Every SKU seen, by name.
#[derive(Default)]
pub struct Model {
    pub skus: BTreeMap<String, Sku>,
}

/// What the model knows of one SKU.
#[derive(Default)]
pub struct Sku {
    on_hand: i128,
    allocated: i128,
    statuses: BTreeMap<String, i128>,
    holds: BTreeMap<String, (i128, Value)>,
    allocations: BTreeMap<String, (i128, Value)>,
    lots: BTreeMap<String, (i128, Value)>,
    locations: BTreeMap<String, i128>,
    transfers: BTreeMap<String, (i128, Value)>,
    serials: BTreeMap<String, &'static str>,
    valuation: Value,
    class: Value,
    kit: Option<(Map<String, Value>, i128)>,
    pub version: u64,
    duplicates: u64,
    conflicts: u64,
    anomalies: u64,
    seen: VecDeque<(String, String)>,
}

/// The member `name` (snake_case) of `data`, under either spelling; null where it is absent.
fn field<'a>(data: &'a Value, name: &str) -> &'a Value {
    let mut camel = String::new();
    for (i, word) in name.split('_').enumerate() {
        let mut letters = word.chars();
        match letters.next() {
            Some(first) if i > 0 => camel.extend(first.to_uppercase()),
            Some(first) => camel.push(first),
            None => {}
        }
        camel.push_str(letters.as_str());
    }
    data.get(name).or_else(|| data.get(&camel)).unwrap_or(&Value::Null)
}

fn text(data: &Value, name: &str) -> String {
    field(data, name).as_str().unwrap_or_else(|| panic!("{name} is no text in {data}")).to_owned()
}

fn units(value: &Value) -> i128 {
    let number = value.as_i64().map(i128::from);
    number.unwrap_or_else(|| panic!("{value} is no whole number"))
}

impl Model {
    /// Applies a structured CloudEvent.
    pub fn structured(&mut self, value: &[u8]) {
        let event: Value = serde_json::from_slice(value).expect("a JSON event");
        let of = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        self.apply(&of("source"), &of("id"), &of("type"), &of("subject"), &event["data"]);
    }

    /// Applies a record as it stands on the topic, in either mode.
    pub fn record(&mut self, headers: &HashMap<String, String>, value: &[u8]) {
        let content_type = headers.get("content-type").map(String::as_str).unwrap_or_default();
        if content_type.starts_with("application/cloudevents") {
            return self.structured(value);
        }
        let data: Value = serde_json::from_slice(value).expect("JSON data");
        let of = |name: &str| headers.get(&format!("ce_{name}")).cloned().unwrap_or_default();
        self.apply(&of("source"), &of("id"), &of("type"), &of("subject"), &data);
    }

    fn apply(&mut self, source: &str, id: &str, event_type: &str, sku: &str, data: &Value) {
        let sku = self.skus.entry(sku.to_owned()).or_default();
        let identity = (source.to_owned(), id.to_owned());
        if sku.seen.contains(&identity) {
            sku.duplicates += 1;
            return;
        }
        sku.seen.push_back(identity);
        if sku.seen.len() > 16 {
            sku.seen.pop_front();
        }
        let name = event_type.strip_prefix(PREFIX).expect("a type of the contract");
        let (conflict, anomaly) = sku.fold(name, data);
        sku.conflicts += u64::from(conflict && sku.version > 0);
        sku.anomalies += u64::from(anomaly);
        sku.version += 1;
    }
}

/// Takes up to `wanted` from `have`; gives what it took.
fn take(have: &mut i128, wanted: i128) -> i128 {
    let taken = wanted.min(*have).max(0);
    *have -= taken;
    taken
}

impl Sku {
    /// Gives (conflict, anomaly).
    fn fold(&mut self, name: &str, data: &Value) -> (bool, bool) {
        match name {
            "product-stock.level-changed" => return self.level_changed(data),
            "stock-status.changed" | "product-stock.status-changed" => return (false, self.status(data)),
            "inventory-hold.placed" => {
                let about = json!({
                    "hold_type": field(data, "hold_type"), "reason": field(data, "reason"),
                    "lot_number": field(data, "lot_number"), "expires_at": field(data, "expires_at"),
                });
                self.holds.insert(text(data, "hold_id"), (units(field(data, "quantity_on_hold")), about));
            }
            "inventory-hold.released" => {
                let (id, wanted) = (text(data, "hold_id"), units(field(data, "quantity_released")));
                let taken = self.holds.get_mut(&id).map_or(0, |(quantity, _)| take(quantity, wanted));
                self.holds.retain(|_, (quantity, _)| *quantity > 0);
                return (false, taken < wanted);
            }
            "inventory-valuation.changed" => {
                self.valuation = json!({
                    "valuation_method": field(data, "valuation_method"),
                    "unit_cost": field(data, "new_unit_cost"),
                    "total_value": field(data, "new_total_value"),
                    "valued_quantity": field(data, "quantity"),
                });
            }
            "abc-classification.changed" => self.class = field(data, "new_class").clone(),
            "stock-transfer.initiated" => {
                let quantity = units(field(data, "quantity"));
                let from = text(data, "source_location");
                if let Some(have) = self.locations.get_mut(&from) {
                    // What the location lacks comes out of what no location accounts for.
                    take(have, quantity);
                }
                self.locations.retain(|_, quantity| *quantity > 0);
                let about = json!({
                    "source_location": from, "destination_location": field(data, "destination_location"),
                });
                self.transfers.insert(text(data, "transfer_id"), (quantity, about));
            }
            "stock-transfer.completed" => {
                self.transfers.remove(&text(data, "transfer_id"));
                *self.locations.entry(text(data, "to_location")).or_default() +=
                    units(field(data, "quantity_transferred"));
            }
            "serial-number.received" => {
                self.serials.insert(text(data, "serial_number"), "received");
            }
            "serial-number.allocated" => {
                self.serials.insert(text(data, "serial_number"), "allocated");
            }
            "serial-number.shipped" => {
                self.serials.remove(&text(data, "serial_number"));
            }
            "kit.created" => {
                let assembled = self.kit.as_ref().map_or(0, |(_, assembled)| *assembled);
                let components: Vec<Value> = field(data, "components")
                    .as_array()
                    .expect("components")
                    .iter()
                    .map(|c| {
                        json!({
                            "component_sku": field(c, "component_sku"), "quantity": field(c, "quantity"),
                            "is_optional": field(c, "is_optional").as_bool().unwrap_or(false),
                        })
                    })
                    .collect();
                let kit = json!({
                    "kit_name": field(data, "kit_name"), "kit_type": field(data, "kit_type"), "components": components,
                });
                self.kit = Some((kit.as_object().expect("an object").clone(), assembled));
            }
            "kit.assembled" => {
                if let Some((_, assembled)) = &mut self.kit {
                    *assembled += units(field(data, "kit_quantity_produced"));
                }
            }
            "kit.disassembled" => {
                if let Some((_, assembled)) = &mut self.kit {
                    take(assembled, units(field(data, "kit_quantity")));
                }
            }
            "inventory-snapshot.created" => {}
            other => panic!("the model does not know {other}"),
        }
        (false, false)
    }

    fn level_changed(&mut self, data: &Value) -> (bool, bool) {
        let (previous, new) = (field(data, "previous_stock_level"), field(data, "new_stock_level"));
        let level = |nested: &Value, flat: &str, what: &str| {
            let value =
                if nested.is_object() { field(nested, what) } else { field(data, &format!("{flat}_{what}")) };
            value.as_i64().map(i128::from)
        };
        let before = level(previous, "previous", "quantity_on_hand").expect("previous on hand");
        let after = level(new, "new", "quantity_on_hand").expect("new on hand");
        let allocated_before = level(previous, "previous", "quantity_allocated");
        let allocated_after = level(new, "new", "quantity_allocated");

        let mut anomaly = false;
        let mut conflict = before != self.on_hand;
        if let (Some(was), Some(is)) = (allocated_before, allocated_after) {
            conflict |= was != self.allocated;
            self.allocated = is.max(0);
            anomaly |= is < 0;
            if let Some(id) = field(data, "allocation_id").as_str() {
                let named = self.allocations.entry(id.to_owned()).or_insert((0, Value::Null));
                if is >= was {
                    named.0 += is - was;
                } else {
                    anomaly |= take(&mut named.0, was - is) < was - is;
                }
            }
        }
        self.on_hand = after.max(0);
        anomaly |= after < 0;
        let moved = after - before;
        if let Some(id) = field(data, "location_id").as_str() {
            let here = self.locations.entry(id.to_owned()).or_default();
            if moved >= 0 {
                *here += moved;
            } else {
                take(here, -moved);
            }
        }
        if let Some(id) = field(data, "lot_number").as_str() {
            let lot = self.lots.entry(id.to_owned()).or_insert((0, Value::Null));
            if !field(data, "expiry_date").is_null() {
                lot.1 = field(data, "expiry_date").clone();
            }
            if moved >= 0 {
                lot.0 += moved;
            } else {
                take(&mut lot.0, -moved);
            }
        }
        self.locations.retain(|_, quantity| *quantity > 0);
        self.lots.retain(|_, (quantity, _)| *quantity > 0);
        self.allocations.retain(|_, (quantity, _)| *quantity > 0);
        let named: i128 = self.allocations.values().map(|(quantity, _)| quantity).sum();
        (conflict, anomaly || named > self.allocated)
    }

    fn status(&mut self, data: &Value) -> bool {
        let wanted = units(field(data, "quantity"));
        let (from, to) = (text(data, "previous_status"), text(data, "new_status"));
        let moved = if from == "AVAILABLE" {
            wanted
        } else {
            self.statuses.get_mut(&from).map_or(0, |have| take(have, wanted))
        };
        if to != "AVAILABLE" {
            *self.statuses.entry(to).or_default() += moved;
        }
        self.statuses.retain(|_, quantity| *quantity > 0);
        moved < wanted
    }

    /// The body that `GET /stock_levels/{sku}` must answer, less `position` and `last_event_time`.
    pub fn body(&self, sku: &str) -> Value {
        let held: i128 = self.holds.values().map(|(quantity, _)| quantity).sum();
        let unavailable: i128 = self
            .statuses
            .iter()
            .filter(|(status, _)| *status != "ALLOCATED")
            .map(|(_, quantity)| quantity)
            .sum();
        let free = self.on_hand - self.allocated - unavailable - held;
        let number = |n: i128| json!(i64::try_from(n).expect("fits"));
        let in_lots: i128 = self.lots.values().map(|(quantity, _)| quantity).sum();
        let in_locations: i128 = self.locations.values().sum();
        let serials = |state: &str| self.serials.values().filter(|s| **s == state).count();
        let statuses: Map<String, Value> =
            self.statuses.iter().map(|(s, q)| (s.clone(), number(*q))).collect();
        let with = |id_name: &str, id: &str, quantity: i128, about: &Value| {
            let mut entry = about.as_object().cloned().unwrap_or_default();
            entry.insert(id_name.to_owned(), json!(id));
            entry.insert("quantity".to_owned(), number(quantity));
            Value::Object(entry)
        };
        json!({
            "sku": sku,
            "quantity_on_hand": number(self.on_hand),
            "quantity_allocated": number(self.allocated),
            "available_to_promise": number(free.max(0)),
            "quantity_held": number(held),
            "quantity_unavailable": number(unavailable),
            "shortfall": number((-free).max(0)),
            "version": self.version,
            "statuses": statuses,
            "holds": self.holds.iter().map(|(id, (q, about))| with("hold_id", id, *q, about)).collect::<Vec<_>>(),
            "allocations": self.allocations.iter()
                .map(|(id, (q, expires))| with("allocation_id", id, *q, &json!({"expires_at": expires})))
                .collect::<Vec<_>>(),
            "lots": self.lots.iter()
                .map(|(id, (q, expiry))| with("lot_number", id, *q, &json!({"expiry_date": expiry})))
                .collect::<Vec<_>>(),
            "locations": self.locations.iter()
                .map(|(id, q)| with("location_id", id, *q, &Value::Null)).collect::<Vec<_>>(),
            "unassigned": {"lots": number(self.on_hand - in_lots), "locations": number(self.on_hand - in_locations)},
            "transfers": self.transfers.iter()
                .map(|(id, (q, about))| with("transfer_id", id, *q, about)).collect::<Vec<_>>(),
            "serials": {"received": serials("received"), "allocated": serials("allocated")},
            "valuation": self.valuation,
            "abc_class": self.class,
            "kit": self.kit.as_ref().map(|(about, assembled)| {
                let mut kit = about.clone();
                kit.insert("assembled".to_owned(), number(*assembled));
                Value::Object(kit)
            }),
            "duplicates": self.duplicates,
            "conflicts": self.conflicts,
            "anomalies": self.anomalies,
        })
    }
}

/// The body as the store answered it, without what the model leaves open.
pub fn comparable(mut body: Value) -> Value {
    if let Some(object) = body.as_object_mut() {
        object.remove("position");
        object.remove("last_event_time");
        object.remove("truncated");
    }
    body
}
