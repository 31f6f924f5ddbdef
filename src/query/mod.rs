//! What is answered about a SKU: rows in, JSON bodies out, exactly as the contract writes them.
//!
//! [`stock_level`], [`entries`] and [`history`] are pure: rows to serde structs whose fields stand in the
//! contract's order. [`reads`] asks a partition's store for the rows, each body from one consistent view.
//! Quantities are integers, money exact JSON numbers, times RFC 3339 in UTC, positions `"3:42"`. Source: the
//! interface contract, "HTTP".

pub mod entries;
pub mod history;
pub mod page;
pub mod reads;
pub mod stock_level;

mod merge;

/// What every read is asked of: a partition's store, as the registry gives it.
pub use crate::store::StoreReader;

#[cfg(test)]
mod tests;
