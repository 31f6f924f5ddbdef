use std::collections::BTreeMap;

use inventory_store::types::{NewRecord, Topic};

use super::Harness;
use super::observe::{append, eventually, read, record};

pub fn keeps_the_last_record_of_each_key(harness: &mut dyn Harness) {
    let log = harness.log();
    let keyed = |key: u16, value: Option<String>| NewRecord {
        key: Some(format!("row-{key}").into_bytes()),
        value: value.map(String::into_bytes),
        timestamp: None,
        ..record(Topic::Snapshots, key % 2, "")
    };
    // What was sent where, rather than what is read: a log may compact before it is told to.
    let mut sent = Vec::new();
    let mut last: BTreeMap<Vec<u8>, Option<Vec<u8>>> = BTreeMap::new();
    for round in 0..10 {
        let records: Vec<NewRecord> = (0..20_u16)
            .map(|key| keyed(key, (round < 9 || key % 5 != 0).then(|| format!("{key} in round {round}"))))
            .collect();
        last.extend(records.iter().map(|r| (r.key.clone().expect("a key"), r.value.clone())));
        let positions = append(&*log, records.clone());
        sent.extend(positions.into_iter().zip(records).map(|(at, r)| (at, r.key, r.value)));
    }
    let ends: Vec<_> = (0..2)
        .map(|p| log.bounds(Topic::Snapshots, inventory_store::types::Partition(p)).expect("bounds"))
        .collect();
    harness.compact();
    let mut after = Vec::new();
    // An implementation may leave the last record before its end uncompacted, and so one older one per key.
    eventually("older records are gone", || {
        after = (0..2).flat_map(|p| read(&*log, Topic::Snapshots, p)).collect::<Vec<_>>();
        after.len() <= 20 + 4
    });
    assert!(
        after.iter().all(|seen| {
            sent.contains(&(seen.position, seen.key.clone(), seen.value.clone())) || seen.value.is_none()
        }),
        "what stays, stays as it was"
    );
    let mut folded: BTreeMap<Vec<u8>, Option<Vec<u8>>> = BTreeMap::new();
    folded.extend(after.iter().map(|seen| (seen.key.clone().expect("a key"), seen.value.clone())));
    folded.retain(|key, _| last.contains_key(key));
    assert_eq!(folded, last, "tombstones are kept for now");
    for (p, end) in (0..2).zip(ends) {
        let now = log.bounds(Topic::Snapshots, inventory_store::types::Partition(p)).expect("bounds");
        assert!(now.high_watermark >= end.high_watermark, "the end stays");
    }
}
