use clap::Args as ClapArgs;
use serde_json::{Value, json};

use super::exit::{Failure, Status};
use super::get::{cell, short_type};
use super::output::Output;
use super::settings::CommonArgs;
use super::source::{Source, SourceArgs};
use super::table::Table;
use crate::types::Sku;

/// Show what happened to a SKU, newest first.
#[derive(ClapArgs)]
#[command(after_help = "\
Examples:
  inventory-store history SKU-000007
  inventory-store history SKU-000007 --limit 100 --json
  inventory-store history SKU-000007 --data-dir ./data")]
pub struct Args {
    /// Whose.
    sku: Sku,
    /// How many items.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// The HTTP body instead of a table.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    source: SourceArgs,
}

pub fn run(common: &CommonArgs, args: Args) -> Result<Status, Failure> {
    let loaded = common.load(Vec::new())?;
    let source = Source::open(&args.source, &loaded.config)?;
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let mut out = Output::new();
    if args.json {
        out.json(&collect(&source, &args.sku, limit)?.body())?;
    } else {
        // One more than shown: the effect of an item is its difference to the one before it.
        let found = collect(&source, &args.sku, limit.saturating_add(1))?;
        for line in for_people(&found.items, limit) {
            out.line(line)?;
        }
        if found.items.is_empty() {
            super::output::to_stderr(&format!(
                "no history is kept of {}; it begins at {}\n",
                args.sku,
                cell(Some(&found.begins))
            ));
        }
    }
    out.flush()?;
    Ok(Status::Done)
}

struct Found {
    items: Vec<Value>,
    next: Value,
    begins: Value,
}

impl Found {
    fn body(&self) -> Value {
        json!({"items": self.items, "next": self.next, "begins": self.begins})
    }
}

/// As many pages as `limit` items take.
fn collect(source: &Source, sku: &Sku, limit: usize) -> Result<Found, Failure> {
    const PAGE: usize = 1_000;
    let mut found = Found { items: Vec::new(), next: Value::Null, begins: Value::Null };
    loop {
        let after = found.next.as_str().map(str::to_owned);
        let wanted = (limit - found.items.len()).min(PAGE);
        let mut page: Value = serde_json::from_slice(&source.history(sku, after.as_deref(), wanted)?)?;
        let mut take = |name: &str| page.get_mut(name).map(Value::take).unwrap_or_default();
        let Value::Array(items) = take("items") else {
            return Err(Failure::text(Status::Data, "the answer holds no list of items"));
        };
        let ended = items.is_empty();
        (found.next, found.begins) = (take("next"), take("begins"));
        found.items.extend(items);
        if ended || found.next.is_null() || found.items.len() >= limit {
            return Ok(found);
        }
    }
}

fn for_people(items: &[Value], limit: usize) -> Vec<String> {
    if items.is_empty() {
        return Vec::new();
    }
    let mut table = Table::new(&["position", "time", "type", "effect"]);
    for (index, item) in items.iter().take(limit).enumerate() {
        table.row(vec![
            cell(item.get("position")),
            cell(item.get("time")),
            short_type(&cell(item.get("type"))).to_owned(),
            effect(item, items.get(index + 1)),
        ]);
    }
    table.lines()
}

/// The numbers' change against the item before; the numbers themselves where none is known.
fn effect(item: &Value, before: Option<&Value>) -> String {
    const NUMBERS: [(&str, &str); 5] = [
        ("on hand", "quantity_on_hand"),
        ("allocated", "quantity_allocated"),
        ("held", "quantity_held"),
        ("unavailable", "quantity_unavailable"),
        ("available", "available_to_promise"),
    ];
    let number = |item: &Value, key: &str| item.get(key).and_then(Value::as_i64).unwrap_or_default();
    let changes: Vec<String> = NUMBERS
        .iter()
        .filter_map(|(name, key)| {
            let now = number(item, key);
            match before {
                None => (now != 0).then(|| format!("{name} {now}")),
                Some(before) => {
                    let change = i128::from(now) - i128::from(number(before, key));
                    (change != 0).then(|| format!("{name} {change:+}"))
                }
            }
        })
        .collect();
    if changes.is_empty() { "numbers unchanged".to_owned() } else { changes.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_effect_is_the_difference_to_the_item_before() {
        let item = |on_hand: u64, allocated: u64| {
            json!({"position": "3:1", "time": "2026-11-01T12:00:00Z", "type": "com.paklog.inventory.fulfillment.v1.x",
                "quantity_on_hand": on_hand, "quantity_allocated": allocated, "quantity_held": 0, "quantity_unavailable": 0,
                "available_to_promise": on_hand - allocated})
        };
        let items = [item(90, 10), item(100, 10), item(100, 0)];
        let lines = for_people(&items, 2);
        assert_eq!(lines.len(), 3, "a head and two items: {lines:?}");
        assert!(lines[1].ends_with("x     on hand -10, available -10"), "{lines:?}");
        assert!(lines[2].ends_with("allocated +10, available -10"), "{lines:?}");
        assert_eq!(effect(&items[2], None), "on hand 100, available 100");
        assert_eq!(effect(&items[0], Some(&items[0])), "numbers unchanged");
    }
}
