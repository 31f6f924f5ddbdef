//! What the tests of a lane stand on: an embedded log that fails as told, and a lane on it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::codec::event::{Mode, encode};
use crate::commands::CommandSettings;
use crate::config::lane::LaneConfig;
use crate::config::log::{Fsync, LogConfig};
use crate::config::store::{StoreConfig, StoreMemory};
use crate::config::{ArchiveConfig, SnapshotConfig};
use crate::domain::Rules;
use crate::generator::{Options, Warehouse};
use crate::lane::callers::Callers;
use crate::lane::identity::LaneIdentity;
use crate::lane::membership::Membership;
use crate::lane::opening::open;
use crate::lane::registry::Registry;
use crate::lane::settings::{LaneMemory, LaneSettings, Shared};
use crate::lane::step::Lane;
use crate::lane::turns::Turns;
use crate::log::embedded::EmbeddedLog;
use crate::log::{
    Appender, Assignment, Bounds, Consumed, Log, LogError, Member, Purpose, Reader, TopicDescription,
    Transactor,
};
use crate::projector::{DeadLetters, ProjectorSettings};
use crate::store::PartitionStores;
use crate::types::{NewRecord, NextOffset, Partition, Timestamp, Topic, partition_of};

pub(super) const PARTITIONS: u16 = 2;

/// The embedded log, whose readers cannot be had as often as told, and with as many partitions as told.
pub(super) struct Flaky {
    pub(super) log: Arc<EmbeddedLog>,
    pub(super) failing: AtomicU32,
    /// What a topic has been given.
    pub(super) grown: Mutex<Option<(Topic, u16)>>,
}

impl Flaky {
    fn fail_as_told(&self) -> Result<(), LogError> {
        let left = self.failing.load(Ordering::SeqCst);
        if left > 0 {
            self.failing.store(left - 1, Ordering::SeqCst);
            return Err(LogError::Unreachable { reason: "as told".into() });
        }
        Ok(())
    }
}

impl Log for Flaky {
    fn reader(&self, purpose: Purpose, from: &[Assignment]) -> Result<Box<dyn Reader>, LogError> {
        self.fail_as_told()?;
        self.log.reader(purpose, from)
    }

    fn cluster_id(&self) -> Result<String, LogError> {
        self.log.cluster_id()
    }

    fn partitions(&self, topic: Topic) -> Result<u16, LogError> {
        match *self.grown.lock().unwrap_or_else(PoisonError::into_inner) {
            Some((grown, count)) if grown == topic => Ok(count),
            _ => self.log.partitions(topic),
        }
    }

    fn bounds(&self, topic: Topic, partition: Partition) -> Result<Bounds, LogError> {
        self.log.bounds(topic, partition)
    }

    fn offset_at(&self, topic: Topic, partition: Partition, time: Timestamp) -> Result<NextOffset, LogError> {
        self.log.offset_at(topic, partition, time)
    }

    fn committed(&self, group: &str, partitions: &[Partition]) -> Result<Vec<Option<Consumed>>, LogError> {
        self.log.committed(group, partitions)
    }

    fn appender(&self) -> Result<Box<dyn Appender>, LogError> {
        self.log.appender()
    }

    fn transactor(&self, id: &str) -> Result<Box<dyn Transactor>, LogError> {
        self.log.transactor(id)
    }

    fn join(&self, group: &str, instance: &str) -> Result<Box<dyn Member>, LogError> {
        self.fail_as_told()?;
        self.log.join(group, instance)
    }

    fn describe(&self, topic: Topic) -> Result<Option<TopicDescription>, LogError> {
        self.log.describe(topic)
    }

    fn create(&self, topic: Topic, want: &TopicDescription) -> Result<(), LogError> {
        self.log.create(topic, want)
    }
}

pub(super) struct Stage {
    pub(super) log: Arc<Flaky>,
    pub(super) registry: Arc<Registry>,
    pub(super) lane: Lane,
    pub(super) _directory: tempfile::TempDir,
}

/// A log with 200 events and a lane that has taken up both partitions and read none of them.
pub(super) fn stage() -> Stage {
    let (log, shared, directory) = ground(LogConfig::default(), 1);
    let lane = Lane::new(Arc::clone(&shared), LaneIdentity::new("g", "i", 0), Timestamp(0)).expect("a lane");
    let mut stage = Stage { log, registry: Arc::clone(&shared.registry), lane, _directory: directory };
    let deadline = Instant::now() + Duration::from_secs(60);
    while stage.lane.owned.len() < usize::from(PARTITIONS) {
        assert!(Instant::now() < deadline, "the stores are opened");
        assert!(stage.lane.serve_member(Timestamp(0)).is_ok_and(|commands| commands.is_none()));
        assert!(stage.lane.take_up(Timestamp(0)).is_ok());
    }
    stage
}

/// A log with 200 events, and what so many lanes over it are told.
pub(super) fn ground(settings: LogConfig, lanes: u16) -> (Arc<Flaky>, Arc<Shared>, tempfile::TempDir) {
    let directory = tempfile::tempdir().expect("a directory");
    let settings = LogConfig { partitions: PARTITIONS, fsync: Fsync::Interval, ..settings };
    let embedded = EmbeddedLog::open(&directory.path().join("log"), &settings).expect("the log");
    let log = Arc::new(Flaky { log: embedded, failing: AtomicU32::new(0), grown: Mutex::new(None) });
    let records = Warehouse::new(Options { skus: 20, ..Options::default() }).take(200).map(|event| {
        let encoded = encode(&event, Mode::Structured);
        NewRecord {
            topic: Topic::Events,
            partition: partition_of(&event.envelope.sku, PARTITIONS),
            timestamp: None,
            key: None,
            value: Some(encoded.value),
            headers: encoded.headers,
        }
    });
    let appender: Arc<dyn Appender> = Arc::from(log.appender().expect("an appender"));
    for answer in appender.append(records.collect()) {
        answer.expect("appended");
    }

    let memory = StoreMemory { block_cache: 1 << 20, write_buffers: 4 << 20 };
    let stores = PartitionStores::open(directory.path(), &StoreConfig::default(), &memory).expect("stores");
    // One test has an event of ours without a result.
    let commands_from = "0:0,1:0".to_owned();
    let config = LaneConfig {
        poll_wait_ms: 1,
        command_poll_ms: 1,
        commands_from,
        group: "g".into(),
        ..LaneConfig::default()
    };
    let (shape, depot) = open(
        log.as_ref(),
        &stores,
        &config,
        &ArchiveConfig { url: "/nowhere".into(), ..ArchiveConfig::default() },
    )
    .expect("opened");
    let registry = Arc::new(Registry::new(PARTITIONS));
    let rules = Rules { own_source: "inventory-store".into() };
    let settings = LaneSettings {
        projector: ProjectorSettings {
            rules: rules.clone(),
            max_record_bytes: 1 << 20,
            dedupe_window_ms: 86_400_000,
        },
        commands: CommandSettings {
            rules,
            mode: Mode::Structured,
            max_record_bytes: 1 << 20,
            extended_values: false,
            partitions: PARTITIONS,
        },
        memory: LaneMemory { fold: 2 << 20, overlays: 1 << 20 },
        snapshots: SnapshotConfig { at_shutdown: false, ..SnapshotConfig::default() },
        archive: ArchiveConfig { url: "/nowhere".into(), ..ArchiveConfig::default() },
    };
    let shared = Arc::new(Shared {
        log: Arc::<Flaky>::clone(&log),
        callers: Callers::new(Arc::clone(&registry), 10),
        membership: Membership::new(Arc::clone(&registry), lanes),
        registry,
        depot,
        restores: Turns::new(1),
        stores,
        settings,
        config,
        shape,
        letters: DeadLetters::Publish { appender, partitions: PARTITIONS },
        dead_partitions: PARTITIONS,
        lanes,
    });
    (log, shared, directory)
}
