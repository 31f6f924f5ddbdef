use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use inventory_store::config::KafkaConfig;
use inventory_store::log::Log;
use inventory_store::log::kafka::KafkaLog;
use tempfile::TempDir;

use super::stock::Stock;
use crate::support::broker::{Broker, Options, variables};
use crate::support::lanes::create_topics;
use crate::support::service::{Service, eventually};
use crate::support::stack::PARTITIONS;

const PATIENCE: Duration = Duration::from_secs(90);

/// Processes of one group on a broker of their own, which lets members be given up soon.
pub struct Processes {
    pub log: Arc<dyn Log>,
    /// Where requests may go.
    pub urls: Arc<Mutex<Vec<String>>>,
    running: BTreeMap<String, Service>,
    /// Standing still.
    frozen: BTreeMap<String, Service>,
    /// Who had each partition last, and how often it came to another.
    owners: BTreeMap<u64, String>,
    pub moves: usize,
    settings: Vec<(String, String)>,
    directory: TempDir,
    _broker: Broker,
}

impl Processes {
    /// Nothing where there is no broker.
    pub fn new(what: &str) -> Option<Self> {
        let soon = [("group.min.session.timeout.ms".to_owned(), "500".to_owned())];
        let broker = Broker::own(what, &Options { properties: soon.to_vec(), ..Options::default() })?;
        let kafka: KafkaConfig = broker.config();
        let log: Arc<dyn Log> = KafkaLog::connect(&kafka).expect("the log");
        create_topics(log.as_ref(), PARTITIONS);
        let mut settings = variables(&kafka, PARTITIONS);
        for (name, value) in [
            ("LANE__GROUP", "processes"),
            ("LANE__LANES", "1"),
            ("KAFKA__CONSUMER__SESSION_TIMEOUT_MS", "2500"),
            ("KAFKA__CONSUMER__HEARTBEAT_INTERVAL_MS", "300"),
            // What one that was killed had open holds up every reader for so long.
            ("KAFKA__TRANSACTIONS__TIMEOUT_MS", "3000"),
        ] {
            settings.push((format!("INVENTORY_STORE__{name}"), value.to_owned()));
        }
        Some(Self {
            log,
            urls: Arc::default(),
            running: BTreeMap::new(),
            frozen: BTreeMap::new(),
            owners: BTreeMap::new(),
            moves: 0,
            settings,
            directory: TempDir::new().expect("a directory"),
            _broker: broker,
        })
    }

    /// Starts one, on the data that it left where it ran before.
    pub fn start(&mut self, name: &str) {
        let mut settings: Vec<(&str, &str)> =
            self.settings.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        settings.push(("INVENTORY_STORE__LANE__INSTANCE", name));
        let service = Service::start(&self.directory.path().join(name), &settings);
        self.urls.lock().expect("whole").push(service.url.clone());
        self.running.insert(name.to_owned(), service);
    }

    /// Starts one that dies, as by kill -9, where it comes to the failpoint after it has passed it so often. No
    /// requests go to it.
    pub fn start_to_die_at(&mut self, name: &str, point: &str, passed: u8) {
        let dying = format!("{point}={passed}*off->1*return");
        let mut settings: Vec<(&str, &str)> =
            self.settings.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        settings.push(("INVENTORY_STORE__LANE__INSTANCE", name));
        settings.push(("FAILPOINTS", &dying));
        let mut service = Service::spawn(&self.directory.path().join(name), &settings);
        eventually(&format!("{name} dies at {point}"), PATIENCE, || service.has_ended().then_some(()));
        assert!(service.log().contains(&format!("failpoint {point} hit")), "{}", service.log());
    }

    /// No more requests go to it.
    fn take(&mut self, name: &str) -> Service {
        let service = self.running.remove(name).expect("it runs");
        self.urls.lock().expect("whole").retain(|url| *url != service.url);
        service
    }

    /// kill -9.
    pub fn kill(&mut self, name: &str) {
        self.take(name).kill();
    }

    /// As an operator stops it.
    pub fn stop(&mut self, name: &str) {
        assert_eq!(self.take(name).terminate(), Some(0), "{name} stops in order");
    }

    /// It stands still; what was asked of it stays open.
    pub fn freeze(&mut self, name: &str) {
        let service = self.take(name);
        service.freeze();
        self.frozen.insert(name.to_owned(), service);
    }

    pub fn wake(&mut self, name: &str) {
        let service = self.frozen.remove(name).expect("it stands still");
        service.wake();
        self.urls.lock().expect("whole").push(service.url.clone());
        self.running.insert(name.to_owned(), service);
    }

    /// Who says of which partition that it is live there; nothing unless each is live exactly once: one that
    /// stood still does not know at first that its partitions have moved.
    fn live(&mut self) -> Option<BTreeMap<u64, String>> {
        let mut live = BTreeMap::new();
        for (name, service) in &self.running {
            for partition in service.partitions().iter().filter(|partition| partition["state"] == "live") {
                let partition = partition["partition"].as_u64().expect("a number");
                if live.insert(partition, name.clone()).is_some() {
                    return None;
                }
            }
        }
        if live.len() < usize::from(PARTITIONS) {
            return None;
        }
        for (partition, name) in &live {
            let before = self.owners.insert(*partition, name.clone());
            self.moves += usize::from(before.is_some_and(|before| before != *name));
        }
        Some(live)
    }

    fn until(&mut self, what: &str, met: impl Fn(&BTreeMap<u64, String>) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !self.live().is_some_and(|live| met(&live)) {
            assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}: {}", self.logs());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until every partition is live in one that runs.
    pub fn until_all_live(&mut self) {
        self.until("every partition is live", |_| true);
    }

    /// Waits until this one has a part, and every partition is live.
    pub fn until_it_owns(&mut self, name: &str) {
        self.until(&format!("{name} has a part"), |live| live.values().any(|owner| owner == name));
    }

    /// What they have said last.
    pub fn logs(&self) -> String {
        let last = |(name, service): (&String, &Service)| {
            let log = service.log();
            let lines: Vec<&str> = log.lines().collect();
            format!("--- {name}\n{}\n", lines[lines.len().saturating_sub(60)..].join("\n"))
        };
        self.running.iter().map(last).collect()
    }

    /// Each SKU where it is owned is what the log says.
    pub fn show(&self, stocks: &BTreeMap<String, Stock>) {
        for (sku, stock) in stocks {
            let wanted = [i64::try_from(stock.version).expect("small"), stock.on_hand, stock.allocated];
            eventually(&format!("{sku} is shown as {stock:?}"), PATIENCE, || {
                let shown = |service: &Service| {
                    let (_, body) = service.get(&format!("/stock_levels/{sku}"));
                    ["version", "quantity_on_hand", "quantity_allocated"].map(|field| body[field].as_i64())
                };
                self.running.values().any(|service| shown(service) == wanted.map(Some)).then_some(())
            });
        }
    }
}
