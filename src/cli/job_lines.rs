//! What jobs came to, as lines for people: the same whether they ran here or in a service.

use serde_json::Value;

use super::table::shown;

fn text(value: &Value, name: &str) -> String {
    match value.get(name) {
        Some(Value::String(text)) => shown(text),
        Some(Value::Null) | None => "-".into(),
        Some(other) => other.to_string(),
    }
}

fn number(value: &Value, name: &str) -> f64 {
    value.get(name).and_then(Value::as_f64).unwrap_or(0.0)
}

/// What a job of this kind says of one partition, base or generation.
pub fn of_kind(kind: &str, made: &Value) -> String {
    match kind {
        "verify" => verified(made),
        "snapshot" => cycle(made),
        "archive" => archived(made),
        "generations" => generation(made),
        "prune" => removed(made),
        _ => rebuilt(made),
    }
}

/// A snapshot cycle that was published.
fn cycle(made: &Value) -> String {
    let of = |name| text(made, name);
    format!(
        "partition {}: cycle {} at {}, {} rows and {} ends of rows, {} bytes",
        of("partition"),
        of("cycle"),
        of("next"),
        of("rows"),
        of("tombstones"),
        of("bytes")
    )
}

/// A base that was made.
pub fn archived(made: &Value) -> String {
    let of = |name| text(made, name);
    format!("{}  {} rows  {} bytes  {}", of("base"), of("rows"), of("bytes"), of("outcome"))
}

fn generation(found: &Value) -> String {
    let of = |name| text(found, name);
    let live = if found.get("live").and_then(Value::as_bool).unwrap_or(false) { "  live" } else { "" };
    let standing = match found.get("error").and_then(Value::as_str) {
        Some(error) => shown(error),
        None => format!("next {}  {} rows  digest {}", of("next"), of("rows"), of("digest")),
    };
    format!("partition {}  {}{live}  {} bytes  {standing}", of("partition"), of("generation"), of("bytes"))
}

/// A generation that was removed.
pub fn removed(gone: &Value) -> String {
    let of = |name| text(gone, name);
    format!("partition {}  {}  removed  {} bytes", of("partition"), of("generation"), of("bytes"))
}

/// A rebuilt partition, and how it came to be served where it did.
pub fn rebuilt(made: &Value) -> String {
    let of = |name| text(made, name);
    let nothing = Value::Null;
    let passed = made.get("passed_over").unwrap_or(&nothing);
    let malformed: u64 = passed
        .get("malformed")
        .and_then(Value::as_object)
        .map_or(0, |reasons| reasons.values().filter_map(Value::as_u64).sum());
    let mut line = format!(
        "partition {}: {} rows, {} SKUs at {}; {} events from {} (begun from {}) in {:.1} s, {:.0}/s; passed over: {} duplicates, {} of unknown type, {malformed} malformed",
        of("partition"),
        of("rows"),
        of("skus"),
        of("next"),
        of("events"),
        of("covers_from"),
        of("base"),
        number(made, "seconds"),
        number(made, "events_per_second"),
        text(passed, "duplicates"),
        text(passed, "unknown_types"),
    );
    if number(made, "out_of_order") > 0.0 {
        line.push_str(&format!("; {} out of time order", of("out_of_order")));
    }
    if made.get("partial").and_then(Value::as_bool).unwrap_or(false) {
        line.push_str("; partial");
    }
    if made.get("serves").is_some() {
        line.push_str(&format!(
            "; {} is served now (before: {}), {} rows differ, its lane stood still for {:.1} ms",
            of("serves"),
            of("before"),
            of("differences"),
            number(made, "pause_ms"),
        ));
        if made.get("baseline").is_some_and(Value::is_number) {
            line.push_str(&format!("; baseline published as cycle {}", of("baseline")));
        }
    }
    line
}

/// A row that differs.
pub fn difference(row: &Value) -> String {
    let of = |name| text(row, name);
    let place = match row.get("facet").and_then(Value::as_str) {
        Some(_) => format!("{} {} {}", of("sku"), of("facet"), of("id")),
        None => of("sku"),
    };
    let value = |name| if row.get(name).is_none_or(Value::is_null) { "nothing".into() } else { of(name) };
    format!(
        "partition {}: {place} {}: have {}, want {}",
        of("partition"),
        of("difference"),
        value("have"),
        value("want")
    )
}

/// A partition that was verified.
pub fn verified(checked: &Value) -> String {
    let of = |name| text(checked, name);
    format!(
        "partition {}: {} rows compared at {}, {} differ; covers from offset {} ({})",
        of("partition"),
        of("rows"),
        of("next"),
        of("differences"),
        of("covers_from"),
        of("base")
    )
}
