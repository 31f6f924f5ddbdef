//! Log, lanes, stores and HTTP in this process: the whole reading side without the command line.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use inventory_store::config::http::HttpConfig;
use inventory_store::config::lane::LaneConfig;
use inventory_store::config::log::LogConfig;
use inventory_store::config::store::{MemoryConfig, MemoryPlan, StoreConfig};
use inventory_store::http::{CommandsLog, EventsLog, Handles};
use inventory_store::lane::{Lanes, Registry};
use inventory_store::log::embedded::EmbeddedLog;
use inventory_store::log::{Appender, Log};
use inventory_store::store::PartitionStores;

use super::http_server::HttpServer;
use super::service::eventually;

/// How many partitions a stack has.
pub const PARTITIONS: u16 = 4;

pub struct Stack {
    pub server: HttpServer,
    pub registry: Arc<Registry>,
    pub log: Arc<EmbeddedLog>,
    _lanes: Lanes,
}

/// How a stack differs from the defaults.
#[derive(Default)]
pub struct Settings {
    pub http: HttpConfig,
    pub lane: LaneConfig,
    pub store: StoreConfig,
    /// Bytes; a share of the default budget unless given.
    pub request_memory: Option<u64>,
}

impl Stack {
    /// Starts on `directory` and waits until every partition has come to rest: live, or failed.
    pub fn start(directory: &Path, settings: Settings) -> Self {
        let config = LogConfig { partitions: PARTITIONS, ..LogConfig::default() };
        let log = EmbeddedLog::open(&log_directory(directory), &config).expect("the log");
        let shared: Arc<dyn Log> = Arc::clone(&log) as Arc<dyn Log>;
        let plan = MemoryPlan::divide(&MemoryConfig::default(), PARTITIONS).expect("a plan");
        let stores = PartitionStores::open(directory, &settings.store, &plan.store).expect("the stores");
        let lane = super::lanes::settings("/inventory-store", PARTITIONS);
        let lanes = Lanes::start(Arc::clone(&shared), stores, lane, &settings.lane).expect("the lanes");
        let registry = lanes.registry();
        let appender: Arc<dyn Appender> = Arc::from(shared.appender().expect("an appender"));
        let events = EventsLog::Embedded { appender: Arc::clone(&appender), max_bytes: 1 << 20 };
        let commands = CommandsLog {
            appender,
            log: Arc::clone(&shared),
            callers: lanes.callers(),
            max_bytes: 1 << 20,
            extended_values: false,
        };
        let request_memory = settings.request_memory.unwrap_or(plan.requests);
        let handles =
            Handles { registry: Arc::clone(&registry), events, commands, jobs: None, request_memory };
        let server = HttpServer::start(settings.http, handles);
        let resting = |name: &str| name == "live" || name == "failed";
        eventually("every partition is live or failed", Duration::from_secs(60), || {
            registry.statuses().iter().all(|status| resting(status.state.name())).then_some(())
        });
        Self { server, registry, log, _lanes: lanes }
    }
}

pub fn log_directory(directory: &Path) -> PathBuf {
    directory.join("log")
}
