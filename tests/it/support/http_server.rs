//! The real HTTP server in this process, on a free port of loopback.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use inventory_store::config::http::HttpConfig;
use inventory_store::config::log::LogConfig;
use inventory_store::http::{CommandsLog, EventsLog, Handles, Server};
use inventory_store::lane::{Callers, Registry};
use inventory_store::log::embedded::EmbeddedLog;
use inventory_store::log::{Appender, LogError};
use inventory_store::types::{NewRecord, Position};
use tempfile::TempDir;
use tokio::sync::oneshot;

pub struct HttpServer {
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    /// Of a log that is there only because there must be one.
    directory: Option<TempDir>,
}

impl HttpServer {
    pub fn start(config: HttpConfig, handles: Handles) -> Self {
        let config = HttpConfig { listen: SocketAddr::from(([127, 0, 0, 1], 0)), ..config };
        let server = Server::bind(config, handles).expect("the server is bound");
        let address = server.local_addr();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
            let shutdown = async { drop(stopped.await) };
            runtime.expect("a runtime").block_on(server.run(shutdown)).expect("the server runs");
        });
        Self { address, stop: Some(stop), thread: Some(thread), directory: None }
    }

    /// With no partition owned and Kafka for events: enough for everything that comes before a read.
    pub fn bare(config: HttpConfig) -> Self {
        Self::broken(config, EventsLog::Kafka)
    }

    /// With a log that takes events and fails every time by a panic.
    pub fn with_broken_log(config: HttpConfig) -> Self {
        Self::broken(config, EventsLog::Embedded { appender: Arc::new(Broken), max_bytes: 1 << 20 })
    }

    fn broken(config: HttpConfig, events: EventsLog) -> Self {
        let (handles, directory) = handles_of_nothing(events);
        let mut server = Self::start(config, handles);
        server.directory = Some(directory);
        server
    }

    /// Asks it to stop, without waiting.
    pub fn begin_stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    /// Waits for it to have stopped.
    pub fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server stops without a panic");
        }
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.begin_stop();
        if !std::thread::panicking() {
            self.join();
        }
    }
}

/// Of a process that owns no partition and whose log takes no command; the directory of its empty log.
pub fn handles_of_nothing(events: EventsLog) -> (Handles, TempDir) {
    let registry = Arc::new(Registry::new(4));
    let directory = TempDir::new().expect("a directory");
    let log = EmbeddedLog::open(directory.path(), &LogConfig { partitions: 4, ..LogConfig::default() });
    let commands = CommandsLog {
        appender: Arc::new(Broken),
        log: log.expect("a log"),
        callers: Callers::new(Arc::clone(&registry), 10),
        max_bytes: 1 << 20,
        extended_values: false,
    };
    (Handles { registry, events, commands, jobs: None, request_memory: 1 << 20 }, directory)
}

/// An appender nobody should ever meet.
struct Broken;

impl Appender for Broken {
    fn append(&self, records: Vec<NewRecord>) -> Vec<Result<Position, LogError>> {
        panic!("the secret cause, with {} records", records.len())
    }
}
