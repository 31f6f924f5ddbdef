//! A 202 is durable: whatever kills the service, the command is decided, once.

use std::time::Duration;

use inventory_store::log::kafka::KafkaLog;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::broker::{Broker, variables};
use crate::support::lanes::create_topics;
use crate::support::service::{Service, eventually};

const COMMANDS: usize = 300;

fn command(number: usize) -> Value {
    json!({"specversion": "1.0", "id": number.to_string(), "source": "/promises", "subject": format!("SKU-{}", number % 9),
           "type": "com.paklog.inventory.fulfillment.v1.product-stock.receive", "data": {"quantity": 1}})
}

/// Takes promises, is killed at once, and started again.
fn keeps_its_promises(settings: &[(&str, &str)]) {
    let directory = TempDir::new().expect("a directory");
    let data = directory.path().join("data");
    let service = Service::start(&data, settings);
    service.wait_until_level(Duration::from_secs(120));
    let batch = Value::Array((0..COMMANDS).map(command).collect());
    let mut answer = ureq::post(format!("{}/commands", service.url))
        .header("content-type", "application/cloudevents-batch+json")
        .header("prefer", "respond-async")
        .send(batch.to_string().as_bytes())
        .expect("an answer");
    service.kill();
    let body: Value = answer.body_mut().read_json().expect("JSON");
    let items = body["items"].as_array().expect("items");
    assert!(items.len() == COMMANDS && items.iter().all(|item| item["status"] == 202), "{body}");

    let service = Service::start(&data, settings);
    service.wait_until_level(Duration::from_secs(120));
    for number in 0..COMMANDS {
        let place = format!("/commands?sku=SKU-{}&source=/promises&id={number}", number % 9);
        let outcome = eventually("the promise is kept", Duration::from_secs(60), || {
            let (status, body) = service.get(&place);
            assert!([200, 202].contains(&status), "never forgotten: {place}: {status} {body}");
            (status == 200).then_some(body)
        });
        assert_eq!(outcome["outcome"], "accepted");
        assert!(outcome["at_least"].is_string(), "{outcome}");
    }
    let on_hand = |n: usize| service.get(&format!("/stock_levels/SKU-{n}")).1["quantity_on_hand"].as_u64();
    assert_eq!((0..9).filter_map(on_hand).sum::<u64>(), COMMANDS as u64, "each once");
    assert_eq!(service.terminate(), Some(0));
}

#[test]
fn survive_kill_9_on_the_embedded_log() {
    keeps_its_promises(&[("INVENTORY_STORE__CONTRACT__PARTITIONS", "4")]);
}

#[test]
fn survive_kill_9_on_kafka() {
    let Some(broker) = Broker::shared("http: promises") else { return };
    let kafka = broker.config();
    create_topics(KafkaLog::connect(&kafka).expect("the log").as_ref(), 4);
    let settings = variables(&kafka, 4);
    let settings: Vec<(&str, &str)> = settings.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    keeps_its_promises(&settings);
}
