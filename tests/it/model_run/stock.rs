//! One SKU by the contract, over plain JSON.

use std::collections::BTreeMap;

use serde_json::Value;

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stock {
    pub version: u64,
    pub on_hand: i64,
    pub allocated: i64,
    pub allocations: BTreeMap<String, i64>,
    pub holds: BTreeMap<String, i64>,
    /// Other than AVAILABLE.
    pub statuses: BTreeMap<String, i64>,
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| panic!("a number: {value}"))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a text: {value}")).to_owned()
}

/// Adds units to an entry, which is gone at zero.
fn add(entries: &mut BTreeMap<String, i64>, id: String, units: i64) {
    let entry = entries.entry(id.clone()).or_default();
    *entry += units;
    if *entry <= 0 {
        entries.remove(&id);
    }
}

impl Stock {
    pub fn unavailable(&self) -> i64 {
        self.statuses.values().sum()
    }

    pub fn free(&self) -> i64 {
        self.on_hand - self.allocated - self.unavailable() - self.holds.values().sum::<i64>()
    }

    fn named(&self) -> i64 {
        self.allocations.values().sum()
    }

    /// The SKU after an event.
    pub fn apply(&mut self, event: &Value) {
        self.version += 1;
        let data = &event["data"];
        let name = text(&event["type"]).replace("com.paklog.inventory.fulfillment.v1.", "");
        match name.as_str() {
            "product-stock.level-changed" if data["new_stock_level"].is_object() => {
                let (before, after) = (&data["previous_stock_level"], &data["new_stock_level"]);
                self.on_hand = number(&after["quantity_on_hand"]);
                self.allocated = number(&after["quantity_allocated"]);
                if let Some(id) = data["allocation_id"].as_str() {
                    let by = self.allocated - number(&before["quantity_allocated"]);
                    add(&mut self.allocations, id.to_owned(), by);
                }
            }
            // The minimal layout says nothing of allocation.
            "product-stock.level-changed" => self.on_hand = number(&data["newQuantityOnHand"]),
            "stock-status.changed" => {
                let (from, to) = (text(&data["previous_status"]), text(&data["new_status"]));
                let wanted = number(&data["quantity"]);
                let units = if from == "AVAILABLE" {
                    wanted
                } else {
                    wanted.min(self.statuses.get(&from).copied().unwrap_or(0))
                };
                if from != "AVAILABLE" {
                    add(&mut self.statuses, from, -units);
                }
                if to != "AVAILABLE" {
                    add(&mut self.statuses, to, units);
                }
            }
            "inventory-hold.placed" => {
                self.holds.insert(text(&data["hold_id"]), number(&data["quantity_on_hold"]));
            }
            "inventory-hold.released" => {
                add(&mut self.holds, text(&data["hold_id"]), -number(&data["quantity_released"]));
            }
            other => panic!("no event of this run: {other}"),
        }
    }

    /// The SKU after the command, or the code it must be refused with.
    pub fn decide(&self, command: &Value) -> Result<Self, &'static str> {
        let name = text(&command["type"]).replace("com.paklog.inventory.fulfillment.v1.", "");
        let data = &command["data"];
        let quantity = data["quantity"].as_i64();
        if quantity.is_some_and(|units| units < i64::from(name != "product-stock.set")) {
            return Err("INVALID_COMMAND");
        }
        if command.get("expectedversion").is_some_and(|v| text(v) != self.version.to_string()) {
            return Err("VERSION_CONFLICT");
        }
        if self.version == 0 && !["product-stock.receive", "product-stock.set"].contains(&name.as_str()) {
            return Err("UNKNOWN_SKU");
        }
        let mut after = Self { version: self.version + 1, ..self.clone() };
        match name.as_str() {
            "product-stock.receive" => {
                let units = quantity.expect("a quantity");
                after.on_hand += units;
                if let Some(status) = data["status"].as_str() {
                    after.version += 1;
                    add(&mut after.statuses, status.to_owned(), units);
                }
            }
            "product-stock.adjust" => {
                self.counted(&mut after, self.on_hand + number(&data["quantity_change"]))?
            }
            "product-stock.set" => self.counted(&mut after, quantity.expect("a quantity"))?,
            "product-stock.allocate" => {
                let (id, units) = (data["allocation_id"].as_str(), quantity.expect("a quantity"));
                if id.is_some_and(|id| self.allocations.contains_key(id)) {
                    return Err("ALLOCATION_EXISTS");
                }
                if units > self.free().max(0) {
                    return Err("INSUFFICIENT_STOCK");
                }
                after.allocated += units;
                id.inspect(|id| add(&mut after.allocations, (*id).to_owned(), units));
            }
            "product-stock.deallocate" | "product-stock.pick" => {
                let there = match data["allocation_id"].as_str() {
                    Some(id) => match self.allocations.get(id) {
                        Some(units) => (*units).min(self.allocated),
                        None => return Err("UNKNOWN_ALLOCATION"),
                    },
                    None => (self.allocated - self.named()).max(0),
                };
                let units = quantity.unwrap_or(there);
                if units < 1 || units > there {
                    return Err("INSUFFICIENT_ALLOCATION");
                }
                after.allocated -= units;
                if let Some(id) = data["allocation_id"].as_str() {
                    add(&mut after.allocations, id.to_owned(), -units);
                }
                if name == "product-stock.pick" {
                    after.on_hand -= units;
                    if units > (self.on_hand - self.unavailable()).max(0) {
                        return Err("INSUFFICIENT_STOCK");
                    }
                }
            }
            "stock-status.change" => {
                let (from, to) = (text(&data["from"]), text(&data["to"]));
                let units = quantity.expect("a quantity");
                let there = if from == "AVAILABLE" {
                    (self.on_hand - self.unavailable()).max(0)
                } else {
                    self.statuses.get(&from).copied().unwrap_or(0)
                };
                if units > there {
                    return Err("INSUFFICIENT_STOCK");
                }
                for (status, by) in [(from, -units), (to, units)] {
                    if status != "AVAILABLE" {
                        add(&mut after.statuses, status, by);
                    }
                }
                self.not_oversold(&after)?;
            }
            "inventory-hold.place" => {
                let (id, units) = (text(&data["hold_id"]), quantity.expect("a quantity"));
                if self.holds.contains_key(&id) {
                    return Err("HOLD_EXISTS");
                }
                if units > self.on_hand || units > self.free().max(0) {
                    return Err("INSUFFICIENT_STOCK");
                }
                after.holds.insert(id, units);
            }
            "inventory-hold.release" => {
                let id = text(&data["hold_id"]);
                let Some(there) = self.holds.get(&id).copied() else { return Err("UNKNOWN_HOLD") };
                let units = quantity.unwrap_or(there);
                if units > there {
                    return Err("INSUFFICIENT_HOLD");
                }
                add(&mut after.holds, id, -units);
            }
            other => panic!("no command of this run: {other}"),
        }
        Ok(after)
    }

    fn counted(&self, after: &mut Self, on_hand: i64) -> Result<(), &'static str> {
        after.on_hand = on_hand;
        // Fewer than what is set apart by status is impossible, unless it was so and gets no worse.
        if on_hand < self.on_hand && self.on_hand - on_hand > (self.on_hand - self.unavailable()).max(0) {
            return Err("INSUFFICIENT_STOCK");
        }
        self.not_oversold(after)
    }

    fn not_oversold(&self, after: &Self) -> Result<(), &'static str> {
        if after.free() < 0 && after.free() < self.free() { Err("WOULD_OVERSELL") } else { Ok(()) }
    }
}
