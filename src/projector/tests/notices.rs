//! What the log of the process says of records.

use std::io::Write;
use std::sync::{Arc, Mutex};

use super::{Letterbox, PARTITION, Place, Stored, malformed::a_sku_of_this_partition};
use crate::projector::Projector;
use crate::types::{Header, Timestamp};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("lines").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The lines that `act` writes, at `level` and above.
fn lines(level: tracing::Level, act: impl FnOnce()) -> Vec<serde_json::Value> {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_max_level(level)
        .with_writer({
            let lines = lines.clone();
            move || lines.clone()
        })
        .finish();
    tracing::subscriber::with_default(subscriber, act);
    let bytes = lines.0.lock().expect("lines").clone();
    let of_ours = |line: &serde_json::Value| {
        line["target"].as_str().is_some_and(|target| target.starts_with("inventory_store::projector"))
    };
    String::from_utf8(bytes)
        .expect("text")
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .filter(of_ours)
        .collect()
}

fn structured(offset: u64, value: String) -> Stored {
    Stored {
        offset,
        timestamp: 1_793_512_800_000,
        key: None,
        value: Some(value.into_bytes()),
        headers: vec![
            Header::new("content-type", "application/cloudevents+json"),
            Header::new("x-correlation-id", format!("c-{offset}")),
        ],
    }
}

fn hold(offset: u64, name: &str, sequence: u64, data: &str) -> Stored {
    let sku = a_sku_of_this_partition();
    structured(
        offset,
        format!(
            r#"{{"specversion":"1.0","id":"e-{offset}","source":"inventory-store","sequence":"{sequence}","type":"com.paklog.inventory.fulfillment.v1.inventory-hold.{name}","subject":"{sku}","data":{{"sku":"{sku}","hold_id":"H",{data}}}}}"#
        ),
    )
}

const PLACED: &str = r#""hold_type":"QUALITY_HOLD","quantity_on_hold":5,"reason":"r""#;

fn fold(projector: &mut Projector, records: &[Stored]) {
    projector.fold(records.iter().map(|record| record.record(PARTITION))).expect("folded");
    projector.commit().expect("committed");
}

#[test]
fn a_flood_of_malformed_records_is_told_in_few_lines_and_put_aside_in_full() {
    let place = Place::new();
    let letterbox = Arc::new(Letterbox::default());
    let mut projector = place.projector(&letterbox);
    let told = lines(tracing::Level::INFO, || {
        for second in 0..3_u64 {
            for tenth in 0..10_u64 {
                let from = (second * 10 + tenth) * 100;
                let records: Vec<_> =
                    (from..from + 100).map(|offset| structured(offset, "{".into())).collect();
                fold(&mut projector, &records);
                let now = second * 1000 + tenth * 100;
                projector.tell(Timestamp(i64::try_from(now).expect("small")));
            }
        }
        projector.close().expect("closed");
    });

    assert_eq!(letterbox.letters().len(), 3000, "every one has its letter");
    // The first, one a second, and what was left at the end.
    assert_eq!(told.len(), 1 + 3 + 1, "{told:#?}");
    assert!(told.iter().all(|line| line["level"] == "WARN"));
    let first = &told[0]["fields"];
    assert_eq!((&first["position"], &first["reason"]), (&"1:0".into(), &"invalid_json".into()));
    assert_eq!(first["correlation_id"], "c-0");
    let more: Vec<u64> = told[1..].iter().filter_map(|line| line["fields"]["records"].as_u64()).collect();
    assert_eq!(more, [99, 1000, 1000, 900]);
    assert_eq!(told[4]["fields"]["position"], "1:2999");
    assert_eq!(told[4]["fields"]["correlation_id"], "c-2999");
    assert_eq!(told[4]["fields"]["reasons"], "invalid_json 900");
    let progress = place.store().progress().clone();
    assert_eq!(progress.counters.malformed["invalid_json"], 3000);
}

#[test]
fn every_line_about_a_record_names_its_position_and_correlation_id() {
    let place = Place::new();
    let letterbox = Arc::new(Letterbox::default());
    let mut projector = place.projector(&letterbox);
    let records = [
        structured(0, "{".into()),
        structured(1, "{".into()),
        hold(2, "placed", 1, PLACED),
        hold(3, "placed", 1, PLACED),
        hold(4, "placed", 7, PLACED),
        hold(5, "placed", 9, PLACED),
        hold(6, "released", 10, r#""quantity_released":50,"released_by":"r""#),
        hold(
            7,
            "released",
            11,
            r#""quantity_released":5,"released_by":"expiry","expires_at":"2026-11-01T12:00:00Z""#,
        ),
        structured(
            8,
            r#"{"specversion":"1.0","id":"u","source":"/s","type":"com.paklog.new","subject":"S","data":{}}"#
                .into(),
        ),
    ];
    let told = lines(tracing::Level::DEBUG, || {
        fold(&mut projector, &records);
        projector.tell(Timestamp(0));
    });
    for line in &told {
        let fields = &line["fields"];
        let offset = fields["position"].as_str().and_then(|position| position.strip_prefix("1:"));
        let offset = offset.unwrap_or_else(|| panic!("a position in {line}"));
        assert_eq!(fields["correlation_id"], format!("c-{offset}"), "{line}");
    }
    let of = |offset: u64| -> Vec<&str> {
        let at = format!("1:{offset}");
        let told = told.iter().filter(|line| line["fields"]["position"] == at.as_str());
        told.filter_map(|line| line["fields"]["what"].as_str().or(line["level"].as_str())).collect()
    };
    assert_eq!(of(0), ["WARN"], "malformed");
    assert_eq!(of(1), ["DEBUG"], "malformed again");
    assert_eq!(of(2), [""; 0], "an everyday event");
    assert_eq!(of(3), ["duplicate"]);
    assert_eq!(of(4), ["WARN"], "a gap");
    assert_eq!(of(5), ["DEBUG", "WARN"], "a gap again, and the line that counts both");
    assert_eq!(of(6), ["anomaly"]);
    assert_eq!(of(7), ["stale expiry"]);
    assert_eq!(of(8), ["DEBUG"], "an unknown type");

    let counters = &projector.store().progress().counters;
    assert_eq!((counters.stale_expiries, counters.anomalies), (1, 1));
    assert_eq!((counters.gaps, counters.duplicates, counters.applied), (2, 1, 4));
}
