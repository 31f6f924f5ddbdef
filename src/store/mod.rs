//! The state of a partition as rows in RocksDB: the only user of RocksDB as a state store.
//!
//! [`PartitionStores`] owns the data directory: one RocksDB per generation of a partition, one block cache
//! and one bound on write buffers for all. [`StoreWriter`] is a partition's single owner: what a batch of
//! events changed is staged in [`Changes`] and goes in as one atomic write, position included. A
//! [`StoreReader`] sees whole writes only.
//!
//! The store knows keys, values, digests and positions, and nothing of inventory.

mod build;
mod changes;
mod cycles;
mod database;
mod digest;
mod error;
mod expiring;
mod frozen;
mod generations;
mod history;
mod ingest;
mod lock;
mod options;
mod outcomes;
mod reader;
mod retention;
mod staging;
mod succession;
mod writer;

#[cfg(test)]
mod tests;

pub use build::Filling;
pub use changes::{Before, Changes, DeadRow, LoadedRow};
pub use digest::{Digest, RowHash};
pub use error::StoreError;
pub use expiring::{Expiring, expires_at};
pub use frozen::{Frozen, KeyAndValue, Mark, MarkCursor, RowCursor};
pub use generations::{Generation, PartitionStores};
pub use history::HistoryAt;
pub use lock::DirectoryLock;
pub use options::MemoryInUse;
pub use outcomes::KeptOutcome;
pub use reader::{FacetPage, SkuView, StoreReader};
pub use staging::Kept;
pub use writer::{Loaded, Recount, StoreWriter};
