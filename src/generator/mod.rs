//! Real-shaped traffic, made from a seed: a day in a warehouse.
//!
//! The same seed, SKUs and start give the same events on any machine, so a run can be repeated, resumed
//! after the first N, and compared with a model. It is for demonstrations, tests and benchmarks: the
//! numbers it states are those a well-behaved writer would state, so that a store fed by it alone shows no
//! conflict and no anomaly.

mod commands;
mod layouts;
mod record;
mod shelf;
mod warehouse;

pub use commands::Commands;
pub use layouts::{Layout, written_as};
pub use record::record;
pub use warehouse::{Options, Warehouse};
