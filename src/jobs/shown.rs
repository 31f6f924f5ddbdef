//! Differences and summaries as data, for answers and for the command line.

use serde_json::{Value, json};

use super::compare::Difference;
use super::cutover::ChangedOver;
use super::generations::{Found, Removed};
use super::rebuild::Rebuilt;
use super::verify::Verified;
use crate::codec::rows::{RowKey, decode_entry, decode_stock, parse_key};
use crate::lane::Cycle;
use crate::snapshots::archive::{Base, Published};
use crate::store::Digest;
use crate::types::Partition;

/// A row that differs: which, and both values, decoded. `difference` is `is missing`, `should not be there` or
/// `differs`.
#[must_use]
pub fn difference(partition: Partition, difference: &Difference) -> Value {
    let Difference { key, have, want } = difference;
    let (sku, facet, id) = match parse_key(key) {
        Ok(RowKey::Stock { sku }) => (sku.to_owned(), None, None),
        Ok(RowKey::Entry { sku, facet, id }) => {
            (sku.to_owned(), Some(format!("{facet:?}").to_lowercase()), Some(id.to_owned()))
        }
        Err(_) => (key.escape_ascii().to_string(), None, None),
    };
    let kind = match (have, want) {
        (None, _) => "is missing",
        (_, None) => "should not be there",
        _ => "differs",
    };
    json!({
        "partition": partition,
        "sku": sku,
        "facet": facet,
        "id": id,
        "difference": kind,
        "have": have.as_deref().map(|value| decoded(key, value)),
        "want": want.as_deref().map(|value| decoded(key, value)),
    })
}

fn decoded(key: &[u8], value: &[u8]) -> String {
    match parse_key(key) {
        Ok(RowKey::Stock { .. }) => decode_stock(value).map(|row| format!("{row:?}")),
        Ok(RowKey::Entry { facet, .. }) => decode_entry(facet, value).map(|row| format!("{row:?}")),
        Err(error) => Err(error),
    }
    .unwrap_or_else(|error| error.to_string())
}

/// A rebuilt partition.
#[must_use]
pub fn rebuilt(rebuilt: &Rebuilt) -> Value {
    let counters = &rebuilt.counters;
    json!({
        "partition": rebuilt.partition,
        "generation": rebuilt.generation.to_string(),
        "base": rebuilt.base,
        "covers_from": rebuilt.covers_from,
        "next": rebuilt.next,
        "rows": rebuilt.rows,
        "skus": counters.skus,
        "events": rebuilt.events,
        "bytes": rebuilt.bytes,
        "seconds": thousandths(rebuilt.seconds),
        "events_per_second": (rebuilt.events as f64 / rebuilt.seconds.max(0.001)).round(),
        "out_of_order": rebuilt.out_of_order,
        "passed_over": {
            "duplicates": counters.duplicates,
            "unknown_types": counters.unknown_types,
            "stale_expiries": counters.stale_expiries,
            "malformed": counters.malformed,
        },
        "partial": rebuilt.partial,
    })
}

/// A partition that changed over: what was rebuilt, and how it came to be served.
#[must_use]
pub fn changed_over(changed: &ChangedOver) -> Value {
    let mut value = rebuilt(&changed.rebuilt);
    if let Some(members) = value.as_object_mut() {
        members.insert("serves".into(), changed.rebuilt.generation.to_string().into());
        members.insert("before".into(), changed.before.to_string().into());
        members.insert("compared_at".into(), json!(changed.compared_at));
        members.insert("differences".into(), changed.compared.differences.into());
        members.insert("pause_ms".into(), thousandths(changed.pause.as_secs_f64() * 1000.0).into());
        members.insert("baseline".into(), json!(changed.baseline));
    }
    value
}

/// A partition that was verified.
#[must_use]
pub fn verified(verified: &Verified) -> Value {
    json!({
        "partition": verified.partition,
        "next": verified.next,
        "covers_from": verified.covers_from,
        "base": verified.base,
        "rows": verified.compared.rows,
        "differences": verified.compared.differences,
    })
}

/// A snapshot cycle that was published.
#[must_use]
pub fn cycle(partition: Partition, cycle: &Cycle) -> Value {
    let Cycle { cycle, next, rows, tombstones, bytes } = cycle;
    json!({
        "partition": partition,
        "cycle": cycle,
        "next": next,
        "rows": rows,
        "tombstones": tombstones,
        "bytes": bytes,
    })
}

/// A base of the archive.
#[must_use]
pub fn base(base: &Base) -> Value {
    let manifest = &base.manifest;
    json!({
        "base": base.id.to_string(),
        "partition": manifest.partition,
        "next": manifest.next,
        "rows": manifest.rows,
        "digest": manifest.digest,
        "files": manifest.files.len(),
        "bytes": manifest.bytes(),
        "raw_bytes": manifest.raw_bytes,
        "event_time": manifest.event_time(),
        "created_at": manifest.created_at,
        "created_from": manifest.created_from,
        "cluster_id": manifest.cluster_id,
        "versions": manifest.versions,
        "superseded": base.superseded,
    })
}

/// A base that was made now, or by somebody before.
#[must_use]
pub fn archived(published: &Published) -> Value {
    let mut value = base(published.base());
    let outcome = match published {
        Published::New(_) => "new",
        Published::Already(_) => "already there",
    };
    if let Some(members) = value.as_object_mut() {
        members.insert("outcome".into(), outcome.into());
    }
    value
}

/// A generation as it stands on disk.
#[must_use]
pub fn generation(found: &Found) -> Value {
    let meta = found.meta.as_ref();
    json!({
        "partition": found.partition,
        "generation": found.generation.to_string(),
        "live": found.live,
        "bytes": found.bytes,
        "next": meta.ok().map(|meta| meta.progress.next),
        "rows": meta.ok().map(|meta| meta.rows),
        "digest": meta.ok().map(|meta| Digest(meta.digest).to_string()),
        "error": meta.err().map(ToString::to_string),
    })
}

/// A generation that was removed.
#[must_use]
pub fn removed(removed: &Removed) -> Value {
    json!({
        "partition": removed.partition,
        "generation": removed.generation.to_string(),
        "removed": true,
        "bytes": removed.bytes,
    })
}

fn thousandths(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}
