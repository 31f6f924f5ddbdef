//! What the clients of a run send, and what they hear.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use inventory_store::log::Appender;
use inventory_store::types::{Header, NewRecord, Partition, Topic, partition_of};
use serde_json::{Value, json};

const PREFIX: &str = "com.paklog.inventory.fulfillment.v1.";
/// SKUs that only commands change, and those with a second producer.
pub const OWN: u32 = 12;
pub const SHARED: u32 = 4;

/// An answer, or one item of a batch's.
#[derive(Debug, Clone)]
pub struct Heard {
    pub status: u64,
    pub body: Value,
}

/// A SKU; every third time the hot one.
fn sku(random: &mut fastrand::Rng) -> String {
    match random.u8(0..12) {
        0..=3 => "HOT".to_owned(),
        4..=9 => format!("SKU-{}", random.u32(0..OWN)),
        _ => shared_sku(random),
    }
}

pub fn shared_sku(random: &mut fastrand::Rng) -> String {
    format!("SHARED-{}", random.u32(0..SHARED))
}

/// One client's stream of commands.
pub struct Commands {
    random: fastrand::Rng,
    source: String,
    made: Vec<Value>,
}

impl Commands {
    pub fn new(seed: u64, number: u64) -> Self {
        let random = fastrand::Rng::with_seed(seed.wrapping_mul(0x9E37_79B9).wrapping_add(number));
        Self { random, source: format!("/client/{number}"), made: Vec::new() }
    }

    /// A new one mostly; sometimes one again, or its id with other content.
    pub fn next(&mut self) -> Value {
        let random = &mut self.random;
        if !self.made.is_empty() {
            let old = self.made[random.usize(0..self.made.len())].clone();
            match random.u8(0..100) {
                0..=9 => return old,
                10..=12 => {
                    let mut other = old;
                    other["data"]["quantity"] = json!(1_000 + random.u32(0..10));
                    return other;
                }
                _ => {}
            }
        }
        let units = |random: &mut fastrand::Rng, most: u32| random.u32(1..=most);
        let order = |random: &mut fastrand::Rng| format!("ORD-{}", random.u32(0..40));
        let hold = |random: &mut fastrand::Rng| format!("H-{}", random.u32(0..10));
        let (name, data) = match random.u8(0..22) {
            0..=3 => ("product-stock.receive", json!({"quantity": units(random, 40)})),
            4 => ("product-stock.receive", json!({"quantity": units(random, 10), "status": "DAMAGED"})),
            5..=8 => (
                "product-stock.allocate",
                json!({"quantity": units(random, 12), "allocation_id": order(random)}),
            ),
            9 => ("product-stock.allocate", json!({"quantity": units(random, 6)})),
            10..=12 => {
                ("product-stock.pick", json!({"quantity": units(random, 6), "allocation_id": order(random)}))
            }
            13 => ("product-stock.pick", json!({"quantity": units(random, 4)})),
            14..=15 => ("product-stock.deallocate", json!({"allocation_id": order(random)})),
            16 => {
                let by = if random.bool() { -1 } else { 1 } * i64::from(units(random, 9));
                ("product-stock.adjust", json!({"quantity_change": by, "reason": "CYCLE_COUNT"}))
            }
            17 => ("product-stock.set", json!({"quantity": random.u32(0..120), "reason": "PHYSICAL_COUNT"})),
            18 => (
                "stock-status.change",
                json!({"quantity": units(random, 5), "from": "AVAILABLE", "to": "QUARANTINE", "reason": "seen"}),
            ),
            19 => (
                "stock-status.change",
                json!({"quantity": units(random, 5), "from": "QUARANTINE", "to": "AVAILABLE", "reason": "fine"}),
            ),
            20 => (
                "inventory-hold.place",
                json!({"hold_id": hold(random), "hold_type": "QUALITY_HOLD", "quantity": units(random, 8), "reason": "inspection"}),
            ),
            _ => ("inventory-hold.release", json!({"hold_id": hold(random), "released_by": "inspector"})),
        };
        let mut command = json!({
            "specversion": "1.0", "id": format!("c-{}", self.made.len()), "source": self.source,
            "type": format!("{PREFIX}{name}"), "subject": sku(random), "datacontenttype": "application/json", "data": data,
        });
        if random.u8(0..100) < 8 {
            command["expectedversion"] = json!(random.u32(0..60).to_string());
        }
        self.made.push(command.clone());
        command
    }

    fn some(&mut self) -> Vec<Value> {
        let count = self.random.usize(2..20);
        let mut commands: Vec<Value> = (0..count).map(|_| self.next()).collect();
        self.random.shuffle(&mut commands);
        commands
    }
}

/// How long a client goes on, and how long it rests at most after each thing it did.
#[derive(Clone, Copy)]
pub enum Pace<'r> {
    Count(usize),
    While { going: &'r AtomicBool, rest_ms: u64 },
}

impl Pace<'_> {
    /// Whether there is more to do after so much; rests before it.
    fn goes_on(self, done: usize, random: &mut fastrand::Rng) -> bool {
        match self {
            Self::Count(count) => done < count,
            Self::While { going, rest_ms } => {
                std::thread::sleep(Duration::from_millis(random.u64(0..=rest_ms)));
                going.load(Ordering::Relaxed)
            }
        }
    }
}

/// Sends requests to the services that are there and tells what it heard.
pub fn over_http(mut commands: Commands, urls: &Mutex<Vec<String>>, pace: Pace<'_>) -> Vec<Heard> {
    let agent = ureq::Agent::config_builder().http_status_as_error(false);
    let agent = agent.timeout_global(Some(Duration::from_secs(60))).build().new_agent();
    let mut heard = Vec::new();
    let mut done = 0;
    while pace.goes_on(done, &mut commands.random) {
        done += 1;
        let is_batch = commands.random.u8(0..100) < 25;
        let is_async = commands.random.u8(0..100) < 15;
        let (media, body) = if is_batch {
            ("application/cloudevents-batch+json", Value::Array(commands.some()))
        } else {
            ("application/cloudevents+json", commands.next())
        };
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            // Another one, perhaps, than the one that gave no answer.
            let url = {
                let urls = urls.lock().expect("whole");
                urls[commands.random.usize(0..urls.len())].clone()
            };
            let mut request = agent.post(format!("{url}/commands")).header("content-type", media);
            if is_async {
                request = request.header("prefer", "respond-async");
            }
            let answer = request.send(body.to_string().as_bytes());
            // What was not answered may have happened: the same again is decided once.
            let told = answer.ok().and_then(|mut answer| {
                let status = u64::from(answer.status().as_u16());
                Some((status, answer.body_mut().read_json::<Value>().ok()?))
            });
            match told {
                Some((207, body)) => {
                    let items = body["items"].as_array().expect("items").clone();
                    let item =
                        |body: Value| Heard { status: body["status"].as_u64().expect("a status"), body };
                    heard.extend(items.into_iter().map(item));
                    break;
                }
                Some((status @ (200 | 202 | 409 | 412 | 422), body)) => {
                    heard.push(Heard { status, body });
                    break;
                }
                Some((429 | 503, _)) | None => {
                    assert!(Instant::now() < deadline, "the service takes nothing any more");
                    std::thread::sleep(Duration::from_millis(20));
                }
                Some((status, body)) => panic!("{status} {body}"),
            }
        }
    }
    heard
}

fn record(topic: Topic, partition: Partition, key: &str, value: Option<Vec<u8>>) -> NewRecord {
    let headers = vec![Header::new("content-type", "application/cloudevents+json; charset=UTF-8")];
    NewRecord { topic, partition, timestamp: None, key: Some(key.as_bytes().to_vec()), value, headers }
}

fn append(appender: &dyn Appender, records: Vec<NewRecord>) {
    for answer in appender.append(records) {
        answer.expect("appended");
    }
}

/// Appends commands to the topic itself, batches out of order, with what nobody can read in between. How many
/// of those there were.
pub fn over_the_log(
    mut commands: Commands,
    appender: &dyn Appender,
    partitions: u16,
    pace: Pace<'_>,
) -> usize {
    let (mut unreadable, mut done) = (0, 0);
    while pace.goes_on(done, &mut commands.random) {
        done += 1;
        let mut records: Vec<NewRecord> = Vec::new();
        for command in commands.some() {
            let sku = command["subject"].as_str().expect("a subject");
            let partition = partition_of(sku, partitions);
            records.push(record(Topic::Commands, partition, sku, Some(command.to_string().into_bytes())));
        }
        if commands.random.u8(0..3) == 0 {
            let partition = Partition(commands.random.u16(0..partitions));
            let elsewhere = Partition((partition_of("HOT", partitions).0 + 1) % partitions);
            let command = commands.next();
            let mut hot = command.clone();
            hot["subject"] = json!("HOT");
            hot["id"] = json!(format!("elsewhere-{unreadable}"));
            let bad = match commands.random.u8(0..5) {
                0 => record(Topic::Commands, partition, "S", Some(b"\xFF\xFE".to_vec())),
                1 => record(Topic::Commands, partition, "S", None),
                2 => record(Topic::Commands, partition, "S", Some("[".repeat(5_000).into_bytes())),
                3 => record(Topic::Commands, partition, "other", Some(command.to_string().into_bytes())),
                _ => record(Topic::Commands, elsewhere, "HOT", Some(hot.to_string().into_bytes())),
            };
            unreadable += 1;
            records.insert(commands.random.usize(0..=records.len()), bad);
        }
        append(appender, records);
    }
    unreadable
}

/// A second producer: sets on hand of the shared SKUs, with some events twice.
pub fn foreign(seed: u64, appender: &dyn Appender, partitions: u16, pace: Pace<'_>) {
    let mut random = fastrand::Rng::with_seed(seed ^ 0xF0);
    let mut number = 0;
    while pace.goes_on(number, &mut random) {
        let sku = shared_sku(&mut random);
        let event = json!({
            "specversion": "1.0", "id": format!("f-{number}"), "source": "/legacy", "subject": sku,
            "type": format!("{PREFIX}product-stock.level-changed"), "datacontenttype": "application/json",
            "data": {"sku": sku, "previousQuantityOnHand": random.u32(0..100), "newQuantityOnHand": random.u32(0..200),
                     "changeType": "ADJUSTMENT", "reasonCode": "CYCLE_COUNT"},
        });
        let partition = partition_of(&sku, partitions);
        let one = record(Topic::Events, partition, &sku, Some(event.to_string().into_bytes()));
        let times = if random.u8(0..10) == 0 { 2 } else { 1 };
        append(appender, vec![one; times]);
        number += 1;
        std::thread::sleep(Duration::from_millis(random.u64(0..8)));
    }
}
