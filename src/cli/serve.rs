//! `serve`: composes log, stores, lanes and HTTP, and takes them down again in order.

use std::io::{IsTerminal, stderr};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use clap::Args as ClapArgs;

use super::banner::Banner;
use super::brokers::BrokerArgs;
use super::exit::{Failure, Status};
use super::kafka_metrics::KafkaMetrics;
use super::maintenance::Maintenance;
use super::measured::Measured;
use super::open::{OpenLog, memory, partition_count};
use super::output::to_stderr;
use super::settings::{CommonArgs, flag};
use super::status_line::StatusLine;
use super::{signals, telemetry, workshop};
use crate::codec::event::Mode;
use crate::commands::CommandSettings;
use crate::config::store::MemoryPlan;
use crate::config::{Config, EventMode};
use crate::domain::Rules;
use crate::http::{CommandsLog, EventsLog, Handles, HttpError, Server};
use crate::jobs::Jobs;
use crate::lane::{LaneMemory, LaneSettings, Lanes, Registry, StartError, State};
use crate::log::Appender;
use crate::metrics::{Totals, metrics};
use crate::projector::ProjectorSettings;
use crate::store::{DirectoryLock, PartitionStores};

/// Run the store: follow the log, keep the stock, answer over HTTP.
///
/// SIGTERM or Ctrl-C stops it with a last commit and status 0; a second one quits at once.
#[derive(ClapArgs)]
#[command(after_help = "\
Examples:
  inventory-store serve                                        # an embedded log in ./data
  inventory-store serve --data-dir /var/lib/inventory-store --http 127.0.0.1:9090
  inventory-store serve --brokers kafka-1:9092,kafka-2:9092
  inventory-store --config store.toml serve")]
pub struct Args {
    /// Where stores (and the embedded log) are kept.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Where to listen; an address other than loopback needs http.tokens_file.
    #[arg(long, value_name = "ADDRESS:PORT")]
    http: Option<SocketAddr>,
    /// Start from a log that no longer begins at 0, without what came before: it is missing from every number.
    #[arg(long)]
    accept_truncated_history: bool,
    /// Where commands are taken up if the group has lost its position and nothing else says it.
    #[arg(long, value_name = "P:O,…")]
    commands_from: Option<String>,
    #[command(flatten)]
    brokers: BrokerArgs,
}

pub fn run(common: &CommonArgs, args: Args) -> Result<Status, Failure> {
    let flags = [
        flag("--data-dir", "store.data_dir", args.data_dir.as_ref().map(|directory| directory.display())),
        flag("--http", "http.listen", args.http),
        flag(
            "--accept-truncated-history",
            "lane.accept_truncated_history",
            args.accept_truncated_history.then_some(true),
        ),
        flag("--commands-from", "lane.commands_from", args.commands_from.clone()),
        args.brokers.flag(),
    ];
    let loaded = common.load(flags.into_iter().flatten().collect())?;
    let config = &loaded.config;
    crate::failpoint::heed();
    let line = StatusLine::default();
    telemetry::start(&config.telemetry, &line);
    let signals = signals::listen()?;
    let service = Service::start(config)?;
    service.announce(config);
    let ended = service.watch(&signals, config, &line);
    line.end();
    service.stop();
    ended
}

/// Everything that runs.
struct Service {
    url: String,
    log: OpenLog,
    stores: PartitionStores,
    lanes: Lanes,
    registry: Arc<Registry>,
    jobs: Jobs,
    http: Http,
    maintenance: Option<Maintenance>,
    lock: DirectoryLock,
}

impl Service {
    /// Checks before it writes: directory, log, partition counts, memory; then stores, lanes, HTTP.
    fn start(config: &Config) -> Result<Self, Failure> {
        let data_dir: &Path = &config.store.data_dir;
        let lock = DirectoryLock::take(data_dir)?;
        let log = OpenLog::open(data_dir, config)?;
        let shared = log.log();
        let partitions = partition_count(shared.as_ref())?;
        let plan = memory(config, partitions)?;
        let stores = PartitionStores::open(data_dir, &config.store, &plan.store)?;
        let settings = lane_settings(config, partitions, &plan);
        let mut lane = config.lane.clone().within(plan.fetch_queues, config.lane.count(partitions));
        if lane.instance.is_empty() {
            lane.instance = host_name();
        }
        if lane.group.is_empty() {
            lane.group.clone_from(&config.kafka.topics.commands);
        }
        let lanes =
            Lanes::start(Arc::clone(&shared), stores.clone(), settings, &lane).map_err(
                |error| match error {
                    StartError::Log(error) => error.into(),
                    StartError::Check(error) => Failure::new(Status::Data, error),
                    StartError::Threads(error) => error.into(),
                },
            )?;
        let registry = lanes.registry();
        if matches!(log, OpenLog::Embedded(_)) {
            wait_for_stores(&registry);
        }
        let appender: Arc<dyn Appender> = Arc::new(Measured { inner: shared.appender()?, log: log.kind() });
        let (events, max_bytes) = match &log {
            OpenLog::Embedded(_) => {
                let max_bytes = config.contract.max_record_bytes.min(config.log.max_record_bytes);
                (EventsLog::Embedded { appender: Arc::clone(&appender), max_bytes }, max_bytes)
            }
            OpenLog::Kafka(_) => (EventsLog::Kafka, config.contract.max_record_bytes),
        };
        let commands = CommandsLog {
            appender,
            log: Arc::clone(&shared),
            callers: lanes.callers(),
            max_bytes,
            extended_values: config.contract.extended_values,
        };
        let projector = lane_settings(config, partitions, &plan).projector;
        let jobs = workshop::open(config, &shared, &registry, &stores, projector, &plan)?;
        let handles = Handles {
            registry: Arc::clone(&registry),
            events,
            commands,
            jobs: Some(jobs.clone()),
            request_memory: plan.requests,
        };
        let http = Http::start(
            Server::bind(config.http.clone(), handles).map_err(|e| Failure::new(Status::Usage, e))?,
        )?;
        let url = url_of(http.address);
        lock.set_url(&url)?;
        let maintenance = match &log {
            OpenLog::Embedded(embedded) => {
                embedded.name_owner(&url)?;
                Some(Maintenance::start(Arc::clone(embedded))?)
            }
            OpenLog::Kafka(_) => None,
        };
        metrics().build_info.with_label_values(&[env!("CARGO_PKG_VERSION"), log.kind()]).set(1);
        Ok(Self { url, log, stores, lanes, registry, jobs, http, maintenance, lock })
    }

    fn announce(&self, config: &Config) {
        let data_dir = &config.store.data_dir;
        let partitions = self.registry.count();
        if stderr().is_terminal() {
            let banner = Banner { url: &self.url, log: &self.describe_log(config), data_dir, partitions };
            to_stderr(&banner.text());
        }
        tracing::info!(
            url = self.url,
            log = self.log.kind(),
            data_dir = %data_dir.display(),
            partitions,
            version = env!("CARGO_PKG_VERSION"),
            "serving"
        );
    }

    fn describe_log(&self, config: &Config) -> String {
        match &self.log {
            OpenLog::Embedded(_) => format!("embedded, in {}", config.store.data_dir.join("log").display()),
            OpenLog::Kafka(_) => format!("Kafka at {}", config.kafka.bootstrap_servers),
        }
    }

    /// Until a signal comes or HTTP fails.
    fn watch(
        &self,
        signals: &Receiver<&'static str>,
        config: &Config,
        line: &StatusLine,
    ) -> Result<Status, Failure> {
        const TICK: Duration = Duration::from_secs(1);
        let live_line = config.telemetry.status_line && stderr().is_terminal();
        let (mut totals, mut at) = (Totals::default(), Instant::now());
        let mut kafka = KafkaMetrics::default();
        loop {
            match signals.recv_timeout(TICK) {
                Ok(signal) => {
                    line.end();
                    tracing::info!(signal, "stopping");
                    return Ok(Status::Done);
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::text(Status::Refused, "signals can no longer be received"));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            if self.http.has_ended() {
                return Err(Failure::text(Status::Unreachable, "HTTP has ended; the log says why"));
            }
            let now = Instant::now();
            totals = metrics().rates_since(totals, now.duration_since(at));
            at = now;
            self.measure_memory();
            if let OpenLog::Kafka(log) = &self.log {
                kafka.report(log.statistics());
            }
            if live_line {
                line.show(&self.status());
            }
        }
    }

    fn measure_memory(&self) {
        let memory = self.stores.memory();
        for (kind, bytes) in
            [("block_cache", memory.block_cache), ("pinned", memory.pinned), ("memtables", memory.memtables)]
        {
            let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
            metrics().rocksdb_memory.with_label_values(&[kind]).set(bytes);
        }
    }

    fn status(&self) -> String {
        let statuses = self.registry.statuses();
        let live = statuses.iter().filter(|s| s.state == State::Live).count();
        let next: u64 = statuses.iter().map(|s| s.next.0).sum();
        let behind: u64 = statuses.iter().map(|s| s.high_watermark.0.saturating_sub(s.next.0)).sum();
        let skus: u64 = statuses.iter().map(|s| s.counters.skus).sum();
        let mut text = format!(
            "{:.0} events/s · {next} applied · {behind} behind · {skus} SKUs · {live}/{} partitions live",
            metrics().applied_rate.get(),
            statuses.len()
        );
        if let Some(stalled) = statuses.iter().find_map(|s| s.stalled.as_ref().map(|why| (s.partition, why)))
        {
            text.push_str(&format!(" · partition {} waits: {}", stalled.0, super::table::shown(stalled.1)));
        }
        text
    }

    /// No new requests, the last commits, then the log.
    fn stop(self) {
        self.http.stop();
        self.jobs.stop();
        // They hold the stores and the log too.
        drop(self.jobs);
        self.lanes.stop();
        if let Some(maintenance) = self.maintenance {
            maintenance.stop();
        }
        drop(self.stores);
        drop(self.log);
        drop(self.lock);
        tracing::info!("stopped, everything committed");
    }
}

/// Whoever has started this process asks it next: a little later it can answer. A longer way to live is shown
/// over HTTP.
fn wait_for_stores(registry: &Registry) {
    const AT_MOST: Duration = Duration::from_secs(5);
    let deadline = Instant::now() + AT_MOST;
    let resting = |registry: &Registry| {
        registry.statuses().iter().all(|status| matches!(status.state, State::Live | State::Failed { .. }))
    };
    while !resting(registry) && Instant::now() < deadline {
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

fn lane_settings(config: &Config, partitions: u16, plan: &MemoryPlan) -> LaneSettings {
    let rules = Rules { own_source: config.contract.source.clone() };
    let max_record_bytes = config.contract.max_record_bytes;
    LaneSettings {
        projector: ProjectorSettings {
            rules: rules.clone(),
            max_record_bytes,
            dedupe_window_ms: config.dedupe.window_ms(),
        },
        commands: CommandSettings {
            rules,
            mode: match config.contract.mode {
                EventMode::Structured => Mode::Structured,
                EventMode::Binary => Mode::Binary,
            },
            max_record_bytes,
            extended_values: config.contract.extended_values,
            partitions,
        },
        memory: LaneMemory { fold: plan.fold, overlays: plan.overlays },
        snapshots: config.snapshot.clone(),
        archive: config.archive.clone(),
    }
}

/// The host's name, by which this process is known in the group unless `lane.instance` says otherwise.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| std::env::var("HOSTNAME").ok())
        .unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "instance".to_owned() } else { name.to_owned() }
}

/// How others reach the address: every interface is reached by loopback too.
fn url_of(address: SocketAddr) -> String {
    let mut address = address;
    if address.ip().is_unspecified() {
        let loopback = if address.is_ipv4() { "127.0.0.1".parse() } else { "::1".parse() };
        if let Ok(loopback) = loopback {
            address.set_ip(loopback);
        }
    }
    format!("http://{address}")
}

/// HTTP on a runtime and thread of its own.
struct Http {
    address: SocketAddr,
    shutdown: tokio::sync::oneshot::Sender<()>,
    thread: JoinHandle<Result<(), HttpError>>,
}

impl Http {
    fn start(server: Server) -> Result<Self, Failure> {
        let address = server.local_addr();
        let (shutdown, asked) = tokio::sync::oneshot::channel::<()>();
        let runtime = tokio::runtime::Builder::new_multi_thread().thread_name("http").enable_all().build()?;
        let thread = std::thread::Builder::new().name("http-accept".into()).spawn(move || {
            let ended = runtime.block_on(server.run(async {
                // A dropped sender asks as well.
                let _ = asked.await;
            }));
            if let Err(error) = &ended {
                tracing::error!(%error, "http ended");
            }
            ended
        })?;
        Ok(Self { address, shutdown, thread })
    }

    fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    fn stop(self) {
        // Whoever has ended by itself no longer listens.
        let _ = self.shutdown.send(());
        if self.thread.join().is_err() {
            tracing::error!("http ended by a panic");
        }
    }
}
