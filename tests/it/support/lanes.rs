//! Lanes over a log and a directory of stores, and what such a run leaves behind.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use inventory_store::codec::event::{Mode, encode};
use inventory_store::codec::rows::meta::Progress;
use inventory_store::commands::CommandSettings;
use inventory_store::config::dedupe::DedupeConfig;
use inventory_store::config::lane::LaneConfig;
use inventory_store::config::store::{StoreConfig, StoreMemory};
use inventory_store::config::{ArchiveConfig, SnapshotConfig};
use inventory_store::domain::Rules;
use inventory_store::domain::event::Event;
use inventory_store::domain::rows::{Entry, Facet, StockRow};
use inventory_store::lane::{LaneMemory, LaneSettings, Lanes, PartitionStatus, Registry, StartError, State};
use inventory_store::log::{Log, LogError, TopicDescription};
use inventory_store::projector::ProjectorSettings;
use inventory_store::store::PartitionStores;
use inventory_store::types::{NewRecord, Partition, Position, Sku, Timestamp, Topic, partition_of};

const FOLD_BYTES: u64 = 3 << 20;

pub fn stores(directory: &Path) -> PartitionStores {
    let memory = StoreMemory { block_cache: 4 << 20, write_buffers: 8 << 20 };
    PartitionStores::open(directory, &StoreConfig::default(), &memory).expect("stores")
}

/// Makes the topics that lanes use, those that are missing.
pub fn create_topics(log: &dyn Log, partitions: u16) {
    for topic in Topic::ALL {
        let want = TopicDescription { partitions, replication: 1, settings: Default::default() };
        match log.create(topic, &want) {
            Ok(()) | Err(LogError::TopicExists { .. }) => {}
            Err(error) => panic!("{topic}: {error}"),
        }
    }
}

/// Starts lanes over the stores in `directory`.
pub fn start(log: &Arc<dyn Log>, directory: &Path, config: &LaneConfig) -> Result<Lanes, StartError> {
    let partitions = log.partitions(Topic::Events)?;
    let mut config = config.clone();
    if config.group.is_empty() {
        config.group = group(directory);
    }
    Lanes::start(Arc::clone(log), stores(directory), settings("inventory-store", partitions), &config)
}

/// A group that only lanes over this directory are in: tests share a broker.
pub fn group(directory: &Path) -> String {
    directory.display().to_string().replace('/', "-")
}

/// The settings of lanes whose own events have this source.
pub fn settings(own_source: &str, partitions: u16) -> LaneSettings {
    let rules = Rules { own_source: own_source.into() };
    let max_record_bytes = 1 << 20;
    LaneSettings {
        projector: ProjectorSettings {
            rules: rules.clone(),
            max_record_bytes,
            dedupe_window_ms: DedupeConfig::default().window_ms(),
        },
        commands: CommandSettings {
            rules,
            mode: Mode::Structured,
            max_record_bytes,
            extended_values: false,
            partitions,
        },
        memory: LaneMemory { fold: FOLD_BYTES, overlays: 8 << 20 },
        snapshots: SnapshotConfig { at_shutdown: false, ..SnapshotConfig::default() },
        archive: ArchiveConfig { url: "/nowhere".into(), ..ArchiveConfig::default() },
    }
}

/// Polls `met` until it gives something; `what` names it where it does not within a minute.
pub fn eventually<T>(what: &str, mut met: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = met() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within a minute: {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// Waits until every partition has applied what the log holds now, and is live.
pub fn until_level(log: &Arc<dyn Log>, registry: &Registry) {
    for partition in (0..registry.count()).map(Partition) {
        let end = log.bounds(Topic::Events, partition).expect("bounds").high_watermark;
        eventually("every partition live at the log's end", || {
            let status = registry.status(partition).expect("a partition");
            if let State::Failed { reason } = &status.state {
                panic!("partition {partition} failed: {reason}");
            }
            (status.state == State::Live && status.next >= end).then_some(())
        });
    }
}

/// Runs lanes until they are level, then stops them.
pub fn run(log: &Arc<dyn Log>, directory: &Path, config: &LaneConfig) -> Vec<PartitionStatus> {
    let lanes = start(log, directory, config).expect("started");
    let registry = lanes.registry();
    until_level(log, &registry);
    lanes.stop();
    registry.statuses()
}

/// Appends events in order, each on its SKU's partition.
pub fn publish<'e>(log: &dyn Log, events: impl IntoIterator<Item = Event<'e>>) -> Vec<Position> {
    publish_at(log, events, None)
}

/// The same with this timestamp on each; the log's own where there is none.
pub fn publish_at<'e>(
    log: &dyn Log,
    events: impl IntoIterator<Item = Event<'e>>,
    timestamp: Option<Timestamp>,
) -> Vec<Position> {
    let count = log.partitions(Topic::Events).expect("partitions");
    let appender = log.appender().expect("an appender");
    let records: Vec<NewRecord> = events
        .into_iter()
        .enumerate()
        .map(|(number, event)| {
            let mode = if number % 2 == 0 { Mode::Structured } else { Mode::Binary };
            let encoded = encode(&event, mode);
            NewRecord {
                topic: Topic::Events,
                partition: partition_of(&event.envelope.sku, count),
                timestamp,
                key: Some(event.envelope.sku.as_bytes().to_vec()),
                value: Some(encoded.value),
                headers: encoded.headers,
            }
        })
        .collect();
    let mut positions = Vec::new();
    for chunk in records.chunks(2000) {
        for answer in appender.append(chunk.to_vec()) {
            positions.push(answer.expect("appended"));
        }
    }
    positions
}

/// A SKU's own row and its entries.
pub type SkuRows = (Sku, StockRow, Vec<(Facet, Box<str>, Entry)>);

/// What must be byte-identical, whatever happened on the way.
#[derive(Debug, PartialEq)]
pub struct Content {
    pub rows: Vec<SkuRows>,
    pub count: u64,
    pub digest: u128,
    pub progress: Progress,
}

/// Reads every partition's store in `directory`, which nobody else may have open.
pub fn content(directory: &Path) -> Vec<Content> {
    let stores = stores(directory);
    let partitions = stores.partitions().expect("partitions");
    assert!(!partitions.is_empty(), "there are stores");
    partitions
        .into_iter()
        .map(|partition| {
            let store = stores.open_live(partition).expect("a sound store").expect("a live store");
            let recount = store.recount().expect("a recount");
            let meta = store.meta();
            assert_eq!((recount.rows, recount.digest.0), (meta.rows, meta.digest), "the store's own account");
            let reader = store.reader();
            let rows = reader.scan(None, usize::MAX).expect("rows");
            let rows = rows
                .into_iter()
                .map(|(sku, stock)| {
                    let entries = Facet::ALL.into_iter().flat_map(|facet| {
                        let page = reader.facet(&sku, facet, None, usize::MAX).expect("entries");
                        let entries = page.expect("a known SKU").entries;
                        entries.into_iter().map(move |(id, entry)| (facet, id, entry))
                    });
                    let entries = entries.collect();
                    (sku, stock, entries)
                })
                .collect();
            Content { rows, count: meta.rows, digest: meta.digest, progress: meta.progress.clone() }
        })
        .collect()
}
