//! What is found at start where a store and its log do not belong together: typed, and with the way out.

mod embedded;
mod kafka;

use inventory_store::config::lane::LaneConfig;
use inventory_store::domain::event::Event;
use inventory_store::generator::{Options, Warehouse};
use inventory_store::lane::{CheckError, Lanes, StartError};

fn config() -> LaneConfig {
    LaneConfig { poll_wait_ms: 5, ..LaneConfig::default() }
}

fn day(seed: u64, events: usize) -> impl Iterator<Item = Event<'static>> {
    Warehouse::new(Options { seed, skus: 50, ..Options::default() }).take(events)
}

fn check_error(started: Result<Lanes, StartError>) -> CheckError {
    match started {
        Err(StartError::Check(error)) => error,
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("it started"),
    }
}

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}
