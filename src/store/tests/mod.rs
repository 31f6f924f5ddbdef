//! The store against a model: real RocksDB in temporary directories.

mod build;
mod cycles;
mod damage;
mod fixtures;
mod history;
mod model;
mod outcomes;
mod reading;
