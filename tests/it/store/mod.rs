//! The store in processes of its own: killed, and watched for memory.

mod killed;
mod memory;

use std::path::Path;

use inventory_store::codec::rows::meta::{Identity, Versions};
use inventory_store::config::store::{StoreConfig, StoreMemory};
use inventory_store::store::{PartitionStores, StoreWriter};
use inventory_store::types::{NextOffset, Partition};

fn stores(directory: &Path, memory: &StoreMemory) -> PartitionStores {
    PartitionStores::open(directory, &StoreConfig::default(), memory).expect("stores")
}

/// The partition's live store, made where there is none.
fn open(stores: &PartitionStores, partition: Partition) -> StoreWriter {
    if let Some(writer) = stores.open_live(partition).expect("opens") {
        return writer;
    }
    let identity = Identity {
        partition,
        partition_count: 12,
        cluster_id: "test-cluster".into(),
        versions: Versions::CURRENT,
        begins: NextOffset::ZERO,
    };
    let writer = stores.create(identity).expect("a store");
    stores.activate(partition, writer.generation()).expect("served");
    writer
}
