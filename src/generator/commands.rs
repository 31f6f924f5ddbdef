//! Requests to change stock, for the commands topic: a day's orders and deliveries.

use serde_json::{Value, json};

use super::Warehouse;
use crate::domain::event::TYPE_PREFIX;

/// An endless stream of commands as structured CloudEvents, made from a seed. Some will be refused: a real
/// day has orders for what is not there.
pub struct Commands {
    random: fastrand::Rng,
    skus: u32,
    made: u64,
}

impl Commands {
    #[must_use]
    pub fn new(seed: u64, skus: u32) -> Self {
        Self { random: fastrand::Rng::with_seed(seed), skus: skus.max(1), made: 0 }
    }
}

impl Iterator for Commands {
    /// The SKU and the CloudEvent.
    type Item = (String, Value);

    fn next(&mut self) -> Option<Self::Item> {
        let sku = Warehouse::sku(self.random.u32(0..self.skus));
        let number = self.made;
        self.made += 1;
        let order = number.saturating_sub(self.random.u64(1..64));
        let (name, data) = match self.random.u8(0..10) {
            0..=2 => {
                ("product-stock.receive", json!({"quantity": self.random.u32(20..200), "reason": "RECEIPT"}))
            }
            3..=5 => (
                "product-stock.allocate",
                json!({"quantity": self.random.u32(1..6), "allocation_id": format!("ORD-{number}")}),
            ),
            6..=7 => ("product-stock.pick", json!({"quantity": self.random.u32(1..4)})),
            8 => ("product-stock.deallocate", json!({"allocation_id": format!("ORD-{order}")})),
            _ => ("product-stock.adjust", json!({"quantity_change": -1, "reason": "CYCLE_COUNT"})),
        };
        let id = uuid::Builder::from_random_bytes(self.random.u128(..).to_be_bytes()).into_uuid();
        let command = json!({
            "specversion": "1.0",
            "id": id.to_string(),
            "source": "/paklog/generator",
            "type": format!("{TYPE_PREFIX}{name}"),
            "subject": sku,
            "datacontenttype": "application/json",
            "data": data,
        });
        Some((sku, command))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_commands() {
        let some = |seed| Commands::new(seed, 20).take(500).collect::<Vec<_>>();
        assert_eq!(some(3), some(3));
        assert_ne!(some(3), some(4));
    }
}
