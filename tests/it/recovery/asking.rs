//! Asking a running service for jobs, and asking it for stock all the while.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::service::{Service, eventually};

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder().http_status_as_error(false);
    config.timeout_global(Some(Duration::from_secs(30))).build().new_agent()
}

/// Status and body of a request with a JSON body, or without one.
pub fn ask(service: &Service, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
    let url = format!("{}{path}", service.url);
    let answer = match (method, body) {
        ("POST", Some(body)) => {
            agent().post(url).header("content-type", "application/json").send(body.to_string().as_bytes())
        }
        ("DELETE", _) => agent().delete(url).call(),
        _ => agent().get(url).call(),
    };
    let mut answer = answer.expect("an answer");
    (answer.status().as_u16(), answer.body_mut().read_json().unwrap_or(Value::Null))
}

/// Starts a job and waits for its end.
pub fn job(service: &Service, request: &Value) -> Value {
    let (status, started) = ask(service, "POST", "/jobs", Some(request));
    assert_eq!(status, 202, "{started}");
    ended(service, started["id"].as_str().expect("an id"))
}

/// The job, once it has ended.
pub fn ended(service: &Service, id: &str) -> Value {
    eventually("the job ends", Duration::from_secs(120), || {
        let (status, job) = service.get(&format!("/jobs/{id}"));
        assert_eq!(status, 200, "{job}");
        (job["state"] != "running").then_some(job)
    })
}

/// What must be the same of a SKU wherever it is read at one version.
fn content(body: &Value) -> Value {
    let mut body = body.clone();
    if let Some(members) = body.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    body
}

/// Reads without a pause, each read checked: none fails, no SKU goes back, and one version of a SKU is always
/// the same, whichever generation it comes from.
pub struct Hammer {
    stop: Arc<AtomicBool>,
    reads: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

impl Hammer {
    pub fn start(service: &Service, skus: &[String]) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let reads = Arc::<AtomicU64>::default();
        let seen: Arc<Mutex<BTreeMap<(String, u64), Value>>> = Arc::default();
        let mut threads = Vec::new();
        for kind in 0..2 {
            let (stop, reads, seen, url) =
                (Arc::clone(&stop), Arc::clone(&reads), Arc::clone(&seen), service.url.clone());
            let skus = skus.to_vec();
            threads.push(std::thread::spawn(move || {
                let agent = agent();
                let mut newest: BTreeMap<String, u64> = BTreeMap::new();
                let mut round = 0;
                while !stop.load(Ordering::Relaxed) {
                    let sku = &skus[round % skus.len()];
                    round += 1;
                    let path = if kind == 0 {
                        let at_least = match newest.get(&format!("position of {sku}")) {
                            Some(offset) => format!("?at_least={}:{offset}", partition(sku)),
                            None => String::new(),
                        };
                        format!("/stock_levels/{sku}{at_least}")
                    } else {
                        "/stock_levels?limit=200".into()
                    };
                    let mut answer = agent.get(format!("{url}{path}")).call().expect("an answer");
                    let status = answer.status().as_u16();
                    let body: Value = answer.body_mut().read_json().expect("JSON");
                    assert_eq!(status, 200, "{path}: {body}");
                    let items = match kind {
                        0 => vec![body],
                        _ => {
                            assert_eq!(body["missing_partitions"], json!([]), "{path}");
                            body["items"].as_array().expect("items").clone()
                        }
                    };
                    for item in items {
                        reads.fetch_add(1, Ordering::Relaxed);
                        let sku = item["sku"].as_str().expect("a SKU").to_owned();
                        let version = item["version"].as_u64().expect("a version");
                        let before = newest.insert(sku.clone(), version).unwrap_or(0);
                        assert!(version >= before, "{sku} went back from version {before} to {version}");
                        if let Some((_, offset)) =
                            item["position"].as_str().and_then(|position| position.split_once(':'))
                        {
                            newest.insert(format!("position of {sku}"), offset.parse().expect("an offset"));
                        }
                        // Lists have fewer fields: each kind is held against itself.
                        let name = (format!("{kind} {sku}"), version);
                        let item = content(&item);
                        let mut seen = seen.lock().expect("no panic before");
                        let first = seen.entry(name).or_insert_with(|| item.clone());
                        assert_eq!(*first, item, "one version of {sku}, two answers");
                    }
                }
            }));
        }
        Self { stop, reads, threads }
    }

    /// Ends it; gives how many SKUs were read.
    pub fn end(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("no read failed, went back or mixed");
        }
        self.reads.load(Ordering::Relaxed)
    }
}

fn partition(sku: &str) -> u16 {
    inventory_store::types::partition_of(sku, PARTITIONS).0
}

pub const PARTITIONS: u16 = 2;
