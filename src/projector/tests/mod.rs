//! The projector on real RocksDB, fed from memory.

mod malformed;
mod notices;
mod splits;

use std::sync::{Arc, Mutex};

use super::{DeadLetters, Projector, ProjectorSettings};
use crate::codec::event::Mode as Layout;
use crate::codec::event::encode;
use crate::codec::rows::meta::{Identity, Progress, Versions};
use crate::config::store::{StoreConfig, StoreMemory};
use crate::domain::Rules;
use crate::domain::event::Event;
use crate::domain::rows::{Entry, Facet, StockRow};
use crate::log::{Appender, LogError};
use crate::store::{PartitionStores, StoreWriter};
use crate::types::{
    Header, NewRecord, NextOffset, Offset, Partition, Position, Record, Sku, Timestamp, Topic,
};

const COUNT: u16 = 3;
const MEMORY: usize = 8 << 20;

/// A record as a log would hold it.
#[derive(Clone)]
struct Stored {
    offset: u64,
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<Header>,
}

impl Stored {
    fn of(offset: u64, event: &Event<'_>, layout: Layout) -> Self {
        let encoded = encode(event, layout);
        Self {
            offset,
            timestamp: 1_793_512_800_000 + i64::try_from(offset).expect("small"),
            key: Some(event.envelope.sku.as_bytes().to_vec()),
            value: Some(encoded.value),
            headers: encoded.headers,
        }
    }

    fn record(&self, partition: Partition) -> Record<'_> {
        Record {
            topic: Topic::Events,
            partition,
            offset: Offset(self.offset),
            timestamp: Timestamp(self.timestamp),
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: &self.headers,
        }
    }
}

/// Appends into memory; refuses what is told.
#[derive(Default)]
struct Letterbox {
    records: Mutex<Vec<NewRecord>>,
    /// Largest record taken, in bytes of key, value and header values; 0 = any.
    limit: usize,
    /// How many of the next appends fail.
    failing: Mutex<u32>,
}

impl Letterbox {
    fn letters(&self) -> Vec<NewRecord> {
        self.records.lock().expect("letters").clone()
    }
}

impl Appender for Letterbox {
    fn append(&self, records: Vec<NewRecord>) -> Vec<Result<Position, LogError>> {
        let mut held = self.records.lock().expect("letters");
        let mut failing = self.failing.lock().expect("failing");
        records
            .into_iter()
            .map(|record| {
                if *failing > 0 {
                    *failing -= 1;
                    return Err(LogError::Unreachable { reason: "as told".into() });
                }
                let bytes = record.key.as_ref().map_or(0, Vec::len)
                    + record.value.as_ref().map_or(0, Vec::len)
                    + record.headers.iter().filter_map(|h| h.value.as_ref()).map(Vec::len).sum::<usize>();
                if self.limit > 0 && bytes > self.limit {
                    let (topic, partition, limit) = (record.topic, record.partition, self.limit);
                    return Err(LogError::TooLarge { topic, partition, bytes, limit });
                }
                held.push(record.clone());
                let offset = Offset(held.len() as u64 - 1);
                Ok(Position { partition: record.partition, offset })
            })
            .collect()
    }
}

fn letters_to(letterbox: &Arc<Letterbox>) -> DeadLetters {
    let appender: Arc<dyn Appender> = Arc::<Letterbox>::clone(letterbox);
    DeadLetters::Publish { appender, partitions: COUNT }
}

fn settings() -> ProjectorSettings {
    ProjectorSettings {
        rules: Rules { own_source: "inventory-store".into() },
        max_record_bytes: 64 * 1024,
        dedupe_window_ms: 86_400_000,
    }
}

/// A data directory with the stores of one partition.
struct Place {
    directory: tempfile::TempDir,
}

const PARTITION: Partition = Partition(1);

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a directory") }
    }

    fn store(&self) -> StoreWriter {
        let memory = StoreMemory { block_cache: 1 << 20, write_buffers: 4 << 20 };
        let stores =
            PartitionStores::open(self.directory.path(), &StoreConfig::default(), &memory).expect("stores");
        if let Some(store) = stores.open_live(PARTITION).expect("a sound store") {
            return store;
        }
        let identity = Identity {
            partition: PARTITION,
            partition_count: COUNT,
            cluster_id: "test".into(),
            versions: Versions::CURRENT,
            begins: NextOffset::ZERO,
        };
        let store = stores.create(identity).expect("a store");
        stores.activate(PARTITION, store.generation()).expect("activated");
        store
    }

    fn projector(&self, letterbox: &Arc<Letterbox>) -> Projector {
        Projector::new(self.store(), settings(), letters_to(letterbox), MEMORY)
    }
}

/// A SKU's own row and its entries.
type SkuRows = (Sku, StockRow, Vec<(Facet, Box<str>, Entry)>);

/// Everything that must be byte-identical: rows, digest, position.
#[derive(Debug, PartialEq)]
struct Content {
    rows: Vec<SkuRows>,
    count: u64,
    digest: u128,
    progress: Progress,
}

/// Reads a store whole, and holds its own account of itself against that.
fn content(store: &StoreWriter) -> Content {
    let reader = store.reader();
    let mut rows = Vec::new();
    for (sku, stock) in reader.scan(None, usize::MAX).expect("rows") {
        let mut entries = Vec::new();
        for facet in Facet::ALL {
            let page = reader.facet(&sku, facet, None, usize::MAX).expect("entries").expect("a known SKU");
            entries.extend(page.entries.into_iter().map(|(id, entry)| (facet, id, entry)));
        }
        rows.push((sku, stock, entries));
    }
    let recount = store.recount().expect("a recount");
    let meta = store.meta();
    assert_eq!((recount.rows, recount.digest.0), (meta.rows, meta.digest), "the store's own account");
    assert_eq!(rows.iter().map(|(_, _, entries)| 1 + entries.len() as u64).sum::<u64>(), meta.rows);
    Content { rows, count: meta.rows, digest: meta.digest, progress: meta.progress.clone() }
}
