use clap::Args as ClapArgs;
use serde_json::Value;

use super::exit::{Failure, Status};
use super::output::Output;
use super::settings::CommonArgs;
use super::source::{Moment, Source, SourceArgs};
use super::table::{Table, shown};
use crate::types::{Position, Sku};

/// Show the stock of a SKU.
#[derive(ClapArgs)]
#[command(after_help = "\
Examples:
  inventory-store get SKU-000007
  inventory-store get SKU-000007 --json
  inventory-store get SKU-000007 --at-least 3:42                # waits until that record is applied
  inventory-store get SKU-000007 --as-of 2026-11-01T12:00:00Z   # as it was then
  inventory-store get SKU-000007 --data-dir ./data              # of a stopped service")]
pub struct Args {
    /// Which.
    sku: Sku,
    /// Answer only when the record at this position is applied.
    #[arg(long, value_name = "PARTITION:OFFSET", conflicts_with = "as_of")]
    at_least: Option<Position>,
    /// The numbers as they were after that record, or at that time of the log.
    #[arg(long, value_name = "PARTITION:OFFSET|TIME")]
    as_of: Option<Moment>,
    /// The HTTP body instead of a table.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    source: SourceArgs,
}

pub fn run(common: &CommonArgs, args: Args) -> Result<Status, Failure> {
    let loaded = common.load(Vec::new())?;
    let source = Source::open(&args.source, &loaded.config)?;
    let body = source.stock_level(&args.sku, args.at_least, args.as_of)?;
    let mut out = Output::new();
    print(&mut out, &body, args.json)?;
    out.flush()?;
    Ok(Status::Done)
}

/// A SKU's body, as it is or for people.
pub fn print(out: &mut Output, body: &[u8], as_json: bool) -> Result<(), Failure> {
    if as_json {
        out.line(String::from_utf8_lossy(body))?;
    } else {
        for line in for_people(&serde_json::from_slice(body)?) {
            out.line(line)?;
        }
    }
    Ok(())
}

/// A value as a cell.
pub fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::from("-"),
        Some(Value::String(text)) => shown(text),
        Some(other) => shown(&other.to_string()),
    }
}

fn for_people(body: &Value) -> Vec<String> {
    let field = |name: &str| cell(body.get(name));
    let mut numbers = Table::new(&[&field("sku"), "units"]).right(1);
    for (name, key) in [
        ("on hand", "quantity_on_hand"),
        ("allocated", "quantity_allocated"),
        ("held", "quantity_held"),
        ("unavailable", "quantity_unavailable"),
        ("available to promise", "available_to_promise"),
    ] {
        numbers.row(vec![name.into(), field(key)]);
    }
    if body.get("shortfall").and_then(Value::as_u64).is_some_and(|units| units > 0) {
        numbers.row(vec!["shortfall".into(), field("shortfall")]);
    }
    let mut lines = numbers.lines();
    lines.push(String::new());
    match body.get("version") {
        Some(_) => {
            lines.push(format!(
                "version {} at {}, last event {}",
                field("version"),
                field("position"),
                field("last_event_time")
            ));
        }
        // A moment of the past is an item of the history.
        None => lines.push(format!(
            "as of {}, {}: {}",
            field("position"),
            field("time"),
            short_type(&field("type"))
        )),
    }
    lines.extend(remarks(body));
    for (list, columns) in [
        ("holds", &["hold_id", "hold_type", "quantity", "reason", "expires_at"][..]),
        ("allocations", &["allocation_id", "quantity", "expires_at"]),
        ("lots", &["lot_number", "quantity", "expiry_date"]),
        ("locations", &["location_id", "quantity"]),
        ("transfers", &["transfer_id", "source_location", "destination_location", "quantity"]),
    ] {
        lines.extend(entries(body, list, columns));
    }
    lines
}

/// What is there beside numbers and entries, one line each.
fn remarks(body: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    let pairs = |value: &Value| {
        let all = value.as_object().into_iter().flatten();
        all.map(|(name, units)| format!("{} {}", shown(name), cell(Some(units))))
            .collect::<Vec<_>>()
            .join(", ")
    };
    if let Some(statuses) = body.get("statuses").filter(|s| s.as_object().is_some_and(|s| !s.is_empty())) {
        lines.push(format!("statuses: {}", pairs(statuses)));
    }
    if let Some(serials) = body
        .get("serials")
        .filter(|s| s.as_object().is_some_and(|s| s.values().any(|n| n.as_u64() != Some(0))))
    {
        lines.push(format!("serials: {}", pairs(serials)));
    }
    if let Some(valuation) = body.get("valuation").filter(|v| v.is_object()) {
        let field = |name: &str| cell(valuation.get(name));
        lines.push(format!(
            "value: {} ({} at {}, {})",
            field("total_value"),
            field("valued_quantity"),
            field("unit_cost"),
            field("valuation_method")
        ));
    }
    if let Some(class) = body.get("abc_class").and_then(Value::as_str) {
        lines.push(format!("ABC class: {}", shown(class)));
    }
    if let Some(kit) = body.get("kit").filter(|kit| kit.is_object()) {
        let components = kit.get("components").and_then(Value::as_array).map_or(0, Vec::len);
        lines.push(format!("kit: {} of {components} components", cell(kit.get("kit_name"))));
    }
    let odd = ["duplicates", "conflicts", "anomalies"]
        .map(|name| (name, body.get(name).and_then(Value::as_u64).unwrap_or(0)));
    if odd.iter().any(|(_, count)| *count > 0) {
        lines.push(odd.map(|(name, count)| format!("{name} {count}")).join(", "));
    }
    lines
}

fn entries(body: &Value, list: &str, columns: &[&str]) -> Vec<String> {
    const SHOWN: usize = 10;
    let Some(items) = body.get(list).and_then(Value::as_array).filter(|items| !items.is_empty()) else {
        return Vec::new();
    };
    let mut table = Table::new(columns);
    if let Some(quantity) = columns.iter().position(|column| *column == "quantity") {
        table = table.right(quantity);
    }
    for item in items.iter().take(SHOWN) {
        table.row(columns.iter().map(|column| cell(item.get(column))).collect());
    }
    let mut lines = vec![String::new(), format!("{list}:")];
    lines.extend(table.lines().into_iter().map(|line| format!("  {line}")));
    let cut = body
        .get("truncated")
        .and_then(Value::as_array)
        .is_some_and(|cut| cut.iter().any(|name| name == list));
    if items.len() > SHOWN || cut {
        lines.push(format!(
            "  … {} more, see --json",
            if cut { "many".to_owned() } else { (items.len() - SHOWN).to_string() }
        ));
    }
    lines
}

/// The type without the prefix that all share.
pub fn short_type(event_type: &str) -> &str {
    event_type.strip_prefix(crate::domain::event::TYPE_PREFIX).unwrap_or(event_type)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn shows_numbers_and_only_what_there_is() {
        let body = json!({"sku":"SKU-1","quantity_on_hand":100,"quantity_allocated":30,"available_to_promise":20,
            "quantity_held":50,"quantity_unavailable":0,"shortfall":0,"version":7,"position":"3:42",
            "last_event_time":"2026-11-01T12:34:56Z","statuses":{},"holds":[{"hold_id":"H\u{1b}1","hold_type":"QUALITY_HOLD",
            "quantity":50,"reason":"inspection","lot_number":null,"expires_at":null}],"allocations":[],"lots":[],"locations":[],
            "transfers":[],"serials":{"received":0,"allocated":0},"valuation":null,"abc_class":null,"kit":null,
            "duplicates":0,"conflicts":0,"anomalies":0});
        let lines = for_people(&body);
        assert!(lines.contains(&"available to promise     20".to_owned()), "{lines:#?}");
        assert!(
            lines.contains(&"version 7 at 3:42, last event 2026-11-01T12:34:56Z".to_owned()),
            "{lines:#?}"
        );
        assert!(lines.iter().any(|l| l.contains("H\\u{1b}1") && l.contains("QUALITY_HOLD")), "{lines:#?}");
        assert!(
            !lines.iter().any(|l| l.contains("shortfall") || l.contains("lots") || l.contains("duplicates")),
            "{lines:#?}"
        );
    }
}
