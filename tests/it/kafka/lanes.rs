//! A service whose lanes are members of the group one by one.

use std::time::{Duration, Instant};

use inventory_store::types::{Partition, partition_of};

use crate::support::broker::{Broker, variables};
use crate::support::process::run_with;
use crate::support::service::Service;

const PARTITIONS: u16 = 12;

/// Whoever got an answer from a partition gets one from then on, while the other lane joins too.
#[test]
fn what_a_service_with_two_lanes_has_answered_once_it_answers_from_then_on() {
    let Some(broker) = Broker::shared("kafka: a service with two lanes") else { return };
    let mut settings = variables(&broker.config(), PARTITIONS);
    settings.push(("INVENTORY_STORE__LANE__LANES".into(), "2".into()));
    let settings: Vec<(&str, &str)> = settings.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    run_with(&["topics", "create", "--development"], &settings, "", ".".as_ref()).ended(0);
    let directory = tempfile::tempdir().expect("a directory");
    let service = Service::start(&directory.path().join("data"), &settings);
    let of = |partition| {
        (0..).map(|n| format!("SKU-{n}")).find(|sku| partition_of(sku, PARTITIONS) == Partition(partition))
    };
    let skus: Vec<String> = (0..PARTITIONS).map(|partition| of(partition).expect("one of twelve")).collect();
    let mut answered = vec![false; skus.len()];
    let deadline = Instant::now() + Duration::from_secs(60);
    // Ready: both lanes are in the group, and what they were given is live.
    while service.get("/health/ready").0 != 200 || answered.contains(&false) {
        assert!(Instant::now() < deadline, "not ready within a minute: {answered:?}\n{}", service.log());
        for (sku, answered) in skus.iter().zip(&mut answered) {
            let (status, body) = service.get(&format!("/stock_levels/{sku}"));
            match (status, body["code"].as_str()) {
                (404, Some("UNKNOWN_SKU")) => *answered = true,
                _ if *answered => panic!("{sku} was answered before, and now {status}: {body}"),
                _ => {}
            }
        }
    }
    assert_eq!(service.terminate(), Some(0));
}
