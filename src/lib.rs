//! An event-sourced inventory store: `inventory.events` on Kafka is the truth, a replaying projector folds
//! it into one aggregate per SKU in RocksDB, and everything is read from there.
//!
//! Begin with `ARCHITECTURE.md`; then [`types`], [`domain`], [`log`].

pub mod cli;
pub mod codec;
pub mod commands;
pub mod config;
pub mod domain;
pub mod failpoint;
pub mod generator;
pub mod http;
pub mod jobs;
pub mod lane;
pub mod letters;
pub mod log;
pub mod metrics;
pub mod projector;
pub mod query;
pub mod snapshots;
pub mod store;
pub mod types;
