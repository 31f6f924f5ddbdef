//! A log, instances over it that publish and restore, and what a replay of the whole log gives.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use inventory_store::codec::rows::meta::{CheckpointMark, Progress};
use inventory_store::config::lane::LaneConfig;
use inventory_store::config::log::{Fsync, LogConfig};
use inventory_store::config::{KafkaConfig, SnapshotConfig};
use inventory_store::generator::{Options, Warehouse};
use inventory_store::lane::{Lanes, Registry};
use inventory_store::log::Log;
use inventory_store::log::embedded::EmbeddedLog;
use inventory_store::log::kafka::KafkaLog;
use inventory_store::types::{Partition, Topic};

use super::watched::{Watched, What};
use crate::support::broker::prefix_topics;
use crate::support::lanes::{self, eventually, publish, stores};

pub const PARTITIONS: u16 = 2;
/// Events of a partition after which its next cycle begins.
pub const EVERY: u64 = 100;

pub struct Ground {
    pub log: Arc<dyn Log>,
    pub place: PathBuf,
    pub group: String,
    pub partitions: u16,
}

/// What must be the same after a replay of everything and after a restore with its tail, of one partition.
#[derive(Debug, PartialEq)]
pub struct Bytes {
    pub rows: Vec<(Vec<u8>, Vec<u8>)>,
    pub digest: u128,
    pub progress: Progress,
}

/// Cycles of a few chunks, every [`EVERY`] events.
pub fn often() -> SnapshotConfig {
    SnapshotConfig {
        every_events: EVERY,
        every_seconds: 86_400,
        at_shutdown: false,
        chunk_bytes: 2000,
        read_memory: 4000,
        bytes_per_second: 1 << 30,
        patience_seconds: 2,
        ..SnapshotConfig::default()
    }
}

/// It comes back from what was published and publishes nothing more.
pub fn never() -> SnapshotConfig {
    SnapshotConfig { every_events: u64::MAX, ..often() }
}

/// It publishes nothing and, where it knows of no snapshots, reads the log from its start.
pub fn none() -> SnapshotConfig {
    SnapshotConfig { enabled: false, ..never() }
}

/// Settings of a Kafka whose owners and transactions are given up soon once they are gone.
pub fn hasty(brokers: &str, prefix: &str) -> KafkaConfig {
    let mut config = KafkaConfig { bootstrap_servers: brokers.into(), ..KafkaConfig::default() };
    prefix_topics(&mut config, prefix);
    config.consumer.session_timeout_ms = 6_000;
    config.consumer.heartbeat_interval_ms = 500;
    config.consumer.max_poll_interval_ms = 6_000;
    config.transactions.timeout_ms = 2_000;
    config
}

impl Ground {
    /// The embedded log in `place`.
    pub fn embedded(place: &Path) -> Self {
        let config = LogConfig { partitions: PARTITIONS, fsync: Fsync::Interval, ..LogConfig::default() };
        let log: Arc<dyn Log> = EmbeddedLog::open(&place.join("log"), &config).expect("the log");
        Self { log, place: place.to_path_buf(), group: "lanes".into(), partitions: PARTITIONS }
    }

    /// A broker's topics under this prefix, made where they are not there yet.
    pub fn kafka(place: &Path, brokers: &str, prefix: &str) -> Self {
        Self::on(place, &hasty(brokers, prefix), prefix, PARTITIONS)
    }

    pub fn on(place: &Path, config: &KafkaConfig, prefix: &str, partitions: u16) -> Self {
        let log: Arc<dyn Log> = KafkaLog::connect(config).expect("the log");
        lanes::create_topics(log.as_ref(), partitions);
        Self { log, place: place.to_path_buf(), group: prefix.into(), partitions }
    }

    pub fn directory(&self, instance: &str) -> PathBuf {
        self.place.join(instance)
    }

    pub fn lane(&self, instance: &str) -> LaneConfig {
        LaneConfig {
            lanes: 1,
            poll_wait_ms: 5,
            group: self.group.clone(),
            instance: instance.into(),
            retry_min_ms: 5,
            retry_max_ms: 100,
            ..LaneConfig::default()
        }
    }

    pub fn start(&self, instance: &str, snapshots: SnapshotConfig) -> Lanes {
        self.start_as(&self.log, instance, snapshots, &self.lane(instance))
    }

    pub fn start_as(
        &self,
        log: &Arc<dyn Log>,
        instance: &str,
        snapshots: SnapshotConfig,
        config: &LaneConfig,
    ) -> Lanes {
        let directory = self.directory(instance);
        std::fs::create_dir_all(&directory).expect("a directory");
        let mut settings = lanes::settings("inventory-store", self.partitions);
        settings.snapshots = snapshots;
        Lanes::start(Arc::clone(log), stores(&directory), settings, config).expect("started")
    }

    /// So many events of a warehouse day, which another seed makes another.
    pub fn happen(&self, seed: u64, count: usize) {
        let events = Warehouse::new(Options { seed, skus: 60, ..Options::default() });
        publish(self.log.as_ref(), events.take(count));
    }

    /// Waits until all is folded and no cycle of [`often`] is due or under way.
    pub fn until_published(&self, registry: &Registry) {
        self.until_published_every(registry, EVERY);
    }

    pub fn until_published_every(&self, registry: &Registry, every: u64) {
        lanes::until_level(&self.log, registry);
        eventually("the last cycle that is due has its checkpoint", || {
            let done = registry.statuses().iter().all(|status| {
                let shown = status.last_checkpoint.map_or(status.begins, |mark| mark.next);
                status.next.0 - shown.0 < every
            });
            done.then_some(())
        });
    }

    /// Runs an instance until it is level, then stops it.
    pub fn run(&self, instance: &str, snapshots: SnapshotConfig) {
        let lanes = self.start(instance, snapshots);
        lanes::until_level(&self.log, &lanes.registry());
        lanes.stop();
    }

    /// What the stores of an instance that has stopped hold.
    pub fn bytes(&self, instance: &str) -> Vec<Bytes> {
        bytes(&self.directory(instance))
    }

    /// The checkpoint that each partition of a stopped instance stands on.
    pub fn checkpoints(&self, instance: &str) -> Vec<Option<CheckpointMark>> {
        let stores = stores(&self.directory(instance));
        let of = |partition| {
            stores.open_live(Partition(partition)).expect("opens").expect("is served").meta().last_checkpoint
        };
        (0..self.partitions).map(of).collect()
    }

    /// What the whole log gives, folded from its start by an instance that knows of no snapshot.
    pub fn replayed(&self) -> Vec<Bytes> {
        let lane = LaneConfig { group: format!("{}-replay", self.group), ..self.lane("replay") };
        let without: Arc<dyn Log> = Watched::new(&self.log, What::Hide);
        let lanes = self.start_as(&without, "replay", none(), &lane);
        lanes::until_level(&self.log, &lanes.registry());
        lanes.stop();
        let bytes = self.bytes("replay");
        std::fs::remove_dir_all(self.directory("replay")).expect("removed");
        bytes
    }

    /// What a new instance makes of the newest checkpoints and their tails.
    pub fn restored(&self, instance: &str) -> Vec<Bytes> {
        self.run(instance, never());
        let stands_on = self.checkpoints(instance);
        assert!(stands_on.iter().all(Option::is_some), "from checkpoints, not the log: {stands_on:?}");
        self.bytes(instance)
    }

    /// The live instance, a restore and a replay of everything hold the same bytes.
    #[track_caller]
    pub fn all_are_the_same(&self, instance: &str) {
        let replayed = self.replayed();
        let events: u64 = (0..self.partitions)
            .map(|p| self.log.bounds(Topic::Events, Partition(p)).expect("bounds").last_stable.0)
            .sum();
        assert_eq!(replayed.iter().map(|bytes| bytes.progress.next.0).sum::<u64>(), events);
        same("what the instance holds and a full replay", &self.bytes(instance), &replayed);
        same("snapshot with tail and a full replay", &self.restored("restored"), &replayed);
    }
}

/// Without what a restore over a cycle that was cut off cannot know: what the events between the checkpoint and
/// rows that are ahead of it turned out to be, which those rows have seen and which are passed over.
pub fn without_counts(mut these: Vec<Bytes>) -> Vec<Bytes> {
    for bytes in &mut these {
        let counters = &mut bytes.progress.counters;
        counters.applied = 0;
        counters.duplicates = 0;
        counters.conflicts = 0;
        counters.anomalies = 0;
        counters.gaps = 0;
        counters.stale_expiries = 0;
    }
    these
}

/// Byte for byte.
///
/// # Panics
/// Naming the first rows that differ.
#[track_caller]
pub fn same(what: &str, have: &[Bytes], want: &[Bytes]) {
    assert_eq!(have.len(), want.len(), "partitions");
    for (partition, (have, want)) in have.iter().zip(want).enumerate() {
        let text = |row: &(Vec<u8>, Vec<u8>)| format!("{}: {:02x?}", row.0.escape_ascii(), row.1);
        let only = |these: &[(Vec<u8>, Vec<u8>)], those: &[(Vec<u8>, Vec<u8>)]| -> Vec<String> {
            these.iter().filter(|row| !those.contains(row)).take(5).map(text).collect()
        };
        let (extra, missing) = (only(&have.rows, &want.rows), only(&want.rows, &have.rows));
        assert!(extra.is_empty() && missing.is_empty(), "{what}, {partition}: {extra:#?} for {missing:#?}");
        assert_eq!((have.digest, &have.progress), (want.digest, &want.progress), "{what}, {partition}");
    }
}

/// What the stores in a directory hold; each store's own count and digest must be true.
pub fn bytes(directory: &Path) -> Vec<Bytes> {
    let stores = stores(directory);
    let partitions = stores.partitions().expect("partitions");
    let of = |partition| {
        let store = stores.open_live(partition).expect("opens").expect("is served");
        let (meta, recount) = (store.meta(), store.recount().expect("recounts"));
        assert_eq!((recount.rows, recount.digest.0), (meta.rows, meta.digest), "the store's own account");
        let rows = store.reader().freeze(|frozen| {
            let (mut rows, mut cursor) = (Vec::new(), frozen.rows().expect("rows"));
            while let Some((key, value)) = cursor.advance().expect("reads") {
                rows.push((key.to_vec(), value.to_vec()));
            }
            rows
        });
        Bytes { rows, digest: meta.digest, progress: meta.progress.clone() }
    };
    partitions.into_iter().map(of).collect()
}
