//! Snapshots on the embedded log: real stores, real topics, one partition.

mod faults;
mod history;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::archive::{Archive, Origin};
use super::restore::{Restored, from_topic};
use super::topic::Reading;
use super::{BaseError, Publication, Step, Wanted, Work};
use crate::codec::event::{Mode as Layout, encode};
use crate::codec::rows::meta::{Identity, Versions};
use crate::config::ArchiveConfig;
use crate::config::log::{Fsync, LogConfig};
use crate::config::store::{StoreConfig, StoreMemory};
use crate::domain::Rules;
use crate::generator::{Options, Warehouse};
use crate::log::embedded::EmbeddedLog;
use crate::log::{Assignment, Log, Purpose};
use crate::projector::{DeadLetters, Mode, Projector, ProjectorSettings};
use crate::store::{PartitionStores, Recount, StoreReader, StoreWriter};
use crate::types::{NewRecord, NextOffset, Partition, Timestamp, Topic, UtcTime};

pub(crate) const P: Partition = Partition(0);

/// Everything that must be the same after a replay and after a restore with its tail.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub rows: Vec<(Vec<u8>, Vec<u8>)>,
    pub digest: u128,
    pub next: NextOffset,
    pub skus: u64,
}

pub(crate) fn content(store: &StoreWriter) -> Content {
    let meta = store.meta();
    let recount = store.recount().expect("recounts");
    assert_eq!(recount, Recount { rows: meta.rows, digest: crate::store::Digest(meta.digest) });
    Content {
        rows: rows(&store.reader()),
        digest: meta.digest,
        next: meta.progress.next,
        skus: meta.progress.counters.skus,
    }
}

fn rows(reader: &StoreReader) -> Vec<(Vec<u8>, Vec<u8>)> {
    reader.freeze(|frozen| {
        let mut cursor = frozen.rows().expect("rows");
        let mut rows = Vec::new();
        while let Some((key, value)) = cursor.advance().expect("reads") {
            rows.push((key.to_vec(), value.to_vec()));
        }
        rows
    })
}

pub(crate) struct Stage {
    pub log: Arc<EmbeddedLog>,
    warehouse: Warehouse,
    pub directory: tempfile::TempDir,
    next_store: usize,
}

impl Stage {
    pub fn new(seed: u64) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let settings = LogConfig { partitions: 1, fsync: Fsync::Interval, ..LogConfig::default() };
        let log = EmbeddedLog::open(&directory.path().join("log"), &settings).expect("the log");
        let warehouse = Warehouse::new(Options { seed, skus: 12, ..Options::default() });
        Self { log, warehouse, directory, next_store: 0 }
    }

    pub fn shared(&self) -> Arc<dyn Log> {
        Arc::<EmbeddedLog>::clone(&self.log)
    }

    pub fn append(&mut self, records: Vec<NewRecord>) {
        for answer in self.log.appender().expect("an appender").append(records) {
            answer.expect("appended");
        }
    }

    /// Events of a warehouse day.
    pub fn happen(&mut self, count: usize) {
        let records = self.warehouse.by_ref().take(count).map(|event| {
            let encoded = encode(&event, Layout::Structured);
            NewRecord {
                topic: Topic::Events,
                partition: P,
                timestamp: None,
                key: Some(event.envelope.sku.as_bytes().to_vec()),
                value: Some(encoded.value),
                headers: encoded.headers,
            }
        });
        let records = records.collect();
        self.append(records);
    }

    /// A directory of stores of its own.
    pub fn stores(&mut self) -> PartitionStores {
        self.next_store += 1;
        stores(&self.directory.path().join(format!("data-{}", self.next_store)))
    }

    pub fn identity(&self) -> Identity {
        Identity {
            partition: P,
            partition_count: 1,
            cluster_id: self.log.cluster_id().expect("an id"),
            versions: Versions::CURRENT,
            begins: NextOffset::ZERO,
        }
    }

    pub fn wanted(&self) -> Wanted {
        Wanted {
            partition: P,
            partition_count: 1,
            cluster_id: self.log.cluster_id().expect("an id"),
            bounds: self.log.bounds(Topic::Events, P).expect("bounds"),
            at_most: None,
        }
    }

    pub fn reading(&self) -> Reading {
        Reading {
            scratch: self.directory.path().join("scratch"),
            memory: 2000,
            patience: Duration::from_millis(300),
        }
    }

    pub fn restore(&self, stores: &PartitionStores) -> Result<Restored, BaseError> {
        from_topic(self.log.as_ref(), stores, &self.wanted(), &self.reading(), &Work::default())
    }

    /// The whole log, folded from its start.
    pub fn replayed(&mut self) -> Content {
        let store = self.stores().create(self.identity()).expect("a store");
        let mut projector = projector(store);
        projector.set_mode(Mode::Bulk).expect("bulk");
        self.fold(&mut projector, usize::MAX);
        content(projector.store())
    }

    /// Folds so many records, or up to the end, and commits.
    pub fn fold(&self, projector: &mut Projector, count: usize) {
        let end = self.log.bounds(Topic::Events, P).expect("bounds").last_stable;
        let from = [Assignment { topic: Topic::Events, partition: P, next: projector.next() }];
        let mut reader = self.log.reader(Purpose::Bulk, &from).expect("a reader");
        let mut left = count;
        while left > 0 && projector.next() < end {
            let batch = reader.poll(left.min(50), Duration::from_millis(10)).expect("polls");
            let records = &batch.records;
            projector.fold((0..records.len()).map(|index| records.get(index))).expect("folds");
            left -= records.len();
            for end in &batch.ends {
                projector.pass(end.next);
            }
        }
        projector.commit().expect("commits");
    }

    /// Publishes a cycle, cut off after so many chunks, calling `between` after each.
    pub fn publish(
        &mut self,
        projector: &mut Projector,
        chunks: usize,
        mut between: impl FnMut(&mut Self, &mut Projector),
    ) -> bool {
        let log = self.shared();
        let mut publication =
            Publication::start(&log, projector.store_mut(), &self.reading(), 400).expect("begins");
        let mut left = chunks;
        loop {
            match publication.step(projector.store_mut()).expect("steps") {
                Step::Waiting => std::thread::yield_now(),
                Step::Chunk(_) if left == 0 => {
                    drop(publication);
                    projector.store_mut().cut_cycle().expect("cut");
                    return false;
                }
                Step::Chunk(chunk) => {
                    left -= 1;
                    self.append(chunk.records);
                    if let Some(mark) = chunk.checkpoint {
                        projector.store_mut().finish_cycle(mark.cycle).expect("finishes");
                        return true;
                    }
                    between(self, projector);
                }
            }
        }
    }

    /// Publishes up to so many chunks and stops there without a word. Gives whether the checkpoint was among them.
    pub fn kill_publishing(&mut self, projector: &mut Projector, chunks: usize) -> bool {
        let log = self.shared();
        let mut publication =
            Publication::start(&log, projector.store_mut(), &self.reading(), 400).expect("begins");
        let mut left = chunks;
        loop {
            match publication.step(projector.store_mut()).expect("steps") {
                Step::Waiting => std::thread::yield_now(),
                Step::Chunk(_) if left == 0 => return false,
                Step::Chunk(chunk) => {
                    left -= 1;
                    self.append(chunk.records);
                    if chunk.checkpoint.is_some() {
                        return true;
                    }
                }
            }
        }
    }

    pub fn archive(&self) -> Archive {
        let url = self.directory.path().join("kept").display().to_string();
        Archive::open(&ArchiveConfig { url, ..ArchiveConfig::default() }).expect("opens")
    }

    /// Makes a base of the archive of what the store holds now.
    pub fn keep(&self, archive: &Archive, store: &StoreWriter) {
        let created_at = UtcTime::new(1_793_536_496, 0).expect("a time");
        let origin = Origin { created_at, created_from: "a test".into() };
        archive.create(&store.reader(), origin, &Work::default()).expect("a base");
    }

    pub fn compact(&self) {
        self.log.compact(Timestamp(0)).expect("compacts");
    }
}

pub(crate) fn stores(directory: &Path) -> PartitionStores {
    let memory = StoreMemory { block_cache: 1 << 20, write_buffers: 4 << 20 };
    PartitionStores::open(directory, &StoreConfig::default(), &memory).expect("stores")
}

pub(crate) fn projector(store: StoreWriter) -> Projector {
    let settings = ProjectorSettings {
        rules: Rules { own_source: "inventory-store".into() },
        max_record_bytes: 1 << 20,
        dedupe_window_ms: 86_400_000,
    };
    Projector::new(store, settings, DeadLetters::CountOnly, 1 << 20)
}
